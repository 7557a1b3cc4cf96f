"""Functions that run inside a transaction: an operator's decision about a post that digestbot cannot settle, and the
reversal of such a decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Action, Approval, PostStatus, Receipt, ReceiptBasis
from digestbot.ledger.queries import post_row
from digestbot.ledger.release import REMOVED, apply_decision, receipt_before, return_summaries, skip_rest
from digestbot.ledger.schema import backlog, editions, post_summaries, posts
from digestbot.ledger.timeline_checks import claimed_receipts, not_billed, published


def resolve_post(
    tx: sa.Connection,
    post: int,
    decision: PostStatus,
    receipt: Receipt | None,
    now: datetime,
    basis: ReceiptBasis = ReceiptBasis.OPERATOR,
    posted_at: datetime | None = None,
    quiet: timedelta = timedelta(0),
) -> PostStatus:
    """Settle a post by an operator's decision; return its former status.

    ``decision`` is published (with a receipt and its basis), pending (look for the post, then send it again) or
    skipped. ``posted_at`` is when the post appeared, None for now. A retry dismisses the candidates, because the
    operator has compared them. If the last attempt may have created the post, a retry waits for ``quiet`` after that
    attempt's deadline, because timelines lag. Raise LedgerError if the post does not exist, needs no decision, or
    cannot be sent, or if the receipt belongs to another post.
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
    if receipt is not None and claimed_receipts(tx, row.channel, [receipt.id]):
        raise LedgerError(f"{receipt.id} is already the receipt of another post")
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
            check_first=retried and row.action == Action.PUBLISH,
            yields=False,
            by_hand=not retried,
            not_before=row.deadline + quiet if lagging else None,
            next_check_at=None,
            quarantined_at=None,
            concluded_at=None if retried else now,
        )
    )
    if decision is PostStatus.SKIPPED:
        return_summaries(tx, skip_rest(tx, post, now), but=post)
    if receipt is not None:
        published(tx, row.channel, post, receipt.id)
    if decision is PostStatus.DONE:
        apply_decision(tx, post, now)
    if retried:
        not_billed(tx, post, row.epoch)
    return before


def reopen_post(tx: sa.Connection, post: int, now: datetime) -> PostStatus:
    """Undo an operator's decision or a match by text: the post is quarantined again and looked for.

    Return its former status. Its pending updates and deletions are skipped. Raise LedgerError if the post does not
    exist, or if its status rests on the platform's own answer.
    """
    row = _locked(tx, post)
    before = PostStatus(row.status)
    if not post_row(tx, post).reopenable:
        raise LedgerError(
            f"post {post} is {before}: only a post whose URL was entered by an operator or found by its text, or that "
            "was skipped by hand, can be reopened"
        )
    error = f"reopened by hand: was {before}" + (f" as {row.receipt_url}" if row.receipt_url else "")
    names = ("receipt_id", "receipt_url", "receipt_basis", "missing_since", "posted_at")
    cleared: dict[str, object] = dict.fromkeys(names)
    if row.receipt_id:  # the receipt was of another post
        cleared |= {"dismissed": sorted({*(row.dismissed or ()), row.receipt_id})}
    quarantined = {"status": PostStatus.QUARANTINED, "quarantined_at": now, "next_check_at": now, "by_hand": False}
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
    """Raise LedgerError if the post cannot be sent.

    Reasons are that its text is gone, its edition was not approved, or its summaries went back to the backlog. A reply
    also cannot be sent if the part before it is not published.
    """
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
            f"post {row.id} cannot be sent: its summaries went back to the backlog and will be in another post"
        )
    if not row.reply:
        return
    gone = [PostStatus.DELETED, PostStatus.SKIPPED, PostStatus.FAILED]
    before = receipt_before(row.edition_id, row.position).where(posts.c.status.not_in(gone))
    if tx.execute(before).first() is None:
        raise LedgerError(f"post {row.id} cannot be sent: the part before it is not published; retry that first")
