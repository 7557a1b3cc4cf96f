"""Functions that run inside a transaction: record changes of summaries in the store, for the posts that show them. What
is done about these changes is in `edit_queue`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.edits import EditKind, most_severe, shows_name, too_many_gone
from digestbot.domain.model import Action, PostStatus
from digestbot.ledger import alerts, schema
from digestbot.ledger.release import REMOVED, return_summaries, skip_rest
from digestbot.ledger.schema import OPEN_ALERT, backlog, changes, pictures, post_summaries, posts, summaries

BATCH = 500
UNSENT = (PostStatus.FAILED, PostStatus.SKIPPED)
ON_ITS_WAY = (PostStatus.PUBLISHING, PostStatus.UNKNOWN, PostStatus.QUARANTINED)


@dataclass(frozen=True, slots=True)
class SummaryDifference:
    """How a known summary has changed.

    ``name_gone`` is what named its writer until now (name, handle, ORCID). ``named``: it names its writer now.
    ``back``: it had been withdrawn.
    """

    summary: int
    edited: bool = False
    name_gone: tuple[str, str | None, str | None] | None = None
    named: bool = True
    back: bool = False


def _showing(tx: sa.Connection, summary_ids: Collection[int]) -> list[sa.Row[tuple[object, ...]]]:
    """Return the posts that show these summaries, without deleted posts.

    Their rows are locked, so that nobody else claims one before the transaction ends.
    """
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


def record_edits(tx: sa.Connection, differences: Sequence[SummaryDifference], now: datetime) -> None:
    """Record changed summaries: the filters evaluate waiting ones again, and the changes are noted for their posts."""
    by_id = {one.summary: one for one in differences}
    tx.execute(
        backlog.update()
        .where(backlog.c.summary_id.in_(by_id), backlog.c.status == "waiting")
        .values(blocked_reason=None)
    )
    # What an operator wrote or approved may be outdated, or name a writer who is now anonymous.
    changed = [one.summary for one in differences if one.edited or one.name_gone or one.back]
    names = (
        backlog.c.summary_id.in_(changed),
        sa.or_(backlog.c.custom_text.is_not(None), backlog.c.approved_at.is_not(None)),
    )
    tx.execute(backlog.update().where(*names).values(custom_text=None, approved_at=None))
    back = [one.summary for one in differences if one.back]
    if back:
        _come_back(tx, back, now)
    named_again = [one.summary for one in differences if one.named]
    _over(tx, changes.c.summary_id.in_(named_again), changes.c.kind == EditKind.UNNAMED, now=now)
    results: list[tuple[int, int, EditKind]] = []
    rows = _showing(tx, [one.summary for one in differences if one.edited or one.name_gone or one.back])
    # A thread's other parts make no sense without the part that names the writer, so they go with it.
    naming = {(row.edition_id, row.summary_id) for row in rows if _names_somebody(by_id[row.summary_id], row)}
    for row in rows:
        if (row.edition_id, row.summary_id) in naming:
            results += _recall(tx, row, EditKind.UNNAMED, now)
        elif by_id[row.summary_id].edited and row.status not in UNSENT:
            results.append((row.id, row.summary_id, EditKind.EDITED))
    _record(tx, results, now)


def _names_somebody(one: SummaryDifference, row: Any) -> bool:
    """Return whether a post or its picture names the writer of a summary that is now anonymous.

    The name of a summary that was withdrawn in between is no longer known. Its post is taken to name the writer unless
    it says "#anon".
    """
    text = f"{row.text} {row.alt_text or ''}"
    if one.name_gone:
        return shows_name(text, row.link, *one.name_gone)
    return one.back and not one.named and "#anon" not in f"{text} {row.link or ''}" and row.text != REMOVED


def _recall(tx: sa.Connection, row: Any, kind: EditKind, now: datetime) -> list[tuple[int, int, EditKind]]:
    """Keep a post from being sent, now or at a retry, because its text may no longer be published.

    Clear its text if it was not sent. Return the change to record if the post is, or may be, on the platform.
    """
    updates = (posts.c.target_id == row.id, posts.c.action == Action.UPDATE, posts.c.status.not_in(ON_ITS_WAY))
    tx.execute(
        posts.update()
        .where(*updates, posts.c.status == PostStatus.PENDING)
        .values(status=PostStatus.SKIPPED, error=_REASONS[kind], concluded_at=now)
    )
    tx.execute(posts.update().where(*updates).values(text=REMOVED))
    status = tx.scalar(
        sa.select(posts.c.status).where(posts.c.id == row.id)
    )  # recalling another part may have skipped it
    if status == PostStatus.PENDING and hold_back(tx, row.id, now):
        return [(row.id, row.summary_id, kind)]
    if status == PostStatus.PENDING and drop_pending(tx, row.id, kind, now):
        return []
    if status in (*UNSENT, PostStatus.PENDING):
        tx.execute(posts.update().where(posts.c.id == row.id).values(text=REMOVED, link=None))
        tx.execute(pictures.delete().where(pictures.c.post_id == row.id))
        return []
    return [(row.id, row.summary_id, kind)]


def record_withdrawals(tx: sa.Connection, source: str, ids: Sequence[int], looked: int, now: datetime) -> None:
    """Record withdrawn summaries: pending posts are not sent, published ones are noted.

    If more are gone at once than disappear normally, raise an alert: nothing is deleted until the operator has
    confirmed it. ``looked`` is how many summaries were looked for.
    """
    results: list[tuple[int, int, EditKind]] = []
    for start in range(0, len(ids), BATCH):
        for row in _showing(tx, ids[start : start + BATCH]):
            results += _recall(tx, row, EditKind.WITHDRAWN, now)
    alert = None
    if too_many_gone(len(ids), looked):
        note_ = f"{len(ids)} of {looked} summaries that were checked are gone from the source"
        alert = alerts.raise_alert(tx, "vanished", source, note_, now)
    _record(tx, results, now, alert or alerts.open_alert(tx, "vanished", source))


def drop_pending(tx: sa.Connection, post: int, kind: EditKind, now: datetime) -> bool:
    """Skip a pending post and clear its text; its summary goes back to the backlog.

    From there it is posted as it is now, or, if it was withdrawn, once it comes back. Return False if the post is no
    longer pending.
    """
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
        .values(status=PostStatus.SKIPPED, error="a later part is created again", concluded_at=now)
    )
    if begun.rowcount:  # a thread is not begun if its end is missing
        dropped += [first, *skip_rest(tx, first, now)]
    return_summaries(tx, dropped)
    return True


def hold_back(tx: sa.Connection, post: int, now: datetime) -> bool:
    """Quarantine a pending post that may already be on the platform: it is not sent, keeps its text, and is looked for
    on the timeline.

    Return False if no earlier attempt can have created it.
    """
    done = tx.execute(
        posts.update()
        .where(posts.c.id == post, posts.c.status == PostStatus.PENDING, posts.c.check_first, posts.c.epoch > 0)
        .values(
            status=PostStatus.QUARANTINED,
            error="its summary changed, and it may have been posted: the timeline is being checked",
            quarantined_at=now,
            concluded_at=now,
            next_check_at=now,
        )
    )
    return bool(done.rowcount)


def drop_held_back(tx: sa.Connection, post: int, now: datetime) -> None:
    """Drop a post that was held back because its summary changed, once it is known not to be on the platform."""
    kinds = list(tx.scalars(sa.select(changes.c.kind).where(changes.c.post_id == post)))
    if not kinds:
        return
    tx.execute(posts.update().where(posts.c.id == post).values(status=PostStatus.PENDING, check_first=False))
    drop_pending(tx, post, most_severe(kinds), now)
    tx.execute(changes.delete().where(changes.c.post_id == post))


def _first_part(tx: sa.Connection, post: int) -> int:
    """Return the id of the first part of the post's thread."""
    part = tx.execute(sa.select(posts.c.edition_id, posts.c.position).where(posts.c.id == post)).one()
    query = sa.select(posts.c.id).where(
        posts.c.edition_id == part.edition_id,
        posts.c.position <= part.position,
        posts.c.action == Action.PUBLISH,
        ~posts.c.reply,
    )
    return int(tx.scalar(query.order_by(posts.c.position.desc()).limit(1)) or post)


_REASONS = {
    EditKind.EDITED: "the summary was edited: created again",
    EditKind.UNNAMED: "its writer is now anonymous: created again",
    EditKind.WITHDRAWN: "the summary was withdrawn",
}


def _record(
    tx: sa.Connection, result: Sequence[tuple[int, int, EditKind]], now: datetime, alert: int | None = None
) -> None:
    """Record one row for each post and summary; of several changes, the most severe one counts."""
    if not result:
        return
    before: dict[tuple[int, int], str] = {}
    held: dict[tuple[int, int], int | None] = {}  # a change that needs the operator's decision still does
    pairs = {(post, summary): kind for post, summary, kind in result}
    of_posts = changes.c.post_id.in_({post for post, _ in pairs})
    for row in tx.execute(sa.select(changes).where(of_posts)):
        before[row.post_id, row.summary_id] = row.kind
        held[row.post_id, row.summary_id] = row.alert_id
    for post, summary in pairs:
        tx.execute(changes.delete().where(changes.c.post_id == post, changes.c.summary_id == summary))
    tx.execute(
        changes.insert(),
        [
            {
                "post_id": pair[0],
                "summary_id": pair[1],
                "kind": most_severe([*filter(None, [before.get(pair)]), kind]),
                "noted_at": now,
                "alert_id": alert or held.get(pair),
            }
            for pair, kind in pairs.items()
        ],
    )


def _come_back(tx: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Handle withdrawn summaries that are back: cancel their changes and their pending deletions."""
    _over(tx, changes.c.summary_id.in_(ids), changes.c.kind == EditKind.WITHDRAWN, now=now)
    showing = sa.select(post_summaries.c.post_id).where(post_summaries.c.summary_id.in_(ids))
    others = sa.select(post_summaries.c.post_id).where(post_summaries.c.summary_id.not_in(ids))
    tx.execute(
        posts.update()
        .where(
            posts.c.id.in_(showing),
            posts.c.id.not_in(others),  # a deletion that is also made for another summary continues
            posts.c.action == Action.DELETE,
            posts.c.status == PostStatus.PENDING,
        )
        .values(status=PostStatus.SKIPPED, error="the summary is there again", concluded_at=now)
    )
    sources = sa.select(summaries.c.source).where(summaries.c.id.in_(ids)).distinct()
    for alert in tx.scalars(
        sa.select(schema.alerts.c.id).where(
            schema.alerts.c.kind == "vanished", schema.alerts.c.subject.in_(sources), OPEN_ALERT
        )
    ).all():
        _pass_if_empty(tx, alert, now)


def _over(tx: sa.Connection, *which: sa.ColumnElement[bool], now: datetime) -> None:
    """Delete these changes. An alert about nothing else is closed."""
    concerned = set(tx.scalars(sa.select(changes.c.alert_id).where(*which))) - {None}
    tx.execute(changes.delete().where(*which))
    for alert in concerned:
        _pass_if_empty(tx, alert, now)


def _pass_if_empty(tx: sa.Connection, alert: int, now: datetime) -> None:
    if tx.execute(sa.select(changes.c.post_id).where(changes.c.alert_id == alert).limit(1)).first() is None:
        alerts.close_with_decision(tx, alert, alerts.PASSED, now)
