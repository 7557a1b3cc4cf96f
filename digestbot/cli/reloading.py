"""A configuration that is taken up while `run` is running: when its file changes, or on request, and only if valid."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from digestbot.config import Config, load
from digestbot.errors import ConfigError, DigestbotError, LedgerChanged
from digestbot.service import Service
from digestbot.service.comparing import AHEAD, difference
from digestbot.service.jobs import channel_job, source_job
from digestbot.service.report import Clock

log = logging.getLogger("digestbot")

MOST_TOLD = 20  # of them


class Reloader:
    """A service by the newest valid configuration."""

    def __init__(
        self,
        service: Service,
        clock: Clock,
        make: Callable[[Config], Service],
        set_up_logs: Callable[[list[str], str], None],
        suspend: Callable[[Collection[str]], bool] = lambda _: True,
    ) -> None:
        """``make`` makes a service over the same ledger; ``set_up_logs`` is told which secrets to take out of every
        line, and the form of the lines. ``suspend`` begins these jobs no more, and says whether none of them runs any
        longer: those of channels and sources that the ledger will know by another name."""
        self.service, self._clock, self._make, self._set_up_logs = service, clock, make, set_up_logs
        self.asked = threading.Event()
        self._again = False
        self._suspend = suspend
        self.waits = False
        """Whether jobs are suspended, and some of them have not ended yet."""
        self._old: Service | None = None  # the one before, until the new one is in use
        self._told = False
        self._noticed: tuple[int, ...] | None = None
        self.problems: list[str] = []
        """Why the file, as it stands, is not taken up."""
        self._secrets = service.config.secrets()
        self._database = service.config.database
        self._seen = self._signature()

    @property
    def _path(self) -> Path:
        path = self.service.config.path
        assert path is not None  # noqa: S101 - it was read from a file
        return path

    def _signature(self) -> tuple[int, ...] | None:
        """Distinguish versions of the file, cheaply; None while it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def look(self) -> None:
        """Take up the configuration again, if its file changed or somebody asked for that; to be called between
        ticks."""
        signature = self._signature()
        asked = self.asked.is_set()
        if not asked and not self._again and (signature is None or signature == self._seen):
            return  # a file that is gone is being written, or the old one is all there is
        if not asked and signature != self._seen and signature != self._noticed:
            self._noticed = signature  # perhaps it is still being written: once it stands still
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
        """Keep the former configuration; log why, once."""
        self.problems = problems
        for problem in problems:
            if problem not in before:
                log.error("the configuration is not taken up: %s", problem)

    def _take_up(self, fresh: Config, problems: list[str], *, asked: bool) -> None:
        before = self.service.config
        if fresh == before and not asked:
            return
        if fresh.database != self._database:
            log.warning("database: another ledger is taken up at the next start; the other changes are taken up now")
        self._secrets += fresh.secrets()
        self._set_up_logs(self._secrets, fresh.log_format)
        if not self._suspend(_gone(before, fresh)):
            self._again = self.waits = True
            return
        made = self._make(fresh)
        try:
            made.check()
            if not self._told:  # once, however often it is tried
                self._tell(made)
                self._told = True
            made.prepare()
        except LedgerChanged:
            made.close()
            raise
        except Exception as error:  # noqa: BLE001 - nothing that a file says may end the service
            self._again = isinstance(error, DigestbotError)  # a lock, a template that is being corrected: it may pass
            known = isinstance(error, DigestbotError)
            self._refuse([str(error) if known else f"{self._path}: {type(error).__name__}: {error}"[:300]], problems)
            made.close()
            return
        self._old, self.service, self._told = self.service, made, False
        log.info("the configuration is taken up")

    def close_old(self) -> None:
        """Let go of the service of before; to be called once the new one is in use."""
        old, self._old = self._old, None
        if old is not None:
            old.close()

    def _tell(self, new: Service) -> None:
        """Log what changes in the plan, before the configuration is taken up."""
        now = self._clock()
        try:
            before, after = (one.plan(now, now + AHEAD) for one in (self.service, new))
        except LedgerChanged:
            raise
        except Exception as error:  # noqa: BLE001 - it is taken up, whatever can be said of it
            log.error("the configuration has changed; what changes in the plan cannot be told: %s", error)
            return
        found = difference(before, after, new.config, now)
        log.info("the configuration has changed; in the plan for the next %d days %s", AHEAD.days, found)
        for line, what in found.lines[:MOST_TOLD]:
            log.info("%s: %s", what, line)
        if len(found.lines) > MOST_TOLD:
            log.info("and %d more: digestbot plan", len(found.lines) - MOST_TOLD)


def _gone(before: Config, fresh: Config) -> list[str]:
    """Return the jobs of channels and sources that a configuration does not have any more, or not as they were."""
    channels = [
        name for name in before.channels if name not in fresh.channels or before.account(name) != fresh.account(name)
    ]
    sources = [name for name in before.sources if name not in fresh.sources]
    return [*map(channel_job, channels), *map(source_job, sources)]
