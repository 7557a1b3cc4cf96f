"""The command backlog: what a digest would publish next, what is pending, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK
from digestbot.cli.argument_types import positive
from digestbot.cli.common import known_channels, known_digest, now_, open_existing, open_or_rehearse

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from digestbot.cli.parser import Commands
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.ledger.backlog_views import PendingSummary


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("backlog", "list what a digest would publish next, and what is pending, and why", backlog)
    command.add_argument("digest", metavar="DIGEST")
    command.add_argument("--channel", metavar="CHANNEL", help="only this one of the digest's channels")
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N of each channel")
    change = command.add_mutually_exclusive_group()
    change.add_argument(
        "--take-in",
        type=_policy,
        metavar="DATE|N|all",
        help="post summaries after all that were skipped at the first read: from a date on, the newest N, or all",
    )
    change.add_argument("--skip", action="store_true", help="skip everything that is pending now")


def _policy(text: str) -> str | int | date:
    from digestbot.infra.config_values import backlog_policy

    try:
        policy = backlog_policy(text)
    except ValueError:
        policy = "skip"
    if policy in ("skip", 0):
        raise argparse.ArgumentTypeError('write "all", how many of the newest (such as 10), or a date (2026-01-31)')
    return policy


def backlog(arguments: argparse.Namespace) -> int:
    """Print which summaries a digest would publish next and why others are still pending, from what was read of the
    sources so far; return the exit code. Nothing is written to the ledger."""
    from digestbot.cli import output
    from digestbot.config.rules import filters_for
    from digestbot.ledger import backlog_views, queries
    from digestbot.pipeline.app import Service

    if arguments.skip or arguments.take_in is not None:
        with open_existing(arguments, credentials_needed=True) as (config, ledger):  # it registers the accounts
            return _change(arguments, config, ledger, known_digest(config, arguments.digest))
    with open_or_rehearse(arguments) as (config, ledger):
        digest = known_digest(config, arguments.digest)
        shown = []
        for channel in known_channels(config, digest, arguments.channel):
            with ledger.rehearsal() as rehearsal:
                service = Service(config, rehearsal, now_)
                service.prepare()
                service.extend_backlog(digest, channel)
                filters = filters_for(config, digest, channel)
                order = config.timing(digest, channel).order
                with rehearsal.read() as tx:
                    rows = backlog_views.list_pending(tx, digest, channel, order, filters, arguments.limit, now_())
                    counts = queries.backlog_counts(tx, digest, channel)
            counted = _counts(counts)
            pending = [_json(row) for row in rows]
            shown.append({"digest": digest, "channel": channel, "counts": counted, "pending": pending})
            if not arguments.json:
                _print(digest, channel, counted, rows, config.timezone)
    if arguments.json:
        output.print_json(shown)
    return OK


def _change(arguments: argparse.Namespace, config: Config, ledger: Ledger, digest: str) -> int:
    """Take in what was skipped at the first read, or skip what is pending; return the exit code."""
    from digestbot.cli import output
    from digestbot.ledger import backlog
    from digestbot.pipeline.app import Service

    service = Service(config, ledger, now_)
    service.prepare()
    counts = {}
    for channel in known_channels(config, digest, arguments.channel):
        service.extend_backlog(digest, channel)
        with ledger.begin() as tx:
            zone = config.zone(digest, channel)
            if arguments.skip:
                counts[channel] = backlog.skip_pending(tx, digest, channel)
            else:
                counts[channel] = backlog.take_in(tx, digest, channel, arguments.take_in, zone)
    what = "skipped" if arguments.skip else "now_pending"
    if arguments.json:
        output.print_json([{"digest": digest, "channel": channel, what: count} for channel, count in counts.items()])
    else:
        outcome = "skipped" if arguments.skip else "now pending"
        for channel, count in counts.items():
            print(f"{digest} on {channel}: {count} {'summary is' if count == 1 else 'summaries are'} {outcome}")
    return OK


def _counts(counts: dict[str, int]) -> dict[str, int]:
    """Return the numbers of summaries by what has become of them, named for people."""
    return {"pending": counts.get("waiting", 0), "taken": counts.get("taken", 0), "skipped": counts.get("skipped", 0)}


def _json(row: PendingSummary) -> dict[str, Any]:
    summary = row.summary
    return {
        "summary": summary.id,
        "title": summary.paper.title,
        "writer": summary.writer,
        "votes": summary.votes,
        "dated": summary.dated,
        "link": summary.link,
        "blocked_reason": row.waits_for or None,
    }


def _print(digest: str, channel: str, counts: dict[str, int], rows: list[PendingSummary], zone: ZoneInfo) -> None:
    import textwrap

    from digestbot.domain.time_format import localize
    from digestbot.rendering.template_views import author_line
    from digestbot.text import plain_title

    counts_text = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{digest} on {channel}: {counts_text}")
    if rows:
        print(f"{'id':>6}  {'edited':<10}  {'paper':<56}  {'by':<20}  status")
    for row in rows:
        summary = row.summary
        title = textwrap.shorten(plain_title(summary.paper.title), 56, placeholder="…")
        writer = textwrap.shorten(author_line(summary), 20, placeholder="…")
        dated = f"{summary.dated:%Y-%m-%d}" if summary.dated else ""
        print(f"{summary.id:>6}  {dated:<10}  {title:<56}  {writer:<20}  {localize(row.waits_for, zone) or 'ready'}")
    print()
