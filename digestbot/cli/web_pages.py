"""The implementation of the command web: serve the operator pages alone, or set their password."""

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

from digestbot import config
from digestbot.cli import OK, logs
from digestbot.cli.common import load_config, now_, open_ledger, open_service, set_up_logs, until_signalled
from digestbot.cli.config_reload import Reloader
from digestbot.config import Config, Web
from digestbot.config.writer import save
from digestbot.domain.errors import ConfigError
from digestbot.pipeline.app import Service

try:
    from digestbot.web.app_state import AppState, Liveness
    from digestbot.web.auth import hash_password
    from digestbot.web.forms import parse_toml
    from digestbot.web.server import Server
except ModuleNotFoundError as error:
    raise ConfigError(
        [f"web: {error.name} is not installed; for the operator pages: pip install 'digestbot[web]'"]
    ) from error

ANOTHERS_PATIENCE = timedelta(hours=1)  # how far apart ticks of another process may be: `run`, or `once` from cron

__all__ = [
    "Liveness",
    "pages",
    "serve_pages",
]


@contextmanager
def pages(current: Callable[[], Config], settings: Web, liveness: Liveness) -> Iterator[Server]:
    """Yield a server of the operator pages, which has a connection of its own to the ledger. Raises PortTakenError."""
    ledger = open_ledger(current())
    try:
        with Server(AppState(current, ledger, now_, liveness), settings.host, settings.port) as server:
            yield server
    finally:
        ledger.close()


def serve_pages(arguments: argparse.Namespace) -> int:
    """Serve the operator pages without the scheduler until a signal, or set their password; return the exit code."""
    if arguments.set_password:
        return _set_password(arguments)
    config = load_config(arguments)
    stop = until_signalled()
    with open_service(config) as first:
        newest = Reloader(
            first, now_, lambda fresh: Service(fresh, first.ledger, now_), partial(set_up_logs, arguments)
        )
        liveness = Liveness(patience=lambda: ANOTHERS_PATIENCE, problems=lambda: newest.problems)
        with pages(lambda: newest.service.config, config.web or Web(), liveness) as server:
            print(f"the pages are at {server.url}", flush=True)
            while not stop.wait(1):
                newest.look()
                newest.close_old()
        newest.service.close()
    return OK


def _set_password(arguments: argparse.Namespace) -> int:
    logs.configure_logging(verbose=arguments.verbose, quiet=arguments.quiet)
    path = config.find(arguments.config, os.environ)
    try:
        before = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    if sys.stdin.isatty():
        password = getpass.getpass("Password for the pages: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError(["the passwords do not match; nothing was changed"])
    else:
        password = sys.stdin.readline().rstrip("\n")
    document = parse_toml(before)
    try:
        document.setdefault("web", {})["password_hash"] = hash_password(password)
    except ValueError as error:
        raise ConfigError([f"{error}; nothing was changed"]) from error
    text = document.as_string()
    config.build(tomllib.loads(text), path, os.environ)
    kept = save(path, text, before, now_())
    print(f"the password is set in {path}, and all sessions were ended; the previous file is {kept.name}")
    return OK
