"""What once and send say when they are done, and with which exit code they end."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from digestbot.cli import ATTENTION, OK, TROUBLE
from digestbot.cli.common import now_
from digestbot.model import PostStatus

if TYPE_CHECKING:
    from digestbot.service import Report, Service


UNSETTLED = {
    PostStatus.UNKNOWN: "may have been published, and are being looked for",
    PostStatus.QUARANTINED: "need your decision",
}


def report_on(arguments: argparse.Namespace, service: Service, report: Report, *, sent: bool = False) -> int:
    """Print what a run of verbs did; return the exit code: 3 where something was rejected or needs a decision, and, of
    what was ``sent`` by hand, where something is still waiting."""
    from digestbot.cli import output
    from digestbot.ledger import alarms, approvals, views

    touched = {*report.made, *(post for post, _ in report.concluded), *(post for post, _ in report.settled)}
    tried = {post for post, _ in report.concluded}
    with service.ledger.read() as tx:
        rows = list(views.post_rows(tx, ids=sorted(touched))) if touched else []
        unsettled = views.unsettled_counts(tx)
        waits = alarms.open_alarms(tx)
        unapproved = approvals.waiting(tx)
        paused = views.paused_channels(tx)
        waiting_channels = {
            name: row.wait_until
            for name, row in views.channel_rows(tx).items()
            if row.wait_until is not None and row.wait_until > now_() and row.pause_reason is None
        }
    rejected = any(row.status is PostStatus.FAILED for row in rows)
    pending = [row.id for row in rows if row.status is PostStatus.PENDING and (sent or row.id in tried)]
    if arguments.json:
        output.as_json(
            {
                "posts": [output.post_json(row) for row in rows],
                "source_errors": report.source_errors,
                "render_errors": report.render_errors,
                "paused_channels": paused,
                "waiting_channels": waiting_channels,
                "troubles": report.troubles,
                "pending": pending,
                "waiting_for_a_person": sum(unsettled.values()),
                "waiting_for_approval": unapproved,
                "alarms": [output.alarm_json(alarm) for alarm in waits],
            }
        )
    else:
        for row in rows:
            print(output.post_line(row))
    for name, reason in paused.items():
        print(f"channel {name} is paused: {reason}; to resume it: digestbot resume {name}", file=sys.stderr)
    for name, until in waiting_channels.items():
        print(f"channel {name} waits until {until:%Y-%m-%d %H:%M} UTC", file=sys.stderr)
    if pending:
        numbers = ", ".join(map(str, pending))
        print(f"still pending: post {numbers}; digestbot posts --status pending says why", file=sys.stderr)
    for status, what in UNSETTLED.items():
        if unsettled.get(status):
            print(f"{unsettled[status]} post(s) {what}: digestbot posts --status {status}", file=sys.stderr)
    if unapproved:
        print(f"{len(unapproved)} post(s) need approval: digestbot approve", file=sys.stderr)
    for name, error in report.source_errors.items():
        print(f"source {name} could not be read: {error}", file=sys.stderr)
    for alarm in waits:
        print(f"{output.alarm_line(alarm)}; see digestbot alarms", file=sys.stderr)
    if paused or unsettled or rejected or waits or unapproved or pending:
        return ATTENTION
    return TROUBLE if report.source_errors or report.render_errors or report.troubles else OK
