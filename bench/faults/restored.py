"""Ledgers that are not the newest: restored from a copy, rolled back, replaced, emptied, while a process runs or not,
with and without the marker file."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from bench.faults.harness import Outcome, count, fill, finish, settled, workers
from digestbot.ledger import Ledger, schema
from digestbot.sandbox import Sandbox

KINDS = (
    "copied",
    "copied, no marker",
    "emptied",
    "emptied, no marker",
    "rolled back while running",
    "replaced while running",
    "emptied while running",
)


def run(database: str, seed: int, kind: str) -> Outcome:
    """Publish some, keep a copy, publish the rest; put the older ledger back, and continue with it.

    Where this machine still knows what it published last, the timeline lags; and the first looks may be refused.
    """
    draw = random.Random(seed)
    with Sandbox() as sandbox:
        sandbox.faults.refuse_duplicates = False
        fill(database, sandbox.url, 12)
        sandbox.faults.at_random({"drop-after": 0.1, "503-before": 0.1}, seed)
        if "no marker" not in kind:
            sandbox.faults.lag = draw.choice([0.0, 0.3, 1.0])
        with kept(database) as (keep, restore, replace):
            with workers(sandbox.url, database, "digestbot") as crowd:
                crowd.spawn()
                time.sleep(draw.uniform(0.3, 1.2))
                crowd.kill(crowd.pids[0])
                keep()
                crowd.spawn()
                end = time.monotonic() + draw.uniform(1, 4)
                while time.monotonic() < end and not settled(database):
                    time.sleep(0.05)
                if "while running" not in kind:
                    crowd.kill(crowd.pids[0])
                if "no marker" in kind:
                    marker = marker_of(database)
                    marker.unlink(missing_ok=True)
                if kind.startswith("emptied"):
                    empty(database)
                    fill(database, sandbox.url, 12)
                elif kind.startswith("replaced"):
                    replace()
                else:
                    restore()
                for platform in ("twitter", "facebook"):
                    if draw.random() < 0.6:
                        refusal = draw.choice(["429", "unauthorized", "503-before", "drop-before"])
                        sandbox.faults.add(refusal, platform, draw.choice([1, 3]), seconds=1, reading=True)
                if "while running" in kind:
                    time.sleep(2)
            # a person posts, too
            sandbox.by_hand("twitter", "Have you seen this? https://example.org/0/0")
            finish(database, sandbox)
        return count(database, sandbox)


def marker_of(database: str) -> Path:
    """The file that says what this machine published last."""
    ledger = Ledger(database)
    found = ledger.marker
    ledger.close()
    assert found is not None
    return found


def empty(database: str) -> None:
    """As a new database would be."""
    address = sa.make_url(database)
    if address.get_backend_name() == "sqlite":
        Path(str(address.database)).unlink()
        return
    engine = sa.create_engine(address)
    dropped = False
    while not dropped:
        with suppress(sa.exc.OperationalError), engine.begin() as connection:  # a deadlock with who uses them
            schema.metadata.drop_all(connection)
            dropped = True
    engine.dispose()


def _replace(file: Path, other: Path) -> None:
    """Put another database's file in the place of one that may be open."""
    other.replace(file)
    for ending in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


@contextmanager
def kept(database: str) -> Iterator[tuple[Callable[[], None], Callable[[], None], Callable[[], None]]]:
    """Three functions: keep a copy of the database, write it back, and put it in the database's place."""
    address = sa.make_url(database)
    if address.get_backend_name() == "sqlite":
        file = Path(str(address.database))
        older = file.with_suffix(".older")

        def copied(source: Path, target: Path) -> None:
            with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target, timeout=30)) as other:
                one.backup(other)  # under SQLite's locks: nothing is torn, but the ledger goes back in time

        yield lambda: copied(file, older), lambda: copied(older, file), lambda: _replace(file, older)
        return
    server = sa.make_url(os.environ["DIGESTBOT_TEST_POSTGRESQL"]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    name, older_name = str(address.database), f"{address.database}_older"

    def execute(*statements: str) -> None:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def end_sessions(of: str) -> str:
        return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{of}'"

    def keep() -> None:
        execute(end_sessions(name), f"CREATE DATABASE {older_name} TEMPLATE {name}")

    def put_back() -> None:
        execute(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {older_name}")

    try:
        yield keep, put_back, put_back
    finally:
        execute(f"DROP DATABASE IF EXISTS {older_name} WITH (FORCE)")
        engine.dispose()
