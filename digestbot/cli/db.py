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
    command = commands.add("export", "write everything that the ledger holds as JSON and CSV", export)
    command.add_argument("folder", metavar="FOLDER", help="a folder that does not exist yet")
    group = commands.group(commands.add("db", "maintain the ledger", None, json=False), "actions")
    backup = group.add("backup", "copy the ledger while it is in use (SQLite)", db)
    backup.add_argument("file", metavar="FILE", help="a file that does not exist yet")
    copy = group.add("copy", "copy every row to an empty ledger in another database", copy_to)
    target = copy.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="URL", help="the new ledger's database URL, without a password")
    target.add_argument("--to-file", metavar="FILE", help="a file that holds the URL")
    group.add("check", "check for damage", db)
    group.add("upgrade", "migrate the ledger of an older digestbot", db)
    group.add("restored", "this ledger is an older copy: read the timelines before posting", db)


def db(arguments: argparse.Namespace) -> int:
    """Back up, check or upgrade the ledger, or mark it as restored from a backup; return the exit code."""
    from pathlib import Path

    from digestbot.ledger.backup import back_up

    with open_existing(arguments) as (_, ledger):
        if arguments.action == "backup":
            with progress("copying the ledger", quiet=arguments.quiet) as step:
                back_up(ledger, Path(arguments.file), lambda done: step(done, ""))
            text = f"wrote {arguments.file}: used as the ledger, it reads the platforms' timelines before it posts"
            _print(arguments, {"file": arguments.file}, text)
        elif arguments.action == "restored":
            ledger.mark_restored()
            text = "each channel's timeline is read before the next post is sent on it, so nothing is posted twice"
            _print(arguments, {}, text)
        elif arguments.action == "upgrade":
            ledger.prepare()
            _print(arguments, {}, "the ledger is up to date")
        else:
            problems = ledger.check()
            _print(arguments, {"problems": problems}, "\n".join(problems) or "the ledger is sound")
            return TROUBLE if problems else OK
    return OK


def export(arguments: argparse.Namespace) -> int:
    """Write everything that the ledger holds as JSON and CSV; return the exit code."""
    from pathlib import Path

    from digestbot.ledger.exporting import export_ledger

    with open_existing(arguments) as (_, ledger), progress("exporting the ledger", quiet=arguments.quiet) as step:
        counts = export_ledger(ledger, Path(arguments.folder), lambda done: step(done, ""))
    text = f"wrote {sum(counts.values())} rows of {len(counts)} tables to {arguments.folder}, as JSON and CSV"
    _print(arguments, {"folder": arguments.folder, "rows": counts}, text)
    return OK


def _print(arguments: argparse.Namespace, result: dict[str, object], text: str) -> None:
    from digestbot.cli import output

    if arguments.json:
        output.print_json(result)
    else:
        print(text)


def copy_to(arguments: argparse.Namespace) -> int:
    """Copy the ledger to another database, for example from SQLite to PostgreSQL; return the exit code."""
    from pathlib import Path

    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from digestbot.domain.errors import ConfigError, LedgerError
    from digestbot.ledger import Ledger
    from digestbot.ledger.copying import copy_ledger

    try:
        url = arguments.to or Path(arguments.to_file).read_text(encoding="utf-8").strip()
        password = make_url(url).password
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{arguments.to_file}: cannot be read: {error}"]) from error
    except ArgumentError:
        raise ConfigError(["--to: write a database URL, such as postgresql://user@host/name"]) from None
    if arguments.to and password:
        raise ConfigError(
            ["--to: other users of this machine can see a password there: write the URL to a file, and use --to-file"]
        )
    with open_existing(arguments) as (config, ledger):
        try:
            target = Ledger(url, config.folder)
        except LedgerError as error:
            raise ConfigError([f"--to: {error}"]) from error
        try:
            with progress("copying the ledger", quiet=arguments.quiet) as step:
                counts = copy_ledger(ledger, target, lambda done: step(done, ""))
        finally:
            target.close()
    text = (
        f"copied {sum(counts.values())} rows of {len(counts)} tables; every row was compared\n"
        "set database to the new ledger. Before it posts, it reads the platforms' timelines"
    )
    _print(arguments, {"rows": counts}, text)
    return OK
