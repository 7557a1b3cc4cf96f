"""Functions that run inside a transaction: the data of charts and metrics."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.domain.budget import month_start
from digestbot.domain.model import Action, PostStatus, Route
from digestbot.ledger import monthly_costs
from digestbot.ledger.schema import WAITING, attempts, backlog, backlog_days, post_summaries, posts, summaries

MOST_LAGS = 200  # a channel's newest posts that are measured


def _day(tx: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the SQL expression of an instant's UTC day."""
    return sa.func.date(column if tx.dialect.name == "sqlite" else sa.func.timezone("UTC", column))


def posts_by_day(tx: sa.Connection, channel: str, since: datetime, status: PostStatus) -> dict[date, int]:
    """Return how many posts of the channel have reached the status, by the UTC day on which they did. Published posts
    are counted without updates and deletions."""
    day = _day(tx, posts.c.concluded_at)
    query = sa.select(day.label("day"), sa.func.count().label("number")).where(
        posts.c.channel == channel, posts.c.concluded_at >= since, posts.c.status == status
    )
    if status is PostStatus.PUBLISHED:
        query = query.where(posts.c.action == Action.PUBLISH)
    return {_date(row.day): row.number for row in tx.execute(query.group_by(day))}


def _date(result: object) -> date:
    return result if isinstance(result, date) else date.fromisoformat(str(result))


def lags(tx: sa.Connection, channel: str, since: datetime) -> list[tuple[datetime, float]]:
    """Return when each of the channel's newest posts appeared, and how many seconds after its earliest summary was
    ingested, oldest first."""
    newest = (
        sa.select(posts.c.id, posts.c.concluded_at)
        .where(
            posts.c.channel == channel,
            posts.c.concluded_at >= since,
            posts.c.status == PostStatus.PUBLISHED,
            posts.c.action == Action.PUBLISH,
            ~posts.c.reply,
        )
        .order_by(posts.c.concluded_at.desc())
        .limit(MOST_LAGS)
        .subquery()
    )
    query = (
        sa.select(newest.c.concluded_at, sa.func.min(summaries.c.ingested_at).label("came"))
        .join(post_summaries, post_summaries.c.post_id == newest.c.id)
        .join(summaries, summaries.c.id == post_summaries.c.summary_id)
        .group_by(newest.c.id, newest.c.concluded_at)
        .order_by(newest.c.concluded_at)
    )
    return [(row.concluded_at, (row.concluded_at - row.came).total_seconds()) for row in tx.execute(query)]


def costs_by_month(tx: sa.Connection, channel: str, now: datetime, months: int) -> dict[datetime, int]:
    """Return the cost of each of the last ``months`` months, by the start of the month, in millionths of a dollar."""
    results: dict[datetime, int] = {}
    end = now + timedelta(days=1)
    for _ in range(months):
        begin = month_start(end - timedelta(seconds=1))
        results[begin] = monthly_costs.spent_between(tx, channel, begin, end)
        end = begin
    return dict(sorted(results.items()))


def backlog_by_day(tx: sa.Connection, since: date) -> dict[Route, dict[date, int]]:
    """Return how many summaries were waiting at the end of each day, for each digest and channel."""
    results: dict[Route, dict[date, int]] = defaultdict(dict)
    query = sa.select(backlog_days).where(backlog_days.c.day >= since).order_by(backlog_days.c.day)
    for row in tx.execute(query):
        results[Route(row.digest, row.channel)][row.day] = row.waiting
    return dict(results)


def pending_counts(tx: sa.Connection) -> dict[Route, int]:
    """Return how many summaries are waiting, for each digest and channel."""
    columns = (backlog.c.digest, backlog.c.channel)
    query = sa.select(*columns, sa.func.count().label("number")).where(WAITING).group_by(*columns)
    return {Route(row.digest, row.channel): row.number for row in tx.execute(query)}


def count_day(tx: sa.Connection, now: datetime) -> None:
    """Record how many summaries are waiting now; this replaces an earlier count of the same day."""
    today = now.date()
    counts = pending_counts(tx)
    tx.execute(backlog_days.delete().where(backlog_days.c.day == today))
    rows = [
        {"day": today, "digest": route.digest, "channel": route.channel, "waiting": number}
        for route, number in counts.items()
    ]
    if rows:
        tx.execute(backlog_days.insert(), rows)


def posts_by_status(tx: sa.Connection) -> dict[tuple[str, str], int]:
    """Return the number of posts by channel and status."""
    columns = (posts.c.channel, posts.c.status)
    query = sa.select(*columns, sa.func.count().label("number")).group_by(*columns)
    return {(row.channel, row.status): row.number for row in tx.execute(query)}


def attempts_by_outcome(tx: sa.Connection) -> dict[tuple[str, str], int]:
    """Return the number of attempts by channel and outcome; "" for attempts that have not ended."""
    outcome = sa.func.coalesce(attempts.c.outcome, "")
    query = (
        sa.select(posts.c.channel, outcome.label("outcome"), sa.func.count().label("number"))
        .join(posts, posts.c.id == attempts.c.post_id)
        .group_by(posts.c.channel, outcome)
    )
    return {(row.channel, row.outcome): row.number for row in tx.execute(query)}
