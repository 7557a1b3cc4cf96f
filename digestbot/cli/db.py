"""The command db: back up, check and upgrade the ledger."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE
from digestbot.cli.common import open_existing
from digestbot.cli.progress import progress

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    group = commands.group(commands.add("db", "maintain the ledger", None, json=False), "actions")
    backup = group.add("backup", "copy the ledger while it is in use (SQLite)", db, json=False)
    backup.add_argument("file", metavar="FILE", help="a file that does not exist yet")
    group.add("check", "check for damage", db, json=False)
    group.add("upgrade", "migrate the ledger of an older digestbot", db, json=False)
    group.add("restored", "this ledger is an older copy: read the timelines before posting", db, json=False)


def db(arguments: argparse.Namespace) -> int:
    """Back up, check or upgrade the ledger, or mark it as restored from a backup; return the exit code."""
    from pathlib import Path

    from digestbot.ledger.backup import back_up

    with open_existing(arguments) as (_, ledger):
        if arguments.action == "backup":
            with progress("copying the ledger", quiet=arguments.quiet) as step:
                back_up(ledger, Path(arguments.file), lambda done: step(done, ""))
            print(f"wrote {arguments.file}: used as the ledger, it reads the platforms' timelines before it posts")
        elif arguments.action == "restored":
            ledger.mark_restored()
            print("each channel's timeline is read before the next post is sent on it, so nothing is posted twice")
        elif arguments.action == "upgrade":
            ledger.prepare()
            print("the ledger is up to date")
        else:
            problems = ledger.check()
            print("\n".join(problems) or "the ledger is sound")
            return TROUBLE if problems else OK
    return OK
