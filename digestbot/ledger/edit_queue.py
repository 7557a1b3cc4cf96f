"""Functions that run inside a transaction: act on recorded changes of summaries, and apply an operator's decisions
about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.edits import MOST_DELETIONS, EditKind, SummaryEdit
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import OWN, Action, Message, PostStatus, Shape, Slot
from digestbot.ledger import alerts, arrivals, schema
from digestbot.ledger.clock_steps import forget_future
from digestbot.ledger.edit_log import UNSENT, drop_pending
from digestbot.ledger.editions import reach_slot
from digestbot.ledger.schema import backlog, changes, channels, editions, pictures, post_summaries, posts


def any_open(tx: sa.Connection) -> bool:
    """Return whether any change is open."""
    return tx.execute(sa.select(changes.c.post_id).limit(1)).first() is not None


def open_changes(tx: sa.Connection) -> list[SummaryEdit]:
    """Return the open changes that need no decision by the operator, or already have one, oldest first."""
    rows = tx.execute(
        sa.select(
            changes,
            posts.c.channel,
            posts.c.status,
            posts.c.link,
            posts.c.text,
            posts.c.receipt_basis,
            editions.c.digest,
            schema.alerts.c.decision,
            pictures.c.post_id.label("picture"),
        )
        .join(posts, posts.c.id == changes.c.post_id)
        .join(editions, editions.c.id == posts.c.edition_id)
        .outerjoin(schema.alerts, schema.alerts.c.id == changes.c.alert_id)
        .outerjoin(
            pictures,
            sa.and_(pictures.c.post_id == changes.c.post_id, pictures.c.summary_id == changes.c.summary_id),
        )
        .where(sa.or_(changes.c.alert_id.is_(None), schema.alerts.c.decided_at.is_not(None)))
        .order_by(changes.c.noted_at, changes.c.post_id)
    ).all()
    return [
        SummaryEdit(
            post=row.post_id,
            summary=row.summary_id,
            kind=EditKind(row.kind),
            channel=row.channel,
            digest=row.digest,
            status=PostStatus(row.status),
            link=row.link,
            showing=_latest_text(tx, row.post_id) or row.text,
            noted_at=row.noted_at,
            confirmed=row.decision == alerts.CONFIRMED,
            pictured=row.picture is not None,
            own=row.receipt_basis in OWN,
        )
        for row in rows
    ]


def _latest_text(tx: sa.Connection, post: int) -> str | None:
    """Return the text of the post's newest update, sent or pending; None if there is none."""
    query = sa.select(posts.c.text).where(
        posts.c.target_id == post,
        posts.c.action == Action.UPDATE,
        posts.c.status.not_in([PostStatus.FAILED, PostStatus.SKIPPED]),
    )
    text: str | None = tx.scalar(query.order_by(posts.c.id.desc()).limit(1))
    return text


def is_under_way(tx: sa.Connection, post: int) -> bool:
    """Return whether the post is a reply in a thread that has begun: other parts are, or may be, on the platform.

    Such a post must keep the text with which it was created.
    """
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
    """Return the shape of a post's edition, the post's position in it, the number of its posts, and the ids of its
    summaries in order."""
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
    """Return how many deletions were decided since an instant, counting each summary once for each channel."""
    query = (
        sa.select(posts.c.edition_id, sa.func.min(post_summaries.c.summary_id))
        .join(post_summaries, post_summaries.c.post_id == posts.c.target_id)
        .where(posts.c.action == Action.DELETE, posts.c.made_at > instant)
        .group_by(posts.c.id, posts.c.edition_id)
    )
    return len({tuple(row) for row in tx.execute(query)})


def create_edit(
    tx: sa.Connection, change: SummaryEdit, action: Action, message: Message | None, now: datetime, cost: int = 0
) -> int | None:
    """Create the update or deletion of a post; return the new row's id, or None if a deletion of it exists already.

    A pending update is skipped in favor of the new row. ``message`` is the new text of an update; ``cost`` is in
    millionths of a dollar.
    """
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
        .values(status=PostStatus.SKIPPED, error="superseded by a newer change", concluded_at=now)
    )
    reason = {EditKind.EDITED: "was edited", EditKind.UNNAMED: "is now anonymous", EditKind.WITHDRAWN: "was withdrawn"}
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
    """Record that the deletion is made for this summary, too."""
    values = {"post_id": deletion, "summary_id": summary}
    known = sa.select(post_summaries.c.post_id).where(
        *(post_summaries.c[name] == value for name, value in values.items())
    )
    if tx.execute(known).first() is None:
        tx.execute(post_summaries.insert().values(**values))


def mark_settled(tx: sa.Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Delete these changes, given by post and summary, because they are settled."""
    for post, summary in pairs:
        tx.execute(changes.delete().where(changes.c.post_id == post, changes.c.summary_id == summary))


def hold_deletions(tx: sa.Connection, pairs: Collection[tuple[int, int]], lately: int, now: datetime) -> str:
    """Hold these deletions, given by post and summary, until the operator decides; return the alert's note.

    They join the deletions that are already held. ``lately`` is how many deletions were decided within the last day.
    """
    alert = alerts.raise_alert(tx, "deletions", "posts", "", now)
    for post, summary in pairs:
        this_change = (changes.c.post_id == post, changes.c.summary_id == summary)
        tx.execute(changes.update().where(*this_change).values(alert_id=alert))
    held = tx.scalar(sa.select(sa.func.count(changes.c.post_id.distinct())).where(changes.c.alert_id == alert))
    note_ = (
        f"{held} posts would be deleted, after {lately} within a day; more than {MOST_DELETIONS} a day "
        "need your decision"
    )
    tx.execute(schema.alerts.update().where(schema.alerts.c.id == alert).values(note=note_))
    return note_


def _pass_over_missed(tx: sa.Connection, subject: str, now: datetime) -> None:
    """Record the slots that a digest has missed on a channel until now as passed."""
    digest, _, channel = subject.rpartition(" on ")
    reach_slot(tx, digest, channel, Slot("missed slots", now), now, outcome="an operator skipped the missed slots")


def decide_alert(tx: sa.Connection, alert: int, *, confirm: bool, now: datetime) -> int:
    """Apply the operator's decision on an alert: confirm what it holds back, or dismiss it; return how many posts it
    held.

    Raise LedgerError if the alert does not exist or is not open.
    """
    row = tx.execute(sa.select(schema.alerts).where(schema.alerts.c.id == alert).with_for_update()).first()
    if row is None:
        raise LedgerError(f"there is no alert {alert}")
    if row.decided_at is not None:
        raise LedgerError(f"alert {alert} was already {row.decision}")
    held = tx.execute(sa.select(changes).where(changes.c.alert_id == alert)).all()
    if row.kind == arrivals.ARRIVAL:
        arrivals.decide(tx, row.subject, alert, post=confirm)
    if not confirm:
        for change in held:
            if change.kind != EditKind.EDITED:  # dismissing an alert does not send posts that were never sent
                drop_pending(tx, change.post_id, EditKind(change.kind), now)
        mark_settled(tx, [(change.post_id, change.summary_id) for change in held])
        if row.kind == alerts.MAKE_UP:
            _pass_over_missed(tx, row.subject, now)
        if row.kind == "replies":  # the operator allows threads to be tried again
            tx.execute(channels.update().where(channels.c.name == row.subject).values(replies_rejected_at=None))
    elif row.kind == alerts.CLOCK:
        forget_future(tx, now)
    alerts.close_with_decision(tx, alert, alerts.CONFIRMED if confirm else alerts.DISMISSED, now)
    return len({change.post_id for change in held})
