"""The command init: ask what an operator wants, show posts as they would appear, and write a configuration."""

from __future__ import annotations

import argparse
import math
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from digestbot.cli import ATTENTION, OK
from digestbot.cli.common import now_, rehearsing
from digestbot.cli.dialogue import Terminal
from digestbot.cli.feed_trial import choose_feed
from digestbot.domain.errors import ConfigError, DigestbotError
from digestbot.infra.config_location import ENV_CONFIG

if TYPE_CHECKING:
    from digestbot.cli.feed_trial import FeedTrial
    from digestbot.cli.parser import Commands
    from digestbot.config import Config
    from digestbot.config.starter import StarterChoices

DEFAULT_FEED = "https://www.shortscience.org/rss-full.xml"
NO_HASHTAGS = "none"
MONTH = timedelta(days=30)
HEADROOM = 1.5  # of the proposed budget above the estimated cost
BUDGET_STEP = 5  # dollars


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add(
        "init", "ask what you want to post, and write a configuration to start from", init, json=False
    )
    command.add_argument("file", nargs="?", metavar="FILE", help="where to (config.toml)")
    command.add_argument("--yes", action="store_true", help="ask nothing: take the defaults")
    command.add_argument("--full", action="store_true", help="ask nothing: write every key, with comments")
    command.add_argument("--feed", metavar="URL", help="the feed, or a web page that names one")
    command.add_argument("--platform", action="append", metavar="NAME", help="post here (may be repeated)")
    command.add_argument("--schedule", metavar="TIMES", help='when to post, such as "weekdays at 09:00"')
    command.add_argument("--timezone", metavar="ZONE", help="the time zone of the schedule, such as Europe/Berlin")


def init(arguments: argparse.Namespace) -> int:
    """Ask for the feed, the platforms, the style and the times; show posts; write the configuration, readable only by
    its owner. Return the exit code. Raises ConfigError if the file exists or cannot be written."""
    from digestbot.config.starter import starter_text

    file = arguments.file or arguments.config or os.environ.get(ENV_CONFIG) or "config.toml"
    target = Path(file)
    if target.exists() or target.is_symlink():
        raise ConfigError([f"{target} already exists and was not changed"])
    if not target.absolute().parent.is_dir():
        raise ConfigError([f"{target}: cannot be written: there is no folder {target.parent}"])
    chosen = [name for name in ("feed", "platform", "schedule", "timezone") if getattr(arguments, name) is not None]
    if arguments.full and chosen:
        raise ConfigError([f"--full copies the example unchanged: leave out --{chosen[0]}"])
    if arguments.full:
        packaged = Path(__file__).parent.parent / "config.example.toml"
        example = packaged if packaged.is_file() else packaged.parent.parent / packaged.name
        _write(target, example.read_text(encoding="utf-8"))
        print(f"wrote {target}; fill in the keys, then: digestbot -c {target} check")
        return OK
    terminal = Terminal(asks=not arguments.yes)
    feed = choose_feed(terminal, arguments.feed, DEFAULT_FEED)
    choices = _choices(arguments, terminal, feed)
    costs = _show_posts(terminal, choices, feed)
    choices = _with_budgets(terminal, choices, costs)
    if not terminal.confirm(f"Write {target}?"):
        print("nothing was written")
        return OK
    _write(target, starter_text(choices))
    _print_next_steps(file, choices)
    return OK if feed.newest or not arguments.yes else ATTENTION


def _write(target: Path, text: str) -> None:
    """Write a new file that only its owner can read: it may come to hold credentials."""
    from digestbot.config.writer import write_next_to

    try:
        complete = write_next_to(target, text)
        try:
            os.link(complete, target)  # unlike a renaming, this never replaces a file
        finally:
            complete.unlink()
    except FileExistsError:
        raise ConfigError([f"{target} already exists and was not changed"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error


def _choices(arguments: argparse.Namespace, terminal: Terminal, feed: FeedTrial) -> StarterChoices:
    """Return what the operator chose on the command line and at the terminal."""
    from digestbot.config.starter import STYLES, StarterChoices

    platforms = _chosen_platforms(arguments, terminal)
    choices = StarterChoices(feed.url, private_feed=feed.private, platforms=platforms)
    terminal.tell("How should posts look?")
    style = STYLES[terminal.choose("Style", [one.description for one in STYLES], default=0)]
    choices = replace(choices, style=style, schedule=style.schedule)

    def with_times(text: str) -> StarterChoices:
        return replace(choices, schedule=text)

    choices = _valid(
        terminal, 'When to post, in words or as cron ("0 9 * * *")', arguments.schedule, style.schedule, with_times
    )

    def with_zone(text: str) -> StarterChoices:
        return replace(choices, timezone=text)

    choices = _valid(terminal, "Time zone", arguments.timezone, _local_zone(), with_zone)

    def with_hashtags(text: str) -> StarterChoices:
        words = text.replace(",", " ").split() if text != NO_HASHTAGS else []
        return replace(choices, hashtags=tuple(f"#{word.removeprefix('#')}" for word in words))

    return _valid(terminal, "Hashtags, separated by spaces", None, NO_HASHTAGS, with_hashtags)


def _valid(
    terminal: Terminal, question: str, given: str | None, default: str, apply: Callable[[str], StarterChoices]
) -> StarterChoices:
    """Return the choices with a valid answer to a question; invalid ones are explained. Raises ConfigError if the one
    ``given`` on the command line is invalid."""
    while True:
        answer = terminal.ask(question, default=default) if given is None else given
        choices = apply(answer)
        try:
            _configuration(choices)
        except ConfigError as error:
            if given is not None or answer == default:  # nobody could do better
                raise
            terminal.tell(error.problems[0].partition(": ")[2])
            continue
        return choices


def _configuration(choices: StarterChoices) -> Config:
    import tomllib

    from digestbot import config
    from digestbot.config.starter import starter_text

    return config.build(tomllib.loads(starter_text(choices)), credentials_needed=False)


def _chosen_platforms(arguments: argparse.Namespace, terminal: Terminal) -> tuple[str, ...]:
    from digestbot.platforms.registry import PLATFORMS

    unknown = [name for name in arguments.platform or () if name not in PLATFORMS]
    if unknown:
        raise ConfigError([f"--platform: there is no platform {unknown[0]!r}; known: {', '.join(PLATFORMS)}"])
    if arguments.platform:
        return tuple(dict.fromkeys(arguments.platform))
    while True:
        chosen = tuple(name for name, one in PLATFORMS.items() if terminal.confirm(f"Post on {one.title}?"))
        if chosen:
            return chosen
        terminal.tell("Choose at least one platform.")


def _local_zone() -> str:
    """Return the name of this machine's time zone; UTC if it is unknown."""
    import tzlocal

    try:
        name: str = tzlocal.get_localzone_name() or "UTC"
    except (LookupError, ValueError, OSError):
        return "UTC"
    return "UTC" if name in ("Etc/UTC", "Etc/UCT", "Etc/Zulu") else name


def _show_posts(terminal: Terminal, choices: StarterChoices, feed: FeedTrial) -> Mapping[str, int]:
    """Print the newest summaries as they would appear on each platform. Return the cost of a month by platform, in
    millionths of a dollar, for the platforms that charge."""
    from digestbot.cli import output
    from digestbot.domain.budget import dollars

    costs: dict[str, int] = {}
    config = _configuration(choices)
    if not feed.newest:
        return costs
    with rehearsing(config) as service:
        for name in config.channels:
            platform = config.platform(name)
            newest = feed.newest[: config.digests["latest"].size]
            try:
                drafts = service.post_builder.drafts("latest", name, newest)[1]
            except DigestbotError as error:
                terminal.tell(f"On {platform.title}, the newest entry cannot be posted: {error}")
                continue
            terminal.tell(f"\nOn {platform.title} it would appear like this:")
            for draft in drafts:
                terminal.tell("\n" + output.format_message(draft.message, platform.limit, draft.cost, draft.excerpt))
            if config.prices(name):
                slots = _slots_per_month(config, name)
                costs[platform.name] = slots * sum(draft.cost for draft in drafts)
                most = dollars(costs[platform.name])
                terminal.tell(f"  up to {slots} times in 30 days, if there is enough to post: about {most}")
    terminal.tell("")
    return costs


def _slots_per_month(config: Config, channel: str) -> int:
    from digestbot.domain.schedule import Calendar

    now = now_()
    slots = Calendar(config.timing("latest", channel).schedule, config.zone("latest", channel)).slots(now)
    return sum(1 for _ in takewhile(lambda slot: slot.due <= now + MONTH, slots))


def _with_budgets(terminal: Terminal, choices: StarterChoices, costs: Mapping[str, int]) -> StarterChoices:
    """Return the choices with a monthly budget for each platform that charges."""
    from digestbot.domain.budget import DOLLAR
    from digestbot.platforms.registry import PLATFORMS

    for platform, cost in costs.items():
        proposal = max(1, math.ceil(cost * HEADROOM / DOLLAR / BUDGET_STEP)) * BUDGET_STEP
        question = f"Budget for {PLATFORMS[platform].title}, in dollars per month"

        def with_budget(text: str, choices: StarterChoices = choices, platform: str = platform) -> StarterChoices:
            return replace(choices, budgets=(*choices.budgets, (platform, text.removeprefix("$"))))

        choices = _valid(terminal, question, None, str(proposal), with_budget)
    return choices


def _print_next_steps(file: str, choices: StarterChoices) -> None:
    """Print the commands that follow, in their order."""
    from digestbot.platforms.registry import PLATFORMS

    digestbot = "digestbot" if file == "config.toml" else f"digestbot -c {shlex.quote(file)}"
    steps = [(f"{digestbot} preview latest", "the next post on each channel; needs no account")]
    for name in choices.platforms:
        platform = PLATFORMS[name]
        account = f"{platform.title} {platform.account_kind}"
        steps.append((f"{digestbot} login {platform.channel_name}", f"connect your {account}"))
    steps += [
        (f"{digestbot} check --online", "make sure that everything works"),
        (f"{digestbot} run", "post on schedule"),
    ]
    width = max(len(command) for command, _ in steps)
    print(f"wrote {file}\nnext:")
    for command, purpose in steps:
        print(f"  {command:<{width}}  # {purpose}")
