"""What `check` found: one line of its list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from digestbot.errors import DigestbotError


@dataclass(frozen=True)
class Finding:
    """What was checked, whether it is in order, and what there is to say about it. A warning is no failure."""

    what: str
    ok: bool
    detail: str
    warning: bool = False

    @property
    def label(self) -> str:
        """How it is marked in the list."""
        return "warn" if self.warning else "ok  " if self.ok else "BAD "

    def as_json(self) -> dict[str, object]:
        """Return it as scripts get it."""
        return {"what": self.what, "ok": self.ok, "warning": self.warning, "detail": self.detail}


def checked(what: str, test: Callable[[], str]) -> Finding:
    """Return what a test says, or why it failed."""
    try:
        return Finding(what, True, test())
    except DigestbotError as error:
        return Finding(what, False, str(error))
