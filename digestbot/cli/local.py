"""Commands that need no account and no configuration: init, sandbox, demo."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from digestbot.cli import OK, TROUBLE, logs
from digestbot.cli.common import now_, until_signalled
from digestbot.errors import ConfigError
from digestbot.model import PostStatus


def init(arguments: argparse.Namespace) -> int:
    """A commented configuration."""
    target = Path(arguments.file)
    packaged = Path(__file__).parent.parent / "config.example.toml"
    example = packaged if packaged.is_file() else packaged.parent.parent / packaged.name
    try:
        with target.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it is going to hold keys
            file.write(example.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError([f"{target} exists already; it was left as it is"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    print(f"wrote {target}; fill in the keys, then: digestbot -c {target} check")
    return OK


def sandbox(arguments: argparse.Namespace) -> int:
    """A local X and Facebook, until a signal."""
    from digestbot.sandbox import Sandbox

    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet)
    server = Sandbox(arguments.port)
    server.faults.lag = arguments.lag
    for wanted in arguments.fault:
        kind, _, times = wanted.rpartition(":")
        if not kind or not times.isdecimal() or not int(times):
            kind, times = wanted, "1"  # it may have a colon of its own: error:NAME
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
    """The main job, shown."""
    from digestbot import demo as show
    from digestbot.cli import output
    from digestbot.model import Message, Platform

    logs.set_up(verbose=arguments.verbose, quiet=not arguments.verbose)
    database = Path(arguments.database) if arguments.database else None
    with show.play(now_(), database, arguments.port) as played:
        world, url = played.sandbox.world, played.sandbox.url
        made = sum(len(report.made) for report in played.reports)
        failed = [row for row in played.rows if row.status != PostStatus.PUBLISHED]
        if arguments.json:
            output.as_json(
                {
                    "url": url,
                    "new_posts": made,
                    "twitter": [{"id": post.id, "text": post.text} for post in world.tweets],
                    "facebook": [{"id": post.id, "text": post.text, "link": post.link} for post in world.page_posts],
                    "posts": [output.post_json(row) for row in played.rows],
                }
            )
        else:
            for name, path, timeline, platform in (
                ("X", "/x", world.tweets, Platform.TWITTER),
                ("the Facebook Page", "/facebook", world.page_posts, Platform.FACEBOOK),
            ):
                print(f"\n=== What appeared on {name} ({len(timeline)} posts; {url}{path}) ===")
                for post in timeline:
                    print(f"\n  {datetime.fromtimestamp(post.at, UTC):%a %d %b, %H:%M}")
                    print(output.framed(Message(post.text, post.link), platform))
                if not timeline:
                    print("\n  nothing new: the ledger knows every summary of the feed already")
            print("\n=== What the ledger says ===\n")
            for row in played.rows:
                print(output.post_line(row))
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
