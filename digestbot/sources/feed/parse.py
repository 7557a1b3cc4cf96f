"""The conversion of a feed's bytes into summaries, through feedparser.

Its traps are described in docs/architecture.md, Feeds.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary
from digestbot.sources.feed.entries import EntryFormat, read_entry

log = logging.getLogger(__name__)

_ILLEGAL = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32))  # forbidden in XML 1.0
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]{1,12}|[0-9]{1,12});")
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_ENDS = (b"</rss>", b"</feed>", b"</rdf:RDF>", b"</RDF>")
DRIVER = "digestbot.sources.feed.feedparser_driver"


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """The content of a feed's document.

    If the document broke off, ``suspect_hash`` is the hash of its last entry, which may be incomplete. That entry is
    left out unless the previous poll saw exactly the same one.
    """

    summaries: list[Summary]
    suspect_hash: bytes | None = None
    complaint: str | None = None
    dropped: tuple[str, ...] = ()


def parse_feed(
    body: bytes,
    content_type: str | None = None,
    suspect_hash: bytes | None = None,
    versions: Sequence[bytes] = (),
    format_: EntryFormat = EntryFormat(),  # noqa: B008 - it is immutable
) -> ParsedFeed:
    """Return the summaries in a feed's document, whose entries are read as ``format_`` says.

    ``versions`` are the hashes of its items, if a scan found them. Raises SourceError if the document is not a feed.
    """
    # Imported here because a poll answered "not modified" needs no parser.
    import feedparser

    if DRIVER not in feedparser.api.PREFERRED_XML_PARSERS:
        feedparser.api.PREFERRED_XML_PARSERS.insert(0, DRIVER)
    if not body.strip():
        raise SourceError("the feed is empty")
    # feedparser gets bytes, never a string, which it could open as a file or URL. Sanitising or resolving the text as
    # HTML would damage Markdown ("x<y").
    try:
        with _without_collections():
            document: Any = feedparser.parse(
                body if versions else _mended(body),  # a scanned document is sound
                response_headers={"content-type": content_type} if content_type else {},
                sanitize_html=False,
                resolve_relative_uris=False,
            )
    except Exception as error:  # a damaged document can fail anywhere in feedparser
        raise SourceError(f"the feed cannot be parsed ({type(error).__name__})") from error
    if not document.version:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise SourceError(f"this is not a feed (it begins with {start!r})")
    entries = list(document.entries)
    complaint = new_suspect = None
    if document.bozo and not any(end in body[-200:] for end in _ENDS):
        complaint = "the feed is truncated"
        if entries:
            last = entries.pop()
            new_suspect = hashlib.blake2b(repr(sorted(last.items())).encode(), digest_size=16).digest()
            if new_suspect == suspect_hash:
                entries.append(last)
    if not versions:
        site, author = (str(dict.get(document.feed, name) or "") for name in ("link", "author"))
        format_ = replace(format_, bases=(site, *format_.bases), author=author)
    known = versions if len(versions) == len(entries) else [None] * len(entries)
    result, dropped = read_entries(zip(entries, known, strict=True), format_)
    return ParsedFeed(result, new_suspect, complaint, dropped)


def read_entries(
    entries: Iterable[tuple[Any, bytes | None]], format_: EntryFormat
) -> tuple[list[Summary], tuple[str, ...]]:
    """Return the summaries in these entries, each given with its version, and why the others were left out."""
    result, dropped = [], []
    for entry, version in entries:
        try:
            result.append(read_entry(entry, version, format_))
        except ValueError as error:
            dropped.append(f"{str(entry.get('title') or entry.get('id') or 'no title')[:80]!r}: {error}")
        except Exception as error:  # an entry may hold anything, and must not take the others along
            log.debug("an entry", exc_info=True)
            dropped.append(f"an entry cannot be read ({type(error).__name__})")
    return result, tuple(dropped)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Disable cyclic garbage collection during the block.

    It would walk the growing document repeatedly and find nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _mended(body: bytes) -> bytes:
    """Return the document without bytes that would mislead feedparser.

    Control characters would select feedparser's loose parser. One broken UTF-8 sequence would make it read the whole
    document as windows-1252.
    """
    declared = _DECLARED.search(body[:200])
    if declared is None or declared[1].lower().replace(b"_", b"-") in (b"utf-8", b"utf8"):
        body = body.translate(None, _ILLEGAL)
        if b"&#" in body:
            body = _REFERENCE.sub(lambda match: match[0] if _is_character(match[1]) else b"", body)
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            if declared is not None:
                body = body.decode("utf-8", "replace").encode("utf-8")
    return body


def _is_character(reference: bytes) -> bool:
    """Return True if a numeric reference names a character that XML 1.0 allows; feedparser fails on others."""
    number = int(reference[1:], 16) if reference[:1] in b"xX" else int(reference)
    return number in (9, 10, 13) or 0x20 <= number < 0xD800 or 0xE000 <= number <= 0x10FFFF
