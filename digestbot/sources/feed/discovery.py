"""The feeds that a web page names (RSS Advisory Board, "RSS Autodiscovery")."""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urljoin

from digestbot.sources.fetch import Fetcher

HEAD_BYTES = 256 * 1024  # of the page, in which its head must be
PAGE_BYTES = 8 * 10**6
SECONDS = 20.0
_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json")


def named_feeds(url: str, *, allow_private: bool) -> list[str]:
    """Return the URLs of the feeds that a web page names, in its order. Raises SourceError if it cannot be read."""
    fetcher = Fetcher(allow_private=allow_private, seconds=SECONDS, most_bytes=PAGE_BYTES)
    page = fetcher.fetch(url)
    if page is None:
        return []
    with page.file as file:
        file.seek(0)
        return feeds_in_page(file.read(HEAD_BYTES).decode("utf-8", "replace"), page.url)


def feeds_in_page(page: str, url: str) -> list[str]:
    """Return the URLs of the feeds that this HTML names. ``url`` is the page's own."""
    parser = _Links()
    with suppress(AssertionError):  # html.parser's own, for some malformed declarations
        parser.feed(page)
    feeds = []
    for href in parser.hrefs:
        with suppress(ValueError):  # an invalid address
            feeds.append(urljoin(urljoin(url, parser.base), href))
    return [feed for feed in dict.fromkeys(feeds) if feed.startswith(("http://", "https://"))]


class _Links(HTMLParser):
    """Collects the targets of ``<link rel="alternate">`` with a feed's type."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target of a link to a feed."""
        values = {name: value or "" for name, value in attrs}
        relations, type_ = values.get("rel", "").lower().split(), values.get("type", "").strip().lower()
        href = values.get("href", "").strip()
        if tag == "base" and not self.base:
            self.base = href
        if tag == "link" and "alternate" in relations and type_ in _TYPES and href:
            self.hrefs.append(href)
