"""Inside a transaction: what happened to summaries in the store, as far as posts show them, and alarms about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.changes import MOST_DELETIONS, Change, Kind, shows_name, too_many_gone, worst
from digestbot.errors import LedgerError
from digestbot.ledger import alarms as alarm_room
from digestbot.ledger.parts import REMOVED, give_back, skip_rest
from digestbot.model import Action, Message, PostStatus, Shape
from digestbot.schema import (
    OPEN_ALARM,
    alarms,
    backlog,
    changes,
    channels,
    editions,
    pictures,
    post_summaries,
    posts,
    summaries,
)

BATCH = 500
UNSENT = (PostStatus.FAILED, PostStatus.SKIPPED)
ON_ITS_WAY = (PostStatus.PUBLISHING, PostStatus.UNKNOWN, PostStatus.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Difference:
    """What about a known summary is no longer as it was. ``name_gone`` is what named its writer until now (name,
    handle, ORCID); ``named``: it says who wrote it; ``back``: it had been withdrawn."""

    summary: int
    edited: bool = False
    name_gone: tuple[str, str | None, str | None] | None = None
    named: bool = True
    back: bool = False


def _showing(tx: sa.Connection, summary_ids: Collection[int]) -> list[sa.Row[tuple[object, ...]]]:
    """The posts of these summaries, but for deleted ones; nobody else claims one of them before this is over."""
    query = (
        sa.select(posts, post_summaries.c.summary_id, pictures.c.alt_text)
        .join(post_summaries, post_summaries.c.post_id == posts.c.id)
        .outerjoin(
            pictures,
            sa.and_(pictures.c.post_id == posts.c.id, pictures.c.summary_id == post_summaries.c.summary_id),
        )
        .where(
            post_summaries.c.summary_id.in_(summary_ids),
            posts.c.action == Action.PUBLISH,
            posts.c.status != PostStatus.DELETED,
        )
        .order_by(posts.c.id)
        .with_for_update(of=posts)
    )
    return list(tx.execute(query))


def note(tx: sa.Connection, differences: Sequence[Difference], now: datetime) -> None:
    """Summaries changed: their waiting ones are looked at anew by the digests' gates, their posts are noted."""
    by_id = {one.summary: one for one in differences}
    tx.execute(backlog.update().where(backlog.c.summary_id.in_(by_id), backlog.c.status == "waiting").values(held=None))
    back = [one.summary for one in differences if one.back]
    if back:
        _come_back(tx, back, now)
    named_again = [one.summary for one in differences if one.named]
    _over(tx, changes.c.summary_id.in_(named_again), changes.c.kind == Kind.UNNAMED, now=now)
    found: list[tuple[int, int, Kind]] = []
    rows = _showing(tx, [one.summary for one in differences if one.edited or one.name_gone or one.back])
    # Without the part that names its writer, the others of a thread would hang in the air: they go with it.
    naming = {(row.edition_id, row.summary_id) for row in rows if _names_somebody(by_id[row.summary_id], row)}
    for row in rows:
        if (row.edition_id, row.summary_id) in naming:
            found += _recall(tx, row, Kind.UNNAMED, now)
        elif by_id[row.summary_id].edited and row.status not in UNSENT:
            found.append((row.id, row.summary_id, Kind.EDITED))
    _record(tx, found, now)


def _names_somebody(one: Difference, row: Any) -> bool:
    """Whether a post, or its picture, says who wrote a summary that says so no longer. Of one that was withdrawn in
    between, the name is forgotten: what the post does not show to be anonymous, named its writer."""
    said = f"{row.text} {row.alt_text or ''}"
    if one.name_gone:
        return shows_name(said, row.link, *one.name_gone)
    return one.back and not one.named and "#anon" not in f"{said} {row.link or ''}" and row.text != REMOVED


def _recall(tx: sa.Connection, row: Any, kind: Kind, now: datetime) -> list[tuple[int, int, Kind]]:
    """What a post says is not to be said any more: it is not sent, now or at a retry, and forgotten where it was not;
    one that is, or may be, on the platform is noted."""
    updates = (posts.c.target_id == row.id, posts.c.action == Action.UPDATE, posts.c.status.not_in(ON_ITS_WAY))
    tx.execute(
        posts.update()
        .where(*updates, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error=_REASONS[kind], concluded_at=now)
    )
    tx.execute(posts.update().where(*updates).values(text=REMOVED))
    status = tx.scalar(
        sa.select(posts.c.status).where(posts.c.id == row.id)
    )  # another part's recall may have skipped it
    if status == PostStatus.PENDING and drop_pending(tx, row.id, kind, now):
        return []
    if status in (*UNSENT, PostStatus.PENDING):
        tx.execute(posts.update().where(posts.c.id == row.id).values(text=REMOVED, link=None))
        tx.execute(pictures.delete().where(pictures.c.post_id == row.id))
        return []
    return [(row.id, row.summary_id, kind)]


def note_withdrawn(tx: sa.Connection, source: str, ids: Sequence[int], looked: int, now: datetime) -> None:
    """Summaries are gone: what is pending of them is not sent, what was published is noted. More gone at once than
    go by themselves is an alarm, and nothing is deleted before the operator has confirmed it."""
    found: list[tuple[int, int, Kind]] = []
    for start in range(0, len(ids), BATCH):
        for row in _showing(tx, ids[start : start + BATCH]):
            found += _recall(tx, row, Kind.WITHDRAWN, now)
    alarm = None
    if too_many_gone(len(ids), looked):
        note_ = f"{len(ids)} of {looked} summaries that were looked for are gone from the source"
        alarm = alarm_room.raise_alarm(tx, "vanished", source, note_, now)
    _record(tx, found, now, alarm or alarm_room.open_alarm(tx, "vanished", source))


def drop_pending(tx: sa.Connection, post: int, kind: Kind, now: datetime) -> bool:
    """A pending post is not sent as it was made, what it would have said is forgotten, and its summary goes back to the
    backlog: to be posted as it is now, or if it was withdrawn, should it come back. False where it is no longer
    pending."""
    first = _first_part(tx, post)
    done = tx.execute(
        posts.update()
        .where(posts.c.id == post, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error=_REASONS[kind], text=REMOVED, link=None, concluded_at=now)
    )
    if not done.rowcount:
        return False
    tx.execute(pictures.delete().where(pictures.c.post_id == post))
    dropped = [post, *skip_rest(tx, post, now)]
    begun = tx.execute(
        posts.update()
        .where(posts.c.id == first, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error="a part after it is made anew", concluded_at=now)
    )
    if begun.rowcount:  # what was not begun is not begun without its end
        dropped += [first, *skip_rest(tx, first, now)]
    give_back(tx, dropped)
    return True


def _first_part(tx: sa.Connection, post: int) -> int:
    """The first part of the thread that the post is of."""
    part = tx.execute(sa.select(posts.c.edition_id, posts.c.position).where(posts.c.id == post)).one()
    query = sa.select(posts.c.id).where(
        posts.c.edition_id == part.edition_id,
        posts.c.position <= part.position,
        posts.c.action == Action.PUBLISH,
        ~posts.c.reply,
    )
    return int(tx.scalar(query.order_by(posts.c.position.desc()).limit(1)) or post)


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


_REASONS = {
    Kind.EDITED: "the summary was edited: made anew",
    Kind.UNNAMED: "its writer is now anonymous: made anew",
    Kind.WITHDRAWN: "the summary was withdrawn",
}


def _record(tx: sa.Connection, found: Sequence[tuple[int, int, Kind]], now: datetime, alarm: int | None = None) -> None:
    """One row a post and summary: of several things that happened, the worst stands."""
    if not found:
        return
    before: dict[tuple[int, int], str] = {}
    held: dict[tuple[int, int], int | None] = {}  # what waits for the operator's word goes on waiting for it
    pairs = {(post, summary): kind for post, summary, kind in found}
    mine = changes.c.post_id.in_({post for post, _ in pairs})
    for row in tx.execute(sa.select(changes).where(mine)):
        before[row.post_id, row.summary_id] = row.kind
        held[row.post_id, row.summary_id] = row.alarm_id
    for post, summary in pairs:
        tx.execute(changes.delete().where(changes.c.post_id == post, changes.c.summary_id == summary))
    tx.execute(
        changes.insert(),
        [
            {
                "post_id": pair[0],
                "summary_id": pair[1],
                "kind": worst([*filter(None, [before.get(pair)]), kind]),
                "noted_at": now,
                "alarm_id": alarm or held.get(pair),
            }
            for pair, kind in pairs.items()
        ],
    )


def _come_back(tx: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Withdrawn summaries are there again: nothing is to be done to their posts, and what was not done yet is not."""
    _over(tx, changes.c.summary_id.in_(ids), changes.c.kind == Kind.WITHDRAWN, now=now)
    mine = sa.select(post_summaries.c.post_id).where(post_summaries.c.summary_id.in_(ids))
    others = sa.select(post_summaries.c.post_id).where(post_summaries.c.summary_id.not_in(ids))
    tx.execute(
        posts.update()
        .where(
            posts.c.id.in_(mine),
            posts.c.id.not_in(others),  # a deletion that is made for another summary too goes on
            posts.c.action == Action.DELETE,
            posts.c.status == PostStatus.PENDING,
        )
        .values(status=PostStatus.SKIPPED, error="the summary is there again", concluded_at=now)
    )
    sources = sa.select(summaries.c.source).where(summaries.c.id.in_(ids)).distinct()
    for alarm in tx.scalars(
        sa.select(alarms.c.id).where(alarms.c.kind == "vanished", alarms.c.subject.in_(sources), OPEN_ALARM)
    ).all():
        _pass_if_empty(tx, alarm, now)


def _over(tx: sa.Connection, *which: sa.ColumnElement[bool], now: datetime) -> None:
    """These changes are undone. An alarm that held nothing else is over by itself."""
    concerned = set(tx.scalars(sa.select(changes.c.alarm_id).where(*which))) - {None}
    tx.execute(changes.delete().where(*which))
    for alarm in concerned:
        _pass_if_empty(tx, alarm, now)


def _pass_if_empty(tx: sa.Connection, alarm: int, now: datetime) -> None:
    if tx.execute(sa.select(changes.c.post_id).where(changes.c.alarm_id == alarm).limit(1)).first() is None:
        alarm_room.decide(tx, alarm, alarm_room.PASSED, now)


# ---- what is to be done about it


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
    """Record that the post is to be updated or deleted; gives the id of the row that does it, None where a deletion
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
    """These deletions wait for the operator's word, with those that wait already; gives what the alarm says."""
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
        if row.kind == "replies":  # the operator says that threads may be tried again
            tx.execute(channels.update().where(channels.c.name == row.subject).values(replies_refused_at=None))
    alarm_room.decide(tx, alarm, alarm_room.CONFIRMED if confirm else alarm_room.DISMISSED, now)
    return len({change.post_id for change in held})
