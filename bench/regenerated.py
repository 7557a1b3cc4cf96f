"""A feed that the site has regenerated, nothing in it changed: CPU of a poll in a service that runs, beside
feedparser and the bare scan over the same bytes. Goals: 60 ms for 1,581 items; 5 s, and 100 MiB over the process's
base, for 100,000. And the first intake of 100,000: 1.2 times feedparser alone, in 150 MiB."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.common import ROOT, feed

SMALL, LARGE, SHORT = 1581, 100_000, 5_000


def main(runs: int, *, short: bool = False) -> None:
    large = SHORT if short else LARGE
    for items, goal in ((SMALL, 60), (large, 5000)):
        found = _measured("regenerated", items, runs if items == SMALL else min(runs, 3))
        alone = _measured("feedparser", items, 1)
        print(
            f"regenerated {items} items: {found['poll'] * 1e3:.0f} ms CPU a poll (goal {goal}), bare scan "
            f"{found['scan'] * 1e3:.0f} ms, feedparser alone {alone['cpu'] * 1e3:.0f} ms; {found['over']:.0f} MiB over "
            f"the base (goal 100), feedparser alone {alone['over']:.0f}"
        )
    first = _measured("first", large, 1)
    print(
        f"first intake of {large} items: {first['cpu']:.1f} s CPU, feedparser alone {alone['cpu']:.1f} s: "
        f"{first['cpu'] / alone['cpu']:.2f} times (goal 1.2); {first['over']:.0f} MiB over the base (goal 150)"
    )


def _measured(what: str, items: int, runs: int) -> dict[str, float]:
    """In a process of its own, with a server in another."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            built = f"Mon, 02 Nov 2026 08:{number:02}:00 +0000"
            Path(folder, f"{number}.xml").write_bytes(feed(items, built=built))
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.regenerated", "serve", folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            command = [sys.executable, "-m", "bench.regenerated", what, folder, url, str(items), str(runs)]
            return dict(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout))
        finally:
            server.terminate()
            server.wait()


def serve(folder: str) -> None:
    """The child that serves: the two documents in turn."""
    from digestbot.sandbox import Answer, Sandbox

    bodies = [Path(folder, f"{number}.xml").read_bytes() for number in range(2)]
    served = [0]

    def answer(_: object) -> Answer:
        served[0] += 1
        return Answer(200, bodies[served[0] % 2], {}, "application/rss+xml; charset=utf-8")

    with Sandbox(documents={"/rss-full.xml": answer}) as sandbox:
        print(f"{sandbox.url}/rss-full.xml", flush=True)
        time.sleep(3600)


def _mib() -> float:
    """The most memory that this process had so far. (getrusage would count the parent's, inherited at its start.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _service(folder: str, url: str, now: list[datetime]) -> Any:
    from digestbot import config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    source = {"kind": "feed", "url": url, "allow_private_addresses": True, "max_size": "1 GB", "timeout": "5 minutes"}
    settings = config.build({"sources": {"store": source}})
    service = Service(settings, Ledger(f"sqlite:///{folder}/ledger.db"), lambda: now[0])
    service.prepare()
    return service


def regenerated(folder: str, url: str, items: int, runs: int) -> dict[str, float]:
    import statistics

    from digestbot.pipeline.app import Report
    from digestbot.sources.feed.item_hashes import scan_feed

    subprocess.run(
        [sys.executable, "-m", "bench.regenerated", "first", folder, url, str(items), "1"],
        check=True,
        capture_output=True,
    )
    now = [datetime.now(UTC) + timedelta(days=1)]
    service = _service(folder, url, now)
    import feedparser  # noqa: F401 - a running service has it: something was new once

    base = _mib()

    def poll() -> float:
        now[0] += timedelta(minutes=15)
        report = Report()
        start = time.process_time()
        service.poller.poll("store", report)
        spent = time.process_time() - start
        taken = report.polled["store"]
        assert taken is not None
        assert taken.unchanged == items, report
        return spent

    poll()
    polls = [poll() for _ in range(runs)]
    over = _mib() - base
    with Path(folder, "0.xml").open("rb") as file:
        scans = []
        for _ in range(runs):
            start = time.process_time()
            scan_feed(file)
            scans.append(time.process_time() - start)
    return {"poll": statistics.median(polls), "scan": statistics.median(scans), "over": over}


def first(folder: str, url: str, items: int) -> dict[str, float]:
    import feedparser  # noqa: F401
    import sqlalchemy as sa  # noqa: F401

    from digestbot.pipeline.app import Report

    service = _service(folder, url, [datetime.now(UTC)])
    base, start = _mib(), time.process_time()
    new = 0
    while new < items:  # a poll takes at most ten seconds of CPU time; the next one reads the rest
        report = Report()
        service.poller.poll("store", report, at_once=True)
        taken = report.polled["store"]
        assert taken is not None
        assert taken.new, report
        new += taken.new
    return {"cpu": time.process_time() - start, "over": _mib() - base}


def alone(folder: str) -> dict[str, float]:
    import feedparser

    base, start = _mib(), time.process_time()
    feedparser.parse(Path(folder, "0.xml").read_bytes(), sanitize_html=False, resolve_relative_uris=False)
    return {"cpu": time.process_time() - start, "over": _mib() - base}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", folder]:
            serve(folder)
        case ["regenerated", folder, url, items, runs]:
            print(json.dumps(regenerated(folder, url, int(items), int(runs))))
        case ["first", folder, url, items, _]:
            print(json.dumps(first(folder, url, int(items))))
        case ["feedparser", folder, *_]:
            print(json.dumps(alone(folder)))
