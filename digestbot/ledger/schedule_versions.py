"""Inside a transaction: what the rules of each digest on each channel are, and what they were before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from digestbot.ledger.editions import CLOCK_STEP, pasts
from digestbot.planning.versions import NONE, Rules, Version
from digestbot.schema import schedule_versions

MOST_KEPT = 20  # versions of one digest on one channel: more are only where slots wait while much is changed

Pair = tuple[str, str]


def versions(tx: sa.Connection) -> dict[Pair, list[Version]]:
    """Return the known versions of each digest on each channel, the oldest first."""
    known: dict[Pair, list[Version]] = defaultdict(list)
    for row in tx.execute(sa.select(schedule_versions).order_by(schedule_versions.c.since)):
        known[row.digest, row.channel].append(Version(row.since, row.rules))
    return dict(known)


def differing(known: Mapping[Pair, list[Version]], rules: Mapping[Pair, Rules]) -> dict[Pair, list[Version]]:
    """Return the known pairs whose rules are others than these, with their versions."""
    return {pair: some for pair, some in known.items() if some[-1].rules != rules.get(pair, NONE)}


def take_up(tx: sa.Connection, rules: Mapping[Pair, Rules], now: datetime) -> dict[Pair, list[Version]]:
    """Record the rules that apply from now on, where they are others than before; return those pairs, with their
    versions of before. A pair that is not among them is no longer configured: it has no slots until it comes back."""
    bring_back(tx, now)
    known = versions(tx)
    changed = differing(known, rules)
    for pair, some in changed.items():
        if some[-1].rules == NONE:  # it comes back, and begins there
            tx.execute(schedule_versions.delete().where(_of(pair), schedule_versions.c.since < some[-1].since))
    new = [pair for pair in rules if pair not in known]
    for pair in [*changed, *new]:
        # a clock that was set back must not put the new rules before the old ones
        since = max([now, *(one.since for one in known.get(pair, ()))])
        which = _of(pair) & (schedule_versions.c.since == since)
        tx.execute(schedule_versions.delete().where(which))
        values = {"digest": pair[0], "channel": pair[1], "since": since, "rules": rules.get(pair, NONE)}
        tx.execute(schedule_versions.insert().values(**values))
    if changed:
        _forget_old(tx, changed, now)
    return changed


def bring_back(tx: sa.Connection, now: datetime) -> None:
    """Let rules apply from now on that a clock which was far ahead has recorded for later."""
    ahead = sa.select(schedule_versions).where(schedule_versions.c.since > now + CLOCK_STEP)
    for row in tx.execute(ahead.order_by(schedule_versions.c.since)).all():
        pair = row.digest, row.channel
        tx.execute(schedule_versions.delete().where(_of(pair), schedule_versions.c.since.in_([row.since, now])))
        values = {"digest": row.digest, "channel": row.channel, "since": now, "rules": row.rules}
        tx.execute(schedule_versions.insert().values(**values))


def _forget_old(tx: sa.Connection, changed: Mapping[Pair, list[Version]], now: datetime) -> None:
    """Forget what held only before the last slot that was reached: nothing asks for it any more."""
    reached = pasts(tx, now)
    for pair, some in changed.items():
        past = reached.get(pair)
        needed = [one.since for one in some if past is not None and one.since <= past.since][-1:]
        oldest = max([*needed, *(one.since for one in some[-MOST_KEPT:][:1])])
        tx.execute(schedule_versions.delete().where(_of(pair), schedule_versions.c.since < oldest))


def _of(pair: Pair) -> sa.ColumnElement[bool]:
    return sa.and_(schedule_versions.c.digest == pair[0], schedule_versions.c.channel == pair[1])
