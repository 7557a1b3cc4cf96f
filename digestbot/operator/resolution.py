"""Settling of posts by hand: a receipt that an operator gives is checked, read back and compared before it counts."""

from __future__ import annotations

from dataclasses import dataclass

from digestbot.domain.budget import FREE
from digestbot.domain.errors import ConfigError, LedgerError, PublishError
from digestbot.domain.model import Action, PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.domain.reconciliation import shows_text
from digestbot.ledger import manual_resolution, queries, timeline_checks
from digestbot.pipeline.app import Service
from digestbot.pipeline.timeline_reader import by_ledger_clock

SECONDS = 30.0


@dataclass(frozen=True)
class Resolution:
    """The result of settling a post: its former and new status and, if it is on the platform, its text there.

    ``there`` is the post as read from the platform, ``ours`` is digestbot's text, and ``same`` is whether they agree.
    Only if they do may digestbot ever edit or delete the post.
    """

    post: int
    before: PostStatus
    after: PostStatus
    receipt: Receipt | None = None
    there: TimelinePost | None = None
    ours: str = ""

    @property
    def same(self) -> bool:
        """Return whether the post on the platform has digestbot's text."""
        return self.there is not None and shows_text(self.there, self.ours)


class Resolver:
    """Carries out an operator's decisions about posts."""

    def __init__(self, service: Service) -> None:
        self._config, self._ledger, self._publisher = service.config, service.ledger, service.delivery_worker.publisher

    def published(self, post: int, reference: str) -> Resolution:
        """Record that the post is on the platform, under this URL or id, and return the result.

        An update or a deletion is settled without reading the platform. Raises ConfigError for an invalid URL or id.
        Raises LedgerError if the channel is no longer configured, or the post belongs to another account, is not there,
        or cannot be read now. The post is not changed then.
        """
        with self._ledger.read() as tx:
            row = queries.post_row(tx, post)
        if row.action is not Action.PUBLISH:
            return self._decide(post, PostStatus.PUBLISHED)
        if row.channel not in self._config.channels:
            raise LedgerError(
                f"post {post}: its channel {row.channel} is no longer configured, so it cannot be checked"
            )
        publisher = self._publisher(row.channel)
        try:
            receipt = publisher.receipt(reference)
        except ValueError as error:
            raise ConfigError([f"{reference}: {error}"]) from error
        with self._ledger.begin() as tx:  # the reading is billed whatever its result
            now = self._ledger.now(tx)
            price = (self._config.prices(row.channel) or FREE).read
            whose = {"post": post, "epoch": row.attempts}
            timeline_checks.record_check(
                tx, row.channel, f"reads back {receipt.id}", 1, price, now, sound=False, **whose
            )
        try:
            there = publisher.lookup(receipt.id, seconds=SECONDS)
        except PublishError as error:
            raise LedgerError(f"{reference}: cannot be accepted as post {post}: {error}") from error
        if there is None:
            raise LedgerError(f"{reference}: post not found on {row.channel}; check the URL")
        basis = ReceiptBasis.TEXT if shows_text(there, row.text) else ReceiptBasis.OPERATOR
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            at = by_ledger_clock(there.at, publisher.platform_time(), now)
            before = manual_resolution.resolve_post(tx, post, PostStatus.PUBLISHED, receipt, now, basis, at)
        return Resolution(post, before, PostStatus.PUBLISHED, receipt, there, row.text)

    def retry(self, post: int) -> Resolution:
        """Record that the post is not there: it is looked for once more, then sent again."""
        return self._decide(post, PostStatus.PENDING)

    def skip(self, post: int) -> Resolution:
        """Record that the post is not there, and is not wanted."""
        return self._decide(post, PostStatus.SKIPPED)

    def reopen(self, post: int) -> Resolution:
        """Undo an operator's decision, or a receipt found by its text: the post is quarantined again. Raises
        LedgerError if the post's status rests on anything else."""
        with self._ledger.begin() as tx:
            before = manual_resolution.reopen_post(tx, post, self._ledger.now(tx))
        return Resolution(post, before, PostStatus.QUARANTINED)

    def _decide(self, post: int, decision: PostStatus) -> Resolution:
        quiet = self._config.delivery.quiet_period
        with self._ledger.begin() as tx:
            before = manual_resolution.resolve_post(tx, post, decision, None, self._ledger.now(tx), quiet=quiet)
        return Resolution(post, before, decision)
