"""The command check."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("check", "check configuration, templates and ledger", check)
    command.add_argument(
        "--online",
        action="store_true",
        help="also read the sources, ask the platforms about the credentials (X charges for it), send a test alert",
    )


def check(arguments: argparse.Namespace) -> int:
    """Report everything that would make run, once or send fail or do nothing; return the exit code."""
    from digestbot.cli import checks

    return checks.run_checks(arguments)
