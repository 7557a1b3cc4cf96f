"""The plan as the pages show it: computed in advance, one channel at a time, and shown with its age while it is
recomputed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.domain.errors import DigestbotError
from digestbot.domain.schedule import PlanEntry
from digestbot.ledger import Ledger, change_tokens
from digestbot.ledger.change_tokens import ChangeToken
from digestbot.pipeline.app import Service
from digestbot.pipeline.runtime import Clock

log = logging.getLogger(__name__)

KEPT = timedelta(minutes=5)  # even if the change tokens are the same: votes and ages change too
KEEP_EVERY = 5.0  # seconds
AHEAD = timedelta(days=32)
MARGIN = timedelta(hours=1)  # so that a plan computed a few minutes ago reaches far enough
PATIENCE = 1.0  # seconds that a page waits for a plan that is being computed again


@dataclass(frozen=True)
class _ChannelPlan:
    """One channel's plan between two instants, with the channel's change token when it was computed."""

    stamp: ChangeToken
    at: datetime
    until: datetime
    rows: list[PlanEntry]

    def same_backlogs(self, stamp: ChangeToken, now: datetime, end: datetime) -> bool:
        """Return whether the backlogs are unchanged, and the plan is new enough and reaches ``end``."""
        return stamp.backlogs == self.stamp.backlogs and self.at <= now < self.at + KEPT and end <= self.until

    def holds(self, stamp: ChangeToken, now: datetime, end: datetime) -> bool:
        """Return whether the plan still holds and reaches ``end``: nothing changed, and none of its entries has come
        due."""
        same = self.same_backlogs(stamp, now, end) and stamp.timing == self.stamp.timing
        return same and not any(self.at < row.at <= now for row in self.rows)


@dataclass(frozen=True)
class CachedPlan:
    """The plan between two instants. ``as_of`` is None for a current plan; while it is recomputed, the time of the
    previous one shown instead."""

    rows: list[PlanEntry]
    as_of: datetime | None = None


class PlanCache:
    """Keeps each channel's plan until something that it depends on changes."""

    def __init__(self, current: Callable[[], Config], ledger: Ledger, clock: Clock) -> None:
        self._current, self._ledger, self._clock = current, ledger, clock
        self._computing = threading.Lock()
        self._service: Service | None = None
        self._plans: dict[str, _ChannelPlan] = {}
        self._changed: set[str] = set()  # channels that were changed in this process
        self._acted_at: datetime | None = None  # the newest change by an operator that is taken into account
        self._wanted = threading.Event()
        self._turn = threading.Condition()
        self._begun = self._done = 0  # how many rounds `keep` has begun and finished
        self._keeping = False

    def get(self, begin: datetime, end: datetime) -> CachedPlan:
        """Return the plan between two instants: the current one or, if computing it takes long, the previous one."""
        now = self._clock()
        as_of = None
        if not self._keeping or not self._plans or end > now + AHEAD:
            with self._computing:
                self._refresh(end)
        elif self._stale(end) and not self._computed_elsewhere():
            as_of = min((plan.at for plan in list(self._plans.values())), default=None)
        rows = [row for plan in list(self._plans.values()) for row in plan.rows if max(begin, now) <= row.at <= end]
        return CachedPlan(sorted(rows, key=lambda row: row.at), as_of)

    def changed(self, acted_at: datetime | None, channel: str | None, summary: int | None = None) -> None:
        """Note that an operator changed something at ``acted_at``, and discard what is no longer valid. ``channel`` is
        where it was changed (None: anywhere); ``summary`` is the one whose post it concerns, if known."""
        channels = [channel] if channel is not None else list(self._current().channels)
        service = self._service
        if service is not None and (summary is not None or channel is None):
            service.forecaster.forget(summary)
            for name in channels:
                service.forecaster.forget_backlogs(name)
        self._changed.update(channels)  # last, so that a plan being computed at this moment is recomputed
        self._acted_at = acted_at

    def _computed_elsewhere(self) -> bool:
        """Let the thread that runs `keep` recompute the plan. Return False if that takes longer than a page should."""
        with self._turn:
            wanted = self._begun + 1
            self._wanted.set()
            return self._turn.wait_for(lambda: self._done >= wanted, PATIENCE)

    def _stale(self, end: datetime) -> bool:
        config, now = self._current(), self._clock()
        if self._service is None or self._service.config is not config or self._changed:
            return True
        with self._ledger.read() as tx:
            acted_at, stamps = change_tokens.change_tokens(tx, config.channels, now)
        plans = [(self._plans.get(channel), stamp) for channel, stamp in stamps.items()]
        return acted_at != self._acted_at or any(not plan or not plan.holds(stamp, now, end) for plan, stamp in plans)

    def _refresh(self, end: datetime) -> None:
        config, now = self._current(), self._clock()
        if self._service is None or self._service.config is not config:
            fresh = Service(config, self._ledger, self._clock)
            fresh.prepare()
            fresh.forecaster.remember()
            old, self._service, self._plans = self._service, fresh, {}
            if old is not None:
                old.close()
        with self._ledger.read() as tx:
            acted_at, stamps = change_tokens.change_tokens(tx, config.channels, now)
        if acted_at != self._acted_at:  # changed by another process: what it changed is unknown
            self.changed(acted_at, None)
        for channel in config.channels:
            changed = channel in self._changed
            self._changed.discard(channel)
            plan = self._plans.get(channel)
            if changed or plan is None or not plan.holds(stamps[channel], now, end):
                if plan is None or not plan.same_backlogs(stamps[channel], now, end):
                    self._service.forecaster.forget_backlogs(channel)
                rows = self._service.forecaster.forecast(now, end, [channel])
                self._plans[channel] = _ChannelPlan(stamps[channel], now, end, rows)

    def keep(self, stop: threading.Event, counts: Callable[[], object]) -> None:
        """Recompute the plan and call ``counts`` regularly, before a page needs them, until ``stop`` is set."""
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
        """Wake `keep`, so that it sees that it must stop."""
        self._wanted.set()

    def close(self) -> None:
        """Close the service that computes plans."""
        with self._computing:
            if self._service is not None:
                self._service.close()
                self._service = None
