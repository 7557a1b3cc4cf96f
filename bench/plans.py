"""What looking ahead costs, and what a tick does that finds nothing to do. CPU of this process.

`plan` for 50 digests, of which 100,000 summaries wait, over 30 days: at most 3 s; against rendering the same posts,
which no plan that knows its costs can do without. A tick with nothing due, at 1,000,000 summaries and 100,000 posts
of history: at most 10 ms; against the same tick over an empty ledger.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.common import feed_body, paired
from digestbot import config
from digestbot.config.rules import filters_for
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, schema
from digestbot.pipeline.app import Service

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
TICKS = 50
URL = "http://127.0.0.1:9"
KEYS = dict.fromkeys(("api_key", "api_secret", "access_token", "access_token_secret"), "x")


def main(runs: int, *, short: bool = False) -> None:
    plans(runs, digests=5 if short else 50, waiting=2_000 if short else 100_000)
    ticks(runs, digests=1, summaries=5_000 if short else 1_000_000)
    ticks(runs, digests=25, summaries=5_000 if short else 1_000_000)


def settings(digests: int) -> config.Config:
    source = {"kind": "feed", "url": f"{URL}/feed.xml", "every": "9 days"}
    digest: dict[str, Any] = {"sources": ["store"], "schedule": "0 9,13,17 * * mon-fri", "backlog": "skip"}
    return config.build(
        {
            "sources": {"store": source},
            "channels": {
                "x": {"platform": "twitter", "api_url": URL, **KEYS},
                "page": {"platform": "facebook", "api_url": URL, "page_id": "1", "access_token": "x"},
            },
            "digests": {f"d{n}": digest | {"channels": ["x", "page"]} for n in range(digests)},
        }
    )


@contextmanager
def service(digests: int, summaries: int, *, bodies: bool, database: str = "") -> Iterator[Service]:
    """A service over a ledger that knows so many summaries, which each digest has been shown and skipped."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(database or f"sqlite:///{folder}/ledger.db")
        built = settings(digests)
        made = Service(built, ledger, lambda: NOW)
        made.prepare()
        body = [feed_body(number) for number in range(200)] if bodies else ["Says something."]
        with ledger.begin() as tx:
            tx.execute(
                schema.sources.insert().values(
                    name="store", url=f"{URL}/feed.xml", polled_at=NOW, next_poll_at=NOW + timedelta(days=9)
                )
            )
            for first in range(1, summaries + 1, 20_000):
                ids = range(first, min(first + 20_000, summaries + 1))
                tx.execute(schema.papers.insert(), [{"id": n, "title": f"A Paper of Number {n}"} for n in ids])
                tx.execute(schema.summaries.insert(), [_summary(n, body[n % len(body)]) for n in ids])
            for digest, channel in built.routes():
                tx.execute(
                    schema.cursors.insert().values(
                        digest=digest,
                        channel=channel,
                        source="store",
                        summary_id=summaries,
                        first_seen_at=NOW,
                        filters_hash=filters_for(built, digest, channel).mark,
                    )
                )
        yield made
        made.close()
        ledger.close()


def _summary(number: int, body: str) -> dict[str, Any]:
    return {
        "id": number,
        "source": "store",
        "paper_id": number,
        "key": f"conf/bench/{number}",
        "handle": f"reader{number % 200}",
        "writer": f"Reader {number % 200}",
        "body": body,
        "link": f"http://www.shortscience.org/paper?bibtexKey=conf/bench/{number}#reader{number % 200}",
        "votes": number % 9,
        "dated": NOW - timedelta(minutes=number),
        "fingerprint": number.to_bytes(8, "big"),
        "ingested_at": NOW - timedelta(days=1),
    }


def fill(made: Service, digest: str, channel: str, begin: int, end: int, status: str) -> None:
    held = "''" if status == "waiting" else "NULL"
    with made.ledger.begin() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO backlog (digest, channel, summary_id, status, blocked_reason) "
                f"SELECT '{digest}', '{channel}', id, '{status}', {held} FROM summaries "
                f"WHERE id > {begin} AND id <= {end}"
            )
        )


def plans(runs: int, *, digests: int, waiting: int) -> None:
    share = waiting // digests
    with service(digests, waiting, bodies=True) as made:
        for number in range(digests):
            channel = ("x", "page")[number % 2]
            fill(made, f"d{number}", channel, number * share, (number + 1) * share, "waiting")
        rows: list[Any] = []

        def plan() -> float:
            start = time.process_time()
            rows[:] = made.plan(NOW, NOW + timedelta(days=30))
            return time.process_time() - start

        def render() -> float:
            start = time.process_time()
            for row in rows:
                if row.summaries:
                    made.post_builder.drafts(row.digest, row.channel, row.summaries)
            return time.process_time() - start

        a, b, ratio = paired(plan, render, min(runs, 5))
        some: list[Summary] = [one for row in rows for one in row.summaries]
        print(
            f"plan     {digests} digests, {waiting} waiting, 30 days: {len(rows)} rows, {len(some)} summaries, "
            f"{a:.2f} s CPU (goal 3), rendering them alone {b:.2f} s: {ratio:.1f} times"
        )


def ticks(runs: int, *, digests: int, summaries: int) -> None:
    with service(digests, summaries, bodies=False) as large, service(digests, 1, bodies=False) as small:
        for digest, channel in large.config.routes()[:2]:
            fill(large, digest, channel, 0, summaries, "skipped")
        history(large, summaries // 10)

        def tick(made: Service) -> float:
            start = time.process_time()
            for _ in range(TICKS):
                report = made.tick()
                assert not report.troubles, report.troubles
                assert not report.made
            return (time.process_time() - start) / TICKS

        a, b, ratio = paired(lambda: tick(large), lambda: tick(small), runs)
        print(
            f"tick     nothing due, {digests} digests on two channels, {summaries} summaries: {a * 1e3:.1f} ms CPU "
            f"(goal 10), empty ledger {b * 1e3:.1f} ms: {ratio:.2f} times"
        )


def history(made: Service, posts: int) -> None:
    """So many posts that were published, each by a slot of its own."""
    with made.ledger.begin() as tx:
        for first in range(1, posts + 1, 20_000):
            ids = range(first, min(first + 20_000, posts + 1))
            at = {n: NOW - timedelta(minutes=5 * (posts - n) + 1) for n in ids}
            tx.execute(
                schema.slots.insert(),
                [
                    {
                        "id": n,
                        "digest": "d0",
                        "channel": "x",
                        "nominal": str(n),
                        "due": at[n],
                        "scheduled": True,
                        "reached_at": at[n],
                    }
                    for n in ids
                ],
            )
            tx.execute(
                schema.editions.insert(),
                [{"id": n, "slot_id": n, "digest": "d0", "channel": "x", "made_at": at[n]} for n in ids],
            )
            tx.execute(
                schema.posts.insert(),
                [
                    {
                        "id": n,
                        "edition_id": n,
                        "position": 0,
                        "channel": "x",
                        "status": "published",
                        "text": f"Text {n}",
                        "receipt_id": str(n),
                        "epoch": 1,
                        "cost": 200_000,
                        "made_at": at[n],
                        "concluded_at": at[n],
                    }
                    for n in ids
                ],
            )
            tx.execute(
                schema.attempts.insert(),
                [
                    {
                        "id": n,
                        "post_id": n,
                        "epoch": 1,
                        "started_at": at[n],
                        "deadline": at[n],
                        "finished_at": at[n],
                        "outcome": "published",
                        "cost": 200_000,
                    }
                    for n in ids
                ],
            )
            tx.execute(schema.post_summaries.insert(), [{"post_id": n, "summary_id": n} for n in ids])
