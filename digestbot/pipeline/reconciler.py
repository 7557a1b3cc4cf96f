"""The reconciler: it establishes what became of posts, updates and deletions whose outcome is unknown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.domain.budget import FREE
from digestbot.domain.errors import PublishError, Unauthorized
from digestbot.domain.model import Action, PostStatus, TimelinePost
from digestbot.domain.reconciliation import TimelineReading, UnknownPost, Verdict, judge_change, judge_reading
from digestbot.ledger import Ledger, timeline_checks
from digestbot.pipeline.report import Report
from digestbot.pipeline.timeline_reader import ReadRequest, TimelineReader
from digestbot.platforms.base import Publisher
from digestbot.platforms.error_catalogue import with_channel

log = logging.getLogger(__name__)

DUPLICATES = timedelta(days=2)  # how old the original may be when a platform rejects a post as a duplicate


class Reconciler:
    """Settles unknown outcomes by what the platforms show, one post at a time on each channel."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        publisher: Callable[[str], Publisher],
        reader: TimelineReader,
        pause: Callable[[sa.Connection, str, Unauthorized, datetime], None],
    ) -> None:
        """Create a reconciler. ``pause`` is called if a reading shows that the channel, or its application, is at
        fault."""
        self._config, self._ledger, self._publisher, self._reader = config, ledger, publisher, reader
        self._pause = pause

    def reconcile(self, channel: str, report: Report) -> None:
        """Check what became of the channel's unknown post, or of a quarantined one if there is none, if a check is
        due."""
        settings = self._config.delivery
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            unknown = timeline_checks.claim_check(tx, channel, settings.lease, settings.quiet_period, now)
        if unknown is None:
            return
        settled, verdict = self._look_for(unknown) if unknown.action is Action.PUBLISH else self._look_at(unknown)
        if not settled:
            return
        report.settled.append((unknown.post, verdict))
        levels = {PostStatus.QUARANTINED: logging.ERROR, PostStatus.UNKNOWN: logging.INFO}
        level = levels.get(verdict.status, logging.WARNING)
        log.log(level, "post %d on %s: %s: %s", unknown.post, channel, verdict.status, verdict.note)

    def _look_for(self, unknown: UnknownPost) -> tuple[bool, Verdict]:
        """Look for a post on the channel's timeline; return whether it was settled here, and the verdict.

        A receipt that an attempt noted late is as good as a post on the timeline, and costs nothing.
        """
        reading = TimelineReading()
        if unknown.receipt is None:
            anchors, since = unknown.anchors, unknown.first_sent_at
            if unknown.duplicate:  # the post with the same text may be older than the attempt
                anchors, since = (), since - DUPLICATES
            reading = self._reader.read(ReadRequest(unknown.channel, anchors, since, unknown.reply_to))
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            if isinstance(reading.failure, Unauthorized) and reading.failure.certain:
                self._pause(tx, unknown.channel, reading.failure, now)
            if unknown.receipt is not None:
                receipt = self._publisher(unknown.channel).receipt(unknown.receipt)
                result = TimelinePost(receipt.id, receipt.url, unknown.message.text, (), now)
                verdict = Verdict(PostStatus.PUBLISHED, f"an attempt noted {receipt.id}, late", found=result)
            else:
                claimed = timeline_checks.claimed_receipts(tx, unknown.channel, [post.id for post in reading.posts])
                verdict = judge_reading(unknown, reading, claimed, self._config.delivery.quiet_period, now)
            return timeline_checks.settle(tx, unknown, verdict, reading.count, now, reading.cost), verdict

    def _look_at(self, unknown: UnknownPost) -> tuple[bool, Verdict]:
        """Look up the post that an update or a deletion applies to; return whether that was settled here, and the
        verdict."""
        settings = self._config.delivery
        result, trouble = None, None
        try:
            seconds = settings.lease.total_seconds() / 2
            result = self._publisher(unknown.channel).lookup(unknown.target or "", seconds=seconds)
        except PublishError as error:
            trouble = with_channel(str(error), unknown.channel)
        price = (self._config.prices(unknown.channel) or FREE).read
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            verdict = judge_change(unknown, result, settings.quiet_period, now, trouble)
            return timeline_checks.settle(tx, unknown, verdict, int(result is not None), now, price), verdict
