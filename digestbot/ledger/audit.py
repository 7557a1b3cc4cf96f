"""Functions that run inside a transaction: the audit log of the operator pages, and their login sessions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger.schema import audit, web_sessions


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log: who changed what, and when."""

    at: datetime
    who: str
    what: str


def record_audit(tx: sa.Connection, who: str, what: str, now: datetime) -> None:
    """Record who changed what."""
    tx.execute(audit.insert().values(at=now, who=who, what=what))


def newest_entries(tx: sa.Connection, most: int) -> list[AuditEntry]:
    """Return the newest ``most`` entries of the audit log, newest first."""
    rows = tx.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(most))
    return [AuditEntry(row.at, row.who, row.what) for row in rows]


def begin_session(tx: sa.Connection, key: str, credential_hash: bytes, expires_at: datetime, now: datetime) -> None:
    """Store a login session that is valid until ``expires_at``, as long as ``credential_hash`` stays the same; delete
    expired sessions."""
    tx.execute(web_sessions.delete().where(web_sessions.c.expires_at <= now))
    tx.execute(web_sessions.insert().values(hash=_hash(key), credential_hash=credential_hash, expires_at=expires_at))


def is_session(tx: sa.Connection, key: str, credential_hash: bytes, now: datetime) -> bool:
    """Return whether the key belongs to a valid session."""
    query = sa.select(web_sessions.c.credential_hash, web_sessions.c.expires_at).where(
        web_sessions.c.hash == _hash(key)
    )
    row = tx.execute(query).first()
    return row is not None and row.credential_hash == credential_hash and now < row.expires_at


def end_session(tx: sa.Connection, key: str) -> None:
    """End the session with this key."""
    tx.execute(web_sessions.delete().where(web_sessions.c.hash == _hash(key)))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
