"""The report of what an operation did, and the error boundary that keeps errors in one part from stopping the
others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from digestbot.domain.errors import DigestbotError, LedgerChanged
from digestbot.domain.reconciliation import Verdict
from digestbot.domain.retry import Decision
from digestbot.ledger import intake


@dataclass
class Report:
    """What an operation of the service did. ``made`` are the ids of new posts, and of new updates and deletions of
    posts."""

    polled: dict[str, intake.IngestResult | None] = field(default_factory=dict)
    source_errors: dict[str, str] = field(default_factory=dict)
    render_errors: list[str] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    concluded: list[tuple[int, Decision]] = field(default_factory=list)
    settled: list[tuple[int, Verdict]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def take(self, other: Report) -> None:
        """Add another report's new posts, rendering errors and problems."""
        self.render_errors += other.render_errors
        self.made += other.made
        self.troubles += other.troubles


class ErrorBoundary:
    """Logs the errors of one part, so that they stop no other part. An error that persists is logged once."""

    def __init__(self, log: logging.Logger, progress: Callable[[], None]) -> None:
        self._log, self._progress = log, progress
        self._said: dict[str, str] = {}

    @contextmanager
    def __call__(self, what: str, report: Report) -> Iterator[None]:
        """Contain errors in one part, called ``what`` in messages. Only LedgerChanged is raised."""
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
            report.troubles.append(f"{what}: unexpected {type(error).__name__}")
            self._log.exception("%s: unexpected", what)
        else:
            self._said.pop(what, None)
