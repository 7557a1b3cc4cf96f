"""Reloading of the configuration in a running `run` or `web`: when its file changes or on request, and only if
valid."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from digestbot.config import Config, load
from digestbot.domain.errors import ConfigError, DigestbotError, LedgerChanged
from digestbot.pipeline.app import Service
from digestbot.pipeline.jobs import channel_job, source_job
from digestbot.pipeline.plan_diff import AHEAD, diff_plans
from digestbot.pipeline.runtime import Clock

log = logging.getLogger("digestbot")

MOST_TOLD = 20  # changed lines of the plan that are logged


class Reloader:
    """Holds a service that has the newest valid configuration."""

    def __init__(
        self,
        service: Service,
        clock: Clock,
        make: Callable[[Config], Service],
        set_up_logs: Callable[[list[str], str], None],
        suspend: Callable[[Collection[str]], bool] = lambda _: True,
    ) -> None:
        """Start with ``service`` and its configuration.

        ``make`` creates a service over the same ledger. ``set_up_logs`` takes the secrets to redact and the log format.
        ``suspend`` keeps the named jobs from starting again, and returns whether none of them is still running. It is
        called for the jobs of removed sources and channels, and of channels whose account changed: the ledger may come
        to know these by another name.
        """
        self.service, self._clock, self._make, self._set_up_logs = service, clock, make, set_up_logs
        self.asked = threading.Event()
        self._again = False
        self._suspend = suspend
        self.waits = False
        """Whether some of the suspended jobs are still running."""
        self._old: Service | None = None  # the previous service, until the new one is in use
        self._told = False
        self._noticed: tuple[int, ...] | None = None
        self.problems: list[str] = []
        """Why the current version of the file is not used; empty if it is."""
        self._secrets = service.config.secrets()
        self._database = service.config.database
        self._seen = self._signature()

    @property
    def _path(self) -> Path:
        path = self.service.config.path
        assert path is not None  # noqa: S101 - it was read from a file
        return path

    def _signature(self) -> tuple[int, ...] | None:
        """Return a cheap fingerprint of the file's version, or None if there is no file."""
        try:
            result = self._path.stat()
        except OSError:
            return None
        return result.st_mtime_ns, result.st_size, result.st_ino

    def look(self) -> None:
        """Reload the configuration if its file changed or a reload was requested. Call it between ticks. Raises
        LedgerChanged."""
        signature = self._signature()
        asked = self.asked.is_set()
        if not asked and not self._again and (signature is None or signature == self._seen):
            return  # unchanged; or missing, perhaps while it is replaced: the previous one stays in use
        if not asked and signature != self._seen and signature != self._noticed:
            self._noticed = signature  # it may still be being written: wait until it is unchanged between two calls
            return
        self.asked.clear()
        if signature != self._seen:
            self._told = False
        self._seen, self._again, self.waits = signature, False, False
        before = self.problems
        self.problems = []
        try:
            fresh = load(self._path, os.environ)
        except ConfigError as error:
            self._refuse(list(error.problems), before)
            return
        except Exception as error:  # noqa: BLE001 - nothing that a file says may end the service
            self._refuse([f"{self._path}: cannot be read: {type(error).__name__}: {error}"[:300]], before)
            return
        if not fresh.digests:
            self._refuse([f"{self._path}: has no digest, so nothing would ever be posted"], before)
            return
        self._take_up(fresh, before, asked=asked)

    def _refuse(self, problems: list[str], before: list[str]) -> None:
        """Keep the previous configuration, and log each new problem once."""
        self.problems = problems
        for problem in problems:
            if problem not in before:
                log.error("the configuration was not reloaded: %s", problem)

    def _take_up(self, fresh: Config, problems: list[str], *, asked: bool) -> None:
        before = self.service.config
        if fresh == before and not asked:
            return
        if fresh.database != self._database:
            log.warning(
                "database: a different ledger takes effect at the next start; the other changes take effect now"
            )
        self._secrets += fresh.secrets()
        self._set_up_logs(self._secrets, fresh.log_format)
        if not self._suspend(_gone(before, fresh)):
            self._again = self.waits = True
            return
        made = self._make(fresh)
        try:
            made.check()
            if not self._told:  # once, however often the reload is retried
                self._tell(made)
                self._told = True
            made.prepare()
        except LedgerChanged:
            made.close()
            raise
        except Exception as error:  # noqa: BLE001 - nothing that a file says may end the service
            self._again = isinstance(error, DigestbotError)  # may be temporary, such as a lock: retry
            known = isinstance(error, DigestbotError)
            self._refuse([str(error) if known else f"{self._path}: {type(error).__name__}: {error}"[:300]], problems)
            made.close()
            return
        self._old, self.service, self._told = self.service, made, False
        log.info("configuration reloaded")

    def close_old(self) -> None:
        """Close the previous service. Call it once the new one is in use."""
        old, self._old = self._old, None
        if old is not None:
            old.close()

    def _tell(self, new: Service) -> None:
        """Log what changes in the plan, before the new configuration is used."""
        now = self._clock()
        try:
            before, after = (one.plan(now, now + AHEAD) for one in (self.service, new))
        except LedgerChanged:
            raise
        except Exception as error:  # noqa: BLE001 - it is taken up, whatever can be said of it
            log.error("the configuration has changed; the changes to the plan could not be determined: %s", error)
            return
        result = diff_plans(before, after, new.config, now)
        log.info("the configuration has changed; in the plan for the next %d days %s", AHEAD.days, result)
        for line, what in result.lines[:MOST_TOLD]:
            log.info("%s: %s", what, line)
        if len(result.lines) > MOST_TOLD:
            log.info("and %d more: digestbot plan", len(result.lines) - MOST_TOLD)


def _gone(before: Config, fresh: Config) -> list[str]:
    """Return the jobs of channels and sources that were removed, and of channels whose account changed."""
    channels = [
        name for name in before.channels if name not in fresh.channels or before.account(name) != fresh.account(name)
    ]
    sources = [name for name in before.sources if name not in fresh.sources]
    return [*map(channel_job, channels), *map(source_job, sources)]
