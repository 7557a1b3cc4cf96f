"""Locks by which several processes share the channels: while one works on a channel, the others leave it alone.

The locks only save work and waiting. The ledger's rows prevent double posting. A lock that cannot be acquired, or that
a stopped process holds for too long, is therefore ignored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

NAMESPACE = 0x6368_616E  # separates these keys from the other advisory locks
_KEY = sa.func.hashtextextended(sa.bindparam("channel"), NAMESPACE)
_LOCK = sa.select(sa.func.pg_try_advisory_lock(_KEY))
_UNLOCK = sa.select(sa.func.pg_advisory_unlock(_KEY))


class ChannelLocks:
    """The channel locks of this process: PostgreSQL session locks, all on one connection.

    SQLite has no such locks and needs none, because it allows only one writer at a time.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._connection: sa.Connection | None = None
        self._refused: set[str] = set()

    @contextmanager
    def hold(self, channel: str) -> Iterator[bool]:
        """Hold the channel's lock; yield True if this process may work on the channel, False if another process holds
        the lock.

        If the lock is unavailable twice in a row, yield True anyway: the other process may have been stopped.
        """
        if self._engine.dialect.name != "postgresql":
            yield True
            return
        locked = self._call(_LOCK, channel)
        try:
            yield self._may_work(channel, locked=locked is not False)
        finally:
            if locked:
                self._call(_UNLOCK, channel)

    def _may_work(self, channel: str, *, locked: bool) -> bool:
        if locked or channel in self._refused:
            self._refused.discard(channel)
            return True
        self._refused.add(channel)
        return False

    def _call(self, statement: sa.Select[tuple[bool]], channel: str) -> bool | None:
        """Return the result of the lock function for the channel; None if the database cannot be reached."""
        with self._guard:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                return bool(self._connection.scalar(statement, {"channel": channel}))
            except sa.exc.SQLAlchemyError:  # the caller's next statement will report the error
                self._close()
                return None

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()
                connection.close()

    def close(self) -> None:
        """Release all locks."""
        with self._guard:
            self._close()
