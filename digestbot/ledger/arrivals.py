"""Functions that run inside a transaction: many old summaries that arrive at once are held for the operator.

A site that moves, or that renumbers its entries, shows its whole archive as new. Nobody wants it posted again.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.edits import MOST_OLD, MOST_OLD_SHARE, OLD, too_many_old
from digestbot.domain.model import Summary
from digestbot.ledger import alerts
from digestbot.ledger.schema import backlog, papers, summaries
from digestbot.ledger.summary_rows import PAPER_COLUMNS, as_summary

ARRIVAL = "arrival"
DISMISSED = "one of many old entries that arrived at once; an operator dismissed them"


def last_id(tx: sa.Connection, source: str) -> int:
    """Return the id of the source's last summary; 0 without one."""
    return int(tx.scalar(sa.select(sa.func.max(summaries.c.id)).where(summaries.c.source == source)) or 0)


def hold_old_arrivals(tx: sa.Connection, source: str, since: int, now: datetime, *, nothing_known: bool = False) -> int:
    """Hold the source's summaries with an id above ``since`` that are older than what was known before, if they are too
    many; return how many are held.

    They stay in the ledger, and in the backlogs, and are not posted until the operator has confirmed the alert. A date
    in the future counts as now. ``nothing_known``: the source showed nothing that was known. Then many entries without
    a date count as old too.
    """
    arrived = (summaries.c.source == source, summaries.c.id > since)
    new = _count(tx, *arrived)
    known = (summaries.c.source == source, summaries.c.id <= since, summaries.c.withdrawn_at.is_(None))
    open_ = alerts.open_alert(tx, ARRIVAL, source)
    # no more of them are counted than make a difference, so that the cost does not grow with the history
    some = sa.select(summaries.c.id).where(*known).limit(MOST_OLD * MOST_OLD_SHARE)
    known_count = int(tx.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0)
    if not new or (open_ is None and not too_many_old(new, known_count)):
        return 0
    newest = tx.scalar(sa.select(sa.func.max(summaries.c.source_date)).where(*known, summaries.c.source_date <= now))
    undated = summaries.c.source_date.is_(None)
    is_old = sa.false() if newest is None else summaries.c.source_date < newest - OLD
    if nothing_known and _count(tx, *arrived, undated) > MOST_OLD:
        is_old = sa.or_(is_old, undated)
    old = (*arrived, is_old)
    count = _count(tx, *old)
    if not count or (open_ is None and not too_many_old(count, known_count)):
        return 0
    note = (
        f"{count} entries that are older than what was known arrived at once: did the site move? None is posted "
        f"before you decide. To see them: digestbot sources {source}"
    )
    alert = alerts.raise_alert(tx, ARRIVAL, source, note, now)
    ids = sa.select(summaries.c.id).where(*old)
    tx.execute(summaries.update().where(summaries.c.id.in_(ids)).values(arrival_alert_id=alert))
    return count


def held_count(tx: sa.Connection, source: str, alert: int) -> int:
    """Return how many of the source's summaries an alert holds."""
    return _count(tx, summaries.c.source == source, summaries.c.arrival_alert_id == alert)


def held_summaries(tx: sa.Connection, source: str, alert: int, most: int) -> list[Summary]:
    """Return the newest of the source's summaries that an alert holds, at most ``most``."""
    query = (
        sa.select(summaries, *PAPER_COLUMNS)
        .join(papers)
        .where(summaries.c.source == source, summaries.c.arrival_alert_id == alert)
        .order_by(summaries.c.source_date.desc(), summaries.c.id.desc())
    )
    return [as_summary(row) for row in tx.execute(query.limit(most))]


def decide(tx: sa.Connection, source: str, alert: int, *, post: bool) -> int:
    """Apply the operator's decision on an alert about old summaries: they are posted like any other, or skipped. Return
    how many summaries that concerns."""
    which = (summaries.c.source == source, summaries.c.arrival_alert_id == alert)
    count = held_count(tx, source, alert)
    ids = sa.select(summaries.c.id).where(*which)
    waiting = (backlog.c.summary_id.in_(ids), backlog.c.status == "waiting", backlog.c.held)
    skipped = {"status": "skipped", "reason": DISMISSED, "held": False}
    tx.execute(
        backlog.update().where(*waiting).values(**({"held": False, "blocked_reason": None} if post else skipped))
    )
    if post:
        tx.execute(summaries.update().where(*which).values(arrival_alert_id=None))
    return count


def _count(tx: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    return int(tx.scalar(sa.select(sa.func.count()).select_from(summaries).where(*which)) or 0)
