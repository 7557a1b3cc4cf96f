"""Functions that run inside a transaction: notifications to the operator, sent or pending, and the data for their
conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.alert_rules import Condition, NeedsApproval, Overdue, Resent
from digestbot.domain.model import Approval, PostStatus, Route
from digestbot.domain.retry import HANDFUL
from digestbot.domain.schedule import UNDECIDED
from digestbot.ledger.schema import (
    ATTENTION,
    IN_FLIGHT,
    PENDING,
    SCHEDULED_SLOT,
    UNAPPROVED,
    attempts,
    channels,
    editions,
    notifications,
    posts,
    slots,
    summaries,
)

TELLING = timedelta(minutes=5)  # for a process to send a notification; then another process tries


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification to send: that a condition holds, or that it is ``over``."""

    id: int
    condition: Condition
    begun_at: datetime
    over: bool


def update_conditions(tx: sa.Connection, result: Sequence[Condition], now: datetime) -> None:
    """Record that these conditions hold now, and no others.

    A condition that ends before the operator was notified of it is deleted.
    """
    known = {
        (row.kind, row.subject): row
        for row in tx.execute(sa.select(notifications).where(notifications.c.over_at.is_(None)))
    }
    for one in result:
        row = known.pop((one.kind, one.subject), None)
        if row is None:
            tx.execute(notifications.insert().values(kind=one.kind, subject=one.subject, note=one.note, begun_at=now))
        elif row.note != one.note:
            tx.execute(notifications.update().where(notifications.c.id == row.id).values(note=one.note))
    for row in known.values():
        this_row = notifications.c.id == row.id
        if row.notified_at is None:
            tx.execute(notifications.delete().where(this_row))
        else:
            tx.execute(notifications.update().where(this_row).values(over_at=now, notifying_until=None))


def claim_notifications(tx: sa.Connection, now: datetime) -> list[Notification]:
    """Claim the notifications to send, and return them; no other process claims them for `TELLING`."""
    untold = sa.or_(
        notifications.c.notified_at.is_(None),
        sa.and_(notifications.c.over_at.is_not(None), notifications.c.over_notified_at.is_(None)),
    )
    free = sa.or_(notifications.c.notifying_until.is_(None), notifications.c.notifying_until <= now)
    rows = tx.execute(sa.select(notifications).where(untold, free).order_by(notifications.c.id).with_for_update()).all()
    ids = [row.id for row in rows]
    tx.execute(notifications.update().where(notifications.c.id.in_(ids)).values(notifying_until=now + TELLING))
    return [
        Notification(row.id, Condition(row.kind, row.subject, row.note), row.begun_at, row.over_at is not None)
        for row in rows
    ]


def mark_notified(tx: sa.Connection, alert: Notification, now: datetime) -> None:
    """Record that the operator was notified."""
    which = notifications.update().where(notifications.c.id == alert.id)
    tx.execute(
        which.values(over_notified_at=now) if alert.over else which.values(notified_at=now, notifying_until=None)
    )


def arrivals(tx: sa.Connection, source: str, most: int) -> list[datetime]:
    """Return when the source's newest ``most`` summaries were ingested, oldest first."""
    query = sa.select(summaries.c.ingested_at).where(summaries.c.source == source)
    return sorted(tx.scalars(query.order_by(summaries.c.id.desc()).limit(most)))


def last_post(tx: sa.Connection, channel: str) -> datetime | None:
    """Return when a post last appeared on the channel; None for never."""
    query = sa.select(posts.c.concluded_at).where(
        posts.c.channel == channel, posts.c.concluded_at.is_not(None), posts.c.status == PostStatus.PUBLISHED
    )
    result: datetime | None = tx.scalar(query.order_by(posts.c.concluded_at.desc()).limit(1))
    return result


def quarantined(tx: sa.Connection) -> dict[int, str]:
    """Return the quarantined posts by id, each with its channel and the reason."""
    columns = (posts.c.id, posts.c.channel, posts.c.error)
    query = sa.select(*columns).where(ATTENTION, posts.c.status == PostStatus.QUARANTINED)
    return {
        row.id: f"on {row.channel}: {row.error or 'nobody knows whether it was published'}" for row in tx.execute(query)
    }


def overdue(tx: sa.Connection, before: datetime) -> dict[str, Overdue]:
    """Return the posts that were created before an instant and are still pending, summed up by channel.

    Posts that need approval, or are on a paused channel, are left out, because they have an alert of their own.
    """
    query = (
        sa.select(posts.c.channel, posts.c.id, posts.c.error)
        .join(editions, editions.c.id == posts.c.edition_id)
        .join(channels, channels.c.name == posts.c.channel)
        .where(
            PENDING,
            posts.c.made_at < before,
            sa.or_(editions.c.approval.is_(None), editions.c.approval == Approval.APPROVED),
            channels.c.paused_at.is_(None),
        )
        .order_by(posts.c.id)
    )
    results: dict[str, Overdue] = {}
    for row in tx.execute(query):
        first = results.get(row.channel)
        results[row.channel] = (
            replace(first, count=first.count + 1) if first else Overdue(1, row.id, row.error or "no reason is known")
        )
    return results


def unapproved(tx: sa.Connection) -> list[NeedsApproval]:
    """Return the editions that need approval, each by its first post."""
    first = sa.select(sa.func.min(posts.c.id)).where(posts.c.edition_id == editions.c.id, PENDING).scalar_subquery()
    columns = (editions.c.digest, editions.c.channel, editions.c.made_at, editions.c.approve_by, first.label("post"))
    query = sa.select(*columns).where(UNAPPROVED)
    return [
        NeedsApproval(row.post, row.digest, row.channel, row.made_at, row.approve_by)
        for row in tx.execute(query)
        if row.post is not None
    ]


def passed_undecided(tx: sa.Connection, waiting: Sequence[NeedsApproval]) -> dict[Route, int]:
    """Return how many slots passed because editions that need approval use up the digest's limit, by digest and
    channel.

    Slots are counted since the first of these editions was created.
    """
    first: dict[Route, datetime] = {}
    for one in waiting:
        route = Route(one.digest, one.channel)
        first[route] = min(one.made_at, first.get(route, one.made_at))
    results = {}
    for route, since in first.items():
        which = (slots.c.digest == route.digest, slots.c.channel == route.channel, SCHEDULED_SLOT, slots.c.due >= since)
        query = sa.select(sa.func.count()).where(*which, slots.c.outcome.endswith(UNDECIDED, autoescape=True))
        results[route] = int(tx.scalar(query) or 0)
    return {route: passed for route, passed in results.items() if passed}


def resent(tx: sa.Connection) -> dict[int, Resent]:
    """Return the open posts that were sent more than once without a known outcome, by id."""
    sent = sa.func.count().label("sent")
    results: dict[int, Resent] = {}
    for condition in (PENDING, IN_FLIGHT):  # each has its own index
        query = (
            sa.select(posts.c.id, posts.c.channel, posts.c.not_before, sent)
            .join(attempts, attempts.c.post_id == posts.c.id)
            .where(condition, sa.or_(attempts.c.outcome.is_(None), attempts.c.outcome == PostStatus.UNKNOWN))
            .group_by(posts.c.id, posts.c.channel, posts.c.not_before)
            .having(sent > 1)
        )
        results |= {row.id: Resent(row.channel, row.sent, row.not_before) for row in tx.execute(query)}
    return results


def postponed(tx: sa.Connection) -> dict[int, str]:
    """Return the posts that were tried so often that others go first, by id, each with its channel and the reason."""
    tries = (
        sa.select(sa.func.count())
        .where(attempts.c.post_id == posts.c.id, attempts.c.outcome == PostStatus.PENDING)
        .scalar_subquery()
    )
    query = sa.select(posts.c.id, posts.c.channel, posts.c.error).where(PENDING, posts.c.yields, tries >= HANDFUL)
    return {row.id: f"on {row.channel}: {row.error or 'no reason is known'}" for row in tx.execute(query)}


def record_token_expiry(tx: sa.Connection, channel: str, expires_at: datetime | None, now: datetime) -> None:
    """Record when the channel's token expires, according to the platform; None if it never does."""
    values = {"token_checked_at": now, "token_expires_at": expires_at}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))
