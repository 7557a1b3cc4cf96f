"""send, check and reload as an operator meets them: questions, exit codes, and what is wrong said before it matters."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from helpers.basics import Feed
from hypothesis import given
from hypothesis import strategies as st
from test_cli import called, config, digestbot, end_the_quiet_period, world, write  # noqa: F401 - fixtures among them
from test_cli_schedules import add_key

from digestbot import config as configuration
from digestbot.cli.common import now_
from digestbot.cli.config_reload import Reloader
from digestbot.config import load
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.ledger import Ledger
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox


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
    assert (code, world.world.timelines["twitter"]) == (2, [])
    assert "digest latest needs approval on x, page: add --approve, or run this on a terminal" in err
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.timelines["twitter"]), len(world.world.timelines["facebook"])) == (1, 1)


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
    assert (code, world.world.timelines["twitter"], len(world.world.timelines["facebook"])) == (0, [], 1)
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.timelines["twitter"]), len(world.world.timelines["facebook"])) == (
        1,
        1,
    )  # it was in the backlog again


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
    assert (len(world.world.timelines["twitter"]), world.world.timelines["facebook"]) == (1, [])
    assert digestbot("-c", approving, "send", "latest", "--approve", "-q")[0] == 0
    assert (len(world.world.timelines["twitter"]), len(world.world.timelines["facebook"])) == (
        1,
        1,
    )  # it was in the backlog again


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
    assert (code, out, world.world.timelines["facebook"]) == (0, "nothing was sent\n", [])
    assert "Send 6 posts now? [y/N]" in err
    assert "Send" not in typed(monkeypatch, "", *send, "1")[2]
    assert "Send" not in typed(monkeypatch, "", *send, "6", "--yes")[2]
    assert (len(world.world.timelines["facebook"]), world.world.timelines["twitter"]) == (7, [])


def test_a_program_is_not_asked(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    for number in range(6):
        feed.add(number)
    assert digestbot("-c", config, "send", "latest", "--count", "6", "--channel", "x")[0] == 0
    assert (len(world.world.timelines["twitter"]), world.world.timelines["facebook"]) == (6, [])


def test_a_channel_that_the_digest_does_not_post_to(config: str) -> None:  # noqa: F811
    code, _, err = digestbot("-c", config, "send", "latest", "--channel", "nope")
    assert (code, "nope" in err, "Traceback" in err) == (2, True, False)


def test_a_dry_run_sends_and_writes_nothing(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    code, out, _ = digestbot("-c", config, "send", "latest", "--dry-run")
    assert code == 0
    assert out.count("What paper 0 says") == 2
    assert "2 posts would be sent, $0.20 in total (estimate); nothing was sent or written" in out
    code, out, _ = digestbot("-c", config, "send", "latest", "--dry-run", "--json", "--channel", "page")
    assert [row["channel"] for row in json.loads(out)] == ["page"]
    assert (world.world.timelines["twitter"], world.world.timelines["facebook"]) == ([], [])
    assert digestbot("-c", config, "send", "latest")[0] == 0
    assert "latest has nothing to send now" in digestbot("-c", config, "send", "latest", "--dry-run")[1]
    assert (len(world.world.timelines["twitter"]), len(world.world.timelines["facebook"])) == (1, 1)


def test_what_is_rejected_or_waits_gives_3_and_says_when(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    world.faults.add("error:content", "facebook")
    world.faults.add("unauthorized", "twitter")
    code, out, err = digestbot("-c", config, "send", "latest")
    assert code == 3
    assert "failed" in out
    assert "still pending: post 1" in err
    assert "It may be an outage: one more attempt follows at" in digestbot("-c", config, "posts", "show", "1")[1]
    end_the_quiet_period(config)
    digestbot("-c", config, "resume", "x")
    assert digestbot("-c", config, "once", "-q")[0] == 0
    assert len(world.world.timelines["twitter"]) == 1


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
        "BAD  template of latest for x: an edition costs at least $0.20, more than a month's budget of $0.10, so "
        "nothing would ever be posted: raise channels.x.monthly_budget" in out
    )


def test_votes_that_a_feed_does_not_have(config: str, feed: Feed) -> None:  # noqa: F811
    feed.add(0, votes=None)
    add_key(config, "min_votes = 2")
    code, out, _ = digestbot("-c", config, "check", "--online")
    assert code == 1
    assert "BAD  source store, now: can be read, but nothing in it has votes, and a digest of it has min_votes" in out


def test_an_age_that_is_reached_before_the_next_slot(config: str) -> None:  # noqa: F811
    add_key(config, 'max_age = "30 seconds"')
    code, out, _ = digestbot("-c", config, "check")
    assert code == 0
    assert (
        "its slots are up to 1 min apart, and nothing older than less than a minute is posted, so some summaries will be skipped: "
        "raise digests.latest.max_age" in out
    )


def test_sections_that_a_query_of_one_s_own_does_not_have(config: str, tmp_path: Path) -> None:  # noqa: F811
    with closing(sqlite3.connect(tmp_path / "own.db")) as database:
        database.execute("CREATE TABLE s (id INTEGER, title TEXT, body TEXT, link TEXT, area TEXT)")
    query = "SELECT id, title, body, link{} FROM s"
    file = Path(config)
    text = re.sub(r"(?s)\[sources\.store\].*?(?=\n\[)", f"""[sources.store]
kind = "database"
url = "sqlite:///{tmp_path}/own.db"
query = "{query}"
""", file.read_text())  # fmt: skip
    for column, expected in (("", True), (", area AS sections", False)):
        file.write_text(text.replace("{}", column))
        add_key(config, 'include = { sections = ["nlp"] }')
        _, out, _ = digestbot("-c", config, "check", "--online")
        assert "source store, now: can be read" in out
        assert ('has no column "sections", and a digest of it has include.sections' in out) is expected


def said(config: str, *arguments: str) -> str:  # noqa: F811
    code, out, err = digestbot("-c", config, "check", *arguments)
    assert code in (1, 2), out
    assert "Traceback" not in out + err
    return out + err


def replaced(config: str, before: str, after: str) -> None:  # noqa: F811
    file = Path(config)
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


def test_the_least_edition_is_what_a_budget_has_to_pay(config: str) -> None:  # noqa: F811
    replaced(config, "[channels.x]", "[channels.x]\nmonthly_budget = 0.5")
    add_key(config, "size = 5", "min_size = 5")
    assert "template of latest for x: an edition costs at least $1.00, more than a month's budget of $0.50" in said(
        config
    )


def test_a_damaged_ledger_and_a_paused_channel(config: str, feed: Feed, world: Sandbox) -> None:  # noqa: F811
    feed.add(0)
    world.faults.add("error:spending-cap", "twitter")
    assert digestbot("-c", config, "send", "latest", "-q")[0] == 3
    found = said(config)
    assert "BAD  channel x: is paused: X: the spending limit is reached" in found
    assert "digestbot resume x" in found
    ledger = Path(config).with_name("ledger.db")
    with closing(sqlite3.connect(ledger)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'posts'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(ledger.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    ledger.write_bytes(content)
    assert "BAD  ledger: is damaged, so nothing is posted" in said(config)


def test_the_same_twice(config: str, world: Sandbox) -> None:  # noqa: F811
    replaced(config, 'sources = ["store"]', 'sources = ["store", "again"]')
    replaced(config, 'channels = ["x", "page"]', 'channels = ["x", "page", "other"]')
    text = Path(config).read_text()
    channel = text[text.index("[channels.x]") : text.index("[channels.page]")].replace(
        "[channels.x]", "[channels.other]"
    )
    source = text[text.index("[sources.store]") :].partition("\n[")[0].replace("[sources.store]", "[sources.again]")
    add_key(config, channel, source)
    found = said(config)
    assert "BAD  source again: sources.again: reads the same as source store" in found
    assert "BAD  channel other, account: channels.other: has the same account as channel x" in found


def test_a_feed_on_a_private_address(config: str) -> None:  # noqa: F811
    replaced(config, "allow_private_addresses = true", "")
    assert "BAD  source store: sources.store.url: is an address of a private network" in said(config)


def test_templates_that_need_more_than_a_sample(config: str, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "own").mkdir()
    for platform in ("twitter", "facebook"):
        (tmp_path / "own" / f"mine.{platform}.txt.j2").write_text("{{ summary.votes + 1 }} {{ summary.link }}")
        (tmp_path / "own" / f"second.{platform}.txt.j2").write_text(
            "{% for one in summaries %}{{ one.link }}{% if loop.index > 1 %}{{ nope }}{% endif %}{% endfor %}"
        )
    replaced(config, 'timezone = "UTC"', 'timezone = "UTC"\ntemplates = "own"')
    add_key(config, 'template = "mine"')
    code, out, _ = digestbot("-c", config, "check")
    assert code == 0, out
    assert "warn template of latest for x: fails for a summary without a writer, votes" in out
    replaced(config, 'template = "mine"', 'template = "second"\nshape = "roundup"\nsize = 3')
    assert "BAD  template of latest for x" in said(config)


def test_what_a_mistake_does_not_hide(config: str) -> None:  # noqa: F811
    replaced(config, 'channels = ["x", "page"]', 'channels = ["x", "page"]\ntemplate = "missing"')
    add_key(config, "[delivery]", "leese = 1")
    found = said(config)
    assert "delivery.leese: unknown key; did you mean lease?" in found
    assert "BAD  template of latest for x: template missing.twitter.txt.j2: not found" in found


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DIGESTS__LATEST__CHANNELS", "y", "there is no [channels.y]"),
        ("DIGESTS__LATEST__INCLUDE__SECTIONS", "cs", "none of its sources says which section"),
        ("DIGESTS__LATEST__MIN_SIZE", "5", "is more than size"),
        ("SOURCES__STORE__KIND", "feeed", "must be"),
        ("SOURCES__STORE__BACKFILL", "q", "name another [sources.…] section"),
        ("CHANNELS__X__API_KEY_FILE", "/nope", "cannot read /nope"),
        ("TEMPLATES", "/nope", "there is no folder /nope"),
        ("CHANNELS__X", "foo", "write a table"),
        ("PATH", "x", "there is no key path"),
        ("__", "x", "there is no key of that name"),
    ],
)
def test_the_variable_is_named_whatever_is_wrong_with_it(config: str, name: str, value: str, words: str) -> None:  # noqa: F811
    code, _, err = variable(config, f"DIGESTBOT_{name}", value, "check")
    assert code == 2
    assert f"environment variable DIGESTBOT_{name}: " in err
    assert words in err
    assert "config.toml: " not in err
    assert "the file has no" not in err


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('kind = "feed"', 'kind = ["feed"]', "sources.store.kind"),
        ("[sources.store]", '[sources.store]\nbackfill = ["a"]', "sources.store.backfill"),
        ('sources = ["store"]', "sources = [1]", "digests.latest.sources"),
        ("sqlite:///ledger.db", "sqlite+aiosqlite:///ledger.db", "database: use sqlite or postgresql"),
        ("sqlite:///ledger.db", "sqlite:///a\\u0000b.db", "database: use sqlite or postgresql"),
        ("[digests.latest]", "[digests.latest]\nmin_votes = 99999999999999999999", "digests.latest.min_votes"),
        ("[digests.latest]", '[digests.latest]\ninclude = { venues = [""] }', "digests.latest.include.venues"),
        ("[digests.latest]", '[digests.latest]\ninclude = { keywords = ["a"] }\nexclude = { keywords = ["a"] }',
         "digests.latest.include.keywords: is excluded too"),
    ],
)  # fmt: skip
def test_mistakes_of_kind(config: str, before: str, after: str, words: str) -> None:  # noqa: F811
    replaced(config, before, after)
    assert words in said(config)


def test_a_secret_in_the_place_of_its_file_is_not_shown(config: str) -> None:  # noqa: F811
    replaced(config, "[channels.x]", '[channels.x]\napi_key_file = "MYSECRETKEY123"')
    text = Path(config).read_text().splitlines()
    Path(config).write_text("\n".join(line for line in text if not line.startswith("api_key =")))
    assert "MYSECRETKEY123" not in said(config)


def test_a_host_that_is_none_here(config: str) -> None:  # noqa: F811
    add_key(config, "[web]", 'host = "192.0.2.1"', "port = 8765", 'token = "0123456789012345678901234567890123456789"')
    assert "BAD  web, port: web.port: 192.0.2.1, port 8765: cannot be used" in said(config)


def test_a_port_that_is_taken(config: str) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        add_key(config, "[web]", f"port = {taken.getsockname()[1]}")
        code, out, _ = digestbot("-c", config, "check")
    assert code == 0
    assert "warn web, port: web.port: 127.0.0.1, port" in out
    assert "web, port" not in digestbot("-c", config, "check")[1]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("sqlite:///ledger.db", "sqlite://x.db", "sqlite://x.db names a host; write three slashes and a file"),
        ('channels = ["x", "page"]', 'channels = ["x", "pgae"]', "pgae"),
        ('timezone = "UTC"', 'timezone = "UTC"\ntemplates = "no-such-folder"', "no-such-folder"),
        ("access_token = ", "access_token = '…' #", "fill it in"),
    ],
)
def test_check_says_what_would_fail(config: str, before: str, after: str, words: str) -> None:  # noqa: F811
    replaced(config, before, after)
    assert words in said(config)


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
    ["kind", "url", "platform", "url", "schedule", "sources", "channels", "on", "size", "shape", "approval", "to",
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
    assert caplog.text.count("the configuration was not reloaded: database is locked") == 1
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


def test_an_excerpt_is_explained(config: str, feed: Feed) -> None:  # noqa: F811
    weak = "I read this paper for our reading group last week. The authors show that one layer is enough for the task."
    feed.add(0, body=weak + " The rest of the text goes on about details." * 9)
    code, out, _ = digestbot("-c", config, "preview", "latest", "--channel", "x")
    rule = "what was found or proposed, from sentence 2 of 11"
    assert code == 0
    assert f"excerpt: {rule}" in out
    assert "The authors show that one layer is enough for the task." in out
    assert "reading group" not in out
    (shown,) = json.loads(digestbot("-c", config, "preview", "latest", "--channel", "x", "--json")[1])
    assert [post["excerpt"] for post in shown["posts"]] == [rule]
    digestbot("-c", config, "once")
    assert f"its excerpt: {rule}" in digestbot("-c", config, "why", "1")[1]
    (found,) = json.loads(digestbot("-c", config, "why", "1", "--json")[1])
    assert [(one["channel"], one["excerpt"]) for one in found["reasons"]] == [("x", rule), ("page", None)]
    add_key(config, 'excerpt = "beginning"')
    assert "reading group" in digestbot("-c", config, "preview", "latest", "--channel", "x")[1]


def test_check_advises_against_a_link_to_a_page_that_lists_nothing(config: str, feed: Feed) -> None:  # noqa: F811
    add_key(config, 'shape = "roundup"', 'link = "last"')
    _, out, _ = digestbot("-c", config, "check")
    assert "link of latest on x: the one link of its roundups leads to the site's home page" in out
    add_key(config, 'list_url = "https://example.org/latest"')
    assert "home page" not in digestbot("-c", config, "check")[1]


def test_a_test_post_is_posted_and_deleted(config: str, world: Sandbox) -> None:  # noqa: F811
    code, out, _ = digestbot("send", "--test", "x", "-c", config)
    assert code == 0
    assert re.search(r"posted http\S+\ndeleted it again\ncost: \$0\.025 \(estimate\)", out)
    assert world.world.timelines["twitter"] == []
    assert "x in" in (out := digestbot("posts", "-c", config)[1])
    assert "$0.025 spent" in out
    code, out, _ = digestbot("send", "--test", "page", "--json", "-c", config)
    assert json.loads(out)["deleted"] is True
    assert json.loads(out)["cost"] == 0


def test_a_test_post_that_fails_says_where_it_stands(config: str, world: Sandbox) -> None:  # noqa: F811
    world.faults.add("unauthorized", "facebook")
    code, _, err = digestbot("send", "--test", "page", "-c", config)
    assert (code, "page" in err) == (1, True)
    world.faults.after(1)
    world.faults.add("503-before", "facebook")
    code, out, _ = digestbot("send", "--test", "page", "-c", config)
    assert code == 1
    assert "it could not be deleted: " in out
    assert len(world.world.timelines["facebook"]) == 1
    for arguments in (["send"], ["send", "latest", "--test", "x"]):
        code, _, err = digestbot(*arguments, "-c", config)
        assert (code, "name a digest, or --test with a channel" in err) == (2, True)
