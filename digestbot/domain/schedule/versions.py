"""The former rules of a schedule, and from when on they applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from digestbot.domain.model import CatchUp
from digestbot.domain.schedule.blackouts import Blackout
from digestbot.domain.schedule.calendar import Calendar
from digestbot.domain.schedule.recurrence import is_valid_expression

MOST_COUNTED = 1000  # slots

Rules = dict[str, Any]
"""A calendar's rules as JSON data. Without a schedule, nothing was to be posted."""

NONE: Rules = {"schedule": []}


@dataclass(frozen=True)
class ScheduleVersion:
    """The rules of a digest on a channel from an instant on."""

    since: datetime
    rules: Rules


def rules_of(calendar: Calendar, catch_up: CatchUp) -> Rules:
    """Return a calendar's rules in the form in which they are stored."""
    return {
        "schedule": list(calendar.schedule),
        "zone": calendar.zone.key,
        "closures": [
            {
                "zone": one.zone.key,
                "hours": [[str(end) for end in span] for span in one.hours],
                "days": [[str(end) for end in span] for span in one.days],
                "yearly": [[list(end) for end in span] for span in one.yearly],
            }
            for one in calendar.closures
        ],
        "jitter": calendar.jitter.total_seconds(),
        "catch_up": str(catch_up),
    }


def _calendar(rules: Rules, now: Calendar) -> Calendar:
    """Return the calendar for former rules. Slot changes are taken from the current calendar ``now``."""
    if not rules["schedule"]:
        return replace(now, schedule=(), closures=(), jitter=timedelta(0), before=None, since=None, _runs=[])
    closures = tuple(
        Blackout(
            ZoneInfo(one["zone"]),
            tuple((time.fromisoformat(first), time.fromisoformat(last)) for first, last in one["hours"]),
            tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in one["days"]),
            tuple(((first[0], first[1]), (last[0], last[1])) for first, last in one["yearly"]),
        )
        for one in rules["closures"]
    )
    schedule = tuple(one for one in rules["schedule"] if is_valid_expression(one))
    jitter = timedelta(seconds=rules["jitter"])
    return Calendar(schedule, ZoneInfo(rules["zone"]), closures, jitter, now.name, now.changes)


def with_history(calendar: Calendar, catch_up: CatchUp, versions: Sequence[ScheduleVersion], now: datetime) -> Calendar:
    """Return the calendar with its former rules. They apply until the present rules were first recorded; if those are
    not recorded yet, until now."""
    known = bool(versions) and versions[-1].rules == rules_of(calendar, catch_up)
    since = min(versions[-1].since, now) if known else now  # the clock may have been ahead when they were recorded
    before: Calendar | None = None
    earlier = versions[:-1] if known else versions
    if earlier and earlier[-1].rules == NONE:
        earlier = earlier[-1:]  # it was not configured then: slots missed before that are not made up for
    for version in earlier:
        former = _calendar(version.rules, calendar)
        before = replace(former, before=before, since=version.since) if before is not None else former
    return calendar if before is None else replace(calendar, before=before, since=since)


def made_up_for(calendar: Calendar, catch_up: CatchUp, since: datetime, now: datetime) -> int:
    """Return how many missed slots would be made up for, counting at most `MOST_COUNTED`."""
    if catch_up is CatchUp.NONE:
        return 0
    slots = 0
    slot = calendar.first_open(since)
    while slot is not None and slot.at <= now and slots < (MOST_COUNTED if catch_up is CatchUp.ALL else 1):
        slots += 1
        slot = calendar.first_open(slot.due)
    return slots
