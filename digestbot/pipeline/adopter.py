"""The adopter: it finds out which summaries a channel's account already shows, so that none is posted again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from digestbot.domain.adoption import Adoption, match_posts
from digestbot.domain.budget import FREE
from digestbot.domain.model import Route
from digestbot.ledger import adoption, timeline_checks
from digestbot.pipeline.backlog_growth import BacklogGrowth
from digestbot.pipeline.ingest import Poller
from digestbot.pipeline.report import Report
from digestbot.pipeline.runtime import Runtime
from digestbot.pipeline.timeline_reader import ReadRequest, TimelineReader
from digestbot.platforms.base import Publisher
from digestbot.sources.feed.links import TRACKING, without_tracking


@dataclass(frozen=True)
class AdoptionReport:
    """The outcome of adopting: how many posts were ``read``, and at what ``cost`` (in millionths of a dollar).

    ``own`` posts are in the ledger already. ``pending`` summaries would have been posted again, and ``held`` ones may
    be on the account. ``trouble`` says why older posts are not known; empty if all were read. ``failed``: by an error.
    """

    read: int
    cost: int
    own: int
    found: Adoption
    pending: int
    held: int
    trouble: str
    failed: bool = False


class Adopter:
    """Adopts the posts of one channel's account at a time."""

    def __init__(
        self, runtime: Runtime, poller: Poller, growth: BacklogGrowth, publisher: Callable[[str], Publisher]
    ) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._poller, self._growth = poller, growth
        self._reader = TimelineReader(runtime.config, runtime.ledger, publisher)

    def cost(self, channel: str, most: int) -> int:
        """Return what reading that many posts costs at most, in millionths of a dollar."""
        prices = self._config.prices(channel) or FREE
        page = self._config.platform(channel).timeline_page
        pages = -(-most // page)
        return pages * page * prices.owned_read + 2 * prices.user  # the account's id, and its count of posts

    def adopt(self, channel: str, most: int, report: Report) -> AdoptionReport:
        """Read the account's newest posts, at most ``most``, and record which summaries they show.

        The sources are read first. Errors of sources are in ``report``.
        """
        digests = [name for name, settings in self._config.digests.items() if channel in settings.channels]
        sources = sorted({source for name in digests for source in self._config.digests[name].sources})
        for source in sources:
            self._poller.poll(source, report, at_once=True)
        for digest in digests:
            self._growth.extend(Route(digest, channel))
        cost = self.cost(channel, most)
        request = ReadRequest(channel, as_far_as_possible=True, most_posts=most, accepted_cost=cost)
        reading = self._reader.read(request)
        with self._ledger.read() as tx:
            own = timeline_checks.claimed_receipts(tx, channel, [post.id for post in reading.posts])
            others = [post for post in reading.posts if post.id not in own]
            found = match_posts(
                others,
                adoption.known_texts(tx, sources),
                self._config.channels[channel].link_parameters,
                _without_tracking,
            )
        doubtful = {id_ for _, possible in found.ambiguous.values() for id_ in possible}
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            note = f"adopting: {len(found.shown)} summaries are on the account"
            timeline_checks.record_check(tx, channel, note, reading.count, reading.cost, now, sound=not reading.trouble)
            pending = adoption.record(tx, channel, found.shown, now)
            held = adoption.hold(tx, channel, doubtful)
        trouble = reading.trouble or (f"only the newest {reading.count} posts were read" if reading.bounded else "")
        failed = bool(reading.trouble)
        return AdoptionReport(reading.count, reading.cost, len(own), found, pending, held, trouble, failed)


def _without_tracking(url: str) -> str:
    return without_tracking(url, TRACKING)
