"""Functions that run inside a transaction: what happens to an edition's other parts and its summaries when one of its
posts is not sent or is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.model import Action, PostStatus
from digestbot.ledger import alerts
from digestbot.ledger.backlog import reset_verdicts_elsewhere, skip_adopted
from digestbot.ledger.schema import PENDING, backlog, channels, pictures, post_summaries, posts

REMOVED = "(the text was removed with its summary)"


def receipt_before(edition: int, position: int) -> sa.Select[str]:
    """Return a query for the receipt id of the part before a position, to which that part replies."""
    return sa.select(posts.c.receipt_id).where(
        posts.c.edition_id == edition, posts.c.position == position - 1, posts.c.action == Action.PUBLISH
    )


def skip_rest(tx: sa.Connection, post: int, now: datetime) -> list[int]:
    """Skip the pending thread parts after a post that will not be published, because they have nothing to reply to;
    return their ids."""
    part = tx.execute(sa.select(posts.c.edition_id, posts.c.position, posts.c.action).where(posts.c.id == post)).one()
    if part.action != Action.PUBLISH:
        return []
    following = tx.scalar(
        sa.select(sa.func.min(posts.c.position)).where(
            posts.c.edition_id == part.edition_id,
            posts.c.position > part.position,
            posts.c.action == Action.PUBLISH,
            ~posts.c.reply,
        )
    )
    rows = tx.execute(
        posts.update()
        .where(
            posts.c.edition_id == part.edition_id,
            posts.c.position > part.position,
            *([posts.c.position < following] if following is not None else []),
            posts.c.action == Action.PUBLISH,
            posts.c.reply,
            posts.c.status == PostStatus.PENDING,
        )
        .values(status=PostStatus.SKIPPED, error="the part before it was not published", concluded_at=now)
        .returning(posts.c.id)
    )
    return list(rows.scalars())


def return_summaries(tx: sa.Connection, skipped: Sequence[int], *, but: int | None = None) -> None:
    """Put the summaries of posts that will not be sent back in the backlog, where they wait again.

    A summary stays taken if another post of its edition shows it or will show it, or if the post ``but`` shows it.
    """
    of_skipped = posts.alias("of_skipped")
    others = (
        sa.select(post_summaries.c.summary_id)
        .join(posts, posts.c.id == post_summaries.c.post_id)
        .where(
            posts.c.edition_id == of_skipped.c.edition_id,
            posts.c.action == Action.PUBLISH,
            sa.or_(posts.c.status.not_in([PostStatus.SKIPPED, PostStatus.FAILED]), posts.c.id == (but or 0)),
            post_summaries.c.summary_id == backlog.c.summary_id,
        )
    )
    entries = (
        sa.select(post_summaries.c.post_id)
        .join(of_skipped, of_skipped.c.id == post_summaries.c.post_id)
        .where(
            of_skipped.c.id.in_(skipped),
            of_skipped.c.edition_id == backlog.c.edition_id,
            post_summaries.c.summary_id == backlog.c.summary_id,
            ~others.correlate(of_skipped, backlog).exists(),
        )
    )
    make_pending_again(tx, entries.correlate(backlog).exists())


def make_pending_again(tx: sa.Connection, *which: sa.ColumnElement[bool], skipped: str | None = None) -> None:
    """Release these taken rows of the backlog: they wait again, or are skipped for the reason ``skipped``.

    The channel's other digests evaluate the summaries again, and may publish them.
    """
    values: dict[str, object] = {"edition_id": None, "position": None, "status": "waiting", "blocked_reason": None}
    if skipped is not None:
        values |= {"status": "skipped", "reason": skipped}
    freed = backlog.update().where(backlog.c.status == "taken", *which).values(**values)
    columns = (backlog.c.digest, backlog.c.channel, backlog.c.summary_id)
    for row in tx.execute(freed.returning(*columns)).all():
        reset_verdicts_elsewhere(tx, row.digest, row.channel, [row.summary_id])
        skip_adopted(tx, row.channel, [row.summary_id])


def end_edition(tx: sa.Connection, post: int, channel: str, now: datetime) -> None:
    """End the edition of a post with what is published, because the platform takes no replies.

    The channel's threads that have not begun are skipped too. Summaries that no post shows wait again. From now on, the
    channel gets single posts. Raise an alert about it.
    """
    dropped = [post, *skip_rest(tx, post, now)]
    after = posts.alias("after")
    begin = sa.select(posts.c.id).where(
        posts.c.channel == channel,
        PENDING,
        posts.c.action == Action.PUBLISH,
        ~posts.c.reply,
        sa.exists().where(
            after.c.edition_id == posts.c.edition_id, after.c.position == posts.c.position + 1, after.c.reply
        ),
    )
    for first in list(tx.scalars(begin)):
        skipped = {
            "status": PostStatus.SKIPPED,
            "error": "the channel accepts no replies: created again without them",
            "concluded_at": now,
        }
        tx.execute(posts.update().where(posts.c.id == first).values(**skipped))
        dropped += [first, *skip_rest(tx, first, now)]
    return_summaries(tx, dropped)
    tx.execute(channels.update().where(channels.c.name == channel).values(replies_rejected_at=now))
    note = (
        f"{channel} does not accept replies to its own posts: threads end with their first part, and from now on "
        "each summary is a post of its own. Confirm to keep it that way, dismiss to try threads again"
    )
    alerts.raise_alert(tx, "replies", channel, note, now)


def apply_decision(tx: sa.Connection, operation: int, now: datetime) -> None:
    """Apply an update or a deletion that was carried out to its target post in the ledger."""
    row = tx.execute(sa.select(posts.c.action, posts.c.target_id, posts.c.text).where(posts.c.id == operation)).one()
    if row.action == Action.UPDATE:
        tx.execute(posts.update().where(posts.c.id == row.target_id).values(text=row.text))
    else:
        _deleted(tx, operation, row.target_id, f"deleted: {row.text}", now)


def _deleted(tx: sa.Connection, operation: int, target: int, note: str, now: datetime) -> None:
    """Mark the post as deleted, and remove its text and picture: a writer who withdrew the summary wants it gone
    everywhere.

    Thread parts that would reply to it are skipped. Other summaries that it showed wait again, unless another post of
    the edition shows them.
    """
    post = posts.update().where(posts.c.id == target)
    tx.execute(post.values(status=PostStatus.DELETED, error=note, text=REMOVED, link=None))
    tx.execute(pictures.delete().where(pictures.c.post_id == target))
    tx.execute(posts.update().where(posts.c.target_id == target, posts.c.action == Action.UPDATE).values(text=REMOVED))
    return_summaries(tx, skip_rest(tx, target, now), but=target)
    edition = tx.scalar(sa.select(posts.c.edition_id).where(posts.c.id == target))
    its_own = sa.select(post_summaries.c.summary_id).where(post_summaries.c.post_id == operation)
    shown = sa.select(post_summaries.c.summary_id).where(post_summaries.c.post_id == target)
    elsewhere = (
        sa.select(post_summaries.c.summary_id)
        .join(posts, posts.c.id == post_summaries.c.post_id)
        .where(posts.c.edition_id == edition, posts.c.action == Action.PUBLISH, posts.c.id != target)
        .where(posts.c.status.not_in([PostStatus.SKIPPED, PostStatus.FAILED, PostStatus.DELETED]))
    )
    make_pending_again(
        tx,
        backlog.c.edition_id == edition,
        backlog.c.summary_id.in_(shown),
        backlog.c.summary_id.not_in(its_own),
        backlog.c.summary_id.not_in(elsewhere),
    )
