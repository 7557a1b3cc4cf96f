"""Pure: what `run` will do from now on, unless something new arrives.

Time is walked through from event to event; at each, `choosing.decide` and `Lane.obstacle` say what happens, as they do
when `run` asks them at that time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from digestbot.config import Timing
from digestbot.costs import Account, month_start
from digestbot.errors import RenderError
from digestbot.model import Shape, Slot, Summary
from digestbot.planning.choosing import Candidate, Past, Queue, Turn, decide
from digestbot.planning.traffic import Appeared, Lane, Pending, Traffic

OVER_BUDGET = "over the month's budget"
MOST_READY = 10_000  # rows that wait for a slot of which it is not known what becomes of it
OVERTAKEN = "a later slot took its place"
AHEAD = "recorded already, by a clock that was ahead: digestbot alarms"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a plan: summaries that appear together, or a slot that stays empty. ``slot`` is its nominal time,
    ``cost`` in millionths of a dollar, ``note`` why it is empty, or what is to be known; ``made``: its posts are made
    already."""

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
        """Whether its posts wait to be sent already."""
        return self.post is not None


@dataclass(frozen=True, slots=True)
class Departure(Pending):
    """A post that is to be sent, with the replies that go under it; not before an instant, where it was tried often."""

    slot: str = ""
    summaries: tuple[Summary, ...] = ()
    cost: int = 0
    post: int | None = None
    note: str = ""
    not_before: datetime | None = None

    def appears(self, traffic: Traffic[Departure], now: datetime) -> Appeared:
        """The post as it appears now."""
        wanted = self.planned_at if self.scheduled else None
        planned = now if wanted is None else self.lane.planned_at(traffic, min(wanted, now), now)
        return Appeared(now, planned, self.lane.digest)


@dataclass
class Plan:
    """A digest on a channel as its ledger has it: what it asks for, what it did, what waits."""

    lane: Lane
    timing: Timing
    shape: Shape
    past: Past
    candidates: Iterator[Candidate]
    shares_with: frozenset[str] = frozenset()
    """The other digests whose summaries may come again here."""
    approved: frozenset[int] = frozenset()
    """The summaries that a person approved ahead."""
    passed_over: set[int] = field(default_factory=set)
    """Summaries that other digests put on the channel meanwhile; those that are not read yet need not be."""
    held: str = ""
    """Why no slot is kept until a person has decided."""


@dataclass
class Road:
    """A channel as its ledger has it. ``spent`` is by the beginning of the month; nothing is sent before
    ``blocked_until``. ``note`` goes with every row: the channel is paused, say."""

    traffic: Traffic[Departure]
    budget: int | None = None
    spent: dict[datetime, int] = field(default_factory=lambda: defaultdict(int))
    blocked_until: datetime | None = None
    note: str = ""

    def account(self, now: datetime) -> Account:
        """The month's."""
        return Account(self.spent[month_start(now)], self.budget)


Rendered = Sequence[tuple[tuple[Summary, ...], int]]
"""An edition's posts that begin something: the summaries each shows with its replies, and what all that costs."""


def forecast(
    plans: Sequence[Plan],
    roads: Mapping[str, Road],
    render: Callable[[Lane, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> list[Row]:
    """All that will be posted from now to the end, and the slots that stay empty; in the order of time."""
    return list(foresee(plans, roads, render, now, end))


def foresee(
    plans: Sequence[Plan],
    roads: Mapping[str, Road],
    render: Callable[[Lane, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> Iterator[Row]:
    """Yield what `forecast` returns, row by row, as time is walked through. Rows come in the order of time, except that
    a slot which waits for very long is told of before it is known what becomes of it."""
    return _Walk(plans, roads, render, now, end).rows()


class _Walk:
    def __init__(
        self,
        plans: Sequence[Plan],
        roads: Mapping[str, Road],
        render: Callable[[Lane, Sequence[Summary]], Rendered],
        now: datetime,
        end: datetime,
    ) -> None:
        self.plans, self.roads, self.render, self.begin, self.end = plans, roads, render, now, end
        self._told: list[set[str]] = [set() for _ in plans]
        self._last: Row | None = None  # more may be told of it
        self._ready: list[tuple[datetime, int, int, Row]] = []  # what is told, until nothing can come before it
        self._numbers = count()
        # each plan's next slot of which it is not known yet whether it stays empty; those that wait are apart
        self._next_slots = [plan.lane.calendar.slots(plan.past.since) for plan in plans]
        self._slots: list[tuple[datetime, int, Slot]] = []
        self._waiting: dict[int, tuple[datetime, int, Slot]] = {}
        for index in range(len(plans)):
            self._next_slot(index)
        self._waits = [""] * len(plans)  # why a slot that is due is not kept yet
        self._queues = [self._queue(plan) for plan in plans]
        self._by_channel: dict[str, list[Plan]] = defaultdict(list)
        for plan in plans:
            self._by_channel[plan.lane.channel].append(plan)
        self._posted: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._broken: set[tuple[str, str, int]] = set()
        # when, pairs before channels; pairs in the order of their slots, as `run` takes them
        self._events: list[tuple[datetime, int, datetime, int, str]] = []
        for index in range(len(plans)):
            self._wake(index, now)
        for channel in roads:
            self._wake_road(channel, now)

    def _queue(self, plan: Plan) -> Queue:
        lane = plan.lane

        def taken(candidate: Candidate) -> bool:
            id_ = candidate.summary.id or 0
            broken = (lane.digest, lane.channel, id_) in self._broken
            return broken or bool(self._posted[lane.channel].get(id_, set()) - plan.shares_with)

        return Queue(plan.candidates, taken)

    def _wake(self, index: int, at: datetime | None) -> None:
        slot = self.plans[index].lane.calendar.first_open(self.plans[index].past.since)
        if slot is not None and at is not None:
            at = max(at, slot.at)
            if at <= self.end:
                heapq.heappush(self._events, (at, 0, slot.at, index, ""))

    def _wake_road(self, channel: str, at: datetime | None) -> None:
        if at is not None and at <= self.end:
            heapq.heappush(self._events, (at, 1, at, 0, channel))

    def rows(self) -> Iterator[Row]:
        """Walk to the end."""
        before = None
        while self._events:
            event = heapq.heappop(self._events)
            if event == before:
                continue  # what woke it woke it twice
            before = event
            at, kind, _, index, channel = event
            yield from self._told_before(at)
            if kind:
                self._send(channel, at)
            else:
                self._take_turn(index, at)
                if index in self._waiting:  # it may be known by now
                    heapq.heappush(self._slots, self._waiting.pop(index))
        yield from self._told_before(self.end + timedelta.resolution)
        while self._waiting or self._slots:
            self._give_up_waiting()
            self._pass_slots(self.end + timedelta.resolution)
        if self._last is not None:
            self._is_ready(self._last)
        while self._ready:
            yield heapq.heappop(self._ready)[3]

    # ---- what is told, in the order of time

    def _told_before(self, now: datetime) -> Iterator[Row]:
        """The rows of before now, as far as nothing can come between them any more."""
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

    def _is_ready(self, row: Row) -> None:
        heapq.heappush(self._ready, (row.at, not row.summaries, next(self._numbers), row))

    def _next_slot(self, index: int) -> None:
        slot = next(self._next_slots[index], None)
        if slot is not None and slot.at <= self.end:
            heapq.heappush(self._slots, (slot.at, index, slot))

    def _pass_slots(self, now: datetime) -> None:
        """Find the slots before now that nothing was told of: closed, or overtaken."""
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
            self._is_ready(Row(slot.at, lane.digest, lane.channel, slot.nominal, note=note))
        self._next_slot(index)

    def _give_up_waiting(self) -> None:
        """Tell of the slots that wait that they do."""
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
            turn = decide(lane, plan.timing, plan.shape, plan.past, road.traffic, queue, now)
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
            self._tell(Row(now, lane.digest, lane.channel, slot.nominal, note=reason))
        self._told[index].add(slot.nominal)
        plan.past, self._waits[index] = replace(plan.past, since=slot.due, edition=edition), ""
        self._wake(index, now)

    def _pass_recorded(self, index: int, now: datetime) -> None:
        """Pass over the slots that were recorded as reached before their time."""
        plan = self.plans[index]
        for due in plan.past.ahead:
            if plan.past.since < due <= now:
                nominal = due.astimezone(plan.lane.calendar.zone).replace(tzinfo=None).isoformat(timespec="minutes")
                self._tell(Row(due, plan.lane.digest, plan.lane.channel, nominal, note=AHEAD))
                self._told[index].add(nominal)
                plan.past = replace(plan.past, since=due)

    def _is_paid_for(self, road: Road, cost: int, now: datetime) -> bool:
        reserved = sum(waiting.cost for waiting in road.traffic.queue)
        return road.account(now).lets_through(reserved + cost)

    def _make(self, plan: Plan, turn: Turn, slot: Slot, rendered: Rendered, now: datetime) -> None:
        lane, road = plan.lane, self.roads[plan.lane.channel]
        for summary in turn.chosen:
            self._posted[lane.channel][summary.id or 0].add(lane.digest)
            for other in self._by_channel[lane.channel]:
                if lane.digest not in other.shares_with:
                    other.passed_over.add(summary.id or 0)
        approved = {summary.id for summary in turn.chosen} <= plan.approved
        note = "if approved" if plan.timing.approval and not approved else ""
        for summaries, cost in rendered:
            departure = Departure(lane, slot=slot.nominal, summaries=summaries, cost=cost, note=note)
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
                Row(
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
    def _next(road: Road, now: datetime, until: list[datetime]) -> Departure | None:
        """The first that nothing holds back; else when each may be let go is added to ``until``."""
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

    # ---- what is told

    def _tell(self, row: Row) -> None:
        """What appears at once of one slot is one row."""
        last = self._last
        if last is not None and row.summaries and last.summaries and _same(last, row):
            new = tuple(one for one in row.summaries if one not in last.summaries)
            self._last = replace(last, summaries=last.summaries + new, cost=last.cost + row.cost)
            return
        if last is not None:
            self._is_ready(last)
        self._last = row


def _same(one: Row, other: Row) -> bool:
    mine = (one.at, one.digest, one.channel, one.slot, one.note, one.made)
    return mine == (other.at, other.digest, other.channel, other.slot, other.note, other.made)


def _notes(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
