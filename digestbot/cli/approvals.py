"""The commands approve, edit and decline: editions that need approval."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from digestbot.cli import OK
from digestbot.cli.act import add_action, run_action
from digestbot.cli.argument_types import row_id
from digestbot.cli.common import open_existing
from digestbot.domain.time_format import local_time
from digestbot.operator.action_list import ACTIONS

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("approve", ACTIONS["approve"].help, approve_or_list)
    command.add_argument("post", type=row_id, nargs="?", metavar="ID", help="one of its posts")
    add_action(commands, "edit")
    add_action(commands, "decline")


def approve_or_list(arguments: argparse.Namespace) -> int:
    """Approve an edition, or print the posts that need approval; return the exit code."""
    if arguments.post is not None:
        return run_action("approve", arguments)
    from digestbot.cli import output
    from digestbot.ledger import approvals, queries

    with open_existing(arguments) as (config, ledger):
        with ledger.read() as tx:
            ids = approvals.posts_needing_approval(tx)
            rows = queries.post_rows(tx, ids=ids) if ids else []
        if arguments.json:
            output.json_rows(rows)
            return OK
        for row in rows:
            until = f", until {local_time(row.approve_by, config.timezone)}" if row.approve_by else ""
            print(f"post {row.id}, {row.digest} on {row.channel}{until}:")
            print(output.format_message(row.message(), config.limit(row.channel), row.cost) + "\n")
        if not rows:
            print("nothing needs approval")
    return OK
