"""Schedules in the corners: two processes at the same moment, renaming halfway, approvals that end, and what stands in
the way of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from helpers.basics import START, make_summary, raw_config
from helpers.planning_harness import Run, planned

from digestbot import config as configuration
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import PostStatus, Route, Summary
from digestbot.ledger import Ledger, approvals, backlog, backlog_views, channel_states, manual_resolution, queries
from digestbot.pipeline.app import Report, Service

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NINE = START + HOUR
Make = Callable[..., Run]


@pytest.fixture
def make() -> Iterator[Make]:
    opened: list[Run] = []

    def made(
        known: int, digests: dict[str, dict[str, Any]], x: dict[str, Any] | None = None, url: str = "sqlite://"
    ) -> Run:
        opened.append(Run(raw(digests, x), [make_summary(number) for number in range(1, known + 1)], url))
        return opened[-1]

    yield made
    for run in opened:
        run.close()


def raw(digests: dict[str, dict[str, Any]], x: dict[str, Any] | None = None) -> dict[str, Any]:
    found = raw_config("http://127.0.0.1:1")
    found["channels"]["x"] |= x or {}
    usual = {"sources": ["store"], "channels": ["x"], "schedule": "every day at 09:00", "backlog": "all"}
    found["digests"] = {name: usual | keys for name, keys in digests.items()}
    return found


def configured(run: Run, digests: dict[str, dict[str, Any]]) -> None:
    run.configure(raw(digests))
    run.service.growth.extend_all(Report())


def beside(run: Run) -> Service:
    """Another process over the same ledger."""
    ledger = Ledger(run.ledger.engine.url.render_as_string(hide_password=False), clock=run.clock)
    return run.process(ledger)


def ids(run: Run) -> list[list[int]]:
    return [some for _, _, some in run.appeared()]


def test_a_verdict_that_was_overtaken_puts_nothing_on_a_channel_twice(make: Make, database_url: str) -> None:
    run = make(1, {"one": {}, "two": {}}, url=database_url)
    run.clock.now = NINE
    with run.ledger.begin() as tx:  # what a judging at the same moment leaves behind
        backlog.reset_verdicts(tx, "two", "x", [1])
    run.service.planner._conclude_slot(Route("one", "x"), Report())
    with run.ledger.begin() as tx:
        tx.execute(backlog.backlog.update().where(backlog.backlog.c.digest == "two").values(blocked_reason=""))
    run.tick(NINE)
    run.tick(NINE + timedelta(minutes=1))
    assert run.appeared() == [("02 09:00", "one/x", [1])]


def test_two_processes_keep_the_distance_together(make: Make, database_url: str) -> None:
    run = make(3, {"one": {"size": 3}}, {"min_distance": "1 hour"}, url=database_url)
    other = beside(run)
    try:
        for step in range(0, 150, 10):
            run.clock.now = NINE + timedelta(minutes=step)
            run.service.planner.make_due(Report())
            for service in (other, run.service):
                service.delivery_worker.publish("x", Report())
    finally:
        other.ledger.close()
    assert [at for at, _, _ in run.appeared()] == ["02 09:00", "02 10:00", "02 11:00"]


def test_an_approval_beats_a_lapse_at_the_same_moment(make: Make, database_url: str) -> None:
    run = make(1, {"one": {"approval": True, "approve_by": "1 hour"}}, url=database_url)
    run.tick(NINE)
    with run.ledger.begin() as tx:
        approvals.approve(tx, 1, run.clock())
    with run.ledger.begin() as tx:
        assert approvals.expire_approvals(tx, NINE + 2 * HOUR) == []
    run.tick(NINE + 2 * HOUR)
    assert ids(run) == [[1]]


def test_what_waited_on_a_channel_goes_on_in_the_digest_that_has_it_now(make: Make) -> None:
    run = make(3, {"both": {"channels": ["x", "page"]}})
    run.tick(NINE)
    apart = {"backlog": "skip", "channels": ["page"], "overlap": True}
    configured(run, {"both": {}, "page": apart})
    run.until(NINE + 3 * DAY, {NINE + day * DAY for day in (1, 2)})
    assert [(where, some) for _, where, some in run.appeared() if "page" in where] == [
        ("both/page", [1]),
        ("page/page", [2]),
        ("page/page", [3]),
    ]


def test_what_is_given_back_to_a_digest_of_before_goes_on_in_the_new_one(make: Make) -> None:
    run = make(1, {"old": {"approval": True, "approve_by": "2 hours"}})
    run.tick(NINE)
    configured(run, {"new": {"backlog": "skip"}})
    assert ids(run) == []
    with run.ledger.begin() as tx:
        assert approvals.expire_approvals(tx, NINE + 3 * HOUR) == [1]
    run.until(NINE + DAY)
    assert [(where, some) for _, where, some in run.appeared()] == [("new/x", [1])]


def test_a_new_digest_inherits_nothing_that_another_has_posted_since(make: Make) -> None:
    run = make(2, {"gone": {"schedule": "mondays at 08:00"}, "stays": {}})
    configured(run, {"stays": {}})
    run.until(NINE + 2 * DAY, {NINE, NINE + DAY})
    assert ids(run) == [[1], [2]]
    configured(run, {"stays": {}, "fresh": {"backlog": "skip", "overlap": True}})
    run.until(NINE + 4 * DAY)
    assert ids(run) == [[1], [2]]


@pytest.mark.parametrize("end", ["lapse", "decline"])
def test_what_was_not_approved_is_in_the_next_window(make: Make, end: str) -> None:
    weekly = {"schedule": "mondays at 09:00", "shape": "roundup", "size": 9, "window": "7 days"}
    run = make(2, {"best": weekly | {"approval": True, "approve_by": "3 days"}})
    run.tick(NINE)
    with run.ledger.begin() as tx:
        if end == "lapse":
            approvals.expire_approvals(tx, NINE + 3 * DAY)
        else:
            approvals.decline(tx, 1, "no", NINE, later=True)
    run.until(NINE + 7 * DAY)
    with run.ledger.begin() as tx:
        (post,) = approvals.posts_needing_approval(tx)
        assert queries.summaries_shown_by(tx, post) == {1, 2}


def test_a_post_of_an_edition_that_was_not_approved_cannot_be_sent(make: Make) -> None:
    run = make(2, {"one": {"approval": True, "size": 2}})
    run.tick(NINE)
    with run.ledger.begin() as tx:
        approvals.decline(tx, 1, "no", NINE, later=False)
        with pytest.raises(LedgerError, match="post 2 cannot be sent: its edition was not approved"):
            manual_resolution.resolve_post(tx, 2, PostStatus.PENDING, None, NINE)


def test_approval_comes_too_late_after_its_time(make: Make) -> None:
    run = make(1, {"one": {"approval": True, "approve_by": "1 hour"}})
    run.tick(NINE)
    with (
        run.ledger.begin() as tx,
        pytest.raises(LedgerError, match=r"approved by 2026-11-02 10:00 UTC: it is too late"),
    ):
        approvals.approve(tx, 1, NINE + HOUR)


def test_a_distance_of_more_than_a_week_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_distance may be 7 days at most"):
        configuration.build(raw({"one": {}}, {"min_distance": "8 days"}))


@pytest.mark.parametrize(
    ("digest", "x", "words"),
    [
        ({"min_size": 3, "size": 2}, {}, "digests.one.min_size: is more than size, 2"),
        ({"min_size": 3, "size": 3, "per_day": 2}, {}, "min_size: is more than the 2 posts that a limit allows"),
        ({"min_size": 3, "size": 3}, {"per_week": 2}, "min_size: is more than the 2 posts that a limit allows"),
        ({"jitter": "2 days"}, {}, "jitter must be shorter than a day"),
        ({"quiet_hours": "09:00-09:00"}, {}, "digests.one.quiet_hours: begins and ends at the same time"),
        ({"quiet_hours": "25:00-09:00"}, {}, "digests.one.quiet_hours: write two times of day"),
        ({"not_on": ["2026-12-26..2026-12-24"]}, {}, "ends before it begins"),
        ({"not_on": ["Christmas"]}, {}, "'Christmas' is not a day"),
        ({"not_on": ["2026-12-24.."]}, {}, "'2026-12-24..' is not a day"),
        ({"not_on": ["2026-01-01..9999-12-31"]}, {}, "is not a day"),
        ({"backlog": 10**20}, {}, "digests.one.backlog: write"),
        ({"backlog": "0001-01-01"}, {}, "digests.one.backlog: write"),
        ({"schedule": ", at 09:00"}, {}, "has an extra comma"),
        ({"schedule": "mondays at ,"}, {}, "has an extra comma"),
        ({"schedule": "mondays at 09:00 and fridays at 10:00"}, {}, "write two schedules, in a list"),
        ({"schedule": "every 2880 minutes from 08:00 to 09:00"}, {}, "occurs only once from 08:00 to 09:00"),
        ({"schedule": []}, {}, "digests.one.schedule: write a schedule such as"),
        ({"schedule": ["0 9 * * *", "sundys at 10:00"]}, {}, "digests.one.schedule: number 2: 'sundys' is not a day"),
        (
            {"schedule": ["mo at 9:00", "0 9 * * *", "99 * * * *"]},
            {},
            "names such as mondays and fridays; number 3: '99', the minute",
        ),
        ({"on": {"x": {"size": 1}}, "min_size": 2, "size": 2}, {}, "digests.one.on.x.min_size: is more than size, 1"),
    ],
)
def test_what_cannot_be_kept_is_refused(digest: dict[str, Any], x: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        configuration.build(raw({"one": digest}, x))


def test_what_was_missed_is_not_made_up_for_behind_a_post_of_now(make: Make) -> None:
    digests = {"late": {"schedule": "every day at 15:00"}, "none": {"catch_up": "none", "overlap": True}}
    run = make(4, digests, {"min_distance": "30 minutes"})
    run.tick(START + 5 * DAY + timedelta(hours=7))
    run.tick(run.clock() + timedelta(minutes=30))
    assert [where for _, where, _ in run.appeared()] == ["late/x"]


def test_slots_that_wait_for_each_other_are_not_missed(make: Make) -> None:
    digests = {name: {"catch_up": "none", "overlap": True} for name in ("one", "two", "three")}
    run = make(1, digests, {"min_distance": "90 minutes"})
    rows = run.service.plan(START, NINE + 6 * HOUR)
    run.until(NINE + 6 * HOUR, {row.at + timedelta(seconds=4) for row in rows})
    assert [at for at, _, _ in run.appeared()] == ["02 09:00", "02 10:30", "02 12:00"]


def test_an_open_slot_is_not_missed(make: Make) -> None:
    run = make(1, {"one": {"size": 2, "min_size": 2, "skip_if_empty": False, "catch_up": "none"}})
    run.tick(NINE)
    run.arrive([make_summary(2)])
    run.tick(NINE + 3 * HOUR)
    assert ids(run) == [[1, 2]]


def test_a_digest_whose_limit_is_used_keeps_no_other_waiting(make: Make) -> None:
    digests = {"few": {"per_week": 1, "size": 1, "approval": True}, "many": {"overlap": True, "schedule": "every hour"}}
    run = make(6, digests, {"min_distance": "10 minutes"})
    run.until(NINE + DAY, {NINE})
    with run.ledger.begin() as tx:
        for post in approvals.posts_needing_approval(tx):
            approvals.approve(tx, post, NINE + timedelta(hours=23))
    before = len([where for _, where, _ in run.appeared() if where == "many/x"])
    run.until(NINE + 30 * HOUR, {NINE + hours * HOUR for hours in range(25, 31)})
    found = [where for _, where, _ in run.appeared()]
    assert found.count("few/x") == 1
    assert found.count("many/x") > 1 or before > 1


def test_a_plan_takes_approval_for_granted(make: Make) -> None:
    run = make(9, {"one": {"schedule": "every hour", "approval": True, "per_day": 2}}, {"monthly_budget": "0.70"})
    rows = run.service.plan(START, START + 3 * DAY)
    end = START + 3 * DAY
    moment = START
    while moment < end:
        moment += HOUR
        run.tick(moment)
        with run.ledger.begin() as tx:
            for post in approvals.posts_needing_approval(tx):
                approvals.approve(tx, post, moment)
        run.tick(moment)
    assert run.posted() == planned(rows)
    assert sum(row.cost for row in rows) == 600_000


def test_the_rest_of_a_thread_counts_as_no_post_of_its_own(make: Make) -> None:
    long = [make_summary(1, body="A sentence that says something. " * 30), make_summary(2)]
    run = Run(raw({"one": {"shape": "thread", "per_day": 2, "schedule": "every 3 hours"}}), long)
    try:
        fails = iter([False, True])
        publish = run.platform.publish

        def once_failing(message: Any, **more: Any) -> Any:
            if next(fails, False):
                from digestbot.domain.errors import Unavailable

                raise Unavailable("not now")
            return publish(message, **more)

        run.platform.publish = once_failing  # type: ignore[method-assign]
        run.tick(NINE)
        rows = run.service.plan(NINE, NINE + 6 * HOUR)
        assert [[one.id for one in row.summaries] for row in rows if row.summaries] == [[1], [2]]
    finally:
        run.close()


def test_a_preview_of_what_waits_for_more_ends(make: Make) -> None:
    run = make(1, {"one": {"size": 2, "min_size": 2, "skip_if_empty": False}})
    decision, drafts = run.service.planner.next_decision(Route("one", "x"))
    assert (decision.reason, drafts) == ("open until 2 are pending", [])


def test_a_plan_for_a_channel_that_the_ledger_does_not_know_yet(make: Make) -> None:
    run = make(1, {"one": {}})
    run.config = configuration.build(raw({"one": {}, "two": {"channels": ["page"]}}))
    with run.ledger.begin() as tx:
        tx.execute(queries.channels.delete().where(queries.channels.c.name == "page"))
    service = Service(run.config, run.ledger, run.clock)
    assert {row.channel for row in service.plan(START, START + DAY)} == {"x", "page"}
    with run.ledger.read() as tx:
        assert queries.channel_names(tx) == ["x"]


def test_an_edit_does_not_bring_a_summary_back_into_a_window(make: Make) -> None:
    digest = {"shape": "roundup", "size": 1, "window": "1 day"}
    run = make(2, {"one": digest})
    run.until(NINE + 3 * DAY, {NINE})
    run.arrive([make_summary(1), edited(2)])
    run.until(NINE + 5 * DAY)
    assert ids(run) == [[1]]
    with run.ledger.read() as tx:
        ((summary, source),) = backlog_views.find_summaries(tx, "conf/test/Paper2")
    (reason,) = run.service.why(summary, source)
    assert reason.not_posted
    assert "its window is over" in reason.because


def edited(number: int) -> Summary:
    return make_summary(number, body="What it says now.", dated=START + 2 * DAY)


def test_why_another_digest_is_first(make: Make) -> None:
    run = make(1, {"one": {}, "two": {"schedule": "every day at 12:00"}})
    with run.ledger.read() as tx:
        ((summary, source),) = backlog_views.find_summaries(tx, "1")
    first, second = run.service.why(summary, source)
    assert first.at == NINE
    assert second.because == "digest one posts it on this channel at 2026-11-02 09:00 UTC"
    run.tick(NINE)
    _, second = run.service.why(summary, source)
    assert second.because == "digest one has posted it on this channel, or is about to"


def test_a_window_keeps_what_a_budget_held_up(make: Make) -> None:
    weekly = {"schedule": "mondays at 09:00", "shape": "roundup", "size": 9, "window": "2 days"}
    run = make(2, {"best": weekly}, {"monthly_budget": "0.10"})
    rows = run.service.plan(START, datetime.fromisoformat("2026-11-25T00:00:00+00:00"))
    assert {row.note for row in rows} == {"over the month's budget"}


def test_a_reading_ahead_keeps_nobody_from_writing(make: Make, tmp_path: Any) -> None:
    run = make(3, {"one": {}}, url=f"sqlite:///{tmp_path / 'ledger.db'}")
    original, written = run.service.post_builder.groups, []

    def groups(*arguments: Any) -> Any:
        with run.ledger.begin() as tx:  # in the middle of the walk
            channel_states.pause(tx, "page", "meanwhile", START)
        written.append(1)
        return original(*arguments)

    run.service.post_builder.groups = groups  # type: ignore[method-assign]
    run.service.plan(START, START + DAY)
    assert written
