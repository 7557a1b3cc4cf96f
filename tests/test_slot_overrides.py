"""What a person changes of what is to come: slots moved, skipped, sent now; summaries first, held, skipped, rewritten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, make_summary
from helpers.planning_harness import Make, Run, planned, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import PostStatus, Route
from digestbot.ledger import approvals, backlog, backlog_overrides, backlog_views, queries, schema, slot_overrides
from digestbot.operator.slot_actions import SlotOverrides, parse_local_time

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE = START + HOUR  # the first slot of most
ROUTE = Route("latest", "x")


@pytest.fixture(name="daily")
def make_daily(make: Make) -> Make:
    """A run of a digest that knows six summaries, and has a slot a day."""
    return lambda known=6, **digest: make(known, **{"schedule": "every day at 09:00", **digest})


def upcoming(run: Run, days: int = 3) -> list[tuple[str, list[int]]]:
    rows = run.service.plan(run.clock(), run.clock() + days * DAY)
    return [(f"{row.at:%d %H:%M}", [one.id or 0 for one in row.summaries]) for row in rows if row.summaries]


# ---- slots


def test_a_moved_slot_comes_at_its_new_time_in_plan_and_run(daily: Make) -> None:
    run = daily()
    SlotOverrides(run.service).move(ROUTE, "2026-11-03T09:00", START + DAY + 5 * HOUR)
    foreseen = upcoming(run)
    assert foreseen == [("02 09:00", [1]), ("03 13:00", [2]), ("04 09:00", [3])]
    run.until(START + 3 * DAY, {START + DAY + 5 * HOUR, NINE, NINE + 2 * DAY})
    assert [(at, ids) for at, _, ids in run.appeared()] == foreseen
    with run.ledger.read() as tx:
        assert slot_overrides.changes(tx) == {}  # it is over, and forgotten


def test_a_slot_may_be_moved_past_others_and_moved_again(daily: Make) -> None:
    run = daily()
    SlotOverrides(run.service).move(ROUTE, "2026-11-02T09:00", START + 2 * DAY + 5 * HOUR)
    assert [at for at, _ in upcoming(run)] == ["03 09:00", "04 09:00", "04 13:00"]
    (moved,) = [row.slot for row in run.service.plan(START, START + 3 * DAY) if row.at.hour == 13]
    assert moved == "2026-11-04T13:00 moved from 2026-11-02T09:00"
    SlotOverrides(run.service).move(ROUTE, moved, START + 5 * HOUR)
    assert [at for at, _ in upcoming(run)] == ["02 13:00", "03 09:00", "04 09:00"]
    SlotOverrides(run.service).restore(ROUTE, "2026-11-02T13:00 moved from 2026-11-02T09:00")
    assert [at for at, _ in upcoming(run)] == ["02 09:00", "03 09:00", "04 09:00"]


def test_a_skipped_slot_does_not_come_until_it_is_restored(daily: Make) -> None:
    run = daily()
    SlotOverrides(run.service).skip(ROUTE, "2026-11-02T09:00")
    assert [at for at, _ in upcoming(run)] == ["03 09:00", "04 09:00"]
    run.until(START + 2 * HOUR, {NINE})
    assert run.appeared() == []
    SlotOverrides(run.service).restore(ROUTE, "2026-11-02T09:00")  # it is late by now, and made up for
    run.until(START + 3 * HOUR)
    assert [ids for _, _, ids in run.appeared()] == [[1]]
    with pytest.raises(LedgerError, match="has no manual changes to undo"):
        SlotOverrides(run.service).restore(ROUTE, "2026-11-02T09:00")


def test_a_slot_is_only_moved_to_where_it_can_come(daily: Make) -> None:
    run = daily(quiet_hours="22:00-07:00")
    move = SlotOverrides(run.service).move
    for to, why in (
        (START, "that time is in the past"),
        (START + 400 * DAY, "more than a year"),
        (START + 15 * HOUR, "nothing is posted then: quiet hours"),
        (NINE + DAY, "the digest already has a slot"),
    ):
        with pytest.raises(LedgerError, match=why):
            move(ROUTE, "2026-11-02T09:00", to)
    with pytest.raises(LedgerError, match="has no upcoming slot at 2026-11-02T10:00"):
        move(ROUTE, "2026-11-02T10:00", START + 2 * HOUR)
    with pytest.raises(LedgerError, match="'soon' is not the time of a slot"):
        move(ROUTE, "soon", START + 2 * HOUR)
    with pytest.raises(LedgerError, match="digest other is not configured for x"):
        move(Route("other", "x"), "2026-11-02T09:00", START + 2 * HOUR)
    run.tick(NINE)
    with pytest.raises(LedgerError, match="has no upcoming slot at 2026-11-02T09:00"):
        SlotOverrides(run.service).skip(ROUTE, "2026-11-02T09:00")
    with pytest.raises(LedgerError, match="'never' is not a time"):
        parse_local_time("never", ROUTE, run.config, run.clock())


def test_times_of_forms_are_the_digests_own(daily: Make) -> None:
    run = daily(timezone="America/New_York")
    assert parse_local_time("2026-12-24T18:00", ROUTE, run.config, START).isoformat() == "2026-12-24T23:00:00+00:00"
    assert parse_local_time("2026-12-24T18:00+01:00", ROUTE, run.config, START).hour == 18


def test_a_slot_sent_now_heeds_no_hour_and_does_not_come_again(daily: Make) -> None:
    run = daily(quiet_hours="07:00-08:59")
    SlotOverrides(run.service).send_now(ROUTE, "2026-11-03T09:00", [2])
    run.tick(START + timedelta(minutes=1))
    assert [(at, ids) for at, _, ids in run.appeared()] == [("02 08:01", [2])]
    assert upcoming(run) == [("02 09:00", [1]), ("04 09:00", [3])]


def test_nothing_is_sent_now_where_nothing_could_be_made(daily: Make) -> None:
    run = daily()
    with pytest.raises(LedgerError, match="summary 99 is not pending"):
        SlotOverrides(run.service).send_now(ROUTE, "2026-11-03T09:00", [99])
    for number in range(1, 7):
        with run.ledger.begin() as tx:
            backlog_overrides.skip_summary(tx, ROUTE, number)
    with pytest.raises(LedgerError, match="nothing pending could be sent"):
        SlotOverrides(run.service).send_now(ROUTE, "2026-11-03T09:00", [])
    assert run.service.rule_book.next_slot(ROUTE) is not None


# the minutes after START at which a slot of a daily digest is moved to, None to skip it
changes = st.lists(st.one_of(st.none(), st.integers(1, 5 * 24 * 60)), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None)
@given(changes)
def test_plan_and_run_agree_on_whatever_is_changed(minutes: list[int | None]) -> None:
    run = Run(raw(None, schedule="every day at 09:00"), [make_summary(n) for n in range(6)])
    try:
        for day, minute in enumerate(minutes):
            nominal = f"2026-11-{2 + day:02}T09:00"
            try:
                if minute is None:
                    SlotOverrides(run.service).skip(ROUTE, nominal)
                else:
                    SlotOverrides(run.service).move(ROUTE, nominal, START + timedelta(minutes=minute))
            except LedgerError:
                continue  # two at one time
        end = START + 6 * DAY
        rows = run.service.plan(START, end)
        run.until(end, {row.at for row in rows})
        assert planned(rows) == run.posted()
        with run.ledger.read() as tx:
            assert [one for one in slot_overrides.changes(tx).get(ROUTE, ()) if one.moved_to] == []
    finally:
        run.close()


# ---- posts that are made already


def test_a_post_that_waits_is_made_anew_at_another_time(daily: Make) -> None:
    run = daily(size=2, approval=True)
    run.until(START + 2 * HOUR, {NINE})
    assert SlotOverrides(run.service).move_post(1, START + 5 * HOUR) == ROUTE
    with run.ledger.read() as tx:
        assert {row.status for row in queries.post_rows(tx)} == {PostStatus.SKIPPED}
    assert upcoming(run, 1)[0] == ("02 13:00", [1, 2])
    run.until(START + 6 * HOUR, {START + 5 * HOUR})
    with run.ledger.begin() as tx:
        assert approvals.posts_needing_approval(tx) == [3, 4]
    with pytest.raises(LedgerError, match="post 1 cannot be withdrawn"):
        SlotOverrides(run.service).move_post(1, START + 8 * HOUR)
    with run.ledger.begin() as tx, pytest.raises(LedgerError, match="there is no post 9"):
        approvals.withdraw_edition(tx, 9, run.clock())


def test_a_windowed_digest_finds_again_what_was_taken_back(daily: Make) -> None:
    run = daily(2, size=2, window="1 day", schedule="every day at 09:00, 12:00", approval=True)
    run.until(START + 2 * HOUR, {NINE})
    SlotOverrides(run.service).move_post(1, START + 5 * HOUR)
    SlotOverrides(run.service).skip(ROUTE, "2026-11-02T12:00")
    assert upcoming(run, 1)[0] == ("02 13:00", [1, 2])


def test_a_post_that_is_let_go_heeds_neither_hour_nor_approval(daily: Make) -> None:
    run = daily(1, approval=True, quiet_hours="09:30-20:00")
    run.tick(NINE)
    run.tick(START + 2 * HOUR)
    assert run.appeared() == []
    with run.ledger.begin() as tx:
        approvals.send_now(tx, 1)
    run.tick(START + 3 * HOUR)
    assert [(at, ids) for at, _, ids in run.appeared()] == [("02 11:00", [1])]
    with run.ledger.begin() as tx, pytest.raises(LedgerError, match="post 1 is not pending"):
        approvals.send_now(tx, 1)


# ---- what waits


def test_what_is_pinned_goes_first_and_what_is_held_waits(daily: Make) -> None:
    run = daily()
    with run.ledger.begin() as tx:
        backlog_overrides.pin(tx, ROUTE, [5, 6], run.clock())
        backlog_overrides.hold_summary(tx, ROUTE, 1)
        backlog_overrides.skip_summary(tx, ROUTE, 2)
    assert [ids for _, ids in upcoming(run, 6)] == [[5], [6], [3], [4]]
    (reason,) = run.service.why(make_found(run, 1), "store")
    assert (reason.because, reason.at) == ("held by hand", None)
    with run.ledger.begin() as tx:
        backlog.reset_verdicts_elsewhere(tx, "another", "x", [1])  # what judges it again does not release it
        backlog_overrides.unpin(tx, ROUTE, 5)
    assert [ids for _, ids in upcoming(run, 6)] == [[6], [3], [4], [5]]
    with run.ledger.begin() as tx:
        backlog_overrides.release(tx, ROUTE, 1)
        backlog_overrides.unskip(tx, ROUTE, 2)
    assert [ids for _, ids in upcoming(run, 6)] == [[6], [1], [2], [3], [4], [5]]
    with run.ledger.begin() as tx, pytest.raises(LedgerError, match="summary 2 was not skipped by latest"):
        backlog_overrides.unskip(tx, ROUTE, 2)


def make_found(run: Run, number: int) -> Any:
    with run.ledger.read() as tx:
        return backlog_views.find_summaries(tx, str(number))[0][0]


def test_a_person_writes_the_post_of_a_summary(daily: Make) -> None:
    run = daily(2)
    SlotOverrides(run.service).write(ROUTE, 1, "In my own words.")
    (row,) = run.service.plan(START, START + 2 * HOUR)
    assert row.cost == 15_000  # no link, and cheaper for it
    run.tick(NINE)
    with run.ledger.read() as tx:
        assert queries.post_row(tx, 1).text == "In my own words."
    with pytest.raises(LedgerError, match="summary 1 is not pending"):
        SlotOverrides(run.service).write(ROUTE, 1, "Too late.")
    with pytest.raises(ConfigError, match="has 281 characters"):
        SlotOverrides(run.service).write(ROUTE, 2, "x" * 281)


def test_what_a_person_wrote_is_dropped_when_the_summary_changes(daily: Make) -> None:
    run = daily(2, approval=True)
    SlotOverrides(run.service).write(ROUTE, 1, "Reader 0 says it well.")
    with run.ledger.begin() as tx:
        backlog_overrides.preapprove(tx, ROUTE, [1, 2], run.clock())
    run.arrive([make_summary(1, body="Something else entirely."), make_summary(2)])
    with run.ledger.read() as tx:
        assert backlog_overrides.custom_texts(tx, *ROUTE, [1, 2]) == {}
        assert backlog_overrides.preapproved(tx) == {ROUTE: frozenset([2])}


def test_threads_are_not_written_ahead(daily: Make) -> None:
    run = daily(2, shape="thread")
    with pytest.raises(LedgerError, match="only after they are created"):
        SlotOverrides(run.service).write(ROUTE, 1, "One post.")


def test_what_is_approved_ahead_needs_no_word_at_its_slot(daily: Make) -> None:
    run = daily(3, size=2, approval=True)
    with run.ledger.begin() as tx:
        backlog_overrides.preapprove(tx, ROUTE, [1, 2], run.clock())
    assert [row.note for row in run.service.plan(START, START + 2 * DAY)] == ["", "if approved"]
    run.tick(NINE)
    assert [ids for _, _, ids in run.appeared()] == [[1, 2]]
    with run.ledger.begin() as tx:
        backlog_overrides.preapprove(tx, ROUTE, [3], run.clock())
        backlog_overrides.preapprove(tx, ROUTE, [3], None)
    run.tick(NINE + DAY)
    with run.ledger.read() as tx:
        assert approvals.posts_needing_approval(tx) == [3]
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.slots)) == 2
