"""Inside a transaction: claiming a post before it is sent, and concluding what came of it.

The protocol is docs/lifecycle.md's; the caller commits a claim before it opens a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.costs import Account
from digestbot.ledger import spending
from digestbot.ledger.channel_states import ChannelState, channel_state
from digestbot.ledger.parts import apply, end_edition, give_back, skip_rest
from digestbot.ledger.reconciliation import DUPLICATE, as_stored, published, settle_late
from digestbot.model import OWN, Action, Approval, Claim, Message, Picture, PostStatus, ReceiptBasis
from digestbot.planning import Appeared
from digestbot.reconcile import first_look, next_recheck
from digestbot.retry import LONGEST_RATE_LIMIT, Decision
from digestbot.schema import (
    ATTENTION,
    IN_FLIGHT,
    PENDING,
    UtcTime,
    attempts,
    changes,
    channels,
    editions,
    pictures,
    post_summaries,
    posts,
    slots,
    summaries,
)

CLOCK_STEP = timedelta(minutes=10)  # how far a clock may be set back before leases that it granted count as over


# Whether an edition keeps to its digest's hours and limits: not one that a person asked for, or lets go at once.
SCHEDULED = sa.and_(slots.c.scheduled, ~editions.c.at_once).label("scheduled")

# Statements of the path that every post takes, built once: building them costs more than running them.
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
_SENDABLE = (
    sa.select(
        posts,
        _before.c.receipt_id.label("reply_to"),
        _before.c.receipt_basis.label("before_basis"),
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
        # one that has been tried often enough lets the others go first
        sa.or_(
            ~posts.c.yields,
            posts.c.not_before.is_(None),
            posts.c.not_before <= sa.bindparam("now_", type_=UtcTime),
            posts.c.not_before > sa.bindparam("horizon", type_=UtcTime),
        ),
        ~_RECALLED,
        sa.or_(posts.c.action != Action.PUBLISH, _APPROVED),
        # digestbot edits and deletes only what it published itself
        sa.or_(posts.c.action == Action.PUBLISH, _target.c.receipt_basis.in_(OWN)),
    )
    .order_by(posts.c.action, posts.c.id)  # deletions first: the index has them in this order
    .limit(1)
)
# what has begun is brought to its end
_SENDABLE_BUT = _SENDABLE.where(sa.or_(posts.c.action != Action.PUBLISH, posts.c.reply, ~_HELD_BACK))
_NEXT, _NEXT_BUT = _SENDABLE.with_for_update(of=posts), _SENDABLE_BUT.with_for_update(of=posts)
_FIRST_LOOK = sa.select(sa.func.min(posts.c.next_look_at), sa.func.count()).where(
    posts.c.channel == sa.bindparam("channel"), ATTENTION
)
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
            for name in (
                "status",
                "receipt_id",
                "receipt_url",
                "receipt_basis",
                "posted_at",
                "candidates",
                "error",
                "not_before",
                "look_first",
                "yields",
                "next_look_at",
                "quarantined_at",
                "concluded_at",
            )
        }
    )
)
_ATTEMPT = attempts.insert()
_END_ATTEMPT = (
    attempts.update()
    .where(attempts.c.post_id == sa.bindparam("post"), attempts.c.epoch == sa.bindparam("of_epoch"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("finished_at", "outcome", "error", "cost", "receipt_id")})
)


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
    look_first: str = "",
) -> Claim | None:
    """Return the channel's next post, now `publishing` with a new epoch and an attempt; None where nothing may be sent.

    Posts go out in the order they were made: one that waits for a retry holds back the others, until it has been tried
    often enough. Nothing is claimed while the channel is paused or asked to wait, or while another post's outcome is
    open. ``state`` is the channel's where this transaction has read it already, and concluded the post that was in
    flight. A post that would take the month's ``budget`` over its end waits for the next month; of digests that are
    ``held_back``, no scheduled post is begun. ``look_first`` says why this process has to look before it sends.
    """
    if state is None:
        state = channel_state(tx, channel, now)
        if any_in_flight(tx, channel):
            return None
    if state.pause_reason is not None or (state.wait_until and now < state.wait_until <= now + LONGEST_RATE_LIMIT):
        return None
    query, values = (_NEXT_BUT, {"held_back": list(held_back)}) if held_back else (_NEXT, {})
    row = tx.execute(query, _sendable(channel, now) | values).first()
    if row is None or (row.not_before and now < row.not_before <= now + LONGEST_RATE_LIMIT):
        return None  # a retry further away than any was set by a clock that has since stepped back
    if budget is not None and not _is_paid_for(tx, channel, row, budget, now):
        return None
    epoch, deadline = row.epoch + 1, now + lease
    tx.execute(_TAKE, {"post": row.id, "epoch_": epoch, "deadline_": deadline})
    begun: dict[str, Any] = {"post_id": row.id, "epoch": epoch, "started_at": now, "deadline": deadline}
    key: Any = tx.execute(_ATTEMPT, begun | {"cost": row.cost}).inserted_primary_key
    reason = state.catch_up or look_first
    if row.reply and row.before_basis == ReceiptBasis.TEXT:
        reason = "the part before it was found on the timeline"
    if row.look_first:
        reason = "an earlier attempt may have created it"
    return Claim(
        post=row.id,
        channel=channel,
        epoch=epoch,
        deadline=deadline,
        message=Message(row.text, row.link, row.reply, _picture(row)),
        reply_to=row.reply_to if row.reply else None,
        look_first=reason if row.action == Action.PUBLISH else "",
        accepted=state.accepted and not row.look_first,
        first_sent_at=_first_sent_at(tx, row.id) if row.look_first else None,
        dismissed=frozenset(row.dismissed or ()),
        action=Action(row.action),
        target=row.target,
        cost=row.cost,
        attempt=(key[0], now),
    )


def _sendable(channel: str, now: datetime) -> dict[str, Any]:
    return {"channel": channel, "now_": now, "horizon": now + LONGEST_RATE_LIMIT}


def next_due(tx: sa.Connection, channel: str, state: ChannelState, now: datetime) -> datetime | None:
    """Return when a post of the channel's may be sent, or is looked for, next; a past instant where that is so already,
    None for nothing that is known of. What holds digests back is left out."""
    looks_at, uncertain = tx.execute(_FIRST_LOOK, {"channel": channel}).one()
    moments = [looks_at or now - LONGEST_RATE_LIMIT] if uncertain else []
    if state.pause_reason is None and not any_in_flight(tx, channel):
        row = tx.execute(_SENDABLE, _sendable(channel, now)).first()
        if row is not None:
            moments.append(max(at for at in (row.made_at, row.not_before, state.wait_until) if at is not None))
    return min(moments, default=None)


def _first_sent_at(tx: sa.Connection, post: int) -> datetime | None:
    """When the post's first attempt began: none before it can have created it."""
    first: datetime | None = tx.scalar(sa.select(sa.func.min(attempts.c.started_at)).where(attempts.c.post_id == post))
    return first


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
    sa.select(editions.c.digest, posts.c.concluded_at, posts.c.planned_at)
    .join(posts, posts.c.edition_id == editions.c.id)
    .where(
        posts.c.channel == sa.bindparam("channel"),
        posts.c.concluded_at >= sa.bindparam("since", type_=UtcTime),
        posts.c.status.in_([PostStatus.PUBLISHED, PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.DELETED]),
        *_BEGINS,
    )
)
_QUEUED = (
    sa.select(editions.c.digest, SCHEDULED, posts.c.planned_at, editions.c.approval)
    .join(posts, posts.c.edition_id == editions.c.id)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(posts.c.channel == sa.bindparam("channel"), *_BEGINS)
)
_WAITING = _QUEUED.where(PENDING, ~_RECALLED)
_SENDING = _QUEUED.where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING)


def appeared(tx: sa.Connection, channel: str, now: datetime) -> list[Appeared]:
    """The posts that appeared on the channel in the last days; replies are left out."""
    rows = tx.execute(_APPEARED, {"channel": channel, "since": now - LONGEST_LIMIT})
    return [Appeared(row.concluded_at, row.planned_at or row.concluded_at, row.digest) for row in rows]


@dataclass(frozen=True, slots=True)
class Queued:
    """A post that waits to be sent, or is being sent. ``scheduled`` False: what a person asked for; ``approved`` False:
    a person has not decided yet."""

    digest: str
    scheduled: bool
    planned_at: datetime | None
    approved: bool


def queued(tx: sa.Connection, channel: str) -> list[Queued]:
    """The posts that wait to be sent, or are being sent. Replies are left out, and what needs another decision than
    approval."""
    rows = [row for query in (_SENDING, _WAITING) for row in tx.execute(query, {"channel": channel})]
    return [
        Queued(row.digest, row.scheduled, row.planned_at, row.approval in (None, Approval.APPROVED)) for row in rows
    ]


_PLANNED = (
    sa.select(editions.c.digest, posts.c.planned_at)
    .join(editions, editions.c.id == posts.c.edition_id)
    .join(slots, slots.c.id == editions.c.slot_id)
    .where(posts.c.id == sa.bindparam("post"), posts.c.epoch == 1, SCHEDULED, *_BEGINS)
)


def planned(tx: sa.Connection, post: int) -> tuple[str, datetime] | None:
    """Return the digest of a scheduled post that was just claimed for the first time, and when it was to appear at the
    earliest; None for any other."""
    row = tx.execute(_PLANNED, {"post": post}).first()
    return (row.digest, row.planned_at) if row is not None and row.planned_at is not None else None


def set_planned(tx: sa.Connection, post: int, at: datetime) -> None:
    """The post was to appear then."""
    tx.execute(posts.update().where(posts.c.id == post).values(planned_at=at))


def tries(tx: sa.Connection, post: int) -> int:
    """How many attempts at the post ended with it pending again."""
    query = sa.select(sa.func.count()).where(attempts.c.post_id == post, attempts.c.outcome == PostStatus.PENDING)
    return int(tx.scalar(query) or 0)


def conclude(tx: sa.Connection, claim: Claim, decision: Decision, state: ChannelState, now: datetime) -> bool:
    """Write down what came of a claim; False where the claim was void by then.

    The attempt keeps its outcome either way. A receipt counts even when it comes late: it settles the post.
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
            "new_receipt_basis": decision.basis if receipt else None,
            "new_posted_at": (decision.posted_at or now) if receipt else None,
            "new_candidates": as_stored(decision.candidates),
            "new_error": decision.error,
            "new_not_before": decision.not_before,
            "new_look_first": decision.look_first or (status == PostStatus.PENDING and bool(claim.first_sent_at)),
            "new_yields": decision.yields,
            "new_next_look_at": _next_look_at(decision.status, now),
            "new_quarantined_at": now if decision.status == PostStatus.QUARANTINED else None,
            "new_concluded_at": None if decision.status == PostStatus.PENDING else now,
        },
    ).rowcount
    created = decision.basis is not ReceiptBasis.TEXT and not decision.duplicate  # as far as is known
    billed = decision.status in (PostStatus.PUBLISHED, PostStatus.UNKNOWN) and created
    seen = f"published as {receipt.id}" if receipt else decision.error
    outcome = DUPLICATE if decision.duplicate else status
    ended = {"new_finished_at": now, "new_outcome": outcome, "new_cost": claim.cost if billed else 0}
    answered = decision.basis is ReceiptBasis.ANSWER
    ended |= {"new_receipt_id": receipt.id if receipt and answered else None}
    tx.execute(_END_ATTEMPT, whose | ended | {"new_error": None if done and receipt else seen})
    if not done:
        if receipt:
            settle_late(tx, claim, receipt, decision.basis, now)
        return False
    if status == PostStatus.DONE:
        apply(tx, claim.post, now)
    if decision.status == PostStatus.FAILED:
        give_back(tx, skip_rest(tx, claim.post, now), but=claim.post)
    if decision.no_replies:
        end_edition(tx, claim.post, claim.channel, now)
    if receipt:
        published(tx, claim.channel, claim.post, receipt.id, pictured=claim.message.picture is not None)
    _conclude_channel(tx, claim, decision, state, now)
    return True


def _conclude_channel(tx: sa.Connection, claim: Claim, decision: Decision, state: ChannelState, now: datetime) -> None:
    """What an outcome means for the channel."""
    again = decision.status == PostStatus.PENDING  # which says nothing about what came before
    rejected = list(state.rejected) if again or claim.action is not Action.PUBLISH else []
    if decision.rejected and claim.action is Action.PUBLISH:
        rejected = list(state.history.rejected_with(claim.post))
    change: dict[str, object] = {
        "wait_until": decision.channel_until,
        "refusals": state.refusals + 1 if decision.refused else state.refusals if again else 0,
        "rejected_posts": rejected or None,
    }
    before = {
        "wait_until": state.wait_until,
        "refusals": state.refusals,
        "rejected_posts": list(state.rejected) or None,
    }
    if decision.pause:
        change |= {"paused_at": now, "pause_reason": decision.pause, "paused_until": decision.paused_until}
        change |= {"rejected_posts": None, "refusals": 0}
        change |= {"unread_timeline": "paused" if decision.unread_timeline else None}
    elif decision.receipt and state.accepted:
        change |= {"unread_timeline": None}  # there is something known on the timeline now
    if change != before:
        tx.execute(channels.update().where(channels.c.name == claim.channel).values(**change))


def _next_look_at(status: PostStatus, now: datetime) -> datetime | None:
    if status == PostStatus.UNKNOWN:
        return first_look(now)
    return next_recheck(now, now) if status == PostStatus.QUARANTINED else None


def expire(tx: sa.Connection, lease: timedelta, now: datetime) -> list[tuple[int, str]]:
    """A lease that ran out means that nobody knows: publishing -> unknown. Return the posts' ids and channels.

    ``now`` is the ledger's clock, which granted the leases. One that ends much later than any granted now could was
    granted before that clock was put back, and is over too.
    """
    over = sa.or_(posts.c.deadline <= now, posts.c.deadline > now + lease + CLOCK_STEP)
    rows = tx.execute(
        posts.update()
        .where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING, over)
        .values(
            status=PostStatus.UNKNOWN,
            error="the lease ran out before an outcome was recorded",
            next_look_at=first_look(now),
            concluded_at=now,
        )
        .returning(posts.c.id, posts.c.channel)
    )
    return [(row.id, row.channel) for row in rows]
