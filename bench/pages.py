"""How long the operators' pages take to answer: wall time at the server's port, in one process, at 1,000,000 summaries
and 100,000 posts (at most 100 ms), against the same pages over an almost empty ledger."""

from __future__ import annotations

import http.client
import statistics
import time
from datetime import timedelta
from urllib.parse import urlsplit

from bench.plans import NOW, fill, history, service
from digestbot.service import Service
from digestbot.web.desk import Desk
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
    "figures": "/figures",
    "templates": "/templates?template=summary.twitter.txt.j2",
    "audit": "/audit",
    "readyz": "/readyz",
    "metrics": "/metrics",
}


def main(runs: int, *, short: bool = False) -> None:
    summaries = 5_000 if short else 1_000_000
    with service(2, summaries, bodies=False) as large, service(2, 50, bodies=False) as small:
        waiting = min(WAITING, summaries // 2)
        for digest, channel in large.config.pairs():
            fill(large, digest, channel, 0, summaries - waiting, "skipped")
            fill(large, digest, channel, summaries - waiting, summaries, "waiting")
        history(large, summaries // 10)
        for digest, channel in small.config.pairs():
            fill(small, digest, channel, 0, 50, "waiting")
        history(small, 20)
        measured = _times(large, runs), _times(small, runs)
    for name in PAGES:
        first, again, floor = measured[0][name][0], measured[0][name][1], measured[1][name][1]
        print(
            f"page     {name}: {again * 1000:.0f} ms (goal 100), the first time {first * 1000:.0f} ms; "
            f"{again / floor:.1f} times the same page over 50 summaries and 20 posts"
        )


def _times(of: Service, runs: int) -> dict[str, tuple[float, float]]:
    """For each page the time of its first answer, and the median of those after it."""
    moments = [NOW]
    desk = Desk(lambda: of.config, of.ledger, lambda: moments[0])
    with Server(desk, "127.0.0.1", 0) as server:
        desk.plan(NOW, NOW + timedelta(days=32))  # as the server's own thread does when it begins: wait for that
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
