"""The service's heartbeat. The only importer of APScheduler, which is used as a metronome and for nothing else.

One interval job, in memory. What is due at a beat is calculated from configuration and ledger, so a beat that
comes late, twice, or in two processes at once does no harm. A watchdog in the main thread wakes the metronome
after the machine's clock was put back, and gives up on it when it no longer beats: a process that exits can be
started again, one that hangs cannot.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)

BEAT = timedelta(seconds=5)


class Metronome:
    """Calls ``tick`` about every ``beat``, never twice at once.

    ``tick`` is given a function to call whenever it gets on: ``patience`` says how long it may go without.
    """

    def __init__(
        self,
        tick: Callable[[Callable[[], None]], None],
        *,
        patience: Callable[[], timedelta],
        beat: timedelta = BEAT,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tick, self._beat, self._now = tick, beat, now
        self._patience = patience
        self._last_sign = time.monotonic()
        self._busy = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self, stop: threading.Event) -> bool:
        """Beat until told to stop, and let the tick under way end. False if the metronome died or a tick hangs."""
        job = self._scheduler.add_job(
            self._one, "interval", seconds=self._beat.total_seconds(), next_run_time=self._now()
        )
        self._scheduler.start()
        try:
            if not self._watch(stop, job):
                return False
        finally:
            job.remove()  # waits for a beat that is being handed out; after it none goes to workers that are gone
        self._scheduler.shutdown(wait=True)
        return True

    def _watch(self, stop: threading.Event, job: Any) -> bool:
        """Until told to stop: False as soon as the metronome died or a tick hangs."""
        beat = self._beat.total_seconds()
        while not stop.wait(min(beat, 1.0)):
            silent = time.monotonic() - self._last_sign
            if not self._alive():
                log.critical("the scheduler's thread died: giving up, to be started again")
                return False
            if silent > self._patience().total_seconds():
                log.critical("no sign of life for %d s: giving up, to be started again", silent)
                return False
            if silent > 3 * beat and not self._busy:
                # The next beat was set by a clock that has since been put back.
                job.modify(next_run_time=self._now())
        return True

    def _alive(self) -> bool:
        thread = self._scheduler._thread
        return thread is not None and thread.is_alive()

    def _sign(self) -> None:
        self._last_sign = time.monotonic()

    def _one(self) -> None:
        self._busy = True
        self._sign()
        try:
            self._tick(self._sign)
        except Exception:
            log.exception("a tick failed")
        finally:
            self._sign()
            self._busy = False
