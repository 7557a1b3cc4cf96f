"""Decisions about a slot of a digest on a channel: which summaries it takes, or why it takes none.

`run` decides with what its ledger holds now, `plan` with what it will hold. Both use this code.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from digestbot.domain.filters import NEVER, paper_free_at
from digestbot.domain.model import CatchUp, Shape, Slot, Summary
from digestbot.domain.schedule.constraints import ChannelHistory, PostingRules, PostLimit

# With catch_up = "none", a slot that is handled later than this was missed. Longer than any poll takes.
GRACE = timedelta(hours=1)
UNDECIDED = "is used up by editions that wait for approval"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pending summary that passes the filters, apart from its age.

    It may be posted from ``old_enough_at`` until ``ends_at``; None means no limit. ``paper_shown_at`` is when the
    digest last took a summary of its paper on the channel, as far as that matters to the digest.
    """

    summary: Summary
    paper: int
    first_seen_at: datetime
    old_enough_at: datetime | None = None
    ends_at: datetime | None = None
    paper_shown_at: datetime | None = None

    @property
    def ready_at(self) -> datetime:
        """Return when the summary could first be posted."""
        return ready_at(self.first_seen_at, self.old_enough_at)


def ready_at(first_seen_at: datetime, old_enough_at: datetime | None) -> datetime:
    """Return when a summary could first be posted. Windows are based on this time, so that a summary which was too
    young for one window is in the next."""
    return first_seen_at if old_enough_at is None else max(first_seen_at, old_enough_at)


def window_begins(window: timedelta, digest_history: DigestHistory, now: datetime) -> datetime:
    """Return the time after which a summary must have become ready to be in a window that ends now.

    The window reaches back to the last edition, so that nothing falls between two editions. Before the first edition,
    it reaches back to the beginning of the window that ended when the digest was first seen.
    """
    return min(now - window, digest_history.edition or digest_history.first_seen - window)


class CandidateQueue:
    """A backlog's candidates in the digest's order, read only as far as needed."""

    def __init__(self, candidates: Iterator[Candidate], taken: Callable[[Candidate], bool] = lambda _: False) -> None:
        """Read from ``candidates`` on demand. ``taken`` tells of a candidate whether it is no longer one."""
        self._unread, self._taken = candidates, taken
        self._place = 0
        self._ready: list[tuple[int, Candidate]] = []
        self._young: list[tuple[datetime, int, Candidate]] = []
        self._papers: dict[int | None, int] = {}  # of the summaries that were returned
        self._shown: dict[int, datetime] = {}  # when papers were taken from this queue

    def took(self, summaries: Sequence[Summary], at: datetime) -> None:
        """Note that an edition shows these summaries, which `choose` returned."""
        self._shown |= {self._papers[one.id]: at for one in summaries if one.id in self._papers}

    def choose(
        self,
        most: int,
        at: datetime,
        since: datetime | None,
        *,
        one_per_paper: bool,
        repeat_paper: timedelta | None = None,
    ) -> list[Candidate]:
        """Return up to ``most`` candidates that may be posted at an instant; they stay candidates until they are taken.

        With ``since``, only those that became ready after it are returned. With ``one_per_paper``, no paper occurs
        twice. With ``repeat_paper``, neither does a paper that was shown within that time.
        """
        one_per_paper = one_per_paper or repeat_paper is not None
        while self._young and self._young[0][0] <= at:
            _, place, candidate = heapq.heappop(self._young)
            heapq.heappush(self._ready, (place, candidate))
        chosen: list[tuple[int, Candidate]] = []
        aside: list[tuple[int, Candidate]] = []
        papers: set[int] = set()
        while len(chosen) < most:
            following = self._next(at)
            if following is None:
                break
            candidate = following[1]
            late = candidate.ends_at is not None and candidate.ends_at < at
            if late or self._taken(candidate) or (since is not None and candidate.ready_at <= since):
                continue  # none of these can become eligible later
            again_at = self._again_at(candidate, repeat_paper)
            if again_at is not None and again_at > at:
                if again_at < NEVER:
                    heapq.heappush(self._young, (again_at, *following))
                continue
            if one_per_paper and candidate.paper in papers:
                aside.append(following)
                continue
            papers.add(candidate.paper)
            chosen.append(following)
            if repeat_paper is not None:
                self._papers[candidate.summary.id] = candidate.paper
        for one in chosen + aside:
            heapq.heappush(self._ready, one)
        return [candidate for _, candidate in chosen]

    def _again_at(self, candidate: Candidate, repeat_paper: timedelta | None) -> datetime | None:
        """Return when the candidate's paper may be shown again; None if nothing is in the way."""
        if repeat_paper is None:
            return None
        times = (candidate.paper_shown_at, self._shown.get(candidate.paper))
        shown_at = max((one for one in times if one is not None), default=None)
        return None if shown_at is None else paper_free_at(shown_at, repeat_paper)

    def _next(self, at: datetime) -> tuple[int, Candidate] | None:
        if self._ready:
            return heapq.heappop(self._ready)
        for candidate in self._unread:
            self._place += 1
            if candidate.old_enough_at is None or candidate.old_enough_at <= at:
                return self._place, candidate
            heapq.heappush(self._young, (candidate.old_enough_at, self._place, candidate))
        return None

    def next_ready(self) -> datetime | None:
        """Return when the first candidate that is still too young becomes ready; None where there is none. Call it only
        when all candidates have been read."""
        return self._young[0][0] if self._young else None


@dataclass(frozen=True, slots=True)
class DigestHistory:
    """What a digest has done on a channel.

    ``since`` is when the last slot reached was due, or when the digest was first seen. ``edition`` is when the last
    edition was made. ``ahead`` are future slots that were recorded as reached while the clock was ahead.
    """

    since: datetime
    first_seen: datetime
    edition: datetime | None = None
    ahead: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotDecision:
    """What a digest does on a channel at an instant.

    With ``chosen``, it makes the slot's edition. With a ``slot`` and nothing chosen, the slot passes without an
    edition. Without a slot, nothing is done, and there is nothing new to decide before ``until`` (None: before
    something else happens). ``reason`` is for operators.
    """

    slot: Slot | None = None
    chosen: Sequence[Summary] = ()
    reason: str = ""
    until: datetime | None = None


class EditionRules(Protocol):
    """When a digest's editions are made on a channel, and how much is in them; docs/configuration.md has each key."""

    @property
    def size(self) -> int:
        """Return the maximum number of summaries in an edition."""

    @property
    def min_size(self) -> int:
        """Return the minimum number of summaries in an edition."""

    @property
    def skip_if_empty(self) -> bool:
        """Return whether a slot with too few summaries passes, rather than staying open."""

    @property
    def spread(self) -> bool:
        """Return whether the pending summaries are shared among the remaining slots of the day."""

    @property
    def window(self) -> timedelta | None:
        """Return the time within which a summary must have arrived to be chosen; None for no window."""

    @property
    def one_per_paper(self) -> bool:
        """Return whether an edition has at most one summary of a paper."""

    @property
    def repeat_paper(self) -> timedelta | None:
        """Return how long after a summary of a paper another one may be posted; None if that does not matter."""

    @property
    def catch_up(self) -> CatchUp:
        """Return which missed slots are made up for."""

    @property
    def approval(self) -> bool:
        """Return whether an operator must approve each edition."""


def is_due(posting_rules: PostingRules, digest_history: DigestHistory, now: datetime) -> Slot | None:
    """Return the first slot that is due and has not been handled; None where there is none."""
    slot = posting_rules.calendar.first_open(digest_history.since)
    return slot if slot is not None and slot.at <= now else None


def decide_slot(
    posting_rules: PostingRules,
    timing: EditionRules,
    shape: Shape,
    digest_history: DigestHistory,
    channel_history: ChannelHistory[Any],
    queue: CandidateQueue,
    now: datetime,
) -> SlotDecision:
    """Return what the digest does on the channel now. The caller checks the budget once the edition's cost is known."""
    if is_due(posting_rules, digest_history, now) is None:
        following = posting_rules.calendar.first_open(digest_history.since)
        return SlotDecision(until=following.at if following else None)
    if posting_rules.distance and channel_history.goes_first(now):
        return SlotDecision(reason="earlier posts are still pending")
    blocker = posting_rules.closed(now) or posting_rules.too_soon(channel_history, now)
    if blocker is not None:
        return SlotDecision(reason=blocker.reason, until=blocker.until)
    slot = _slot(posting_rules, timing.catch_up, digest_history, now)
    open_ = not timing.skip_if_empty  # such a slot stays open, so it may take place late even if nothing was missed
    if timing.catch_up is CatchUp.NONE and not open_ and now > _kept_at(posting_rules, slot, channel_history) + GRACE:
        return SlotDecision(slot, reason="missed while digestbot was stopped")
    decision = _edition(posting_rules, timing, shape, digest_history, channel_history, queue, slot, now)
    if (
        decision.slot is not None and not decision.chosen
    ):  # all missed slots up to the newest would pass in the same way
        return replace(decision, slot=posting_rules.calendar.newest_open(digest_history.since, now))
    return decision


def _slot(posting_rules: PostingRules, catch_up: CatchUp, digest_history: DigestHistory, now: datetime) -> Slot:
    calendar = posting_rules.calendar
    find = (
        calendar.first_open(digest_history.since)
        if catch_up is CatchUp.ALL
        else calendar.newest_open(digest_history.since, now)
    )
    assert find is not None  # noqa: S101 - one is due
    return find


def _kept_at(posting_rules: PostingRules, slot: Slot, channel_history: ChannelHistory[Any]) -> datetime:
    """Return when the slot could first have taken place if digestbot had been running: its own time, deferred by each
    post that came too soon before it."""
    at = posting_rules.calendar.opens(slot.at) or slot.at
    for post in channel_history.since(slot.at - posting_rules.distance) if posting_rules.distance else ():
        if post.at > at + GRACE:
            break
        put_off = max(at, post.keeps_distance_until(posting_rules.distance))
        at = posting_rules.calendar.opens(put_off) or put_off
    return at


def _no_room(room: int, limit: PostLimit, needed: int, channel_history: ChannelHistory[Any]) -> str:
    undecided = channel_history.waiting(limit) - channel_history.waiting(limit, approved=True)
    if room + undecided >= needed and room < needed:
        return f"{limit} {UNDECIDED}"
    left = "is used up" if room <= 0 else f"leaves room for {room}, and {needed} are needed"
    return f"{limit} {left}"


def _edition(
    posting_rules: PostingRules,
    timing: EditionRules,
    shape: Shape,
    digest_history: DigestHistory,
    channel_history: ChannelHistory[Any],
    queue: CandidateQueue,
    slot: Slot,
    now: datetime,
) -> SlotDecision:
    most, least = timing.size, timing.min_size
    room = posting_rules.room(channel_history, now)
    if room is not None:
        needed = 1 if shape is Shape.ROUNDUP else least
        if room[0] < needed:
            return SlotDecision(slot, reason=_no_room(room[0], room[1], needed, channel_history))
        if shape is not Shape.ROUNDUP:
            most = min(most, room[0])
    since = None
    if timing.window is not None:
        since = window_begins(timing.window, digest_history, now)

    def choose(number: int) -> list[Candidate]:
        repeat = timing.repeat_paper
        return queue.choose(number, now, since, one_per_paper=timing.one_per_paper, repeat_paper=repeat)

    if timing.spread:
        slots = posting_rules.calendar.left_today(slot)
        repeat = timing.repeat_paper
        waiting = len(queue.choose(most * slots, now, since, one_per_paper=False, repeat_paper=repeat))
        most = max(min(most, -(-waiting // slots)), least)
    result = choose(most)
    if len(result) >= least:
        return SlotDecision(slot, [candidate.summary for candidate in result])
    some = f"{len(result)} of the required {least}" if least > 1 else "nothing"
    if timing.skip_if_empty:
        return SlotDecision(slot, reason=f"{some} is pending" if some == "nothing" else f"{some} are pending")
    following = next(iter(posting_rules.calendar.slots(slot.due)), None)
    times = [at for at in (queue.next_ready(), following.at if following else None) if at is not None and at > now]
    return SlotDecision(reason=f"open until {least} are pending", until=min(times, default=None))
