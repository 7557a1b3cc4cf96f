"""Whether the lease of a claim still holds, by the time that has passed on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class LeaseTimer:
    """Measures the leases of the channels' claims from their beginning."""

    def __init__(self, lease: timedelta, clock: Callable[[], datetime]) -> None:
        self._lease, self._clock = lease, clock
        # for each channel, a time (monotonic and wall clock) no later than the grant of its last claim's lease
        self._begun: dict[str, tuple[float, datetime]] = {}

    def begin(self, channel: str) -> None:
        """Record the present time as one before the channel's next lease is granted."""
        self._begun[channel] = _ticks(), self._clock()

    def until_deadline(self, channel: str) -> Callable[[], bool]:
        """Return a function that tells whether the claim that was just committed still holds.

        It measures the time that has passed on this machine, so the clock that set the deadline does not matter. A
        machine that slept or was stopped has lost its claim.
        """
        ticks, wall = self._begun[channel]
        return lambda: _ticks() - ticks < self._lease.total_seconds() and self._clock() - wall < self._lease


def _ticks() -> float:
    """Return a monotonic time in seconds, which includes the time that the machine slept if the system can measure
    that."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
