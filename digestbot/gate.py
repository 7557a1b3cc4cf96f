"""Pure: what a digest's gate lets through, and what the others wait for.

What depends on content alone (text, section, venue, words) is judged once for each version of a summary, and the
verdict kept; votes and age change by themselves and are looked at whenever an edition is made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from digestbot.config import Config, Filter
from digestbot.identity import says_something
from digestbot.model import Summary


@dataclass(frozen=True)
class Gate:
    """What a digest asks of a summary before it is published. ``shares_with`` are the other digests whose summaries may
    come again on the channel; ``pictures`` tells one way of dealing with these from another, for what waits for its
    picture is looked at again when that changes."""

    min_votes: int | None = None
    min_age: timedelta | None = None
    max_age: timedelta | None = None
    require_text: bool = False
    include: Filter = field(default_factory=Filter)
    exclude: Filter = field(default_factory=Filter)
    shares_with: tuple[str, ...] = ()
    pictures: str = ""

    @classmethod
    def of(cls, config: Config, name: str, channel: str) -> Gate:
        """The digest's on a channel.

        It shares summaries only with digests that are configured for the channel: what one that was renamed has
        posted stays posted.
        """
        digest, look = config.digests[name], config.appearance(name, channel)
        others = sorted(set(config.digests_on(channel)) - {name}) if config.timing(name, channel).overlap else ()
        return cls(
            digest.min_votes,
            digest.min_age,
            digest.max_age,
            digest.require_text,
            digest.include,
            digest.exclude,
            tuple(others),
            f"{look.image} {look.image_failure}",
        )

    @cached_property
    def mark(self) -> bytes:
        """Equal for gates whose verdict on content is the same."""
        parts = (self.require_text, self.include, self.exclude, self.shares_with, self.pictures)
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()

    def verdict(self, summary: Summary) -> str:
        """What about its content holds the summary back; empty for nothing."""
        if self.require_text and not says_something(summary.body):
            return "has no text yet"
        for wanted, found in self._included.found(summary).items():
            if not found:
                return f"none of the {wanted} asked for"
        for unwanted, found in self._excluded.found(summary).items():
            if found:
                return f"excluded by {unwanted}: {found}"
        return ""

    def waits_for(self, votes: int | None, since: datetime, now: datetime) -> str:
        """What about votes and age holds a summary back; empty for nothing. ``since`` is when it was last edited."""
        if self.min_votes is not None and (votes or 0) < self.min_votes:
            return f"has {votes or 0} of {self.min_votes} votes"
        if self.min_age is not None and now - since < self.min_age:
            return f"too young until {since + self.min_age:%Y-%m-%d %H:%M} UTC"
        if self.max_age is not None and now - since > self.max_age:
            return f"too old since {since + self.max_age:%Y-%m-%d %H:%M} UTC"
        return ""

    @cached_property
    def _included(self) -> _Tests:
        return _Tests(self.include)

    @cached_property
    def _excluded(self) -> _Tests:
        return _Tests(self.exclude)


class _Tests:
    """A filter, ready to look at summaries."""

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_
        words = "|".join(r"\s+".join(map(re.escape, word.split())) for word in filter_.keywords)
        self._words = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None
        self._patterns: Sequence[Any] = ()
        if filter_.patterns:
            import re2  # here: few digests have patterns, and every start would pay for it

            self._patterns = [re2.compile(pattern) for pattern in filter_.patterns]

    def found(self, summary: Summary) -> dict[str, str]:
        """For each kind of test that there is, what it found; empty for nothing."""
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
    """Whether a paper is of a venue: by the beginning of its key ("conf/nips"), or by words of the venue's name."""
    beginning = wanted.casefold().rstrip("/") + "/"
    return key.casefold().startswith(beginning) or wanted.casefold() in (venue or "").casefold()
