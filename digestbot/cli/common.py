"""What commands share: the configuration, the ledger, a service over both, and waiting for a signal."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from digestbot.cli import logs
from digestbot.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.service import Service


def now_() -> datetime:
    """The wall clock: read here and nowhere else."""
    return datetime.now(UTC)


def load_config(arguments: argparse.Namespace) -> Config:
    """The configuration, with logging set up for it."""
    from digestbot import config

    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet)
    loaded = config.load(config.find(arguments.config, os.environ), os.environ)
    set_up_logs(arguments, loaded.secrets(), loaded.log_format)
    return loaded


def set_up_logs(arguments: argparse.Namespace, secrets: list[str], form: str) -> None:
    """Log as loud as was asked for, in this form, and none of these secrets."""
    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet, secrets=secrets, form=form)


def open_ledger(config: Config) -> Ledger:
    """The configured ledger; nothing of it is touched yet."""
    from digestbot.ledger import Ledger

    try:
        ledger = Ledger(config.database.get_secret_value(), config.folder)
    except LedgerError as error:
        raise ConfigError([f"{config.path}: {error}"]) from error
    if ledger.engine.dialect.name == "sqlite" and ledger.file is None:
        raise ConfigError([f"{config.path}: database: a ledger in memory forgets what was posted; name a file"])
    return ledger


@contextmanager
def open_service(config: Config, **options: Any) -> Iterator[Service]:
    """A service over a ledger that is ready."""
    from digestbot.service import Service

    gc.freeze()  # what was imported stays for good: no collection needs to walk through it
    ledger = open_ledger(config)
    service = Service(config, ledger, now_, **options)
    try:
        service.prepare()
        damage = ledger.check()
        if damage:
            raise LedgerError(f"the ledger is damaged, nothing is posted: {damage[0]}; restore a backup")
        yield service
    finally:
        service.close()
        ledger.close()


def known_digest(config: Config, name: str) -> str:
    """The digest's name. Raises ConfigError where there is none of that name."""
    if name not in config.digests:
        raise ConfigError([f"there is no digest {name!r}; known: {', '.join(config.digests) or 'none'}"])
    return name


def known_channel(config: Config, name: str) -> str:
    """The channel's name. Raises ConfigError where there is none of that name."""
    if name not in config.channels:
        raise ConfigError([f"there is no channel {name!r}; known: {', '.join(config.channels)}"])
    return name


def known_channels(config: Config, digest: str, wanted: str | None) -> tuple[str, ...]:
    """The digest's channels, or the one of them that is wanted. Raises ConfigError for one that it has not."""
    channels = config.digests[digest].channels
    if wanted is not None and wanted not in channels:
        raise ConfigError([f"digest {digest} has no channel {wanted!r}; it has {', '.join(channels)}"])
    return (wanted,) if wanted is not None else channels


class Stop(threading.Event):
    """Set when the process is to end; ``reason`` names the signal that asked for it."""

    reason = ""

    def by_signal(self, number: int, _frame: object) -> None:
        """Handle a signal."""
        self.reason = signal.Signals(number).name
        self.set()


def until_signalled() -> Stop:
    """An event that SIGTERM and SIGINT set."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.by_signal)
    return stop
