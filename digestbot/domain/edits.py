"""Decisions about a post whose summary changed in the store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from digestbot.domain.model import Action, Message, PostStatus, Reaction
from digestbot.text import sanitize

MOST_DELETIONS = 3  # within a day, without the operator's consent
A_DAY = timedelta(days=1)
MOST_VANISHED = 20  # one known summary in this many may be gone at one poll
MOST_OLD = 20  # old summaries that may arrive at once
MOST_OLD_SHARE = 5  # and at most one for this many known ones
OLD = timedelta(days=1)  # how much older than the newest known: many feeds are not in strict order


class EditKind(StrEnum):
    """What happened to a summary, in order of increasing severity."""

    EDITED = "edited"
    UNNAMED = "unnamed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SummaryEdit:
    """A post that shows a summary which changed.

    ``confirmed``: the operator has allowed its deletion. ``pictured``: its picture shows that summary. ``own``:
    digestbot published it; nothing else is ever edited or deleted.
    """

    post: int
    summary: int
    kind: EditKind
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
    """Return whether a post reveals who wrote its summary.

    It does so by the first two words of the name (the rest may be truncated), by ORCID, or by a URL whose fragment is
    the handle.
    """
    words = [re.escape(word) for word in sanitize(writer).casefold().split()[:2]]
    shown = " ".join(text.casefold().split())
    if words and re.search(rf"(?<!\w){' '.join(words)}(?!\w)", shown):
        return True
    addresses = f"{text} {link or ''}"
    forms = {handle, quote(handle), quote(handle, safe="")} if handle else set()
    return any(f"#{form}" in addresses for form in forms) or (orcid is not None and orcid in text)


def reaction(
    change: SummaryEdit, on_edit: Reaction, on_withdraw: Reaction, now: Message | None, *, can_edit: bool
) -> Action | None:
    """Return what to do with a published post: update it, delete it, or None for nothing.

    ``now`` is the message that the post would have today; None where its summary has nothing left to show. Where the
    platform cannot edit posts, a post that would be updated stays unchanged.

    If the summary was withdrawn or lost its writer's name, an update becomes a deletion where nothing is left to show,
    or where the picture shows that summary, since pictures cannot be edited. A link attached to a post cannot be edited
    either: if it names a writer who no longer wants to be named, the post is deleted.
    """
    wanted = on_edit if change.kind is EditKind.EDITED else on_withdraw
    if wanted is Reaction.IGNORE:
        return None
    if wanted is Reaction.DELETE:
        return Action.DELETE
    if not can_edit:
        return None
    if change.kind is not EditKind.EDITED and (now is None or change.pictured):  # a picture cannot be edited
        return Action.DELETE
    if change.kind is EditKind.UNNAMED and now is not None and now.link != change.link:
        return Action.DELETE
    return Action.UPDATE if now is not None and now.text != change.showing else None


def exceeds_deletion_limit(wanted: int, lately: int) -> bool:
    """Return whether these deletions need the operator's consent, after ``lately`` others within the last day."""
    return wanted > 0 and wanted + lately > MOST_DELETIONS


def too_many_gone(gone: int, looked: int) -> bool:
    """Return whether more than one in twenty known summaries vanished in one poll. A single one may disappear from any
    store, and is never too many."""
    return gone > 1 and gone * MOST_VANISHED > looked


def too_many_old(old: int, known: int) -> bool:
    """Return whether the old summaries that arrived at once need the operator's decision: more than 20, or more than a
    fifth of those known. A single late entry is normal."""
    return old > MOST_OLD or (old > 1 and old * MOST_OLD_SHARE > known)


def most_severe(kinds: Sequence[str]) -> EditKind:
    """Return the most severe of several things that happened to a summary."""
    order = list(EditKind)
    return max((EditKind(kind) for kind in kinds), key=order.index)
