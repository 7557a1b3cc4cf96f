"""Functions that run inside a transaction: alerts, which the operator has to review or decide."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.model import Alert
from digestbot.ledger.concurrency import insert_unless_there
from digestbot.ledger.schema import OPEN_ALERT, alerts, changes

MAKE_UP = "make-up"  # a changed schedule would make up for slots that were missed
STOPPED = "stopped"  # an operator has stopped everything
CLOCK = "clock"  # the clock stepped back
CONFIRMED, DISMISSED, PASSED = "confirmed", "dismissed", "passed"


def raise_alert(tx: sa.Connection, kind: str, subject: str, note_: str, now: datetime) -> int:
    """Raise an alert, or update the note of the open one of this kind and subject; return its id."""
    result = open_alert(tx, kind, subject)
    if result is not None:
        tx.execute(alerts.update().where(alerts.c.id == result).values(note=note_))
        return result
    insert_unless_there(tx, alerts, kind=kind, subject=subject, note=note_, raised_at=now)
    result = open_alert(tx, kind, subject)
    assert result is not None  # noqa: S101 - inserted, here or by another process at the same time
    return result


def open_alert(tx: sa.Connection, kind: str, subject: str) -> int | None:
    """Return the id of the open alert of this kind and subject; None if there is none."""
    query = sa.select(alerts.c.id).where(alerts.c.kind == kind, alerts.c.subject == subject, OPEN_ALERT)
    result: int | None = tx.scalar(query)
    return result


def raised_at(tx: sa.Connection, kind: str, subject: str) -> datetime | None:
    """Return when the open alert of this kind and subject was raised; None if there is none."""
    which = (alerts.c.kind == kind, alerts.c.subject == subject, OPEN_ALERT)
    result: datetime | None = tx.scalar(sa.select(alerts.c.raised_at).where(*which))
    return result


def open_subjects(tx: sa.Connection, kind: str) -> set[str]:
    """Return the subjects of the open alerts of this kind."""
    return set(tx.scalars(sa.select(alerts.c.subject).where(alerts.c.kind == kind, OPEN_ALERT)))


def close_alert(tx: sa.Connection, kind: str, subject: str, now: datetime) -> None:
    """Close the open alert of this kind and subject, because its cause is gone; do nothing if there is none."""
    result = open_alert(tx, kind, subject)
    if result is not None:
        close_with_decision(tx, result, PASSED, now)


def open_alerts(tx: sa.Connection) -> list[Alert]:
    """Return the open alerts, oldest first, each with the posts that it holds back."""
    held: dict[int, list[int]] = defaultdict(list)
    for row in tx.execute(sa.select(changes.c.alert_id, changes.c.post_id).where(changes.c.alert_id.is_not(None))):
        held[row.alert_id].append(row.post_id)
    return [
        Alert(row.id, row.kind, row.subject, row.note, row.raised_at, tuple(sorted(held[row.id])))
        for row in tx.execute(sa.select(alerts).where(OPEN_ALERT).order_by(alerts.c.id))
    ]


def raise_once(tx: sa.Connection, kind: str, subject: str, note_: str, since: datetime, now: datetime) -> bool:
    """Raise an alert, unless the operator has settled one of this kind and subject that was raised since ``since``.

    If one is open, update its note. Return whether a new alert was raised.
    """
    before = tx.execute(
        sa.select(alerts.c.raised_at, alerts.c.decision)
        .where(alerts.c.kind == kind, alerts.c.subject == subject)
        .order_by(alerts.c.id.desc())
        .limit(1)
    ).first()
    known = before is not None and before.decision in (CONFIRMED, DISMISSED) and before.raised_at >= since
    new = before is None or before.decision is not None
    if not known:
        raise_alert(tx, kind, subject, note_, now)
    return new and not known


def close_with_decision(tx: sa.Connection, alert: int, decision: str, now: datetime) -> None:
    """Close an open alert with this decision."""
    tx.execute(alerts.update().where(alerts.c.id == alert, OPEN_ALERT).values(decided_at=now, decision=decision))
