"""The service's commands: run, once, send, preview, check."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from digestbot.cli import ATTENTION, OK, TROUBLE
from digestbot.cli.common import (
    known_channels,
    known_digest,
    load_config,
    now_,
    open_ledger,
    open_service,
    set_up_logs,
    until_signalled,
)
from digestbot.errors import DigestbotError
from digestbot.model import Image, ImageFailure, PostStatus

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.publishers import Publisher
    from digestbot.service import Report, Service


def run(arguments: argparse.Namespace) -> int:
    """The service, until a signal."""
    import logging

    from digestbot.cli.reloading import Reloader
    from digestbot.scheduler import Metronome
    from digestbot.service import Service

    config = load_config(arguments)
    stop = until_signalled()
    log = logging.getLogger("digestbot")
    signs: list[Callable[[], None]] = [lambda: None]
    options: dict[str, Any] = {"progress": lambda: signs[0](), "stopping": stop.is_set}
    with open_service(config, **options) as first:

        def again(fresh: Config) -> Service:
            return Service(fresh, first.ledger, now_, **options)

        newest = Reloader(first, now_, again, partial(set_up_logs, arguments))
        signal.signal(signal.SIGHUP, lambda *_: newest.asked.set())

        def patience() -> timedelta:
            now_configured = newest.service.config
            slowest = max((source.timeout for source in now_configured.sources.values()), default=timedelta())
            return now_configured.delivery.lease + slowest + timedelta(minutes=5)

        ticked: list[datetime] = []

        def tick(sign: Callable[[], None]) -> None:
            signs[0] = sign
            newest.look()
            newest.service.tick()
            ticked[:] = [now_()]

        log.info(
            "running: %d source(s), %d channel(s), %d digest(s)",
            len(config.sources),
            len(config.channels),
            len(config.digests),
        )
        with ExitStack() as stack:
            if config.web is not None:
                from digestbot.cli.pages import Pulse, pages

                pulse = Pulse(lambda: ticked[0] if ticked else None, patience, lambda: newest.problems)
                stack.enter_context(pages(lambda: newest.service.config, config.web, pulse))
            if not Metronome(tick, patience=patience).run(stop):
                logging.shutdown()
                os._exit(TROUBLE)  # the thread that hangs would keep an orderly exit waiting for ever
        newest.service.close()
        log.info("stopped")
    return OK


@contextmanager
def _working(what: str, arguments: argparse.Namespace) -> Iterator[Callable[[], None]]:
    """A sign, to be called at each step, that it goes on."""
    from digestbot.cli.progress import progress

    steps = count(1)
    with progress(what, quiet=arguments.quiet) as step:
        yield lambda: step(None, f"step {next(steps)}")


def once(arguments: argparse.Namespace) -> int:
    """All that is due, once."""
    config, stopping = load_config(arguments), until_signalled().is_set
    with (
        _working("doing what is due", arguments) as step,
        open_service(config, stopping=stopping, progress=step) as service,
    ):
        report = service.tick()
        return _report(arguments, service, report)


def send(arguments: argparse.Namespace) -> int:
    """Editions outside the schedule."""
    config = load_config(arguments)
    digest = known_digest(config, arguments.digest)
    stopping = until_signalled().is_set
    with (
        _working(f"sending {digest}", arguments) as step,
        open_service(config, stopping=stopping, progress=step) as service,
    ):
        report = service.send(digest, arguments.count)
        if not (report.made or report.troubles or arguments.json):
            print(f"digest {digest} has nothing to send now; digestbot backlog {digest} says what waits for what")
        return _report(arguments, service, report)


def _report(arguments: argparse.Namespace, service: Service, report: Report) -> int:
    from digestbot.cli import output
    from digestbot.ledger import alarms, approvals, views

    touched = {*report.made, *(post for post, _ in report.concluded), *(post for post, _ in report.settled)}
    with service.ledger.read() as tx:
        rows = list(views.post_rows(tx, ids=sorted(touched))) if touched else []
        waiting = views.waiting_for_a_person(tx)
        waits = alarms.open_alarms(tx)
        unapproved = approvals.waiting(tx)
        paused = views.paused_channels(tx)
    failed = any(row.status is PostStatus.FAILED for row in rows)
    if arguments.json:
        output.as_json(
            {
                "posts": [output.post_json(row) for row in rows],
                "source_errors": report.source_errors,
                "render_errors": report.render_errors,
                "paused_channels": paused,
                "troubles": report.troubles,
                "waiting_for_a_person": waiting,
                "waiting_for_approval": unapproved,
                "alarms": [output.alarm_json(alarm) for alarm in waits],
            }
        )
    else:
        for row in rows:
            print(output.post_line(row))
    for name, reason in paused.items():
        print(f"channel {name} is paused: {reason}; digestbot resume {name} lets it go on", file=sys.stderr)
    if waiting:
        print(
            f"{waiting} post(s) wait for a person: digestbot posts --status unknown --status quarantined",
            file=sys.stderr,
        )
    if unapproved:
        print(f"{len(unapproved)} post(s) wait for approval: digestbot approve", file=sys.stderr)
    for name, error in report.source_errors.items():
        print(f"source {name} could not be read: {error}", file=sys.stderr)
    for alarm in waits:
        print(f"{output.alarm_line(alarm)}; see digestbot alarms", file=sys.stderr)
    if paused or waiting or failed or waits or unapproved:
        return ATTENTION
    return TROUBLE if report.source_errors or report.render_errors or report.troubles else OK


def preview(arguments: argparse.Namespace) -> int:
    """What would be sent next."""
    from digestbot.cli import output
    from digestbot.costs import DOLLAR, dollars
    from digestbot.ledger import Ledger
    from digestbot.service import Service
    from digestbot.text import LIMITS

    config = load_config(arguments)
    digest = known_digest(config, arguments.digest)
    channels = known_channels(config, digest, arguments.channel)
    ledger = open_ledger(config)
    if ledger.file is not None and not ledger.file.exists():
        ledger = Ledger("sqlite://")  # so that not even an empty file is left behind
    shown = []
    try:
        for channel in channels:
            found = Service(config, ledger, now_).preview(digest, channel)
            platform, zone = config.platform(channel), config.zone(digest, channel)
            limit = LIMITS[platform]
            slot = found.slot.at.astimezone(zone) if found.slot else None
            shown.append(
                {
                    "digest": digest,
                    "channel": channel,
                    "slot": slot.isoformat() if slot else None,
                    "waiting": found.backlog.get("waiting", 0),
                    "skipped": found.backlog.get("skipped", 0),
                    "posts": [
                        {
                            "text": draft.message.text,
                            "link": None if draft.message.picture else draft.message.link,
                            "reply": draft.message.reply,
                            "length": limit.measure(draft.message.text),
                            "limit": limit.most,
                            "cost": draft.cost / DOLLAR,
                            "picture": draft.message.picture.alt_text if draft.message.picture else None,
                        }
                        for draft in found.drafts
                    ],
                    "cost": sum(draft.cost for draft in found.drafts) / DOLLAR,
                    "reason": found.reason or None,
                    "within_budget": found.account.lets_through(sum(draft.cost for draft in found.drafts)),
                    "month": output.account_json(found.account),
                }
            )
            if arguments.json:
                continue
            when = f"{slot:%a %d %b %Y %H:%M} {zone.key}" if slot else "never again"
            print(
                f"{digest} on {channel} ({platform}), slot {when}; "
                f"{found.backlog.get('waiting', 0)} waiting, {found.backlog.get('skipped', 0)} skipped at first sight"
            )
            for draft in found.drafts:
                print("\n" + output.framed(draft.message, platform, draft.cost))
            if not found.drafts:
                why = found.reason or "no slot comes"
                print(
                    f"\nNothing would be sent ({why}); digestbot backlog {digest} says what waits for what."
                    + (" A post would look like this:" if found.sample else "")
                )
            if found.sample:
                print("\n" + output.framed(found.sample.message, platform, found.sample.cost))
            if config.prices(channel):
                cost = sum(draft.cost for draft in found.drafts)
                over = "" if found.account.lets_through(cost) else ": over the budget, it would not be sent"
                print(f"\n{output.account_line(channel, found.account, now_())}; this edition {dollars(cost)}{over}")
            print()
    finally:
        ledger.close()
    if arguments.json:
        output.as_json(shown)
    return OK


def check(arguments: argparse.Namespace) -> int:
    """Configuration, templates, ledger, and with --online the credentials."""
    from digestbot.cli import output
    from digestbot.publishers import publisher_for
    from digestbot.service import Service

    config = load_config(arguments)
    found = [("configuration", True, str(config.path))]
    ledger = open_ledger(config)
    service = Service(config, ledger, now_)
    for digest, channel in config.pairs():
        found.append(_looked(f"template of {digest} for {channel}", partial(_renders, service, digest, channel)))
    for digest, channel in config.pairs():
        if config.appearance(digest, channel).image is not Image.NONE:
            found.append(_looked(f"pictures of {digest} for {channel}", partial(_pictures, service, digest, channel)))
    for digest, channel in config.pairs():
        found.append(_looked(f"schedule of {digest} for {channel}", partial(_next_slot, service, digest, channel)))
    found += _check_ledger(ledger)
    ledger.close()
    found += _check_alerts(config, online=arguments.online)
    if arguments.online:
        for name, channel_settings in config.channels.items():
            found.append(_looked(f"channel {name}", partial(_asks, publisher_for(channel_settings))))
        for name in config.sources:
            found.append(_looked(f"source {name}, now", partial(service.poller.ask, name)))
        service.close()
    if arguments.json:
        output.as_json([{"what": what, "ok": ok, "detail": detail} for what, ok, detail in found])
    else:
        for what, ok, detail in found:
            print(f"{'ok  ' if ok else 'BAD '} {what}: {detail}")
    return OK if all(ok for _, ok, _ in found) else TROUBLE


def _looked(what: str, test: Callable[[], str]) -> tuple[str, bool, str]:
    """What was looked at, whether it is well, and what there is to say about it."""
    try:
        return what, True, test()
    except DigestbotError as error:
        return what, False, str(error)


def _check_ledger(ledger: Ledger) -> list[tuple[str, bool, str]]:
    from digestbot.ledger import views

    if ledger.file is not None and not ledger.file.exists():
        folder = ledger.file.parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            return [("ledger", True, f"{ledger.file} will be made at the first run")]
        return [("ledger", False, f"{ledger.file} cannot be made: {folder} is not a folder one may write to")]

    def opens() -> str:
        with ledger.rehearsal() as rehearsed:
            rehearsed.prepare()
        return "can be written"

    found = [_looked("ledger", opens)]
    if found[0][1]:
        with ledger.read() as tx:
            troubles = views.source_errors(tx) if ledger.revision(tx) else {}
        found += [(f"source {name}", False, error) for name, error in troubles.items()]
    return found


def _check_alerts(config: Config, *, online: bool) -> list[tuple[str, bool, str]]:
    from digestbot import alerts

    addresses = [address.get_secret_value() for address in config.alerts.to]
    if not addresses:
        return []

    def understood() -> str:
        if not alerts.available():
            raise DigestbotError(f"cannot be sent here: {alerts.MISSING}")
        wrong = alerts.unusable(addresses)
        if wrong:
            raise DigestbotError(f"Apprise does not understand {', '.join(wrong)}://…")
        return f"{len(addresses)} address{'es' if len(addresses) > 1 else ''}"

    def sent() -> str:
        if not alerts.Notifier(addresses).send("digestbot: this is a test", "Alerts will reach you here."):
            raise DigestbotError("nobody could be reached")
        return "a test was sent"

    found = [_looked("alerts", understood)]
    return [*found, _looked("alerts, now", sent)] if online and found[0][1] else found


def _asks(publisher: Publisher) -> str:
    account, advice = publisher.verify(seconds=60)
    if advice:
        raise DigestbotError("; ".join([account, *advice]))
    return account


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


def _renders(service: Service, digest: str, channel: str) -> str:
    from digestbot.service import SAMPLE
    from digestbot.text import LIMITS

    shape = service.config.appearance(digest, channel).shape
    _, drafts = service.drafter.drafts(digest, channel, [SAMPLE], shape)
    limit = LIMITS[service.config.platform(channel)]
    return f"renders ({limit.measure(drafts[0].message.text)} of {limit.most} characters for a sample)"
