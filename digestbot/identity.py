"""Pure: which incoming summary is which of those already known.

The store's own identity is (user, paper), but its feed hides the user of an anonymous summary and gives all
anonymous summaries of one paper the same guid; and a writer may turn anonymous, or back, at any time. So
within one paper: the same handle is the same summary; then the same text is; then an anonymous summary whose
text was edited is told by how much of the old text is left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from digestbot.model import Summary

# Share of words two anonymous texts must have in common to count as one that was edited.
SAME_TEXT = 0.4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger remembers of a summary, as far as recognising it goes."""

    id: int
    handle: str | None
    body: str


def match(known: Sequence[Known], incoming: Sequence[Summary]) -> list[Known | None]:
    """For each incoming summary of one paper the known one that it is, or None for a new one.

    No known summary is given twice.
    """
    found: list[Known | None] = [None] * len(incoming)
    free = list(known)

    def settle(at: int, summary: Known) -> None:
        found[at] = summary
        free.remove(summary)

    for at, summary in enumerate(incoming):
        if summary.handle is not None:
            for candidate in free:
                if candidate.handle == summary.handle:
                    settle(at, candidate)
                    break
    for at, summary in enumerate(incoming):
        if found[at] is None and summary.body.strip():
            for candidate in free:
                if candidate.body == summary.body and None in (candidate.handle, summary.handle):
                    settle(at, candidate)
                    break
    scored = sorted(
        (
            (likeness(candidate.body, summary.body), at, candidate.id)
            for at, summary in enumerate(incoming)
            if found[at] is None and summary.handle is None
            for candidate in free
            if candidate.handle is None
        ),
        key=lambda scored: (-scored[0], scored[1], scored[2]),
    )
    by_id = {candidate.id: candidate for candidate in free}
    for score, at, id_ in scored:
        if score >= SAME_TEXT and found[at] is None and by_id[id_] in free:
            settle(at, by_id[id_])
    return found


def likeness(one: str, other: str) -> float:
    """The words that two texts share, over all their words: 0 to 1."""
    ours, theirs = set(_WORD.findall(one.lower())), set(_WORD.findall(other.lower()))
    if not ours and not theirs:
        return 1.0
    return len(ours & theirs) / len(ours | theirs)
