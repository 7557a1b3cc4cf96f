"""A clock that is moved by hand, feeds, configurations, summaries: what most tests build on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import sqlalchemy as sa

from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Draft, Message, Order, Paper, Summary
from digestbot.domain.schedule import CandidateQueue
from digestbot.ledger import backlog, candidates
from digestbot.pipeline.app import Service
from digestbot.sandbox import Answer, Sandbox

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # a Monday


PROCESSES: list[subprocess.Popen[str]] = []


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


def server_folder() -> Path:
    """Where this run's own PostgreSQL is."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid():012}"
    return Path(tempfile.gettempdir()) / f"digestbot-tests-{run[:12]}"


class Feed:
    """A feed in the store's format, served by the sandbox; ``items`` may be changed at will."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.override: Answer | None = None
        self.requests: list[dict[str, str]] = []
        self.etag: str | None = None

    def add(self, number: int, **fields: Any) -> None:
        self.items.append(feed_item(number, **fields))

    def __call__(self, request: Any) -> Answer:
        self.requests.append(request.headers)
        if self.override is not None:
            return self.override
        if self.etag and request.headers.get("if-none-match") == self.etag:
            return Answer(304, b"")
        headers = {"ETag": self.etag} if self.etag else {}
        return Answer(200, feed_xml(self.items), headers, "application/rss+xml; charset=utf-8")


def feed_item(number: int, **fields: Any) -> dict[str, Any]:
    user = fields.pop("user", f"reader{number}")
    key = fields.pop("key", f"conf/test/Paper{number}")
    return {
        "key": key,
        "votes": 3,
        "title": f"Paper Number {number}",
        "author": "Anonymous" if user == "anon" else f"Reader {number}",
        "body": f"What paper {number} says. It says it well.",
        "link": f"http://www.shortscience.org/paper?bibtexKey={key}#{user}",
        "date": f"Sun, 01 Nov 2026 08:{number % 60:02}:00 +0000",
        "arxiv": None,
    } | fields


def feed_xml(items: list[dict[str, Any]], *, built: str = "Mon, 02 Nov 2026 08:00:00 +0000") -> bytes:
    """The store's RSS, as its own software writes it."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss xmlns:shortscience="http://www.shortscience.org" version="2.0">\n'
        "<channel>\n <title>ShortScience.org Latest Summaries</title>\n <link>http://www.shortscience.org</link>\n"
        f" <ttl>60</ttl>\n <lastBuildDate>{built}</lastBuildDate>"
    )
    parts = [head]
    for item in items:
        arxiv = f"\t<shortscience:arxivid>{item['arxiv']}</shortscience:arxivid>\n" if item["arxiv"] else ""
        votes = "" if item["votes"] is None else f"\t<shortscience:votes>{item['votes']}</shortscience:votes>\n"
        parts.append(
            f"<item>\n{arxiv}\t<shortscience:bibtexkey>{escape(item['key'])}</shortscience:bibtexkey>\n"
            f"{votes}\t<title>{escape(item['title'])}</title>\n"
            f"  \t  \t<author>{escape(item['author'])}</author>\n\t\t\t\t<description>{escape(item['body'])}</description>\n"
            f"\t\t<link>{escape(item['link'])}</link>\n\t<guid>{escape(item['link'])}</guid>\n"
            f"\t<pubDate>{item['date']}</pubDate>\n</item>"
        )
    parts.append("</channel>\n</rss>\n")
    return "\n".join(parts).encode()


def filled_in(folder: Path) -> Path:
    """The example configuration as an operator who has the keys would have it."""
    file = folder / "filled-in.toml"
    example = (Path(__file__).parent.parent.parent / "config.example.toml").read_text(encoding="utf-8")
    example = example.replace('page_id = "…"', 'page_id = "200"')
    file.write_text(example.replace('"…"', '"filled-in"'), encoding="utf-8")
    return file


SECRETS = {
    "api_key": "test-api-key-0001",
    "api_secret": "test-api-secret-0002",
    "access_token": "100-test-access-token-0003",
    "access_token_secret": "test-token-secret-0004",
}


PAGE_SECRETS = {"access_token": "test-page-token-0005", "app_secret": "test-app-secret-0006"}


def raw_config(url: str, **digest: Any) -> dict[str, Any]:
    """A configuration as TOML would give it, pointing at the sandbox."""
    return {
        "timezone": "UTC",
        "sources": {"store": {"kind": "feed", "url": f"{url}/rss-full.xml", "allow_private_addresses": True}},
        "channels": {
            "x": {"platform": "twitter", "api_url": url, **SECRETS},
            "page": {"platform": "facebook", "api_url": url, "page_id": "200", **PAGE_SECRETS},
        },
        "digests": {
            "latest": {
                "sources": ["store"],
                "channels": ["x", "page"],
                "schedule": "0 9,13,17 * * mon-fri",
                "backlog": "all",
            }
            | digest
        },
    }


def up_next(tx: sa.Connection, digest: str, channel: str, most: int, now: datetime, **filters: Any) -> list[Summary]:
    """What a digest with these filters would take next, oldest first."""
    wanted = DigestFilters(**filters)
    while backlog.apply_filters(tx, digest, channel, wanted.verdict):
        pass
    found = candidates.candidates(tx, digest, channel, Order.OLDEST, wanted, now, now)
    return [one.summary for one in CandidateQueue(found).choose(most, now, None, one_per_paper=False)]


def drafts(chosen: list[Summary], messages: list[Message]) -> list[Draft]:
    """These messages as posts: the first shows the first summary and so on; a reply what the one before it shows."""
    made: list[Draft] = []
    for position, message in enumerate(messages):
        summary = chosen[min(position, len(chosen) - 1)]
        shows = made[-1].shows if message.reply else (summary.id or 0,)
        made.append(Draft(message, shows))
    return made


def asked(sandbox: Sandbox) -> list[str]:
    """The calls that the platforms got, but for the daily one that asks how long a token holds."""
    return [call for call in sandbox.world.calls if "debug_token" not in call]


def refuse_first_part(service: Service) -> None:
    """From now on the first post of what is rendered is longer than its platform takes."""
    original = service.post_builder.renderer.drafts

    def refused(*arguments: Any) -> list[Draft]:
        found = original(*arguments)
        return [replace(found[0], message=replace(found[0].message, text="x" * 300)), *found[1:]]

    service.post_builder.renderer.drafts = refused  # type: ignore[method-assign]


def make_summary(number: int, **fields: Any) -> Summary:
    paper = fields.pop("paper", Paper(f"conf/test/Paper{number}", f"Paper Number {number}"))
    return Summary(
        paper=paper,
        **{
            "writer": f"Reader {number}",
            "handle": f"reader{number}",
            "body": f"What paper {number} says.",
            "link": f"http://www.shortscience.org/paper?bibtexKey={paper.key}#reader{number}",
            "votes": 3,
            "dated": START - timedelta(days=30) + timedelta(minutes=number),
        }
        | fields,
    )
