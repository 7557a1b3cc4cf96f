"""What each outcome does to the post, to its channel, and to no more than these."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digestbot.domain.errors import (
    DuplicateText,
    OutcomeUnknown,
    PublishError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from digestbot.domain.model import PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.domain.reconciliation import Verdict
from digestbot.domain.retry import FIRST_WAIT, HANDFUL, LONGEST_WAIT, ChannelFailures, Decision, backoff
from digestbot.domain.retry import decide_after_attempt as decide_

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
FOUND = TimelinePost("7", "https://x.com/7", "text", (), NOW)


def decide(outcome: object, tries: int = 1, rejections: int = 0, **more: object) -> Decision:
    history = ChannelFailures(rejections, more.pop("rejected", ()))  # type: ignore[arg-type]
    return decide_(outcome, tries, history, NOW, **more)  # type: ignore[arg-type]


def test_a_receipt_publishes() -> None:
    decision = decide(Receipt("1", "u"))
    assert (decision.status, decision.receipt, decision.basis) == (
        PostStatus.PUBLISHED,
        Receipt("1", "u"),
        ReceiptBasis.ANSWER,
    )


@pytest.mark.parametrize("outcome", [OutcomeUnknown("lost"), RuntimeError("surprise"), ValueError()])
def test_whatever_is_not_understood_is_unknown(outcome: Exception) -> None:
    decision = decide(outcome)
    assert decision.status is PostStatus.UNKNOWN
    assert decision.not_before is None
    assert decision.error


def test_an_unexpected_error_does_not_spell_out_its_text() -> None:
    assert "token" not in (decide(RuntimeError("token=abc")).error or "")


def test_a_duplicate_is_looked_for_and_never_sent_again() -> None:
    decision = decide(DuplicateText("there"))
    assert (decision.status, decision.duplicate, decision.pause) == (PostStatus.UNKNOWN, True, None)


def test_rejected_content_fails_and_the_third_post_in_a_row_pauses_the_channel() -> None:
    first = decide(Rejected("too long"), post=1)
    assert (first.status, first.pause, first.error, first.rejected) == (PostStatus.FAILED, None, "too long", True)
    assert decide(Rejected("no"), rejected=(1,), post=2).pause is None
    assert decide(Rejected("no"), rejected=(1, 2), post=2).pause is None  # a retry is no third post
    third = decide(Rejected("no"), rejected=(1, 2), post=3)
    assert third.status is PostStatus.FAILED
    assert third.pause is not None
    assert "posts 1, 2, 3" in third.pause
    assert "digestbot resume" in third.pause


def test_surely_not_sent_waits_longer_each_time_and_then_lets_the_others_go_first() -> None:
    waits = [decide(Unavailable("refused"), tries).not_before for tries in (1, 2, 3, 50)]
    assert waits == [NOW + timedelta(seconds=seconds) for seconds in (30, 60, 120, 3600)]
    assert backoff(10_000, FIRST_WAIT, LONGEST_WAIT) == timedelta(hours=1)
    assert [decide(Unavailable("refused"), tries).yields for tries in (1, HANDFUL - 1, HANDFUL)] == [False, False, True]
    assert not decide(Unavailable("refused")).check_first  # no byte was sent


def test_a_dead_token_pauses_and_an_uncertain_one_gets_a_second_try() -> None:
    assert decide(Unauthorized("dead")).pause == "dead"
    first = decide(Unauthorized("401", certain=False))
    assert (first.status, first.pause, first.channel_until) == (PostStatus.PENDING, None, NOW + timedelta(minutes=5))
    assert "one more attempt follows at 2026-11-02 09:05 UTC, then the channel pauses" in str(first.error)
    assert first.refused
    assert first.check_first
    assert decide(Unauthorized("401", certain=False), 2, 1).pause == "401"


def test_what_a_401_or_a_429_may_have_accepted_is_looked_for_after_the_quiet_period() -> None:
    quiet = timedelta(minutes=15)
    assert decide(Unauthorized("401", certain=False), quiet=quiet).channel_until == NOW + quiet
    assert decide(Unauthorized("dead"), quiet=quiet).not_before == NOW + quiet
    limited = decide(RateLimited("429", wait=timedelta(minutes=1)), quiet=quiet)
    assert (limited.channel_until, limited.not_before) == (NOW + timedelta(minutes=1), NOW + quiet)
    refused_look = Verdict(PostStatus.PENDING, "401", failure=Unauthorized("401", certain=False))
    assert decide(refused_look, quiet=quiet).channel_until == NOW + timedelta(minutes=5)  # nothing was sent


def test_an_application_at_fault_pauses_all_its_channels_and_a_cap_ends_by_itself() -> None:
    assert decide(Unauthorized("no credit", application=True)).application
    capped = decide(Unauthorized("cap", application=True, until_reset=True, wait=timedelta(days=3)))
    assert capped.paused_until == NOW + timedelta(days=3)
    assert "resumes by itself at 2026-11-05 09:00 UTC" in str(capped.pause)
    assert decide(Unauthorized("cap", until_reset=True)).paused_until is None


@pytest.mark.parametrize(
    ("wait", "tries", "minutes"),
    [
        (None, 1, 15),
        (None, 3, 60),
        (None, 50, 12 * 60),
        (timedelta(minutes=3), 3, 3),
        (timedelta(days=400), 1, 25 * 60),
        (timedelta(seconds=-5), 1, 0.5),
    ],
)
def test_rate_limits_hold_the_channel(wait: timedelta | None, tries: int, minutes: float) -> None:
    decision = decide(RateLimited("429", wait=wait), tries)
    assert decision.status is PostStatus.PENDING
    assert decision.channel_until == NOW + timedelta(minutes=minutes)
    assert decision.check_first  # bytes were sent: an answer that says "not now" may be wrong
    assert decision.yields is (tries >= HANDFUL)
    assert (decision.not_before == NOW) is not decision.yields


def test_what_was_found_before_sending_is_published_by_its_text() -> None:
    decision = decide(Verdict(PostStatus.PUBLISHED, "there", found=FOUND))
    assert (decision.status, decision.basis) == (PostStatus.PUBLISHED, ReceiptBasis.TEXT)
    assert decision.receipt == Receipt("7", "https://x.com/7")


def test_what_may_be_there_is_for_the_operator() -> None:
    decision = decide(Verdict(PostStatus.QUARANTINED, "compare", candidates=(FOUND,)))
    assert (decision.status, decision.candidates) == (PostStatus.QUARANTINED, (FOUND,))


def test_a_timeline_that_cannot_be_read_pauses_a_channel_that_has_to_catch_up() -> None:
    unread = Verdict(PostStatus.PENDING, "503", sound=False)
    assert decide(unread, HANDFUL).pause is None
    assert decide(unread, 1, catching_up="the ledger was restored").pause is None
    pause = decide(unread, HANDFUL, catching_up="the ledger was restored").pause
    assert pause is not None
    assert pause.startswith("the ledger was restored")
    assert "digestbot resume" in pause
    endless = Verdict(PostStatus.PENDING, "too long", sound=False, final=True)
    assert decide(endless, 1, catching_up="the ledger was restored").pause is not None


def test_a_platform_that_is_not_ready_is_asked_again_after_seconds_then_as_usual() -> None:
    early = Unavailable("the part before is not visible yet", wait=timedelta(seconds=5))
    assert [decide(early, tries).not_before for tries in (1, 2)] == [
        NOW + timedelta(seconds=5),
        NOW + timedelta(seconds=60),
    ]
    assert not decide(early).check_first


@pytest.mark.parametrize("failure", [RateLimited("429"), Unauthorized("401", certain=False), Unauthorized("no")])
def test_a_look_that_is_refused_says_nothing_about_the_post(failure: PublishError) -> None:
    decision = decide(Verdict(PostStatus.PENDING, "unread", failure=failure), quiet=timedelta(minutes=15))
    assert decision.status is PostStatus.PENDING
    assert not decision.check_first
    assert bool(decision.pause) is (isinstance(failure, Unauthorized) and failure.certain)


def test_a_part_whose_parent_is_gone_is_rejected_by_itself() -> None:
    decision = decide(Verdict(PostStatus.PENDING, "unread", failure=Rejected("the part before was not found")))
    assert (decision.status, decision.pause) == (PostStatus.FAILED, None)


def test_a_limit_of_days_pauses_until_then() -> None:
    limited = Unauthorized("limited for some days", until_reset=True, wait=timedelta(hours=12))
    decision = decide(limited)
    assert decision.paused_until == NOW + timedelta(hours=12)
    assert "resumes by itself" in str(decision.pause)
