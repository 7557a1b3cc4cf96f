"""Functions that run inside a transaction: summaries that a channel's account already shows in posts of others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import sqlalchemy as sa

from digestbot.domain.adoption import KnownText
from digestbot.domain.model import TimelinePost
from digestbot.ledger.backlog import ADOPTED
from digestbot.ledger.schema import WAITING, adopted_posts, backlog, papers, summaries

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


def record(tx: sa.Connection, channel: str, shown: Mapping[int, TimelinePost]) -> int:
    """Record that the channel's account shows these summaries, each in a post: no digest posts them there again. Return
    how many were pending.

    digestbot never edits or deletes these posts.
    """
    pending = 0
    known = adopted_among(tx, channel, list(shown))
    for id_, post in shown.items():
        if id_ not in known:
            values = {"summary_id": id_, "post_id": post.id, "url": post.url, "posted_at": post.at}
            tx.execute(adopted_posts.insert().values(channel=channel, **values))
        waiting = (backlog.c.channel == channel, backlog.c.summary_id == id_, WAITING)
        values = {"status": "skipped", "reason": ADOPTED + post.url}
        pending += bool(tx.execute(backlog.update().where(*waiting).values(**values)).rowcount)
    return pending


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
