"""Detection of a ledger that is not the newest, and of channels and sources that were only renamed.

A ledger is not the newest if it was restored from a copy, rolled back by a failover, emptied or replaced.

The functions run inside a transaction. `Marker` is a small file beside a SQLite ledger (for PostgreSQL in
$XDG_STATE_HOME/digestbot). It records which ledger this machine used last, and what it last published with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerChanged
from digestbot.ledger import schema
from digestbot.ledger.schema import (
    attempts,
    backlog,
    backlog_days,
    channels,
    cursors,
    editions,
    ledger_identity,
    posts,
    slot_changes,
    slots,
    sources,
    summaries,
    timeline_checks,
    timeline_posts,
)

_version = sa.table("alembic_version", sa.column("version_num"))
_STATE = sa.select(
    _version.c.version_num, ledger_identity.c.id, ledger_identity.c.server, attempts.c.started_at
).select_from(
    _version.outerjoin(ledger_identity, sa.true()).outerjoin(attempts, attempts.c.id == sa.bindparam("attempt"))
)
_SERVER = "SELECT (pg_control_system()).system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"


@dataclass
class RollbackDetector:
    """What this process has seen of the ledger: its identity, and the newest attempt (id and time) that this process
    committed on each channel. The threads of all channels share one detector."""

    ledger: str = ""
    attempts: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def check(self, tx: sa.Connection) -> str:
        """Return why the ledger may not be the newest; "" if it is as this process left it.

        Raise LedgerChanged if this process must no longer use the ledger: a newer digestbot has upgraded it, or it was
        replaced or emptied.
        """
        noted = max(list(self.attempts.values()), default=None)
        row: Any = tx.execute(_STATE, {"attempt": noted[0] if noted else None}).first()
        if row is None or row.version_num != schema.REVISION:
            known = row.version_num if row else None
            raise LedgerChanged(
                f"the ledger is at revision {known}, this process knows {schema.REVISION}: a newer digestbot has "
                "upgraded it. Nothing more is sent from here; install that version and start it again"
            )
        if row.id is None or (self.ledger and row.id != self.ledger):
            raise LedgerChanged(
                "the ledger was replaced or emptied while digestbot was running. Nothing more is sent from here; put "
                "the right one back, then restart digestbot"
            )
        self.ledger = row.id
        if noted is not None and row.started_at != noted[1]:  # losing an older one means losing the newest as well
            return "the ledger lost what was written last: it was rolled back or restored"
        return self._server_changed(tx, row.server)

    @staticmethod
    def _server_changed(tx: sa.Connection, known: str | None) -> str:
        """Return why the ledger's database server may be another one than before; "" if it is the same or cannot be
        determined.

        Ask once per connection: a failover ends every connection, so the answer cannot change while one lasts.
        """
        if tx.dialect.name != "postgresql" or "server" in tx.info:
            return ""
        allowed = tx.scalar(sa.text("SELECT has_function_privilege('pg_control_system()', 'execute')"))
        tx.info["server"] = server = str(tx.scalar(sa.text(_SERVER))) if allowed else ""
        if not server or server == known:
            return ""
        tx.execute(ledger_identity.update().values(server=server))
        return "the ledger is on another database server than before, or its standby took over" if known else ""

    def note_attempt(self, channel: str, attempt: tuple[int, datetime]) -> None:
        """Remember an attempt (id and start time); call this once it is committed."""
        self.attempts[channel] = attempt


def catch_up_all(tx: sa.Connection, reason: str) -> None:
    """Require that every channel's timeline is read before anything is posted on it, for this reason."""
    tx.execute(channels.update().values(catch_up=reason))


# ---- the marker file beside the ledger


@dataclass
class Marker:
    """What this machine published last on each account, and with which ledger. If ``path`` is None, nothing is
    stored."""

    path: Path | None
    entries: dict[str, tuple[str, str]] = field(default_factory=dict)
    version: tuple[int, ...] = (0,)  # of the file, when this marker last wrote it

    @classmethod
    def read(cls, path: Path | None) -> Marker:
        """Return the marker that the file holds; an empty one if the file is missing or damaged."""
        result: Any = None
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                result = json.loads(path.read_text(encoding="utf-8"))
        entries = result.items() if isinstance(result, dict) else ()
        kept = {
            str(account): (str(entry.get("ledger")), str(entry.get("receipt")))
            for account, entry in entries
            if isinstance(entry, dict)
        }
        return cls(path, kept)

    def receipt(self, account: str | None) -> str | None:
        """Return the id of the newest receipt on an account; None if nothing was published on it from this machine."""
        return self.entries[account][1] if account in self.entries else None

    def note(self, ledger: str, account: str, receipt: str) -> None:
        """Record a receipt that was just published. Ignore the error if the file cannot be written."""
        if self.path is None:
            return
        if self._version() != self.version:  # other processes write the file, too
            self.entries = self.read(self.path).entries
        self.entries = self.entries | {account: (ledger, receipt)}
        shown = {name: {"ledger": one, "receipt": other} for name, (one, other) in self.entries.items()}
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(shown), encoding="utf-8")
            fresh.replace(self.path)
        self.version = self._version()

    def _version(self) -> tuple[int, ...]:
        try:
            result = self.path.stat() if self.path else None
        except OSError:
            result = None
        return (result.st_ino, result.st_mtime_ns, result.st_size) if result else ()

    def doubts(self, tx: sa.Connection, ledger: str, channel: str, account: str) -> str:
        """Return why the ledger may not be the newest, judging by what this machine published last on the account; ""
        if nothing suggests so."""
        if account not in self.entries:
            return ""
        used, receipt = self.entries[account]
        known = sa.select(posts.c.id).where(posts.c.channel == channel, posts.c.receipt_id == receipt)
        if tx.execute(known).first() is not None:
            return ""
        what = "is older than" if ledger == used else "is not"
        return f"the ledger {what} the one with which {receipt} was published here"


def marker_path(url: sa.URL, file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the path of a ledger's marker file; None for a ledger in memory."""
    if url.get_backend_name() == "sqlite":
        return file.with_name(f"{file.name}.newest") if file is not None else None
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    shown = f"{url.host}:{url.port}/{url.database}"
    return Path(home) / "digestbot" / f"{hashlib.sha256(shown.encode()).hexdigest()[:16]}.newest"


# ---- renamed channels and sources


def adopt_channels(tx: sa.Connection, accounts: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Register the configured channels, given as ``accounts`` by name; return the renamed channels, old name to new.

    A channel that the ledger does not know counts as renamed if exactly one channel that is no longer configured has
    the same account. A channel whose account changed starts over: what it published before is no evidence of what is on
    the new account.
    """
    rows = {row.name: row for row in tx.execute(sa.select(channels))}
    renamed: dict[str, str] = {}
    for name, account in accounts.items():
        row = rows.get(name)
        if row is None:
            old = [one.name for one in rows.values() if one.account == account and one.name not in accounts]
            if len(old) == 1 and old[0] not in renamed:
                _rename_channel(tx, old[0], name)
                renamed[old[0]] = name
            else:
                tx.execute(channels.insert().values(name=name, account=account))
        elif row.account is None:
            tx.execute(channels.update().where(channels.c.name == name).values(account=account))
        elif row.account != account:
            change = {
                "account": account,
                "account_since": now,
                "catch_up": "the channel has a different account than before",
            }
            tx.execute(channels.update().where(channels.c.name == name).values(**change))
            tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == name))
    return renamed


def _rename_channel(tx: sa.Connection, old: str, new: str) -> None:
    tx.execute(channels.update().where(channels.c.name == old).values(name=new))
    for table in (
        posts,
        editions,
        slots,
        backlog,
        cursors,
        slot_changes,
        backlog_days,
        timeline_checks,
        timeline_posts,
    ):
        tx.execute(table.update().where(table.c.channel == old).values(channel=new))


def adopt_sources(tx: sa.Connection, urls: Mapping[str, str]) -> dict[str, str]:
    """Rename sources whose configured name changed; return them, old name to new.

    A source that was never read counts as renamed if exactly one source that is no longer configured, and was read, has
    the same URL. ``urls`` are the configured sources' URLs by name, in the form in which the ledger stores them.
    """
    rows = {row.name: row for row in tx.execute(sa.select(sources.c.name, sources.c.url, sources.c.polled_at))}
    renamed: dict[str, str] = {}
    for name, url in urls.items():
        row = rows.get(name)
        if row is not None and row.polled_at is not None:
            continue
        old = [one.name for one in rows.values() if url and one.url == url and one.name not in urls and one.polled_at]
        if len(old) != 1 or old[0] in renamed:
            continue
        if row is not None:
            tx.execute(sources.delete().where(sources.c.name == name))
        tx.execute(sources.update().where(sources.c.name == old[0]).values(name=name))
        for table in (summaries, cursors):
            tx.execute(table.update().where(table.c.source == old[0]).values(source=name))
        renamed[old[0]] = name
    return renamed
