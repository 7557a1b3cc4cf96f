"""Slots around clock changes, after a stop, and when the clock steps back."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.domain.model import Slot
from digestbot.domain.schedule import Blackout, Calendar, PostLimit
from digestbot.domain.schedule.recurrence import is_valid_expression, nearest_weekday

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def due_slot(schedule: str, zone: ZoneInfo, after: datetime, now: datetime) -> Slot | None:
    return Calendar((schedule,), zone).newest_open(after, now)


def slots(schedule: str, zone: ZoneInfo, after: datetime) -> Iterator[Slot]:
    return Calendar((schedule,), zone).slots(after)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_newest_missed_slot_is_due_and_only_that() -> None:
    slot = due_slot("0 9,13,17 * * MON-FRI", UTC_ZONE, at("2026-11-02 08:00"), at("2026-11-05 14:10"))
    assert slot is not None
    assert (slot.nominal, slot.due) == ("2026-11-05T13:00", at("2026-11-05 13:00"))


def test_nothing_is_due_before_the_first_slot_or_after_the_last_reached() -> None:
    schedule = "0 9 * * *"
    assert due_slot(schedule, UTC_ZONE, at("2026-11-02 09:30"), at("2026-11-03 08:59")) is None
    assert due_slot(schedule, UTC_ZONE, at("2026-11-03 09:00"), at("2026-11-03 09:00")) is None


def test_a_clock_that_steps_back_makes_nothing_due() -> None:
    assert due_slot("* * * * *", UTC_ZONE, at("2026-11-03 09:00"), at("2026-11-03 07:00")) is None


def test_rare_and_frequent_schedules_are_found_after_a_long_stop() -> None:
    slot = due_slot("0 0 29 2 *", UTC_ZONE, at("2020-01-01 00:00"), at("2027-06-01 00:00"))
    assert slot is not None
    assert slot.nominal == "2024-02-29T00:00"
    slot = due_slot("* * * * *", UTC_ZONE, at("2000-01-01 00:00"), at("2027-06-01 00:00"))
    assert slot is not None
    assert slot.nominal == "2027-06-01T00:00"


@pytest.mark.parametrize(
    ("zone", "schedule", "day", "expected"),
    [
        # put back: 01:30 comes twice in New York on 1 November 2026
        ("America/New_York", "30 1 * * *", "2026-11-01", ["2026-11-01 05:30"]),
        # put forward: 02:30 does not exist in Berlin on 28 March 2027, 03:00 is the first valid instant
        ("Europe/Berlin", "30 2 * * *", "2027-03-28", ["2027-03-28 01:00"]),
        # at midnight: Santiago's 6 September 2026 begins at 01:00
        ("America/Santiago", "0 0 * * *", "2026-09-06", ["2026-09-06 04:00"]),
        # Cairo's 24 April 2026 begins at 01:00
        ("Africa/Cairo", "0 0 * * *", "2026-04-24", ["2026-04-23 22:00"]),
        # by half an hour: Lord Howe, 4 October 2026, 02:00 -> 02:30, and back on 5 April 2026
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", ["2026-10-03 15:30"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", ["2026-04-04 14:45"]),
        ("Asia/Kolkata", "30 5 * * *", "2026-03-29", ["2026-03-29 00:00"]),
    ],
)
def test_clock_changes(zone: str, schedule: str, day: str, expected: list[str]) -> None:
    calendar = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=calendar) - timedelta(seconds=1)
    end = start + timedelta(hours=25)
    found = [slot.due for slot in islice(slots(schedule, calendar, start.astimezone(UTC)), 10) if slot.due <= end]
    local_day = [due for due in found if due.astimezone(calendar).date().isoformat() == day]
    assert local_day == [at(text) for text in expected]


def test_an_hour_that_comes_twice_fires_once() -> None:
    start = at("2026-10-24 23:30")  # Berlin puts its clocks back at 01:00 UTC
    nominal = [slot.nominal for slot in islice(slots("0 * * * *", BERLIN, start), 4)]
    assert nominal == ["2026-10-25T02:00", "2026-10-25T03:00", "2026-10-25T04:00", "2026-10-25T05:00"]
    between = [slot.nominal for slot in islice(slots("0 * * * *", BERLIN, at("2026-10-25 00:00")), 1)]
    assert between == ["2026-10-25T03:00"]  # nor after a restart between the two
    daily = list(islice(slots("30 2 * * *", BERLIN, start), 2))
    assert [slot.nominal for slot in daily] == ["2026-10-25T02:30", "2026-10-26T02:30"]


def test_next_slot() -> None:
    slot = Calendar(("0 9 * * MON",), BERLIN).first_open(at("2026-11-03 00:00"))
    assert slot is not None
    assert slot.due == at("2026-11-09 08:00")


@given(
    st.integers(0, 15 * 366 * 24 * 60).map(lambda minutes: at("2020-01-01 00:00") + timedelta(minutes=minutes)),
    st.timedeltas(timedelta(0), timedelta(days=40)),
    st.sampled_from(["0 9,13,17 * * MON-FRI", "*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1-3 * * SUN"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "UTC"]),
)
def test_due_slot_agrees_with_walking_the_calendar(now: datetime, ago: timedelta, schedule: str, zone: str) -> None:
    after, calendar = now - ago, ZoneInfo(zone)
    walked = None
    for slot in slots(schedule, calendar, after):
        if slot.due > now:
            break
        walked = slot
    assert due_slot(schedule, calendar, after, now) == walked


# ---- what cron cannot say


@given(st.integers(1, 31), st.integers(2020, 2032), st.integers(1, 12))
def test_the_nearest_weekday_is_the_nearest(day: int, year: int, month: int) -> None:
    found = nearest_weekday(year, month, day)
    days = [date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1)]
    if day > len(days):
        assert found is None
        return
    weekdays = [one for one in days if one.weekday() < 5]
    assert found in weekdays
    apart = min(abs(one.day - day) for one in weekdays)
    assert found is not None
    assert abs(found.day - day) == apart
    year_of = Calendar((f"0 9 {day}W * *",), UTC_ZONE).slots(
        datetime(year, month, 1, tzinfo=UTC) - timedelta(minutes=1)
    )
    assert next(year_of).due == datetime(found.year, found.month, found.day, 9, tzinfo=UTC)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(2, 5), st.sampled_from(["days", "weeks"]))
def test_every_so_many_days_or_weeks_is_counted_from_a_date(first: date, every: int, unit: str) -> None:
    weekday = f"{first.isoweekday() % 7}" if unit == "weeks" else "*"
    calendar = Calendar((f"0 9 * * {weekday} {unit}={every}@{first}",), BERLIN)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=1)
    days = [slot.due.astimezone(BERLIN).date() for slot in islice(calendar.slots(start), 4)]
    assert days == [first + timedelta(**{unit: every * number}) for number in range(4)]
    earlier = next(calendar.slots(start - timedelta(days=400))).due.astimezone(BERLIN).date()
    assert (first - earlier).days % (every * (7 if unit == "weeks" else 1)) == 0


@pytest.mark.parametrize(
    "expression",
    ["0 9 15W * 1", "0 9 0W * *", "0 9 1W,5 * *", "0 9 * * * days=0@2026-01-01", "0 9 * * * weeks=2", "0 9 * *", ""],
)
def test_what_is_no_expression(expression: str) -> None:
    assert not is_valid_expression(expression)


def test_days_of_every_year_and_several_spans_are_closed() -> None:
    closure = Blackout.of(
        BERLIN,
        ((time(12), time(13)), (time(23), time(1))),
        [((12, 24), (1, 2)), ((2, 29), (2, 29)), (date(2026, 6, 1), date(2026, 6, 2))],
    )
    for text, reason in (
        ("2026-11-02 11:30", "quiet hours"),
        ("2026-11-02 13:00", ""),
        ("2026-11-02 22:30", "quiet hours"),
        ("2026-12-24 09:00", "day off"),
        ("2027-01-02 09:00", "day off"),
        ("2027-01-03 09:00", ""),
        ("2028-02-29 09:00", "day off"),
        ("2026-06-02 09:00", "day off"),
    ):
        assert closure.reason(at(text)) == reason
    calendar = Calendar(("0 9 * * *",), BERLIN, (closure,))
    assert calendar.opens(at("2026-12-25 09:00")) == at("2027-01-03 00:00")
    assert calendar.opens(at("2026-11-02 11:30")) == at("2026-11-02 12:00")


# ---- closed hours, against walking through them minute by minute

MATRIX = [
    ("Europe/Berlin", "2027-03-28"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("America/New_York", "2026-03-08"),
    ("America/Santiago", "2026-09-06"),
    ("America/Santiago", "2026-04-05"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Asia/Kolkata", "2026-12-31"),
    ("UTC", "2028-02-29"),
]
HOURS = [
    None,
    (time(22), time(7)),
    (time(1, 15), time(2, 30)),
    (time(0), time(1)),
    (time(23, 30), time(0, 30)),
    (time(2), time(3)),
]
MINUTE = timedelta(minutes=1)


def around(zone: str, day: str) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return start - timedelta(hours=14), start + timedelta(hours=40)


@pytest.mark.parametrize(("zone", "day"), MATRIX)
@pytest.mark.parametrize("hours", HOURS)
def test_what_is_closed_opens_at_the_first_open_instant(zone: str, day: str, hours: tuple[time, time] | None) -> None:
    on = date.fromisoformat(day)
    closures = (
        Blackout(ZoneInfo(zone), (hours,) if hours else ()),
        Blackout(BERLIN, ((time(12), time(13)),), ((on, on),)),
    )
    calendar = Calendar(("0 * * * *",), ZoneInfo(zone), closures)
    begin, end = around(zone, day)
    opens = None
    now = end
    while now >= begin:
        opens = opens if calendar.closed(now) else now
        if opens is not None and opens + MINUTE <= end:
            assert calendar.opens(now) == opens
        now -= MINUTE


@pytest.mark.parametrize(("zone", "day"), MATRIX)
@pytest.mark.parametrize("schedule", ["*/20 * * * *", "30 0,1,2,3 * * *", "0 0 * * *", "15 */2 * * *"])
def test_slots_are_the_same_from_wherever_they_are_asked_for(zone: str, day: str, schedule: str) -> None:
    begin, end = around(zone, day)
    calendar = Calendar((schedule, "45 1 * * *"), ZoneInfo(zone), (), timedelta(minutes=50), "latest x")
    every = list(takewhile(lambda slot: slot.due <= end, calendar.slots(begin)))
    assert [slot.nominal for slot in every] == list(dict.fromkeys(slot.nominal for slot in every))
    assert all(first.at < second.due for first, second in pairwise(every))
    now = begin
    while now < end:
        fresh = Calendar((schedule, "45 1 * * *"), ZoneInfo(zone), (), timedelta(minutes=50), "latest x")
        expected = [slot for slot in every if slot.due > now]
        assert list(takewhile(lambda slot: slot.due <= end, fresh.slots(now))) == expected
        assert calendar.newest_open(begin, now) == max(
            (slot for slot in every if slot.at <= now), key=by_due, default=None
        )
        now += timedelta(minutes=55)


def by_due(slot: Slot) -> datetime:
    return slot.due


def test_a_day_and_a_week_of_limits_begin_at_local_midnight() -> None:
    santiago = ZoneInfo("America/Santiago")
    day = PostLimit(1, 1, santiago)
    assert day.began(at("2026-09-06 10:00")) == at("2026-09-06 04:00")  # the day begins at 01:00
    assert day.ends(at("2026-09-05 12:00")) == at("2026-09-06 04:00")
    week = PostLimit(1, 7, BERLIN)
    assert week.began(at("2026-11-08 22:59")) == at("2026-11-01 23:00")
    assert week.ends(at("2026-11-08 22:59")) == week.began(at("2026-11-08 23:00")) == at("2026-11-08 23:00")


def test_a_schedule_that_is_closed_for_ever_has_no_open_slot() -> None:
    shut = Blackout(UTC_ZONE, ((time(8), time(20)),))
    assert Calendar(("0 12 * * *",), UTC_ZONE, (shut,)).first_open(at("2026-11-02 00:00")) is None
    both = (shut, Blackout(UTC_ZONE, ((time(19), time(9)),)))
    assert Calendar(("* * * * *",), UTC_ZONE, both).opens(at("2026-11-02 00:00")) is None
    assert Calendar(
        ("0 12 29 2 *",), UTC_ZONE, (Blackout(UTC_ZONE, (), ((date(2028, 2, 1), date(2028, 3, 1)),)),)
    ).first_open(at("2026-11-02 00:00")) == Slot("2032-02-29T12:00", at("2032-02-29 12:00"))


def test_a_long_run_of_slots_is_remembered_only_in_part() -> None:
    calendar = Calendar(("* * * * *",), UTC_ZONE)
    begin = at("2026-11-02 00:00")
    found = list(islice(calendar.slots(begin), 12_000))
    assert found[-1].due == begin + 12_000 * MINUTE
    assert next(calendar.slots(begin)).due == begin + MINUTE
    assert next(calendar.slots(found[-1].due)).due == begin + 12_001 * MINUTE
