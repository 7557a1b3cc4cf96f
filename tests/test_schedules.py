"""What an operator can say of a digest's schedule, each told by what then appears. START is a Monday, 08:00 UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from helpers.basics import START, make_summary
from helpers.planning_harness import Make, Run, planned, raw

from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import Paper, PostStatus, Route
from digestbot.ledger import approvals, backlog_views, queries
from digestbot.operator.slot_actions import SlotOverrides
from digestbot.pipeline import explain
from digestbot.pipeline.app import Service
from digestbot.pipeline.report import Report

DAY = timedelta(days=1)
NINE = START + timedelta(hours=1)
HOUR = timedelta(hours=1)


def live(run: Run, **span: float) -> list[tuple[str, str, list[int]]]:
    """Live on for so long, at the plan's own times and every third hour; returns what appeared so far, and holds it to what
    was planned."""
    end = run.clock() + timedelta(**span)
    rows = run.service.plan(run.clock(), end)
    before = run.posted()
    run.until(end, {row.at for row in rows})
    assert run.posted() == before | planned(rows)
    return run.appeared()


def notes(run: Run, days: int = 2) -> list[tuple[str, str]]:
    rows = run.service.plan(run.clock(), run.clock() + timedelta(days=days))
    return [(f"{row.at:%d %H:%M}", row.note) for row in rows if not row.summaries]


def test_nothing_appears_in_quiet_hours(make: Make) -> None:
    run = make(quiet_hours="18:00-07:00")
    assert live(run, days=1) == [
        ("02 09:00", "latest/x", [1]),
        ("02 12:00", "latest/x", [2]),
        ("02 15:00", "latest/x", [3]),
    ]
    assert notes(run, 1)[:5] == [
        (f"{at}", "quiet hours") for at in ("03 18:00", "03 21:00", "04 00:00", "04 03:00", "04 06:00")
    ]


def test_quiet_hours_and_days_of_the_channel_hold_for_every_digest(make: Make) -> None:
    run = make(more={"x": {"quiet_hours": "10:00-20:00", "not_on": ["2026-11-03..2026-11-04"]}})
    assert [at for at, _, _ in live(run, days=3)] == ["02 09:00", "02 21:00", "05 00:00", "05 03:00", "05 06:00"]
    assert notes(run, 1)[0] == ("05 12:00", "quiet hours")


def test_days_without_posts(make: Make) -> None:
    run = make(schedule="every day at 12:00", not_on=["2026-11-03..2026-11-05", "2026-11-07"])
    assert notes(run, 4) == [(f"0{day} 12:00", "day off") for day in (3, 4, 5)]
    assert [at for at, _, _ in live(run, days=7)] == ["02 12:00", "06 12:00", "08 12:00"]


def test_a_post_that_is_delayed_into_quiet_hours_waits_until_they_are_over(make: Make) -> None:
    run = make(
        3, schedule="every day at 21:30", size=3, quiet_hours="22:00-07:00", more={"x": {"min_distance": "1 hour"}}
    )
    assert [(at, ids) for at, _, ids in live(run, days=1)] == [("02 21:30", [1]), ("03 07:00", [2]), ("03 08:00", [3])]


def test_two_posts_of_a_channel_keep_their_distance(make: Make) -> None:
    run = make(
        schedule="every day at 09:00",
        more={"other": {"order": "newest", "overlap": True}, "x": {"min_distance": "90 minutes"}},
    )
    assert live(run, hours=5) == [("02 09:00", "latest/x", [1]), ("02 10:30", "other/x", [9])]


def test_a_slot_that_has_to_wait_too_long_gives_way_to_the_next(make: Make) -> None:
    run = make(schedule="every hour", more={"x": {"min_distance": "150 minutes"}})
    assert [at for at, _, _ in live(run, hours=9)] == ["02 09:00", "02 11:30", "02 14:00", "02 16:30"]
    assert {note for _, note in notes(run, 1)} <= {"a later slot took its place", "nothing is pending"}


def test_limits_of_a_digest_and_of_a_channel(make: Make) -> None:
    run = make(20, per_day=3, more={"other": {"per_day": 9, "per_week": 4, "order": "newest"}, "x": {"per_day": 5}})
    days: dict[str, list[str]] = {}
    for at, where, _ in live(run, days=3):
        days.setdefault(at[:2], []).append(where)
    assert {day: (some.count("latest/x"), some.count("other/x")) for day, some in days.items()} == {
        "02": (3, 2),
        "03": (3, 2),
        "04": (3, 0),
        "05": (3, 0),
    }
    assert "the digest's limit of 4 posts a week is used up" in {note for _, note in notes(run)}


def test_a_slot_keeps_its_jitter(make: Make) -> None:
    run = make(jitter="30 minutes")
    first = [row.at for row in run.service.plan(START, START + DAY)]
    assert first == [row.at for row in run.service.plan(START + HOUR, START + DAY + HOUR)][: len(first)]
    delays = [(at - at.replace(minute=0, second=0)) for at in first]
    assert all(timedelta(0) <= delay <= timedelta(minutes=30) for delay in delays)
    assert len(set(delays)) > 4
    live(run, days=1)


def test_what_waits_is_spread_over_a_days_slots(make: Make) -> None:
    run = make(7, schedule="every day at 09:00, 13:00 and 17:00", size=5, spread=True)
    assert [(at, len(ids)) for at, _, ids in live(run, days=1)] == [("02 09:00", 3), ("02 13:00", 2), ("02 17:00", 2)]


def test_too_few_make_no_edition(make: Make) -> None:
    run = make(2, shape="roundup", size=5, min_size=3)
    assert live(run, hours=8) == []
    assert notes(run, 1)[0] == ("02 18:00", "2 of the required 3 are pending")
    run.arrive([make_summary(3)])
    assert [(at, len(ids)) for at, _, ids in live(run, hours=3)] == [("02 18:00", 3)]


def test_a_slot_stays_open_until_there_are_enough(make: Make) -> None:
    run = make(2, shape="roundup", size=5, min_size=3, skip_if_empty=False, schedule="every day at 09:00")
    assert live(run, hours=8) == []
    run.arrive([make_summary(3)])
    run.tick(run.clock() + timedelta(minutes=5))
    assert [(at, len(ids)) for at, _, ids in run.appeared()] == [("02 16:05", 3)]
    assert live(run, hours=4)[1:] == []


def test_what_is_old_enough_later_opens_the_slot_then(make: Make) -> None:
    young = [make_summary(n, dated=START - timedelta(hours=20 - n)) for n in (1, 2)]
    run = make(young, min_size=2, size=2, min_age="1 day", skip_if_empty=False, schedule="every day at 09:00")
    assert [(at, ids) for at, _, ids in live(run, days=1)] == [("02 14:00", [1, 2])]


def test_windows_leave_nothing_out_and_repeat_nothing(make: Make) -> None:
    run = make(2, schedule="mondays at 18:00", shape="roundup", size=9, window="7 days", min_age="2 days")
    arrivals = [(f"{day:02}", number) for number, day in enumerate((4, 7, 8, 11, 14, 15, 18), 3)]
    for day, number in arrivals:
        run.until(datetime.fromisoformat(f"2026-11-{day}T12:00:00+00:00"))
        run.arrive([make_summary(number, dated=run.clock())])
    run.until(datetime(2026, 12, 1, tzinfo=UTC))
    shown = [ids for _, _, ids in run.appeared()]
    assert shown == [[1, 2], [3, 4], [5, 6, 7], [8, 9]]


def test_a_window_reaches_back_to_the_last_edition(make: Make) -> None:
    run = make(1, schedule="every day at 18:00", shape="roundup", size=9, min_size=3, window="1 day")
    for number in (2, 3):
        run.until(run.clock() + 1.2 * DAY)
        run.arrive([make_summary(number)])
    run.until(run.clock() + DAY)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2, 3]]  # or to when the digest was first seen
    run = make(3, schedule="every day at 18:00", shape="roundup", size=9, min_size=3, window="1 day")
    run.until(START + 0.5 * DAY)
    for number in (4, 5, 6):
        run.until(run.clock() + 1.2 * DAY)
        run.arrive([make_summary(number)])
    run.until(run.clock() + DAY)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2, 3], [4, 5, 6]]


def test_one_summary_of_a_paper_in_an_edition(make: Make) -> None:
    paper = Paper("conf/test/Same", "The Same")
    known = [make_summary(n, paper=paper) for n in (1, 2)] + [make_summary(3)]
    run = make(known, shape="roundup", size=3, one_per_paper=True)
    assert [ids for _, _, ids in live(run, hours=7)] == [[1, 3], [2]]


def test_what_another_digest_has_put_on_the_channel_comes_again_only_with_overlap(make: Make) -> None:
    best = {"schedule": "every day at 18:00", "shape": "roundup", "size": 9, "order": "newest"}
    run = make(4, schedule="every day at 09:00 and 12:00", more={"best": best})
    assert live(run, hours=12)[2] == ("02 18:00", "best/x", [3, 4])
    run = make(4, schedule="every day at 09:00 and 12:00", more={"best": best | {"overlap": True}})
    assert live(run, hours=12)[2] == ("02 18:00", "best/x", [1, 2, 3, 4])


@pytest.mark.parametrize("overlap", [False, True])
def test_renaming_and_splitting_repeat_nothing_and_lose_nothing(make: Make, overlap: bool) -> None:
    run = make(6, schedule="every 3 hours")
    assert [ids for _, _, ids in live(run, hours=4)] == [[1], [2]]
    keys = {"sources": ["store"], "channels": ["x"], "schedule": "every 3 hours", "backlog": "skip", "overlap": overlap}
    renamed = raw()
    renamed["digests"] = {
        "odd": keys | {"include": {"keywords": ["number 3", "number 5"]}},
        "even": keys | {"backlog": "all", "exclude": {"keywords": ["number 3", "number 5"]}},
    }
    run.configure(renamed)
    run.service.growth.extend_all(Report())
    appeared = live(run, hours=9)
    assert sorted(id_ for _, _, ids in appeared for id_ in ids) == [1, 2, 3, 4, 5, 6]
    assert {where for _, where, ids in appeared if ids[0] > 2} == {"odd/x", "even/x"}


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("one", ["04 14:20"]), ("none", []), ("all", ["04 14:20"] * 3)],
)
def test_slots_that_were_missed(make: Make, catch_up: str, expected: list[str]) -> None:
    run = make(schedule="every day at 09:00", catch_up=catch_up)
    run.tick(START + timedelta(days=2, hours=6, minutes=20))
    with run.ledger.read() as tx:
        rows = [row for row in queries.post_rows(tx) if row.status is PostStatus.PUBLISHED]
    assert [f"{row.at:%d %H:%M}" for row in rows] == expected
    run.tick(run.clock() + timedelta(minutes=1))
    with run.ledger.read() as tx:
        assert len(queries.post_rows(tx)) == len(expected)


def test_all_missed_slots_of_a_year_end_when_nothing_waits(make: Make) -> None:
    run = make(3, schedule="every 3 hours", catch_up="all")
    run.tick(START + 366 * DAY)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2, 3]]
    run.arrive([make_summary(4)])
    run.tick(START + 366 * DAY + timedelta(minutes=1))
    assert [ids for _, _, ids in run.appeared()] == [[1, 2, 3]]  # not as many editions as slots were empty


def test_a_slot_that_is_late_by_less_than_an_hour_was_not_missed(make: Make) -> None:
    run = make(schedule="every day at 09:00", catch_up="none")
    run.tick(START + timedelta(minutes=115))  # a poll took so long
    assert [ids for _, _, ids in run.appeared()] == [[1]]


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_steps_keeps_no_slot_twice(make: Make, hours: int) -> None:
    run = make(schedule="every hour")
    live(run, hours=4)
    run.clock.forward(hours=hours)
    for _ in range(16):
        run.tick(run.clock() + timedelta(minutes=30))
    with run.ledger.read() as tx:
        slots = [row.slot for row in queries.post_rows(tx)]
    assert len(set(slots)) == len(slots)
    assert 9 >= len(slots) >= 8


def test_two_processes_keep_each_slot_once(make: Make) -> None:
    run = make()
    other = Service(run.config, run.ledger, run.clock, lambda _: run.platform)  # type: ignore[arg-type, return-value]
    for _ in range(8):
        run.tick(run.clock() + HOUR)
        other.tick()
    assert [ids for _, _, ids in run.appeared()] == [[1], [2], [3]]


def test_otherwise_on_one_channel(make: Make) -> None:
    on = {
        "page": {"schedule": "every day at 10:00", "size": 2, "timezone": "Europe/Berlin", "per_day": 1, "min_size": 1}
    }
    run = make(schedule="every day at 09:00", channels=["x", "page"], on=on)
    assert live(run, hours=4) == [("02 09:00", "latest/page", [1]), ("02 09:00", "latest/x", [1])]
    assert run.service.rule_book.next_slot(Route("latest", "page")) is not None


def test_sending_by_hand_heeds_no_hour_and_no_limit_but_the_schedule_heeds_it(make: Make) -> None:
    run = make(per_day=1, quiet_hours="00:00-08:30", more={"x": {"min_distance": "3 hours"}})
    run.clock.now = START - HOUR
    run.service.poller.poll = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    run.service.send("latest", 2)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2]]
    run.clock.now = START
    assert notes(run, 1)[0][1] == "the digest's limit of 1 post a day is used up"
    assert [ids for _, _, ids in live(run, hours=12)] == [[1, 2]]


def test_a_months_budget_ends_the_plan_until_the_next_month(make: Make) -> None:
    run = make(schedule="every day at 09:00", more={"x": {"monthly_budget": "0.45"}})
    assert [at for at, _, _ in live(run, days=4)] == ["02 09:00", "03 09:00"]
    assert notes(run, 1) == [("06 09:00", "over the month's budget")]
    rows = run.service.plan(datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC))
    assert [(f"{row.at:%m-%d}", row.cost) for row in rows] == [("11-30", 0), ("12-01", 200_000), ("12-02", 200_000)]


# ---- approval


def test_an_edition_waits_for_approval_and_then_goes(make: Make) -> None:
    run = make(schedule="every day at 09:00", size=2, approval=True)
    rows = run.service.plan(START, START + DAY)
    assert [(len(row.summaries), row.note) for row in rows] == [(2, "if approved")]
    run.until(START + timedelta(hours=3), {NINE})
    assert run.appeared() == []
    with run.ledger.begin() as tx:
        assert approvals.posts_needing_approval(tx) == [1, 2]
        row = queries.post_row(tx, 1)
        assert row.status is PostStatus.PENDING
        assert row.approve_by == START + HOUR + DAY
        assert approvals.approve(tx, 2, run.clock()) == [1, 2]
        with pytest.raises(LedgerError, match="post 1 is pending: it does not need approval"):
            approvals.approve(tx, 1, run.clock())
    run.tick(run.clock() + HOUR)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2]]


def test_what_waits_for_approval_holds_up_nothing_else(make: Make) -> None:
    run = make(schedule="every day at 09:00", approval=True, more={"other": {"approval": False}})
    assert [(where, ids) for _, where, ids in (run.until(START + timedelta(hours=3), {NINE}), run.appeared())[1]] == [
        ("other/x", [2])
    ]
    (row,) = [row for row in run.service.plan(run.clock(), run.clock() + HOUR) if row.made]
    assert row.note == "waits for approval until 2026-11-03 09:00 UTC"


def test_what_nobody_approves_in_time_waits_again(make: Make) -> None:
    run = make(2, schedule="mondays at 09:00", size=2, approval=True, approve_by="2 hours")
    run.until(START + timedelta(hours=3), {NINE})
    run.service.poller.poll = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    assert run.service.tick().troubles == []
    with run.ledger.read() as tx:
        assert {(row.status, row.error) for row in queries.post_rows(tx)} == {
            (PostStatus.SKIPPED, "it was not approved in time")
        }
        assert queries.backlog_counts(tx, "latest", "x") == {"waiting": 2}
    with run.ledger.begin() as tx, pytest.raises(LedgerError, match="post 1 is lapsed"):
        approvals.approve(tx, 1, run.clock())


@pytest.mark.parametrize("later", [False, True])
def test_a_declined_edition_is_not_sent(make: Make, later: bool) -> None:
    run = make(2, size=2, approval=True, more={"other": {"schedule": "every day at 18:00", "approval": False}})
    run.until(START + timedelta(hours=2))
    with run.ledger.begin() as tx:
        assert approvals.decline(tx, 1, "not this week", run.clock(), later=later) == [1, 2]
        counts = queries.backlog_counts(tx, "latest", "x")
        row = queries.post_row(tx, 1)
    assert counts == ({"waiting": 2} if later else {"skipped": 2})
    assert (row.status, row.error) == (PostStatus.SKIPPED, "declined: not this week")
    run.until(START + timedelta(hours=4))
    with run.ledger.read() as tx:
        assert len(approvals.posts_needing_approval(tx)) == (2 if later else 0)
    if not later:  # what one digest's operator declined is another digest's to post
        run.until(START + timedelta(hours=12))
        assert [where for _, where, _ in run.appeared()] == ["other/x"]


def test_a_post_that_waits_for_approval_is_rewritten(make: Make) -> None:
    run = make(1, approval=True)
    run.until(START + timedelta(hours=2))
    row = SlotOverrides(run.service).rewrite(1, "  My own words.\r\nAnd more. ")
    assert (row.text, row.cost) == ("My own words.\nAnd more.", 15_000)
    for text in ("", "x" * 281):
        with pytest.raises(ConfigError, match="characters; it must have 1 to 280"):
            SlotOverrides(run.service).rewrite(1, text)
    with run.ledger.begin() as tx:
        approvals.approve(tx, 1, run.clock())
    with pytest.raises(LedgerError, match="does not need approval"):
        SlotOverrides(run.service).rewrite(1, "Too late.")
    with pytest.raises(LedgerError, match="there is no post 7"):
        SlotOverrides(run.service).rewrite(7, "Nothing.")


# ---- why


def why(run: Run, number: int) -> str:
    with run.ledger.read() as tx:
        ((summary, source),) = backlog_views.find_summaries(tx, f"conf/test/Paper{number}")
    (reason,) = run.service.why(summary, source)
    at = f" at {reason.at:%d %H:%M}" if reason.at else ""
    return f"{'not posted: ' if reason.not_posted else ''}{reason.because}{at}"


def test_why_a_summary_waits_goes_or_never_goes(make: Make) -> None:
    known = [
        make_summary(1),
        make_summary(2),
        make_summary(3, votes=0),
        make_summary(4, body="..."),
        make_summary(5, dated=START - 90 * DAY),
        make_summary(6, dated=START - HOUR),
    ]
    run = make(known, schedule="every day at 09:00", min_votes=2, max_age="60 days", min_age="2 days")
    assert why(run, 1) == "it is next at 02 09:00"
    assert why(run, 2) == "one goes before it at 03 09:00"
    assert why(run, 3) == "it has 0 of 2 votes"
    assert why(run, 4) == "it has no text yet"
    assert why(run, 5) == "not posted: it is too old since 2026-10-03 08:00 UTC"
    assert why(run, 6) == "2 go before it at 04 09:00"
    live(run, days=1)
    with run.ledger.read() as tx:
        ((summary, source),) = backlog_views.find_summaries(
            tx, "http://www.shortscience.org/paper?bibtexKey=conf/test/Paper1#reader1"
        )
    (reason,) = run.service.why(summary, source)
    assert [(row.status, row.id) for row in reason.posts] == [(PostStatus.PUBLISHED, 1)]


def test_why_a_summary_that_was_there_before_never_goes(make: Make) -> None:
    run = make(1, backlog="skip")
    assert why(run, 1) == "not posted: it was in the source before the digest was first run"


def test_why_a_window_that_is_over_ends_the_wait(make: Make) -> None:
    run = make(3, schedule="every day at 09:00", shape="roundup", size=2, window="1 day")
    live(run, days=3)
    assert why(run, 3).startswith("not posted: its window is over: it was eligible from 2026-11-02 08:00 UTC on")


def test_why_a_slot_never_takes_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "MOST_SECONDS", math.inf)  # however slow the machine is
    run = make(1, schedule="every day at 09:00", quiet_hours="08:30-09:30")
    assert why(run, 1) == "it is not scheduled by 2027-11-03; its slots: quiet hours"
    run = make(2, schedule="every day at 09:00", more={"x": {"monthly_budget": "0.10"}})
    assert why(run, 2) == "it is not scheduled by 2027-11-03; its slots: over the month's budget"


def test_why_a_digest_that_is_no_longer_configured_does_not_send_it(make: Make) -> None:
    run = make(1)
    found = raw()
    found["digests"] = {"other": found["digests"]["latest"] | {"sources": ["store"]}}
    run.configure(found)
    with run.ledger.read() as tx:
        ((summary, source),) = backlog_views.find_summaries(tx, "conf/test/Paper1")
    reasons = run.service.why(summary, source)
    assert [(one.digest, one.because) for one in reasons if one.not_posted] == [
        ("latest", "digest latest is no longer configured for x")
    ]
    assert [one.digest for one in reasons if one.at] == ["other"]
