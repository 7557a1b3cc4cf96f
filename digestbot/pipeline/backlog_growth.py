"""The growth of backlogs: new summaries from the sources are added, and the filters are applied to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain import schedule
from digestbot.domain.model import Route
from digestbot.domain.schedule import (
    Candidate,
    DigestHistory,
)
from digestbot.ledger import (
    backlog,
    candidates,
    editions,
)
from digestbot.pipeline.report import Report
from digestbot.pipeline.rule_book import RuleBook
from digestbot.pipeline.runtime import Runtime


class BacklogGrowth:
    """Extends the backlogs of every digest on every channel."""

    def __init__(self, runtime: Runtime, book: RuleBook) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._book, self._contained = book, runtime.contained

    def extend(self, route: Route) -> None:
        """Add what is new in the digest's sources to its backlog on the channel, and apply the filters to it."""
        digest, channel = route
        rules, policy = self._book.rules[route], self._config.digests[digest].backlog
        zone, configured = rules.posting_rules.calendar.zone, self._config.digests_on(channel)
        with self._ledger.begin() as tx:
            for source in sorted(rules.sources):  # always in the same order, because each is locked
                backlog.extend_backlog(
                    tx, digest, channel, source, policy, zone, rules.filters, self._clock(), configured
                )
        self.filter_new(route)

    def filter_new(self, route: Route) -> None:
        """Apply the digest's filters to each summary in its backlog on the channel that has no current verdict."""
        filters = self._book.rules[route].filters
        while True:
            with self._ledger.begin() as tx:
                if not backlog.apply_filters(tx, *route, filters.verdict, filters.shares_with):
                    return

    def _wanted(self, channel: str | None = None) -> dict[Route, tuple[tuple[str, ...], bytes]]:
        """Return the sources and the hash of the filters for each digest on each channel."""
        return {
            route: (self._book.rules[route].sources, self._book.rules[route].filters.mark)
            for route in self._book.routes(channel)
        }

    def extend_all(self, report: Report, channel: str | None = None) -> dict[Route, DigestHistory]:
        """Extend every backlog for which something new has arrived, and apply the filters where a verdict is missing.

        Return what each digest has done so far on each channel, except where an operator has to decide about missed
        slots.
        """
        now = self._clock()
        with self._ledger.read() as tx:
            self._book.refresh(tx, channel)
            behind = backlog.routes_behind(tx, self._wanted(channel))
            unjudged = backlog.unfiltered_routes(tx, channel)
            digest_histories = editions.digest_histories(tx, now, channel)
            undecided = self._book.undecided(tx)
        for route in behind:
            with self._contained(f"digest {route}", report):
                self.extend(route)
        for route in unjudged.intersection(self._book.rules).difference(behind):
            with self._contained(f"digest {route}", report):
                self.filter_new(route)
        if behind:
            with self._ledger.read() as tx:
                digest_histories = editions.digest_histories(tx, now, channel)
        return {
            route: digest_history for route, digest_history in digest_histories.items() if str(route) not in undecided
        }

    def is_behind(self) -> bool:
        """Return whether there are summaries that a backlog does not contain yet, or to which its filters were not
        applied."""
        with self._ledger.read() as tx:
            return bool(
                backlog.routes_behind(tx, self._wanted())
                or backlog.unfiltered_routes(tx).intersection(self._book.rules)
            )

    def candidates(
        self,
        tx: sa.Connection,
        route: Route,
        digest_history: DigestHistory | None,
        now: datetime,
        until: datetime,
        first: int = 8,
    ) -> Iterator[Candidate]:
        """Yield the candidates that may be posted at some time between ``now`` and ``until``. With ``past``, summaries
        that the digest's window has already passed are left out."""
        timing, filters = self._book.rules[route].timing, self._book.rules[route].filters
        since = schedule.window_begins(timing.window, digest_history, now) if timing.window and digest_history else None
        shown = timing.repeat_paper is not None
        return candidates.candidates(tx, *route, timing.order, filters, now, until, first, since, papers_shown=shown)
