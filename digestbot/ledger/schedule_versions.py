"""Functions that run inside a transaction: the current and former schedule rules of each digest on each channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain.model import Route
from digestbot.domain.schedule.versions import NONE, Rules, ScheduleVersion
from digestbot.ledger.editions import CLOCK_STEP, digest_histories
from digestbot.ledger.schema import schedule_versions

MOST_KEPT = 20  # versions of a route; there are more only if the rules change often while a slot is overdue


def versions(tx: sa.Connection) -> dict[Route, list[ScheduleVersion]]:
    """Return the stored versions of each digest on each channel, oldest first."""
    known: dict[Route, list[ScheduleVersion]] = defaultdict(list)
    for row in tx.execute(sa.select(schedule_versions).order_by(schedule_versions.c.since)):
        known[Route(row.digest, row.channel)].append(ScheduleVersion(row.since, row.rules))
    return dict(known)


def changed_rules(
    known: Mapping[Route, list[ScheduleVersion]], rules: Mapping[Route, Rules]
) -> dict[Route, list[ScheduleVersion]]:
    """Return the stored routes (digest, channel) whose current rules differ from ``rules``, with their versions."""
    return {route: some for route, some in known.items() if some[-1].rules != rules.get(route, NONE)}


def activate(tx: sa.Connection, rules: Mapping[Route, Rules], now: datetime) -> dict[Route, list[ScheduleVersion]]:
    """Record the rules that apply from now on, where they have changed; return the changed routes (digest, channel)
    with their former versions.

    A route that is missing from ``rules`` is no longer configured: it has no slots until it is configured again.
    """
    deactivate_future(tx, now)
    known = versions(tx)
    changed = changed_rules(known, rules)
    for route, some in changed.items():
        if some[-1].rules == NONE:  # it is configured again, and starts there
            tx.execute(schedule_versions.delete().where(_of(route), schedule_versions.c.since < some[-1].since))
    new = [route for route in rules if route not in known]
    for route in [*changed, *new]:
        # if the clock was set back, the new rules must still come after the old ones
        since = max([now, *(one.since for one in known.get(route, ()))])
        which = _of(route) & (schedule_versions.c.since == since)
        tx.execute(schedule_versions.delete().where(which))
        values = {"digest": route.digest, "channel": route.channel, "since": since, "rules": rules.get(route, NONE)}
        tx.execute(schedule_versions.insert().values(**values))
    if changed:
        _forget_old(tx, changed, now)
    return changed


def deactivate_future(tx: sa.Connection, now: datetime) -> None:
    """Let rules apply from now on that a clock which was far ahead has recorded for later."""
    ahead = sa.select(schedule_versions).where(schedule_versions.c.since > now + CLOCK_STEP)
    for row in tx.execute(ahead.order_by(schedule_versions.c.since)).all():
        route = Route(row.digest, row.channel)
        tx.execute(schedule_versions.delete().where(_of(route), schedule_versions.c.since.in_([row.since, now])))
        values = {"digest": row.digest, "channel": row.channel, "since": now, "rules": row.rules}
        tx.execute(schedule_versions.insert().values(**values))


def _forget_old(tx: sa.Connection, changed: Mapping[Route, list[ScheduleVersion]], now: datetime) -> None:
    """Delete versions that applied only before the last slot that was reached, because they are no longer needed."""
    reached = digest_histories(tx, now)
    for route, some in changed.items():
        digest_history = reached.get(route)
        needed = [one.since for one in some if digest_history is not None and one.since <= digest_history.since][-1:]
        oldest = max([*needed, *(one.since for one in some[-MOST_KEPT:][:1])])
        tx.execute(schedule_versions.delete().where(_of(route), schedule_versions.c.since < oldest))


def _of(route: Route) -> sa.ColumnElement[bool]:
    return sa.and_(schedule_versions.c.digest == route.digest, schedule_versions.c.channel == route.channel)
