"""The ledger's connections and transactions: SQLite or PostgreSQL, configured so that committed data stays committed.

SQLite before 3.51.3 (in older series: 3.50.7, 3.44.6) can corrupt a WAL database that has two connections. WAL is
therefore used only with corrected versions, with synchronous=FULL; other versions use the rollback journal with
synchronous=EXTRA. Every write transaction begins with BEGIN IMMEDIATE. A transaction that began with a read would fail,
or lose updates, at its first write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from digestbot.domain.errors import LedgerChanged, LedgerError
from digestbot.ledger import dry_run, heartbeats, rollback_detection, schema
from digestbot.ledger.channel_locks import ChannelLocks
from digestbot.ledger.concurrency import REHEARSAL, SETUP, one_at_a_time
from digestbot.ledger.lock_holders import lock_holders

BUSY_SECONDS = 30
OLDER = "the ledger is an older digestbot's: bring it up to date with digestbot db upgrade"
BACKUP_PAGES = 10_000  # copied at a time, while other processes wait
# A host that is disconnected inside a transaction must not block other processes for more than half a minute.
POSTGRESQL_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=30s -c idle_in_transaction_session_timeout=25s -c statement_timeout=120s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=25000"
)
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}

MIGRATIONS = Path(__file__).parent / "migrations"


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Return whether this version of SQLite has the fix for WAL corruption with two connections."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


# Alembic's own table, with the name and columns that Alembic gives it.
_VERSION = sa.Table(
    "alembic_version",
    schema.metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


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
        try:
            address = sa.make_url(url)
        except (ArgumentError, ValueError) as error:
            raise LedgerError("database: not an address; write one such as sqlite:///digestbot.db") from error
        self._outer: sa.Connection | None = None
        self._clock = clock
        # SQLite allows one writer at a time; others poll with growing pauses. This lock makes threads take turns
        # instead.
        self._turn: threading.Lock | None = None
        self.by_hand = False
        self.file: Path | None = None
        self._file_id: tuple[int, int] | None = None
        backend = address.get_backend_name()
        if backend == "sqlite":
            if address.host or address.port:
                raise LedgerError(
                    f"database: sqlite://{address.host}… names a host; write sqlite:/// and a file, such as "
                    f"sqlite:///{address.host or 'digestbot.db'}"
                )
            if address.database not in (None, "", ":memory:"):
                if address.query:
                    raise LedgerError("database: a SQLite file takes no parameters; leave out what follows the ?")
                self.file = folder / str(address.database)
                address = address.set(database=str(self.file))
            self.engine = sa.create_engine(
                address,
                hide_parameters=True,
                connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
                **({"max_overflow": -1} if self.file is not None else {}),  # each thread uses at most one connection
            )
            if self.file is not None:
                self._turn = threading.Lock()
            sa.event.listen(self.engine, "do_connect", self._open_file)
            sa.event.listen(self.engine, "connect", _set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        elif backend == "postgresql":
            if address.drivername == "postgresql":
                address = address.set(drivername="postgresql+psycopg")
            try:
                self.engine = sa.create_engine(
                    address,
                    hide_parameters=True,
                    pool_pre_ping=True,
                    max_overflow=-1,  # each thread uses at most one connection
                    connect_args={"options": POSTGRESQL_OPTIONS, "connect_timeout": 10, **KEEPALIVES},
                )
            except (NoSuchModuleError, ModuleNotFoundError) as error:
                raise LedgerError("database: PostgreSQL needs a driver: pip install 'digestbot[postgresql]'") from error
        else:
            raise LedgerError(f"database: {backend} cannot hold the ledger; use sqlite or postgresql")
        self.channel_locks = ChannelLocks(self.engine)

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
        found: datetime = tx.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return found.astimezone(UTC)

    def _open_file(self, *_: object) -> None:
        """Create the SQLite file, readable only by its owner, if it does not exist. Run before SQLite opens it.

        Raise LedgerChanged if it is not the file that was opened before.
        """
        if self.file is None:
            return
        if self._file_id is None:
            # O_EXCL: create only. Closing an existing SQLite file would release this process's locks on it.
            with suppress(OSError):
                os.close(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with suppress(OSError):
                self._file_id = _identity(self.file)
        self._check_file()

    def _check_file(self) -> None:
        """Raise LedgerChanged if the file was deleted or replaced since it was opened."""
        if self.file is None or self._file_id is None:
            return
        try:
            same = _identity(self.file) == self._file_id
        except OSError:
            same = False
        if not same:
            raise LedgerChanged(
                f"ledger {self.file}: the file was deleted or replaced while digestbot was running. Nothing more is "
                "sent from here; put the right file in its place, then start digestbot again"
            )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a write transaction; commit it if the block succeeds, else roll it back."""
        self._check_file()
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
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise LedgerError(f"ledger {self.file}: it is locked{self._by_whom()}")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Begin a transaction that only reads and takes no write lock."""
        self._check_file()
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
        other.engine, other.file, other._outer = self.engine, self.file, connection
        other.channel_locks = self.channel_locks
        other._clock, other._file_id = self._clock, self._file_id
        other._turn, other.by_hand = None, False
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
            found = self.revision(connection)
            if found is None:  # create what the migrations would, without importing Alembic
                schema.metadata.create_all(connection)
                connection.execute(_VERSION.insert().values(version_num=schema.REVISION))
            elif found != schema.REVISION:
                if connection.info.get(REHEARSAL):  # a migration would lock the tables for everyone
                    raise LedgerError(OLDER)
                self.migrate(connection, found)
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

    @staticmethod
    def revision(connection: sa.Connection) -> str | None:
        """Return the ledger's migration revision; None if the ledger is empty."""
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision

    @staticmethod
    def migrate(connection: sa.Connection, found: str | None, to: str = "head") -> None:
        """Run the migrations after revision ``found``, up to ``to``. Raise LedgerError if ``found`` is unknown."""
        # imported here because Alembic is needed a few times in a ledger's life, not at every start
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        settings = Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        settings.attributes["connection"] = connection
        try:
            command.upgrade(settings, to)
        except CommandError as error:
            raise LedgerError(
                f"the ledger is at revision {found}, which this digestbot does not know: it was written by a newer "
                "one; install that, or restore a backup"
            ) from error

    def check(self) -> list[str]:
        """Return what is damaged; an empty list for an intact ledger.

        All pages of a SQLite ledger are checked. For PostgreSQL, which checks its own, only the revision is.
        """
        try:
            with self.read() as connection:
                if connection.dialect.name == "sqlite":
                    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(20)")]
                    if found != ["ok"]:
                        return found
                revision = self.revision(connection)
        except LedgerError as error:
            return [str(error)]
        return [] if revision == schema.REVISION else [f"is at revision {revision}, not at {schema.REVISION}"]

    def backup(self, file: Path, progress: Callable[[float], None] = lambda _: None) -> None:
        """Copy a SQLite ledger, even while it is in use.

        The copy is marked as restored: used as the ledger, it makes digestbot look for each post on the platform before
        sending it. ``progress`` is called with the fraction done, from 0 to 1. Raise LedgerError for PostgreSQL, or if
        the copy cannot be made.
        """
        if self.file is None:
            raise LedgerError("only a SQLite ledger is copied; use pg_dump, and digestbot db restored afterwards")
        if file.exists():
            raise LedgerError(f"{file} exists already and was not changed")
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # it may hold unpublished text
        except OSError as error:
            raise LedgerError(f"{file}: {error.strerror}") from error
        try:
            with closing(sqlite3.connect(self.file)) as source, closing(sqlite3.connect(file)) as target:
                source.backup(
                    target,
                    pages=BACKUP_PAGES,
                    progress=lambda _, left, all_: progress(1 - left / max(all_, 1)),
                    sleep=0,
                )
        except sqlite3.Error as error:
            raise LedgerError(f"{file}: {error}") from error
        copy = Ledger(f"sqlite:///{file.absolute()}")
        copy.mark_restored()
        copy.close()

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
            where = self.file or redacted_url(self.engine.url)
            reason = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
            if "locked" in reason:
                reason += self._by_whom()
            raise LedgerError(f"ledger {where}: {reason}") from error
        except sa.exc.TimeoutError as error:
            raise LedgerError(f"ledger: no connection was free in time: {error}") from error


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def redacted_url(url: sa.URL) -> str:
    """Return the URL without its password and its query, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
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
