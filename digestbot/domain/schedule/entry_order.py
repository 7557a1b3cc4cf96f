"""The entries of a plan in order of time: posts, and the slots that stay empty."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from digestbot.domain.model import Slot
from digestbot.domain.schedule.simulation_state import DigestState, PlanEntry

MOST_READY = 10_000  # entries that are held back because the outcome of an earlier slot is not known yet
OVERTAKEN = "a later slot took its place"


class EntryOrder:
    """Collects the entries of a simulation, adds those of the slots that stay empty, and yields all in order of time.

    ``reasons`` has for each digest why a slot that is due does not take place yet; the simulation keeps it current.
    """

    def __init__(self, plans: Sequence[DigestState], reasons: Sequence[str], begin: datetime, end: datetime) -> None:
        self._plans, self._reasons, self._begin, self._end = plans, reasons, begin, end
        self._reported: list[set[str]] = [set() for _ in plans]
        self._last: PlanEntry | None = None  # more may be merged into it
        self._ready: list[tuple[datetime, int, int, PlanEntry]] = []  # entries, until nothing can come before them
        self._numbers = count()
        # each route's next slot that may stay empty; slots that are still open are kept in `_open`
        self._next_slots = [plan.posting_rules.calendar.slots(plan.digest_history.since) for plan in plans]
        self._slots: list[tuple[datetime, int, Slot]] = []
        self._open: dict[int, tuple[datetime, int, Slot]] = {}
        for index in range(len(plans)):
            self._next_slot(index)

    def add(self, row: PlanEntry) -> None:
        """Add an entry. What appears at the same time for one slot becomes one entry."""
        last = self._last
        if last is not None and row.summaries and last.summaries and _same(last, row):
            new = tuple(one for one in row.summaries if one not in last.summaries)
            self._last = replace(last, summaries=last.summaries + new, cost=last.cost + row.cost)
            return
        if last is not None:
            self._queue(last)
        self._last = row

    def concluded(self, index: int, slot: str) -> None:
        """Note that a slot of this digest has its entry, and needs no other."""
        self._reported[index].add(slot)

    def look_again(self, index: int) -> None:
        """Look again at this digest's open slot: its outcome may be known by now."""
        if index in self._open:
            heapq.heappush(self._slots, self._open.pop(index))

    def before(self, now: datetime) -> Iterator[PlanEntry]:
        """Yield the entries before ``now`` up to the first place where another entry may still come in between."""
        self._pass_slots(now)
        if len(self._ready) > MOST_READY:
            self._give_up_waiting()
            self._pass_slots(now)
        if self._last is not None and self._last.at < now:
            self._queue(self._last)
            self._last = None
        until = min([now, *(slot[0] for slot in self._open.values())])
        while self._ready and self._ready[0][0] < until:
            yield heapq.heappop(self._ready)[3]

    def _queue(self, row: PlanEntry) -> None:
        heapq.heappush(self._ready, (row.at, not row.summaries, next(self._numbers), row))

    def _next_slot(self, index: int) -> None:
        slot = next(self._next_slots[index], None)
        if slot is not None and slot.at <= self._end:
            heapq.heappush(self._slots, (slot.at, index, slot))

    def _pass_slots(self, now: datetime) -> None:
        """Report the slots before ``now`` that have no entry yet: those in a blackout, and those that a later slot
        overtook. Slots that may still take place are set aside."""
        while self._slots and self._slots[0][0] < now:
            entry = heapq.heappop(self._slots)
            at, index, slot = entry
            plan = self._plans[index]
            closed = plan.posting_rules.calendar.closed(at)
            if slot.due > plan.digest_history.since and not closed and slot.nominal not in self._reported[index]:
                self._open[index] = entry
                continue
            self._pass(index, slot, closed or OVERTAKEN)

    def _pass(self, index: int, slot: Slot, note: str) -> None:
        if slot.nominal in self._reported[index]:
            self._reported[index].discard(slot.nominal)
        elif slot.at >= self._begin:
            posting_rules = self._plans[index].posting_rules
            self._queue(PlanEntry(slot.at, posting_rules.digest, posting_rules.channel, slot.nominal, note=note))
        self._next_slot(index)

    def _give_up_waiting(self) -> None:
        """Report the slots that are still open, with the reason why they wait."""
        for index, (_, _, slot) in self._open.items():
            self._pass(index, slot, self._reasons[index] or OVERTAKEN)
        self._open.clear()

    def rest(self) -> Iterator[PlanEntry]:
        """Yield the entries that are left at the end of the simulation."""
        yield from self.before(self._end + timedelta.resolution)
        while self._open or self._slots:
            self._give_up_waiting()
            self._pass_slots(self._end + timedelta.resolution)
        if self._last is not None:
            self._queue(self._last)
        while self._ready:
            yield heapq.heappop(self._ready)[3]


def _same(one: PlanEntry, other: PlanEntry) -> bool:
    key = (one.at, one.digest, one.channel, one.slot, one.note, one.made)
    return key == (other.at, other.digest, other.channel, other.slot, other.note, other.made)
