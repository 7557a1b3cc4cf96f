"""Connections to the ledger's database: SQLite or PostgreSQL, configured so that committed data stays committed.

SQLite before 3.51.3 (in older series: 3.50.7, 3.44.6) can corrupt a WAL database that has two connections. WAL is
therefore used only with corrected versions, with synchronous=FULL; other versions use the rollback journal with
synchronous=EXTRA.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from digestbot.domain.errors import LedgerChanged, LedgerError

BUSY_SECONDS = 30
# A host that is disconnected inside a transaction must not block other processes for more than half a minute.
POSTGRESQL_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=30s -c idle_in_transaction_session_timeout=25s -c statement_timeout=120s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=25000"
)
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Return whether this version of SQLite has the fix for WAL corruption with two connections."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


class LedgerFile:
    """A SQLite file that must remain the one that was opened first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def open(self, *_: object) -> None:
        """Create the file, readable only by its owner, if it does not exist. Run before SQLite opens it.

        Raise LedgerChanged if it is not the file that was opened before.
        """
        if self._identity is None:
            # O_EXCL: create only. Closing an existing SQLite file would release this process's locks on it.
            with suppress(OSError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with suppress(OSError):
                self._identity = _identity(self.path)
        self.check()

    def check(self) -> None:
        """Raise LedgerChanged if the file was deleted or replaced since it was opened."""
        if self._identity is None:
            return
        try:
            same = _identity(self.path) == self._identity
        except OSError:
            same = False
        if not same:
            raise LedgerChanged(
                f"ledger {self.path}: the file was deleted or replaced while digestbot was running. Nothing more is "
                "sent from here; put the right file back, then restart digestbot"
            )


def _identity(file: Path) -> tuple[int, int]:
    result = file.stat()
    return result.st_dev, result.st_ino


def create_engine(url: str, folder: Path) -> tuple[sa.Engine, LedgerFile | None]:
    """Return an engine for ``url``, and its SQLite file if it has one. No connection is opened yet.

    A relative path of a SQLite file is relative to ``folder``. Raise LedgerError for a URL that cannot be used.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise LedgerError("database: not a URL; write one such as sqlite:///digestbot.db") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(parsed, folder)
    if backend == "postgresql":
        return _postgresql_engine(parsed), None
    raise LedgerError(f"database: {backend} cannot hold the ledger; use sqlite or postgresql")


def _sqlite_engine(url: sa.URL, folder: Path) -> tuple[sa.Engine, LedgerFile | None]:
    if url.host or url.port:
        raise LedgerError(
            f"database: sqlite://{url.host}… names a host; write sqlite:/// and a file, such as "
            f"sqlite:///{url.host or 'digestbot.db'}"
        )
    file = None
    if url.database not in (None, "", ":memory:"):
        if url.query:
            raise LedgerError("database: a SQLite file takes no parameters; leave out what follows the ?")
        file = LedgerFile(folder / str(url.database))
        url = url.set(database=str(file.path))
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        **({"max_overflow": -1} if file is not None else {}),  # each thread uses at most one connection
    )
    if file is not None:
        sa.event.listen(engine, "do_connect", file.open)
    sa.event.listen(engine, "connect", set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine, file


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        return sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            max_overflow=-1,  # each thread uses at most one connection
            connect_args={"options": POSTGRESQL_OPTIONS, "connect_timeout": 10, **KEEPALIVES},
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise LedgerError("database: PostgreSQL needs a driver: pip install 'digestbot[postgresql]'") from error


def redacted_url(url: sa.URL) -> str:
    """Return the URL without its password and its query, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Configure a new connection so that a committed transaction survives a power cut."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    if wal_is_safe(sqlite3.sqlite_version_info):  # pragma: no cover - depends on the machine's SQLite
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
    else:
        # Setting the mode takes a lock, so set it only if needed: for an existing file that is in WAL mode.
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("PRAGMA synchronous = EXTRA")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    reading, migrating = options.get("reading", False), options.get("migrating", False)
    if connection.info.get("migrating", False) != migrating:
        # Possible only outside a transaction. With foreign keys on, a referenced table could not be recreated.
        connection.exec_driver_sql(f"PRAGMA foreign_keys = {'OFF' if migrating else 'ON'}")
        connection.info["migrating"] = migrating
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
