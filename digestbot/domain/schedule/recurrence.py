"""The dates and times of a schedule's expression.

An expression has cron's five fields. Two extensions are added to what `cronsim` supports. ``15W`` as a day of the month
is the weekday (Monday to Friday) nearest to the 15th, in the same month. A sixth field ``days=2@2026-01-05`` or
``weeks=2@2026-01-05`` keeps every second day or week, counted from the one with that date.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from cronsim import CronSim, CronSimError

_NEAREST = re.compile(r"(\d{1,2})W", re.ASCII)
_COUNTED = re.compile(r"(days|weeks)=(\d{1,3})@(\d{4}-\d{2}-\d{2})", re.ASCII)
_SATURDAY, _SUNDAY = 5, 6


def occurrences(expression: str, after: datetime) -> Iterator[datetime]:
    """Return an iterator over the times strictly after ``after``, in its zone.

    It has no end, unless the schedule has no further dates (cronsim looks 50 years ahead). Raises CronSimError for an
    invalid expression.
    """
    minute, hour, day, month, weekday, *counted = expression.split()
    keeps: list[Callable[[date], bool]] = []
    if "W" in day and day != "LW":
        days = _nearest_days(day)
        if weekday != "*":
            raise CronSimError("W with a weekday")
        keeps.append(lambda one: any(nearest_weekday(one.year, one.month, number) == one for number in days))
        day = ",".join(str(one) for one in range(1, 32) if any(abs(one - number) <= 2 for number in days))
    keeps += [_counter(one) for one in counted]
    # Minutes and hours are spelled out so that cronsim calculates in local time, where a time that clocks show twice
    # counts once. With "*" it counts elapsed time, repeats times, and loses some where clocks are set back by half an
    # hour (Lord Howe).
    by_the_clock = f"{_spelt_out(minute, '0-59')} {_spelt_out(hour, '0-23')} {day} {month} {weekday}"
    result = CronSim(by_the_clock, after)
    if not keeps:
        return result
    last = after.year + 50
    return (one for one in takewhile(lambda one: one.year <= last, result) if all(keep(one.date()) for keep in keeps))


def _spelt_out(field: str, all_of_it: str) -> str:
    return all_of_it + field[1:] if field.startswith("*") else field


def _nearest_days(field: str) -> list[int]:
    matches = [_NEAREST.fullmatch(term) for term in field.split(",")]
    days = [int(match[1]) for match in matches if match]
    if len(days) < len(matches) or not all(1 <= day <= 31 for day in days):
        raise CronSimError("Bad day-of-month")
    return days


def nearest_weekday(year: int, month: int, day: int) -> date | None:
    """Return the day from Monday to Friday that is nearest to a day of the month, in the same month, as Quartz defines
    ``W``. None where the month has no such day."""
    last = calendar.monthrange(year, month)[1]
    if day > last:
        return None
    result = date(year, month, day)
    if result.weekday() == _SATURDAY:
        return result - timedelta(days=1) if day > 1 else result + timedelta(days=2)
    if result.weekday() == _SUNDAY:
        return result + timedelta(days=1) if day < last else result - timedelta(days=2)
    return result


def _counter(field: str) -> Callable[[date], bool]:
    match = _COUNTED.fullmatch(field)
    if match is None or not int(match[2]):
        raise CronSimError("Bad count of days or weeks")
    first = date.fromisoformat(match[3])
    every = int(match[2])
    if match[1] == "days":
        return lambda day: (day - first).days % every == 0
    monday = first - timedelta(days=first.weekday())
    return lambda day: (day - monday).days // 7 % every == 0


def is_valid_expression(expression: str) -> bool:
    """Return whether `occurrences` accepts an expression."""
    try:
        occurrences(expression, datetime(2024, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError):
        return False
    return True
