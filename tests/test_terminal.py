"""What a shell and a terminal see: completion, sections of the help, colours, the manual page, questions, local times."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pexpect
import pytest
from helpers.basics import Feed, filled_in
from hypothesis import given
from hypothesis import strategies as st
from test_cli import called, digestbot

from digestbot.cli import style
from digestbot.cli.argument_types import seconds
from digestbot.cli.logs import RedactingFormatter
from digestbot.cli.parser import SECTIONS, parser
from digestbot.domain.time_format import local_time, localize
from digestbot.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CONFIG = """
[sources.store]
kind = "feed"
url = "https://www.example.org/feed"
[channels.x]
platform = "twitter"
[channels.page]
platform = "facebook"
[digests.latest]
sources = ["store"]
channels = ["x", "page"]
schedule = "daily at 9am"
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DIGESTBOT_", "NO_COLOR"))}
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm-256color", "COLUMNS": "200"} | more


# ---- completion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def completions(folder: Path, line: str) -> list[str]:
    """What the program answers to a shell, by argcomplete's protocol."""
    answer = folder / "answer"
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1"}
    env = environment(_ARGCOMPLETE_STDOUT_FILENAME=str(answer), **asked)
    subprocess.run([BIN / "digestbot"], cwd=folder, env=env, check=True, timeout=60)
    return [one.strip() for one in answer.read_text().split("\013")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("digestbot pl", ["plan"]),
        ("digestbot posts re", ["resolve", "retry", "reopen"]),
        ("digestbot login ", ["x", "page"]),
        ("digestbot send ", ["latest"]),
        ("digestbot send --test ", ["x", "page"]),
        ("digestbot sources st", ["store"]),
        ("digestbot summary pin latest p", ["page"]),
        ("digestbot posts --chan", ["--channel"]),
        ("digestbot completion f", ["fish"]),
    ],
)
def test_the_shell_completes_commands_options_and_configured_names(
    folder: Path, line: str, expected: list[str]
) -> None:
    assert [one for one in completions(folder, line) if one in expected] == expected


@pytest.mark.parametrize("content", [None, "not = [toml", "channels = 5\n"])
def test_without_a_configuration_no_names_are_completed(folder: Path, content: str | None) -> None:
    (folder / "config.toml").unlink()
    if content is not None:
        (folder / "config.toml").write_text(content)
    found = completions(folder, "digestbot -c config.toml login ")
    assert "x" not in found
    assert "--help" in found


ASK = {
    "bash": """eval "$(digestbot completion bash)"; COMP_LINE="digestbot login pa"; COMP_POINT=${#COMP_LINE}
        COMP_WORDS=(digestbot login pa); COMP_CWORD=2; COMP_TYPE=9; _python_argcomplete digestbot pa login
        echo ${COMPREPLY[@]}""",
    "fish": 'digestbot completion fish | source; complete -C "digestbot login pa"',
    "zsh": 'autoload -U compinit; compinit -u; eval "$(digestbot completion zsh)"; print $_comps[digestbot]',
}


@pytest.mark.parametrize("shell", ASK)
def test_each_shell_accepts_its_code(folder: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"needs {shell}")
    env = environment(HOME=str(folder), ZDOTDIR=str(folder))
    command = [shell, *(["-f"] if shell == "zsh" else []), "-c", ASK[shell]]
    result = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=True, timeout=60)
    assert result.stdout.split() == ["_python_argcomplete"] if shell == "zsh" else ["page"]


# ---- help and manual


def test_every_command_stands_in_one_section_of_the_help() -> None:
    (subparsers,) = (action for action in parser()._actions if action.dest == "command")
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(subparsers.choices or ())
    text = called("--help")[1]
    for title in SECTIONS:
        assert f"\n{title}:\n" in text
    assert "usage: digestbot [-h]" in text
    assert "exit codes:" in text


def test_the_manual_page_is_made_from_the_parser() -> None:
    from bench.manual import FILE, page

    text = FILE.read_text()
    for names in SECTIONS.values():
        for name in names:
            assert "digestbot {}\\fR".format(name.replace("-", r"\-")) in text
    for heading in ("NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES"):
        assert f".SH {heading}\n" in text
    if sys.version_info[:2] == (3, 11):  # argparse writes usages differently in later versions
        assert text == page(), "make it anew: python -m bench.manual"


def test_the_json_documents_are_those_of_the_code() -> None:
    from bench.json_docs import DOCS, page, schema_text

    assert (DOCS / "json.md").read_text() == page(), "make it anew: python -m bench.json_docs"
    assert (DOCS / "json.schema.json").read_text() == schema_text(), "make it anew: python -m bench.json_docs"


# ---- colours


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def no_preference(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    style._codes.cache_clear()
    yield monkeypatch
    style._codes.cache_clear()


def test_colours_are_for_terminals_that_want_them(no_preference: pytest.MonkeyPatch) -> None:
    assert style.paint("ok", style.GOOD, io.StringIO()) == "ok"
    painted = style.paint("ok", style.GOOD, Tty())
    assert re.fullmatch(r"\x1b\[\d+mok\x1b\[0m", painted)
    no_preference.setenv("TERM", "dumb")
    assert style.paint("ok", style.GOOD, Tty()) == "ok"
    no_preference.setenv("TERM", "xterm")
    no_preference.setenv("NO_COLOR", "1")
    assert style.paint("ok", style.GOOD, Tty()) == "ok"
    no_preference.delenv("NO_COLOR")
    no_preference.setenv("FORCE_COLOR", "1")
    assert style.paint("ok", style.GOOD, io.StringIO()) != "ok"
    assert style.paint("", style.GOOD, Tty()) == ""


def test_the_level_of_a_log_line_is_coloured(no_preference: pytest.MonkeyPatch) -> None:
    import logging

    no_preference.setattr(sys, "stderr", Tty())
    record = logging.LogRecord("digestbot", logging.WARNING, "", 0, "WARNING is also in the text", None, None)
    line = RedactingFormatter([]).format(record)
    assert re.search(r"Z \x1b\[\d+mWARNING\x1b\[0m  digestbot: WARNING is", line)
    record.levelno, record.levelname = logging.INFO, "INFO"
    assert "\x1b" not in RedactingFormatter([]).format(record)


def test_a_check_is_coloured_on_a_terminal_and_plain_with_no_color(tmp_path: Path) -> None:
    file = filled_in(tmp_path)
    command = f"{BIN}/digestbot -c {file} check"
    shown = pexpect.run(command, cwd=str(tmp_path), env=environment(), timeout=60).decode()
    assert re.search(r"\x1b\[[\d;]+mok  \x1b\[0m ledger:", shown), shown
    plain = pexpect.run(command, cwd=str(tmp_path), env=environment(NO_COLOR="1"), timeout=60).decode()
    assert re.search(r"^ok   ledger:", plain, re.MULTILINE)
    assert "\x1b" not in plain


# ---- times


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at 2026-11-27 09:00 UTC, then", "at 2026-11-27 10:00 CET, then"),
        ("2026-07-01 09:00:30 UTC", "2026-07-01 11:00:30 CEST"),
        ("2026-13-27 09:00 UTC", "2026-13-27 09:00 UTC"),
        ("9999-12-31 23:59 UTC", "9999-12-31 23:59 UTC"),
        ("12026-11-27 09:00 UTC and 2026-11-27 09:00 UTCX", "12026-11-27 09:00 UTC and 2026-11-27 09:00 UTCX"),
        ("09:00 UTC", "09:00 UTC"),
    ],
)
def test_times_in_messages_are_shown_in_the_operators_zone(text: str, shown: str) -> None:
    assert localize(text, BERLIN) == shown


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)), st.booleans())  # noqa: DTZ001
def test_a_time_in_utc_becomes_the_local_time(at: datetime, seconds: bool) -> None:
    at = at.replace(tzinfo=UTC, microsecond=0)
    text = f"since {local_time(at, UTC, seconds=seconds)}: x"
    assert localize(text, BERLIN) == f"since {local_time(at, BERLIN, seconds=seconds)}: x"
    assert localize(text, UTC) == text


def test_the_lists_of_the_command_line_are_in_the_operators_zone(feed: Feed, tmp_path: Path) -> None:
    with Sandbox(documents={"/rss-full.xml": feed}) as world:
        feed.add(1)
        file = tmp_path / "config.toml"
        file.write_text(
            f"""timezone = "Asia/Tokyo"
[sources.store]
kind = "feed"
url = "{world.url}/rss-full.xml"
allow_private_addresses = true
[channels.page]
platform = "facebook"
api_url = "{world.url}"
page_id = "200"
access_token = "sandbox-page-token"
[digests.latest]
sources = ["store"]
channels = ["page"]
schedule = "* * * * *"
backlog = "all"
approval = true
"""
        )
        assert digestbot("-c", str(file), "send", "latest", "--approve")[0] == 0
        assert re.search(r"published .* \d\d:\d\d JST ", digestbot("-c", str(file), "posts")[1])
        assert "JST, ended" in digestbot("-c", str(file), "posts", "show", "1")[1]
        assert digestbot("-c", str(file), "pause-all")[0] == 0
        for command in ("posts", "alerts", "sources"):
            out = digestbot("-c", str(file), command)[1]
            assert re.search(r"\d\d:\d\d JST", out), command


# ---- questions on a terminal


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., pexpect.spawn]]:
    children = []

    def start(*arguments: str) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "digestbot", *arguments],
            cwd=str(tmp_path),
            env=environment(),
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 200),
        )
        child.logfile_read = io.StringIO()
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def test_init_asks_on_a_terminal(spawn: Callable[..., pexpect.spawn], feed: Feed, tmp_path: Path) -> None:
    with Sandbox(documents={"/rss-full.xml": feed}) as world:
        feed.add(1)
        child = spawn("init")
        answers = [
            ("Feed .*: ", f"{world.url}/rss-full.xml"),
            ("private network.*: ", "y"),
            ("Post on X.*: ", "y"),
            ("Post on Facebook.*: ", ""),
            (r"Style \(1-4\).*: ", "2"),
            ("When to post.*: ", "mondays at 9am"),
            ("Time zone.*: ", "Europe/Berlin"),
            ("Hashtags.*: ", ""),
            ("Budget for X.*: ", ""),
            ("Write config.toml.*: ", ""),
        ]
        for question, answer in answers:
            child.expect(question)
            child.sendline(answer)
        child.expect(pexpect.EOF)
        assert "digestbot login x" in child.before
    text = (tmp_path / "config.toml").read_text()
    assert 'excerpt = "beginning"' in text
    assert 'timezone = "Europe/Berlin"' in text


def test_ctrl_c_and_ctrl_d_at_any_question_of_init_write_nothing(
    spawn: Callable[..., pexpect.spawn], feed: Feed, tmp_path: Path
) -> None:
    with Sandbox(documents={"/rss-full.xml": feed}) as world:
        feed.add(1)
        questions = ["Post on X", "Style", "Hashtags", "Write config.toml"]
        for number, stop in enumerate(questions):
            child = spawn(
                "init", "--feed", f"{world.url}/rss-full.xml", "--schedule", "daily at 9am", "--timezone", "UTC"
            )
            child.expect("private network.*: ")
            child.sendline("y")
            passed = [("Post on X.*: ", "n"), ("Post on Facebook.*: ", "y"), ("Style.*: ", ""), ("Hashtags.*: ", "")]
            for question, answer in passed[: (0, 2, 3, 4)[number]]:
                child.expect(question)
                child.sendline(answer)
            child.expect(f"{stop}.*: ")
            if number % 2:
                child.sendintr()
                child.expect("stopped; nothing was stored")
            else:
                child.sendeof()
                child.expect("the input ended; nothing was stored")
            child.expect(pexpect.EOF)
            child.wait()
            assert child.exitstatus == (130 if number % 2 else 1)
            assert list(tmp_path.iterdir()) == []


def unconnected(folder: Path, url: str) -> None:
    (folder / "config.toml").write_text(
        f'[channels.x]\nplatform = "twitter"\napi_url = "{url}"\n[channels.page]\nplatform = "facebook"\napi_url = "{url}"\n'
    )


def pin_on(page: str) -> str:
    with urllib.request.urlopen(page, timeout=5) as answer:
        (found,) = re.findall(r"<code>(\d{7})</code>", answer.read().decode())
    return str(found)


def visible_to_others(process: int) -> str:
    """What `ps` shows of a process, and its environment."""
    parts = [Path(f"/proc/{process}/{name}").read_bytes() for name in ("cmdline", "environ", "comm")]
    return b" ".join(parts).decode("utf-8", "replace")


def test_a_login_to_x_on_a_terminal_shows_no_secret(spawn: Callable[..., pexpect.spawn], tmp_path: Path) -> None:
    key, secret = "canary-key-0001", "canary-secret-0002"
    with Sandbox() as world:
        unconnected(tmp_path, world.url)
        child = spawn("-v", "login", "x")
        child.expect("API Key .*: ")
        child.sendline(key)
        child.expect("API Key Secret: ")
        child.sendline(secret)
        child.expect(r"(http://127\S+)&force_login=true")
        page = child.match[1]
        child.expect("PIN: ")
        child.sendline("1234567")
        child.expect("did not accept this PIN")
        child.expect("PIN: ")
        child.sendline(pin_on(page))
        child.expect("Post as @sandbox_100")
        processes = visible_to_others(child.pid)
        child.sendline("y")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    shown = child.logfile_read.getvalue()
    stored = {file.name: file.read_text().strip() for file in tmp_path.glob("x-*")}
    assert stored["x-api-secret"] == secret
    for canary in (key, secret, stored["x-access-token"], stored["x-access-token-secret"]):
        assert canary not in shown
        assert canary not in processes
        assert canary not in (tmp_path / "config.toml").read_text()
    assert {oct(file.stat().st_mode)[-3:] for file in tmp_path.glob("x-*")} == {"600"}


def test_a_login_to_facebook_on_a_terminal_shows_no_secret(spawn: Callable[..., pexpect.spawn], tmp_path: Path) -> None:
    secret, token = "canary-app-secret-0003", "canary-user-token-0004"
    with Sandbox() as world:
        unconnected(tmp_path, world.url)
        child = spawn("-v", "login", "page")
        child.expect("Login method.*: ")
        child.sendline("")
        child.expect("App ID")
        child.sendline("300")
        child.expect("App secret: ")
        child.sendline(secret)
        child.expect("belong to a business.*: ")
        child.sendline("")
        child.expect("The address, or the token: ")
        child.sendline(token)
        child.expect("Post on Sandbox Page")
        processes = visible_to_others(child.pid)
        child.sendline("")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    shown = child.logfile_read.getvalue()
    for canary in (secret, token, "sandbox-page-token"):
        assert canary not in shown
        assert canary not in processes
    assert (tmp_path / "page-app-secret").read_text().strip() == secret


@pytest.mark.parametrize("stop", ["API Key .*: ", "API Key Secret: ", "PIN: ", "Post as"])
def test_ctrl_c_at_any_step_of_a_login_stores_nothing(
    spawn: Callable[..., pexpect.spawn], tmp_path: Path, stop: str
) -> None:
    with Sandbox() as world:
        unconnected(tmp_path, world.url)
        before = (tmp_path / "config.toml").read_text()
        child = spawn("login", "x")
        page = ""
        for question in ("API Key .*: ", "API Key Secret: ", "PIN: ", "Post as"):
            child.expect(question)
            found = re.search(r"(http://127\S+)&force_login", child.before)
            page = found[1] if found else page
            if question == stop:
                child.sendintr()
                break
            child.sendline(pin_on(page) if question == "PIN: " else "canary")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130
        assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]
        assert (tmp_path / "config.toml").read_text() == before


def test_no_option_takes_a_secret() -> None:
    """Other users of a machine see the arguments of a process."""

    def options(command: object) -> Iterator[str]:
        for action in command._actions:  # type: ignore[attr-defined]
            yield from action.option_strings
            for inner in (getattr(action, "choices", None) or {}).values() if isinstance(action.choices, dict) else ():
                yield from options(inner)

    suspicious = {one for one in options(parser()) if re.search("token|secret|password|key", one)}
    assert suspicious == {"--set-password"}  # which asks for it


@pytest.mark.parametrize(("text", "expected"), [("30", 30.0), ("0.5", 0.5), ("15m", 900.0), ("2 hours", 7200.0)])
def test_a_time_span_is_understood_as_in_the_configuration(text: str, expected: float) -> None:
    assert seconds(text) == expected
    code, _, err = called("sandbox", "--lag", "soon")
    assert (code, "'soon' is not a time span, such as 30 (seconds) or 15m" in err) == (2, True)
