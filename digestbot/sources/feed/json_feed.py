"""JSON Feed 1.1 (jsonfeed.org/version/1.1): its items as the same entries that feedparser makes of XML."""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO

from digestbot.domain.errors import SourceError
from digestbot.sources.feed import size_limits

MOST_BYTES = 16 << 20  # of a document: it is held in memory as a whole, in a few times as much
_VERSION = "jsonfeed.org/version/"


class JsonFeed:
    """A document's items. ``versions`` are hashes, equal for items with the same content."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.site = _text(document.get("home_page_url"))
        self._authors = _names(document)
        items = document.get("items")
        if not isinstance(items, list):
            raise SourceError('it is a JSON feed without the list "items"')
        if len(items) > size_limits.MOST_ITEMS:
            raise SourceError(f"it has more than {size_limits.MOST_ITEMS} items")
        self._items = items
        raw = [json.dumps(item, sort_keys=True, separators=(",", ":")).encode() for item in items]
        self.versions = [hashlib.blake2b(one, digest_size=16, key=b"json").digest() for one in raw]
        self.oversized = {at for at, one in enumerate(raw) if len(one) > size_limits.MOST_ITEM_BYTES}

    def entry(self, number: int) -> dict[str, Any]:
        """Return an item as feedparser would."""
        item = self._items[number]
        if not isinstance(item, dict):
            return {"title": "an item that is no object"}
        authors = _names(item) or self._authors
        attached = item.get("attachments")
        files = [one for one in attached if isinstance(one, dict)] if isinstance(attached, list) else []
        pictures = [_text(item.get("image")), _text(item.get("banner_image"))]
        pictures += [_text(one.get("url")) for one in files if _text(one.get("mime_type")).startswith("image/")]
        links = [{"rel": "enclosure", "href": url, "type": "image/*"} for url in pictures if url]
        tags = item.get("tags")
        content = _text(item.get("content_html")) or _text(item.get("content_text"))
        return {
            "id": _text(item.get("id")),
            "link": _text(item.get("url")) or _text(item.get("external_url")),
            "title": _text(item.get("title")),
            "summary": _text(item.get("summary")),
            "content": [{"value": content}],
            "published": _text(item.get("date_published")),
            "updated": _text(item.get("date_modified")),
            "authors": [{"name": name} for name in authors],
            "author": authors[0] if authors else "",
            "tags": [{"term": one} for one in tags if isinstance(one, str)] if isinstance(tags, list) else [],
            "links": links,
        }


def is_json(file: BinaryIO) -> bool:
    """Return whether a document is JSON, by its first character."""
    file.seek(0)
    start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    return start.startswith(b"{")


def read_json_feed(file: BinaryIO, size: int) -> JsonFeed:
    """Return the feed in a JSON document. Raises SourceError if there is none."""
    if size > MOST_BYTES:
        raise SourceError(f"a JSON feed may have {MOST_BYTES >> 20} MB at most")
    try:
        document = json.loads(file.read().decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"this is not a feed (it begins like JSON, but is not: {type(error).__name__})") from error
    version = document.get("version")
    if not isinstance(version, str) or _VERSION not in version:
        raise SourceError("this is not a feed (it is JSON without the version of a JSON feed)")
    return JsonFeed(document)


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # version 1 allowed numbers as ids
    return value if isinstance(value, str) else ""


def _names(holder: dict[str, Any]) -> list[str]:
    given = holder.get("authors")
    several = given if isinstance(given, list) else [holder.get("author")]  # version 1 had one author
    return [name for one in several if isinstance(one, dict) for name in [_text(one.get("name"))] if name]
