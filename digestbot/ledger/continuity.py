"""Notice a ledger that is not the newest: restored from a copy, rolled back by a failover, emptied, replaced; and
channels and sources that only changed their name.

Inside a transaction, but for `Marker`: a small file beside a SQLite ledger (for PostgreSQL in
$XDG_STATE_HOME/digestbot) that says which ledger this machine used last and what it last published with it.
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

from digestbot import schema
from digestbot.errors import LedgerChanged
from digestbot.schema import (
    attempts,
    backlog,
    backlog_days,
    channels,
    cursors,
    editions,
    ledger_identity,
    looks,
    posts,
    slot_changes,
    slots,
    sources,
    summaries,
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
class Continuity:
    """What this process has seen of the ledger: its identity, and the newest attempt (id and time) that it committed on
    each channel. Channels' threads share it."""

    ledger: str = ""
    attempts: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def check(self, tx: sa.Connection) -> str:
        """Return why the ledger may not be the newest, empty where it is as this process left it.

        Raises LedgerChanged where this process must not use it any more.
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
                "the right one in its place, then start digestbot again"
            )
        self.ledger = row.id
        if noted is not None and row.started_at != noted[1]:  # whatever lost an older one has lost the newest, too
            return "the ledger lost what was written last: it was rolled back or restored"
        return self._server_changed(tx, row.server)

    @staticmethod
    def _server_changed(tx: sa.Connection, known: str | None) -> str:
        """A failover ends every connection, so one that was asked once need not be asked again."""
        if tx.dialect.name != "postgresql" or "server" in tx.info:
            return ""
        allowed = tx.scalar(sa.text("SELECT has_function_privilege('pg_control_system()', 'execute')"))
        tx.info["server"] = server = str(tx.scalar(sa.text(_SERVER))) if allowed else ""
        if not server or server == known:
            return ""
        tx.execute(ledger_identity.update().values(server=server))
        return "the ledger is on another database server than before, or its standby took over" if known else ""

    def note_attempt(self, channel: str, attempt: tuple[int, datetime]) -> None:
        """Remember an attempt once it is committed."""
        self.attempts[channel] = attempt


def catch_up_all(tx: sa.Connection, reason: str) -> None:
    """From now on, every channel's timeline is read before anything is posted on it."""
    tx.execute(channels.update().values(catch_up=reason))


# ---- the file next to the ledger


@dataclass
class Marker:
    """What this machine published last on each account, and with which ledger. ``path`` None: it is kept nowhere."""

    path: Path | None
    entries: dict[str, tuple[str, str]] = field(default_factory=dict)
    version: tuple[int, ...] = (0,)  # of the file that this was last written to

    @classmethod
    def read(cls, path: Path | None) -> Marker:
        """Return what the file says; nothing where it is missing or damaged."""
        found: Any = None
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(path.read_text(encoding="utf-8"))
        entries = found.items() if isinstance(found, dict) else ()
        kept = {
            str(account): (str(entry.get("ledger")), str(entry.get("receipt")))
            for account, entry in entries
            if isinstance(entry, dict)
        }
        return cls(path, kept)

    def receipt(self, account: str | None) -> str | None:
        """Return the newest receipt of an account, None where nothing was published on it from here."""
        return self.entries[account][1] if account in self.entries else None

    def note(self, ledger: str, account: str, receipt: str) -> None:
        """Write down what was just published. A file that cannot be written is done without."""
        if self.path is None:
            return
        if self._version() != self.version:  # other processes write it too
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
            found = self.path.stat() if self.path else None
        except OSError:
            found = None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found else ()

    def doubts(self, tx: sa.Connection, ledger: str, channel: str, account: str) -> str:
        """Return why the ledger may not be the newest, as far as this machine knows of the channel."""
        if account not in self.entries:
            return ""
        used, receipt = self.entries[account]
        known = sa.select(posts.c.id).where(posts.c.channel == channel, posts.c.receipt_id == receipt)
        if tx.execute(known).first() is not None:
            return ""
        what = "is older than" if ledger == used else "is another one than"
        return f"the ledger {what} the one with which {receipt} was published here"


def marker_path(url: sa.URL, file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return where the marker of a ledger is kept; None for a ledger in memory."""
    if url.get_backend_name() == "sqlite":
        return file.with_name(f"{file.name}.newest") if file is not None else None
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    shown = f"{url.host}:{url.port}/{url.database}"
    return Path(home) / "digestbot" / f"{hashlib.sha256(shown.encode()).hexdigest()[:16]}.newest"


# ---- other names for the same


def adopt_channels(tx: sa.Connection, accounts: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Make the configured channels known, by their ``accounts``; return what was renamed, old name to new.

    A channel that the ledger does not know, whose account one has that is no longer configured, is that one under
    another name. One whose account changed begins again: what it published before is no evidence of what is on the
    other account.
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
                "catch_up": "the channel has another account than before",
            }
            tx.execute(channels.update().where(channels.c.name == name).values(**change))
            tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == name))
    return renamed


def _rename_channel(tx: sa.Connection, old: str, new: str) -> None:
    tx.execute(channels.update().where(channels.c.name == old).values(name=new))
    for table in (posts, editions, slots, backlog, cursors, slot_changes, backlog_days, looks, timeline_posts):
        tx.execute(table.update().where(table.c.channel == old).values(channel=new))


def adopt_sources(tx: sa.Connection, urls: Mapping[str, str]) -> dict[str, str]:
    """Return which sources were renamed, old name to new: one that was never read, with the address of one that is no
    longer configured, is that one under another name. ``urls`` are as the ledger remembers them."""
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
