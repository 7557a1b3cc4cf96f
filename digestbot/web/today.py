"""The page of the morning: what went out, what comes next, what it costs, what needs a person."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from digestbot.costs import Account
from digestbot.ledger import alarms, approvals, spending, views
from digestbot.model import Action, PostStatus
from digestbot.web import showing
from digestbot.web.desk import Desk
from digestbot.web.rendering import page

AHEAD = timedelta(days=2)
MOST_NEXT, MOST_LAST, MOST_WAITING = 8, 6, 20


def today(desk: Desk, request: Request) -> Response:
    """GET /"""
    config, now = desk.config, desk.clock()
    planned = desk.plan(now, now + AHEAD)
    rows = [row for row in planned.rows if row.summaries]
    with desk.ledger.read() as tx:
        sources, channels = views.source_rows(tx), views.channel_rows(tx)
        waiting = approvals.waiting(tx)[:MOST_WAITING]
        unapproved = views.post_rows(tx, ids=waiting) if waiting else []
        accounts = {
            channel: Account(spending.spent(tx, channel, now), config.budget(channel))
            for channel in config.channels
            if config.prices(channel)
        }
        last = [
            row
            for row in views.newest_posts(tx, statuses=[PostStatus.PUBLISHED], most=MOST_LAST)
            if row.action is Action.PUBLISH
        ]
        attention = views.attention(tx, MOST_WAITING)
        failed = views.failed_since(tx, now - timedelta(days=7), MOST_WAITING)
        open_alarms = alarms.open_alarms(tx)
    url = request.scope.get("root_path", "")
    return page(
        desk,
        request,
        "today",
        rows=rows[:MOST_NEXT],
        plan_as_of=planned.as_of,
        sources=[
            (name, sources.get(name), _last_read(sources.get(name), source.every))
            for name, source in config.sources.items()
        ],
        channels=[(name, channels.get(name), accounts.get(name)) for name in config.channels],
        unapproved=unapproved,
        attention=attention,
        failed=failed,
        alarms=open_alarms,
        problems=desk.pulse.problems(),
        tick=desk.last_tick(),
        late=desk.is_late(),
        last=[
            (row, shown)
            for row, shown in zip(
                last, showing.posts(config, last, config.timezone, f"{url}/pictures/post/"), strict=True
            )
        ],
    )


def _last_read(row: views.SourceRow | None, every: timedelta) -> datetime | None:
    """When the source was last read, by when it will be again; None after a failure."""
    return row.next_poll_at - every if row is not None and row.next_poll_at is not None and not row.failures else None
