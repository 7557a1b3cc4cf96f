"""Functions that run inside a transaction: slots that were reached, and the editions and posts made for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from digestbot.domain.model import Approval, Draft, PostStatus, Route, Shape, Slot, Summary
from digestbot.domain.schedule import DigestHistory
from digestbot.ledger import backlog, schema, slot_overrides, summary_rows
from digestbot.ledger.schema import (
    READY,
    SCHEDULED_SLOT,
    UtcTime,
    cursors,
    editions,
    pictures,
    post_summaries,
    posts,
    slots,
)


class TakenElsewhereError(Exception):
    """The edition or slot cannot be recorded, because something else came first; roll back and give up.

    Another process reached the slot, or took or changed one of the summaries, or another digest put one on the channel.
    """


CLOCK_STEP = timedelta(hours=1)  # how far ahead of now a correct clock may have recorded an instant

_of_pair = (slots.c.digest == cursors.c.digest, slots.c.channel == cursors.c.channel, SCHEDULED_SLOT)
_now, _horizon = (sa.bindparam(name, type_=UtcTime) for name in ("now_", "horizon"))
_REACHED = (
    sa.select(slots.c.due)
    .where(*_of_pair, slots.c.due <= _horizon, sa.or_(slots.c.due <= _now, ~slots.c.ahead))
    .order_by(slots.c.due.desc())
    .limit(1)
)
_EDITION = (
    sa.select(editions.c.made_at)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(
        editions.c.digest == cursors.c.digest,
        editions.c.channel == cursors.c.channel,
        slots.c.scheduled,
        sa.or_(editions.c.approval.is_(None), editions.c.approval.in_([Approval.WAITING, Approval.APPROVED])),
    )
    .order_by(editions.c.id.desc())
    .limit(1)
)
_PASTS = sa.select(
    cursors.c.digest,
    cursors.c.channel,
    sa.func.min(cursors.c.first_seen_at).label("first_seen_at"),
    _REACHED.correlate(cursors).scalar_subquery().label("reached"),
    _EDITION.correlate(cursors).scalar_subquery().label("edition"),
).group_by(cursors.c.digest, cursors.c.channel)
_PAIRS = sa.select(cursors.c.digest, cursors.c.channel).distinct().subquery()
_AHEAD = (
    sa.select(slots.c.digest, slots.c.channel, slots.c.due)
    .join_from(_PAIRS, slots, sa.and_(slots.c.digest == _PAIRS.c.digest, slots.c.channel == _PAIRS.c.channel))
    .where(SCHEDULED_SLOT, slots.c.due > _now, sa.or_(slots.c.due > _horizon, slots.c.ahead))
    .order_by(slots.c.due)
)


def digest_history(tx: sa.Connection, digest: str, channel: str, now: datetime) -> DigestHistory:
    """Return what the digest has done on the channel. It must have read a source before."""
    only = _PASTS.where(cursors.c.digest == digest, cursors.c.channel == channel)
    return _digest_histories(tx, only, now)[Route(digest, channel)]


def digest_histories(tx: sa.Connection, now: datetime, channel: str | None = None) -> dict[Route, DigestHistory]:
    """Return what each digest has done on each channel, or on one ``channel``. Routes that have not read a source yet
    are left out."""
    return _digest_histories(tx, _PASTS if channel is None else _PASTS.where(cursors.c.channel == channel), now)


def _digest_histories(tx: sa.Connection, query: sa.Select[Any], now: datetime) -> dict[Route, DigestHistory]:
    results: dict[Route, DigestHistory] = {}
    for row in tx.execute(query, _clock(now)):
        # a clock that was far ahead may have recorded this; until that is corrected, use now
        first_seen = row.first_seen_at if row.first_seen_at <= now + CLOCK_STEP else now
        since = max(instant for instant in (first_seen, row.reached) if instant is not None)
        results[Route(row.digest, row.channel)] = DigestHistory(since, first_seen, row.edition)
    return results


def _clock(now: datetime, step: timedelta = CLOCK_STEP) -> dict[str, datetime]:
    return {"now_": now, "horizon": now + step}


def recorded_ahead(tx: sa.Connection, now: datetime, step: timedelta = CLOCK_STEP) -> dict[Route, tuple[datetime, ...]]:
    """Return the due times of upcoming slots that a clock which was ahead by more than ``step`` has recorded as
    reached, by digest and channel."""
    results: dict[Route, list[datetime]] = defaultdict(list)
    for row in tx.execute(_AHEAD, _clock(now, step)):
        results[Route(row.digest, row.channel)].append(row.due)
    return {route: tuple(dues) for route, dues in results.items()}


def reach_slot(
    tx: sa.Connection,
    digest: str,
    channel: str,
    slot: Slot,
    now: datetime,
    *,
    scheduled: bool = True,
    outcome: str | None = None,
) -> int:
    """Record the slot as reached, and in ``outcome`` why it passes without an edition; return its id.

    Raise TakenElsewhereError if a scheduled slot of that instant was reached before.
    """
    values = {"digest": digest, "channel": channel, "due": slot.due}
    if scheduled:
        same = [slots.c[name] == value for name, value in values.items()]
        if tx.execute(sa.select(slots.c.id).where(*same, SCHEDULED_SLOT)).first() is not None:
            raise TakenElsewhereError
    values |= {"nominal": slot.nominal, "scheduled": scheduled, "reached_at": now, "outcome": outcome}
    try:
        id_ = tx.execute(slots.insert().values(**values).returning(slots.c.id)).scalar_one()
    except IntegrityError as error:  # inserted since the query above, on PostgreSQL
        raise TakenElsewhereError from error
    if scheduled:
        slot_overrides.forget(tx, digest, channel, slot.due)
    return int(id_)


def make_edition(
    tx: sa.Connection,
    slot_id: int,
    digest: str,
    channel: str,
    chosen: Sequence[Summary],
    drafts: Sequence[Draft],
    now: datetime,
    shape: Shape = Shape.SINGLE,
    approve_by: datetime | None = None,
    shares_with: Sequence[str] = (),
    planned_at: datetime | None = None,
) -> list[int]:
    """Freeze these summaries as the slot's edition and create its pending posts; return the posts' ids.

    With ``approve_by``, the posts need an operator's approval by then. ``planned_at`` is when they are to appear, None
    for at once. Raise TakenElsewhereError if a summary is no longer waiting, or has changed since it was rendered.
    Raise it also if another digest, not in ``shares_with``, has put a summary on the channel.
    """
    values = {"slot_id": slot_id, "digest": digest, "channel": channel, "shape": shape, "made_at": now}
    if approve_by is not None:
        values |= {"approval": Approval.WAITING, "approve_by": approve_by}
    edition = tx.execute(editions.insert().values(**values).returning(editions.c.id)).scalar_one()
    ids = [summary.id for summary in chosen if summary.id is not None]
    now_known = summary_rows.summaries_by_id(tx, ids)
    if backlog.any_published_elsewhere(tx, digest, channel, ids, shares_with):  # since the filters were last evaluated
        raise TakenElsewhereError
    for position, summary in enumerate(chosen):
        if now_known.get(summary.id or 0) != summary:  # edited, withdrawn or made anonymous after it was rendered
            raise TakenElsewhereError
        taken = tx.execute(
            schema.backlog.update()
            .where(
                schema.backlog.c.digest == digest,
                schema.backlog.c.channel == channel,
                schema.backlog.c.summary_id == summary.id,
                READY,
            )
            .values(status="taken", edition_id=edition, position=position)
        )
        if taken.rowcount != 1:
            raise TakenElsewhereError
    backlog.reset_verdicts_elsewhere(tx, digest, channel, ids)
    return [
        _make_post(tx, int(edition), position, channel, draft, now, planned_at) for position, draft in enumerate(drafts)
    ]


def _make_post(
    tx: sa.Connection,
    edition: int,
    position: int,
    channel: str,
    draft: Draft,
    now: datetime,
    planned_at: datetime | None,
) -> int:
    message = draft.message
    id_ = tx.execute(
        posts.insert()
        .values(
            edition_id=edition,
            position=position,
            channel=channel,
            status=PostStatus.PENDING,
            text=message.text,
            link=message.link,
            reply=message.reply,
            cost=draft.cost,
            made_at=now,
            planned_at=planned_at,
        )
        .returning(posts.c.id)
    ).scalar_one()
    if draft.shows:
        tx.execute(post_summaries.insert(), [{"post_id": id_, "summary_id": one} for one in draft.shows])
    if message.picture is not None:
        picture = message.picture
        tx.execute(
            pictures.insert().values(
                post_id=id_,
                summary_id=draft.shows[0] if draft.shows else None,
                content=picture.content,
                media_type=picture.media_type,
                alt_text=picture.alt_text,
                required=picture.required,
            )
        )
    return int(id_)
