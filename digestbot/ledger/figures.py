"""Inside a transaction: what figures are drawn of, and what metrics count."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.costs import month_start
from digestbot.ledger import spending
from digestbot.model import Action, PostStatus
from digestbot.schema import WAITING, attempts, backlog, backlog_days, post_summaries, posts, summaries

MOST_LAGS = 200  # of the newest posts of a channel


def _day(tx: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The day, of UTC, of an instant."""
    return sa.func.date(column if tx.dialect.name == "sqlite" else sa.func.timezone("UTC", column))


def posts_by_day(tx: sa.Connection, channel: str, since: datetime, status: PostStatus) -> dict[date, int]:
    """How many posts of the channel came to stand there on each day."""
    day = _day(tx, posts.c.concluded_at)
    query = sa.select(day.label("day"), sa.func.count().label("number")).where(
        posts.c.channel == channel, posts.c.concluded_at >= since, posts.c.status == status
    )
    if status is PostStatus.PUBLISHED:
        query = query.where(posts.c.action == Action.PUBLISH)
    return {_date(row.day): row.number for row in tx.execute(query.group_by(day))}


def _date(found: object) -> date:
    return found if isinstance(found, date) else date.fromisoformat(str(found))


def lags(tx: sa.Connection, channel: str, since: datetime) -> list[tuple[datetime, float]]:
    """Of the channel's newest posts: when each appeared, and how many seconds after its summary was taken in."""
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
        sa.select(newest.c.concluded_at, sa.func.min(summaries.c.taken_in_at).label("came"))
        .join(post_summaries, post_summaries.c.post_id == newest.c.id)
        .join(summaries, summaries.c.id == post_summaries.c.summary_id)
        .group_by(newest.c.id, newest.c.concluded_at)
        .order_by(newest.c.concluded_at)
    )
    return [(row.concluded_at, (row.concluded_at - row.came).total_seconds()) for row in tx.execute(query)]


def costs_by_month(tx: sa.Connection, channel: str, now: datetime, months: int) -> dict[datetime, int]:
    """What each of the last months has cost, by its beginning."""
    found: dict[datetime, int] = {}
    end = now + timedelta(days=1)
    for _ in range(months):
        begin = month_start(end - timedelta(seconds=1))
        found[begin] = spending.spent_between(tx, channel, begin, end)
        end = begin
    return dict(sorted(found.items()))


def backlog_by_day(tx: sa.Connection, since: date) -> dict[tuple[str, str], dict[date, int]]:
    """How many summaries waited at the end of each day, of each digest on each channel."""
    found: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    query = sa.select(backlog_days).where(backlog_days.c.day >= since).order_by(backlog_days.c.day)
    for row in tx.execute(query):
        found[row.digest, row.channel][row.day] = row.waiting
    return dict(found)


def waiting(tx: sa.Connection) -> dict[tuple[str, str], int]:
    """How many summaries wait, of each digest on each channel."""
    columns = (backlog.c.digest, backlog.c.channel)
    query = sa.select(*columns, sa.func.count().label("number")).where(WAITING).group_by(*columns)
    return {(row.digest, row.channel): row.number for row in tx.execute(query)}


def count_day(tx: sa.Connection, now: datetime) -> None:
    """Note how many summaries wait on this day."""
    today = now.date()
    counts = waiting(tx)
    tx.execute(backlog_days.delete().where(backlog_days.c.day == today))
    rows = [{"day": today, "digest": pair[0], "channel": pair[1], "waiting": number} for pair, number in counts.items()]
    if rows:
        tx.execute(backlog_days.insert(), rows)


def posts_by_status(tx: sa.Connection) -> dict[tuple[str, str], int]:
    """How many posts stand where, by channel."""
    columns = (posts.c.channel, posts.c.status)
    query = sa.select(*columns, sa.func.count().label("number")).group_by(*columns)
    return {(row.channel, row.status): row.number for row in tx.execute(query)}


def attempts_by_outcome(tx: sa.Connection) -> dict[tuple[str, str], int]:
    """How many attempts ended how, by channel; "" for those that did not yet."""
    outcome = sa.func.coalesce(attempts.c.outcome, "")
    query = (
        sa.select(posts.c.channel, outcome.label("outcome"), sa.func.count().label("number"))
        .join(posts, posts.c.id == attempts.c.post_id)
        .group_by(posts.c.channel, outcome)
    )
    return {(row.channel, row.outcome): row.number for row in tx.execute(query)}
