"""Inside a transaction: when something was last done, by whichever process."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger.concurrency import insert_unless_there
from digestbot.schema import beats

TICK, COUNT, PING = "tick", "count", "ping"
NEWEST = "newest"  # the newest instant that the clock showed
ACTION = "action"  # an operator changed something


def beat(tx: sa.Connection, name: str, now: datetime) -> None:
    """This was done now."""
    if not tx.execute(beats.update().where(beats.c.name == name).values(at=now)).rowcount:
        insert_unless_there(tx, beats, name=name, at=now)  # another process may be as fast


def last_beat(tx: sa.Connection, name: str) -> datetime | None:
    """When this was last done."""
    found: datetime | None = tx.scalar(sa.select(beats.c.at).where(beats.c.name == name))
    return found
