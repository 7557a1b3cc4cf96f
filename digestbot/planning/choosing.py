"""Pure: what becomes of a digest's slot on a channel: which summaries it takes, or why it takes none.

`run` asks this with what its ledger holds now, `plan` with what it will hold: there is no second way to decide.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from digestbot.config import Timing
from digestbot.model import CatchUp, Shape, Slot, Summary
from digestbot.planning.traffic import Lane, Limit, Traffic

# With catch_up = "none", a slot that is kept later than this was missed. More than any poll takes.
GRACE = timedelta(hours=1)
UNDECIDED = "is used up by editions that wait for approval"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting summary that the gate lets through, but for its age: it may go from ``old_enough_at`` until
    ``ends_at``, None for whenever."""

    summary: Summary
    paper: int
    first_seen_at: datetime
    old_enough_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def ready_at(self) -> datetime:
        """When it could first be posted."""
        return ready_at(self.first_seen_at, self.old_enough_at)


def ready_at(first_seen_at: datetime, old_enough_at: datetime | None) -> datetime:
    """When a summary could first be posted. A window goes by this, so that what was too young for one is in the
    next."""
    return first_seen_at if old_enough_at is None else max(first_seen_at, old_enough_at)


def window_begins(window: timedelta, past: Past, now: datetime) -> datetime:
    """After when a summary has to have become ready, to be in a window that ends now. It reaches back to the last
    edition, so that nothing falls between two; before the first, to what was in it when the digest was first seen."""
    return min(now - window, past.edition or past.first_seen - window)


class Queue:
    """A backlog's candidates in the digest's order, read as far as they are needed."""

    def __init__(self, candidates: Iterator[Candidate], taken: Callable[[Candidate], bool] = lambda _: False) -> None:
        """``taken`` says of a candidate that it is no longer one."""
        self._unread, self._taken = candidates, taken
        self._place = 0
        self._ready: list[tuple[int, Candidate]] = []
        self._young: list[tuple[datetime, int, Candidate]] = []

    def choose(self, most: int, at: datetime, since: datetime | None, *, one_per_paper: bool) -> list[Candidate]:
        """Up to so many of those that may go at an instant; they stay candidates until they are taken. With ``since``,
        only what became ready after it."""
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
                continue  # and none of these ever passes
            if one_per_paper and candidate.paper in papers:
                aside.append(following)
                continue
            papers.add(candidate.paper)
            chosen.append(following)
        for one in chosen + aside:
            heapq.heappush(self._ready, one)
        return [candidate for _, candidate in chosen]

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
        """When the first of those becomes ready that are too young; everything was read."""
        return self._young[0][0] if self._young else None


@dataclass(frozen=True, slots=True)
class Past:
    """What a digest did on a channel: ``since`` is when the last slot reached was due, or when the digest was first
    seen; ``edition`` when its last edition was made. ``ahead`` are slots to come that a clock which was ahead has
    recorded as reached."""

    since: datetime
    first_seen: datetime
    edition: datetime | None = None
    ahead: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What a digest does on a channel at an instant.

    With ``chosen``: it makes the slot's edition. With a ``slot`` and none chosen, the slot passes without an edition.
    Without a slot nothing is done, and there is nothing new to decide before ``until`` (None: before something else
    happens). ``reason`` is for operators.
    """

    slot: Slot | None = None
    chosen: Sequence[Summary] = ()
    reason: str = ""
    until: datetime | None = None


def is_due(lane: Lane, past: Past, now: datetime) -> Slot | None:
    """The first slot that waits to be kept; None where nothing is due."""
    slot = lane.calendar.first_open(past.since)
    return slot if slot is not None and slot.at <= now else None


def decide(
    lane: Lane, timing: Timing, shape: Shape, past: Past, traffic: Traffic[Any], queue: Queue, now: datetime
) -> Turn:
    """What the digest does on the channel now. Whether a budget has room is asked when the edition's cost is known."""
    if is_due(lane, past, now) is None:
        following = lane.calendar.first_open(past.since)
        return Turn(until=following.at if following else None)
    if lane.distance and traffic.goes_first(now):
        return Turn(reason="posts before it wait to be sent")
    obstacle = lane.closed(now) or lane.too_soon(traffic, now)
    if obstacle is not None:
        return Turn(reason=obstacle.reason, until=obstacle.until)
    slot = _slot(lane, timing.catch_up, past, now)
    open_ = not timing.skip_if_empty  # such a slot may be kept late, however early it was met
    if timing.catch_up is CatchUp.NONE and not open_ and now > _kept_at(lane, slot, traffic) + GRACE:
        return Turn(slot, reason="missed while digestbot was stopped")
    turn = _edition(lane, timing, shape, past, traffic, queue, slot, now)
    if turn.slot is not None and not turn.chosen:  # so would pass all that were missed, up to the newest
        return replace(turn, slot=lane.calendar.newest_open(past.since, now))
    return turn


def _slot(lane: Lane, catch_up: CatchUp, past: Past, now: datetime) -> Slot:
    calendar = lane.calendar
    find = calendar.first_open(past.since) if catch_up is CatchUp.ALL else calendar.newest_open(past.since, now)
    assert find is not None  # noqa: S101 - one is due
    return find


def _kept_at(lane: Lane, slot: Slot, traffic: Traffic[Any]) -> datetime:
    """When the slot could first be kept, had digestbot not been stopped: its own time, put off by posts that came too
    soon before it, one after another."""
    at = lane.calendar.opens(slot.at) or slot.at
    for post in traffic.since(slot.at - lane.distance) if lane.distance else ():
        if post.at > at + GRACE:
            break
        put_off = max(at, post.keeps_distance_until(lane.distance))
        at = lane.calendar.opens(put_off) or put_off
    return at


def _no_room(room: int, limit: Limit, needed: int, traffic: Traffic[Any]) -> str:
    undecided = traffic.waiting(limit) - traffic.waiting(limit, approved=True)
    if room + undecided >= needed and room < needed:
        return f"{limit} {UNDECIDED}"
    left = "is used up" if room <= 0 else f"leaves room for {room}, and {needed} are needed"
    return f"{limit} {left}"


def _edition(
    lane: Lane, timing: Timing, shape: Shape, past: Past, traffic: Traffic[Any], queue: Queue, slot: Slot, now: datetime
) -> Turn:
    most, least = timing.size, timing.min_size
    room = lane.room(traffic, now)
    if room is not None:
        needed = 1 if shape is Shape.ROUNDUP else least
        if room[0] < needed:
            return Turn(slot, reason=_no_room(room[0], room[1], needed, traffic))
        if shape is not Shape.ROUNDUP:
            most = min(most, room[0])
    since = None
    if timing.window is not None:
        since = window_begins(timing.window, past, now)

    def choose(number: int) -> list[Candidate]:
        return queue.choose(number, now, since, one_per_paper=timing.one_per_paper)

    if timing.spread:
        slots = lane.calendar.left_today(slot)
        waiting = len(queue.choose(most * slots, now, since, one_per_paper=False))
        most = max(min(most, -(-waiting // slots)), least)
    found = choose(most)
    if len(found) >= least:
        return Turn(slot, [candidate.summary for candidate in found])
    some = f"{len(found)} of the {least} asked for" if least > 1 else "nothing"
    if timing.skip_if_empty:
        return Turn(slot, reason=f"{some} waits" if some == "nothing" else f"{some} wait")
    following = next(iter(lane.calendar.slots(slot.due)), None)
    times = [at for at in (queue.next_ready(), following.at if following else None) if at is not None and at > now]
    return Turn(reason=f"waits until there are {least}", until=min(times, default=None))
