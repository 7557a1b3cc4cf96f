"""Functions that run inside a transaction: coordinate several processes that use one ledger."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

# Keys of PostgreSQL advisory locks; SQLite needs none, because it has one writer at a time.
SETUP = 0x6469_6765_7374  # creating or migrating tables, registering channels and sources
INTAKE = 0x696E_7461_6B65  # ingesting summaries
WATCH = 0x7761_7463_6865  # updating alerts, counting backlogs
REHEARSAL = "rehearsal"  # key in a connection's info: a dry run, for which nobody must wait


def one_at_a_time(tx: sa.Connection, lock: int) -> None:
    """Acquire an advisory lock until the transaction ends, so that no other process does the same work at the same
    time.

    Do nothing on SQLite, which has one writer at a time, or in a dry run, for which nobody must wait.
    """
    if tx.dialect.name == "postgresql" and not tx.info.get(REHEARSAL):
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))


def insert_unless_there(tx: sa.Connection, table: sa.Table, **values: object) -> bool:
    """Insert a row unless one with its key exists; return True if it was inserted."""
    statement: Any
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # imported here because it is slow and rarely needed

        statement = postgresql.insert(table)
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(table)
    return bool(tx.execute(statement.values(**values).on_conflict_do_nothing()).rowcount)
