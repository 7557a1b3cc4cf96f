"""Operator changes to upcoming slots and posts: move, skip or send a slot, move a post, write a post's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.domain.budget import FREE, estimate
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import PostRow, Route, Shape, Slot, SlotChange
from digestbot.domain.schedule import A_SECOND, MOVED, instant
from digestbot.domain.time_format import is_in_usable_year
from digestbot.ledger import approvals, backlog_overrides, editions, queries, slot_overrides
from digestbot.pipeline.app import Service
from digestbot.pipeline.report import Report

MAX_AHEAD = timedelta(days=366)
AROUND = timedelta(days=2)  # around a slot's nominal time, whatever its zone: where it is looked for


class SlotOverrides:
    """Changes upcoming slots and posts. Every change takes effect at the next tick, in whichever process runs it."""

    def __init__(self, service: Service) -> None:
        self._config, self._ledger, self._clock = service.config, service.ledger, service.clock
        self._planner, self._book = service.planner, service.rule_book

    # ---- slots

    def move(self, route: Route, nominal: str, to: datetime) -> None:
        """Move the slot to another time. Raises LedgerError if there is no such slot, or the new time is not
        allowed."""
        slot = self._slot(route, nominal)
        self._may_come(route, to)
        with self._ledger.begin() as tx:
            slot_overrides.change(tx, *route, SlotChange(slot.nominal, slot.due, to))

    def skip(self, route: Route, nominal: str) -> None:
        """Skip the slot; its summaries stay pending for the next one. Raises LedgerError if there is no such slot."""
        slot = self._slot(route, nominal)
        with self._ledger.begin() as tx:
            slot_overrides.change(tx, *route, SlotChange(slot.nominal, slot.due))

    def restore(self, route: Route, nominal: str) -> None:
        """Undo what an operator changed of the slot. Raises LedgerError if nothing is changed of it."""
        with self._ledger.begin() as tx:
            if not slot_overrides.restore(tx, *route, nominal.partition(MOVED)[2] or nominal):
                raise LedgerError(f"slot {nominal} has no manual changes to undo")

    def send_now(self, route: Route, nominal: str, summaries: Sequence[int]) -> list[int]:
        """Create what the slot would publish now, whatever the hour, with ``summaries`` first, and skip the slot;
        return the ids of the posts. Raises LedgerError if nothing could be created."""
        slot, now = self._slot(route, nominal), self._clock()
        with self._ledger.begin() as tx:
            backlog_overrides.pin(tx, route, summaries, now)
        report = Report()
        if not self._planner.send(route, report):
            raise LedgerError("; ".join([*report.troubles, *report.render_errors]) or "nothing pending could be sent")
        with self._ledger.begin() as tx:
            slot_overrides.change(tx, *route, SlotChange(slot.nominal, slot.due))
        return report.made

    def move_post(self, post: int, to: datetime) -> Route:
        """Withdraw a pending post with its edition, to be created again at another time; return its digest and channel.
        Raises LedgerError if sending has begun, or the new time is not allowed."""
        now = self._clock()
        with self._ledger.read() as tx:
            row = queries.post_row(tx, post)
        route = Route(row.digest, row.channel)
        self._may_come(route, to)
        with self._ledger.begin() as tx:
            taken = approvals.withdraw_edition(tx, post, now)
            backlog_overrides.pin(tx, route, taken.summaries, now)
            slot_overrides.change(tx, *route, SlotChange(taken.slot.nominal, taken.slot.due, to))
        return route

    def _slot(self, route: Route, nominal: str) -> Slot:
        """Return the upcoming slot as the schedule has it. Raises LedgerError if there is none."""
        self._known(route)
        nominal = nominal.partition(MOVED)[2] or nominal
        with self._ledger.read() as tx:
            changed = [one for one in slot_overrides.changes(tx).get(route, ()) if one.nominal == nominal]
            digest_history = editions.digest_histories(tx, self._clock()).get(route)
        if changed:
            return Slot(nominal, changed[0].due)
        zone = self._config.zone(*route)
        try:
            about = datetime.fromisoformat(nominal).replace(tzinfo=zone)
        except ValueError:
            raise LedgerError(f"{nominal!r} is not the time of a slot") from None
        _check_year(about, nominal)
        for slot in self._book.calendar(route).slots(about - AROUND):
            if slot.nominal == nominal and (digest_history is None or slot.due > digest_history.since):
                return slot
            if slot.due > about + AROUND:
                break
        raise LedgerError(f"{route} has no upcoming slot at {nominal}")

    def _may_come(self, route: Route, at: datetime) -> None:
        self._known(route)
        now, calendar = self._clock(), self._book.calendar(route)
        if at <= now:
            raise LedgerError("that time is in the past: choose a later one")
        if at > now + MAX_AHEAD:
            raise LedgerError("that is more than a year ahead")
        closed = calendar.closed(at)
        if closed:
            raise LedgerError(f"nothing is posted then: {closed}")
        following = next(iter(calendar.slots(at - A_SECOND)), None)
        if following is not None and following.due == at:
            raise LedgerError("the digest already has a slot at that time")

    def _known(self, route: Route) -> None:
        if route not in self._config.routes():
            raise LedgerError(f"digest {route.digest} is not configured for {route.channel}")

    # ---- texts

    def write(self, route: Route, summary: int, text: str) -> None:
        """Set the text of the summary's post. Raises ConfigError if the text is empty or too long for the platform,
        LedgerError if the digest's shape is not ``single``."""
        self._known(route)
        if self._config.appearance(*route).shape is not Shape.SINGLE:
            raise LedgerError(
                "threads and roundups can be edited only after they are created, and only if approval is on"
            )
        words = self._fitting(route.channel, text)
        with self._ledger.begin() as tx:
            backlog_overrides.set_custom_text(tx, route, summary, words)

    def rewrite(self, post: int, text: str) -> PostRow:
        """Change the text of a post that needs approval; return the post. Raises ConfigError if the text is empty or
        too long for the platform, LedgerError if the post needs no approval or its channel is no longer configured."""
        with self._ledger.begin() as tx:
            row = queries.post_row(tx, post)
            if row.channel not in self._config.channels:
                raise LedgerError(f"post {post}: its channel {row.channel} is no longer configured")
            text = self._fitting(row.channel, text)
            cost = estimate(replace(row.message(), text=text), self._config.prices(row.channel) or FREE)
            approvals.edit_text(tx, post, text, cost, self._clock())
            return queries.post_row(tx, post)

    def _fitting(self, channel: str, text: str) -> str:
        limit = self._config.platform(channel).limit
        text = text.replace("\r\n", "\n").strip()
        length = limit.measure(text)
        if not text or length > limit.most:
            raise ConfigError([f"the text has {length} characters; it must have 1 to {limit.most}"])
        return text


def parse_local_time(text: str, route: Route, config: Config, now: datetime) -> datetime:
    """Return a local time of the digest, as forms give it, as an instant; one with an offset is kept. Raises
    LedgerError."""
    try:
        result = datetime.fromisoformat(text)
    except ValueError:
        raise LedgerError(f"{text!r} is not a time; use one such as 2026-12-24T18:00") from None
    _check_year(result, text)
    return result if result.tzinfo else instant(result, config.zone(*route), now)


def _check_year(at: datetime, text: str) -> None:
    """Raise LedgerError for a time too far from now to be meant."""
    if not is_in_usable_year(at):
        raise LedgerError(f"the year of {text!r} is out of range")
