"""Functions that run inside a transaction: summaries that a channel's account already shows in posts of others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.adoption import KnownText
from digestbot.domain.model import Action, PostStatus, TimelinePost
from digestbot.ledger.backlog import skip_adopted
from digestbot.ledger.release import return_summaries, skip_rest
from digestbot.ledger.schema import PENDING, WAITING, adopted_posts, backlog, papers, post_summaries, posts, summaries

BATCH = 500
LONGEST_BODY = 3000  # characters of a summary that are compared with posts


def known_texts(tx: sa.Connection, sources: Sequence[str]) -> Iterator[KnownText]:
    """Yield what is known of all summaries of these sources, without withdrawn ones."""
    body = sa.func.substr(summaries.c.body, 1, LONGEST_BODY)
    query = (
        sa.select(summaries.c.id, papers.c.title, summaries.c.link, summaries.c.writer, body)
        .join(papers, papers.c.id == summaries.c.paper_id)
        .where(summaries.c.source.in_(sources), summaries.c.withdrawn_at.is_(None))
        .order_by(summaries.c.id)
    )
    for row in tx.execute(query.execution_options(yield_per=1000)):
        yield KnownText(*row)


def record(tx: sa.Connection, channel: str, shown: Mapping[int, TimelinePost], now: datetime) -> int:
    """Record that the channel's account shows these summaries, each in a post: no digest posts them there again. Return
    how many were pending, in a backlog or in a post that was not sent.

    digestbot never edits or deletes these posts.
    """
    known = adopted_among(tx, channel, list(shown))
    values = [
        {"channel": channel, "summary_id": id_, "post_id": post.id, "url": post.url, "posted_at": post.at}
        for id_, post in shown.items()
        if id_ not in known
    ]
    if values:
        tx.execute(adopted_posts.insert(), values)
    pending: set[int] = set()
    ids = list(shown)
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        waiting = (backlog.c.channel == channel, backlog.c.summary_id.in_(part), WAITING)
        pending |= set(tx.scalars(sa.select(backlog.c.summary_id).where(*waiting)))
        pending |= _withdraw_pending_posts(tx, channel, part, now)
        skip_adopted(tx, channel, part)
    return len(pending)


def _withdraw_pending_posts(tx: sa.Connection, channel: str, ids: Sequence[int], now: datetime) -> set[int]:
    """Skip the posts that show one of these summaries and were never sent; their summaries are pending again. Return
    the summaries."""
    query = (
        sa.select(posts.c.id, post_summaries.c.summary_id)
        .join(post_summaries, post_summaries.c.post_id == posts.c.id)
        .where(posts.c.channel == channel, PENDING, posts.c.action == Action.PUBLISH, posts.c.epoch == 0)
        .where(post_summaries.c.summary_id.in_(ids))
    )
    rows = tx.execute(query).all()
    for post in {row.id for row in rows}:
        reason = {
            "status": PostStatus.SKIPPED,
            "error": "a summary in it is on the channel already",
            "concluded_at": now,
        }
        done = tx.execute(posts.update().where(posts.c.id == post, PENDING).values(**reason))
        if done.rowcount:
            return_summaries(tx, [post, *skip_rest(tx, post, now)])
    return {row.summary_id for row in rows}


def adopted_among(tx: sa.Connection, channel: str, ids: Sequence[int]) -> set[int]:
    """Return those of these summaries that the channel's account is known to show."""
    results: set[int] = set()
    for start in range(0, len(ids), BATCH):
        part = adopted_posts.c.summary_id.in_(ids[start : start + BATCH])
        query = sa.select(adopted_posts.c.summary_id).where(adopted_posts.c.channel == channel, part)
        results |= set(tx.scalars(query))
    return results


def hold(tx: sa.Connection, channel: str, ids: Collection[int]) -> int:
    """Hold these pending summaries on the channel, in every digest; return how many are held."""
    which = (backlog.c.channel == channel, backlog.c.summary_id.in_(ids), WAITING)
    return int(tx.execute(backlog.update().where(*which).values(held=True, blocked_reason=None)).rowcount)
