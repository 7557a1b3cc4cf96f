"""Pure: what stands between a post and its channel: closed hours, the distance to the post before it, and limits on how
many a day or a week may have."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from digestbot.config import Config, Timing
from digestbot.model import SlotChange
from digestbot.planning.calendar import Calendar
from digestbot.planning.closures import A_DAY, Closure, instant

LATE = timedelta(hours=1)  # a post that appears so long after its time counts towards the day on which it appears


@dataclass(frozen=True)
class Limit:
    """At most so many posts in a calendar day, or in a week from Monday to Sunday; a thread counts as one.

    ``digest`` None: the channel's posts of every digest.
    """

    most: int
    days: int
    zone: ZoneInfo
    digest: str | None = None

    def began(self, at: datetime) -> datetime:
        """When the day or week began that the instant is in."""
        today = at.astimezone(self.zone).date()
        first = today - timedelta(days=today.weekday()) if self.days > 1 else today
        return instant(datetime.combine(first, time()), self.zone, at - 9 * A_DAY)

    def ends(self, at: datetime) -> datetime:
        """When that day or week is over."""
        return self.began(self.began(at) + self.days * A_DAY + A_DAY / 2)

    def __str__(self) -> str:
        whose = "the channel's" if self.digest is None else "the digest's"
        return f"{whose} limit of {self.most} post{'s' if self.most > 1 else ''} a {'week' if self.days > 1 else 'day'}"


@dataclass(frozen=True)
class Obstacle:
    """Why nothing may be posted now, and when that may be over; None for never."""

    reason: str
    until: datetime | None


@dataclass(frozen=True)
class Lane:
    """What a digest on a channel has to keep to. One value for each pair."""

    digest: str
    channel: str
    calendar: Calendar
    limits: tuple[Limit, ...] = ()
    distance: timedelta = timedelta(0)

    @classmethod
    def of(cls, config: Config, digest: str, channel: str, changes: tuple[SlotChange, ...] = ()) -> Lane:
        """The digest's rules and its channel's together, with what a person ``changes`` of its slots; for a digest that
        is not configured, the channel's alone."""
        timing = config.timing(digest, channel) if digest in config.digests else Timing()
        zone, there = timing.timezone or config.timezone, config.channels[channel]
        closures = tuple(
            Closure.of(where, rules.quiet_hours, rules.not_on)
            for rules, where in ((timing, zone), (there, config.timezone))
            if rules.quiet_hours or rules.not_on
        )
        limits = tuple(
            Limit(most, days, where, whose)
            for rules, where, whose in ((timing, zone, digest), (there, config.timezone, None))
            for most, days in ((rules.per_day, 1), (rules.per_week, 7))
            if most is not None
        )
        name = f"{digest} {channel}"
        calendar = Calendar(timing.schedule, zone, closures, timing.jitter or timedelta(0), name, changes)
        return cls(digest, channel, calendar, limits, there.min_distance or timedelta(0))

    @property
    def free(self) -> bool:
        """Whether nothing ever stands in the way."""
        return not (self.calendar.closures or self.limits or self.distance)

    def obstacle(self, traffic: Traffic[Any], now: datetime) -> Obstacle | None:
        """What keeps a post that is made already from appearing now."""
        return self.held(traffic, now) or self.too_soon(traffic, now)

    def held(self, traffic: Traffic[Any], now: datetime) -> Obstacle | None:
        """The hour, the day or the limits that keep it."""
        closed = self.closed(now)
        if closed is not None:
            return closed
        over = [limit for limit in self.limits if traffic.count(limit, now) >= limit.most]
        return Obstacle(f"{over[0]} is used up", max(limit.ends(now) for limit in over)) if over else None

    def closed(self, now: datetime) -> Obstacle | None:
        """The hour or the day that keeps any post from appearing, by the present rules."""
        reason = self.calendar.present.closed(now)
        return Obstacle(reason, self.calendar.present.opens(now)) if reason else None

    def too_soon(self, traffic: Traffic[Any], now: datetime) -> Obstacle | None:
        """The post before it that keeps any from appearing yet."""
        last = traffic.last(now) if self.distance else None
        if last is None or now >= last.keeps_distance_until(self.distance):
            return None
        return Obstacle("too soon after the post before it", last.keeps_distance_until(self.distance))

    def planned_at(self, traffic: Traffic[Any], wanted: datetime, now: datetime) -> datetime:
        """When a post that may appear now was to appear: at the time ``wanted``, its slot's, or as soon as nothing kept
        it from appearing."""
        last = traffic.last(now) if self.distance else None
        at = max(wanted, last.keeps_distance_until(self.distance)) if last else wanted
        while at < now:
            obstacle = self.held(traffic, at)
            if obstacle is None or obstacle.until is None:
                return at
            at = obstacle.until
        return now

    def room(self, traffic: Traffic[Any], now: datetime) -> tuple[int, Limit] | None:
        """How many more posts the tightest limit lets through, those that wait to be sent counted as sent; None
        without limits."""
        left = [(limit.most - traffic.count(limit, now) - traffic.waiting(limit), limit) for limit in self.limits]
        return min(left, key=lambda one: one[0], default=None)


@dataclass(frozen=True, slots=True)
class Pending:
    """A post that waits to be sent. ``scheduled`` False: sent by hand, ``begins`` False: a reply to one that appeared;
    nothing but their channel holds these back. ``planned_at`` is when it was to appear. One that is not ``approved``
    yet lets the others go first, but counts towards limits."""

    lane: Lane
    scheduled: bool = True
    begins: bool = True
    planned_at: datetime | None = None
    approved: bool = True

    def obstacle(self, traffic: Traffic[Any], now: datetime) -> Obstacle | None:
        """What keeps it from appearing now."""
        return self.lane.obstacle(traffic, now) if self.scheduled and self.begins else None


Waiting = TypeVar("Waiting", bound=Pending)


@dataclass(frozen=True, slots=True, order=True)
class Appeared:
    """A post that appeared at an instant, and was ``planned`` for one.

    Distances and limits count from what was planned, so that the seconds that a call takes delay nothing after it. A
    post that was late by more counts from when it appeared.
    """

    at: datetime
    planned: datetime
    digest: str = ""

    @property
    def counts_at(self) -> datetime:
        """The instant whose day and week it counts towards."""
        return self.planned if timedelta(0) <= self.at - self.planned < LATE else self.at

    def keeps_distance_until(self, distance: timedelta) -> datetime:
        """From when on another post may follow. After one that was late the distance may be shorter, down to half of
        it, so that a post that is late once does not make all after it late."""
        if not timedelta(0) <= self.at - self.planned < distance:
            return self.at + distance
        return max(self.planned + distance, self.at + distance / 2)


class Traffic(Generic[Waiting]):
    """A channel as it stands: when posts appeared on it, of threads the first parts; and ``queue``, what waits to be
    sent, in the order in which it was made."""

    def __init__(self, posts: Iterable[Appeared] = (), queue: Iterable[Waiting] = ()) -> None:
        self._counted: dict[str | None, list[datetime]] = defaultdict(list)
        self._posts: list[Appeared] = []
        self.queue = list(queue)
        for post in posts:
            self.add(post)

    def add(self, post: Appeared) -> None:
        """The post appeared."""
        insort(self._posts, post)
        insort(self._counted[None], post.counts_at)
        insort(self._counted[post.digest], post.counts_at)

    def count(self, limit: Limit, at: datetime) -> int:
        """How many posts fall under the limit in the day or week of the instant."""
        times = self._counted[limit.digest]
        return bisect_left(times, limit.ends(at)) - bisect_left(times, limit.began(at))

    def waiting(self, limit: Limit, *, approved: bool = False) -> int:
        """How many posts that wait to be sent will fall under the limit; of all, or of those that are approved."""
        mine = (one for one in self.queue if one.begins and limit.digest in (None, one.lane.digest))
        return sum(one.approved or not approved for one in mine)

    def goes_first(self, now: datetime) -> bool:
        """Whether a post waits to be sent that nothing holds back, but for the distance to the one before it."""
        ready = (one for one in self.queue if one.approved)
        return any(not (one.scheduled and one.begins) or not one.lane.held(self, now) for one in ready)

    def last(self, now: datetime) -> Appeared | None:
        """The last post that appeared, up to now: a later one was dated by a clock that has since stepped back."""
        place = bisect_right(self._posts, now, key=_at)
        return self._posts[place - 1] if place else None

    def since(self, at: datetime) -> list[Appeared]:
        """The posts that appeared from an instant on."""
        return self._posts[bisect_left(self._posts, at, key=_at) :]


def _at(post: Appeared) -> datetime:
    return post.at
