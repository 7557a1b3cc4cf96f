"""The command adopt: find the summaries that a channel's account already shows, so that none is posted again."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK, TROUBLE
from digestbot.cli.argument_types import positive
from digestbot.cli.common import known_channel, load_config, open_service, until_signalled
from digestbot.cli.progress import working

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands
    from digestbot.domain.model import TimelinePost
    from digestbot.pipeline.adopter import AdoptionReport

MOST = 1000  # posts that are read by default
LISTED = 20  # posts of each kind that are listed


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("adopt", "mark the summaries that a channel's account already shows as posted", adopt)
    command.add_argument("channel", metavar="CHANNEL")
    command.add_argument("--limit", type=positive, default=MOST, metavar="N", help=f"read the newest N posts ({MOST})")
    command.add_argument("--yes", action="store_true", help="do not ask whether the cost is acceptable")


def adopt(arguments: argparse.Namespace) -> int:
    """Read a channel's account and mark what it shows; return the exit code. Where reading costs money, the operator is
    asked first, or must pass ``--yes``."""
    from digestbot.cli import output
    from digestbot.cli.send import ask
    from digestbot.domain.budget import dollars
    from digestbot.domain.errors import ConfigError
    from digestbot.pipeline.adopter import Adopter
    from digestbot.pipeline.report import Report
    from digestbot.platforms.registry import publisher_for

    config = load_config(arguments)
    channel = known_channel(config, arguments.channel)
    terminal = sys.stdin.isatty() and not arguments.json
    with (
        working(f"reading {channel}", quiet=arguments.quiet or terminal) as step,
        open_service(config, stopping=until_signalled().is_set, progress=step) as service,
    ):
        adopter = Adopter(
            service.runtime, service.poller, service.growth, lambda name: publisher_for(config.channels[name])
        )
        cost = adopter.cost(channel, arguments.limit)
        if cost and not arguments.yes:
            price = f"Reading up to {arguments.limit} posts of {channel} costs {dollars(cost)} at most"
            if not terminal:
                raise ConfigError([f"{price}: add --yes, or run this on a terminal to be asked"])
            if not ask(f"{price}. Continue?"):
                print("nothing was read")
                return OK
        report = Report()
        done = adopter.adopt(channel, arguments.limit, report)
    for error in report.source_errors.values():
        print(error, file=sys.stderr)
    if arguments.json:
        output.print_json(_json(done))
    else:
        _print(channel, done)
    return TROUBLE if done.failed or report.source_errors else OK


def _print(channel: str, done: AdoptionReport) -> None:
    from digestbot.domain.budget import dollars

    cost = f", for {dollars(done.cost)}" if done.cost else ""
    print(f"{channel}: {_count(done.read, 'post')} read{cost}, {done.own} of them digestbot's own")
    if done.trouble:
        print(f"  older posts are not known: {done.trouble}")
    shown = _count(len(done.found.shown), "summary", "summaries")
    print(f"  {shown} found on the account; {done.pending} of them pending until now")
    if done.found.ambiguous:
        print(
            f"  {_count(len(done.found.ambiguous), 'post')} may show one of several summaries; "
            f"{_count(done.held, 'pending summary', 'pending summaries')} held until you release or skip them:"
        )
        for post, possible in list(done.found.ambiguous.values())[:LISTED]:
            print(f"    {_line(post)}: summaries {', '.join(map(str, possible))}")
    if done.found.others:
        print(f"  {_count(len(done.found.others), 'post')} with none of the known summaries:")
        for post in done.found.others[:LISTED]:
            print(f"    {_line(post)}")
    if len(done.found.others) > LISTED:
        print(f"    and {len(done.found.others) - LISTED} more")


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _line(post: TimelinePost) -> str:
    from digestbot.cli.output import strip_control

    text = textwrap.shorten(strip_control(post.text), 60, placeholder="…")
    return f"{post.at:%Y-%m-%d} {post.url} {text}"


def _json(done: AdoptionReport) -> dict[str, Any]:
    return {
        "read": done.read,
        "cost": done.cost / 1_000_000,
        "own": done.own,
        "adopted": [{"summary": id_, "url": post.url, "at": post.at} for id_, post in done.found.shown.items()],
        "ambiguous": [
            {"url": post.url, "at": post.at, "summaries": list(possible)}
            for post, possible in done.found.ambiguous.values()
        ],
        "others": [{"url": post.url, "at": post.at} for post in done.found.others],
        "pending": done.pending,
        "held": done.held,
        "error": done.trouble or None,
    }
