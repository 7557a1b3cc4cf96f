"""The metronome: it beats, survives what a tick raises, notices its own death, and recovers from clock jumps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from digestbot.scheduler import Metronome

BEAT = timedelta(milliseconds=50)


def run(
    tick: Callable[[Callable[[], None]], None], *, stop: threading.Event, patience: float = 30, **more: object
) -> bool:
    return Metronome(tick, patience=lambda: timedelta(seconds=patience), beat=BEAT, **more).run(stop)  # type: ignore[arg-type]


def test_it_beats_until_told_to_stop_whatever_a_tick_raises() -> None:
    stop, beats = threading.Event(), []

    def tick(_: Callable[[], None]) -> None:
        beats.append(1)
        if len(beats) == 3:
            stop.set()
        raise RuntimeError("trouble")

    assert run(tick, stop=stop)
    assert len(beats) >= 3


def test_the_tick_under_way_is_let_end() -> None:
    stop, done = threading.Event(), []

    def tick(_: Callable[[], None]) -> None:
        stop.set()
        threading.Event().wait(0.2)
        done.append(1)

    assert run(tick, stop=stop)
    assert done == [1]


def test_a_tick_that_hangs_ends_the_run() -> None:
    hang = threading.Event()
    try:
        assert not run(lambda _: bool(hang.wait(20)) and None, stop=threading.Event(), patience=0.2)
    finally:
        hang.set()


def test_signs_of_life_keep_a_long_tick_alive() -> None:
    stop = threading.Event()

    def tick(sign: Callable[[], None]) -> None:
        for _ in range(12):
            threading.Event().wait(0.05)
            sign()
        stop.set()

    assert run(tick, stop=stop, patience=0.4)


def test_a_dead_scheduler_thread_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    metronome = Metronome(lambda _: None, patience=lambda: timedelta(seconds=30), beat=BEAT)
    monkeypatch.setattr(metronome._scheduler, "_main_loop", lambda: None)  # as when a job store fails
    assert not metronome.run(threading.Event())


def test_a_clock_that_was_put_back_does_not_silence_it() -> None:
    stop, beats = threading.Event(), []
    job_times: list[datetime] = []

    def tick(_: Callable[[], None]) -> None:
        beats.append(1)
        if len(beats) == 1:
            # what a clock put back by a day looks like: the next beat is a day away
            job = metronome._scheduler.get_jobs()[0]
            job.modify(next_run_time=datetime.now(UTC) + timedelta(days=1))
            job_times.append(job.next_run_time)
        if len(beats) == 3:
            stop.set()

    metronome = Metronome(tick, patience=lambda: timedelta(seconds=30), beat=BEAT)
    assert metronome.run(stop)
    assert len(beats) >= 3
    assert job_times
