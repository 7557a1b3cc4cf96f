"""Write contrib/digestbot.1, the manual page, from the command line's parser: python -m bench.manual"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from argparse_manpage.manpage import Manpage

from digestbot.cli.parser import parser

FILE = Path(__file__).parent.parent / "contrib" / "digestbot.1"
COMMON = ("help", "config", "verbose", "quiet")  # options of every command, listed once
SECTIONS = {
    "exit status": [
        ("0", "done"),
        ("1", "something went wrong: a source could not be read, a template is broken, the ledger cannot be used"),
        ("2", "wrong usage or configuration"),
        ("3", "done, but something was rejected, is still pending, or needs your decision"),
        ("130", "interrupted"),
    ],
    "environment": [
        ("DIGESTBOT_CONFIG", "the configuration file"),
        ("DIGESTBOT_SECTION__NAME__KEY", "overrides a key of the configuration"),
        ("NO_COLOR", "if set, no colours are used"),
        ("VISUAL, EDITOR", "the editor for the text of a post"),
    ],
    "files": [
        ("config.toml", "the configuration, in the current folder"),
        ("$XDG_CONFIG_HOME/digestbot/config.toml", "the configuration, otherwise (~/.config)"),
    ],
}


def page() -> str:
    """Return the manual page."""
    main = parser()
    _shorten(main, main=True)
    manual = Manpage(main, {"manual_title": "digestbot", "date": "2026-11-27"}, format="single-commands-section")
    manual.description = "publish digests of research-paper summaries"
    main.epilog = None
    for heading, rows in SECTIONS.items():
        lines = "\n".join(f".TP\n.B {_escaped(name)}\n{_escaped(text)}" for name, text in rows)
        manual.add_section(heading, ">", lines)
    return str(manual)


def _shorten(command: argparse.ArgumentParser, *, main: bool = False) -> None:
    """Leave out what a manual page would repeat for each command."""
    command._positionals.title = "commands" if main else "arguments"
    if not main:
        command.description = None
        for group in command._action_groups:
            group._group_actions = [one for one in group._group_actions if one.dest not in COMMON]
        command._actions = [one for one in command._actions if one.dest not in COMMON]
    command.formatter_class = partial(argparse.HelpFormatter, width=1000)  # the pager breaks the lines
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subcommand in action.choices.values():
                _shorten(subcommand)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
