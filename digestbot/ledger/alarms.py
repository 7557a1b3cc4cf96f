"""Inside a transaction: alarms, which tell the operator what to look at, or wait for their word."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger.concurrency import insert_unless_there
from digestbot.model import Alarm
from digestbot.schema import OPEN_ALARM, alarms, changes

MAKE_UP = "make-up"  # a changed schedule would make up for missed slots
CLOCK = "clock"  # it stepped back
CONFIRMED, DISMISSED, PASSED = "confirmed", "dismissed", "passed"


def raise_alarm(tx: sa.Connection, kind: str, subject: str, note_: str, now: datetime) -> int:
    """An alarm of this kind about this subject: the one that is open already, or a new one."""
    found = open_alarm(tx, kind, subject)
    if found is not None:
        tx.execute(alarms.update().where(alarms.c.id == found).values(note=note_))
        return found
    insert_unless_there(tx, alarms, kind=kind, subject=subject, note=note_, raised_at=now)
    found = open_alarm(tx, kind, subject)
    assert found is not None  # noqa: S101 - inserted, here or by another process at the same time
    return found


def open_alarm(tx: sa.Connection, kind: str, subject: str) -> int | None:
    """The open alarm of this kind about this subject."""
    query = sa.select(alarms.c.id).where(alarms.c.kind == kind, alarms.c.subject == subject, OPEN_ALARM)
    found: int | None = tx.scalar(query)
    return found


def raised_at(tx: sa.Connection, kind: str, subject: str) -> datetime | None:
    """When the open alarm of this kind about this subject was raised."""
    which = (alarms.c.kind == kind, alarms.c.subject == subject, OPEN_ALARM)
    found: datetime | None = tx.scalar(sa.select(alarms.c.raised_at).where(*which))
    return found


def open_subjects(tx: sa.Connection, kind: str) -> set[str]:
    """What the open alarms of this kind are about."""
    return set(tx.scalars(sa.select(alarms.c.subject).where(alarms.c.kind == kind, OPEN_ALARM)))


def alarm_is_over(tx: sa.Connection, kind: str, subject: str, now: datetime) -> None:
    """What the alarm was about has corrected itself."""
    found = open_alarm(tx, kind, subject)
    if found is not None:
        decide(tx, found, PASSED, now)


def open_alarms(tx: sa.Connection) -> list[Alarm]:
    """What waits for the operator's word, with the posts that it holds back."""
    held: dict[int, list[int]] = defaultdict(list)
    for row in tx.execute(sa.select(changes.c.alarm_id, changes.c.post_id).where(changes.c.alarm_id.is_not(None))):
        held[row.alarm_id].append(row.post_id)
    return [
        Alarm(row.id, row.kind, row.subject, row.note, row.raised_at, tuple(sorted(held[row.id])))
        for row in tx.execute(sa.select(alarms).where(OPEN_ALARM).order_by(alarms.c.id))
    ]


def raise_once(tx: sa.Connection, kind: str, subject: str, note_: str, since: datetime, now: datetime) -> bool:
    """Raise an alarm, unless one is open, whose words are renewed, or the operator has given their word on one that was
    raised since then; gives whether it was raised."""
    before = tx.execute(
        sa.select(alarms.c.raised_at, alarms.c.decision)
        .where(alarms.c.kind == kind, alarms.c.subject == subject)
        .order_by(alarms.c.id.desc())
        .limit(1)
    ).first()
    known = before is not None and before.decision in (CONFIRMED, DISMISSED) and before.raised_at >= since
    new = before is None or before.decision is not None
    if not known:
        raise_alarm(tx, kind, subject, note_, now)
    return new and not known


def decide(tx: sa.Connection, alarm: int, decision: str, now: datetime) -> None:
    """The alarm is over, in this way."""
    tx.execute(alarms.update().where(alarms.c.id == alarm, OPEN_ALARM).values(decided_at=now, decision=decision))
