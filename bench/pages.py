"""How long the operator pages take to answer: wall time at the server's port, in one process, at 1,000,000 summaries
and 100,000 posts (at most 100 ms), against the same pages over an almost empty ledger."""

from __future__ import annotations

import http.client
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from bench.faults.__main__ import databases
from bench.plans import NOW, fill, history, service
from digestbot.domain.model import Route
from digestbot.operator.slot_actions import SlotOverrides
from digestbot.pipeline.app import Service
from digestbot.web.app_state import AppState
from digestbot.web.server import Server

WAITING = 1_000
PAGES = {
    "today": "/",
    "calendar": "/calendar",
    "month": "/calendar?view=month",
    "backlog": "/backlog",
    "backlog, searched": "/backlog?words=Number+99",
    "posts": "/posts",
    "posts, searched": "/posts?words=never+said",
    "a post": "/posts/17",
    "schedules": "/schedules",
    "statistics": "/statistics",
    "templates": "/templates?template=summary.twitter.txt.j2",
    "audit": "/audit",
    "readyz": "/readyz",
    "metrics": "/metrics",
}


def main(runs: int, *, short: bool = False) -> None:
    summaries = 5_000 if short else 1_000_000
    with service(2, summaries, bodies=False) as large, service(2, 50, bodies=False) as small:
        waiting = min(WAITING, summaries // 2)
        for digest, channel in large.config.routes():
            fill(large, digest, channel, 0, summaries - waiting, "skipped")
            fill(large, digest, channel, summaries - waiting, summaries, "waiting")
        history(large, summaries // 10)
        for digest, channel in small.config.routes():
            fill(small, digest, channel, 0, 50, "waiting")
        history(small, 20)
        measured = _times(large, runs), _times(small, runs)
    waiting = 400 if not short else 40
    if "DIGESTBOT_TEST_POSTGRESQL" in os.environ:
        with databases("postgresql") as database:
            after_a_change(f"4 digests, {waiting} waiting, PostgreSQL", 4, waiting, database=database, goal=0.2)
    waiting = 100_000 if not short else 1_000
    after_a_change(f"{waiting} waiting in each of 4", 2, waiting, goal=0.3)
    with service(2, 400, bodies=True) as of:
        for digest, channel in of.config.routes():
            fill(of, digest, channel, 0, 400, "waiting")
        alone, together = readers(of, 1, 40), readers(of, 50, 4)
    print(f"page     50 readers: {together * 1000:.0f} ms at p95, one alone {alone * 1000:.0f}: "
          f"{together / alone:.1f} times (goal 5)")  # fmt: skip
    for name in PAGES:
        first, again, floor = measured[0][name][0], measured[0][name][1], measured[1][name][1]
        print(
            f"page     {name}: {again * 1000:.0f} ms (goal 100), the first time {first * 1000:.0f} ms; "
            f"{again / floor:.1f} times the same page over 50 summaries and 20 posts"
        )


def after_a_change(name: str, digests: int, waiting: int, *, database: str = "", goal: float) -> None:
    """The CPU time of this process until the calendar shows what an operator just changed."""
    with service(digests, waiting, bodies=True, database=database) as of:
        for digest, channel in of.config.routes():
            fill(of, digest, channel, 0, waiting, "waiting")
        app_state = AppState(lambda: of.config, of.ledger, lambda: NOW)
        with Server(app_state, "127.0.0.1", 0) as server:
            app_state.plan(NOW, NOW + timedelta(days=32))
            _ask(server.url, "/calendar")
            spent = []
            for day in range(3, 10):
                slot = f"2026-11-{day:02}T09:00"
                if datetime.fromisoformat(slot).weekday() > 4:
                    continue
                with app_state.service() as acting:
                    SlotOverrides(acting).skip(Route("d0", "x"), slot)
                start = time.process_time()
                app_state.changed("x")
                _ask(server.url, "/calendar")
                spent.append(time.process_time() - start)
        print(f"page     after a change, {name}: {statistics.median(spent):.2f} CPU s (goal {goal})")


def readers(of: Service, count: int, each: int) -> float:
    """The 95th percentile of how long a page takes that so many read at the same time."""
    app_state = AppState(lambda: of.config, of.ledger, lambda: NOW)
    with Server(app_state, "127.0.0.1", 0) as server, ThreadPoolExecutor(count) as pool:
        _ask(server.url, "/calendar")
        took = list(pool.map(lambda _: _ask(server.url, "/calendar"), range(count * each)))
    return statistics.quantiles(took, n=20)[-1]


def _times(of: Service, runs: int) -> dict[str, tuple[float, float]]:
    """For each page the time of its first answer, and the median of those after it."""
    moments = [NOW]
    app_state = AppState(lambda: of.config, of.ledger, lambda: moments[0])
    with Server(app_state, "127.0.0.1", 0) as server:
        app_state.plan(NOW, NOW + timedelta(days=32))  # as the server's own thread does when it begins: wait for that
        found: dict[str, tuple[float, float]] = {}
        for name, path in PAGES.items():
            moments[0] += timedelta(minutes=1)  # the plan that was kept for the page before is too old
            times = [_ask(server.url, path) for _ in range(min(runs, 10) + 1)]
            found[name] = times[0], statistics.median(times[1:])
    return found


def _ask(url: str, path: str) -> float:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    start = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - start
    connection.close()
    if answer.status not in (200, 503):
        raise RuntimeError(f"{path}: {answer.status}")
    return took
