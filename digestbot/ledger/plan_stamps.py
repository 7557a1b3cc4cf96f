"""Inside a transaction: what each channel's plan depends on, so that it is computed again only when that changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.ledger import editions, rescheduling
from digestbot.ledger.heartbeats import ACTION
from digestbot.schema import IN_FLIGHT, PENDING, UNAPPROVED, beats, channels, cursors, posts
from digestbot.schema import editions as editions_

_PENDING, _IN_FLIGHT = (
    sa.select(posts.c.channel, sa.func.count(), sa.func.max(posts.c.id), sa.func.max(posts.c.not_before))
    .where(condition)
    .group_by(posts.c.channel)
    for condition in (PENDING, IN_FLIGHT)
)
_UNAPPROVED = (
    sa.select(editions_.c.channel, sa.func.count(), sa.func.max(editions_.c.id))
    .where(UNAPPROVED)
    .group_by(editions_.c.channel)
)
_STATES = sa.select(channels.c.name, channels.c.paused_at, channels.c.wait_until, channels.c.replies_refused_at)
_READ = sa.select(cursors.c.channel, cursors.c.digest, cursors.c.source, cursors.c.summary_id, cursors.c.gate)
_ACTION = sa.select(beats.c.at).where(beats.c.name == ACTION)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of a channel: ``backlogs`` is another value whenever something was posted, made, approved, or put on a backlog;
    ``timing`` whenever a slot was moved, or the channel paused or resumed. Votes change neither."""

    backlogs: object
    timing: object


def stamps(tx: sa.Connection, names: Iterable[str], now: datetime) -> tuple[datetime | None, dict[str, Stamp]]:
    """Return when an operator last changed something, and each of these channels' stamp. It costs the same however much
    was posted before."""
    found: dict[str, list[Any]] = defaultdict(list)
    timing: dict[str, list[Any]] = defaultdict(list)
    for row in tx.execute(_STATES):
        timing[row.name].append(tuple(row))
    for number, query in enumerate((_PENDING, _IN_FLIGHT, _UNAPPROVED, _READ)):
        for channel, *values in tx.execute(query):
            found[channel].append((number, *values))  # a row of one query is none of another
    for (digest, channel), changes in rescheduling.changes(tx).items():
        timing[channel].append((digest, changes))
    for (digest, channel), past in editions.pasts(tx, now).items():
        found[channel].append((digest, past))
    return tx.scalar(_ACTION), {
        name: Stamp(sorted(map(repr, found[name])), sorted(map(repr, timing[name]))) for name in names
    }
