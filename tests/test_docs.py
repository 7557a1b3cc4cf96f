"""The docs know every command, option, key, fault and value that there is."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from helpers.basics import filled_in

from digestbot import config
from digestbot.cli.parser import parser
from digestbot.domain.model import PostStatus
from digestbot.platforms.facebook.config import FacebookChannel
from digestbot.platforms.twitter.config import PriceList, TwitterChannel
from digestbot.rendering.template_views import ChannelView, DigestView, PaperView, SummaryView
from digestbot.sandbox import FAULTS, LIES
from digestbot.sources.database.config import DatabaseSource
from digestbot.sources.feed.config import FeedSource

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = {path.stem: path.read_text() for path in (ROOT / "docs").glob("*.md")}
SECTIONS = {
    "sources": FeedSource,
    "database": DatabaseSource,
    "filter": config.FilterConfig,
    "channels": TwitterChannel,
    "page": FacebookChannel,
    "digests": config.Digest,
    "delivery": config.Delivery,
    "prices": PriceList,
    "on": config.ChannelOverride,
    "cards": config.Cards,
    "web": config.Web,
    "alerts": config.Alerts,
}


def test_every_command_and_option_is_documented() -> None:
    (subparsers,) = (action for action in parser()._actions if action.dest == "command")
    assert subparsers.choices is not None
    for name, command in dict(subparsers.choices).items():  # type: ignore[call-overload]
        assert f"`digestbot {name}" in DOCS["operations"]
        for action in command._actions:
            for option in action.option_strings[-1:]:
                assert option in DOCS["operations"] or option == "--help", f"{name} {option}"
            if isinstance(action.choices, dict):
                for inner, subcommand in action.choices.items():
                    assert re.search(rf"`digestbot {name} (\w+\|)*{inner}\b", DOCS["operations"]), f"{name} {inner}"
                    for option in [o for a in subcommand._actions for o in a.option_strings[-1:]]:
                        assert option in DOCS["operations"] or option == "--help", f"{name} {inner} {option}"


@pytest.mark.parametrize("section", SECTIONS.values())
def test_every_key_is_documented_and_in_the_example(section: type[FeedSource]) -> None:
    example = (ROOT / "config.example.toml").read_text()
    for key in section.model_fields:
        assert any(f"`{key}`" in DOCS[name] for name in ("configuration", "web", "monitoring")), key
        assert re.search(rf"(^(# )?|[{{ ]){key} = ", example, re.MULTILINE), key


def test_the_top_level_keys_are_documented_and_in_the_example() -> None:
    example = (ROOT / "config.example.toml").read_text()
    for key in ("database", "timezone", "templates", "log_format"):
        assert f"`{key}`" in DOCS["configuration"]
        assert re.search(rf"^(# )?{key} = ", example, re.MULTILINE)
    assert set(tomllib.loads(example)) <= set(config.Config.model_fields)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    loaded = config.load(filled_in(tmp_path), {})
    for name, section in (("delivery", config.Delivery), ("alerts", config.Alerts)):
        assert getattr(loaded, name) == section()
    source = loaded.sources["shortscience"]
    assert source == FeedSource.model_validate({"kind": "feed", "url": source.url})


def test_every_fault_is_documented() -> None:
    for fault in (*FAULTS, *LIES):
        assert f"`{fault}`" in DOCS["sandbox"]


def test_every_value_of_a_template_is_documented() -> None:
    names = [f"paper.{name}" for name in PaperView.__dataclass_fields__]
    names += [f"digest.{name}" for name in DigestView.__dataclass_fields__]
    names += [f"channel.{name}" for name in ChannelView.__dataclass_fields__]
    names += ["summaries", "hashtags"]
    names += [f"summary.{name}" for name in ("writer", "link", "orcid", "votes", "dated")]
    names += [f"summary.{name}" for name in vars(SummaryView) if not name.startswith("_")]
    for name in names:
        assert f"`{name}`" in DOCS["templates"], name


def test_every_status_is_in_the_glossary() -> None:
    for status in PostStatus:
        assert f"`{status}`" in DOCS["glossary"]


def test_the_sample_posts_are_what_is_made_today() -> None:
    from bench.samples import page

    assert DOCS["samples"] == page(), "regenerate it: python -m bench.samples"


def test_the_page_on_excerpts_is_what_is_measured_today() -> None:
    from bench.excerpts import page

    assert DOCS["excerpts"] == page(), "regenerate it: python -m bench.excerpts"


def test_the_error_catalogue_is_what_the_code_has() -> None:
    from bench.catalogue import page

    assert DOCS["errors"] == page(), "regenerate it: python -m bench.catalogue"


def test_links_between_the_docs_lead_somewhere() -> None:
    for folder, text in [(ROOT, README), *((ROOT / "docs", text) for text in DOCS.values())]:
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (folder / target).exists(), target


def test_the_version_is_in_the_changelog_or_unreleased() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


_EXAMPLES = {"SUMMARY": "1", "ID": "1", "N": "1"}
STEPS = ("maintenance", "switching", "feeds")  # pages whose commands stand in the text, whole


def test_every_command_in_steps_and_code_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    """What a page tells the reader to type is a command, with options that exist."""
    commands = [
        one for page in [README, *DOCS.values()] for one in re.findall(r"^ {4,}digestbot ([^#\n]+)", page, re.MULTILINE)
    ]
    commands += [one for name in STEPS for one in re.findall(r"`digestbot ([^`]+)`", DOCS[name])]
    wrong = []
    for command in commands:
        words = [_EXAMPLES.get(word, word) for word in shlex.split(command.partition("   ")[0])]
        try:
            parser().parse_args(words)
        except SystemExit as ended:
            if ended.code:
                wrong.append(f"digestbot {command}: {capsys.readouterr().err.splitlines()[-1]}")
    assert wrong == []
    assert len(commands) > 30
