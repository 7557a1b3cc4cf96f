"""Fills a ledger, lets workers loose on it and on a sandbox with faults, and counts what followers saw."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.common import ROOT, up_next
from bench.faults.worker import CHANNELS, settings
from digestbot.gate import Gate
from digestbot.ledger import Ledger, backlogs, channel_states, editions, intake, views
from digestbot.model import Draft, Message, Paper, PostStatus, Slot, Summary
from digestbot.sandbox import Sandbox

RATES = {"drop-after": 0.12, "drop-before": 0.08, "503-after": 0.06, "503-before": 0.04, "429": 0.06, "html": 0.04,
         "html-after": 0.04}  # fmt: skip


@dataclass
class Outcome:
    """What a run came to, on both channels together."""

    summaries: int
    shown: int
    duplicates: int
    lost: int
    quarantined: int
    kills: int = 0
    stops: int = 0
    sound: bool = True

    def row(self) -> str:
        return (
            f"{self.summaries:>9} {self.shown:>6} {self.duplicates:>10} {self.lost:>5} {self.quarantined:>11} "
            f"{self.kills:>6} {self.stops:>6}  {'sound' if self.sound else 'DAMAGED'}"
        )


HEADING = "summaries  shown duplicates  lost quarantined  kills  stops  ledger"


def fill(database: str, url: str, count: int, parts: int = 1) -> None:
    """A ledger with ``count`` editions pending on each channel, every third a thread of ``parts``."""
    ledger = Ledger(database)
    ledger.prepare()
    now = datetime.now(UTC)
    config = settings(url)
    with ledger.begin() as tx:
        channel_states.add_channels(tx, CHANNELS)
        intake.claim_poll(tx, "store", timedelta(days=999), now, at_once=True)
        found = [
            Summary(Paper(f"k{n}", f"Title {n}"), "R", f"r{n}", "b", f"https://example.org/{n}") for n in range(count)
        ]
        intake.take_in(tx, "store", found, now)
        intake.poll_succeeded(tx, "store", intake.SourceState(), now)
        for channel in CHANNELS:
            backlogs.extend(tx, "all", channel, "store", "all", config.timezone, Gate(), now)
            for number, summary in enumerate(up_next(tx, "all", channel, count, now)):
                slot = editions.reach_slot(tx, "all", channel, Slot(f"s{number}", now), now)
                size = parts if number % 3 == 0 else 1
                drafts = [
                    Draft(
                        Message(f"Summary {number}, part {part} https://example.org/{number}/{part}", reply=part > 0),
                        (summary.id or 0,),
                    )
                    for part in range(size)
                ]
                editions.make_edition(tx, slot, "all", channel, [summary], drafts, now)
    ledger.close()


def count(database: str, sandbox: Sandbox) -> Outcome:
    """Compare the ledger with the timelines."""
    ledger = Ledger(database)
    with ledger.read() as tx:
        rows = list(views.post_rows(tx))
    sound = ledger.check() == []
    ledger.close()
    lost = duplicates = shown = quarantined = 0
    for channel, timeline in (("x", sandbox.world.tweets), ("page", sandbox.world.page_posts)):
        seen = Counter(post.text for post in timeline)
        for row in (row for row in rows if row.channel == channel):
            times = seen[row.text]
            shown += times
            duplicates += max(times - 1, 0)
            quarantined += row.status is PostStatus.QUARANTINED
            if times == 0 and row.status not in (PostStatus.QUARANTINED, PostStatus.FAILED, PostStatus.SKIPPED):
                lost += 1
    return Outcome(len(rows), shown, duplicates, lost, quarantined, sound=sound)


def settled(database: str) -> bool:
    """Whether nothing is under way or waiting any more."""
    ledger = Ledger(database)
    with ledger.read() as tx:
        counts = views.status_counts(tx)
    ledger.close()
    return not any(counts.get(status) for status in (PostStatus.PENDING, PostStatus.PUBLISHING, PostStatus.UNKNOWN))


class Workers:
    """Worker processes, forked by one that has everything imported."""

    def __init__(self, url: str, database: str, strategy: str) -> None:
        self._line = f"{database} {strategy}\n"
        self._server = subprocess.Popen(
            [sys.executable, "-m", "bench.faults.worker", url, "serve"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.pids: list[int] = []

    def spawn(self) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(self._line)
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        self.pids.append(pid)
        return pid

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if number == signal.SIGKILL:
            self.pids.remove(pid)

    def close(self) -> None:
        for pid in list(self.pids):
            self.kill(pid)
        self._server.terminate()
        self._server.communicate()


@contextlib.contextmanager
def workers(url: str, database: str, strategy: str) -> Iterator[Workers]:
    made = Workers(url, database, strategy)
    try:
        yield made
    finally:
        made.close()


def finish(database: str, sandbox: Sandbox) -> Outcome:
    """Let one worker bring to its end what was left, for a minute at most, and count."""
    with workers(sandbox.url, database, "digestbot") as crowd:
        crowd.spawn()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not settled(database):
            time.sleep(0.1)
    return count(database, sandbox)


def soak(database: str, seed: int, *, strategy: str = "digestbot", posts: int = 10, kills: int = 25) -> Outcome:
    """Two to four processes at once, killed and stopped at random, against a platform that lies."""
    draw = random.Random(seed)
    with Sandbox() as sandbox:
        sandbox.faults.refuse_duplicates = False  # else X's own check would hide a second post
        fill(database, sandbox.url, posts, parts=3)
        sandbox.faults.at_random(RATES, seed)
        sandbox.faults.lag = draw.choice([0.0, 0.3, 1.0])
        killed = stopped = 0
        with workers(sandbox.url, database, strategy) as crowd:
            size = draw.choice([2, 3, 4])
            deadline = time.monotonic() + 240
            while time.monotonic() < deadline:
                while len(crowd.pids) < size:
                    crowd.spawn()
                time.sleep(draw.uniform(0.02, 0.35))
                if killed < kills:
                    pid = draw.choice(crowd.pids)
                    if draw.random() < 0.3:
                        crowd.kill(pid, signal.SIGSTOP)
                        time.sleep(draw.choice([0.05, 0.2, 2.0]))  # the last is longer than a lease
                        crowd.kill(pid, signal.SIGCONT)
                        stopped += 1
                    else:
                        crowd.kill(pid)
                        killed += 1
                elif settled(database):
                    break
        outcome = count(database, sandbox)
    outcome.kills, outcome.stops = killed, stopped
    return outcome
