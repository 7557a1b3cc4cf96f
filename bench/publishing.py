"""Publishing to the sandbox with no faults, against a bare loop of the same client's calls with one durable commit
each. Wall time, on SQLite. Goal: at most 1.4 times."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta

from bench.common import paired, up_next
from digestbot import config as configuration
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Draft, Message, Paper, Slot, Summary
from digestbot.ledger import Ledger, backlog, editions, intake, source_states
from digestbot.pipeline.app import Report, Service
from digestbot.platforms.registry import publisher_for
from digestbot.sandbox import Sandbox

POSTS = 1000


def main(runs: int) -> None:
    posts = POSTS if runs > 1 else 50
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        config = configuration.build(
            {
                "sources": {"store": {"kind": "feed", "url": sandbox.url, "allow_private_addresses": True}},
                "channels": {
                    "page": {"platform": "facebook", "api_url": sandbox.url, "page_id": "200", "access_token": "bench"}
                },
                "digests": {"all": {"sources": ["store"], "channels": ["page"], "schedule": "0 0 1 1 *"}},
            }
        )
        numbers = itertools.count()

        def emptied() -> None:
            """What runs before posted is not there: a new ledger would compare each post with it."""
            with sandbox.world.lock:
                sandbox.world.timelines["facebook"].clear()

        def ours() -> float:
            emptied()
            ledger = Ledger(f"sqlite:///{folder}/{next(numbers)}.db")
            service = Service(config, ledger, lambda: datetime.now(UTC))
            service.prepare()
            _fill(ledger, posts)
            report = Report()
            start = time.perf_counter()
            service.delivery_worker.publish("page", report)
            spent = time.perf_counter() - start
            assert len(report.concluded) == posts
            ledger.close()
            return spent

        def floor() -> float:
            emptied()
            publisher = publisher_for(config.channels["page"])
            book = sqlite3.connect(f"{folder}/{next(numbers)}.db", isolation_level=None)
            book.execute("PRAGMA synchronous = EXTRA")
            book.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, receipt TEXT)")
            start = time.perf_counter()
            for number in range(posts):
                receipt = publisher.publish(
                    Message(f"text {number} of the floor"), reply_to=None, seconds=60, may_send=lambda: True
                )
                book.execute("INSERT INTO posts VALUES (?, ?)", (number, receipt.id))
            spent = time.perf_counter() - start
            book.close()
            return spent

        a, b, ratio = paired(ours, floor, max(1, runs // 2))
    print(f"publish  {posts} posts {a:.2f} s, calls and commits alone {b:.2f} s: {ratio:.2f} times (goal 1.4)")


def _fill(ledger: Ledger, count: int) -> None:
    now = datetime.now(UTC)
    found = [Summary(Paper(f"k{n}", f"Title {n}"), "R", f"r{n}", "b", f"https://example.org/{n}") for n in range(count)]
    with ledger.begin() as tx:
        source_states.claim_poll(tx, "store", timedelta(days=1), now, at_once=True)
        intake.ingest(tx, "store", found, now)
        source_states.poll_succeeded(tx, "store", source_states.SourceState(), now)
        backlog.extend_backlog(tx, "all", "page", "store", "all", configuration.Config().timezone, DigestFilters(), now)
        for number, summary in enumerate(up_next(tx, "all", "page", count, now)):
            due = now + timedelta(microseconds=number)
            slot = editions.reach_slot(tx, "all", "page", Slot(f"s{number}", due), now)
            editions.make_edition(
                tx, slot, "all", "page", [summary], [Draft(Message(f"text {number}"), (summary.id or 0,))], now
            )
