"""Inside a transaction: what a channel's month has cost so far, and telling the operator about it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.costs import Account, dollars, month_start
from digestbot.ledger import alarms
from digestbot.model import Action
from digestbot.schema import PENDING, attempts, looks, posts

log = logging.getLogger(__name__)

WARNING, EXHAUSTED = "budget", "budget-spent"


def spent(tx: sa.Connection, channel: str, now: datetime) -> int:
    """What the month's attempts and readings are estimated to have cost. An attempt whose outcome is unknown counts."""
    return spent_between(tx, channel, month_start(now))


def spent_between(tx: sa.Connection, channel: str, begin: datetime, end: datetime | None = None) -> int:
    """The same of another span of time."""
    # not a join: SQLite would begin it with all posts of the channel
    its_own = sa.exists().where(posts.c.id == attempts.c.post_id, posts.c.channel == channel)
    total = 0
    for at, cost, whose in (
        (attempts.c.started_at, attempts.c.cost, its_own),
        (looks.c.at, looks.c.cost, looks.c.channel == channel),
    ):
        query = sa.select(sa.func.sum(cost)).where(at >= begin, whose)
        total += int(tx.scalar(query if end is None else query.where(at < end)) or 0)
    return total


def reserved(tx: sa.Connection, channel: str) -> int:
    """What the channel's pending posts will cost."""
    query = sa.select(sa.func.sum(posts.c.cost)).where(
        posts.c.channel == channel, PENDING, posts.c.action == Action.PUBLISH
    )
    return int(tx.scalar(query) or 0)


def tell_warning(tx: sa.Connection, channel: str, account: Account, cost: int, now: datetime) -> None:
    """Most of the month's budget is used."""
    note = f"{dollars(account.spent + cost)} of {dollars(account.budget or 0)} for {now:%B %Y} are used"
    if alarms.raise_once(tx, WARNING, channel, note, month_start(now), now):
        log.warning("channel %s: %s", channel, note)


def tell_exhausted(tx: sa.Connection, channel: str, account: Account, cost: int, now: datetime) -> bool:
    """The month's budget has no room for what comes next, which costs so much; gives whether the operator was not told
    yet."""
    budget = account.budget or 0
    used = f"{dollars(account.spent)} of {dollars(budget)} for {now:%B %Y} are used"
    if cost > budget:
        note = f"what comes next costs {dollars(cost)}, more than the whole budget of {dollars(budget)}: raise "
        note += "monthly_budget, or make editions smaller (size, shape, link, image)"
    else:
        following = month_start(month_start(now) + timedelta(days=32))
        note = f"{used}, and what comes next costs {dollars(cost)}: nothing is posted until {following:%d %B}, or "
        note += "monthly_budget is raised"
    return alarms.raise_once(tx, EXHAUSTED, channel, note, month_start(now), now)


def tell_room(tx: sa.Connection, channel: str, account: Account, now: datetime) -> None:
    """There is room again, in a new month or because the budget was raised: what was warned of is over."""
    alarms.alarm_is_over(tx, EXHAUSTED, channel, now)
    if not account.nears_its_end():
        alarms.alarm_is_over(tx, WARNING, channel, now)
