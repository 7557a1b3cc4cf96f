"""The command web: serve the operator pages without the scheduler, or set their password."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add(
        "web", "serve the operator pages without publishing; run also serves them if [web] is set", web, json=False
    )
    command.add_argument(
        "--set-password",
        action="store_true",
        help="ask for a password (or read it from standard input) and store its hash",
    )


def web(arguments: argparse.Namespace) -> int:
    """Serve the operator pages, or set their password; return the exit code."""
    from digestbot.cli import web_pages

    return web_pages.serve_pages(arguments)
