"""Look for posts whose outcome is unknown, and at posts of which an update or a deletion is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.costs import FREE
from digestbot.errors import PublishError, Unauthorized
from digestbot.ledger import Ledger, reconciliation
from digestbot.model import Action, PostStatus, TimelinePost
from digestbot.publishers import Publisher
from digestbot.publishers.catalogue import with_channel
from digestbot.reconcile import Reading, UnknownPost, Verdict, judge, judge_change
from digestbot.service.report import Report
from digestbot.service.timelines import Request, TimelineReader

log = logging.getLogger(__name__)

DUPLICATES = timedelta(days=2)  # how far back a platform that rejects a duplicate may have seen the text


class Reconciler:
    """Settles what is unknown by what the platforms show, on each channel one post at a time."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        publisher: Callable[[str], Publisher],
        reader: TimelineReader,
        pause: Callable[[sa.Connection, str, Unauthorized, datetime], None],
    ) -> None:
        """``pause`` is called where a reading shows that the channel, or its application, is at fault."""
        self._config, self._ledger, self._publisher, self._reader = config, ledger, publisher, reader
        self._pause = pause

    def reconcile(self, channel: str, report: Report) -> None:
        """Look for the channel's unknown post on its own timeline, or for a quarantined one, if that is due."""
        settings = self._config.delivery
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            unknown = reconciliation.claim_look(tx, channel, settings.lease, settings.quiet_period, now)
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
        """Look for a post on the channel's timeline; a receipt that an attempt noted is as good, and free."""
        reading = Reading()
        if unknown.receipt is None:
            anchors, since = unknown.anchors, unknown.first_sent_at
            if unknown.duplicate:  # what has the text may be older than the attempt
                anchors, since = (), since - DUPLICATES
            reading = self._reader.read(Request(unknown.channel, anchors, since, unknown.reply_to))
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            if isinstance(reading.failure, Unauthorized) and reading.failure.certain:
                self._pause(tx, unknown.channel, reading.failure, now)
            if unknown.receipt is not None:
                receipt = self._publisher(unknown.channel).receipt(unknown.receipt)
                found = TimelinePost(receipt.id, receipt.url, unknown.message.text, (), now)
                verdict = Verdict(PostStatus.PUBLISHED, f"an attempt noted {receipt.id}, late", found=found)
            else:
                claimed = reconciliation.claimed(tx, unknown.channel, [post.id for post in reading.posts])
                verdict = judge(unknown, reading, claimed, self._config.delivery.quiet_period, now)
            return reconciliation.settle(tx, unknown, verdict, reading.count, now, reading.cost), verdict

    def _look_at(self, unknown: UnknownPost) -> tuple[bool, Verdict]:
        """Look at the post that an update or a deletion is about."""
        settings = self._config.delivery
        found, trouble = None, None
        try:
            seconds = settings.lease.total_seconds() / 2
            found = self._publisher(unknown.channel).lookup(unknown.target or "", seconds=seconds)
        except PublishError as error:
            trouble = with_channel(str(error), unknown.channel)
        price = (self._config.prices(unknown.channel) or FREE).read
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            verdict = judge_change(unknown, found, settings.quiet_period, now, trouble)
            return reconciliation.settle(tx, unknown, verdict, int(found is not None), now, price), verdict
