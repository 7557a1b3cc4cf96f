"""The paths of the docs, walked: their commands are taken from the pages and run, in their order, against the sandbox."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from helpers.basics import Feed
from test_cli import called
from test_docs import DOCS, README

from digestbot.sandbox import Sandbox

LOGIN_ANSWERS = {
    "x": [("API Key .*: ", "key"), ("API Key Secret: ", "secret"), ("PIN: ", "PIN"), ("Post as.*: ", "y")],
    "page": [
        ("Login method.*: ", ""),
        ("App ID.*: ", "300"),
        ("App secret.*: ", "app-secret"),
        ("belong to a business.*: ", "n"),
        ("The address, or the token: ", "user-token"),
        ("Post on Sandbox Page.*: ", "y"),
    ],
}


class Walk:
    """A newcomer's folder, in which the commands of a page are run."""

    def __init__(self, folder: Path, world: Sandbox) -> None:
        self.folder, self.world = folder, world
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGESTBOT_")}
        self._env = kept | {"TERM": "dumb", "COLUMNS": "200"}

    def connect(self) -> None:
        """Point the channels at the sandbox, as docs/sandbox.md says."""
        file = self.folder / "config.toml"
        text = file.read_text()
        if "api_url" not in text:
            for platform in ("twitter", "facebook"):
                text = text.replace(f'"{platform}"\n', f'"{platform}"\napi_url = "{self.world.url}"\n')
            file.write_text(text)

    def run(self, command: str) -> str:
        """Run a command that asks nothing; return what it prints."""
        code, out, err = called("-c", str(self.folder / "config.toml"), *shlex.split(command))
        assert code == 0, (command, out, err)
        return out

    def spawn(self, command: str) -> pexpect.spawn:
        arguments = ["-m", "digestbot", *shlex.split(command)]
        return pexpect.spawn(
            sys.executable,
            arguments,
            cwd=str(self.folder),
            env=self._env,
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 200),
        )

    def answer(self, command: str, answers: list[tuple[str, str]]) -> str:
        """Run a command, and answer its questions."""
        child, page = self.spawn(command), ""
        for question, answer in answers:
            child.expect(question)
            found = re.search(r"(http://127\S+/oauth/authorize\S+)&force_login", child.before)
            page = found[1] if found else page
            child.sendline(self._pin(page) if answer == "PIN" else answer)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0, child.before
        return str(child.before)

    @staticmethod
    def _pin(page: str) -> str:
        with urllib.request.urlopen(page, timeout=5) as answer:
            (found,) = re.findall(r"<code>(\d{7})</code>", answer.read().decode())
        return str(found)


@pytest.fixture
def walk(tmp_path: Path, feed: Feed) -> Iterator[Walk]:
    for number in range(1, 5):
        feed.add(number)
    with Sandbox(documents={"/rss-full.xml": feed}) as world:
        yield Walk(tmp_path, world)


def commands(text: str) -> list[str]:
    """The commands of a page or of a section, in their order: whole lines of code, or in the text."""
    found = re.findall(r"^ {4,}digestbot ([^#\n]+)|`digestbot ([^`]+)`", text, re.MULTILINE)
    return [(line or inline).strip() for line, inline in found]


def section(page: str, title: str) -> str:
    return re.split(r"\n## ", page.partition(f"\n## {title}\n")[2])[0]


def steps(text: str) -> list[str]:
    """The numbered steps of a section."""
    return re.split(r"\n\d+\. ", f"\n{text}")[1:]


INIT_ANSWERS = [
    ("private network.*: ", "y"),
    ("Post on X.*: ", ""),
    ("Post on Facebook.*: ", ""),
    ("Style.*: ", ""),
    ("When to post.*: ", "every minute"),
    ("Time zone.*: ", "UTC"),
    ("Hashtags.*: ", ""),
    ("Budget.*: ", "50000"),
    ("Write.*: ", ""),
]


def test_the_readmes_way_from_nothing_to_live(walk: Walk) -> None:
    """Each numbered step of "Your first real post", in its order."""
    first, x, page, check, post = steps(section(README, "Your first real post"))
    feed = f"{walk.world.url}/rss-full.xml"

    init, preview, *rest = commands(first)
    assert rest[-1] == "sandbox"
    assert init == "init"
    walk.answer(init, [("Feed.*: ", feed), *INIT_ANSWERS])
    assert "Paper Number" in walk.run(preview)  # no account yet
    walk.connect()

    assert commands(x) == ["login x"]
    assert "logged in as @sandbox_100" in walk.answer("login x", LOGIN_ANSWERS["x"])
    assert commands(page) == ["login page"]
    assert "logged in as Sandbox Page" in walk.answer("login page", LOGIN_ANSWERS["page"])

    for command in commands(check):
        assert walk.run(command), command
    assert not (walk.folder / "digestbot.db").exists()  # none of this needs a ledger

    posting = commands(post)
    assert posting[-2:] == ["run", "once"]
    for command in posting[:-2]:
        walk.run(command)
    assert walk.run("once") is not None
    assert len(walk.world.world.timelines["twitter"]) == len(walk.world.world.timelines["facebook"]) == 1
    child = walk.spawn("run")
    child.expect("running|the next slot|started")
    child.kill(signal.SIGTERM)
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


@pytest.fixture
def live(walk: Walk) -> Walk:
    """A bot that has posted."""
    code, out, err = called(
        "init", str(walk.folder / "config.toml"), "--yes", "--feed", f"{walk.world.url}/rss-full.xml"
    )
    assert code == 0, (out, err)
    walk.connect()
    for channel, answers in LOGIN_ANSWERS.items():
        walk.answer(f"login {channel}", answers)
    walk.run("send latest")
    return walk


def test_the_paths_of_maintenance(live: Walk) -> None:
    page = DOCS["maintenance"]
    ledger = live.folder / "digestbot.db"

    backup, check = commands(section(page, "Upgrade"))
    live.run(backup.replace("before-upgrade.db", str(live.folder / "before-upgrade.db")))
    live.run(check)
    ledger.write_bytes((live.folder / "before-upgrade.db").read_bytes())  # back again
    live.run("once")

    backup, check = commands(section(page, "Move to another machine"))
    moved = live.folder / "new-machine"
    moved.mkdir()
    live.run(backup.replace("ledger.db", str(moved / "digestbot.db")))
    for file in live.folder.glob("*"):
        if file.suffix != ".db" and file.is_file():
            (moved / file.name).write_bytes(file.read_bytes())
    Walk(moved, live.world).run(check)
    Walk(moved, live.world).run("once")

    login, resume, status = commands(section(page, "Renew a token"))
    live.answer(login, [one for one in LOGIN_ANSWERS["page"] if not one[0].startswith("Post on")])
    live.run("pause page")
    live.run(resume)
    assert "Sandbox Page" in live.run(status)

    assert commands(section(page, "Rotate a secret"))[0] == "run"

    _, restored = commands(section(page, "Restore a backup"))
    ledger.write_bytes((live.folder / "before-upgrade.db").read_bytes())
    live.run(restored)
    live.run("once")
    posted = {name: [post.text for post in posts] for name, posts in live.world.world.timelines.items()}
    assert {name: len(set(texts)) for name, texts in posted.items()} == {name: len(one) for name, one in posted.items()}


def test_the_paths_of_switching_and_leaving(live: Walk) -> None:
    page = DOCS["switching"]
    (live.folder / "digestbot.db").unlink()  # the account was filled by another
    for command in commands(section(page, "From another bot")):
        if command == "run" or "SUMMARY" in command:
            continue
        live.run(command.replace("DIGEST", "latest") + (" --yes" if command.startswith("adopt") else ""))
    assert '"status": "published"' not in live.run("posts --json")
    posts = {name: len(one) for name, one in live.world.world.timelines.items()}
    live.run("once")
    assert {name: len(one) for name, one in live.world.world.timelines.items()} == posts  # nothing twice

    (copy,) = commands(section(page, "From SQLite to PostgreSQL"))
    url = live.folder / "url"
    url.write_text(f"sqlite:///{live.folder}/other.db")
    assert "every row was compared" in live.run(copy.replace("FILE", str(url)))

    for command in commands(section(page, "After a changed `backlog`")):
        if command.startswith("backlog"):
            live.run(command.replace("DIGEST", "latest"))

    (export,) = commands(section(page, "Leaving"))
    live.run(export.replace("FOLDER", str(live.folder / "everything")))
    assert (live.folder / "everything" / "posts.json").exists()
    assert (live.folder / "everything" / "posts.csv").exists()
