"""Functions that run inside a transaction: an operator's changes to summaries in a backlog, which may be pinned, held,
skipped, approved in advance, or given a text of their own.

Functions that change waiting summaries raise LedgerError for a summary that is not waiting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Route
from digestbot.ledger.backlog import BY_HAND
from digestbot.ledger.schema import WAITING, backlog


def pin(tx: sa.Connection, route: Route, ids: Sequence[int], now: datetime) -> None:
    """Put these summaries ahead of all others, in this order."""
    for place, id_ in enumerate(ids):
        _change(tx, route, id_, pinned_at=now - place * timedelta(microseconds=1))


def unpin(tx: sa.Connection, route: Route, summary: int) -> None:
    """Put the summary back in the digest's order."""
    _change(tx, route, summary, pinned_at=None)


def hold_summary(tx: sa.Connection, route: Route, summary: int) -> None:
    """Hold the summary until it is released."""
    _change(tx, route, summary, held=True, blocked_reason=BY_HAND)


def release(tx: sa.Connection, route: Route, summary: int) -> None:
    """Release a held summary; only its digest's filters can still block it."""
    _change(tx, route, summary, held=False, blocked_reason=None)


def skip_summary(tx: sa.Connection, route: Route, summary: int) -> None:
    """Skip the summary: it is not published on the channel."""
    _change(tx, route, summary, status="skipped", reason="skipped by hand")


def unskip(tx: sa.Connection, route: Route, summary: int) -> None:
    """Let a skipped summary wait again. Raise LedgerError if the summary is not skipped."""
    done = tx.execute(
        backlog.update()
        .where(*_of(route), backlog.c.summary_id == summary, backlog.c.status == "skipped")
        .values(status="waiting", reason=None, blocked_reason=None, held=False)
    )
    if not done.rowcount:
        raise LedgerError(f"summary {summary} was not skipped by {route.digest} on {route.channel}")


def set_custom_text(tx: sa.Connection, route: Route, summary: int, words: str | None) -> None:
    """Set the text of the summary's post, in place of what the template renders; None restores the template."""
    _change(tx, route, summary, custom_text=words)


def preapprove(tx: sa.Connection, route: Route, ids: Sequence[int], now: datetime | None) -> None:
    """Approve these summaries in advance; None for ``now`` undoes that.

    An edition that consists only of such summaries needs no approval.
    """
    for id_ in ids:
        _change(tx, route, id_, approved_at=now)


def preapproved(tx: sa.Connection) -> dict[Route, frozenset[int]]:
    """Return the waiting summaries that were approved in advance, by digest and channel."""
    results: dict[Route, set[int]] = defaultdict(set)
    columns = (backlog.c.digest, backlog.c.channel, backlog.c.summary_id)
    for row in tx.execute(sa.select(*columns).where(WAITING, backlog.c.approved_at.is_not(None))):
        results[Route(row.digest, row.channel)].add(row.summary_id)
    return {route: frozenset(ids) for route, ids in results.items()}


def are_preapproved(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> bool:
    """Return whether all of these summaries were approved in advance."""
    which = (*_of(Route(digest, channel)), backlog.c.summary_id.in_(ids), backlog.c.approved_at.is_not(None))
    return tx.scalar(sa.select(sa.func.count()).select_from(backlog).where(*which)) == len(ids)


def custom_texts(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> dict[int, str]:
    """Return the texts that an operator wrote for the posts of these summaries, by summary id."""
    which = (*_of(Route(digest, channel)), backlog.c.summary_id.in_(ids), backlog.c.custom_text.is_not(None))
    rows = tx.execute(sa.select(backlog.c.summary_id, backlog.c.custom_text).where(*which))
    return {row.summary_id: row.custom_text for row in rows}


def _of(route: Route) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return backlog.c.digest == route.digest, backlog.c.channel == route.channel


def _change(tx: sa.Connection, route: Route, summary: int, **values: object) -> None:
    """Change a waiting summary's row of the backlog. Raise LedgerError if the summary is not waiting."""
    done = tx.execute(backlog.update().where(*_of(route), backlog.c.summary_id == summary, WAITING).values(**values))
    if not done.rowcount:
        raise LedgerError(f"summary {summary} is not pending for {route}")
