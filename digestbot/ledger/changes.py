"""Inside a transaction: what happened to summaries in the store, as far as posts show them; `amendments` has what is
to be done about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.changes import Kind, shows_name, too_many_gone, worst
from digestbot.ledger import alarms as alarm_room
from digestbot.ledger.parts import REMOVED, give_back, skip_rest
from digestbot.model import Action, PostStatus
from digestbot.schema import (
    OPEN_ALARM,
    alarms,
    backlog,
    changes,
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
    """Summaries changed: their waiting ones are looked at again by the digests' gates, their posts are noted."""
    by_id = {one.summary: one for one in differences}
    tx.execute(backlog.update().where(backlog.c.summary_id.in_(by_id), backlog.c.status == "waiting").values(held=None))
    # What a person wrote, or approved, may be of what is no longer so, or name who is to be named no longer.
    changed = [one.summary for one in differences if one.edited or one.name_gone or one.back]
    said = (backlog.c.summary_id.in_(changed), sa.or_(backlog.c.words.is_not(None), backlog.c.approved_at.is_not(None)))
    tx.execute(backlog.update().where(*said).values(words=None, approved_at=None))
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
    if status == PostStatus.PENDING and hold_back(tx, row.id, now):
        return [(row.id, row.summary_id, kind)]
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


def hold_back(tx: sa.Connection, post: int, now: datetime) -> bool:
    """A pending post that may be on the platform already is not sent, and not forgotten either: it is looked for. False
    where nothing can have created it."""
    done = tx.execute(
        posts.update()
        .where(posts.c.id == post, posts.c.status == PostStatus.PENDING, posts.c.look_first, posts.c.epoch > 0)
        .values(
            status=PostStatus.QUARANTINED,
            error="its summary changed, and it may have been posted before: it is looked for on the timeline",
            quarantined_at=now,
            concluded_at=now,
            next_look_at=now,
        )
    )
    return bool(done.rowcount)


def drop_held_back(tx: sa.Connection, post: int, now: datetime) -> None:
    """A post that was held back because its summary changed is not on the platform: it goes as a pending one does."""
    kinds = list(tx.scalars(sa.select(changes.c.kind).where(changes.c.post_id == post)))
    if not kinds:
        return
    tx.execute(posts.update().where(posts.c.id == post).values(status=PostStatus.PENDING, look_first=False))
    drop_pending(tx, post, worst(kinds), now)
    tx.execute(changes.delete().where(changes.c.post_id == post))


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
    held: dict[tuple[int, int], int | None] = {}  # what waits for the operator's word continues waiting for it
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
            posts.c.id.not_in(others),  # a deletion that is made for another summary too continues
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
