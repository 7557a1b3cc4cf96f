"""The command posts: list posts, show one, or act on one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from digestbot.cli import OK
from digestbot.cli.act import add_action, perform_and_print
from digestbot.cli.argument_types import positive, row_id
from digestbot.cli.common import now_, open_existing
from digestbot.domain.errors import ConfigError
from digestbot.domain.time_format import local_time
from digestbot.operator.action_list import ACTIONS

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands
    from digestbot.config import Config
    from digestbot.domain.model import PostRow, PostStatus
    from digestbot.ledger import Ledger

PAGE = 500  # posts per transaction


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("posts", "list posts in the order of their creation, or act on one", list_posts)
    command.add_argument("--status", action="append", metavar="STATUS", help="only this status (may be repeated)")
    command.add_argument("--channel", metavar="CHANNEL", help="only posts on this channel")
    command.add_argument("--digest", metavar="DIGEST", help="only posts of this digest")
    command.add_argument("--limit", type=positive, metavar="N", help="only the newest N")
    group = commands.group(command, "actions on one post", required=False)
    show = group.add("show", "show one post: its text, its attempts, what the timeline showed", show_post)
    show.add_argument("id", type=row_id, metavar="ID")
    resolve = group.add("resolve", ACTIONS["resolve"].help, settle_post)
    resolve.add_argument("id", type=row_id, metavar="ID")
    decision = resolve.add_mutually_exclusive_group(required=True)
    decision.add_argument(
        "--published", metavar="URL", help="it is on the platform, at this URL or id: it is read and compared"
    )
    decision.add_argument("--retry", action="store_true", help="it is not there: look once more, then send it again")
    decision.add_argument("--skip", action="store_true", help="it is not there and not wanted")
    for name in ("retry", "reopen", "move-post", "send-now"):
        add_action(group, name)


def list_posts(arguments: argparse.Namespace) -> int:
    """Print the posts that match the options, oldest first, and as text also this month's costs; return the exit
    code."""
    from digestbot.cli import output
    from digestbot.domain.model import PostStatus

    try:
        statuses = [PostStatus(status) for status in arguments.status or ()]
    except ValueError:
        raise ConfigError([f"--status: one of {', '.join(PostStatus)}"]) from None
    with open_existing(arguments) as (config, ledger):
        _check_names(config, ledger, arguments)
        rows = _pages(ledger, statuses, arguments)
        if arguments.json:
            output.json_rows(rows)
        else:
            output.post_table(rows, config.timezone)
            _print_months(config, ledger)
    return OK


def _check_names(config: Config, ledger: Ledger, arguments: argparse.Namespace) -> None:
    """Raise ConfigError for a channel or a digest that neither the configuration nor any post has."""
    from digestbot.ledger import queries

    with ledger.read() as tx:
        for kind, known in (("channel", config.channels), ("digest", config.digests)):
            name = getattr(arguments, kind)
            if name is not None and name not in known and not queries.post_rows(tx, **{kind: name}, most=1):
                raise ConfigError([f"there is no {kind} {name!r}; known: {', '.join(known) or 'none'}"])


def _print_months(config: Config, ledger: Ledger) -> None:
    """Print this month's costs of each channel on a platform that charges for posts."""
    from digestbot.cli import output
    from digestbot.ledger import monthly_costs

    for channel in config.channels:
        if config.prices(channel):
            with ledger.read() as tx:
                account = monthly_costs.account(tx, channel, config.budget(channel), now_())
            print(output.budget_line(channel, account, now_()))


def _pages(ledger: Ledger, statuses: list[PostStatus], arguments: argparse.Namespace) -> Iterator[PostRow]:
    """Yield the posts that match, one transaction per page: a pager that stays open must not keep a database lock."""
    from digestbot.ledger import queries

    after = None
    while True:
        with ledger.read() as tx:
            if after is None:
                after = queries.before_newest(tx, arguments.limit, statuses, arguments.channel, arguments.digest)
            page = queries.post_rows(
                tx, statuses=statuses, channel=arguments.channel, digest=arguments.digest, after=after, most=PAGE
            )
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id


def show_post(arguments: argparse.Namespace) -> int:
    """Print one post with its attempts, its timeline checks, and its updates and deletions; return the exit code."""
    from digestbot.cli import output
    from digestbot.ledger import queries

    with open_existing(arguments) as (config, ledger), ledger.read() as tx:
        row = queries.post_row(tx, arguments.id)
        attempts, looks = queries.post_history(tx, arguments.id)
        changes = queries.changes_of(tx, arguments.id)
        if arguments.json:
            more = {
                "attempt_history": [one | {"cost": output.in_dollars(one["cost"])} for one in attempts],
                "timeline_checks": looks,
                "changes": [output.post_json(change) for change in changes],
            }
            output.print_json(output.post_json(row) | more)
        else:
            limit = config.limit(row.channel)
            output.print_post_history(row, attempts, looks, limit, config.timezone)
            for change in changes:
                at = local_time(change.at, config.timezone, seconds=True)
                print(f"\n{change.action} by post {change.id}: {change.status} at {at}")
    return OK


def settle_post(arguments: argparse.Namespace) -> int:
    """Settle a post that needs the operator's decision; return the exit code."""
    decision = "published" if arguments.published is not None else "retry" if arguments.retry else "skip"
    given = {"post": str(arguments.id), "decision": decision, "url": arguments.published or ""}
    return perform_and_print(arguments, "resolve", given)
