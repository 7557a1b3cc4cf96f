"""The platform value for X."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digestbot.platforms.base import LengthLimit, Platform, Publisher, SandboxApi
from digestbot.platforms.login import Login
from digestbot.platforms.sandbox_world import Faults, World
from digestbot.platforms.twitter.config import TwitterChannel
from digestbot.platforms.twitter.errors import ROWS
from digestbot.platforms.twitter.length import weighted_length


def _publisher(channel: TwitterChannel) -> Publisher:
    from digestbot.platforms.twitter.publisher import TwitterPublisher

    return TwitterPublisher(channel)


def _login() -> Login:
    from digestbot.platforms.twitter.login import login

    return login


def _sandbox_api(world: World, faults: Faults, secrets: Any) -> SandboxApi:
    from digestbot.platforms.twitter.sandbox_api import XApi

    return XApi(world, faults, secrets)


PLATFORM = Platform(
    name="twitter",
    title="X",
    account_kind="account",
    channel_name="x",
    folder=Path(__file__).parent,
    config=TwitterChannel,
    limit=LengthLimit(280, weighted_length),
    card_size=(1200, 675),
    errors=ROWS,
    make_publisher=_publisher,
    make_sandbox_api=_sandbox_api,
    make_login=_login,
    links_bare_hosts=True,
    timeline_page=20,
)
