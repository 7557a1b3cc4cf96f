"""The verb poll: read a source if it is due, and take in what is new, what changed and what vanished."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digestbot.config import Config, DatabaseSource, FeedSource
from digestbot.errors import SourceError
from digestbot.gate import Gate
from digestbot.ledger import Ledger, backlogs, changes, intake
from digestbot.ledger.intake import Intake, SourceState
from digestbot.model import Summary
from digestbot.service.report import Clock, Report

if TYPE_CHECKING:
    import sqlalchemy as sa

    from digestbot.sources import feed
    from digestbot.sources.database import Database
    from digestbot.sources.fetch import Fetched, Fetcher

log = logging.getLogger(__name__)

BELIEVED = timedelta(days=1)  # how long a server that says "not modified" is believed
MENDABLE = 16 << 20  # bytes of a broken document that are given to feedparser whole: it takes a dozen times as much
NEWS_PAGES = 500


@dataclass(frozen=True)
class _Read:
    """What came of reading a feed: how many items it holds, and what of them is known."""

    items: int
    taken: Intake
    state: SourceState
    sighted: bool = True


class Poller:
    """Polls the configured sources into one ledger."""

    def __init__(
        self, config: Config, ledger: Ledger, clock: Clock, progress: Callable[[], None], stopping: Callable[[], bool]
    ) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._progress, self._stopping = progress, stopping
        self._fetchers: dict[str, Fetcher] = {}
        self._databases: dict[str, Database] = {}

    def over(self, ledger: Ledger) -> Poller:
        """The same, over another ledger."""
        other = Poller(self._config, ledger, self._clock, self._progress, self._stopping)
        other._fetchers, other._databases = self._fetchers, self._databases
        return other

    def close(self) -> None:
        """Let go of the databases."""
        for database in self._databases.values():
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
                taken: Intake | None = self._poll_database(name, state)
            else:
                fetched, after = self.fetch(name, state)
                taken = self._poll_feed(name, fetched, state, after)
        except SourceError as error:
            self._failed(name, error, source.every, report)
            return
        report.polled[name] = taken
        if taken and (taken.new or taken.changed or taken.withdrawn):
            log.info("source %s: %d new, %d changed, %d withdrawn", name, taken.new, taken.changed, taken.withdrawn)

    def _failed(self, name: str, error: SourceError, every: timedelta, report: Report) -> None:
        with self._ledger.begin() as tx:
            failures = intake.poll_failed(tx, name, str(error), every, self._clock())
        report.source_errors[name] = str(error)
        level = logging.WARNING if failures in (1, 2, 4, 8) or failures % 100 == 0 else logging.DEBUG
        log.log(level, "source %s: %s (%d in a row)", name, error, failures)

    # ---- feeds

    def fetch(self, name: str, state: SourceState) -> tuple[Fetched | None, SourceState]:
        """The feed's document, or None where it did not change, and what to remember of it. Raises SourceError."""
        from digestbot.sources.fetch import Fetcher, shown

        source, now = self._config.sources[name], self._clock()
        assert isinstance(source, FeedSource)  # noqa: S101
        if name not in self._fetchers:
            self._fetchers[name] = Fetcher(
                allow_private=source.allow_private_addresses,
                seconds=source.timeout.total_seconds(),
                most_bytes=source.max_size,
            )
        if state.url != source.url:
            state = SourceState(url=source.url, sighted=state.sighted)
        state = replace(state, failed=False)
        asked = state
        if state.fetched_at is None or not now - BELIEVED < state.fetched_at <= now:
            asked = replace(state, etag=None, last_modified=None)  # "not modified" for ever is no news
        fetched = self._fetchers[name].fetch(source.url, asked.etag, asked.last_modified)
        if fetched is None:
            if not (asked.etag or asked.last_modified):
                raise SourceError(f"{shown(source.url)}: answers 304 (not modified) to one who has nothing")
            return None, state
        after = replace(
            state, etag=fetched.etag, last_modified=fetched.last_modified, body_hash=fetched.hash, fetched_at=now
        )
        if fetched.hash == state.body_hash and state.suspect_hash is None:
            fetched.file.close()
            return None, after
        return fetched, after

    def _poll_feed(self, name: str, fetched: Fetched | None, state: SourceState, after: SourceState) -> Intake | None:
        if fetched is None:
            if after != state:  # else there is nothing to write down
                with self._ledger.begin() as tx:
                    intake.poll_succeeded(tx, name, after, self._clock(), sighted=False)
            taken = None
        else:
            taken = self.take_in_feed(name, fetched, state, after)
        return (taken or Intake()) + filled if (filled := self._fill(name)) else taken

    def take_in_feed(self, name: str, fetched: Fetched, state: SourceState, after: SourceState) -> Intake:
        """Take in what a fetched document holds."""
        moved = state.url is not None and state.url != after.url
        with self._ledger.read() as tx:
            before = None if moved or not state.sighted else intake.newest_date(tx, name)
            watched = not moved and state.sighted and intake.any_known(tx, name)
        with closing(fetched.file):
            read = self._read_feed(name, fetched, after, moved=moved)
        now = self._clock()
        with self._ledger.begin() as tx:
            if watched and read.items and read.taken.new == read.items:
                self._slid(name, tx, read, now)
                read = replace(read, state=replace(read.state, read_to=before.isoformat() if before else None))
            intake.poll_succeeded(tx, name, read.state, now, sighted=read.sighted)
        return read.taken

    def _read_feed(self, name: str, fetched: Fetched, after: SourceState, *, moved: bool) -> _Read:
        """By scanning it and parsing what is new; by parsing the whole where it cannot be scanned. What comes from
        another address than before is treated as at first sight."""
        from digestbot.sources.scan import NotScannableError, scan

        try:
            scanned = scan(fetched.file)
        except NotScannableError as error:
            log.debug("source %s: parsed whole: %s", name, error)
            return self._read_whole(name, fetched, after, str(error), moved=moved)
        with self._ledger.read() as tx:
            known = intake.known_versions(tx, name, scanned.versions)
        present = set(known.values())
        fresh = (at for at, version in enumerate(scanned.versions) if version not in known)
        total = Intake(unchanged=len(present))
        for body, versions in scanned.pieces(fetched.file, fresh):
            parsed = self._parsed(name, body, fetched.content_type, None, versions)
            with self._ledger.begin() as tx:
                if moved:
                    intake.sight_again(tx, name)
                total += intake.take_in(
                    tx, name, parsed.summaries, self._clock(), present=present, shown=len(scanned.versions)
                )
            self._progress()
        return _Read(len(scanned.versions), total, replace(after, suspect_hash=None))

    def _read_whole(self, name: str, fetched: Fetched, after: SourceState, why: str, *, moved: bool) -> _Read:
        if fetched.size > MENDABLE:
            raise SourceError(f"source {name}: the feed is damaged ({why}), and too large to be mended")
        fetched.file.seek(0)
        parsed = self._parsed(name, fetched.file.read(), fetched.content_type, after.suspect_hash, ())
        if parsed.complaint:
            log.warning("source %s: %s; what came whole is taken in", name, parsed.complaint)
            after = replace(after, etag=None, last_modified=None)  # ask for the whole again
        with self._ledger.begin() as tx:
            if moved:
                intake.sight_again(tx, name)
            taken = intake.take_in(tx, name, parsed.summaries, self._clock(), shown=len(parsed.summaries))
        # what a broken or empty document holds is no first sight of the source
        sighted = bool(parsed.summaries) and parsed.suspect_hash is None
        return _Read(len(parsed.summaries), taken, replace(after, suspect_hash=parsed.suspect_hash), sighted)

    def _parsed(
        self, name: str, body: bytes, content_type: str | None, suspect: bytes | None, versions: Sequence[bytes]
    ) -> feed.Parsed:
        from digestbot.sources import feed
        from digestbot.sources.fetch import shown

        source = self._config.sources[name]
        where = shown(source.url) if isinstance(source, FeedSource) else name
        try:
            parsed = feed.parse(body, content_type, suspect, versions)
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from error
        except Exception as error:  # whatever a parser meets, the feed is at fault and not the service
            log.debug("source %s", name, exc_info=True)
            raise SourceError(f"{where}: cannot be parsed ({type(error).__name__})") from error
        for reason in parsed.dropped:
            log.warning("source %s: an entry is left out: %s", name, reason)
        return parsed

    # ---- a feed that slid past what was known

    def _slid(self, name: str, tx: sa.Connection, read: _Read, now: datetime) -> None:
        """Nothing of what a feed shows was known: between it and the last poll there may be summaries that it no
        longer shows."""
        source = self._config.sources[name]
        reserve = source.backfill if isinstance(source, FeedSource) else None
        mend = (
            f"they are being looked for in source {reserve}"
            if reserve
            else f"set sources.{name}.backfill to a source that shows more, or poll more often"
        )
        note = f"all {read.items} items of the feed are new: some before them may be missing; {mend}"
        changes.raise_alarm(tx, "gap", name, note, now)
        log.error("source %s: %s", name, note)

    def _fill(self, name: str) -> Intake | None:
        """Fill the source's gap from its reserve, if it has both.

        What the reserve shows and the ledger does not know is taken in. Of that, what is older than all that was
        known before the gap was never in the feed's window, and is treated as at first sight.
        """
        source = self._config.sources[name]
        if not isinstance(source, FeedSource) or source.backfill is None:
            return None
        with self._ledger.read() as tx:
            if changes.open_alarm(tx, "gap", name) is None:
                return None
            known_until = intake.known_until(tx, name)
        with self._ledger.begin() as tx:
            self._extend_all(tx, name)
        late: list[Summary] = []
        total = Intake()
        for stretch in self._all_of(source.backfill):
            old = [one for one in stretch if one.dated and known_until and one.dated <= known_until]
            late += [one for one in stretch if one not in old]
            with self._ledger.begin() as tx:
                intake.sight_again(tx, name)
                total += intake.take_in(tx, name, old, self._clock(), only_new=True)
            self._progress()
        with self._ledger.begin() as tx:
            self._extend_all(tx, name)
            intake.sight_again(tx, name, again=False)
            found = intake.take_in(tx, name, late, self._clock(), only_new=True)
            intake.gap_filled(tx, name)
            changes.alarm_is_over(tx, "gap", name, self._clock())
        log.warning("source %s: the gap was filled from %s: %d new", name, source.backfill, found.new)
        return total + found

    def _extend_all(self, tx: sa.Connection, name: str) -> None:
        """Let every backlog that the source feeds take note of what is known so far."""
        for digest, channel in self._config.pairs():
            settings = self._config.digests[digest]
            if name in settings.sources:
                zone = self._config.zone(digest)
                backlogs.extend(tx, digest, channel, name, settings.backlog, zone, Gate.of(settings), self._clock())

    def _all_of(self, name: str) -> Iterator[list[Summary]]:
        """Everything that a source shows, in stretches. Raises SourceError."""
        from digestbot.sources.scan import NotScannableError, scan

        if isinstance(self._config.sources[name], DatabaseSource):
            for summaries, _ in self.database(name).read_all(None):
                yield [replace(one, version=None) for one in summaries]
            return
        fetched, _ = self.fetch(name, SourceState())
        assert fetched is not None  # noqa: S101 - asked without conditions
        with closing(fetched.file):
            try:
                scanned = scan(fetched.file)
            except NotScannableError as error:
                if fetched.size > MENDABLE:
                    raise SourceError(f"source {name}: the feed is damaged, and too large to be mended") from error
                fetched.file.seek(0)
                yield self._parsed(name, fetched.file.read(), fetched.content_type, None, ()).summaries
                return
            for body, _ in scanned.pieces(fetched.file, range(len(scanned.versions))):
                yield self._parsed(name, body, fetched.content_type, None, ()).summaries

    # ---- databases

    def database(self, name: str) -> Database:
        """The source's reader, made when it is first needed. Raises SourceError."""
        from digestbot.sources.database import Database

        source = self._config.sources[name]
        assert isinstance(source, DatabaseSource)  # noqa: S101
        if name not in self._databases:
            self._databases[name] = Database(name, source, self._config.source_zone(name), self._config.folder)
        return self._databases[name]

    def _poll_database(self, name: str, state: SourceState) -> Intake:
        database = self.database(name)
        moved = state.url is not None and state.url != database.shown
        if moved or not state.sighted:
            return self._read_database(name, database, None if moved else state.read_to, moved=moved)
        from digestbot.sources.database import STRETCH

        known: list[str] = []
        with self._ledger.read() as tx:
            rows = intake.rows_after(tx, name, state.checked_to or 0, STRETCH)
        known = [row.key for row in rows]
        ahead = database.keys_after(state.read_to, STRETCH)
        news = database.news(0)
        taken = self._compare(name, database, [*news, *ahead, *known])
        for page in range(1, NEWS_PAGES):
            if not taken.new + taken.changed or not news:
                break
            news = database.news(page)
            further = self._compare(name, database, news)
            taken += further
            if not further.new + further.changed:
                break
        over = len(ahead) < STRETCH
        if over:
            database.look_again()
        after = replace(
            state,
            read_to=None if over else ahead[-1],
            checked_to=rows[-1].id if len(rows) == STRETCH else 0,
        )
        with self._ledger.begin() as tx:
            intake.poll_succeeded(tx, name, after, self._clock())
        return taken

    def _read_database(self, name: str, database: Database, read_to: str | None, *, moved: bool) -> Intake:
        """The whole of it, for the first time; one that was interrupted goes on where it was."""
        total = Intake()
        for summaries, end in database.read_all(read_to):
            with self._ledger.begin() as tx:
                if moved:
                    intake.sight_again(tx, name)
                total += intake.take_in(tx, name, summaries, self._clock())
                intake.read_on(tx, name, end)
            self._progress()
            if self._stopping():
                return total
        with self._ledger.begin() as tx:
            intake.poll_succeeded(tx, name, SourceState(url=database.shown), self._clock())
        return total

    def _compare(self, name: str, database: Database, keys: Sequence[str]) -> Intake:
        """Look these papers up in the database, and take in what is not as the ledger knows it: new, changed, gone."""
        from digestbot.sources.layouts import readable

        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return Intake()
        there = database.versions(wanted)
        with self._ledger.read() as tx:
            rows = intake.rows_of(tx, name, {*map(readable, wanted), *there})
        known: dict[str, Counter[bytes | None]] = defaultdict(Counter)
        for row in rows:
            known[row.key][row.version] += 1
        touched = [key for key in {*known, *there} if known.get(key) != there.get(key)]
        if not touched:
            return Intake(unchanged=len(rows))
        summaries = database.summaries(touched)
        available = Counter((one.paper.key, one.version) for one in summaries)
        now, gone = self._clock(), []
        with self._ledger.begin() as tx:
            taken = intake.take_in(tx, name, summaries, now)
            for row in intake.rows_of(tx, name, touched):
                available[row.key, row.version] -= 1
                if available[row.key, row.version] < 0:
                    gone.append(row.id)
            if gone:
                intake.withdraw(tx, name, gone, len(rows), now)
        return replace(taken, unchanged=len(rows) - taken.changed - len(gone), withdrawn=len(gone))

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
                found = self._compare(name, self.database(name), mine)
                same = same and not found.changed + found.withdrawn
        return same

    def rehearse(self, name: str, fetched: Fetched | None, after: SourceState) -> None:
        """Poll into a ledger of which nothing will remain; of a feed, the document that was fetched before."""
        with self._ledger.begin() as tx:
            state = intake.claim_poll(tx, name, self._config.sources[name].every, self._clock(), at_once=True)
        assert state is not None  # noqa: S101 - at once
        if isinstance(self._config.sources[name], DatabaseSource):
            self._poll_database(name, state)
        elif fetched is not None:
            self.take_in_feed(name, fetched, state, after)
