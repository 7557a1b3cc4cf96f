"""Inside a transaction: a person's word on what waits in a backlog: first, not yet, not at all, in other words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.errors import LedgerError
from digestbot.ledger.backlogs import BY_HAND
from digestbot.schema import WAITING, backlog

Pair = tuple[str, str]
"""A digest and a channel."""


def pin(tx: sa.Connection, pair: Pair, ids: Sequence[int], now: datetime) -> None:
    """These summaries go before all others, in this order."""
    for place, id_ in enumerate(ids):
        _change(tx, pair, id_, pinned_at=now - place * timedelta(microseconds=1))


def unpin(tx: sa.Connection, pair: Pair, summary: int) -> None:
    """The summary waits for its turn as the others do."""
    _change(tx, pair, summary, pinned_at=None)


def hold(tx: sa.Connection, pair: Pair, summary: int) -> None:
    """The summary waits until it is released."""
    _change(tx, pair, summary, on_hold=True, held=BY_HAND)


def release(tx: sa.Connection, pair: Pair, summary: int) -> None:
    """The summary waits for nothing but what its digest's gate asks for."""
    _change(tx, pair, summary, on_hold=False, held=None)


def skip(tx: sa.Connection, pair: Pair, summary: int) -> None:
    """The summary does not go onto the channel."""
    _change(tx, pair, summary, status="skipped", reason="skipped by hand")


def take_in(tx: sa.Connection, pair: Pair, summary: int) -> None:
    """The summary, which was skipped, waits after all."""
    done = tx.execute(
        backlog.update()
        .where(*_of(pair), backlog.c.summary_id == summary, backlog.c.status == "skipped")
        .values(status="waiting", reason=None, held=None, on_hold=False)
    )
    if not done.rowcount:
        raise LedgerError(f"summary {summary} is not among what {pair[0]} skipped on {pair[1]}")


def write(tx: sa.Connection, pair: Pair, summary: int, words: str | None) -> None:
    """The summary's post says this, whatever the template; None: what the template makes of it."""
    _change(tx, pair, summary, words=words)


def approve_ahead(tx: sa.Connection, pair: Pair, ids: Sequence[int], now: datetime | None) -> None:
    """An edition of nothing but such summaries needs no approval when it is made; None takes that back."""
    for id_ in ids:
        _change(tx, pair, id_, approved_at=now)


def approved(tx: sa.Connection) -> dict[Pair, frozenset[int]]:
    """The waiting summaries that were approved ahead, of each digest on each channel."""
    found: dict[Pair, set[int]] = defaultdict(set)
    columns = (backlog.c.digest, backlog.c.channel, backlog.c.summary_id)
    for row in tx.execute(sa.select(*columns).where(WAITING, backlog.c.approved_at.is_not(None))):
        found[row.digest, row.channel].add(row.summary_id)
    return {pair: frozenset(ids) for pair, ids in found.items()}


def are_approved(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> bool:
    """Whether all of these were approved ahead."""
    which = (*_of((digest, channel)), backlog.c.summary_id.in_(ids), backlog.c.approved_at.is_not(None))
    return tx.scalar(sa.select(sa.func.count()).select_from(backlog).where(*which)) == len(ids)


def written(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> dict[int, str]:
    """What a person wrote for the posts of these summaries."""
    which = (*_of((digest, channel)), backlog.c.summary_id.in_(ids), backlog.c.words.is_not(None))
    rows = tx.execute(sa.select(backlog.c.summary_id, backlog.c.words).where(*which))
    return {row.summary_id: row.words for row in rows}


def _of(pair: Pair) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return backlog.c.digest == pair[0], backlog.c.channel == pair[1]


def _change(tx: sa.Connection, pair: Pair, summary: int, **values: object) -> None:
    """Raises LedgerError for a summary that does not wait there (any more)."""
    done = tx.execute(backlog.update().where(*_of(pair), backlog.c.summary_id == summary, WAITING).values(**values))
    if not done.rowcount:
        raise LedgerError(f"summary {summary} does not wait for {pair[0]} on {pair[1]} (any more)")
