"""From nothing to a preview: init asks, tries the feed, shows posts, and writes a configuration that works."""

from __future__ import annotations

import os
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import tzlocal
from helpers.basics import Feed
from hypothesis import given
from hypothesis import strategies as st
from test_cli import called, digestbot

from digestbot import config
from digestbot.cli import feed_trial
from digestbot.cli.dialogue import Terminal
from digestbot.cli.init import DEFAULT_FEED
from digestbot.config.starter import STYLES, PostStyle, StarterChoices, source_name, starter_text
from digestbot.platforms.registry import PLATFORMS
from digestbot.sandbox import Answer, Sandbox
from digestbot.sources.feed.discovery import feeds_in_page

PAGE = """<!doctype html><title>x</title><link rel=stylesheet href=x.css>
<link rel="alternate" type="text/html" href="/other"><link rel="Alternate home" type="application/rss+xml" href="rss.xml">
<link rel=alternate type=application/atom+xml href='https://example.org/atom'>
<link rel=alternate type=application/atom+xml href='http://[bad'><link rel=alternate type=application/rss+xml>"""


@pytest.fixture
def site(feed: Feed) -> Iterator[str]:
    """A feed, a page that names it, a page that names a broken one, and one that names none; the base of their URLs."""
    feed.add(1)
    feed.add(2, date="Mon, 02 Nov 2026 08:00:00 +0000")

    def page(text: str) -> Answer:
        return Answer(200, text.encode(), content_type="text/html")

    documents = {
        "/rss.xml": feed,
        "/blog": lambda _: page('<link rel="alternate" type="application/rss+xml" href="/rss.xml">'),
        "/broken": lambda _: page('<link rel="alternate" type="application/rss+xml" href="/plain">'),
        "/plain": lambda _: page("<html><p>Hello"),
    }
    with Sandbox(documents=documents) as world:
        yield world.url


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def init(target: Path, *typed: str, arguments: tuple[str, ...] = ()) -> tuple[int, str, str]:
    return called("init", str(target), *arguments, said="".join(f"{line}\n" for line in typed))


def test_two_commands_lead_to_a_preview_on_both_platforms(site: str, target: Path) -> None:
    code, out, err = init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    assert (code, err) == (0, "")
    assert "It has 2 entries" in out
    assert out.count("Paper Number 2") >= 2
    assert "On X it would appear like this" in out
    assert "On Facebook it would appear like this" in out
    assert "times in 30 days, if there is enough to post: about $" in out
    assert oct(target.stat().st_mode)[-3:] == "600"
    code, out, err = digestbot("-c", str(target), "preview", "latest")
    assert (code, err) == (0, "")
    assert "latest on x (X)" in out
    assert "latest on page (Facebook)" in out
    assert out.count("What paper 2 says.") == 2
    assert len(target.read_text().splitlines()) < 30


@pytest.mark.parametrize("command", [("plan",), ("backlog", "latest"), ("why", "1")])
def test_planning_needs_no_account_and_no_ledger(site: str, target: Path, command: tuple[str, ...]) -> None:
    init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    code, out, err = digestbot("-q", "-c", str(target), *command)
    assert (code, "Paper Number 2" in out or "Reader 1" in out) == (0, True)
    assert err == "there is no ledger yet: this is what the first run would find\n"
    assert not (target.parent / "digestbot.db").exists()


@pytest.mark.parametrize("command", ["check", "once"])
def test_posting_needs_accounts_and_names_the_login(site: str, target: Path, command: str) -> None:
    init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    code, _, err = digestbot("-c", str(target), command)
    assert code == 2
    assert err.splitlines() == [
        (
            f"{target}: channels.x: api_key, api_secret, access_token and access_token_secret are missing; run "
            "digestbot login x, or add them (access_token_secret, access_token_secret_file or "
            "DIGESTBOT_CHANNELS__X__ACCESS_TOKEN_SECRET)"
        ),
        (
            f"{target}: channels.page: page_id and access_token are missing; run digestbot login page, or add them "
            "(access_token, access_token_file or DIGESTBOT_CHANNELS__PAGE__ACCESS_TOKEN)"
        ),
    ]


def test_every_answer_can_be_given_and_a_wrong_one_is_explained(site: str, target: Path) -> None:
    typed = [
        "ftp://nowhere",
        "http://[bad",
        f"{site}/blog",
        "y",  # on a private network
        "perhaps",
        "y",
        "n",  # no Facebook
        "5",
        "3",  # a thread
        "tuesdays at 25:99",
        "tuesdays at 10:00",
        "Mars/Olympus",
        "Europe/Berlin",
        "#bad!tag",
        "ml, #vision",
        "much",
        "12",
        "y",
    ]
    code, out, err = init(target, *typed)
    assert (code, err) == (0, "")
    assert out.count("This cannot be used: ") == 2
    assert f"This page names the feed {site}/rss.xml" in out
    assert "'25:99' is not a time of day" in out
    assert "'Mars/Olympus' is not a time zone" in out
    assert "write an amount in dollars" in out
    raw = tomllib.loads(target.read_text())
    assert raw["timezone"] == "Europe/Berlin"
    assert list(raw["channels"]) == ["x"]
    assert raw["channels"]["x"]["monthly_budget"] == 12
    digest = raw["digests"]["latest"]
    assert (digest["shape"], digest["schedule"], digest["hashtags"]) == (
        "thread",
        "tuesdays at 10:00",
        ["#ml", "#vision"],
    )
    assert "digestbot -c " in out
    assert "login page" not in out


def test_enter_takes_every_default_and_so_does_the_end_of_the_input(site: str, target: Path) -> None:
    arguments = (
        "--feed",
        f"{site}/rss.xml",
        "--platform",
        "facebook",
        "--schedule",
        "daily at 9am",
        "--timezone",
        "UTC",
    )
    code, out, _ = init(target, "y", "", "", "", arguments=arguments)
    assert code == 0
    first = target.read_text()
    target.unlink()
    assert init(target, arguments=arguments)[0] == 0
    assert target.read_text() == first
    assert "Budget" not in out  # Facebook charges nothing


def test_a_feed_that_cannot_be_read_is_explained_and_can_be_kept(site: str, target: Path) -> None:
    code, out, _ = init(target, f"{site}/plain", "y", "", "y", "n", "", "", "UTC", "", "y")
    assert code == 0
    assert "The feed cannot be used: " in out
    assert "this is not a feed" in out
    assert tomllib.loads(target.read_text())["sources"]["feed"]["url"] == f"{site}/plain"
    assert "would appear" not in out


def test_a_page_that_names_a_broken_feed_and_an_empty_feed(site: str, feed: Feed, target: Path) -> None:
    out = init(target, arguments=("--yes", "--feed", f"{site}/broken"))[1]
    assert f"This page names the feed {site}/plain" in out
    assert "The feed cannot be used" in out
    assert tomllib.loads(target.read_text())["sources"]["feed"]["url"] == f"{site}/plain"  # the one that it names
    target.unlink()
    feed.items.clear()
    code, out, _ = init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    assert (code, "it was read, but none of its entries can be used" in out) == (3, True)


def test_a_private_network_is_entered_only_if_the_operator_agrees(site: str, feed: Feed, target: Path) -> None:
    code, out, _ = init(target, f"{site}/rss.xml", "n", "", "y", "n", "", "", "UTC", "", "y")
    assert code == 0
    assert "on a private network" in out
    assert feed.requests == []
    assert "allow_private_addresses" not in target.read_text()


def test_an_entry_that_cannot_be_posted_is_named(site: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from digestbot.domain.errors import RenderError
    from digestbot.pipeline.post_builder import PostBuilder

    def fail(*_: object) -> None:
        raise RenderError("there is no link")

    monkeypatch.setattr(PostBuilder, "drafts", fail)
    code, out, _ = init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    assert code == 0
    assert "On X, the newest entry cannot be posted: there is no link" in out


def test_nothing_is_written_unless_it_is_wanted(site: str, target: Path) -> None:
    arguments = (
        "--feed",
        f"{site}/rss.xml",
        "--platform",
        "facebook",
        "--schedule",
        "daily at 9am",
        "--timezone",
        "UTC",
    )
    code, out, _ = init(target, "y", "", "", "n", arguments=arguments)
    assert (code, "nothing was written" in out) == (0, True)
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--feed", "nonsense"), "--feed: write a URL that starts with"),
        (("--platform", "myspace"), "there is no platform 'myspace'; known: twitter, facebook"),
        (("--schedule", "whenever"), "digests.latest.schedule: "),
        (("--timezone", "Nowhere"), "'Nowhere' is not a time zone"),
    ],
)
def test_a_wrong_option_is_refused(site: str, target: Path, arguments: tuple[str, ...], words: str) -> None:
    given = arguments if "--feed" in arguments else ("--feed", f"{site}/plain", *arguments)
    code, _, err = init(target, arguments=("--yes", *given))
    assert (code, words in err) == (2, True)
    assert not target.exists()


def test_at_least_one_platform_is_needed(site: str, target: Path) -> None:
    code, out, _ = init(target, "y", "n", "n", "n", "y", arguments=("--feed", f"{site}/plain"))
    assert (code, out.count("Choose at least one platform.")) == (0, 1)
    assert list(tomllib.loads(target.read_text())["channels"]) == ["page"]


def test_a_file_that_exists_or_cannot_be_written_stops_it_before_any_question(target: Path, tmp_path: Path) -> None:
    target.write_text("mine")
    code, out, err = init(target)
    assert (code, out) == (2, "")
    assert "already exists and was not changed" in err
    code, out, err = init(tmp_path / "no" / "config.toml")
    assert (code, out) == (2, "")
    assert "cannot be written: there is no folder" in err
    assert target.read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    site: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(*_: object, **__: object) -> bool:
        target.write_text("mine")
        return True

    monkeypatch.setattr(Terminal, "confirm", confirm)
    code, _, err = init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    assert (code, "already exists" in err, target.read_text()) == (2, True, "mine")


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_full_disk_is_named_and_nothing_is_left(target: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    code, _, err = init(target, arguments=("--full",))
    assert (code, "cannot be written: No space left on device" in err) == (2, True)
    assert list(target.parent.iterdir()) == []


def test_a_link_that_leads_nowhere_is_not_followed(target: Path) -> None:
    target.symlink_to(target.parent / "elsewhere")
    assert "already exists" in init(target, arguments=("--full",))[2]


def test_the_file_can_be_named_as_for_every_command(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    assert called("-c", str(named), "init", "--full")[0] == 0
    assert called("init", "--full", env={"DIGESTBOT_CONFIG": str(tmp_path / "second.toml")})[0] == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["named.toml", "second.toml"]


def test_the_full_file_takes_no_choices(target: Path) -> None:
    code, _, err = init(target, arguments=("--full", "--feed", "https://www.example.org/feed"))
    assert (code, "leave out --feed" in err) == (2, True)


def test_a_password_in_a_url_is_refused_and_not_shown(target: Path) -> None:
    url = "http://user:secretpw@127.0.0.1:9/feed"
    code, out, err = init(target, arguments=("--yes", "--feed", url))
    assert (code, "credentials in a URL are not sent" in err) == (2, True)
    code, out, err = init(target, url)  # asked, and then the input ends
    assert "credentials in a URL are not sent" in out
    assert "secretpw" not in out + err


def test_a_default_that_is_not_valid_ends_the_questions(
    target: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: "Nowhere/Else")
    code, _, err = init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    assert (code, "'Nowhere/Else' is not a time zone" in err) == (2, True)


def test_a_schedule_that_seldom_comes_still_gets_a_budget(target: Path, site: str) -> None:
    arguments = ("--yes", "--feed", f"{site}/rss.xml", "--schedule", "0 9 29 2 *", "--platform", "twitter")
    assert init(target, arguments=arguments)[0] == 0
    assert tomllib.loads(target.read_text())["channels"]["x"]["monthly_budget"] == 5


@pytest.mark.parametrize("amount", ["1\u0663", "9" * 5000, "5 # five", "07"])
def test_a_strange_budget_is_explained(target: Path, site: str, amount: str) -> None:
    arguments = (
        "--feed",
        f"{site}/rss.xml",
        "--schedule",
        "daily at 9am",
        "--timezone",
        "UTC",
        "--platform",
        "twitter",
    )
    code, _, err = init(target, "y", "", "", amount, "6", "y", arguments=arguments)
    assert (code, err) == (0, "")
    assert config.load(target, {}, credentials_needed=False).budget("x")


@pytest.mark.parametrize("consent", ["y", "n"])
def test_a_page_that_names_a_feed_on_another_private_host_needs_another_consent(
    site: str, feed: Feed, target: Path, consent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = site.replace("127.0.0.1", "localhost") + "/rss.xml"
    monkeypatch.setattr("digestbot.sources.feed.discovery.named_feeds", lambda *_, **__: [other, "ftp://x"])
    arguments = ("--feed", f"{site}/plain", "--schedule", "daily at 9am", "--timezone", "UTC", "--platform", "facebook")
    code, out, _ = init(target, "y", consent, "", "", "y", arguments=arguments)
    assert (code, "It is on a private network. Read it?" in out) == (0, True)
    assert len(feed.requests) == (consent == "y")


def test_changes_of_a_ledger_need_credentials_and_looking_does_not(site: str, target: Path) -> None:
    """Placeholder credentials must never be taken for another account."""
    init(target, arguments=("--yes", "--feed", f"{site}/rss.xml"))
    connected = target.read_text()
    for platform in ("twitter", "facebook"):
        connected = connected.replace(f'"{platform}"\n', f'"{platform}"\napi_url = "{site}"\n')
    secrets = {"x": ("api_key", "api_secret", "access_token", "access_token_secret"), "page": ("access_token",)}
    credentials = {
        f"DIGESTBOT_CHANNELS__{channel}__{key}".upper(): f"100-{key}"
        for channel, keys in secrets.items()
        for key in keys
    }
    target.write_text(connected)
    assert called("-c", str(target), "once", env=credentials | {"DIGESTBOT_CHANNELS__PAGE__PAGE_ID": "200"})[0] == 0
    ledger = target.parent / "digestbot.db"

    def channels() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(ledger)) as tx:
            return tx.execute("SELECT name, account, account_since, catch_up FROM channels ORDER BY name").fetchall()

    before = channels()
    for command in (("posts",), ("backlog", "latest"), ("plan",), ("why", "1"), ("preview", "latest"), ("alerts",)):
        assert called("-c", str(target), *command)[0] == 0
    code, _, err = called("-c", str(target), "backlog", "latest", "--skip")
    assert (code, "run digestbot login x" in err) == (2, True)
    code, _, err = called("-c", str(target), "posts", "resolve", "1", "--published", "5")
    assert (code, "run digestbot login x" in err) == (2, True)
    assert called("-c", str(target), "pause-all")[0] == 0  # in an emergency nobody looks for keys
    assert channels() == before


def test_after_a_logout_everything_but_posting_still_works(target: Path) -> None:
    target.write_text(
        starter_text(StarterChoices("https://www.example.org/feed"))
        + '\n[channels.third]\nplatform = "facebook"\npage_id = "…"\naccess_token_file = "gone"\napp_secret = "…"\n'
    )
    with pytest.raises(config.loader.ConfigError) as caught:
        config.load(target, {})
    assert len(caught.value.problems) == 5
    loaded = config.load(target, {}, credentials_needed=False)
    assert set(loaded.channels) == {"x", "page", "third"}
    for raw in ({"channels": 5}, {"channels": {"x": 5}}, {"channels": {"x": {"platform": "myspace"}}}):
        with pytest.raises(config.loader.ConfigError):
            config.build(raw, credentials_needed=False)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_a_valid_configuration(style: PostStyle) -> None:
    choices = StarterChoices("https://www.example.org/feed", style=style, schedule=style.schedule)
    loaded = config.build(tomllib.loads(starter_text(choices)), credentials_needed=False)
    assert set(loaded.channels) == {one.channel_name for one in PLATFORMS.values()}


@given(st.text(), st.text(), st.text())
def test_whatever_is_typed_stays_one_value(feed: str, schedule: str, hashtag: str) -> None:
    choices = StarterChoices(
        feed, schedule=schedule, timezone=schedule, hashtags=[hashtag], budgets=[("twitter", feed)]
    )
    raw = tomllib.loads(starter_text(choices))
    assert raw["digests"]["latest"]["schedule"] == schedule
    assert raw["digests"]["latest"]["hashtags"] == [hashtag]
    assert set(raw["channels"]["x"]) == {"platform", "monthly_budget"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (DEFAULT_FEED, "shortscience"),
        ("https://export.arxiv.org/rss/cs", "arxiv"),
        ("http://blog.example.co.uk/feed", "example"),
        ("http://127.0.0.1:8000/feed", "feed"),
        ("http://[::1]/feed", "feed"),
        ("http://[bad", "feed"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva"),
        ("http://1and1.com/", "feed"),
    ],
)
def test_a_source_is_named_after_its_host(url: str, name: str) -> None:
    assert source_name(url) == name


@pytest.mark.parametrize(
    "page", ["<![foo[ x ]]>", "<![<![", "<link rel=alternate type=application/rss+xml href='x'><![a["]
)
def test_a_malformed_page_is_no_error(page: str) -> None:
    assert feeds_in_page(page, "https://example.com/") == (["https://example.com/x"] if "link" in page else [])


def test_the_base_of_a_page_is_heeded() -> None:
    page = "<base href='/b/'><base href='/c/'><link rel=alternate type=application/rss+xml href=rss>"
    assert feeds_in_page(page, "https://example.com/a/") == ["https://example.com/b/rss"]


def test_the_feeds_of_a_page() -> None:
    assert feeds_in_page(PAGE, "https://example.com/a/") == [
        "https://example.com/a/rss.xml",
        "https://example.org/atom",
    ]


@pytest.mark.parametrize(
    ("zone", "name"), [("Etc/UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin"), (None, "UTC"), (LookupError(), "UTC")]
)
def test_the_time_zone_of_the_machine_is_proposed(
    site: str, target: Path, monkeypatch: pytest.MonkeyPatch, zone: object, name: str
) -> None:
    def local() -> object:
        if isinstance(zone, Exception):
            raise zone
        return zone

    monkeypatch.setattr(tzlocal, "get_localzone_name", local)
    init(target, arguments=("--yes", "--feed", f"{site}/plain"))
    assert tomllib.loads(target.read_text())["timezone"] == name


def test_a_host_without_an_address_is_not_private() -> None:
    assert not feed_trial._is_private_host("http://" + "a" * 70 + ".invalid/")
    assert feed_trial._is_private_host("http://localhost/")
