"""The page of statistics: posts, lag, backlog, costs, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from digestbot.domain.budget import DOLLAR
from digestbot.domain.model import PostStatus, Route
from digestbot.ledger import stats
from digestbot.web.app_state import AppState
from digestbot.web.charts import Chart, Series, svg
from digestbot.web.pages import page

DAYS, MONTHS = 30, 12
KEPT = timedelta(minutes=10)


@dataclass(frozen=True)
class Counts:
    """The numbers of the charts, for each channel; those of backlogs for each digest on a channel."""

    published: dict[str, dict[date, int]]
    failed: dict[str, dict[date, int]]
    lags: dict[str, dict[date, float]]
    costs: dict[str, dict[datetime, int]]
    backlog: dict[Route, dict[date, int]]


def compute_counts(app_state: AppState) -> Counts:
    """Return the numbers of the charts, at most ten minutes old."""
    config, now = app_state.config, app_state.clock()
    days = _days(now)
    since = datetime.combine(days[0], datetime.min.time(), now.tzinfo)
    names = list(config.channels)

    def count(tx: sa.Connection) -> Counts:
        return Counts(
            {name: stats.posts_by_day(tx, name, since, PostStatus.PUBLISHED) for name in names},
            {name: stats.posts_by_day(tx, name, since, PostStatus.FAILED) for name in names},
            {name: _by_day(stats.lags(tx, name, since)) for name in names},
            {name: stats.costs_by_month(tx, name, now, MONTHS) for name in names if config.prices(name)},
            stats.backlog_by_day(tx, days[0]),
        )

    return app_state.counted("statistics", KEPT, count)


def _days(now: datetime) -> list[date]:
    return [(now - timedelta(days=DAYS - 1 - number)).date() for number in range(DAYS)]


def statistics(app_state: AppState, request: Request) -> Response:
    """Serve GET /statistics: the statistics, as charts and tables."""
    days, result = _days(app_state.clock()), compute_counts(app_state)
    months = [f"{begin:%b %Y}" for begin in next(iter(result.costs.values()), {})]
    waited = {str(route): some for route, some in result.backlog.items()}
    charts = [
        _daily("Posts per day", "posts", days, result.published),
        _daily("Failures per day", "posts that were rejected", days, result.failed),
        *(
            _daily(f"Lag on {name}", "hours from a summary's arrival to its post, the day's median", days, {name: some})
            for name, some in result.lags.items()
        ),
        *(_daily(f"Backlog of {name}", "pending summaries", days, {name: some}) for name, some in waited.items()),
        Chart(
            "Costs per month",
            "dollars (estimate)",
            months,
            [Series(name, [cost / DOLLAR for cost in some.values()]) for name, some in result.costs.items()],
            lambda value: f"${value:.2f}",
        ),
    ]
    drawn = [(chart, svg(chart)) for chart in charts if chart.series]
    return page(app_state, request, "statistics", charts=drawn, days=DAYS, months=MONTHS)


def _by_day(lags: list[tuple[datetime, float]]) -> dict[date, float]:
    results: dict[date, list[float]] = {}
    for at, seconds in lags:
        results.setdefault(at.date(), []).append(seconds / 3600)
    return {day: round(median(some), 1) for day, some in results.items()}


def _daily(title: str, unit: str, days: list[date], known: Mapping[str, Mapping[date, float]]) -> Chart:
    series = [Series(name, [some.get(day) for day in days]) for name, some in known.items()]
    return Chart(title, unit, [f"{day:%-d %b}" for day in days], series)
