"""The commands sandbox and demo, which need neither an account nor a configuration."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE
from digestbot.cli.argument_types import port, seconds
from digestbot.cli.common import now_, until_signalled
from digestbot.domain.errors import ConfigError

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("sandbox", "run a local stand-in for the platforms, to rehearse with", sandbox, json=False)
    command.add_argument(
        "--port", type=port, default=8780, metavar="N", help="on this loopback port (8780; 0 takes a free one)"
    )
    command.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:TIMES]",
        help="inject this fault into the next posts, such as drop-after:2; see docs/sandbox.md",
    )
    command.add_argument(
        "--lag",
        type=seconds,
        default=0.0,
        metavar="SPAN",
        help="delay new posts in timelines by this much, such as 15m",
    )
    command = commands.add("demo", "demonstrate digestbot with a bundled feed and a sandbox", demo)
    command.add_argument("--keep", action="store_true", help="keep the pages up until interrupted")
    command.add_argument(
        "--database", metavar="PATH", help="keep the ledger in this file; a second run posts nothing new"
    )
    command.add_argument("--port", type=port, default=0, metavar="N", help="the sandbox's port (a free one)")


def sandbox(arguments: argparse.Namespace) -> int:
    """Serve a local stand-in for X and Facebook until a signal; return the exit code. Raises ConfigError for an unknown
    fault."""
    from digestbot.cli import logs
    from digestbot.sandbox import Sandbox

    logs.configure_logging(verbose=arguments.verbose, quiet=arguments.quiet)
    server = Sandbox(arguments.port)
    server.faults.lag = arguments.lag
    for wanted in arguments.fault:
        kind, _, times = wanted.rpartition(":")
        if not kind or not times.isdecimal() or not int(times):
            kind, times = wanted, "1"  # the kind itself may contain a colon, as in error:NAME
        try:
            server.faults.add(kind, times=int(times))
        except ValueError as error:
            raise ConfigError([f"--fault {wanted}: {error}"]) from error
    stop = until_signalled()
    with server:
        print(f"sandbox at {server.url} (api_url for both platforms; its pages are there too)", flush=True)
        stop.wait()
    return OK


def demo(arguments: argparse.Namespace) -> int:
    """Run the demo and print its timelines and ledger; return the exit code."""
    from pathlib import Path

    from digestbot.cli import logs, output
    from digestbot.cli.demo import run_demo
    from digestbot.domain.model import Message, PostStatus
    from digestbot.platforms.registry import PLATFORMS

    logs.configure_logging(verbose=arguments.verbose, quiet=not arguments.verbose)
    database = Path(arguments.database) if arguments.database else None
    with run_demo(now_(), database, arguments.port) as played:
        world, url = played.sandbox.world, played.sandbox.url
        made = sum(len(report.made) for report in played.reports)
        failed = [row for row in played.rows if row.status != PostStatus.PUBLISHED]
        if arguments.json:
            output.print_json(
                {
                    "url": url,
                    "new_posts": made,
                    "timelines": played.sandbox.timelines(),
                    "posts": [output.post_json(row) for row in played.rows],
                }
            )
        else:
            for name, platform in PLATFORMS.items():
                timeline = world.timelines[name]
                print(f"\n=== What appeared on {platform.title} ({len(timeline)} posts; {url}/{name}) ===")
                for post in timeline:
                    print(f"\n  {datetime.fromtimestamp(post.at, UTC):%a %d %b, %H:%M}")
                    print(output.format_message(Message(post.text, post.link), platform.limit))
                if not timeline:
                    print("\n  nothing new: every summary of the feed is already in the ledger")
            print("\n=== What the ledger says ===\n")
            for row in played.rows:
                print(output.post_line(row, UTC))
            print(
                f"\n{made} new posts, {len(played.rows)} in all, {len(failed)} not published; ledger: "
                f"{played.database if database else 'in a temporary folder (--database PATH keeps it)'}"
            )
            print(
                f"Both timelines as followers see them: {url}/"
                + ("  (Ctrl-C ends)" if arguments.keep else "  (with --keep it stays up)"),
                flush=True,
            )
        if arguments.keep:
            until_signalled().wait()
    return TROUBLE if failed else OK
