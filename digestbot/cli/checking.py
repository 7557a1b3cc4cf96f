"""The command check: everything that would make run, once or send fail or do nothing, all at once."""

from __future__ import annotations

import argparse
import errno
import os
import re
import socket
import stat
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from digestbot.cli import OK, TROUBLE, USAGE
from digestbot.cli.common import load_config, now_, open_ledger
from digestbot.cli.digest_checks import of_digests
from digestbot.cli.findings import Finding, checked
from digestbot.config import SECRETS, DatabaseSource, FacebookChannel, TwitterChannel
from digestbot.errors import ConfigError, DigestbotError
from digestbot.net import is_public
from digestbot.publishers.catalogue import with_channel
from digestbot.publishers.facebook import version_advice

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digestbot.config import Config, Web
    from digestbot.ledger import Ledger
    from digestbot.publishers import Publisher
    from digestbot.service import Service

CLOCKS = timedelta(seconds=1)  # that this machine and the ledger's database may differ by
PLATFORM_CLOCKS = timedelta(seconds=30)
WEB_EXTRA = ("argon2", "prometheus_client", "multipart", "starlette", "tomlkit", "uvicorn")
ADDRESSES = ("database", "address", "ping_url")  # which hold a secret only where they contain a password


def check(arguments: argparse.Namespace) -> int:
    """Configuration, templates, schedules, ledger, extras; with --online the sources and the credentials too."""
    from digestbot.cli import output
    from digestbot.config import Config

    mistakes: tuple[str, ...] = ()
    try:
        found = list(_findings(load_config(arguments), online=arguments.online))
    except ConfigError as error:
        mistakes, found = error.problems, []
        if isinstance(error.sound, Config):  # what would be found once these are corrected
            found = [one for one in _sound_part(error.sound) if not one.ok]
    if arguments.json:
        output.as_json([one.as_json() for one in (*(Finding("configuration", False, one) for one in mistakes), *found)])
    else:
        for one in mistakes:
            print(one, file=sys.stderr)
        for finding in found:
            print(f"{finding.label} {finding.what}: {finding.detail}")
    return USAGE if mistakes else OK if all(one.ok for one in found) else TROUBLE


def _findings(config: Config, *, online: bool) -> Iterator[Finding]:
    yield Finding("configuration", True, str(config.path))
    yield from _of_the_file(config)
    yield from _unused(config)
    ledger, problem = None, ""
    try:
        ledger = open_ledger(config)
    except ConfigError as error:
        problem = "; ".join(error.problems)
    with _rehearsing(config) as service:
        yield from _offline(config, service)
        if ledger is None:
            yield Finding("ledger", False, problem)
        else:
            yield from _of_the_ledger(config, ledger)
            ledger.close()
        yield from _of_alerts(config, online=online)
        if online:
            yield from _online(config, service)


def _sound_part(config: Config) -> Iterator[Finding]:
    """What is wrong beside the mistakes in the configuration."""
    with _rehearsing(config) as service:
        yield from _offline(config, service)


@contextmanager
def _rehearsing(config: Config) -> Iterator[Service]:
    """A service over a ledger in memory, so that what is tried does not depend on the configured one."""
    from digestbot.ledger import Ledger
    from digestbot.service import Service

    with closing(Ledger("sqlite://")) as ledger:
        ledger.prepare()
        with closing(Service(config, ledger, now_)) as service:
            yield service


def _offline(config: Config, service: Service) -> Iterator[Finding]:
    """What can be said without asking anybody, and without the ledger."""
    yield from of_digests(config, service)
    yield from _of_sources(config, service)
    yield from _of_channels(config)
    if config.web is not None:
        yield checked("web", partial(_web_extra, config.web))
        yield from _port_in_use(config.web.host, config.web.port)


# ---- the configuration


def _of_the_file(config: Config) -> Iterator[Finding]:
    """Whether others can read secrets that the file holds."""
    if config.path is None or not _holds_secrets(tomllib.loads(config.path.read_text(encoding="utf-8-sig"))):
        return
    if config.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        detail = f"{config.path} holds secrets, and other users of this machine can read it: chmod 600 {config.path}"
        yield Finding("configuration file", True, detail, warning=True)


def _holds_secrets(value: object) -> bool:
    if isinstance(value, dict):
        return any(
            (name in SECRETS and name not in ADDRESSES) or name == "to" or _holds_secrets(one)
            for name, one in value.items()
        )
    if isinstance(value, list):
        return any(map(_holds_secrets, value))
    return isinstance(value, str) and bool(re.search(r"://[^/?#]*:[^/?#@]+@|[?&][^=&]*pass[^=&]*=", value))


def _unused(config: Config) -> Iterator[Finding]:
    if not config.digests:
        yield Finding(
            "digests", False, f"{config.path}: there is none, so nothing would ever be posted: add [digests.NAME]"
        )
    used = {name for digest in config.digests.values() for name in (*digest.sources, *digest.channels)}
    used |= config.reserves()
    for kind, names in (("source", config.sources), ("channel", config.channels)):
        for name in names:
            if name not in used and config.digests:
                yield Finding(
                    f"{kind} {name}",
                    True,
                    f"is not used by any digest: add it to a digest's {kind}s, or remove it",
                    warning=True,
                )


def _of_sources(config: Config, service: Service) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, source in config.sources.items():
        what = f"source {name}"
        if isinstance(source, DatabaseSource):
            yield checked(what, partial(_driver, service, name))
            continue
        if source.url in seen:
            detail = f"reads the same as source {seen[source.url]}, so everything would be posted twice: remove one"
            yield Finding(what, False, f"sources.{name}: {detail}")
        seen.setdefault(source.url, name)
        if not source.allow_private_addresses and _is_private(urlsplit(source.url).hostname or ""):
            detail = "is an address of a private network: set allow_private_addresses = true, or correct it"
            yield Finding(what, False, f"sources.{name}.url: {detail}")


def _is_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:  # a name: only a resolver knows
        return host == "localhost"


def _of_channels(config: Config) -> Iterator[Finding]:
    accounts: dict[str, str] = {}
    for name, settings in config.channels.items():
        account = config.account(name)
        if account is not None and account in accounts:
            detail = f"has the same account as channel {accounts[account]}: use one channel, with several digests"
            yield Finding(f"channel {name}, account", False, f"channels.{name}: {detail}")
        elif account is not None:
            accounts[account] = name
        if isinstance(settings, FacebookChannel):
            for advice in version_advice(settings.api_version, now_()):
                ended = "has ended" in advice
                detail = f"channels.{name}: {advice}"
                yield Finding(f"channel {name}, version", not ended, detail, warning=not ended)


def _driver(service: Service, name: str) -> str:
    url = service.poller.databases.open(name).shown
    file = url.removeprefix("sqlite:///")
    if file != url and not (service.config.folder / file).exists():
        raise DigestbotError(f"there is no file {service.config.folder / file}: correct sources.{name}.address")
    return "its driver is installed"


def _web_extra(web: Web) -> str:
    missing = [name for name in WEB_EXTRA if find_spec(name) is None]
    if missing:
        raise DigestbotError(f"{', '.join(missing)} not installed: pip install 'digestbot[web]', or remove [web]")
    if web.password_hash is not None:
        import argon2

        try:
            argon2.extract_parameters(web.password_hash.get_secret_value())
        except argon2.exceptions.InvalidHashError as error:
            raise DigestbotError(
                "web.password_hash: nobody could log in with it: digestbot web --set-password"
            ) from error
    return "everything that the pages need is installed"


def _port_in_use(host: str, port: int) -> Iterator[Finding]:
    where = f"web.port: {host}, port {port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family):
            return
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield Finding(
                "web, port", True, f"{where}: is in use, if not by `digestbot run`, choose another", warning=True
            )
        else:
            yield Finding("web, port", False, f"{where}: cannot be used ({error.strerror or error})")


# ---- the ledger


def _of_the_ledger(config: Config, ledger: Ledger) -> Iterator[Finding]:
    from digestbot.ledger import views

    if ledger.file is not None and not ledger.file.exists():
        folder = ledger.file.parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            yield Finding("ledger", True, f"{ledger.file} will be made at the first run")
        else:
            yield Finding("ledger", False, f"{ledger.file} cannot be made: {folder} is no folder you can write to")
        return

    def opens() -> str:
        ledger.try_writing()
        return "can be written"

    written = checked("ledger", opens)
    if not written.ok and "malformed" in written.detail:
        detail = f"is damaged, so nothing is posted: {written.detail}; restore a backup"
        written = Finding("ledger", False, detail)
    yield written
    if not written.ok:
        return
    with ledger.read() as tx:
        ready = ledger.revision(tx) is not None
    damage = ledger.check() if ready else []
    if damage:
        yield Finding("ledger", False, f"is damaged, so nothing is posted: {damage[0]}; restore a backup")
        return
    with ledger.read() as tx:
        troubles = views.source_errors(tx) if ready else {}
        paused = views.paused_channels(tx) if ready else {}
        before = now_()
        there = ledger.now(tx)
        difference = before - there
    for name, error in troubles.items():
        yield Finding(f"source {name}", False, error)
    for name, reason in paused.items():
        if name in config.channels:
            yield Finding(f"channel {name}", False, f"is paused: {reason}; to resume it: digestbot resume {name}")
    yield _clock("clock", "the ledger's database", difference, CLOCKS)
    if ready:
        with ledger.read() as tx:
            yield from _of_slots(config, tx)


def _of_slots(config: Config, tx: Connection) -> Iterator[Finding]:
    """Slots of which the schedule alone would not tell what becomes of them."""
    from digestbot import schema
    from digestbot.ledger import Ledger, alarms, editions

    if Ledger.revision(tx) != schema.REVISION:
        return  # it is upgraded when it is next used
    recorded = editions.recorded_ahead(tx, now_())
    undecided = alarms.open_subjects(tx, alarms.MAKE_UP)
    for digest, channel in config.pairs():
        dues = recorded.get((digest, channel), ())
        if dues:
            last = max(dues).astimezone(config.zone(digest, channel))
            detail = (
                f"{len(dues)} to come, the last of {last:%Y-%m-%d %H:%M %Z}, will stay empty: a clock that was ahead "
                "recorded them. If the clock is right now: digestbot alarms"
            )
            yield Finding(f"slots of {digest} on {channel}", False, detail)
        if f"{digest} on {channel}" in undecided:
            detail = "none is kept until you decide whether missed slots are made up for: digestbot alarms"
            yield Finding(f"slots of {digest} on {channel}", False, detail)


def _clock(what: str, other: str, difference: timedelta, most: timedelta) -> Finding:
    seconds = difference.total_seconds()
    if abs(difference) <= most:
        return Finding(what, True, f"agrees with {other}'s")
    direction = "ahead of" if seconds > 0 else "behind"
    detail = f"this machine's clock is {abs(seconds):.0f} s {direction} {other}'s: let both follow a time server (NTP)"
    return Finding(what, True, detail, warning=True)


# ---- alerts, sources and platforms


def _of_alerts(config: Config, *, online: bool) -> Iterator[Finding]:
    from digestbot import alerts

    addresses = [address.get_secret_value() for address in config.alerts.to]
    if not addresses:
        return

    def understood() -> str:
        if not alerts.available():
            raise DigestbotError(f"cannot be sent here: {alerts.MISSING}")
        wrong = alerts.unusable(addresses)
        if wrong:
            raise DigestbotError(f"Apprise does not understand {', '.join(wrong)}://…")
        return f"{len(addresses)} address{'es' if len(addresses) > 1 else ''}"

    def sent() -> str:
        if not alerts.Notifier(addresses).send("digestbot: this is a test", "Alerts will reach you here."):
            raise DigestbotError("no notification could be delivered")
        return "a test was sent"

    configured = checked("alerts", understood)
    yield configured
    if online and configured.ok:
        yield checked("alerts, now", sent)


def _online(config: Config, service: Service) -> Iterator[Finding]:
    from digestbot.publishers import publisher_for

    for name, settings in config.channels.items():
        publisher = publisher_for(settings)
        yield checked(f"channel {name}", partial(_asks, name, publisher))
        there = publisher.platform_time()
        if there is not None:
            yield _clock(
                f"clock against channel {name}", config.platform(name).title(), now_() - there, PLATFORM_CLOCKS
            )
        if isinstance(settings, TwitterChannel):
            detail = "X suspends unlabelled bots: label the account under Settings → Your account → Automation"
            yield Finding(f"channel {name}, label", True, detail)
    for name in config.sources:
        readers = [digest for digest in config.digests.values() if name in digest.sources]
        votes, sections = any(one.min_votes for one in readers), any(one.include.sections for one in readers)
        ask = partial(service.poller.ask, name, votes_wanted=votes, sections_wanted=sections)
        yield checked(f"source {name}, now", ask)


def _asks(channel: str, publisher: Publisher) -> str:
    try:
        account, advice = publisher.verify(seconds=60)
    except DigestbotError as error:
        raise DigestbotError(with_channel(str(error), channel)) from error
    if advice:
        raise DigestbotError("; ".join([account, *advice]))
    return account
