"""The commands of the service: run, once and preview."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
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
from digestbot.domain.errors import LedgerChanged, PortTakenError

if TYPE_CHECKING:
    from digestbot.cli.config_reload import Reloader
    from digestbot.cli.parser import Commands
    from digestbot.config import Config, Web
    from digestbot.pipeline.app import Report, Service
    from digestbot.pipeline.jobs import Job
    from digestbot.pipeline.scheduler import JobRunner


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    commands.add("run", "run the service: publish on schedule until stopped (SIGTERM or SIGINT)", run, json=False)
    commands.add("once", "do everything that is due now, then exit: for cron", once)
    command = commands.add(
        "preview", "show exactly what would be sent next; reads the sources, changes nothing", preview
    )
    command.add_argument("digest", metavar="DIGEST")
    command.add_argument("--channel", metavar="CHANNEL", help="only this one of the digest's channels")


def run(arguments: argparse.Namespace) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit code, which is 1 if the ledger was replaced
    meanwhile."""
    import logging
    from dataclasses import replace

    from digestbot.cli.config_reload import Reloader
    from digestbot.cli.systemd import notify
    from digestbot.pipeline.app import Service
    from digestbot.pipeline.jobs import UPKEEP
    from digestbot.pipeline.scheduler import JobRunner

    config = load_config(arguments)
    stop = until_signalled()
    log = logging.getLogger("digestbot")
    lost: list[BaseException] = []

    def failed(error: BaseException) -> None:
        if isinstance(error, LedgerChanged):  # the ledger was upgraded or replaced: this process must stop
            lost.append(error)
            stop.set()
            log.critical("%s", error)
        else:
            log.error("a job failed", exc_info=error)

    runner = JobRunner(threads=config.jobs.threads, on_error=failed)
    options: dict[str, Any] = {
        "progress": runner.progress,
        "stopping": stop.is_set,
        "overrunning": runner.overrunning,
    }
    with open_service(config, **options) as first:

        def again(fresh: Config) -> Service:
            return Service(fresh, first.ledger, now_, **options)

        newest = Reloader(first, now_, again, partial(set_up_logs, arguments), runner.suspend)
        signal.signal(signal.SIGHUP, lambda *_: newest.asked.set())
        kept_up: list[datetime] = []
        running = [first]  # the service whose jobs are running

        def jobs() -> list[Job]:
            """Return the jobs of the newest service. Its upkeep job also reloads a changed configuration."""
            return [
                replace(job, run=partial(keep_up, job)) if job.name == UPKEEP else job for job in newest.service.jobs()
            ]

        def keep_up(job: Job, report: Report) -> Collection[str]:
            try:
                newest.look()
            finally:
                if newest.service is not running[0] or (runner.any_suspended and not newest.waits):
                    runner.replace(jobs())
                    running[0] = newest.service
            newest.close_old()
            woken = job.run(report)
            kept_up[:] = [now_()]
            return woken

        log.info(
            "running: %d source(s), %d channel(s), %d digest(s)",
            len(config.sources),
            len(config.channels),
            len(config.digests),
        )
        runner.replace(jobs())
        with ExitStack() as stack:
            if config.web is not None:
                stack.enter_context(_pages(newest, config.web, runner, lambda: kept_up[0] if kept_up else None))
            notify("READY=1")
            ended = runner.run(stop, lambda: notify("WATCHDOG=1"), lambda: notify("STOPPING=1"))
            if not ended:
                logging.shutdown()
                os._exit(TROUBLE)  # an orderly exit would wait forever for the thread that hangs
        newest.service.close()
        log.info("stopped%s", f": {stop.reason}" if stop.reason else "")
    return TROUBLE if lost else OK


@contextmanager
def _pages(
    newest: Reloader, settings: Web, runner: JobRunner, last_upkeep: Callable[[], datetime | None]
) -> Iterator[None]:
    """Serve the operator pages along with the service. If their port is in use, log that and continue without them."""
    import logging

    from digestbot.cli.web_pages import Liveness, pages
    from digestbot.pipeline.jobs import job_names
    from digestbot.pipeline.service_jobs import PATIENCE

    liveness = Liveness(last_upkeep, lambda: PATIENCE, lambda: newest.problems, runner.overrunning)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(pages(lambda: newest.service.config, settings, liveness))
            server.app_state.on_change = lambda: runner.wake(job_names(newest.service.config))
        except PortTakenError as error:
            logging.getLogger("digestbot").error("%s; continuing without the operator pages", error)
        yield


def once(arguments: argparse.Namespace) -> int:
    """Do everything that is due now, once; return the exit code."""
    from digestbot.cli.report import report_on

    config, stopping = load_config(arguments), until_signalled().is_set
    with (
        working("doing what is due", quiet=arguments.quiet) as step,
        open_service(config, stopping=stopping, progress=step) as service,
    ):
        report = service.tick(config.jobs.threads)
        return report_on(arguments, service, report)


def preview(arguments: argparse.Namespace) -> int:
    """Print exactly what would be sent next on each channel; return the exit code. Nothing is written to the ledger."""
    from digestbot.cli import output
    from digestbot.domain.budget import DOLLAR, dollars
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    config = load_config(arguments, credentials_needed=False)
    digest = known_digest(config, arguments.digest)
    channels = known_channels(config, digest, arguments.channel)
    ledger = open_ledger(config)
    if ledger.file is not None and not ledger.file.exists():
        ledger = Ledger("sqlite://")  # in memory, so that no empty file is created
    shown = []
    try:
        for channel in channels:
            result = Service(config, ledger, now_).preview(digest, channel)
            platform, zone = config.platform(channel), config.zone(digest, channel)
            limit = platform.limit
            slot = result.slot.at.astimezone(zone) if result.slot else None
            shown.append(
                {
                    "digest": digest,
                    "channel": channel,
                    "slot": slot.isoformat() if slot else None,
                    "pending": result.backlog.get("waiting", 0),
                    "skipped": result.backlog.get("skipped", 0),
                    "posts": [
                        {
                            "text": draft.message.text,
                            "link": None if draft.message.picture else draft.message.link,
                            "reply": draft.message.reply,
                            "length": limit.measure(draft.message.text),
                            "limit": limit.most,
                            "cost": draft.cost / DOLLAR,
                            "picture": draft.message.picture.alt_text if draft.message.picture else None,
                            "excerpt": draft.excerpt or None,
                        }
                        for draft in result.drafts
                    ],
                    "cost": sum(draft.cost for draft in result.drafts) / DOLLAR,
                    "reason": result.reason or None,
                    "within_budget": result.account.lets_through(sum(draft.cost for draft in result.drafts)),
                    "month": output.budget_json(result.account),
                }
            )
            if arguments.json:
                continue
            when = f"{slot:%a %d %b %Y %H:%M} {zone.key}" if slot else "none upcoming"
            print(
                f"{digest} on {channel} ({platform.title}), slot {when}; "
                f"{result.backlog.get('waiting', 0)} pending, "
                f"{result.backlog.get('skipped', 0)} skipped at the first read"
            )
            for draft in result.drafts:
                print("\n" + output.format_message(draft.message, limit, draft.cost, draft.excerpt))
            if not result.drafts:
                why = result.reason or "there are no upcoming slots"
                print(
                    f"\nNothing would be sent ({why}); digestbot backlog {digest} lists what is pending, and why."
                    + (" A post would look like this:" if result.sample else "")
                )
            if result.sample:
                print(
                    "\n"
                    + output.format_message(result.sample.message, limit, result.sample.cost, result.sample.excerpt)
                )
            if config.prices(channel):
                cost = sum(draft.cost for draft in result.drafts)
                over = "" if result.account.lets_through(cost) else ": over the budget, it would not be sent"
                print(f"\n{output.budget_line(channel, result.account, now_())}; this edition {dollars(cost)}{over}")
            print()
    finally:
        ledger.close()
    if arguments.json:
        output.print_json(shown)
    return OK
