"""Polling feeds: fetch, scan, parse what is new, take it in."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digestbot.config import Config, FeedSource
from digestbot.errors import SourceError
from digestbot.ledger import Ledger, alarms, intake
from digestbot.ledger.intake import Intake, SourceState
from digestbot.model import Summary
from digestbot.service.report import Clock

if TYPE_CHECKING:
    import sqlalchemy as sa

    from digestbot.sources import feed
    from digestbot.sources.fetch import Fetched, Fetcher
    from digestbot.sources.scan import Scan

log = logging.getLogger(__name__)

BELIEVED = timedelta(days=1)  # how long a server that says "not modified" is believed
MENDABLE = 16 << 20  # bytes of a broken document that are given to feedparser whole: it takes a dozen times as much
TOGETHER = 2000  # summaries to a transaction
MOST_SAID = 10  # entries that are left out, of which each is logged
MOST_SECONDS = 10.0  # of the processor's time that a poll takes


@dataclass(frozen=True)
class _Read:
    """What came of reading a feed: how many items it holds, and what of them is known."""

    items: int
    taken: Intake
    state: SourceState
    sighted: bool = True


@dataclass(frozen=True)
class _Window:
    """What was known before a poll. ``open``: a gap before it was noticed already, and is not filled."""

    known: int
    newest: datetime | None
    open: bool

    def slid_past(self, taken: Intake) -> bool:
        """Whether a feed showed nothing that was known, though not all that was known was edited."""
        return taken.new > 0 and not taken.unchanged and taken.changed < self.known


class _Budget:
    """The processor's time that one poll may take of its thread; ``spent`` where it did not suffice."""

    def __init__(self) -> None:
        self._end, self.spent, self._all_asked = time.thread_time() + MOST_SECONDS, False, False

    def noted(self, wanted: Iterable[int]) -> Iterator[int]:
        """The numbers of the items that are wanted."""
        yield from wanted
        self._all_asked = True

    def limited(self, pieces: Iterable[list[Summary]]) -> Iterator[list[Summary]]:
        """The pieces, until the time is spent; those that were read last are always among them."""
        for piece in pieces:
            yield piece
            if time.thread_time() > self._end and not self._all_asked:
                self.spent = True
                return


def _stretches(pieces: Iterable[list[Summary]]) -> Iterator[list[Summary]]:
    """As many at once as are worth a transaction: each costs the same, and more the more indexes it touches."""
    gathered: list[Summary] = []
    for piece in pieces:
        gathered += piece
        if len(gathered) >= TOGETHER:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


class Feeds:
    """Polls the configured feeds into one ledger."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        progress: Callable[[], None],
        fetchers: dict[str, Fetcher] | None = None,
    ) -> None:
        self._config, self._ledger, self._clock, self._progress = config, ledger, clock, progress
        self.fetchers: dict[str, Fetcher] = {} if fetchers is None else fetchers
        self._left_out: Counter[str] = Counter()  # entries, at the poll under way

    def _source(self, name: str) -> FeedSource:
        source = self._config.sources[name]
        assert isinstance(source, FeedSource)  # noqa: S101 - the poller's part to see to
        return source

    def fetch(self, name: str, state: SourceState) -> tuple[Fetched | None, SourceState]:
        """The feed's document, or None where it did not change, and what to remember of it. Raises SourceError."""
        from digestbot.sources.fetch import Fetcher, shown

        source, now = self._source(name), self._clock()
        if name not in self.fetchers:
            self.fetchers[name] = Fetcher(
                allow_private=source.allow_private_addresses,
                seconds=source.timeout.total_seconds(),
                most_bytes=source.max_size,
            )
        if state.url != source.url:
            state = SourceState(url=source.url, sighted=state.sighted, read_to=state.read_to)
        state = replace(state, failed=False)
        asked = state
        if state.fetched_at is None or not now - BELIEVED < state.fetched_at <= now:
            asked = replace(state, etag=None, last_modified=None)  # "not modified" for ever is no news
        fetched = self.fetchers[name].fetch(source.url, asked.etag, asked.last_modified)
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

    def poll(self, name: str, state: SourceState) -> Intake | None:
        """Fetch the feed and take in what it holds; None where it did not change. Raises SourceError."""
        fetched, after = self.fetch(name, state)
        if fetched is not None:
            return self.take_in(name, fetched, state, after)
        if after != state:  # else there is nothing to write down
            with self._ledger.begin() as tx:
                intake.poll_succeeded(tx, name, after, self._clock(), sighted=False)
        return None

    def take_in(self, name: str, fetched: Fetched, state: SourceState, after: SourceState) -> Intake:
        """Take in what a fetched document holds."""
        moved = state.url is not None and state.url != after.url
        self._left_out[name] = 0
        before = self._window(name) if state.sighted and not moved else None
        with closing(fetched.file):
            read = self._read_feed(name, fetched, after, before, moved=moved)
        if moved and not read.sighted:  # else the rest would count as new, though it is only new here
            read = replace(read, state=replace(read.state, url=state.url))
        with self._ledger.begin() as tx:
            if before is not None:
                if before.slid_past(read.taken):
                    self._alarm(name, tx, read.items, before)
                    log.log(
                        logging.WARNING if self._source(name).backfill else logging.ERROR,
                        "source %s: nothing that it shows was known; some before it may be missing",
                        name,
                    )
                elif not before.open:
                    alarms.alarm_is_over(tx, "gap", name, self._clock())
                    intake.gap_since(tx, name, None)
            intake.poll_succeeded(tx, name, read.state, self._clock(), sighted=read.sighted)
        if self._left_out[name] > MOST_SAID:
            log.warning("source %s: %d entries were left out in all", name, self._left_out[name])
        return read.taken

    def _window(self, name: str) -> _Window | None:
        """What is known before a poll; None for nothing."""
        with self._ledger.read() as tx:
            if not intake.any_known(tx, name):
                return None
            newest, open_ = intake.newest_date(tx, name), alarms.open_alarm(tx, "gap", name) is not None
            return _Window(intake.count(tx, name), newest, open_)

    def _alarm(self, name: str, tx: sa.Connection, items: int, before: _Window) -> None:
        """There may be summaries between what a feed shows and what was known before. Said before they are taken in:
        afterwards they are known."""
        reserve = self._source(name).backfill
        mend = (
            f"they are being looked for in source {reserve}"
            if reserve
            else f"set sources.{name}.backfill to a source that shows more, or poll more often"
        )
        note = f"nothing of the {items} items that the feed shows was known: some before them may be missing; {mend}"
        alarms.raise_alarm(tx, "gap", name, note, self._clock())
        if not before.open:
            intake.gap_since(tx, name, before.newest)

    def _read_feed(
        self, name: str, fetched: Fetched, after: SourceState, before: _Window | None, *, moved: bool
    ) -> _Read:
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
        if before is not None and not present:
            with self._ledger.begin() as tx:
                self._alarm(name, tx, len(scanned.versions), before)
        new = (at for at, version in enumerate(scanned.versions) if version not in known)
        fresh = self._not_oversized(name, scanned, new)
        total = Intake(unchanged=len(present))
        budget = _Budget()
        pieces = self._parsed_pieces(name, fetched, scanned, budget.noted(fresh))
        for summaries in _stretches(budget.limited(pieces)):
            with self._ledger.begin() as tx:
                if moved:
                    intake.sight_again(tx, name)
                total += intake.take_in(
                    tx, name, summaries, self._clock(), present=present, shown=len(scanned.versions)
                )
            self._progress()
        if budget.spent:
            log.warning("source %s: it is large: what is left of it is read at the next poll", name)
            after = replace(after, etag=None, last_modified=None, body_hash=None)
        return _Read(len(scanned.versions), total, replace(after, suspect_hash=None), sighted=not budget.spent)

    def _read_whole(self, name: str, fetched: Fetched, after: SourceState, why: str, *, moved: bool) -> _Read:
        if fetched.size > MENDABLE:
            raise SourceError(f"source {name}: the feed is damaged ({why}), and too large to be mended")
        parsed = self._parsed_whole(name, fetched, after.suspect_hash)
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

    def _parsed_pieces(
        self, name: str, fetched: Fetched, scanned: Scan, wanted: Iterable[int]
    ) -> Iterator[list[Summary]]:
        """These items' summaries. An item that brings the parser down is left out, and no other with it."""
        from digestbot.sources.bounds import check_piece

        for body, numbers in scanned.pieces(fetched.file, wanted):
            versions = [scanned.versions[number] for number in numbers]
            try:
                check_piece(body, scanned.item)
                yield self._parsed(name, body, fetched.content_type, None, versions).summaries
            except SourceError as error:
                if len(numbers) > 1:
                    for number in numbers:
                        yield from self._parsed_pieces(name, fetched, scanned, [number])
                    continue
                self._leave_out(name, str(error))

    def _not_oversized(self, name: str, scanned: Scan, wanted: Iterable[int]) -> Iterator[int]:
        """The items without those that are too large."""
        for number in wanted:
            if number in scanned.oversized:
                self._leave_out(name, "it is too large")
            else:
                yield number

    def _leave_out(self, name: str, reason: str) -> None:
        """Log why an entry is not taken in; of very many, not each."""
        self._left_out[name] += 1
        level = logging.WARNING if self._left_out[name] <= MOST_SAID else logging.DEBUG
        log.log(level, "source %s: an entry is left out: %s", name, reason)

    def _parsed_whole(self, name: str, fetched: Fetched, suspect: bytes | None) -> feed.Parsed:
        """What a damaged document holds. Raises SourceError."""
        from digestbot.sources.bounds import check_damaged

        fetched.file.seek(0)
        body = fetched.file.read()
        check_damaged(body)
        return self._parsed(name, body, fetched.content_type, suspect, ())

    def _parsed(
        self, name: str, body: bytes, content_type: str | None, suspect: bytes | None, versions: Sequence[bytes]
    ) -> feed.Parsed:
        from digestbot.sources import feed
        from digestbot.sources.fetch import shown

        where = shown(self._source(name).url)
        try:
            parsed = feed.parse(body, content_type, suspect, versions)
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from error
        except Exception as error:  # whatever a parser meets, the feed is at fault and not the service
            log.debug("source %s", name, exc_info=True)
            raise SourceError(f"{where}: cannot be parsed ({type(error).__name__})") from error
        for reason in parsed.dropped:
            self._leave_out(name, reason)
        return parsed

    def read_all(self, name: str) -> Iterator[list[Summary]]:
        """Everything that a feed shows, in stretches. Raises SourceError."""
        from digestbot.sources.scan import NotScannableError, scan

        fetched, _ = self.fetch(name, SourceState())
        assert fetched is not None  # noqa: S101 - asked without conditions
        with closing(fetched.file):
            try:
                scanned = scan(fetched.file)
            except NotScannableError as error:
                if fetched.size > MENDABLE:
                    raise SourceError(f"source {name}: the feed is damaged, and too large to be mended") from error
                parsed = self._parsed_whole(name, fetched, None)
                if parsed.complaint:
                    log.warning("source %s: %s; what came whole is taken in", name, parsed.complaint)
                yield parsed.summaries
                return
            everything = self._not_oversized(name, scanned, range(len(scanned.versions)))
            for summaries in self._parsed_pieces(name, fetched, scanned, everything):
                yield [replace(one, version=None) for one in summaries]
