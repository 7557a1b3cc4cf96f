"""Posts as followers see them, for the pages: those that were made, and those that are to come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from digestbot.cards import available
from digestbot.config import Config
from digestbot.mockup import Shown
from digestbot.model import Draft, Image, Message, Platform, PostRow
from digestbot.text import first_image


def posts(config: Config, rows: Sequence[PostRow], zone: ZoneInfo, picture: str) -> list[Shown]:
    """Posts that were made; ``picture`` is the address of a post's picture, but for its id."""
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


def drafts(
    config: Config,
    digest: str,
    channel: str,
    found: Sequence[Draft],
    bodies: dict[int, str],
    at: str,
    card: str,
    *,
    pictures: bool = True,
) -> list[Shown]:
    """Posts that are to come; ``bodies`` are the summaries', ``card`` is the address of a summary's card but for its
    id."""
    image = config.appearance(digest, channel).image
    shown = []
    for number, draft in enumerate(found):
        some: list[tuple[str, str]] = []
        if pictures and draft.shows and not draft.message.reply and available():
            if image is Image.CARD:
                some = [(f"{card}{draft.shows[0]}", "The card of the summary")]
            elif image is Image.FIRST_IMAGE and (first := first_image(bodies.get(draft.shows[0], ""))):
                some = [("", first[1] or "The first image of the summary")]
        thread = number + 1 < len(found) and found[number + 1].message.reply
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
) -> Shown:
    known = channel in config.channels
    platform = config.platform(channel) if known else Platform.TWITTER
    return Shown(platform, channel, message.text, when, address, message.link, pictures, message.reply, thread)


def _when(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%-d %b %Y, %H:%M")
