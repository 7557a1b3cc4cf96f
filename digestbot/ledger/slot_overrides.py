"""Functions that run inside a transaction: upcoming slots that an operator has moved or skipped."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.model import Route, SlotChange
from digestbot.ledger.schema import slot_changes


def changes(tx: sa.Connection, channel: str | None = None) -> dict[Route, tuple[SlotChange, ...]]:
    """Return the slot changes of each digest on each channel, or on one ``channel``, by the slots' original due
    times."""
    results: dict[Route, list[SlotChange]] = defaultdict(list)
    query = sa.select(slot_changes).order_by(slot_changes.c.due, slot_changes.c.nominal)
    if channel is not None:
        query = query.where(slot_changes.c.channel == channel)
    for row in tx.execute(query):
        results[Route(row.digest, row.channel)].append(SlotChange(row.nominal, row.due, row.moved_to))
    return {route: tuple(some) for route, some in results.items()}


def change(tx: sa.Connection, digest: str, channel: str, changed: SlotChange) -> None:
    """Move or skip a slot; this replaces an earlier change of the same slot."""
    restore(tx, digest, channel, changed.nominal)
    values = {"nominal": changed.nominal, "due": changed.due, "moved_to": changed.moved_to}
    tx.execute(slot_changes.insert().values(digest=digest, channel=channel, **values))


def restore(tx: sa.Connection, digest: str, channel: str, nominal: str) -> bool:
    """Undo the change of a slot, which then happens as scheduled; return whether it was changed."""
    which = (slot_changes.c.digest == digest, slot_changes.c.channel == channel, slot_changes.c.nominal == nominal)
    return bool(tx.execute(slot_changes.delete().where(*which)).rowcount)


def forget(tx: sa.Connection, digest: str, channel: str, reached: datetime) -> None:
    """Delete the changes of slots up to ``reached``, the due time of a slot that was reached."""
    tx.execute(
        slot_changes.delete().where(
            slot_changes.c.digest == digest,
            slot_changes.c.channel == channel,
            slot_changes.c.due <= reached,
            sa.or_(slot_changes.c.moved_to.is_(None), slot_changes.c.moved_to <= reached),
        )
    )
