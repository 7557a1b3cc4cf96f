"""Functions that run inside a read-only transaction: what operators are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Action, Approval, Picture, PostRow, PostStatus, Receipt, ReceiptBasis, Summary
from digestbot.ledger.delivery import SCHEDULED
from digestbot.ledger.schema import (
    ATTENTION,
    PENDING,
    attempts,
    backlog,
    channels,
    editions,
    pictures,
    post_summaries,
    posts,
    slots,
    sources,
    summaries,
    timeline_checks,
)
from digestbot.ledger.summary_rows import summaries_by_id
from digestbot.ledger.timeline_checks import as_read

_COLUMNS = (
    posts,
    editions.c.digest,
    editions.c.approval,
    editions.c.approve_by,
    slots.c.nominal,
    pictures.c.alt_text,
)


def post_rows(
    tx: sa.Connection,
    *,
    statuses: Sequence[PostStatus] = (),
    channel: str | None = None,
    digest: str | None = None,
    ids: Sequence[int] = (),
    after: int = 0,
    most: int | None = None,
) -> list[PostRow]:
    """Return the posts that match, oldest first: at most ``most``, with ids greater than ``after``."""
    query = _filtered(_COLUMNS, statuses, channel, digest).where(posts.c.id > after)
    if ids:
        query = query.where(posts.c.id.in_(ids))
    return [_post(row) for row in tx.execute(query.order_by(posts.c.id).limit(most))]


def newest_posts(
    tx: sa.Connection,
    *,
    statuses: Sequence[PostStatus] = (),
    channel: str | None = None,
    digest: str | None = None,
    words: str = "",
    before: int | None = None,
    most: int = 50,
) -> list[PostRow]:
    """Return the posts that match, newest first: at most ``most``, with ids less than ``before``, whose text contains
    ``words``."""
    query = _filtered(_COLUMNS, statuses, channel, digest)
    if words:
        query = query.where(posts.c.text.icontains(words, autoescape=True))
    if before is not None:
        query = query.where(posts.c.id < before)
    return [_post(row) for row in tx.execute(query.order_by(posts.c.id.desc()).limit(most))]


def posts_needing_attention(tx: sa.Connection, most: int) -> list[PostRow]:
    """Return the newest ``most`` posts that are unknown or quarantined, oldest first."""
    ids = list(tx.scalars(sa.select(posts.c.id).where(ATTENTION).order_by(posts.c.id.desc()).limit(most)))
    return post_rows(tx, ids=ids) if ids else []


@dataclass(frozen=True, slots=True)
class UpcomingPost:
    """A pending post.

    ``edition`` is the id of its edition, ``cost`` is in millionths of a dollar. The post waits for ``not_before``; with
    ``yields``, later posts are sent in the meantime. ``approve_by`` is the deadline of a missing approval, None if no
    approval is missing.
    """

    post: int
    digest: str
    slot: str
    scheduled: bool
    edition: int
    reply: bool
    cost: int
    not_before: datetime | None
    yields: bool
    approve_by: datetime | None
    planned_at: datetime | None


def upcoming_posts(tx: sa.Connection, channel: str) -> list[tuple[UpcomingPost, tuple[Summary, ...]]]:
    """Return the channel's pending posts, oldest first, each with the summaries that it shows."""
    names = ("id", "edition_id", "reply", "cost", "not_before", "yields", "planned_at")
    columns = [posts.c[name] for name in names]
    query = (
        sa.select(*columns, editions.c.digest, editions.c.approval, editions.c.approve_by)
        .add_columns(slots.c.nominal, SCHEDULED)
        .join(editions, editions.c.id == posts.c.edition_id)
        .join(slots, slots.c.id == editions.c.slot_id)
        .where(posts.c.channel == channel, PENDING, posts.c.action == Action.PUBLISH)
        .order_by(posts.c.id)
    )
    rows = tx.execute(query).all()
    shown = sa.select(post_summaries).where(post_summaries.c.post_id.in_([row.id for row in rows]))
    shows: dict[int, list[int]] = defaultdict(list)
    for row in tx.execute(shown):
        shows[row.post_id].append(row.summary_id)
    known = summaries_by_id(tx, [id_ for ids in shows.values() for id_ in ids], lock=False)
    return [
        (
            UpcomingPost(
                row.id,
                row.digest,
                row.nominal,
                row.scheduled,
                row.edition_id,
                row.reply,
                row.cost,
                row.not_before,
                row.yields,
                row.approve_by if row.approval == Approval.WAITING else None,
                row.planned_at,
            ),
            tuple(known[id_] for id_ in shows[row.id] if id_ in known),
        )
        for row in rows
    ]


def post_row(tx: sa.Connection, id_: int) -> PostRow:
    """Return one post. Raise LedgerError if there is none with this id."""
    result = post_rows(tx, ids=[id_])
    if not result:
        raise LedgerError(f"there is no post {id_}")
    return result[0]


def posts_showing(tx: sa.Connection, edition: int, summary: int) -> list[PostRow]:
    """Return the posts of an edition that show a summary."""
    ids = (
        sa.select(posts.c.id)
        .join(post_summaries, post_summaries.c.post_id == posts.c.id)
        .where(posts.c.edition_id == edition, post_summaries.c.summary_id == summary, posts.c.action == Action.PUBLISH)
    )
    results = list(tx.scalars(ids))
    return post_rows(tx, ids=results) if results else []


def summaries_shown_by(tx: sa.Connection, post: int) -> set[int]:
    """Return the ids of the summaries that a post shows."""
    return set(tx.scalars(sa.select(post_summaries.c.summary_id).where(post_summaries.c.post_id == post)))


def before_newest(
    tx: sa.Connection, newest: int | None, statuses: Sequence[PostStatus], channel: str | None, digest: str | None
) -> int:
    """Return the id after which the newest ``newest`` matching posts begin; 0 for all posts."""
    if newest is None:
        return 0
    query = _filtered((posts.c.id,), statuses, channel, digest)
    ids = query.order_by(posts.c.id.desc()).limit(newest).subquery()
    return int(tx.scalar(sa.select(sa.func.min(ids.c.id))) or 1) - 1


def _filtered(
    columns: Sequence[Any], statuses: Sequence[PostStatus], channel: str | None, digest: str | None
) -> sa.Select[Any]:
    query = (
        sa.select(*columns)
        .join(editions, editions.c.id == posts.c.edition_id)
        .join(slots, slots.c.id == editions.c.slot_id)
        .outerjoin(pictures, pictures.c.post_id == posts.c.id)
    )
    if statuses:
        query = query.where(posts.c.status.in_(statuses))
    if channel:
        query = query.where(posts.c.channel == channel)
    if digest:
        query = query.where(editions.c.digest == digest)
    return query


def _post(row: Any) -> PostRow:
    return PostRow(
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
        action=Action(row.action),
        target=row.target_id,
        cost=row.cost,
        picture=row.alt_text,
        reply=row.reply,
        approve_by=row.approve_by if row.approval == Approval.WAITING else None,
        basis=ReceiptBasis(row.receipt_basis) if row.receipt_basis else None,
        candidates=tuple(as_read(row.candidates)),
        by_hand=row.by_hand,
    )


def status_counts(tx: sa.Connection) -> dict[PostStatus, int]:
    """Return the number of posts by status."""
    rows = tx.execute(sa.select(posts.c.status, sa.func.count()).group_by(posts.c.status))
    return {PostStatus(status): count for status, count in rows}


def unsettled_counts(tx: sa.Connection) -> dict[PostStatus, int]:
    """Return the number of unknown and of quarantined posts."""
    rows = tx.execute(sa.select(posts.c.status, sa.func.count()).where(ATTENTION).group_by(posts.c.status))
    return {PostStatus(status): count for status, count in rows}


def backlog_counts(tx: sa.Connection, digest: str, channel: str) -> dict[str, int]:
    """Return the number of summaries in a digest's backlog on a channel by status: waiting, taken into an edition, or
    skipped."""
    rows = tx.execute(
        sa.select(backlog.c.status, sa.func.count().label("number"))
        .where(backlog.c.digest == digest, backlog.c.channel == channel)
        .group_by(backlog.c.status)
    )
    return {row.status: row.number for row in rows}


def source_errors(tx: sa.Connection) -> dict[str, str]:
    """Return the sources whose last poll failed, each with its error."""
    rows = tx.execute(sa.select(sources.c.name, sources.c.error).where(sources.c.error.is_not(None)))
    return {row.name: row.error for row in rows}


def paused_channels(tx: sa.Connection) -> dict[str, str]:
    """Return the paused channels, each with the reason. Channels paused until a certain time are included."""
    rows = tx.execute(sa.select(channels.c.name, channels.c.pause_reason).where(channels.c.paused_at.is_not(None)))
    return {row.name: row.pause_reason for row in rows}


def post_history(tx: sa.Connection, post: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the post's attempts and its timeline checks, oldest first, each as a dict of columns."""

    def rows(table: sa.Table, *columns: str) -> list[dict[str, object]]:
        query = sa.select(*(table.c[name] for name in columns)).where(table.c.post_id == post).order_by(table.c.id)
        return [dict(row._mapping) for row in tx.execute(query)]

    return (
        rows(attempts, "epoch", "started_at", "deadline", "finished_at", "outcome", "error", "cost"),
        rows(timeline_checks, "epoch", "at", "complete", "read", "note"),
    )


def changes_of(tx: sa.Connection, post: int) -> list[PostRow]:
    """Return the updates and deletions of a post, oldest first."""
    ids = list(tx.scalars(sa.select(posts.c.id).where(posts.c.target_id == post).order_by(posts.c.id)))
    return post_rows(tx, ids=ids) if ids else []


def channel_names(tx: sa.Connection) -> list[str]:
    """Return the names of all channels that were ever configured."""
    return list(tx.scalars(sa.select(channels.c.name)))


def picture_content(tx: sa.Connection, post: int) -> Picture | None:
    """Return the post's picture while its content is stored, which is until the post is published; None otherwise."""
    row = tx.execute(sa.select(pictures).where(pictures.c.post_id == post)).first()
    if row is None or row.content is None:
        return None
    return Picture(row.content, row.media_type, row.alt_text, row.required)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as operators see it.

    ``polled_at`` is when it was last read, ``next_poll_at`` when it will be polled next. ``failures`` counts the polls
    that have failed in a row, with the last ``error``. ``newest_at`` is when it last provided a new summary.
    """

    name: str
    polled_at: datetime | None
    next_poll_at: datetime | None
    failures: int
    error: str | None
    newest_at: datetime | None


def source_rows(tx: sa.Connection) -> dict[str, SourceRow]:
    """Return all sources that were ever polled, by name."""
    newest = (
        sa.select(summaries.c.ingested_at)
        .where(summaries.c.source == sources.c.name)
        .order_by(summaries.c.id.desc())
        .limit(1)
        .correlate(sources)
        .scalar_subquery()
    )
    columns = (sources.c.name, sources.c.polled_at, sources.c.next_poll_at, sources.c.failures, sources.c.error)
    return {
        row.name: SourceRow(row.name, row.polled_at, row.next_poll_at, row.failures, row.error, row.newest_at)
        for row in tx.execute(sa.select(*columns, newest.label("newest_at")))
    }


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as operators see it: why it is paused (None if it is not), until when it waits, and when its token was
    last checked and expires."""

    name: str
    pause_reason: str | None
    wait_until: datetime | None
    token_checked_at: datetime | None
    token_expires_at: datetime | None


def channel_rows(tx: sa.Connection) -> dict[str, ChannelRow]:
    """Return all channels that were ever configured, by name."""
    return {
        row.name: ChannelRow(
            row.name,
            (row.pause_reason or "paused") if row.paused_at else None,
            row.wait_until,
            row.token_checked_at,
            row.token_expires_at,
        )
        for row in tx.execute(sa.select(channels))
    }


def posted_between(tx: sa.Connection, begin: datetime, end: datetime, most: int) -> list[PostRow]:
    """Return the newest ``most`` posts that appeared between two instants, in the order of their appearance."""
    ids: list[int] = []
    for channel in channel_names(tx):  # one query for each, so that it uses the index
        query = sa.select(posts.c.id).where(
            posts.c.channel == channel,
            posts.c.concluded_at.between(begin, end),
            posts.c.status == PostStatus.PUBLISHED,
            posts.c.action == Action.PUBLISH,
        )
        ids += tx.scalars(query.order_by(posts.c.concluded_at.desc()).limit(most))
    result = post_rows(tx, ids=sorted(ids)[-most:]) if ids else []
    return sorted(result, key=lambda row: (row.at, row.id))


def failed_since(tx: sa.Connection, since: datetime, most: int) -> list[PostRow]:
    """Return the newest ``most`` posts that have failed since an instant, newest first."""
    ids: list[int] = []
    for channel in channel_names(tx):
        query = sa.select(posts.c.id).where(
            posts.c.channel == channel, posts.c.concluded_at >= since, posts.c.status == PostStatus.FAILED
        )
        ids += tx.scalars(query.order_by(posts.c.concluded_at.desc()).limit(most))
    return post_rows(tx, ids=ids)[::-1][:most] if ids else []


def parts_of(tx: sa.Connection, post: int) -> list[PostRow]:
    """Return the posts of the same edition, without updates and deletions, in order."""
    edition = sa.select(posts.c.edition_id).where(posts.c.id == post).scalar_subquery()
    ids = sa.select(posts.c.id).where(posts.c.edition_id == edition, posts.c.action == Action.PUBLISH)
    return post_rows(tx, ids=list(tx.scalars(ids)))


def approval_of(tx: sa.Connection, post: int) -> Approval | None:
    """Return the approval status of the post's edition; None if the edition needs no approval."""
    query = sa.select(editions.c.approval).join(posts, posts.c.edition_id == editions.c.id)
    result = tx.scalar(query.where(posts.c.id == post))
    return Approval(result) if result is not None else None
