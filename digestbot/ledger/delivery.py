"""Inside a transaction: claiming a post before it is sent, and concluding what came of it.

The protocol is docs/lifecycle.md's; the caller commits a claim before it opens a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.costs import Account
from digestbot.ledger import spending
from digestbot.ledger.parts import apply, end_edition, give_back, skip_rest
from digestbot.model import Action, Approval, Claim, Message, Picture, PostStatus
from digestbot.reconcile import Case, Verdict, first_look
from digestbot.retry import LONGEST_RATE_LIMIT, LONGEST_WAIT, Decision
from digestbot.schema import (
    IN_FLIGHT,
    PENDING,
    UtcTime,
    attempts,
    changes,
    channels,
    editions,
    looks,
    pictures,
    post_summaries,
    posts,
    slots,
    summaries,
)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What stands in a channel's way. ``refusals`` counts its refusals in a row; ``look_first``: the ledger was
    restored, so what it would send may be on the platform already."""

    pause_reason: str | None
    wait_until: datetime | None
    refusals: int
    look_first: bool


def takes_replies(tx: sa.Connection, channel: str) -> bool:
    """Whether the channel's platform has not refused replies under its own posts."""
    refused = tx.scalar(sa.select(channels.c.replies_refused_at).where(channels.c.name == channel))
    return refused is None


def add_channels(tx: sa.Connection, names: Iterable[str]) -> None:
    """Make the channels known to the ledger."""
    known = set(tx.scalars(sa.select(channels.c.name)))
    for name in names:
        if name not in known:
            tx.execute(channels.insert().values(name=name))


# Whether an edition keeps to its digest's hours and limits: not one that a person asked for, or lets go at once.
SCHEDULED = sa.and_(slots.c.scheduled, ~editions.c.at_once).label("scheduled")

# Statements of the path that every post takes, built once: building them costs more than running them.
_STATE = sa.select(channels).where(channels.c.name == sa.bindparam("channel")).with_for_update()
_ANY_IN_FLIGHT = sa.select(posts.c.id).where(posts.c.channel == sa.bindparam("channel"), IN_FLIGHT).limit(1)
_before = posts.alias("before")  # the part that a reply goes under
_target = posts.alias("target")  # the post that an update or a deletion is about
# Nothing goes out whose summary was withdrawn, or lost its writer's name, since it was made; but deletions do.
_RECALLED = sa.and_(
    posts.c.action != Action.DELETE,
    sa.or_(
        sa.exists().where(
            changes.c.post_id == sa.func.coalesce(posts.c.target_id, posts.c.id), changes.c.kind != "edited"
        ),
        sa.exists().where(
            posts.c.action == Action.PUBLISH,
            post_summaries.c.post_id == posts.c.id,
            post_summaries.c.summary_id == summaries.c.id,
            summaries.c.withdrawn_at.is_not(None),
        ),
    ),
)
# Subqueries, for a join would make SQLite sort all that is pending.
_APPROVED = ~sa.exists().where(
    editions.c.id == posts.c.edition_id, editions.c.approval.is_not(None), editions.c.approval != Approval.APPROVED
).correlate(posts)
_HELD_BACK = (
    sa.exists()
    .where(
        editions.c.id == posts.c.edition_id,
        slots.c.id == editions.c.slot_id,
        SCHEDULED,
        editions.c.digest.in_(sa.bindparam("held_back", expanding=True)),
    )
    .correlate(posts)
)
_NEXT = (
    sa.select(
        posts,
        _before.c.receipt_id.label("reply_to"),
        _target.c.receipt_id.label("target"),
        *(pictures.c[name].label(f"picture_{name}") for name in ("content", "media_type", "alt_text", "required")),
    )
    .outerjoin(
        _before,
        sa.and_(
            _before.c.edition_id == posts.c.edition_id,
            _before.c.position == posts.c.position - 1,
            _before.c.action == Action.PUBLISH,
            _before.c.status == PostStatus.PUBLISHED,
        ),
    )
    .outerjoin(_target, _target.c.id == posts.c.target_id)
    .outerjoin(pictures, pictures.c.post_id == posts.c.id)
    .where(
        posts.c.channel == sa.bindparam("channel"),
        PENDING,
        sa.or_(~posts.c.reply, _before.c.receipt_id.is_not(None)),
        ~_RECALLED,
        sa.or_(posts.c.action != Action.PUBLISH, _APPROVED),
    )
    .order_by(posts.c.action, posts.c.id)  # deletions first: the index has them in this order
    .limit(1)
    .with_for_update(of=posts)
)
# what has begun is brought to its end
_NEXT_BUT = _NEXT.where(sa.or_(posts.c.action != Action.PUBLISH, posts.c.reply, ~_HELD_BACK))
_TAKE = (
    posts.update()
    .where(posts.c.id == sa.bindparam("post"))
    .values(
        status=PostStatus.PUBLISHING, epoch=sa.bindparam("epoch_"), deadline=sa.bindparam("deadline_"), not_before=None
    )
)
_CONCLUDE = (
    posts.update()
    .where(
        posts.c.id == sa.bindparam("post"),
        posts.c.epoch == sa.bindparam("of_epoch"),
        posts.c.status == PostStatus.PUBLISHING,
    )
    .values(
        {
            name: sa.bindparam(f"new_{name}")
            for name in ("status", "receipt_id", "receipt_url", "error", "not_before", "next_look_at", "concluded_at")
        }
    )
)
_END_ATTEMPT = (
    attempts.update()
    .where(attempts.c.post_id == sa.bindparam("post"), attempts.c.epoch == sa.bindparam("of_epoch"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("finished_at", "outcome", "error", "cost")})
)


def channel_state(tx: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """The channel's state, its row locked until the transaction ends: one claim at a time."""
    return _state(tx.execute(_STATE, {"channel": channel}).one(), now)


def channel_state_now(tx: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """The same, for looking only; a channel that the ledger does not know yet has nothing in its way."""
    row = tx.execute(sa.select(channels).where(channels.c.name == channel)).first()
    return _state(row, now) if row is not None else ChannelState(None, None, 0, look_first=False)


def _state(row: Any, now: datetime) -> ChannelState:
    look_first = row.look_first_until is not None and now < row.look_first_until
    return ChannelState(row.pause_reason if row.paused_at else None, row.wait_until, row.refusals, look_first)


def any_in_flight(tx: sa.Connection, channel: str) -> bool:
    """Whether a post of the channel's is being sent, or its outcome is not known."""
    return tx.execute(_ANY_IN_FLIGHT, {"channel": channel}).first() is not None


def claim(
    tx: sa.Connection,
    channel: str,
    lease: timedelta,
    now: datetime,
    state: ChannelState | None = None,
    budget: int | None = None,
    held_back: Sequence[str] = (),
) -> Claim | None:
    """The channel's next post, now `publishing` with a new epoch and an attempt; None where nothing may be sent.

    Posts go out in the order they were made: one that waits for a retry holds back the others. Nothing is
    claimed while the channel is paused or asked to wait, or while another post's outcome is open. ``state`` is
    the channel's where this transaction has read it already, and concluded the post that was in flight. A post that
    would take the month's ``budget`` over its end waits for the next month; of digests that are ``held_back``, no
    scheduled post is begun.
    """
    if state is None:
        state = channel_state(tx, channel, now)
        if any_in_flight(tx, channel):
            return None
    if state.pause_reason is not None or (state.wait_until and now < state.wait_until <= now + LONGEST_RATE_LIMIT):
        return None
    query, held = (_NEXT_BUT, {"held_back": list(held_back)}) if held_back else (_NEXT, {})
    row = tx.execute(query, {"channel": channel, **held}).first()
    if row is None or (row.not_before and now < row.not_before <= now + LONGEST_WAIT):
        return None  # a retry further away than any was set by a clock that has since stepped back
    if budget is not None and not _is_paid_for(tx, channel, row, budget, now):
        return None
    epoch, deadline = row.epoch + 1, now + lease
    tx.execute(_TAKE, {"post": row.id, "epoch_": epoch, "deadline_": deadline})
    tx.execute(
        attempts.insert(),
        {"post_id": row.id, "epoch": epoch, "started_at": now, "deadline": deadline, "cost": row.cost},
    )
    return Claim(
        post=row.id,
        channel=channel,
        epoch=epoch,
        deadline=deadline,
        message=Message(row.text, row.link, row.reply, _picture(row)),
        reply_to=row.reply_to if row.reply else None,
        look_first=state.look_first,
        after=last_receipt(tx, channel, now) if state.look_first else None,
        action=Action(row.action),
        target=row.target,
        cost=row.cost,
    )


def _picture(row: Any) -> Picture | None:
    if row.picture_content is None:
        return None
    return Picture(row.picture_content, row.picture_media_type, row.picture_alt_text, row.picture_required)


def _is_paid_for(tx: sa.Connection, channel: str, row: Any, budget: int, now: datetime) -> bool:
    """Whether the month's budget has room for the post; the operator is told when little is left, and when none."""
    account = Account(spending.spent(tx, channel, now), budget)
    if row.action == Action.PUBLISH and not account.lets_through(row.cost):
        spending.tell_exhausted(tx, channel, account, row.cost, now)
        return False
    if row.cost and account.nears_its_end(row.cost):
        spending.tell_warning(tx, channel, account, row.cost, now)
    return True


LONGEST_LIMIT = timedelta(days=9)  # a week, in whatever zone
_BEGINS = (posts.c.action == Action.PUBLISH, ~posts.c.reply)
_APPEARED = (
    sa.select(editions.c.digest, posts.c.concluded_at)
    .join(posts, posts.c.edition_id == editions.c.id)
    .where(
        posts.c.channel == sa.bindparam("channel"),
        posts.c.concluded_at >= sa.bindparam("since", type_=UtcTime),
        posts.c.status.in_([PostStatus.PUBLISHED, PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.DELETED]),
        *_BEGINS,
    )
)
_QUEUED = (
    sa.select(editions.c.digest, SCHEDULED)
    .join(posts, posts.c.edition_id == editions.c.id)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(posts.c.channel == sa.bindparam("channel"), *_BEGINS)
)
_WAITING = _QUEUED.where(PENDING, _APPROVED, ~_RECALLED)
_SENDING = _QUEUED.where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING)


def appeared(tx: sa.Connection, channel: str, now: datetime) -> list[tuple[datetime, str]]:
    """When posts appeared on the channel in the last days, and of which digest each was; replies are left out."""
    rows = tx.execute(_APPEARED, {"channel": channel, "since": now - LONGEST_LIMIT})
    return [(row.concluded_at, row.digest) for row in rows]


def queued(tx: sa.Connection, channel: str) -> list[tuple[str, bool]]:
    """For each post that waits to be sent, or is being sent, its digest, and whether it was scheduled. Replies are left
    out, and what waits for a person's word."""
    rows = [row for query in (_SENDING, _WAITING) for row in tx.execute(query, {"channel": channel})]
    return [(row.digest, row.scheduled) for row in rows]


def last_receipt(tx: sa.Connection, channel: str, before: datetime) -> str | None:
    """The receipt of the post that was published last on the channel before an instant."""
    query = sa.select(posts.c.receipt_id).where(
        posts.c.channel == channel,
        posts.c.receipt_id.is_not(None),
        posts.c.status == PostStatus.PUBLISHED,  # the timeline would not show a deleted one
        ~posts.c.reply,
        posts.c.concluded_at < before,
    )
    receipt: str | None = tx.scalar(query.order_by(posts.c.concluded_at.desc(), posts.c.id.desc()).limit(1))
    return receipt


def conclude(tx: sa.Connection, claim: Claim, decision: Decision, state: ChannelState, now: datetime) -> bool:
    """Write down what came of a claim; False where the claim was void by then and the post stays as it is.

    The attempt keeps its outcome either way.
    """
    receipt = decision.receipt if claim.action is Action.PUBLISH else None
    status = PostStatus.DONE if decision.receipt and not receipt else decision.status
    whose = {"post": claim.post, "of_epoch": claim.epoch}
    done = tx.execute(
        _CONCLUDE,
        whose
        | {
            "new_status": status,
            "new_receipt_id": receipt.id if receipt else None,
            "new_receipt_url": receipt.url if receipt else None,
            "new_error": decision.error,
            "new_not_before": decision.not_before,
            "new_next_look_at": first_look(now) if decision.status == PostStatus.UNKNOWN else None,
            "new_concluded_at": None if decision.status == PostStatus.PENDING else now,
        },
    ).rowcount
    billed = decision.status in (PostStatus.PUBLISHED, PostStatus.UNKNOWN)
    seen = f"published as {receipt.id}" if receipt else decision.error
    ended = {"new_finished_at": now, "new_outcome": status, "new_cost": claim.cost if billed else 0}
    tx.execute(_END_ATTEMPT, whose | ended | {"new_error": None if done and receipt else seen})
    if not done:
        return False
    if status == PostStatus.DONE:
        apply(tx, claim.post, now)
    if decision.status == PostStatus.FAILED:
        give_back(tx, skip_rest(tx, claim.post, now), but=claim.post)
    if decision.no_replies:
        end_edition(tx, claim.post, claim.channel, now)
    if receipt and claim.message.picture:
        tx.execute(pictures.update().where(pictures.c.post_id == claim.post).values(content=None))
    if decision.refused or decision.channel_until or state.refusals or state.wait_until:
        change: dict[str, object] = {
            "wait_until": decision.channel_until,
            "refusals": state.refusals + 1 if decision.refused else 0,
        }
        if decision.pause:
            change |= {"paused_at": now, "pause_reason": decision.pause}
        tx.execute(channels.update().where(channels.c.name == claim.channel).values(**change))
    return True


def expire(tx: sa.Connection, lease: timedelta, now: datetime) -> list[int]:
    """A lease that ran out means that nobody knows: publishing -> unknown. Gives the posts' ids.

    So does one that ends later than any granted now could: the clock has stepped back since.
    """
    over = sa.or_(posts.c.deadline <= now, posts.c.deadline > now + lease)
    rows = tx.execute(
        posts.update()
        .where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING, over)
        .values(
            status=PostStatus.UNKNOWN,
            error="the lease ran out before an outcome was recorded",
            next_look_at=first_look(now),
            concluded_at=now,
        )
        .returning(posts.c.id)
    )
    return list(rows.scalars())


# ---- reconciling


def claim_look(tx: sa.Connection, channel: str, lease: timedelta, quiet: timedelta, now: datetime) -> Case | None:
    """The channel's unknown post, if it is due to be looked for; the next look is set at once, so that of several
    processes one looks."""
    channel_state(tx, channel, now)  # locks
    row = tx.execute(
        sa.select(posts)
        .where(posts.c.channel == channel, IN_FLIGHT, posts.c.status == PostStatus.UNKNOWN)
        .with_for_update()
    ).first()
    if row is None or (row.next_look_at and now < row.next_look_at <= now + lease + quiet):
        return None
    since = min(row.concluded_at, now)  # later than now: the clock has stepped back
    looked = {"next_look_at": now + timedelta(minutes=1), "concluded_at": since}
    tx.execute(posts.update().where(posts.c.id == row.id).values(**looked))
    attempt = tx.execute(sa.select(attempts).where(attempts.c.post_id == row.id, attempts.c.epoch == row.epoch)).one()
    before = sa.select(posts.c.receipt_id).where(
        posts.c.edition_id == row.edition_id,
        posts.c.position == row.position - 1,
        posts.c.action == Action.PUBLISH,
    )
    target = sa.select(posts.c.receipt_id).where(posts.c.id == row.target_id)
    return Case(
        post=row.id,
        channel=channel,
        epoch=row.epoch,
        message=Message(row.text, row.link, row.reply),
        started_at=attempt.started_at,
        deadline=min(attempt.deadline, since + lease),
        unknown_since=since,
        absences=_absences(tx, row.id, row.epoch),
        after=last_receipt(tx, channel, attempt.started_at),
        reply_to=tx.scalar(before) if row.reply else None,
        action=Action(row.action),
        target=tx.scalar(target) if row.target_id else None,
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


def settle(tx: sa.Connection, case: Case, verdict: Verdict, read: int, now: datetime, cost: int = 0) -> bool:
    """Write down a look, with what it cost, and what it settled; False where somebody else settled the post
    meanwhile."""
    tx.execute(
        looks.insert().values(
            post_id=case.post,
            epoch=case.epoch,
            at=now,
            complete=verdict.complete,
            read=read,
            note=verdict.note,
            cost=cost,
        )
    )
    values: dict[str, object] = {"status": verdict.status, "next_look_at": verdict.next_look}
    if verdict.seen is not None:
        values |= {"receipt_id": verdict.seen.id, "receipt_url": verdict.seen.url, "error": None, "concluded_at": now}
    elif verdict.status != PostStatus.UNKNOWN:
        values |= {"error": verdict.note, "concluded_at": None if verdict.status == PostStatus.PENDING else now}
    done = tx.execute(
        posts.update()
        .where(posts.c.id == case.post, posts.c.epoch == case.epoch, posts.c.status == PostStatus.UNKNOWN)
        .values(**values)
    ).rowcount
    if done and verdict.status == PostStatus.DONE:
        apply(tx, case.post, now)
    if done and verdict.status == PostStatus.PENDING:
        not_billed(tx, case.post, case.epoch)
    if done and verdict.seen is not None:
        tx.execute(pictures.update().where(pictures.c.post_id == case.post).values(content=None))
    return bool(done)


def not_billed(tx: sa.Connection, post: int, epoch: int) -> None:
    """The attempt turned out to have posted nothing."""
    tx.execute(attempts.update().where(attempts.c.post_id == post, attempts.c.epoch == epoch).values(cost=0))
