"""What the simulation of a plan starts from and what it yields: digests and channels as recorded, and plan entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from digestbot.domain.budget import Budget, month_start
from digestbot.domain.model import Shape, Summary
from digestbot.domain.schedule.constraints import ChannelHistory, PostingRules, PublishedPost, QueuedPost
from digestbot.domain.schedule.selection import Candidate, DigestHistory, EditionRules


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One line of a plan: summaries that appear together, or a slot that stays empty.

    ``slot`` is its nominal time, and ``cost`` is in millionths of a dollar. ``note`` says why the slot is empty, or
    what else the operator should know. ``post`` is the id of a post that already exists.
    """

    at: datetime
    digest: str
    channel: str
    slot: str
    summaries: tuple[Summary, ...] = ()
    cost: int = 0
    note: str = ""
    post: int | None = None

    @property
    def made(self) -> bool:
        """Return whether its posts already exist and wait to be sent."""
        return self.post is not None


@dataclass(frozen=True, slots=True)
class PendingPost(QueuedPost):
    """A post that is to be sent, with the replies under it.

    It is not sent before ``not_before``, which is set after several failed tries.
    """

    slot: str = ""
    summaries: tuple[Summary, ...] = ()
    cost: int = 0
    post: int | None = None
    note: str = ""
    not_before: datetime | None = None

    def appears(self, channel_history: ChannelHistory[PendingPost], now: datetime) -> PublishedPost:
        """Return the post as it is published now."""
        wanted = self.planned_at if self.scheduled else None
        planned = now if wanted is None else self.posting_rules.planned_at(channel_history, min(wanted, now), now)
        return PublishedPost(now, planned, self.posting_rules.digest)


@dataclass
class DigestState:
    """A digest on a channel as recorded in its ledger: its rules, its history, and its candidates."""

    posting_rules: PostingRules
    timing: EditionRules
    shape: Shape
    digest_history: DigestHistory
    candidates: Iterator[Candidate]
    shares_with: frozenset[str] = frozenset()
    """The other digests whose summaries may come again here."""
    approved: frozenset[int] = frozenset()
    """The summaries that an operator approved in advance."""
    passed_over: set[int] = field(default_factory=set)
    """Summaries that other digests put on the channel during the simulation; those not read yet need not be."""
    held: str = ""
    """Why no slot takes place until an operator has decided; empty if nothing needs a decision."""


@dataclass
class ChannelState:
    """A channel as recorded in its ledger.

    ``spent`` has an amount for each month, by the beginning of the month. Nothing is sent before ``blocked_until``.
    ``note`` is added to every entry, for example that the channel is paused.
    """

    channel_history: ChannelHistory[PendingPost]
    budget: int | None = None
    spent: dict[datetime, int] = field(default_factory=lambda: defaultdict(int))
    blocked_until: datetime | None = None
    note: str = ""

    def account(self, now: datetime) -> Budget:
        """Return the budget of the month that contains the instant."""
        return Budget(self.spent[month_start(now)], self.budget)
