"""The commands as a shell sees them: output, exit codes, signals, and no secret anywhere."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import PAGE_SECRETS, PROCESSES, SECRETS, Feed, feed_item, filled_in
from helpers.json_documents import check_document

from digestbot import __version__
from digestbot.cli import main
from digestbot.cli.parser import parser
from digestbot.sandbox import Answer, Sandbox

COMMANDS = [
    "run",
    "once",
    "send",
    "preview",
    "posts",
    "plan",
    "why",
    "web",
    "approve",
    "edit",
    "decline",
    "backlog",
    "sources",
    "alerts",
    "summary",
    "slot",
    "pause",
    "resume",
    "pause-all",
    "resume-all",
    "db",
    "export",
    "check",
    "init",
    "login",
    "logout",
    "adopt",
    "completion",
    "sandbox",
    "demo",
]
JSON_COMMANDS = [
    "login",
    "once",
    "send",
    "preview",
    "posts",
    "plan",
    "why",
    "approve",
    "backlog",
    "sources",
    "alerts",
    "check",
    "demo",
]


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGESTBOT_")}
    environment |= {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"} | options.pop("env", {})
    process = subprocess.Popen(
        [sys.executable, "-m", "digestbot", *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
        **options,
    )
    PROCESSES.append(process)
    return process


SHELL = ("demo", "sandbox", "--version", "run")  # what has a process of its own


def digestbot(*arguments: str, **options: Any) -> tuple[int, str, str]:
    """What a command prints and gives. Most are called in this process, which spares each the start of another."""
    if set(options) - {"env"} or not arguments or any(word in SHELL for word in arguments):
        code, out, err = in_a_process(*arguments, **options)
    else:
        code, out, err = called(*arguments, **options)
    for secret in [*SECRETS.values(), *PAGE_SECRETS.values()]:
        assert secret not in out + err
    check_document(arguments, out)
    return code, out, err


def in_a_process(*arguments: str, **options: Any) -> tuple[int, str, str]:
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def called(*arguments: str, said: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """The same in this process, which is left as it was; ``said`` is its standard input."""
    root, ours = logging.getLogger(), logging.getLogger("digestbot")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before = list(root.handlers), root.level, ours.level
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patched:
            for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
                patched.delenv(name)
            for name, value in (env or {}).items():
                patched.setenv(name, value)
            patched.setattr(gc, "freeze", lambda: None)  # what lives on in a process is garbage here
            patched.setattr(sys, "stdin", io.StringIO(said))
            try:
                code = main(list(arguments))
            except SystemExit as ended:
                code = int(ended.code or 0)
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
        for number, handler in handlers.items():
            signal.signal(number, handler)

    said = []
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        said.append(stream.buffer.getvalue().decode())
    return code, said[0], said[1]


@pytest.fixture
def world(feed: Feed) -> Iterator[Sandbox]:
    """A sandbox on the real clock, for processes that read it."""
    with Sandbox(
        secrets={
            "twitter": (SECRETS["api_secret"], SECRETS["access_token_secret"]),
            "facebook": PAGE_SECRETS["app_secret"],
        },
        documents={"/rss-full.xml": feed},
    ) as running:
        yield running


@pytest.fixture
def config(world: Sandbox, tmp_path: Path) -> str:
    file = tmp_path / "config.toml"
    write(file, world.url)
    return str(file)


def write(file: Path, url: str, backlog: str = "all", schedule: str = "* * * * *") -> None:
    file.write_text(f"""
database = "sqlite:///ledger.db"
timezone = "UTC"
[jobs]
threads = 1  # so that posts have the same numbers each time
[sources.store]
kind = "feed"
url = "{url}/rss-full.xml"
allow_private_addresses = true
[channels.x]
platform = "twitter"
api_url = "{url}"
api_key = "{SECRETS["api_key"]}"
api_secret = "{SECRETS["api_secret"]}"
access_token = "{SECRETS["access_token"]}"
access_token_secret = "{SECRETS["access_token_secret"]}"
[channels.page]
platform = "facebook"
api_url = "{url}"
page_id = "200"
access_token = "{PAGE_SECRETS["access_token"]}"
app_secret = "{PAGE_SECRETS["app_secret"]}"
[digests.latest]
sources = ["store"]
channels = ["x", "page"]
schedule = "{schedule}"
backlog = "{backlog}"
""")


def test_version() -> None:
    assert digestbot("--version") == (0, f"digestbot {__version__}\n", "")


def test_every_command_has_help() -> None:
    (subparsers,) = (action for action in parser()._actions if action.dest == "command")
    assert sorted(subparsers.choices or ()) == sorted(COMMANDS)
    code, out, _ = digestbot("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in out
        with pytest.raises(SystemExit) as caught:
            parser().parse_args([command, "--help"])
        assert caught.value.code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["send"],
        ["send", "latest", "--count", "0"],
        ["sandbox", "--port", "99999"],
        ["posts", "--nonsense"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    code, out, err = digestbot(*arguments)
    assert (code, out) == (2, "")
    assert "usage: digestbot" in err


def test_once_send_posts_and_preview(config: str, feed: Feed, world: Sandbox) -> None:
    for number in range(3):
        feed.add(number)
    code, out, _ = digestbot("-c", config, "preview", "latest", "--json")
    assert code == 0
    shown = json.loads(out)
    assert [(row["channel"], row["pending"]) for row in shown] == [("x", 3), ("page", 3)]
    assert shown[0]["posts"][0]["length"] <= shown[0]["posts"][0]["limit"] == 280
    assert not (Path(config).parent / "ledger.db").exists()

    code, out, _ = in_a_process("-c", config, "once", "--json")
    assert (code, json.loads(out)["posts"]) == (0, [])  # first sight: the next minute's slot is not due yet

    code, out, _ = in_a_process("-c", config, "send", "latest", "--count", "2", "--json")
    assert code == 0
    assert len(json.loads(out)["posts"]) == 4
    assert len(world.world.timelines["twitter"]) == len(world.world.timelines["facebook"]) == 2
    assert world.world.timelines["twitter"][0].text == shown[0]["posts"][0]["text"]

    code, out, _ = digestbot("-c", config, "posts", "--json")
    listed = json.loads(out)
    assert code == 0
    assert {"id", "status", "channel", "digest", "at", "text", "receipt", "error"} <= set(listed[0])
    assert [row["status"] for row in listed] == ["published"] * 4
    assert listed[0]["receipt"]["url"].startswith(world.url)

    code, out, _ = digestbot("posts", "-c", config, "--channel", "x", "--limit", "1", "--status", "published")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert "Paper Number 1" in out
    assert "x in " in out.splitlines()[-1]
    assert "$0.41 spent" in out.splitlines()[-1]  # two posts, and the account read once
    code, out, _ = digestbot("-c", config, "preview", "latest", "--channel", "x")
    assert "Paper Number 2" in out
    assert "of 280 characters" in out
    assert "latest on x (X), slot " in out


def test_what_waits_for_a_person_shows_in_the_exit_code(config: str, feed: Feed, world: Sandbox) -> None:
    feed.add(0)
    world.faults.add("drop-after", "twitter")
    world.faults.add("unauthorized", "facebook")
    code, out, err = digestbot("-c", config, "send", "latest")
    assert code == 3
    assert "unknown" in out
    assert "channel page is paused: Facebook: the token is no longer valid" in err
    code, out, err = digestbot("-c", config, "once", "--json")
    assert code == 3
    assert json.loads(out)["needs_decision"] == 1
    assert "1 post(s) may have been published; the timeline is being checked: digestbot posts --status unknown" in err
    assert "page" in json.loads(out)["paused_channels"]
    assert len(world.world.timelines["twitter"]) == 1


def test_what_a_person_does_about_it(config: str, feed: Feed, world: Sandbox) -> None:
    feed.add(0)
    world.faults.add("drop-before", "twitter")
    world.faults.add("unauthorized", "facebook")
    assert digestbot("-c", config, "send", "latest")[0] == 3
    code, out, _ = digestbot("-c", config, "posts", "show", "1")
    assert code == 0
    assert "post 1: unknown (digest latest on x" in out
    assert "attempt 1 at" in out
    code, out, _ = digestbot("-c", config, "posts", "show", "1", "--json")
    assert [row["outcome"] for row in json.loads(out)["attempt_history"]] == ["unknown"]
    code, _, err = digestbot("-c", config, "posts", "resolve", "1", "--published", "nonsense")
    assert code == 2
    assert "write the post's number" in err
    code, _, err = digestbot("-c", config, "posts", "resolve", "1", "--published", "https://x.com/someone/status/123")
    assert (code, "x.com is not X" in err) == (2, True)  # the sandbox is this channel's X
    code, _, err = digestbot("-c", config, "posts", "resolve", "1", "--published", "123")
    assert (code, "post not found on x" in err) == (1, True)
    by_hand = world.by_hand("twitter", "A person's own words")
    address = f"{world.url}/i/web/status/{by_hand.id}"
    code, out, _ = digestbot("-c", config, "posts", "resolve", "1", "--published", f"{address}?s=20")
    assert code == 0
    assert out.startswith(f"Post 1: unknown -> published as {address}.")
    assert "on the platform:\n  │ A person's own words\n" in out
    assert "The texts differ, so digestbot will never edit or delete this post." in out
    assert out.endswith("digestbot posts reopen 1\n")
    code, _, err = digestbot("-c", config, "posts", "retry", "1")
    assert code == 1
    assert "post 1 is published: nothing to decide" in err
    assert digestbot("-c", config, "posts", "show", "99")[0] == 1

    code, out, _ = digestbot("-c", config, "resume", "page")
    assert (code, out) == (0, "Channel page resumed.\n")
    assert digestbot("-c", config, "once")[0] == 0
    assert (
        world.world.timelines["facebook"] == []
    )  # a refusal may be wrong: it is looked for once the timeline shows it
    end_the_quiet_period(config)
    assert digestbot("-c", config, "once")[0] == 0
    assert len(world.world.timelines["facebook"]) == 1
    feed.add(1)
    assert digestbot("-c", config, "pause", "page", "--reason", "holidays")[0] == 0
    code, _, err = digestbot("-c", config, "send", "latest")
    assert code == 3
    assert "channel page is paused: holidays; to resume it: digestbot resume page" in err
    code, out, _ = digestbot("-c", config, "posts", "--status", "pending")
    waiting = out.splitlines()[1].split()[0]
    assert digestbot("-c", config, "posts", "resolve", waiting, "--skip")[0] == 0
    assert digestbot("-c", config, "posts", "retry", waiting)[0] == 0
    assert digestbot("-c", config, "pause", "nope")[0] == 2
    assert len(world.world.timelines["facebook"]) == 1


def end_the_quiet_period(config: str) -> None:
    """As if it had passed: the time of commands is the machine's."""
    with closing(sqlite3.connect(Path(config).parent / "ledger.db")) as connection, connection:
        connection.execute("UPDATE posts SET not_before = NULL WHERE status = 'pending'")


def test_care_for_the_ledger(config: str, feed: Feed, tmp_path: Path) -> None:
    assert digestbot("-c", config, "db", "check")[0] == 2  # none yet
    digestbot("-c", config, "once")
    assert digestbot("-c", config, "db", "check")[:2] == (0, "the ledger is sound\n")
    assert digestbot("-c", config, "db", "upgrade")[0] == 0
    assert digestbot("-c", config, "db", "restored")[0] == 0
    copy = str(tmp_path / "copy.db")
    assert digestbot("-c", config, "db", "backup", copy)[0] == 0
    code, _, err = digestbot("-c", config, "db", "backup", copy)
    assert code == 1
    assert "already exists" in err
    ledger = Path(config).parent / "ledger.db"
    content = bytearray(ledger.read_bytes())
    content[8192:12288] = b"\xff" * 4096
    ledger.write_bytes(content)
    code, out, _ = digestbot("-c", config, "db", "check")
    assert code == 1
    assert out
    code, _, err = digestbot("-c", config, "once")
    assert code == 1
    assert "nothing is posted" in err or "malformed" in err


def test_the_backlog_says_what_comes_next_and_what_waits_for_what(config: str, feed: Feed) -> None:
    feed.add(1)
    feed.add(2, body="...")
    feed.add(3, user="anon")
    for command in (["backlog", "latest"], ["plan", "--days", "1"]):  # before the first run, as it would find things
        code, out, err = digestbot("-c", config, *command)
        assert (code, "there is no ledger yet: this is what the first run would find" in err) == (0, True)
        assert "Paper Number 1" in out
    assert not (Path(config).parent / "ledger.db").exists()
    digestbot("-c", config, "once", "-q")
    code, out, _ = digestbot("-c", config, "backlog", "latest")
    assert code == 0
    assert "latest on x: 3 pending, 0 taken, 0 skipped" in out
    assert [line.split()[-1] for line in out.splitlines() if "Paper Number" in line] == ["ready", "ready", "yet"] * 2
    assert "anonymous" in out
    code, out, _ = digestbot("-c", config, "backlog", "latest", "--channel", "x", "--limit", "2", "--json")
    (shown,) = json.loads(out)
    assert [row["blocked_reason"] for row in shown["pending"]] == [None, None]
    assert shown["pending"][0]["title"] == "Paper Number 1"
    code, out, _ = digestbot("-c", config, "backlog", "latest", "--json")
    assert json.loads(out)[1]["pending"][2]["blocked_reason"] == "has no text yet"
    assert digestbot("-c", config, "backlog", "nonesuch")[0] == 2
    assert digestbot("-c", config, "backlog", "latest", "--channel", "nonesuch")[0] == 2


def test_an_alert_waits_for_the_operators_word(config: str, feed: Feed) -> None:
    feed.add(1)
    digestbot("-c", config, "once", "-q")
    assert digestbot("-c", config, "alerts") == (0, "no open alerts\n", "")
    feed.items[:] = [feed_item(number) for number in (7, 8, 9)]
    assert digestbot("-c", config, "send", "latest")[0] == 3
    code, out, _ = digestbot("-c", config, "alerts")
    assert code == 0
    assert "alert 1" in out
    assert "gap (store): none of the 3 items in the feed were known" in out
    code, out, _ = digestbot("-c", config, "once", "--json")
    assert code == 3
    assert json.loads(out)["alerts"][0]["kind"] == "gap"
    assert json.loads(digestbot("-c", config, "alerts", "--json")[1])[0]["posts"] == []
    assert digestbot("-c", config, "alerts", "confirm", "1")[1] == "Alert 1 is confirmed.\n"
    assert digestbot("-c", config, "alerts", "dismiss", "1")[0] == 1
    assert digestbot("-c", config, "once")[0] == 0


def test_an_older_digestbots_ledger_is_brought_up_to_date_on_request(config: str, feed: Feed) -> None:
    digestbot("-c", config, "once", "-q")
    ledger = sa.create_engine(f"sqlite:///{Path(config).parent / 'ledger.db'}")
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    ledger.dispose()
    code, _, err = digestbot("-c", config, "alerts")
    assert code == 1
    assert "digestbot db upgrade" in err


def test_a_ledger_that_cannot_be_written_or_forgets(config: str) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace("sqlite:///ledger.db", "sqlite://"))
    code, _, err = digestbot("-c", config, "once")
    assert code == 2
    assert "a ledger in memory forgets" in err
    file.write_text(file.read_text().replace("sqlite://", "mysql://root@localhost/x"))
    code, _, err = digestbot("-c", config, "once")
    assert code == 2
    assert "use sqlite or postgresql" in err


def test_a_terminal_that_lacks_a_character(config: str, feed: Feed) -> None:
    feed.add(0, title="Über 神经网络")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "POSIX"}
    code, out, err = in_a_process("-c", config, "send", "latest", env=ascii_only)
    assert code == 0
    assert "?ber ????" in out
    assert "Traceback" not in err


def test_the_demo_keeps_off_a_real_ledger(config: str) -> None:
    digestbot("-c", config, "once")
    ledger = str(Path(config).parent / "ledger.db")
    code, _, err = digestbot("demo", "--database", ledger)
    assert code == 1
    assert "was not created by the demo" in err


def test_the_demo_on_a_port_that_is_taken(world: Sandbox) -> None:
    code, _, err = digestbot("demo", "--port", world.url.rpartition(":")[2])
    assert code == 1
    assert "is already in use" in err
    assert "Traceback" not in err


def test_a_source_in_trouble_shows_in_the_exit_code(config: str, feed: Feed) -> None:
    feed.override = Answer(500, b"")
    code, _, err = digestbot("-c", config, "once")
    assert code == 1
    assert "returned 500" in err
    code, out, _ = digestbot("-c", config, "check")
    assert code == 1
    assert "BAD  source store: " in out


def test_nothing_to_send(config: str) -> None:
    code, out, _ = digestbot("-c", config, "send", "latest")
    assert code == 0
    assert "nothing to send now" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["send", "nope"], "there is no digest 'nope'; known: latest"),
        (["preview", "latest", "--channel", "nope"], "digest latest has no channel 'nope'"),
        (["posts", "--status", "nope"], "--status: one of pending"),
        (["posts"], "there is no ledger at"),
    ],
)
def test_what_cannot_be_done_says_why(config: str, arguments: list[str], words: str) -> None:
    code, out, err = digestbot("-c", config, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_no_configuration_and_a_bad_one(tmp_path: Path) -> None:
    code, _, err = digestbot("once", cwd=tmp_path, env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert code == 2
    assert "digestbot init" in err
    (tmp_path / "config.toml").write_text('tmezone = "x"\n[delivery]\nlease = 5\n')
    code, _, err = digestbot("once", cwd=tmp_path)
    assert code == 2
    assert err.splitlines() == [
        "config.toml: tmezone: unknown key; did you mean timezone?",
        'config.toml: delivery.lease: write a time span such as "15 minutes", "2 hours" or "1 day"',
    ] or set(err.splitlines()) == {
        "config.toml: tmezone: unknown key; did you mean timezone?",
        'config.toml: delivery.lease: write a time span such as "15 minutes", "2 hours" or "1 day"',
    }


def test_init_then_check(tmp_path: Path) -> None:
    code, out, _ = digestbot("init", "--full", cwd=tmp_path)
    assert code == 0
    assert "digestbot -c config.toml check" in out
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    code, _, err = digestbot("check", cwd=tmp_path)
    assert code == 2
    assert err.count("is still the example's; fill it in") == 6
    filled = str(filled_in(tmp_path))
    code, out, _ = digestbot("-c", filled, "check")
    assert code == 0
    assert "ok   ledger:" in out
    code, _, err = digestbot("init", cwd=tmp_path)
    assert code == 2
    assert "already exists" in err
    code, _, err = digestbot("init", str(tmp_path / "no" / "folder.toml"))
    assert code == 2
    assert "cannot be written" in err


def test_check_finds_what_is_wrong(config: str, tmp_path: Path, feed: Feed, world: Sandbox) -> None:
    code, out, _ = digestbot("-c", config, "check", "--online", "--json")
    assert (code, "none of its entries can be used" in out) == (1, True)
    feed.add(0)
    code, out, _ = digestbot("-c", config, "check", "--online", "--json")
    assert code == 0
    found = {row["what"]: row for row in json.loads(out)}
    assert found["channel x"]["detail"] == "@sandbox_100 (id 100)"
    assert found["source store, now"]["detail"].startswith("1 entry, the newest of 2026-11-01")
    assert found["channel page"]["detail"] == "Sandbox Page (id 200)"
    assert found["template of latest for x"]["ok"]
    text = Path(config).read_text()
    Path(config).write_text(
        text.replace("ledger.db", "no/such/ledger.db").replace(SECRETS["api_secret"], "another")
        + 'template = "missing"\n'
    )
    code, out, _ = digestbot("-c", config, "check", "--online")
    assert code == 1
    assert "BAD  ledger: " in out
    assert "BAD  channel x: X: the keys or the access token were rejected" in out
    assert "BAD  template of latest for x: template missing.twitter.txt.j2: not found" in out
    (tmp_path / "ledger.db").write_bytes(b"junk" * 1000)
    Path(config).write_text(text)
    code, out, _ = digestbot("-c", config, "check")
    assert code == 1
    assert "not a database" in out


def wait_for(condition: Any, process: subprocess.Popen[str] | None = None, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        assert process is None or process.poll() is None, "the process ended"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_publishes_and_ends_cleanly_on_a_signal(config: str, feed: Feed, world: Sandbox, number: int) -> None:
    feed.add(0)
    digestbot("-c", config, "once")  # first sight
    # put first sight an hour back, so that a slot of the every-minute schedule is due at once
    import sqlite3

    with sqlite3.connect(Path(config).parent / "ledger.db") as ledger:
        ledger.execute("UPDATE cursors SET first_seen_at = datetime(first_seen_at, '-1 hour') || '.000000'")
    ledger.close()
    process = start("-c", config, "run")
    wait_for(lambda: world.world.timelines["twitter"] and world.world.timelines["facebook"], process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "running: 1 source(s), 2 channel(s), 1 digest(s)" in err
    assert "published as" in err
    assert "stopped" in err
    assert "Traceback" not in err


def test_killing_run_and_starting_again_posts_nothing_twice(config: str, feed: Feed, world: Sandbox) -> None:
    for number in range(3):
        feed.add(number)
    digestbot("-c", config, "send", "latest")
    for _ in range(2):
        process = start("-c", config, "run")
        wait_for(lambda: len(feed.requests) > 0, process)
        process.kill()
        process.communicate(timeout=30)
    code, _, _ = digestbot("-c", config, "once")
    assert code == 0
    assert len({tweet.text for tweet in world.world.timelines["twitter"]}) == len(world.world.timelines["twitter"])
    assert len({post.text for post in world.world.timelines["facebook"]}) == len(world.world.timelines["facebook"])


def test_the_sandbox_command(tmp_path: Path) -> None:
    process = start("sandbox", "--port", "0", "--fault", "429:2", "--lag", "1.5")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[2]
        with urllib.request.urlopen(url + "/", timeout=5) as response:
            assert b"digestbot sandbox" in response.read()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    code, _, err = digestbot("sandbox", "--port", "0", "--fault", "nonsense")
    assert code == 2
    assert "no such fault: nonsense" in err


def test_the_sandbox_on_a_port_that_is_taken(world: Sandbox) -> None:
    code, _, err = digestbot("sandbox", "--port", world.url.rpartition(":")[2])
    assert code == 1
    assert "is already in use" in err


def test_the_demo_and_a_second_run_over_its_ledger(tmp_path: Path) -> None:
    database = str(tmp_path / "demo.db")
    code, out, err = digestbot("demo", "--json", "--database", database)
    assert (code, err) == (0, "")
    first = json.loads(out)
    assert len(first["timelines"]["twitter"]) == len(first["timelines"]["facebook"]) == 12
    assert first["new_posts"] == 24
    texts = "\n".join(post["text"] for post in first["timelines"]["twitter"] + first["timelines"]["facebook"])
    assert not any(sign in texts for sign in ("**", "](", "$", "\\", "```", "# ", "&amp;", "| "))
    assert "Anonymous summary" in texts
    assert "李明" in texts
    code, out, _ = digestbot("demo", "--database", database)
    assert code == 0
    assert "0 new posts, 24 in all, 0 not published" in out
    assert "nothing new" in out


def test_the_demo_stays_up_when_asked_to() -> None:
    process = start("demo", "--keep")
    try:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            if "Both timelines" in line:
                url = line.split("see them: ")[1].split()[0]
                break
        with urllib.request.urlopen(url, timeout=5) as response:
            page = response.read().decode()
        assert page.count("<article ") == 24
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_reader_that_goes_away_is_no_error(config: str, feed: Feed) -> None:
    feed.add(0)
    digestbot("-c", config, "send", "latest")
    process = start("-c", config, "posts", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(30)


def test_secrets_are_taken_out_of_every_log_line() -> None:
    import logging

    from digestbot.cli.logs import RedactingFormatter

    formatter = RedactingFormatter(["hunter22", "hunter22-long"])
    try:
        raise ValueError("token hunter22-long")
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "", 0, "see %s", ("hunter22",), sys.exc_info())
    text = formatter.format(record)
    assert "hunter22" not in text
    assert "see ***" in text
    assert "token ***" in text
