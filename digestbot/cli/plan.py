"""The commands plan and why: what will be posted when, and the reasons."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK
from digestbot.cli.argument_types import positive
from digestbot.cli.common import known_channel, known_digest, now_, open_or_rehearse
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.time_format import is_in_usable_year, local_time, localize

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from digestbot.cli.parser import Commands
    from digestbot.config import Config
    from digestbot.domain.schedule import PlanEntry
    from digestbot.pipeline.app import Reason


MAX_HORIZON = timedelta(days=10 * 366)


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add(
        "plan", "show what will be posted when, what it costs, and which slots stay empty; changes nothing", plan
    )
    command.add_argument("--days", type=positive, default=7, metavar="N", help="how many days (7)")
    command.add_argument(
        "--from", dest="begin", metavar="TIME", help="from this time, such as 2026-12-24 or 2026-12-24T18:00"
    )
    command.add_argument("--digest", metavar="DIGEST", help="only this digest")
    command.add_argument("--channel", metavar="CHANNEL", help="only this channel")
    command = commands.add("why", "explain a summary: when and why it was or will be posted, or why not", why)
    command.add_argument("summary", metavar="SUMMARY", help="its id, its URL, or its paper's key")


def plan(arguments: argparse.Namespace) -> int:
    """Print what will be posted when, at what cost, and which slots stay empty; return the exit code."""
    from digestbot.cli import output
    from digestbot.pipeline.app import Service

    with open_or_rehearse(arguments) as (config, ledger):
        if arguments.digest is not None:
            known_digest(config, arguments.digest)
        if arguments.channel is not None:
            known_channel(config, arguments.channel)
        begin = _time(arguments.begin, config.timezone) if arguments.begin is not None else now_()
        end = begin + timedelta(days=arguments.days)
        rows = (
            row
            for row in Service(config, ledger, now_).foresee(begin, end)
            if arguments.digest in (None, row.digest) and arguments.channel in (None, row.channel)
        )
        if arguments.json:
            output.print_json_list(_row_json(config, row) for row in rows)
        else:
            _print_plan(config, rows, arguments.days)
    return OK


def _time(text: str, zone: ZoneInfo) -> datetime:
    try:
        result = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"--from: {text!r} is not a time; use one such as 2026-12-24 or 2026-12-24T18:00"]) from None
    if not is_in_usable_year(result):
        raise ConfigError(["--from: the year is out of range"])
    result = result if result.tzinfo else result.replace(tzinfo=zone)
    if result > now_() + MAX_HORIZON:
        raise ConfigError(["--from: is more than ten years ahead"])
    if result < now_() - timedelta(minutes=1):
        raise ConfigError(["--from: is in the past: digestbot posts shows what was posted"])
    return result


def _local(config: Config, row: PlanEntry) -> datetime:
    known = row.digest in config.digests and row.channel in config.channels
    return row.at.astimezone(config.zone(row.digest, row.channel) if known else config.timezone)


def _row_json(config: Config, row: PlanEntry) -> dict[str, Any]:
    from digestbot.domain.budget import DOLLAR

    return {
        "at": _local(config, row).isoformat(timespec="seconds"),
        "digest": row.digest,
        "channel": row.channel,
        "slot": row.slot,
        "summaries": [
            {"summary": one.id, "title": one.paper.title, "writer": one.writer, "link": one.link}
            for one in row.summaries
        ],
        "cost": row.cost / DOLLAR,
        "note": row.note or None,
        "made": row.made,
    }


def _print_plan(config: Config, rows: Iterable[PlanEntry], days: int) -> None:
    """Print the rows as they are computed, since a year of them may not fit in memory."""
    from digestbot.domain.budget import dollars

    width = max((len(f"{digest} on {channel}") for digest, channel in config.routes()), default=0)
    filled = empty = total = 0
    shown = ((_local(config, row), row) for row in rows)
    for day, of_day in groupby(shown, key=lambda one: f"{one[0]:%A, %d %B %Y}"):
        print(day)
        of_day_ = list(of_day)
        some = [row for _, row in of_day_ if row.summaries]
        filled, empty, total = (
            filled + len(some),
            empty + len(of_day_) - len(some),
            total + sum(row.cost for row in some),
        )
        for at, row, more in _folded(of_day_):
            head = f"  {at:%H:%M %Z}  {f'{row.digest} on {row.channel}':<{width}}  "
            if not row.summaries:
                others = f" (and {more} more slot{'s' if more > 1 else ''} of the day)" if more else ""
                print(f"{head}-       {row.note}{others}")
                continue
            cost = dollars(row.cost) if row.cost else ""
            for number, summary in enumerate(row.summaries):
                note = f"  ({row.note})" if row.note and not number else ""
                title = _title(summary.paper.title)
                print(f"{head if not number else ' ' * len(head)}{cost if not number else '':<7} {title}{note}")
    if not (filled or empty):
        print(f"nothing within {days} day{'s' if days > 1 else ''}: there are no slots")
        return
    print(f"\n{filled} slots with posts, {empty} empty slots; {dollars(total)} in total (estimate)")


def _folded(rows: list[tuple[datetime, PlanEntry]]) -> list[tuple[datetime, PlanEntry, int]]:
    """Return a day's rows. Of empty slots with the same digest, channel and reason, only the first is kept, with the
    number of the others."""
    counts = Counter(_emptiness(row) for _, row in rows)
    result, seen = [], set()
    for at, row in rows:
        if row.summaries or _emptiness(row) not in seen:
            result.append((at, row, counts[_emptiness(row)] - 1))
        if not row.summaries:
            seen.add(_emptiness(row))
    return result


def _emptiness(row: PlanEntry) -> tuple[str, str, str, bool]:
    return row.digest, row.channel, row.note, bool(row.summaries)


def _title(title: str) -> str:
    """Return a paper's title as plain text, truncated to the room in a line."""
    from digestbot.text import plain_title, truncate

    return truncate(plain_title(title), 60)


def why(arguments: argparse.Namespace) -> int:
    """Print on each channel when and why a summary was or will be posted, or why not; return the exit code. Raises
    LedgerError if no summary matches."""
    from digestbot.cli import output
    from digestbot.ledger import backlog_views
    from digestbot.pipeline.app import Service
    from digestbot.rendering.template_views import author_line
    from digestbot.text import plain_title

    shown = []
    with open_or_rehearse(arguments) as (config, ledger):
        with ledger.read() as tx:
            result = backlog_views.find_summaries(tx, arguments.summary.encode("utf-8", "replace").decode())
        if not result:
            raise LedgerError(f"no summary is known by {arguments.summary!r}: digestbot backlog lists the pending ones")
        for summary, source in result:
            reasons = Service(config, ledger, now_).why(summary, source)
            if arguments.json:
                shown.append(
                    {"summary": summary.id, "title": summary.paper.title, "reasons": [*map(_why_json, reasons)]}
                )
                continue
            print(f"{summary.id}: {plain_title(summary.paper.title)}, by {author_line(summary)} (from {source})")
            for reason in reasons:
                print(f"  {reason.digest} on {reason.channel}: {_why_line(config, reason)}")
                if reason.excerpt:
                    print(f"    its excerpt: {reason.excerpt}")
            if not reasons:
                print("  no digest reads this source")
    if arguments.json:
        output.print_json(shown)
    return OK


def _why_json(reason: Reason) -> dict[str, Any]:
    return {
        "digest": reason.digest,
        "channel": reason.channel,
        "because": reason.because,
        "excerpt": reason.excerpt or None,
        "since": reason.since,
        "at": reason.at,
        "not_posted": reason.not_posted,
        "held": [{"reason": one.reason, "until": one.until} for one in reason.held],
        "posts": [
            {"id": row.id, "status": row.status, "url": row.receipt.url if row.receipt else None}
            for row in reason.posts
        ],
    }


def _why_line(config: Config, reason: Reason) -> str:
    if reason.posts:
        return _posts_line(config, reason)
    known = reason.digest in config.digests and reason.channel in config.channels
    zone = config.zone(reason.digest, reason.channel) if known else config.timezone
    because = localize(reason.because, zone)
    since = f" since {reason.since.astimezone(zone):%Y-%m-%d %H:%M %Z}" if reason.since else ""
    if reason.not_posted:
        return f"will not be posted: {because}"
    if reason.at is None:
        return f"held{since}: {because}"
    return f"goes out at {reason.at.astimezone(zone):%Y-%m-%d %H:%M %Z (%A)}; pending{since}: {because}"


def _posts_line(config: Config, reason: Reason) -> str:
    zone = config.timezone
    line = "; ".join(
        f"post {row.id} is {row.status}"
        + (f" since {local_time(row.at, zone)}" if row.receipt else "")
        + (f": {row.receipt.url}" if row.receipt else f": {localize(row.error, zone)}" if row.error else "")
        for row in reason.posts
    )
    for one in reason.held:
        until = f" until {one.until.astimezone(zone):%Y-%m-%d %H:%M %Z}" if one.until else ""
        line += f"; held: {one.reason}{until}"
    return line
