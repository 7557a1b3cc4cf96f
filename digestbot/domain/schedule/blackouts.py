"""Hours and days at which nothing is posted, and when they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

A_DAY = timedelta(days=1)
A_SECOND = timedelta(seconds=1)

MonthDay = tuple[int, int]
"""A day of every year: month and day."""


@dataclass(frozen=True)
class Blackout:
    """Hours and days, in a time zone, at which nothing is posted.

    ``hours`` are spans of the day; a span that ends before it begins ends on the next day. ``days`` and ``yearly`` are
    spans of days that include both the first and the last one. Yearly spans may extend past the end of the year.
    """

    zone: ZoneInfo
    hours: tuple[tuple[time, time], ...] = ()
    days: tuple[tuple[date, date], ...] = ()
    yearly: tuple[tuple[MonthDay, MonthDay], ...] = ()

    @classmethod
    def of(
        cls,
        zone: ZoneInfo,
        hours: tuple[tuple[time, time], ...],
        days: Sequence[tuple[date, date] | tuple[MonthDay, MonthDay]],
    ) -> Blackout:
        """Return the blackout for a configuration's ``quiet_hours`` and ``not_on``."""
        dates = tuple((first, last) for first, last in days if isinstance(first, date) and isinstance(last, date))
        yearly = tuple((first, last) for first, last in days if isinstance(first, tuple) and isinstance(last, tuple))
        return cls(zone, hours, dates, yearly)

    def reason(self, at: datetime) -> str:
        """Return why nothing is posted at this instant; empty outside the blackout."""
        local = at.astimezone(self.zone)
        if self._off(local.date()):
            return "day off"
        return "quiet hours" if self._quiet(local.time()) else ""

    def _off(self, day: date) -> bool:
        if any(first <= day <= last for first, last in self.days):
            return True
        return any(_within((day.month, day.day), first, last) for first, last in self.yearly)

    def _quiet(self, now: time) -> tuple[time, time] | None:
        return next((span for span in self.hours if _in_span(now, *span)), None)

    def ends(self, at: datetime) -> datetime:
        """Return when the hours or days that include this instant end. Others may begin at that time.

        If the clocks change before that, return the time of the change. The instant must be within the blackout.
        """
        local = at.astimezone(self.zone).replace(tzinfo=None)
        day = local.date()
        if self._off(day):
            last = max((last for first, last in self.days if first <= day <= last), default=day)
            while self._off(last + A_DAY) and last < day + 366 * A_DAY:
                last += A_DAY
            return self._or_change(at, datetime.combine(last + A_DAY, time()))
        span = self._quiet(local.time())
        assert span is not None  # noqa: S101 - or it would not be closed
        end = datetime.combine(day, span[1])
        return self._or_change(at, end if end > local else end + A_DAY)

    def _or_change(self, at: datetime, end: datetime) -> datetime:
        """Return the first instant after ``at`` with the local time ``end``. If clocks change before that, return the
        time of the change, because the new local time may be outside the blackout."""
        result = instant(end, self.zone, at)
        low, high = at, result
        before = at.astimezone(self.zone).utcoffset()
        if before == result.astimezone(self.zone).utcoffset():
            return result
        while high - low > A_SECOND:
            middle = low + (high - low) // 2
            low, high = (middle, high) if middle.astimezone(self.zone).utcoffset() == before else (low, middle)
        return high.replace(microsecond=0)


def _within(day: MonthDay, first: MonthDay, last: MonthDay) -> bool:
    return first <= day <= last if first <= last else day >= first or day <= last


def _in_span(now: time, begin: time, end: time) -> bool:
    return begin <= now < end if begin < end else now >= begin or now < end


def instant(local: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the first instant after ``after`` at which the zone's clocks show this local time. If clocks skip it,
    return the instant of the change."""
    result = local.replace(tzinfo=zone).astimezone(UTC)
    jump = result.astimezone(zone).replace(tzinfo=None) - local
    if jump:
        low, high = result - jump, result
        while high - low > A_SECOND:
            middle = low + (high - low) // 2
            late = middle.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset()
            low, high = (low, middle) if late else (middle, high)
        return high.replace(microsecond=0)
    return result if result > after else local.replace(tzinfo=zone, fold=1).astimezone(UTC)
