"""The service's commands: run, once, preview."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK, TROUBLE
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
from digestbot.cli.progress import working
from digestbot.cli.report import report_on
from digestbot.errors import LedgerChanged

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.service import Service


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
        lost: list[LedgerChanged] = []

        def tick(sign: Callable[[], None]) -> None:
            signs[0] = sign
            try:
                newest.look()
                newest.service.tick()
            except LedgerChanged as error:  # another process may be right to continue; this one is not
                log.critical("%s", error)
                lost.append(error)
                stop.set()
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
    return TROUBLE if lost else OK


def once(arguments: argparse.Namespace) -> int:
    """All that is due, once."""
    config, stopping = load_config(arguments), until_signalled().is_set
    with (
        working("doing what is due", quiet=arguments.quiet) as step,
        open_service(config, stopping=stopping, progress=step) as service,
    ):
        report = service.tick()
        return report_on(arguments, service, report)


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
