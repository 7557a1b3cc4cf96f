"""The ledger's transactions, and what is done to it as a whole: create, migrate, check, mark as restored.

Every write transaction begins with BEGIN IMMEDIATE on SQLite: a transaction that began with a read would fail, or lose
updates, at its first write.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from digestbot.domain.errors import LedgerError
from digestbot.ledger import connections, dry_run, heartbeats, revisions, rollback_detection, schema
from digestbot.ledger.channel_locks import ChannelLocks
from digestbot.ledger.concurrency import REHEARSAL, SETUP, one_at_a_time
from digestbot.ledger.lock_holders import lock_holders


class Ledger:
    """The ledger's transactions: `begin` writes, `read` only reads. Both end with their block. Threads may share a
    ledger.

    ``by_hand``: an operator makes the changes, and a running service is to react to them at once.
    """

    def __init__(self, url: str, folder: Path = Path(), clock: Callable[[], datetime] | None = None) -> None:
        """Create the engine for ``url``; no connection is opened yet.

        A relative path of a SQLite file is relative to ``folder``. In tests, ``clock`` replaces the database's clock.
        Raise LedgerError for a URL that cannot be used.
        """
        self.engine, self._opened_file = connections.create_engine(url, folder)
        self._outer: sa.Connection | None = None
        self._clock = clock
        # SQLite allows one writer at a time; others poll with growing pauses. This lock makes threads take turns
        # instead.
        self._turn = threading.Lock() if self._opened_file is not None else None
        self.by_hand = False
        self.channel_locks = ChannelLocks(self.engine)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for PostgreSQL and for a ledger in memory."""
        return self._opened_file.path if self._opened_file is not None else None

    @property
    def marker(self) -> Path | None:
        """The file that records what this machine published last with the ledger; None for a ledger in memory."""
        return rollback_detection.marker_path(self.engine.url, self.file, os.environ)

    def now(self, tx: sa.Connection) -> datetime:
        """Return the current time by the ledger's clock, which is the database's.

        All leases and deadlines are compared with it, so that hosts whose clocks differ agree. It is the time of the
        call, not of the transaction's start.
        """
        if self._clock is not None:
            return self._clock()
        if tx.dialect.name == "sqlite":
            text = str(tx.exec_driver_sql("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')").scalar_one())
            return datetime.fromisoformat(text)
        result: datetime = tx.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return result.astimezone(UTC)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a write transaction; commit it if the block succeeds, else roll it back."""
        if self._opened_file is not None:
            self._opened_file.check()
        with self._translated():
            if self._outer is not None:
                with self._outer.begin_nested():
                    yield self._outer
            else:
                with self._in_turn(), self.engine.begin() as connection:
                    yield connection
                    if self.by_hand:
                        heartbeats.record_heartbeat(connection, heartbeats.ACTION, self.now(connection))

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Wait until no other thread writes, for at most as long as for another process. Raise LedgerError after
        that."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=connections.BUSY_SECONDS):
            raise LedgerError(f"ledger {self.file}: it is locked{self._by_whom()}")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Begin a transaction that only reads and takes no write lock."""
        if self._opened_file is not None:
            self._opened_file.check()
        with self._translated():
            if self._outer is not None:
                yield self._outer
            else:
                with self.engine.connect().execution_options(reading=True) as connection, connection.begin():
                    yield connection

    @contextmanager
    def rehearsal(self) -> Iterator[Ledger]:
        """Yield a ledger for a dry run: it works like this one, but nothing done in it remains.

        Nobody waits for it, however long it is used.
        """
        with self._translated():
            if self._outer is not None:
                nested = self._outer.begin_nested()
                try:
                    yield self._inside(self._outer)
                finally:
                    nested.rollback()
            elif self.engine.dialect.name == "sqlite":
                with dry_run.sqlite_copy(self.engine) as file:
                    copy = Ledger(f"sqlite:///{file}", clock=self._clock)
                    try:
                        yield copy
                    finally:
                        copy.close()
            else:
                with dry_run.postgresql_shadow(self.engine) as connection:
                    yield self._inside(connection)

    def _inside(self, connection: sa.Connection) -> Ledger:
        """Return this ledger inside a transaction that will be rolled back."""
        other = Ledger.__new__(Ledger)
        other.engine, other._opened_file, other._outer = self.engine, self._opened_file, connection
        other.channel_locks = self.channel_locks
        other._clock, other._turn, other.by_hand = self._clock, None, False
        return other

    def try_writing(self) -> None:
        """Do everything that `prepare` does, then roll it back. Raise LedgerError if that fails."""
        with self._migrating() as connection:
            nested = connection.begin_nested()
            try:
                self._inside(connection).prepare()
            finally:
                nested.rollback()

    def prepare(self) -> None:
        """Create the tables, or migrate those of an older digestbot.

        Raise LedgerError if the ledger cannot be opened or belongs to a newer digestbot.
        """
        if self.file is not None and not self.file.parent.is_dir():
            raise LedgerError(f"{self.file}: the folder {self.file.parent} does not exist; make it first")
        with self._migrating() as connection:
            one_at_a_time(connection, SETUP)
            result = revisions.current_revision(connection)
            if result is None:
                revisions.create_tables(connection)
            elif result != schema.REVISION:
                if connection.info.get(REHEARSAL):  # a migration would lock the tables for everyone
                    raise LedgerError(revisions.OLDER)
                revisions.migrate(connection, result)
            if connection.scalar(sa.select(sa.func.count()).select_from(schema.ledger_identity)) == 0:
                connection.execute(schema.ledger_identity.insert().values(id=str(uuid.uuid4())))

    @contextmanager
    def _migrating(self) -> Iterator[sa.Connection]:
        """Begin a write transaction in which SQLite tables can be recreated; check foreign keys at its end."""
        with self._translated():
            if self._outer is not None:
                yield self._outer
                return
            with self.engine.connect().execution_options(migrating=True) as connection, connection.begin():
                if connection.dialect.name == "postgresql":  # migrating a large table takes long
                    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                    connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                yield connection
                if connection.dialect.name == "sqlite":
                    astray = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                    if astray is not None:
                        raise LedgerError(
                            f"ledger {self.file}: a row of {astray[0]} refers to nothing; restore a backup"
                        )

    def check(self) -> list[str]:
        """Return what is damaged; an empty list for an intact ledger.

        All pages of a SQLite ledger are checked. For PostgreSQL, which checks its own, only the revision is.
        """
        try:
            with self.read() as connection:
                if connection.dialect.name == "sqlite":
                    results = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(20)")]
                    if results != ["ok"]:
                        return results
                revision = revisions.current_revision(connection)
        except LedgerError as error:
            return [str(error)]
        return [] if revision == schema.REVISION else [f"is at revision {revision}, not at {schema.REVISION}"]

    def mark_restored(self) -> None:
        """Require that every channel's timeline is read before anything is posted, because the ledger is an older
        copy."""
        with self.begin() as connection:
            rollback_detection.catch_up_all(connection, "the ledger was restored from an older copy")

    def close(self) -> None:
        """Close all connections and release the channel locks."""
        self.channel_locks.close()
        self.engine.dispose()

    def _by_whom(self) -> str:
        """Return which other processes keep the SQLite file locked, as the end of a message; "" if unknown."""
        holders = lock_holders(self.file) if self.file is not None else ""
        return f" by {holders}" if holders else ""

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            where = self.file or connections.redacted_url(self.engine.url)
            reason = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
            if "locked" in reason:
                reason += self._by_whom()
            raise LedgerError(f"ledger {where}: {reason}") from error
        except sa.exc.TimeoutError as error:
            raise LedgerError(f"ledger: no connection was free in time: {error}") from error
