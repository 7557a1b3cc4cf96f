"""Functions that run inside a transaction: when something was last done, by any process."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger.concurrency import insert_unless_there
from digestbot.ledger.schema import heartbeats

TICK, COUNT, PING = "tick", "count", "ping"
NEWEST = "newest"  # the newest instant that the clock has shown
ACTION = "action"  # the last change by an operator


def record_heartbeat(tx: sa.Connection, name: str, now: datetime) -> None:
    """Record that this was done now."""
    if not tx.execute(heartbeats.update().where(heartbeats.c.name == name).values(at=now)).rowcount:
        insert_unless_there(tx, heartbeats, name=name, at=now)  # another process may have inserted it meanwhile


def last_heartbeat(tx: sa.Connection, name: str) -> datetime | None:
    """Return when this was last done; None for never."""
    result: datetime | None = tx.scalar(sa.select(heartbeats.c.at).where(heartbeats.c.name == name))
    return result
