"""Settle a post by hand: a receipt that a person gives is checked, read back and compared before it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from digestbot.config import Config
from digestbot.costs import FREE
from digestbot.errors import ConfigError, LedgerError, PublishError
from digestbot.ledger import Ledger, manual_resolution, reconciliation, views
from digestbot.model import Action, PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.publishers import Publisher
from digestbot.reconcile import has_text
from digestbot.service.timelines import by_ledger_clock

SECONDS = 30.0


@dataclass(frozen=True)
class Resolution:
    """What was settled: the post's former and new status, and for a post on the platform how it reads there.

    ``ours`` is what digestbot would have posted; ``same`` whether the texts agree. Only then is the post ever edited or
    deleted by digestbot.
    """

    post: int
    before: PostStatus
    after: PostStatus
    receipt: Receipt | None = None
    there: TimelinePost | None = None
    ours: str = ""

    @property
    def same(self) -> bool:
        """Whether the post on the platform has our text."""
        return self.there is not None and has_text(self.there, self.ours)


class Resolver:
    """Carries out an operator's decisions about posts."""

    def __init__(self, config: Config, ledger: Ledger, publisher: Callable[[str], Publisher]) -> None:
        self._config, self._ledger, self._publisher = config, ledger, publisher

    def published(self, post: int, reference: str) -> Resolution:
        """The post is on the platform, at this address or under this id.

        Raises ConfigError for an address on another host, LedgerError where the post is another account's, is not
        there, or cannot be read now: nothing is changed then.
        """
        with self._ledger.read() as tx:
            row = views.post_row(tx, post)
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
        with self._ledger.begin() as tx:  # it is billed whatever comes of it
            now = self._ledger.now(tx)
            price = (self._config.prices(row.channel) or FREE).read
            whose = {"post": post, "epoch": row.attempts}
            reconciliation.note_look(tx, row.channel, f"reads back {receipt.id}", 1, price, now, sound=False, **whose)
        try:
            there = publisher.lookup(receipt.id, seconds=SECONDS)
        except PublishError as error:
            raise LedgerError(f"{reference}: cannot be taken for post {post}: {error}") from error
        if there is None:
            raise LedgerError(f"{reference}: there is no such post on {row.channel}; look at the address again")
        basis = ReceiptBasis.TEXT if has_text(there, row.text) else ReceiptBasis.OPERATOR
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            at = by_ledger_clock(there.at, publisher.platform_time(), now)
            before = manual_resolution.resolve(tx, post, PostStatus.PUBLISHED, receipt, now, basis, at)
        return Resolution(post, before, PostStatus.PUBLISHED, receipt, there, row.text)

    def retry(self, post: int) -> Resolution:
        """The post is not there: it is looked for once more, then sent again."""
        return self._decide(post, PostStatus.PENDING)

    def skip(self, post: int) -> Resolution:
        """The post is not there, and is not wanted."""
        return self._decide(post, PostStatus.SKIPPED)

    def reopen(self, post: int) -> Resolution:
        """What was decided by hand is taken back."""
        with self._ledger.begin() as tx:
            before = manual_resolution.reopen(tx, post, self._ledger.now(tx))
        return Resolution(post, before, PostStatus.QUARANTINED)

    def _decide(self, post: int, decision: PostStatus) -> Resolution:
        quiet = self._config.delivery.quiet_period
        with self._ledger.begin() as tx:
            before = manual_resolution.resolve(tx, post, decision, None, self._ledger.now(tx), quiet=quiet)
        return Resolution(post, before, decision)
