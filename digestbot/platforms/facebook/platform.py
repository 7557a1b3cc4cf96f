"""The platform value for Facebook Pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digestbot.platforms.base import LengthLimit, Platform, Publisher, SandboxApi
from digestbot.platforms.facebook.config import FacebookChannel
from digestbot.platforms.facebook.errors import ROWS
from digestbot.platforms.login import Login
from digestbot.platforms.sandbox_world import Faults, World


def _publisher(channel: FacebookChannel) -> Publisher:
    from digestbot.platforms.facebook.publisher import FacebookPublisher

    return FacebookPublisher(channel)


def _login() -> Login:
    from digestbot.platforms.facebook.login import login

    return login


def _sandbox_api(world: World, faults: Faults, secrets: Any) -> SandboxApi:
    from digestbot.platforms.facebook.sandbox_api import GraphApi

    return GraphApi(world, faults, secrets)


PLATFORM = Platform(
    name="facebook",
    title="Facebook",
    account_kind="Page",
    channel_name="page",
    folder=Path(__file__).parent,
    config=FacebookChannel,
    limit=LengthLimit(63_206, len),  # reported by third parties: Meta documents no limit
    card_size=(1200, 630),
    errors=ROWS,
    make_publisher=_publisher,
    make_sandbox_api=_sandbox_api,
    make_login=_login,
    can_edit=True,
    attaches_links=True,
    tokens_expire=True,
)
