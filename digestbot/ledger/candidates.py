"""Functions that run inside a transaction: the summaries of a backlog from which an edition may choose, in publishing
order."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Genre, Order, Summary
from digestbot.domain.schedule import Candidate
from digestbot.ledger.backlog import of_route
from digestbot.ledger.schema import READY, UtcTime, adopted_posts, backlog, editions, summaries
from digestbot.ledger.summary_rows import EDITED_AT, summaries_by_id

MOST_AT_ONCE = 2000  # candidates per query


def candidates(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    filters: DigestFilters,
    now: datetime,
    until: datetime,
    first: int = 8,
    since: datetime | None = None,
    *,
    papers_shown: bool = False,
) -> Iterator[Candidate]:
    """Yield the waiting summaries that pass the filters at some time between ``now`` and ``until``, in the digest's
    order.

    The first ``first`` are read at once, more as they are consumed. Summaries that the filters have not evaluated yet
    are left out. With ``since``, so are those that were ready by then. ``papers_shown``: say when their papers were
    last shown.
    """
    read, most = 0, first
    while True:
        page, rows = candidate_page(
            tx, digest, channel, order, filters, now, until, since, read, most, papers_shown=papers_shown
        )
        yield from page
        if rows < most:
            return
        read, most = read + rows, min(most * 4, MOST_AT_ONCE)


def candidate_page(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    filters: DigestFilters,
    now: datetime,
    until: datetime,
    since: datetime | None,
    after: int,
    most: int,
    passed_over: Container[int] = (),
    known: dict[int, Summary] | None = None,
    *,
    papers_shown: bool = False,
) -> tuple[list[Candidate], int]:
    """Return a page of the `candidates`, and how many rows were read for it.

    ``after`` is the number of rows to skip, ``most`` the number to read. Summaries in ``passed_over`` are left out.
    Those in ``known`` are not read again; those that are read are added to it.
    """
    aging = filters.min_age is not None or filters.max_age is not None
    query = (
        sa.select(summaries.c.id, summaries.c.paper_id, summaries.c.ingested_at)
        .add_columns(*([EDITED_AT.label("since")] if aging else []))
        .join(backlog, backlog.c.summary_id == summaries.c.id)
        .where(*of_route(digest, channel), READY, summaries.c.withdrawn_at.is_(None))
    )
    if filters.min_votes is not None:
        query = query.where(sa.func.coalesce(summaries.c.votes, 0) >= filters.min_votes)
    if filters.min_age is not None:
        query = query.where(until - filters.min_age >= EDITED_AT)
    if filters.max_age is not None:
        query = query.where(now - filters.max_age <= EDITED_AT)
    if since is not None:
        late = summaries.c.ingested_at > since
        query = query.where(late if filters.min_age is None else sa.or_(late, since - filters.min_age < EDITED_AT))
    rows = tx.execute(query.order_by(*sort_key(order)).limit(most).offset(after)).all()
    left = [row for row in rows if row.id not in passed_over]
    whole = {} if known is None else known
    whole |= summaries_by_id(tx, [row.id for row in left if row.id not in whole], lock=False)
    shown_at = papers_shown_at(tx, digest, channel, {row.paper_id for row in left}) if papers_shown else {}
    results = [
        Candidate(
            whole[row.id],
            row.paper_id,
            row.ingested_at,
            row.since + filters.min_age if filters.min_age is not None else None,
            row.since + filters.max_age if filters.max_age is not None else None,
            shown_at.get(row.paper_id) if is_of_paper(whole[row.id].genre) else None,
        )
        for row in left
        if row.id in whole
    ]
    return results, len(rows)


def is_of_paper(genre: str) -> bool:
    """Return whether a text is about a paper, which may count as repeated; articles of a blog may share a title."""
    return genre != Genre.ARTICLE


def papers_shown_at(tx: sa.Connection, digest: str, channel: str, papers: Collection[int]) -> dict[int, datetime]:
    """Return when the digest last took a summary of each of these papers on the channel, or when an adopted post shows
    one, by paper id. Papers that were never shown are missing."""
    results: dict[int, datetime] = {}
    taken = (
        sa.select(summaries.c.paper_id, sa.func.max(editions.c.made_at, type_=UtcTime))
        .join(backlog, backlog.c.summary_id == summaries.c.id)
        .join(editions, editions.c.id == backlog.c.edition_id)
        .where(*of_route(digest, channel), summaries.c.paper_id.in_(papers))
        .group_by(summaries.c.paper_id)
    )
    adopted = (
        sa.select(summaries.c.paper_id, sa.func.max(adopted_posts.c.posted_at, type_=UtcTime))
        .join(adopted_posts, adopted_posts.c.summary_id == summaries.c.id)
        .where(adopted_posts.c.channel == channel, summaries.c.paper_id.in_(papers))
        .group_by(summaries.c.paper_id)
    )
    for query in (taken, adopted):
        for paper, at in tx.execute(query):
            results[paper] = max(at, results.get(paper, at))
    return results


def sort_key(order: Order) -> tuple[sa.ColumnElement[Any], ...]:
    """Return the columns to sort by: pinned summaries first, the last pinned ahead, then the digest's order."""
    undated = summaries.c.source_date.is_(None)
    pinned = (backlog.c.pinned_at.is_(None), backlog.c.pinned_at.desc())
    match order:
        case Order.OLDEST:
            return *pinned, undated, summaries.c.source_date, summaries.c.id
        case Order.NEWEST:
            return *pinned, undated, summaries.c.source_date.desc(), summaries.c.id.desc()
        case Order.VOTES:
            return *pinned, sa.func.coalesce(summaries.c.votes, 0).desc(), summaries.c.id
