"""Writing the configuration file: atomically, with the previous version kept next to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from digestbot.domain.errors import ConfigError

KEPT = 10  # previous versions


def save(path: Path, text: str, before: str, now: datetime) -> Path:
    """Replace the file's content, which must still be ``before``. Return the path of the kept previous version.

    Raises ConfigError if the file cannot be written, or was changed meanwhile.
    """
    real = path.resolve()
    kept = real.with_name(f"{real.name}.{now:%Y%m%dT%H%M%S.%fZ}")
    try:
        if real.read_text(encoding="utf-8-sig") != before:
            raise ConfigError([f"{path}: the file was changed in the meantime; reload it and try again"])
        shutil.copy2(real, kept)
        fresh = write_next_to(real, text, like=real)
        try:
            fresh.replace(real)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync(real.parent)
    except OSError as error:
        kept.unlink(missing_ok=True)
        raise ConfigError(
            [f"{path}: cannot be written: {error.strerror}; it must be a file in a writable folder"]
        ) from error
    for old in sorted(real.parent.glob(f"{real.name}.[0-9]*Z"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return kept


def write_next_to(target: Path, text: str, *, like: Path | None = None) -> Path:
    """Write a file next to its target, which it can then replace; return it. Only its owner can read it, unless it gets
    the mode and the owner of the file ``like``. Nothing is left behind if writing fails. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # with mode 0600
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            if like is not None:
                shutil.copymode(like, fresh)
                stat = like.stat()
                with suppress(PermissionError):  # only root may change a file's owner
                    os.fchown(file.fileno(), stat.st_uid, stat.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_text(path: Path, before: str, after: str, now: datetime) -> Path:
    """Replace a text value that occurs once in the file; return the path of the kept previous version.

    Raises ConfigError if the value is not in the file, or more than once, or if the file cannot be written.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    written = [quote + before + quote for quote in "\"'"]
    found = [one for one in written if one in text]
    if len(found) != 1 or text.count(found[0]) != 1 or any(char in after for char in "\"'\\\n"):
        raise ConfigError([f"{path}: replace {before} by {after} yourself: it is not written there exactly once"])
    return save(path, text.replace(found[0], found[0][0] + after + found[0][0]), text, now)
