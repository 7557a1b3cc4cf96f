"""Operator actions as commands: their arguments, how they run, and what they print."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from digestbot.cli import ATTENTION, OK
from digestbot.cli.argument_types import row_id
from digestbot.cli.common import now_, open_existing
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.time_format import localize
from digestbot.operator.action_list import ACTIONS

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands

_POSITIONALS = {
    "digest": "the digest",
    "channel": "the channel",
    "summary": "its id (see digestbot backlog)",
    "summaries": "ids, with commas between",
    "slot": "its time as shown by digestbot plan --json, such as 2026-12-24T09:00",
    "post": "the post's id",
    "alert": "the alert's id",
}


def add_action(commands: Commands, name: str) -> argparse.ArgumentParser:
    """Register the command of an operator action and return its parser. Its arguments follow from the action's
    parameters."""
    action = ACTIONS[name]
    command = commands.add(action.command, action.help, partial(run_action, name))
    for parameter in action.required:
        if parameter == "to":
            command.add_argument(
                "--to", required=True, metavar="TIME", help="when, in the digest's time zone: 2026-12-24T18:00"
            )
        else:
            kind = row_id if parameter in ("post", "alert", "summary") else str
            command.add_argument(
                parameter,
                type=kind,
                metavar="ID" if kind is row_id else parameter.upper(),
                help=_POSITIONALS[parameter],
            )
    if "summaries" in action.optional:
        command.add_argument("--summaries", metavar="IDS", help=f"only these: {_POSITIONALS['summaries']}")
    if "reason" in action.optional:
        command.add_argument("--reason", metavar="TEXT", help="a reason, shown next to the result")
    if "later" in action.optional:
        command.add_argument("--later", action="store_true", help="keep the summaries pending for another edition")
    if "text" in action.optional:
        texts = command.add_mutually_exclusive_group()
        texts.add_argument("--text", metavar="TEXT", help="the text")
        texts.add_argument("--file", metavar="FILE", help="a file with the text (-: standard input); default: $EDITOR")
    return command


def run_action(name: str, arguments: argparse.Namespace) -> int:
    """Perform an action with the arguments of the command line; return the exit code."""
    action = ACTIONS[name]
    given = {one: getattr(arguments, one, None) for one in (*action.required, *action.optional)}
    if name == "pause-all":
        given["by"] = _user()
    if "text" in given:
        given["text"] = _text(name, arguments)
    return perform_and_print(arguments, name, {key: _as_text(value) for key, value in given.items()})


def perform_and_print(arguments: argparse.Namespace, name: str, given: Mapping[str, str]) -> int:
    """Perform an action and print its outcome; return the exit code, which is 3 if the operator must decide again."""
    from digestbot.cli import output
    from digestbot.operator.actions import perform
    from digestbot.pipeline.app import Service

    calls_platform = given.get("decision") == "published"  # no other action does
    with open_existing(arguments, credentials_needed=calls_platform) as (config, ledger):
        service = Service(config, ledger, now_)
        try:
            outcome = perform(service, name, given)
        except LedgerError as error:
            raise LedgerError(localize(str(error), config.timezone)) from error
        finally:
            service.close()
    if arguments.json:
        output.print_json(outcome.data)
    else:
        print(localize(output.strip_control(outcome.message), config.timezone))
        for label, text in outcome.texts.items():
            print(f"{label}:\n{output.quote(output.strip_control(text))}")
        if outcome.undo and "text" not in outcome.undo_arguments:
            print(f"To undo: digestbot {_command_line(outcome.undo, outcome.undo_arguments)}")
    return ATTENTION if outcome.unfinished else OK


def _user() -> str:
    """Return the name of this process's user; its number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _command_line(name: str, given: Mapping[str, str]) -> str:
    """Return the command that performs an action, quoted for a shell."""
    import shlex

    action = ACTIONS[name]
    return shlex.join([*filter(None, (action.group, action.command)), *(given[one] for one in action.required)])


def _as_text(value: object) -> str:
    return "" if value in (None, False) else "yes" if value is True else str(value)


def _text(name: str, arguments: argparse.Namespace) -> str:
    """Return the text from the command line, a file, standard input or an editor. Raises ConfigError."""
    from pathlib import Path

    before = _present_text(name, arguments)
    if arguments.text is not None:
        return str(arguments.text)
    try:
        if arguments.file == "-":
            return sys.stdin.read()
        if arguments.file is not None:
            return Path(arguments.file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError([f"{arguments.file}: is not UTF-8 text"]) from None
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor or not sys.stdin.isatty():
        raise ConfigError(["pass the text with --text TEXT or --file FILE, or set $EDITOR and run this on a terminal"])
    return _edited(editor, before)


def _edited(editor: str, text: str) -> str:
    """Open the operator's editor on ``text``; return what they saved."""
    import shlex
    import subprocess
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "post.txt"
        file.write_text(text + "\n", encoding="utf-8")
        subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603 - the operator's own editor
        return file.read_text(encoding="utf-8")


def _present_text(name: str, arguments: argparse.Namespace) -> str:
    """Return the post's current text; empty unless the action is edit. Raises LedgerError if the post needs no
    approval."""
    if name != "edit":
        return ""
    from digestbot.ledger import approvals, queries

    with open_existing(arguments) as (_, ledger), ledger.read() as tx:
        text = queries.post_row(tx, arguments.post).text
        if arguments.post not in approvals.posts_needing_approval(tx):
            raise LedgerError(f"post {arguments.post} does not need approval; `digestbot approve` lists those that do")
    return text
