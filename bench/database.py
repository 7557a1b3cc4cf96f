"""A database as a source. First intake of 100,000 summaries, beside sqlite3.executemany of the rows that it leaves
(goal: 3 times). A poll of 1,000,000 that finds nothing new (goal: 20 ms), with an index on edited and without."""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.common import child, feed_body

MANY, HUGE, SHORT = 100_000, 1_000_000, 5_000


def main(runs: int, *, short: bool = False) -> None:
    many, huge = (SHORT, SHORT * 5) if short else (MANY, HUGE)
    with tempfile.TemporaryDirectory() as folder:
        store(f"{folder}/store.db", many, indexed=True)
        ratios = []
        for number in range(1 if short else min(runs, 3)):
            ours, _ = child("-m", "bench.database", "first", f"{folder}/store.db", f"{folder}/{number}.db", str(many))
            base, _ = child("-m", "bench.database", "nothing", f"{folder}/store.db", f"{folder}/no{number}.db", "0")
            ratios.append((ours - base, raw(f"{folder}/{number}.db", f"{folder}/raw{number}.db")))
        ours, floor = (statistics.median(pair[at] for pair in ratios) for at in (0, 1))
        ratio = statistics.median(a / b for a, b in ratios)
        figures = f"{ours:.1f} s CPU, raw executemany {floor:.1f} s: {ratio:.2f} times (goal 3)"
        print(f"database first intake of {many}: {figures}")
    for indexed in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            store(f"{folder}/store.db", huge, indexed=indexed, text=200)
            spent = nothing_new(folder, max(runs, 5))
            kind = "with" if indexed else "without"
            print(f"database poll of {huge}, nothing new, {kind} an index: {spent * 1e3:.1f} ms CPU (goal 20)")


def store(file: str, count: int, *, indexed: bool, text: int = 2000) -> None:
    """The site's tables with so many summaries of so many papers, each with two votes."""
    connection = sqlite3.connect(file)
    connection.executescript(
        """PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
        CREATE TABLE users (userid INTEGER PRIMARY KEY, username TEXT, displayname TEXT, orcid TEXT);
        CREATE TABLE papers (bibtexKey TEXT PRIMARY KEY, title TEXT, authors TEXT, year INT, venue TEXT, tags TEXT,
                             urls TEXT, category TEXT);
        CREATE TABLE vignettes (text TEXT, paperid TEXT, userid INT, priv INT, anon INT, added TEXT, edited TEXT,
                                PRIMARY KEY (paperid, userid));
        CREATE TABLE votes (paperid TEXT, userid INT, voteruserid INT, vote INT, edited TEXT,
                            PRIMARY KEY (paperid, userid, voteruserid));
        CREATE TABLE sections (section TEXT, id TEXT, tag TEXT);"""
    )
    body = feed_body(1)[:text]

    def at(number: int) -> str:
        return f"{datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=100 * number):%Y-%m-%d %H:%M:%S}"

    users = ((n, f"reader{n}", f"Reader {n}", "") for n in range(1000))
    connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", users)
    papers = (
        (
            f"conf/bench/Paper{n}",
            f"A Paper of Number {n}",
            "Doe, Jane and Roe, John",
            2017,
            "Bench",
            "dblp",
            "",
            "cs.LG",
        )
        for n in range(count)
    )
    connection.executemany("INSERT INTO papers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", papers)
    rows = ((f"{n} {body}", f"conf/bench/Paper{n}", n % 1000, 0, n % 50 == 0, at(n), at(n)) for n in range(count))
    connection.executemany("INSERT INTO vignettes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    votes = ((f"conf/bench/Paper{n}", n % 1000, voter, 1, at(n)) for n in range(count) for voter in (1, 2))
    connection.executemany("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", votes)
    if indexed:
        connection.executescript("CREATE INDEX a ON vignettes (edited); CREATE INDEX b ON votes (edited);")
    connection.commit()
    connection.close()


def service(store_file: str, ledger: str, now: list[datetime]) -> Any:
    from digestbot import config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    source = {
        "kind": "database",
        "url": f"sqlite:///{store_file}",
        "layout": "shortscience",
        "timeout": "5 minutes",
    }
    running = Service(config.build({"sources": {"store": source}}), Ledger(f"sqlite:///{ledger}"), lambda: now[0])
    running.prepare()
    return running


def first(store_file: str, ledger: str, count: int) -> None:
    from digestbot.pipeline.app import Report

    running, report = service(store_file, ledger, [datetime.now(UTC)]), Report()
    if count:
        running.poller.poll("store", report)
        taken = report.polled["store"]
        assert taken is not None
        assert taken.new == count, report


def raw(ledger: str, copy: str) -> float:
    """CPU seconds of putting the same rows into the same tables, and nothing else."""
    source = sqlite3.connect(ledger)
    tables = ("papers", "paper_keys", "summaries")
    rows = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    statements = [
        sql
        for (sql,) in source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name IN (?, ?, ?) AND sql NOT NULL", tables
        )
    ]
    source.close()
    target = sqlite3.connect(copy)
    for sql in statements:
        target.execute(sql)
    start = time.process_time()
    for table, held in rows.items():
        marks = ", ".join("?" * len(held[0]))
        target.executemany(f"INSERT INTO {table} VALUES ({marks})", held)
    target.commit()
    spent = time.process_time() - start
    target.close()
    Path(copy).unlink()
    return spent


def nothing_new(folder: str, polls: int) -> float:
    from digestbot.ledger import intake
    from digestbot.pipeline.app import Report

    now = [datetime.now(UTC)]
    running = service(f"{folder}/store.db", f"{folder}/ledger.db", now)
    running.poller.poll("store", Report())
    spent = []
    for _ in range(polls):
        now[0] += timedelta(minutes=15)
        report = Report()
        start = time.process_time()
        running.poller.poll("store", report)
        spent.append(time.process_time() - start)
        taken = report.polled["store"]
        assert taken is not None
        assert taken == intake.IngestResult(unchanged=taken.unchanged), report
    running.close()
    return statistics.median(spent)


if __name__ == "__main__":
    first(sys.argv[2], sys.argv[3], int(sys.argv[4]))
