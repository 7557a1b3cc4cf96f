"""Read a channel's own timeline, within limits of pages, posts, time and money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.costs import FREE
from digestbot.errors import PublishError
from digestbot.ledger import Ledger, reconciliation, spending
from digestbot.model import TimelinePost
from digestbot.publishers import Publisher
from digestbot.publishers.catalogue import with_channel
from digestbot.reconcile import Anchor, Reading, missing_witness

MOST_PAGES = 40
MOST_EMPTY = 3  # pages in a row without a post: a list without an end
MOST_POSTS = 1000
MOST_COST = 250_000  # of one reading, in millionths of a dollar
LEAST_COST = 20_000  # what a reading may cost though the month's budget is used up: a page
A_DAY = timedelta(days=1)  # how far back before an instant a timeline is read: more than any clock is wrong by


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a reading.

    It goes back to the ``anchors``, the newest posts known to be there; where there is none, to ``since``, or to the
    end. What is known to be newer than the anchor has to be shown too. Where the ledger knows of nothing there:
    ``witnesses`` are posts that this machine noted, or ``as_far_as_possible``: what a limit leaves out is no trouble.
    ``reply_to``: the replies under that post are wanted.
    """

    channel: str
    anchors: tuple[Anchor, ...] = ()
    since: datetime | None = None
    reply_to: str | None = None
    witnesses: frozenset[str] = frozenset()
    as_far_as_possible: bool = False

    @property
    def nothing_known(self) -> bool:
        """Whether the ledger has nothing that a timeline would have to show."""
        return self.as_far_as_possible or bool(self.witnesses)


def by_ledger_clock(at: datetime, platform_now: datetime | None, now: datetime) -> datetime:
    """Return a platform's timestamp by the ledger's clock; as it is where the platform does not say its time."""
    return at - (platform_now - now) if platform_now else at


class TimelineReader:
    """Reads the configured channels' timelines."""

    def __init__(self, config: Config, ledger: Ledger, publisher: Callable[[str], Publisher]) -> None:
        self._config, self._ledger, self._publisher = config, ledger, publisher

    def read(self, request: Request) -> Reading:
        """Return what the timeline shows. Never raises for what the platform answers: that is the reading's trouble.

        An anchor that the platform says is gone gives way to the next one.
        """
        publisher = self._publisher(request.channel)
        with self._ledger.read() as tx:
            now = self._ledger.now(tx)
            most_cost = self._most_cost(request.channel, spending.spent(tx, request.channel, now))
            apart = request.reply_to is not None and publisher.replies_apart
            newest = [] if apart or request.nothing_known else reconciliation.newest_anchors(tx, request.channel, now)
        anchors = [] if apart else list(request.anchors)
        prices = self._config.prices(request.channel) or FREE
        cost = count = 0
        if not publisher.account:
            cost += prices.user  # it asks who it is, once
        some_gone = False
        while True:
            anchor = anchors.pop(0) if anchors else None
            reading, unwitnessed = self._read_once(publisher, request, anchor, now, most_cost - cost)
            cost, count = cost + reading.cost, count + reading.count
            if anchor is None or not unwitnessed:
                break
            cost += prices.read
            if self._look_up(publisher, request.channel, anchor, now) is not None:
                break
            some_gone = True
        shown = {post.id: post for post in reading.posts}
        oldest = shown.get(anchor.id) if anchor is not None else None
        for one in newest:
            if reading.trouble or (anchor is not None and one.at <= anchor.at) or one.id in shown:
                continue
            cost += prices.read
            there = self._look_up(publisher, request.channel, one, now)
            if there is None:
                some_gone = True
            elif oldest is None or there.at >= oldest.at:  # else a clock that was wrong has dated it later than that
                trouble = f"the timeline does not show post {one.id}, which is known to be there"
                reading = replace(reading, trouble=trouble)
        if some_gone and not reading.posts and not reading.trouble:
            reading = replace(reading, trouble="the timeline is empty, and every post that is known is gone")
        return replace(reading, cost=cost, count=count)

    def _most_cost(self, channel: str, spent: int) -> int:
        budget = self._config.budget(channel)
        return MOST_COST if budget is None else min(MOST_COST, max(budget - spent, LEAST_COST))

    def _look_up(self, publisher: Publisher, channel: str, anchor: Anchor, now: datetime) -> Anchor | None:
        """Return a post that is known to be there with the platform's own date, by the ledger's clock, or as it was
        known where the platform does not answer; None where it says that the post is gone: it is no anchor then."""
        try:
            there = publisher.lookup(anchor.id, seconds=self._seconds)
        except PublishError:
            return anchor
        if there is not None:
            return Anchor(anchor.id, by_ledger_clock(there.at, publisher.platform_time(), now))
        with self._ledger.begin() as tx:
            reconciliation.is_missing(tx, channel, anchor.id, now)
        return None

    @property
    def _seconds(self) -> float:
        return self._config.delivery.lease.total_seconds() / 4

    def _read_once(
        self, publisher: Publisher, request: Request, anchor: Anchor | None, now: datetime, most_cost: int
    ) -> tuple[Reading, bool]:
        """A reading back to an anchor, and whether it was sound but for the anchor missing from it."""
        prices = self._config.prices(request.channel) or FREE
        back_to = min(anchor.at, now) - A_DAY if anchor else request.since - A_DAY if request.since else None
        posts: list[TimelinePost] = []
        trouble, count, cost, proven, bounded, empty = "", 0, 0, False, False, 0
        failure: PublishError | None = None
        after = anchor.id if anchor else None
        try:
            pages = publisher.timeline(after=after, reply_to=request.reply_to, seconds=self._seconds)
            for number, page in enumerate(pages, 1):
                posts += [replace(post, at=by_ledger_clock(post.at, page.platform_time, now)) for post in page.posts]
                count, trouble, proven = count + page.count, page.trouble, page.end_proven
                cost += page.count * prices.owned_read + page.users * prices.user
                if trouble or proven or (anchor and any(post.id == anchor.id for post in page.posts)):
                    break
                if back_to is not None and posts and posts[-1].at < back_to:
                    break
                empty = 0 if page.count else empty + 1
                if empty >= MOST_EMPTY:
                    trouble = "the timeline has one empty page after another"
                    break
                if number >= MOST_PAGES or count >= MOST_POSTS or (cost and cost >= most_cost):
                    bounded = True
                    break
        except PublishError as error:
            trouble, failure = with_channel(str(error), request.channel), error
        unwitnessed = False
        if not trouble and not (bounded and request.as_far_as_possible):
            known = request.witnesses & {post.id for post in posts}
            since = request.since if anchor is None else None
            if request.witnesses and anchor is None and not bounded:
                trouble = (
                    "" if known else f"the timeline does not show post {min(request.witnesses)}, which was published"
                )
            else:
                trouble = missing_witness(posts, anchor, since, end_proven=proven)
            unwitnessed = bool(trouble) and not bounded
            if bounded and trouble:
                trouble = f"it is longer than what is read at once ({count} posts)"
        return Reading(tuple(posts), trouble, count, cost, bounded, failure), unwitnessed
