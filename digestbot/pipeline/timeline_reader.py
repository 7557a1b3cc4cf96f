"""The timeline reader: it reads a channel's own timeline, within limits on pages, posts, time and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.domain.budget import FREE
from digestbot.domain.errors import PublishError
from digestbot.domain.model import TimelinePost
from digestbot.domain.reconciliation import Anchor, TimelineReading, missing_witness
from digestbot.ledger import Ledger, monthly_costs, timeline_checks
from digestbot.platforms.base import Publisher
from digestbot.platforms.error_catalogue import with_channel

MOST_PAGES = 40
MOST_EMPTY = 3  # pages in a row without a post, after which the timeline is taken to have no end
MOST_POSTS = 1000
MOST_COST = 250_000  # of one reading, in millionths of a dollar
LEAST_COST = 20_000  # what a reading may cost even if the month's budget is used up: a page
A_DAY = timedelta(days=1)  # how far before an instant a timeline is read: more than the error of any clock


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What a reading of a timeline has to cover.

    It goes back to the first of the ``anchors``, the newest posts known to be there. Without one it goes back to
    ``since``, or to the end. Posts known to be newer than the anchor must appear too.

    If the ledger knows of no post there, ``witnesses`` are posts in this machine's marker. With ``as_far_as_possible``,
    posts that a limit leaves out are no trouble. ``reply_to`` asks for the replies to that post. ``accepted_cost`` is
    what an operator has agreed to spend, in millionths of a dollar.
    """

    channel: str
    anchors: tuple[Anchor, ...] = ()
    since: datetime | None = None
    reply_to: str | None = None
    witnesses: frozenset[str] = frozenset()
    as_far_as_possible: bool = False
    most_posts: int = MOST_POSTS
    accepted_cost: int | None = None

    @property
    def nothing_known(self) -> bool:
        """Return whether the ledger knows of no post that the timeline would have to show."""
        return self.as_far_as_possible or bool(self.witnesses)


def by_ledger_clock(at: datetime, platform_now: datetime | None, now: datetime) -> datetime:
    """Return a platform's timestamp converted to the ledger's clock; unchanged if the platform does not tell its
    time."""
    return at - (platform_now - now) if platform_now else at


class TimelineReader:
    """Reads the configured channels' timelines."""

    def __init__(self, config: Config, ledger: Ledger, publisher: Callable[[str], Publisher]) -> None:
        self._config, self._ledger, self._publisher = config, ledger, publisher

    def read(self, request: ReadRequest) -> TimelineReading:
        """Return what the timeline shows. Errors of the platform are not raised, but become the reading's ``trouble``.

        If the platform says that an anchor is gone, the next one is used.
        """
        publisher = self._publisher(request.channel)
        with self._ledger.read() as tx:
            now = self._ledger.now(tx)
            most_cost = request.accepted_cost
            if most_cost is None:
                most_cost = self._most_cost(request.channel, monthly_costs.spent(tx, request.channel, now))
            apart = request.reply_to is not None and publisher.replies_apart
            newest = [] if apart or request.nothing_known else timeline_checks.newest_anchors(tx, request.channel, now)
        anchors = [] if apart else list(request.anchors)
        prices = self._config.prices(request.channel) or FREE
        cost = count = 0
        if not publisher.account:
            cost += prices.user  # the publisher asks once which account it has
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
            elif oldest is None or there.at >= oldest.at:  # otherwise a wrong clock had dated it too late
                trouble = f"the timeline does not show post {one.id}, which is known to be there"
                reading = replace(reading, trouble=trouble)
        if some_gone and not reading.posts and not reading.trouble:
            reading = replace(reading, trouble="the timeline is empty, and every post that is known is gone")
        return replace(reading, cost=cost, count=count)

    def _most_cost(self, channel: str, spent: int) -> int:
        budget = self._config.budget(channel)
        return MOST_COST if budget is None else min(MOST_COST, max(budget - spent, LEAST_COST))

    def _look_up(self, publisher: Publisher, channel: str, anchor: Anchor, now: datetime) -> Anchor | None:
        """Return a known post with the platform's own date, converted to the ledger's clock; unchanged if the platform
        does not answer. If the platform says that the post is gone, return None and record that: it no longer serves as
        an anchor."""
        try:
            there = publisher.lookup(anchor.id, seconds=self._seconds)
        except PublishError:
            return anchor
        if there is not None:
            return Anchor(anchor.id, by_ledger_clock(there.at, publisher.platform_time(), now))
        with self._ledger.begin() as tx:
            timeline_checks.mark_missing(tx, channel, anchor.id, now)
        return None

    @property
    def _seconds(self) -> float:
        return self._config.delivery.lease.total_seconds() / 4

    def _read_once(
        self, publisher: Publisher, request: ReadRequest, anchor: Anchor | None, now: datetime, most_cost: int
    ) -> tuple[TimelineReading, bool]:
        """Return a reading back to an anchor, and whether the anchor's absence is the only thing wrong with it."""
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
                most_pages = request.most_posts if request.accepted_cost is not None else MOST_PAGES
                too_many = number >= most_pages or count >= request.most_posts
                if too_many or (cost and cost >= most_cost):
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
        return TimelineReading(tuple(posts), trouble, count, cost, bounded, failure), unwitnessed
