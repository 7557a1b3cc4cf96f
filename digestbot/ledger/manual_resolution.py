"""Inside a transaction: what an operator decides about a post that digestbot cannot settle, and how that is
corrected."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.errors import LedgerError
from digestbot.ledger.parts import REMOVED, apply, give_back, receipt_before, skip_rest
from digestbot.ledger.reconciliation import claimed, not_billed, published
from digestbot.ledger.views import post_row
from digestbot.model import Action, Approval, PostStatus, Receipt, ReceiptBasis
from digestbot.schema import backlog, editions, post_summaries, posts


def resolve(
    tx: sa.Connection,
    post: int,
    decision: PostStatus,
    receipt: Receipt | None,
    now: datetime,
    basis: ReceiptBasis = ReceiptBasis.OPERATOR,
    posted_at: datetime | None = None,
    quiet: timedelta = timedelta(0),
) -> PostStatus:
    """Settle a post by hand; return its former status.

    ``decision`` is published (with a receipt, and what that rests on), pending (looked for, then sent again) or
    skipped. Candidates that were shown with it are dismissed by a retry: the operator saw them. Where the last attempt
    may have created the post, a retry waits until ``quiet`` has passed since: timelines lag. Raises LedgerError for a
    post that does not exist, or needs no decision.
    """
    row = _locked(tx, post)
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
    retried = decision is PostStatus.PENDING
    lagging = retried and before in (PostStatus.UNKNOWN, PostStatus.QUARANTINED) and row.deadline
    dismissed = {*(row.dismissed or ()), *(one["id"] for one in row.candidates or ())} if retried else set()
    tx.execute(
        posts.update()
        .where(posts.c.id == post)
        .values(
            status=decision,
            receipt_id=receipt.id if receipt else None,
            receipt_url=receipt.url if receipt else None,
            receipt_basis=basis if receipt else None,
            posted_at=(posted_at or now) if receipt else None,
            candidates=None,
            dismissed=sorted(dismissed) or None,
            error=None if receipt else f"by hand: {decision}, was {before}",
            look_first=retried and row.action == Action.PUBLISH,
            yields=False,
            by_hand=not retried,
            not_before=row.deadline + quiet if lagging else None,
            next_look_at=None,
            quarantined_at=None,
            concluded_at=None if retried else now,
        )
    )
    if decision is PostStatus.SKIPPED:
        give_back(tx, skip_rest(tx, post, now), but=post)
    if receipt is not None:
        published(tx, row.channel, post, receipt.id)
    if decision is PostStatus.DONE:
        apply(tx, post, now)
    if retried:
        not_billed(tx, post, row.epoch)
    return before


def reopen(tx: sa.Connection, post: int, now: datetime) -> PostStatus:
    """Take back what was decided by hand, or found by its text: the post is quarantined again, and looked for.

    Return its former status. Edits and deletions of it that were not sent yet are dropped. Raises LedgerError for a
    post whose state rests on the platform's own answer.
    """
    row = _locked(tx, post)
    before = PostStatus(row.status)
    if not post_row(tx, post).reopenable:
        raise LedgerError(
            f"post {post} is {before}: only a post whose address was given by hand or found by its text, or that was "
            "skipped by hand, can be reopened"
        )
    error = f"reopened by hand: was {before}" + (f" as {row.receipt_url}" if row.receipt_url else "")
    names = ("receipt_id", "receipt_url", "receipt_basis", "missing_since", "posted_at")
    cleared: dict[str, object] = dict.fromkeys(names)
    if row.receipt_id:  # it was the wrong one
        cleared |= {"dismissed": sorted({*(row.dismissed or ()), row.receipt_id})}
    quarantined = {"status": PostStatus.QUARANTINED, "quarantined_at": now, "next_look_at": now, "by_hand": False}
    tx.execute(posts.update().where(posts.c.id == post).values(error=error, **quarantined, **cleared))
    tx.execute(
        posts.update()
        .where(posts.c.target_id == post, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error="the post was reopened by hand", concluded_at=now)
    )
    return before


def _locked(tx: sa.Connection, post: int) -> Any:
    row = tx.execute(sa.select(posts).where(posts.c.id == post).with_for_update()).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    return row


def _may_be_sent(tx: sa.Connection, row: Any) -> None:
    """Raises LedgerError for a post whose text is gone, or whose summaries are pending in another one by now, or a part
    with nothing to go under."""
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
    gone = [PostStatus.DELETED, PostStatus.SKIPPED, PostStatus.FAILED]
    before = receipt_before(row.edition_id, row.position).where(posts.c.status.not_in(gone))
    if tx.execute(before).first() is None:
        raise LedgerError(f"post {row.id} cannot be sent: the part before it is not published; retry that first")
