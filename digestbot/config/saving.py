"""Writing the configuration's file: whole or not at all, the former version kept next to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from digestbot.errors import ConfigError

KEPT = 10  # former versions


def save(path: Path, text: str, before: str, now: datetime) -> Path:
    """Put the text in the place of what the file says ``before``; gives where the former version is kept. Raises
    ConfigError where the file cannot be written, or says something else by now."""
    real = path.resolve()
    kept = real.with_name(f"{real.name}.{now:%Y%m%dT%H%M%S.%fZ}")
    try:
        if real.read_text(encoding="utf-8") != before:
            raise ConfigError([f"{path}: was changed meanwhile, by another hand; look at it anew"])
        shutil.copy2(real, kept)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        fresh = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                shutil.copymode(real, fresh)
                stat = real.stat()
                with suppress(PermissionError):  # only root gives files away
                    os.fchown(file.fileno(), stat.st_uid, stat.st_gid)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(real)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync(real.parent)
    except OSError as error:
        kept.unlink(missing_ok=True)
        raise ConfigError(
            [f"{path}: cannot be written: {error.strerror}; it must be a file in a folder that one may write to"]
        ) from error
    for old in sorted(real.parent.glob(f"{real.name}.[0-9]*Z"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return kept


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
