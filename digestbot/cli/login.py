"""The commands login and logout: get a channel's tokens from its platform, show whose they are, and delete them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK, TROUBLE
from digestbot.cli.common import load_config, now_
from digestbot.cli.dialogue import Terminal

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands
    from digestbot.config.credentials import ChannelFile

SECONDS = 60.0  # for asking about one account
TOKENS = ("access_token", "access_token_secret")


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("login", "get a channel's tokens from its platform, or show whose they are", login)
    command.add_argument("channel", metavar="CHANNEL", nargs="?")
    command.add_argument(
        "--status", action="store_true", help="show each channel's account and its token's end (X charges $0.01 for it)"
    )
    command = commands.add("logout", "delete a channel's tokens from this machine", logout)
    command.add_argument("channel", metavar="CHANNEL")


def login(arguments: argparse.Namespace) -> int:
    """Lead a person through a login and store what it brings, or show the status; return the exit code. Ctrl-C leaves
    everything unchanged. Raises LoginError and ConfigError."""
    from digestbot.config.credentials import store
    from digestbot.domain.errors import ConfigError
    from digestbot.platforms.registry import login_for

    if arguments.status:
        return _status(arguments)
    if arguments.channel is None:
        raise ConfigError(["login: name a channel, or use --status"])
    channel = _channel(arguments)
    result = login_for(channel.platform)(channel.settings, Terminal(output=sys.stderr if arguments.json else None))
    files = store(channel, result.secrets, result.settings, os.environ, now_())
    if arguments.json:
        from digestbot.cli import output

        output.print_json({"channel": channel.name, "account": result.account, "files": files, "notes": result.notes})
        return OK
    print(f"logged in as {result.account}")
    for file in files:
        print(f"wrote {file} (readable only by you)")
    for note in result.notes:
        print(f"note: {note}")
    named = f"-c {shlex.quote(arguments.config)} " if arguments.config else ""
    print(f"next: digestbot {named}check --online")
    return OK


def _channel(arguments: argparse.Namespace) -> ChannelFile:
    """Return the channel's section, which may still lack its tokens. Raises ConfigError."""
    from digestbot import config
    from digestbot.cli import logs
    from digestbot.config.credentials import read_channel

    logs.configure_logging(verbose=arguments.verbose, quiet=arguments.quiet)
    path = config.find(arguments.config, os.environ)
    return read_channel(path, arguments.channel, os.environ)


def _status(arguments: argparse.Namespace) -> int:
    """Print each channel's account, and until when its token is valid; return the exit code."""
    from digestbot.cli import output
    from digestbot.cli.common import known_channel
    from digestbot.domain.errors import DigestbotError
    from digestbot.platforms.registry import publisher_for

    config = load_config(arguments)
    names = [known_channel(config, arguments.channel)] if arguments.channel else list(config.channels)
    rows: list[dict[str, Any]] = []
    for name in names:
        publisher = publisher_for(config.channels[name])
        row: dict[str, Any] = {"channel": name, "account": None, "permissions": None, "expires_at": None}
        row |= {"advice": [], "error": None}
        try:
            account = publisher.verify(seconds=SECONDS)
            row |= {"account": account.name, "permissions": account.permissions, "advice": account.advice}
            row["expires_at"] = publisher.expires_at(seconds=SECONDS, now=now_())
        except DigestbotError as error:
            row["error"] = str(error)
        rows.append(row)
        if not arguments.json:
            print(f"{name}: {row['error'] or _described(row)}")
    if arguments.json:
        output.print_json(rows)
    return OK if all(row["error"] is None for row in rows) else TROUBLE


def _described(row: dict[str, Any]) -> str:
    """Return an account, its token's permissions and end, and advice, as one line."""
    until = f"until {row['expires_at']:%Y-%m-%d}" if row["expires_at"] else "with no known expiry"
    permissions = f" ({', '.join(row['permissions'])})" if row["permissions"] else ""
    return "; ".join([f"{row['account']}, token {until}{permissions}", *row["advice"]])


def logout(arguments: argparse.Namespace) -> int:
    """Delete a channel's tokens from this machine; return the exit code."""
    from digestbot.config.credentials import forget

    channel = _channel(arguments)
    changed = forget(channel, [key for key in TOKENS if key in channel.settings], now_())
    if arguments.json:
        from digestbot.cli import output

        output.print_json({"channel": channel.name, "files": changed})
        return OK
    for file in changed:
        print(f"removed the token from {file}" if file == channel.path else f"deleted {file}")
    print(
        "the platform still accepts the token until you revoke the app's access in the account's settings"
        if changed
        else f"channel {channel.name} has no token on this machine"
    )
    return OK
