"""Inside a transaction: what several processes may do at the same time."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

# PostgreSQL's advisory locks; SQLite has one writer anyway.
SETUP = 0x6469_6765_7374  # tables are made or migrated, and channels and sources made known
INTAKE = 0x696E_7461_6B65  # summaries are taken in
WATCH = 0x7761_7463_6865  # alerts are renewed, backlogs counted
REHEARSAL = "rehearsal"  # in a connection's info: nobody is to wait for it


def one_at_a_time(tx: sa.Connection, lock: int) -> None:
    """Let no other process do what the lock stands for until the transaction ends."""
    if tx.dialect.name == "postgresql" and not tx.info.get(REHEARSAL):
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))


def insert_unless_there(tx: sa.Connection, table: sa.Table, **values: object) -> bool:
    """Insert a row unless there is one with its key; return whether it was inserted."""
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    return bool(tx.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount)
