"""Inside a transaction: slots, what waits for them, and the editions and posts made for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from digestbot.ledger import backlogs
from digestbot.model import Message, PostStatus, Slot, Summary
from digestbot.schema import backlog, editions, posts, slots


class TakenElsewhereError(Exception):
    """Another process reached the slot, or took or changed one of the summaries, first: roll back and let it be."""


def last_slot(tx: sa.Connection, digest: str, channel: str) -> datetime | None:
    """When the newest scheduled slot that was reached was due."""
    due: datetime | None = tx.scalar(
        sa.select(slots.c.due)
        .where(slots.c.digest == digest, slots.c.channel == channel, slots.c.scheduled)
        .order_by(slots.c.due.desc())
        .limit(1)
    )
    return due


def reach_slot(
    tx: sa.Connection, digest: str, channel: str, slot: Slot, now: datetime, *, scheduled: bool = True
) -> int:
    """Record the slot as reached; gives its id. Raises TakenElsewhereError where it was reached before."""
    values = {"digest": digest, "channel": channel, "nominal": slot.nominal}
    reached = sa.select(slots.c.id).where(*(slots.c[name] == value for name, value in values.items()))
    if tx.execute(reached).first() is not None:
        raise TakenElsewhereError
    statement = slots.insert().values(**values, due=slot.due, scheduled=scheduled, reached_at=now)
    try:
        id_ = tx.execute(statement.returning(slots.c.id)).scalar_one()
    except IntegrityError as error:  # between the look and the insert, on PostgreSQL
        raise TakenElsewhereError from error
    return int(id_)


def make_edition(
    tx: sa.Connection,
    slot_id: int,
    digest: str,
    channel: str,
    chosen: Sequence[Summary],
    messages: Sequence[Message],
    now: datetime,
) -> list[int]:
    """Freeze these summaries as the slot's edition, and its posts as pending; gives the posts' ids.

    Raises TakenElsewhereError where one of the summaries no longer waits, or is no longer as it was rendered.
    """
    edition = tx.execute(
        editions.insert().values(slot_id=slot_id, digest=digest, channel=channel, made_at=now).returning(editions.c.id)
    ).scalar_one()
    ids = [summary.id for summary in chosen if summary.id is not None]
    now_known = backlogs.by_ids(tx, ids)
    for position, summary in enumerate(chosen):
        if now_known.get(summary.id or 0) != summary:  # edited, withdrawn or made anonymous since it was rendered
            raise TakenElsewhereError
        taken = tx.execute(
            backlog.update()
            .where(
                backlog.c.digest == digest,
                backlog.c.channel == channel,
                backlog.c.summary_id == summary.id,
                backlog.c.status == "waiting",
            )
            .values(status="taken", edition_id=edition, position=position)
        )
        if taken.rowcount != 1:
            raise TakenElsewhereError
    made = []
    for position, message in enumerate(messages):
        made.append(
            tx.execute(
                posts.insert()
                .values(
                    edition_id=edition,
                    position=position,
                    channel=channel,
                    status=PostStatus.PENDING,
                    text=message.text,
                    link=message.link,
                    reply=message.reply,
                    made_at=now,
                )
                .returning(posts.c.id)
            ).scalar_one()
        )
    return made
