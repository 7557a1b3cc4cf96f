"""The page of the morning: what was published, what comes next, what it costs, and what needs the operator's
decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from digestbot.config import Config
from digestbot.domain.budget import Budget, month_start
from digestbot.domain.model import Action, PostStatus
from digestbot.domain.schedule import PlanEntry
from digestbot.ledger import alerts, approvals, channel_states, monthly_costs, queries
from digestbot.web import post_previews
from digestbot.web.app_state import AppState
from digestbot.web.approvals import by_edition
from digestbot.web.pages import page

T = TypeVar("T")
AHEAD = timedelta(days=2)
MOST_NEXT, MOST_LAST, MOST_WAITING = 8, 6, 20


@dataclass(frozen=True)
class UpcomingEdition:
    """What appears at an instant, on one channel or on several at once. ``cost`` is in millionths of a dollar."""

    at: datetime
    rows: list[PlanEntry]

    @property
    def cost(self) -> int:
        """Return the estimated cost on all channels."""
        return sum(row.cost for row in self.rows)


@dataclass(frozen=True)
class MonthlyCost:
    """A channel's costs of this month (UTC) so far, and where they will be at its end, in millionths of a dollar."""

    channel: str
    spent: int
    budget: int | None
    expected: int


def today(app_state: AppState, request: Request) -> Response:
    """Serve GET /: the page of the morning."""
    config, now = app_state.config, app_state.clock()
    month_end = month_start(month_start(now) + timedelta(days=32))
    planned = app_state.plan(now, max(now + AHEAD, month_end))
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
        open_alerts = [alert for alert in alerts.open_alerts(tx) if alert.kind != alerts.STOPPED]  # it has a banner
        stopped = channel_states.stop_reason(tx)
    paused = {name: row.pause_reason for name, row in channels.items() if name in config.channels and row.pause_reason}
    rows = [row for row in planned.rows if row.summaries and row.channel not in paused and not stopped]
    url = request.scope.get("root_path", "")
    return page(
        app_state,
        request,
        "today",
        upcoming=_editions(row for row in rows if row.at <= now + AHEAD)[:MOST_NEXT],
        months=_months(config, accounts, [row for row in rows if row.at < month_end]),
        paused=paused,
        pauses=_grouped(paused.items()),
        stopped=stopped,
        plan_as_of=planned.as_of,
        sources=[
            (name, sources.get(name), _last_read(sources.get(name), source.every))
            for name, source in config.sources.items()
        ],
        channels=[(name, channels.get(name), accounts.get(name)) for name in config.channels],
        unapproved=[parts[0] for parts in by_edition(unapproved)],
        troubled=_grouped((row, row.error or "") for row in (*attention, *failed)),
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


def _editions(rows: Iterable[PlanEntry]) -> list[UpcomingEdition]:
    """Return the entries by what appears: the same summaries of a digest at the same time are one edition, whatever the
    number of channels."""

    def edition(row: PlanEntry) -> tuple[datetime, str, tuple[int, ...], str]:
        return row.at, row.digest, tuple(one.id or 0 for one in row.summaries), row.note

    return [UpcomingEdition(key[0], list(group)) for key, group in groupby(sorted(rows, key=edition), key=edition)]


def _months(config: Config, accounts: dict[str, Budget], rows: Sequence[PlanEntry]) -> list[MonthlyCost]:
    """Return each charged channel's costs; ``rows`` are what is planned until the month's end."""
    return [
        MonthlyCost(
            name,
            account.spent,
            account.budget,
            account.spent + sum(row.cost for row in rows if row.channel == name),
        )
        for name, account in accounts.items()
        if name in config.channels
    ]


def _grouped(pairs: Iterable[tuple[T, str]]) -> list[tuple[str, list[T]]]:
    """Return each reason once, with everything that it applies to, in the order of their first appearance."""
    groups: dict[str, list[T]] = {}
    for one, reason in pairs:
        groups.setdefault(reason, []).append(one)
    return list(groups.items())
