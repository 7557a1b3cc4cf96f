"""Logging to stderr, with every known secret taken out of every line, tracebacks included."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable


class Redacting(logging.Formatter):
    """Replaces the secrets after all else was formatted, so that none slips by in an exception's text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)sZ %(levelname)-8s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._secrets = sorted(set(secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The finished line or lines."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def set_up(*, verbose: bool, quiet: bool, secrets: Iterable[str] = ()) -> None:
    """Log to stderr. Libraries below the level of trouble stay silent: some print tokens when asked for more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting(secrets))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    logging.getLogger("digestbot").setLevel(level)
