"""Functions that run inside a transaction: posts whose outcome is unknown or uncertain, and what timeline checks settle
about them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.domain.model import Action, Claim, Message, PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.domain.reconciliation import Anchor, UnknownPost, Verdict, next_recheck
from digestbot.ledger import alerts, edit_log
from digestbot.ledger.channel_states import channel_state
from digestbot.ledger.release import apply_decision, receipt_before
from digestbot.ledger.schema import (
    ATTENTION,
    IN_FLIGHT,
    attempts,
    channels,
    pictures,
    posts,
    timeline_checks,
    timeline_posts,
)

log = logging.getLogger(__name__)

DUPLICATE = "duplicate"  # an attempt's outcome if the platform said that it already has this text
MOST_ANCHORS = 3  # to try if the newest are gone from the timeline
MOST_TIMELINE = 1000  # posts from elsewhere that are stored for each channel


def claim_check(
    tx: sa.Connection, channel: str, lease: timedelta, quiet: timedelta, now: datetime
) -> UnknownPost | None:
    """Return the channel's unknown post, or a quarantined one if there is none; None if no timeline check is due.

    The next check is scheduled at once, so that only one of several processes makes this one. A next check further away
    than ``lease`` and ``quiet`` together was set by a clock that has since been set back, so one is due.
    """
    channel_state(tx, channel, now)  # locks the channel's row
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
                posts.c.next_check_at <= now,
            )
            .order_by(posts.c.next_check_at)
            .limit(1)
            .with_for_update()
        ).first()
    if row is None or (row.next_check_at and now < row.next_check_at <= now + lease + quiet):
        return None
    since = min(row.concluded_at or now, now)  # later than now if the clock was set back
    looked = {"next_check_at": now + timedelta(minutes=1), "concluded_at": since}
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
    query = sa.select(timeline_checks.c.complete).where(
        timeline_checks.c.post_id == post, timeline_checks.c.epoch == epoch
    )
    count = 0
    for complete in tx.scalars(query.order_by(timeline_checks.c.id.desc()).limit(8)):
        if not complete:
            break
        count += 1
    return count


def claimed_receipts(tx: sa.Connection, channel: str, ids: Iterable[str]) -> set[str]:
    """Return those of these receipt ids that posts in the ledger already have on the channel."""
    query = sa.select(posts.c.receipt_id).where(posts.c.channel == channel, posts.c.receipt_id.in_(list(ids)))
    return set(tx.scalars(query))


def record_check(
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
    """Record a timeline check of the channel: its note, the number of posts ``read``, and its cost in millionths of a
    dollar.

    ``post`` and ``epoch`` are those that it was made for, if any. ``sound``: the check proves what it does not show.
    """
    values = {"channel": channel, "post_id": post, "epoch": epoch, "at": now, "complete": sound}
    tx.execute(timeline_checks.insert().values(read=read, note=note, cost=cost, **values))


def settle(tx: sa.Connection, unknown: UnknownPost, verdict: Verdict, read: int, now: datetime, cost: int = 0) -> bool:
    """Record a timeline check for a post, with its cost in millionths of a dollar, and apply its verdict to the post.

    Return False if the post was settled by someone else in the meantime.
    """
    whose = {"post": unknown.post, "epoch": unknown.epoch}
    record_check(tx, unknown.channel, verdict.note, read, cost, now, sound=verdict.sound, **whose)
    values: dict[str, object] = {"status": verdict.status, "next_check_at": verdict.next_check}
    if verdict.found is not None:
        values |= {"receipt_id": verdict.found.id, "receipt_url": verdict.found.url, "error": None, "concluded_at": now}
        basis = ReceiptBasis.ANSWER if unknown.receipt else ReceiptBasis.TEXT
        values |= {"receipt_basis": basis, "posted_at": verdict.found.at, "candidates": None, "quarantined_at": None}
    elif verdict.status == PostStatus.QUARANTINED:
        values |= {"error": verdict.note, "candidates": as_stored(verdict.candidates)}
        quarantined_at = tx.scalar(sa.select(posts.c.quarantined_at).where(posts.c.id == unknown.post)) or now
        values |= {"quarantined_at": quarantined_at}
        if not verdict.sound and not verdict.final:  # otherwise only the operator can settle it
            values |= {"next_check_at": next_recheck(quarantined_at, now)}
        if not unknown.quarantined:
            values |= {"concluded_at": now}
    elif verdict.status != PostStatus.UNKNOWN:
        pending = verdict.status == PostStatus.PENDING
        values |= {"error": verdict.note, "concluded_at": None if pending else now}
        values |= {"check_first": pending, "not_before": verdict.not_before, "yields": verdict.not_before is not None}
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
        edit_log.drop_held_back(tx, unknown.post, now)
    if done and verdict.status == PostStatus.DONE:
        apply_decision(tx, unknown.post, now)
    if done and verdict.status == PostStatus.PENDING:
        not_billed(tx, unknown.post, unknown.epoch)
    if done and verdict.found is not None:
        published(tx, unknown.channel, unknown.post, verdict.found.id)
    return bool(done)


def not_billed(tx: sa.Connection, post: int, epoch: int) -> None:
    """Set an attempt's cost to zero, because it turned out to have posted nothing."""
    tx.execute(attempts.update().where(attempts.c.post_id == post, attempts.c.epoch == epoch).values(cost=0))


# ---- stored timelines and anchors


def remember_timeline(
    tx: sa.Connection, channel: str, result: Sequence[TimelinePost], *, caught_up: bool = True
) -> None:
    """Store the posts of a timeline check for which no post in the ledger has a receipt.

    ``caught_up``: the timeline was read far enough, so the channel no longer needs to catch up.
    """
    known = claimed_receipts(tx, channel, [one.id for one in result])
    of_channel = timeline_posts.c.channel == channel
    fresh = {one.id: one for one in result if one.id not in known}
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
    """Return the stored posts of the channel's timeline that are not from this ledger, newest first."""
    query = sa.select(timeline_posts).where(timeline_posts.c.channel == channel).order_by(timeline_posts.c.at.desc())
    return [TimelinePost(row.post_id, row.url, row.text, tuple(row.links), row.at) for row in tx.execute(query)]


def remembered_count(tx: sa.Connection, channel: str) -> int:
    """Return how many posts of the channel's timeline that are not from this ledger are stored."""
    query = sa.select(sa.func.count()).where(timeline_posts.c.channel == channel)
    return int(tx.scalar(query) or 0)


def newest_anchors(tx: sa.Connection, channel: str, now: datetime) -> list[Anchor]:
    """Return the newest posts known to be on the channel's timeline.

    If all are dated later than now, by a clock that has since been set back, return those.
    """
    return anchors(tx, channel, now) or anchors(tx, channel, datetime.max.replace(tzinfo=UTC))


def anchors(tx: sa.Connection, channel: str, before: datetime) -> list[Anchor]:
    """Return the newest posts known to be on the channel's timeline from before an instant, newest first: posts in the
    ledger, and other posts that were read on the timeline."""
    own = _own_receipts(tx, channel).where(posts.c.posted_at < before)
    rows = [*tx.execute(own.order_by(posts.c.posted_at.desc(), posts.c.id.desc()).limit(MOST_ANCHORS))]
    others = sa.select(timeline_posts.c.post_id, timeline_posts.c.at).where(
        timeline_posts.c.channel == channel, timeline_posts.c.at < before
    )
    newest = (timeline_posts.c.at.desc(), timeline_posts.c.post_id.desc())
    rows += tx.execute(others.order_by(*newest).limit(MOST_ANCHORS))
    results = [Anchor(id_, at) for id_, at in rows]
    return sorted(results, key=lambda one: one.at, reverse=True)[:MOST_ANCHORS]


def any_receipt(tx: sa.Connection, channel: str) -> bool:
    """Return whether any post of this ledger is known to be on the channel's timeline."""
    return any(True for _ in tx.execute(_own_receipts(tx, channel).limit(1)))


def _own_receipts(tx: sa.Connection, channel: str) -> sa.Select[tuple[str, datetime]]:
    since = tx.scalar(sa.select(channels.c.account_since).where(channels.c.name == channel))
    return sa.select(posts.c.receipt_id, posts.c.posted_at).where(
        posts.c.channel == channel,
        posts.c.receipt_id.is_not(None),
        posts.c.status == PostStatus.PUBLISHED,  # the timeline does not show deleted posts
        posts.c.missing_since.is_(None),
        ~posts.c.reply,
        *([posts.c.posted_at > since] if since is not None else []),
    )


def mark_missing(tx: sa.Connection, channel: str, id_: str, now: datetime) -> None:
    """Mark a post as missing: the platform says that it is gone, although digestbot did not delete it.

    It no longer serves as an anchor.
    """
    whose = (posts.c.channel == channel, posts.c.receipt_id == id_)
    tx.execute(posts.update().where(*whose).values(missing_since=now))
    tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == channel, timeline_posts.c.post_id == id_))


# ---- receipts and candidates


def as_stored(result: Sequence[TimelinePost]) -> list[dict[str, object]] | None:
    """Return candidates in their stored form: at most five, with what an operator needs to compare. Return None if
    there are none."""
    return [
        {"id": one.id, "url": one.url, "text": one.text, "links": list(one.links), "at": one.at.isoformat()}
        for one in result[:5]
    ] or None


def as_read(stored: Sequence[dict[str, Any]] | None) -> list[TimelinePost]:
    """Return candidates from their stored form."""
    return [
        TimelinePost(one["id"], one["url"], one["text"], tuple(one["links"]), datetime.fromisoformat(one["at"]))
        for one in stored or ()
    ]


def published(tx: sa.Connection, channel: str, post: int, id_: str, *, pictured: bool = True) -> None:
    """Delete what is no longer needed once a post is known to be on the platform: its picture's content, if
    ``pictured``, and the stored timeline post with its id."""
    if pictured:
        tx.execute(pictures.update().where(pictures.c.post_id == post).values(content=None))
    tx.execute(timeline_posts.delete().where(timeline_posts.c.channel == channel, timeline_posts.c.post_id == id_))


def settle_late(tx: sa.Connection, claim: Claim, receipt: Receipt, basis: ReceiptBasis, now: datetime) -> None:
    """Settle a post by a receipt that arrived after its claim was void.

    Such a receipt is the best evidence: whatever the post's status is now, it becomes published. If it is already
    published under another id, it appeared twice: raise an alert. If another post has this receipt because its text
    matched, that post is quarantined, and its own timeline check is due at once.
    """
    row: Any = tx.execute(sa.select(posts).where(posts.c.id == claim.post).with_for_update()).first()
    if row is None or row.receipt_id == receipt.id:
        return
    if row.status in (PostStatus.PUBLISHED, PostStatus.DELETED):
        note = f"post {claim.post} appeared twice: as {row.receipt_id} and as {receipt.id} ({receipt.url}); delete one"
        alerts.raise_alert(tx, "twice", str(claim.post), note, now)
        log.error("%s", note)
        return
    holder = tx.scalar(sa.select(posts.c.id).where(posts.c.channel == claim.channel, posts.c.receipt_id == receipt.id))
    if holder is not None:  # matched by its text to another post of ours, which then needs a decision again
        note = f"what was found as this post is post {claim.post}"
        values = {"receipt_id": None, "receipt_url": None, "receipt_basis": None, "quarantined_at": now, "error": note}
        tx.execute(
            posts.update()
            .where(posts.c.id == holder)
            .values(status=PostStatus.QUARANTINED, next_check_at=now, **values)
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
            next_check_at=None,
            quarantined_at=None,
            check_first=False,
            yields=False,
            concluded_at=now,
        )
    )
    published(tx, claim.channel, claim.post, receipt.id)
