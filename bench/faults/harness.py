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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.common import ROOT, up_next
from bench.faults.worker import CHANNELS, QUIET, settings
from digestbot.domain.errors import LedgerError
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Draft, Message, Paper, PostStatus, Receipt, Slot, Summary
from digestbot.ledger import (
    Ledger,
    backlog,
    channel_states,
    editions,
    intake,
    manual_resolution,
    queries,
    rollback_detection,
    source_states,
)
from digestbot.sandbox import LIES, Sandbox

BY_HAND = "Have you seen this?"

RATES = {"drop-after": 0.12, "drop-before": 0.08, "503-after": 0.06, "503-before": 0.04, "429": 0.04, "html": 0.04,
         "html-after": 0.04, "401-after": 0.03, "429-after": 0.03}  # fmt: skip
# answers of the catalogues, about one post, and about the account: a person resumes the channel then
ANSWERS = {"error:duplicate": 0.02, "error:server-error": 0.02, "error:rate-limit": 0.02, "error:too-long": 0.01,
           "error:content": 0.01, "error:token": 0.01}  # fmt: skip
SHAPES = sorted(set(LIES) - {"old"})  # a list of an hour ago lags longer than any quiet period


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
    rejected: int = 0
    touched: int = 0
    unexplained: int = 0

    def row(self) -> str:
        return (
            f"{self.summaries:>9} {self.shown:>6} {self.duplicates:>10} {self.lost:>5} {self.quarantined:>11} "
            f"{self.rejected:>8} {self.touched:>7} {self.kills:>6} {self.stops:>6}  "
            f"{'sound' if self.sound else 'DAMAGED'}"
        )

    def add(self, other: Outcome) -> None:
        """Sum up."""
        for name in ("summaries", "shown", "duplicates", "lost", "quarantined", "kills", "stops", "rejected", "touched",
                     "unexplained"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sound = self.sound and other.sound

    @property
    def fine(self) -> bool:
        """Nothing twice, nothing lost, nobody else's post touched, every quarantine explained."""
        return self.sound and not (self.duplicates or self.lost or self.touched or self.unexplained)


HEADING = "summaries  shown duplicates  lost quarantined rejected touched  kills  stops  ledger"


def fill(database: str, url: str, count: int, parts: int = 1) -> None:
    """A ledger with ``count`` editions pending on each channel, every third a thread of ``parts``."""
    ledger = Ledger(database)
    ledger.prepare()
    now = datetime.now(UTC)
    config = settings(url)
    with ledger.begin() as tx:
        accounts = {name: str(config.account(name)) for name in CHANNELS}
        rollback_detection.adopt_channels(tx, accounts, now)
        source_states.claim_poll(tx, "store", timedelta(days=999), now, at_once=True)
        found = [
            Summary(Paper(f"k{n}", f"Title {n}"), "R", f"r{n}", "b", f"https://example.org/{n}") for n in range(count)
        ]
        intake.ingest(tx, "store", found, now)
        source_states.poll_succeeded(tx, "store", source_states.SourceState(), now)
        for channel in CHANNELS:
            backlog.extend_backlog(tx, "all", channel, "store", "all", config.timezone, DigestFilters(), now)
            for number, summary in enumerate(up_next(tx, "all", channel, count, now)):
                due = now + timedelta(microseconds=number)
                slot = editions.reach_slot(tx, "all", channel, Slot(f"s{number}", due), now)
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
        rows = list(queries.post_rows(tx))
    sound = ledger.check() == []
    ledger.close()
    total = Outcome(len(rows), 0, 0, 0, 0, sound=sound)
    for channel, timeline in (("x", sandbox.world.timelines["twitter"]), ("page", sandbox.world.timelines["facebook"])):
        seen = Counter(post.text for post in timeline)
        others = {post.id for post in timeline if post.text.startswith(BY_HAND)}
        for row in (row for row in rows if row.channel == channel):
            times = seen[row.text]
            total.shown += times
            total.duplicates += max(times - 1, 0)
            total.quarantined += row.status is PostStatus.QUARANTINED
            total.rejected += row.status is PostStatus.FAILED
            total.unexplained += row.status is PostStatus.QUARANTINED and not row.error
            total.touched += row.receipt is not None and row.receipt.id in others
            if times == 0 and row.status not in (PostStatus.QUARANTINED, PostStatus.FAILED, PostStatus.SKIPPED):
                total.lost += 1
    return total


def settled(database: str) -> bool:
    """Whether nothing is under way or waiting any more."""
    ledger = Ledger(database)
    with ledger.read() as tx:
        counts = queries.status_counts(tx)
    ledger.close()
    return not any(counts.get(status) for status in (PostStatus.PENDING, PostStatus.PUBLISHING, PostStatus.UNKNOWN))


class Workers:
    """Worker processes, forked by one that has everything imported."""

    def __init__(self, url: str, database: str, strategy: str, environment: Mapping[str, str] | None = None) -> None:
        self._line = f"{database} {strategy}\n"
        self._server = subprocess.Popen(
            [sys.executable, "-m", "bench.faults.worker", url, "serve"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | (environment or {}),
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
def workers(url: str, database: str, strategy: str, environment: Mapping[str, str] | None = None) -> Iterator[Workers]:
    made = Workers(url, database, strategy, environment)
    try:
        yield made
    finally:
        made.close()


def operate(database: str, sandbox: Sandbox, total: Outcome | None = None) -> None:
    """What an operator does: resume what is paused, and settle what is quarantined by what stands on the timeline.

    It is there, or it is looked for once more and sent again. ``total`` counts what was quarantined, and why
    nobody knows.
    """
    ledger = Ledger(database)
    with contextlib.suppress(LedgerError):
        with ledger.read() as tx:
            paused = list(queries.paused_channels(tx))
            quarantined = queries.post_rows(tx, statuses=[PostStatus.QUARANTINED])
        for channel in paused:
            with ledger.begin() as tx:
                channel_states.resume(tx, channel)
        for row in quarantined:
            timeline = sandbox.world.timelines["twitter"] if row.channel == "x" else sandbox.world.timelines["facebook"]
            there = [post for post in timeline if post.text == row.text]
            decision = PostStatus.PUBLISHED if there else PostStatus.PENDING
            receipt = Receipt(there[0].id, "there") if there else None
            with ledger.begin() as tx:
                manual_resolution.resolve_post(tx, row.id, decision, receipt, ledger.now(tx), quiet=QUIET)
            if total is not None:
                total.quarantined += 1
                total.unexplained += not row.error
    ledger.close()


def finish(database: str, sandbox: Sandbox, strategy: str = "digestbot", seconds: float = 60) -> Outcome:
    """Let one worker, with an operator next to it, bring to its end what was left, and count."""
    with workers(sandbox.url, database, strategy) as crowd:
        crowd.spawn()
        deadline = time.monotonic() + seconds
        quarantines = Outcome(0, 0, 0, 0, 0)
        while time.monotonic() < deadline and not settled(database):
            time.sleep(0.2)
            operate(database, sandbox, quarantines)
    outcome = count(database, sandbox)
    outcome.add(quarantines)
    return outcome


def disturb(draw: random.Random, sandbox: Sandbox, posts: int) -> None:
    """A platform that begins, or ends, to lie; a person who posts the same link."""
    chance = draw.random()
    platform = draw.choice(["twitter", "facebook"])
    if chance < 0.3:
        sandbox.faults.lie(platform, draw.choice(SHAPES))
    elif chance < 0.7:
        sandbox.faults.timeline.clear()
    elif chance < 0.75:
        sandbox.faults.alter_texts = not sandbox.faults.alter_texts
    elif chance < 0.87:
        link = f"https://example.org/{draw.randrange(posts)}/0"
        sandbox.by_hand(platform, f"{BY_HAND} {link}", link)


def soak(
    database: str,
    seed: int,
    *,
    strategy: str = "digestbot",
    posts: int = 10,
    kills: int = 25,
    lies: bool = False,
    blind: float = 0,
) -> Outcome:
    """Two to four processes at once, killed and stopped at random, against a platform that fails; with ``lies`` its
    timelines lie too, people post the same links, and answers of the catalogues come. For the first ``blind``
    seconds the timelines show nothing at all."""
    draw = random.Random(seed)
    with Sandbox() as sandbox:
        sandbox.faults.refuse_duplicates = False  # else X's own check would hide a second post
        fill(database, sandbox.url, posts, parts=3)
        sandbox.faults.at_random(RATES | ANSWERS if lies else RATES, seed)
        sandbox.faults.lag = draw.choice([0.0, 0.3, 1.0])
        killed = stopped = 0
        quarantines = Outcome(0, 0, 0, 0, 0)
        with workers(sandbox.url, database, strategy) as crowd:
            size = draw.choice([2, 3, 4])
            begin = time.monotonic()
            deadline = begin + 120
            while time.monotonic() < deadline:
                while len(crowd.pids) < size:
                    crowd.spawn()
                time.sleep(draw.uniform(0.02, 0.35))
                operate(database, sandbox, quarantines)
                if time.monotonic() < begin + blind:
                    for platform in ("twitter", "facebook"):
                        sandbox.faults.lie(platform, "empty")
                elif lies and killed < kills:
                    disturb(draw, sandbox, posts)
                else:
                    sandbox.faults.timeline.clear()
                    sandbox.faults.alter_texts = False
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
        outcome = finish(database, sandbox, strategy)
    outcome.add(quarantines)
    outcome.kills, outcome.stops = killed, stopped
    return outcome
