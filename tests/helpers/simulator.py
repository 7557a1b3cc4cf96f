"""Years of schedule in memory: the planning code over a world of random arrivals, stops and clock steps.

What the ledger does with transactions and constraints is done with plain values here; what is decided is decided by the
same code that `run` and `plan` ask.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from digestbot.config import Config, Timing
from digestbot.config.rules import build_posting_rules
from digestbot.domain.model import Paper, Summary
from digestbot.domain.schedule import (
    Candidate,
    CandidateQueue,
    ChannelHistory,
    DigestHistory,
    PostingRules,
    PublishedPost,
    SlotDecision,
    decide_slot,
    is_due,
)
from helpers.basics import make_summary

HOUR = timedelta(hours=1)


@dataclass
class Digest:
    """A digest on a channel, and what it remembers."""

    posting_rules: PostingRules
    timing: Timing
    shape: Any
    digest_history: DigestHistory
    backlog: list[Candidate] = field(default_factory=list)
    slots: dict[str, datetime] = field(default_factory=dict)
    last: SlotDecision | None = None


@dataclass(frozen=True)
class Posted:
    """An edition, as it appeared."""

    at: datetime
    digest: str
    channel: str
    slot: str
    due: datetime
    chosen: tuple[Summary, ...]
    appeared: PublishedPost


class Simulator:
    """A world that is run for a while."""

    def __init__(self, config: Config, seed: int, start: datetime) -> None:
        self.draw, self.now, self.config = Random(seed), start, config
        self.digests = [
            Digest(
                build_posting_rules(config, digest, channel),
                config.timing(digest, channel),
                config.appearance(digest, channel).shape,
                DigestHistory(start, start),
            )
            for digest, channel in config.routes()
        ]
        self.channel_history: dict[str, ChannelHistory[Any]] = defaultdict(ChannelHistory)
        self.posted: list[Posted] = []
        self.arrived = 0
        self.seen: dict[int, datetime] = {}
        self.ticks = 0

    def arrive(self, number: int) -> None:
        """So many summaries are taken in, and wait in every digest."""
        for _ in range(number):
            self.arrived += 1
            paper = self.draw.randrange(max(2, self.arrived // 2))
            self.seen[self.arrived] = self.now
            summary = make_summary(self.arrived, paper=Paper(f"conf/sim/{paper}", f"Paper {paper}"), id=self.arrived)
            for digest in self.digests:
                digest.backlog.append(Candidate(summary, paper, self.now))

    def tick(self) -> None:
        """All that is due, in the order in which `run` takes it."""
        self.ticks += 1
        while True:
            due = [(slot.at, index) for index, one in enumerate(self.digests) if (slot := self._due(one)) is not None]
            if not any(self._conclude_slot(self.digests[index]) for _, index in sorted(due)):
                return

    def _due(self, digest: Digest) -> Any:
        return is_due(digest.posting_rules, digest.digest_history, self.now)

    def _conclude_slot(self, digest: Digest) -> bool:
        posting_rules, timing, channel_history = (
            digest.posting_rules,
            digest.timing,
            self.channel_history[digest.posting_rules.channel],
        )
        if self._due(digest) is None:
            return False
        decision = decide_slot(
            posting_rules,
            timing,
            digest.shape,
            digest.digest_history,
            channel_history,
            CandidateQueue(iter(digest.backlog)),
            self.now,
        )
        digest.last = decision
        if decision.slot is None:
            return False
        assert decision.slot.nominal not in digest.slots, "a slot twice"
        digest.slots[decision.slot.nominal] = decision.slot.due
        edition = digest.digest_history.edition
        if decision.chosen:
            chosen = {summary.id for summary in decision.chosen}
            digest.backlog = [one for one in digest.backlog if one.summary.id not in chosen]
            edition = self.now
            planned = posting_rules.planned_at(channel_history, min(decision.slot.at, self.now), self.now)
            appeared = PublishedPost(self.now, planned, posting_rules.digest)
            slot, chosen_ = decision.slot, tuple(decision.chosen)
            self.posted.append(
                Posted(self.now, posting_rules.digest, posting_rules.channel, slot.nominal, slot.due, chosen_, appeared)
            )
            for _ in chosen_ if digest.shape == "single" else chosen_[:1]:
                channel_history.add(appeared)
        digest.digest_history = replace(digest.digest_history, since=decision.slot.due, edition=edition)
        return True

    def live(self, span: timedelta, *, stops: bool = True) -> None:
        """Tick on, sometimes late, sometimes stopped for long, sometimes with a clock that was put back or forward."""
        end = self.now + span
        while self.now < end:
            chance = self.draw.random()
            if stops and chance < 0.003:
                self.now += self.draw.choice([HOUR, 24 * HOUR, 24 * HOUR * 30])
            elif stops and chance < 0.006:
                self.now += self.draw.choice([3, -3]) * HOUR
            else:
                self.now += self.draw.choice([timedelta(minutes=7), timedelta(minutes=31), 2 * HOUR])
            if self.draw.random() < 0.05:
                self.arrive(self.draw.choice([1, 1, 2, 5, 50]) if self.draw.random() < 0.3 else 1)
            self.tick()


START_OF_TIME = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
