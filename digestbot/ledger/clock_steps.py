"""Functions that run inside a transaction: correct what was recorded by a clock that was far ahead and has since been
set right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.model import Route
from digestbot.ledger import alerts, heartbeats, schedule_versions
from digestbot.ledger.editions import CLOCK_STEP, recorded_ahead
from digestbot.ledger.schema import SCHEDULED_SLOT, cursors, slots
from digestbot.text.durations import duration

SUBJECT = "the ledger"


def detect_clock_step(tx: sa.Connection, now: datetime) -> str:
    """Record the newest instant seen so far, and detect a clock that has stepped back by more than an hour.

    After such a step, mark what is recorded in the future and raise an alert. Return the alert's note, "" if the clock
    has not stepped.
    """
    newest = heartbeats.last_heartbeat(tx, heartbeats.NEWEST)
    if newest is None or newest <= now + CLOCK_STEP:
        if newest is None or newest < now:
            heartbeats.record_heartbeat(tx, heartbeats.NEWEST, now)
        _end_alert(tx, now)
        return ""
    dues = recorded_ahead(tx, now, timedelta(0))
    for digest, channel in dues:
        which = (slots.c.digest == digest, slots.c.channel == channel, SCHEDULED_SLOT)
        tx.execute(slots.update().where(*which, slots.c.due > now).values(ahead=True))
    schedule_versions.deactivate_future(tx, now)
    horizon = now + CLOCK_STEP
    first_seen = tx.execute(cursors.update().where(cursors.c.first_seen_at > horizon).values(first_seen_at=now))
    heartbeats.record_heartbeat(tx, heartbeats.NEWEST, now)
    note = _note(newest, now, dues, first_seen.rowcount)
    alerts.raise_alert(tx, alerts.CLOCK, SUBJECT, note, now)
    return note


def _note(newest: datetime, now: datetime, dues: dict[Route, tuple[datetime, ...]], first_seen: int) -> str:
    stepped = f"the clock stepped back by {duration(newest - now)}, from {newest:%Y-%m-%d %H:%M} UTC"
    recorded = [
        f"{len(some)} slot{'s' if len(some) > 1 else ''} of {digest} on {channel}, the last of "
        f"{max(some):%Y-%m-%d %H:%M} UTC"
        for (digest, channel), some in sorted(dues.items())
    ]
    if first_seen:
        recorded.append(f"the start of {first_seen} backlogs, which is now set to the current time")
    if not recorded:
        return f"{stepped}; nothing is recorded in the future. digestbot continues with the current clock"
    advice = ""
    if dues:
        advice = ". These slots stay empty. Once the clock is correct, confirm to restore them"
    return f"{stepped}; recorded in the future: {'; '.join(recorded)}{advice}"


def _end_alert(tx: sa.Connection, now: datetime) -> None:
    """Close the alert a day after it was raised, once no slot that was recorded in the future is left."""
    open_since = alerts.raised_at(tx, alerts.CLOCK, SUBJECT)
    if open_since is not None and now - open_since > timedelta(days=1) and not recorded_ahead(tx, now):
        alerts.close_alert(tx, alerts.CLOCK, SUBJECT, now)


def forget_future(tx: sa.Connection, now: datetime) -> None:
    """Let slots happen that were recorded as reached before their time.

    Each such record moves to an instant that no slot has, which makes its own instant free again. Editions that were
    made for it stay.
    """
    for digest, channel in recorded_ahead(tx, now):
        which = (slots.c.digest == digest, slots.c.channel == channel, SCHEDULED_SLOT, slots.c.due > now)
        for id_ in list(tx.scalars(sa.select(slots.c.id).where(*which, slots.c.ahead))):
            long_ago = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=id_)
            tx.execute(slots.update().where(slots.c.id == id_).values(due=long_ago, ahead=False))
