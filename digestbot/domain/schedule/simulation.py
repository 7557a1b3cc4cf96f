"""The plan: what `run` will do from now on, unless something new arrives.

Time advances from event to event. At each event, `decide_slot` and `PostingRules.obstacle` decide what happens, as they
do when `run` calls them at that time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from digestbot.domain.budget import Budget, month_start
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Shape, Slot, Summary
from digestbot.domain.schedule.constraints import ChannelHistory, PostingRules, PublishedPost, QueuedPost
from digestbot.domain.schedule.selection import (
    Candidate,
    CandidateQueue,
    DigestHistory,
    EditionRules,
    SlotDecision,
    decide_slot,
)

OVER_BUDGET = "over the month's budget"
MOST_READY = 10_000  # entries that are held back because the outcome of an earlier slot is not known yet
OVERTAKEN = "a later slot took its place"
AHEAD = "recorded already, by a clock that was ahead: digestbot alerts"


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One line of a plan: summaries that appear together, or a slot that stays empty.

    ``slot`` is its nominal time, and ``cost`` is in millionths of a dollar. ``note`` says why the slot is empty, or
    what else the operator should know. ``post`` is the id of a post that already exists.
    """

    at: datetime
    digest: str
    channel: str
    slot: str
    summaries: tuple[Summary, ...] = ()
    cost: int = 0
    note: str = ""
    post: int | None = None

    @property
    def made(self) -> bool:
        """Return whether its posts already exist and wait to be sent."""
        return self.post is not None


@dataclass(frozen=True, slots=True)
class PendingPost(QueuedPost):
    """A post that is to be sent, with the replies under it.

    It is not sent before ``not_before``, which is set after several failed tries.
    """

    slot: str = ""
    summaries: tuple[Summary, ...] = ()
    cost: int = 0
    post: int | None = None
    note: str = ""
    not_before: datetime | None = None

    def appears(self, traffic: ChannelHistory[PendingPost], now: datetime) -> PublishedPost:
        """Return the post as it is published now."""
        wanted = self.planned_at if self.scheduled else None
        planned = now if wanted is None else self.lane.planned_at(traffic, min(wanted, now), now)
        return PublishedPost(now, planned, self.lane.digest)


@dataclass
class DigestState:
    """A digest on a channel as recorded in its ledger: its rules, its history, and its candidates."""

    lane: PostingRules
    timing: EditionRules
    shape: Shape
    past: DigestHistory
    candidates: Iterator[Candidate]
    shares_with: frozenset[str] = frozenset()
    """The other digests whose summaries may come again here."""
    approved: frozenset[int] = frozenset()
    """The summaries that an operator approved in advance."""
    passed_over: set[int] = field(default_factory=set)
    """Summaries that other digests put on the channel during the simulation; those not read yet need not be."""
    held: str = ""
    """Why no slot takes place until an operator has decided; empty if nothing needs a decision."""


@dataclass
class ChannelState:
    """A channel as recorded in its ledger.

    ``spent`` has an amount for each month, by the beginning of the month. Nothing is sent before ``blocked_until``.
    ``note`` is added to every entry, for example that the channel is paused.
    """

    traffic: ChannelHistory[PendingPost]
    budget: int | None = None
    spent: dict[datetime, int] = field(default_factory=lambda: defaultdict(int))
    blocked_until: datetime | None = None
    note: str = ""

    def account(self, now: datetime) -> Budget:
        """Return the budget of the month that contains the instant."""
        return Budget(self.spent[month_start(now)], self.budget)


Rendered = Sequence[tuple[tuple[Summary, ...], int]]
"""An edition's posts that are not replies: the summaries that each shows with its replies, and the total cost."""


def forecast(
    plans: Sequence[DigestState],
    roads: Mapping[str, ChannelState],
    render: Callable[[PostingRules, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> list[PlanEntry]:
    """Return all that will be posted from now to the end, and the slots that stay empty, in order of time."""
    return list(simulate(plans, roads, render, now, end))


def simulate(
    plans: Sequence[DigestState],
    roads: Mapping[str, ChannelState],
    render: Callable[[PostingRules, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> Iterator[PlanEntry]:
    """Yield what `forecast` returns, entry by entry, while the simulation advances.

    Entries come in order of time, except that a slot which stays open for very long is reported before its outcome is
    known.
    """
    return _Walk(plans, roads, render, now, end).rows()


class _Walk:
    def __init__(
        self,
        plans: Sequence[DigestState],
        roads: Mapping[str, ChannelState],
        render: Callable[[PostingRules, Sequence[Summary]], Rendered],
        now: datetime,
        end: datetime,
    ) -> None:
        self.plans, self.roads, self.render, self.begin, self.end = plans, roads, render, now, end
        self._told: list[set[str]] = [set() for _ in plans]
        self._last: PlanEntry | None = None  # more may be merged into it
        self._ready: list[tuple[datetime, int, int, PlanEntry]] = []  # entries, until nothing can come before them
        self._numbers = count()
        # each route's next slot that may stay empty; slots that are still open are kept in `_waiting`
        self._next_slots = [plan.lane.calendar.slots(plan.past.since) for plan in plans]
        self._slots: list[tuple[datetime, int, Slot]] = []
        self._waiting: dict[int, tuple[datetime, int, Slot]] = {}
        for index in range(len(plans)):
            self._next_slot(index)
        self._waits = [""] * len(plans)  # why a slot that is due does not take place yet
        self._queues = [self._queue(plan) for plan in plans]
        self._by_channel: dict[str, list[DigestState]] = defaultdict(list)
        for plan in plans:
            self._by_channel[plan.lane.channel].append(plan)
        self._posted: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._broken: set[tuple[str, str, int]] = set()
        # by time; routes before channels; routes in the order of their slots, as `run` handles them
        self._events: list[tuple[datetime, int, datetime, int, str]] = []
        for index in range(len(plans)):
            self._wake(index, now)
        for channel in roads:
            self._wake_road(channel, now)

    def _queue(self, plan: DigestState) -> CandidateQueue:
        lane = plan.lane

        def taken(candidate: Candidate) -> bool:
            id_ = candidate.summary.id or 0
            broken = (lane.digest, lane.channel, id_) in self._broken
            return broken or bool(self._posted[lane.channel].get(id_, set()) - plan.shares_with)

        return CandidateQueue(plan.candidates, taken)

    def _wake(self, index: int, at: datetime | None) -> None:
        slot = self.plans[index].lane.calendar.first_open(self.plans[index].past.since)
        if slot is not None and at is not None:
            at = max(at, slot.at)
            if at <= self.end:
                heapq.heappush(self._events, (at, 0, slot.at, index, ""))

    def _wake_road(self, channel: str, at: datetime | None) -> None:
        if at is not None and at <= self.end:
            heapq.heappush(self._events, (at, 1, at, 0, channel))

    def rows(self) -> Iterator[PlanEntry]:
        """Run the simulation to the end, and yield the entries."""
        before = None
        while self._events:
            event = heapq.heappop(self._events)
            if event == before:
                continue  # the same event was added twice
            before = event
            at, kind, _, index, channel = event
            yield from self._told_before(at)
            if kind:
                self._send(channel, at)
            else:
                self._take_turn(index, at)
                if index in self._waiting:  # its outcome may be known by now
                    heapq.heappush(self._slots, self._waiting.pop(index))
        yield from self._told_before(self.end + timedelta.resolution)
        while self._waiting or self._slots:
            self._give_up_waiting()
            self._pass_slots(self.end + timedelta.resolution)
        if self._last is not None:
            self._is_ready(self._last)
        while self._ready:
            yield heapq.heappop(self._ready)[3]

    # ---- entries, in order of time

    def _told_before(self, now: datetime) -> Iterator[PlanEntry]:
        """Yield the entries before ``now`` up to the first place where another entry may still come in between."""
        self._pass_slots(now)
        if len(self._ready) > MOST_READY:
            self._give_up_waiting()
            self._pass_slots(now)
        if self._last is not None and self._last.at < now:
            self._is_ready(self._last)
            self._last = None
        until = min([now, *(slot[0] for slot in self._waiting.values())])
        while self._ready and self._ready[0][0] < until:
            yield heapq.heappop(self._ready)[3]

    def _is_ready(self, row: PlanEntry) -> None:
        heapq.heappush(self._ready, (row.at, not row.summaries, next(self._numbers), row))

    def _next_slot(self, index: int) -> None:
        slot = next(self._next_slots[index], None)
        if slot is not None and slot.at <= self.end:
            heapq.heappush(self._slots, (slot.at, index, slot))

    def _pass_slots(self, now: datetime) -> None:
        """Report the slots before ``now`` that have no entry yet: those in a blackout, and those that a later slot
        overtook. Slots that may still take place are set aside."""
        while self._slots and self._slots[0][0] < now:
            entry = heapq.heappop(self._slots)
            at, index, slot = entry
            plan = self.plans[index]
            closed = plan.lane.calendar.closed(at)
            if slot.due > plan.past.since and not closed and slot.nominal not in self._told[index]:
                self._waiting[index] = entry
                continue
            self._pass(index, slot, closed or OVERTAKEN)

    def _pass(self, index: int, slot: Slot, note: str) -> None:
        if slot.nominal in self._told[index]:
            self._told[index].discard(slot.nominal)
        elif slot.at >= self.begin:
            lane = self.plans[index].lane
            self._is_ready(PlanEntry(slot.at, lane.digest, lane.channel, slot.nominal, note=note))
        self._next_slot(index)

    def _give_up_waiting(self) -> None:
        """Report the slots that are still open, with the reason why they wait."""
        for index, (_, _, slot) in self._waiting.items():
            self._pass(index, slot, self._waits[index] or OVERTAKEN)
        self._waiting.clear()

    # ---- a digest's turn

    def _take_turn(self, index: int, now: datetime) -> None:
        plan, queue = self.plans[index], self._queues[index]
        lane = plan.lane
        road = self.roads[lane.channel]
        if plan.held:
            self._waits[index] = plan.held
            return
        self._pass_recorded(index, now)
        while True:
            turn = decide_slot(lane, plan.timing, plan.shape, plan.past, road.traffic, queue, now)
            try:
                rendered = self.render(lane, turn.chosen) if turn.chosen else []
                break
            except RenderError as error:
                if error.summary is None:
                    self._waits[index] = str(error)
                    return  # the slot stays due until somebody corrects the template
                self._broken.add((lane.digest, lane.channel, error.summary))
        if turn.slot is None:
            self._waits[index] = turn.reason
            self._wake(index, turn.until)
            return
        slot, edition, reason = turn.slot, plan.past.edition, turn.reason
        if rendered and self._is_paid_for(road, sum(cost for _, cost in rendered), now):
            self._make(plan, turn, slot, rendered, now)
            edition = now
        else:
            reason = OVER_BUDGET if rendered else reason
            self._tell(PlanEntry(now, lane.digest, lane.channel, slot.nominal, note=reason))
        self._told[index].add(slot.nominal)
        plan.past, self._waits[index] = replace(plan.past, since=slot.due, edition=edition), ""
        self._wake(index, now)

    def _pass_recorded(self, index: int, now: datetime) -> None:
        """Pass over the slots that were recorded as reached before their time."""
        plan = self.plans[index]
        for due in plan.past.ahead:
            if plan.past.since < due <= now:
                nominal = due.astimezone(plan.lane.calendar.zone).replace(tzinfo=None).isoformat(timespec="minutes")
                self._tell(PlanEntry(due, plan.lane.digest, plan.lane.channel, nominal, note=AHEAD))
                self._told[index].add(nominal)
                plan.past = replace(plan.past, since=due)

    def _is_paid_for(self, road: ChannelState, cost: int, now: datetime) -> bool:
        reserved = sum(waiting.cost for waiting in road.traffic.queue)
        return road.account(now).lets_through(reserved + cost)

    def _make(self, plan: DigestState, turn: SlotDecision, slot: Slot, rendered: Rendered, now: datetime) -> None:
        lane, road = plan.lane, self.roads[plan.lane.channel]
        for summary in turn.chosen:
            self._posted[lane.channel][summary.id or 0].add(lane.digest)
            for other in self._by_channel[lane.channel]:
                if lane.digest not in other.shares_with:
                    other.passed_over.add(summary.id or 0)
        approved = {summary.id for summary in turn.chosen} <= plan.approved
        note = "if approved" if plan.timing.approval and not approved else ""
        for summaries, cost in rendered:
            departure = PendingPost(lane, slot=slot.nominal, summaries=summaries, cost=cost, note=note)
            road.traffic.queue.append(replace(departure, planned_at=slot.at))
        self._wake_road(lane.channel, now)

    # ---- a channel sends

    def _send(self, channel: str, now: datetime) -> None:
        road = self.roads[channel]
        if road.blocked_until is not None and now < road.blocked_until:
            self._wake_road(channel, road.blocked_until)
            return
        sent = False
        until: list[datetime] = []
        while (departure := self._next(road, now, until)) is not None:
            account = road.account(now)
            if not account.lets_through(departure.cost):
                until = [month_start(month_start(now) + timedelta(days=32))]
                break
            road.traffic.queue.remove(departure)
            if departure.begins:
                road.traffic.add(departure.appears(road.traffic, now))
            road.spent[month_start(now)] += departure.cost
            lane = departure.lane
            self._tell(
                PlanEntry(
                    now,
                    lane.digest,
                    channel,
                    departure.slot,
                    departure.summaries,
                    departure.cost,
                    _notes(departure.note, road.note),
                    departure.post,
                )
            )
            until, sent = [], True
        if road.traffic.queue:
            self._wake_road(channel, min(until, default=None))
        if sent:
            for index, plan in enumerate(self.plans):
                if plan.lane.channel == channel and self._waits[index]:
                    self._wake(index, now)

    @staticmethod
    def _next(road: ChannelState, now: datetime, until: list[datetime]) -> PendingPost | None:
        """Return the first post that nothing blocks. If there is none, ``until`` receives the times at which blocked
        posts may be sent."""
        for departure in road.traffic.queue:
            if departure.not_before is not None and now < departure.not_before:
                until.append(departure.not_before)
                continue
            obstacle = departure.obstacle(road.traffic, now)
            if obstacle is None:
                return departure
            if obstacle.until is not None:
                until.append(obstacle.until)
        return None

    # ---- merging of entries

    def _tell(self, row: PlanEntry) -> None:
        """Add an entry. What appears at the same time for one slot becomes one entry."""
        last = self._last
        if last is not None and row.summaries and last.summaries and _same(last, row):
            new = tuple(one for one in row.summaries if one not in last.summaries)
            self._last = replace(last, summaries=last.summaries + new, cost=last.cost + row.cost)
            return
        if last is not None:
            self._is_ready(last)
        self._last = row


def _same(one: PlanEntry, other: PlanEntry) -> bool:
    mine = (one.at, one.digest, one.channel, one.slot, one.note, one.made)
    return mine == (other.at, other.digest, other.channel, other.slot, other.note, other.made)


def _notes(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
