"""The command send: create editions outside the schedule, after asking the operator where that is required."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from digestbot.cli import OK
from digestbot.cli.argument_types import positive
from digestbot.cli.common import known_channels, known_digest, load_config, open_service, until_signalled
from digestbot.cli.progress import working
from digestbot.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from digestbot.cli.parser import Commands
    from digestbot.domain.model import PostRow
    from digestbot.pipeline.app import Report, Service

UNASKED = 5  # the most posts that are sent without confirmation


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("send", "create and publish editions of a digest now, outside its schedule", send)
    command.add_argument("digest", metavar="DIGEST", nargs="?")
    command.add_argument("--test", metavar="CHANNEL", help="instead, post a line on this channel and delete it again")
    command.set_defaults(wrong_usage=command.error)
    command.add_argument("--count", type=positive, default=1, metavar="N", help="editions on each channel (1)")
    command.add_argument("--channel", metavar="CHANNEL", help="only this one of the digest's channels")
    command.add_argument("--approve", action="store_true", help="approve the editions of a digest that needs approval")
    command.add_argument("--yes", action="store_true", help="do not ask before more than five posts")
    command.add_argument("--dry-run", action="store_true", help="show what would be sent; send and write nothing")


def send(arguments: argparse.Namespace) -> int:
    """Create and publish editions now; return the exit code. On a terminal the operator is asked for approval where the
    digest requires it; elsewhere ``--approve`` is needed."""
    from digestbot.cli.report import report_on
    from digestbot.cli.test_post import send_test

    if (arguments.test is None) == (arguments.digest is None):
        arguments.wrong_usage("name a digest, or --test with a channel")
    if arguments.test is not None:
        return send_test(arguments)
    config = load_config(arguments)
    digest = known_digest(config, arguments.digest)
    channels = known_channels(config, digest, arguments.channel)
    terminal = sys.stdin.isatty() and not arguments.json
    asks = [channel for channel in channels if config.timing(digest, channel).approval]
    if asks and not (arguments.approve or terminal or arguments.dry_run):
        where = ", ".join(asks)
        raise ConfigError(
            [f"digest {digest} needs approval on {where}: add --approve, or run this on a terminal to be asked"]
        )
    quiet = arguments.quiet or (terminal and bool(asks or not arguments.yes))  # a bar would overwrite a question
    stopping = until_signalled().is_set
    with (
        working(f"sending {digest}", quiet=quiet) as step,
        open_service(config, stopping=stopping, progress=step) as service,
    ):
        if arguments.dry_run:
            rows = service.rehearse_send(digest, arguments.count, channels)
            _print(arguments, service, rows)
            return OK
        if terminal and not arguments.yes and not _many_confirmed(arguments, service, channels):
            print("nothing was sent")
            return OK
        decide = None if arguments.approve or not asks else lambda rows: _approved(service, rows)
        report: Report = service.send(digest, arguments.count, channels, decide=decide, threads=config.jobs.threads)
        if not (report.made or report.troubles or arguments.json):
            print(_nothing(digest))
        return report_on(arguments, service, report, sent=True)


def _many_confirmed(arguments: argparse.Namespace, service: Service, channels: Sequence[str]) -> bool:
    """Return whether the operator confirms that many posts; a few need no confirmation."""
    settings = service.config.digests[arguments.digest]
    most = arguments.count * settings.size * len(channels)
    if most <= UNASKED and all(service.config.appearance(arguments.digest, one).shape == "single" for one in channels):
        return True
    rows = service.rehearse_send(arguments.digest, arguments.count, channels)
    return len(rows) <= UNASKED or ask(f"Send {len(rows)} posts now?")


def _approved(service: Service, rows: Sequence[PostRow]) -> bool:
    """Print an edition that needs approval, and return whether the operator approves it."""
    from digestbot.cli import output

    for row in rows:
        print(output.format_message(row.message(), service.config.platform(row.channel).limit, row.cost))
    return ask(f"Approve this for {rows[0].channel} and send it now?")


def ask(question: str) -> bool:
    """Ask a yes-or-no question and return the answer. Ctrl-C and SIGTERM end the command here, where nothing is in
    progress."""
    before = {number: signal.signal(number, _interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(*_: object) -> None:
    print("\nstopped: nothing more was sent", file=sys.stderr)
    raise KeyboardInterrupt


def _nothing(digest: str) -> str:
    return f"digest {digest} has nothing to send now; digestbot backlog {digest} lists what is pending, and why"


def _print(arguments: argparse.Namespace, service: Service, rows: Sequence[PostRow]) -> None:
    from digestbot.cli import output
    from digestbot.domain.budget import dollars

    if arguments.json:
        output.print_json([output.post_json(row) for row in rows])
        return
    for row in rows:
        print(f"{row.digest} on {row.channel}:")
        print(output.format_message(row.message(), service.config.platform(row.channel).limit, row.cost) + "\n")
    if not rows:
        print(_nothing(arguments.digest))
        return
    total = sum(row.cost for row in rows)
    cost = f", {dollars(total)} in total (estimate)" if total else ""
    print(f"{len(rows)} post{'' if len(rows) == 1 else 's'} would be sent{cost}; nothing was sent or written")
