"""What all pages work with: the newest configuration, the ledger, a service over both, and the plan."""

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
from digestbot.ledger import Ledger, heartbeats
from digestbot.pipeline.app import Service
from digestbot.pipeline.runtime import Clock
from digestbot.web.plan_cache import CachedPlan, PlanCache

log = logging.getLogger(__name__)

Counted = TypeVar("Counted")
MOST_NOTES = 200


@dataclass(frozen=True)
class Flash:
    """A message shown once, on the next page: what was done, or why it failed, and how to undo it."""

    text: str
    bad: bool = False
    undo: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    """What was typed into the form that failed, so that the next page can show it again."""


@dataclass
class Liveness:
    """What the scheduler beside the pages reports: when its last upkeep ended (None if it is another process), and how
    long it may go without one."""

    at: Callable[[], datetime | None] = lambda: None
    patience: Callable[[], timedelta] = lambda: timedelta(minutes=10)
    problems: Callable[[], list[str]] = list
    """Returns why the current version of the configuration file is not used."""
    overrunning: Callable[[], Mapping[str, timedelta]] = dict
    """Returns the jobs that show no progress, and for how long."""


class AppState:
    """The state of all pages in a process. Requests arrive in several threads; one at a time may use the service."""

    def __init__(
        self, current: Callable[[], Config], ledger: Ledger, clock: Clock, liveness: Liveness | None = None
    ) -> None:
        self._current, self.ledger, self.clock, self.liveness = current, ledger, clock, liveness or Liveness()
        self._lock = threading.RLock()
        self._service: Service | None = None
        self.plans = PlanCache(current, ledger, clock)
        self._counting = threading.Lock()
        self._counts: dict[str, tuple[datetime | None, object]] = {}
        self._notes: OrderedDict[str, Flash] = OrderedDict()
        self.on_change: Callable[[], None] = lambda: None
        """Called when an operator changed something, so that the service beside the pages reacts at once."""

    @property
    def config(self) -> Config:
        """Return the newest valid configuration."""
        return self._current()

    @property
    def web(self) -> Web:
        """Return the section ``[web]`` of the configuration, or its defaults."""
        return self.config.web or Web()

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Yield the service with the newest configuration, to one thread at a time."""
        with self._lock:
            config = self.config
            if self._service is None or self._service.config is not config:
                fresh = Service(config, self.ledger, self.clock)
                fresh.prepare()
                old, self._service = self._service, fresh
                if old is not None:
                    old.close()
            yield self._service

    def plan(self, begin: datetime, end: datetime) -> CachedPlan:
        """Return the plan between two instants."""
        return self.plans.get(begin, end)

    def changed(self, channel: str | None = None, summary: int | None = None) -> None:
        """Note that an operator changed something: plans are recomputed, and services in other processes see it too.
        ``channel`` is where it was changed (None: anywhere); ``summary`` is the one whose post it concerns, if
        known."""
        with self.ledger.begin() as tx:
            heartbeats.record_heartbeat(tx, heartbeats.ACTION, self.ledger.now(tx))
            acted_at = heartbeats.last_heartbeat(tx, heartbeats.ACTION)
        self.plans.changed(acted_at, channel, summary)
        self.on_change()

    def counted(self, name: str, kept: timedelta, count: Callable[[sa.Connection], Counted]) -> Counted:
        """Return what ``count`` reads from the ledger, or the former result of the same ``name`` if it is newer than
        ``kept``."""
        now = self.clock()
        with self._counting:
            at, result = self._counts.get(name, (None, None))
            if at is None or not at <= now < at + kept:
                with self.ledger.read() as tx:
                    result = count(tx)
                self._counts[name] = now, result
            return cast("Counted", result)

    def last_tick(self) -> datetime | None:
        """Return when a service last did what was due, in this or another process; None if none ever did."""
        here = self.liveness.at()
        if here is not None:
            return here
        with self.ledger.read() as tx:
            return heartbeats.last_heartbeat(tx, heartbeats.TICK)

    def is_late(self) -> bool:
        """Return whether no service has done what was due for longer than allowed."""
        tick = self.last_tick()
        return tick is None or self.clock() - tick > self.liveness.patience()

    def leave(self, note: Flash) -> str:
        """Keep a message for the next page; return its key."""
        key = secrets.token_urlsafe(9)
        with self._lock:
            self._notes[key] = note
            while len(self._notes) > MOST_NOTES:
                self._notes.popitem(last=False)
        return key

    def take(self, key: str) -> Flash | None:
        """Return the message with this key and forget it; None if there is none."""
        with self._lock:
            return self._notes.pop(key, None)

    def close(self) -> None:
        """Close the plan cache and the service."""
        self.plans.close()
        with self._lock:
            if self._service is not None:
                self._service.close()
