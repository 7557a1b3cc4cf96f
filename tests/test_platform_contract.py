"""What every platform must offer, those of the registry and one that only the tests know."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from helpers.basics import START, Clock, Feed, raw_config
from helpers.toys import toy_platform

from digestbot import config as configuration
from digestbot.domain.errors import ConfigError, RateLimited, Rejected, Unauthorized
from digestbot.domain.model import Message, Shape
from digestbot.ledger import Ledger, queries
from digestbot.pipeline.app import Service
from digestbot.platforms.base import Platform
from digestbot.platforms.registry import PLATFORMS, get_platform, publisher_for
from digestbot.rendering.post_preview import PostPreview, preview_environment, style
from digestbot.rendering.renderer import BUILT_IN
from digestbot.sandbox import Sandbox, World

ROOT = Path(__file__).parent.parent
SECONDS = 20.0
TOY = {"platform": "toy", "token": "toy-token-0001"}


@pytest.fixture(params=[*PLATFORMS, "toy"])
def platform(request: pytest.FixtureRequest, toy: Platform) -> Platform:
    return PLATFORMS[request.param]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The test's own platform, for as long as the test runs: one entry of the registry, and nothing else."""
    (tmp_path / "toy").mkdir()
    monkeypatch.setitem(PLATFORMS, "toy", toy_platform(tmp_path / "toy"))
    return PLATFORMS["toy"]


@pytest.fixture
def world(clock: Clock, platform: Platform) -> Iterator[Sandbox]:
    with Sandbox(world=World(clock=lambda: clock().timestamp())) as running:
        yield running


def channel(platform: Platform, url: str) -> dict[str, Any]:
    """A channel as the example configuration has it, filled in."""
    if platform.name == "toy":
        return TOY | {"api_url": url}
    example = tomllib.loads((ROOT / "config.example.toml").read_text().replace('page_id = "…"', 'page_id = "200"'))
    (section,) = (one for one in example["channels"].values() if one["platform"] == platform.name)
    return {key: "100-filled-in" if value == "…" else value for key, value in section.items()} | {"api_url": url}


def publisher(platform: Platform, sandbox: Sandbox) -> Any:
    return publisher_for(platform.config.model_validate(channel(platform, sandbox.url)))


def send(platform: Platform, sandbox: Sandbox, text: str = "Worth reading.") -> Any:
    return publisher(platform, sandbox).publish(Message(text), reply_to=None, seconds=SECONDS, may_send=lambda: True)


# ---- what a platform says of itself


def test_its_name_is_the_configurations(platform: Platform) -> None:
    assert get_args(platform.config.model_fields["platform"].annotation) == (platform.name,)
    assert get_platform(platform.name) is platform


def test_its_sizes(platform: Platform) -> None:
    assert platform.limit.measure("") == 0
    assert platform.limit.measure("abc") == 3 <= platform.limit.most
    assert all(100 <= side <= 4096 for side in platform.card_size)


def test_its_preview_escapes_and_links(platform: Platform) -> None:
    from jinja2 import DictLoader

    pages = preview_environment(DictLoader({"p": '{% from "post_preview.html.j2" import post %}{{ post(shown) }}'}))
    page = pages.get_template("p").render(shown=PostPreview(platform.name, "Me", "<b>bold</b> http://example.org/a"))
    assert "&lt;b&gt;" in page
    assert 'href="http://example.org/a"' in page
    assert "{" in style()


def test_its_error_catalogue(platform: Platform) -> None:
    names = [row.name for row in platform.errors]
    assert len(set(names)) == len(names)
    assert all(row.meaning and row.example[0] >= 200 for row in platform.errors)


def test_what_identifies_its_account(platform: Platform) -> None:
    one = platform.config.model_validate(channel(platform, "http://127.0.0.1:1"))
    assert one.account() is None or one.account()
    assert one.application()
    assert list(one.advice(START, online=False)) is not None
    if one.price_list() is None:
        assert one.budget() is None


# ---- what its publisher does, against the sandbox


def test_a_post_appears_is_found_and_goes(platform: Platform, world: Sandbox, clock: Clock) -> None:
    one = publisher(platform, world)
    receipt = send(platform, world)
    assert [post.text for post in world.world.timelines[platform.name]] == ["Worth reading."]
    assert one.receipt(receipt.id) == one.receipt(receipt.url) == receipt
    there = one.lookup(receipt.id, seconds=SECONDS)
    assert (there.text, there.id) == ("Worth reading.", receipt.id)
    assert abs(there.at - clock()) < timedelta(seconds=2)
    pages = list(one.timeline(after=None, reply_to=None, seconds=SECONDS))
    assert [post.id for page in pages for post in page.posts] == [receipt.id]
    assert one.platform_time() is not None
    one.delete(receipt.id, seconds=SECONDS, may_send=lambda: True)
    one.delete(receipt.id, seconds=SECONDS, may_send=lambda: True)  # it is gone already
    assert world.world.timelines[platform.name] == []
    assert one.lookup(receipt.id, seconds=SECONDS) is None


def test_a_post_is_edited_where_that_is_possible(platform: Platform, world: Sandbox) -> None:
    receipt, one = send(platform, world), publisher(platform, world)
    if not platform.can_edit:
        with pytest.raises(Rejected):
            one.update(receipt.id, Message("Other."), seconds=SECONDS, may_send=lambda: True)
        return
    one.update(receipt.id, Message("Other."), seconds=SECONDS, may_send=lambda: True)
    assert one.lookup(receipt.id, seconds=SECONDS).text == "Other."


def test_what_is_no_receipt(platform: Platform, world: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        publisher(platform, world).receipt("nonsense")


@pytest.mark.parametrize(("fault", "error"), [("unauthorized", Unauthorized), ("429", RateLimited)])
def test_refusals_are_the_kinds_of_errors_that_they_are(
    platform: Platform, world: Sandbox, fault: str, error: type[Exception]
) -> None:
    world.faults.add(fault, platform.name)
    with pytest.raises(error):
        send(platform, world)
    assert world.world.timelines[platform.name] == []


def test_nothing_is_sent_once_the_claim_is_lost(platform: Platform, world: Sandbox) -> None:
    with pytest.raises(Exception, match="not sent"):
        publisher(platform, world).publish(Message("x"), reply_to=None, seconds=SECONDS, may_send=lambda: False)
    assert world.world.timelines[platform.name] == []


def test_the_account_can_be_asked_for(platform: Platform, world: Sandbox) -> None:
    account = publisher(platform, world).verify(seconds=SECONDS).name
    assert account
    assert publisher(platform, world).expires_at(seconds=SECONDS, now=START) is None


# ---- what goes with a platform of the registry


@pytest.mark.parametrize("name", list(PLATFORMS))
def test_a_registered_platform_is_complete(name: str) -> None:
    one = PLATFORMS[name]
    for shape in Shape:
        template = "summary" if shape is Shape.SINGLE else str(shape)
        assert (BUILT_IN / f"{template}.{name}.txt.j2").is_file()
    docs = (ROOT / "docs" / "configuration.md").read_text()
    assert f'`"{name}"`' in docs
    assert all(f"`{key}`" in docs for key in one.config.model_fields)
    assert one.title in (ROOT / "docs" / "errors.md").read_text()
    assert channel(one, "http://127.0.0.1:1")
    assert (one.folder / "preview.html.j2").is_file()


def test_an_unknown_platform_is_nobodys() -> None:
    with pytest.raises(LookupError, match="unknown platform 'nope'; known platforms: twitter, facebook"):
        get_platform("nope")


# ---- the toy platform, through the whole service


def test_a_new_platform_posts_through_the_whole_service(
    toy: Platform, tmp_path: Path, feed: Feed, clock: Clock
) -> None:
    (tmp_path / "summary.toy.txt.j2").write_text("{{ paper.title }}: {{ summary.lead | fit }}")
    with Sandbox(world=World(clock=lambda: clock().timestamp()), documents={"/rss-full.xml": feed}) as sandbox:
        raw = raw_config(sandbox.url, channels=["toy"], schedule="every day at 09:00") | {"templates": str(tmp_path)}
        raw["channels"] = {"toy": TOY | {"api_url": sandbox.url}}
        config = configuration.build(raw)
        assert "toy-token-0001" in config.secrets()
        ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
        service = Service(config, ledger, clock)
        service.prepare()
        feed.add(1)
        service.tick()
        clock.now = START + timedelta(hours=2)
        service.tick()
        (post,) = sandbox.world.timelines["toy"]
        assert post.text.startswith("Paper Number 1: ")
        with ledger.read() as tx:
            (row,) = queries.post_rows(tx)
        assert (row.channel, row.status, row.receipt.url) == ("toy", "published", f"{sandbox.url}/toy/{post.id}")
        page = sandbox._pages.answer(replace(REQUEST, path="/toy"))
        assert b"Toy account: Paper Number 1" in page.body
        service.close()
        ledger.close()
    raw["channels"]["toy"]["nonsense"] = 1
    with pytest.raises(ConfigError, match=r"channels\.toy\.nonsense: unknown key"):
        configuration.build(raw)


def test_platforms_that_are_not_registered_are_not_configurable() -> None:
    raw = raw_config("http://127.0.0.1:1", channels=["x"])
    raw["channels"] = {"x": TOY}
    with pytest.raises(ConfigError, match=r'channels\.x\.platform: must be "twitter" or "facebook"'):
        configuration.build(raw)


def test_no_module_outside_a_platforms_folder_names_it() -> None:
    """Where one stands, a new platform would silently be treated as another."""
    allowed = {"platforms/registry.py", "cli/demo.py"}
    for file in (ROOT / "digestbot").rglob("*.py"):
        place = str(file.relative_to(ROOT / "digestbot"))
        if place in allowed or place.startswith(("platforms/twitter/", "platforms/facebook/")):
            continue
        code = re.sub(r'"""[\s\S]*?"""|#[^\n]*', "", file.read_text())
        assert not re.search(r'["\'](twitter|facebook)["\']|\b(TWITTER|FACEBOOK)\b', code), place


REQUEST: Any = None


def setup_module() -> None:
    from digestbot.platforms.sandbox_http import Request

    global REQUEST
    REQUEST = Request("GET", "/", "http://127.0.0.1/", {}, {})
