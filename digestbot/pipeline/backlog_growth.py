"""The growth of backlogs: new summaries from the sources are added, and the filters are applied to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.domain import schedule
from digestbot.domain.schedule import (
    Candidate,
    DigestHistory,
)
from digestbot.ledger import (
    Ledger,
    backlog,
    candidates,
    editions,
)
from digestbot.pipeline.report import Clock, ErrorBoundary, Report
from digestbot.pipeline.rule_book import Pair, RuleBook, name_of


class BacklogGrowth:
    """Extends the backlogs of every digest on every channel."""

    def __init__(self, config: Config, ledger: Ledger, clock: Clock, book: RuleBook, contained: ErrorBoundary) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._book, self._contained = book, contained

    def extend(self, pair: Pair) -> None:
        """Add what is new in the digest's sources to its backlog on the channel, and apply the filters to it."""
        digest, channel = pair
        rules, policy = self._book.rules[pair], self._config.digests[digest].backlog
        zone, configured = rules.lane.calendar.zone, self._config.digests_on(channel)
        with self._ledger.begin() as tx:
            for source in sorted(rules.sources):  # always in the same order, because each is locked
                backlog.extend_backlog(tx, digest, channel, source, policy, zone, rules.gate, self._clock(), configured)
        self.filter_new(pair)

    def filter_new(self, pair: Pair) -> None:
        """Apply the digest's filters to each summary in its backlog on the channel that has no current verdict."""
        gate = self._book.rules[pair].gate
        while True:
            with self._ledger.begin() as tx:
                if not backlog.apply_filters(tx, *pair, gate.verdict, gate.shares_with):
                    return

    def _wanted(self, channel: str | None = None) -> dict[Pair, tuple[tuple[str, ...], bytes]]:
        """Return the sources and the hash of the filters for each digest on each channel."""
        return {
            pair: (self._book.rules[pair].sources, self._book.rules[pair].gate.mark)
            for pair in self._book.pairs(channel)
        }

    def extend_all(self, report: Report, channel: str | None = None) -> dict[Pair, DigestHistory]:
        """Extend every backlog for which something new has arrived, and apply the filters where a verdict is missing.

        Return what each digest has done so far on each channel, except where an operator has to decide about missed
        slots.
        """
        now = self._clock()
        with self._ledger.read() as tx:
            self._book.refresh(tx, channel)
            behind = backlog.pairs_behind(tx, self._wanted(channel))
            unjudged = backlog.unfiltered_pairs(tx, channel)
            pasts = editions.pasts(tx, now, channel)
            undecided = self._book.undecided(tx)
        for pair in behind:
            with self._contained(f"digest {pair[0]} on {pair[1]}", report):
                self.extend(pair)
        for pair in unjudged.intersection(self._book.rules).difference(behind):
            with self._contained(f"digest {pair[0]} on {pair[1]}", report):
                self.filter_new(pair)
        if behind:
            with self._ledger.read() as tx:
                pasts = editions.pasts(tx, now, channel)
        return {pair: past for pair, past in pasts.items() if name_of(pair) not in undecided}

    def is_behind(self) -> bool:
        """Return whether there are summaries that a backlog does not contain yet, or to which its filters were not
        applied."""
        with self._ledger.read() as tx:
            return bool(
                backlog.pairs_behind(tx, self._wanted()) or backlog.unfiltered_pairs(tx).intersection(self._book.rules)
            )

    def candidates(
        self,
        tx: sa.Connection,
        pair: Pair,
        past: DigestHistory | None,
        now: datetime,
        until: datetime,
        first: int = 8,
    ) -> Iterator[Candidate]:
        """Yield the candidates that may be posted at some time between ``now`` and ``until``. With ``past``, summaries
        that the digest's window has already passed are left out."""
        timing, gate = self._book.rules[pair].timing, self._book.rules[pair].gate
        since = schedule.window_begins(timing.window, past, now) if timing.window and past else None
        return candidates.candidates(tx, *pair, timing.order, gate, now, until, first, since)
