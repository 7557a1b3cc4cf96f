"""The page of the morning: what was published, what comes next, what it costs, and what needs the operator's
decision."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from digestbot.domain.model import Action, PostStatus
from digestbot.ledger import alerts, approvals, monthly_costs, queries
from digestbot.web import post_previews
from digestbot.web.app_state import AppState
from digestbot.web.pages import page

AHEAD = timedelta(days=2)
MOST_NEXT, MOST_LAST, MOST_WAITING = 8, 6, 20


def today(app_state: AppState, request: Request) -> Response:
    """Serve GET /: the page of the morning."""
    config, now = app_state.config, app_state.clock()
    planned = app_state.plan(now, now + AHEAD)
    rows = [row for row in planned.rows if row.summaries]
    with app_state.ledger.read() as tx:
        sources, channels = queries.source_rows(tx), queries.channel_rows(tx)
        waiting = approvals.posts_needing_approval(tx)[:MOST_WAITING]
        unapproved = queries.post_rows(tx, ids=waiting) if waiting else []
        accounts = {
            channel: monthly_costs.account(tx, channel, config.budget(channel), now)
            for channel in config.channels
            if config.prices(channel)
        }
        last = [
            row
            for row in queries.newest_posts(tx, statuses=[PostStatus.PUBLISHED], most=MOST_LAST)
            if row.action is Action.PUBLISH
        ]
        attention = queries.posts_needing_attention(tx, MOST_WAITING)
        failed = queries.failed_since(tx, now - timedelta(days=7), MOST_WAITING)
        open_alerts = alerts.open_alerts(tx)
    url = request.scope.get("root_path", "")
    return page(
        app_state,
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
        alerts=open_alerts,
        problems=app_state.liveness.problems(),
        tick=app_state.last_tick(),
        late=app_state.is_late(),
        last=[
            (row, shown)
            for row, shown in zip(
                last, post_previews.preview_posts(config, last, config.timezone, f"{url}/pictures/post/"), strict=True
            )
        ],
    )


def _last_read(row: queries.SourceRow | None, every: timedelta) -> datetime | None:
    """Return when the source was last read, derived from its next poll; None if unknown or after a failure."""
    return row.next_poll_at - every if row is not None and row.next_poll_at is not None and not row.failures else None
