"""Feeds of any site, through the whole service: what is read, distinguished, held, explained, and never posted twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import PAGE_SECRETS, START, Clock, Feed, raw_config
from helpers.feeds import HOST, item, rss, served, words
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot import config as configuration
from digestbot.domain.model import Genre
from digestbot.ledger import Ledger, alerts, arrivals, edit_queue, intake, source_states
from digestbot.ledger.schema import backlog, papers, summaries
from digestbot.pipeline.app import Report, Service
from digestbot.sandbox import Answer, Sandbox, World

Make = Callable[..., Service]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is special to PostgreSQL is tried in test_store."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def feed_service(make_service: Make, sandbox: Sandbox, digest: dict[str, Any] | None = None, **source: Any) -> Service:
    own = {"kind": "feed", "url": f"{sandbox.url}/rss-full.xml", "allow_private_addresses": True} | source
    return make_service(source=own, **({"channels": ["page"], "schedule": "every hour"} | (digest or {})))


def poll(service: Service) -> tuple[intake.IngestResult | None, str]:
    report = Report()
    service.poller.poll("store", report, at_once=True)
    return report.polled.get("store"), report.source_errors.get("store", "")


def kinds(service: Service) -> list[str]:
    with service.ledger.read() as tx:
        return [one.kind for one in alerts.open_alerts(tx)]


def overview(service: Service) -> source_states.SourceOverview:
    with service.ledger.read() as tx:
        return source_states.source_overview(tx, "store")


def known(service: Service) -> list[tuple[str, str, str]]:
    with service.ledger.read() as tx:
        query = sa.select(papers.c.title, summaries.c.body, summaries.c.link).join(summaries)
        return [tuple(row) for row in tx.execute(query.order_by(summaries.c.id))]


def posts_of(sandbox: Sandbox) -> list[str]:
    return [post.text for post in sandbox.world.timelines["facebook"]]


def post_all(service: Service, clock: Clock, hours: int = 40) -> None:
    for _ in range(hours):
        service.tick()
        clock.forward(hours=1)


# ---- identity


def test_an_identifier_that_all_entries_share_joins_no_two_of_them(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    """The newest title must not rename the others, nor stand over another's text and link."""
    shared = [item(number, guid=HOST) for number in range(1, 7)]
    service = feed_service(make_service, sandbox, {"backlog": "all"})
    for size in range(1, 7):  # the feed grows by one at a time
        feed.override = served(rss(shared[:size][::-1]))
        result, error = poll(service)
        assert (result and result.new, error) == (1, "")
    assert known(service) == [(one["title"], one["body"], one["link"]) for one in shared]
    assert kinds(service) == ["identity"]
    post_all(service, clock, 8)
    assert len(posts_of(sandbox)) == 6
    for one, text in zip(shared, posts_of(sandbox), strict=True):
        assert one["title"] in text
        assert one["body"] in text


def test_an_edited_entry_with_a_shared_identifier_stays_itself(
    make_service: Make, sandbox: Sandbox, feed: Feed
) -> None:
    shared = [item(number, guid="N/A") for number in range(1, 4)]
    service = feed_service(make_service, sandbox)
    feed.override = served(rss(shared))
    poll(service)
    shared[1] |= {"body": shared[1]["body"] + " Corrected."}
    shared[0] |= {"title": "Essay number 1, with a new title"}
    feed.override = served(rss(shared[::-1]))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 2)
    assert known(service) == [(one["title"], one["body"], one["link"]) for one in shared]


def test_a_link_that_all_entries_share_joins_no_two_of_them(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    shared = [item(number, guid=None, link=f"{HOST}/essays") for number in range(1, 5)]
    for size in range(1, 5):
        feed.override = served(rss(shared[:size]))
        poll(service)
    assert known(service) == [(one["title"], one["body"], one["link"]) for one in shared]


def test_a_window_of_one_entry_whose_link_is_the_site(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    shared = [item(number, guid=HOST, link=f"{HOST}/") for number in range(1, 4)]
    for one in shared:
        feed.override = served(rss([one]))
        poll(service)
    assert [title for title, *_ in known(service)] == [one["title"] for one in shared]


@pytest.mark.parametrize(("identity", "changed"), [("guid", {"link": f"{HOST}/moved"}), ("link", {"guid": "other"})])
def test_the_operator_chooses_the_identity(
    make_service: Make, sandbox: Sandbox, feed: Feed, identity: str, changed: dict[str, str]
) -> None:
    service = feed_service(make_service, sandbox, identity=identity)
    one = item(1, body="")
    feed.override = served(rss([one]))
    poll(service)
    feed.override = served(rss([one | changed | {"title": "Another title altogether, of the same entry"}]))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 1)


def test_the_title_can_be_the_identity(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox, identity="title")
    feed.override = served(rss([item(1, guid="a")]))
    poll(service)
    feed.override = served(rss([item(1, guid="b", link=f"{HOST}/x", body="Entirely different words stand here now.")]))
    result, _ = poll(service)
    assert result is not None
    assert result.new == 0


BAD = st.sampled_from(["same", "none", "N/A", "own", "own", "pair"])


@settings(max_examples=25)
@given(
    identifiers=st.lists(BAD, min_size=1, max_size=6),
    links=st.sampled_from(["own", "site", "same"]),
    texts=st.sampled_from(["own", "none"]),
    orders=st.lists(st.permutations(range(6)), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 6), min_size=3, max_size=3),
)
def test_no_bad_identifier_joins_or_repeats_anything(
    identifiers: list[str],
    links: str,
    texts: str,
    orders: list[list[int]],
    sizes: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever identifiers a feed has: each entry is known once, with its own title, text and link.

    Where only the title differs, an entry can be told from an edited one only if the document shows both.
    """
    entries = []
    for number, kind in enumerate(identifiers):
        guid = {"same": HOST, "none": None, "N/A": "N/A", "own": f"id-{number}", "pair": f"id-{number // 2}-pair"}[kind]
        link = {"own": f"{HOST}/essays/{number}", "site": f"{HOST}/", "same": f"{HOST}/essays"}[links]
        fields = {"guid": guid, "link": link} | ({"body": ""} if texts == "none" else {})
        entries.append(item(number, **fields))
    feed = Feed()
    clock = Clock()
    folder = tmp_path_factory.mktemp("identifiers")
    proof = {"facebook": PAGE_SECRETS["app_secret"]}
    world = World(clock=lambda: clock().timestamp())
    with Sandbox(world=world, secrets=proof, documents={"/rss-full.xml": feed}) as sandbox:
        raw = raw_config(sandbox.url, channels=["page"], schedule="every hour", require_text=False)
        with closing(Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=clock)) as ledger:
            service = Service(configuration.build(raw), ledger, clock)
            service.prepare()
            for order, size in zip(orders, sizes, strict=False):
                shown = [at for at in order if at < len(entries)]
                shown = shown[:size] if links == "own" and texts == "own" else shown
                feed.override = served(rss([entries[at] for at in shown]))
                assert poll(service)[1] == ""
            feed.override = served(rss(entries))
            assert poll(service)[1] == ""
            wanted = {(one["title"], one["body"], one["link"]) for one in entries}
            assert sorted(known(service)) == sorted(wanted)
            post_all(service, clock, len(entries) + 1)
            texts = posts_of(sandbox)
            for one in entries:
                (text,) = [text for text in texts if one["title"] in text]  # once
                assert one["body"] in text
            links = sorted(str(post.link) for post in sandbox.world.timelines["facebook"])
            assert links == sorted(one["link"] for one in entries)
            service.close()


# ---- a site that moves


def archive(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [item(number, **fields) for number in range(1, count + 1)]


def test_a_site_that_moves_to_https_and_another_host_repeats_nothing(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox, {"backlog": "skip"})
    before = [one | {"body": "", "link": one["link"].replace("https", "http")} for one in archive(30)]
    feed.override = served(rss(before))
    poll(service)
    moved = [one | {"link": one["link"].replace(HOST, "https://www.essays.example"), "body": ""} for one in archive(30)]
    feed.override = served(rss([one | {"guid": f"post-{at}"} for at, one in enumerate(moved)]))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 30)
    post_all(service, clock, 5)
    assert posts_of(sandbox) == []
    assert kinds(service) == []


@pytest.mark.parametrize("confirmed", [True, False])
def test_an_archive_that_arrives_at_once_is_held_for_the_operator(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock, confirmed: bool
) -> None:
    service = feed_service(make_service, sandbox, {"backlog": "skip"})
    feed.override = served(rss(archive(40)))
    service.tick()
    anew = [
        one | {"guid": f"n{at}", "link": f"{HOST}/?p={at}", "title": f"Renamed {at}", "body": f"Short {at}."}
        for at, one in enumerate(archive(30))
    ]
    fresh = item(59)
    feed.override = served(rss([fresh, *anew]))
    poll(service)
    assert kinds(service) == ["arrival", "gap"] or kinds(service) == ["gap", "arrival"]
    assert overview(service).held == 30
    post_all(service, clock, 5)
    assert [text.split("\n")[0] for text in posts_of(sandbox)] == [fresh["title"]]
    with service.ledger.read() as tx:
        alert = alerts.open_alert(tx, arrivals.ARRIVAL, "store")
        assert alert is not None
        held = arrivals.held_summaries(tx, "store", alert, 3)
        reasons = set(tx.scalars(sa.select(backlog.c.blocked_reason).where(backlog.c.held)))
    assert len(held) == 3
    assert reasons == {f"one of many old entries that arrived at once: decide alert {alert}"}
    with service.ledger.begin() as tx:
        edit_queue.decide_alert(tx, alert, confirm=confirmed, now=clock())
    post_all(service, clock, 35)
    assert len(posts_of(sandbox)) == (31 if confirmed else 1)
    assert overview(service).held == 0


def test_a_few_late_entries_are_not_held(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss(archive(40)))
    poll(service)
    late = [item(100 + at, date=START - timedelta(days=50)) for at in range(8)]
    feed.override = served(rss([*late, *archive(40)]))
    poll(service)
    assert kinds(service) == []


def test_a_digest_that_comes_later_posts_none_of_a_dismissed_archive(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([item(59), item(58)]))
    poll(service)
    feed.override = served(rss([item(59), item(58), *archive(30)]))
    poll(service)
    with service.ledger.begin() as tx:
        alert = alerts.open_alert(tx, arrivals.ARRIVAL, "store")
        assert alert is not None
        edit_queue.decide_alert(tx, alert, confirm=False, now=clock())
    service.extend_backlog("latest", "page")
    with service.ledger.read() as tx:
        rows = tx.execute(sa.select(backlog.c.status, backlog.c.reason)).all()
    assert sorted(rows.count(row) for row in set(rows)) == [2, 30]
    assert ("skipped", arrivals.DISMISSED) in rows


# ---- gaps


def test_a_feed_of_one_day_is_no_gap(make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock) -> None:
    """arXiv shows one day's papers, all with one date, and none at weekends."""
    service = feed_service(make_service, sandbox)
    seen = []
    for day in range(4):
        date = START + timedelta(days=day)
        feed.override = served(rss([item(day * 10 + at, date=date) for at in range(5)]))
        poll(service)
        seen.append(kinds(service))
        feed.override = served(rss([]))
        assert poll(service)[1] == ""
        clock.forward(days=1)
    assert seen == [[], [], [], []]


def test_a_feed_that_slid_past_is_a_gap_unless_it_is_said_to_be_daily(
    make_service: Make, sandbox: Sandbox, feed: Feed
) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss(archive(5)))
    poll(service)
    feed.override = served(rss([item(number) for number in range(20, 25)]))
    poll(service)
    assert kinds(service) == ["gap"]
    daily = feed_service(make_service, sandbox, window="daily")
    feed.override = served(rss([item(number) for number in range(30, 35)]))
    poll(daily)
    assert kinds(daily) == []


# ---- dates in the future


def test_an_entry_of_the_future_waits_if_the_operator_says_so(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox, {"backlog": "all"}, future="wait")
    feed.override = served(rss([item(1), item(2, date=START + timedelta(hours=3))]))
    poll(service)
    assert len(known(service)) == 1
    assert (overview(service).last_poll or {})["early"] == 1
    clock.forward(hours=4)
    poll(service)  # the same document
    assert len(known(service)) == 2


def test_a_date_in_the_future_hides_nothing_by_default(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox, {"backlog": "all", "max_age": "30 days"})
    feed.override = served(rss([item(1, date=START + timedelta(days=300))]))
    post_all(service, clock, 2)
    assert len(posts_of(sandbox)) == 1


# ---- nothing is dropped silently


def test_each_poll_can_be_explained(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([item(1), item(2, link="mailto:nobody"), item(3)]))
    poll(service)
    poll_report = overview(service).last_poll
    assert poll_report is not None
    assert (poll_report["entries"], poll_report["new"], poll_report["dropped"]) == (3, 2, 1)
    assert "its link is not a web address ('mailto:nobody')" in poll_report["examples"][0]
    feed.override = served(
        rss([item(1), item(2, link="mailto:nobody"), item(3, body="Edited words of the third one.")])
    )
    poll(service)
    poll_report = overview(service).last_poll
    assert poll_report is not None
    assert [poll_report[key] for key in ("new", "changed", "unchanged", "dropped")] == [0, 1, 1, 1]


def test_entries_that_are_repeated_are_counted(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([item(1), item(2), item(1, more="<category>again</category>")]))
    poll(service)
    told = overview(service).last_poll or {}
    assert [told[key] for key in ("entries", "new", "repeated", "dropped")] == [3, 2, 1, 0]


def test_a_source_whose_every_entry_is_dropped_is_failing(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([item(1, link=""), item(2, link="ftp://x/y")]).replace(b"https://", b"x:"))
    assert "all 2 entries were dropped: " in poll(service)[1]
    assert overview(service).failures == 1
    feed.override = served(rss([item(1, link="mailto:x")]))
    assert "its only entry was dropped" in poll(service)[1]


def test_a_json_feed_is_a_feed_like_any_other(make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock) -> None:
    entries = [
        {
            "id": str(number),
            "url": f"/essays/{number}",
            "title": f"Essay {number}",
            "content_html": f"<p>What essay {number} has to say.</p>",
            "date_published": f"2026-10-0{number}T10:00:00Z",
            "authors": [{"name": "Ada Example"}],
        }
        for number in range(1, 4)
    ]
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "T", "home_page_url": HOST, "items": entries}
    service = feed_service(make_service, sandbox, {"backlog": "all"})
    feed.override = served(json.dumps(document).encode(), "application/feed+json")
    assert (poll(service)[0] or intake.IngestResult()).new == 3
    entries[1]["title"] = "Essay 2, retitled"
    document["items"] = entries[::-1]
    feed.override = served(json.dumps(document).encode(), "application/feed+json")
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed, result.unchanged) == (0, 1, 2)
    assert [link for *_, link in known(service)] == [f"{HOST}/essays/{number}" for number in range(1, 4)]
    post_all(service, clock, 4)
    assert posts_of(sandbox)[0].startswith("Essay 1\nBy Ada Example\n\nWhat essay 1 has to say.")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b'{"version": 1}', "without the version of a JSON feed"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', 'without the list "items"'),
        (b'{"a": ', "begins like JSON, but is not"),
        (b'{"a": ' + b"[" * 100_000, "begins like JSON, but is not"),
    ],
)
def test_json_that_is_no_feed_says_so(
    make_service: Make, sandbox: Sandbox, feed: Feed, document: bytes, words: str
) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(document, "application/json")
    assert words in poll(service)[1]


def test_utf_16_is_read(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    text = rss([item(1, title="Größe und Maß")]).decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        service = feed_service(make_service, sandbox)
        feed.override = served(text.encode(encoding))
        assert poll(service)[1] == ""
    assert [title for title, *_ in known(service)] == ["Größe und Maß"]


# ---- what the server wishes


def test_a_server_that_asks_for_patience_gets_it(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox, every="10 minutes")
    feed.override = Answer(429, b"", {"Retry-After": "7200"})
    service.tick()
    asked = len(feed.requests)
    for _ in range(11):
        clock.forward(minutes=10)
        service.tick()
    assert len(feed.requests) == asked
    feed.override = served(rss([item(1)]))
    clock.forward(minutes=20)
    service.tick()
    assert len(known(service)) == 1


def test_a_source_that_is_gone_is_no_longer_polled(
    make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = Answer(410, b"")
    for _ in range(5):
        service.tick()
        clock.forward(hours=1)
    assert len(feed.requests) == 1
    assert "gone" in kinds(service)
    sandbox.documents["/new.xml"] = feed
    feed.override = served(rss([item(1)]))
    corrected = feed_service(make_service, sandbox, url=f"{sandbox.url}/new.xml")
    corrected.tick()
    assert len(known(corrected)) == 1
    assert kinds(corrected) == []


def test_a_source_that_moved_for_good_is_followed_and_said_so(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    target = Feed()
    target.override = served(rss([item(1)]))
    sandbox.documents["/new.xml"] = target
    feed.override = Answer(301, b"", {"Location": "/new.xml"})
    service = feed_service(make_service, sandbox)
    poll(service)
    assert len(known(service)) == 1
    assert kinds(service) == ["moved"]
    assert overview(service).moved_to == f"{sandbox.url}/new.xml"
    with service.ledger.begin() as tx:
        source_states.accept_move(tx, "store", f"{sandbox.url}/rss-full.xml", f"{sandbox.url}/new.xml", START)
    moved = feed_service(make_service, sandbox, url=f"{sandbox.url}/new.xml")
    target.override = served(rss([item(1), item(2)]))
    poll(moved)
    moved.extend_backlog("latest", "page")
    with moved.ledger.read() as tx:  # what came meanwhile is new, not part of another source's archive
        assert "waiting" in set(tx.scalars(sa.select(backlog.c.status)))
    assert kinds(moved) == []


def test_the_operators_headers_go_along(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    feed.override = served(rss([item(1)]))
    poll(feed_service(make_service, sandbox, user_agent="ours (+https://ours.example)", token="bearer-token-1"))
    poll(feed_service(make_service, sandbox, username="ada", password="pass-word-1", headers={"X-Key": "key-1"}))
    first, second = feed.requests
    assert (first["user-agent"], first["authorization"]) == ("ours (+https://ours.example)", "Bearer bearer-token-1")
    assert (second["x-key"], second["authorization"]) == ("key-1", "Basic YWRhOnBhc3Mtd29yZC0x")
    assert second["user-agent"].startswith("digestbot/")
    assert "(+https://" in second["user-agent"]


# ---- one paper is one paper


def paper_item(number: int, title: str, **fields: Any) -> dict[str, Any]:
    link = f"https://arxiv.org/abs/2611.0000{number}"
    return item(number, title=title, link=link, guid=f"oai:arXiv.org:2611.0000{number}v1") | fields


def test_a_second_version_of_a_paper_is_the_same_paper(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([paper_item(1, "Sparse widgets", author="Ada Example, Chen Wei")]))
    poll(service)
    second = paper_item(1, "Sparse widgets, revised", guid="oai:arXiv.org:2611.00001v2", author="Ada Example, Chen Wei")
    feed.override = served(rss([second]))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 1)
    with service.ledger.read() as tx:
        row = tx.execute(
            sa.select(papers.c.authors, papers.c.arxiv_id, summaries.c.writer, summaries.c.genre).join(summaries)
        ).one()
    assert tuple(row) == (["Ada Example", "Chen Wei"], "2611.00001", None, Genre.ABSTRACT)


@pytest.mark.parametrize(("repeat", "expected"), [("never", 1), ("2 days", 2), ("always", 2)])
def test_one_paper_is_one_paper_across_sources_and_time(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path, repeat: str, expected: int
) -> None:
    other = Feed()
    sandbox.documents["/other.xml"] = other
    feed.override = served(rss([paper_item(1, "Sparse widgets")]))
    doi = "<prism:doi>10.1000/widgets</prism:doi>"
    prism = ' xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"'
    journal = item(2, title="Sparse widgets.", more=doi)
    other.override = served(rss([journal], namespaces=prism))
    raw = raw_config(
        sandbox.url, channels=["page"], schedule="every hour", sources=["store", "other"], repeat_paper=repeat
    )
    raw["sources"]["other"] = raw["sources"]["store"] | {"url": f"{sandbox.url}/other.xml"}
    with closing(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)) as ledger:
        service = Service(configuration.build(raw), ledger, clock)
        service.prepare()
        for _ in range(30):
            service.tick()
            clock.forward(hours=1)
        assert len(posts_of(sandbox)) == (2 if repeat == "always" else 1)
        if repeat != "always":
            with ledger.read() as tx:
                left = tx.scalar(sa.select(backlog.c.summary_id).where(backlog.c.status == "waiting"))
                (summary,) = [one for one in _summaries(tx) if one.id == left]
            (reason,) = service.why(summary, "other")
            assert "its paper was posted on 2026-11-02" in reason.because
            assert reason.not_posted is (repeat == "never")
        planned = [one for row in service.plan(clock(), clock() + timedelta(days=3)) for one in row.summaries]
        assert len(planned) == expected - len(posts_of(sandbox))
        for _ in range(30):
            service.tick()
            clock.forward(hours=1)
        assert len(posts_of(sandbox)) == expected
        service.close()


def _summaries(tx: sa.Connection) -> list[Any]:
    from digestbot.ledger.summary_rows import summaries_by_id

    return list(summaries_by_id(tx, list(tx.scalars(sa.select(summaries.c.id))), lock=False).values())


def test_a_ledger_of_the_first_revision_is_upgraded(tmp_path: Path) -> None:
    from digestbot.ledger import revisions

    file = tmp_path / "old.db"
    with closing(Ledger(f"sqlite:///{file}")) as ledger, ledger.engine.begin() as connection:
        revisions.migrate(connection, None, "0001")
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("INSERT INTO papers (id, title) VALUES (1, 'T')")
        raw.execute(
            "INSERT INTO summaries (id, source, paper_id, body, link, fingerprint, ingested_at) "
            "VALUES (1, 's', 1, 'b', 'l', x'00', '2026-11-01 00:00:00')"
        )
    with closing(Ledger(f"sqlite:///{file}")) as ledger:
        ledger.prepare()
        with ledger.read() as tx:
            assert tx.scalar(sa.select(summaries.c.genre)) == "summary"


# ---- what a review found


def prism(number: int, doi: str, author: str, **fields: Any) -> dict[str, Any]:
    more = f"<prism:doi>{doi}</prism:doi><dc:creator>{author}</dc:creator>"
    return item(number, more=more, **fields)


NAMESPACES = ' xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'


def test_two_editorials_are_two_papers(make_service: Make, sandbox: Sandbox, feed: Feed, clock: Clock) -> None:
    service = feed_service(make_service, sandbox, {"backlog": "all"})
    both = [prism(1, "10.1000/a", "Ann Able", title="Editorial"), prism(2, "10.1000/b", "Bob Best", title="Editorial")]
    feed.override = served(rss(both, namespaces=NAMESPACES))
    post_all(service, clock, 3)
    texts = sorted(posts_of(sandbox))
    assert [("Ann Able" in text, both[0]["body"] in text) for text in texts].count((True, True)) == 1
    assert [("Bob Best" in text, both[1]["body"] in text) for text in texts].count((True, True)) == 1


def test_a_preprint_and_its_article_are_one_paper(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    both = [
        prism(1, "10.1101/2026.01.01.123456", "Ann Able", title="Bees"),
        prism(2, "10.1000/b", "Ann B. Able", title="Bees."),
    ]
    feed.override = served(rss(both, namespaces=NAMESPACES))
    poll(service)
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(papers)) == 1


def test_an_entry_of_the_future_makes_no_other_one_old(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([*archive(20), item(99, date=START + timedelta(days=100))]))
    poll(service)
    fresh = [item(200 + at, date=START - timedelta(hours=at)) for at in range(8)]
    feed.override = served(rss([*fresh, *archive(20)]))
    poll(service)
    assert kinds(service) == []


def test_many_entries_without_dates_are_held_too(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([item(number, date=None) for number in range(1, 31)]))
    poll(service)
    feed.override = served(rss([item(number, date=None) for number in range(101, 131)]))
    poll(service)
    assert overview(service).held == 30


def test_a_rewritten_second_version_is_the_same_paper(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    feed.override = served(rss([paper_item(1, "Sparse widgets")]))
    poll(service)
    rewritten = paper_item(1, "Widgets, in quite another light", link="https://arxiv.org/abs/2611.00001v2")
    feed.override = served(rss([rewritten | {"body": f"It says {words(77)}."}]))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 1)
    assert [title for title, *_ in known(service)] == [rewritten["title"]]
    assert kinds(service) == ["gap"] or kinds(service) == []


def test_a_short_text_that_returns_is_another_entry(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    service = feed_service(make_service, sandbox)
    same = {"title": "New issue", "body": "The new issue of our journal is out now, please read it online."}
    for number in (1, 2):
        feed.override = served(rss([item(number, **same)]))
        assert (poll(service)[0] or intake.IngestResult()).new == 1


def test_a_redirect_is_noticed_although_the_document_stays(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    target = Feed()
    target.override = served(rss([item(1)]))
    sandbox.documents["/new.xml"] = target
    service = feed_service(make_service, sandbox)
    feed.override = target.override
    poll(service)
    feed.override = Answer(301, b"", {"Location": "/new.xml?key=a-secret-word"})
    poll(service)
    assert kinds(service) == ["moved"]
    with service.ledger.read() as tx:
        (alert,) = alerts.open_alerts(tx)
    assert "a-secret-word" not in alert.note
    feed.override = target.override
    poll(service)
    assert kinds(service) == []


def test_an_upgrade_repeats_nothing(make_service: Make, sandbox: Sandbox, feed: Feed) -> None:
    """Links had tracking parameters, texts HTML, and keys the raw guid, before feeds of papers were known."""
    from digestbot.domain.model import Paper, Summary

    service = feed_service(make_service, sandbox)
    url = "https://pubmed.ncbi.nlm.nih.gov/1/"
    text = f"It says {words(1)}, {words(2)} and {words(3)}."
    old = Summary(
        Paper("pubmed:1", "Bees"),
        "Chen Wei",
        "pubmed:1",
        f"<p><b>ABSTRACT</b></p><p>{text}</p>",
        f"{url}?fc=1&ff=2&v=3",
    )
    with service.ledger.begin() as tx:
        source_states.claim_poll(tx, "store", timedelta(hours=1), START, at_once=True)
        intake.ingest(tx, "store", [old], START)
    doi = "<dc:identifier>doi:10.1000/bees</dc:identifier>"
    new = item(1, title="Bees", guid="pubmed:1", link=f"{url}?fc=9&ff=8&v=3", body=f"<p>{text}</p>", more=doi)
    feed.override = served(rss([new], namespaces=NAMESPACES))
    result, _ = poll(service)
    assert result is not None
    assert (result.new, result.changed) == (0, 1)
