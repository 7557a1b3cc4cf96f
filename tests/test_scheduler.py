"""The job runner: jobs run when they are due, wait for no other, survive what one raises, and are watched."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from digestbot.pipeline import scheduler
from digestbot.pipeline.app import Report
from digestbot.pipeline.jobs import CHANNELS, SOURCES, Job
from digestbot.pipeline.scheduler import JobRunner

NEVER = timedelta(days=1)
SOON = timedelta(milliseconds=20)
WAIT = 20.0  # seconds, for what comes at once


class Work:
    """A job whose runs are counted; ``until`` holds each of them."""

    def __init__(
        self,
        name: str = "channel x",
        group: str = CHANNELS,
        *,
        due: Callable[[], timedelta | None] = lambda: NEVER,
        wakes: Collection[str] = (),
        raises: Exception | None = None,
        patience: timedelta = timedelta(minutes=1),
    ) -> None:
        self.until = threading.Event()
        self.until.set()
        self.runs = threading.Semaphore(0)
        self.together, self.most = 0, 0
        self.wakes, self.raises = wakes, raises
        self.job = Job(name, group, self.run, due, patience)
        self.at: list[float] = []

    def run(self, _: Report) -> Collection[str]:
        self.together += 1
        self.most = max(self.most, self.together)
        self.at.append(time.monotonic())
        self.runs.release()
        self.until.wait(WAIT)
        self.together -= 1
        if self.raises is not None:
            raise self.raises
        return self.wakes

    def ran(self) -> bool:
        return self.runs.acquire(timeout=WAIT)


@contextmanager
def running(
    *works: Work, threads: int = 4, at_least: timedelta = timedelta(hours=1), errors: list[BaseException] | None = None
) -> Iterator[JobRunner]:
    """A runner at work; it ends as it should."""
    stop, ended = threading.Event(), []
    noted: list[BaseException] = [] if errors is None else errors
    runner = JobRunner(threads=threads, on_error=noted.append, at_least=at_least)
    runner.replace([work.job for work in works])
    thread = threading.Thread(target=lambda: ended.append(runner.run(stop)))
    thread.start()
    try:
        yield runner
    finally:
        for work in works:
            work.until.set()
        stop.set()
        thread.join(WAIT)
    assert ended == [True]
    assert errors is not None or not noted


def test_a_job_runs_at_its_own_next_due_time() -> None:
    often, once = Work("channel x", due=lambda: SOON), Work("channel y")
    with running(often, once):
        for _ in range(5):
            assert often.ran()
        assert once.ran()
        assert not once.runs.acquire(blocking=False)
    gaps = [later - earlier for earlier, later in zip(often.at, often.at[1:], strict=False)]
    assert min(gaps[:4]) >= SOON.total_seconds()


def test_what_hangs_delays_nothing_else() -> None:
    hanging = [Work(f"source {number}", SOURCES) for number in range(3)]
    for one in hanging:
        one.until.clear()
    quick = Work("channel x", due=lambda: SOON)
    other_source = Work("source quick", SOURCES, due=lambda: SOON)
    with running(*hanging, quick, other_source):
        for _ in range(5):
            assert quick.ran()
            assert other_source.ran()
        assert [one.together for one in hanging] == [1, 1, 1]


def test_a_job_never_runs_twice_at_once_and_runs_again_if_it_was_woken_meanwhile() -> None:
    work = Work()
    work.until.clear()
    with running(work) as runner:
        assert work.ran()
        for _ in range(3):
            runner.wake(["channel x"])
        work.until.set()
        assert work.ran()
        threading.Event().wait(0.1)
        assert not work.runs.acquire(blocking=False)  # once for all three
    assert work.most == 1


def test_a_job_wakes_others() -> None:
    reader = Work("channel x")
    source = Work("source store", SOURCES, wakes=["channel x", "channel that is gone"])
    with running(reader) as runner:
        assert reader.ran()
        source.until.clear()
        runner.replace([reader.job, source.job])
        assert source.ran()
        assert reader.ran()  # for it was replaced
        source.until.set()
        assert reader.ran()  # for the source


def test_what_could_not_be_done_is_not_tried_all_the_time() -> None:
    stuck = Work(due=lambda: timedelta(days=-1))
    with running(stuck, at_least=timedelta(hours=1)):
        assert stuck.ran()
        threading.Event().wait(0.2)
        assert not stuck.runs.acquire(blocking=False)


def test_what_became_due_meanwhile_is_done_at_once() -> None:
    later = Work(due=lambda: timedelta(seconds=-0.001))
    later.until.clear()
    with running(later):
        assert later.ran()
        threading.Event().wait(0.05)
        later.until.set()
        assert later.ran()


def test_what_a_job_raises_stops_no_other_and_not_itself() -> None:
    errors: list[BaseException] = []
    failing, sound = Work("channel x", raises=RuntimeError("trouble")), Work("channel y", due=lambda: SOON)
    with running(failing, sound, at_least=SOON, errors=errors):
        for _ in range(3):
            assert failing.ran()
            assert sound.ran()
    assert {str(error) for error in errors} == {"trouble"}


def test_the_jobs_under_way_are_let_end_and_none_begins() -> None:
    work, other = Work(), Work("channel y", due=lambda: SOON)
    work.until.clear()
    stop, ended = threading.Event(), []
    runner = JobRunner(threads=2, on_error=lambda error: None)
    runner.replace([work.job, other.job])
    thread = threading.Thread(target=lambda: ended.append(runner.run(stop)))
    thread.start()
    assert work.ran()
    stop.set()
    threading.Event().wait(0.1)
    begun = len(other.at)
    assert not ended
    runner.wake(["channel y"])
    work.until.set()
    thread.join(WAIT)
    assert ended == [True]
    assert len(other.at) == begun


def test_a_job_that_does_not_end_keeps_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    work = Work(patience=timedelta(seconds=0.1))
    work.until.clear()
    stop = threading.Event()
    runner = JobRunner(threads=1, on_error=lambda error: None)
    runner.replace([work.job])
    threading.Thread(target=lambda: work.ran() and stop.set()).start()
    try:
        assert not runner.run(stop)
    finally:
        work.until.set()


def test_a_job_that_hangs_is_shown_and_ends_the_run_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    monkeypatch.setattr(scheduler, "GIVE_UP", timedelta(seconds=0.3))
    seen: Counter[str] = Counter()
    work = Work(patience=timedelta(seconds=0.1))
    work.until.clear()
    runner = JobRunner(threads=1, on_error=lambda error: None)
    runner.replace([work.job])
    try:
        assert not runner.run(threading.Event(), lambda: seen.update(runner.overrunning()))
    finally:
        work.until.set()
    assert set(seen) == {"channel x"}


def test_signs_of_progress_keep_a_long_job_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    monkeypatch.setattr(scheduler, "GIVE_UP", timedelta(0))
    stop = threading.Event()
    runner = JobRunner(threads=1, on_error=lambda error: None)
    runner.progress()  # of no job

    def long(_: Report) -> Collection[str]:
        for _ in range(12):
            threading.Event().wait(0.05)
            runner.progress()
        stop.set()
        return ()

    runner.replace([Job("channel x", CHANNELS, long, lambda: NEVER, timedelta(seconds=0.4))])
    assert runner.run(stop)


def test_a_dead_scheduler_thread_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    runner = JobRunner(threads=1, on_error=lambda error: None)
    monkeypatch.setattr(runner._scheduler, "_main_loop", lambda: None)  # as when a job store fails
    assert not runner.run(threading.Event())


def test_a_clock_that_was_set_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    offset = 0.0
    real = time.time
    monkeypatch.setattr(scheduler.time, "time", lambda: real() + offset)
    work = Work()
    with running(work):
        assert work.ran()
        offset = -3600.0
        assert work.ran()


def test_jobs_that_are_gone_run_no_more() -> None:
    gone, kept = Work("channel x", due=lambda: SOON), Work("channel y", due=lambda: SOON)
    with running(gone, kept) as runner:
        assert gone.ran()
        runner.replace([kept.job])
        threading.Event().wait(0.1)
        begun = len(gone.at)
        for _ in range(6):
            assert kept.ran()
        assert len(gone.at) == begun


def test_many_channels_share_few_threads() -> None:
    works = [Work(f"channel {number}") for number in range(40)]
    with running(*works, threads=3):
        for work in works:
            assert work.ran()


def test_what_always_seems_to_be_due_runs_with_a_pause() -> None:
    work = Work(due=lambda: timedelta(0))
    with running(work, at_least=timedelta(hours=1)):
        assert work.ran()
        assert work.ran()  # something may have become due meanwhile
        threading.Event().wait(0.2)
        assert not work.runs.acquire(blocking=False)


def test_a_job_that_is_taken_away_and_given_back_while_it_runs_goes_on() -> None:
    work, other = Work(), Work("channel y")
    work.until.clear()
    with running(work, other) as runner:
        assert work.ran()
        runner.replace([other.job])
        runner.replace([work.job, other.job])
        work.until.set()
        assert work.ran()
    assert work.most == 1


def test_suspended_jobs_begin_no_more_until_all_are_replaced() -> None:
    work, other = Work(due=lambda: SOON), Work("channel y", due=lambda: SOON)
    work.until.clear()
    with running(work, other) as runner:
        assert work.ran()
        assert not runner.suspend(["channel x", "source that is not there"])
        work.until.set()
        while not runner.suspend(["channel x"]):
            threading.Event().wait(0.01)
        begun = len(work.at)
        for _ in range(4):
            assert other.ran()
        assert len(work.at) == begun
        assert runner.any_suspended
        runner.replace([work.job, other.job])
        assert work.ran()
        assert not runner.any_suspended


def test_a_hanging_job_whose_channel_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.02)
    monkeypatch.setattr(scheduler, "GIVE_UP", timedelta(hours=1))
    work = Work(patience=timedelta(seconds=0.05))
    work.until.clear()
    stop, told = threading.Event(), []
    runner = JobRunner(threads=1, on_error=lambda error: None)
    runner.replace([work.job])

    def seen() -> None:
        if work.at:
            runner.replace([])
        if runner.overrunning():
            stop.set()

    try:
        assert not runner.run(stop, seen, lambda: told.append("stopping"))
    finally:
        work.until.set()
    assert told == ["stopping"]


def test_a_job_that_was_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.01)
    monkeypatch.setattr(scheduler, "LOOK_FOR_LOST", 2)
    work = Work()
    with running(work) as runner:
        assert work.ran()
        while runner._scheduler.get_job("channel x") is None:
            threading.Event().wait(0.001)
        runner._scheduler.remove_all_jobs()
        assert work.ran()
