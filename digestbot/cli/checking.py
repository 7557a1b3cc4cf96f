"""The command check: everything that would make run, once or send fail or do nothing, all at once."""

from __future__ import annotations

import argparse
import os
import re
import socket
import stat
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE, USAGE
from digestbot.cli.common import load_config, now_, open_ledger
from digestbot.config import SECRETS, DatabaseSource, TwitterChannel
from digestbot.errors import ConfigError, DigestbotError
from digestbot.model import Image, ImageFailure, Shape, Summary

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.publishers import Publisher
    from digestbot.service import Service

CLOCKS = timedelta(seconds=1)  # that this machine and the ledger's database may differ by
PLATFORM_CLOCKS = timedelta(seconds=30)
AHEAD = timedelta(days=28)  # over which schedules are compared
WEB_EXTRA = ("argon2", "prometheus_client", "multipart", "starlette", "tomlkit", "uvicorn")
ADDRESSES = ("database", "address", "ping_url")  # which hold a secret only where they contain a password
LONG_WORDS = 400  # of a summary with which templates are tried


@dataclass(frozen=True)
class Finding:
    """What was checked, whether it is in order, and what there is to say about it. A warning is no failure."""

    what: str
    ok: bool
    detail: str
    warning: bool = False

    @property
    def label(self) -> str:
        """How it is marked in the list."""
        return "warn" if self.warning else "ok  " if self.ok else "BAD "


def check(arguments: argparse.Namespace) -> int:
    """Configuration, templates, schedules, ledger, extras; with --online the sources and the credentials too."""
    from digestbot.cli import output

    try:
        config = load_config(arguments)
    except ConfigError as error:
        if not arguments.json:
            raise
        output.as_json([_as_json(Finding("configuration", False, problem)) for problem in error.problems])
        return USAGE
    found = list(_findings(config, online=arguments.online))
    if arguments.json:
        output.as_json([_as_json(one) for one in found])
    else:
        for one in found:
            print(f"{one.label} {one.what}: {one.detail}")
    return OK if all(one.ok for one in found) else TROUBLE


def _as_json(finding: Finding) -> dict[str, object]:
    return {"what": finding.what, "ok": finding.ok, "warning": finding.warning, "detail": finding.detail}


def _findings(config: Config, *, online: bool) -> Iterator[Finding]:
    from digestbot.ledger import Ledger
    from digestbot.service import Service

    yield Finding("configuration", True, str(config.path))
    yield from _of_the_file(config)
    yield from _unused(config)
    ledger, problem = None, ""
    try:
        ledger = open_ledger(config)
    except ConfigError as error:
        problem = "; ".join(error.problems)
    service = Service(config, ledger or Ledger("sqlite://"), now_)
    for digest, channel in config.pairs():
        yield _checked(f"template of {digest} for {channel}", partial(_renders, service, digest, channel))
    for digest, channel in config.pairs():
        if config.appearance(digest, channel).image is not Image.NONE:
            yield _checked(f"pictures of {digest} for {channel}", partial(_pictures, service, digest, channel))
    for digest, channel in config.pairs():
        yield _checked(f"schedule of {digest} for {channel}", partial(_next_slot, service, digest, channel))
        yield from _always_empty(service, digest, channel)
    for name, source in config.sources.items():
        if isinstance(source, DatabaseSource):
            yield _checked(f"source {name}", partial(_driver, service, name))
    if config.web is not None:
        yield _checked("web", _web_extra)
        yield from _port_in_use(config.web.host, config.web.port)
    if ledger is None:
        yield Finding("ledger", False, problem)
    else:
        yield from _of_the_ledger(ledger)
    yield from _of_alerts(config, online=online)
    if online:
        yield from _online(config, service)
    service.close()
    if ledger is not None:
        ledger.close()


def _checked(what: str, test: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, test())
    except DigestbotError as error:
        return Finding(what, False, str(error))


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


def _renders(service: Service, digest: str, channel: str) -> str:
    from dataclasses import replace

    from digestbot.costs import dollars
    from digestbot.service import SAMPLE
    from digestbot.text import LIMITS

    shape = service.config.appearance(digest, channel).shape
    limit = LIMITS[service.config.platform(channel)]
    _, drafts = service.drafter.drafts(digest, channel, [SAMPLE], shape)
    long: Summary = replace(
        SAMPLE,
        paper=replace(SAMPLE.paper, title="A Long Title of a Paper About Many Things " * 3),
        body="A sentence about what the paper says. " * (LONG_WORDS // 7),
    )
    cost, budget = sum(draft.cost for draft in drafts), service.config.budget(channel)
    if budget is not None and cost > budget:
        raise DigestbotError(
            f"a post costs {dollars(cost)}, more than a month's budget of {dollars(budget)}, so nothing would ever be "
            f"posted: raise channels.{channel}.monthly_budget"
        )
    try:
        service.drafter.drafts(digest, channel, [long], shape)
    except DigestbotError as error:
        raise DigestbotError(f"cannot be made of a long summary, which would be skipped: {error}") from error
    return f"renders ({limit.measure(drafts[0].message.text)} of {limit.most} characters for a sample)"


def _pictures(service: Service, digest: str, channel: str) -> str:
    from digestbot.cards import MISSING, available
    from digestbot.service import SAMPLE

    look = service.config.appearance(digest, channel)
    held = "posts wait for them" if look.image_failure is ImageFailure.HOLD else "posts go without"
    if not available():
        raise DigestbotError(f"cannot be made here, {held}; {MISSING}")
    if look.image is Image.CARD:
        picture = service.drafter.picturer.picture(look.image, channel, SAMPLE)
        assert picture is not None  # noqa: S101 - a card is made of every summary
        return f"a card can be made ({len(picture.content) // 1000} kB for a sample)"
    return "taken from the summaries' texts"


def _next_slot(service: Service, digest: str, channel: str) -> str:
    slot = service.planner.next_slot((digest, channel))
    if slot is None:
        raise DigestbotError("no slot ever comes outside its quiet hours and the days on which it is not to post")
    zone = service.config.zone(digest, channel)
    return f"its next slot is {slot.at.astimezone(zone):%A, %Y-%m-%d %H:%M %Z}"


def _always_empty(service: Service, digest: str, channel: str) -> Iterator[Finding]:
    """A roundup for which another digest leaves nothing: that one takes every summary, and at least as often."""
    config = service.config
    mine, timing = config.digests[digest], config.timing(digest, channel)
    if config.appearance(digest, channel).shape is not Shape.ROUNDUP or timing.overlap:
        return
    for name in config.digests_on(channel):
        other = config.digests[name]
        takes_all = set(mine.sources) <= set(other.sources) and other.include == other.exclude == type(other.include)()
        no_stricter = (
            (other.min_votes or 0) <= (mine.min_votes or 0)
            and other.max_age is None
            and ((other.min_age or timedelta(0)) <= (mine.min_age or timedelta(0)))
        )
        alike = (
            config.appearance(name, channel).shape is not Shape.ROUNDUP and config.timing(name, channel).window is None
        )
        if (
            name != digest
            and takes_all
            and no_stricter
            and alike
            and _slots(service, name, channel) >= _slots(service, digest, channel)
        ):
            detail = (
                f"will always be empty: digest {name} posts every summary on {channel} first; set overlap = true under "
                f"[digests.{digest}]"
            )
            yield Finding(f"digest {digest} on {channel}", False, detail)
            return


def _slots(service: Service, digest: str, channel: str) -> int:
    now = now_()
    slots = service.planner.calendar_of((digest, channel)).slots(now)
    return sum(1 for _ in takewhile(lambda slot: slot.due < now + AHEAD, slots))


def _driver(service: Service, name: str) -> str:
    url = service.poller.databases.open(name).shown
    file = url.removeprefix("sqlite:///")
    if file != url and not (service.config.folder / file).exists():
        raise DigestbotError(f"there is no file {service.config.folder / file}: correct sources.{name}.address")
    return "its driver is installed"


def _web_extra() -> str:
    missing = [name for name in WEB_EXTRA if find_spec(name) is None]
    if missing:
        raise DigestbotError(f"{', '.join(missing)} not installed: pip install 'digestbot[web]', or remove [web]")
    return "everything that the pages need is installed"


def _port_in_use(host: str, port: int) -> Iterator[Finding]:
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        detail = f"port {port} of {host} cannot be used ({error.strerror or error}), unless `digestbot run` is using it"
        yield Finding("web, port", True, detail, warning=True)


# ---- the ledger


def _of_the_ledger(ledger: Ledger) -> Iterator[Finding]:
    from digestbot.ledger import views

    if ledger.file is not None and not ledger.file.exists():
        folder = ledger.file.parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            yield Finding("ledger", True, f"{ledger.file} will be made at the first run")
        else:
            yield Finding("ledger", False, f"{ledger.file} cannot be made: {folder} is no folder you can write to")
        return

    def opens() -> str:
        with ledger.rehearsal() as rehearsed:
            rehearsed.prepare()
        return "can be written"

    written = _checked("ledger", opens)
    yield written
    if not written.ok:
        return
    with ledger.read() as tx:
        troubles = views.source_errors(tx) if ledger.revision(tx) else {}
        before = now_()
        there = ledger.now(tx)
        difference = before - there
    for name, error in troubles.items():
        yield Finding(f"source {name}", False, error)
    yield _clock("clock", "the ledger's database", difference, CLOCKS)


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

    configured = _checked("alerts", understood)
    yield configured
    if online and configured.ok:
        yield _checked("alerts, now", sent)


def _online(config: Config, service: Service) -> Iterator[Finding]:
    from digestbot.publishers import publisher_for

    for name, settings in config.channels.items():
        publisher = publisher_for(settings)
        yield _checked(f"channel {name}", partial(_asks, publisher))
        there = publisher.platform_time()
        if there is not None:
            yield _clock(
                f"clock against channel {name}", config.platform(name).title(), now_() - there, PLATFORM_CLOCKS
            )
        if isinstance(settings, TwitterChannel):
            detail = "X suspends unlabelled bots: label the account under Settings → Your account → Automation"
            yield Finding(f"channel {name}, label", True, detail)
    for name in config.sources:
        wanted = any(digest.min_votes and name in digest.sources for digest in config.digests.values())
        yield _checked(f"source {name}, now", partial(service.poller.ask, name, votes_wanted=wanted))


def _asks(publisher: Publisher) -> str:
    account, advice = publisher.verify(seconds=60)
    if advice:
        raise DigestbotError("; ".join([account, *advice]))
    return account
