"""Inside a transaction: what a channel's month has cost so far, and telling the operator about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.costs import Account, dollars, month_start
from digestbot.ledger import alarms
from digestbot.model import Action
from digestbot.schema import PENDING, attempts, looks, posts

WARNING, EXHAUSTED = "budget", "budget-spent"


def spent(tx: sa.Connection, channel: str, now: datetime) -> int:
    """What the month's attempts and readings are estimated to have cost. An attempt whose outcome is unknown counts."""
    begin = month_start(now)
    total = 0
    for table, at in ((attempts, attempts.c.started_at), (looks, looks.c.at)):
        query = sa.select(sa.func.sum(table.c.cost)).join(posts, posts.c.id == table.c.post_id)
        total += int(tx.scalar(query.where(at >= begin, posts.c.channel == channel)) or 0)
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
    alarms.raise_once(tx, WARNING, channel, note, month_start(now), now)


def tell_exhausted(tx: sa.Connection, channel: str, account: Account, now: datetime) -> bool:
    """The month's budget has no room for the next post; gives whether the operator was not told yet."""
    following = month_start(month_start(now) + timedelta(days=32))
    note = (
        f"{dollars(account.spent)} of {dollars(account.budget or 0)} for {now:%B %Y} are used, and the next post would "
        f"cost more than is left: nothing is posted until {following:%d %B}, or monthly_budget is raised"
    )
    return alarms.raise_once(tx, EXHAUSTED, channel, note, month_start(now), now)


def new_month(tx: sa.Connection, channel: str, now: datetime) -> None:
    """Last month's warnings are over."""
    alarms.pass_older(tx, (WARNING, EXHAUSTED), channel, month_start(now), now)
