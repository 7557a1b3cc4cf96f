"""Commands that answer an operator's questions: backlog, alarms."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK
from digestbot.cli.care import existing
from digestbot.cli.common import known_channels, known_digest, now_
from digestbot.text import plain_title

if TYPE_CHECKING:
    from digestbot.ledger.backlogs import Waiting


def backlog(arguments: argparse.Namespace) -> int:
    """What comes next, and what waits for what, as far as the sources were read."""
    from digestbot.cli import output
    from digestbot.gate import Gate
    from digestbot.ledger import backlogs, views
    from digestbot.service import Service

    with existing(arguments) as (config, ledger):
        digest = known_digest(config, arguments.digest)
        shown = []
        for channel in known_channels(config, digest, arguments.channel):
            with ledger.rehearsal() as rehearsal:
                service = Service(config, rehearsal, now_)
                service.prepare()
                service.extend_backlog(digest, channel)
                gate = Gate.of(config, digest, channel)
                order = config.timing(digest, channel).order
                with rehearsal.read() as tx:
                    rows = backlogs.listed(tx, digest, channel, order, gate, arguments.limit, now_())
                    counts = views.backlog_counts(tx, digest, channel)
            shown.append(
                {"digest": digest, "channel": channel, "counts": counts, "waiting": [_json(row) for row in rows]}
            )
            if not arguments.json:
                _print(digest, channel, counts, rows)
    if arguments.json:
        output.as_json(shown)
    return OK


def _json(row: Waiting) -> dict[str, Any]:
    summary = row.summary
    return {
        "summary": summary.id,
        "title": summary.paper.title,
        "writer": summary.writer,
        "votes": summary.votes,
        "dated": summary.dated,
        "link": summary.link,
        "waits_for": row.waits_for or None,
    }


def _print(digest: str, channel: str, counts: dict[str, int], rows: list[Waiting]) -> None:
    told = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("waiting", "taken", "skipped"))
    print(f"{digest} on {channel}: {told}")
    if rows:
        print(f"{'id':>6}  {'edited':<10}  {'paper':<56}  {'by':<20}  waits for (times are UTC)")
    for row in rows:
        summary = row.summary
        title = textwrap.shorten(plain_title(summary.paper.title), 56, placeholder="…")
        writer = textwrap.shorten(summary.writer or "anonymous", 20, placeholder="…")
        dated = f"{summary.dated:%Y-%m-%d}" if summary.dated else ""
        print(f"{summary.id:>6}  {dated:<10}  {title:<56}  {writer:<20}  {row.waits_for or 'its turn'}")
    print()


def alarms(arguments: argparse.Namespace) -> int:
    """What waits for the operator's word."""
    from digestbot.cli import output
    from digestbot.ledger import alarms, amendments

    with existing(arguments) as (_, ledger):
        if arguments.action is None:
            with ledger.read() as tx:
                found = alarms.open_alarms(tx)
            if arguments.json:
                output.as_json([output.alarm_json(alarm) for alarm in found])
            else:
                print("\n".join(output.alarm_line(alarm) for alarm in found) or "no alarms")
            return OK
        with ledger.begin() as tx:
            held = amendments.decide_alarm(tx, arguments.id, confirm=arguments.action == "confirm", now=now_())
    if arguments.action == "confirm":
        print(f"alarm {arguments.id} is confirmed" + (f": {held} post(s) are changed at the next tick" if held else ""))
    else:
        print(f"alarm {arguments.id} is dismissed" + (f": {held} post(s) stay as they are" if held else ""))
    return OK
