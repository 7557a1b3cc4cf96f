"""A database as a source: the site's tables on SQLite, PostgreSQL and MariaDB, and a query of one's own."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from helpers.basics import START, Clock
from helpers.postgresql import ledger_database
from helpers.source_db import Store
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from digestbot import config
from digestbot.domain.errors import ConfigError, SourceError
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, intake, queries
from digestbot.ledger.schema import papers, summaries
from digestbot.pipeline.app import Report, Service
from digestbot.sandbox import Sandbox
from digestbot.sources.database import reader as database_module
from digestbot.sources.database.config import DatabaseSource
from digestbot.sources.database.queries import fix_mojibake, parse_moment, to_mojibake
from digestbot.sources.database.reader import Database
from digestbot.text import UNBROKEN, format_names, split_names

Make = Callable[..., Service]


@pytest.fixture
def database_url(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The ledger of the same kind as the store, where it can be: the two kinds have nothing to do with each other."""
    if store.engine.dialect.name != "postgresql":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with ledger_database(request.getfixturevalue("postgresql")) as url:
        yield url


def source(store: Store, **more: Any) -> dict[str, Any]:
    return {"kind": "database", "url": store.address, "layout": "shortscience"} | more


def reader(store: Store, zone: str = "Europe/Berlin", **more: Any) -> Database:
    settings = DatabaseSource.model_validate(source(store, **more))
    return Database("store", settings, ZoneInfo(zone), Path())


def read(store: Store, **more: Any) -> list[Summary]:
    database = reader(store, **more)
    found = [one for stretch, _ in database.read_all(None) for one in stretch]
    database.close()
    return found


def known(service: Service, column: sa.ColumnElement[Any] = summaries.c.body) -> list[Any]:
    with service.ledger.read() as tx:
        return list(tx.scalars(sa.select(column).where(summaries.c.withdrawn_at.is_(None)).order_by(summaries.c.id)))


def poll(service: Service) -> intake.IngestResult:
    report = Report()
    service.poller.poll("store", report, at_once=True)
    assert report.source_errors == {}
    taken = report.polled["store"]
    assert taken is not None
    return taken


def fill(store: Store) -> None:
    store.user(1, displayname="Reader One", orcid="0000-0002-0000-0000")
    store.user(5, username="fünf", displayname="Leser Fünf-Hübner 诸葛")
    store.paper(
        "journals/corr/1412.6980",
        title=r"Adam: $\mathcal{O}(n)$",
        authors="Diederik P. Kingma and Jimmy Ba",
        year=2014,
        venue="arXiv e-Print archive",
        tags="cs.LG",
        urls="http://arxiv.org/abs/1412.6980v9",
        category="cs.LG",
    )
    store.paper("10.1038/nature14539", authors="LeCun, Yann and Bengio, Yoshua", year=0, venue="Nature", tags="")
    with store.engine.begin() as connection:
        connection.execute(store.sections.insert(), [{"section": "cs", "id": "", "tag": "cs."}])
    store.summary("journals/corr/1412.6980", 1, "See [the code](http://x.org/a_(b)) — naïve “quotes” \u0081?", votes=9)
    store.summary("10.1038/nature14539", 5, "Ä review", votes=0)


# ---- what it reads


def test_what_the_feed_lacks(store: Store) -> None:
    fill(store)
    nature, adam = sorted(read(store), key=lambda one: one.paper.key)
    assert adam.paper.authors == ("Diederik P. Kingma", "Jimmy Ba")
    assert (adam.paper.venue, adam.paper.year, adam.paper.category) == ("arXiv e-Print archive", 2014, "cs.LG")
    assert (adam.paper.sections, adam.paper.arxiv_id) == (("cs",), "1412.6980")
    assert (adam.writer, adam.handle, adam.orcid, adam.votes) == ("Reader One", "reader1", "0000-0002-0000-0000", 9)
    assert adam.body == "See [the code](http://x.org/a_(b)) — naïve “quotes” \u0081?"
    assert adam.link == "http://www.shortscience.org/paper?bibtexKey=journals/corr/1412.6980#reader1"
    assert nature.paper.authors == ("Yann LeCun", "Yoshua Bengio")
    assert (nature.paper.year, nature.paper.category, nature.paper.doi) == (None, None, "10.1038/nature14539")
    assert (nature.writer, nature.handle, nature.votes, nature.body) == (
        "Leser Fünf-Hübner 诸葛",
        "fünf",
        None,
        "Ä review",
    )
    assert nature.link.endswith("#f%C3%BCnf")


def test_times_are_of_the_zone_that_is_named(store: Store) -> None:
    store.add(1)
    (summary,) = read(store)
    assert summary.dated == datetime(2026, 11, 1, 7, 0, 7, tzinfo=UTC)
    database = reader(store, "America/New_York")
    assert database.summaries(["conf/test/Paper1"])[0].dated == datetime(2026, 11, 1, 13, 0, 7, tzinfo=UTC)
    database.close()


def test_a_key_that_is_no_ascii(store: Store, make_service: Make) -> None:
    store.user(1)
    store.paper("journals/corr/Müller19")
    store.summary("journals/corr/Müller19", 1)
    service = make_service(source=source(store))
    assert poll(service) == intake.IngestResult(new=1)
    assert known(service, summaries.c.key) == ["journals/corr/Müller19"]
    assert poll(service) == intake.IngestResult(unchanged=1)
    store.edit("journals/corr/Müller19", 1, text="edited")
    assert poll(service).changed == 1


# ---- what it notices


def test_edits_votes_names_and_withdrawals(store: Store, make_service: Make) -> None:
    for number in range(1, 6):
        store.add(number)
    service = make_service(source=source(store))
    assert poll(service) == intake.IngestResult(new=5)
    assert poll(service) == intake.IngestResult(unchanged=5)
    store.edit("conf/test/Paper1", 1, text="new text")
    store.vote("conf/test/Paper2", 2, 77)
    store.edit("conf/test/Paper3", 3, silently=True, anon=True)
    store.edit("conf/test/Paper4", 4, silently=True, priv=True)
    store.add(6)
    assert poll(service) == intake.IngestResult(new=1, changed=3, unchanged=1, withdrawn=1)
    assert known(service)[0] == "new text"
    assert known(service, summaries.c.votes) == [2, 3, 2, 2, 2]
    assert known(service, summaries.c.writer) == ["Reader 1", "Reader 2", None, "Reader 5", "Reader 6"]
    store.delete("conf/test/Paper5", 5)
    store.edit("conf/test/Paper4", 4, silently=True, priv=False)
    store.edit("conf/test/Paper3", 3, silently=True, anon=False)
    taken = poll(service)
    assert (taken.new, taken.changed, taken.withdrawn) == (0, 2, 1)
    assert known(service, summaries.c.key) == [f"conf/test/Paper{number}" for number in (1, 2, 3, 4, 6)]
    assert poll(service) == intake.IngestResult(unchanged=5)


def test_everything_is_noticed_in_turn_in_a_store_larger_than_a_poll(
    store: Store, make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STRETCH", 4), ("PAGE", 2), ("FIRST_READING", 3), ("FEW", 5)):
        monkeypatch.setattr(database_module, name, value)
    for number in range(1, 12):
        store.add(number)
    service = make_service(source=source(store))
    assert poll(service).new == 11
    for _ in range(3):
        poll(service)
    store.edit("conf/test/Paper7", 7, silently=True, priv=True)
    store.edit("conf/test/Paper8", 8, silently=True, anon=True)
    store.vote("conf/test/Paper9", 9, 99)
    store.add(12)
    total = intake.IngestResult()
    for _ in range(5):
        total += poll(service)
    assert (total.new, total.changed, total.withdrawn) == (1, 2, 1)


def test_news_come_at_once_where_there_is_an_index(
    store: Store, make_service: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in (("STRETCH", 1), ("PAGE", 2), ("FEW", 3)):
        monkeypatch.setattr(database_module, name, value)
    for number in range(10, 20):
        store.add(number)
    service = make_service(source=source(store))
    poll(service)
    assert "no index" not in caplog.text
    store.add(30)
    assert poll(service).new == 0  # ten rows are too many to be sorted here; it will come in its turn
    assert "vignettes has many rows and no index on edited" in caplog.text
    with store.engine.begin() as connection:
        for table in ("vignettes", "votes"):
            connection.exec_driver_sql(f"CREATE INDEX ix_{table}_edited ON {table} (edited)")
    again = make_service(source=source(store))
    assert poll(again).new == 1
    for number in range(40, 47):
        store.add(number)
    assert poll(again).new == 7  # page by page, as long as there is something new
    store.vote("conf/test/Paper15", 15, 99)
    assert poll(again).changed == 1
    again.close()


def counts(service: Service) -> dict[str, int]:
    service.extend_backlog("latest", "x")
    with service.ledger.read() as tx:
        return queries.backlog_counts(tx, "latest", "x")


def test_a_first_reading_that_was_interrupted_goes_on(
    store: Store, make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "FIRST_READING", 2)
    for number in range(1, 8):
        store.add(number)
    service = make_service(source=source(store))
    steps = iter([False, True])
    service.poller.source("store").stopping = lambda: next(steps)
    assert poll(service).new == 4
    assert counts(service) == {}  # not at first sight yet
    again = make_service(source=source(store))
    assert poll(again).new == 3
    assert len(known(again)) == 7
    assert counts(again) == {"waiting": 7}


# ---- privacy


CANARY = "cAnAryXq7"


def test_canaries_are_found_nowhere(
    store: Store,
    make_service: Make,
    sandbox: Sandbox,
    clock: Clock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy.engine", "pymysql", "psycopg", "digestbot"):
        caplog.set_level(logging.DEBUG if name == "digestbot" else logging.INFO, name)
    secret = f"{CANARY}-user"
    store.user(
        31337,
        username=secret,
        displayname=f"Dr. {CANARY} Identifiable",
        email=f"{CANARY}@example.org",
        orcid=f"0000-{CANARY}",
    )
    store.user(2)
    store.paper("conf/test/Public", title="Public")
    store.paper(f"conf/test/{CANARY}", title=f"{CANARY} title")
    store.summary("conf/test/Public", 31337, "Anonymous words about it.", anon=True)
    store.summary("conf/test/Public", 2, f"Private {CANARY} words.", priv=True)
    store.summary(f"conf/test/{CANARY}", 2, f"Private {CANARY} words.", priv=True)
    store.add(3, text="Three words of it.")
    service = make_service(source=source(store), size=5)
    for _ in range(2):
        service.tick()
        clock.forward(hours=2)
    # now one of the public ones turns private, with a new text; one that was named turns anonymous
    store.edit("conf/test/Paper3", 3, text=f"Now private: {CANARY}", priv=True)
    for hours in (1, 2, 3):
        clock.forward(hours=hours)
        service.tick()
    with service.ledger.read() as tx:
        shown = [repr(row) for row in queries.post_rows(tx)]
        dump = [
            repr(row)
            for table in sa.inspect(tx).get_table_names()
            for row in tx.execute(sa.text(f"SELECT * FROM {table}")).all()
        ]
    preview = service.preview("latest", "x")
    posted = [
        post.text + str(post.link)
        for post in (*sandbox.world.timelines["twitter"], *sandbox.world.timelines["facebook"])
    ]
    everything = "\n".join([*shown, *dump, *posted, caplog.text, *capsys.readouterr(), repr(preview)])
    assert "Anonymous words" in everything  # the net has no holes
    assert CANARY not in everything
    assert "31337" not in everything
    ledgers = list(tmp_path.glob("ledger.db*"))
    assert all(CANARY.encode() not in file.read_bytes() for file in ledgers)
    assert ledgers or service.ledger.file is None


def test_a_doubtful_flag_keeps_the_secret(tmp_path: Path) -> None:
    """A copy whose flags are neither 0 nor 1: what is not surely public stays, who is not surely named stays unnamed."""
    file = tmp_path / "store.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE vignettes (text, paperid, userid, priv, anon, added, edited)")
        connection.exec_driver_sql("CREATE TABLE papers (bibtexKey, title, authors, year, venue, tags, urls, category)")
        connection.exec_driver_sql("CREATE TABLE users (userid, username, displayname, orcid)")
        connection.exec_driver_sql("CREATE TABLE votes (paperid, userid, voteruserid, vote, edited)")
        connection.exec_driver_sql("CREATE TABLE sections (section, id, tag)")
        connection.exec_driver_sql("INSERT INTO users VALUES (1, 'secret', 'secret', 'secret')")
        for number, (priv, anon) in enumerate([(None, 0), ("yes", 0), (2, 0), (0, None), (0, "no"), (0, 2), (0, 0)]):
            row = ("text", f"k{number}", 1, priv, anon, "2026-11-01 08:00:00", "not a date")
            connection.exec_driver_sql("INSERT INTO vignettes VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    engine.dispose()
    settings = DatabaseSource.model_validate({"kind": "database", "url": f"sqlite:///{file}", "layout": "shortscience"})
    database = Database("store", settings, ZoneInfo("UTC"), Path())
    found = [one for stretch, _ in database.read_all(None) for one in stretch]
    database.close()
    assert [one.paper.key for one in found] == ["k3", "k4", "k5", "k6"]
    assert [one.handle for one in found] == [None, None, None, "secret"]
    assert [one.dated for one in found] == [None] * 4
    assert found[0].paper.title == "k3"  # no row of papers: the key has to do


def test_what_turned_private_between_poll_and_slot_is_not_posted(
    store: Store, make_service: Make, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    store.add(2)
    service = make_service(source=source(store, every="1 day"))
    service.tick()
    store.edit("conf/test/Paper1", 1, priv=True)
    clock.forward(hours=1)
    service.tick()
    assert [post.text.splitlines()[0] for post in sandbox.world.timelines["twitter"]] == ["Paper Number 2"]


def test_a_slot_waits_for_a_store_that_cannot_be_asked(
    store: Store, make_service: Make, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=source(store, every="1 day"))
    service.tick()
    database = service.poller.source("store").database
    good = database._engine
    database._engine = sa.create_engine("sqlite:////nowhere/at/all.db")
    clock.forward(hours=1)
    assert any("unable to open" in trouble for trouble in service.tick().troubles)
    assert sandbox.world.timelines["twitter"] == []
    database._engine = good
    clock.forward(minutes=1)
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1


# ---- a server in trouble


def test_a_server_that_goes_away_is_waited_for(store: Store, make_service: Make, clock: Clock) -> None:
    store.add(1)
    service = make_service(source=source(store))
    poll(service)
    database = service.poller.source("store").database
    if store.engine.dialect.name != "sqlite":
        kill = {
            "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
        }.get(store.engine.dialect.name)
        with store.engine.connect() as connection:
            if kill:
                connection.exec_driver_sql(kill)
            else:
                rows = connection.exec_driver_sql("SHOW PROCESSLIST").all()
                mine = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
                for row in rows:
                    if row[3] == store.engine.url.database and row[0] != mine:
                        connection.exec_driver_sql(f"KILL {row[0]}")
        assert poll(service) == intake.IngestResult(unchanged=1)  # a lost connection is made again
    database.close()
    database._engine = sa.create_engine("mysql+pymysql://nobody:hunter22@127.0.0.1:1/none")
    report = Report()
    service.poller.poll("store", report, at_once=True)
    assert "Can't connect" in report.source_errors["store"]
    assert "hunter22" not in report.source_errors["store"]
    assert len(known(service)) == 1


def test_it_only_reads(store: Store) -> None:
    store.add(1)
    database = reader(store)
    with pytest.raises(SourceError), database._connected() as connection:
        connection.exec_driver_sql("DELETE FROM vignettes")
    assert len(list(database.read_all(None))) == 1
    database.close()


@pytest.mark.parametrize(
    ("address", "mend"),
    [
        ("sqlite:////nowhere/at/all.db", "unable to open"),
        ("mysql://nobody:hunter22@127.0.0.1:1/none", "127.0.0.1"),
        ("oracle://nobody@127.0.0.1/none", "needs a driver: install one that SQLAlchemy knows"),
        ("nosuch://x/y", "needs a driver"),
        ("sqlite:////nowhere/a b#c.db", "unable to open"),
    ],
)
def test_an_address_that_cannot_be_used(address: str, mend: str) -> None:
    settings = DatabaseSource.model_validate({"kind": "database", "url": address, "layout": "shortscience"})
    with pytest.raises(SourceError, match=mend) as caught:
        list(Database("store", settings, ZoneInfo("UTC"), Path()).read_all(None))
    assert "hunter22" not in str(caught.value)


def test_tables_that_are_not_the_sites(tmp_path: Path) -> None:
    settings = DatabaseSource.model_validate(
        {"kind": "database", "url": f"sqlite:///{tmp_path / 'ledger.db'}", "layout": "shortscience"}
    )
    (tmp_path / "ledger.db").touch()
    database = Database("store", settings, ZoneInfo("UTC"), Path())
    with pytest.raises(SourceError, match="no such table: sections"):
        list(database.read_all(None))
    database.close()


def test_one_that_was_a_feed_before(store: Store, make_service: Make, feed: Any) -> None:
    store.add(1)
    store.paper("conf/test/Anon")
    store.summary("conf/test/Anon", 1, "Words that nobody signed, see [the code](http://x.org).", anon=True)
    feed.add(1, body="What reader 1 says of conf/test/Paper1. It is well said.")
    feed.add(2, key="conf/test/Anon", user="anon", body="Words that nobody signed, see [the code]().")
    before = make_service()
    poll(before)
    before.extend_backlog("latest", "x")
    service = make_service(source=source(store))
    assert poll(service) == intake.IngestResult(changed=2)  # the same two, told more of
    store.add(9)
    assert poll(service) == intake.IngestResult(new=1, unchanged=2)


# ---- a query of one's own


def own(tmp_path: Path, columns: str, rows: int = 3) -> dict[str, Any]:
    file = tmp_path / "own.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (n INTEGER PRIMARY KEY, head, words, who, at, hidden DEFAULT 0)")
        for number in range(rows):
            row = (
                number,
                f"Title {number}",
                f"Words {number}: what they say.",
                "Ada" if number else None,
                f"2026-11-0{number + 1}",
            )
            connection.exec_driver_sql("INSERT INTO notes (n, head, words, who, at) VALUES (?, ?, ?, ?, ?)", row)
    engine.dispose()
    return {
        "kind": "database",
        "url": f"sqlite:///{file}",
        "query": f"SELECT {columns} FROM notes WHERE hidden = 0;",
    }


COLUMNS = "n AS id, head AS title, words AS body, 'https://example.org/' || n AS link"


def change(tmp_path: Path, statement: str) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_query_of_ones_own(tmp_path: Path, make_service: Make) -> None:
    service = make_service(source=own(tmp_path, COLUMNS + ", who AS writer, at AS changed, 'a:b' AS venue"))
    assert poll(service) == intake.IngestResult(new=3)
    assert known(service, summaries.c.writer) == [None, "Ada", "Ada"]
    assert known(service, summaries.c.link)[0] == "https://example.org/0"
    assert known(service, summaries.c.source_date)[1] == datetime(2026, 11, 2, tzinfo=UTC)
    with service.ledger.read() as tx:
        assert set(tx.scalars(sa.select(papers.c.venue))) == {"a:b"}
    assert poll(service) == intake.IngestResult(unchanged=3)
    change(tmp_path, "UPDATE notes SET words = 'other words now' WHERE n = 0")
    change(tmp_path, "UPDATE notes SET hidden = 1 WHERE n = 2")
    change(tmp_path, "INSERT INTO notes (n, head, words) VALUES (7, 'Title 7', 'Seven.')")
    assert poll(service) == intake.IngestResult(new=1, changed=1, unchanged=1, withdrawn=1)
    assert known(service) == ["other words now", "Words 1: what they say.", "Seven."]


@pytest.mark.parametrize(
    ("columns", "mend"),
    [
        ("n AS id, head AS title", "returns no column body and returns no column link"),
        (COLUMNS + ", who AS password", "returns an unknown column password"),
        ("nonsense(", "near|incomplete|no such"),
    ],
)
def test_a_query_that_does_not_do(tmp_path: Path, make_service: Make, columns: str, mend: str) -> None:
    service = make_service(source=own(tmp_path, columns))
    report = Report()
    service.poller.poll("store", report, at_once=True)
    assert pytest.importorskip("re").search(mend, report.source_errors["store"])


# ---- configuration


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ({}, r"sources\.store\.url: is missing; add it, or url_file, or set DIGESTBOT_SOURCES__STORE__URL"),
        ({"url": "here"}, "write a database URL"),
        ({"url": "sqlite:///x"}, "either layout"),
        ({"url": "sqlite:///x", "layout": "shortscience", "query": "SELECT 1"}, "either layout"),
        ({"url": "sqlite:///x", "layout": "other"}, "'shortscience'"),
        ({"url": "sqlite:///x", "layout": "shortscience", "ulr": 1}, "unknown key"),
    ],
)
def test_mistakes_in_a_database_source(given: dict[str, Any], mend: str) -> None:
    with pytest.raises(ConfigError, match=mend):
        config.build({"sources": {"store": {"kind": "database", **given}}})


def test_the_address_may_come_from_a_file_and_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("mysql://reader:hunter22@db/store\n")
    raw = {"sources": {"store": {"kind": "database", "url_file": "url", "layout": "shortscience"}}}
    loaded = config.build(raw, tmp_path / "config.toml")
    assert "hunter22" in loaded.secrets()
    assert "hunter22" not in repr(loaded)


# ---- values


def test_text_comes_out_as_it_was_typed() -> None:
    for text in ("Müller", "naïve — “quoted” €", "诸葛亮", "ÄÖÜß", "plain", "\u0081", "Ã¤ typed so"[:0] + "é"):
        assert fix_mojibake(to_mojibake(text)) == text
        assert fix_mojibake(text.encode()) == text
    assert fix_mojibake("Müller") == "Müller"  # a proper column
    assert fix_mojibake(to_mojibake("Grüße")[:5]) == "Grü"  # cut inside a character, at the end of a column
    assert fix_mojibake(None) == ""
    assert fix_mojibake(b"\xff\x00a") == "\ufffda"


@given(st.text())
def test_any_text_survives_the_latin1_column(text: str) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    assert fix_mojibake(to_mojibake(text)) == text


@given(st.binary(max_size=40) | st.text(max_size=40) | st.integers() | st.none() | st.datetimes())
def test_no_value_breaks_the_reading(value: object) -> None:
    assert isinstance(fix_mojibake(value), str)
    found = parse_moment(value, ZoneInfo("Europe/Berlin"))
    assert found is None or found.tzinfo is UTC


def test_times_of_every_kind() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_moment("2026-07-01 08:00:00", berlin) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert parse_moment(datetime(2026, 7, 1, 8, tzinfo=UTC), berlin) == datetime(2026, 7, 1, 8, tzinfo=UTC)
    assert parse_moment(date(2026, 7, 1), berlin) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert parse_moment("0000-00-00 00:00:00", berlin) is None
    assert parse_moment(datetime(1, 1, 1), ZoneInfo("Asia/Tokyo")) is None  # noqa: DTZ001


def test_names_as_they_are_read_aloud() -> None:
    assert split_names("Ren, Shaoqing and He,  Kaiming and Ross Girshick") == (
        "Shaoqing Ren",
        "Kaiming He",
        "Ross Girshick",
    )
    assert split_names("Plato") == ("Plato",)
    assert split_names("Collaboration, ") == ("Collaboration",)
    assert split_names("") == ()
    assert split_names("Smith, J. & Jones, K.") == ("J. Smith", "K. Jones")
    assert split_names("Smith, J. A., Jones, K.; Lee, Ann") == ("J. A. Smith", "K. Jones", "Ann Lee")
    assert split_names("Kaiming He, Xiangyu Zhang, Shaoqing Ren") == ("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren")
    assert split_names("He, Kaiming, Zhang, Xiangyu") == ("Kaiming He", "Xiangyu Zhang")
    assert split_names("Kaiming He et al.") == ("Kaiming He", "others")
    assert split_names("Smith, Jr., John and Jane Doe, Jr.") == ("John Smith Jr.", "Jane Doe Jr.")
    assert format_names(split_names("García Márquez, Gabriel and IBM Research")) == f"Márquez and IBM{UNBROKEN}Research"
    assert split_names("Wang, Wei 0001 and Li Na 0002 and others") == ("Wei Wang", "Li Na", "others")
    assert split_names("{The ATLAS Collaboration} and {Barnes and Noble}") == (
        "{The ATLAS Collaboration}",
        "{Barnes and Noble}",
    )


# ---- what a review found


def test_two_that_were_added_in_the_same_second_stay_two(store: Store, make_service: Make) -> None:
    store.user(3)
    store.user(9)
    store.paper("conf/test/Same")
    for user in (3, 9):
        store.summary("conf/test/Same", user, f"Words of reader {user} alone.", anon=user == 3)
    with store.engine.begin() as connection:
        connection.execute(store.vignettes.update().values(added=store.clock, edited=store.clock))
    service = make_service(source=source(store))
    assert poll(service).new == 2
    assert poll(service) == intake.IngestResult(unchanged=2)
    store.edit("conf/test/Same", 9, text="Other words of reader 9.")
    assert poll(service) == intake.IngestResult(changed=1, unchanged=1)
    assert sorted(known(service)) == ["Other words of reader 9.", "Words of reader 3 alone."]


def test_sections_that_could_not_be_read_at_first_are_read_later(
    store: Store, make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    service = make_service(source=source(store))
    real = Database._rows

    def fails(self: Database, statement: str, given: Any) -> Any:
        if "FROM sections" in statement:
            raise SourceError("not now")
        return real(self, statement, given)

    monkeypatch.setattr(Database, "_rows", fails)
    report = Report()
    service.poller.poll("store", report, at_once=True)
    assert report.source_errors == {"store": "not now"}
    monkeypatch.setattr(Database, "_rows", real)
    poll(service)
    with service.ledger.read() as tx:
        assert ["cs"] in list(tx.scalars(sa.select(papers.c.sections)))


def test_the_key_of_a_paper_with_private_summaries_alone_stays_there(
    store: Store, make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "STRETCH", 1)
    store.add(1)
    store.paper("conf/test/Paper2")
    store.summary("conf/test/Paper2", 1, priv=True)
    service = make_service(source=source(store))
    for _ in range(4):
        poll(service)
        with service.ledger.read() as tx:
            assert "Paper2" not in str(tx.execute(sa.text("SELECT * FROM sources")).all())


def test_votes_without_a_date_are_found_in_their_turn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}"), f"sqlite:///{tmp_path / 'store.db'}")
    store.add(1)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE votes DROP COLUMN edited")
    store.engine.dispose()
    database = reader(store)
    assert database.news(0) == ["conf/test/Paper1"]
    assert "votes has no column edited" in caplog.text
    database.close()


@pytest.mark.parametrize("identifier", ["n + 1000", "'x' || n", "n * 1.0", "n"])
def test_a_number_of_any_kind_tells_summaries_apart(tmp_path: Path, make_service: Make, identifier: str) -> None:
    service = make_service(source=own(tmp_path, COLUMNS.replace("n AS id", f"{identifier} AS id")))
    assert poll(service) == intake.IngestResult(new=3)
    change(tmp_path, "UPDATE notes SET words = 'other words now' WHERE n = 1")
    assert poll(service) == intake.IngestResult(changed=1, unchanged=2)
    assert poll(service) == intake.IngestResult(unchanged=3)


def test_a_query_of_ones_own_on_a_server(store: Store, make_service: Make) -> None:
    store.add(1)
    store.add(2)
    query = (
        "SELECT v.userid AS id, p.title AS title, v.text AS body, 'https://example.org/x' AS link, u.displayname AS writer "
        "FROM vignettes v JOIN papers p ON p.bibtexkey = v.paperid JOIN users u ON u.userid = v.userid -- all of them"
    )
    service = make_service(source={"kind": "database", "url": store.address, "query": query})
    assert poll(service) == intake.IngestResult(new=2)
    store.delete("conf/test/Paper1", 1)
    assert poll(service) == intake.IngestResult(unchanged=1, withdrawn=1)
    store.delete("conf/test/Paper2", 2)
    assert poll(service).withdrawn == 1


def test_odd_values_in_a_query(tmp_path: Path, make_service: Make, caplog: pytest.LogCaptureFixture) -> None:
    columns = COLUMNS + ", 1e30 AS votes, 1793923200 + n AS changed, '{}' AS venue, 99999 AS year"
    service = make_service(source=own(tmp_path, columns))
    assert poll(service) == intake.IngestResult(new=3)
    assert known(service, summaries.c.votes) == [None] * 3
    assert known(service, summaries.c.source_date)[0] == datetime(2026, 11, 6, tzinfo=UTC)
    change(tmp_path, "UPDATE notes SET head = NULL WHERE n = 1")
    assert poll(service).withdrawn == 1
    assert "it needs a key, a title and a web address" in caplog.text


def test_two_notes_of_one_writer_on_one_paper(tmp_path: Path, make_service: Make) -> None:
    service = make_service(source=own(tmp_path, COLUMNS + ", 'one paper' AS paper, 'Ada' AS writer", rows=1))
    assert poll(service).new == 1
    change(tmp_path, "UPDATE notes SET hidden = 1")
    change(tmp_path, "INSERT INTO notes (n, head, words) VALUES (7, 'Title 7', 'Another note by her.')")
    assert poll(service) == intake.IngestResult(new=1, withdrawn=1)


def test_a_store_that_changes_with_every_look_ends_no_tick(tmp_path: Path, make_service: Make, clock: Clock) -> None:
    service = make_service(source=own(tmp_path, COLUMNS + ", random() AS venue"))
    service.tick()
    clock.forward(hours=1)
    assert any("keeps changing in its store" in trouble for trouble in service.tick().troubles)


@pytest.mark.parametrize(
    "query",
    ["SELECT 1 LIMIT 5", "select * from x order by y limit 10 offset 3 ;", "SELECT 1 FETCH FIRST 3 ROWS ONLY", " "],
)
def test_a_query_that_would_withdraw_what_it_cuts_off(query: str) -> None:
    with pytest.raises(ConfigError, match=r"leave out LIMIT|write a SELECT"):
        config.build({"sources": {"store": {"kind": "database", "url": "sqlite:///x.db", "query": query}}})


@pytest.mark.parametrize("address", ["mysql://reader:p@ss/w:rd@db/store", "postgresql://reader:pa/ss@db/store"])
def test_a_password_that_would_be_taken_for_a_host(address: str) -> None:
    for raw in (
        {"database": address},
        {"sources": {"store": {"kind": "database", "url": address, "layout": "shortscience"}}},
    ):
        with pytest.raises(ConfigError, match="write @ as %40") as caught:
            config.build(raw)
        assert "p@ss" not in str(caught.value)
        assert "pa/ss" not in str(caught.value)


# ---- anything at all


class StoreMutations(RuleBasedStateMachine):
    """A store that its users change in every way the site lets them, polled now and then, a few rows at a time. After a
    round of polls the ledger holds what the store shows to everybody, each summary under the id it always had."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        file = f"{self.folder.name}/store.db"
        self.store = Store(sa.create_engine(f"sqlite:///{file}"), f"sqlite:///{file}")
        self.patch = pytest.MonkeyPatch()
        for name, value in (("STRETCH", 3), ("PAGE", 2), ("FIRST_READING", 2), ("FEW", 4)):
            self.patch.setattr(database_module, name, value)
        self.ledger = Ledger("sqlite://")
        self.ledger.prepare()
        self.service = Service(config.build({"sources": {"store": source(self.store)}}), self.ledger, lambda: START)
        self.rows: dict[tuple[str, int], dict[str, Any]] = {}
        self.ids: dict[tuple[str, int], int] = {}
        self.texts = iter(range(10**6))
        for user in range(3):
            self.store.user(user)
        for paper in range(4):
            self.store.paper(f"conf/test/{paper}", title=f"Title {paper // 2}")  # two keys to a title

    @rule(paper=st.integers(0, 3), user=st.integers(0, 2), priv=st.booleans(), anon=st.booleans())
    def add(self, paper: int, user: int, priv: bool, anon: bool) -> None:
        key = f"conf/test/{paper}"
        if (key, user) not in self.rows:
            self.rows[key, user] = {"text": self._text(), "priv": priv, "anon": anon, "votes": 2}
            self.store.summary(key, user, **self.rows[key, user])

    def _text(self) -> str:
        number = next(self.texts)
        return " ".join(f"w{number * 7 + n}" for n in range(6))

    @rule(
        at=st.integers(0, 11),
        silently=st.booleans(),
        what=st.sampled_from(["text", "priv", "anon", "delete", "vote", "slightly"]),
    )
    def change(self, at: int, silently: bool, what: str) -> None:
        if not self.rows:
            return
        key, user = list(self.rows)[at % len(self.rows)]
        row = self.rows[key, user]
        if what == "delete":
            self.store.delete(key, user)
            with self.store.engine.begin() as connection:
                mine = (self.store.votes.c.paperid == key, self.store.votes.c.userid == user)
                connection.execute(self.store.votes.delete().where(*mine))
            del self.rows[key, user]
            self.ids.pop((key, user), None)
        elif what == "vote":
            row["votes"] += 1
            self.store.vote(key, user, 5000 + next(self.texts))
        elif what in ("priv", "anon"):
            row[what] = not row[what]
            self.store.edit(key, user, silently=silently, **{what: row[what]})
        else:
            row["text"] = self._text() if what == "text" else row["text"] + " more"
            self.store.edit(key, user, text=row["text"])

    @rule()
    def poll(self) -> None:
        poll(self.service)

    @rule()
    def look(self) -> None:
        for _ in range(8):
            poll(self.service)
        with self.ledger.read() as tx:
            found = tx.execute(sa.select(summaries).where(summaries.c.withdrawn_at.is_(None))).all()
            everything = repr(tx.execute(sa.select(summaries)).all())
        public = {at: row for at, row in self.rows.items() if not row["priv"]}
        assert sorted((row.key, row.body, row.votes, row.writer) for row in found) == sorted(
            (key, row["text"], row["votes"], None if row["anon"] else f"Reader {user}")
            for (key, user), row in public.items()
        )
        by_text = {row.body: row.id for row in found}
        for at, row in public.items():
            assert self.ids.setdefault(at, by_text[row["text"]]) == by_text[row["text"]]
        assert not any(row["text"] in everything for row in self.rows.values() if row["priv"])

    def teardown(self) -> None:
        self.look()
        self.service.close()
        self.ledger.close()
        self.store.engine.dispose()
        self.patch.undo()
        self.folder.cleanup()


StoreMutations.TestCase.settings = settings(max_examples=20, stateful_step_count=15)
TestStoreMutations = StoreMutations.TestCase
