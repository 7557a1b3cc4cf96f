"""Gaps: a feed shows only its newest entries, so others may have passed between two polls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger import Ledger, alerts, intake, source_states
from digestbot.ledger.intake import IngestResult
from digestbot.sources.feed.config import FeedSource, FeedWindow


@dataclass(frozen=True)
class KnownEntries:
    """What the ledger knew of a feed before a poll.

    ``open``: an earlier gap was already noticed and is not filled yet. ``daily``: the newest known entries all have the
    same date, as in a feed that shows one day.
    """

    known: int
    newest: datetime | None
    open: bool
    daily: bool

    def slid_past(self, taken: IngestResult) -> bool:
        """Return True if the feed shows nothing that was known, although not all known summaries were edited.

        Summaries in between may then be missing.
        """
        return taken.new > 0 and not taken.unchanged and taken.changed < self.known


def known_entries(ledger: Ledger, name: str) -> KnownEntries | None:
    """Return what the ledger knows of a feed; None if it knows nothing."""
    with ledger.read() as tx:
        if not intake.has_summaries(tx, name):
            return None
        newest, open_ = intake.newest_date(tx, name), alerts.open_alert(tx, "gap", name) is not None
        daily = newest is not None and intake.count_of_date(tx, name, newest) > 1
        return KnownEntries(intake.summary_count(tx, name), newest, open_, daily)


def is_by_day(config: FeedSource, before: KnownEntries, dates: Collection[datetime | None]) -> bool:
    """Return True if the feed shows one day by design, so that nothing known in it is no gap.

    ``dates`` are those of its entries. Without the operator's word, such a feed is known by two days in a row, in each
    of which several entries have one and the same date.
    """
    return config.window is FeedWindow.DAILY or (before.daily and len(dates) == 1 and None not in dates)


def raise_gap(
    tx: sa.Connection, name: str, config: FeedSource, items: int, before: KnownEntries, now: datetime
) -> None:
    """Raise the alert that summaries may be missing between what the feed shows and what was known.

    It is raised before they are ingested, because afterwards they count as known.
    """
    remedy = (
        f"digestbot is looking for them in source {config.backfill}"
        if config.backfill
        else f"set sources.{name}.backfill to a source that shows more, or poll more often"
    )
    note = f"none of the {items} items in the feed were known: earlier ones may be missing; {remedy}"
    alerts.raise_alert(tx, "gap", name, note, now)
    if not before.open:
        source_states.set_gap_since(tx, name, before.newest)
