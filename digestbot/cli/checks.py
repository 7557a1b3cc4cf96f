"""The implementation of the command check: report at once everything that would make run, once or send fail or do
nothing."""

from __future__ import annotations

import argparse
import errno
import re
import socket
import stat
import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE, USAGE
from digestbot.cli.common import load_config, now_, open_ledger, rehearsing
from digestbot.cli.digest_checks import of_digests
from digestbot.cli.findings import Finding, checked
from digestbot.cli.ledger_checks import clock_finding, of_the_ledger
from digestbot.config.model_fields import secret_keys
from digestbot.domain.errors import ConfigError, DigestbotError
from digestbot.platforms.error_catalogue import with_channel

if TYPE_CHECKING:
    from digestbot.config import Config, Web
    from digestbot.domain.model import Summary
    from digestbot.pipeline.app import Service
    from digestbot.platforms.base import ChannelConfig, Publisher

PLATFORM_CLOCKS = timedelta(seconds=30)
WEB_EXTRA = ("argon2", "prometheus_client", "multipart", "starlette", "tomlkit", "uvicorn")
ADDRESSES = ("database", "url", "ping_url")  # URLs, which are secret only if they contain a password


def run_checks(arguments: argparse.Namespace) -> int:
    """Check configuration, templates, schedules, ledger and extras, and with ``--online`` also the sources and the
    credentials; print the findings and return the exit code."""
    from digestbot.cli import output
    from digestbot.config import Config

    mistakes: tuple[str, ...] = ()
    try:
        results = list(_findings(load_config(arguments), online=arguments.online))
    except ConfigError as error:
        mistakes, results = error.problems, []
        if isinstance(error.sound, Config):  # report what would still fail once these are corrected
            results = [one for one in _sound_part(error.sound) if not one.ok]
    if arguments.json:
        output.print_json(
            [one.as_json() for one in (*(Finding("configuration", False, one) for one in mistakes), *results)]
        )
    else:
        for one in mistakes:
            print(one, file=sys.stderr)
        for finding in results:
            print(f"{finding.label} {finding.what}: {finding.detail}")
    return USAGE if mistakes else OK if all(one.ok for one in results) else TROUBLE


def _findings(config: Config, *, online: bool) -> Iterator[Finding]:
    yield Finding("configuration", True, str(config.path))
    yield from _of_the_file(config)
    yield from _unused(config)
    ledger, problem = None, ""
    try:
        ledger = open_ledger(config)
    except ConfigError as error:
        problem = "; ".join(error.problems)
    with rehearsing(config) as service:
        yield from _offline(config, service)
        if ledger is None:
            yield Finding("ledger", False, problem)
        else:
            yield from of_the_ledger(config, ledger)
            ledger.close()
        yield from _of_alerts(config, online=online)
        if online:
            yield from _online(config, service)


def _sound_part(config: Config) -> Iterator[Finding]:
    """Yield the findings about those parts of the configuration that are valid."""
    with rehearsing(config) as service:
        yield from _offline(config, service)


def _offline(config: Config, service: Service) -> Iterator[Finding]:
    """Yield the findings that need neither the network nor the ledger."""
    yield from of_digests(config, service)
    yield from _of_sources(config, service)
    yield from _of_channels(config)
    if config.web is not None:
        yield checked("web", partial(_web_extra, config.web))
        yield from _port_in_use(config.web.host, config.web.port)


# ---- the configuration


def _of_the_file(config: Config) -> Iterator[Finding]:
    """Yield a warning if the file holds secrets and other users can read it."""
    if config.path is None or not _holds_secrets(tomllib.loads(config.path.read_text(encoding="utf-8-sig"))):
        return
    if config.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        detail = f"{config.path} holds secrets, and other users of this machine can read it: chmod 600 {config.path}"
        yield Finding("configuration file", True, detail, warning=True)


def _holds_secrets(value: object) -> bool:
    if isinstance(value, dict):
        return any(
            (name in secret_keys() and name not in ADDRESSES) or name == "to" or _holds_secrets(one)
            for name, one in value.items()
        )
    if isinstance(value, list):
        return any(map(_holds_secrets, value))
    return isinstance(value, str) and bool(re.search(r"://[^/?#]*:[^/?#@]+@|[?&][^=&]*pass[^=&]*=", value))


def _unused(config: Config) -> Iterator[Finding]:
    if not config.digests:
        yield Finding(
            "digests", False, f"{config.path}: it has no digests, so nothing would ever be posted: add [digests.NAME]"
        )
    used = {name for digest in config.digests.values() for name in (*digest.sources, *digest.channels)}
    used |= config.backfill_sources()
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
        yield from _of_source(name, service)
        identity = source.content_identity()
        if identity is not None and identity in seen:
            detail = f"reads the same as source {seen[identity]}, so everything would be posted twice: remove one"
            yield Finding(f"source {name}", False, f"sources.{name}: {detail}")
        elif identity is not None:
            seen[identity] = name
        for key, problem in source.problems():
            yield Finding(f"source {name}", False, f"sources.{name}.{key}: {problem}")


def _of_source(name: str, service: Service) -> Iterator[Finding]:
    try:
        fine = service.poller.source(name).check()
    except DigestbotError as error:
        yield Finding(f"source {name}", False, str(error))
    else:
        if fine is not None:
            yield Finding(f"source {name}", True, fine)


def _of_channels(config: Config) -> Iterator[Finding]:
    accounts: dict[str, str] = {}
    for name, settings in config.channels.items():
        account = config.account(name)
        if account is not None and account in accounts:
            detail = f"has the same account as channel {accounts[account]}: use one channel, with several digests"
            yield Finding(f"channel {name}, account", False, f"channels.{name}: {detail}")
        elif account is not None:
            accounts[account] = name
        yield from _advice(name, settings, online=False)


def _advice(name: str, settings: ChannelConfig, *, online: bool) -> Iterator[Finding]:
    for what, advice, fatal in settings.advice(now_(), online=online):
        detail = advice if online else f"channels.{name}: {advice}"
        yield Finding(f"channel {name}, {what}", not fatal, detail, warning=not (fatal or online))


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
                "web, port",
                True,
                f"{where}: is already in use; unless `digestbot run` uses it, choose another",
                warning=True,
            )
        else:
            yield Finding("web, port", False, f"{where}: cannot be used ({error.strerror or error})")


# ---- alerts, sources and platforms


def _of_alerts(config: Config, *, online: bool) -> Iterator[Finding]:
    from digestbot.infra import notifier

    addresses = [address.get_secret_value() for address in config.alerts.to]
    if not addresses:
        return

    def understood() -> str:
        if not notifier.apprise_available():
            raise DigestbotError(f"cannot be sent here: {notifier.MISSING}")
        wrong = notifier.unusable_urls(addresses)
        if wrong:
            raise DigestbotError(f"Apprise does not understand {', '.join(wrong)}://…")
        return f"{len(addresses)} address{'es' if len(addresses) > 1 else ''}"

    def sent() -> str:
        if not notifier.Notifier(addresses).send("digestbot: this is a test", "Alerts will reach you here."):
            raise DigestbotError("no notification could be delivered")
        return "a test was sent"

    configured = checked("alerts", understood)
    yield configured
    if online and configured.ok:
        yield checked("alerts, now", sent)


def _online(config: Config, service: Service) -> Iterator[Finding]:
    from digestbot.platforms.registry import publisher_for

    for name, settings in config.channels.items():
        publisher = publisher_for(settings)
        yield checked(f"channel {name}", partial(_asks, name, publisher))
        there = publisher.platform_time()
        if there is not None:
            yield clock_finding(
                f"clock against channel {name}", config.platform(name).title, now_() - there, PLATFORM_CLOCKS
            )
        yield from _advice(name, settings, online=True)
    for name in config.sources:
        readers = [digest for digest in config.digests.values() if name in digest.sources]
        votes, sections = any(one.min_votes for one in readers), any(one.include.sections for one in readers)
        ask = partial(_ask_source, service, name, votes_wanted=votes, sections_wanted=sections)
        asked = checked(f"source {name}, now", ask)
        yield asked
        if asked.ok:
            yield from _examples(config, service, name)


def _examples(config: Config, service: Service, name: str) -> Iterator[Finding]:
    """Yield up to three entries of a source as the first digest that reads it would post them."""
    from digestbot.cli.output import quote, strip_control

    route = next((route for route in config.routes() if name in config.digests[route[0]].sources), None)
    for number, one in enumerate(service.poller.source(name).examples if route is not None else (), 1):

        def rendered(one: Summary = one) -> str:
            assert route is not None  # noqa: S101 - otherwise there are no examples
            _, drafts = service.post_builder.drafts(*route, [one])
            return "\n" + "\n".join(quote(strip_control(draft.message.text)) for draft in drafts)

        yield checked(f"source {name}, entry {number} on {route[1] if route else ''}", rendered)


def _ask_source(service: Service, name: str, *, votes_wanted: bool, sections_wanted: bool) -> str:
    return service.poller.source(name).probe(votes_wanted=votes_wanted, sections_wanted=sections_wanted)


def _asks(channel: str, publisher: Publisher) -> str:
    try:
        account = publisher.verify(seconds=60)
    except DigestbotError as error:
        raise DigestbotError(with_channel(str(error), channel)) from error
    if account.advice:
        raise DigestbotError("; ".join([account.name, *account.advice]))
    return account.name
