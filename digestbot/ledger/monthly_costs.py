"""Functions that run inside a transaction: what a channel has cost so far this month, and the alerts about its
budget."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.budget import Budget, dollars, month_start
from digestbot.domain.model import Action
from digestbot.ledger import alerts
from digestbot.ledger.schema import PENDING, attempts, posts, timeline_checks

log = logging.getLogger(__name__)

WARNING, EXHAUSTED = "budget", "budget-spent"


def spent(tx: sa.Connection, channel: str, now: datetime) -> int:
    """Return the estimated cost of this month's attempts and timeline checks, in millionths of a dollar. Attempts whose
    outcome is unknown are included."""
    return spent_between(tx, channel, month_start(now))


def account(tx: sa.Connection, channel: str, budget: int | None, now: datetime) -> Budget:
    """Return the channel's month: what it has cost so far, and its budget (None: no limit), in millionths of a
    dollar."""
    return Budget(spent(tx, channel, now), budget)


def spent_between(tx: sa.Connection, channel: str, begin: datetime, end: datetime | None = None) -> int:
    """Return the estimated cost of attempts and timeline checks from ``begin`` until ``end`` (None: no limit), in
    millionths of a dollar."""
    # not a join, because SQLite would start it from all posts of the channel
    its_own = sa.exists().where(posts.c.id == attempts.c.post_id, posts.c.channel == channel)
    total = 0
    for at, cost, whose in (
        (attempts.c.started_at, attempts.c.cost, its_own),
        (timeline_checks.c.at, timeline_checks.c.cost, timeline_checks.c.channel == channel),
    ):
        query = sa.select(sa.func.sum(cost)).where(at >= begin, whose)
        total += int(tx.scalar(query if end is None else query.where(at < end)) or 0)
    return total


def reserved(tx: sa.Connection, channel: str) -> int:
    """Return the estimated cost of the channel's pending posts, in millionths of a dollar."""
    query = sa.select(sa.func.sum(posts.c.cost)).where(
        posts.c.channel == channel, PENDING, posts.c.action == Action.PUBLISH
    )
    return int(tx.scalar(query) or 0)


def warn_budget(tx: sa.Connection, channel: str, account: Budget, cost: int, now: datetime) -> None:
    """Raise an alert that most of the month's budget is spent, unless the operator has settled one this month."""
    note = f"{dollars(account.spent + cost)} of {dollars(account.budget or 0)} for {now:%B %Y} are used"
    if alerts.raise_once(tx, WARNING, channel, note, month_start(now), now):
        log.warning("channel %s: %s", channel, note)


def alert_exhausted(tx: sa.Connection, channel: str, account: Budget, cost: int, now: datetime) -> bool:
    """Raise an alert that the month's budget has no room for the next post, which costs ``cost`` millionths of a
    dollar.

    Return whether the alert is new: False if one is open, or the operator has settled one this month.
    """
    budget = account.budget or 0
    used = f"{dollars(account.spent)} of {dollars(budget)} for {now:%B %Y} are used"
    if cost > budget:
        note = f"the next edition costs {dollars(cost)}, more than the whole budget of {dollars(budget)}: raise "
        note += "monthly_budget, or make editions smaller (size, shape, link, image)"
    else:
        following = month_start(month_start(now) + timedelta(days=32))
        note = f"{used}, and the next edition costs {dollars(cost)}: nothing is posted until {following:%d %B}, or "
        note += "monthly_budget is raised"
    return alerts.raise_once(tx, EXHAUSTED, channel, note, month_start(now), now)


def clear_budget_alerts(tx: sa.Connection, channel: str, account: Budget, now: datetime) -> None:
    """Close the budget alerts that no longer apply, in a new month or after the budget was raised."""
    alerts.close_alert(tx, EXHAUSTED, channel, now)
    if not account.nears_its_end():
        alerts.close_alert(tx, WARNING, channel, now)
