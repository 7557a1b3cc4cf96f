"""The store as it really behaves: whatever happens to its feed, each summary is posted once and none is lost."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, Clock, Feed, feed_item, feed_xml, make_summary, raw_config
from helpers.source_db import Store
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from digestbot import config
from digestbot.domain.model import Paper
from digestbot.ledger import Ledger, alerts, backlog_views, intake, source_states
from digestbot.ledger.schema import paper_keys, papers, sources, summaries
from digestbot.pipeline.app import Report, Service
from digestbot.sandbox import Answer, Sandbox
from digestbot.sources.feed.parse import parse_feed

Make = Callable[..., Service]


def poll(service: Service, name: str = "store") -> intake.IngestResult | None:
    report = Report()
    service.poller.poll(name, report, at_once=True)
    assert report.source_errors == {}, report.source_errors
    return report.polled[name]


def trouble(service: Service) -> str:
    report = Report()
    service.poller.poll("store", report, at_once=True)
    return report.source_errors.get("store", "")


def new_of(service: Service) -> int:
    return (poll(service) or intake.IngestResult()).new


def waiting(service: Service) -> list[str]:
    service.extend_backlog("latest", "x")
    with service.ledger.read() as tx:
        from digestbot.domain.filters import DigestFilters
        from digestbot.domain.model import Order

        listed = backlog_views.list_pending(tx, "latest", "x", Order.OLDEST, DigestFilters(), None, START)
    return [one.summary.paper.key.rpartition("/")[2] + f" by {one.summary.writer}" for one in listed]


def open_alerts(service: Service) -> list[str]:
    with service.ledger.read() as tx:
        return [alert.kind for alert in alerts.open_alerts(tx)]


# ---- the test that every peer failed


def test_a_thousand_seen_summaries_and_all_that_may_happen_to_them(make_service: Make, feed: Feed) -> None:
    """Ten edits, five new ones, five late ones with old dates, five second anonymous ones that share a guid, five
    seen ones with another guid: 0, 5, 5, 5 and 0 posts."""
    anonymous = range(100, 110)
    for number in range(1000):
        feed.add(
            number,
            user="anon" if number in anonymous else f"reader{number}",
            body=f"Paper {number} says: " + words(number),
        )
    service = make_service(backlog="skip")
    assert new_of(service) == 1000
    assert waiting(service) == []

    for number in range(10):  # five of them from top to bottom, one of them anonymous
        feed.items[number + 95]["body"] = f"Edited {number}. " + (
            words(number + 95) if number % 2 else words(5000 + number)
        )
        feed.items[number + 95]["date"] = "Mon, 02 Nov 2026 07:00:00 +0000"
    assert waiting_after(service) == []
    for number in range(5):
        feed.items.insert(0, feed_item(2000 + number))
    assert len(waiting_after(service)) == 5
    for number in range(5):
        feed.items.append(feed_item(3000 + number, date="Fri, 01 Jan 2016 00:00:00 +0000"))
    assert len(waiting_after(service)) == 10
    for number in anonymous[:5]:
        first = feed.items[number + 5]
        assert first["author"] == "Anonymous"
        feed.items.insert(0, first | {"body": f"Another view of it: {words(9000 + number)}"})
    assert len(waiting_after(service)) == 15
    for number in (300, 301, 302, 303, 304):
        item = feed.items[number]
        item["link"] = item["link"].replace("#reader", "#renamed" if number % 2 else "#anon-not")
    feed.items[302]["author"] = "Anonymous"
    feed.items[302]["link"] = feed.items[302]["link"].partition("#")[0] + "#anon"
    assert len(waiting_after(service)) == 15


def waiting_after(service: Service) -> list[str]:
    poll(service)
    return waiting(service)


def words(seed: int) -> str:
    """Sentences that have little in common with those of another seed."""
    return " ".join(f"w{seed * 31 + n}" for n in range(12)) + "."


# ---- the feed's quirks


QUIRKS = [
    {
        "body": "Ein sehr langer Text mit Umlauten: " + "ü" * 230 + "...",
        "key": "journals/corr/1607.06450",
        "arxiv": "1607.06450",
    },
    {"body": "...", "title": "Cut inside a character"},
    {"body": "", "title": "Only a link"},
    {"body": "See [the code]() and ![]()\n\nan address_(with_parentheses)leaves its tail)"},
    {"title": "Deep learning &amp; its discontents", "key": "10.1038/nature14539"},
    {"title": r"On $\mathcal{O}(n)$ Sorting."},
    {"user": "anon", "key": "conf/icml/IoffeS15", "body": "Second anonymous view: the effect is on the loss surface."},
    {"user": "anon", "key": "conf/icml/IoffeS15", "body": "I could reproduce the speed-up but not the explanation."},
    {"title": "Attention Is All You Need.", "key": "conf/nips/VaswaniSPUJGKP17"},
    {"title": "Attention Is All You Need", "key": "journals/corr/1706.03762", "arxiv": "1706.03762"},
    {"user": "fünf", "author": "Leser Fünf-Hübner"},
]


def quirky() -> list[dict[str, Any]]:
    return [feed_item(number, **copy.deepcopy(quirk)) for number, quirk in enumerate(QUIRKS)]


def as_the_site_writes_it(items: list[dict[str, Any]]) -> bytes:
    """With an empty description as one tag, as the site's software has it."""
    return feed_xml(items).replace(b"<description></description>", b"<description/>")


def test_the_sites_quirks(make_service: Make, feed: Feed) -> None:
    feed.override = Answer(200, as_the_site_writes_it(quirky()), {}, "application/rss+xml; charset=utf-8")
    service = make_service()
    assert poll(service) == intake.IngestResult(new=len(QUIRKS))
    assert poll(service) is None
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(papers)) == len(QUIRKS) - 2
        assert tx.scalar(sa.select(sa.func.count()).select_from(paper_keys)) == len(QUIRKS) - 1
        attention = tx.execute(sa.select(papers).where(papers.c.arxiv_id == "1706.03762")).one()
        assert len(tx.execute(sa.select(paper_keys).where(paper_keys.c.paper_id == attention.id)).all()) == 2
        filed = tx.scalars(sa.select(summaries.c.key).where(summaries.c.paper_id == attention.id))
        assert sorted(filed) == ["conf/nips/VaswaniSPUJGKP17", "journals/corr/1706.03762"]
    items = list(reversed(quirky()))
    feed.override = Answer(200, as_the_site_writes_it(items))
    assert poll(service) == intake.IngestResult(unchanged=len(QUIRKS))


def test_a_regenerated_feed_is_not_parsed(make_service: Make, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    from digestbot.sources.feed import parse as feed_module

    for number in range(20):
        feed.add(number)
    service = make_service()
    poll(service)
    monkeypatch.setattr(feed_module, "parse_feed", lambda *_: pytest.fail("parsed again"))
    feed.override = Answer(200, feed_xml(feed.items, built="Tue, 03 Nov 2026 08:00:00 +0000"))
    assert poll(service) == intake.IngestResult(unchanged=20)


def test_the_short_feed_after_the_whole_one_takes_nothing_back(make_service: Make, feed: Feed) -> None:
    whole = "A text that is rather long and goes on. " * 30
    feed.add(0, body=whole)
    service = make_service(on_edit="delete")
    poll(service)
    feed.items[0]["body"] = whole.encode()[:500].decode() + "..."
    assert poll(service) == intake.IngestResult(unchanged=1)
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(summaries.c.body)) == whole.strip()


# ---- a feed in trouble


def broken(items: list[dict[str, Any]]) -> dict[str, Answer]:
    whole = feed_xml(items)
    return {
        "empty": Answer(200, b""),
        "no items": Answer(200, feed_xml([])),
        "error page": Answer(200, b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", {}, "text/html"),
        "error": Answer(500, b"oops"),
        "cut": Answer(200, whole[: len(whole) // 2]),
        "redirect loop": Answer(302, b"", {"Location": "/rss-full.xml"}),
        "not modified": Answer(304, b""),
        "bytes": Answer(200, bytes(range(256)) * 20),
    }


@pytest.mark.parametrize("kind", list(broken([])))
def test_a_feed_in_trouble_takes_nothing_away(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, kind: str
) -> None:
    for number in range(6):
        feed.add(number)
    service = make_service()
    service.tick()
    feed.override = broken(feed.items)[kind]
    clock.forward(minutes=15)
    service.tick()
    assert open_alerts(service) == []
    feed.override = None
    feed.add(6)
    clock.forward(hours=1)
    service.tick()
    assert len(waiting(service)) + len(sandbox.world.timelines["twitter"]) == 7


def test_not_modified_for_ever_is_believed_for_a_day(make_service: Make, feed: Feed, clock: Clock) -> None:
    feed.add(0)
    feed.etag = '"1"'
    service = make_service()
    service.tick()
    feed.add(1)  # the server continues saying that nothing changed
    for _ in range(5):
        clock.forward(hours=4)
        service.tick()
    assert new_known(service) == 1
    clock.forward(hours=5)
    service.tick()
    assert new_known(service) == 2
    assert "if-none-match" not in feed.requests[-1]


def new_known(service: Service) -> int:
    with service.ledger.read() as tx:
        return intake.summary_count(tx, "store")


def test_a_year_of_silence(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(0)
    service = make_service()
    service.tick()
    for _ in range(13):
        clock.forward(days=28, hours=1)
        service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1
    feed.add(1)
    clock.forward(days=1)
    service.tick()
    clock.forward(hours=4)
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 2
    assert open_alerts(service) == []


# ---- a window that slid past what was known


def test_a_window_that_slid_is_an_alert(make_service: Make, feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        feed.add(number)
    service = make_service()
    poll(service)
    feed.items[:] = [feed_item(number) for number in range(50, 55)]
    assert poll(service) == intake.IngestResult(new=5)
    assert open_alerts(service) == ["gap"]
    assert "none of its entries were known" in caplog.text
    with service.ledger.read() as tx:
        assert "set sources.store.backfill" in alerts.open_alerts(tx)[0].note


def dated(number: int) -> str:
    return f"{(START - timedelta(days=40) + timedelta(hours=number)):%a, %d %b %Y %H:%M:%S} +0000"


@pytest.fixture(params=["feed", "database"])
def with_reserve(request: pytest.FixtureRequest, sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path) -> Any:
    """A service whose feed shows the five latest, beside a reserve that holds everything: (service, add)."""
    raw = raw_config(sandbox.url, backlog="skip")
    window, everything = feed, Feed()
    raw["sources"]["store"]["backfill"] = "whole"
    if request.param == "feed":
        sandbox.documents["/whole.xml"] = everything
        raw["sources"]["whole"] = raw["sources"]["store"] | {"url": f"{sandbox.url}/whole.xml"}
        del raw["sources"]["whole"]["backfill"]
        store = None
    else:
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}")
        store = Store(engine, f"sqlite:///{tmp_path / 'store.db'}")
        raw["sources"]["whole"] = {"kind": "database", "url": store.address, "layout": "shortscience"}
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    service = Service(config.build(raw), ledger, clock)
    service.prepare()

    def add(number: int) -> None:
        everything.add(number, date=dated(number))
        window.items[:] = everything.items[-5:]
        if store is not None:
            store.clock = (START - timedelta(days=40) + timedelta(hours=number)).replace(tzinfo=None)
            store.add(number, text=everything.items[-1]["body"])

    yield service, add, everything
    service.close()
    ledger.close()
    if store is not None:
        store.engine.dispose()


def test_a_gap_is_filled_from_the_reserve(with_reserve: Any, clock: Clock) -> None:
    service, add, _ = with_reserve
    for number in range(20):
        add(number)
    service.tick()  # sees 15 to 19; 0 to 14 were never in the window
    assert waiting(service) == []
    for number in range(20, 40):
        add(number)
    clock.forward(minutes=15)
    service.tick()
    assert waiting(service) == [f"Paper{number} by Reader {number}" for number in range(20, 40)]
    assert open_alerts(service) == []
    add(40)
    clock.forward(minutes=15)
    service.tick()
    assert waiting(service)[-1] == "Paper40 by Reader 40"
    assert len(waiting(service)) == 21
    with service.ledger.read() as tx:
        assert intake.summary_count(tx, "whole") == 0  # a reserve is no source of its own


def test_a_reserve_in_trouble_is_asked_again(with_reserve: Any, clock: Clock) -> None:
    service, add, everything = with_reserve
    for number in range(20):
        add(number)
    service.tick()
    for number in range(20, 40):
        add(number)
    if service.config.sources["whole"].kind == "feed":
        everything.override = Answer(500, b"")
    else:
        service.poller.source("whole").database.read_all = lambda _: _fails()
    clock.forward(minutes=15)
    service.tick()
    assert open_alerts(service) == ["gap"]
    everything.override = None
    if service.config.sources["whole"].kind == "database":
        service.poller._opened.clear()
    clock.forward(minutes=15)
    service.tick()
    assert open_alerts(service) == []
    assert len(waiting(service)) == 20


def _fails() -> Any:
    from digestbot.domain.errors import SourceError

    raise SourceError("down")


def test_mistakes_in_a_backfill() -> None:
    from digestbot.domain.errors import ConfigError

    raw = {"sources": {"store": {"kind": "feed", "url": "https://example.org/rss.xml", "backfill": "store"}}}
    with pytest.raises(ConfigError, match=r"sources\.store\.backfill: name another"):
        config.build(raw)


# ---- papers


def take(ledger: Ledger, *given_: Paper) -> list[int]:
    with ledger.begin() as tx:
        source_states.claim_poll(tx, "store", timedelta(minutes=15), START, at_once=True)
        intake.ingest(tx, "store", [make_summary(n, paper=paper) for n, paper in enumerate(given_)], START)
        return [
            tx.execute(sa.select(paper_keys.c.paper_id).where(paper_keys.c.key == paper.key)).scalar_one()
            for paper in given_
        ]


def test_one_paper_under_several_keys(ledger: Ledger) -> None:
    ids = take(
        ledger,
        Paper("a", "Some Title."),
        Paper("b", "some title"),
        Paper("c", "Another", arxiv_id="1706.03762v1"),
        Paper("d", "Unlike", arxiv_id="arXiv:1706.03762"),
        Paper("e", "Third", doi="10.1000/X"),
        Paper("f", "Fourth", doi="10.1000/x"),
        Paper("g", "Alone"),
    )
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert ids[4] == ids[5]
    assert len(set(ids)) == 4


def test_papers_that_turn_out_to_be_one_are_merged(ledger: Ledger) -> None:
    first, second = take(ledger, Paper("a", "Preprint Title"), Paper("b", "Final Title"))
    assert first != second
    again = take(
        ledger, Paper("a", "Preprint Title", arxiv_id="1706.03762"), Paper("b", "Final Title", arxiv_id="1706.03762")
    )
    assert again == [first, first]
    with ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(papers)) == 1
        assert set(tx.scalars(sa.select(summaries.c.paper_id))) == {first}
        assert tx.scalar(sa.select(sa.func.count()).select_from(summaries)) == 2


def test_what_one_source_tells_another_does_not_take_away(ledger: Ledger) -> None:
    take(
        ledger,
        Paper("a", "A Title", authors=("Ada", "Bob"), venue="NIPS", year=2017, category="cs.LG", sections=("cs",)),
    )
    take(ledger, Paper("a", "A Title."))
    with ledger.read() as tx:
        row = tx.execute(sa.select(papers)).one()
    assert (row.title, row.authors, row.venue, row.year, row.sections) == (
        "A Title",
        ["Ada", "Bob"],
        "NIPS",
        2017,
        ["cs"],
    )


titles = st.sampled_from(["One.", "one", "Two", "Three", ""])
signs = st.sampled_from([None, "1706.03762", "1706.03763"])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), titles, signs), max_size=6))
def test_papers_whatever_the_order(given_: list[tuple[str, str, str | None]]) -> None:
    ledger = Ledger("sqlite://")
    ledger.prepare()
    for key, title, sign in given_:
        take(ledger, Paper(key, title, arxiv_id=sign))
    with ledger.read() as tx:
        ids = set(tx.scalars(sa.select(papers.c.id)))
        assert set(tx.scalars(sa.select(paper_keys.c.paper_id))) == ids
        assert set(tx.scalars(sa.select(summaries.c.paper_id))) <= ids
        keys = [key for key in tx.scalars(sa.select(papers.c.title_key)) if key]
        assert len(keys) == len(set(keys))
    ledger.close()


# ---- anything at all


class Mutations(RuleBasedStateMachine):
    """A store whose items are added, edited, voted on, made anonymous and shuffled, seen through a feed of which a
    poll may get any damaged form. Every summary is known once, as it is now, when the feed is sound again."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger("sqlite://")
        self.ledger.prepare()
        self.items: list[dict[str, Any]] = []
        self.number = 0
        self.edits = 0

    @initialize()
    def begin(self) -> None:
        with self.ledger.begin() as tx:
            source_states.claim_poll(tx, "store", timedelta(minutes=15), START, at_once=True)

    @rule(anonymous=st.booleans(), same_paper=st.booleans(), at=st.integers(0, 9))
    def add(self, anonymous: bool, same_paper: bool, at: int) -> None:
        self.number += 1
        key = f"conf/test/Paper{at % (self.number)}" if same_paper else f"conf/test/Paper{self.number}"
        user = "anon" if anonymous else f"reader{self.number}"
        item = feed_item(self.number, user=user, key=key, title=f"Paper {key}", body=words(self.number))
        self.items.insert(at % (len(self.items) + 1), item)

    @rule(at=st.integers(0, 9), what=st.sampled_from(["votes", "date", "body", "author", "name"]))
    def change(self, at: int, what: str) -> None:
        if not self.items:
            return
        item = self.items[at % len(self.items)]
        self.edits += 1
        if what == "votes":
            item["votes"] += 1
        elif what == "date":
            item["date"] = f"Mon, 02 Nov 2026 08:{self.edits % 60:02}:00 +0000"
        elif what == "body":
            item["body"] += f" edit{self.edits}"
        elif what == "author" and item["author"] != "Anonymous":
            item["author"] = f"Renamed {self.edits}"
        elif what == "name":  # to and from anonymity
            base = item["link"].partition("#")[0]
            named = item["author"] == "Anonymous"
            item |= {"author": f"Back {self.edits}" if named else "Anonymous"}
            item["link"] = f"{base}#back{self.edits}" if named else f"{base}#anon"

    @rule(seed=st.randoms(use_true_random=False))
    def shuffle(self, seed: Any) -> None:
        seed.shuffle(self.items)

    @rule(cut=st.floats(0, 1))
    def poll_a_damaged_one(self, cut: float) -> None:
        document = feed_xml(self.items)
        self._take(document[: int(len(document) * cut)])

    def _take(self, document: bytes) -> None:
        from digestbot.domain.errors import SourceError

        try:
            found = parse_feed(document)
        except SourceError:
            return
        with self.ledger.begin() as tx:
            intake.ingest(tx, "store", found.summaries, START, shown=len(found.summaries))

    @invariant()
    def each_is_known_once(self) -> None:
        self._take(feed_xml(self.items))
        with self.ledger.read() as tx:
            known = tx.execute(sa.select(summaries.c.key, summaries.c.body, summaries.c.votes)).all()
        assert sorted(tuple(row) for row in known) == sorted(
            (item["key"], item["body"], item["votes"]) for item in self.items
        )

    def teardown(self) -> None:
        self.ledger.close()


Mutations.TestCase.settings = settings(max_examples=40, stateful_step_count=15)
TestMutations = Mutations.TestCase


# ---- what a review found


def test_a_flag_of_first_sight_does_not_outlast_its_poll(make_service: Make, feed: Feed, sandbox: Sandbox) -> None:
    feed.add(0)
    service = make_service(backlog="skip")
    poll(service)
    waiting(service)
    service.config.sources["store"].__dict__["url"] += "?moved"
    sandbox.documents["/rss-full.xml?moved"] = feed
    feed.items[0]["votes"] = 9
    poll(service)
    assert waiting(service) == []
    feed.add(1)
    poll(service)
    assert waiting(service) == ["Paper1 by Reader 1"]


def test_a_gap_shows_though_an_old_summary_was_edited_into_the_window(make_service: Make, feed: Feed) -> None:
    for number in range(5):
        feed.add(number)
    service = make_service()
    poll(service)
    feed.items[:] = [feed_item(0, body="edited"), *(feed_item(number) for number in range(50, 54))]
    poll(service)
    assert open_alerts(service) == ["gap"]


def test_a_small_feed_whose_items_were_all_edited_is_no_gap(make_service: Make, feed: Feed) -> None:
    feed.add(0)
    feed.add(1)
    service = make_service()
    poll(service)
    for item in feed.items:
        item["body"] += " edited"
    feed.add(2)
    assert poll(service) == intake.IngestResult(new=1, changed=2)
    assert open_alerts(service) == []


def test_a_gap_is_noticed_though_the_process_died_while_taking_it_in(
    make_service: Make, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        feed.add(number)
    service = make_service()
    poll(service)
    feed.items[:] = [feed_item(number) for number in range(50, 55)]
    real = source_states.poll_succeeded

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(source_states, "poll_succeeded", dies)
    with pytest.raises(KeyboardInterrupt):
        poll(service)
    monkeypatch.setattr(source_states, "poll_succeeded", real)
    again = make_service()
    poll(again)
    assert open_alerts(again) == ["gap"]


def test_the_short_feed_and_its_reserve_are_of_the_same_anonymous_summaries(
    with_reserve: Any, clock: Clock, feed: Feed
) -> None:
    service, add, everything = with_reserve
    if service.config.sources["whole"].kind == "database":
        pytest.skip("the feed's way of cutting is what this is about")
    whole = " ".join(f"word{number} of a long text" for number in range(100))
    for number in range(20):
        add(number)
    service.tick()
    for number in range(20, 40):
        add(number)
    everything.items[-1] |= {"author": "Anonymous", "link": everything.items[-1]["link"].partition("#")[0] + "#anon"}
    short = dict(everything.items[-1])
    everything.items[-1]["body"], short["body"] = whole, whole[:500] + "..."
    feed.items[:] = [*everything.items[-5:-1], short]
    clock.forward(minutes=15)
    service.tick()
    assert len(waiting(service)) == 20


def test_a_reserve_that_does_not_reach_leaves_the_gap_open(with_reserve: Any, clock: Clock, feed: Feed) -> None:
    service, add, _ = with_reserve
    if service.config.sources["whole"].kind == "database":
        pytest.skip("one kind of reserve is enough")
    for number in range(20):
        add(number)
    service.tick()
    feed.items[:] = [feed_item(number, date=dated(number)) for number in range(30, 35)]
    clock.forward(minutes=15)
    service.tick()
    assert open_alerts(service) == ["gap"]


def test_an_item_that_brings_the_parser_down_takes_no_other_with_it(
    make_service: Make, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    items = [feed_item(number) for number in range(7)]
    position = b'<gml:pos xmlns:gml="http://www.opengis.net/gml" dims="q">1 2</gml:pos><title>Paper Number 3'
    feed.override = Answer(200, feed_xml(items).replace(b"<title>Paper Number 3", position))
    service = make_service()
    assert poll(service) == intake.IngestResult(new=6)
    assert "an entry is left out" in caplog.text
    assert poll(service) is None


def test_an_absurd_identifier_breaks_no_index(ledger: Ledger) -> None:
    take(ledger, Paper("a", "A", arxiv_id="x" * 9000 + "/0703001", doi="10.1234/" + "y" * 9000))
    with ledger.begin() as tx:
        intake.ingest(tx, "store", [make_summary(1, paper=Paper("k" * 9000, "t" * 9000))], START)
        intake.ingest(tx, "store", [make_summary(1, paper=Paper("k" * 9000, "t" * 9000))], START)
        assert intake.summary_count(tx, "store") == 2


def test_a_digest_does_not_read_a_source_beside_its_reserve() -> None:
    from digestbot.domain.errors import ConfigError

    raw = raw_config("http://127.0.0.1:1")
    raw["sources"]["whole"] = raw["sources"]["store"] | {}
    raw["sources"]["store"]["backfill"] = "whole"
    raw["digests"]["latest"]["sources"] = ["store", "whole"]
    with pytest.raises(
        ConfigError, match="whole is the backfill of store: with both, everything would be posted twice"
    ):
        config.build(raw)


def test_a_feed_that_takes_too_long_is_continued_at_the_next_poll(
    make_service: Make, feed: Feed, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing is posted of it before it was read whole: which of it is old is not known until then."""
    monkeypatch.setattr("digestbot.sources.feed.poll.MOST_SECONDS", -1.0)
    monkeypatch.setattr("digestbot.sources.feed.item_hashes.PIECE_ITEMS", 2)
    for number in range(5):
        feed.add(number)
    service = make_service(backlog="skip")
    for known in (2, 5):
        report = service.tick()
        taken = report.polled["store"]
        assert taken is not None
        assert taken.new + taken.unchanged == known
        clock.forward(hours=1)
        assert not report.made
    assert "the rest is read at the next poll" in caplog.text
    feed.add(5)
    service.tick()
    with service.ledger.read() as tx:
        assert backlog_views.pending_count(tx, "latest", "x") == 1  # the new one


def test_a_feed_that_moved_and_takes_too_long_posts_nothing_old(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new address shows the whole archive, of which a poll reads a part."""
    feed.add(0)
    service = make_service(backlog="skip")
    service.tick()
    monkeypatch.setattr("digestbot.sources.feed.poll.MOST_SECONDS", -1.0)
    monkeypatch.setattr("digestbot.sources.feed.item_hashes.PIECE_ITEMS", 2)
    archive = Feed()
    for number in range(9):
        archive.add(number)
    sandbox.documents["/archive.xml"] = archive
    url = f"{sandbox.url}/archive.xml"
    moved = make_service(backlog="skip", source={"kind": "feed", "url": url, "allow_private_addresses": True})
    for _ in range(6):
        clock.forward(hours=1)
        moved.tick()
    with moved.ledger.read() as tx:
        assert backlog_views.pending_count(tx, "latest", "x") == 0
        assert tx.scalar(sa.select(sources.c.url)) == url
        assert intake.summary_count(tx, "store") == 9


def test_of_very_many_entries_that_are_left_out_few_are_logged(
    make_service: Make, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        feed.add(number, link="no address")
    feed.add(30)
    make_service().tick()
    assert caplog.text.count("an entry is left out") == 10
    assert "30 entries were left out in all" in caplog.text
