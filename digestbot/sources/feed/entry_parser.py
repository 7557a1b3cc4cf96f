"""Parse a feed's entries, a batch at a time, and leave out those that cannot be used, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary

if TYPE_CHECKING:
    from digestbot.sources.feed import parse
    from digestbot.sources.feed.item_hashes import FeedScan
    from digestbot.sources.fetch import Fetched

log = logging.getLogger(__name__)

MOST_SAID = 10  # left-out entries that are logged one by one


class EntryParser:
    """Parses the entries of one reading of a feed, and counts those that it leaves out."""

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url, self._left_out = name, url, 0

    def entries(self, fetched: Fetched, scanned: FeedScan, wanted: Iterable[int]) -> Iterator[list[Summary]]:
        """Yield these items' summaries. An item that the parser fails on is left out, without affecting others."""
        from digestbot.sources.feed.size_limits import check_piece

        for body, numbers in scanned.pieces(fetched.file, wanted):
            versions = [scanned.versions[number] for number in numbers]
            try:
                check_piece(body, scanned.item)
                yield self._parsed(body, fetched.content_type, None, versions).summaries
            except SourceError as error:
                if len(numbers) > 1:
                    for number in numbers:
                        yield from self.entries(fetched, scanned, [number])
                    continue
                self._leave_out(str(error))

    def not_oversized(self, scanned: FeedScan, wanted: Iterable[int]) -> Iterator[int]:
        """Yield the numbers of the items that are not too large; leave the others out."""
        for number in wanted:
            if number in scanned.oversized:
                self._leave_out("it is too large")
            else:
                yield number

    def _leave_out(self, reason: str) -> None:
        """Log why an entry is left out: the first ones as warnings, the rest at DEBUG."""
        self._left_out += 1
        level = logging.WARNING if self._left_out <= MOST_SAID else logging.DEBUG
        log.log(level, "source %s: an entry is left out: %s", self._name, reason)

    def whole(self, fetched: Fetched, suspect: bytes | None) -> parse.ParsedFeed:
        """Return the content of a damaged document. Raises SourceError."""
        from digestbot.sources.feed.size_limits import check_damaged

        fetched.file.seek(0)
        body = fetched.file.read()
        check_damaged(body)
        return self._parsed(body, fetched.content_type, suspect, ())

    def _parsed(
        self, body: bytes, content_type: str | None, suspect: bytes | None, versions: Sequence[bytes]
    ) -> parse.ParsedFeed:
        from digestbot.sources.feed import parse
        from digestbot.sources.fetch import redact_url

        where = redact_url(self._url)
        try:
            parsed = parse.parse_feed(body, content_type, suspect, versions)
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from error
        except Exception as error:  # a parser's failure is the feed's fault and must not stop the service
            log.debug("source %s", self._name, exc_info=True)
            raise SourceError(f"{where}: cannot be parsed ({type(error).__name__})") from error
        for reason in parsed.dropped:
            self._leave_out(reason)
        return parsed

    def log_total(self) -> None:
        """Log how many entries were left out, if not each of them was logged."""
        if self._left_out > MOST_SAID:
            log.warning("source %s: %d entries were left out in all", self._name, self._left_out)
