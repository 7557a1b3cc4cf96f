"""The verb poll: read a source if it is due, and take in what is new, what changed and what vanished."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from digestbot.config import Config, DatabaseSource, FeedSource
from digestbot.errors import SourceError
from digestbot.gate import Gate
from digestbot.ledger import Ledger, alarms, backlogs, intake
from digestbot.ledger.intake import Intake, SourceState
from digestbot.model import Summary
from digestbot.service.databases import Databases
from digestbot.service.feeds import Feeds
from digestbot.service.report import Clock, Report

if TYPE_CHECKING:
    import sqlalchemy as sa

    from digestbot.sources.fetch import Fetched

log = logging.getLogger(__name__)

NO_VOTES = "can be read, but nothing in it has votes, and a digest of it has min_votes: none of it would ever be posted"

NO_SECTIONS = 'can be read, but its query has no column "sections", and a digest of it has include.sections: none of '
NO_SECTIONS += "it would ever be posted"


class Poller:
    """Polls the configured sources into one ledger."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        progress: Callable[[], None],
        stopping: Callable[[], bool],
        other: Poller | None = None,
    ) -> None:
        """``other`` is one over another ledger, whose connections to the sources this one shares."""
        self._config, self._ledger, self._clock = config, ledger, clock
        self.feeds: Feeds = Feeds(config, ledger, clock, progress, other.feeds.fetchers if other else None)
        opened = other.databases.opened if other else None
        self.databases: Databases = Databases(config, ledger, clock, progress, stopping, opened)
        self._progress, self._stopping = progress, stopping

    def over(self, ledger: Ledger) -> Poller:
        """The same, over another ledger."""
        return Poller(self._config, ledger, self._clock, self._progress, self._stopping, self)

    def close(self) -> None:
        """Let go of the databases."""
        for database in self.databases.opened.values():
            database.close()

    def poll(self, name: str, report: Report, *, at_once: bool = False) -> None:
        """Read a source if it is due (or at once), and take in what it holds. A source that cannot be read
        leaves the ledger's summaries as they were."""
        source, now = self._config.sources[name], self._clock()
        with self._ledger.begin() as tx:
            state = intake.claim_poll(tx, name, source.every, now, at_once=at_once)
        if state is None:
            return
        try:
            if isinstance(source, DatabaseSource):
                taken: Intake | None = self.databases.poll(name, state)
            else:
                taken = self.feeds.poll(name, state)
                filled = self._fill(name, source)
                taken = (taken or Intake()) + filled if filled else taken
        except SourceError as error:
            self._failed(name, error, source.every, report)
            return
        report.polled[name] = taken
        if taken and (taken.new or taken.changed or taken.withdrawn):
            log.info("source %s: %d new, %d changed, %d withdrawn", name, taken.new, taken.changed, taken.withdrawn)

    def next_due(self, name: str) -> timedelta | None:
        """How long it is until the source is to be polled; negative where it should have been by now."""
        with self._ledger.read() as tx:
            at = intake.next_poll(tx, name)
        return at - self._clock() if at is not None else timedelta(0)

    def _failed(self, name: str, error: SourceError, every: timedelta, report: Report) -> None:
        with self._ledger.begin() as tx:
            failures = intake.poll_failed(tx, name, str(error), every, self._clock())
        report.source_errors[name] = str(error)
        level = logging.WARNING if failures in (1, 2, 4, 8) or failures % 100 == 0 else logging.DEBUG
        log.log(level, "source %s: %s (%d in a row)", name, error, failures)

    def _fill(self, name: str, source: FeedSource) -> Intake | None:
        """Fill the source's gap from its reserve, if it has both.

        What the reserve shows and the ledger does not know is taken in. Of that, what is older than all that was
        known before the gap was never in the feed's window, and is treated as at first sight.
        """
        if source.backfill is None:
            return None
        with self._ledger.read() as tx:
            if alarms.open_alarm(tx, "gap", name) is None:
                return None
            known_until = intake.known_until(tx, name)
        with self._ledger.begin() as tx:
            self._extend_all(tx, name)
        late: list[Summary] = []
        total = Intake()
        reserve = self.databases if isinstance(self._config.sources[source.backfill], DatabaseSource) else self.feeds
        try:
            for stretch in reserve.read_all(source.backfill):
                old: list[Summary] = []
                for one in stretch:
                    before = one.dated is not None and known_until is not None and one.dated <= known_until
                    (old if before else late).append(one)
                with self._ledger.begin() as tx:
                    intake.sight_again(tx, name)
                    total += intake.take_in(tx, name, old, self._clock(), only_new=True)
                self._progress()
        finally:  # what came is older than the gap, whether or not the rest did
            with self._ledger.begin() as tx:
                self._extend_all(tx, name)
        with self._ledger.begin() as tx:
            found = intake.take_in(tx, name, late, self._clock(), only_new=True)
            if found.unchanged:
                intake.gap_since(tx, name, None)
                alarms.alarm_is_over(tx, "gap", name, self._clock())
        if found.unchanged:
            log.warning("source %s: the gap was filled from %s: %d new", name, source.backfill, found.new)
        else:
            log.error("source %s: %s does not reach to what it shows: the gap stays open", name, source.backfill)
        return total + found

    def _extend_all(self, tx: sa.Connection, name: str) -> None:
        """Let every backlog that the source feeds take note of what is known so far."""
        for digest, channel in self._config.pairs():
            settings = self._config.digests[digest]
            if name in settings.sources:
                zone, gate = self._config.zone(digest, channel), Gate.of(self._config, digest, channel)
                known = self._config.digests_on(channel)
                backlogs.extend(tx, digest, channel, name, settings.backlog, zone, gate, self._clock(), known)

    def confirm(self, summaries: Sequence[Summary]) -> bool:
        """Whether these summaries are still in their databases as the ledger knows them; if not, it knows them now.

        Feeds are not asked: what is missing there says nothing. Raises SourceError.
        """
        ids = [summary.id for summary in summaries if summary.id is not None]
        with self._ledger.read() as tx:
            by_source = backlogs.source_of(tx, ids)
        same = True
        for name in set(by_source.values()):
            if isinstance(self._config.sources.get(name), DatabaseSource):
                mine = [summary.paper.key for summary in summaries if by_source.get(summary.id or 0) == name]
                found = self.databases.compare(name, self.databases.open(name), mine)
                same = same and not found.changed + found.withdrawn
        return same

    def url(self, name: str) -> str:
        """Return a source's address as the ledger remembers it; empty where it cannot be used."""
        source = self._config.sources[name]
        if isinstance(source, FeedSource):
            return source.url
        try:
            return self.databases.open(name).shown
        except SourceError:
            return ""

    def ask(self, name: str, *, votes_wanted: bool = False, sections_wanted: bool = False) -> str:
        """Ask a source for what it holds and take in nothing; returns what it answers.

        Raises SourceError, also where votes, or the sections of a database, are wanted and nothing that it holds
        has any.
        """
        if isinstance(self._config.sources[name], DatabaseSource):
            database = self.databases.open(name)
            keys = database.keys_after(None, 3)
            found = database.summaries(keys)
            if keys and not found:
                raise SourceError("can be read, but its first summaries cannot be used: see the log")
            if votes_wanted and found and all(one.votes is None for one in found):
                raise SourceError(NO_VOTES)
            if sections_wanted and not database.gives_sections:
                raise SourceError(NO_SECTIONS)
            return f"can be read; its first summaries are of {len({one.paper.key for one in found})} paper(s)"
        count, newest, votes = 0, None, False
        for stretch in self.feeds.read_all(name):
            count += len(stretch)
            votes = votes or any(one.votes is not None for one in stretch)
            newest = max((one.dated for one in stretch if one.dated is not None), default=newest)
        if not count:
            raise SourceError("can be read, but no entry of it can be used: is this the right address?")
        if votes_wanted and not votes:
            raise SourceError(NO_VOTES)
        entries = f"{count} entr{'ies' if count > 1 else 'y'}"
        if newest is None:
            return entries
        days = (self._clock() - newest).days
        return f"{entries}, the newest of {newest:%Y-%m-%d} ({f'{days} days ago' if days >= 0 else 'in the future'})"

    def rehearse(self, name: str, fetched: Fetched | None, after: SourceState) -> None:
        """Poll into a ledger of which nothing will remain; of a feed, the document that was fetched before."""
        with self._ledger.begin() as tx:
            state = intake.claim_poll(tx, name, self._config.sources[name].every, self._clock(), at_once=True)
        assert state is not None  # noqa: S101 - at once
        if isinstance(self._config.sources[name], DatabaseSource):
            self.databases.poll(name, state)
        elif fetched is not None:
            self.feeds.take_in(name, fetched, state, after)
