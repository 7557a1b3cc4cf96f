"""What each outcome does to the post and its channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digestbot.errors import OutcomeUnknown, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.model import PostStatus, Receipt
from digestbot.retry import backoff, decide

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def test_a_receipt_publishes() -> None:
    decision = decide(Receipt("1", "u"), 1, 0, NOW)
    assert (decision.status, decision.receipt) == (PostStatus.PUBLISHED, Receipt("1", "u"))


@pytest.mark.parametrize("outcome", [OutcomeUnknown("lost"), RuntimeError("surprise"), ValueError()])
def test_whatever_is_not_understood_is_unknown(outcome: Exception) -> None:
    decision = decide(outcome, 1, 0, NOW)
    assert decision.status is PostStatus.UNKNOWN
    assert decision.not_before is None
    assert decision.error


def test_an_unforeseen_error_does_not_spell_out_its_text() -> None:
    assert "token" not in (decide(RuntimeError("token=abc"), 1, 0, NOW).error or "")


def test_refused_content_fails() -> None:
    decision = decide(Rejected("too long"), 1, 0, NOW)
    assert (decision.status, decision.pause, decision.error) == (PostStatus.FAILED, None, "too long")


def test_surely_not_sent_waits_longer_each_time() -> None:
    waits = [decide(Unavailable("refused"), attempts, 0, NOW).not_before for attempts in (1, 2, 3, 50)]
    assert waits == [NOW + timedelta(seconds=seconds) for seconds in (30, 60, 120, 3600)]
    assert backoff(10_000) == timedelta(hours=1)


def test_a_dead_token_pauses_and_an_uncertain_one_gets_a_second_look() -> None:
    assert decide(Unauthorized("dead"), 1, 0, NOW).pause == "dead"
    first = decide(Unauthorized("401", certain=False), 1, 0, NOW)
    assert (first.status, first.pause, first.channel_until) == (PostStatus.PENDING, None, NOW + timedelta(minutes=5))
    assert first.refused
    assert decide(Unauthorized("401", certain=False), 2, 1, NOW).pause == "401"


@pytest.mark.parametrize(
    ("wait", "minutes"),
    [
        (None, 15),
        (timedelta(minutes=3), 3),
        (timedelta(days=400), 25 * 60),
        (timedelta(seconds=-5), 0.5),
    ],
)
def test_rate_limits_hold_the_channel(wait: timedelta | None, minutes: float) -> None:
    decision = decide(RateLimited("429", wait=wait), 1, 0, NOW)
    assert decision.status is PostStatus.PENDING
    assert decision.channel_until == NOW + timedelta(minutes=minutes)
