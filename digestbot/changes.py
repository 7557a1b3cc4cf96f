"""Pure: what becomes of a post whose summary changed in the store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from digestbot.model import Action, Message, Platform, PostStatus, Reaction
from digestbot.text import harmless

MOST_DELETIONS = 3  # within a day, without the operator's word
A_DAY = timedelta(days=1)
MOST_VANISHED = 20  # one known summary in so many may be gone at one poll


class Kind(StrEnum):
    """What happened to a summary: the worse one stands later."""

    EDITED = "edited"
    UNNAMED = "unnamed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Change:
    """A post that shows a summary which changed. ``confirmed``: the operator has allowed its deletion. ``pictured``:
    its picture is of that summary. ``own``: digestbot published it; nothing else is ever edited or deleted."""

    post: int
    summary: int
    kind: Kind
    channel: str
    digest: str
    status: PostStatus
    link: str | None
    showing: str
    noted_at: datetime
    confirmed: bool = False
    pictured: bool = False
    own: bool = True


def shows_name(text: str, link: str | None, writer: str, handle: str | None, orcid: str | None = None) -> bool:
    """Whether a post says who wrote its summary: by name, cut as it may be, by ORCID, or by an address that holds the
    handle."""
    words = [re.escape(word) for word in harmless(writer).casefold().split()[:2]]
    shown = " ".join(text.casefold().split())
    if words and re.search(rf"(?<!\w){' '.join(words)}(?!\w)", shown):
        return True
    addresses = f"{text} {link or ''}"
    forms = {handle, quote(handle), quote(handle, safe="")} if handle else set()
    return any(f"#{form}" in addresses for form in forms) or (orcid is not None and orcid in text)


def reaction(
    change: Change, platform: Platform, on_edit: Reaction, on_withdraw: Reaction, now: Message | None
) -> Action | None:
    """What is to be done to a published post; None for nothing. ``now`` is what it would say today, None where its
    summary has nothing to say any more.

    X has no edit for this: what would be updated there is kept. An address that is attached to a post cannot be
    edited; where it names a writer who no longer wants to be named, the post is deleted instead.
    """
    wanted = on_edit if change.kind is Kind.EDITED else on_withdraw
    if wanted is Reaction.IGNORE:
        return None
    if wanted is Reaction.DELETE:
        return Action.DELETE
    if platform is Platform.TWITTER:
        return None
    if change.kind is not Kind.EDITED and (now is None or change.pictured):  # a picture cannot be edited
        return Action.DELETE
    if change.kind is Kind.UNNAMED and now is not None and now.link != change.link:
        return Action.DELETE
    return Action.UPDATE if now is not None and now.text != change.showing else None


def caught(wanted: int, lately: int) -> bool:
    """Whether so many deletions, after so many within the last day, are more than happen by themselves."""
    return wanted > 0 and wanted + lately > MOST_DELETIONS


def too_many_gone(gone: int, looked: int) -> bool:
    """Whether more than one in twenty vanished at once; a single one may go from any store."""
    return gone > 1 and gone * MOST_VANISHED > looked


def worst(kinds: Sequence[str]) -> Kind:
    """Of several things that happened to a summary, the one that counts."""
    order = list(Kind)
    return max((Kind(kind) for kind in kinds), key=order.index)
