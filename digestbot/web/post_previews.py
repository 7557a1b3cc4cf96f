"""Previews of posts as followers see them: posts that exist, and drafts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from digestbot.config import Config
from digestbot.domain.model import Draft, Image, Message, PostRow
from digestbot.rendering.cards import cards_available
from digestbot.rendering.post_preview import PostPreview
from digestbot.text import first_image


def preview_posts(config: Config, rows: Sequence[PostRow], zone: ZoneInfo, picture: str) -> list[PostPreview]:
    """Return previews of posts that exist. ``picture`` plus a post's id is the URL of its picture."""
    return [
        _shown(
            config,
            row.channel,
            row.message(),
            _when(row.at, zone),
            row.receipt.url if row.receipt else "",
            [(f"{picture}{row.id}", row.picture)] if row.picture else [],
            thread=number + 1 < len(rows) and rows[number + 1].reply,
        )
        for number, row in enumerate(rows)
    ]


def preview_drafts(
    config: Config,
    digest: str,
    channel: str,
    result: Sequence[Draft],
    bodies: dict[int, str],
    at: str,
    card: str,
    *,
    pictures: bool = True,
) -> list[PostPreview]:
    """Return previews of drafts. ``bodies`` are the summaries' bodies by id, ``at`` is the time as shown, and ``card``
    plus a summary's id is the URL of its card."""
    image = config.appearance(digest, channel).image
    shown = []
    for number, draft in enumerate(result):
        some: list[tuple[str, str]] = []
        if pictures and draft.shows and not draft.message.reply and cards_available():
            if image is Image.CARD:
                some = [(f"{card}{draft.shows[0]}", "The card of the summary")]
            elif image is Image.FIRST_IMAGE and (first := first_image(bodies.get(draft.shows[0], ""))):
                some = [("", first[1] or "The first image of the summary")]
        thread = number + 1 < len(result) and result[number + 1].message.reply
        shown.append(_shown(config, channel, draft.message, at, "", some, thread=thread))
    return shown


def _shown(
    config: Config,
    channel: str,
    message: Message,
    when: str,
    address: str,
    pictures: Sequence[tuple[str, str]],
    *,
    thread: bool,
) -> PostPreview:
    known = channel in config.channels
    platform = config.platform(channel).name if known else ""
    return PostPreview(platform, channel, message.text, when, address, message.link, pictures, message.reply, thread)


def _when(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%-d %b %Y, %H:%M")
