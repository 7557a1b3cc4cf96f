"""The strict, fast scan of a feed: where its items are, and which of them are unchanged.

The site writes a new lastBuildDate into an otherwise unchanged feed, so whole documents never compare equal. expat
finds the items in a stream, and a hash of each item's bytes shows whether it is known. Only unknown items go to
feedparser, as pieces: documents of a few items each, with the same root. What expat cannot read is left to feedparser
as a whole.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from digestbot.domain.errors import SourceError
from digestbot.sources.feed import size_limits

PIECE_ITEMS = 200
PIECE_BYTES = 1 << 20
LONGEST_LINK = 2000  # characters
_CHUNK = 1 << 18
_ITEMS = ("item", "entry")
# Encodings whose markup is ASCII, so that items can be cut out as bytes.
_ENCODINGS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252")


class NotScannableError(Exception):
    """The scan cannot read the document: it is broken, of an unusual kind, or without items."""


@dataclass
class FeedScan:
    """The positions of a document's items. ``versions`` are hashes, equal for byte-identical items.

    ``site`` and ``author`` are those of the whole feed; empty if it has none before its items.
    """

    head: bytes = b""
    tail: bytes = b""
    item: str = ""
    site: str = ""
    author: str = ""
    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    versions: list[bytes] = field(default_factory=list)
    oversized: set[int] = field(default_factory=set)
    """The numbers of items that exceed the size limit and are not read."""

    def pieces(self, file: BinaryIO, wanted: Iterable[int]) -> Iterator[tuple[bytes, list[int]]]:
        """Yield documents that hold the wanted items, each with the items' numbers."""
        end = f"</{self.item}>\n".encode()
        parts: list[bytes] = []
        numbers: list[int] = []
        size = 0
        for first, last in self._runs(wanted):
            file.seek(self.starts[first])
            part = file.read(self.ends[last] - self.starts[first]) + end
            if parts and (len(numbers) + last - first >= PIECE_ITEMS or size + len(part) > PIECE_BYTES):
                yield b"".join((self.head, *parts, self.tail)), numbers
                parts, numbers, size = [], [], 0
            parts.append(part)
            numbers += range(first, last + 1)
            size += len(part)
        if parts:
            yield b"".join((self.head, *parts, self.tail)), numbers

    def _runs(self, wanted: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield the wanted items as (first, last) runs of neighbours, each read at once and no larger than a piece."""
        first = last = -1
        for at in wanted:
            if first < 0:
                first = at
            elif at > last + 1 or at - first >= PIECE_ITEMS or self.ends[at] - self.starts[first] > PIECE_BYTES:
                yield first, last
                first = at
            last = at
        if first >= 0:
            yield first, last


def scan_feed(file: BinaryIO) -> FeedScan:
    """Return the positions and hashes of the items in a feed's document.

    Raises NotScannableError; the document may then be read by other means. Raises SourceError for a document built to
    cost more than any feed needs.
    """
    file.seek(0)
    return _Scanner().run(file)


class _Scanner:
    def __init__(self) -> None:
        self._found = FeedScan()
        self._stack: list[tuple[str, dict[str, str]]] = []
        self._encoding = "utf-8"
        self._inside = False
        self._fed = self._tags = 0
        self._parser = parser = expat.ParserCreate()
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def run(self, file: BinaryIO) -> FeedScan:
        result, window, base = self._found, b"", 0
        seed = b""
        try:
            while chunk := file.read(_CHUNK):
                if not base and not window and b"\x00" in chunk[:64]:
                    raise NotScannableError("not of an encoding in which markup is ASCII")
                window += chunk
                self._fed += len(chunk)
                before = self._boundaries()
                self._parser.Parse(chunk)
                self._check_costs(chunk, window, base, before)
                for at in range(len(result.versions), len(result.ends)):
                    seed = seed or hashlib.blake2b(result.head, digest_size=16).digest()
                    if result.ends[at] - result.starts[at] > size_limits.MOST_ITEM_BYTES:
                        result.oversized.add(at)
                    begin = max(result.starts[at] - base, 0)  # the beginning of an oversized item is not kept
                    raw = memoryview(window)[begin : result.ends[at] - base]
                    result.versions.append(hashlib.blake2b(raw, digest_size=16, key=seed).digest())
                # no further item begins before expat's position
                here = max(self._parser.CurrentByteIndex, base)
                kept = self._inside and self._fed - result.starts[-1] <= size_limits.MOST_ITEM_BYTES
                keep = result.starts[-1] if kept else here
                window, base = window[keep - base :], keep
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise NotScannableError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
        if not result.ends:
            raise NotScannableError("no items")
        return result

    def _boundaries(self) -> int:
        return len(self._found.starts) + len(self._found.ends)

    def _check_costs(self, chunk: bytes, window: bytes, base: int, before: int) -> None:
        """Raise SourceError before a document can cost too much memory or time."""
        result = self._found
        if self._boundaries() == before:
            self._tags += chunk.count(b"<")
        else:
            since = result.starts[-1] if self._inside else result.ends[-1]
            self._tags = window.count(b"<", max(since - base, 0))
        if self._tags > size_limits.MOST_TAGS:
            raise SourceError(f"it has more than {size_limits.MOST_TAGS} tags between two items")
        if self._fed - max(self._parser.CurrentByteIndex, 0) > size_limits.MOST_TOKEN + len(chunk):
            raise SourceError(f"it has a tag or a comment of more than {size_limits.MOST_TOKEN >> 20} MB")
        if len(result.starts) > size_limits.MOST_ITEMS:
            raise SourceError(f"it has more than {size_limits.MOST_ITEMS} items")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self._encoding = (encoding or "utf-8").lower().replace("_", "-")
        if self._encoding not in _ENCODINGS:
            raise NotScannableError(f"written in {self._encoding[:40]}")

    def _doctype(self, *_: object) -> None:
        raise NotScannableError("has a document type of its own")  # pieces would lack its entities

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _ITEMS and self._stack:
            if not self._found.head:
                self._open(name)
            elif name != self._found.item:
                raise NotScannableError("items of two kinds")
            self._found.starts.append(self._parser.CurrentByteIndex)
            self._inside = True
            self._parser.StartElementHandler = None  # the item's content is left to feedparser
        elif len(attributes) > size_limits.MOST_ATTRIBUTES:
            raise SourceError(f"it has more than {size_limits.MOST_ATTRIBUTES} attributes on one element")
        else:
            self._stack.append((name, attributes))
            if len(self._stack) > size_limits.MOST_DEPTH:
                raise SourceError(f"it has more than {size_limits.MOST_DEPTH} elements inside each other")
            if not self._found.site and name == "link" and attributes.get("rel", "alternate") == "alternate":
                self._found.site = attributes.get("href", "")[:LONGEST_LINK]
                if not self._found.site and len(self._stack) == 3:  # that of the channel, not of its picture
                    self._parser.CharacterDataHandler = self._link
            elif name == "name" and [one for one, _ in self._stack[:-1]] == ["feed", "author"]:
                self._parser.CharacterDataHandler = self._author

    def _author(self, text: str) -> None:
        if len(self._found.author) < LONGEST_LINK:
            self._found.author += text

    def _link(self, text: str) -> None:
        if len(self._found.site) < LONGEST_LINK:
            self._found.site += text.strip()

    def _end(self, name: str) -> None:
        if self._inside:
            if name == self._found.item:
                self._inside = False
                self._parser.StartElementHandler = self._start
                if self._parser.CurrentByteIndex <= self._found.starts[-1]:
                    raise NotScannableError("an empty item")
                self._found.ends.append(self._parser.CurrentByteIndex)
        elif not self._stack or self._stack.pop()[0] != name:
            raise NotScannableError("items inside items")
        else:
            self._parser.CharacterDataHandler = None

    def _open(self, item: str) -> None:
        """Record what each piece begins and ends with; called at the first item."""
        tags = [
            f"<{name}" + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items()) + ">"
            for name, attributes in self._stack
        ]
        head = f'<?xml version="1.0" encoding="{self._encoding}"?>\n' + "\n".join(tags) + "\n"
        self._found.head = head.encode("ascii", "xmlcharrefreplace")
        self._found.tail = "".join(f"</{name}>" for name, _ in reversed(self._stack)).encode("ascii", "replace")
        self._found.item = item
