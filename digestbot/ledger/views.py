"""Inside a transaction that only reads: what operators are shown."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime

import sqlalchemy as sa

from digestbot.model import PostRow, PostStatus, Receipt
from digestbot.schema import ATTENTION, attempts, backlog, channels, editions, looks, posts, slots, sources


def post_rows(
    tx: sa.Connection,
    *,
    statuses: Sequence[PostStatus] = (),
    channel: str | None = None,
    digest: str | None = None,
    newest: int | None = None,
    ids: Sequence[int] = (),
) -> Generator[PostRow]:
    """Posts in the order they were made, a page at a time; ``newest`` keeps only so many of the latest."""
    query = (
        sa.select(posts, editions.c.digest, slots.c.nominal)
        .join(editions, editions.c.id == posts.c.edition_id)
        .join(slots, slots.c.id == editions.c.slot_id)
    )
    if statuses:
        query = query.where(posts.c.status.in_(statuses))
    if channel:
        query = query.where(posts.c.channel == channel)
    if digest:
        query = query.where(editions.c.digest == digest)
    if ids:
        query = query.where(posts.c.id.in_(ids))
    if newest is not None:
        latest = query.with_only_columns(posts.c.id).order_by(posts.c.id.desc()).limit(newest)
        query = query.where(posts.c.id.in_(latest))
    with tx.execute(query.order_by(posts.c.id).execution_options(yield_per=500)) as result:
        for row in result:
            yield PostRow(
                id=row.id,
                status=PostStatus(row.status),
                channel=row.channel,
                digest=row.digest,
                slot=row.nominal,
                position=row.position,
                at=row.concluded_at or row.made_at,
                text=row.text,
                link=row.link,
                receipt=Receipt(row.receipt_id, row.receipt_url) if row.receipt_id else None,
                error=row.error,
                attempts=row.epoch,
                not_before=row.not_before,
            )


def status_counts(tx: sa.Connection) -> dict[PostStatus, int]:
    """How many posts stand where."""
    rows = tx.execute(sa.select(posts.c.status, sa.func.count()).group_by(posts.c.status))
    return {PostStatus(status): count for status, count in rows}


def waiting_for_a_person(tx: sa.Connection) -> int:
    """How many posts are unknown or quarantined."""
    return int(tx.scalar(sa.select(sa.func.count()).select_from(posts).where(ATTENTION)) or 0)


def backlog_counts(tx: sa.Connection, digest: str, channel: str) -> dict[str, int]:
    """How many summaries wait, were taken into an edition, or were skipped."""
    rows = tx.execute(
        sa.select(backlog.c.status, sa.func.count().label("number"))
        .where(backlog.c.digest == digest, backlog.c.channel == channel)
        .group_by(backlog.c.status)
    )
    return {row.status: row.number for row in rows}


def source_errors(tx: sa.Connection) -> dict[str, str]:
    """The sources whose last poll failed, and why."""
    rows = tx.execute(sa.select(sources.c.name, sources.c.error).where(sources.c.error.is_not(None)))
    return {row.name: row.error for row in rows}


def last_poll(tx: sa.Connection, source: str) -> datetime | None:
    """When the source was last read."""
    polled: datetime | None = tx.scalar(sa.select(sources.c.polled_at).where(sources.c.name == source))
    return polled


def paused_channels(tx: sa.Connection) -> dict[str, str]:
    """The channels that wait for an operator, and why."""
    rows = tx.execute(sa.select(channels.c.name, channels.c.pause_reason).where(channels.c.paused_at.is_not(None)))
    return {row.name: row.pause_reason for row in rows}


def history(tx: sa.Connection, post: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The post's attempts, and what each look at the timeline saw."""

    def rows(table: sa.Table, *columns: str) -> list[dict[str, object]]:
        query = sa.select(*(table.c[name] for name in columns)).where(table.c.post_id == post).order_by(table.c.id)
        return [dict(row._mapping) for row in tx.execute(query)]

    return (
        rows(attempts, "epoch", "started_at", "deadline", "finished_at", "outcome", "error"),
        rows(looks, "epoch", "at", "complete", "read", "note"),
    )


def channel_names(tx: sa.Connection) -> list[str]:
    """The channels that were ever configured."""
    return list(tx.scalars(sa.select(channels.c.name)))
