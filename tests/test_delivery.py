"""Never lost, never twice: faults, restarts, lags and people, on both platforms, for single posts and threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from helpers.basics import Clock, Feed, asked, drafts, make_summary, up_next
from helpers.publishing import live

from digestbot.domain.errors import LedgerError
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Message, PostRow, PostStatus, Receipt, Slot
from digestbot.ledger import (
    Ledger,
    backlog,
    channel_states,
    delivery,
    editions,
    intake,
    manual_resolution,
    queries,
    source_states,
)
from digestbot.ledger.backup import back_up
from digestbot.pipeline.app import Report, Service
from digestbot.sandbox import FAULTS, Sandbox

Make = Callable[..., Service]
PLATFORMS = {"x": "twitter", "page": "facebook"}


def rows(service: Service) -> list[PostRow]:
    with service.ledger.read() as tx:
        return list(queries.post_rows(tx))


def timeline(sandbox: Sandbox, channel: str) -> list[str]:
    return [
        post.text
        for post in (sandbox.world.timelines["twitter"] if channel == "x" else sandbox.world.timelines["facebook"])
    ]


def writes(sandbox: Sandbox) -> int:
    return sum(call.startswith("POST") for call in sandbox.world.calls)


def one_due(make_service: Make, feed: Feed, clock: Clock, channel: str) -> Service:
    feed.add(0)
    service = make_service(channels=[channel])
    service.tick()
    clock.forward(hours=1)
    return service


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "unauthorized"])
def test_whatever_goes_wrong_once_the_post_appears_once(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, fault: str
) -> None:
    service = one_due(make_service, feed, clock, channel)
    sandbox.faults.add(fault, PLATFORMS[channel])
    service.planner.make_due(Report())
    live(service, clock, 2 / 3)
    if (fault, channel) == ("401-after", "page"):  # a dead token pauses; resumed, it looks before it sends
        with service.ledger.begin() as tx:
            channel_states.resume(tx, channel)
        live(service, clock, 2 / 3)
    assert len(timeline(sandbox, channel)) == 1
    (row,) = rows(service)
    assert row.status is PostStatus.PUBLISHED
    assert writes(sandbox) == (1 if "after" in fault else 2)


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_lost_answer_is_found_within_seconds(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = one_due(make_service, feed, clock, channel)
    sandbox.faults.add("drop-after")
    service.tick()
    assert rows(service)[0].status is PostStatus.UNKNOWN
    clock.forward(seconds=5)
    service.tick()
    (row,) = rows(service)
    assert row.status is PostStatus.PUBLISHED
    assert row.receipt is not None
    posts = sandbox.world.timelines["twitter"] if channel == "x" else sandbox.world.timelines["facebook"]
    assert row.receipt.id == posts[0].id


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_timeline_that_lags_less_than_the_quiet_period_doubles_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = one_due(make_service, feed, clock, channel)
    sandbox.faults.add("drop-after")
    sandbox.faults.lag = 14 * 60
    service.planner.make_due(Report())
    live(service, clock, 2 / 3)
    assert len(timeline(sandbox, channel)) == 1
    assert rows(service)[0].status is PostStatus.PUBLISHED
    assert writes(sandbox) == 1


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_process_that_died_before_sending_loses_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = one_due(make_service, feed, clock, channel)
    report = Report()
    service.planner.make_due(report)
    with service.ledger.begin() as tx:
        assert delivery.claim(tx, channel, service.config.delivery.lease, clock()) is not None
    live(make_service(channels=[channel]), clock, 2 / 3)
    assert len(timeline(sandbox, channel)) == 1
    assert rows(service)[0].attempts == 2


def test_the_timeline_is_read_back_as_far_as_needed_and_not_further(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(60):  # somebody else posts a lot
        sandbox.world.timelines["twitter"].append(
            sandbox_post(sandbox, f"noise {number}", clock() - timedelta(hours=1))
        )
    service = one_due(make_service, feed, clock, "x")
    sandbox.faults.add("drop-after")
    service.tick()
    for number in range(45):
        sandbox.world.timelines["twitter"].append(sandbox_post(sandbox, f"later noise {number}", clock()))
    clock.forward(seconds=5)
    service.tick()
    assert rows(service)[0].status is PostStatus.PUBLISHED
    with service.ledger.read() as tx:
        _, looks = queries.post_history(tx, rows(service)[0].id)
    # at first all of the account, then back to what is known of it
    assert [look["read"] for look in looks] == [60, 45 + 1 + 1]


def test_after_a_first_receipt_only_what_is_newer_is_read(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = one_due(make_service, feed, clock, "x")
    service.tick()
    feed.add(1)
    clock.forward(hours=4)
    sandbox.faults.add("drop-before")
    service.tick()
    clock.forward(seconds=5)
    service.tick()
    with service.ledger.read() as tx:
        _, looks = queries.post_history(tx, rows(service)[1].id)
    assert [(look["complete"], look["read"]) for look in looks] == [(True, 1)]  # the post that is known, as a witness


def sandbox_post(sandbox: Sandbox, text: str, at: datetime) -> object:
    from digestbot.platforms.sandbox_world import Post

    return Post(sandbox.world.new_id(), "100", text, at.timestamp())


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_timeline_that_cannot_be_read_ends_with_a_person_and_lets_the_others_go(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    feed.add(0)
    feed.add(1)
    service = make_service(channels=[channel])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("drop-after")
    service.tick()
    sandbox.faults.lie(PLATFORMS[channel], "object")
    live(service, clock, 1.5)
    assert rows(service)[0].status is PostStatus.QUARANTINED
    assert "could not be read" in str(rows(service)[0].error)
    clock.forward(hours=3)
    service.tick()
    assert rows(service)[1].status is PostStatus.PUBLISHED
    assert len(timeline(sandbox, channel)) == 2
    sandbox.faults.lie(PLATFORMS[channel], None)  # readable again: the first is found by itself
    live(service, clock, 24, step=240, plan=True)
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED] * 2
    assert len(timeline(sandbox, channel)) == 2


def test_what_a_person_decides(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(4):
        feed.add(number)
    service = make_service(channels=["x"], size=4)
    service.planner.make_due(Report())
    service.tick()
    there = Receipt(sandbox.by_hand("twitter", "t0").id, "u")
    with service.ledger.begin() as tx:
        chosen = up_next(tx, "latest", "x", 4, clock())
        slot = editions.reach_slot(tx, "latest", "x", Slot("s", clock()), clock())
        made = editions.make_edition(
            tx, slot, "latest", "x", chosen, drafts(chosen, [Message(f"t{n}") for n in range(4)]), clock()
        )
        for post in made:
            tx.exec_driver_sql(f"UPDATE posts SET status = 'quarantined' WHERE id = {post}")
    with service.ledger.begin() as tx:
        assert (
            manual_resolution.resolve_post(tx, made[0], PostStatus.PUBLISHED, there, clock()) is PostStatus.QUARANTINED
        )
        assert manual_resolution.resolve_post(tx, made[1], PostStatus.SKIPPED, None, clock()) is PostStatus.QUARANTINED
        assert manual_resolution.resolve_post(tx, made[2], PostStatus.PENDING, None, clock()) is PostStatus.QUARANTINED
        for post, decision, receipt, words in [
            (made[0], PostStatus.PENDING, None, "published: nothing to decide"),
            (made[3], PostStatus.PUBLISHED, there, "already the receipt of another post"),
            (999, PostStatus.PENDING, None, "no post 999"),
        ]:
            with pytest.raises(LedgerError, match=words):
                manual_resolution.resolve_post(tx, post, decision, receipt, clock())
    service.tick()
    assert [row.status for row in rows(service)] == [
        PostStatus.PUBLISHED,
        PostStatus.SKIPPED,
        PostStatus.PUBLISHED,
        PostStatus.QUARANTINED,
    ]
    assert timeline(sandbox, "x") == ["t0", "t2"]


# ---- threads


def make_thread(service: Service, clock: Clock, channel: str, parts: int = 3) -> list[int]:
    with service.ledger.begin() as tx:
        source_states.claim_poll(tx, "store", timedelta(days=9), clock(), at_once=True)
        intake.ingest(tx, "store", [make_summary(1)], clock())
        source_states.poll_succeeded(tx, "store", source_states.SourceState(), clock())
        backlog.extend_backlog(tx, "latest", channel, "store", "all", service.config.timezone, DigestFilters(), clock())
        chosen = up_next(tx, "latest", channel, 1, clock())
        slot = editions.reach_slot(tx, "latest", channel, Slot("s", clock()), clock())
        messages = [Message(f"part {n + 1}", reply=n > 0) for n in range(parts)]
        return editions.make_edition(tx, slot, "latest", channel, chosen, drafts(chosen, messages), clock())


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("fault", [None, "drop-after", "drop-before", "503-after", "429"])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_thread_appears_whole_in_order_and_once(
    make_service: Make, sandbox: Sandbox, clock: Clock, channel: str, fault: str | None, part: int
) -> None:
    service = make_service(channels=[channel])
    make_thread(service, clock, channel)
    sandbox.faults.after(part)
    if fault:
        sandbox.faults.add(fault, PLATFORMS[channel])
    for _ in range(60):
        service.delivery_worker.publish(channel, Report())
        if all(row.status is PostStatus.PUBLISHED for row in rows(service)):
            break
        clock.forward(minutes=1)
    assert timeline(sandbox, channel) == ["part 1", "part 2", "part 3"]
    posts = sandbox.world.timelines["twitter"] if channel == "x" else sandbox.world.timelines["facebook"]
    assert [post.reply_to for post in posts] == [
        None,
        posts[0].id,
        posts[1].id if channel == "x" else posts[1].reply_to and posts[1].id,
    ]


def test_a_part_after_one_that_is_refused_is_skipped(make_service: Make, sandbox: Sandbox, clock: Clock) -> None:
    service = make_service(channels=["x"])
    made = make_thread(service, clock, "x")
    with service.ledger.begin() as tx:
        tx.exec_driver_sql(f"UPDATE posts SET text = '{'x' * 300}' WHERE id = {made[1]}")
    service.delivery_worker.publish("x", Report())
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED, PostStatus.FAILED, PostStatus.SKIPPED]
    assert "part before" in str(rows(service)[2].error)


# ---- clocks, backups, damage


@pytest.mark.parametrize("jump", [timedelta(days=-2), timedelta(hours=-1), timedelta(days=2)])
def test_clock_jumps_double_nothing_and_block_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, jump: timedelta
) -> None:
    service = one_due(make_service, feed, clock, "x")
    sandbox.faults.add("429", seconds=3600)
    service.tick()  # waits for an hour, by the old clock
    clock.now += service.config.delivery.quiet_period
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
        assert delivery.claim(tx, "x", service.config.delivery.lease, clock()) is not None
    clock.now += jump
    live(service, clock, 1, plan=True)
    assert len(timeline(sandbox, "x")) == 1


def test_a_backup_put_back_posts_nothing_again(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    for number in range(4):
        feed.add(number)
    service = make_service()
    if service.ledger.file is None:
        pytest.skip("db backup copies SQLite ledgers only")
    service.tick()
    clock.forward(hours=1)
    service.tick()
    back_up(service.ledger, tmp_path / "copy.db")
    with pytest.raises(LedgerError, match="already exists"):
        back_up(service.ledger, tmp_path / "copy.db")
    for hours in (4, 4):
        clock.forward(hours=hours)
        service.tick()
    assert len(timeline(sandbox, "x")) == len(timeline(sandbox, "page")) == 3
    restored = Service(service.config, Ledger(f"sqlite:///{tmp_path / 'copy.db'}", clock=clock), clock)
    restored.prepare()
    live(restored, clock, 72, step=240, plan=True)
    restored.ledger.close()
    for channel in PLATFORMS:
        assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel))) == 4


def test_a_restored_ledger_whose_timeline_cannot_be_read_waits(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = one_due(make_service, feed, clock, "x")
    service.ledger.mark_restored()
    real = service.delivery_worker.publisher("x").timeline
    from digestbot.domain.errors import OutcomeUnknown

    def fails(**_: object) -> object:
        raise OutcomeUnknown("503")

    service.delivery_worker.publisher("x").timeline = fails  # type: ignore[method-assign, assignment]
    service.tick()
    clock.forward(minutes=17)  # it may lag
    service.tick()
    assert rows(service)[0].status is PostStatus.PENDING
    assert sandbox.world.timelines["twitter"] == []
    service.delivery_worker.publisher("x").timeline = real  # type: ignore[method-assign]
    clock.forward(minutes=1)
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1


def test_a_damaged_ledger_is_noticed(tmp_path: Path) -> None:
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened.prepare()
    with opened.begin() as tx:
        for number in range(400):
            tx.exec_driver_sql("INSERT INTO papers (title) VALUES (?)", (f"{number}" + "x" * 500,))
    assert opened.check() == []
    opened.close()
    content = bytearray((tmp_path / "ledger.db").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    (tmp_path / "ledger.db").write_bytes(content)
    damaged = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert damaged.check() != []
    damaged.close()


def test_only_sqlite_is_backed_up_by_copying(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="pg_dump"):
        back_up(Ledger("postgresql://nobody@127.0.0.1:1/none"), tmp_path / "x")


def test_a_ledger_that_is_locked_or_read_only_sends_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    import sqlalchemy as sa

    service = one_due(make_service, feed, clock, "x")
    if service.ledger.file is None:
        pytest.skip("SQLite's ways of refusing")
    service.planner.make_due(Report())

    @sa.event.listens_for(service.ledger.engine, "checkout")
    def impatient(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")
        connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")

    read_only = False
    other = sqlite3.connect(service.ledger.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert any("locked" in trouble for trouble in service.tick().troubles)
    other.execute("ROLLBACK")
    other.close()
    read_only = True
    assert any("readonly" in trouble for trouble in service.tick().troubles)
    assert asked(sandbox) == []
    read_only = False
    service.tick()
    assert len(timeline(sandbox, "x")) == 1
