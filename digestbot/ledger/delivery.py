"""Functions that run inside a transaction: claim a post before it is sent, and record the outcome.

docs/lifecycle.md describes the protocol. The caller commits a claim before it opens a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.domain.model import OWN, Action, Approval, Claim, Message, Picture, PostStatus, ReceiptBasis
from digestbot.domain.reconciliation import first_check, next_recheck
from digestbot.domain.retry import LONGEST_RATE_LIMIT, Decision
from digestbot.ledger import monthly_costs
from digestbot.ledger.channel_states import ChannelRecord, channel_state
from digestbot.ledger.release import apply_decision, end_edition, return_summaries, skip_rest
from digestbot.ledger.schema import (
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
from digestbot.ledger.timeline_checks import DUPLICATE, as_stored, published, settle_late

CLOCK_STEP = timedelta(minutes=10)  # how far a clock may be set back before its leases count as expired


# Whether an edition must observe its digest's hours and limits: not if an operator asked for it, or sends it at once.
SCHEDULED = sa.and_(slots.c.scheduled, ~editions.c.at_once).label("scheduled")

# Statements that run for every post. They are built once, because building them costs more than running them.
_ANY_IN_FLIGHT = sa.select(posts.c.id).where(posts.c.channel == sa.bindparam("channel"), IN_FLIGHT).limit(1)
_before = posts.alias("before")  # the part to which a post replies
_target = posts.alias("target")  # the target of an update or a deletion
# Posts whose summary was withdrawn, or became anonymous, after they were created. They are not sent; deletions are.
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
# Subqueries, because a join would make SQLite sort all pending posts.
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
        # a post that has been tried often enough lets others go first
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
# a thread that has begun is completed
_SENDABLE_BUT = _SENDABLE.where(sa.or_(posts.c.action != Action.PUBLISH, posts.c.reply, ~_HELD_BACK))
_NEXT, _NEXT_BUT = _SENDABLE.with_for_update(of=posts), _SENDABLE_BUT.with_for_update(of=posts)
_FIRST_LOOK = sa.select(sa.func.min(posts.c.next_check_at), sa.func.count()).where(
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
                "check_first",
                "yields",
                "next_check_at",
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
    """Return whether a post of the channel is being sent, or has an unknown outcome."""
    return tx.execute(_ANY_IN_FLIGHT, {"channel": channel}).first() is not None


def claim(
    tx: sa.Connection,
    channel: str,
    lease: timedelta,
    now: datetime,
    state: ChannelRecord | None = None,
    budget: int | None = None,
    held_back: Sequence[str] = (),
    check_first: str = "",
) -> Claim | None:
    """Claim the channel's next post and begin an attempt; return the claim, or None if nothing may be sent.

    The post becomes `publishing`, with a new epoch. Deletions are sent first; posts are sent in the order they were
    created. A post that waits for a retry blocks the posts after it, until it has been tried often enough. Nothing is
    claimed while the channel is paused or has to wait, or while another post's outcome is unknown.

    ``state`` is the channel's state if this transaction has read it already and concluded the post that was in flight.
    A post that would exceed the month's ``budget`` waits for the next month. No scheduled post of a digest in
    ``held_back`` is begun. ``check_first`` says why this process must check the timeline before it sends.
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
        return None  # a retry further away than possible was set by a clock that has since been set back
    if budget is not None and not _is_paid_for(tx, channel, row, budget, now):
        return None
    epoch, deadline = row.epoch + 1, now + lease
    tx.execute(_TAKE, {"post": row.id, "epoch_": epoch, "deadline_": deadline})
    begun: dict[str, Any] = {"post_id": row.id, "epoch": epoch, "started_at": now, "deadline": deadline}
    key: Any = tx.execute(_ATTEMPT, begun | {"cost": row.cost}).inserted_primary_key
    reason = state.catch_up or check_first
    if row.reply and row.before_basis == ReceiptBasis.TEXT:
        reason = "the part before it was found on the timeline"
    if row.check_first:
        reason = "an earlier attempt may have created it"
    return Claim(
        post=row.id,
        channel=channel,
        epoch=epoch,
        deadline=deadline,
        message=Message(row.text, row.link, row.reply, _picture(row)),
        reply_to=row.reply_to if row.reply else None,
        check_first=reason if row.action == Action.PUBLISH else "",
        accepted=state.accepted and not row.check_first,
        first_sent_at=_first_sent_at(tx, row.id) if row.check_first else None,
        dismissed=frozenset(row.dismissed or ()),
        action=Action(row.action),
        target=row.target,
        cost=row.cost,
        attempt=(key[0], now),
    )


def _sendable(channel: str, now: datetime) -> dict[str, Any]:
    return {"channel": channel, "now_": now, "horizon": now + LONGEST_RATE_LIMIT}


def next_due(tx: sa.Connection, channel: str, state: ChannelRecord, now: datetime) -> datetime | None:
    """Return when the channel's next post may be sent or looked for: a past instant if one is due already, None if none
    is known.

    Whether a post's digest is held back is not taken into account.
    """
    looks_at, uncertain = tx.execute(_FIRST_LOOK, {"channel": channel}).one()
    moments = [looks_at or now - LONGEST_RATE_LIMIT] if uncertain else []
    if state.pause_reason is None and not any_in_flight(tx, channel):
        row = tx.execute(_SENDABLE, _sendable(channel, now)).first()
        if row is not None:
            moments.append(max(at for at in (row.made_at, row.not_before, state.wait_until) if at is not None))
    return min(moments, default=None)


def _first_sent_at(tx: sa.Connection, post: int) -> datetime | None:
    """Return when the post's first attempt began: nothing older on the timeline can be this post."""
    first: datetime | None = tx.scalar(sa.select(sa.func.min(attempts.c.started_at)).where(attempts.c.post_id == post))
    return first


def _picture(row: Any) -> Picture | None:
    if row.picture_content is None:
        return None
    return Picture(row.picture_content, row.picture_media_type, row.picture_alt_text, row.picture_required)


def _is_paid_for(tx: sa.Connection, channel: str, row: Any, budget: int, now: datetime) -> bool:
    """Return whether the month's budget has room for the post; raise an alert if little or none of it is left."""
    account = monthly_costs.account(tx, channel, budget, now)
    if row.action == Action.PUBLISH and not account.lets_through(row.cost):
        monthly_costs.alert_exhausted(tx, channel, account, row.cost, now)
        return False
    if row.cost and account.nears_its_end(row.cost):
        monthly_costs.warn_budget(tx, channel, account, row.cost, now)
    return True


def conclude(tx: sa.Connection, claim: Claim, decision: Decision, state: ChannelRecord, now: datetime) -> bool:
    """Record the outcome of a claim; return False if the claim was void by then.

    The attempt records its outcome in any case. A receipt counts even if it comes late: it settles the post.
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
            "new_check_first": decision.check_first or (status == PostStatus.PENDING and bool(claim.first_sent_at)),
            "new_yields": decision.yields,
            "new_next_check_at": _next_check_at(decision.status, now),
            "new_quarantined_at": now if decision.status == PostStatus.QUARANTINED else None,
            "new_concluded_at": None if decision.status == PostStatus.PENDING else now,
        },
    ).rowcount
    created = decision.basis is not ReceiptBasis.TEXT and not decision.duplicate  # as far as known
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
        apply_decision(tx, claim.post, now)
    if decision.status == PostStatus.FAILED:
        return_summaries(tx, skip_rest(tx, claim.post, now), but=claim.post)
    if decision.no_replies:
        end_edition(tx, claim.post, claim.channel, now)
    if receipt:
        published(tx, claim.channel, claim.post, receipt.id, pictured=claim.message.picture is not None)
    _conclude_channel(tx, claim, decision, state, now)
    return True


def _conclude_channel(tx: sa.Connection, claim: Claim, decision: Decision, state: ChannelRecord, now: datetime) -> None:
    """Record what an outcome means for the channel."""
    again = decision.status == PostStatus.PENDING  # says nothing about earlier rejections
    rejected = list(state.rejected) if again or claim.action is not Action.PUBLISH else []
    if decision.rejected and claim.action is Action.PUBLISH:
        rejected = list(state.history.rejected_with(claim.post))
    change: dict[str, object] = {
        "wait_until": decision.channel_until,
        "rejections": state.rejections + 1 if decision.refused else state.rejections if again else 0,
        "rejected_posts": rejected or None,
    }
    before = {
        "wait_until": state.wait_until,
        "rejections": state.rejections,
        "rejected_posts": list(state.rejected) or None,
    }
    if decision.pause:
        change |= {"paused_at": now, "pause_reason": decision.pause, "paused_until": decision.paused_until}
        change |= {"rejected_posts": None, "rejections": 0}
        change |= {"unread_timeline": "paused" if decision.unread_timeline else None}
    elif decision.receipt and state.accepted:
        change |= {"unread_timeline": None}  # a post is now known to be on the timeline
    if change != before:
        tx.execute(channels.update().where(channels.c.name == claim.channel).values(**change))


def _next_check_at(status: PostStatus, now: datetime) -> datetime | None:
    if status == PostStatus.UNKNOWN:
        return first_check(now)
    return next_recheck(now, now) if status == PostStatus.QUARANTINED else None


def expire(tx: sa.Connection, lease: timedelta, now: datetime) -> list[tuple[int, str]]:
    """Mark the posts whose lease has run out as unknown; return their ids and channels.

    ``now`` is the time of the ledger's clock, which granted the leases. A lease that ends much later than one granted
    now would was granted before that clock was set back, and has run out, too.
    """
    over = sa.or_(posts.c.deadline <= now, posts.c.deadline > now + lease + CLOCK_STEP)
    rows = tx.execute(
        posts.update()
        .where(IN_FLIGHT, posts.c.status == PostStatus.PUBLISHING, over)
        .values(
            status=PostStatus.UNKNOWN,
            error="the lease ran out before an outcome was recorded",
            next_check_at=first_check(now),
            concluded_at=now,
        )
        .returning(posts.c.id, posts.c.channel)
    )
    return [(row.id, row.channel) for row in rows]
