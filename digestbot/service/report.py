"""What a run of verbs did, for the command that asked; and what keeps one part's trouble from the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from digestbot.errors import DigestbotError, LedgerChanged
from digestbot.ledger import intake
from digestbot.reconcile import Verdict
from digestbot.retry import Decision

Clock = Callable[[], datetime]
"""Gives the time, aware."""


@dataclass
class Report:
    """What a run of verbs did. ``made`` are the ids of new posts, and of what updates or deletes one."""

    polled: dict[str, intake.Intake | None] = field(default_factory=dict)
    source_errors: dict[str, str] = field(default_factory=dict)
    render_errors: list[str] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    concluded: list[tuple[int, Decision]] = field(default_factory=list)
    settled: list[tuple[int, Verdict]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def take(self, other: Report) -> None:
        """Add what another says of posts that were made."""
        self.render_errors += other.render_errors
        self.made += other.made
        self.troubles += other.troubles


class Containment:
    """Trouble of one part is logged and stops no other part; trouble that lasts is logged once."""

    def __init__(self, log: logging.Logger, progress: Callable[[], None]) -> None:
        self._log, self._progress = log, progress
        self._said: dict[str, str] = {}

    @contextmanager
    def __call__(self, what: str, report: Report) -> Iterator[None]:
        """For one part, named so that operators know it."""
        self._progress()
        try:
            yield
        except LedgerChanged:  # no part of this process may continue
            raise
        except DigestbotError as error:
            report.troubles.append(f"{what}: {error}")
            if self._said.get(what) != str(error):
                self._log.error("%s: %s", what, error)
            self._said[what] = str(error)
        except Exception as error:  # noqa: BLE001 - logged whole
            report.troubles.append(f"{what}: unforeseen {type(error).__name__}")
            self._log.exception("%s: unforeseen", what)
        else:
            self._said.pop(what, None)
