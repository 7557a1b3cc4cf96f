"""The slots of a digest on a channel: when they are due, which of them are open, and when blackouts end.

Slots are local times on the operator's calendar. If clocks are set back and show a local time twice, its slot counts
once. If clocks skip a local time, its slot is due at the first valid instant. `cronsim` calculates the instants.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from heapq import merge
from operator import attrgetter
from zoneinfo import ZoneInfo

from digestbot.domain.model import Slot, SlotChange
from digestbot.domain.schedule.blackouts import A_DAY, A_SECOND, Blackout
from digestbot.domain.schedule.recurrence import occurrences

LOOK_AHEAD = 9 * 366 * A_DAY  # search limit for open slots: two leap days are at most eight years apart
MOVED = " moved from "  # in the nominal time of a slot that an operator moved: precedes the original time
LONGEST_RUN = 5000  # slots that are cached
# How far back to look for the newest slot that has passed. Each window is tried only if the one before it was empty, so
# that few instants are calculated for every schedule.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (2, 26, 24 * 8, 24 * 32, 24 * 367, 24 * 366 * 9))


class _Run:
    """Consecutive slots, calculated once; further ones are calculated on demand."""

    def __init__(self, begin: datetime, following: Iterator[Slot]) -> None:
        self.begin, self.following = begin, following
        self.slots: list[Slot] = []

    def reaches(self, at: datetime) -> bool:
        """Return whether the slots after an instant are already calculated, or are the next to be."""
        return self.begin == at or (self.begin < at and bool(self.slots) and at <= self.slots[-1].due)


@dataclass(frozen=True)
class Calendar:
    """The slots of one digest on one channel.

    ``name`` seeds the jitter, so that each slot always has the same delay. ``before`` is the calendar that applied
    until ``since``, when the schedule, its time zone or its blackouts were changed: slots due by then follow the
    earlier rules.

    Immutable, except for a cache of its slots: it must not be used by several threads at once.
    """

    schedule: tuple[str, ...]
    zone: ZoneInfo
    closures: tuple[Blackout, ...] = ()
    jitter: timedelta = timedelta(0)
    name: str = ""
    changes: tuple[SlotChange, ...] = ()
    """The slots that an operator skipped, or moved to another time (without jitter)."""
    before: Calendar | None = None
    since: datetime | None = None
    _runs: list[_Run] = field(default_factory=list, compare=False, repr=False)

    def slots(self, after: datetime) -> Iterator[Slot]:
        """Yield the slots that are due strictly after an instant, open or not.

        There is no end, unless the schedule has no further dates (cronsim looks 50 years ahead).
        """
        if self.before is not None and self.since is not None and after < self.since:
            for slot in self.before.slots(after):
                if slot.due > self.since:
                    break
                yield slot
            after = self.since
        yield from self._own_slots(after)

    def _own_slots(self, after: datetime) -> Iterator[Slot]:
        """Yield the slots after an instant by the present rules."""
        run = next((run for run in self._runs if run.reaches(after)), None) or self._new_run(after)
        place = bisect_right(run.slots, after, key=attrgetter("due"))
        while True:
            if place == len(run.slots):
                if place >= LONGEST_RUN:
                    run, place = self._new_run(run.slots[-1].due), 0
                slot = next(run.following, None)
                if slot is None:
                    return
                run.slots.append(slot)
            yield run.slots[place]
            place += 1

    def _new_run(self, begin: datetime) -> _Run:
        run = _Run(begin, self._reckoned(begin))
        self._runs[:] = [run]
        return run

    def _reckoned(self, after: datetime) -> Iterator[Slot]:
        if not self.jitter:
            yield from self._due(after)
            return
        before: Slot | None = None
        for slot in self._due(after):
            if before is not None:
                yield self._delayed(before, slot.due)
            before = slot
        if before is not None:
            yield self._delayed(before, before.due + A_DAY)

    def _due(self, after: datetime) -> Iterator[Slot]:
        moved = {one.moved_to: one.nominal for one in self.changes if one.moved_to is not None and one.moved_to > after}
        gone = {one.due for one in self.changes}
        start, before = after.astimezone(self.zone), after
        regular = (map(_to_utc, occurrences(one, start)) for one in self.schedule)
        for due in merge(*regular, sorted(moved)):
            if due <= before:  # several local times that clocks skip are due at one instant
                continue
            nominal = due.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="minutes")
            if due in moved:
                yield Slot(f"{nominal}{MOVED}{moved[due]}", due)
            elif due not in gone:
                yield Slot(nominal, due)
            before = due

    def _delayed(self, slot: Slot, following: datetime) -> Slot:
        """Return the slot with its jitter. The delay never reaches the slot after it, and never leads from open hours
        into a blackout."""
        if MOVED in slot.nominal:  # an operator chose the time
            return slot
        digest = hashlib.blake2b(f"{self.name} {slot.nominal}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        delay = min(timedelta(seconds=int(share * self.jitter.total_seconds())), following - slot.due - A_SECOND)
        later = Slot(slot.nominal, slot.due, delay)
        return slot if self.closed(later.at) else later

    @cached_property
    def present(self) -> Calendar:
        """Return the calendar with the present rules only."""
        return self if self.before is None else replace(self, before=None, since=None, _runs=[])

    def _then(self, at: datetime) -> Calendar | None:
        """Return the earlier calendar if that applied at the instant; None if this one did."""
        return self.before if self.since is not None and at < self.since else None

    def closed(self, at: datetime) -> str:
        """Return why nothing is posted at this instant; empty outside every blackout."""
        then = self._then(at)
        if then is not None:
            return then.closed(at)
        return next((reason for one in self.closures if (reason := one.reason(at))), "")

    def opens(self, at: datetime) -> datetime | None:
        """Return the first instant, from this one on, outside every blackout; None where there is none for years."""
        then = self._then(at)
        if then is not None and self.since is not None:
            result = then.opens(at)
            if result is not None and result <= self.since:
                return result
            at = self.since
        end = at + LOOK_AHEAD
        while closing := [one for one in self.closures if one.reason(at)]:
            at = max(one.ends(at) for one in closing)
            if at > end:
                return None
        return at

    def first_open(self, after: datetime) -> Slot | None:
        """Return the first slot after an instant that is outside every blackout. None where the schedule has no further
        dates, or only ones within blackouts."""
        return _first_open(self, after)

    def newest_open(self, after: datetime, now: datetime) -> Slot | None:
        """Return the newest open slot that was due after ``after`` and took place by ``now``; None where there is none.

        ``after`` is when the last slot reached was due, or when the digest was first seen. If the clock has stepped
        back before it, nothing is due.
        """
        first = self.first_open(after)
        if first is None or first.at > now:
            return None
        second = self.first_open(first.due)
        if second is None or second.at > now:
            return first
        return self._newest(after, now, lambda slot: not self.closed(slot.at))

    def newest_closed(self, after: datetime, now: datetime) -> Slot | None:
        """Return the newest slot after ``after`` that passed within a blackout by ``now``. None where there is none, or
        where an open slot took place in that time."""
        first = self.first_open(after)
        if first is not None and first.at <= now:
            return None
        slot = next(self.slots(after), None)
        if slot is None or slot.at > now:
            return None
        return self._newest(after, now, lambda _: True)

    def _newest(self, after: datetime, now: datetime, counts: Callable[[Slot], bool]) -> Slot | None:
        for start in (*(max(after, now - window) for window in _WINDOWS), after):
            newest = None
            for slot in self.slots(start):
                if slot.at > now:
                    break
                newest = slot if counts(slot) else newest
            if newest or start == after:
                return newest
        return None

    @property
    def may_close(self) -> bool:
        """Return whether there is any blackout, by the present rules or by the earlier ones."""
        return bool(self.closures) or (self.before is not None and self.before.may_close)

    def left_today(self, slot: Slot) -> int:
        """Return how many open slots remain on the slot's own calendar day, including this one."""
        day, count = slot.nominal[:10], 1
        for later in self.slots(slot.due):
            if later.nominal[:10] != day:
                break
            count += not self.closed(later.at)
        return count


def _to_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


@lru_cache(maxsize=4096)  # every tick asks, and the result changes only when a slot is reached
def _first_open(calendar: Calendar, after: datetime) -> Slot | None:
    end = after + LOOK_AHEAD
    while after < end:
        slot = next(calendar.slots(after), None)
        if slot is None or not calendar.closed(slot.at):
            return slot
        opens = calendar.opens(slot.at)
        if opens is None:
            return None
        after = max(slot.due, opens - calendar.jitter - A_SECOND)  # skip the slots within the blackout
    return None
