"""A copy of a ledger in another database: every row, verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.ledger import revisions
from digestbot.ledger.engine import Ledger
from digestbot.ledger.schema import REVISION, ledger_identity, metadata

BATCH = 1000
_NOT_COPIED = (ledger_identity.name, "alembic_version")
_TABLES = [table for table in metadata.sorted_tables if table.name not in _NOT_COPIED]


def copy_ledger(source: Ledger, target: Ledger, progress: Callable[[float], None] = lambda _: None) -> dict[str, int]:
    """Copy every row of a ledger into a new one, compare both, and return the number of rows of each table.

    The copy has an identity of its own and is marked as restored: used as the ledger, it makes digestbot look for each
    post on the platform before sending it. ``progress`` is called with the fraction done, from 0 to 1. Raises
    LedgerError, and leaves the target empty, if the target holds anything, or if both differ in the end.
    """
    with target.read() as there:
        if revisions.current_revision(there) not in (None, REVISION):
            raise LedgerError("the target holds a ledger of another version; nothing was copied")
    target.prepare()
    with target.read() as there:
        filled = [table.name for table in _TABLES if there.execute(sa.select(table).limit(1)).first() is not None]
    if filled:
        raise LedgerError(f"the target is not empty (it has rows in {', '.join(filled)}); nothing was copied")
    counts: dict[str, int] = {}
    with snapshot(source) as here, target.begin() as there:
        _without_limits(there)
        for number, table in enumerate(_TABLES):
            counts[table.name] = 0
            for rows in rows_of(here, table):
                there.execute(table.insert(), [dict(row._mapping) for row in rows])
                counts[table.name] += len(rows)
            _restart_ids(there, table)
            if _digest(here, table) != _digest(there, table):
                raise LedgerError(f"the copy of table {table.name} differs from the original; nothing was copied")
            progress((number + 1) / len(_TABLES))
    target.mark_restored()
    return counts


@contextmanager
def snapshot(ledger: Ledger) -> Iterator[sa.Connection]:
    """Yield a connection that sees the ledger of this moment, however long it is used."""
    if ledger.engine.dialect.name != "postgresql":
        with ledger.read() as tx:
            yield tx
        return
    connected = ledger.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connected as connection, connection.begin():
        _without_limits(connection)
        yield connection


def _without_limits(tx: sa.Connection) -> None:
    """Let a transaction on PostgreSQL take as long as it needs: nobody waits for it."""
    if tx.dialect.name == "postgresql":
        for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
            tx.execute(sa.text(f"SET LOCAL {name} = 0"))


def rows_of(tx: sa.Connection, table: sa.Table) -> Iterator[Sequence[sa.Row[tuple[object, ...]]]]:
    """Yield a table's rows in the order of its key, in batches."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    yield from tx.execute(query.execution_options(yield_per=BATCH)).partitions()


def _digest(tx: sa.Connection, table: sa.Table) -> tuple[int, int]:
    """Return the sum of the rows' hashes, and their number: equal in every kind of database."""
    total, count = 0, 0
    rows = (row for batch in rows_of(tx, table) for row in batch)
    for row in rows:  # in any order, because databases sort text differently
        line = repr(tuple(row)).encode("utf-8", "surrogatepass")
        total += int.from_bytes(hashlib.blake2b(line, digest_size=32).digest(), "big")
        count += 1
    return total, count


def _restart_ids(tx: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL's sequence continue after the highest id."""
    if tx.dialect.name != "postgresql" or table.autoincrement_column is None:
        return
    column = table.autoincrement_column
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    if tx.scalar(sa.select(sequence)) is None:
        return
    highest = tx.scalar(sa.select(sa.func.max(column)))
    tx.execute(sa.select(sa.func.setval(sequence, highest or 1, highest is not None)))
