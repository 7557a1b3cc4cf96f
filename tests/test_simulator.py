"""Years of schedule, with stops and clock steps: what must hold of everything that appears, and of what does not."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from helpers.basics import raw_config
from helpers.simulator import START_OF_TIME, Digest, Posted, Simulator

from digestbot import config as configuration
from digestbot.config.rules import build_posting_rules
from digestbot.domain.schedule import ChannelHistory, ChannelState, DigestState, PublishedPost, forecast

YEARS = timedelta(days=2 * 366)
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "UTC",
]
SCHEDULES: list[Any] = [
    "weekdays at 09:00, 13:00 and 17:30",
    "every 3 hours",
    "every 45 minutes",
    "sundays at 18:00",
    "0 0 * * *",
    "30 2 * * *",
    "last day of the month at 23:30",
    "0 12 29 2 *",
    ["mondays at 00:00", "every day at 01:30"],
]


def random_config(draw: Random) -> configuration.Config:
    raw = raw_config("http://127.0.0.1:1") | {"timezone": draw.choice(ZONES), "digests": {}}
    for number in range(draw.randint(1, 3)):
        size = draw.randint(1, 5)
        digest: dict[str, Any] = {
            "sources": ["store"],
            "channels": draw.choice([["x"], ["x", "page"]]),
            "schedule": draw.choice(SCHEDULES),
            "timezone": draw.choice(ZONES),
            "shape": draw.choice(["single", "roundup"]),
            "size": size,
            "min_size": draw.randint(1, size),
        }
        for name, values in {
            "quiet_hours": ["22:00-07:00", "01:00-03:00", "00:00-12:00", "23:30-00:30"],
            "not_on": [["2026-12-24..2026-12-26", "2027-01-01"], ["2028-02-29"]],
            "jitter": ["10 minutes", "5 hours"],
            "spread": [True],
            "per_day": [1, 2, 6],
            "per_week": [3, 9],
            "window": ["7 days", "30 days"],
            "one_per_paper": [True],
            "catch_up": ["none", "all"],
            "skip_if_empty": [False],
        }.items():
            if draw.random() < 0.3:
                digest[name] = draw.choice(values)
        digest["min_size"] = min(digest["min_size"], digest.get("per_day", 9), 2)
        raw["digests"][f"d{number}"] = digest
    for channel in raw["channels"].values():
        for name, values in {
            "min_distance": ["20 minutes", "7 hours"],
            "per_day": [2, 5],
            "per_week": [4, 10],
            "quiet_hours": ["21:00-06:00"],
        }.items():
            if draw.random() < 0.25:
                channel[name] = draw.choice(values)
    return configuration.build(raw)


def begins(posted: Posted, digest: Digest) -> int:
    """How many posts of an edition begin something."""
    return len(posted.chosen) if digest.shape == "single" else 1


@pytest.mark.parametrize("seed", range(6))
def test_years_of_schedule(seed: int) -> None:
    world = Simulator(random_config(Random(seed)), seed, START_OF_TIME)
    world.arrive(30)
    world.live(YEARS)
    by_pair = {(one.posting_rules.digest, one.posting_rules.channel): one for one in world.digests}
    assert world.ticks > 5000
    for posted in world.posted:
        digest = by_pair[posted.digest, posted.channel]
        assert not digest.posting_rules.calendar.closed(posted.at), "in closed hours"
        assert posted.at >= posted.due, "before its time"
        assert digest.timing.min_size <= len(posted.chosen) <= digest.timing.size
        if digest.timing.one_per_paper:
            assert max(Counter(one.paper.key for one in posted.chosen).values()) == 1
    for digest in world.digests:
        mine = [
            one
            for one in world.posted
            if (one.digest, one.channel) == (digest.posting_rules.digest, digest.posting_rules.channel)
        ]
        order_is_kept(digest, mine)
        windows_are_kept(digest, mine, world)
        jitter_stays(digest, mine)
    for channel in ("x", "page"):
        there = [one for one in world.posted if one.channel == channel]
        limits_are_kept(world, channel, there, by_pair)
        distance_is_kept(world, channel, there)
    nothing_starves(world)


def order_is_kept(digest: Digest, mine: list[Posted]) -> None:
    ids = [summary.id for one in mine for summary in one.chosen]
    assert len(set(ids)) == len(ids), "a summary twice"
    if not digest.timing.one_per_paper:
        assert ids == sorted(ids, key=lambda id_: id_ or 0)
    dues = [one.due for one in mine]
    assert dues == sorted(dues)


def windows_are_kept(digest: Digest, mine: list[Posted], world: Simulator) -> None:
    window = digest.timing.window
    before = None
    seen = world.seen
    for one in mine:
        if window is not None:
            begin = min(one.at - window, before or START_OF_TIME - window)
            assert all(seen[summary.id or 0] > begin for summary in one.chosen)
        before = one.at


def jitter_stays(digest: Digest, mine: list[Posted]) -> None:
    """Asked again, a slot keeps the time that it had."""
    for one in mine[:20]:
        (first,) = [
            s for s, _ in zip(digest.posting_rules.calendar.slots(one.due - timedelta(seconds=1)), [0], strict=False)
        ]
        assert first.nominal == one.slot
        assert first.at <= one.at


def limits_are_kept(
    world: Simulator, channel: str, there: list[Posted], by_pair: dict[tuple[str, str], Digest]
) -> None:
    config = world.config

    def held(posts: list[Posted], zone: ZoneInfo, rules: Any) -> None:
        days: dict[date, int] = defaultdict(int)
        weeks: dict[tuple[int, int], int] = defaultdict(int)
        for one in posts:
            day = one.appeared.counts_at.astimezone(zone).date()
            number = begins(one, by_pair[one.digest, channel])
            days[day] += number
            weeks[day.isocalendar()[:2]] += number
        assert max(days.values(), default=0) <= (rules.per_day or 10**9)
        assert max(weeks.values(), default=0) <= (rules.per_week or 10**9)

    held(there, config.timezone, config.channels[channel])
    for name in config.digests:
        if channel in config.digests[name].channels:
            mine = [one for one in there if one.digest == name]
            held(mine, config.zone(name, channel), config.timing(name, channel))


def distance_is_kept(world: Simulator, channel: str, there: list[Posted]) -> None:
    """But where a clock that was put back comes past what it had shown before."""
    distance = world.config.channels[channel].min_distance
    if distance is not None:
        before: list[PublishedPost] = []
        for one in there:
            last = next((post for post in reversed(before) if post.at <= one.at), None)
            assert last is None or one.at >= last.keeps_distance_until(distance), "too soon"
            assert last is None or one.at - last.at >= distance / 2
            insort(before, one.appeared)


def nothing_starves(world: Simulator) -> None:
    """Of every summary that still waits it can be said when it goes, or why not."""
    rows = forecast(
        [
            DigestState(
                one.posting_rules,
                one.timing,
                one.shape,
                one.digest_history,
                iter(list(one.backlog)),
                frozenset(world.config.digests),
            )
            for one in world.digests
        ],
        {channel: ChannelState(world.channel_history[channel]) for channel in ("x", "page")},
        lambda posting_rules, chosen: [((one,), 0) for one in chosen],
        world.now,
        world.now + timedelta(days=120),
    )
    for digest in world.digests:
        mine = [
            row
            for row in rows
            if (row.digest, row.channel) == (digest.posting_rules.digest, digest.posting_rules.channel)
        ]
        going = {one.id or 0 for row in mine for one in row.summaries}
        notes = {row.note for row in mine if not row.summaries}
        assert "" not in notes
        for candidate in digest.backlog:
            if candidate.summary.id not in going and digest.timing.window is None and not digest.timing.one_per_paper:
                behind = bool(going) and (candidate.summary.id or 0) > max(going)
                never = digest.posting_rules.calendar.first_open(digest.digest_history.since)
                reasons = [note for note in notes if note not in ("nothing is pending", "a later slot took its place")]
                assert behind or never is None or never.at > world.now + timedelta(days=120) or reasons


def test_rules_that_are_always_closed_is_said_to_be() -> None:
    raw = raw_config("http://127.0.0.1:1", quiet_hours="06:00-20:00", schedule="every day at 12:00", channels=["x"])
    config = configuration.build(raw)
    posting_rules, start = build_posting_rules(config, "latest", "x"), datetime(2026, 11, 2, tzinfo=UTC)
    assert posting_rules.calendar.first_open(start) is None
    found = Simulator(config, 1, start)
    found.arrive(1)
    (digest,) = found.digests
    rows = forecast(
        [DigestState(posting_rules, digest.timing, digest.shape, digest.digest_history, iter(digest.backlog))],
        {"x": ChannelState(ChannelHistory())},
        lambda _, chosen: [((one,), 0) for one in chosen],
        start,
        start + timedelta(days=3),
    )
    assert [row.note for row in rows] == ["quiet hours"] * 3
