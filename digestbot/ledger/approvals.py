"""Inside a transaction: editions that wait for a person's word before they are posted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.errors import LedgerError
from digestbot.ledger.parts import give_back, wait_again
from digestbot.model import Action, Approval, Draft, PostStatus, Shape, Slot
from digestbot.schema import PENDING, UNAPPROVED, backlog, editions, pictures, post_summaries, posts, slots


def waiting(tx: sa.Connection) -> list[int]:
    """The posts that wait for a person's word, in the order they were made."""
    query = sa.select(posts.c.id).join(editions, editions.c.id == posts.c.edition_id)
    return list(tx.scalars(query.where(UNAPPROVED, PENDING).order_by(posts.c.id)))


def approve(tx: sa.Connection, post: int, now: datetime) -> list[int]:
    """The edition that the post is of may be posted; returns the ids of its posts. Raises LedgerError for one that
    waits for nobody, or whose time is over."""
    edition = _edition(tx, post, now)
    _decided(tx, edition, Approval.APPROVED)
    return _pending(tx, edition)


@dataclass(frozen=True)
class UndecidedPost:
    """What a post of such an edition says, and which summaries it shows."""

    id: int
    text: str
    link: str | None
    shows: frozenset[int]


@dataclass(frozen=True)
class Undecided:
    """An edition that waits for a person's word: when it was rendered, the ids of the summaries that it shows in order,
    its pending posts, and whether any has a picture."""

    digest: str
    channel: str
    shape: Shape
    rendered_at: datetime
    summaries: tuple[int, ...]
    posts: tuple[UndecidedPost, ...]
    pictured: bool


def undecided(tx: sa.Connection, post: int, now: datetime) -> Undecided:
    """The edition that the post is of. Raises LedgerError for one that waits for nobody, or whose time is over."""
    id_ = _edition(tx, post, now, lock=False)
    row = tx.execute(sa.select(editions).where(editions.c.id == id_)).one()
    pending = tx.execute(sa.select(posts).where(posts.c.edition_id == id_, PENDING).order_by(posts.c.position)).all()
    ids = [one.id for one in pending]
    shows: dict[int, set[int]] = {one: set() for one in ids}
    for found in tx.execute(sa.select(post_summaries).where(post_summaries.c.post_id.in_(ids))):
        shows[found.post_id].add(found.summary_id)
    taken = sa.select(backlog.c.summary_id).where(backlog.c.edition_id == id_).order_by(backlog.c.position)
    shown = set().union(*shows.values())
    return Undecided(
        row.digest,
        row.channel,
        Shape(row.shape),
        row.rendered_at or row.made_at,
        tuple(one for one in tx.scalars(taken) if one in shown),
        tuple(UndecidedPost(one.id, one.text, one.link, frozenset(shows[one.id])) for one in pending),
        tx.execute(sa.select(pictures.c.post_id).where(pictures.c.post_id.in_(ids)).limit(1)).first() is not None,
    )


def render_again(tx: sa.Connection, post: int, drafts: Mapping[int, Draft], now: datetime) -> None:
    """The posts with these ids, of the edition that the post is of, say this now, and still wait. Raises LedgerError
    for one that waits for nobody."""
    edition = _edition(tx, post, now)
    for id_, draft in drafts.items():
        values = {"text": draft.message.text, "link": draft.message.link, "cost": draft.cost}
        tx.execute(posts.update().where(posts.c.id == id_, posts.c.edition_id == edition, PENDING).values(**values))
    tx.execute(editions.update().where(editions.c.id == edition).values(rendered_at=now))


def decline(tx: sa.Connection, post: int, reason: str, now: datetime, *, later: bool) -> list[int]:
    """The edition that the post is of is not posted; returns the ids of its posts. Its summaries are skipped for this
    reason, or wait again for a ``later`` edition. Raises LedgerError for one that waits for nobody."""
    edition = _edition(tx, post, now)
    _decided(tx, edition, Approval.DECLINED)
    return _dropped(tx, edition, f"declined: {reason}", now, skipped=None if later else f"declined: {reason}")


@dataclass(frozen=True)
class Recalled:
    """An edition that was taken back: its digest, channel and slot, and the summaries that wait again, in its order."""

    digest: str
    channel: str
    slot: Slot
    summaries: tuple[int, ...]


def recall(tx: sa.Connection, post: int, now: datetime) -> Recalled:
    """The edition that the post is of is not sent, and its summaries wait again. Raises LedgerError for one that was
    begun."""
    columns = (editions.c.id, editions.c.digest, editions.c.channel, slots.c.nominal, slots.c.due)
    query = sa.select(*columns).join(slots, slots.c.id == editions.c.slot_id).join(posts)
    row: Any = tx.execute(query.where(posts.c.id == post).with_for_update(of=editions)).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    begun = sa.or_(posts.c.status != PostStatus.PENDING, posts.c.epoch > 0)
    if tx.execute(sa.select(posts.c.id).where(posts.c.edition_id == row.id, begun).limit(1)).first() is not None:
        raise LedgerError(f"post {post} does not wait untouched: what was begun is not taken back")
    taken = sa.select(backlog.c.summary_id).where(backlog.c.edition_id == row.id).order_by(backlog.c.position)
    summaries = tuple(tx.scalars(taken))
    _decided(tx, row.id, Approval.DECLINED)  # or it would count as what was posted last
    _dropped(tx, row.id, "taken back by hand", now)
    return Recalled(row.digest, row.channel, Slot(row.nominal, row.due), summaries)


def let_go(tx: sa.Connection, post: int) -> None:
    """The edition that the post is of is sent at once, whatever its digest's hours and limits, approved or not. Raises
    LedgerError for a post that does not wait to be sent."""
    found: Any = tx.execute(sa.select(posts).where(posts.c.id == post, PENDING).with_for_update()).first()
    if found is None or found.action != Action.PUBLISH:
        raise LedgerError(f"post {post} does not wait to be sent")
    edition = editions.update().where(editions.c.id == found.edition_id)
    tx.execute(edition.values(at_once=True))
    tx.execute(edition.where(UNAPPROVED).values(approval=Approval.APPROVED))
    # what may have been sent before keeps its distance: its timeline may lag
    again = sa.and_(posts.c.look_first, posts.c.epoch > 0)
    tx.execute(posts.update().where(posts.c.edition_id == found.edition_id, PENDING, ~again).values(not_before=None))


def lapse(tx: sa.Connection, now: datetime) -> list[int]:
    """Editions that nobody approved in time are not posted: their summaries wait again; returns the ids of their
    posts."""
    dropped: list[int] = []
    late = sa.select(editions.c.id).where(UNAPPROVED, editions.c.approve_by <= now)
    for edition in list(tx.scalars(late.with_for_update())):
        _decided(tx, edition, Approval.LAPSED)
        dropped += _dropped(tx, edition, "nobody approved it in time", now)
    return dropped


def rewrite(tx: sa.Connection, post: int, text: str, cost: int, now: datetime) -> None:
    """The post, which waits for a person's word, says something else. Raises LedgerError for one that waits for
    nobody."""
    edition = _edition(tx, post, now)
    # a person's own words are never rendered again
    tx.execute(editions.update().where(editions.c.id == edition).values(rendered_at=editions.c.approve_by))
    done = tx.execute(posts.update().where(posts.c.id == post, PENDING).values(text=text, cost=cost))
    if not done.rowcount:  # its summary was withdrawn this moment
        raise LedgerError(f"post {post} no longer waits for approval")


def _edition(tx: sa.Connection, post: int, now: datetime, *, lock: bool = True) -> int:
    """The post's edition; with ``lock``, kept as it is until the transaction ends."""
    query = sa.select(editions.c.id, editions.c.approval, editions.c.approve_by, posts.c.status).join(
        posts, posts.c.edition_id == editions.c.id
    )
    query = query.where(posts.c.id == post)
    row: Any = tx.execute(query.with_for_update(of=editions) if lock else query).first()
    if row is None:
        raise LedgerError(f"there is no post {post}")
    if row.approval != Approval.WAITING or row.status != PostStatus.PENDING:
        stands = row.approval if row.approval in (Approval.DECLINED, Approval.LAPSED) else row.status
        raise LedgerError(f"post {post} is {stands}: it does not wait for approval")
    if row.approve_by <= now:
        raise LedgerError(f"post {post} was to be approved by {row.approve_by:%Y-%m-%d %H:%M} UTC: it is too late")
    return int(row.id)


def _decided(tx: sa.Connection, edition: int, decision: Approval) -> None:
    tx.execute(editions.update().where(editions.c.id == edition).values(approval=decision))


def _pending(tx: sa.Connection, edition: int) -> list[int]:
    return list(tx.scalars(sa.select(posts.c.id).where(posts.c.edition_id == edition, PENDING).order_by(posts.c.id)))


def _dropped(tx: sa.Connection, edition: int, error: str, now: datetime, skipped: str | None = None) -> list[int]:
    values = {"status": PostStatus.SKIPPED, "error": error, "concluded_at": now}
    mine = posts.update().where(posts.c.edition_id == edition, PENDING).values(**values)
    dropped = sorted(tx.scalars(mine.returning(posts.c.id)))
    if skipped is None:
        give_back(tx, dropped)
    else:
        wait_again(tx, backlog.c.edition_id == edition, skipped=skipped)
    return dropped
