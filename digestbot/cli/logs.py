"""Logging to stderr, as text or JSON, with every known secret redacted from every line, tracebacks included."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from digestbot.cli.style import BAD, WARN, paint
from digestbot.infra.log_context import CONTEXT

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


_LEVEL_STYLES = {logging.WARNING: WARN, logging.ERROR: BAD, logging.CRITICAL: BAD}


class RedactingFormatter(logging.Formatter):
    """Redacts secrets and escapes control characters in log records. Secrets are replaced after all other formatting,
    so that none leaks through an exception's text. Control characters are escaped so that no summary's text can forge a
    line or control a terminal."""

    def __init__(self, secrets: Iterable[str], form: str = "text") -> None:
        super().__init__("%(asctime)sZ %(levelname)-8s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._secrets = sorted(set(secrets), key=len, reverse=True)
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as its finished line or lines."""
        return self._as_json(record) if self._json else self._for_people(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """Return the line without its traceback, with line breaks escaped: only a traceback may have several lines."""
        return super().formatMessage(record).replace("\n", "\\n")

    def _for_people(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        context = " ".join(f"{name}={value}" for name, value in CONTEXT.get().items())
        if context:
            line, *rest = text.split("\n", 1)
            text = "\n".join([f"{line} [{context}]", *rest])
        text = CONTROL.sub(_escaped, self._without_secrets(text))
        style = _LEVEL_STYLES.get(record.levelno)
        return text if style is None else text.replace(record.levelname, paint(record.levelname, style, sys.stderr), 1)

    def _as_json(self, record: logging.LogRecord) -> str:
        entry = {
            "time": f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **CONTEXT.get(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: self._without_secrets(str(value)) for name, value in entry.items()})

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes each record to the current `sys.stderr`, which a progress bar replaces while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


def configure_logging(*, verbose: bool, quiet: bool, secrets: Iterable[str] = (), form: str = "text") -> None:
    """Log to stderr. Libraries only log warnings and errors: some of them print tokens at lower levels."""
    handler = _Stderr()
    handler.setFormatter(RedactingFormatter(secrets, form))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    logging.getLogger("digestbot").setLevel(level)
