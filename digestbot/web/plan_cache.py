"""The plan as the pages show it: computed before somebody asks, one channel at a time, and shown with its age while it
is computed again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.errors import DigestbotError
from digestbot.ledger import Ledger, plan_stamps
from digestbot.ledger.plan_stamps import Stamp
from digestbot.planning import Row
from digestbot.service import Service
from digestbot.service.report import Clock

log = logging.getLogger(__name__)

KEPT = timedelta(minutes=5)  # whatever the stamps say: votes and ages change too
KEEP_EVERY = 5.0  # seconds
AHEAD = timedelta(days=32)
MARGIN = timedelta(hours=1)  # so that a plan that is a few minutes old reaches far enough
PATIENCE = 1.0  # seconds that a page waits for a plan that is being computed again


@dataclass(frozen=True)
class _ChannelPlan:
    """One channel's plan from an instant to another, when the ledger was so."""

    stamp: Stamp
    at: datetime
    until: datetime
    rows: list[Row]

    def same_backlogs(self, stamp: Stamp, now: datetime, end: datetime) -> bool:
        """Whether what was read of backlogs is still so, and reaches far enough."""
        return stamp.backlogs == self.stamp.backlogs and self.at <= now < self.at + KEPT and end <= self.until

    def holds(self, stamp: Stamp, now: datetime, end: datetime) -> bool:
        """Whether it is still so, and reaches far enough."""
        same = self.same_backlogs(stamp, now, end) and stamp.timing == self.stamp.timing
        return same and not any(self.at < row.at <= now for row in self.rows)


@dataclass(frozen=True)
class Planned:
    """What is to come between two instants. ``as_of`` is when this was so, where it is being computed again."""

    rows: list[Row]
    as_of: datetime | None = None


class PlanCache:
    """Keeps each channel's plan until something that it depends on changes."""

    def __init__(self, current: Callable[[], Config], ledger: Ledger, clock: Clock) -> None:
        self._current, self._ledger, self._clock = current, ledger, clock
        self._computing = threading.Lock()
        self._service: Service | None = None
        self._plans: dict[str, _ChannelPlan] = {}
        self._changed: set[str] = set()  # channels of which this process changed something
        self._acted_at: datetime | None = None  # when an operator last did, as far as is heeded
        self._wanted = threading.Event()
        self._turn = threading.Condition()
        self._begun = self._done = 0  # how often `keep` began to look, and came to an end
        self._keeping = False

    def get(self, begin: datetime, end: datetime) -> Planned:
        """Return the plan between two instants: as it is now or, where computing it takes long, as it was last."""
        now = self._clock()
        as_of = None
        if not self._keeping or not self._plans or end > now + AHEAD:
            with self._computing:
                self._refresh(end)
        elif self._stale(end) and not self._computed_elsewhere():
            as_of = min((plan.at for plan in list(self._plans.values())), default=None)
        rows = [row for plan in list(self._plans.values()) for row in plan.rows if max(begin, now) <= row.at <= end]
        return Planned(sorted(rows, key=lambda row: row.at), as_of)

    def changed(self, acted_at: datetime | None, channel: str | None, summary: int | None = None) -> None:
        """An operator changed something here, on this channel or on whichever; of the post of a summary, perhaps."""
        channels = [channel] if channel is not None else list(self._current().channels)
        service = self._service
        if service is not None and (summary is not None or channel is None):
            service.planner.forget(summary)
            for name in channels:
                service.planner.forget_backlogs(name)
        self._changed.update(channels)  # last: what is being computed this moment is computed again
        self._acted_at = acted_at

    def _computed_elsewhere(self) -> bool:
        """Let the other thread compute what is stale; False where that takes longer than a page should."""
        with self._turn:
            wanted = self._begun + 1
            self._wanted.set()
            return self._turn.wait_for(lambda: self._done >= wanted, PATIENCE)

    def _stale(self, end: datetime) -> bool:
        config, now = self._current(), self._clock()
        if self._service is None or self._service.config is not config or self._changed:
            return True
        with self._ledger.read() as tx:
            acted_at, stamps = plan_stamps.stamps(tx, config.channels, now)
        plans = [(self._plans.get(channel), stamp) for channel, stamp in stamps.items()]
        return acted_at != self._acted_at or any(not plan or not plan.holds(stamp, now, end) for plan, stamp in plans)

    def _refresh(self, end: datetime) -> None:
        config, now = self._current(), self._clock()
        if self._service is None or self._service.config is not config:
            fresh = Service(config, self._ledger, self._clock)
            fresh.prepare()
            fresh.planner.remember()
            old, self._service, self._plans = self._service, fresh, {}
            if old is not None:
                old.close()
        with self._ledger.read() as tx:
            acted_at, stamps = plan_stamps.stamps(tx, config.channels, now)
        if acted_at != self._acted_at:  # elsewhere: nobody says of what
            self.changed(acted_at, None)
        for channel in config.channels:
            changed = channel in self._changed
            self._changed.discard(channel)
            plan = self._plans.get(channel)
            if changed or plan is None or not plan.holds(stamps[channel], now, end):
                if plan is None or not plan.same_backlogs(stamps[channel], now, end):
                    self._service.planner.forget_backlogs(channel)
                rows = self._service.planner.forecast(now, end, [channel])
                self._plans[channel] = _ChannelPlan(stamps[channel], now, end, rows)

    def keep(self, stop: threading.Event, counts: Callable[[], object]) -> None:
        """Compute the plan, and ``counts``, before somebody asks, until told to stop."""
        self._keeping = True
        try:
            while not stop.is_set():
                with self._turn:
                    self._begun += 1
                    self._wanted.clear()
                try:
                    with self._computing:
                        self._refresh(self._clock() + AHEAD + MARGIN)
                    counts()
                except DigestbotError as error:
                    log.debug("the plan cannot be kept: %s", error)
                with self._turn:
                    self._done = self._begun
                    self._turn.notify_all()
                self._wanted.wait(KEEP_EVERY)
        finally:
            self._keeping = False

    def wake(self) -> None:
        """Let `keep` see that it is to stop."""
        self._wanted.set()

    def close(self) -> None:
        """Let go of what is held open."""
        with self._computing:
            if self._service is not None:
                self._service.close()
                self._service = None
