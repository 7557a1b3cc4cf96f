"""Polling a feed: fetch it, scan it, parse what is new, and ingest it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from typing import TYPE_CHECKING

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, alerts, intake, source_states
from digestbot.ledger.intake import IngestResult
from digestbot.ledger.source_states import PollReport, SourceState
from digestbot.sources.base import MOST_EXAMPLES, NO_VOTES, SourceContext
from digestbot.sources.feed.config import FeedSource, FeedWindow
from digestbot.sources.feed.document import in_utf8
from digestbot.sources.feed.entry_parser import EntryParser
from digestbot.sources.feed.gaps import KnownEntries, is_by_day, known_entries, raise_gap
from digestbot.sources.feed.notices import note_move, note_shared_keys

if TYPE_CHECKING:
    import sqlalchemy as sa

    from digestbot.sources.feed.parse import ParsedFeed
    from digestbot.sources.fetch import Fetched, Fetcher

log = logging.getLogger(__name__)

BELIEVED = timedelta(days=1)  # how long a server's "not modified" is trusted
REPAIRABLE = 16 << 20  # bytes of a damaged document that feedparser may parse whole, in a dozen times as much memory
TOGETHER = 2000  # summaries per transaction
MOST_SECONDS = 10.0  # of CPU time that a poll may take


@dataclass(frozen=True)
class _Read:
    """The result of reading a feed. ``sighted`` is False if the reading was incomplete or found nothing."""

    items: int
    taken: IngestResult
    state: SourceState
    sighted: bool = True


class _Budget:
    """The CPU time that one poll may take of its thread; ``spent`` is True if it was not enough."""

    def __init__(self) -> None:
        self._end, self.spent, self._all_asked = time.thread_time() + MOST_SECONDS, False, False

    def noted(self, wanted: Iterable[int]) -> Iterator[int]:
        """Yield the wanted items' numbers, and note when all of them were requested."""
        yield from wanted
        self._all_asked = True

    def limited(self, pieces: Iterable[list[Summary]]) -> Iterator[list[Summary]]:
        """Yield the batches until the time is spent. The batch that was being read is still included."""
        for piece in pieces:
            yield piece
            if time.thread_time() > self._end and not self._all_asked:
                self.spent = True
                return


def _stretches(pieces: Iterable[list[Summary]]) -> Iterator[list[Summary]]:
    """Yield the batches joined into larger ones that are worth a transaction.

    Each transaction has a fixed cost, which is higher the more indexes it touches.
    """
    gathered: list[Summary] = []
    for piece in pieces:
        gathered += piece
        if len(gathered) >= TOGETHER:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


class Feed:
    """One configured feed over one ledger."""

    def __init__(self, context: SourceContext) -> None:
        self._context, self._name = context, context.name
        self._config: FeedSource = context.config
        self._ledger, self._clock, self._progress = context.ledger, context.clock, context.progress
        self._fetcher: Fetcher | None = None
        self.examples: Sequence[Summary] = ()

    @property
    def url(self) -> str:
        """Return the feed's URL."""
        return self._config.url

    def fetch(self, state: SourceState) -> tuple[Fetched | None, SourceState]:
        """Return the feed's document, or None if it is unchanged, and the state to remember. Raises SourceError."""
        from digestbot.sources.fetch import Fetcher, redact_url

        source, now = self._config, self._clock()
        if self._fetcher is None:
            self._fetcher = Fetcher(
                allow_private=source.allow_private_addresses,
                seconds=source.timeout.total_seconds(),
                most_bytes=source.max_size,
                headers=source.request_headers(),
            )
        if state.url != source.url:
            state = SourceState(url=source.url, sighted=state.sighted, scan_cursor=state.scan_cursor)
        state = replace(state, failed=False)
        asked = state
        if state.fetched_at is None or not now - BELIEVED < state.fetched_at <= now:
            asked = replace(state, etag=None, last_modified=None)  # do not trust "not modified" forever
        fetched = self._fetcher.fetch(source.url, asked.etag, asked.last_modified)
        moved_to = self._fetcher.moved_to if self._fetcher.moved_to != source.url else None
        state = replace(state, moved_to=moved_to)
        if fetched is None:
            if not (asked.etag or asked.last_modified):
                raise SourceError(f"{redact_url(source.url)}: returned 304 (not modified) to an unconditional request")
            return None, state
        after = replace(
            state, etag=fetched.etag, last_modified=fetched.last_modified, body_hash=fetched.hash, fetched_at=now
        )
        if fetched.hash == state.body_hash and state.suspect_hash is None:
            fetched.file.close()
            return None, after
        return fetched, after

    def poll(self, state: SourceState) -> IngestResult | None:
        """Fetch the feed and ingest its content; return None if it is unchanged. Raises SourceError."""
        fetched, after = self.fetch(state)
        if fetched is not None:
            return self.take_in(fetched, state, after)
        if after != state:  # otherwise there is nothing to save
            with self._ledger.begin() as tx:
                note_move(tx, self._name, self._config.url, after.moved_to, self._clock())
                source_states.poll_succeeded(tx, self._name, after, self._clock(), sighted=False)
        return None

    def take_in(self, fetched: Fetched, state: SourceState, after: SourceState) -> IngestResult:
        """Ingest a fetched document, and raise or close the alerts about it. Raises SourceError."""
        moved = state.url is not None and state.url != after.url
        before = known_entries(self._ledger, self._name) if state.sighted and not moved else None
        parser = EntryParser(self._name, self._config, self._clock())
        fetched = in_utf8(fetched)
        with closing(fetched.file):
            read = self._read_feed(fetched, after, before, parser, moved=moved)
        parser.log_total()
        parser.check_some_were_usable(read.taken.unchanged)
        if moved and not read.sighted:  # keep the old URL, so that the next poll still treats the rest as moved
            read = replace(read, state=replace(read.state, url=state.url))
        if parser.early:  # read it again, even if it does not change
            read = replace(read, state=replace(read.state, etag=None, last_modified=None, body_hash=None))
        with self._ledger.begin() as tx:
            if before is not None:
                self._settle_gap(tx, read, before, parser)
            note_shared_keys(tx, self._name, read.taken, self._clock())
            note_move(tx, self._name, self._config.url, read.state.moved_to, self._clock())
            entries = read.items if read.sighted else None  # otherwise the rest is read at another poll
            report = PollReport.of(read.taken, parser.dropped, parser.early, parser.examples, entries)
            source_states.poll_succeeded(tx, self._name, read.state, self._clock(), sighted=read.sighted, report=report)
        return read.taken

    def _settle_gap(self, tx: sa.Connection, read: _Read, before: KnownEntries, parser: EntryParser) -> None:
        by_day = is_by_day(self._config, before, parser.dates)
        if before.slid_past(read.taken) and not by_day:
            raise_gap(tx, self._name, self._config, read.items, before, self._clock())
            log.log(
                logging.WARNING if self._config.backfill else logging.ERROR,
                "source %s: none of its entries were known; earlier ones may be missing",
                self._name,
            )
        elif by_day or not before.open:
            alerts.close_alert(tx, "gap", self._name, self._clock())
            source_states.set_gap_since(tx, self._name, None)

    def _read_feed(
        self, fetched: Fetched, after: SourceState, before: KnownEntries | None, parser: EntryParser, *, moved: bool
    ) -> _Read:
        """Scan the document and parse what is new; parse all of it if it cannot be scanned.

        Items from a URL other than before are treated as at first sight.
        """
        from digestbot.sources.feed.document import scan
        from digestbot.sources.feed.item_hashes import NotScannableError

        try:
            scanned = scan(fetched)
        except NotScannableError as error:
            log.debug("source %s: parsed whole: %s", self._name, error)
            return self._read_whole(fetched, after, parser, str(error), moved=moved)
        with self._ledger.read() as tx:
            known = intake.known_versions(tx, self._name, scanned.versions)
        present = set(known.values())
        may_be_by_day = before is not None and (before.daily or self._config.window is FeedWindow.DAILY)
        if before is not None and scanned.versions and not present and not may_be_by_day:
            with self._ledger.begin() as tx:
                raise_gap(tx, self._name, self._config, len(scanned.versions), before, self._clock())
        new = (at for at, version in enumerate(scanned.versions) if version not in known)
        fresh = parser.not_oversized(scanned, new)
        total = IngestResult(unchanged=len(present))
        budget = _Budget()
        pieces = parser.entries(fetched, scanned, budget.noted(fresh))
        shown = len(scanned.versions)
        for summaries in _stretches(budget.limited(pieces)):
            total += self._ingest(summaries, before, present, shown, moved=moved)
            self._progress()
        if budget.spent:
            log.warning("source %s: the feed is large: the rest is read at the next poll", self._name)
            after = replace(after, etag=None, last_modified=None, body_hash=None)
        return _Read(shown, total, replace(after, suspect_hash=None), sighted=not budget.spent and shown > 0)

    def _ingest(
        self,
        summaries: Sequence[Summary],
        before: KnownEntries | None,
        present: Collection[int],
        shown: int,
        *,
        moved: bool,
    ) -> IngestResult:
        """Ingest summaries in one transaction; many old ones are held, unless the source is read for the first time."""
        with self._ledger.begin() as tx:
            if moved:
                source_states.reapply_initial_policy(tx, self._name)
            return intake.ingest(
                tx,
                self._name,
                summaries,
                self._clock(),
                present=present,
                shown=shown,
                keys_are_certain=self._config.keys_are_certain(),
                hold_old=before is not None or moved,
            )

    def _read_whole(self, fetched: Fetched, after: SourceState, parser: EntryParser, why: str, *, moved: bool) -> _Read:
        parsed = self._parse_whole(fetched, parser, after.suspect_hash, why)
        if parsed.complaint:
            after = replace(after, etag=None, last_modified=None)  # request the whole document again
        known = known_entries(self._ledger, self._name) if after.sighted else None
        taken = self._ingest(parsed.summaries, known, (), len(parsed.summaries), moved=moved)
        # a broken or empty document does not count as a first sight of the source
        sighted = bool(parsed.summaries) and parsed.suspect_hash is None
        items = len(parsed.summaries) + parser.dropped + parser.early
        return _Read(items, taken, replace(after, suspect_hash=parsed.suspect_hash), sighted)

    def _parse_whole(self, fetched: Fetched, parser: EntryParser, suspect: bytes | None, why: str) -> ParsedFeed:
        """Return the content of a document that cannot be scanned. Raises SourceError."""
        if fetched.size > REPAIRABLE:
            raise SourceError(f"source {self._name}: the feed is damaged ({why}), and too large to be repaired")
        parsed = parser.whole(fetched, suspect)
        if parsed.complaint:
            log.warning("source %s: %s; the intact part was ingested", self._name, parsed.complaint)
        return parsed

    def read_all(self) -> Iterator[list[Summary]]:
        """Yield everything that the feed shows, in batches. Raises SourceError."""
        from digestbot.sources.feed.document import scan
        from digestbot.sources.feed.item_hashes import NotScannableError

        fetched, _ = self.fetch(SourceState())
        parser = EntryParser(self._name, self._config, self._clock())
        assert fetched is not None  # noqa: S101 - an unconditional request
        fetched = in_utf8(fetched)
        with closing(fetched.file):
            try:
                scanned = scan(fetched)
            except NotScannableError as error:
                yield self._parse_whole(fetched, parser, None, str(error)).summaries
                return
            everything = parser.not_oversized(scanned, range(len(scanned.versions)))
            for summaries in parser.entries(fetched, scanned, everything):
                yield [replace(one, version=None) for one in summaries]
        parser.check_some_were_usable(0)

    def confirm(self, summaries: Sequence[Summary]) -> bool:  # noqa: ARG002 - as every source
        """Return True: a summary's absence from a feed proves nothing."""
        return True

    def probe(self, *, votes_wanted: bool, sections_wanted: bool) -> str:  # noqa: ARG002 - as every source
        """Return how many entries the feed has, and how old the newest is.

        Raises SourceError also if no entry is usable, or if votes are wanted and no entry has any.
        """
        count, newest, votes = 0, None, False
        undated = datetime.min.replace(tzinfo=UTC)
        for batch in self.read_all():
            count += len(batch)
            self.examples = nlargest(MOST_EXAMPLES, [*self.examples, *batch], key=lambda one: one.dated or undated)
            votes = votes or any(one.votes is not None for one in batch)
            newest = max((one.dated for one in batch if one.dated is not None), default=newest)
        if not count:
            raise SourceError("it was read, but none of its entries can be used: is this the right URL?")
        if votes_wanted and not votes:
            raise SourceError(NO_VOTES)
        entries = f"{count} entr{'ies' if count > 1 else 'y'}"
        if newest is None:
            return entries
        days = (self._clock() - newest).days
        return f"{entries}, the newest of {newest:%Y-%m-%d} ({f'{days} days ago' if days >= 0 else 'in the future'})"

    def check(self) -> None:
        """Return None: there is nothing to say without reading the feed."""

    def prepare_dry_run(self) -> Callable[[Ledger, SourceState], None]:
        """Fetch the feed, and return a function that ingests it into a temporary ledger."""
        fetched, after = self.fetch(SourceState())

        def poll_into(ledger: Ledger, state: SourceState) -> None:
            if fetched is not None:
                Feed(replace(self._context, ledger=ledger)).take_in(fetched, state, after)

        return poll_into

    def close(self) -> None:
        """Do nothing: no connection outlives a poll."""
