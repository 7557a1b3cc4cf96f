"""Helpers that the commands share: load the configuration, open the ledger, build a service, wait for a signal."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from digestbot.domain.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service


def now_() -> datetime:
    """Return the current time in UTC. The wall clock is read here and nowhere else."""
    return datetime.now(UTC)


def load_config(arguments: argparse.Namespace, *, credentials_needed: bool = True) -> Config:
    """Return the configuration, and set up logging for it. Commands that do not call the platforms work without
    credentials. Raises ConfigError."""
    from digestbot import config
    from digestbot.cli import logs

    logs.configure_logging(verbose=arguments.verbose, quiet=arguments.quiet)
    path = config.find(arguments.config, os.environ)
    loaded = config.load(path, os.environ, credentials_needed=credentials_needed)
    set_up_logs(arguments, loaded.secrets(), loaded.log_format)
    return loaded


def set_up_logs(arguments: argparse.Namespace, secrets: list[str], form: str) -> None:
    """Configure logging: the level as the command line asks, this format (``text`` or ``json``), these secrets
    redacted."""
    from digestbot.cli import logs

    logs.configure_logging(verbose=arguments.verbose, quiet=arguments.quiet, secrets=secrets, form=form)


def open_ledger(config: Config) -> Ledger:
    """Return the configured ledger, not yet read or written. Raises ConfigError for an invalid or in-memory
    database."""
    from digestbot.ledger import Ledger

    try:
        ledger = Ledger(config.database.get_secret_value(), config.folder)
    except LedgerError as error:
        raise ConfigError([f"{config.path}: {error}"]) from error
    if ledger.engine.dialect.name == "sqlite" and ledger.file is None:
        raise ConfigError([f"{config.path}: database: a ledger in memory forgets what was posted; name a file"])
    return ledger


@contextmanager
def open_existing(
    arguments: argparse.Namespace, *, credentials_needed: bool = False
) -> Iterator[tuple[Config, Ledger]]:
    """Yield the configuration and its ledger. Raises ConfigError if there is no ledger yet. Raises LedgerError if its
    schema is outdated, except for the command db, which can upgrade it."""
    config = load_config(arguments, credentials_needed=credentials_needed)
    ledger = open_ledger(config)
    ledger.by_hand = True
    if ledger.file is not None and not ledger.file.exists():
        raise ConfigError([f"there is no ledger at {ledger.file} yet; digestbot run or once creates it"])
    try:
        if arguments.command != "db":
            from digestbot.ledger import revisions
            from digestbot.ledger.schema import REVISION

            with ledger.read() as tx:
                if revisions.current_revision(tx) not in (None, REVISION):
                    raise LedgerError(revisions.OLDER)
        yield config, ledger
    finally:
        ledger.close()


@contextmanager
def open_or_rehearse(arguments: argparse.Namespace) -> Iterator[tuple[Config, Ledger]]:
    """Yield the configuration and its ledger. If there is none yet, yield a temporary one with what the sources hold,
    as the first run would find it. Raises ConfigError and LedgerError like `open_existing`."""
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Report, Service

    config = load_config(arguments, credentials_needed=False)
    ledger = open_ledger(config)
    ledger.close()
    if ledger.file is None or ledger.file.exists():
        with open_existing(arguments) as opened:
            yield opened
        return
    print("there is no ledger yet: this is what the first run would find", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        temporary = Ledger(f"sqlite:///{folder}/ledger.db")
        service, report = Service(config, temporary, now_), Report()
        try:
            service.prepare()
            for name in sorted({name for digest in config.digests.values() for name in digest.sources}):
                service.poller.poll(name, report, at_once=True)
            yield config, temporary
        finally:
            service.close()
            temporary.close()


@contextmanager
def rehearsing(config: Config) -> Iterator[Service]:
    """Yield a service over an empty ledger in memory, so that nothing depends on the configured one."""
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    with closing(Ledger("sqlite://")) as ledger:
        ledger.prepare()
        with closing(Service(config, ledger, now_)) as service:
            yield service


@contextmanager
def open_service(config: Config, **options: Any) -> Iterator[Service]:
    """Yield a service over its ledger, created or upgraded if needed. Raises LedgerError if the ledger is damaged."""
    from digestbot.pipeline.app import Service

    gc.freeze()  # imported objects are never freed, so garbage collections need not traverse them
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
    """Return ``name`` if a digest has that name. Raises ConfigError otherwise."""
    if name not in config.digests:
        raise ConfigError([f"there is no digest {name!r}; known: {', '.join(config.digests) or 'none'}"])
    return name


def known_channel(config: Config, name: str) -> str:
    """Return ``name`` if a channel has that name. Raises ConfigError otherwise."""
    if name not in config.channels:
        raise ConfigError([f"there is no channel {name!r}; known: {', '.join(config.channels)}"])
    return name


def known_channels(config: Config, digest: str, wanted: str | None) -> tuple[str, ...]:
    """Return the digest's channels, or only ``wanted``. Raises ConfigError if that is not one of them."""
    channels = config.digests[digest].channels
    if wanted is not None and wanted not in channels:
        raise ConfigError([f"digest {digest} has no channel {wanted!r}; it has {', '.join(channels)}"])
    return (wanted,) if wanted is not None else channels


class StopEvent(threading.Event):
    """An event that is set when the process must stop; ``reason`` names the signal that was received."""

    reason = ""

    def by_signal(self, number: int, _frame: object) -> None:
        """Set the event and note the signal's name; usable as a signal handler."""
        self.reason = signal.Signals(number).name
        self.set()


def until_signalled() -> StopEvent:
    """Return an event that SIGTERM and SIGINT set."""
    stop = StopEvent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.by_signal)
    return stop
