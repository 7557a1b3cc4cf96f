"""send, check and reload as an operator meets them: questions, exit codes, and what is wrong said before it matters."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Feed
from hypothesis import given
from hypothesis import strategies as st
from test_cli import called, config, digestbot, end_the_quiet_period, world, write  # noqa: F401 - fixtures among them
from test_cli_schedules import add_key

from digestbot import config as configuration
from digestbot.cli.common import now_
from digestbot.cli.reloading import Reloader
from digestbot.config import load
from digestbot.errors import ConfigError, LedgerError
from digestbot.ledger import Ledger
from digestbot.sandbox import Sandbox
from digestbot.service import Service


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables that say where the tests' databases are."""
    for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
        monkeypatch.delenv(name)


def typed(monkeypatch: pytest.MonkeyPatch, words: str, *arguments: str) -> tuple[int, str, str]:
    """A command on a terminal, and what a person answers it."""
    with monkeypatch.context() as patched:
        patched.setattr(io, "StringIO", Terminal)
        return called(*arguments, said=words)


@pytest.fixture
def approving(config: str) -> str:  # noqa: F811
    add_key(config, "approval = true")
    return config


# ---- send


def test_what_needs_approval_is_not_sent_by_a_program(approving: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    code, _, err = digestbot("-c", approving, "send", "latest")
    assert (code, world.world.tweets) == (2, [])
    assert "digest latest needs approval on x, page: add --approve, or run this on a terminal" in err
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.tweets), len(world.world.page_posts)) == (1, 1)


def test_what_needs_approval_is_asked_about(
    approving: str,
    feed: Feed,
    world: Sandbox,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed.add(0)
    code, out, err = typed(monkeypatch, "n\nyes\n", "-c", approving, "send", "latest")
    assert "What paper 0 says" in out
    assert "Approve this for x and send it now? [y/N]" in err
    assert (code, world.world.tweets, len(world.world.page_posts)) == (0, [], 1)
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.tweets), len(world.world.page_posts)) == (1, 1)  # it was in the backlog again


class Interrupted(Terminal):
    """Somebody presses Ctrl-C at a question, after these answers."""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        line = super().readline()
        if not line:
            signal.raise_signal(signal.SIGINT)
        return line


def test_ctrl_c_at_a_question_ends_the_command(
    approving: str,
    feed: Feed,
    world: Sandbox,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed.add(0)
    with monkeypatch.context() as patched:
        patched.setattr(io, "StringIO", Interrupted)
        code, _, err = called("-c", approving, "send", "latest", said="yes\n")
    assert (code, "stopped: nothing more was sent" in err, "Traceback" in err) == (130, True, False)
    assert (len(world.world.tweets), world.world.page_posts) == (1, [])
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.tweets), len(world.world.page_posts)) == (1, 1)  # it was in the backlog again


def test_more_than_five_posts_are_asked_about_on_a_terminal_only(
    config: str,  # noqa: F811
    feed: Feed,
    world: Sandbox,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(8):
        feed.add(number)
    send = ("-c", config, "send", "latest", "--channel", "page", "--count")
    code, out, err = typed(monkeypatch, "\n", *send, "6")
    assert (code, out, world.world.page_posts) == (0, "nothing was sent\n", [])
    assert "Send 6 posts now? [y/N]" in err
    assert "Send" not in typed(monkeypatch, "", *send, "1")[2]
    assert "Send" not in typed(monkeypatch, "", *send, "6", "--yes")[2]
    assert (len(world.world.page_posts), world.world.tweets) == (7, [])


def test_a_program_is_not_asked(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    for number in range(6):
        feed.add(number)
    assert digestbot("-c", config, "send", "latest", "--count", "6", "--channel", "x")[0] == 0
    assert (len(world.world.tweets), world.world.page_posts) == (6, [])


def test_a_channel_that_the_digest_does_not_post_to(config: str) -> None:  # noqa: F811
    code, _, err = digestbot("-c", config, "send", "latest", "--channel", "nope")
    assert (code, "nope" in err, "Traceback" in err) == (2, True, False)


def test_a_dry_run_sends_and_writes_nothing(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    code, out, _ = digestbot("-c", config, "send", "latest", "--dry-run")
    assert code == 0
    assert out.count("What paper 0 says") == 2
    assert "2 posts would be sent, $0.20 in all, as estimated; nothing was sent or written" in out
    code, out, _ = digestbot("-c", config, "send", "latest", "--dry-run", "--json", "--channel", "page")
    assert [row["channel"] for row in json.loads(out)] == ["page"]
    assert (world.world.tweets, world.world.page_posts) == ([], [])
    assert digestbot("-c", config, "send", "latest")[0] == 0
    assert "latest has nothing to send now" in digestbot("-c", config, "send", "latest", "--dry-run")[1]
    assert (len(world.world.tweets), len(world.world.page_posts)) == (1, 1)


def test_what_is_rejected_or_waits_gives_3_and_says_when(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    world.faults.add("error:content", "facebook")
    world.faults.add("unauthorized", "twitter")
    code, out, err = digestbot("-c", config, "send", "latest")
    assert code == 3
    assert "failed" in out
    assert "still pending: post 1" in err
    assert "One such answer may be an outage: tried once more at" in digestbot("-c", config, "posts", "show", "1")[1]
    end_the_quiet_period(config)
    digestbot("-c", config, "resume", "x")
    assert digestbot("-c", config, "once", "-q")[0] == 0
    assert len(world.world.tweets) == 1


# ---- check


def variable(config: str, name: str, value: str, *arguments: str) -> tuple[int, str, str]:  # noqa: F811
    return digestbot("-c", config, *arguments, env={name: value})


def test_check_names_the_environment_variable(config: str) -> None:  # noqa: F811
    code, _, err = variable(config, "DIGESTBOT_TYPO", "1", "check")
    assert (code, "environment variable DIGESTBOT_TYPO: there is no key typo; unset it" in err) == (2, True)
    code, _, err = variable(config, "DIGESTBOT_TIMEZONE", "Mars/Base", "check")
    assert (code, "DIGESTBOT_TIMEZONE" in err) == (2, True)


def test_a_section_that_only_a_variable_names(config: str) -> None:  # noqa: F811
    code, _, err = variable(config, "DIGESTBOT_CHANNELS__TWITTER__API_KEY", "k", "check")
    assert code == 2
    assert err == (
        "environment variable DIGESTBOT_CHANNELS__TWITTER__API_KEY: the file has no [channels.twitter]; correct the "
        'variable\'s name, or complete the section (channels.twitter.platform: is missing; write "twitter" or "facebook")\n'
    )


def test_mistakes_of_every_kind_are_reported_together_also_as_json(config: str) -> None:  # noqa: F811
    add_key(config, "size = 1", "min_size = 3", "[digests.other]", 'schedule = "hourly"', 'channels = ["x"]',
            "[delivery]", 'lease = "2 seconds"')  # fmt: skip
    code, out, err = digestbot("-c", config, "check", "--json")
    assert (code, err) == (2, "")
    found = [row["detail"] for row in json.loads(out)]
    assert [detail.removeprefix(f"{config}: ") for detail in found] == [
        "digests.other.sources: is missing; add it",
        'delivery.lease: write at least "10 seconds": a call to a platform takes that long',
        "digests.latest.min_size: is more than size, 1: no edition could ever be made",
    ]


def test_a_budget_below_the_price_of_a_post(config: str) -> None:  # noqa: F811
    file = Path(config)
    file.write_text(file.read_text().replace("[channels.x]", "[channels.x]\nmonthly_budget = 0.1"))
    code, out, _ = digestbot("-c", config, "check")
    assert code == 1
    assert (
        "BAD  template of latest for x: a post costs $0.20, more than a month's budget of $0.10, so nothing would ever "
        "be posted: raise channels.x.monthly_budget" in out
    )


def test_votes_that_a_feed_does_not_have(config: str, feed: Feed) -> None:  # noqa: F811
    feed.add(0, votes=None)
    add_key(config, "min_votes = 2")
    code, out, _ = digestbot("-c", config, "check", "--online")
    assert code == 1
    assert "BAD  source store, now: can be read, but nothing in it has votes, and a digest of it has min_votes" in out


def test_a_port_that_is_taken(config: str) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        add_key(config, "[web]", f"port = {taken.getsockname()[1]}")
        code, out, _ = digestbot("-c", config, "check")
    assert code == 0
    assert "warn web, port: port" in out
    assert "web, port" not in digestbot("-c", config, "check")[1]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("sqlite:///ledger.db", "sqlite://x.db", "sqlite://x.db names a host; write three slashes and a file"),
        ('channels = ["x", "page"]', 'channels = ["x", "pgae"]', "pgae"),
        ('timezone = "UTC"', 'timezone = "UTC"\ntemplates = "no-such-folder"', "no-such-folder"),
        ("access_token = ", "access_token = '…' #", "fill it in"),
    ],
)
def test_check_says_what_would_fail(config: str, before: str, after: str, said: str) -> None:  # noqa: F811
    file = Path(config)
    file.write_text(file.read_text().replace(before, after))
    code, out, err = digestbot("-c", config, "check")
    assert code in (1, 2)
    assert said in out + err
    assert "Traceback" not in out + err


def test_a_file_with_a_byte_order_mark_or_of_no_text(config: str) -> None:  # noqa: F811
    file = Path(config)
    text = file.read_text()
    file.write_text(text, encoding="utf-8-sig")
    code, out, err = digestbot("-c", config, "check")
    assert code == 0, out + err
    file.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
    code, _, err = digestbot("-c", config, "check")
    assert (code, "UTF-8" in err) == (2, True)
    file.write_text("x = " + "[" * 20_000)
    code, _, err = digestbot("-c", config, "check")
    assert (code, "Traceback" in err) == (2, False)


def test_an_empty_configuration_would_do_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    code, out, _ = digestbot("-c", str(file), "check")
    assert (code, "nothing would ever be posted: add [digests.NAME]" in out) == (1, True)


def test_a_roundup_that_stays_empty_and_secrets_that_others_can_read(config: str) -> None:  # noqa: F811
    Path(config).chmod(0o644)
    add_key(config, "[digests.week]", 'sources = ["store"]', 'channels = ["page"]', 'shape = "roundup"',
            'schedule = "mondays at 09:00"')  # fmt: skip
    code, out, _ = digestbot("-c", config, "check")
    assert code == 1
    assert "BAD  digest week on page: will always be empty: digest latest posts every summary on page first" in out
    assert "holds secrets, and other users of this machine can read it: chmod 600" in out
    add_key(config, "overlap = true")
    Path(config).chmod(0o600)
    code, out, _ = digestbot("-c", config, "check")
    assert code == 0
    assert "always be empty" not in out
    assert "chmod" not in out


def test_check_online_says_how_new_the_feed_is(config: str, feed: Feed) -> None:  # noqa: F811
    feed.add(0)
    feed.add(1)
    assert (
        "ok   source store, now: 2 entries, the newest of 2026-11-" in digestbot("-c", config, "check", "--online")[1]
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["database", "timezone", "templates", "sources", "channels", "digests", "delivery", "web", "alerts", "watch",
     "prices", "log_format", "typo"]
)  # fmt: skip
INNER = st.sampled_from(
    ["kind", "url", "platform", "address", "schedule", "sources", "channels", "on", "size", "shape", "approval", "to",
     "lease", "access_token", "page_id", "query", "token", "port", "backlog", "window", "approve_by", "budget"]
)  # fmt: skip
SECTIONS = st.dictionaries(st.sampled_from(["a", "b"]), st.dictionaries(INNER, VALUES, max_size=5), max_size=2)


@given(st.dictionaries(KEYS, VALUES | SECTIONS | st.dictionaries(INNER, VALUES, max_size=4), max_size=5))
def test_whatever_a_file_says_is_taken_or_explained(raw: dict[str, object]) -> None:
    with suppress(ConfigError):
        configuration.build(raw)


# ---- reload


@pytest.mark.usefixtures("bare_environment")
def test_a_reload_that_failed_for_a_passing_reason_is_tried_again(
    config: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "digestbot")
    ledger = Ledger(f"sqlite:///{Path(config).parent / 'ledger.db'}")
    ledger.prepare()
    reloader = Reloader(
        Service(load(Path(config), {}), ledger, now_), now_, lambda by: Service(by, ledger, now_), lambda *_: None
    )
    first = reloader.service
    Path(config).write_text(Path(config).read_text().replace('timezone = "UTC"', 'timezone = "Europe/Berlin"'))
    reloader.look()
    prepare = Service.prepare

    def locked(_: Service) -> None:
        raise LedgerError("database is locked")

    monkeypatch.setattr(Service, "prepare", locked)
    reloader.look()
    reloader.look()
    assert reloader.service is first
    assert caplog.text.count("the configuration is not taken up: database is locked") == 1
    monkeypatch.setattr(Service, "prepare", prepare)
    reloader.look()
    assert reloader.service is not first
    assert reloader.problems == []
    reloader.service.close()
    ledger.close()


@pytest.mark.usefixtures("bare_environment")
def test_a_configuration_without_digests_is_not_taken_up(
    config: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = Ledger(f"sqlite:///{Path(config).parent / 'ledger.db'}")
    reloader = Reloader(
        Service(load(Path(config), {}), ledger, now_), now_, lambda by: Service(by, ledger, now_), lambda *_: None
    )
    first = reloader.service
    Path(config).write_text("")
    reloader.look()
    reloader.look()
    assert reloader.service is first
    assert "has no digest, so nothing would ever be posted" in caplog.text
    first.close()
    ledger.close()
