"""A Hypothesis state machine over the ledger, the clock and what a hostile platform answers.

The platform here is a model with a timeline, so that every kind of outcome can be had at every moment, and so
that the one rule can be watched at the very call that would break it: nothing is sent while an earlier attempt
at it may have succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from conftest import START, Clock, drafts, make_summary, raw_config, up_next
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from digestbot import config as configuration
from digestbot.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable
from digestbot.gate import Gate
from digestbot.ledger import Ledger, backlogs, delivery, editions, intake, views
from digestbot.model import Message, PostStatus, Receipt, TimelinePost, Slot
from digestbot.service import Report, Service

QUIET = timedelta(minutes=15)


class Killed(BaseException):
    """The process ends here."""


class Platform:
    """What the channel's followers see, and how the next call ends."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.posts: list[Seen] = []
        self.next: str = "ok"
        self.lag = timedelta(0)
        self.readable = True

    def publish(self, message: Message, *, reply_to: str | None, seconds: float, may_send: object) -> Receipt:
        outcome, self.next = self.next, "ok"
        if outcome == "refused connection":
            raise Unavailable("refused")
        if outcome == "429":
            raise RateLimited("429", wait=timedelta(minutes=1))
        if outcome == "rejected":
            raise Rejected("no")
        if outcome == "killed before":
            raise Killed
        if outcome == "lost before":
            raise OutcomeUnknown("lost")
        assert message.text not in [post.text for post in self.posts], "sent a second time"
        post = TimelinePost(str(len(self.posts) + 1), "u", message.text, (), self.clock())
        self.posts.append(post)
        if outcome == "lost after":
            raise OutcomeUnknown("lost")
        if outcome == "killed after":
            raise Killed
        return Receipt(post.id, post.url)

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[Seen]:
        if not self.readable:
            raise OutcomeUnknown("503")
        for post in reversed(self.posts):
            if post.at <= self.clock() - self.lag:
                yield post


class Delivery(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.platform = Platform(self.clock)
        self.ledger = Ledger("sqlite://", clock=self.clock)
        self.settings = configuration.build(raw_config("http://127.0.0.1:1", channels=["x"]))
        self.made = 0
        self.service = self.start()

    def start(self) -> Service:
        service = Service(self.settings, self.ledger, self.clock, lambda _: self.platform)  # type: ignore[arg-type, return-value]
        service.prepare()
        return service

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    @rule(count=st.integers(1, 3))
    def make(self, count: int) -> None:
        with self.ledger.begin() as tx:
            intake.claim_poll(tx, "store", timedelta(days=9), START, at_once=True)
            summaries = [make_summary(self.made + n) for n in range(count)]
            intake.take_in(tx, "store", summaries, START)
            intake.poll_succeeded(tx, "store", intake.SourceState(), START)
            backlogs.extend(tx, "latest", "x", "store", "all", self.settings.timezone, Gate(), START)
            for summary in up_next(tx, "latest", "x", 99, START):
                slot = editions.reach_slot(tx, "latest", "x", Slot(f"slot {self.made}", START), START)
                editions.make_edition(
                    tx, slot, "latest", "x", [summary], drafts([summary], [Message(f"text {self.made}")]), START
                )
                self.made += 1

    @rule(
        outcome=st.sampled_from(
            [
                "ok",
                "ok",
                "lost before",
                "lost after",
                "killed before",
                "killed after",
                "refused connection",
                "429",
                "rejected",
            ]
        )
    )
    def publish(self, outcome: str) -> None:
        self.platform.next = outcome
        with self.ledger.begin() as tx:
            delivery.expire(tx, self.settings.delivery.lease, self.clock())
        try:
            self.service.delivery_worker.publish("x", Report())
        except Killed:
            self.service = self.start()

    @rule(seconds=st.sampled_from([1, 5, 30, 60, 300, 900, 3600, 86400]))
    def pass_time(self, seconds: int) -> None:
        self.clock.forward(seconds=seconds)

    @rule(minutes=st.integers(1, 3000))
    def clock_steps_back(self, minutes: int) -> None:
        self.clock.forward(minutes=-minutes)
        # what the platform shows is its own clock's business
        self.platform.posts = [
            TimelinePost(post.id, post.url, post.text, post.links, min(post.at, self.clock())) for post in self.platform.posts
        ]

    @rule(minutes=st.integers(0, 14))
    def timeline_lags(self, minutes: int) -> None:
        self.platform.lag = timedelta(minutes=minutes)

    @rule(readable=st.booleans())
    def timeline_breaks(self, readable: bool) -> None:
        self.platform.readable = readable

    @invariant()
    def receipts_are_true_and_unique(self) -> None:
        if not hasattr(self, "ledger"):
            return
        texts = {post.id: post.text for post in self.platform.posts}
        assert len(set(texts.values())) == len(texts)
        with self.ledger.read() as tx:
            rows = list(views.post_rows(tx))
        assert len(rows) == self.made
        for row in rows:
            if row.status is PostStatus.PUBLISHED:
                assert row.receipt is not None
                assert texts[row.receipt.id] == row.text
        assert sum(row.status in (PostStatus.PUBLISHING, PostStatus.UNKNOWN) for row in rows) <= 1


Delivery.TestCase.settings = settings(max_examples=45, stateful_step_count=40, deadline=None)
TestDelivery = Delivery.TestCase
