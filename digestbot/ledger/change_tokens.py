"""Functions that run inside a transaction: a token of what each channel's plan depends on, so that a plan is recomputed
only when its token changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digestbot.ledger import editions, schema, slot_overrides
from digestbot.ledger.heartbeats import ACTION
from digestbot.ledger.schema import IN_FLIGHT, PENDING, UNAPPROVED, channels, cursors, heartbeats, posts

_PENDING, _IN_FLIGHT = (
    sa.select(posts.c.channel, sa.func.count(), sa.func.max(posts.c.id), sa.func.max(posts.c.not_before))
    .where(condition)
    .group_by(posts.c.channel)
    for condition in (PENDING, IN_FLIGHT)
)
_UNAPPROVED = (
    sa.select(schema.editions.c.channel, sa.func.count(), sa.func.max(schema.editions.c.id))
    .where(UNAPPROVED)
    .group_by(schema.editions.c.channel)
)
_STATES = sa.select(channels.c.name, channels.c.paused_at, channels.c.wait_until, channels.c.replies_rejected_at)
_READ = sa.select(cursors.c.channel, cursors.c.digest, cursors.c.source, cursors.c.summary_id, cursors.c.filters_hash)
_ACTION = sa.select(heartbeats.c.at).where(heartbeats.c.name == ACTION)


@dataclass(frozen=True, slots=True)
class ChangeToken:
    """A token of a channel's state.

    ``backlogs`` changes whenever a post is made or sent, an edition is approved, a backlog is extended, or filters
    change. ``timing`` changes whenever a slot is moved or skipped, or the channel is paused, resumed, made to wait, or
    found to reject replies. Votes change neither.
    """

    backlogs: object
    timing: object


def change_tokens(
    tx: sa.Connection, names: Iterable[str], now: datetime
) -> tuple[datetime | None, dict[str, ChangeToken]]:
    """Return when an operator last changed something, and the token of each of these channels.

    The cost does not depend on how much was posted before.
    """
    results: dict[str, list[Any]] = defaultdict(list)
    timing: dict[str, list[Any]] = defaultdict(list)
    for row in tx.execute(_STATES):
        timing[row.name].append(tuple(row))
    for number, query in enumerate((_PENDING, _IN_FLIGHT, _UNAPPROVED, _READ)):
        for channel, *values in tx.execute(query):
            results[channel].append((number, *values))  # rows of different queries must differ
    for (digest, channel), changes in slot_overrides.changes(tx).items():
        timing[channel].append((digest, changes))
    for (digest, channel), digest_history in editions.digest_histories(tx, now).items():
        results[channel].append((digest, digest_history))
    return tx.scalar(_ACTION), {
        name: ChangeToken(sorted(map(repr, results[name])), sorted(map(repr, timing[name]))) for name in names
    }
