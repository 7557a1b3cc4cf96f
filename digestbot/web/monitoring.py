"""Endpoints for monitoring: health, readiness, and metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from digestbot.domain.budget import DOLLAR
from digestbot.domain.errors import DigestbotError
from digestbot.domain.model import PostStatus, Route
from digestbot.ledger import monthly_costs, queries, revisions, stats
from digestbot.ledger.schema import REVISION
from digestbot.pipeline.jobs import job_names
from digestbot.text.durations import duration
from digestbot.web.app_state import AppState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KEPT = timedelta(seconds=50)
LAG_OF = timedelta(days=30)


def healthz(app_state: AppState, request: Request) -> Response:  # noqa: ARG001 - as all pages
    """Serve GET /healthz: 200 as long as the process answers."""
    return PlainTextResponse("ok\n")


def readyz(app_state: AppState, request: Request) -> Response:
    """Serve GET /readyz: 200 if all checks pass, else 503; callers with access also get the reasons."""
    troubles = _troubles(app_state)
    ready = not any(troubles.values())
    body: dict[str, object] = {"ready": ready, "checks": {name: not trouble for name, trouble in troubles.items()}}
    if request.state.who:
        body["troubles"] = {name: trouble for name, trouble in troubles.items() if trouble}
    return JSONResponse(body, 200 if ready else 503)


def _troubles(app_state: AppState) -> dict[str, str]:
    """Return each check with the reason why it fails, or an empty string if it passes."""
    results = {"ledger": "", "scheduler": "", "jobs": "", "sources": "", "tokens": "", "configuration": ""}
    results["configuration"] = "; ".join(app_state.liveness.problems())
    overrunning = app_state.liveness.overrunning().items()
    results["jobs"] = "; ".join(f"{name}: no sign of progress for {duration(span)}" for name, span in overrunning)
    try:
        with app_state.ledger.read() as tx:
            revision = revisions.current_revision(tx)
            if revision != REVISION:
                results["ledger"] = f"is at revision {revision}, not at {REVISION}"
                return results
            sources, channels = queries.source_rows(tx), queries.channel_rows(tx)
        late = app_state.is_late()
    except DigestbotError as error:
        results["ledger"] = str(error)
        return results
    if late:
        tick = app_state.last_tick()
        results["scheduler"] = f"has not run since {tick:%Y-%m-%d %H:%M:%S} UTC" if tick else "never ran"
    config = app_state.config
    failing = [f"{name}: {sources[name].error}" for name in config.sources if name in sources and sources[name].error]
    results["sources"] = "; ".join(failing)
    dead = [
        f"{name}: {channels[name].pause_reason}"
        for name in config.channels
        if name in channels and channels[name].pause_reason
    ]
    results["tokens"] = "; ".join(dead)
    return results


def _counts(tx: sa.Connection) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int], dict[Route, int]]:
    return stats.posts_by_status(tx), stats.attempts_by_outcome(tx), stats.pending_counts(tx)


class _Numbers(Collector):
    """A collector of metrics from the ledger. Counts of posts, attempts and summaries may be up to 50 seconds old."""

    def __init__(self, app_state: AppState) -> None:
        self._desk = app_state

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        app_state, now = self._desk, self._desk.clock()
        config = app_state.config
        posts, attempts, waiting = app_state.counted("metrics", KEPT, _counts)
        with app_state.ledger.read() as tx:
            lags = {name: stats.lags(tx, name, now - LAG_OF) for name in config.channels}
            accounts = {name: monthly_costs.account(tx, name, config.budget(name), now) for name in config.channels}
            sources, channels = queries.source_rows(tx), queries.channel_rows(tx)
        yield _gauge(
            "posts",
            "Posts by status.",
            ("channel", "status"),
            {
                (channel, status): posts.get((channel, status), 0)
                for channel in sorted({*config.channels, *(channel for channel, _ in posts)})
                for status in PostStatus
            },
        )
        tries = CounterMetricFamily(
            "digestbot_attempts", "Attempts to send posts, by outcome.", labels=("channel", "outcome")
        )
        for (channel, outcome), number in attempts.items():
            tries.add_metric((channel, outcome or "open"), number)
        yield tries
        yield _gauge(
            "backlog",
            "Pending summaries.",
            ("digest", "channel"),
            {route: waiting.get(route, 0) for route in config.routes()},
        )
        yield _gauge(
            "lag_seconds",
            "Median time from a summary's arrival to its post, for the newest posts.",
            ("channel",),
            {(name,): sorted(seconds for _, seconds in some)[len(some) // 2] for name, some in lags.items() if some},
        )
        yield _gauge(
            "month_cost_dollars",
            "Estimated cost of this month.",
            ("channel",),
            {(name,): account.spent / DOLLAR for name, account in accounts.items()},
        )
        yield _gauge(
            "month_budget_dollars",
            "Budget per month.",
            ("channel",),
            {(name,): account.budget / DOLLAR for name, account in accounts.items() if account.budget is not None},
        )
        yield _gauge(
            "channel_paused",
            "1 if the channel is paused.",
            ("channel",),
            {(name,): float(name in channels and channels[name].pause_reason is not None) for name in config.channels},
        )
        yield _gauge(
            "token_days_left",
            "Days until the channel's token expires.",
            ("channel",),
            {
                (name,): (row.token_expires_at - now) / timedelta(days=1)
                for name, row in channels.items()
                if row.token_expires_at is not None and name in config.channels
            },
        )
        yield _gauge(
            "source_failures",
            "Consecutive failed polls.",
            ("source",),
            {(name,): sources[name].failures for name in config.sources if name in sources},
        )
        yield _gauge(
            "source_age_seconds",
            "Time since the source last delivered anything new.",
            ("source",),
            {
                (name,): (now - row.newest_at).total_seconds()
                for name, row in sources.items()
                if row.newest_at is not None and name in config.sources
            },
        )
        overrunning = app_state.liveness.overrunning()
        yield _gauge(
            "job_overrun_seconds",
            "Time since an overrunning job last showed progress; 0 for other jobs.",
            ("job",),
            {(name,): overrunning.get(name, timedelta(0)).total_seconds() for name in job_names(config)},
        )
        tick = app_state.last_tick()
        if tick is not None:
            yield _gauge("tick_age_seconds", "Time since the last upkeep.", (), {(): (now - tick).total_seconds()})


def _gauge(name: str, says: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]) -> Metric:
    made = GaugeMetricFamily(f"digestbot_{name}", says, labels=labels)
    for label, value in values.items():
        made.add_metric([str(one) for one in label], value)
    return made


def metrics(app_state: AppState, request: Request) -> Response:  # noqa: ARG001 - as all pages
    """Serve GET /metrics: all metrics, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(app_state))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)
