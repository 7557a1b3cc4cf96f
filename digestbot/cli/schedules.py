"""Commands about what is to come: plan, why, approve, edit, decline."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digestbot.cli import ATTENTION, OK
from digestbot.cli.care import existing
from digestbot.cli.common import known_channel, known_digest, now_
from digestbot.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from digestbot.config import Config
    from digestbot.planning import Row
    from digestbot.service import Reason


FURTHEST = timedelta(days=10 * 366)


def plan(arguments: argparse.Namespace) -> int:
    """What will be posted."""
    from digestbot.cli import output
    from digestbot.service import Service

    with existing(arguments) as (config, ledger):
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
            output.as_json_list(_row_json(config, row) for row in rows)
        else:
            _print_plan(config, rows, arguments.days)
    return OK


def _time(text: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"--from: {text!r} is no time; write one such as 2026-12-24 or 2026-12-24T18:00"]) from None
    if not 2000 < found.year < 3000:
        raise ConfigError(["--from: is no time that a plan could be made for"])
    found = found if found.tzinfo else found.replace(tzinfo=zone)
    if found > now_() + FURTHEST:
        raise ConfigError(["--from: is more than ten years ahead"])
    if found < now_() - timedelta(minutes=1):
        raise ConfigError(["--from: is in the past: digestbot posts shows what was posted"])
    return found


def _local(config: Config, row: Row) -> datetime:
    known = row.digest in config.digests and row.channel in config.channels
    return row.at.astimezone(config.zone(row.digest, row.channel) if known else config.timezone)


def _row_json(config: Config, row: Row) -> dict[str, Any]:
    from digestbot.costs import DOLLAR

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


def _print_plan(config: Config, rows: Iterable[Row], days: int) -> None:
    """Print rows as they come: a year of them may be more than fits in memory."""
    from digestbot.costs import dollars

    width = max((len(f"{digest} on {channel}") for digest, channel in config.pairs()), default=0)
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
        print(f"nothing within {days} day{'s' if days > 1 else ''}: no slot comes")
        return
    print(f"\n{filled} with something to show, {empty} empty slots; {dollars(total)} in all, as estimated")


def _folded(rows: list[tuple[datetime, Row]]) -> list[tuple[datetime, Row, int]]:
    """A day's rows; of a digest's slots that stay empty for the same reason, the first, and how many more there are."""
    counts = Counter(_emptiness(row) for _, row in rows)
    found, seen = [], set()
    for at, row in rows:
        if row.summaries or _emptiness(row) not in seen:
            found.append((at, row, counts[_emptiness(row)] - 1))
        if not row.summaries:
            seen.add(_emptiness(row))
    return found


def _emptiness(row: Row) -> tuple[str, str, str, bool]:
    return row.digest, row.channel, row.note, bool(row.summaries)


def _title(title: str) -> str:
    """As much of a title as a line has room for."""
    from digestbot.text import cut, plain_title

    return cut(plain_title(title), 60)


def why(arguments: argparse.Namespace) -> int:
    """What becomes of a summary."""
    from digestbot.cli import output
    from digestbot.ledger import backlogs
    from digestbot.service import Service
    from digestbot.text import plain_title

    shown = []
    with existing(arguments) as (config, ledger):
        with ledger.read() as tx:
            found = backlogs.find(tx, arguments.summary.encode("utf-8", "replace").decode())
        if not found:
            raise LedgerError(f"no summary is known by {arguments.summary!r}: digestbot backlog lists those that wait")
        for summary, source in found:
            reasons = Service(config, ledger, now_).why(summary, source)
            if arguments.json:
                shown.append(
                    {"summary": summary.id, "title": summary.paper.title, "reasons": [*map(_why_json, reasons)]}
                )
                continue
            print(
                f"{summary.id}: {plain_title(summary.paper.title)}, by {summary.writer or 'anonymous'} (from {source})"
            )
            for reason in reasons:
                print(f"  {reason.digest} on {reason.channel}: {_why_line(config, reason)}")
            if not reasons:
                print("  no digest reads this source")
    if arguments.json:
        output.as_json(shown)
    return OK


def _why_json(reason: Reason) -> dict[str, Any]:
    return {
        "digest": reason.digest,
        "channel": reason.channel,
        "because": reason.because,
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
    since = f" since {reason.since.astimezone(zone):%Y-%m-%d %H:%M %Z}" if reason.since else ""
    if reason.not_posted:
        return f"not posted as things stand: {reason.because}"
    if reason.at is None:
        return f"held{since}: {reason.because}"
    return f"goes out at {reason.at.astimezone(zone):%Y-%m-%d %H:%M %Z (%A)}; waits{since}: {reason.because}"


def _posts_line(config: Config, reason: Reason) -> str:
    zone = config.timezone
    line = "; ".join(
        f"post {row.id} is {row.status}"
        + (f" since {row.at:%Y-%m-%d %H:%M} UTC" if row.receipt else "")
        + (f": {row.receipt.url}" if row.receipt else f": {row.error}" if row.error else "")
        for row in reason.posts
    )
    for one in reason.held:
        until = f" until {one.until.astimezone(zone):%Y-%m-%d %H:%M %Z}" if one.until else ""
        line += f"; held: {one.reason}{until}"
    return line


def approve(arguments: argparse.Namespace) -> int:
    """A person's word, or the list of what waits for it."""
    from digestbot.cli import output
    from digestbot.ledger import approvals, views
    from digestbot.service.approving import Approver
    from digestbot.service.drafting import Drafter

    with existing(arguments) as (config, ledger):
        if arguments.id is not None:
            approved = Approver(config, ledger, now_, Drafter(config, ledger)).approve(arguments.id)
            if arguments.json:
                output.as_json(
                    {"approved": approved.posts, "rendered_again": [row.id for row in approved.rendered_again]}
                )
            elif approved.posts:
                print(f"post {_numbers(approved.posts)}: approved; sent soon, as far as its digest's hours allow")
            for row in () if arguments.json else approved.rendered_again:
                print(f"post {row.id} was made more than a day ago, so it was rendered again. It says now:")
                print(output.framed(row.message(), config.platform(row.channel), row.cost) + "\n")
            if approved.rendered_again and not arguments.json:
                print(f"approve it again if it is right: digestbot approve {arguments.id}")
            return ATTENTION if approved.rendered_again else OK
        with ledger.read() as tx:
            ids = approvals.waiting(tx)
            rows = views.post_rows(tx, ids=ids) if ids else []
        if arguments.json:
            output.json_rows(rows)
            return OK
        for row in rows:
            until = f"{row.approve_by:%Y-%m-%d %H:%M} UTC" if row.approve_by else ""
            print(f"post {row.id}, {row.digest} on {row.channel}, until {until}:")
            print(output.framed(row.message(), config.platform(row.channel), row.cost) + "\n")
        if not rows:
            print("nothing waits for approval")
    return OK


def edit(arguments: argparse.Namespace) -> int:
    """Another text."""
    from digestbot.cli import output
    from digestbot.ledger import approvals, views
    from digestbot.service import Service

    with existing(arguments) as (config, ledger):
        with ledger.read() as tx:
            before = views.post_row(tx, arguments.id)
            if arguments.id not in approvals.waiting(tx):
                raise LedgerError(
                    f"post {arguments.id} does not wait for approval: digestbot approve lists those that do"
                )
        row = Service(config, ledger, now_).rearranger.rewrite(arguments.id, _text(arguments, before.text))
        print(output.framed(row.message(), config.platform(row.channel), row.cost))
        print(f"post {row.id} says this now; it still waits: digestbot approve {row.id}")
    return OK


def _text(arguments: argparse.Namespace, before: str) -> str:
    """What the post is to say: from the command line, a file, or an editor."""
    if arguments.text is not None:
        return str(arguments.text)
    try:
        if arguments.file == "-":
            return sys.stdin.read()
        if arguments.file is not None:
            return Path(arguments.file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError([f"{arguments.file}: is not UTF-8 text"]) from None
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor or not sys.stdin.isatty():
        raise ConfigError(["say what the post is to say: --text TEXT or --file FILE (or set $EDITOR, at a terminal)"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "post.txt"
        file.write_text(before + "\n", encoding="utf-8")
        subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603 - the operator's own editor
        return file.read_text(encoding="utf-8")


def decline(arguments: argparse.Namespace) -> int:
    """Not this one."""
    from digestbot.ledger import approvals

    with existing(arguments) as (_, ledger), ledger.begin() as tx:
        declined = approvals.decline(tx, arguments.id, arguments.reason, now_(), later=arguments.later)
    what = "wait for another edition" if arguments.later else "are skipped"
    print(f"post {_numbers(declined)}: not sent; its summaries {what}")
    return OK


def _numbers(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))
