"""What the pages work with: the newest configuration, the ledger, a service over both, and the plan."""

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
from digestbot.service import Service
from digestbot.service.report import Clock
from digestbot.web.plan_cache import PlanCache, Planned

log = logging.getLogger(__name__)

Counted = TypeVar("Counted")
MOST_NOTES = 200


@dataclass(frozen=True)
class Note:
    """What is said once on the next page: what was done, or why not; and how to take it back."""

    text: str
    bad: bool = False
    undo: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Pulse:
    """The sign of life of the scheduler beside which the pages run: when its last upkeep ended, and how long it may go
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
        self.plans = PlanCache(current, ledger, clock)
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
                fresh = Service(config, self.ledger, self.clock)
                fresh.prepare()
                old, self._service = self._service, fresh
                if old is not None:
                    old.close()
            yield self._service

    def plan(self, begin: datetime, end: datetime) -> Planned:
        """What is to come between two instants."""
        return self.plans.get(begin, end)

    def changed(self, channel: str | None = None, summary: int | None = None) -> None:
        """An operator changed something, on this channel or on whichever; of the post of a summary, perhaps. What was
        planned may no longer be so, and services are to look at it."""
        with self.ledger.begin() as tx:
            heartbeats.beat(tx, heartbeats.ACTION, self.ledger.now(tx))
            acted_at = heartbeats.last_beat(tx, heartbeats.ACTION)
        self.plans.changed(acted_at, channel, summary)
        self.on_change()

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

    def last_tick(self) -> datetime | None:
        """When the service last looked at what is due, here or in another process."""
        here = self.pulse.at()
        if here is not None:
            return here
        with self.ledger.read() as tx:
            return heartbeats.last_beat(tx, heartbeats.TICK)

    def is_late(self) -> bool:
        """Whether no service has looked at what is due for longer than it may take."""
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
        self.plans.close()
        with self._lock:
            if self._service is not None:
                self._service.close()
