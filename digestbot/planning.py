"""Pure decisions about time: which slot of a schedule is due, and which comes next.

Slots live on the operator's calendar: a clock that is put back shows a local time twice and the slot counts
once; a local time that the clocks jump over comes at the first valid instant. `cronsim` reckons the instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from digestbot.model import Slot

# How far back the newest passed slot is looked for: each window is tried when the one before it was empty, so
# the number of instants walked through stays small for every schedule.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (2, 26, 24 * 8, 24 * 32, 24 * 367, 24 * 366 * 9))


def slots(schedule: str, zone: ZoneInfo, after: datetime) -> Iterator[Slot]:
    """The slots of a cron expression strictly after an instant, without end.

    Ends early only for a schedule that never comes again (cronsim looks 50 years ahead).
    """
    seen: str | None = None
    for instant in CronSim(schedule, after.astimezone(zone)):
        nominal = instant.replace(tzinfo=None).isoformat(timespec="minutes")
        if nominal != seen:
            yield Slot(nominal, instant.astimezone(UTC))
        seen = nominal


def due_slot(schedule: str, zone: ZoneInfo, after: datetime, now: datetime) -> Slot | None:
    """The newest slot in (after, now]: the one that is due, however many were missed before it.

    ``after`` is the last slot reached, or when the digest was first seen; a clock that steps back lies before
    it, and nothing is due.
    """
    for window in _WINDOWS:
        start = max(after, now - window)
        newest = None
        for slot in slots(schedule, zone, start):
            if slot.due > now:
                break
            newest = slot
        if newest or start == after:
            return newest
    return None


def next_slot(schedule: str, zone: ZoneInfo, now: datetime) -> Slot | None:
    """The first slot after now; None where the schedule never comes again."""
    return next(slots(schedule, zone, now), None)
