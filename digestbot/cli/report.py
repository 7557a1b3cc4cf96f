"""The report that once and send print when they are done, and the exit code that follows from it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from digestbot.cli import ATTENTION, OK, TROUBLE
from digestbot.cli.common import now_
from digestbot.domain.model import PostStatus
from digestbot.domain.time_format import local_time, localize

if TYPE_CHECKING:
    from digestbot.pipeline.app import Report, Service


UNSETTLED = {
    PostStatus.UNKNOWN: "may have been published; the timeline is being checked",
    PostStatus.QUARANTINED: "need your decision",
}


def report_on(arguments: argparse.Namespace, service: Service, report: Report, *, sent: bool = False) -> int:
    """Print what a run did, and return its exit code.

    It is 3 if a post was rejected, needs a decision or approval, or was tried and is still pending. It is also 3 if a
    channel is paused or an alert is open. With ``sent`` (the posts were sent by hand), pending posts count even if they
    were not tried. It is 1 if only sources, templates or other parts failed.
    """
    from digestbot.cli import output
    from digestbot.ledger import alerts, approvals, queries

    zone = service.config.timezone
    touched = {*report.made, *(post for post, _ in report.concluded), *(post for post, _ in report.settled)}
    tried = {post for post, _ in report.concluded}
    with service.ledger.read() as tx:
        rows = list(queries.post_rows(tx, ids=sorted(touched))) if touched else []
        unsettled = queries.unsettled_counts(tx)
        waits = alerts.open_alerts(tx)
        unapproved = approvals.posts_needing_approval(tx)
        paused = queries.paused_channels(tx)
        waiting_channels = {
            name: row.wait_until
            for name, row in queries.channel_rows(tx).items()
            if row.wait_until is not None and row.wait_until > now_() and row.pause_reason is None
        }
    rejected = any(row.status is PostStatus.FAILED for row in rows)
    pending = [row.id for row in rows if row.status is PostStatus.PENDING and (sent or row.id in tried)]
    if arguments.json:
        output.print_json(
            {
                "posts": [output.post_json(row) for row in rows],
                "source_errors": report.source_errors,
                "render_errors": report.render_errors,
                "paused_channels": paused,
                "waiting_channels": waiting_channels,
                "errors": report.troubles,
                "pending": pending,
                "needs_decision": sum(unsettled.values()),
                "needs_approval": unapproved,
                "alerts": [output.alert_json(alert) for alert in waits],
            }
        )
    else:
        for row in rows:
            print(output.post_line(row, zone))
    for name, reason in paused.items():
        why = localize(reason, zone)
        print(f"channel {name} is paused: {why}; to resume it: digestbot resume {name}", file=sys.stderr)
    for name, until in waiting_channels.items():
        print(f"channel {name} waits until {local_time(until, zone)}", file=sys.stderr)
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
    for alert in waits:
        print(f"{output.alert_line(alert, zone)}; see digestbot alerts", file=sys.stderr)
    if paused or unsettled or rejected or waits or unapproved or pending:
        return ATTENTION
    return TROUBLE if report.source_errors or report.render_errors or report.troubles else OK
