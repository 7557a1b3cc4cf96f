"""Pure: when a digest's slots come on a channel, which of them are open, and when what is closed opens.

Slots live on the operator's calendar: a clock that is put back shows a local time twice and the slot counts
once; a local time that the clocks jump over comes at the first valid instant. `cronsim` calculates the instants.
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

from digestbot.config.recurrence import occurrences
from digestbot.model import Slot, SlotChange
from digestbot.planning.closures import A_DAY, A_SECOND, Closure

LOOK_AHEAD = 9 * 366 * A_DAY  # for what is open: two leap days are never further apart than eight years
MOVED = " moved from "  # in the nominal time of a slot that a person moved: what it was before
LONGEST_RUN = 5000  # slots that are remembered
# How far back the newest passed slot is looked for: each window is tried when the one before it was empty, so
# the number of instants walked through stays small for every schedule.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (2, 26, 24 * 8, 24 * 32, 24 * 367, 24 * 366 * 9))


class _Run:
    """Slots that follow each other, calculated once; more are as they are asked for."""

    def __init__(self, begin: datetime, following: Iterator[Slot]) -> None:
        self.begin, self.following = begin, following
        self.slots: list[Slot] = []

    def reaches(self, at: datetime) -> bool:
        """Whether what comes after an instant is calculated already, or is the next to be."""
        return self.begin == at or (self.begin < at and bool(self.slots) and at <= self.slots[-1].due)


@dataclass(frozen=True)
class Calendar:
    """The slots of one digest on one channel. ``name`` seeds their jitter, so that each slot keeps its own.

    ``before`` is the calendar that held until ``since``, where the schedule, its zone or its closed hours were changed:
    what was due by then follows the rules of its time.

    A value, but for what it remembers of its slots so as not to reckon them again: not for several threads at once.
    """

    schedule: tuple[str, ...]
    zone: ZoneInfo
    closures: tuple[Closure, ...] = ()
    jitter: timedelta = timedelta(0)
    name: str = ""
    changes: tuple[SlotChange, ...] = ()
    """What a person changed: slots that do not come, or come at another time, without jitter."""
    before: Calendar | None = None
    since: datetime | None = None
    _runs: list[_Run] = field(default_factory=list, compare=False, repr=False)

    def slots(self, after: datetime) -> Iterator[Slot]:
        """The slots that are due strictly after an instant, open or not, without end; ends only for a schedule that
        never comes again (cronsim looks 50 years ahead)."""
        if self.before is not None and self.since is not None and after < self.since:
            for slot in self.before.slots(after):
                if slot.due > self.since:
                    break
                yield slot
            after = self.since
        yield from self._own_slots(after)

    def _own_slots(self, after: datetime) -> Iterator[Slot]:
        """The slots by the present rules."""
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
            if due <= before:  # several that the clocks jump over come at one instant
                continue
            nominal = due.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="minutes")
            if due in moved:
                yield Slot(f"{nominal}{MOVED}{moved[due]}", due)
            elif due not in gone:
                yield Slot(nominal, due)
            before = due

    def _delayed(self, slot: Slot, following: datetime) -> Slot:
        """With its jitter, which never reaches the slot after it, nor leads from open hours into closed ones."""
        if MOVED in slot.nominal:  # a person said when
            return slot
        digest = hashlib.blake2b(f"{self.name} {slot.nominal}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        delay = min(timedelta(seconds=int(share * self.jitter.total_seconds())), following - slot.due - A_SECOND)
        later = Slot(slot.nominal, slot.due, delay)
        return slot if self.closed(later.at) else later

    @cached_property
    def present(self) -> Calendar:
        """The calendar by the present rules alone, whatever they were before."""
        return self if self.before is None else replace(self, before=None, since=None, _runs=[])

    def _then(self, at: datetime) -> Calendar | None:
        """The calendar that held at an instant, if it was not this one."""
        return self.before if self.since is not None and at < self.since else None

    def closed(self, at: datetime) -> str:
        """Why nothing is posted at this instant; empty for no reason."""
        then = self._then(at)
        if then is not None:
            return then.closed(at)
        return next((reason for one in self.closures if (reason := one.reason(at))), "")

    def opens(self, at: datetime) -> datetime | None:
        """The first instant from this one on that is not closed; None where that does not come for years."""
        then = self._then(at)
        if then is not None and self.since is not None:
            found = then.opens(at)
            if found is not None and found <= self.since:
                return found
            at = self.since
        end = at + LOOK_AHEAD
        while closing := [one for one in self.closures if one.reason(at)]:
            at = max(one.ends(at) for one in closing)
            if at > end:
                return None
        return at

    def first_open(self, after: datetime) -> Slot | None:
        """The first open slot after an instant; None where the schedule never comes again, or only when it is
        closed."""
        return _first_open(self, after)

    def newest_open(self, after: datetime, now: datetime) -> Slot | None:
        """The newest open slot that is due after one instant and was to be kept up to another.

        ``after`` is the last slot reached, or when the digest was first seen; a clock that steps back lies before
        it, and nothing is due.
        """
        first = self.first_open(after)
        if first is None or first.at > now:
            return None
        second = self.first_open(first.due)
        if second is None or second.at > now:
            return first
        return self._newest(after, now, lambda slot: not self.closed(slot.at))

    def newest_closed(self, after: datetime, now: datetime) -> Slot | None:
        """The newest slot after one instant that passed, in closed hours, by another; None where an open one is due
        before it."""
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
        """Whether there are hours or days at which nothing is posted, or were by the rules of before."""
        return bool(self.closures) or (self.before is not None and self.before.may_close)

    def left_today(self, slot: Slot) -> int:
        """How many open slots the slot's own calendar day still has, this one among them."""
        day, count = slot.nominal[:10], 1
        for later in self.slots(slot.due):
            if later.nominal[:10] != day:
                break
            count += not self.closed(later.at)
        return count


def _to_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


@lru_cache(maxsize=4096)  # every tick asks, and the answer changes when a slot is reached
def _first_open(calendar: Calendar, after: datetime) -> Slot | None:
    end = after + LOOK_AHEAD
    while after < end:
        slot = next(calendar.slots(after), None)
        if slot is None or not calendar.closed(slot.at):
            return slot
        opens = calendar.opens(slot.at)
        if opens is None:
            return None
        after = max(slot.due, opens - calendar.jitter - A_SECOND)  # over the closed slots between
    return None
