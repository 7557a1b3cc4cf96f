"""Inside a transaction: the alerts that were sent to the operator, or are to be, and what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.model import Approval, PostStatus
from digestbot.planning import UNDECIDED
from digestbot.retry import HANDFUL
from digestbot.schema import (
    ATTENTION,
    IN_FLIGHT,
    PENDING,
    SCHEDULED_SLOT,
    UNAPPROVED,
    alerts,
    attempts,
    channels,
    editions,
    posts,
    slots,
    summaries,
)
from digestbot.watch import Condition, NeedsApproval, Overdue, Resent

TELLING = timedelta(minutes=5)  # for a process that sends an alert; then another tries


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition of which an alert is to be sent, or that it is ``over``."""

    id: int
    condition: Condition
    begun_at: datetime
    over: bool


def renew(tx: sa.Connection, found: Sequence[Condition], now: datetime) -> None:
    """These conditions hold now, and no others. One of which no alert was sent is forgotten when it is over."""
    known = {(row.kind, row.subject): row for row in tx.execute(sa.select(alerts).where(alerts.c.over_at.is_(None)))}
    for one in found:
        row = known.pop((one.kind, one.subject), None)
        if row is None:
            tx.execute(alerts.insert().values(kind=one.kind, subject=one.subject, note=one.note, begun_at=now))
        elif row.note != one.note:
            tx.execute(alerts.update().where(alerts.c.id == row.id).values(note=one.note))
    for row in known.values():
        mine = alerts.c.id == row.id
        if row.told_at is None:
            tx.execute(alerts.delete().where(mine))
        else:
            tx.execute(alerts.update().where(mine).values(over_at=now, telling_until=None))


def claim_alerts(tx: sa.Connection, now: datetime) -> list[Alert]:
    """The alerts that are to be sent; for a while, no other process claims them."""
    untold = sa.or_(alerts.c.told_at.is_(None), sa.and_(alerts.c.over_at.is_not(None), alerts.c.over_told_at.is_(None)))
    free = sa.or_(alerts.c.telling_until.is_(None), alerts.c.telling_until <= now)
    rows = tx.execute(sa.select(alerts).where(untold, free).order_by(alerts.c.id).with_for_update()).all()
    ids = [row.id for row in rows]
    tx.execute(alerts.update().where(alerts.c.id.in_(ids)).values(telling_until=now + TELLING))
    return [
        Alert(row.id, Condition(row.kind, row.subject, row.note), row.begun_at, row.over_at is not None) for row in rows
    ]


def told(tx: sa.Connection, alert: Alert, now: datetime) -> None:
    """The operator knows."""
    which = alerts.update().where(alerts.c.id == alert.id)
    tx.execute(which.values(over_told_at=now) if alert.over else which.values(told_at=now, telling_until=None))


def arrivals(tx: sa.Connection, source: str, most: int) -> list[datetime]:
    """When the source gave its newest summaries, the newest last."""
    query = sa.select(summaries.c.taken_in_at).where(summaries.c.source == source)
    return sorted(tx.scalars(query.order_by(summaries.c.id.desc()).limit(most)))


def last_post(tx: sa.Connection, channel: str) -> datetime | None:
    """When something last appeared on the channel."""
    query = sa.select(posts.c.concluded_at).where(
        posts.c.channel == channel, posts.c.concluded_at.is_not(None), posts.c.status == PostStatus.PUBLISHED
    )
    found: datetime | None = tx.scalar(query.order_by(posts.c.concluded_at.desc()).limit(1))
    return found


def quarantined(tx: sa.Connection) -> dict[int, str]:
    """The posts of which nobody knows what became, and why."""
    columns = (posts.c.id, posts.c.channel, posts.c.error)
    query = sa.select(*columns).where(ATTENTION, posts.c.status == PostStatus.QUARANTINED)
    return {
        row.id: f"on {row.channel}: {row.error or 'nobody knows whether it was published'}" for row in tx.execute(query)
    }


def overdue(tx: sa.Connection, before: datetime) -> dict[str, Overdue]:
    """For each channel, the posts that have been pending since before an instant. What needs approval, or is on a
    paused channel, has an alert of its own."""
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
    found: dict[str, Overdue] = {}
    for row in tx.execute(query):
        first = found.get(row.channel)
        found[row.channel] = (
            replace(first, count=first.count + 1) if first else Overdue(1, row.id, row.error or "no reason is known")
        )
    return found


def unapproved(tx: sa.Connection) -> list[NeedsApproval]:
    """The editions that need approval, each by its first post."""
    first = sa.select(sa.func.min(posts.c.id)).where(posts.c.edition_id == editions.c.id, PENDING).scalar_subquery()
    columns = (editions.c.digest, editions.c.channel, editions.c.made_at, editions.c.approve_by, first.label("post"))
    query = sa.select(*columns).where(UNAPPROVED)
    return [
        NeedsApproval(row.post, row.digest, row.channel, row.made_at, row.approve_by)
        for row in tx.execute(query)
        if row.post is not None
    ]


def passed_undecided(tx: sa.Connection, waiting: Sequence[NeedsApproval]) -> dict[tuple[str, str], int]:
    """How many slots of each digest and channel passed because its editions that wait for approval use its limit, since
    the first of them was made."""
    first: dict[tuple[str, str], datetime] = {}
    for one in waiting:
        pair = one.digest, one.channel
        first[pair] = min(one.made_at, first.get(pair, one.made_at))
    found = {}
    for (digest, channel), since in first.items():
        which = (slots.c.digest == digest, slots.c.channel == channel, SCHEDULED_SLOT, slots.c.due >= since)
        query = sa.select(sa.func.count()).where(*which, slots.c.outcome.endswith(UNDECIDED, autoescape=True))
        found[digest, channel] = int(tx.scalar(query) or 0)
    return {pair: passed for pair, passed in found.items() if passed}


def resent(tx: sa.Connection) -> dict[int, Resent]:
    """The open posts that were sent more than once without a known outcome."""
    sent = sa.func.count().label("sent")
    found: dict[int, Resent] = {}
    for condition in (PENDING, IN_FLIGHT):  # each has an index of its own
        query = (
            sa.select(posts.c.id, posts.c.channel, posts.c.not_before, sent)
            .join(attempts, attempts.c.post_id == posts.c.id)
            .where(condition, sa.or_(attempts.c.outcome.is_(None), attempts.c.outcome == PostStatus.UNKNOWN))
            .group_by(posts.c.id, posts.c.channel, posts.c.not_before)
            .having(sent > 1)
        )
        found |= {row.id: Resent(row.channel, row.sent, row.not_before) for row in tx.execute(query)}
    return found


def postponed(tx: sa.Connection) -> dict[int, str]:
    """The posts that were tried a handful of times, so that the others go first, and why."""
    tries = (
        sa.select(sa.func.count())
        .where(attempts.c.post_id == posts.c.id, attempts.c.outcome == PostStatus.PENDING)
        .scalar_subquery()
    )
    query = sa.select(posts.c.id, posts.c.channel, posts.c.error).where(PENDING, posts.c.yields, tries >= HANDFUL)
    return {row.id: f"on {row.channel}: {row.error or 'no reason is known'}" for row in tx.execute(query)}


def note_token(tx: sa.Connection, channel: str, expires_at: datetime | None, now: datetime) -> None:
    """The platform said until when the channel's token holds; None for good."""
    values = {"token_checked_at": now, "token_expires_at": expires_at}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))
