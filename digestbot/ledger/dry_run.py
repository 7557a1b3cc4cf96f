"""A ledger for dry runs: no change to it remains, and no other process waits for it.

For SQLite it is a copy of the file. For PostgreSQL it is a transaction that writes to temporary tables. Each one is
created, as a copy of the table it replaces, before the first write to that table. PostgreSQL resolves a name among the
session's temporary tables first.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from digestbot.domain.errors import LedgerError
from digestbot.ledger.concurrency import REHEARSAL


@contextmanager
def sqlite_copy(engine: sa.Engine) -> Iterator[Path]:
    """Copy a SQLite database to a temporary file, yield its path, and delete the file afterwards.

    Writers wait only while the pages are copied. Raise LedgerError if the database cannot be copied.
    """
    try:
        handle, name = tempfile.mkstemp(prefix="digestbot-", suffix=".db")  # readable only by its owner
    except OSError as error:
        raise LedgerError(f"the ledger cannot be copied, to look ahead: {error.strerror or error}") from error
    os.close(handle)
    try:
        try:
            with engine.connect() as connection, closing(sqlite3.connect(name)) as target:
                source: Any = connection.connection.driver_connection
                source.backup(target)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger cannot be copied to {name}, to look ahead: {error}") from error
        yield Path(name)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(name + ending).unlink(missing_ok=True)


@contextmanager
def postgresql_shadow(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction that reads the database as it is now and writes to copies of its tables; roll it back at the
    end."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        transaction = connection.begin()
        # safe, because it holds no lock that another process waits for, however long it takes
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))

        def copy_first(_: sa.Connection, statement: Any, *__: Any) -> None:
            """Replace a table with a copy before something is written to it or its rows are locked."""
            if isinstance(statement, sa.Insert | sa.Update | sa.Delete):
                names = [one.name for one in visitors.iterate(statement.table) if isinstance(one, sa.Table)]
            elif isinstance(statement, sa.Select) and statement._for_update_arg is not None:
                names = [one.name for one in visitors.iterate(statement) if isinstance(one, sa.Table)]
            else:
                return
            for name in dict.fromkeys(names):
                _copy(connection, f"{schema}.{name}", name)

        sa.event.listen(connection, "before_execute", copy_first)
        connection.info[REHEARSAL] = True
        driver: Any = connection.connection.driver_connection
        threshold, driver.prepare_threshold = driver.prepare_threshold, None  # prepared statements read the old table
        try:
            yield connection
        finally:
            driver.prepare_threshold = threshold
            del connection.info[REHEARSAL]
            sa.event.remove(connection, "before_execute", copy_first)
            transaction.rollback()


def _copy(connection: sa.Connection, table: str, name: str) -> None:
    # asked each time, because a rollback to a savepoint removes the copy
    query = sa.text("SELECT to_regclass(:table) IS NULL OR to_regclass(:copy) IS NOT NULL")
    if connection.scalar(query, {"table": table, "copy": f"pg_temp.{name}"}):
        return  # copied already, or an empty database, in which this transaction creates the tables
    like = f"LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES"
    connection.execute(sa.text(f"CREATE TEMPORARY TABLE {name} ({like})"))
    connection.execute(sa.text(f"INSERT INTO pg_temp.{name} SELECT * FROM {table}"))  # noqa: S608 - our own tables
    connection.execute(sa.text(f"ANALYZE pg_temp.{name}"))
