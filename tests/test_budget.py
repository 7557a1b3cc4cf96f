"""What posts cost, and a month's budget that no new post exceeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import Clock, Feed, raw_config
from hypothesis import given
from hypothesis import strategies as st

from digestbot import config as configuration
from digestbot.domain.budget import DOLLAR, FREE, Budget, Prices, dollars, estimate, month_start
from digestbot.domain.errors import ConfigError
from digestbot.domain.model import Message, Picture, PostStatus
from digestbot.ledger import Ledger, alerts, monthly_costs, queries, schema
from digestbot.pipeline.app import Service
from digestbot.platforms.twitter.config import PriceList
from digestbot.sandbox import Sandbox

Make = Callable[..., Service]
PICTURE = Picture(b"", "image/png", "what it shows")
ACCOUNT = 10_000  # to ask how many posts the account has

X_PRICES = Prices(**PriceList().model_dump())


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is asked of the ledger here, tests/test_partial_threads.py asks of PostgreSQL too."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.mark.parametrize(
    ("message", "cost"),
    [
        (Message("no address"), 15_000),
        (Message("with https://example.org one"), 200_000),
        (Message("with two https://example.org http://example.org"), 200_000),
        (Message("that looks like one: setup.py"), 200_000),
        (Message("no address", picture=PICTURE), 20_000),
        (Message("no address", picture=Picture(b"", "image/png", "")), 15_000),
    ],
)
def test_what_a_post_costs_on_x(message: Message, cost: int) -> None:
    assert estimate(message, X_PRICES) == cost
    assert estimate(message, FREE) == 0


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "$0.00"), (15_000, "$0.015"), (200_000, "$0.20"), (20 * DOLLAR, "$20.00"), (1_234_567, "$1.234567")]
)  # fmt: skip
def test_dollars(amount: int, shown: str) -> None:
    assert dollars(amount) == shown


@given(st.integers(0, 10**8), st.integers(0, 10**6), st.integers(0, 10**8))
def test_a_budget_is_kept_and_warned_of_once(spent: int, cost: int, budget: int) -> None:
    account = Budget(spent, budget)
    assert account.lets_through(cost) == (spent + cost <= budget)
    assert account.nears_its_end(cost) == (100 * (spent + cost) >= 80 * budget)
    assert Budget(spent, None).lets_through(cost)
    assert not Budget(spent, None).nears_its_end(cost)


def test_months_are_utcs() -> None:
    assert month_start(datetime.fromisoformat("2026-12-01T00:30:00+01:00")) == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "words"),
    [("much", "an amount in dollars"), (-1, "an amount"), ("0.0000001", "six places"), (True, "an amount"), (float("nan"), "an amount")],
)  # fmt: skip
def test_amounts_that_are_none(value: Any, words: str) -> None:
    raw = raw_config("http://127.0.0.1:1")
    raw["channels"]["x"]["monthly_budget"] = value
    with pytest.raises(ConfigError, match=words):
        configuration.build(raw)


def test_prices_are_the_configurations(make_service: Make) -> None:
    service = make_service()
    prices = service.config.prices("x")
    assert prices == X_PRICES
    assert prices is not None
    assert (prices.post, prices.link, prices.alt_text, prices.delete) == (15_000, 200_000, 5_000, 10_000)
    assert (prices.owned_read, prices.read, prices.user) == (1_000, 5_000, 10_000)
    assert PriceList.model_validate({"link": "0.25"}).link == 250_000
    assert service.config.prices("page") is None


@pytest.fixture
def with_budget(make_service: Make) -> Callable[..., Service]:
    """A service whose X channel has a budget."""

    def make(budget: float, **digest: Any) -> Service:
        service = make_service(**({"channels": ["x"]} | digest))
        channel = service.config.channels["x"].model_copy(update={"monthly_budget": round(budget * DOLLAR)})
        service.config.channels["x"] = channel
        return service

    return make


def kinds(service: Service) -> list[str]:
    with service.ledger.read() as tx:
        return [alert.kind for alert in alerts.open_alerts(tx)]


def spent(service: Service, clock: Clock) -> int:
    with service.ledger.read() as tx:
        return monthly_costs.spent(tx, "x", clock())


def test_a_budget_ends_the_months_posts_and_the_next_month_goes_on(
    with_budget: Callable[..., Service], feed: Feed, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(12):
        feed.add(number)
    service = with_budget(1.01)  # five posts with a link, and the account, whose empty timeline is not believed alone
    service.tick()
    seen = []
    for _ in range(8):
        clock.forward(hours=16)
        service.tick()
        seen.append((len(sandbox.world.timelines["twitter"]), kinds(service)))
    assert (3, []) in seen
    assert (4, ["budget"]) in seen  # $0.80: four fifths
    assert seen[-1] == (5, ["budget", "budget-spent"])
    assert spent(service, clock) == DOLLAR + ACCOUNT
    assert "digestbot alerts" in caplog.text
    with service.ledger.read() as tx:
        assert queries.backlog_counts(tx, "latest", "x") == {"taken": 5, "waiting": 7}
        notes = [alert.note for alert in alerts.open_alerts(tx)]
    assert notes[0] == "$1.01 of $1.01 for November 2026 are used"
    assert "nothing is posted until 01 December" in notes[1]
    clock.now = datetime(2026, 12, 1, 8, tzinfo=UTC)
    service.tick()  # makes up for the last slot that was missed
    assert len(sandbox.world.timelines["twitter"]) == 6
    assert kinds(service) == []
    assert spent(service, clock) == 200_000


def test_an_edition_that_does_not_fit_is_not_begun(
    with_budget: Callable[..., Service], feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=" ".join(f"Sentence {number} of a long summary." for number in range(40)))
    service = with_budget(0.21, shape="thread")
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert sandbox.world.timelines["twitter"] == []
    assert kinds(service) == ["budget-spent"]
    report = service.send("latest", 1)
    assert report.troubles == ["x: the month's budget has no room for this edition"]


def test_a_budget_that_is_lowered_holds_back_what_is_pending(
    with_budget: Callable[..., Service], feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(2):
        feed.add(number)
    service = with_budget(10, size=2)
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("503-before")  # the first is unknown for a while, the second waits
    service.tick()
    lowered = with_budget(0.30, size=2)
    for _ in range(8):
        clock.forward(minutes=10)
        lowered.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1
    assert "budget-spent" in kinds(lowered)
    with lowered.ledger.read() as tx:
        assert [row.status for row in queries.post_rows(tx)] == [PostStatus.PUBLISHED, PostStatus.PENDING]


def test_what_was_surely_not_posted_costs_nothing(
    with_budget: Callable[..., Service], feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1)
    service = with_budget(10)
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("429", seconds=60)
    service.tick()
    assert spent(service, clock) == ACCOUNT
    sandbox.faults.add("drop-after")
    clock.forward(minutes=15)  # the quiet period: a refusal may be wrong
    service.tick()
    assert spent(service, clock) == 2 * ACCOUNT + 200_000  # it may have been posted
    clock.forward(minutes=5)
    service.tick()  # found on the timeline, at a thousandth of a dollar
    assert spent(service, clock) == 2 * ACCOUNT + 201_000
    with service.ledger.read() as tx:
        assert [row.status for row in queries.post_rows(tx)] == [PostStatus.PUBLISHED]


def test_absence_is_not_billed_but_looking_is(
    with_budget: Callable[..., Service], feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1)
    service = with_budget(10)
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("drop-before")
    service.tick()
    assert spent(service, clock) == ACCOUNT + 200_000
    for _ in range(8):
        clock.forward(minutes=10)
        service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1
    with service.ledger.read() as tx:
        looks = tx.scalar(sa.select(sa.func.count()).select_from(schema.timeline_checks))
    assert looks == 4
    assert spent(service, clock) == looks * ACCOUNT + 200_000


def test_sums_are_of_the_channel_alone(ledger: Ledger, clock: Clock) -> None:
    with ledger.read() as tx:
        assert monthly_costs.spent(tx, "x", clock()) == 0
        assert monthly_costs.reserved(tx, "x") == 0
