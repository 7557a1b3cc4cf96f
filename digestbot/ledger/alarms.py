"""Inside a transaction: alarms, which tell the operator what to look at, or wait for their word."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from digestbot.model import Alarm
from digestbot.schema import OPEN_ALARM, alarms, changes

CONFIRMED, DISMISSED, PASSED = "confirmed", "dismissed", "passed"


def raise_alarm(tx: sa.Connection, kind: str, subject: str, note_: str, now: datetime) -> int:
    """An alarm of this kind about this subject: the one that is open already, or a new one."""
    found = open_alarm(tx, kind, subject)
    if found is not None:
        tx.execute(alarms.update().where(alarms.c.id == found).values(note=note_))
        return found
    id_ = tx.execute(
        alarms.insert().values(kind=kind, subject=subject, note=note_, raised_at=now).returning(alarms.c.id)
    ).scalar_one()
    return int(id_)


def open_alarm(tx: sa.Connection, kind: str, subject: str) -> int | None:
    """The open alarm of this kind about this subject."""
    query = sa.select(alarms.c.id).where(alarms.c.kind == kind, alarms.c.subject == subject, OPEN_ALARM)
    found: int | None = tx.scalar(query)
    return found


def alarm_is_over(tx: sa.Connection, kind: str, subject: str, now: datetime) -> None:
    """What the alarm was about has mended itself."""
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
    """Raise an alarm, unless this was done since then already; gives whether it was raised. An older one is over."""
    before = tx.execute(
        sa.select(alarms.c.raised_at, alarms.c.decided_at)
        .where(alarms.c.kind == kind, alarms.c.subject == subject)
        .order_by(alarms.c.id.desc())
        .limit(1)
    ).first()
    if before is not None and before.raised_at >= since:
        return False
    if before is not None and before.decided_at is None:
        alarm_is_over(tx, kind, subject, now)
    raise_alarm(tx, kind, subject, note_, now)
    return True


def pass_older(tx: sa.Connection, kinds: tuple[str, ...], subject: str, than: datetime, now: datetime) -> None:
    """What these alarms warned of is over."""
    tx.execute(
        alarms.update()
        .where(alarms.c.kind.in_(kinds), alarms.c.subject == subject, alarms.c.raised_at < than, OPEN_ALARM)
        .values(decided_at=now, decision=PASSED)
    )


def decide(tx: sa.Connection, alarm: int, decision: str, now: datetime) -> None:
    """The alarm is over, in this way."""
    tx.execute(alarms.update().where(alarms.c.id == alarm, OPEN_ALARM).values(decided_at=now, decision=decision))
