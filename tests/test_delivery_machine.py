"""A Hypothesis state machine over the ledger, the clock, and a platform that may also lie, beside people who also post.

The platform here is a model with a timeline, so that every kind of outcome can be had at every moment, and so that the
rules can be watched at the very call that would break them: nothing is sent while an earlier attempt at it may have
succeeded, and no post of somebody else's is taken for ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from helpers.basics import START, Clock, drafts, make_summary, raw_config, up_next
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from digestbot import config as configuration
from digestbot.domain.errors import DuplicateText, OutcomeUnknown, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Message, PostStatus, Receipt, Slot, TimelinePage, TimelinePost
from digestbot.ledger import Ledger, backlog, channel_states, delivery, editions, intake, queries, source_states
from digestbot.operator.resolution import Resolver
from digestbot.pipeline.app import Report, Service

QUIET = timedelta(minutes=15)
OUTCOMES = [
    "ok",
    "ok",
    "lost before",
    "lost after",
    "killed before",
    "killed after",
    "refused connection",
    "429",
    "429 after",
    "401",
    "401 after",
    "duplicate",
    "rejected",
]
LIES = ["empty", "proven empty", "foreign", "partial", "unreadable"]


class Killed(BaseException):
    """The process ends here."""


class ViolationError(BaseException):
    """A rule was broken. No Exception, which the service would take for one more outcome."""


class SteppingClock(Clock):
    """A clock that can be set back, and how much time has passed in truth."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = timedelta(0)

    def forward(self, **span: float) -> None:
        super().forward(**span)
        self.elapsed += timedelta(**span)


class Platform:
    """What the channel's followers see, and how the next call ends."""

    replies_apart = False
    account = "100"

    def __init__(self, clock: SteppingClock) -> None:
        self.clock = clock
        self.posts: list[TimelinePost] = []
        self.others: set[str] = set()
        self.next: str = "ok"
        self.lag = timedelta(0)
        self.lie = ""
        self.shown_from: dict[str, timedelta] = {}  # by time that passed: no clock's step hides a post again

    def add(self, text: str, *links: str) -> TimelinePost:
        post = TimelinePost(str(len(self.posts) + 1), "u", text, links, self.clock())
        self.posts.append(post)
        self.shown_from[post.id] = self.clock.elapsed
        return post

    def publish(self, message: Message, *, reply_to: str | None, seconds: float, may_send: object) -> Receipt:
        outcome, self.next = self.next, "ok"
        refused = {
            "refused connection": Unavailable("refused"),
            "429": RateLimited("429", wait=timedelta(minutes=1)),
            "401": Unauthorized("401", certain=False),
            "rejected": Rejected("no"),
            "duplicate": DuplicateText("there"),
            "killed before": Killed(),
            "lost before": OutcomeUnknown("lost"),
        }
        if outcome in refused:
            raise refused[outcome]
        mine = [post.text for post in self.posts if post.id not in self.others]
        if message.text in mine:
            raise ViolationError(f"{message.text} is sent a second time")
        link = message.text.partition(" ")[2]
        post = self.add(message.text, link)
        if outcome == "429 after":
            raise RateLimited("429", wait=timedelta(minutes=1))
        if outcome == "401 after":
            raise Unauthorized("401", certain=False)
        if outcome == "lost after":
            raise OutcomeUnknown("lost")
        if outcome == "killed after":
            raise Killed
        return Receipt(post.id, post.url)

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:
        seen = self.clock.elapsed - self.lag
        shown = [post for post in reversed(self.posts) if self.shown_from[post.id] <= seen]
        match self.lie:
            case "unreadable":
                raise OutcomeUnknown("503")
            case "empty":
                yield TimelinePage(trouble="no count")
            case "proven empty":
                yield TimelinePage(end_proven=True)
            case "foreign":
                yield TimelinePage(trouble="posts of another account", count=3)
            case "partial":
                yield TimelinePage(tuple(shown[len(shown) // 2 :]), trouble="with errors")
            case _:
                yield TimelinePage(tuple(shown), len(shown), end_proven=len(shown) == len(self.posts))

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        return next((post for post in self.posts if post.id == receipt), None)

    def receipt(self, reference: str) -> Receipt:
        return Receipt(reference, "u")

    def platform_time(self) -> datetime:
        return self.clock()


class Delivery(RuleBasedStateMachine):
    @initialize(known=st.booleans())
    def begin(self, known: bool) -> None:
        """With something published already, or with nothing known of the account."""
        self.clock = SteppingClock()
        self.platform = Platform(self.clock)
        self.ledger = Ledger("sqlite://", clock=self.clock)
        self.settings = configuration.build(raw_config("http://127.0.0.1:1", channels=["x"]))
        self.made = 0
        self.service = self.start()
        if known:
            self.make(1)
            self.publish("ok")

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
            source_states.claim_poll(tx, "store", timedelta(days=9), START, at_once=True)
            summaries = [make_summary(self.made + n) for n in range(count)]
            intake.ingest(tx, "store", summaries, START)
            source_states.poll_succeeded(tx, "store", source_states.SourceState(), START)
            backlog.extend_backlog(tx, "latest", "x", "store", "all", self.settings.timezone, DigestFilters(), START)
            for summary in up_next(tx, "latest", "x", 99, START):
                slot = editions.reach_slot(
                    tx, "latest", "x", Slot(f"slot {self.made}", START + timedelta(seconds=self.made)), START
                )
                message = Message(f"text{self.made} https://example.org/{self.made}")
                editions.make_edition(tx, slot, "latest", "x", [summary], drafts([summary], [message]), START)
                self.made += 1

    @rule(outcome=st.sampled_from(OUTCOMES))
    def publish(self, outcome: str) -> None:
        self.platform.next = outcome
        with self.ledger.begin() as tx:
            delivery.expire(tx, self.settings.delivery.lease, self.clock())
        try:
            self.service.delivery_worker.publish("x", Report())
        except Killed:
            self.service = self.start()

    @rule()
    def restart(self) -> None:
        self.service = self.start()

    @rule()
    def operator_resumes(self) -> None:
        with self.ledger.begin() as tx:
            channel_states.resume(tx, "x")

    @rule(retry=st.booleans())
    def operator_decides(self, retry: bool) -> None:
        with self.ledger.read() as tx:
            waiting = queries.post_rows(tx, statuses=[PostStatus.QUARANTINED])
        for row in waiting[:1]:
            mine = next((post for post in self.platform.posts if post.text == row.text), None)
            if mine is not None:
                Resolver(self.service).published(row.id, mine.id)
            elif retry:
                Resolver(self.service).retry(row.id)

    @rule(number=st.integers(0, 5))
    def somebody_else_posts(self, number: int) -> None:
        post = self.platform.add(f"look at this https://example.org/{number}", f"https://example.org/{number}")
        self.platform.others.add(post.id)

    @rule(seconds=st.sampled_from([1, 5, 30, 60, 300, 900, 3600, 86400]))
    def pass_time(self, seconds: int) -> None:
        self.clock.forward(seconds=seconds)

    @rule(minutes=st.integers(1, 3000))
    def clock_steps_back(self, minutes: int) -> None:
        self.clock.now -= timedelta(minutes=minutes)
        # the platform's clock does as the ledger's: a reading is put on the latter
        self.platform.posts = [
            TimelinePost(post.id, post.url, post.text, post.links, min(post.at, self.clock()))
            for post in self.platform.posts
        ]

    @rule(minutes=st.integers(0, 14))
    def timeline_lags(self, minutes: int) -> None:
        self.platform.lag = timedelta(minutes=minutes)

    @rule(lie=st.sampled_from(["", *LIES]))
    def timeline_lies(self, lie: str) -> None:
        with self.ledger.read() as tx:
            witness = bool(queries.post_rows(tx, statuses=[PostStatus.PUBLISHED]))
        # where nothing is known to be there, the platform's own word for it has to do
        self.platform.lie = lie if witness or lie != "proven empty" else ""

    @rule(hours=st.sampled_from([1, 3, 30]), outcome=st.sampled_from(OUTCOMES), lie=st.sampled_from(["", *LIES]))
    def live(self, hours: int, outcome: str, lie: str) -> None:
        """Something is made; the next call ends so, and then the timeline lies; the service does what is due."""
        self.make(1)
        self.publish(outcome)
        outcome = "ok"
        self.timeline_lies(lie)
        for _ in range(16):
            self.publish(outcome)
            outcome = "ok"
            self.clock.forward(hours=hours / 16)

    @invariant()
    def receipts_are_true_and_unique(self) -> None:
        if not hasattr(self, "ledger"):
            return
        texts = {post.id: post.text for post in self.platform.posts}
        mine = [text for id_, text in texts.items() if id_ not in self.platform.others]
        assert len(set(mine)) == len(mine)
        with self.ledger.read() as tx:
            rows = list(queries.post_rows(tx))
        assert len(rows) == self.made
        for row in rows:
            if row.status is PostStatus.PUBLISHED:
                assert row.receipt is not None
                assert texts[row.receipt.id] == row.text
                assert row.receipt.id not in self.platform.others
            if row.status is PostStatus.QUARANTINED:
                assert row.error
        assert sum(row.status in (PostStatus.PUBLISHING, PostStatus.UNKNOWN) for row in rows) <= 1


Delivery.TestCase.settings = settings(max_examples=45, stateful_step_count=40, deadline=None)
TestDelivery = Delivery.TestCase


def test_where_nothing_is_known_from_before_the_newest_known_post_is_the_witness() -> None:
    """Found by the machine: published and sent at the same instant, then an empty timeline that claims to be whole."""
    machine = Delivery()
    machine.begin(known=True)
    try:
        machine.live(hours=1, outcome="killed after", lie="proven empty")
        machine.receipts_are_true_and_unique()
        assert len(machine.platform.posts) == 2
    finally:
        machine.teardown()


def test_a_known_post_is_a_witness_though_the_clock_was_put_back() -> None:
    """What was published is dated later than now: it is known all the same."""
    machine = Delivery()
    machine.begin(known=True)
    try:
        machine.clock_steps_back(minutes=60)
        machine.live(hours=3, outcome="killed after", lie="proven empty")
        machine.receipts_are_true_and_unique()
        assert len(machine.platform.posts) == 2
    finally:
        machine.teardown()
