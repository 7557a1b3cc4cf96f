"""Run jobs when they are due. The only importer of APScheduler, which runs them on pools of threads.

APScheduler is given an instant for each job, and nothing else: what is due is calculated from configuration and ledger,
so a job that runs late, twice, or in two processes at once does no harm. The main thread watches: it wakes the jobs
after the machine's clock was set, and gives up on a job that hangs beyond its deadlines, for a process that exits can
be started again. Should even the main thread be starved, by code that does not let go of Python's lock, faulthandler's
own thread ends the process.
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

from digestbot.errors import LedgerError
from digestbot.service import Report
from digestbot.service.jobs import ALERTS, CHANNELS, SOURCES, UPKEEP, Job

log = logging.getLogger(__name__)

AT_LEAST = timedelta(seconds=5)  # between two runs of a job that found nothing that it could do
LOOK_AGAIN = timedelta(minutes=1)  # so long may pass until something is seen that nothing told of
GIVE_UP = timedelta(minutes=5)  # beyond a job's patience
LOOK_FOR_LOST = 60  # turns of the main thread
STARVED = 60.0  # seconds that the main thread may go without a turn
WATCH_EVERY = 1.0  # seconds
CLOCK_SET = 2.0  # seconds by which the machine's clock may differ from the time that passed


@dataclass
class _State:
    """How a job stands. ``signed``: when its run began, or last gave a sign of progress, in seconds of
    the monotonic clock."""

    job: Job
    signed: float = 0.0
    again: bool = False
    hurried: bool = False  # its run begins at once after the one before, for something became due meanwhile


def _not_starved() -> None:
    """The main thread has had its turn. If it gets no other for long, faulthandler ends the process."""
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
        """``threads`` is how many channels, and how many sources, may be at work at the same time. ``on_error`` is told
        what a job raised: jobs contain what they expect."""
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
            # a job that is woken while it is handed out is handed out again; `_run` sees to it that one runs at a time
            job_defaults={"coalesce": True, "max_instances": 1000, "misfire_grace_time": None},
        )

    # ---- from any thread

    def replace(self, jobs: Iterable[Job]) -> None:
        """From now on, run these jobs, all of them at once; of others, a run under way is let end."""
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
        """Begin these jobs no more until `replace`; return whether none of them runs any longer."""
        with self._lock:
            for name in names:
                if self._states.pop(name, None) is not None:
                    self._unschedule(name)
                    self.any_suspended = True
            return not any(name in self._running for name in names)

    def wake(self, names: Collection[str]) -> None:
        """Let these jobs run now, for there may be something to do; those that run do so again afterwards."""
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
        """Note that the job of this thread makes progress."""
        state: _State | None = getattr(self._here, "state", None)
        if state is not None:
            state.signed = time.monotonic()

    def overrunning(self) -> Mapping[str, timedelta]:
        """Return the jobs that have given no sign of progress for longer than they should, and for how long."""
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
        """Run jobs until told to stop, and let those under way end. False where the scheduler died or a job hangs.

        ``alive`` is called about every second, as long as all is well; ``stopping`` once, when told to stop.
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
                log.critical("the scheduler's thread died: giving up, to be started again")
                return False
            if self._hangs():
                return False
            offset, before = time.time() - time.monotonic(), offset
            if abs(offset - before) > CLOCK_SET:
                log.warning("the clock was set by %+.0f s: looking at what is due now", offset - before)
                self.wake(list(self._states))
            alive()
        return True

    def _wake_lost(self) -> None:
        """Wake jobs that neither run nor are scheduled: none should be lost, but one that is would stand still."""
        with self._lock:
            idle = [name for name in self._states if name not in self._running]
        self.wake([name for name in idle if self._scheduler.get_job(name) is None])

    def _hangs(self) -> bool:
        for name, silence, patience in self._silences():
            if silence > patience + GIVE_UP:
                log.critical(
                    "%s: no sign of progress for %d s: giving up, to be started again", name, silence.total_seconds()
                )
                return True
        return False

    def _ended(self, alive: Callable[[], None]) -> bool:
        """Begin nothing more, and wait until no job runs. False where one does not end within its deadlines."""
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
                log.critical("%s: does not end; the process ends without it", ", ".join(overdue))
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
        with suppress(JobLookupError):  # it is not scheduled, or handed out this moment
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
            with suppress(LedgerError):  # the run has said so
                delay = self._delay(job, time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs go on
            self._on_error(error)
        finally:
            self._here.state = None
            with self._idle:
                self._running.pop(name, None)
                newest = self._states.get(name)
                if newest is not None:  # it may be another one by now, or have been woken
                    at_once = newest is not state or state.again or state.job is not job
                    self._schedule(newest, timedelta(0) if at_once else self._unhurried(state, delay))
                self._idle.notify_all()
            self.wake(woken)

    def _unhurried(self, state: _State, delay: timedelta) -> timedelta:
        """Let no job run again and again without a pause, whatever it says is due."""
        hurried, state.hurried = state.hurried, delay <= timedelta(0)
        return max(delay, self._at_least) if hurried and state.hurried else delay

    def _delay(self, job: Job, took: float) -> timedelta:
        """How long to wait until the job's next run: what was due before this one began could not be done."""
        due = job.next_due()
        if due is None or due > LOOK_AGAIN:
            return LOOK_AGAIN
        if due > timedelta(0):
            return due
        return self._at_least if -due >= timedelta(seconds=took) else timedelta(0)
