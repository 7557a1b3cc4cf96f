"""Functions that run inside a transaction: editions that need an operator's approval before they are posted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Action, Approval, Draft, PostStatus, Shape, Slot
from digestbot.ledger.release import make_pending_again, return_summaries
from digestbot.ledger.schema import PENDING, UNAPPROVED, backlog, editions, pictures, post_summaries, posts, slots


def posts_needing_approval(tx: sa.Connection) -> list[int]:
    """Return the ids of the posts that need approval, oldest first."""
    query = sa.select(posts.c.id).join(editions, editions.c.id == posts.c.edition_id)
    return list(tx.scalars(query.where(UNAPPROVED, PENDING).order_by(posts.c.id)))


def approve(tx: sa.Connection, post: int, now: datetime) -> list[int]:
    """Approve the edition of a post; return the ids of its posts.

    Raise LedgerError if the edition does not need approval, or its deadline has passed.
    """
    edition = _edition(tx, post, now)
    _decided(tx, edition, Approval.APPROVED)
    return _pending(tx, edition)


@dataclass(frozen=True)
class PendingApprovalPost:
    """A pending post of an edition that needs approval: its text, its link, and the ids of the summaries that it
    shows."""

    id: int
    text: str
    link: str | None
    shows: frozenset[int]


@dataclass(frozen=True)
class PendingApproval:
    """An edition that needs approval.

    ``summaries`` are the ids of those that its pending posts show, in the edition's order. ``pictured``: at least one
    of these posts has a picture.
    """

    digest: str
    channel: str
    shape: Shape
    rendered_at: datetime
    summaries: tuple[int, ...]
    posts: tuple[PendingApprovalPost, ...]
    pictured: bool


def pending_approval(tx: sa.Connection, post: int, now: datetime) -> PendingApproval:
    """Return the post's edition, which needs approval.

    Raise LedgerError if the edition does not need approval, or its deadline has passed.
    """
    id_ = _edition(tx, post, now, lock=False)
    row = tx.execute(sa.select(editions).where(editions.c.id == id_)).one()
    pending = tx.execute(sa.select(posts).where(posts.c.edition_id == id_, PENDING).order_by(posts.c.position)).all()
    ids = [one.id for one in pending]
    shows: dict[int, set[int]] = {one: set() for one in ids}
    for result in tx.execute(sa.select(post_summaries).where(post_summaries.c.post_id.in_(ids))):
        shows[result.post_id].add(result.summary_id)
    taken = sa.select(backlog.c.summary_id).where(backlog.c.edition_id == id_).order_by(backlog.c.position)
    shown = set().union(*shows.values())
    return PendingApproval(
        row.digest,
        row.channel,
        Shape(row.shape),
        row.rendered_at or row.made_at,
        tuple(one for one in tx.scalars(taken) if one in shown),
        tuple(PendingApprovalPost(one.id, one.text, one.link, frozenset(shows[one.id])) for one in pending),
        tx.execute(sa.select(pictures.c.post_id).where(pictures.c.post_id.in_(ids)).limit(1)).first() is not None,
    )


def render_again(tx: sa.Connection, post: int, drafts: Mapping[int, Draft], now: datetime) -> None:
    """Replace the contents of posts of the post's edition, by post id; the edition still needs approval.

    Raise LedgerError if the edition does not need approval, or its deadline has passed.
    """
    edition = _edition(tx, post, now)
    for id_, draft in drafts.items():
        values = {"text": draft.message.text, "link": draft.message.link, "cost": draft.cost}
        tx.execute(posts.update().where(posts.c.id == id_, posts.c.edition_id == edition, PENDING).values(**values))
    tx.execute(editions.update().where(editions.c.id == edition).values(rendered_at=now))


def decline(tx: sa.Connection, post: int, reason: str, now: datetime, *, later: bool) -> list[int]:
    """Decline the edition of a post; return the ids of its posts, which are skipped.

    The edition's summaries are skipped for this reason, or wait for a ``later`` edition. Raise LedgerError if the
    edition does not need approval, or its deadline has passed.
    """
    edition = _edition(tx, post, now)
    _decided(tx, edition, Approval.DECLINED)
    return _dropped(tx, edition, f"declined: {reason}", now, skipped=None if later else f"declined: {reason}")


@dataclass(frozen=True)
class WithdrawnEdition:
    """An edition that was withdrawn: its digest, channel and slot, and the ids of the summaries that wait again, in the
    edition's order."""

    digest: str
    channel: str
    slot: Slot
    summaries: tuple[int, ...]


def withdraw_edition(tx: sa.Connection, post: int, now: datetime) -> WithdrawnEdition:
    """Withdraw the edition of a post: it is not sent, and its summaries wait again.

    Raise LedgerError if the post does not exist, or sending the edition has begun.
    """
    columns = (editions.c.id, editions.c.digest, editions.c.channel, slots.c.nominal, slots.c.due)
    query = sa.select(*columns).join(slots, slots.c.id == editions.c.slot_id).join(posts)
    row: Any = tx.execute(query.where(posts.c.id == post).with_for_update(of=editions)).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    begun = sa.or_(posts.c.status != PostStatus.PENDING, posts.c.epoch > 0)
    if tx.execute(sa.select(posts.c.id).where(posts.c.edition_id == row.id, begun).limit(1)).first() is not None:
        raise LedgerError(f"post {post} cannot be withdrawn: it is no longer pending, or sending has begun")
    taken = sa.select(backlog.c.summary_id).where(backlog.c.edition_id == row.id).order_by(backlog.c.position)
    summaries = tuple(tx.scalars(taken))
    _decided(tx, row.id, Approval.DECLINED)  # otherwise it would count as the last edition posted
    _dropped(tx, row.id, "withdrawn by an operator", now)
    return WithdrawnEdition(row.digest, row.channel, Slot(row.nominal, row.due), summaries)


def send_now(tx: sa.Connection, post: int) -> None:
    """Let the edition of a post be sent at once, without approval and regardless of its digest's hours and limits.

    Raise LedgerError if the post is not pending, or is an update or a deletion.
    """
    result: Any = tx.execute(sa.select(posts).where(posts.c.id == post, PENDING).with_for_update()).first()
    if result is None or result.action != Action.PUBLISH:
        raise LedgerError(f"post {post} is not pending")
    edition = editions.update().where(editions.c.id == result.edition_id)
    tx.execute(edition.values(at_once=True))
    tx.execute(edition.where(UNAPPROVED).values(approval=Approval.APPROVED))
    # a post that may have been sent before keeps waiting, because its timeline may lag
    again = sa.and_(posts.c.check_first, posts.c.epoch > 0)
    tx.execute(posts.update().where(posts.c.edition_id == result.edition_id, PENDING, ~again).values(not_before=None))


def expire_approvals(tx: sa.Connection, now: datetime) -> list[int]:
    """Drop the editions that nobody approved in time; return the ids of their posts, which are skipped.

    The editions' summaries wait again.
    """
    dropped: list[int] = []
    late = sa.select(editions.c.id).where(UNAPPROVED, editions.c.approve_by <= now)
    for edition in list(tx.scalars(late.with_for_update())):
        _decided(tx, edition, Approval.LAPSED)
        dropped += _dropped(tx, edition, "it was not approved in time", now)
    return dropped


def edit_text(tx: sa.Connection, post: int, text: str, cost: int, now: datetime) -> None:
    """Replace the text of a post whose edition needs approval.

    The edition is then never rendered again. Raise LedgerError if the edition does not need approval, its deadline has
    passed, or the post is no longer pending.
    """
    edition = _edition(tx, post, now)
    # an operator's own text must not be rendered again
    tx.execute(editions.update().where(editions.c.id == edition).values(rendered_at=editions.c.approve_by))
    done = tx.execute(posts.update().where(posts.c.id == post, PENDING).values(text=text, cost=cost))
    if not done.rowcount:  # its summary was withdrawn meanwhile
        raise LedgerError(f"post {post} no longer needs approval")


def _edition(tx: sa.Connection, post: int, now: datetime, *, lock: bool = True) -> int:
    """Return the id of the post's edition, which needs approval; with ``lock``, lock its row until the transaction
    ends.

    Raise LedgerError if the edition does not need approval, or its deadline has passed.
    """
    query = sa.select(editions.c.id, editions.c.approval, editions.c.approve_by, posts.c.status).join(
        posts, posts.c.edition_id == editions.c.id
    )
    query = query.where(posts.c.id == post)
    row: Any = tx.execute(query.with_for_update(of=editions) if lock else query).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    if row.approval != Approval.WAITING or row.status != PostStatus.PENDING:
        stands = row.approval if row.approval in (Approval.DECLINED, Approval.LAPSED) else row.status
        raise LedgerError(f"post {post} is {stands}: it does not need approval")
    if row.approve_by <= now:
        raise LedgerError(f"post {post} was to be approved by {row.approve_by:%Y-%m-%d %H:%M} UTC: it is too late")
    return int(row.id)


def _decided(tx: sa.Connection, edition: int, decision: Approval) -> None:
    tx.execute(editions.update().where(editions.c.id == edition).values(approval=decision))


def _pending(tx: sa.Connection, edition: int) -> list[int]:
    return list(tx.scalars(sa.select(posts.c.id).where(posts.c.edition_id == edition, PENDING).order_by(posts.c.id)))


def _dropped(tx: sa.Connection, edition: int, error: str, now: datetime, skipped: str | None = None) -> list[int]:
    values = {"status": PostStatus.SKIPPED, "error": error, "concluded_at": now}
    change = posts.update().where(posts.c.edition_id == edition, PENDING).values(**values)
    dropped = sorted(tx.scalars(change.returning(posts.c.id)))
    if skipped is None:
        return_summaries(tx, dropped)
    else:
        make_pending_again(tx, backlog.c.edition_id == edition, skipped=skipped)
    return dropped
