"""Inside a transaction: posts whose outcome is unknown or in doubt, and what readings of a timeline settle about
them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.ledger import alarms, changes
from digestbot.ledger.channel_states import channel_state
from digestbot.ledger.parts import apply, receipt_before
from digestbot.model import Action, Claim, Message, PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.reconcile import Anchor, UnknownPost, Verdict, next_recheck
from digestbot.schema import ATTENTION, IN_FLIGHT, attempts, channels, looks, pictures, posts, timeline_posts

log = logging.getLogger(__name__)

DUPLICATE = "duplicate"  # how an attempt ended where the platform said that it has this text already
MOST_ANCHORS = 3  # that are tried where the newest are gone from the timeline
MOST_TIMELINE = 1000  # posts of others that are remembered of each channel


def claim_look(
    tx: sa.Connection, channel: str, lease: timedelta, quiet: timedelta, now: datetime
) -> UnknownPost | None:
    """Return the channel's unknown post, if it is due to be looked for, else a quarantined one that is.

    The next look is set at once, so that of several processes one looks.
    """
    channel_state(tx, channel, now)  # locks
    row = tx.execute(
        sa.select(posts)
        .where(posts.c.channel == channel, IN_FLIGHT, posts.c.status == PostStatus.UNKNOWN)
        .with_for_update()
    ).first()
    if row is None:
        row = tx.execute(
            sa.select(posts)
            .where(
                posts.c.channel == channel,
                ATTENTION,
                posts.c.status == PostStatus.QUARANTINED,
                posts.c.next_look_at <= now,
            )
            .order_by(posts.c.next_look_at)
            .limit(1)
            .with_for_update()
        ).first()
    if row is None or (row.next_look_at and now < row.next_look_at <= now + lease + quiet):
        return None
    since = min(row.concluded_at or now, now)  # later than now: the clock has stepped back
    looked = {"next_look_at": now + timedelta(minutes=1), "concluded_at": since}
    tx.execute(posts.update().where(posts.c.id == row.id).values(**looked))
    return _unknown_post(tx, row, since, lease, now)


def _unknown_post(tx: sa.Connection, row: Any, since: datetime, lease: timedelta, now: datetime) -> UnknownPost:
    tried = tx.execute(sa.select(attempts).where(attempts.c.post_id == row.id).order_by(attempts.c.epoch)).all()
    ended_unknown = [one for one in tried if one.outcome in (None, PostStatus.UNKNOWN)]
    deadline = tried[-1].deadline if tried else now
    first = min((one.started_at for one in tried), default=row.made_at)
    target = sa.select(posts.c.receipt_id).where(posts.c.id == row.target_id)
    dismissed = frozenset(row.dismissed or ())
    return UnknownPost(
        post=row.id,
        channel=row.channel,
        epoch=row.epoch,
        message=Message(row.text, row.link, row.reply),
        first_sent_at=first,
        deadline=min(deadline, since + lease),
        unknown_since=since,
        absences=_absences(tx, row.id, row.epoch),
        anchors=tuple(anchors(tx, row.channel, first)),
        reply_to=tx.scalar(receipt_before(row.edition_id, row.position)) if row.reply else None,
        sends=max(len(ended_unknown), 1),
        duplicate=bool(tried) and tried[-1].outcome == DUPLICATE,
        dismissed=dismissed,
        action=Action(row.action),
        target=tx.scalar(target) if row.target_id else None,
        quarantined=row.status == PostStatus.QUARANTINED,
        receipt=next((one.receipt_id for one in tried if one.receipt_id and one.receipt_id not in dismissed), None),
    )


def _absences(tx: sa.Connection, post: int, epoch: int) -> int:
    query = sa.select(looks.c.complete).where(looks.c.post_id == post, looks.c.epoch == epoch)
    count = 0
    for complete in tx.scalars(query.order_by(looks.c.id.desc()).limit(8)):
        if not complete:
            break
        count += 1
    return count


def claimed(tx: sa.Connection, channel: str, ids: Iterable[str]) -> set[str]:
    """Those of these receipts' ids that posts of ours have already."""
    query = sa.select(posts.c.receipt_id).where(posts.c.channel == channel, posts.c.receipt_id.in_(list(ids)))
    return set(tx.scalars(query))


def note_look(
    tx: sa.Connection,
    channel: str,
    note: str,
    read: int,
    cost: int,
    now: datetime,
    *,
    sound: bool,
    post: int | None = None,
    epoch: int | None = None,
) -> None:
    """Write down a reading of the channel's timeline, with what it cost, and what it said of a post."""
    values = {"channel": channel, "post_id": post, "epoch": epoch, "at": now, "complete": sound}
    tx.execute(looks.insert().values(read=read, note=note, cost=cost, **values))


def settle(tx: sa.Connection, unknown: UnknownPost, verdict: Verdict, read: int, now: datetime, cost: int = 0) -> bool:
    """Write down a look, with what it cost, and what it settled; False where somebody else settled the post
    meanwhile."""
    whose = {"post": unknown.post, "epoch": unknown.epoch}
    note_look(tx, unknown.channel, verdict.note, read, cost, now, sound=verdict.sound, **whose)
    values: dict[str, object] = {"status": verdict.status, "next_look_at": verdict.next_look}
    if verdict.found is not None:
        values |= {"receipt_id": verdict.found.id, "receipt_url": verdict.found.url, "error": None, "concluded_at": now}
        basis = ReceiptBasis.ANSWER if unknown.receipt else ReceiptBasis.TEXT
        values |= {"receipt_basis": basis, "posted_at": verdict.found.at, "candidates": None, "quarantined_at": None}
    elif verdict.status == PostStatus.QUARANTINED:
        values |= {"error": verdict.note, "candidates": as_stored(verdict.candidates)}
        quarantined_at = tx.scalar(sa.select(posts.c.quarantined_at).where(posts.c.id == unknown.post)) or now
        values |= {"quarantined_at": quarantined_at}
        if not verdict.sound and not verdict.final:  # else it waits for the operator alone
            values |= {"next_look_at": next_recheck(quarantined_at, now)}
        if not unknown.quarantined:
            values |= {"concluded_at": now}
    elif verdict.status != PostStatus.UNKNOWN:
        pending = verdict.status == PostStatus.PENDING
        values |= {"error": verdict.note, "concluded_at": None if pending else now}
        values |= {"look_first": pending, "not_before": verdict.not_before, "yields": verdict.not_before is not None}
        values |= {"quarantined_at": None}
    done = tx.execute(
        posts.update()
        .where(
            posts.c.id == unknown.post,
            posts.c.epoch == unknown.epoch,
            posts.c.status == (PostStatus.QUARANTINED if unknown.quarantined else PostStatus.UNKNOWN),
        )
        .values(**values)
    ).rowcount
    if done and unknown.quarantined and verdict.sound and not (verdict.found or verdict.candidates):
        changes.drop_held_back(tx, unknown.post, now)
    if done and verdict.status == PostStatus.DONE:
        apply(tx, unknown.post, now)
    if done and verdict.status == PostStatus.PENDING:
        not_billed(tx, unknown.post, unknown.epoch)
    if done and verdict.found is not None:
        published(tx, unknown.channel, unknown.post, verdict.found.id)
    return bool(done)


def not_billed(tx: sa.Connection, post: int, epoch: int) -> None:
    """The attempt turned out to have posted nothing."""
    tx.execute(attempts.update().where(attempts.c.post_id == post, attempts.c.epoch == epoch).values(cost=0))


# ---- the timeline that was read


def remember_timeline(
    tx: sa.Connection, channel: str, found: Sequence[TimelinePost], *, caught_up: bool = True
) -> None:
    """Keep what a reading showed and no post of this ledger has a receipt for. ``caught_up``: it was read far
    enough."""
    known = claimed(tx, channel, [one.id for one in found])
    of_channel = timeline_posts.c.channel == channel
    fresh = {one.id: one for one in found if one.id not in known}
    kept = set(tx.scalars(sa.select(timeline_posts.c.post_id).where(of_channel)))
    rows = [
        {"channel": channel, "post_id": id_, "url": one.url, "text": one.text, "links": list(one.links), "at": one.at}
        for id_, one in fresh.items()
        if id_ not in kept
    ]
    if rows:
        tx.execute(timeline_posts.insert(), rows)
        newest = sa.select(timeline_posts.c.at).where(of_channel).order_by(timeline_posts.c.at.desc())
        oldest = tx.scalar(newest.offset(MOST_TIMELINE).limit(1))
        if oldest is not None:
            tx.execute(timeline_posts.delete().where(of_channel, timeline_posts.c.at <= oldest))
    if caught_up:
        behind = (channels.c.name == channel, channels.c.catch_up.is_not(None))
        tx.execute(channels.update().where(*behind).values(catch_up=None, unread_timeline=None))


def remembered_timeline(tx: sa.Connection, channel: str) -> list[TimelinePost]:
    """The posts of others that are remembered of the channel's timeline, the newest first."""
    query = sa.select(timeline_posts).where(timeline_posts.c.channel == channel).order_by(timeline_posts.c.at.desc())
    return [TimelinePost(row.post_id, row.url, row.text, tuple(row.links), row.at) for row in tx.execute(query)]


def remembered_count(tx: sa.Connection, channel: str) -> int:
    """How many posts of others are remembered of the channel's timeline."""
    query = sa.select(sa.func.count()).where(timeline_posts.c.channel == channel)
    return int(tx.scalar(query) or 0)


def newest_anchors(tx: sa.Connection, channel: str, now: datetime) -> list[Anchor]:
    """Return the newest posts that are known to be on the channel's timeline; where a clock that has since been put
    back has dated all of them later than now, these."""
    return anchors(tx, channel, now) or anchors(tx, channel, datetime.max.replace(tzinfo=UTC))


def anchors(tx: sa.Connection, channel: str, before: datetime) -> list[Anchor]:
    """Return the newest posts that are known to be on the channel's timeline from before an instant, newest first: our
    own, and those of others that were read there."""
    own = _own_receipts(tx, channel).where(posts.c.posted_at < before)
    rows = [*tx.execute(own.order_by(posts.c.posted_at.desc(), posts.c.id.desc()).limit(MOST_ANCHORS))]
    others = sa.select(timeline_posts.c.post_id, timeline_posts.c.at).where(
        timeline_posts.c.channel == channel, timeline_posts.c.at < before
    )
    newest = (timeline_posts.c.at.desc(), timeline_posts.c.post_id.desc())
    rows += tx.execute(others.order_by(*newest).limit(MOST_ANCHORS))
    found = [Anchor(id_, at) for id_, at in rows]
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST_ANCHORS]


def any_receipt(tx: sa.Connection, channel: str) -> bool:
    """Whether anything of ours is known to be on the channel's timeline."""
    return any(True for _ in tx.execute(_own_receipts(tx, channel).limit(1)))


def _own_receipts(tx: sa.Connection, channel: str) -> sa.Select[tuple[str, datetime]]:
    since = tx.scalar(sa.select(channels.c.account_since).where(channels.c.name == channel))
    return sa.select(posts.c.receipt_id, posts.c.posted_at).where(
        posts.c.channel == channel,
        posts.c.receipt_id.is_not(None),
        posts.c.status == PostStatus.PUBLISHED,  # the timeline would not show a deleted one
        posts.c.missing_since.is_(None),
        ~posts.c.reply,
        *([posts.c.posted_at > since] if since is not None else []),
    )


def is_missing(tx: sa.Connection, channel: str, id_: str, now: datetime) -> None:
    """The platform says that this post is gone, though digestbot did not delete it: it is no anchor any more."""
    whose = (posts.c.channel == channel, posts.c.receipt_id == id_)
    tx.execute(posts.update().where(*whose).values(missing_since=now))
    tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == channel, timeline_posts.c.post_id == id_))


# ---- what a receipt settles


def as_stored(found: Sequence[TimelinePost]) -> list[dict[str, object]] | None:
    """The form in which candidates are stored: what an operator has to compare."""
    return [
        {"id": one.id, "url": one.url, "text": one.text, "links": list(one.links), "at": one.at.isoformat()}
        for one in found[:5]
    ] or None


def as_read(stored: Sequence[dict[str, Any]] | None) -> list[TimelinePost]:
    """The candidates that were stored."""
    return [
        TimelinePost(one["id"], one["url"], one["text"], tuple(one["links"]), datetime.fromisoformat(one["at"]))
        for one in stored or ()
    ]


def published(tx: sa.Connection, channel: str, post: int, id_: str, *, pictured: bool = True) -> None:
    """Drop what is no longer needed once a post is known to be on the platform."""
    if pictured:
        tx.execute(pictures.update().where(pictures.c.post_id == post).values(content=None))
    tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == channel, timeline_posts.c.post_id == id_))


def settle_late(tx: sa.Connection, claim: Claim, receipt: Receipt, basis: ReceiptBasis, now: datetime) -> None:
    """A receipt came after its claim was void. It is evidence of the best kind: whatever was thought of the post since,
    it is published. One that is published already under another id appeared twice, which an operator has to know."""
    row: Any = tx.execute(sa.select(posts).where(posts.c.id == claim.post).with_for_update()).first()
    if row is None or row.receipt_id == receipt.id:
        return
    if row.status in (PostStatus.PUBLISHED, PostStatus.DELETED):
        note = f"post {claim.post} appeared twice: as {row.receipt_id} and as {receipt.id} ({receipt.url}); delete one"
        alarms.raise_alarm(tx, "twice", str(claim.post), note, now)
        log.error("%s", note)
        return
    holder = tx.scalar(sa.select(posts.c.id).where(posts.c.channel == claim.channel, posts.c.receipt_id == receipt.id))
    if holder is not None:  # matched by its text to another post of ours, which is unknown again then
        note = f"what was found as this post is post {claim.post}"
        values = {"receipt_id": None, "receipt_url": None, "receipt_basis": None, "quarantined_at": now, "error": note}
        tx.execute(
            posts.update().where(posts.c.id == holder).values(status=PostStatus.QUARANTINED, next_look_at=now, **values)
        )
    tx.execute(
        posts.update()
        .where(posts.c.id == claim.post)
        .values(
            status=PostStatus.PUBLISHED,
            receipt_id=receipt.id,
            receipt_url=receipt.url,
            receipt_basis=basis,
            posted_at=now,
            error=None,
            candidates=None,
            not_before=None,
            next_look_at=None,
            quarantined_at=None,
            look_first=False,
            yields=False,
            concluded_at=now,
        )
    )
    published(tx, claim.channel, claim.post, receipt.id)
