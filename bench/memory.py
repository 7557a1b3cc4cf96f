"""Peak memory of a process that ticks once and lists its newest posts, over a short and over a long history.
Goal: the same."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.common import child, up_next

SHORT = 100


def main(runs: int) -> None:
    long = 50_000 if runs > 1 else 2_000  # one run only shows that it runs
    with tempfile.TemporaryDirectory() as folder:
        for items in (SHORT, long):
            child("-m", "bench.memory", "fill", f"{folder}/{items}.db", str(items))
        peaks = {
            items: min(child("-m", "bench.memory", "tick", f"{folder}/{items}.db", str(items))[1] for _ in range(runs))
            for items in (SHORT, long)
        }
        size = Path(f"{folder}/{long}.db").stat().st_size / 1e6
    growth = peaks[long] / peaks[SHORT]
    print(
        f"memory   {peaks[SHORT] / 1e3:.0f} MB over {SHORT} posts, {peaks[long] / 1e3:.0f} MB over {long:,} "
        f"({size:.0f} MB of ledger): {growth:.2f} times (goal 1)"
    )


def run(what: str, database: str, items: str) -> None:
    """The child: fills a ledger with a published history, or ticks over it."""
    from digestbot import config
    from digestbot.domain.filters import DigestFilters
    from digestbot.domain.model import Draft, Message, Paper, PostStatus, Receipt, Slot, Summary
    from digestbot.domain.retry import Decision
    from digestbot.ledger import Ledger, backlog, channel_states, delivery, editions, intake, queries, source_states
    from digestbot.pipeline.app import Service

    ledger = Ledger(f"sqlite:///{database}")
    now = datetime(2026, 11, 2, 8, tzinfo=UTC)
    settings = config.build(
        {
            "channels": {"page": {"platform": "facebook", "page_id": "1", "access_token": "bench"}},
            "sources": {"store": {"kind": "feed", "url": "http://127.0.0.1:1/"}},
            "digests": {"all": {"sources": ["store"], "channels": ["page"], "schedule": "0 9 * * *"}},
        }
    )
    service = Service(settings, ledger, lambda: now + timedelta(minutes=1))
    service.prepare()
    if what == "tick":
        service.tick()
        after = 0
        with ledger.read() as tx:
            while page := queries.post_rows(tx, after=after, most=500):
                after = page[-1].id
        return
    for start in range(0, int(items), 1000):
        size = min(1000, int(items) - start)
        batch = [
            Summary(Paper(f"k{n}", f"Title {n}"), "Reader", f"r{n}", "x" * 500, f"https://example.org/{n}")
            for n in range(start, start + size)
        ]
        with ledger.begin() as tx:
            source_states.claim_poll(tx, "store", timedelta(days=1), now, at_once=True)
            intake.ingest(tx, "store", batch, now)
            source_states.poll_succeeded(tx, "store", source_states.SourceState(), now)
            backlog.extend_backlog(tx, "all", "page", "store", "all", settings.timezone, DigestFilters(), now)
            chosen = up_next(tx, "all", "page", size, now)
            for number, summary in enumerate(chosen, start):
                due = now + timedelta(microseconds=number)
                slot = editions.reach_slot(tx, "all", "page", Slot(f"s{number}", due), now)
                editions.make_edition(
                    tx, slot, "all", "page", [summary], [Draft(Message("x" * 300), (summary.id or 0,))], now
                )
                held = delivery.claim(tx, "page", timedelta(minutes=1), now)
                assert held is not None
                done = Decision(PostStatus.PUBLISHED, receipt=Receipt(str(number), "https://example.org"))
                delivery.conclude(tx, held, done, channel_states.channel_state(tx, "page", now), now)


if __name__ == "__main__":
    run(*sys.argv[1:])
