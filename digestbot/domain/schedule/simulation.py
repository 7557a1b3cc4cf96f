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
    channel_states: Mapping[str, ChannelState],
    render: Callable[[PostingRules, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> list[PlanEntry]:
    """Return all that will be posted from now to the end, and the slots that stay empty, in order of time."""
    return list(simulate(plans, channel_states, render, now, end))


def simulate(
    plans: Sequence[DigestState],
    channel_states: Mapping[str, ChannelState],
    render: Callable[[PostingRules, Sequence[Summary]], Rendered],
    now: datetime,
    end: datetime,
) -> Iterator[PlanEntry]:
    """Yield what `forecast` returns, entry by entry, while the simulation advances.

    Entries come in order of time, except that a slot which stays open for very long is reported before its outcome is
    known.
    """
    return _Walk(plans, channel_states, render, now, end).rows()


class _Walk:
    def __init__(
        self,
        plans: Sequence[DigestState],
        channel_states: Mapping[str, ChannelState],
        render: Callable[[PostingRules, Sequence[Summary]], Rendered],
        now: datetime,
        end: datetime,
    ) -> None:
        self.plans, self.channel_states, self.render, self.end = plans, channel_states, render, end
        self._waits = [""] * len(plans)  # why a slot that is due does not take place yet
        self._entries = EntryOrder(plans, self._waits, now, end)
        self._queues = [self._queue(plan) for plan in plans]
        self._by_channel: dict[str, list[DigestState]] = defaultdict(list)
        for plan in plans:
            self._by_channel[plan.posting_rules.channel].append(plan)
        self._posted: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._broken: set[tuple[str, str, int]] = set()
        # by time; routes before channels; routes in the order of their slots, as `run` handles them
        self._events: list[tuple[datetime, int, datetime, int, str]] = []
        for index in range(len(plans)):
            self._wake(index, now)
        for channel in channel_states:
            self._wake_channel(channel, now)

    def _queue(self, plan: DigestState) -> CandidateQueue:
        posting_rules = plan.posting_rules

        def taken(candidate: Candidate) -> bool:
            id_ = candidate.summary.id or 0
            broken = (posting_rules.digest, posting_rules.channel, id_) in self._broken
            return broken or bool(self._posted[posting_rules.channel].get(id_, set()) - plan.shares_with)

        return CandidateQueue(plan.candidates, taken)

    def _wake(self, index: int, at: datetime | None) -> None:
        slot = self.plans[index].posting_rules.calendar.first_open(self.plans[index].digest_history.since)
        if slot is not None and at is not None:
            at = max(at, slot.at)
            if at <= self.end:
                heapq.heappush(self._events, (at, 0, slot.at, index, ""))

    def _wake_channel(self, channel: str, at: datetime | None) -> None:
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
                self._conclude_slot(index, at)
                self._entries.look_again(index)
        yield from self._entries.rest()

    # ---- a digest's turn

    def _conclude_slot(self, index: int, now: datetime) -> None:
        plan, queue = self.plans[index], self._queues[index]
        posting_rules = plan.posting_rules
        channel_state = self.channel_states[posting_rules.channel]
        if plan.held:
            self._waits[index] = plan.held
            return
        self._pass_recorded(index, now)
        while True:
            decision = decide_slot(
                posting_rules, plan.timing, plan.shape, plan.digest_history, channel_state.channel_history, queue, now
            )
            try:
                rendered = self.render(posting_rules, decision.chosen) if decision.chosen else []
                break
            except RenderError as error:
                if error.summary is None:
                    self._waits[index] = str(error)
                    return  # the slot stays due until somebody corrects the template
                self._broken.add((posting_rules.digest, posting_rules.channel, error.summary))
        if decision.slot is None:
            self._waits[index] = decision.reason
            self._wake(index, decision.until)
            return
        slot, edition, reason = decision.slot, plan.digest_history.edition, decision.reason
        if rendered and self._is_paid_for(channel_state, sum(cost for _, cost in rendered), now):
            self._make(plan, decision, slot, rendered, now)
            queue.took(decision.chosen, now)
            edition = now
        else:
            reason = OVER_BUDGET if rendered else reason
            self._entries.add(PlanEntry(now, posting_rules.digest, posting_rules.channel, slot.nominal, note=reason))
        self._entries.concluded(index, slot.nominal)
        plan.digest_history, self._waits[index] = replace(plan.digest_history, since=slot.due, edition=edition), ""
        self._wake(index, now)

    def _pass_recorded(self, index: int, now: datetime) -> None:
        """Pass over the slots that were recorded as reached before their time."""
        plan = self.plans[index]
        for due in plan.digest_history.ahead:
            if plan.digest_history.since < due <= now:
                nominal = (
                    due.astimezone(plan.posting_rules.calendar.zone).replace(tzinfo=None).isoformat(timespec="minutes")
                )
                self._entries.add(
                    PlanEntry(due, plan.posting_rules.digest, plan.posting_rules.channel, nominal, note=AHEAD)
                )
                self._entries.concluded(index, nominal)
                plan.digest_history = replace(plan.digest_history, since=due)

    def _is_paid_for(self, channel_state: ChannelState, cost: int, now: datetime) -> bool:
        reserved = sum(waiting.cost for waiting in channel_state.channel_history.queue)
        return channel_state.account(now).lets_through(reserved + cost)

    def _make(self, plan: DigestState, decision: SlotDecision, slot: Slot, rendered: Rendered, now: datetime) -> None:
        posting_rules, channel_state = plan.posting_rules, self.channel_states[plan.posting_rules.channel]
        for summary in decision.chosen:
            self._posted[posting_rules.channel][summary.id or 0].add(posting_rules.digest)
            for other in self._by_channel[posting_rules.channel]:
                if posting_rules.digest not in other.shares_with:
                    other.passed_over.add(summary.id or 0)
        approved = {summary.id for summary in decision.chosen} <= plan.approved
        note = "if approved" if plan.timing.approval and not approved else ""
        for summaries, cost in rendered:
            pending_post = PendingPost(posting_rules, slot=slot.nominal, summaries=summaries, cost=cost, note=note)
            channel_state.channel_history.queue.append(replace(pending_post, planned_at=slot.at))
        self._wake_channel(posting_rules.channel, now)

    # ---- a channel sends

    def _send(self, channel: str, now: datetime) -> None:
        channel_state = self.channel_states[channel]
        if channel_state.blocked_until is not None and now < channel_state.blocked_until:
            self._wake_channel(channel, channel_state.blocked_until)
            return
        sent = False
        until: list[datetime] = []
        while (pending_post := self._next(channel_state, now, until)) is not None:
            account = channel_state.account(now)
            if not account.lets_through(pending_post.cost):
                until = [month_start(month_start(now) + timedelta(days=32))]
                break
            channel_state.channel_history.queue.remove(pending_post)
            if pending_post.begins:
                channel_state.channel_history.add(pending_post.appears(channel_state.channel_history, now))
            channel_state.spent[month_start(now)] += pending_post.cost
            posting_rules = pending_post.posting_rules
            self._entries.add(
                PlanEntry(
                    now,
                    posting_rules.digest,
                    channel,
                    pending_post.slot,
                    pending_post.summaries,
                    pending_post.cost,
                    _notes(pending_post.note, channel_state.note),
                    pending_post.post,
                )
            )
            until, sent = [], True
        if channel_state.channel_history.queue:
            self._wake_channel(channel, min(until, default=None))
        if sent:
            for index, plan in enumerate(self.plans):
                if plan.posting_rules.channel == channel and self._waits[index]:
                    self._wake(index, now)

    @staticmethod
    def _next(channel_state: ChannelState, now: datetime, until: list[datetime]) -> PendingPost | None:
        """Return the first post that nothing blocks. If there is none, ``until`` receives the times at which blocked
        posts may be sent."""
        for pending_post in channel_state.channel_history.queue:
            if pending_post.not_before is not None and now < pending_post.not_before:
                until.append(pending_post.not_before)
                continue
            blocker = pending_post.blocker(channel_state.channel_history, now)
            if blocker is None:
                return pending_post
            if blocker.until is not None:
                until.append(blocker.until)
        return None


def _notes(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
