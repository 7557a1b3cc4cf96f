"""Inside a transaction: claiming a post before it is sent, and concluding what came of it.

The protocol is docs/lifecycle.md's; the caller commits a claim before it opens a socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.model import Claim, Message, PostStatus
from digestbot.retry import Decision
from digestbot.schema import IN_FLIGHT, attempts, channels, posts


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What stands in a channel's way. ``refusals`` counts its refusals in a row."""

    pause_reason: str | None
    wait_until: datetime | None
    refusals: int


def add_channels(tx: sa.Connection, names: Iterable[str]) -> None:
    """Make the channels known to the ledger."""
    known = set(tx.scalars(sa.select(channels.c.name)))
    for name in names:
        if name not in known:
            tx.execute(channels.insert().values(name=name))


def channel_state(tx: sa.Connection, channel: str) -> ChannelState:
    """The channel's state, its row locked until the transaction ends: one claim at a time."""
    row = tx.execute(sa.select(channels).where(channels.c.name == channel).with_for_update()).one()
    return ChannelState(row.pause_reason if row.paused_at else None, row.wait_until, row.refusals)


def claim(tx: sa.Connection, channel: str, lease: timedelta, now: datetime) -> Claim | None:
    """The channel's next post, now `publishing` with a new epoch and an attempt; None where nothing may be sent.

    Posts go out in the order they were made: one that waits for a retry holds back the others. Nothing is
    claimed while the channel is paused or asked to wait, or while another post's outcome is open.
    """
    state = channel_state(tx, channel)
    if state.pause_reason is not None or (state.wait_until and state.wait_until > now):
        return None
    if tx.execute(sa.select(posts.c.id).where(posts.c.channel == channel, IN_FLIGHT).limit(1)).first():
        return None
    row = tx.execute(
        sa.select(posts)
        .where(posts.c.channel == channel, posts.c.status == PostStatus.PENDING)
        .order_by(posts.c.id)
        .limit(1)
        .with_for_update()
    ).first()
    if row is None or (row.not_before and row.not_before > now):
        return None
    epoch, deadline = row.epoch + 1, now + lease
    tx.execute(
        posts.update()
        .where(posts.c.id == row.id)
        .values(status=PostStatus.PUBLISHING, epoch=epoch, deadline=deadline, not_before=None)
    )
    tx.execute(attempts.insert().values(post_id=row.id, epoch=epoch, started_at=now, deadline=deadline))
    return Claim(row.id, channel, epoch, epoch, deadline, Message(row.text, row.link))


def conclude(tx: sa.Connection, claim: Claim, decision: Decision, now: datetime) -> bool:
    """Write down what came of a claim; False where the claim was void by then and the post stays as it is.

    The attempt keeps its outcome either way.
    """
    receipt = decision.receipt
    done = tx.execute(
        posts.update()
        .where(posts.c.id == claim.post, posts.c.epoch == claim.epoch, posts.c.status == PostStatus.PUBLISHING)
        .values(
            status=decision.status,
            receipt_id=receipt.id if receipt else None,
            receipt_url=receipt.url if receipt else None,
            error=decision.error,
            not_before=decision.not_before,
            concluded_at=None if decision.status == PostStatus.PENDING else now,
        )
    ).rowcount
    seen = f"published as {receipt.id}" if receipt else decision.error
    tx.execute(
        attempts.update()
        .where(attempts.c.post_id == claim.post, attempts.c.epoch == claim.epoch)
        .values(finished_at=now, outcome=decision.status, error=seen if not done or not receipt else None)
    )
    if done:
        change: dict[str, object] = {"wait_until": decision.channel_until}
        change["refusals"] = channels.c.refusals + 1 if decision.refused else 0
        if decision.pause:
            change |= {"paused_at": now, "pause_reason": decision.pause}
        tx.execute(channels.update().where(channels.c.name == claim.channel).values(**change))
    return bool(done)


def expire(tx: sa.Connection, now: datetime) -> list[int]:
    """A lease that ran out means that nobody knows: publishing -> unknown. Gives the posts' ids."""
    rows = tx.execute(
        posts.update()
        .where(posts.c.status == PostStatus.PUBLISHING, posts.c.deadline <= now)
        .values(status=PostStatus.UNKNOWN, error="the lease ran out before an outcome was recorded", concluded_at=now)
        .returning(posts.c.id)
    )
    return list(rows.scalars())
