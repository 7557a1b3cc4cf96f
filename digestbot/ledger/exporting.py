"""Everything that a ledger holds, as JSON and CSV: for other programs, and for leaving."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.ledger.copying import rows_of, snapshot
from digestbot.ledger.engine import Ledger
from digestbot.ledger.schema import metadata

NOT_EXPORTED = ("alembic_version", "web_sessions", "notifications", "heartbeats")  # of use to a running digestbot only


def export_ledger(ledger: Ledger, folder: Path, progress: Callable[[float], None] = lambda _: None) -> dict[str, int]:
    """Write each table to TABLE.json and TABLE.csv in a new folder; return the number of rows of each.

    Times are in ISO format in UTC, bytes in hexadecimal. ``progress`` is called with the fraction done. Raises
    LedgerError if the folder exists or cannot be written.
    """
    tables = [table for table in metadata.sorted_tables if table.name not in NOT_EXPORTED]
    counts: dict[str, int] = {}
    try:
        folder.mkdir(mode=0o700)  # it may hold unpublished text
        with snapshot(ledger) as tx:
            for number, table in enumerate(tables):
                counts[table.name] = _export_table(tx, table, folder)
                progress((number + 1) / len(tables))
    except OSError as error:
        raise LedgerError(f"{error.filename or folder}: {error.strerror}") from error
    return counts


def _export_table(tx: sa.Connection, table: sa.Table, folder: Path) -> int:
    names = [column.name for column in table.columns]
    count = 0
    with _new(folder / f"{table.name}.json") as as_json, _new(folder / f"{table.name}.csv") as as_csv:
        writer = csv.writer(as_csv)
        writer.writerow(names)
        as_json.write("[")
        for batch in rows_of(tx, table):
            for row in batch:
                values = [_plain(value) for value in row]
                as_json.write(",\n" if count else "\n")
                as_json.write(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False))
                writer.writerow([json.dumps(one) if isinstance(one, list | dict) else one for one in values])
                count += 1
        as_json.write("\n]\n")
    return count


def _new(file: Path) -> Any:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
