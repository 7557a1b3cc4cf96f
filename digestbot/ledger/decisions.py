"""Inside a transaction: what a person decides about posts and channels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.errors import LedgerError
from digestbot.ledger.delivery import claimed, not_billed
from digestbot.ledger.parts import REMOVED, apply, give_back, skip_rest
from digestbot.model import Action, Approval, PostStatus, Receipt
from digestbot.schema import backlog, channels, editions, pictures, post_summaries, posts


def resolve(tx: sa.Connection, post: int, decision: PostStatus, receipt: Receipt | None, now: datetime) -> PostStatus:
    """Settle by hand a post that waits for a person; gives where it stood.

    ``decision`` is published (with a receipt), pending (to be sent again) or skipped. Raises LedgerError for a
    post that does not exist, or does not wait for anybody.
    """
    row = tx.execute(sa.select(posts).where(posts.c.id == post).with_for_update()).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    before = PostStatus(row.status)
    open_ = {PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.FAILED}
    if decision is PostStatus.SKIPPED:
        open_ |= {PostStatus.PENDING}
    if decision is PostStatus.PENDING:
        open_ |= {PostStatus.SKIPPED}
    if before not in open_:
        raise LedgerError(f"post {post} is {before}: nothing to decide")
    if decision is PostStatus.PENDING:
        _may_be_sent(tx, row)
    if row.action != Action.PUBLISH and decision is PostStatus.PUBLISHED:
        decision, receipt = PostStatus.DONE, None
    if receipt is not None and claimed(tx, row.channel, [receipt.id]):
        raise LedgerError(f"{receipt.id} is the receipt of another post already")
    tx.execute(
        posts.update()
        .where(posts.c.id == post)
        .values(
            status=decision,
            receipt_id=receipt.id if receipt else None,
            receipt_url=receipt.url if receipt else None,
            error=None if receipt else f"by hand: {decision}, was {before}",
            not_before=None,
            next_look_at=None,
            concluded_at=None if decision is PostStatus.PENDING else now,
        )
    )
    if decision is PostStatus.SKIPPED:
        give_back(tx, skip_rest(tx, post, now), but=post)
    if receipt is not None:
        tx.execute(pictures.update().where(pictures.c.post_id == post).values(content=None))
    if decision is PostStatus.DONE:
        apply(tx, post, now)
    if decision is PostStatus.PENDING:
        not_billed(tx, post, row.epoch)
    return before


def _may_be_sent(tx: sa.Connection, row: Any) -> None:
    """Raises LedgerError for a post whose text is gone, or whose summaries wait for another one by now, or a part with
    nothing to go under."""
    if row.text == REMOVED:
        raise LedgerError(f"post {row.id} cannot be sent: its summary was withdrawn or changed, and its text is gone")
    if row.action != Action.PUBLISH:
        return
    approval = tx.scalar(sa.select(editions.c.approval).where(editions.c.id == row.edition_id))
    if approval in (Approval.DECLINED, Approval.LAPSED):
        raise LedgerError(f"post {row.id} cannot be sent: its edition was not approved")
    taken = sa.select(backlog.c.summary_id).where(backlog.c.edition_id == row.edition_id)
    astray = sa.select(post_summaries.c.summary_id).where(
        post_summaries.c.post_id == row.id, post_summaries.c.summary_id.not_in(taken)
    )
    if tx.execute(astray.limit(1)).first() is not None:
        raise LedgerError(
            f"post {row.id} cannot be sent: what it shows went back to the backlog, and comes in another post"
        )
    if not row.reply:
        return
    before = sa.select(posts.c.receipt_id).where(
        posts.c.edition_id == row.edition_id,
        posts.c.position == row.position - 1,
        posts.c.action == Action.PUBLISH,
        posts.c.status.not_in([PostStatus.DELETED, PostStatus.SKIPPED, PostStatus.FAILED]),
    )
    if tx.execute(before).first() is None:
        raise LedgerError(f"post {row.id} cannot be sent: the part before it is not published; retry that first")


def pause(tx: sa.Connection, channel: str, reason: str, now: datetime) -> None:
    """Stop the channel until it is resumed."""
    tx.execute(channels.update().where(channels.c.name == channel).values(paused_at=now, pause_reason=reason))


def resume(tx: sa.Connection, channel: str) -> None:
    """Let the channel go on at once."""
    tx.execute(
        channels.update()
        .where(channels.c.name == channel)
        .values(paused_at=None, pause_reason=None, wait_until=None, refusals=0)
    )
