"""What can keep a post from its channel: blackouts, the distance to the post before it, and limits on the posts of a
day or a week."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from digestbot.domain.schedule.blackouts import A_DAY, instant
from digestbot.domain.schedule.calendar import Calendar

LATE = timedelta(hours=1)  # a post that appears this long after its time counts towards the day on which it appears


@dataclass(frozen=True)
class PostLimit:
    """The maximum number of posts in a calendar day, or in a week from Monday to Sunday; a thread counts as one.

    With ``digest`` None, the channel's posts of every digest count.
    """

    most: int
    days: int
    zone: ZoneInfo
    digest: str | None = None

    def began(self, at: datetime) -> datetime:
        """Return when the day or week that contains the instant began."""
        today = at.astimezone(self.zone).date()
        first = today - timedelta(days=today.weekday()) if self.days > 1 else today
        return instant(datetime.combine(first, time()), self.zone, at - 9 * A_DAY)

    def ends(self, at: datetime) -> datetime:
        """Return when the day or week that contains the instant ends."""
        return self.began(self.began(at) + self.days * A_DAY + A_DAY / 2)

    def __str__(self) -> str:
        whose = "the channel's" if self.digest is None else "the digest's"
        return f"{whose} limit of {self.most} post{'s' if self.most > 1 else ''} a {'week' if self.days > 1 else 'day'}"


@dataclass(frozen=True)
class Blocker:
    """The reason why nothing may be posted now, and when that may be over; None for never."""

    reason: str
    until: datetime | None


@dataclass(frozen=True)
class PostingRules:
    """The rules that a digest must keep to on a channel. There is one value for each route."""

    digest: str
    channel: str
    calendar: Calendar
    limits: tuple[PostLimit, ...] = ()
    distance: timedelta = timedelta(0)

    @property
    def free(self) -> bool:
        """Return whether there is no rule that could ever block a post."""
        return not (self.calendar.closures or self.limits or self.distance)

    def blocker(self, channel_history: ChannelHistory[Any], now: datetime) -> Blocker | None:
        """Return what keeps a post that already exists from appearing now; None if nothing does."""
        return self.held(channel_history, now) or self.too_soon(channel_history, now)

    def held(self, channel_history: ChannelHistory[Any], now: datetime) -> Blocker | None:
        """Return the blackout or the limit that blocks a post now; None if there is none."""
        closed = self.closed(now)
        if closed is not None:
            return closed
        over = [limit for limit in self.limits if channel_history.count(limit, now) >= limit.most]
        return Blocker(f"{over[0]} is used up", max(limit.ends(now) for limit in over)) if over else None

    def closed(self, now: datetime) -> Blocker | None:
        """Return the blackout, by the present rules, that blocks every post now; None if there is none."""
        reason = self.calendar.present.closed(now)
        return Blocker(reason, self.calendar.present.opens(now)) if reason else None

    def too_soon(self, channel_history: ChannelHistory[Any], now: datetime) -> Blocker | None:
        """Return a blocker if the distance to the previous post is too short for any post now; None otherwise."""
        last = channel_history.last(now) if self.distance else None
        if last is None or now >= last.keeps_distance_until(self.distance):
            return None
        return Blocker("too soon after the previous post", last.keeps_distance_until(self.distance))

    def planned_at(self, channel_history: ChannelHistory[Any], wanted: datetime, now: datetime) -> datetime:
        """Return when a post that may appear now was meant to appear: at ``wanted``, its slot's time, or as soon after
        that as nothing blocked it."""
        last = channel_history.last(now) if self.distance else None
        at = max(wanted, last.keeps_distance_until(self.distance)) if last else wanted
        while at < now:
            blocker = self.held(channel_history, at)
            if blocker is None or blocker.until is None:
                return at
            at = blocker.until
        return now

    def room(self, channel_history: ChannelHistory[Any], now: datetime) -> tuple[int, PostLimit] | None:
        """Return how many more posts the tightest limit allows, and that limit; None without limits. Posts that wait to
        be sent count as sent."""
        left = [
            (limit.most - channel_history.count(limit, now) - channel_history.waiting(limit), limit)
            for limit in self.limits
        ]
        return min(left, key=lambda one: one[0], default=None)


@dataclass(frozen=True, slots=True)
class QueuedPost:
    """A post that waits to be sent.

    ``scheduled`` is False for a post that an operator sends, ``begins`` is False for a reply to a post that has
    appeared; only their channel can hold these back. ``planned_at`` is when the post was meant to appear. A post that
    is not ``approved`` yet lets the others go first, but counts towards limits.
    """

    posting_rules: PostingRules
    scheduled: bool = True
    begins: bool = True
    planned_at: datetime | None = None
    approved: bool = True

    def blocker(self, channel_history: ChannelHistory[Any], now: datetime) -> Blocker | None:
        """Return what keeps the post from appearing now; None if nothing does."""
        return self.posting_rules.blocker(channel_history, now) if self.scheduled and self.begins else None


Waiting = TypeVar("Waiting", bound=QueuedPost)


@dataclass(frozen=True, slots=True, order=True)
class PublishedPost:
    """A post that has appeared, and the instant for which it was ``planned``.

    Distances and limits count from the planned instant, so that the seconds that a call takes do not delay later posts.
    A post that was later than that counts from when it appeared.
    """

    at: datetime
    planned: datetime
    digest: str = ""

    @property
    def counts_at(self) -> datetime:
        """Return the instant whose day and week the post counts towards."""
        return self.planned if timedelta(0) <= self.at - self.planned < LATE else self.at

    def keeps_distance_until(self, distance: timedelta) -> datetime:
        """Return the earliest time for the next post. After a late post the distance may shrink, down to half, so that
        one late post does not make all later posts late."""
        if not timedelta(0) <= self.at - self.planned < distance:
            return self.at + distance
        return max(self.planned + distance, self.at + distance / 2)


class ChannelHistory(Generic[Waiting]):
    """The posts of a channel: when they appeared, and those that wait to be sent.

    Of a thread, only the first part is included. ``queue`` holds the waiting posts in order of creation.
    """

    def __init__(self, posts: Iterable[PublishedPost] = (), queue: Iterable[Waiting] = ()) -> None:
        self._counted: dict[str | None, list[datetime]] = defaultdict(list)
        self._posts: list[PublishedPost] = []
        self.queue = list(queue)
        for post in posts:
            self.add(post)

    def add(self, post: PublishedPost) -> None:
        """Record that a post has appeared."""
        insort(self._posts, post)
        insort(self._counted[None], post.counts_at)
        insort(self._counted[post.digest], post.counts_at)

    def count(self, limit: PostLimit, at: datetime) -> int:
        """Return how many posts count towards the limit in the day or week that contains the instant."""
        times = self._counted[limit.digest]
        return bisect_left(times, limit.ends(at)) - bisect_left(times, limit.began(at))

    def waiting(self, limit: PostLimit, *, approved: bool = False) -> int:
        """Return how many queued posts will count towards the limit; with ``approved``, only the approved ones."""
        queued = (one for one in self.queue if one.begins and limit.digest in (None, one.posting_rules.digest))
        return sum(one.approved or not approved for one in queued)

    def goes_first(self, now: datetime) -> bool:
        """Return whether nothing blocks some approved post in the queue, except perhaps the distance to the previous
        post."""
        ready = (one for one in self.queue if one.approved)
        return any(not (one.scheduled and one.begins) or not one.posting_rules.held(self, now) for one in ready)

    def last(self, now: datetime) -> PublishedPost | None:
        """Return the last post that appeared by now. Later ones were dated by a clock that has since stepped back."""
        place = bisect_right(self._posts, now, key=_at)
        return self._posts[place - 1] if place else None

    def since(self, at: datetime) -> list[PublishedPost]:
        """Return the posts that appeared at or after an instant."""
        return self._posts[bisect_left(self._posts, at, key=_at) :]


def _at(post: PublishedPost) -> datetime:
    return post.at
