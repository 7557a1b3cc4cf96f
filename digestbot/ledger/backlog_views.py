"""Functions that run inside a read-only transaction: backlogs as operators see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Order, Route, Summary
from digestbot.ledger.backlog import of_route, select_summaries
from digestbot.ledger.candidates import is_of_paper, papers_shown_at, sort_key
from digestbot.ledger.schema import READY, WAITING, backlog, papers, summaries
from digestbot.ledger.summary_rows import EDITED_AT, NOTED_AT, PAPER_COLUMNS, as_summary


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """A summary in a backlog, and what it waits for; "" if only for its turn."""

    summary: Summary
    waits_for: str


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """The status of a summary in a backlog.

    ``since`` is when it was ingested or, if later, changed in the store. ``edited_at`` is when it was last edited,
    according to the store. ``paper_shown_at`` is when the digest last took a summary of its paper.
    """

    status: str
    reason: str | None
    blocked_reason: str
    edition: int | None
    since: datetime
    first_seen_at: datetime
    edited_at: datetime
    votes: int | None
    withdrawn: bool
    paper_shown_at: datetime | None = None


def backlog_statuses(tx: sa.Connection, summary: int) -> dict[Route, BacklogStatus]:
    """Return the summary's status in each backlog, by digest and channel."""
    columns = (
        backlog,
        NOTED_AT.label("noted"),
        EDITED_AT.label("edited_at"),
        summaries.c.votes,
        summaries.c.withdrawn_at,
        summaries.c.ingested_at,
        summaries.c.paper_id,
        summaries.c.genre,
    )
    query = sa.select(*columns).join(summaries, summaries.c.id == backlog.c.summary_id)
    return {
        Route(row.digest, row.channel): BacklogStatus(
            row.status,
            row.reason,
            row.blocked_reason or "",
            row.edition_id,
            row.noted,
            row.ingested_at,
            row.edited_at,
            row.votes,
            row.withdrawn_at is not None,
            papers_shown_at(tx, row.digest, row.channel, [row.paper_id]).get(row.paper_id)
            if is_of_paper(row.genre)
            else None,
        )
        for row in tx.execute(
            query.where(backlog.c.summary_id == summary).order_by(backlog.c.digest, backlog.c.channel)
        ).all()
    }


def find_summaries(tx: sa.Connection, wanted: str) -> list[tuple[Summary, str]]:
    """Return the summaries that ``wanted`` identifies, each with its source's name: at most 20.

    ``wanted`` is an id in the ledger, a summary's URL, or a paper's key.
    """
    query = sa.select(summaries, *PAPER_COLUMNS).join(papers)
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19:
        query = query.where(summaries.c.id == int(wanted))
    else:
        query = query.where(sa.or_(summaries.c.link == wanted, summaries.c.key == wanted))
    return [(as_summary(row), row.source) for row in tx.execute(query.order_by(summaries.c.id).limit(20))]


def search_summaries(tx: sa.Connection, words: str, most: int) -> list[tuple[Summary, str]]:
    """Return the newest summaries with these words in the paper's title or the writer's name, each with its source's
    name. Without words, return nothing."""
    if not words:
        return []
    query = sa.select(summaries, *PAPER_COLUMNS).join(papers).where(_has_words(words))
    rows = tx.execute(query.order_by(summaries.c.id.desc()).limit(most))
    return [(as_summary(row), row.source) for row in rows]


def _has_words(words: str) -> sa.ColumnElement[bool]:
    title = papers.c.title.icontains(words, autoescape=True)
    return sa.or_(title, summaries.c.writer.icontains(words, autoescape=True))


def list_pending(
    tx: sa.Connection, digest: str, channel: str, order: Order, filters: DigestFilters, most: int | None, now: datetime
) -> list[PendingSummary]:
    """Return up to ``most`` waiting summaries of a backlog, in the digest's order: first those that may be published,
    then those that are blocked."""
    query = select_summaries().where(*of_route(digest, channel), WAITING).order_by(*sort_key(order))
    ready: list[PendingSummary] = []
    held: list[PendingSummary] = []
    rows = tx.execute(query).all()
    shown_at = _shown_at(tx, Route(digest, channel), filters, rows)
    for row in rows:
        waits_for = _waits_for(row, filters, now, shown_at)
        (held if waits_for else ready).append(PendingSummary(as_summary(row), waits_for))
    return (ready + held)[:most]


@dataclass(frozen=True, slots=True)
class BacklogEntry:
    """A summary in a backlog as the operator pages show it.

    ``waits_for`` is what it waits for ("" if only for its turn), or why it was skipped. ``words`` is the text that an
    operator wrote for its post. ``pinned``, ``held`` and ``approved`` (in advance) are an operator's choices.
    """

    summary: Summary
    status: str
    waits_for: str
    pinned: bool
    held: bool
    words: str | None
    approved: bool


def backlog_entries(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    filters: DigestFilters,
    now: datetime,
    *,
    kind: str = "waiting",
    words: str = "",
    after: int = 0,
    most: int = 50,
) -> list[BacklogEntry]:
    """Return a page of a backlog: up to ``most`` summaries after the first ``after``.

    ``kind`` selects all summaries that are ``waiting``, those of them that are ``ready`` or ``held`` (blocked for any
    reason), or those that were ``skipped``. Skipped summaries are returned newest first, others in the digest's order.
    With ``words``, only summaries with these words in the paper's title or the writer's name are returned.
    """
    which: Any = {"ready": READY, "skipped": backlog.c.status == "skipped"}.get(kind, WAITING)
    ids = sa.select(summaries.c.id).join(backlog, backlog.c.summary_id == summaries.c.id)
    ids = ids.where(*of_route(digest, channel), which)
    if kind == "held":
        ids = ids.where(backlog.c.blocked_reason != "")
    if words:
        ids = ids.join(papers, papers.c.id == summaries.c.paper_id).where(_has_words(words))
    placed = (summaries.c.id.desc(),) if kind == "skipped" else sort_key(order)
    page = list(tx.scalars(ids.order_by(*placed).offset(after).limit(most)))
    columns = (backlog.c.status, backlog.c.reason, backlog.c.pinned_at, backlog.c.custom_text, backlog.c.approved_at)
    query = select_summaries().add_columns(*columns).where(*of_route(digest, channel), summaries.c.id.in_(page))
    rows = {row.id: row for row in tx.execute(query)}
    shown_at = _shown_at(tx, Route(digest, channel), filters, rows.values())
    return [
        BacklogEntry(
            as_summary(row),
            row.status,
            row.reason if row.status == "skipped" else _waits_for(row, filters, now, shown_at),
            row.pinned_at is not None,
            row.held,
            row.custom_text,
            row.approved_at is not None,
        )
        for row in (rows[id_] for id_ in page)
    ]


def pending_count(tx: sa.Connection, digest: str, channel: str) -> int:
    """Return how many summaries are waiting."""
    query = sa.select(sa.func.count()).select_from(backlog).where(*of_route(digest, channel), WAITING)
    return int(tx.scalar(query) or 0)


def _waits_for(row: Any, filters: DigestFilters, now: datetime, shown_at: Mapping[int, datetime]) -> str:
    if row.withdrawn_at is not None:
        return "was withdrawn"
    shown = shown_at.get(row.paper_id) if is_of_paper(row.genre) else None
    return row.blocked_reason or filters.waits_for(row.votes, row.since, now, shown)


def _shown_at(tx: sa.Connection, route: Route, filters: DigestFilters, rows: Iterable[Any]) -> dict[int, datetime]:
    """Return when the papers of these rows were last shown, as far as the filters depend on it."""
    return {} if filters.repeat_paper is None else papers_shown_at(tx, *route, {row.paper_id for row in rows})
