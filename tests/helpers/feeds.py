"""Feeds of other sites than the store: small RSS documents, and what the ledger makes of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from digestbot.sandbox import Answer
from helpers.basics import START

HOST = "https://blog.example"


_WORDS = ["amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "heron", "iris", "jasper", "kelp", "lichen"]


def words(number: int, count: int = 12) -> str:
    """Words that no entry with another number has."""
    return " ".join(f"{word}{number}" for word in _WORDS[:count])


def item(number: int, **fields: Any) -> dict[str, Any]:
    """An entry of a blog: one day older than the one with the next number."""
    return {
        "title": f"Essay {number} on {words(number, 3)}",
        "link": f"{HOST}/essays/{number}",
        "guid": f"{HOST}/essays/{number}",
        "body": f"It says {words(number)}.",
        "date": START - timedelta(days=60 - number),
        "author": None,
        "more": "",
    } | fields


def rss(items: list[dict[str, Any]], *, site: str = f"{HOST}/", namespaces: str = "") -> bytes:
    """An RSS 2.0 document."""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"{namespaces}><channel><title>Essays</title>']
    parts.append(f"<link>{escape(site)}</link><description>d</description>")
    for one in items:
        elements = [f"<title>{escape(one['title'])}</title>", f"<link>{escape(one['link'])}</link>"]
        elements.append(f"<description>{escape(one['body'])}</description>")
        if one["guid"] is not None:
            elements.append(f'<guid isPermaLink="false">{escape(one["guid"])}</guid>')
        if one["date"] is not None:
            date = one["date"]
            elements.append(f"<pubDate>{format_datetime(date) if isinstance(date, datetime) else date}</pubDate>")
        if one["author"] is not None:
            elements.append(f"<author>{escape(one['author'])}</author>")
        parts.append("<item>" + "".join(elements) + one["more"] + "</item>")
    return "\n".join([*parts, "</channel></rss>"]).encode()


def served(document: bytes, content_type: str = "application/xml", **headers: str) -> Answer:
    """An answer of a server that has this document."""
    return Answer(200, document, headers, content_type)
