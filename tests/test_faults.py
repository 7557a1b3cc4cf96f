"""A short, seeded part of the fault campaign (bench/faults): real processes, SIGKILL, SIGSTOP, lying platforms.

The controls come first: a harness that does not catch the two naive orders proves nothing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults.harness import fill, finish, soak
from digestbot.ledger import Ledger
from digestbot.sandbox import Sandbox

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("strategy", "fault"), [("mark-after", "duplicates"), ("mark-before", "lost")])
def test_the_harness_catches_the_naive_orders(tmp_path: Path, strategy: str, fault: str) -> None:
    outcome = soak(f"sqlite:///{tmp_path / 'ledger.db'}", 1, strategy=strategy, posts=8, kills=8)
    assert getattr(outcome, fault) > 0


def test_killed_and_stopped_processes_post_everything_once(tmp_path: Path) -> None:
    outcome = soak(f"sqlite:///{tmp_path / 'ledger.db'}", 3, posts=4, kills=8)
    assert (outcome.shown, outcome.duplicates, outcome.lost) == (outcome.summaries, 0, 0)
    assert outcome.sound


@pytest.mark.skipif(
    shutil.which("strace") is None and "CI" not in os.environ,
    reason="needs strace (Debian package strace), which .ci/run installs",
)
@pytest.mark.parametrize(
    ("injected", "numbers"), [("signal=KILL", (2, 9, 17)), ("error=ENOSPC", (9,)), ("error=EIO", (17,))]
)
def test_a_system_call_that_kills_or_fails(tmp_path: Path, injected: str, numbers: tuple[int, ...]) -> None:
    calls = "pwrite64,fsync,fdatasync,sendto"
    for number in numbers:
        database = f"sqlite:///{tmp_path / f'{number}.db'}"
        with Sandbox() as sandbox:
            sandbox.faults.refuse_duplicates = False
            fill(database, sandbox.url, 1)
            subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:{injected}:when={number}",
                 sys.executable, "-m", "bench.faults.worker", sandbox.url, database, "digestbot", "once"],
                cwd=ROOT, capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            outcome = finish(database, sandbox)
        assert (outcome.shown, outcome.duplicates, outcome.lost, outcome.sound) == (2, 0, 0, True), (injected, number)


def test_a_disk_that_is_full_sends_nothing(tmp_path: Path) -> None:
    from bench.faults.worker import now, one_round, settings
    from digestbot.domain.errors import LedgerError
    from digestbot.pipeline.app import Service

    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Sandbox() as sandbox:
        fill(database, sandbox.url, 30)
        ledger = Ledger(database)
        import sqlalchemy as sa

        @sa.event.listens_for(ledger.engine, "connect")
        def full(connection: sqlite3.Connection, _: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")

        service = Service(settings(sandbox.url), ledger, now)
        with pytest.raises(LedgerError, match="full"):
            for _ in range(30):
                one_round(service, 1)
        ledger.close()
        # whatever was claimed before the disk was full is settled once there is room again
        outcome = finish(database, sandbox)
    assert (outcome.shown, outcome.duplicates, outcome.lost) == (60, 0, 0)
