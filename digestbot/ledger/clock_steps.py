"""Inside a transaction: what becomes of what was recorded by a clock that was far ahead, and is right again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from digestbot.ledger import alarms, heartbeats, schedule_versions
from digestbot.ledger.editions import CLOCK_STEP, recorded_ahead
from digestbot.schema import SCHEDULED_SLOT, cursors, slots
from digestbot.text.durations import duration

SUBJECT = "the ledger"


def notice(tx: sa.Connection, now: datetime) -> str:
    """Remember the newest instant that was seen; where the clock has stepped back by more than an hour since, mark what
    was recorded in the future, and raise an alarm. Return the alarm's words where it is new."""
    newest = heartbeats.last_beat(tx, heartbeats.NEWEST)
    if newest is None or newest <= now + CLOCK_STEP:
        if newest is None or newest < now:
            heartbeats.beat(tx, heartbeats.NEWEST, now)
        _end_alarm(tx, now)
        return ""
    dues = recorded_ahead(tx, now, timedelta(0))
    for digest, channel in dues:
        which = (slots.c.digest == digest, slots.c.channel == channel, SCHEDULED_SLOT)
        tx.execute(slots.update().where(*which, slots.c.due > now).values(ahead=True))
    schedule_versions.bring_back(tx, now)
    horizon = now + CLOCK_STEP
    first_seen = tx.execute(cursors.update().where(cursors.c.first_seen_at > horizon).values(first_seen_at=now))
    heartbeats.beat(tx, heartbeats.NEWEST, now)
    note = _note(newest, now, dues, first_seen.rowcount)
    alarms.raise_alarm(tx, alarms.CLOCK, SUBJECT, note, now)
    return note


def _note(newest: datetime, now: datetime, dues: dict[tuple[str, str], tuple[datetime, ...]], first_seen: int) -> str:
    stepped = f"the clock stepped back by {duration(newest - now)}, from {newest:%Y-%m-%d %H:%M} UTC"
    recorded = [
        f"{len(some)} slot{'s' if len(some) > 1 else ''} of {digest} on {channel}, the last of "
        f"{max(some):%Y-%m-%d %H:%M} UTC"
        for (digest, channel), some in sorted(dues.items())
    ]
    if first_seen:
        recorded.append(f"that {first_seen} backlogs were begun, which counts as now")
    if not recorded:
        return f"{stepped}; nothing is recorded in the future. All goes on by the clock as it is now"
    advice = ""
    if dues:
        advice = ". These slots stay empty when their time comes; confirm to let them come, once the clock is right"
    return f"{stepped}; recorded in the future: {'; '.join(recorded)}{advice}"


def _end_alarm(tx: sa.Connection, now: datetime) -> None:
    """The alarm ends by itself a day later, once nothing recorded in the future is left."""
    open_since = alarms.raised_at(tx, alarms.CLOCK, SUBJECT)
    if open_since is not None and now - open_since > timedelta(days=1) and not recorded_ahead(tx, now):
        alarms.alarm_is_over(tx, alarms.CLOCK, SUBJECT, now)


def forget_ahead(tx: sa.Connection, now: datetime) -> None:
    """Let the slots come that were recorded as reached before their time: what was recorded gives up its instant, and
    takes one that no slot has. What was made for it stays."""
    for digest, channel in recorded_ahead(tx, now):
        which = (slots.c.digest == digest, slots.c.channel == channel, SCHEDULED_SLOT, slots.c.due > now)
        for id_ in list(tx.scalars(sa.select(slots.c.id).where(*which, slots.c.ahead))):
            long_ago = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=id_)
            tx.execute(slots.update().where(slots.c.id == id_).values(due=long_ago, ahead=False))
