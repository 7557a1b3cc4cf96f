"""The command-line parser: the options that all commands share, and the modules that register commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from digestbot import __version__
from digestbot.cli import (
    adopt,
    alerts,
    approvals,
    backlog,
    check,
    completion,
    db,
    init,
    login,
    overrides,
    plan,
    posts,
    run,
    sandbox,
    send,
    sources,
    web,
)

GROUPS = (
    run,
    send,
    plan,
    approvals,
    overrides,
    backlog,
    sources,
    alerts,
    posts,
    db,
    check,
    web,
    init,
    login,
    adopt,
    completion,
    sandbox,
)

SECTIONS = {
    "get started": ("init", "login", "logout", "check", "demo", "sandbox"),
    "publish": ("run", "once", "send"),
    "look ahead": ("preview", "plan", "why", "backlog", "sources"),
    "decide and change": (
        "approve",
        "edit",
        "decline",
        "alerts",
        "posts",
        "summary",
        "slot",
        "pause",
        "resume",
        "pause-all",
        "resume-all",
    ),
    "maintain": ("web", "export", "db", "adopt", "completion"),
}
"""The sections of ``digestbot --help``, with their commands in order."""

_EPILOG = """\
exit codes: 0 done; 1 something went wrong; 2 wrong usage or configuration;
3 done, but something was rejected, is still pending, or needs your decision
(digestbot posts and digestbot alerts show what).
The configuration is -c FILE, else $DIGESTBOT_CONFIG, ./config.toml, or
digestbot/config.toml in $XDG_CONFIG_HOME. Results go to stdout, logs to stderr."""


Handler = Callable[[argparse.Namespace], int]


class GroupedParser(argparse.ArgumentParser):
    """A parser whose help lists its commands in sections."""

    def format_help(self) -> str:
        """Return the help: usage, description, the commands of each section, options, epilog."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        (commands,) = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        helps = {choice.dest: choice.help for choice in commands._choices_actions}
        for title, names in SECTIONS.items():
            formatter.start_section(title)
            formatter.add_arguments([argparse.Action([], "", metavar=name, help=helps[name]) for name in names])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action is not commands])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


class Commands:
    """The set of subcommands to which a module adds its commands."""

    def __init__(
        self, subparsers: argparse._SubParsersAction[argparse.ArgumentParser], *, json_is_inherited: bool = False
    ) -> None:
        self._subparsers, self._json_is_inherited = subparsers, json_is_inherited
        self.common = _common(argparse.ArgumentParser(add_help=False), argparse.SUPPRESS)

    def add(self, name: str, help_: str, handler: Handler | None, *, json: bool = True) -> argparse.ArgumentParser:
        """Register a command and return its parser. ``handler`` is None if its subcommands have handlers of their own;
        ``json`` adds the option ``--json``."""
        description = help_[0].upper() + help_[1:] + "."
        command = self._subparsers.add_parser(name, help=help_, description=description, parents=[self.common])
        if handler is not None:
            command.set_defaults(handler=handler)
        if json:
            default = argparse.SUPPRESS if self._json_is_inherited else False
            command.add_argument("--json", action="store_true", default=default, help="print results as JSON")
        return command

    def group(self, command: argparse.ArgumentParser, title: str, *, required: bool = True) -> Commands:
        """Return the set of subcommands of ``command``, to which they can be added."""
        metavar = "ACTION" if required else "[ACTION]"
        subparsers = command.add_subparsers(dest="action", metavar=metavar, title=title, required=required)
        return Commands(subparsers, json_is_inherited=not required)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and options."""
    main = GroupedParser(
        prog="digestbot",
        description="Publish digests of research-paper summaries to X and to Facebook Pages.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=f"digestbot {__version__}")
    _common(main, None)
    subparsers = main.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    commands = Commands(subparsers)
    for group in GROUPS:
        group.register(commands)
    return main


def _common(target: argparse.ArgumentParser, default: str | None) -> argparse.ArgumentParser:
    """Add the options that may stand before or after a command, and return the parser."""
    flag = False if default is None else default
    target.add_argument("-c", "--config", metavar="FILE", default=default, help="the configuration file")
    target.add_argument("-v", "--verbose", action="store_true", default=flag, help="log every step")
    target.add_argument("-q", "--quiet", action="store_true", default=flag, help="log only errors")
    return target
