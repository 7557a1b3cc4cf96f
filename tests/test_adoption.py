"""Which summaries an account already shows: by link, by title, by text; and nothing that it shows is posted again."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, Clock, Feed, raw_config
from helpers.feeds import HOST, item, rss, served
from hypothesis import given
from hypothesis import strategies as st

from digestbot import config as configuration
from digestbot.domain.adoption import KnownText, match_posts
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import TimelinePost
from digestbot.ledger import Ledger, adoption
from digestbot.ledger.copying import copy_ledger
from digestbot.ledger.schema import adopted_posts, backlog, metadata, posts
from digestbot.pipeline.adopter import Adopter
from digestbot.pipeline.app import Report, Service
from digestbot.platforms.registry import publisher_for
from digestbot.sandbox import Sandbox

STORE = "http://www.shortscience.org/paper?bibtexKey=conf/nips/Widgets17"
ADA = KnownText(
    1, "Widgets are all you need", f"{STORE}#ada", "Ada Reads", "The idea is to stack widgets until it works."
)
BEN = KnownText(
    2, "Widgets are all you need", f"{STORE}#ben", "Ben Holt", "A dissenting view about stacked little widgets."
)
ESSAY = KnownText(3, "On bees", "https://blog.example/bees?p=7", None, "Bees dance.")
LONG = KnownText(4, "How volcanoes cool the climate for years", "https://blog.example/volcano", None, "Sulphur.")


def post(text: str, *links: str, id_: str = "9") -> TimelinePost:
    return TimelinePost(id_, f"https://x.com/i/status/{id_}", text, links, START)


def shown(*texts: TimelinePost, parameters: tuple[str, ...] = ()) -> list[int]:
    return sorted(match_posts(texts, [ADA, BEN, ESSAY, LONG], parameters).shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (post(f"Widgets! {STORE}#ada"), [1]),
        (post("Widgets!", "https://shortscience.org/paper?bibtexKey=conf/nips/Widgets17&utm_source=x#ben"), [2]),
        (post("New on the blog", "https://blog.example/bees?p=7&ref=bot"), [3]),
        (post("How Volcanoes Cool the Climate for Years https://bit.ly/3abc"), [4]),
        (post("How volcanoes cool the climate f… https://dlvr.it/x"), [4]),
        (post("RT: how volcanoes cool the climate for…"), [4]),
        (post("Widgets are all you need, summed up by Ada Reads https://ift.tt/1"), [1]),
        (post("Widgets are all you need: a dissenting view about stacked little widgets. https://ift.tt/1"), [2]),
        (post("On bees"), [3]),
        (post("On bees and other insects of our gardens"), []),
        (post("Home", "https://blog.example/"), []),
        (post("Have a nice weekend!"), []),
    ],
)
def test_a_post_shows_what_it_links_to_or_names(text: TimelinePost, expected: list[int]) -> None:
    assert shown(text, parameters=("ref",)) == expected


def test_a_post_that_may_show_several_is_ambiguous() -> None:
    found = match_posts([post("Widgets are all you need", STORE)], [ADA, BEN])
    assert found.shown == {}
    assert [possible for _, possible in found.ambiguous.values()] == [(1, 2)]
    both = [post("Widgets are all you need", STORE), post("x", f"{STORE}#ada", id_="10")]
    assert [possible for _, possible in match_posts(both, [ADA, BEN]).ambiguous.values()] == [(2,)]
    assert [one.id for one in match_posts([post("Hello")], [ADA]).others] == ["9"]


@given(st.text(max_size=200), st.lists(st.text(max_size=40), max_size=3))
def test_any_text_can_be_compared(text: str, links: list[str]) -> None:
    match_posts([post(text, *links)], [ADA, BEN, ESSAY, KnownText(5, text, text, text, text)])


# ---- through the service


def service_over(sandbox: Sandbox, folder: Path, clock: Clock, **digest: Any) -> Service:
    raw = raw_config(sandbox.url, **({"channels": ["x"], "schedule": "every hour"} | digest))
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=clock)
    service = Service(configuration.build(raw), ledger, clock)
    service.prepare()
    return service


def adopter(service: Service) -> Adopter:
    channels = service.config.channels
    return Adopter(service.runtime, service.poller, service.growth, lambda name: publisher_for(channels[name]))


def test_an_account_that_another_bot_filled_repeats_nothing(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path
) -> None:
    entries = [item(number) for number in range(1, 9)]
    feed.override = served(rss(entries))
    for number in (1, 2, 3):
        sandbox.by_hand("twitter", f"{entries[number - 1]['title']} {HOST}/essays/{number}", ago=3600 * number)
    sandbox.by_hand("twitter", "Have a nice weekend!", ago=50)
    service = service_over(sandbox, tmp_path, clock)
    assert adopter(service).cost("x", 1000) == 1000 * 1000 + 2 * 10_000
    assert adopter(service).cost("x", 10) == 20 * 1000 + 2 * 10_000  # a page
    report = Report()
    done = adopter(service).adopt("x", 1000, report)
    assert (done.read, done.own, done.pending, done.held, done.trouble) == (4, 0, 3, 0, "")
    assert (len(done.found.shown), len(done.found.others), report.source_errors) == (3, 1, {})
    assert done.cost > 0
    with service.ledger.read() as tx:
        reasons = tx.execute(sa.select(backlog.c.reason).where(backlog.c.status == "skipped")).scalars().all()
        assert all(reason.startswith("is on the channel already: http") for reason in reasons)
        assert tx.scalar(sa.select(sa.func.count()).select_from(posts)) == 0  # nothing to edit or to delete
    for _ in range(12):
        service.tick()
        clock.forward(hours=1)
    texts = [post.text for post in sandbox.world.timelines["twitter"]]
    assert len(texts) == 4 + 5
    for one in entries:
        assert sum(one["title"] in text for text in texts) == 1
    again = adopter(service).adopt("x", 1000, Report())
    assert (again.own, again.pending) == (5, 0)
    service.ledger.close()


def test_a_digest_that_is_added_later_repeats_nothing_either(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path
) -> None:
    feed.override = served(rss([item(1), item(2)]))
    sandbox.by_hand("twitter", item(1)["title"], ago=3600)
    service = service_over(sandbox, tmp_path, clock, backlog="skip")
    adopter(service).adopt("x", 100, Report())
    service.ledger.close()
    raw = raw_config(sandbox.url, channels=["x"])
    raw["digests"]["second"] = raw["digests"]["latest"] | {"backlog": "all"}
    with closing(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)) as ledger:
        both = Service(configuration.build(raw), ledger, clock)
        both.prepare()
        both.extend_backlog("second", "x")
        with ledger.read() as tx:
            rows = tx.execute(
                sa.select(backlog.c.summary_id, backlog.c.status).where(backlog.c.digest == "second")
            ).all()
    assert sorted(map(tuple, rows)) == [(1, "skipped"), (2, "waiting")]


def test_what_may_be_on_the_account_is_held(sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path) -> None:
    feed.add(1, title="Widgets are all you need here", key="conf/a", user="ada", author="Ada Reads", body="One view.")
    feed.add(2, title="Widgets are all you need here", key="conf/a", user="ben", author="Ben Holt", body="Two views.")
    sandbox.by_hand("twitter", "Widgets are all you need here", ago=3600)
    service = service_over(sandbox, tmp_path, clock)
    done = adopter(service).adopt("x", 100, Report())
    assert (done.pending, done.held) == (0, 2)
    for _ in range(3):
        service.tick()
        clock.forward(hours=1)
    assert len(sandbox.world.timelines["twitter"]) == 1
    service.ledger.close()


def test_a_timeline_that_cannot_be_read_says_so_and_adopts_what_was_read(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path
) -> None:
    feed.override = served(rss([item(1)]))
    sandbox.faults.add("503-before", "twitter", 9, reading=True)
    service = service_over(sandbox, tmp_path, clock)
    done = adopter(service).adopt("x", 100, Report())
    assert done.trouble
    assert done.found.shown == {}
    service.ledger.close()


# ---- a copy of the ledger


def test_every_row_of_a_ledger_can_be_copied(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path, database_url: str
) -> None:
    for number in range(1, 6):
        feed.add(number, body="naïve 数学 \U0001f600")
    service = service_over(sandbox, tmp_path, clock, image="none")
    for _ in range(3):
        service.tick()
        clock.forward(hours=1)
    adopter(service).adopt("x", 100, Report())
    source = service.ledger
    target = Ledger(database_url if "postgresql" in database_url else f"sqlite:///{tmp_path / 'copy.db'}", clock=clock)
    steps: list[float] = []
    counts = copy_ledger(source, target, steps.append)
    assert counts["posts"] >= 2
    assert steps[-1] == 1.0
    with source.read() as here, target.read() as there:
        for name, table in metadata.tables.items():
            if name not in ("alembic_version", "ledger_identity", "channels"):
                order = list(table.primary_key.columns)
                ours, theirs = (set(map(repr, tx.execute(sa.select(table).order_by(*order)))) for tx in (here, there))
                assert ours == theirs, name
    with pytest.raises(LedgerError, match="the target is not empty"):
        copy_ledger(source, target)
    moved = Service(service.config, target, clock)
    moved.prepare()
    feed.add(9)
    for _ in range(8):
        moved.tick()
        clock.forward(hours=1)
    texts = [post.text for post in sandbox.world.timelines["twitter"]]
    assert len(texts) == len(set(texts)) == 6
    target.close()
    source.close()


def test_a_copy_that_differs_is_not_kept(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digestbot.ledger import copying

    feed.add(1)
    service = service_over(sandbox, tmp_path, clock)
    service.tick()
    digests = iter(range(1000))
    monkeypatch.setattr(copying, "_digest", lambda *_: next(digests))
    target = Ledger(f"sqlite:///{tmp_path / 'copy.db'}", clock=clock)
    with pytest.raises(LedgerError, match="differs from the original; nothing was copied"):
        copy_ledger(service.ledger, target)
    with target.read() as tx:
        assert tx.execute(sa.select(posts)).first() is None
    target.close()
    service.ledger.close()


def test_adopting_twice_records_once(sqlite_ledger: Ledger) -> None:
    from helpers.basics import make_summary

    from digestbot.ledger import intake

    with sqlite_ledger.begin() as tx:
        intake.ingest(tx, "store", [make_summary(1)], START)
        one = {1: TimelinePost("7", "https://x.com/7", "t", (), START - timedelta(days=1))}
        adoption.record(tx, "x", one, START)
        adoption.record(tx, "x", one, START)
        assert tx.scalar(sa.select(sa.func.count()).select_from(adopted_posts)) == 1
        assert adoption.adopted_among(tx, "x", [1, 2]) == {1}


def test_what_was_adopted_is_never_taken_in(sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path) -> None:
    from digestbot.ledger import backlog as backlogs

    feed.override = served(rss([item(1), item(2)]))
    sandbox.by_hand("twitter", item(1)["title"], ago=3600)
    service = service_over(sandbox, tmp_path, clock, backlog="skip")
    adopter(service).adopt("x", 100, Report())
    with service.ledger.begin() as tx:
        assert backlogs.take_in(tx, "latest", "x", "all", service.config.timezone) == 1
        statuses = tx.execute(sa.select(backlog.c.summary_id, backlog.c.status).order_by(backlog.c.summary_id)).all()
    assert list(map(tuple, statuses)) == [(1, "skipped"), (2, "waiting")]
    service.ledger.close()


def test_a_post_that_waits_to_be_sent_is_withdrawn(sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path) -> None:
    feed.override = served(rss([item(1), item(2)]))
    service = service_over(sandbox, tmp_path, clock, approval=True, size=2, shape="roundup", backlog="all")
    for _ in range(2):
        service.tick()
        clock.forward(hours=1)
    sandbox.by_hand("twitter", item(1)["title"], ago=60)
    done = adopter(service).adopt("x", 100, Report())
    assert done.pending == 1
    with service.ledger.read() as tx:
        assert set(tx.scalars(sa.select(posts.c.status))) == {"skipped"}
        statuses = tx.execute(sa.select(backlog.c.summary_id, backlog.c.status).order_by(backlog.c.summary_id)).all()
    assert list(map(tuple, statuses)) == [(1, "skipped"), (2, "waiting")]
    service.ledger.close()


def test_the_longer_title_is_meant() -> None:
    short = KnownText(1, "A survey of large language models", "https://a.example/1", None, "")
    long = KnownText(2, "A survey of large language models for code", "https://a.example/2", None, "")
    assert sorted(
        match_posts([post("A survey of large language models for code https://bit.ly/x")], [short, long]).shown
    ) == [2]
    assert sorted(match_posts([post("A survey of large language models https://bit.ly/x")], [short, long]).shown) == [1]
    cut = match_posts([post("New: a survey of large language mod…")], [short, long])
    assert (cut.shown, [possible for _, possible in cut.ambiguous.values()]) == ({}, [(1, 2)])


def test_links_are_compared_as_the_sources_have_them() -> None:
    from digestbot.pipeline.adopter import _without_tracking

    paper = KnownText(1, "Bees", "https://arxiv.org/abs/2611.00001", None, "")
    other = KnownText(2, "Wasps", "https://pubmed.ncbi.nlm.nih.gov/1/", None, "")
    found = match_posts(
        [
            post("x", "https://arxiv.org/abs/2611.00001v2"),
            post("y", "https://pubmed.ncbi.nlm.nih.gov/1/?fc=1&v=2", id_="10"),
        ],
        [paper, other],
        clean=_without_tracking,
    )
    assert sorted(found.shown) == [1, 2]


def test_more_posts_than_the_limit_are_said_to_be_unread(
    sandbox: Sandbox, feed: Feed, clock: Clock, tmp_path: Path
) -> None:
    feed.override = served(rss([item(1)]))
    for number in range(45):
        sandbox.by_hand("twitter", f"A person's words {number}", ago=60 + number)
    service = service_over(sandbox, tmp_path, clock)
    done = adopter(service).adopt("x", 20, Report())
    assert (done.read, done.failed, done.trouble) == (20, False, "only the newest 20 posts were read")
    assert adopter(service).adopt("x", 100, Report()).trouble == ""
    service.ledger.close()
