"""What the parts of one service share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.ledger import Ledger
from digestbot.pipeline.report import ErrorBoundary

Clock = Callable[[], datetime]
"""Returns the current time as an aware datetime."""


@dataclass(frozen=True)
class Runtime:
    """One configuration, one ledger, the clock, and how a part of the service reports progress or is told to stop.

    ``contained`` keeps an error in one part from stopping the others. ``progress`` is called after each step. Once
    ``stopping`` returns True, no further step begins. ``overrunning`` returns the jobs that show no sign of progress,
    and for how long.
    """

    config: Config
    ledger: Ledger
    clock: Clock
    contained: ErrorBoundary
    progress: Callable[[], None] = lambda: None
    stopping: Callable[[], bool] = lambda: False
    overrunning: Callable[[], Mapping[str, timedelta]] = dict
