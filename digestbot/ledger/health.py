"""Inside a transaction: signs of life, alerts, and the counts that figures are drawn of."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from digestbot.schema import beats

TICK = "tick"


def beat(tx: sa.Connection, name: str, now: datetime) -> None:
    """This was done now."""
    if not tx.execute(beats.update().where(beats.c.name == name).values(at=now)).rowcount:
        tx.execute(beats.insert().values(name=name, at=now))


def last_beat(tx: sa.Connection, name: str) -> datetime | None:
    """When this was last done."""
    found: datetime | None = tx.scalar(sa.select(beats.c.at).where(beats.c.name == name))
    return found
