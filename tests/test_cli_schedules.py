"""plan, why, approve, edit, decline as a shell sees them; and a configuration that changes while `run` continues."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
from datetime import datetime
from pathlib import Path
from subprocess import Popen

import pytest
from helpers.basics import SECRETS, Feed
from test_cli import config, digestbot, start, world, write  # noqa: F401 - fixtures among them

from digestbot.cli.common import now_
from digestbot.cli.config_reload import Reloader
from digestbot.config import Config, load
from digestbot.ledger import Ledger
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox


def add_key(file: str, *lines: str) -> None:
    path = Path(file)
    path.write_text(path.read_text() + "\n".join(lines) + "\n")


@pytest.fixture
def daily(world: Sandbox, feed: Feed, tmp_path: Path) -> str:  # noqa: F811
    """A configuration with one slot a day, over a ledger that knows three summaries."""
    for number in range(3):
        feed.add(number)
    write(tmp_path / "config.toml", world.url, schedule="every day at 12:00")
    file = str(tmp_path / "config.toml")
    assert digestbot("-c", file, "once")[0] == 0
    return file


@pytest.fixture
def approving(config: str, feed: Feed, tmp_path: Path) -> str:  # noqa: F811
    """A configuration whose digest needs approval, over a ledger that knows a summary and whose slots are due."""
    feed.add(0)
    add_key(config, "approval = true", 'approve_by = "9 days"')
    digestbot("-c", config, "once", "-q")
    move_back(tmp_path / "ledger.db")
    return config


def test_plan_shows_what_comes(daily: str, tmp_path: Path) -> None:
    before = (tmp_path / "ledger.db").read_bytes()
    code, out, _ = digestbot("-c", daily, "plan", "--days", "5", "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 10
    assert set(rows[0]) >= {"at", "digest", "channel", "summaries", "cost"}
    first = datetime.fromisoformat(rows[0]["at"])
    assert (first.hour, first.minute, first.utcoffset() is not None) == (12, 0, True)
    on_x = [row for row in rows if row["channel"] == "x"]
    assert [len(row["summaries"]) for row in on_x] == [1, 1, 1, 0, 0]
    assert [row["cost"] for row in on_x] == [0.2, 0.2, 0.2, 0, 0]
    assert on_x[3]["note"] == "nothing is pending"
    assert on_x[0]["summaries"][0]["title"] == "Paper Number 0"
    assert (tmp_path / "ledger.db").read_bytes() == before

    code, out, _ = digestbot("-c", daily, "plan", "--days", "5", "--channel", "page", "--digest", "latest")
    assert code == 0
    assert out.count("latest on page") == 5
    assert "latest on x" not in out
    assert "12:00 UTC" in out
    assert "Paper Number 2" in out
    assert "3 slots with posts, 2 empty slots; $0.00 in total (estimate)" in out
    later = f"{first.year + 1}-06-01"
    code, out, _ = digestbot("-c", daily, "plan", "--from", later, "--days", "1", "--json")
    assert [row["at"][:10] for row in json.loads(out)] == [later, later]


def test_what_a_plan_cannot_be_asked(daily: str) -> None:
    for arguments, said in (
        (["plan", "--from", "soon"], "--from: 'soon' is not a time; use one such as"),
        (["plan", "--from", "9999-12-31"], "--from: the year is out of range"),
        (["plan", "--from", "2050-12-31"], "--from: is more than ten years ahead"),
        (["why", "9" * 40], "no summary is known by"),
        (["approve", "9" * 40], "is not a number"),
        (["plan", "--from", "2020-01-01"], "--from: is in the past"),
        (["plan", "--digest", "d"], "there is no digest 'd'"),
        (["plan", "--channel", "c"], "there is no channel 'c'"),
        (["edit", "1"], "post 1"),
    ):
        code, out, err = digestbot("-c", daily, *arguments)
        assert code in (1, 2)
        assert out == ""
        assert said in err


def test_why(daily: str) -> None:
    code, out, _ = digestbot("-c", daily, "why", "conf/test/Paper1", "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert [(reason["channel"], reason["because"]) for reason in found["reasons"]] == [
        ("x", "one goes before it"),
        ("page", "one goes before it"),
    ]
    assert found["reasons"][0]["at"].endswith("12:00:00+00:00")
    digestbot("-c", daily, "send", "latest")
    code, out, _ = digestbot("-c", daily, "why", "1")
    assert code == 0
    assert "Paper Number 0, by Reader 0 (from store)" in out
    assert "latest on x: post 1 is published since " in out
    code, out, _ = digestbot("-c", daily, "why", "2")
    assert "latest on page: goes out at " in out
    assert "; pending since " in out
    code, _, err = digestbot("-c", daily, "why", "nothing like it")
    assert code == 1
    assert "no summary is known by 'nothing like it'" in err


def test_a_persons_word(config: str, feed: Feed, world: Sandbox, tmp_path: Path) -> None:  # noqa: F811
    for number in range(4):
        feed.add(number)
    add_key(config, "approval = true", 'catch_up = "all"')
    digestbot("-c", config, "once")
    ledger = tmp_path / "ledger.db"
    move_back(ledger)
    code, out, err = digestbot("-c", config, "once", "--json")
    waiting = json.loads(out)["needs_approval"]
    assert code == 3
    assert "post(s) need approval: digestbot approve" in err
    assert len(waiting) >= 4
    assert world.world.timelines["twitter"] == []

    code, out, _ = digestbot("-c", config, "approve")
    assert code == 0
    assert f"post {waiting[0]}, latest on " in out
    code, out, _ = digestbot("-c", config, "approve", "--json")
    rows = json.loads(out)
    assert [row["id"] for row in rows] == waiting
    first = next(row for row in rows if row["channel"] == "x")
    code, out, _ = digestbot("-c", config, "edit", str(first["id"]), "--text", "In my own words.")
    assert code == 0
    assert "In my own words." in out
    assert "It still needs approval." in out
    words = tmp_path / "words.txt"
    words.write_text("From a file.\n")
    assert digestbot("-c", config, "edit", str(first["id"]), "--file", str(words))[0] == 0
    words.write_bytes(b"\xff")
    code, _, err = digestbot("-c", config, "edit", str(first["id"]), "--file", str(words))
    assert (code, "is not UTF-8 text" in err) == (2, True)
    code, _, err = digestbot("-c", config, "edit", str(first["id"]))
    assert (code, "--text TEXT or --file FILE" in err) == (2, True)
    code, out, _ = digestbot("-c", config, "approve", str(first["id"]), "--json")
    assert json.loads(out) == {"approved": [first["id"]], "rendered_again": []}
    last = rows[-1]["id"]
    code, out, _ = digestbot("-c", config, "decline", str(last), "--reason", "no")
    assert (code, out) == (0, f"Declined post {last}; its summaries are skipped.\n")
    code, _, err = digestbot("-c", config, "approve", str(last))
    assert (code, f"post {last} is declined: it does not need approval" in err) == (1, True)
    digestbot("-c", config, "once")
    assert [tweet.text for tweet in world.world.timelines["twitter"]] == ["From a file."]


def test_an_edition_approved_late_is_shown_first(approving: str) -> None:
    assert digestbot("-c", approving, "once", "-q")[0] == 3
    ledger = Path(approving).with_name("ledger.db")
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE editions SET made_at = datetime('now', '-2 days') || '.000000'")
        connection.execute("UPDATE summaries SET writer = 'Somebody Else'")
    connection.close()
    code, out, _ = digestbot("-c", approving, "approve", "1")
    assert code == 3
    assert "Post 1 was created more than a day ago, so it was rendered again." in out
    assert "Somebody Else" in out
    assert "Check the text and approve it once more." in out
    code, out, _ = digestbot("-c", approving, "approve", "1", "--json")
    assert (code, json.loads(out)) == (0, {"approved": [1], "rendered_again": []})


def test_why_says_what_holds_a_post(approving: str) -> None:
    digestbot("-c", approving, "once", "-q")
    found = digestbot("-c", approving, "why", "1")[1]
    assert re.search(r"post \d is pending; held: waits for approval until", found)
    (shown,) = json.loads(digestbot("-c", approving, "why", "1", "--json")[1])
    assert shown["reasons"][0]["held"][0]["reason"].startswith("waits for approval")


def test_an_empty_plan_is_an_empty_list(daily: str) -> None:
    replace(Path(daily), Path(daily).read_text().replace('channels = ["x", "page"]', 'channels = ["x"]'))
    assert json.loads(digestbot("-c", daily, "plan", "--channel", "page", "--json")[1]) == []
    assert digestbot("-c", daily, "plan", "--channel", "page")[1].startswith("nothing within 7 days")


def test_check_tells_of_slots_that_will_not_come(approving: str) -> None:
    digestbot("-c", approving, "once", "-q")
    with sqlite3.connect(Path(approving).with_name("ledger.db")) as connection:
        connection.execute(
            "INSERT INTO slots (digest, channel, nominal, due, scheduled, reached_at, ahead) VALUES "
            "('latest', 'x', 'n', datetime('now', '+300 days') || '.000000', 1, datetime('now') || '.000000', 1)"
        )
        connection.execute(
            "INSERT INTO alerts (kind, subject, note, raised_at) VALUES "
            "('make-up', 'latest on x', 'n', datetime('now') || '.000000')"
        )
    connection.close()
    found = digestbot("-c", approving, "check")[1]
    assert "BAD  slots of latest on x: 1 to come, the last of" in found
    assert "all stay empty until you decide whether to catch up on missed slots: digestbot alerts" in found


def move_back(ledger: Path) -> None:
    """Let the digest have been seen some minutes ago, so that slots are due."""
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE cursors SET first_seen_at = datetime('now', '-4 minutes') || '.000000'")
    connection.close()


def read_until(process: Popen[str], wanted: str) -> str:
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if wanted in line:
            return seen
    raise AssertionError(f"{wanted!r} not in:\n{seen}")


def test_a_changed_configuration_is_taken_up_while_it_runs(daily: str) -> None:
    file = Path(daily)
    process = start("-c", daily, "run")
    try:
        read_until(process, "running: 1 source(s)")
        replace(file, file.read_text().replace("every day at 12:00", "every day at 13:30"))
        process.send_signal(signal.SIGHUP)
        seen = read_until(process, "13:30 UTC, latest on x: 1 (Paper Number 0)")
        assert "in the plan for the next 7 days 6 posts removed, 6 added" in seen
        before = "12:00 UTC, latest on x: 1 (Paper Number 0)"  # first or not, as the clock has it
        assert before in seen or read_until(process, before)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_only_a_valid_configuration_is_taken_up(
    daily: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
        monkeypatch.delenv(name)
    caplog.set_level(logging.INFO, "digestbot")
    file = Path(daily)
    sound = file.read_text()
    ledger = Ledger(f"sqlite:///{file.parent / 'ledger.db'}")
    secrets: list[str] = []

    def made(by: Config) -> Service:
        return Service(by, ledger, now_)

    reloader = Reloader(made(load(file, {})), now_, made, lambda some, _: secrets.extend(some))
    first = reloader.service
    reloader.look()
    assert reloader.service is first

    for broken, said in (
        (
            sound.replace("every day at 12:00", "every day at 25:00"),
            "digests.latest.schedule: '25:00' is not a time of day",
        ),
        (sound + 'template = "missing"\n', "template missing.twitter.txt.j2: not found"),
        ("[", "is not valid TOML"),
    ):
        replace(file, broken)
        looks_twice(reloader)
        assert reloader.service is first
        assert "the configuration was not reloaded: " in caplog.text
        assert said in caplog.text
        caplog.clear()
    file.unlink()
    looks_twice(reloader)
    assert caplog.text == ""

    replace(file, sound.replace("every day at 12:00", "every minute").replace("k1234", "k5678"))
    looks_twice(reloader)
    assert reloader.service is not first
    assert "2 posts are no longer" not in caplog.text
    assert "posts removed" in caplog.text
    assert SECRETS["api_key"] in secrets
    caplog.clear()
    reloader.look()
    assert caplog.text == ""
    reloader.asked.set()
    reloader.look()
    reloader.close_old()
    assert "nothing changes" in caplog.text
    caplog.clear()
    replace(file, file.read_text().replace("ledger.db", "other.db"))
    looks_twice(reloader)
    assert "a different ledger takes effect at the next start" in caplog.text
    ledger.close()


def looks_twice(reloader: Reloader) -> None:
    """A changed file is taken up once it has stopped changing."""
    reloader.look()
    reloader.look()
    reloader.close_old()


def replace(file: Path, text: str) -> None:
    """As editors do: another file takes its place."""
    other = file.with_suffix(".new")
    other.write_text(text)
    other.replace(file)
