"""Polling: each source is read when it is due, and what is new, changed or gone is recorded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from digestbot.config.rules import filters_for
from digestbot.domain.errors import SourceError, SourceGone
from digestbot.domain.model import Summary
from digestbot.ledger import alerts, backlog, intake, source_states, summary_rows
from digestbot.ledger.intake import IngestResult
from digestbot.pipeline.report import Report
from digestbot.pipeline.runtime import Runtime
from digestbot.sources.base import Source, SourceContext
from digestbot.sources.registry import open_source

if TYPE_CHECKING:
    import sqlalchemy as sa

log = logging.getLogger(__name__)


class Poller:
    """Polls the configured sources into one ledger."""

    def __init__(self, runtime: Runtime) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._runtime = runtime
        self._opened: dict[str, Source] = {}

    def source(self, name: str) -> Source:
        """Return the source, which is opened on first use. Raise SourceError if that fails."""
        if name not in self._opened:
            self._opened[name] = open_source(
                SourceContext(
                    name,
                    self._config.sources[name],
                    self._config.source_zone(name),
                    self._config.folder,
                    self._ledger,
                    self._clock,
                    self._runtime.progress,
                    self._runtime.stopping,
                )
            )
        return self._opened[name]

    def close(self) -> None:
        """Close the sources' connections."""
        for source in self._opened.values():
            source.close()

    def poll(self, name: str, report: Report, *, at_once: bool = False) -> None:
        """Read a source if it is due, or in any case with ``at_once``, and record what it holds. A source that cannot
        be read leaves the ledger's summaries unchanged."""
        source, now = self._config.sources[name], self._clock()
        with self._ledger.begin() as tx:
            state = source_states.claim_poll(tx, name, source.every, now, at_once=at_once)
        if state is None or (state.gone and not at_once and state.url == self.url(name)):
            return
        try:
            taken = self.source(name).poll(state)
            filled = self._fill_gap(name, source.reserve())
            taken = (taken or IngestResult()) + filled if filled else taken
        except SourceError as error:
            self._failed(name, error, source.every, report)
            return
        if state.gone:
            with self._ledger.begin() as tx:
                alerts.close_alert(tx, source_states.GONE, name, self._clock())
        report.polled[name] = taken
        if taken and (taken.new or taken.changed or taken.withdrawn):
            log.info("source %s: %d new, %d changed, %d withdrawn", name, taken.new, taken.changed, taken.withdrawn)

    def next_due(self, name: str) -> timedelta | None:
        """Return how long until the next poll of the source, negative if it is overdue; zero if none is scheduled
        yet."""
        with self._ledger.read() as tx:
            at = source_states.next_poll(tx, name)
        return at - self._clock() if at is not None else timedelta(0)

    def _failed(self, name: str, error: SourceError, every: timedelta, report: Report) -> None:
        now = self._clock()
        with self._ledger.begin() as tx:
            failures = source_states.poll_failed(tx, name, str(error), every, now, retry_after=error.retry_after)
            if isinstance(error, SourceGone):
                source_states.mark_gone(tx, name, self.url(name), str(error), now)
        report.source_errors[name] = str(error)
        level = logging.WARNING if failures in (1, 2, 4, 8) or failures % 100 == 0 else logging.DEBUG
        log.log(level, "source %s: %s (%d in a row)", name, error, failures)

    def _fill_gap(self, name: str, reserve: str | None) -> IngestResult | None:
        """Fill the source's gap from its reserve, if it has both. Return what was recorded; None if nothing was to be
        filled.

        Summaries that the reserve shows and the ledger does not know are recorded. Those that are no newer than what
        was known before the gap were never in the feed's window. They are treated like those of a source that is read
        for the first time.
        """
        if reserve is None:
            return None
        with self._ledger.read() as tx:
            if alerts.open_alert(tx, "gap", name) is None:
                return None
            known_until = source_states.known_until(tx, name)
            known_until = min(known_until, self._clock()) if known_until else None
        with self._ledger.begin() as tx:
            self._extend_all(tx, name)
        late: list[Summary] = []
        certain = self._config.sources[name].keys_are_certain()
        total = IngestResult()
        try:
            for batch in self.source(reserve).read_all():
                old: list[Summary] = []
                for one in batch:
                    before = one.dated is not None and known_until is not None and one.dated <= known_until
                    (old if before else late).append(one)
                with self._ledger.begin() as tx:
                    source_states.reapply_initial_policy(tx, name)
                    total += intake.ingest(tx, name, old, self._clock(), only_new=True, keys_are_certain=certain)
                self._runtime.progress()
        finally:  # what was read is older than the gap, even if the rest could not be read
            with self._ledger.begin() as tx:
                self._extend_all(tx, name)
        with self._ledger.begin() as tx:
            result = intake.ingest(tx, name, late, self._clock(), only_new=True, keys_are_certain=certain)
            if result.unchanged:
                source_states.set_gap_since(tx, name, None)
                alerts.close_alert(tx, "gap", name, self._clock())
        if result.unchanged:
            log.warning("source %s: the gap was filled from %s: %d new", name, reserve, result.new)
        else:
            log.error("source %s: %s does not overlap with its entries: the gap stays open", name, reserve)
        return total + result

    def _extend_all(self, tx: sa.Connection, name: str) -> None:
        """Extend every backlog that the source feeds with what is known so far."""
        for digest, channel in self._config.routes():
            settings = self._config.digests[digest]
            if name in settings.sources:
                zone, filters = self._config.zone(digest, channel), filters_for(self._config, digest, channel)
                known = self._config.digests_on(channel)
                backlog.extend_backlog(tx, digest, channel, name, settings.backlog, zone, filters, self._clock(), known)

    def confirm(self, summaries: Sequence[Summary]) -> bool:
        """Return whether the sources still hold these summaries as the ledger knows them; if not, the ledger is
        updated. Raise SourceError if a source cannot be read."""
        ids = [summary.id for summary in summaries if summary.id is not None]
        with self._ledger.read() as tx:
            by_source = summary_rows.sources_of(tx, ids)
        same = True
        for name in set(by_source.values()):
            if name in self._config.sources:
                own = [summary for summary in summaries if by_source.get(summary.id or 0) == name]
                same = self.source(name).confirm(own) and same
        return same

    def url(self, name: str) -> str:
        """Return the source's URL as the ledger stores it; empty if the source cannot be opened."""
        try:
            return self.source(name).url
        except SourceError:
            return ""
