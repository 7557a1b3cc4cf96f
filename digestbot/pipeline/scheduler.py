"""The job runner: it runs jobs when they are due. Only this module imports APScheduler, which runs them on thread
pools.

APScheduler is given a time for each job, and nothing else. What is due is calculated from configuration and ledger, so
a job that runs late, twice, or in two processes at once does no harm.

The main thread supervises. It wakes the jobs after the machine's clock was set, and gives up on a job that hangs beyond
its deadlines, because a process that exits can be restarted. If even the main thread is starved, by code that does not
release Python's global lock, faulthandler's own thread ends the process.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from digestbot.domain.errors import LedgerError
from digestbot.pipeline.app import Report
from digestbot.pipeline.jobs import ALERTS, CHANNELS, SOURCES, UPKEEP, Job

log = logging.getLogger(__name__)

AT_LEAST = timedelta(seconds=5)  # between two runs of a job that found nothing it could do
LOOK_AGAIN = timedelta(minutes=1)  # longest time between two runs, because some changes wake no job
GIVE_UP = timedelta(minutes=5)  # beyond a job's patience
LOOK_FOR_LOST = 60  # iterations of the main thread between two searches for lost jobs
STARVED = 60.0  # seconds that the main thread may go without running
WATCH_EVERY = 1.0  # seconds
CLOCK_SET = 2.0  # seconds by which the machine's clock may deviate from the time that passed


@dataclass
class _State:
    """The state of a job. ``signed`` is when its run began or last gave a sign of progress, in seconds of the monotonic
    clock."""

    job: Job
    signed: float = 0.0
    again: bool = False
    hurried: bool = False  # its run begins right after the previous one, because something became due meanwhile


def _not_starved() -> None:
    """Restart the watchdog: faulthandler ends the process unless the main thread calls this again within `STARVED`
    seconds."""
    faulthandler.dump_traceback_later(STARVED, exit=True, file=sys.__stderr__ or sys.stderr)


class JobRunner:
    """Runs each job when it is due, never twice at once, until told to stop."""

    def __init__(
        self,
        *,
        threads: int,
        on_error: Callable[[BaseException], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        at_least: timedelta = AT_LEAST,
    ) -> None:
        """Create a runner. ``threads`` is how many channels, and how many sources, may be processed at the same time.

        ``on_error`` is called with any exception that a job raises; jobs handle the errors that they expect.
        """
        self._on_error, self._now, self._at_least = on_error, now, at_least
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._states: dict[str, _State] = {}
        self._running: dict[str, _State] = {}
        self.any_suspended = False
        self._here = threading.local()
        pools = {SOURCES: threads, CHANNELS: threads, UPKEEP: 1, ALERTS: 1}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={name: ThreadPoolExecutor(most) for name, most in pools.items()},
            # a job that is woken while it is submitted is submitted again; `_run` ensures that only one run is active
            job_defaults={"coalesce": True, "max_instances": 1000, "misfire_grace_time": None},
        )

    # ---- from any thread

    def replace(self, jobs: Iterable[Job]) -> None:
        """Replace the jobs by these, and run all of them at once. A run of a removed job that is under way may
        finish."""
        with self._lock:
            before, self._states, self.any_suspended = self._states, {}, False
            for job in jobs:
                state = before.pop(job.name, None) or _State(job)
                state.job = job
                self._states[job.name] = state
            for name in before:
                self._unschedule(name)
        self.wake(list(self._states))

    def suspend(self, names: Collection[str]) -> bool:
        """Start no more runs of these jobs until `replace` is called. Return whether none of them is still running."""
        with self._lock:
            for name in names:
                if self._states.pop(name, None) is not None:
                    self._unschedule(name)
                    self.any_suspended = True
            return not any(name in self._running for name in names)

    def wake(self, names: Collection[str]) -> None:
        """Run these jobs now, because they may have something to do. A job that is running runs again afterwards."""
        with self._lock:
            for name in names:
                state = self._states.get(name)
                if state is None:
                    continue
                if name in self._running:
                    state.again = True
                else:
                    self._schedule(state, timedelta(0))

    def progress(self) -> None:
        """Record that the job of this thread has made progress."""
        state: _State | None = getattr(self._here, "state", None)
        if state is not None:
            state.signed = time.monotonic()

    def overrunning(self) -> Mapping[str, timedelta]:
        """Return the jobs that have given no sign of progress for longer than their patience, each with the time since
        the last sign."""
        return {name: silence for name, silence, patience in self._silences() if silence > patience}

    def _silences(self) -> list[tuple[str, timedelta, timedelta]]:
        now = time.monotonic()
        with self._lock:
            running = list(self._running.values())
            return [(one.job.name, timedelta(seconds=now - one.signed), one.job.patience) for one in running]

    # ---- the main thread

    def run(
        self,
        stop: threading.Event,
        alive: Callable[[], None] = lambda: None,
        stopping: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run jobs until told to stop, and let those under way finish. Return False if the scheduler died or a job
        hangs.

        ``alive`` is called about every second while all is well; ``stopping`` is called once, when told to stop.
        """
        offset = time.time() - time.monotonic()
        self._scheduler.start()
        try:
            if not self._watch(stop, alive, offset):
                return False
            stopping()
            return self._ended(alive)
        finally:
            self._stop.set()
            faulthandler.cancel_dump_traceback_later()
            self._scheduler.shutdown(wait=False)

    def _watch(self, stop: threading.Event, alive: Callable[[], None], offset: float) -> bool:
        for number in count(1):
            if stop.wait(WATCH_EVERY):
                return True
            _not_starved()
            if number % LOOK_FOR_LOST == 0:
                self._wake_lost()
            if not self._scheduler_lives():
                log.critical("the scheduler thread died: exiting so that the service is restarted")
                return False
            if self._hangs():
                return False
            offset, before = time.time() - time.monotonic(), offset
            if abs(offset - before) > CLOCK_SET:
                log.warning("the clock changed by %+.0f s: checking what is due now", offset - before)
                self.wake(list(self._states))
            alive()
        return True

    def _wake_lost(self) -> None:
        """Wake jobs that are neither running nor scheduled. None should get lost, but a lost job would never run
        again."""
        with self._lock:
            idle = [name for name in self._states if name not in self._running]
        self.wake([name for name in idle if self._scheduler.get_job(name) is None])

    def _hangs(self) -> bool:
        for name, silence, patience in self._silences():
            if silence > patience + GIVE_UP:
                log.critical(
                    "%s: no sign of progress for %d s: exiting so that the service is restarted",
                    name,
                    silence.total_seconds(),
                )
                return True
        return False

    def _ended(self, alive: Callable[[], None]) -> bool:
        """Start nothing more, and wait until no job is running. Return False if a job does not end within its
        deadlines."""
        self._stop.set()
        while True:
            with self._idle:
                if not self._running:
                    return True
                self._idle.wait(WATCH_EVERY)
                now = time.monotonic()
                running = list(self._running.values())
            overdue = [one.job.name for one in running if now - one.signed > one.job.patience.total_seconds()]
            if overdue:
                log.critical("%s: did not stop in time; exiting without it", ", ".join(overdue))
                return False
            _not_starved()
            alive()

    def _scheduler_lives(self) -> bool:
        thread = self._scheduler._thread
        return thread is not None and thread.is_alive()

    # ---- the threads of the pools

    def _schedule(self, state: _State, delay: timedelta) -> None:
        if self._stop.is_set():
            return
        name, at = state.job.name, self._now() + delay
        options = {"args": [name], "id": name, "executor": state.job.group, "replace_existing": True}
        self._scheduler.add_job(self._run, "date", run_date=at, **options)

    def _unschedule(self, name: str) -> None:
        with suppress(JobLookupError):  # it is not scheduled, or has just been submitted
            self._scheduler.remove_job(name)

    def _run(self, name: str) -> None:
        with self._lock:
            state = self._states.get(name)
            if state is None or self._stop.is_set():
                return
            if name in self._running:
                state.again = True
                return
            self._running[name] = state
            state.again = False
            begun = state.signed = time.monotonic()
            job = state.job
        self._here.state = state
        woken: Collection[str] = ()
        delay = self._at_least
        try:
            woken = job.run(Report())
            with suppress(LedgerError):  # the run has already reported it
                delay = self._delay(job, time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs go on
            self._on_error(error)
        finally:
            self._here.state = None
            with self._idle:
                self._running.pop(name, None)
                newest = self._states.get(name)
                if newest is not None:  # the job may have been replaced, or woken
                    at_once = newest is not state or state.again or state.job is not job
                    self._schedule(newest, timedelta(0) if at_once else self._unhurried(state, delay))
                self._idle.notify_all()
            self.wake(woken)

    def _unhurried(self, state: _State, delay: timedelta) -> timedelta:
        """Return the delay, or `AT_LEAST` if the previous run also began without a pause. Thus no job runs again and
        again without a pause, whatever it says is due."""
        hurried, state.hurried = state.hurried, delay <= timedelta(0)
        return max(delay, self._at_least) if hurried and state.hurried else delay

    def _delay(self, job: Job, took: float) -> timedelta:
        """Return how long to wait until the job's next run. What was already due before this run began could not be
        done, and waits for `AT_LEAST`."""
        due = job.next_due()
        if due is None or due > LOOK_AGAIN:
            return LOOK_AGAIN
        if due > timedelta(0):
            return due
        return self._at_least if -due >= timedelta(seconds=took) else timedelta(0)
