"""What every kind of source must offer, those of the registry and one that only the tests know."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from helpers.basics import START, Clock, Feed, raw_config
from helpers.toys import LINES

from digestbot import config as configuration
from digestbot.domain.errors import ConfigError, SourceError
from digestbot.ledger import Ledger, queries, source_states, summary_rows
from digestbot.pipeline.app import Service
from digestbot.pipeline.report import Report
from digestbot.sandbox import Sandbox
from digestbot.sources.base import MOST_EXAMPLES
from digestbot.sources.registry import SOURCE_KINDS, get_source_kind

ROOT = Path(__file__).parent.parent


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the test's own kind of source reads: one entry of the registry, and nothing else."""
    monkeypatch.setitem(SOURCE_KINDS, "lines", LINES)
    file = tmp_path / "summaries.jsonl"
    write(file, 1)
    return file


def write(file: Path, *numbers: int) -> None:
    rows = [
        {
            "paper": f"conf/{number}",
            "title": f"Paper {number}",
            "writer": "Ada",
            "body": f"What paper {number} says.",
            "link": f"https://example.org/{number}",
        }
        for number in numbers
    ]
    file.write_text("\n".join(map(json.dumps, rows)))


def service_over(file: Path, url: str, clock: Clock, **digest: Any) -> Service:
    raw = raw_config(url, channels=["page"], schedule="every day at 09:00", **digest)
    raw["sources"] = {"store": {"kind": "lines", "file": str(file)}}
    service = Service(configuration.build(raw), Ledger(f"sqlite:///{file.parent / 'ledger.db'}", clock=clock), clock)
    service.prepare()
    return service


def test_a_new_kind_of_source_is_read_through_the_whole_service(lines: Path, sandbox: Sandbox, clock: Clock) -> None:
    service = service_over(lines, sandbox.url, clock)
    assert service.preview("latest", "page").drafts[0].message.text.startswith("Paper 1")
    service.tick()
    clock.now = START + timedelta(hours=2)
    write(lines, 1, 2)
    service.tick()
    assert [post.text.split("\n")[0] for post in sandbox.world.timelines["facebook"]] == ["Paper 1"]
    clock.now = START + timedelta(days=1, hours=2)
    service.tick()
    assert [post.text.split("\n")[0] for post in sandbox.world.timelines["facebook"]] == ["Paper 1", "Paper 2"]
    source = service.poller.source("store")
    assert (source.check(), source.probe(votes_wanted=False, sections_wanted=False)) == ("is a file", "2 lines")
    lines.unlink()
    report = Report()
    service.poller.poll("store", report, at_once=True)
    assert "No such file" in report.source_errors["store"]
    with service.ledger.read() as tx:
        assert "No such file" in queries.source_errors(tx)["store"]
    service.close()
    service.ledger.close()


def test_a_new_kind_of_source_can_be_a_reserve(lines: Path, sandbox: Sandbox, clock: Clock) -> None:
    raw = raw_config(sandbox.url)
    raw["sources"]["store"]["backfill"] = "lines"
    raw["sources"]["lines"] = {"kind": "lines", "file": str(lines)}
    assert configuration.build(raw).backfill_sources() == {"lines"}


def test_a_kind_without_sections_cannot_be_filtered_by_them(lines: Path) -> None:
    raw = raw_config("http://127.0.0.1:1", include={"sections": ["cs"]})
    raw["sources"] = {"store": {"kind": "lines", "file": str(lines)}}
    with pytest.raises(ConfigError, match="says which section"):
        configuration.build(raw)


@pytest.mark.parametrize("name", list(SOURCE_KINDS))
def test_a_registered_kind_is_complete(name: str) -> None:
    kind = get_source_kind(name)
    assert get_args(kind.config.model_fields["kind"].annotation) == (name,)
    docs = (ROOT / "docs" / "configuration.md").read_text()
    assert f'`"{name}"`' in docs
    assert all(f"`{key}`" in docs for key in kind.config.model_fields)
    assert f'kind = "{name}"' in (ROOT / "config.example.toml").read_text()


def test_an_unknown_kind_is_nobodys() -> None:
    with pytest.raises(LookupError, match="unknown kind of source 'nope'; known kinds: feed, database"):
        get_source_kind("nope")


def test_kinds_that_are_not_registered_are_not_configurable() -> None:
    raw = raw_config("http://127.0.0.1:1")
    raw["sources"] = {"store": {"kind": "lines", "file": "x"}}
    with pytest.raises(ConfigError, match=r'sources\.store\.kind: must be "feed" or "database"'):
        configuration.build(raw)


@pytest.mark.parametrize("name", [*SOURCE_KINDS, "lines"])
def test_a_source_reads_each_summary_once_and_reports_it(
    name: str, lines: Path, sandbox: Sandbox, feed: Feed, clock: Clock
) -> None:
    write(lines, 1, 2)
    for number in (1, 2):
        feed.add(number)
    store = lines.parent / "store.db"
    with closing(sqlite3.connect(store)) as raw, raw:
        raw.execute("CREATE TABLE notes (id INTEGER, title TEXT, body TEXT, link TEXT)")
        for number in (1, 2):
            raw.execute(
                "INSERT INTO notes VALUES (?, ?, 'Text.', ?)", (number, f"T{number}", f"https://e.org/{number}")
            )
    sections: dict[str, dict[str, Any]] = {
        "feed": {"url": f"{sandbox.url}/rss-full.xml", "allow_private_addresses": True},
        "database": {"url": f"sqlite:///{store}", "query": "SELECT id, title, body, link FROM notes"},
        "lines": {"file": str(lines)},
    }
    raw_settings = raw_config(sandbox.url)
    raw_settings["sources"] = {"store": {"kind": name} | sections[name]}
    ledger = Ledger(f"sqlite:///{lines.parent / 'ledger.db'}", clock=clock)
    service = Service(configuration.build(raw_settings), ledger, clock)
    service.prepare()
    source = service.poller.source("store")
    assert len({one.link for batch in source.read_all() for one in batch}) == 2
    assert source.probe(votes_wanted=False, sections_wanted=False)
    assert 1 <= len(source.examples) <= MOST_EXAMPLES
    for new in (2, 0):
        report = Report()
        service.poller.poll("store", report, at_once=True)
        assert report.source_errors == {}
        taken = report.polled["store"]
        assert (taken.new if taken else 0) == new
        with ledger.read() as tx:
            overview = source_states.source_overview(tx, "store")
        assert overview.known == 2
        assert overview.last_poll is not None
        assert overview.last_poll["entries"] == 2
    with ledger.read() as tx:
        known = list(summary_rows.summaries_by_id(tx, [1, 2], lock=False).values())
    assert source.confirm(known)
    service.close()
    ledger.close()


@pytest.mark.parametrize("name", [*SOURCE_KINDS, "lines"])
def test_a_source_that_cannot_be_read_says_so(name: str, lines: Path, sandbox: Sandbox, clock: Clock) -> None:
    sections = {
        "feed": {"url": f"{sandbox.url}/nowhere.xml", "allow_private_addresses": True},
        "database": {"url": f"sqlite:///{lines.parent / 'none.db'}", "layout": "shortscience"},
        "lines": {"file": str(lines.parent / "none.jsonl")},
    }
    raw = raw_config(sandbox.url)
    raw["sources"] = {"store": {"kind": name} | sections[name]}
    ledger = Ledger(f"sqlite:///{lines.parent / 'ledger.db'}", clock=clock)
    service = Service(configuration.build(raw), ledger, clock)
    service.prepare()
    source = service.poller.source("store")
    assert source.url
    for read in (lambda: list(source.read_all()), lambda: source.probe(votes_wanted=False, sections_wanted=False)):
        with pytest.raises(SourceError):
            read()
    service.close()
    ledger.close()
