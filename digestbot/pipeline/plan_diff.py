"""The differences that another configuration makes in the plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.domain.schedule import PlanEntry
from digestbot.text import plain_title

AHEAD = timedelta(days=7)  # how far ahead plans are compared
MOST_TITLE = 60


@dataclass(frozen=True)
class PlanDiff:
    """The lines that are no longer in the plan, and the lines that are new."""

    gone: frozenset[str]
    come: frozenset[str]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return all lines in order of time, each with "no longer" or "new"."""
        return sorted([(line, "no longer") for line in self.gone] + [(line, "new") for line in self.come])

    def __str__(self) -> str:
        if not (self.gone or self.come):
            return "nothing changes"
        return f"{len(self.gone)} posts removed, {len(self.come)} added"


def diff_plans(before: list[PlanEntry], after: list[PlanEntry], config: Config, now: datetime) -> PlanDiff:
    """Return the differences between two plans from ``now`` on."""
    old, new = _lines(before, config, now), _lines(after, config, now)
    return PlanDiff(old - new, new - old)


def _lines(rows: list[PlanEntry], config: Config, now: datetime) -> frozenset[str]:
    """Return a line for each plan entry from ``now`` on; slots that stay empty are left out."""
    return frozenset(
        f"{row.at.astimezone(config.timezone):%Y-%m-%d %H:%M %Z}, {row.digest} on {row.channel}: "
        + ", ".join(f"{one.id} ({plain_title(one.paper.title)[:MOST_TITLE]})" for one in row.summaries)
        for row in rows
        if row.summaries and row.at >= now
    )
