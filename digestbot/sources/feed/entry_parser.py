"""Parse a feed's entries, a batch at a time, and leave out those that cannot be used, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary
from digestbot.sources.feed.config import FeedSource, FutureDates

if TYPE_CHECKING:
    from digestbot.sources.feed import parse
    from digestbot.sources.feed.item_hashes import FeedScan
    from digestbot.sources.feed.json_feed import JsonFeed
    from digestbot.sources.fetch import Fetched

log = logging.getLogger(__name__)

MOST_SAID = 10  # left-out entries that are logged one by one
MOST_EXAMPLES = 3  # that are kept for the operator
TOGETHER = 200  # items of a JSON feed


class EntryParser:
    """Parses the entries of one reading of a feed, and counts those that it leaves out.

    ``dropped`` entries cannot be used; ``examples`` says why for the first of them. Entries dated in the future are
    ``early``, if the source is to wait for their date. ``dates`` are those of all others.
    """

    def __init__(self, name: str, config: FeedSource, now: datetime) -> None:
        self._name, self._config, self._now = name, config, now
        self.dropped = self.early = self.read = 0
        self.examples: list[str] = []
        self.dates: set[datetime | None] = set()

    def entries(self, fetched: Fetched, scanned: FeedScan | JsonFeed, wanted: Iterable[int]) -> Iterator[list[Summary]]:
        """Yield these items' summaries. An item that the parser fails on is left out, without affecting others."""
        from digestbot.sources.feed.json_feed import JsonFeed

        batches = self._of_json if isinstance(scanned, JsonFeed) else self._of_xml
        for summaries in batches(fetched, scanned, wanted):
            yield list(self._due(summaries))

    def _of_json(self, fetched: Fetched, scanned: Any, wanted: Iterable[int]) -> Iterator[list[Summary]]:
        from digestbot.sources.feed.parse import read_entries

        batch: list[int] = []

        def read() -> list[Summary]:
            pairs = [(scanned.entry(number), scanned.versions[number]) for number in batch]
            summaries, dropped = read_entries(pairs, self._format(fetched, scanned.site))
            self._drop(dropped)
            return summaries

        for number in wanted:
            batch.append(number)
            if len(batch) == TOGETHER:
                yield read()
                batch = []
        if batch:
            yield read()

    def _of_xml(self, fetched: Fetched, scanned: Any, wanted: Iterable[int]) -> Iterator[list[Summary]]:
        from digestbot.sources.feed.size_limits import check_piece

        for body, numbers in scanned.pieces(fetched.file, wanted):
            versions = [scanned.versions[number] for number in numbers]
            try:
                check_piece(body, scanned.item)
                yield self._parsed(body, fetched, None, versions, scanned.site, scanned.author).summaries
            except SourceError as error:
                if len(numbers) > 1:
                    for number in numbers:
                        yield from self._of_xml(fetched, scanned, [number])
                    continue
                self._drop([str(error)])

    def not_oversized(self, scanned: FeedScan | JsonFeed, wanted: Iterable[int]) -> Iterator[int]:
        """Yield the numbers of the items that are not too large; leave the others out."""
        for number in wanted:
            if number in scanned.oversized:
                self._drop(["it is too large"])
            else:
                yield number

    def _due(self, summaries: Iterable[Summary]) -> Iterator[Summary]:
        for one in summaries:
            if self._config.future is FutureDates.WAIT and one.dated is not None and one.dated > self._now:
                self.early += 1
            else:
                self.read += 1
                self.dates.add(one.dated)
                yield one

    def _drop(self, reasons: Sequence[str]) -> None:
        """Log why entries are left out: the first ones as warnings, the rest at DEBUG."""
        for reason in reasons:
            self.dropped += 1
            level = logging.WARNING if self.dropped <= MOST_SAID else logging.DEBUG
            log.log(level, "source %s: an entry is left out: %s", self._name, reason)
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append(reason[:300])

    def whole(self, fetched: Fetched, suspect: bytes | None) -> parse.ParsedFeed:
        """Return the content of a damaged document. Raises SourceError."""
        from dataclasses import replace

        from digestbot.sources.feed.size_limits import check_damaged

        fetched.file.seek(0)
        body = fetched.file.read()
        check_damaged(body)
        parsed = self._parsed(body, fetched, suspect, ())
        return replace(parsed, summaries=list(self._due(parsed.summaries)))

    def _format(self, fetched: Fetched, site: str, author: str = "") -> Any:
        from digestbot.sources.feed.entries import EntryFormat

        config = self._config
        bases = tuple(filter(None, (site, fetched.url, config.url)))
        return EntryFormat(config.layout, config.identity, config.text, config.strip_parameters, bases, author)

    def _parsed(
        self,
        body: bytes,
        fetched: Fetched,
        suspect: bytes | None,
        versions: Sequence[bytes],
        site: str = "",
        author: str = "",
    ) -> parse.ParsedFeed:
        from digestbot.sources.feed import parse
        from digestbot.sources.fetch import redact_url

        where = redact_url(self._config.url)
        try:
            parsed = parse.parse_feed(
                body, fetched.content_type, suspect, versions, self._format(fetched, site, author)
            )
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from error
        except Exception as error:  # a parser's failure is the feed's fault and must not stop the service
            log.debug("source %s", self._name, exc_info=True)
            raise SourceError(f"{where}: cannot be parsed ({type(error).__name__})") from error
        self._drop(parsed.dropped)
        return parsed

    def check_some_were_usable(self, known: int) -> None:
        """Raise SourceError if every entry was dropped; ``known`` is how many were known unchanged."""
        if self.dropped and not (known or self.read or self.early):
            some = f"all {self.dropped} entries were" if self.dropped > 1 else "its only entry was"
            raise SourceError(f"{some} dropped: {self.examples[0]}")

    def log_total(self) -> None:
        """Log how many entries were left out, if not each of them was logged."""
        if self.dropped > MOST_SAID:
            log.warning("source %s: %d entries were left out in all", self._name, self.dropped)
