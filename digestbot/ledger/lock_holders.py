"""The processes that keep an SQLite file locked, according to Linux's /proc/locks."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def lock_holders(file: Path) -> str:
    """Return the other processes that hold a write lock on the file, worded for a message; "" if none is known."""
    with suppress(OSError, ValueError):
        result = file.stat()
        wanted = f"{os.major(result.st_dev):02x}:{os.minor(result.st_dev):02x}:{result.st_ino}"
        lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        pids = {int(line[4]) for line in lines if len(line) > 5 and line[3] == "WRITE" and line[5] == wanted}
        return ", ".join(_described(pid) for pid in sorted(pids - {os.getpid(), -1}))
    return ""


def _described(pid: int) -> str:
    state = ""
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    return f"process {pid}" + (", which is stopped (to continue it: kill -CONT)" if state in ("T", "t") else "")
