"""Inside a transaction: what is to be done about changes that were noted, and what an operator decides of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa

from digestbot.changes import MOST_DELETIONS, Change, Kind
from digestbot.errors import LedgerError
from digestbot.ledger import alarms as alarm_room
from digestbot.ledger.changes import UNSENT, drop_pending
from digestbot.ledger.clock_steps import forget_ahead
from digestbot.ledger.editions import reach_slot
from digestbot.model import OWN, Action, Message, PostStatus, Shape, Slot
from digestbot.schema import alarms, backlog, changes, channels, editions, pictures, post_summaries, posts


def any_open(tx: sa.Connection) -> bool:
    """Whether anything is noted at all."""
    return tx.execute(sa.select(changes.c.post_id).limit(1)).first() is not None


def open_changes(tx: sa.Connection) -> list[Change]:
    """The changes that wait for nobody's word."""
    rows = tx.execute(
        sa.select(
            changes,
            posts.c.channel,
            posts.c.status,
            posts.c.link,
            posts.c.text,
            posts.c.receipt_basis,
            editions.c.digest,
            alarms.c.decision,
            pictures.c.post_id.label("picture"),
        )
        .join(posts, posts.c.id == changes.c.post_id)
        .join(editions, editions.c.id == posts.c.edition_id)
        .outerjoin(alarms, alarms.c.id == changes.c.alarm_id)
        .outerjoin(
            pictures,
            sa.and_(pictures.c.post_id == changes.c.post_id, pictures.c.summary_id == changes.c.summary_id),
        )
        .where(sa.or_(changes.c.alarm_id.is_(None), alarms.c.decided_at.is_not(None)))
        .order_by(changes.c.noted_at, changes.c.post_id)
    ).all()
    return [
        Change(
            post=row.post_id,
            summary=row.summary_id,
            kind=Kind(row.kind),
            channel=row.channel,
            digest=row.digest,
            status=PostStatus(row.status),
            link=row.link,
            showing=_latest_text(tx, row.post_id) or row.text,
            noted_at=row.noted_at,
            confirmed=row.decision == alarm_room.CONFIRMED,
            pictured=row.picture is not None,
            own=row.receipt_basis in OWN,
        )
        for row in rows
    ]


def _latest_text(tx: sa.Connection, post: int) -> str | None:
    """What the newest update of the post says, sent or still to be."""
    query = sa.select(posts.c.text).where(
        posts.c.target_id == post,
        posts.c.action == Action.UPDATE,
        posts.c.status.not_in([PostStatus.FAILED, PostStatus.SKIPPED]),
    )
    text: str | None = tx.scalar(query.order_by(posts.c.id.desc()).limit(1))
    return text


def goes_on(tx: sa.Connection, post: int) -> bool:
    """Whether the post is a part of a thread whose first parts are, or may be, on the platform: it is to say what it
    was made to say."""
    part = tx.execute(sa.select(posts.c.edition_id, posts.c.reply).where(posts.c.id == post)).one()
    if not part.reply:
        return False
    begun = sa.select(posts.c.id).where(
        posts.c.edition_id == part.edition_id,
        posts.c.action == Action.PUBLISH,
        posts.c.status.not_in([PostStatus.PENDING, *UNSENT]),
    )
    return tx.execute(begun.limit(1)).first() is not None


def edition_of(tx: sa.Connection, post: int) -> tuple[Shape, int, int, list[int]]:
    """The shape of a post's edition, the post's place in it, of how many posts, and the edition's summaries in their
    order."""
    row = tx.execute(
        sa.select(editions.c.id, editions.c.shape, posts.c.position)
        .join(posts, posts.c.edition_id == editions.c.id)
        .where(posts.c.id == post)
    ).one()
    of_edition = (posts.c.edition_id == row.id, posts.c.action == Action.PUBLISH)
    count = tx.scalar(sa.select(sa.func.count()).select_from(posts).where(*of_edition))
    ids = tx.scalars(sa.select(backlog.c.summary_id).where(backlog.c.edition_id == row.id).order_by(backlog.c.position))
    return Shape(row.shape), row.position, int(count or 0), list(ids)


def deletions_since(tx: sa.Connection, instant: datetime) -> int:
    """Of how many summaries, counted on each channel, the deletion of posts was decided since then."""
    query = (
        sa.select(posts.c.edition_id, sa.func.min(post_summaries.c.summary_id))
        .join(post_summaries, post_summaries.c.post_id == posts.c.target_id)
        .where(posts.c.action == Action.DELETE, posts.c.made_at > instant)
        .group_by(posts.c.id, posts.c.edition_id)
    )
    return len({tuple(row) for row in tx.execute(query)})


def amend(
    tx: sa.Connection, change: Change, action: Action, message: Message | None, now: datetime, cost: int = 0
) -> int | None:
    """Record that the post is to be updated or deleted; returns the id of the row that does it, None where a deletion
    was recorded before. An update that was not tried yet gives way to the newer one."""
    target = tx.execute(sa.select(posts).where(posts.c.id == change.post)).one()
    others = sa.select(posts.c.id).where(
        posts.c.target_id == change.post,
        posts.c.action == Action.DELETE,
        posts.c.status != PostStatus.SKIPPED,
    )
    deletion = tx.scalar(others)
    if deletion is not None:
        _made_for(tx, deletion, change.summary)
        return None
    tx.execute(
        posts.update()
        .where(posts.c.target_id == change.post, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error="a newer change took its place", concluded_at=now)
    )
    reason = {Kind.EDITED: "was edited", Kind.UNNAMED: "is now anonymous", Kind.WITHDRAWN: "was withdrawn"}
    id_ = tx.execute(
        posts.insert()
        .values(
            action=action,
            target_id=change.post,
            edition_id=target.edition_id,
            position=target.position,
            channel=target.channel,
            status=PostStatus.PENDING,
            text=message.text if message and action is Action.UPDATE else f"the summary {reason[change.kind]}",
            cost=cost,
            made_at=now,
        )
        .returning(posts.c.id)
    ).scalar_one()
    if action is Action.DELETE:
        _made_for(tx, id_, change.summary)
    return int(id_)


def _made_for(tx: sa.Connection, deletion: int, summary: int) -> None:
    """The deletion is, also, this summary's."""
    values = {"post_id": deletion, "summary_id": summary}
    known = sa.select(post_summaries.c.post_id).where(
        *(post_summaries.c[name] == value for name, value in values.items())
    )
    if tx.execute(known).first() is None:
        tx.execute(post_summaries.insert().values(**values))


def settled(tx: sa.Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Nothing more is to be decided about these changes, each named by its post and its summary."""
    for post, summary in pairs:
        tx.execute(changes.delete().where(changes.c.post_id == post, changes.c.summary_id == summary))


def hold(tx: sa.Connection, pairs: Collection[tuple[int, int]], lately: int, now: datetime) -> str:
    """These deletions wait for the operator's word, with those that wait already; returns what the alarm says."""
    alarm = alarm_room.raise_alarm(tx, "deletions", "posts", "", now)
    for post, summary in pairs:
        mine = (changes.c.post_id == post, changes.c.summary_id == summary)
        tx.execute(changes.update().where(*mine).values(alarm_id=alarm))
    held = tx.scalar(sa.select(sa.func.count(changes.c.post_id.distinct())).where(changes.c.alarm_id == alarm))
    note_ = (
        f"{held} posts would be deleted, after {lately} within a day; more than {MOST_DELETIONS} a day need your word"
    )
    tx.execute(alarms.update().where(alarms.c.id == alarm).values(note=note_))
    return note_


def _pass_over_missed(tx: sa.Connection, subject: str, now: datetime) -> None:
    """What was missed on this digest and channel until now counts as passed."""
    digest, _, channel = subject.rpartition(" on ")
    reach_slot(tx, digest, channel, Slot("missed slots", now), now, outcome="an operator passed over the missed slots")


def decide_alarm(tx: sa.Connection, alarm: int, *, confirm: bool, now: datetime) -> int:
    """The operator's word: do what it holds back, or let it be; gives how many posts that is about. Raises
    LedgerError where the alarm is not open."""
    row = tx.execute(sa.select(alarms).where(alarms.c.id == alarm).with_for_update()).first()
    if row is None:
        raise LedgerError(f"there is no alarm {alarm}")
    if row.decided_at is not None:
        raise LedgerError(f"alarm {alarm} was {row.decision} already")
    held = tx.execute(sa.select(changes).where(changes.c.alarm_id == alarm)).all()
    if not confirm:
        for change in held:
            if change.kind != Kind.EDITED:  # what never went out is not what was dismissed
                drop_pending(tx, change.post_id, Kind(change.kind), now)
        settled(tx, [(change.post_id, change.summary_id) for change in held])
        if row.kind == alarm_room.MAKE_UP:
            _pass_over_missed(tx, row.subject, now)
        if row.kind == "replies":  # the operator says that threads may be tried again
            tx.execute(channels.update().where(channels.c.name == row.subject).values(replies_refused_at=None))
    elif row.kind == alarm_room.CLOCK:
        forget_ahead(tx, now)
    alarm_room.decide(tx, alarm, alarm_room.CONFIRMED if confirm else alarm_room.DISMISSED, now)
    return len({change.post_id for change in held})
