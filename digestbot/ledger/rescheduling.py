"""Inside a transaction: what a person changed of slots that are to come."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from digestbot.model import SlotChange
from digestbot.schema import slot_changes


def changes(tx: sa.Connection, channel: str | None = None) -> dict[tuple[str, str], tuple[SlotChange, ...]]:
    """What was changed of each digest's slots on each channel, or on one, in the order in which they were to come."""
    found: dict[tuple[str, str], list[SlotChange]] = defaultdict(list)
    query = sa.select(slot_changes).order_by(slot_changes.c.due, slot_changes.c.nominal)
    if channel is not None:
        query = query.where(slot_changes.c.channel == channel)
    for row in tx.execute(query):
        found[row.digest, row.channel].append(SlotChange(row.nominal, row.due, row.moved_to))
    return {pair: tuple(some) for pair, some in found.items()}


def change(tx: sa.Connection, digest: str, channel: str, changed: SlotChange) -> None:
    """This slot comes at another time, or not at all; whatever was said of it before."""
    restore(tx, digest, channel, changed.nominal)
    values = {"nominal": changed.nominal, "due": changed.due, "moved_to": changed.moved_to}
    tx.execute(slot_changes.insert().values(digest=digest, channel=channel, **values))


def restore(tx: sa.Connection, digest: str, channel: str, nominal: str) -> bool:
    """The slot comes as the schedule has it; gives whether it was changed."""
    which = (slot_changes.c.digest == digest, slot_changes.c.channel == channel, slot_changes.c.nominal == nominal)
    return bool(tx.execute(slot_changes.delete().where(*which)).rowcount)


def forget(tx: sa.Connection, digest: str, channel: str, reached: datetime) -> None:
    """A slot that was due then was reached: what was changed of those before it is over."""
    tx.execute(
        slot_changes.delete().where(
            slot_changes.c.digest == digest,
            slot_changes.c.channel == channel,
            slot_changes.c.due <= reached,
            sa.or_(slot_changes.c.moved_to.is_(None), slot_changes.c.moved_to <= reached),
        )
    )
