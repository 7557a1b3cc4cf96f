"""Functions that run inside a transaction: a channel's recent posts, and its posts that are queued to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.model import Action, Approval, PostStatus
from digestbot.domain.schedule import PublishedPost
from digestbot.ledger.delivery import _RECALLED, SCHEDULED
from digestbot.ledger.schema import (
    IN_FLIGHT,
    PENDING,
    UtcTime,
    attempts,
    editions,
    posts,
    slots,
)

LONGEST_LIMIT = timedelta(days=9)  # a week in any time zone


_BEGINS = (posts.c.action == Action.PUBLISH, ~posts.c.reply)


_APPEARED = (
    sa.select(editions.c.digest, posts.c.concluded_at, posts.c.planned_at)
    .join(posts, posts.c.edition_id == editions.c.id)
    .where(
        posts.c.channel == sa.bindparam("channel"),
        posts.c.concluded_at >= sa.bindparam("since", type_=UtcTime),
        posts.c.status.in_([PostStatus.PUBLISHED, PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.DELETED]),
        *_BEGINS,
    )
)


_QUEUED = (
    sa.select(editions.c.digest, SCHEDULED, posts.c.planned_at, editions.c.approval)
    .join(posts, posts.c.edition_id == editions.c.id)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(posts.c.channel == sa.bindparam("channel"), *_BEGINS)
)


_WAITING = _QUEUED.where(PENDING, ~_RECALLED)


_SENDING = _QUEUED.where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING)


def published_posts(tx: sa.Connection, channel: str, now: datetime) -> list[PublishedPost]:
    """Return the posts that appeared on the channel within `LONGEST_LIMIT`; replies are left out."""
    rows = tx.execute(_APPEARED, {"channel": channel, "since": now - LONGEST_LIMIT})
    return [PublishedPost(row.concluded_at, row.planned_at or row.concluded_at, row.digest) for row in rows]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A post that is queued to be sent, or is being sent.

    ``scheduled`` is False if an operator asked for it. ``approved`` is False if an operator has not decided yet.
    """

    digest: str
    scheduled: bool
    planned_at: datetime | None
    approved: bool


def queued_posts(tx: sa.Connection, channel: str) -> list[QueueRow]:
    """Return the posts that are queued to be sent, or are being sent, without replies.

    Posts that may no longer be sent, because a summary was withdrawn or became anonymous, are left out too.
    """
    rows = [row for query in (_SENDING, _WAITING) for row in tx.execute(query, {"channel": channel})]
    return [
        QueueRow(row.digest, row.scheduled, row.planned_at, row.approval in (None, Approval.APPROVED)) for row in rows
    ]


_PLANNED = (
    sa.select(editions.c.digest, posts.c.planned_at)
    .join(editions, editions.c.id == posts.c.edition_id)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(posts.c.id == sa.bindparam("post"), posts.c.epoch == 1, SCHEDULED, *_BEGINS)
)


def planned_time(tx: sa.Connection, post: int) -> tuple[str, datetime] | None:
    """Return the digest of a scheduled post that was just claimed for the first time, and the earliest time at which it
    was to appear. Return None for any other post."""
    row = tx.execute(_PLANNED, {"post": post}).first()
    return (row.digest, row.planned_at) if row is not None and row.planned_at is not None else None


def set_planned_time(tx: sa.Connection, post: int, at: datetime) -> None:
    """Record when the post was to appear."""
    tx.execute(posts.update().where(posts.c.id == post).values(planned_at=at))


def attempt_count(tx: sa.Connection, post: int) -> int:
    """Return how many attempts at the post ended with the post pending again."""
    query = sa.select(sa.func.count()).where(attempts.c.post_id == post, attempts.c.outcome == PostStatus.PENDING)
    return int(tx.scalar(query) or 0)
