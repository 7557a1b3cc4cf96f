"""What `plan` says is what `run` does: both are asked, on random configurations and backlogs, and held against each
other."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from typing import Any

from helpers.basics import START, make_summary, raw_config
from helpers.planning_harness import Run, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.domain.model import Paper, Summary

DAYS = 4
SCHEDULES = [
    "weekdays at 09:00, 13:00 and 17:30",
    "every 3 hours",
    "0 9 * * *",
    ["mondays at 08:30", "every day at 20:00"],
    "every 45 minutes from 06:00 to 23:00",
    "sundays at 02:30",
]


@st.composite
def digests(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(1, 4))
    shape = draw(st.sampled_from(["single", "single", "roundup", "thread"]))
    found: dict[str, Any] = {
        "sources": ["store"],
        "channels": draw(st.sampled_from([["x"], ["page"], ["x", "page"]])),
        "schedule": draw(st.sampled_from(SCHEDULES)),
        "timezone": draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])),
        "size": size,
        "min_size": draw(st.integers(1, size)),
        "shape": shape,
        "order": draw(st.sampled_from(["oldest", "newest", "votes"])),
        "backlog": "all",
    }
    optional = {
        "quiet_hours": st.sampled_from(["22:00-07:00", "12:00-14:00", "00:00-23:00"]),
        "not_on": st.sampled_from([["2026-11-03"], ["2026-11-03..2026-11-04"]]),
        "jitter": st.sampled_from(["10 minutes", "3 hours"]),
        "spread": st.just(True),
        "per_day": st.integers(1, 4),
        "per_week": st.integers(1, 6),
        "window": st.sampled_from(["1 day", "7 days"]),
        "min_age": st.sampled_from(["1 day", "3 days"]),
        "max_age": st.sampled_from(["5 days", "9 days"]),
        "min_votes": st.integers(1, 4),
        "one_per_paper": st.just(True),
        "repeat_paper": st.sampled_from(["never", "1 day", "3 days"]),
        "overlap": st.just(True),
        "catch_up": st.sampled_from(["none", "all"]),
        "skip_if_empty": st.just(False),
    }
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=5)):
        found[name] = draw(optional[name])
    return found


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    raw = raw_config("http://127.0.0.1:1")
    raw["digests"] = {f"d{number}": draw(digests()) for number in range(draw(st.integers(1, 3)))}
    for channel in raw["channels"].values():
        if draw(st.booleans()):
            channel["min_distance"] = draw(st.sampled_from(["20 minutes", "90 minutes", "5 hours"]))
        if draw(st.booleans()):
            channel["per_day"] = draw(st.integers(1, 5))
        if draw(st.booleans()):
            channel["quiet_hours"] = draw(st.sampled_from(["23:00-06:00", "08:00-10:00"]))
    for digest in raw["digests"].values():
        limits = [raw["channels"][name].get("per_day", 9) for name in digest["channels"]]
        digest["min_size"] = min(digest["min_size"], digest.get("per_day", 9), digest.get("per_week", 9), *limits)
    if draw(st.booleans()):
        raw["channels"]["x"]["monthly_budget"] = draw(st.sampled_from(["0.30", "1.00", "3.00"]))
    return raw


@st.composite
def summaries(draw: st.DrawFn) -> list[Summary]:
    found = []
    for number in range(draw(st.integers(0, 14))):
        paper = draw(st.integers(0, 9)) if draw(st.booleans()) else 100 + number
        found.append(
            make_summary(
                number,
                paper=Paper(f"conf/test/Paper{paper}", f"Paper Number {paper}"),
                votes=draw(st.integers(0, 5)),
                dated=START - timedelta(hours=draw(st.integers(1, 240))),
                body="Says something. " * draw(st.sampled_from([1, 1, 40])),
            )
        )
    return found


@settings(max_examples=8)
@given(configurations(), summaries())
def test_run_with_a_thread_for_each_channel_does_what_plan_says(raw: dict[str, Any], known: list[Summary]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(raw, known, f"sqlite:///{folder}/ledger.db", threads=3)
        try:
            end = START + timedelta(days=DAYS // 2)
            rows = run.service.plan(START, end)
            run.until(end, {row.at for row in rows})
            assert run.posted() == planned(rows)
        finally:
            run.close()


@settings(max_examples=12)
@given(configurations(), summaries())
def test_run_does_what_plan_says(raw: dict[str, Any], known: list[Summary]) -> None:
    run = Run(raw, known)
    try:
        end = START + timedelta(days=DAYS)
        rows = run.service.plan(START, end)
        run.until(end, {row.at for row in rows})
        assert run.posted() == planned(rows)
    finally:
        run.close()
