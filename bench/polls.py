"""A poll that is answered 304, in a service that runs: CPU of the polling process, against the same conditional
request made with urllib3 alone. Goal: at most 2 ms."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

import urllib3

from bench.common import ROOT, feed, served

POLLS = 300


def main(runs: int) -> None:
    with served(feed(1581), '"1"') as url:
        command = [sys.executable, "-m", "bench.polls", url, str(runs)]
        subprocess.run(command, cwd=ROOT, check=True)  # the server's CPU time is not to be counted


def measure(url: str, runs: int) -> None:
    from digestbot import config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Report, Service

    settings = config.build({"sources": {"store": {"kind": "feed", "url": url, "allow_private_addresses": True}}})
    now = [datetime.now(UTC)]
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        service = Service(settings, ledger, lambda: now[0])
        service.prepare()
        service.poller.poll("store", Report())
        pool = urllib3.PoolManager()

        def ours() -> float:
            start = time.process_time()
            for _ in range(POLLS):
                now[0] += timedelta(minutes=15)
                report = Report()
                service.poller.poll("store", report)
                assert report.polled == {"store": None}
            return (time.process_time() - start) / POLLS

        def floor() -> float:
            start = time.process_time()
            for _ in range(POLLS):
                assert pool.request("GET", url, headers={"If-None-Match": '"1"'}).status == 304
            return (time.process_time() - start) / POLLS

        from bench.common import paired

        a, b, ratio = paired(ours, floor, runs)
        print(
            f"polls    answered 304: {a * 1e3:.2f} ms CPU (goal 2), urllib3 alone {b * 1e3:.2f} ms: {ratio:.1f} times"
        )


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]))
