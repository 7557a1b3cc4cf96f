"""The command init: write an example configuration to start from."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from digestbot.cli import OK
from digestbot.domain.errors import ConfigError

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("init", "write a commented configuration to start from", init, json=False)
    command.add_argument("file", nargs="?", default="config.toml", metavar="FILE", help="where to (config.toml)")


def init(arguments: argparse.Namespace) -> int:
    """Write a commented example configuration, readable only by its owner; return the exit code. Raises ConfigError if
    the file exists or cannot be written."""
    from pathlib import Path

    target = Path(arguments.file)
    packaged = Path(__file__).parent.parent / "config.example.toml"
    example = packaged if packaged.is_file() else packaged.parent.parent / packaged.name
    try:
        with target.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it will hold credentials
            file.write(example.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError([f"{target} already exists and was not changed"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    print(f"wrote {target}; fill in the keys, then: digestbot -c {target} check")
    return OK
