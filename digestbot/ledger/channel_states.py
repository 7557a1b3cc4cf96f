"""Inside a transaction: what is known of a channel beyond its configuration, and what keeps it from posting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.errors import LedgerChanged
from digestbot.retry import ChannelHistory, Decision
from digestbot.schema import channels

_STATE = sa.select(channels).where(channels.c.name == sa.bindparam("channel")).with_for_update()


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What keeps a channel from posting. ``refusals`` counts its refusals in a row, ``rejected`` are the posts rejected
    in a row; ``catch_up`` says why its timeline has to be read before anything is posted; ``waited``: it has waited for
    that as long as a timeline may lag; ``accepted``: an operator has resumed the channel though it could not be
    read."""

    pause_reason: str | None
    wait_until: datetime | None
    refusals: int
    rejected: tuple[int, ...] = ()
    catch_up: str = ""
    waited: bool = False
    accepted: bool = False

    @property
    def history(self) -> ChannelHistory:
        """What a decision about the channel needs to know."""
        return ChannelHistory(self.refusals, self.rejected)


def takes_replies(tx: sa.Connection, channel: str) -> bool:
    """Whether the channel's platform has not refused replies under its own posts."""
    refused = tx.scalar(sa.select(channels.c.replies_refused_at).where(channels.c.name == channel))
    return refused is None


def channel_state(tx: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """The channel's state, its row locked until the transaction ends: one claim at a time."""
    row = tx.execute(_STATE, {"channel": channel}).first()
    if row is None:
        raise LedgerChanged(
            f"channel {channel} is not in the ledger any more: another process has taken up a configuration in which "
            "it has another name. Nothing more is sent from here; start digestbot again"
        )
    return _state(row, now)


def channel_state_now(tx: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """The same, for looking only; a channel that the ledger does not know yet has nothing in its way."""
    row = tx.execute(sa.select(channels).where(channels.c.name == channel)).first()
    return _state(row, now) if row is not None else ChannelState(None, None, 0)


def _state(row: Any, now: datetime) -> ChannelState:
    paused = row.paused_at is not None and not (row.paused_until is not None and row.paused_until <= now)
    return ChannelState(
        row.pause_reason if paused else None,
        row.wait_until,
        row.refusals,
        tuple(row.rejected_posts or ()),
        row.catch_up or "",
        row.unread_timeline is not None,
        row.unread_timeline == "accepted",
    )


def pause_at_fault(tx: sa.Connection, channel: str, decision: Decision, now: datetime) -> None:
    """Pause a channel that is at fault, or whose application is, where it is not paused already."""
    values = {"paused_at": now, "pause_reason": decision.pause, "paused_until": decision.paused_until}
    over = sa.and_(channels.c.paused_until.is_not(None), channels.c.paused_until <= now)
    which = (channels.c.name == channel, sa.or_(channels.c.paused_at.is_(None), over))
    tx.execute(channels.update().where(*which).values(**values))


def catch_up(tx: sa.Connection, channel: str, reason: str) -> None:
    """From now on, the channel's timeline is read before anything is posted, for this reason."""
    tx.execute(channels.update().where(channels.c.name == channel).values(catch_up=reason))


def wait_for_timeline(tx: sa.Connection, channel: str, until: datetime) -> None:
    """Before the channel's timeline is read to catch up, wait until it surely shows what was posted last."""
    tx.execute(channels.update().where(channels.c.name == channel).values(wait_until=until, unread_timeline="waited"))


def end_pauses(tx: sa.Connection, now: datetime) -> list[str]:
    """Channels that were paused until now resume; return their names."""
    over = sa.and_(channels.c.paused_at.is_not(None), channels.c.paused_until <= now)
    names = list(tx.scalars(sa.select(channels.c.name).where(over)))
    for name in names:
        resume(tx, name)
    return names


def pause(tx: sa.Connection, channel: str, reason: str, now: datetime) -> None:
    """Stop the channel until it is resumed."""
    values = {"paused_at": now, "paused_until": None, "pause_reason": reason}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))


def resume(tx: sa.Connection, channel: str) -> None:
    """Let the channel post again at once. A timeline that it was paused for, because it could not be read, is accepted
    as it is."""
    row: Any = tx.execute(sa.select(channels).where(channels.c.name == channel).with_for_update()).first()
    values: dict[str, object] = dict.fromkeys(("paused_at", "paused_until", "pause_reason", "wait_until"))
    values |= {"rejected_posts": None, "refusals": 0}
    if row is not None and row.unread_timeline == "paused":
        values |= {"catch_up": None, "unread_timeline": "accepted"}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))
