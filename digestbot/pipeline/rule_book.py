"""The rules of each digest on each channel: the configured rules, the earlier rules, and the operator's slot
changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from digestbot.config import Timing
from digestbot.config.rules import build_posting_rules, filters_for
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import CatchUp, Route, Shape, Slot
from digestbot.domain.schedule import (
    Calendar,
    PostingRules,
)
from digestbot.domain.schedule.versions import Rules, ScheduleVersion, made_up_for, rules_of, with_history
from digestbot.ledger import (
    alerts,
    editions,
    schedule_versions,
    slot_overrides,
)
from digestbot.pipeline.runtime import Runtime

DECIDE = "the changed schedule would catch up on missed slots: see digestbot alerts"


@dataclass(frozen=True)
class RouteRules:
    """The rules and settings of a digest on a channel."""

    posting_rules: PostingRules
    timing: Timing
    shape: Shape
    filters: DigestFilters
    sources: tuple[str, ...]
    dated: bool = False
    """True once the calendar includes the earlier rules."""


class RuleBook:
    """The rules of every digest on every channel. Each channel may have a thread of its own."""

    def __init__(self, runtime: Runtime) -> None:
        config = runtime.config
        self._config, self._ledger, self._clock = config, runtime.ledger, runtime.clock
        self._versions: dict[Route, list[ScheduleVersion]] | None = None
        self._newest_version = datetime.min.replace(tzinfo=UTC)
        self.rules = {
            Route(digest, channel): RouteRules(
                build_posting_rules(config, digest, channel),
                config.timing(digest, channel),
                config.appearance(digest, channel).shape,
                filters_for(config, digest, channel),
                config.digests[digest].sources,
            )
            for digest, channel in config.routes()
        }

    def routes(self, channel: str | None) -> list[Route]:
        """Return the digests on a channel; with None, those on all channels."""
        return [route for route in self.rules if channel in (None, route.channel)]

    def record_versions(self, tx: sa.Connection) -> None:
        """Record from when on the configured rules apply, where they differ from the earlier ones. Where the new rules
        would make up for more missed slots than the earlier ones, raise an alert that asks the operator first."""
        now = self._clock()
        changed = schedule_versions.activate(tx, self._configured_rules(), now)
        self._versions = None
        self.refresh(tx)
        asked = {route: (before, after) for route, before, after in self._made_up_for(tx, changed, now)}
        for subject in self.undecided(tx):
            route = next((route for route in self.rules if str(route) == subject), None)
            if route is None or (route in changed and route not in asked):
                alerts.close_alert(tx, alerts.MAKE_UP, subject, now)
        for route, (before, after) in asked.items():
            note = (
                f"with the changed schedule, {after} missed slots would be caught up, not {before}. Until you decide, "
                "all slots stay empty: confirm to catch up, dismiss to skip them"
            )
            alerts.raise_alert(tx, alerts.MAKE_UP, str(route), note, now)

    def _configured_rules(self) -> dict[Route, Rules]:
        return {route: rules_of(one.posting_rules.calendar, one.timing.catch_up) for route, one in self.rules.items()}

    def _made_up_for(
        self, tx: sa.Connection, changed: Mapping[Route, Sequence[ScheduleVersion]], now: datetime
    ) -> list[tuple[Route, int, int]]:
        """Return the digests on channels whose changed rules would make up for more missed slots than before, each with
        the number of slots before and now.

        A channel on which this is a single slot in total is left out.
        """
        digest_histories = editions.digest_histories(tx, now)
        more: dict[str, list[tuple[Route, int, int]]] = defaultdict(list)
        for route, versions in changed.items():
            if route in self.rules and route in digest_histories and versions[-1].rules["schedule"]:
                calendar, since = self.rules[route].posting_rules.calendar, digest_histories[route].since
                before = made_up_for(calendar, CatchUp(versions[-1].rules["catch_up"]), since, now)
                after = made_up_for(calendar, self.rules[route].timing.catch_up, since, now)
                if after > before:
                    more[route.channel].append((route, before, after))
        return [one for some in more.values() if sum(after for _, _, after in some) > 1 for one in some]

    def would_ask(self, tx: sa.Connection, now: datetime) -> set[str]:
        """Return the names of the digests on channels about which the operator would be asked if this configuration
        were put into use."""
        changed = schedule_versions.changed_rules(self._versions or {}, self._configured_rules())
        return {str(route) for route, _, _ in self._made_up_for(tx, changed, now)} if changed else set()

    def undecided(self, tx: sa.Connection) -> set[str]:
        """Return the names of the digests on channels for which the operator must decide whether missed slots are made
        up for."""
        return alerts.open_subjects(tx, alerts.MAKE_UP)

    def refresh(self, tx: sa.Connection, channel: str | None = None) -> None:
        """Read the operator's slot changes and the earlier rules from the ledger, and apply them to the calendars."""
        now = self._clock()
        if self._versions is None or self._newest_version > now + editions.CLOCK_STEP:
            self._versions = schedule_versions.versions(tx)
            newest = (one.since for some in self._versions.values() for one in some)
            self._newest_version = min(max(newest, default=now), now)
            self.rules = {route: replace(one, dated=False) for route, one in self.rules.items()}
        changes = slot_overrides.changes(tx, channel)
        for route in self.routes(channel):
            rules, slot_changes = self.rules[route], changes.get(route, ())
            if rules.posting_rules.calendar.changes != slot_changes or not rules.dated:
                posting_rules = build_posting_rules(self._config, *route, slot_changes)
                versions = self._versions.get(route, ())
                calendar = with_history(posting_rules.calendar, rules.timing.catch_up, versions, now)
                self.rules[route] = replace(rules, posting_rules=replace(posting_rules, calendar=calendar), dated=True)

    def next_due(self, channel: str) -> timedelta | None:
        """Return how long until the channel's next slot is due, negative if it is overdue; None if no slot comes."""
        now = self._clock()
        with self._ledger.read() as tx:
            self.refresh(tx, channel)
            digest_histories = editions.digest_histories(tx, now, channel)
            undecided = self.undecided(tx)
        moments = []
        for route in self.routes(channel):
            if str(route) in undecided:
                continue
            posting_rules, digest_history = self.rules[route].posting_rules, digest_histories.get(route)
            slot = posting_rules.calendar.first_open(digest_history.since) if digest_history else None
            if slot is not None and slot.at <= now:
                blocker = posting_rules.closed(now)
                moments.append(blocker.until if blocker else slot.at)
            elif slot is not None:
                moments.append(slot.at)
        return min((moment - now for moment in moments if moment is not None), default=None)

    def calendar(self, route: Route) -> Calendar:
        """Return the calendar of a digest on a channel, with the operator's present slot changes."""
        with self._ledger.read() as tx:
            self.refresh(tx)
        return self.rules[route].posting_rules.calendar

    def calendar_of(self, route: Route) -> Calendar:
        """Return the calendar of a digest on a channel as it was last refreshed, without reading the ledger."""
        return self.rules[route].posting_rules.calendar

    def next_slot(self, route: Route) -> Slot | None:
        """Return the next slot of a digest on a channel that is outside every blackout; None if there is none."""
        return self.calendar_of(route).first_open(self._clock())

    def posting_rules(self, digest: str, channel: str) -> PostingRules:
        """Return the posting rules of a digest on a channel; if it is not configured there, the channel's own."""
        rules = self.rules.get(Route(digest, channel))
        return rules.posting_rules if rules else build_posting_rules(self._config, digest, channel)
