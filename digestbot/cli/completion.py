"""The command completion: make the shell complete commands, options, and the names in the configuration."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands

SHELLS = ("bash", "zsh", "fish")
_SECTIONS = {"CHANNEL": "channels", "DIGEST": "digests", "SOURCE": "sources"}


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("completion", "print the code that makes a shell complete digestbot", completion, json=False)
    command.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def completion(arguments: argparse.Namespace) -> int:
    """Print code that the shell has to evaluate once; return the exit code."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["digestbot"], shell=arguments.shell))
    return OK


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, if it asks for completions in this process's environment; the process then ends."""
    import argcomplete

    _complete_names(parser)
    argcomplete.autocomplete(parser, always_complete_options="long")


def _complete_names(parser: argparse.ArgumentParser) -> None:
    """Make arguments that name a channel, a digest or a source complete to the configured names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                _complete_names(subparser)
        elif action.metavar in _SECTIONS:
            action.completer = _names  # type: ignore[attr-defined]


def _names(parsed_args: argparse.Namespace, action: argparse.Action, **_: Any) -> list[str]:
    """Return the configured names for an argument; none if the configuration cannot be read."""
    import tomllib

    from digestbot.domain.errors import ConfigError
    from digestbot.infra.config_location import find

    try:
        path = find(getattr(parsed_args, "config", None), os.environ)
        table = tomllib.loads(path.read_text(encoding="utf-8-sig")).get(_SECTIONS[str(action.metavar)])
    except (ConfigError, OSError, ValueError):
        return []
    return list(table) if isinstance(table, dict) else []
