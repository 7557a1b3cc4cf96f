"""The service's jobs: what each finds to be due next, whom it wakes, and that nobody who looks keeps them waiting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import PROCESSES, START, Clock, Feed, make_summary, raw_config
from helpers.planning_harness import Run, raw
from test_service import Make

from digestbot import config as configuration
from digestbot.cli.systemd import notify
from digestbot.domain.errors import LedgerChanged, LedgerError, RenderError
from digestbot.domain.model import PostStatus, Receipt
from digestbot.infra.http_client import DeadlineTransport
from digestbot.ledger import (
    Ledger,
    approvals,
    change_tokens,
    channel_states,
    connections,
    delivery,
    heartbeats,
    notifications,
    queries,
)
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.jobs import ALERTS, CHANNELS, SOURCES, UPKEEP, Job, channel_job, source_job
from digestbot.sandbox import Sandbox
from digestbot.web.plan_cache import PlanCache

MINUTE = timedelta(minutes=1)


def job(service: Service, name: str) -> Job:
    (found,) = [one for one in service.jobs() if one.name == name]
    return found


def test_there_is_a_job_for_each_source_and_each_channel(make_service: Make) -> None:
    groups = {one.name: one.group for one in make_service().jobs()}
    assert groups == {
        "upkeep": UPKEEP,
        source_job("store"): SOURCES,
        channel_job("x"): CHANNELS,
        channel_job("page"): CHANNELS,
        "alerts": ALERTS,
    }


def test_a_source_is_due_when_it_is_to_be_polled_and_wakes_who_reads_it(
    make_service: Make, feed: Feed, clock: Clock
) -> None:
    feed.add(0)
    service = make_service()
    store = job(service, source_job("store"))
    assert store.next_due() == timedelta(0)
    assert set(store.run(Report())) == {channel_job("x"), channel_job("page")}
    every = service.config.sources["store"].every
    assert store.next_due() == every
    clock.forward(seconds=90)
    assert store.next_due() == every - 1.5 * MINUTE
    assert store.run(Report()) == ()  # not due


def test_a_channel_is_due_at_its_slot_and_when_a_post_may_be_sent() -> None:
    run = Run(raw(), [make_summary(number) for number in range(3)])
    x = job(run.service, channel_job("x"))
    due = x.next_due()
    assert due is not None
    assert timedelta(0) < due <= timedelta(hours=3)
    run.clock.now = run.clock() + due
    assert x.next_due() == timedelta(0)
    report = Report()
    x.run(report)
    assert len(report.concluded) == 1
    assert x.next_due() == timedelta(hours=3)
    with run.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", run.clock())
    run.clock.now += timedelta(hours=3)
    x.run(Report())  # the post is made, and waits
    assert x.next_due() == timedelta(hours=3)
    with run.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    due = x.next_due()
    assert due is not None
    assert due <= timedelta(0)
    run.close()


def test_what_holds_posts_back_says_until_when() -> None:
    """Two posts of one slot, that are to be apart."""
    known = [make_summary(number) for number in range(2)]
    run = Run(raw({"x": {"min_distance": "20 minutes"}}, size=2), known)
    x = job(run.service, channel_job("x"))
    due = x.next_due()
    assert due is not None
    run.clock.now = run.clock() + due
    report = Report()
    x.run(report)
    assert (len(report.made), len(report.concluded)) == (2, 1)
    assert x.next_due() == timedelta(minutes=20)
    run.clock.now += timedelta(minutes=20)
    x.run(report)
    assert len(report.concluded) == 2
    run.close()


def test_an_operator_wakes_every_job(make_service: Make, feed: Feed, clock: Clock) -> None:
    feed.add(0)
    service = make_service()
    service.tick()
    upkeep = job(service, UPKEEP)
    assert upkeep.run(Report()) == set()
    service.ledger.by_hand = True  # as the commands of an operator have it
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", clock())
    service.ledger.by_hand = False
    assert set(upkeep.run(Report())) >= {channel_job("x"), source_job("store")}
    assert upkeep.run(Report()) == set()


def test_a_job_that_overruns_raises_an_alert(make_service: Make, feed: Feed) -> None:
    feed.add(0)
    service = make_service()
    watched = Service(
        service.config, service.ledger, service.clock, overrunning=lambda: {"source store": timedelta(minutes=3)}
    )
    watched.prepare()
    job(watched, ALERTS).run(Report())
    with service.ledger.begin() as tx:
        (alert,) = notifications.claim_notifications(tx, service.clock())
    assert alert.condition.title == "the job source store takes too long"
    assert "no sign of progress for 3 min" in alert.condition.note


def test_what_cannot_be_done_has_been_due_for_a_while(make_service: Make, feed: Feed, clock: Clock) -> None:
    """So that it is tried with a pause: a slot whose template cannot render, a post that no budget pays."""
    feed.add(0)
    service = make_service(schedule="every hour")
    service.tick()
    x = job(service, channel_job("x"))

    def broken(*_: object) -> None:
        raise RenderError("the template is broken")

    service.post_builder.drafts = broken  # type: ignore[method-assign, assignment]
    clock.forward(hours=1, seconds=3)
    x.run(Report())
    due = x.next_due()
    assert due is not None
    assert due <= timedelta(seconds=-3)


def test_one_client_is_not_for_two_threads_at_once() -> None:
    wire = DeadlineTransport(allow_private=True)
    failures: list[BaseException] = []

    def other() -> None:
        try:
            with wire.exchange(5):
                pass
        except RuntimeError as error:
            failures.append(error)

    with wire.exchange(5):
        wire.sent = True
        with wire.exchange(5):  # of the same thread
            pass
        wire.sent = True
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert wire.sent
    assert len(failures) == 1
    other()
    assert len(failures) == 1


def test_alerts_ask_by_a_client_of_their_own(make_service: Make) -> None:
    service = make_service()
    assert service._alert_monitor._publisher("page") is service._alert_monitor._publisher("page")
    assert service._alert_monitor._publisher("page") is not service.delivery_worker.publisher("page")


def test_a_receipt_is_written_down_though_the_channel_was_renamed_meanwhile(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0)
    service = make_service(schedule="every hour")
    service.tick()
    clock.forward(hours=1)
    publisher = service.delivery_worker.publisher("x")
    publish = publisher.publish

    def renaming(*arguments: Any, **options: Any) -> Receipt:
        receipt = publish(*arguments, **options)
        other = raw_config(sandbox.url)
        other["channels"]["renamed"] = other["channels"].pop("x")
        other["digests"]["latest"]["channels"] = ["renamed", "page"]
        ledger = Ledger(service.ledger.engine.url.render_as_string(hide_password=False), clock=clock)
        Service(configuration.build(other), ledger, clock).prepare()
        ledger.close()
        return receipt

    publisher.publish = renaming  # type: ignore[method-assign]
    with pytest.raises(LedgerChanged):
        job(service, channel_job("x")).run(Report())
    with service.ledger.read() as tx:
        (row,) = queries.post_rows(tx, channel="renamed")
    assert row.status is PostStatus.PUBLISHED
    assert row.receipt is not None
    assert row.receipt.id == sandbox.world.timelines["twitter"][0].id


# ---- whoever looks keeps nobody waiting


def test_a_forecast_that_takes_a_minute_delays_no_tick(
    make_service: Make, feed: Feed, clock: Clock, sandbox: Sandbox
) -> None:
    for number in range(6):
        feed.add(number)
    service = make_service()
    service.tick()
    looking, go_on = threading.Event(), threading.Event()
    plans = PlanCache(lambda: service.config, service.ledger, clock)
    plans.get(clock(), clock() + timedelta(days=1))
    assert plans._service is not None
    groups = plans._service.post_builder.groups

    def slow(*arguments: object) -> object:
        looking.set()
        assert go_on.wait(60)
        return groups(*arguments)  # type: ignore[arg-type]

    plans._service.post_builder.groups = slow  # type: ignore[method-assign, assignment]
    with service.ledger.begin() as tx:
        heartbeats.record_heartbeat(tx, heartbeats.ACTION, clock())  # an operator did something: all is computed again
    thread = threading.Thread(target=plans.get, args=(clock(), clock() + timedelta(days=1)))
    thread.start()
    try:
        assert looking.wait(20)
        clock.forward(hours=1)
        report = service.tick()
        assert not report.troubles
        assert len(report.concluded) == 2
        assert list(sandbox.world.timelines["twitter"])
    finally:
        go_on.set()
        thread.join(20)
        plans.close()


def test_a_page_shows_the_last_plan_with_its_age_while_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digestbot.web.plan_cache.PATIENCE", 0.05)
    run = Run(raw(), [make_summary(number) for number in range(3)])
    plans = PlanCache(lambda: run.config, run.ledger, run.clock)
    end = START + timedelta(days=2)
    before = plans.get(START, end)
    assert before.as_of is None
    plans._keeping = True  # but that thread is busy
    plans.changed(None, "x")
    shown = plans.get(START, end)
    assert (shown.rows, shown.as_of) == (before.rows, START)
    plans._keeping = False
    assert plans.get(START, end).as_of is None
    plans.close()
    run.close()


def test_a_plan_by_a_configuration_that_the_ledger_could_not_take_up_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(raw(), [make_summary(0)])
    plans = PlanCache(lambda: run.config, run.ledger, run.clock)
    prepare = Service.prepare

    def fails(_: Service) -> None:
        raise LedgerError("locked")

    monkeypatch.setattr(Service, "prepare", fails)
    with pytest.raises(LedgerError):
        plans.get(START, START + timedelta(days=1))
    monkeypatch.setattr(Service, "prepare", prepare)
    assert plans.get(START, START + timedelta(days=1)).rows
    assert plans._service is not None
    assert plans._service.forecaster._kept is not None
    plans.close()
    run.close()


def test_only_the_channel_that_changed_is_planned_again() -> None:
    run = Run(raw(channels=["x", "page"]), [make_summary(number) for number in range(3)])
    plans = PlanCache(lambda: run.config, run.ledger, run.clock)
    end = START + timedelta(days=2)
    plans.get(START, end)
    assert plans._service is not None
    asked: list[object] = []
    forecast = plans._service.forecaster.forecast

    def counted(begin: object, end: object, channels: object) -> object:
        asked.append(channels)
        return forecast(begin, end, channels)  # type: ignore[arg-type]

    plans._service.forecaster.forecast = counted  # type: ignore[method-assign, assignment]
    plans.get(START, end)
    assert asked == []
    plans.changed(None, "page")
    plans.get(START, end)
    assert asked == [["page"]]
    run.tick(START + timedelta(hours=4))  # both post
    plans.get(run.clock(), end)
    assert sorted(map(str, asked[1:])) == ["['page']", "['x']"]
    plans.close()
    run.close()


# ---- other processes


def test_a_writer_that_is_stopped_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.2)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.prepare()
    holder = f"""
        import os, signal, sqlite3
        connection = sqlite3.connect({str(tmp_path / "ledger.db")!r}, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        print("holding", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(holder)], stdout=subprocess.PIPE, text=True)
    PROCESSES.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    with pytest.raises(LedgerError, match=rf"locked by process {process.pid}, which is stopped"), ledger.begin():
        pass
    process.kill()
    process.communicate()
    with ledger.begin() as tx:
        approvals.expire_approvals(tx, START)
    ledger.close()


def test_threads_wait_for_their_turn_no_longer_than_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.prepare()
    refused: list[str] = []

    def write() -> None:
        try:
            with ledger.begin():
                pass
        except LedgerError as error:
            refused.append(str(error))

    with ledger.begin():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(20)
    assert len(refused) == 1
    assert "it is locked" in refused[0]
    write()
    assert len(refused) == 1
    ledger.close()


def test_a_process_whose_threads_get_no_turn_ends(tmp_path: Path) -> None:
    """A C extension that does not let go of Python's lock starves every thread, the watching one too."""
    script = tmp_path / "starved.py"
    script.write_text("""
import re, sys, threading
from datetime import timedelta
from digestbot.pipeline import scheduler
from digestbot.pipeline.jobs import CHANNELS, Job
scheduler.STARVED, scheduler.WATCH_EVERY = 1.5, 0.1
begun = threading.Event()
def hostile(_):
    begun.wait(5)
    re.fullmatch("(a+)+", "a" * 60 + "b")
runner = scheduler.JobRunner(threads=1, on_error=print)
runner.replace([Job("channel x", CHANNELS, hostile, lambda: None, timedelta(hours=1))])
runner.run(threading.Event(), begun.set)
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "in hostile" in done.stderr  # what it was at


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notify("READY=1")  # of nobody who started it
    for address in (str(tmp_path / "notify"), f"@digestbot-test-{os.getpid()}"):
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind("\0" + address[1:] if address.startswith("@") else address)
            manager.settimeout(10)
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            notify("READY=1")
            assert manager.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("WATCHDOG=1")  # whoever it was for is gone


def test_processes_that_meet_log_no_error_and_post_once(
    database_url: str,
    feed: Feed,
    sandbox: Sandbox,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Three services over one ledger, each with a connection of its own, that do everything at the same moment."""
    for number in range(4):
        feed.add(number)
    meet = threading.Barrier(3)
    failures: list[BaseException] = []

    def live() -> None:
        ledger = Ledger(database_url, clock=clock)
        service = Service(configuration.build(raw_config(sandbox.url, schedule="every hour")), ledger, clock)
        try:
            meet.wait(20)
            service.prepare()
            for _ in range(4):
                meet.wait(20)
                report = service.tick(threads=2)
                assert not report.troubles
                meet.wait(20)
                assert not service.tick().troubles  # what was left to another, which had not read the feed yet
                if meet.wait(20) == 0:
                    clock.forward(hours=1)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)
            meet.abort()
        finally:
            service.close()
            ledger.close()

    threads = [threading.Thread(target=live) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert [record.message for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert (
        len(sandbox.world.timelines["twitter"]) == len({post.text for post in sandbox.world.timelines["twitter"]}) == 3
    )
    assert len(sandbox.world.timelines["facebook"]) == 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_channel_that_another_process_works_on_is_left_to_it_once(
    database_url: str, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0)
    ledger, other = Ledger(database_url, clock=clock), Ledger(database_url, clock=clock)
    service = Service(configuration.build(raw_config(sandbox.url, schedule="every hour")), ledger, clock)
    service.prepare()
    service.tick()
    clock.forward(hours=1)
    publish = job(service, "channel page")
    with other.channel_locks.hold("page") as held:
        assert held
        publish.run(Report())
        assert publish.next_due() == timedelta(seconds=5)
        assert sandbox.world.timelines["facebook"] == []
        publish.run(Report())  # who holds it may have been stopped
        assert len(sandbox.world.timelines["facebook"]) == 1
    with other.channel_locks.hold("page") as held:
        assert held  # the job has let go of it
    ledger.close()
    other.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_channel_is_worked_on_though_its_lock_cannot_be_had(database_url: str) -> None:
    ledger = Ledger(database_url)
    with ledger.channel_locks.hold("page") as held:
        assert held
        with ledger.engine.connect() as connection:  # the database goes away for a moment
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            )
    with ledger.channel_locks.hold("page") as held:
        assert held
    ledger.close()
    nowhere = Ledger("postgresql://nobody@127.0.0.1:1/none")
    with nowhere.channel_locks.hold("page") as held:
        assert held
    nowhere.close()


def test_a_post_that_is_being_sent_is_another_state_than_one_that_waits() -> None:
    run = Run(raw(schedule="every hour"), [make_summary(0)])
    run.clock.now += timedelta(hours=1)
    run.service.planner.make_due(Report())
    with run.ledger.read() as tx:
        _, before = change_tokens.change_tokens(tx, ["x"], START)
    with run.ledger.begin() as tx:
        assert delivery.claim(tx, "x", timedelta(minutes=2), run.clock()) is not None
    with run.ledger.read() as tx:
        _, after = change_tokens.change_tokens(tx, ["x"], START)
    assert before["x"].backlogs != after["x"].backlogs
    run.close()
