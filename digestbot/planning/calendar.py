"""Pure: when a digest's slots come on a channel, which of them are open, and when what is closed opens.

Slots live on the operator's calendar: a clock that is put back shows a local time twice and the slot counts
once; a local time that the clocks jump over comes at the first valid instant. `cronsim` calculates the instants.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from heapq import merge
from operator import attrgetter
from zoneinfo import ZoneInfo

from cronsim import CronSim

from digestbot.model import Slot, SlotChange

A_DAY = timedelta(days=1)
A_SECOND = timedelta(seconds=1)
LOOK_AHEAD = 9 * 366 * A_DAY  # for what is open: two leap days are never further apart than eight years
MOVED = " moved from "  # in the nominal time of a slot that a person moved: what it was before
LONGEST_RUN = 5000  # slots that are remembered
# How far back the newest passed slot is looked for: each window is tried when the one before it was empty, so
# the number of instants walked through stays small for every schedule.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (2, 26, 24 * 8, 24 * 32, 24 * 367, 24 * 366 * 9))


@dataclass(frozen=True)
class Closure:
    """Hours and days, on a zone's calendar, at which nothing is posted. Hours that end before they begin end on the
    next day; of days, the first and the last are closed too."""

    zone: ZoneInfo
    hours: tuple[time, time] | None = None
    days: tuple[tuple[date, date], ...] = ()

    def reason(self, at: datetime) -> str:
        """Why nothing is posted at this instant; empty for no reason."""
        local = at.astimezone(self.zone)
        if any(first <= local.date() <= last for first, last in self.days):
            return "not on this day"
        return "quiet hours" if self._quiet(local.time()) else ""

    def _quiet(self, now: time) -> bool:
        if self.hours is None:
            return False
        begin, end = self.hours
        return begin <= now < end if begin < end else now >= begin or now < end

    def ends(self, at: datetime) -> datetime:
        """When what closes this instant is over, which may be the beginning of something else that does."""
        local = at.astimezone(self.zone).replace(tzinfo=None)
        for first, last in self.days:
            if first <= local.date() <= last:
                return self._or_change(at, datetime.combine(last + A_DAY, time()))
        assert self.hours is not None  # noqa: S101 - or it would not be closed
        end = datetime.combine(local.date(), self.hours[1])
        return self._or_change(at, end if end > local else end + A_DAY)

    def _or_change(self, at: datetime, end: datetime) -> datetime:
        """The instant of a local time after another; or, if that comes before, when the clocks are changed: they may
        show something open then."""
        found = instant(end, self.zone, at)
        low, high = at, found
        before = at.astimezone(self.zone).utcoffset()
        if before == found.astimezone(self.zone).utcoffset():
            return found
        while high - low > A_SECOND:
            middle = low + (high - low) // 2
            low, high = (middle, high) if middle.astimezone(self.zone).utcoffset() == before else (low, middle)
        return high.replace(microsecond=0)


def instant(local: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    """The first instant after another at which the zone's clocks show this local time; where they jump over it, that
    of the jump."""
    found = local.replace(tzinfo=zone).astimezone(UTC)
    jump = found.astimezone(zone).replace(tzinfo=None) - local
    if jump:
        low, high = found - jump, found
        while high - low > A_SECOND:
            middle = low + (high - low) // 2
            late = middle.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset()
            low, high = (low, middle) if late else (middle, high)
        return high.replace(microsecond=0)
    return found if found > after else local.replace(tzinfo=zone, fold=1).astimezone(UTC)


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

    A value, but for what it remembers of its slots so as not to reckon them again: not for several threads at once.
    """

    schedule: tuple[str, ...]
    zone: ZoneInfo
    closures: tuple[Closure, ...] = ()
    jitter: timedelta = timedelta(0)
    name: str = ""
    changes: tuple[SlotChange, ...] = ()
    """What a person changed: slots that do not come, or come at another time, without jitter."""
    _runs: list[_Run] = field(default_factory=list, compare=False, repr=False)

    def slots(self, after: datetime) -> Iterator[Slot]:
        """The slots that are due strictly after an instant, open or not, without end; ends only for a schedule that
        never comes again (cronsim looks 50 years ahead)."""
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
        gone = {one.nominal for one in self.changes}
        start, before = after.astimezone(self.zone), after
        regular = (map(_to_utc, CronSim(_by_the_clock(one), start)) for one in self.schedule)
        for due in merge(*regular, sorted(moved)):
            if due <= before:  # several that the clocks jump over come at one instant
                continue
            nominal = due.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="minutes")
            if due in moved:
                yield Slot(f"{nominal}{MOVED}{moved[due]}", due)
            elif nominal not in gone:
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

    def closed(self, at: datetime) -> str:
        """Why nothing is posted at this instant; empty for no reason."""
        return next((reason for one in self.closures if (reason := one.reason(at))), "")

    def opens(self, at: datetime) -> datetime | None:
        """The first instant from this one on that is not closed; None where that does not come for years."""
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
        for start in (*(max(after, now - window) for window in _WINDOWS), after):
            newest = None
            for slot in self.slots(start):
                if slot.at > now:
                    break
                newest = newest if self.closed(slot.at) else slot
            if newest or start == after:
                return newest
        return None

    def left_today(self, slot: Slot) -> int:
        """How many open slots the slot's own calendar day still has, this one among them."""
        day, count = slot.nominal[:10], 1
        for later in self.slots(slot.due):
            if later.nominal[:10] != day:
                break
            count += not self.closed(later.at)
        return count


def _by_the_clock(expression: str) -> str:
    """The same expression, so written that cronsim calculates on the local clock's face, where a time is shown twice
    only once. With "*" for minutes or hours it counts elapsed time, repeats slots, and loses some where clocks are set
    back by half an hour (Lord Howe)."""
    minute, hour, rest = expression.split(" ", 2)
    return f"{_spelt_out(minute, '0-59')} {_spelt_out(hour, '0-23')} {rest}"


def _spelt_out(field: str, all_of_it: str) -> str:
    return all_of_it + field[1:] if field.startswith("*") else field


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
