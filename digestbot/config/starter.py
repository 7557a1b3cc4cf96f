"""The short configuration that `digestbot init` writes: what an operator chose, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from digestbot.platforms.registry import PLATFORMS


@dataclass(frozen=True)
class PostStyle:
    """A look of posts that can be chosen: its description for people, its keys, and a schedule that suits it."""

    description: str
    keys: tuple[str, ...]
    schedule: str


DAILY, WEEKLY = "weekdays at 09:00, 13:00 and 17:00", "fridays at 16:00"
STYLES = (
    PostStyle("one summary per post, with its most telling sentences", (), DAILY),
    PostStyle("one summary per post, with its first sentences", ('excerpt = "beginning"',), DAILY),
    PostStyle("each summary in full, as a thread", ('shape = "thread"', 'link = "last"'), "weekdays at 13:00"),
    PostStyle(
        "a weekly roundup of five", ('shape = "roundup"', "size = 5", 'order = "newest"', 'window = "7 days"'), WEEKLY
    ),
)


@dataclass(frozen=True)
class StarterChoices:
    """What an operator chose. ``private_feed``: the feed is on a private network. ``budgets`` are dollars per month by
    platform, for those that charge."""

    feed: str
    private_feed: bool = False
    platforms: Sequence[str] = tuple(PLATFORMS)
    style: PostStyle = STYLES[0]
    schedule: str = STYLES[0].schedule
    timezone: str = "UTC"
    hashtags: Sequence[str] = ()
    budgets: Sequence[tuple[str, str]] = ()


def source_name(url: str) -> str:
    """Return a name for a source: the main word of its host, such as ``shortscience``."""
    from publicsuffixlist import PublicSuffixList

    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    private: str = PublicSuffixList().privatesuffix(host) or ""
    name = private.partition(".")[0]
    return name if re.fullmatch(r"[a-z][a-z0-9-]*", name) else "feed"


def starter_text(choices: StarterChoices) -> str:
    """Return the configuration as TOML. The credentials of its channels are still missing."""
    source = source_name(choices.feed)
    channels = [PLATFORMS[name].channel_name for name in choices.platforms]
    logins = " and ".join(f"`digestbot login {name}`" for name in channels)
    verb = "adds" if len(channels) == 1 else "add"
    sections = [
        (
            "# digestbot's configuration, written by `digestbot init`. `digestbot check` reports mistakes in it.\n"
            "# The other keys have their defaults: docs/configuration.md lists them, and `digestbot init --full FILE`\n"
            "# writes them all.\n\n"
            f"timezone = {_quoted(choices.timezone)}"
        ),
        f'[sources.{source}]\nkind = "feed"\nurl = {_quoted(choices.feed)}'
        + ("\nallow_private_addresses = true" if choices.private_feed else ""),
    ]
    budgets = dict(choices.budgets)
    for number, (platform, channel) in enumerate(zip(choices.platforms, channels, strict=True)):
        section = f"[channels.{channel}]\nplatform = {_quoted(platform)}"
        if platform in budgets:
            section += (
                f"\nmonthly_budget = {_number(budgets[platform])}  # dollars; posts that would exceed it are not sent"
            )
        sections.append(section if number else f"# {logins} {verb} the credentials.\n{section}")
    digest = [
        "[digests.latest]",
        f"sources = [{_quoted(source)}]",
        f"channels = [{', '.join(map(_quoted, channels))}]",
        f"schedule = {_quoted(choices.schedule)}",
        *choices.style.keys,
    ]
    if choices.hashtags:
        digest.append(f"hashtags = [{', '.join(map(_quoted, choices.hashtags))}]")
    digest.append('backlog = 1  # begin with the newest summary; "skip": with the next new one')
    return "\n\n".join([*sections, "\n".join(digest)]) + "\n"


def _number(text: str) -> str:
    """Return a number as TOML; anything else is quoted, so that its mistake is reported like any other."""
    return text if re.fullmatch(r"(0|[1-9][0-9]{0,6})(\.[0-9]{1,2})?", text) else _quoted(text)


def _quoted(text: str) -> str:
    """Return a TOML string. JSON's escapes are also TOML's, as long as no character needs a surrogate pair."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
