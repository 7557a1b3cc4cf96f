"""Functions that run inside a transaction: what is known about a channel beyond its configuration, and what keeps it
from posting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.domain.errors import LedgerChanged
from digestbot.domain.retry import ChannelFailures, Decision
from digestbot.ledger import alerts, schema
from digestbot.ledger.schema import OPEN_ALERT, channels

EVERYTHING = "everything"  # the subject of the alert that stops everything

_IS_STOP = sa.and_(schema.alerts.c.kind == alerts.STOPPED, OPEN_ALERT)
_STOP_REASON = sa.select(schema.alerts.c.note).where(_IS_STOP).scalar_subquery()
_CHANNEL = sa.select(channels, _STOP_REASON.label("stop_reason")).where(channels.c.name == sa.bindparam("channel"))
_LOCKED_CHANNEL = _CHANNEL.with_for_update(of=channels)


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """What keeps a channel from posting.

    ``rejections`` counts the channel's rejections in a row; ``rejected`` are the posts that were rejected in a row.
    ``catch_up`` says why the timeline must be read before anything is posted; "" if it need not be. ``waited``: the
    wait that precedes this reading has begun or is over. ``accepted``: an operator has resumed the channel although its
    timeline could not be read.
    """

    pause_reason: str | None
    wait_until: datetime | None
    rejections: int
    rejected: tuple[int, ...] = ()
    catch_up: str = ""
    waited: bool = False
    accepted: bool = False

    @property
    def history(self) -> ChannelFailures:
        """The recent failures, which decide how the channel reacts to the next one."""
        return ChannelFailures(self.rejections, self.rejected)


def takes_replies(tx: sa.Connection, channel: str) -> bool:
    """Return whether the channel accepts replies under its own posts: False once its platform has rejected one."""
    refused = tx.scalar(sa.select(channels.c.replies_rejected_at).where(channels.c.name == channel))
    return refused is None


def channel_state(tx: sa.Connection, channel: str, now: datetime) -> ChannelRecord:
    """Return the channel's state, and lock its row until the transaction ends, so that only one process claims at a
    time.

    Raise LedgerChanged if the ledger no longer has a channel of this name.
    """
    row = tx.execute(_LOCKED_CHANNEL, {"channel": channel}).first()
    if row is None:
        raise LedgerChanged(
            f"channel {channel} is not in the ledger any more: another process has loaded a configuration in which "
            "it has another name. This process has stopped sending; restart digestbot"
        )
    return _state(row, now)


def channel_state_now(tx: sa.Connection, channel: str, now: datetime) -> ChannelRecord:
    """Return the channel's state without locking its row. A channel that the ledger does not know has nothing that
    keeps it from posting."""
    row = tx.execute(_CHANNEL, {"channel": channel}).first()
    return _state(row, now) if row is not None else ChannelRecord(None, None, 0)


def _state(row: Any, now: datetime) -> ChannelRecord:
    paused = row.paused_at is not None and not (row.paused_until is not None and row.paused_until <= now)
    return ChannelRecord(
        row.stop_reason or (row.pause_reason if paused else None),
        row.wait_until,
        row.rejections,
        tuple(row.rejected_posts or ()),
        row.catch_up or "",
        row.unread_timeline is not None,
        row.unread_timeline == "accepted",
    )


def pause_at_fault(tx: sa.Connection, channel: str, decision: Decision, now: datetime) -> None:
    """Pause a channel that caused an error, or whose application did, unless it is already paused."""
    values = {"paused_at": now, "pause_reason": decision.pause, "paused_until": decision.paused_until}
    over = sa.and_(channels.c.paused_until.is_not(None), channels.c.paused_until <= now)
    which = (channels.c.name == channel, sa.or_(channels.c.paused_at.is_(None), over))
    tx.execute(channels.update().where(*which).values(**values))


def catch_up(tx: sa.Connection, channel: str, reason: str) -> None:
    """Require that the channel's timeline is read before anything is posted on it, for this reason."""
    tx.execute(channels.update().where(channels.c.name == channel).values(catch_up=reason))


def wait_for_timeline(tx: sa.Connection, channel: str, until: datetime) -> None:
    """Make the channel wait until its timeline is sure to show the last posts; then it is read to catch up."""
    tx.execute(channels.update().where(channels.c.name == channel).values(wait_until=until, unread_timeline="waited"))


def end_pauses(tx: sa.Connection, now: datetime) -> list[str]:
    """Resume the channels whose pause has ended by now; return their names."""
    over = sa.and_(channels.c.paused_at.is_not(None), channels.c.paused_until <= now)
    names = list(tx.scalars(sa.select(channels.c.name).where(over)))
    for name in names:
        resume(tx, name)
    return names


def pause(tx: sa.Connection, channel: str, reason: str, now: datetime) -> None:
    """Pause the channel until it is resumed."""
    values = {"paused_at": now, "paused_until": None, "pause_reason": reason}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))


def stop_everything(tx: sa.Connection, reason: str, now: datetime) -> None:
    """Keep every channel from posting until `end_stop`, also those that are configured later."""
    alerts.raise_alert(tx, alerts.STOPPED, EVERYTHING, reason, now)


def end_stop(tx: sa.Connection, now: datetime) -> bool:
    """Let the channels post again, unless they are paused for reasons of their own. Return False if nothing was
    stopped."""
    stopped = stop_reason(tx) is not None
    alerts.close_alert(tx, alerts.STOPPED, EVERYTHING, now)
    return stopped


def stop_reason(tx: sa.Connection) -> str | None:
    """Return why everything is stopped; None if it is not."""
    result: str | None = tx.scalar(sa.select(_STOP_REASON))
    return result


def resume(tx: sa.Connection, channel: str) -> None:
    """Resume the channel: it may post again at once.

    If it was paused because its timeline could not be read, it continues without that reading.
    """
    row: Any = tx.execute(sa.select(channels).where(channels.c.name == channel).with_for_update()).first()
    values: dict[str, object] = dict.fromkeys(("paused_at", "paused_until", "pause_reason", "wait_until"))
    values |= {"rejected_posts": None, "rejections": 0}
    if row is not None and row.unread_timeline == "paused":
        values |= {"catch_up": None, "unread_timeline": "accepted"}
    tx.execute(channels.update().where(channels.c.name == channel).values(**values))
