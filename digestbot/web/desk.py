"""What the pages work with: the newest configuration, the ledger, a service over both, and a plan that is kept for a
moment."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, cast

import sqlalchemy as sa

from digestbot.config import Config, Web
from digestbot.errors import DigestbotError
from digestbot.ledger import Ledger, health
from digestbot.planning import Row
from digestbot.service import Service
from digestbot.service.report import Clock

log = logging.getLogger(__name__)

Counted = TypeVar("Counted")
PLAN_KEPT = timedelta(minutes=5)  # whatever the ledger's stamp says: votes and ages change too
KEEP_EVERY = 5.0  # seconds
KEPT_AHEAD = timedelta(days=32)
MOST_NOTES = 200


@dataclass(frozen=True)
class Note:
    """What is said once on the next page: what was done, or why not; and how to take it back."""

    text: str
    bad: bool = False
    undo: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A plan from one instant to another, by this configuration, when the ledger was so."""

    config: Config
    stamp: tuple[object, ...]
    at: datetime
    until: datetime
    rows: list[Row]

    def holds(self, config: Config, stamp: tuple[object, ...], now: datetime, end: datetime) -> bool:
        """Whether it is still so, and reaches far enough."""
        fresh = config is self.config and stamp == self.stamp and self.at <= now < self.at + PLAN_KEPT
        return fresh and end <= self.until and not any(self.at < row.at <= now for row in self.rows)


@dataclass
class Pulse:
    """The sign of life of the scheduler beside which the pages run: when its last tick ended, and how long it may go
    without one; None where it is another process."""

    at: Callable[[], datetime | None] = lambda: None
    patience: Callable[[], timedelta] = lambda: timedelta(minutes=10)
    problems: Callable[[], list[str]] = list
    """Why the configuration's file, as it stands, is not taken up."""
    overrunning: Callable[[], Mapping[str, timedelta]] = dict
    """Which jobs give no sign of progress, and for how long."""


class Desk:
    """One for all pages of a process. Requests come in several threads; the service is for one at a time."""

    def __init__(self, current: Callable[[], Config], ledger: Ledger, clock: Clock, pulse: Pulse | None = None) -> None:
        self._current, self.ledger, self.clock, self.pulse = current, ledger, clock, pulse or Pulse()
        self._lock = threading.RLock()
        self._service: Service | None = None
        self._plan: Kept | None = None
        self._counting = threading.Lock()
        self._counts: dict[str, tuple[datetime | None, object]] = {}
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self.on_change: Callable[[], None] = lambda: None
        """Called when an operator changed something: the service beside the pages looks at it at once."""

    @property
    def config(self) -> Config:
        """The newest valid configuration."""
        return self._current()

    @property
    def web(self) -> Web:
        """Its part on these pages."""
        return self.config.web or Web()

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The service over the newest configuration; one thread at a time."""
        with self._lock:
            config = self.config
            if self._service is None or self._service.config is not config:
                if self._service is not None:
                    self._service.close()
                self._service = Service(config, self.ledger, self.clock)
                self._service.prepare()
                self._service.planner.remember()
            yield self._service

    def plan(self, begin: datetime, end: datetime) -> list[Row]:
        """What is to come between two instants. A plan is kept for as long as the ledger is as it was."""
        with self.service() as service:
            now = self.clock()
            with self.ledger.read() as tx:
                stamp = health.stamp(tx)
            kept = self._plan
            if kept is None or not kept.holds(service.config, stamp, now, end):
                kept = self._plan = Kept(service.config, stamp, now, end, service.plan(now, end))
            return [row for row in kept.rows if max(begin, now) <= row.at <= end]

    def changed(self) -> None:
        """An operator changed something: what was planned may no longer be so, and services are to look at it."""
        with self.ledger.begin() as tx:
            health.beat(tx, health.ACTION, self.ledger.now(tx))
        self.on_change()
        with self._lock:
            self._plan = None
            if self._service is not None:
                self._service.planner.remember()

    def counted(self, name: str, kept: timedelta, count: Callable[[sa.Connection], Counted]) -> Counted:
        """Counts of much that is in the ledger, as they stood at most so long ago."""
        now = self.clock()
        with self._counting:
            at, found = self._counts.get(name, (None, None))
            if at is None or not at <= now < at + kept:
                with self.ledger.read() as tx:
                    found = count(tx)
                self._counts[name] = now, found
            return cast("Counted", found)

    def keep(self, stop: threading.Event, counts: Callable[[Desk], object]) -> None:
        """Reckon the plan, and ``counts``, before somebody asks, until told to stop."""
        while True:
            try:
                now = self.clock()
                self.plan(now, now + KEPT_AHEAD)
                counts(self)
            except DigestbotError as error:
                log.debug("the plan cannot be kept: %s", error)
            if stop.wait(KEEP_EVERY):
                return

    def last_tick(self) -> datetime | None:
        """When a tick was last done, here or in another process."""
        here = self.pulse.at()
        if here is not None:
            return here
        with self.ledger.read() as tx:
            return health.last_beat(tx, health.TICK)

    def is_late(self) -> bool:
        """Whether no tick was done for longer than one may take."""
        tick = self.last_tick()
        return tick is None or self.clock() - tick > self.pulse.patience()

    def leave(self, note: Note) -> str:
        """Keep a note for the next page; returns the key to it."""
        key = secrets.token_urlsafe(9)
        with self._lock:
            self._notes[key] = note
            while len(self._notes) > MOST_NOTES:
                self._notes.popitem(last=False)
        return key

    def take(self, key: str) -> Note | None:
        """The note of this key, which is gone then."""
        with self._lock:
            return self._notes.pop(key, None)

    def close(self) -> None:
        """Let go of what is held open."""
        with self._lock:
            if self._service is not None:
                self._service.close()
