"""Findings of the command check, one per line of its list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from digestbot.cli.style import BAD, GOOD, WARN, paint
from digestbot.domain.errors import DigestbotError


@dataclass(frozen=True)
class Finding:
    """The result of one check: its subject, whether it passed, and details. A warning counts as passed."""

    what: str
    ok: bool
    detail: str
    warning: bool = False

    @property
    def label(self) -> str:
        """Return how the finding is marked in the list."""
        if self.warning:
            return paint("warn", WARN)
        return paint("ok  ", GOOD) if self.ok else paint("BAD ", BAD)

    def as_json(self) -> dict[str, object]:
        """Return the finding as it appears in JSON output."""
        return {"what": self.what, "ok": self.ok, "warning": self.warning, "detail": self.detail}


def checked(what: str, test: Callable[[], str]) -> Finding:
    """Run a test and return a finding: passed with the text that it returns, or failed with its DigestbotError."""
    try:
        return Finding(what, True, test())
    except DigestbotError as error:
        return Finding(what, False, str(error))
