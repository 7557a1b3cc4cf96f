"""A feed's bytes to summaries, through feedparser, and around its traps (docs/architecture.md, Feeds)."""

from __future__ import annotations

import calendar
import gc
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from digestbot.errors import SourceError
from digestbot.model import Paper, Summary

_ILLEGAL = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32))  # what XML 1.0 forbids
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a feed's document holds.

    ``suspect_hash``: the document broke off, and this is the hash of its last entry, which may be half of
    one; it is left out unless the last poll saw the very same.
    """

    summaries: list[Summary]
    suspect_hash: bytes | None = None
    complaint: str | None = None


def parse(body: bytes, content_type: str | None = None, suspect_hash: bytes | None = None) -> Parsed:
    """The summaries in a feed's document. Raises SourceError for a document that is no feed."""
    # Imported here: a poll that is answered "not modified" needs no parser.
    import feedparser

    if not body.strip():
        raise SourceError("the feed is empty")
    # feedparser gets bytes, never a name: it would open files and addresses. What is sanitised or resolved as
    # HTML would damage Markdown ("x<y").
    with _without_collections():
        document: Any = feedparser.parse(
            _mended(body),
            response_headers={"content-type": content_type} if content_type else {},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    if not document.version:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise SourceError(f"this is no feed (it begins {start!r})")
    entries = list(document.entries)
    complaint = new_suspect = None
    if document.bozo and b"</rss>" not in body[-200:] and b"</feed>" not in body[-200:]:
        complaint = "the feed breaks off before its end"
        if entries:
            last = entries.pop()
            new_suspect = hashlib.blake2b(repr(sorted(last.items())).encode(), digest_size=16).digest()
            if new_suspect == suspect_hash:
                entries.append(last)
    found = [summary for summary in map(_summary, entries) if summary is not None]
    return Parsed(found, new_suspect, complaint)


@contextmanager
def _without_collections() -> Iterator[None]:
    """No cyclic garbage collection: it would walk the growing document again and again and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _mended(body: bytes) -> bytes:
    """Control characters would send the document through feedparser's loose parser, and one broken UTF-8
    sequence would make it read the whole as windows-1252."""
    declared = _DECLARED.search(body[:200])
    if declared is None or declared[1].lower().replace(b"_", b"-") in (b"utf-8", b"utf8"):
        body = body.translate(None, _ILLEGAL)
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            if declared is not None:
                body = body.decode("utf-8", "replace").encode("utf-8")
    return body


def _summary(entry: Any) -> Summary | None:
    """One entry; None for one that names nothing to link to."""
    link = entry.get("link") or entry.get("id") or ""
    if urlsplit(link).scheme not in ("http", "https"):
        return None
    anchor = unquote(urlsplit(link).fragment)
    author = " ".join((entry.get("author") or "").split())
    store_key = entry.get("shortscience_bibtexkey")
    key = store_key or entry.get("id") or link
    anonymous = author == ANONYMOUS or not author
    handle = key
    if store_key:
        handle = None if anonymous and anchor in ("", "anon") else anchor or author
    return Summary(
        paper=Paper(
            key=key,
            title=entry.get("title") or "",
            arxiv_id=entry.get("shortscience_arxivid") or None,
            doi=key if _DOI.fullmatch(key) else None,
        ),
        writer=None if anonymous else author,
        handle=handle,
        body=_body(entry),
        link=link,
        votes=_number(entry.get("shortscience_votes")),
        dated=_time(entry["published_parsed"] if "published_parsed" in entry else entry.get("updated_parsed")),
    )


def _body(entry: Any) -> str:
    content = entry.get("content") or []
    text = entry.get("summary") or (content[0].get("value") if content else "") or ""
    return str(text)


def _number(text: object) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None


def _time(parsed: Any) -> datetime | None:
    if not parsed:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None
