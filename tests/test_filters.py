"""What a digest's filters let through, and how the others are listed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from helpers.basics import START, Clock, Feed, make_summary, up_next
from hypothesis import given
from hypothesis import strategies as st

from digestbot import config
from digestbot.domain.errors import ConfigError
from digestbot.domain.filters import DigestFilters, Filter
from digestbot.domain.model import Order, Paper, Summary
from digestbot.ledger import Ledger, backlog, backlog_views, intake, rollback_detection, source_states
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox

Make = Callable[..., Service]


def summary(body: str = "Some words.", title: str = "A Title", key: str = "conf/nips/A", **paper: Any) -> Summary:
    return make_summary(1, paper=Paper(key, title, **paper), body=body)


def verdict(one: Summary, **filters: Any) -> str:
    lists = {
        name: Filter(**{key: tuple(value) for key, value in filters.pop(name).items()})
        for name in ("include", "exclude")
        if name in filters
    }
    return DigestFilters(**filters, **lists).verdict(one)


def test_a_summary_without_text_waits_for_it() -> None:
    assert verdict(summary("..."), require_text=True) == "has no text yet"
    assert verdict(summary("[the code]()"), require_text=True) == "has no text yet"
    assert verdict(summary(), require_text=True) == ""
    assert verdict(summary("..."), require_text=False) == ""


@pytest.mark.parametrize(
    ("test", "one", "passes"),
    [
        ({"venues": ["conf/nips"]}, summary(), True),
        ({"venues": ["conf/nip"]}, summary(), False),  # a whole part of the key
        ({"venues": ["CONF/NIPS/"]}, summary(), True),
        ({"venues": ["neural information"]}, summary(venue="Neural Information Processing Systems"), True),
        ({"venues": ["conf/iclr", "journals/corr"]}, summary(), False),
        ({"sections": ["cs", "bio"]}, summary(sections=("bio",)), True),
        ({"sections": ["cs"]}, summary(), False),
        ({"keywords": ["self attention"]}, summary("About Self\nAttention."), True),
        ({"keywords": ["attention"]}, summary("inattentional"), False),
        ({"keywords": ["c++"]}, summary("written in C++."), True),
        ({"keywords": ["图"]}, summary("图 is a graph"), True),
        ({"patterns": [r"(?i)\bGANs?\b"]}, summary(title="On gans"), True),
        ({"patterns": [r"^B"]}, summary(), False),
        (
            {"venues": ["conf/nips"], "keywords": ["absent"]},
            summary(),
            False,
        ),  # each kind of test has to find something
        ({}, summary(), True),
    ],
)
def test_what_is_included_and_what_excluded(test: dict[str, list[str]], one: Summary, passes: bool) -> None:
    assert (verdict(one, include=test) == "") is passes
    if len(test) == 1:
        assert (verdict(one, exclude=test) == "") is not passes
        assert next(iter(test)) in verdict(one, include=test) + verdict(one, exclude=test)


def test_a_pattern_that_would_never_end_does() -> None:
    assert verdict(summary("a" * 50_000 + "!"), include={"patterns": ["(a|aa)+$"]}) != ""


def test_votes_and_age() -> None:
    filters = DigestFilters(min_votes=2, min_age=timedelta(days=1), max_age=timedelta(days=30))
    assert filters.waits_for(1, START, START) == "has 1 of 2 votes"
    assert filters.waits_for(None, START, START) == "has 0 of 2 votes"
    assert filters.waits_for(2, START, START + timedelta(hours=23)) == "too young until 2026-11-03 08:00 UTC"
    assert filters.waits_for(2, START, START + timedelta(hours=24)) == ""
    assert filters.waits_for(2, START, START + timedelta(days=31)) == "too old since 2026-12-02 08:00 UTC"


@given(
    st.lists(st.sampled_from(["conf/nips", "journals/corr", "x"]), max_size=2),
    st.lists(st.text(min_size=1).filter(str.strip), max_size=2),
    st.text(),
    st.text(),
)
def test_no_text_breaks_a_gate(venues: list[str], keywords: list[str], title: str, body: str) -> None:
    one = summary(body, title)
    for part in ("include", "exclude"):
        assert isinstance(verdict(one, require_text=True, **{part: {"venues": venues, "keywords": keywords}}), str)


# ---- in the ledger


def put(ledger: Ledger, *incoming: Summary, policy: str = "all", filters: DigestFilters | None = None) -> None:
    with ledger.begin() as tx:
        source_states.claim_poll(tx, "store", timedelta(minutes=15), START, at_once=True)
        intake.ingest(tx, "store", list(incoming), START)
        source_states.poll_succeeded(tx, "store", source_states.SourceState(), START)
        rollback_detection.adopt_channels(tx, {"x": "one"}, START)
        backlog.extend_backlog(tx, "latest", "x", "store", policy, START.tzinfo, filters or DigestFilters(), START)  # type: ignore[arg-type]


def test_age_is_reckoned_from_the_last_edit_unless_that_lies_ahead(ledger: Ledger) -> None:
    put(
        ledger,
        make_summary(1, dated=START - timedelta(days=2)),
        make_summary(2, dated=START - timedelta(hours=2)),
        make_summary(3, dated=START + timedelta(days=900)),
        make_summary(4, dated=None),
    )

    def passing(now_: timedelta, **filters: Any) -> list[str]:
        with ledger.begin() as tx:
            return sorted(s.paper.key[-1] for s in up_next(tx, "latest", "x", 9, START + now_, **filters))

    assert passing(timedelta(), min_age=timedelta(days=1)) == ["1"]
    assert passing(timedelta(days=1), min_age=timedelta(days=1)) == ["1", "2", "3", "4"]
    assert passing(timedelta(), max_age=timedelta(days=1)) == ["2", "3", "4"]


def test_a_gate_that_is_changed_judges_anew(ledger: Ledger) -> None:
    put(ledger, make_summary(1, body="About cats."), make_summary(2, body="About dogs."))
    cats, dogs = ({"include": Filter(keywords=(word,))} for word in ("cats", "dogs"))
    for filters, key in ((cats, "1"), (dogs, "2")):
        with ledger.begin() as tx:
            backlog.extend_backlog(tx, "latest", "x", "store", "all", START.tzinfo, DigestFilters(**filters), START)  # type: ignore[arg-type]
            assert [s.paper.key[-1] for s in up_next(tx, "latest", "x", 9, START, **filters)] == [key]


def test_an_edit_is_judged_anew(ledger: Ledger) -> None:
    put(ledger, make_summary(1, body="..."))
    with ledger.begin() as tx:
        assert up_next(tx, "latest", "x", 9, START, require_text=True) == []
    put(ledger, make_summary(1, body="Now it says something."))
    with ledger.begin() as tx:
        assert len(up_next(tx, "latest", "x", 9, START, require_text=True)) == 1


def test_more_than_a_batch_is_judged(ledger: Ledger) -> None:
    put(ledger, *(make_summary(n, body="..." if n % 2 else "text") for n in range(1100)))
    with ledger.begin() as tx:
        assert len(up_next(tx, "latest", "x", 2000, START, require_text=True)) == 550


def test_what_waits_for_what(ledger: Ledger) -> None:
    put(ledger, make_summary(1, votes=1), make_summary(2), make_summary(3, body="..."))
    filters = DigestFilters(min_votes=2, require_text=True)
    with ledger.begin() as tx:
        backlog.apply_filters(tx, "latest", "x", filters.verdict)
        ids = intake.rows_of(tx, "store", ["conf/test/Paper2"])
        listed = backlog_views.list_pending(tx, "latest", "x", Order.OLDEST, filters, None, START)
        intake.withdraw(tx, "store", [ids[0].id], 3, START)
        after = backlog_views.list_pending(tx, "latest", "x", Order.OLDEST, filters, 1, START)
    assert [(one.summary.paper.key[-1], one.waits_for) for one in listed] == [
        ("2", ""),
        ("1", "has 1 of 2 votes"),
        ("3", "has no text yet"),
    ]
    assert len(after) == 1
    assert after[0].waits_for


# ---- through the service


def test_a_summary_waits_until_its_text_appears(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(0, body="...")
    service = make_service()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert sandbox.world.timelines["twitter"] == []
    feed.items[0]["body"] = "Here it is, at last."
    clock.forward(hours=4)
    service.tick()
    assert "Here it is, at last." in sandbox.world.timelines["twitter"][0].text


def test_an_edit_within_the_first_day_is_what_followers_see(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0, body="With a mitsake.", date="Mon, 02 Nov 2026 07:00:00 +0000")
    service = make_service(min_age="1 day")
    service.tick()
    clock.forward(hours=9)
    feed.items[0] |= {"body": "Without a mistake.", "date": "Mon, 02 Nov 2026 16:00:00 +0000"}
    for _ in range(10):
        service.tick()
        clock.forward(hours=4)
    assert ["Without a mistake." in post.text for post in sandbox.world.timelines["twitter"]] == [True]


@pytest.mark.parametrize(
    ("digest", "mend"),
    [
        (
            {"include": {"patterns": ["(a"]}},
            r"include\.patterns\.0: '\(a' is not a regular expression that RE2 accepts: missing",
        ),
        ({"exclude": {"keywords": [" "]}}, r"exclude\.keywords"),
        (
            {"include": {"sections": ["cs"]}},
            r"digests\.latest\.include\.sections: none of its sources says which section",
        ),
        ({"include": {"keyword": ["x"]}}, r"include\.keyword: unknown key; did you mean keywords\?"),
        ({"min_age": "a while"}, r"min_age: write a time span"),
        ({"on_edit": "shout"}, r"on_edit: .*'ignore', 'update' or 'delete'"),
    ],
)
def test_mistakes_in_a_gate(digest: dict[str, Any], mend: str) -> None:
    raw = {
        "sources": {"store": {"kind": "feed", "url": "https://example.org/rss.xml"}},
        "channels": {"page": {"platform": "facebook", "page_id": "1", "access_token": "token"}},
        "digests": {"latest": {"sources": ["store"], "channels": ["page"], "schedule": "0 9 * * *"} | digest},
    }
    with pytest.raises(ConfigError, match=mend):
        config.build(raw)


def test_a_filter_from_the_environment() -> None:
    raw: dict[str, Any] = {
        "sources": {"store": {"kind": "feed", "url": "https://example.org/rss.xml"}},
        "channels": {"page": {"platform": "facebook", "page_id": "1", "access_token": "token"}},
        "digests": {"latest": {"sources": ["store"], "channels": ["page"], "schedule": "0 9 * * *"}},
    }
    loaded = config.build(raw, environ={"DIGESTBOT_DIGESTS__LATEST__INCLUDE__KEYWORDS": "cats, dogs"})
    assert loaded.digests["latest"].include.keywords == ("cats", "dogs")
