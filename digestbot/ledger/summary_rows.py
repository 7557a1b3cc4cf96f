"""Functions that run inside a transaction: read summaries from their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from digestbot.domain.model import Genre, Paper, Summary
from digestbot.ledger.schema import papers, summaries

PAPER_COLUMNS = (
    papers.c.title,
    papers.c.arxiv_id,
    papers.c.doi,
    papers.c.authors,
    papers.c.venue,
    papers.c.year,
    papers.c.category,
    papers.c.sections,
)


NOTED_AT = sa.func.coalesce(summaries.c.changed_at, summaries.c.ingested_at)


# When a summary was last edited, according to its source. A date later than when digestbot noticed the summary or its
# change is ignored.
EDITED_AT = sa.case(
    (sa.or_(summaries.c.source_date.is_(None), summaries.c.source_date > NOTED_AT), NOTED_AT),
    else_=summaries.c.source_date,
)


def newest_summary(tx: sa.Connection, names: Sequence[str]) -> Summary | None:
    """Return the newest summary of these sources, for previewing a post; None if there is none."""
    query = (
        sa.select(summaries, *PAPER_COLUMNS)
        .join(papers)
        .where(summaries.c.source.in_(names), summaries.c.withdrawn_at.is_(None))
        .order_by(summaries.c.source_date.is_(None), summaries.c.source_date.desc(), summaries.c.id.desc())
    )
    row = tx.execute(query.limit(1)).first()
    return None if row is None else as_summary(row)


def summaries_by_id(tx: sa.Connection, ids: Sequence[int], *, lock: bool = True) -> dict[int, Summary]:
    """Return these summaries by id, without withdrawn ones. With ``lock``, lock their rows until the transaction
    ends."""
    query = (
        sa.select(summaries, *PAPER_COLUMNS)
        .join(papers)
        .where(summaries.c.id.in_(ids), summaries.c.withdrawn_at.is_(None))
    )
    return {row.id: as_summary(row) for row in tx.execute(query.with_for_update(of=summaries) if lock else query)}


def sources_of(tx: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Return the name of the source of each of these summaries, by summary id."""
    return {
        row.id: row.source
        for row in tx.execute(sa.select(summaries.c.id, summaries.c.source).where(summaries.c.id.in_(ids)))
    }


def as_summary(row: Any) -> Summary:
    """Return the summary that a row holds: the columns of ``summaries`` and `PAPER_COLUMNS`."""
    paper = Paper(
        row.key,
        row.title,
        row.arxiv_id,
        row.doi,
        tuple(row.authors or ()),
        row.venue,
        row.year,
        row.category,
        tuple(row.sections or ()),
    )
    return Summary(
        paper=paper,
        writer=row.writer,
        handle=row.handle,
        body=row.body,
        link=row.link,
        votes=row.votes,
        dated=row.source_date,
        orcid=row.orcid,
        store_id=row.store_id,
        genre=Genre(row.genre),
        id=row.id,
    )
