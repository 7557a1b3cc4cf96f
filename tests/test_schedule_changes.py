"""What happens when a schedule, its zone, the clock or a person's mind changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, make_summary
from helpers.planning_harness import Run, planned
from helpers.planning_harness import raw as raw_

from digestbot import config as configuration
from digestbot.domain.alert_rules import AlertInputs, active_conditions
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import PostStatus
from digestbot.domain.schedule import OVERTAKEN, PlanEntry, entry_order
from digestbot.ledger import alerts, approvals, edit_queue, notifications, post_queue, queries
from digestbot.ledger.backlog_views import find_summaries
from digestbot.ledger.schema import cursors, schedule_versions, slots
from digestbot.operator.approval import Approver
from digestbot.operator.slot_actions import SlotOverrides
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.explain import Reason

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
Make = Callable[..., Run]
BERLIN, LONDON = {"timezone": "Europe/Berlin"}, {"timezone": "Europe/London"}


@pytest.fixture
def make() -> Iterator[Make]:
    opened: list[Run] = []

    def made(known: int = 30, **digest: Any) -> Run:
        opened.append(Run(raw_(**digest), [make_summary(number) for number in range(1, known + 1)]))
        return opened[-1]

    yield made
    for run in opened:
        run.close()


def times(run: Run) -> list[str]:
    return [at for at, _, _ in run.appeared()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def watch(run: Run) -> None:
    """As the alerts' job does each minute."""
    run.service._alert_monitor._looked = None
    run.service._alert_monitor.watch()


def outcomes(run: Run) -> list[tuple[str, str | None]]:
    with run.ledger.read() as tx:
        return [(f"{row.due:%d %H:%M}", row.outcome) for row in tx.execute(sa.select(slots).order_by(slots.c.id))]


def raised(run: Run, kind: str) -> list[str]:
    with run.ledger.read() as tx:
        return [alert.note for alert in alerts.open_alerts(tx) if alert.kind == kind]


def decide(run: Run, kind: str, *, confirm: bool) -> None:
    with run.ledger.begin() as tx:
        (alert,) = [alert for alert in alerts.open_alerts(tx) if alert.kind == kind]
        edit_queue.decide_alert(tx, alert.id, confirm=confirm, now=run.clock())


def why(run: Run, summary: int) -> Reason:
    with run.ledger.read() as tx:
        ((found, source),) = find_summaries(tx, str(summary))
    (reason,) = run.service.why(found, source)
    return reason


# ---- the schedule, and its zone


@pytest.mark.parametrize("catch_up", ["one", "all"])
def test_a_changed_zone_moves_the_slots_and_blocks_none(make: Make, catch_up: str) -> None:
    daily = {"schedule": "every day at 10:00", "catch_up": catch_up}
    run = make(**daily, **BERLIN)
    run.tick(at("02 09:30"))  # Berlin's 10:00 is over, London's is not
    run.configure(raw_(**daily, **LONDON))
    rows = run.service.plan(run.clock(), at("04 12:00"))
    assert [f"{row.at:%d %H:%M}" for row in rows] == ["02 10:00", "03 10:00", "04 10:00"]
    run.until(at("04 12:00"), {row.at for row in rows})
    assert times(run) == ["02 09:30", "02 10:00", "03 10:00", "04 10:00"]
    run.configure(raw_(**daily, **BERLIN))  # and back: the day's 10:00 of Berlin, 09:00 UTC, is over
    run.until(at("06 12:00"), {at("05 09:00"), at("06 09:00")})
    assert times(run)[4:] == ["05 09:00", "06 09:00"]


def test_the_same_instant_comes_once_whatever_it_is_called(make: Make) -> None:
    run = make(schedule="every day at 10:00", **BERLIN)
    run.tick(at("02 09:00"))
    run.configure(raw_(schedule="every day at 09:00", **LONDON))  # the same instant
    run.until(at("03 12:00"), {at("03 09:00")})
    assert times(run) == ["02 09:00", "03 09:00"]


def test_what_was_no_slot_is_not_made_up_for(make: Make) -> None:
    run = make(schedule="mondays at 09:00", catch_up="all")
    run.tick(at("02 09:00"))
    run.clock.now = at("07 12:30")
    run.configure(raw_(schedule="hourly", catch_up="all"))
    run.until(at("07 15:00"), {at("07 13:00"), at("07 14:00"), at("07 15:00")})
    assert times(run) == ["02 09:00", "07 13:00", "07 14:00", "07 15:00"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"not_on": ["2026-11-03"]}, {}),
        ({"quiet_hours": "08:00-12:00"}, {"quiet_hours": "08:00-08:30"}),
        ({"jitter": "5 hours"}, {}),
    ],
)
def test_what_passed_by_the_rules_of_its_time_stays_passed(
    make: Make, before: dict[str, Any], after: dict[str, Any]
) -> None:
    run = make(schedule="every day at 09:00", catch_up="all", **before)
    run.until(at("03 18:00"), {at("02 09:00"), at("03 09:00")})
    posted = times(run)
    run.configure(raw_(schedule="every day at 09:00", catch_up="all", **after))
    run.tick(at("03 19:00"))
    assert times(run) == posted
    run.until(at("04 09:00"))
    assert times(run) == [*posted, "04 09:00"]


def test_a_channel_that_comes_back_makes_up_for_nothing(make: Make) -> None:
    both = raw_(schedule="every day at 09:00", catch_up="all", channels=["x", "page"])
    run = make(schedule="every day at 09:00", catch_up="all", channels=["x", "page"])
    run.tick(at("02 09:00"))
    run.configure(raw_(schedule="every day at 09:00", catch_up="all", channels=["x"]))
    run.until(at("05 10:00"), {at("03 09:00"), at("04 09:00"), at("05 09:00")})
    run.configure(both)
    run.until(at("06 09:00"))
    assert [when for when, where, _ in run.appeared() if where == "latest/page"] == ["02 09:00", "06 09:00"]


def test_a_digest_that_is_renamed_and_renamed_back_makes_up_for_nothing(make: Make) -> None:
    daily: dict[str, Any] = {"schedule": "every day at 09:00", "catch_up": "all"}
    run = make(**daily)
    first = raw_(**daily)
    other = raw_(**daily)
    other["digests"] = {"renamed": other["digests"]["latest"]}
    run.tick(at("02 09:00"))
    run.configure(other)
    run.until(at("04 10:00"), {at("03 09:00"), at("04 09:00")})
    run.configure(first)
    run.until(at("05 09:00"))
    assert [(when, where) for when, where, _ in run.appeared()] == [
        ("02 09:00", "latest/x"),
        ("03 09:00", "renamed/x"),
        ("04 09:00", "renamed/x"),
        ("05 09:00", "latest/x"),
    ]


def test_what_was_missed_by_the_rules_of_before_is_made_up_for(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    run.tick(at("02 09:00"))
    run.clock.now = at("03 12:00")  # stopped over the slot; the schedule is changed before the start
    run.configure(raw_(schedule="every day at 18:00"))
    rows = run.service.plan(run.clock(), at("04 20:00"))
    run.tick(at("03 12:00"))
    run.until(at("04 20:00"), {row.at for row in rows})
    assert times(run) == ["02 09:00", "03 12:00", "03 18:00", "04 18:00"]
    assert run.posted().keys() >= planned(rows).keys()


def test_rules_that_nobody_needs_any_more_are_forgotten(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    for hour in range(10, 18):
        run.tick(at(f"02 {hour}:00"))
        run.configure(raw_(schedule=f"every day at {hour + 1}:00"))
    with run.ledger.read() as tx:
        assert len(tx.execute(sa.select(schedule_versions)).all()) <= 3
    for minute in range(60):  # much is changed while a slot waits
        run.clock.now = at(f"02 18:{minute:02}")
        run.configure(raw_(schedule=f"every day at 09:{minute:02}", min_size=1 + minute % 2, size=9))
    with run.ledger.read() as tx:
        assert len(tx.execute(sa.select(schedule_versions)).all()) <= 21


def catch_up_all(make: Make) -> Run:
    """A service that was stopped over five slots, and is to make up for all of them."""
    run = make(schedule="every day at 09:00")
    run.tick(at("02 09:00"))
    run.clock.now = at("07 12:00")
    run.configure(raw_(schedule="every day at 09:00", catch_up="all"))
    return run


def test_a_change_that_makes_up_for_several_slots_asks_first(make: Make) -> None:
    run = catch_up_all(make)
    (note,) = raised(run, alerts.MAKE_UP)
    assert note.startswith("with the changed schedule, 5 missed slots would be caught up, not 1")
    rows = run.service.plan(run.clock(), at("08 10:00"))
    assert {row.note for row in rows} == {"the changed schedule would catch up on missed slots: see digestbot alerts"}
    run.until(at("08 10:00"), {at("08 09:00")})
    assert times(run) == ["02 09:00"]
    assert run.service.rule_book.next_due("x") is None
    decide(run, alerts.MAKE_UP, confirm=True)
    run.tick(at("08 11:00"))
    assert times(run) == ["02 09:00", "08 11:00"]
    assert [some for _, _, some in run.appeared()][1] == [2, 3, 4, 5, 6, 7]


def test_missed_slots_that_are_not_to_be_made_up_for_pass(make: Make) -> None:
    run = catch_up_all(make)
    decide(run, alerts.MAKE_UP, confirm=False)
    run.until(at("08 10:00"), {at("07 13:00"), at("08 09:00")})
    assert times(run) == ["02 09:00", "08 09:00"]
    assert ("07 12:00", "an operator skipped the missed slots") in outcomes(run)


def test_a_question_ends_with_its_cause(make: Make) -> None:
    run = catch_up_all(make)
    run.configure(raw_(schedule="every day at 09:00"))
    assert raised(run, alerts.MAKE_UP) == []
    run.tick(at("07 12:01"))
    assert times(run) == ["02 09:00", "07 12:01"]
    again = catch_up_all(make)
    other = raw_(schedule="every day at 09:00")
    other["digests"] = {"another": other["digests"]["latest"]}
    again.configure(other)
    assert raised(again, alerts.MAKE_UP) == []


def test_a_plan_knows_what_a_configuration_not_yet_in_use_would_ask(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    run.tick(at("02 09:00"))
    run.clock.now = at("07 12:00")
    fresh = configuration.build(raw_(schedule="every day at 09:00", catch_up="all"))
    service = Service(fresh, run.ledger, run.clock, lambda _: run.platform)  # type: ignore[arg-type, return-value]
    rows = service.plan(run.clock(), at("08 10:00"))
    assert [row.summaries for row in rows if row.summaries] == []
    assert raised(run, alerts.MAKE_UP) == []


def test_what_was_missed_before_a_digest_went_is_not_made_up_for_when_it_is_back(make: Make) -> None:
    hourly: dict[str, Any] = {"schedule": "hourly", "catch_up": "all"}
    run = make(**hourly)
    run.tick(at("02 09:00"))
    run.clock.now = at("03 09:30")  # a day's outage, and then the digest is taken away
    other = raw_(**hourly)
    other["digests"] = {"another": other["digests"]["latest"] | {"schedule": "0 0 1 1 *"}}
    run.configure(other)
    run.tick(at("04 09:30"))
    run.configure(raw_(**hourly))
    run.tick(at("04 09:31"))
    assert times(run) == ["02 09:00"]
    run.tick(at("04 10:00"))
    assert times(run) == ["02 09:00", "04 10:00"]


def test_one_missed_slot_is_not_asked_about(make: Make) -> None:
    run = make(schedule="every day at 09:00", catch_up="none")
    run.tick(at("02 09:00"))
    run.clock.now = at("03 12:00")
    run.configure(raw_(schedule="every day at 09:00", catch_up="all"))
    assert raised(run, alerts.MAKE_UP) == []
    run.tick(at("03 12:00"))
    assert times(run) == ["02 09:00", "03 12:00"]


def test_slots_that_pass_are_recorded_with_the_reason(make: Make) -> None:
    run = make(2, schedule="every 3 hours", quiet_hours="15:00-20:00", per_day=1)
    run.until(at("03 12:00"))
    assert outcomes(run) == [
        ("02 09:00", None),
        ("02 12:00", "the digest's limit of 1 post a day is used up"),
        ("02 15:00", "quiet hours"),
        ("02 18:00", "quiet hours"),
        ("02 21:00", "the digest's limit of 1 post a day is used up"),
        ("03 00:00", None),
        ("03 03:00", "the digest's limit of 1 post a day is used up"),
        ("03 06:00", "the digest's limit of 1 post a day is used up"),
        ("03 09:00", "the digest's limit of 1 post a day is used up"),
        ("03 12:00", "the digest's limit of 1 post a day is used up"),
    ]


# ---- the clock


def ahead(run: Run, by: timedelta) -> None:
    """One tick by a clock that is ahead, and right again."""
    right = run.clock()
    run.tick(right + by)
    watch(run)
    run.clock.now = right


def test_a_clock_that_was_a_year_ahead_silences_nothing(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    run.tick(at("02 09:00"))
    ahead(run, 365 * DAY)
    posted = len(run.appeared())
    rows = run.service.plan(run.clock(), run.clock() + 2 * DAY)  # before anything has noticed
    assert [f"{row.at:%d %H:%M}" for row in rows if row.summaries] == ["03 09:00", "04 09:00"]
    run.tick(at("02 09:30"))
    watch(run)
    (note,) = raised(run, alerts.CLOCK)
    assert "the clock stepped back by 364 d" in note
    assert "1 slot of latest on x, the last of 2027-11-02 09:00 UTC" in note
    run.until(at("04 10:00"), {at("03 09:00"), at("04 09:00")})
    assert len(run.appeared()) == posted + 2
    assert why(run, 5).at == at("05 09:00")


def test_what_a_clock_recorded_ahead_comes_only_if_a_person_says_so(make: Make) -> None:
    run = make(schedule="every 3 hours")
    run.tick(at("02 09:00"))
    ahead(run, 2 * DAY)  # 04 09:00
    run.tick(at("02 09:30"))
    watch(run)
    rows = run.service.plan(run.clock(), at("04 12:00"))
    assert [row.note for row in rows if row.at == at("04 09:00")] == [
        "recorded already, by a clock that was ahead: digestbot alerts"
    ]
    run.until(at("04 06:00"), {row.at for row in rows if row.at <= at("04 06:00")})
    decide(run, alerts.CLOCK, confirm=True)
    run.until(at("04 09:00"))
    assert [len(some) for when, _, some in run.appeared() if when == "04 09:00"] == [2]  # one by each clock


def test_an_instant_that_was_recorded_ahead_is_not_kept_twice(make: Make) -> None:
    run = make(schedule="every 3 hours")
    run.tick(at("02 09:00"))
    ahead(run, 2 * DAY)
    run.tick(at("02 09:30"))
    watch(run)
    run.until(at("04 12:00"), {at("02 12:00") + step * 3 * HOUR for step in range(17)})
    assert [len(some) for when, _, some in run.appeared() if when == "04 09:00"] == [1]
    assert times(run)[-1] == "04 12:00"
    run.tick(at("05 12:00"))
    watch(run)
    assert raised(run, alerts.CLOCK) == []  # nothing of it is left


def test_what_was_recorded_ahead_within_the_hour_is_told_of_too(make: Make) -> None:
    run = make(schedule="every 5 minutes")
    run.tick(at("02 10:00"))
    watch(run)
    for minute in (5, 15, 30):  # an hour ahead
        run.tick(at(f"02 11:{minute:02}"))
    watch(run)
    run.tick(at("02 10:28"))
    watch(run)
    assert "3 slots of latest on x, the last of 2026-11-02 11:30" in raised(run, alerts.CLOCK)[0]
    for minute in (30, 35, 40):
        run.tick(at(f"02 10:{minute}"))
    assert times(run)[:4] == ["02 10:00", "02 10:30", "02 10:35", "02 10:40"]


def test_a_schedule_that_was_changed_by_a_clock_ahead_applies_now(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    run.tick(at("02 09:00"))
    run.clock.now = at("02 09:30") + 300 * DAY
    watch(run)
    run.configure(raw_(schedule="every 3 hours"))
    run.clock.now = at("02 09:30")
    assert [f"{row.at:%H:%M}" for row in run.service.plan(run.clock(), at("02 16:00"))] == ["12:00", "15:00"]
    watch(run)
    run.until(at("02 15:00"), {at("02 12:00")})
    assert times(run) == ["02 09:00", "02 12:00", "02 15:00"]
    with run.ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.max(schedule_versions.c.since))) == at("02 09:30")


def test_posts_of_slots_that_are_forgotten_keep_to_hours_and_limits(make: Make) -> None:
    run = make(schedule="every 3 hours", approval=True, approve_by="9 days", per_day=9)
    ahead(run, 2 * DAY)
    run.tick(at("02 08:30"))
    watch(run)
    decide(run, alerts.CLOCK, confirm=True)
    with run.ledger.read() as tx:
        assert [(post.scheduled, post.approved) for post in post_queue.queued_posts(tx, "x")] == [(True, False)]


def test_a_digest_that_was_first_seen_by_a_clock_ahead_begins_now(make: Make) -> None:
    run = make(schedule="every day at 09:00")
    with run.ledger.begin() as tx:
        tx.execute(cursors.update().values(first_seen_at=START + 300 * DAY))
    run.clock.now = START + 300 * DAY
    watch(run)
    run.clock.now = START
    assert run.service.plan(START, START + 2 * HOUR)[0].at == at("02 09:00")
    watch(run)
    assert "the start of 1 backlogs" in raised(run, alerts.CLOCK)[0]
    run.until(at("03 09:00"), {at("02 09:00")})
    assert times(run) == ["02 09:00", "03 09:00"]


def test_a_clock_that_steps_back_by_little_is_not_told_of(make: Make) -> None:
    run = make(schedule="every 3 hours")
    run.tick(at("02 09:00"))
    watch(run)
    run.tick(at("02 08:10"))
    watch(run)
    run.tick(at("02 09:01"))
    assert raised(run, alerts.CLOCK) == []
    assert times(run) == ["02 09:00"]


def test_a_clock_that_steps_back_over_nothing_recorded_is_told_of_for_a_day(make: Make) -> None:
    run = make(schedule="mondays at 09:00")
    run.tick(at("04 09:00"))
    watch(run)
    run.tick(at("04 07:00"))
    watch(run)
    assert "nothing is recorded in the future" in raised(run, alerts.CLOCK)[0]
    run.tick(at("05 08:00"))
    watch(run)
    assert raised(run, alerts.CLOCK) == []


# ---- distances


def test_a_distance_of_a_period_loses_no_slot_in_a_year() -> None:
    """Each post appears some minutes late, one in ten by almost an hour."""
    daily = raw_({"x": {"min_distance": "1 day"}}, schedule="every day at 12:00")
    run = Run(daily, [make_summary(number) for number in range(370)])
    try:
        expected = []
        for number in range(365):
            slot = START + 4 * HOUR + number * DAY
            run.clock.now = slot
            run.service.planner.make_due(Report())
            run.clock.now = slot + timedelta(minutes=50 if number % 10 == 3 else number % 7)
            run.service.delivery_worker.publish("x", Report())
            expected.append(run.clock())
        assert sorted(when for when, _, _ in run.posted()) == expected
        rows = run.service.plan(run.clock(), run.clock() + 3 * DAY)
        assert [f"{row.at:%H:%M}" for row in rows if row.summaries] == ["12:00"] * 3
    finally:
        run.close()


def test_what_was_late_by_hours_keeps_its_distance_to_the_next() -> None:
    distant = raw_({"x": {"min_distance": "2 hours"}}, schedule="every 3 hours", catch_up="all")
    run = Run(distant, [make_summary(number) for number in range(9)])
    try:
        run.tick(at("02 09:00"))
        for step in range(13):  # stopped over several slots
            run.tick(at("02 19:30") + step * 30 * MINUTE)
        appeared = sorted(when for when, _, _ in run.posted())
        assert [f"{when:%H:%M}" for when in appeared[:3]] == ["09:00", "19:30", "21:30"]
        assert min(later - earlier for earlier, later in pairwise(appeared)) >= 2 * HOUR
    finally:
        run.close()


def test_a_post_counts_towards_the_day_of_its_slot(make: Make) -> None:
    run = make(schedule="every day at 23:59 and 00:30", per_day=1)
    run.clock.now = at("02 23:59")
    run.service.planner.make_due(Report())
    run.clock.now = at("03 00:05")  # the call ended after midnight
    run.service.delivery_worker.publish("x", Report())
    run.until(at("03 01:00"), {at("03 00:30")})
    assert times(run) == ["03 00:05", "03 00:30"]


# ---- approvals


def test_editions_that_wait_for_approval_count_for_limits(make: Make) -> None:
    run = make(schedule="hourly", per_day=1, approval=True, approve_by="3 days")
    run.until(at("03 08:00"), {START + hour * HOUR for hour in range(1, 24)})
    with run.ledger.read() as tx:
        assert approvals.posts_needing_approval(tx) == [1]
        waiting = notifications.unapproved(tx)
        state = AlertInputs(unapproved=waiting, passed_undecided=notifications.passed_undecided(tx, waiting))
    said = {
        one.subject: one.note for one in active_conditions(state, run.clock(), None, DAY) if one.kind == "approvals"
    }
    assert said == {
        "latest on x": "1 edition needs approval: digestbot approve; 23 slots passed in the meantime, because these editions count towards the limit"
    }
    assert outcomes(run)[1][1] == "the digest's limit of 1 post a day is used up by editions that wait for approval"


def test_approvals_that_pile_up_without_a_limit_are_told_of() -> None:
    one = notifications.NeedsApproval(1, "d", "x", START, START + DAY)
    state = AlertInputs(unapproved=[one, one, one])
    assert [c.note for c in active_conditions(state, START, None, DAY) if c.kind == "approvals"] == [
        "3 editions need approval: digestbot approve"
    ]
    assert [
        c for c in active_conditions(AlertInputs(unapproved=[one, one]), START, None, DAY) if c.kind == "approvals"
    ] == []


def test_an_edition_that_waits_keeps_no_other_digest_back(make: Make) -> None:
    run = Run(
        raw_({"x": {"min_distance": "1 hour"}, "other": {"overlap": True}}, schedule="every 3 hours", approval=True),
        [make_summary(n) for n in range(1, 9)],
    )
    try:
        again = raw_(
            {"x": {"min_distance": "1 hour"}, "other": {"overlap": True}}, schedule="every 3 hours", approval=True
        )
        again["digests"]["other"]["approval"] = False
        run.configure(again)
        run.until(at("02 13:00"), {at("02 09:00"), at("02 12:00")})
        assert [where for _, where, _ in run.appeared()] == ["other/x", "other/x"]
    finally:
        run.close()


def test_an_edition_approved_late_is_rendered_again_and_shown(make: Make) -> None:
    run = make(schedule="mondays at 09:00", approval=True, approve_by="3 days")
    run.tick(at("02 09:00"))
    with run.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE summaries SET writer = 'Renamed Reader' WHERE id = 1")
    run.clock.now = at("03 10:00")
    shown = Approver(run.service).approve(1)
    assert shown.posts == ()
    assert "Renamed Reader" in shown.rendered_again[0].text
    run.tick(at("03 10:01"))
    assert run.appeared() == []
    assert Approver(run.service).approve(1).posts == (1,)
    run.tick(at("03 10:02"))
    (post,) = run.platform.posts
    assert "Renamed Reader" in post.text


def test_an_edition_approved_late_that_says_the_same_is_sent(make: Make) -> None:
    run = make(schedule="mondays at 09:00", approval=True, approve_by="3 days")
    run.tick(at("02 09:00"))
    run.clock.now = at("03 10:00")
    assert Approver(run.service).approve(1).posts == (1,)


def test_what_a_person_wrote_is_not_rendered_again(make: Make) -> None:
    run = make(schedule="mondays at 09:00", approval=True, approve_by="5 days")
    run.tick(at("02 09:00"))
    SlotOverrides(run.service).rewrite(1, "Read this.")
    run.clock.now = at("06 10:00")
    assert Approver(run.service).approve(1).posts == (1,)


def test_each_post_of_an_edition_is_rendered_again_from_its_own_summary(make: Make) -> None:
    run = make(schedule="mondays at 09:00", approval=True, approve_by="3 days", size=3)
    run.tick(at("02 09:00"))
    with run.ledger.begin() as tx:  # the first is withdrawn meanwhile
        tx.exec_driver_sql("UPDATE posts SET status = 'skipped', error = 'withdrawn' WHERE id = 1")
        tx.exec_driver_sql("UPDATE summaries SET writer = 'Renamed Reader'")
    run.clock.now = at("03 10:00")
    shown = Approver(run.service).approve(2).rendered_again
    assert [(row.id, row.text.splitlines()[:2]) for row in shown] == [
        (2, ["Paper Number 2", "Summary by Renamed Reader"]),
        (3, ["Paper Number 3", "Summary by Renamed Reader"]),
    ]


def test_an_edition_that_would_be_other_posts_now_is_made_anew(make: Make) -> None:
    run = make(schedule="mondays at 09:00", approval=True, approve_by="3 days", shape="thread")
    run.tick(at("02 09:00"))
    with run.ledger.begin() as tx:
        tx.exec_driver_sql(f"UPDATE summaries SET body = '{'A long sentence about much. ' * 40}' WHERE id = 1")
    run.clock.now = at("03 10:00")
    with pytest.raises(
        LedgerError, match="post 1 was made more than a day ago, and its edition would be rendered differently now"
    ):
        Approver(run.service).approve(1)
    with run.ledger.read() as tx:
        assert queries.post_row(tx, 1).status is PostStatus.SKIPPED


# ---- why, and the plan row by row


def test_why_says_what_holds_a_post_that_is_made(make: Make) -> None:
    run = Run(
        raw_({"x": {"min_distance": "2 hours"}}, schedule="every day at 21:00", size=3, quiet_hours="22:00-07:00"),
        [make_summary(n) for n in range(1, 9)],
    )
    try:
        run.tick(at("02 21:00"))
        assert why(run, 1).held == ()  # it is published
        run.clock.now = at("02 22:30")
        assert [(one.reason, one.until) for one in why(run, 2).held] == [("quiet hours", at("03 07:00"))]
        run.clock.now = at("02 21:10")
        assert [one.reason for one in why(run, 2).held] == ["too soon after the previous post"]
        with run.ledger.begin() as tx:
            tx.exec_driver_sql("UPDATE posts SET not_before = '2026-11-02 21:30:00.000000' WHERE id = 2")
        assert "an attempt failed, or the platform asked to wait" in [one.reason for one in why(run, 2).held]
        with run.ledger.begin() as tx:
            tx.exec_driver_sql("UPDATE channels SET paused_at = '2026-11-02 21:05:00', pause_reason = 'by hand'")
        assert why(run, 2).held[0].reason == "the channel is paused: by hand"
    finally:
        run.close()


def test_why_says_that_a_post_waits_for_approval(make: Make) -> None:
    run = make(schedule="every day at 09:00", approval=True, approve_by="3 hours")
    run.tick(at("02 09:00"))
    assert [one.reason for one in why(run, 1).held] == ["waits for approval until 2026-11-02 12:00 UTC"]


def test_why_looks_ahead_no_longer_than_it_may(make: Make) -> None:
    run = make(30, schedule="hourly")
    explainer = run.service
    assert why(run, 20).because == "19 go before it"
    from digestbot.pipeline.explain import Explainer

    seconds = iter([0.0, 0.1, 0.2, *[9.0] * 99])
    short = Explainer(explainer.forecaster, lambda route, summary: "", lambda: next(seconds))
    with run.ledger.read() as tx:
        ((found, source),) = find_summaries(tx, "20")
    (reason,) = short.why(found, source)
    assert reason.because == "it is not scheduled by 2026-11-02; 2 go before it until then"


def test_a_plan_comes_row_by_row_in_order_however_long_a_slot_waits(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(
        raw_(
            {"other": {"schedule": "hourly", "overlap": True}},
            schedule="every 3 hours",
            min_size=9,
            size=9,
            skip_if_empty=False,
        ),
        [make_summary(n) for n in range(1, 5)],
    )
    try:
        rows = run.service.plan(START, START + 3 * DAY)
        assert [row.at for row in rows] == sorted(row.at for row in rows)
        waits = [row for row in rows if row.note == "open until 9 are pending"]
        assert len(waits) + sum(row.note == OVERTAKEN for row in rows) == 24 + 72
        monkeypatch.setattr(entry_order, "MOST_READY", 5)
        again = run.service.plan(START, START + 3 * DAY)
        assert sorted(again, key=key) == sorted(rows, key=key) or {key(row) for row in again} >= {
            key(row) for row in rows if row.summaries
        }
    finally:
        run.close()


def key(row: PlanEntry) -> tuple[datetime, str, str, str]:
    return row.at, row.digest, row.channel, row.note
