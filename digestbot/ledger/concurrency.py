"""Inside a transaction: what several processes may do at the same time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

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
    statement: Any
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # here: it is slow to import, and seldom needed

        statement = postgresql.insert(table)
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(table)
    return bool(tx.execute(statement.values(**values).on_conflict_do_nothing()).rowcount)
