"""Polling a feed: fetch it, scan it, parse what is new, and ingest it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, alerts, intake, source_states
from digestbot.ledger.intake import IngestResult
from digestbot.ledger.source_states import SourceState
from digestbot.sources.base import NO_VOTES, SourceContext
from digestbot.sources.feed.config import FeedSource
from digestbot.sources.feed.entry_parser import EntryParser

if TYPE_CHECKING:
    import sqlalchemy as sa

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


@dataclass(frozen=True)
class _Window:
    """What the ledger knew of a feed before a poll.

    ``open``: an earlier gap was already noticed and is not filled yet.
    """

    known: int
    newest: datetime | None
    open: bool

    def slid_past(self, taken: IngestResult) -> bool:
        """Return True if the feed shows nothing that was known, although not all known summaries were edited.

        Summaries in between may then be missing.
        """
        return taken.new > 0 and not taken.unchanged and taken.changed < self.known


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
            )
        if state.url != source.url:
            state = SourceState(url=source.url, sighted=state.sighted, scan_cursor=state.scan_cursor)
        state = replace(state, failed=False)
        asked = state
        if state.fetched_at is None or not now - BELIEVED < state.fetched_at <= now:
            asked = replace(state, etag=None, last_modified=None)  # do not trust "not modified" forever
        fetched = self._fetcher.fetch(source.url, asked.etag, asked.last_modified)
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
                source_states.poll_succeeded(tx, self._name, after, self._clock(), sighted=False)
        return None

    def take_in(self, fetched: Fetched, state: SourceState, after: SourceState) -> IngestResult:
        """Ingest a fetched document, and raise or close the alert about a gap."""
        moved = state.url is not None and state.url != after.url
        before = self._window() if state.sighted and not moved else None
        parser = EntryParser(self._name, self._config.url)
        with closing(fetched.file):
            read = self._read_feed(fetched, after, before, parser, moved=moved)
        if moved and not read.sighted:  # keep the old URL, so that the next poll still treats the rest as moved
            read = replace(read, state=replace(read.state, url=state.url))
        with self._ledger.begin() as tx:
            if before is not None:
                if before.slid_past(read.taken):
                    self._alert(tx, read.items, before)
                    log.log(
                        logging.WARNING if self._config.backfill else logging.ERROR,
                        "source %s: none of its entries were known; earlier ones may be missing",
                        self._name,
                    )
                elif not before.open:
                    alerts.close_alert(tx, "gap", self._name, self._clock())
                    source_states.set_gap_since(tx, self._name, None)
            source_states.poll_succeeded(tx, self._name, read.state, self._clock(), sighted=read.sighted)
        parser.log_total()
        return read.taken

    def _window(self) -> _Window | None:
        """Return what the ledger knows before a poll; None if it knows nothing."""
        with self._ledger.read() as tx:
            if not intake.has_summaries(tx, self._name):
                return None
            newest, open_ = intake.newest_date(tx, self._name), alerts.open_alert(tx, "gap", self._name) is not None
            return _Window(intake.summary_count(tx, self._name), newest, open_)

    def _alert(self, tx: sa.Connection, items: int, before: _Window) -> None:
        """Raise the alert that summaries may be missing between what the feed shows and what was known.

        It is raised before they are ingested, because afterwards they count as known.
        """
        reserve = self._config.backfill
        remedy = (
            f"digestbot is looking for them in source {reserve}"
            if reserve
            else f"set sources.{self._name}.backfill to a source that shows more, or poll more often"
        )
        note = f"none of the {items} items in the feed were known: earlier ones may be missing; {remedy}"
        alerts.raise_alert(tx, "gap", self._name, note, self._clock())
        if not before.open:
            source_states.set_gap_since(tx, self._name, before.newest)

    def _read_feed(
        self, fetched: Fetched, after: SourceState, before: _Window | None, parser: EntryParser, *, moved: bool
    ) -> _Read:
        """Scan the document and parse what is new; parse all of it if it cannot be scanned.

        Items from a URL other than before are treated as at first sight.
        """
        from digestbot.sources.feed.item_hashes import NotScannableError, scan_feed

        try:
            scanned = scan_feed(fetched.file)
        except NotScannableError as error:
            log.debug("source %s: parsed whole: %s", self._name, error)
            return self._read_whole(fetched, after, parser, str(error), moved=moved)
        with self._ledger.read() as tx:
            known = intake.known_versions(tx, self._name, scanned.versions)
        present = set(known.values())
        if before is not None and not present:
            with self._ledger.begin() as tx:
                self._alert(tx, len(scanned.versions), before)
        new = (at for at, version in enumerate(scanned.versions) if version not in known)
        fresh = parser.not_oversized(scanned, new)
        total = IngestResult(unchanged=len(present))
        budget = _Budget()
        pieces = parser.entries(fetched, scanned, budget.noted(fresh))
        for summaries in _stretches(budget.limited(pieces)):
            with self._ledger.begin() as tx:
                if moved:
                    source_states.reapply_initial_policy(tx, self._name)
                total += intake.ingest(
                    tx, self._name, summaries, self._clock(), present=present, shown=len(scanned.versions)
                )
            self._progress()
        if budget.spent:
            log.warning("source %s: the feed is large: the rest is read at the next poll", self._name)
            after = replace(after, etag=None, last_modified=None, body_hash=None)
        return _Read(len(scanned.versions), total, replace(after, suspect_hash=None), sighted=not budget.spent)

    def _read_whole(self, fetched: Fetched, after: SourceState, parser: EntryParser, why: str, *, moved: bool) -> _Read:
        if fetched.size > REPAIRABLE:
            raise SourceError(f"source {self._name}: the feed is damaged ({why}), and too large to be repaired")
        parsed = parser.whole(fetched, after.suspect_hash)
        if parsed.complaint:
            log.warning("source %s: %s; the intact part was ingested", self._name, parsed.complaint)
            after = replace(after, etag=None, last_modified=None)  # request the whole document again
        with self._ledger.begin() as tx:
            if moved:
                source_states.reapply_initial_policy(tx, self._name)
            taken = intake.ingest(tx, self._name, parsed.summaries, self._clock(), shown=len(parsed.summaries))
        # a broken or empty document does not count as a first sight of the source
        sighted = bool(parsed.summaries) and parsed.suspect_hash is None
        return _Read(len(parsed.summaries), taken, replace(after, suspect_hash=parsed.suspect_hash), sighted)

    def read_all(self) -> Iterator[list[Summary]]:
        """Yield everything that the feed shows, in batches. Raises SourceError."""
        from digestbot.sources.feed.item_hashes import NotScannableError, scan_feed

        fetched, _ = self.fetch(SourceState())
        parser = EntryParser(self._name, self._config.url)
        assert fetched is not None  # noqa: S101 - an unconditional request
        with closing(fetched.file):
            try:
                scanned = scan_feed(fetched.file)
            except NotScannableError as error:
                if fetched.size > REPAIRABLE:
                    raise SourceError(
                        f"source {self._name}: the feed is damaged, and too large to be repaired"
                    ) from error
                parsed = parser.whole(fetched, None)
                if parsed.complaint:
                    log.warning("source %s: %s; the intact part was ingested", self._name, parsed.complaint)
                yield parsed.summaries
                return
            everything = parser.not_oversized(scanned, range(len(scanned.versions)))
            for summaries in parser.entries(fetched, scanned, everything):
                yield [replace(one, version=None) for one in summaries]

    def confirm(self, summaries: Sequence[Summary]) -> bool:  # noqa: ARG002 - as every source
        """Return True: a summary's absence from a feed proves nothing."""
        return True

    def probe(self, *, votes_wanted: bool, sections_wanted: bool) -> str:  # noqa: ARG002 - as every source
        """Return how many entries the feed has, and how old the newest is.

        Raises SourceError also if no entry is usable, or if votes are wanted and no entry has any.
        """
        count, newest, votes = 0, None, False
        for batch in self.read_all():
            count += len(batch)
            votes = votes or any(one.votes is not None for one in batch)
            newest = max((one.dated for one in batch if one.dated is not None), default=newest)
        if not count:
            raise SourceError("can be read, but none of its entries can be used: is this the right URL?")
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
