"""A copy of a SQLite ledger, made while it is in use."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from digestbot.domain.errors import LedgerError
from digestbot.ledger.engine import Ledger

BACKUP_PAGES = 10_000  # copied at a time, while other processes wait


def back_up(ledger: Ledger, file: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Copy a SQLite ledger, even while it is in use.

    The copy is marked as restored: used as the ledger, it makes digestbot look for each post on the platform before
    sending it. ``progress`` is called with the fraction done, from 0 to 1. Raise LedgerError for PostgreSQL, or if
    the copy cannot be made.
    """
    if ledger.file is None:
        raise LedgerError("only a SQLite ledger is copied; use pg_dump, and digestbot db restored afterwards")
    if file.exists():
        raise LedgerError(f"{file} already exists and was not changed")
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # it may hold unpublished text
    except OSError as error:
        raise LedgerError(f"{file}: {error.strerror}") from error
    try:
        with closing(sqlite3.connect(ledger.file)) as source, closing(sqlite3.connect(file)) as target:
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
