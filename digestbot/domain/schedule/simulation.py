"""The plan: what `run` will do from now on, unless something new arrives.

Time advances from event to event. At each event, `decide_slot` and `PostingRules.obstacle` decide what happens, as they
do when `run` calls them at that time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from digestbot.domain.budget import month_start
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Slot, Summary
from digestbot.domain.schedule.constraints import PostingRules
from digestbot.domain.schedule.entry_order import EntryOrder
from digestbot.domain.schedule.selection import Candidate, CandidateQueue, SlotDecision, decide_slot
from digestbot.domain.schedule.simulation_state import ChannelState, DigestState, PendingPost, PlanEntry

OVER_BUDGET = "over the month's budget"
AHEAD = "recorded already, by a clock that was ahead: digestbot alerts"


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
        self.plans, self.roads, self.render, self.end = plans, roads, render, end
        self._waits = [""] * len(plans)  # why a slot that is due does not take place yet
        self._entries = EntryOrder(plans, self._waits, now, end)
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
            yield from self._entries.before(at)
            if kind:
                self._send(channel, at)
            else:
                self._take_turn(index, at)
                self._entries.look_again(index)
        yield from self._entries.rest()

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
            self._entries.add(PlanEntry(now, lane.digest, lane.channel, slot.nominal, note=reason))
        self._entries.concluded(index, slot.nominal)
        plan.past, self._waits[index] = replace(plan.past, since=slot.due, edition=edition), ""
        self._wake(index, now)

    def _pass_recorded(self, index: int, now: datetime) -> None:
        """Pass over the slots that were recorded as reached before their time."""
        plan = self.plans[index]
        for due in plan.past.ahead:
            if plan.past.since < due <= now:
                nominal = due.astimezone(plan.lane.calendar.zone).replace(tzinfo=None).isoformat(timespec="minutes")
                self._entries.add(PlanEntry(due, plan.lane.digest, plan.lane.channel, nominal, note=AHEAD))
                self._entries.concluded(index, nominal)
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
            self._entries.add(
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


def _notes(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
