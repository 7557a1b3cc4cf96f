"""Inside a transaction: what was changed through the pages, and who is logged in to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digestbot.schema import audit, web_sessions


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what, and when."""

    at: datetime
    who: str
    what: str


def note(tx: sa.Connection, who: str, what: str, now: datetime) -> None:
    """Somebody changed something."""
    tx.execute(audit.insert().values(at=now, who=who, what=what))


def newest(tx: sa.Connection, most: int) -> list[Change]:
    """What was changed last."""
    rows = tx.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(most))
    return [Change(row.at, row.who, row.what) for row in rows]


def begin_session(tx: sa.Connection, key: str, lock: bytes, expires_at: datetime, now: datetime) -> None:
    """Whoever has this key is logged in until then, as long as the lock stays the same; sessions that are over are
    forgotten."""
    tx.execute(web_sessions.delete().where(web_sessions.c.expires_at <= now))
    tx.execute(web_sessions.insert().values(hash=_hash(key), lock=lock, expires_at=expires_at))


def is_session(tx: sa.Connection, key: str, lock: bytes, now: datetime) -> bool:
    """Whether who has this key is logged in."""
    query = sa.select(web_sessions.c.lock, web_sessions.c.expires_at).where(web_sessions.c.hash == _hash(key))
    row = tx.execute(query).first()
    return row is not None and row.lock == lock and now < row.expires_at


def end_session(tx: sa.Connection, key: str) -> None:
    """Who has this key is logged in no longer."""
    tx.execute(web_sessions.delete().where(web_sessions.c.hash == _hash(key)))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
