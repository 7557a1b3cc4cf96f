"""The filters of a digest: which summaries pass, and why the others do not.

Requirements on content alone (text, section, venue, words) are evaluated once for each version of a summary, and the
verdict is stored. Votes and age change by themselves and are checked whenever an edition is made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from digestbot.domain.dedup import has_text
from digestbot.domain.model import Summary

PAPER_SHOWN = "its paper was posted"
NEVER = datetime.max.replace(tzinfo=UTC)


def paper_free_at(shown_at: datetime, repeat_paper: timedelta) -> datetime:
    """Return when a paper that was shown may be shown again; `NEVER` if it may not."""
    return NEVER if repeat_paper > NEVER - shown_at else shown_at + repeat_paper


@dataclass(frozen=True)
class Filter:
    """Content criteria of a summary. A criterion matches if one of its values occurs; an empty one is not tested."""

    sections: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DigestFilters:
    """What a digest requires of a summary before it is published.

    ``shares_with`` are the other digests whose summaries may appear again on the channel. ``pictures`` identifies the
    image settings: when these change, summaries that wait for their picture are evaluated again. ``repeat_paper`` is
    how long after a summary of a paper another one may be posted; None if that does not matter.
    """

    min_votes: int | None = None
    min_age: timedelta | None = None
    max_age: timedelta | None = None
    require_text: bool = False
    include: Filter = Filter()
    exclude: Filter = Filter()
    shares_with: tuple[str, ...] = ()
    pictures: str = ""
    repeat_paper: timedelta | None = None

    @cached_property
    def mark(self) -> bytes:
        """Return a hash that is equal for filters with the same verdict on content."""
        parts = (self.require_text, self.include, self.exclude, self.shares_with, self.pictures)
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()

    def verdict(self, summary: Summary) -> str:
        """Return why the summary's content does not pass; empty if it passes."""
        if self.require_text and not has_text(summary.body):
            return "has no text yet"
        for wanted, result in self._included.found(summary).items():
            if not result:
                return f"matches none of the required {wanted}"
        for unwanted, result in self._excluded.found(summary).items():
            if result:
                return f"excluded by {unwanted}: {result}"
        return ""

    def waits_for(
        self, votes: int | None, since: datetime, now: datetime, paper_shown_at: datetime | None = None
    ) -> str:
        """Return why votes, age or its paper keep a summary from passing; empty if they do not.

        ``since`` is when it was last edited. ``paper_shown_at`` is when a summary of its paper was last posted.
        """
        if self.min_votes is not None and (votes or 0) < self.min_votes:
            return f"has {votes or 0} of {self.min_votes} votes"
        if self.min_age is not None and now - since < self.min_age:
            return f"too young until {since + self.min_age:%Y-%m-%d %H:%M} UTC"
        if self.max_age is not None and now - since > self.max_age:
            return f"too old since {since + self.max_age:%Y-%m-%d %H:%M} UTC"
        if self.repeat_paper is not None and paper_shown_at is not None:
            again_at = paper_free_at(paper_shown_at, self.repeat_paper)
            if again_at == NEVER:
                return f"{PAPER_SHOWN} on {paper_shown_at:%Y-%m-%d}, and is never repeated (repeat_paper)"
            if now < again_at:
                return f"{PAPER_SHOWN} on {paper_shown_at:%Y-%m-%d}: not again before {again_at:%Y-%m-%d %H:%M} UTC"
        return ""

    @cached_property
    def _included(self) -> _Tests:
        return _Tests(self.include)

    @cached_property
    def _excluded(self) -> _Tests:
        return _Tests(self.exclude)


class _Tests:
    """A filter, compiled for evaluation."""

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_
        words = "|".join(r"\s+".join(map(re.escape, word.split())) for word in filter_.keywords)
        self._words = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None
        self._patterns: Sequence[Any] = ()
        if filter_.patterns:
            import re2  # imported here: few digests have patterns, and it slows down startup

            self._patterns = [re2.compile(pattern) for pattern in filter_.patterns]

    def found(self, summary: Summary) -> dict[str, str]:
        """Return what each configured criterion matched in the summary; an empty string for no match."""
        paper, filter_ = summary.paper, self._filter
        text = f"{paper.title}\n{summary.body}"
        results: dict[str, str] = {}
        if filter_.sections:
            results["sections"] = next((name for name in filter_.sections if name in paper.sections), "")
        if filter_.venues:
            results["venues"] = next((name for name in filter_.venues if _at(name, paper.key, paper.venue)), "")
        if self._words is not None:
            match = self._words.search(text)
            results["keywords"] = match[0] if match else ""
        if self._patterns:
            results["patterns"] = next((one.pattern for one in self._patterns if one.search(text)), "")
        return results


def _at(wanted: str, key: str, venue: str | None) -> bool:
    """Return whether a paper belongs to a venue: by the beginning of its key ("conf/nips"), or by a part of its venue's
    name."""
    beginning = wanted.casefold().rstrip("/") + "/"
    return key.casefold().startswith(beginning) or wanted.casefold() in (venue or "").casefold()
