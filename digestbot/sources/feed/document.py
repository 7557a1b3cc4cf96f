"""A feed's document: where its items are, and their hashes. XML is scanned, a JSON feed is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from digestbot.sources.feed.encoding import as_utf8

if TYPE_CHECKING:
    from digestbot.sources.feed.item_hashes import FeedScan
    from digestbot.sources.feed.json_feed import JsonFeed
    from digestbot.sources.fetch import Fetched


def in_utf8(fetched: Fetched) -> Fetched:
    """Return the document in an encoding whose markup is ASCII."""
    file = as_utf8(fetched.file)
    if file is fetched.file:
        return fetched
    size = file.seek(0, 2)
    file.seek(0)
    return replace(fetched, file=file, size=size, content_type=None)


def scan(fetched: Fetched) -> FeedScan | JsonFeed:
    """Return the items of a document. Raises NotScannableError for XML that must be parsed as a whole, and SourceError
    for a document that is no feed, or that is built to cost more than any feed needs."""
    from digestbot.sources.feed.item_hashes import scan_feed
    from digestbot.sources.feed.json_feed import is_json, read_json_feed

    return read_json_feed(fetched.file, fetched.size) if is_json(fetched.file) else scan_feed(fetched.file)
