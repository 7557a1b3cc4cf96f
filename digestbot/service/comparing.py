"""What another configuration changes in the plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.planning import Row
from digestbot.text import plain_title

AHEAD = timedelta(days=7)  # of the plan in which changes are told
MOST_TITLE = 60


@dataclass(frozen=True)
class Difference:
    """Lines of the plan that are no longer there, and lines that are new."""

    gone: frozenset[str]
    come: frozenset[str]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All of them in the order of time: the line, and "no longer" or "new"."""
        return sorted([(line, "no longer") for line in self.gone] + [(line, "new") for line in self.come])

    def __str__(self) -> str:
        if not (self.gone or self.come):
            return "nothing changes"
        return f"{len(self.gone)} posts are no longer as they were, {len(self.come)} are new"


def difference(before: list[Row], after: list[Row], config: Config, now: datetime) -> Difference:
    """What differs between two plans."""
    old, new = _lines(before, config, now), _lines(after, config, now)
    return Difference(old - new, new - old)


def _lines(rows: list[Row], config: Config, now: datetime) -> frozenset[str]:
    """What appears, in a line each; slots that stay empty are left out."""
    return frozenset(
        f"{row.at.astimezone(config.timezone):%Y-%m-%d %H:%M %Z}, {row.digest} on {row.channel}: "
        + ", ".join(f"{one.id} ({plain_title(one.paper.title)[:MOST_TITLE]})" for one in row.summaries)
        for row in rows
        if row.summaries and row.at >= now
    )
