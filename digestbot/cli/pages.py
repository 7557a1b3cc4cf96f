"""The command web: the operators' pages alone, and their password."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from digestbot import config as configuration
from digestbot.cli import OK, logs
from digestbot.cli.common import load_config, now_, open_ledger, open_service, set_up_logs, until_signalled
from digestbot.cli.reloading import Reloader
from digestbot.config import Config, Web
from digestbot.config.saving import save
from digestbot.errors import ConfigError
from digestbot.service import Service

try:
    from digestbot.web.desk import Desk, Pulse
    from digestbot.web.doors import hashed
    from digestbot.web.forms import parse
    from digestbot.web.server import Server
except ModuleNotFoundError as error:
    raise ConfigError(
        [f"web: {error.name} is not installed; for the operators' pages: pip install 'digestbot[web]'"]
    ) from error

ANOTHERS_PATIENCE = timedelta(hours=1)  # for whatever ticks elsewhere: a `run`, or a `once` from cron

__all__ = ["Pulse", "pages", "web"]


@contextmanager
def pages(current: Callable[[], Config], settings: Web, pulse: Pulse) -> Iterator[Server]:
    """The pages on their port, over a connection of their own to the ledger."""
    ledger = open_ledger(current())
    try:
        with Server(Desk(current, ledger, now_, pulse), settings.host, settings.port) as server:
            yield server
    finally:
        ledger.close()


def web(arguments: argparse.Namespace) -> int:
    """The pages without the scheduler; or their password."""
    if arguments.set_password:
        return _set_password(arguments)
    config = load_config(arguments)
    stop = until_signalled()
    with open_service(config) as first:
        newest = Reloader(
            first, now_, lambda fresh: Service(fresh, first.ledger, now_), partial(set_up_logs, arguments)
        )
        pulse = Pulse(patience=lambda: ANOTHERS_PATIENCE, problems=lambda: newest.problems)
        with pages(lambda: newest.service.config, config.web or Web(), pulse) as server:
            print(f"the pages are at {server.url}", flush=True)
            while not stop.wait(1):
                newest.look()
                newest.close_old()
        newest.service.close()
    return OK


def _set_password(arguments: argparse.Namespace) -> int:
    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet)
    path = configuration.find(arguments.config, os.environ)
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    if sys.stdin.isatty():
        password = getpass.getpass("Password for the pages: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError(["these are two different passwords; nothing was changed"])
    else:
        password = sys.stdin.readline().rstrip("\n")
    document = parse(before)
    try:
        document.setdefault("web", {})["password_hash"] = hashed(password)
    except ValueError as error:
        raise ConfigError([f"{error}; nothing was changed"]) from error
    text = document.as_string()
    configuration.build(tomllib.loads(text), path, os.environ)
    kept = save(path, text, before, now_())
    print(f"the password is set in {path}, and every session is over; the former file is {kept.name}")
    return OK
