"""The command line: arguments, logging, the clock. Each module registers its own commands (`parser.GROUPS`).

Heavy modules are imported only once a command is known to need them.
"""

from __future__ import annotations

import io
import os
import sys

OK, TROUBLE, USAGE, ATTENTION = 0, 1, 2, 3


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    from digestbot.cli.parser import parser

    commands = parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        from digestbot.cli.completion import complete

        complete(commands)
    arguments = commands.parse_args(argv)
    from digestbot.domain.errors import ConfigError, DigestbotError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that the terminal cannot encode must not raise
    try:
        return int(arguments.handler(arguments))
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return USAGE
    except DigestbotError as error:
        print(f"{_name()} {error}", file=sys.stderr)
        return TROUBLE
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # nobody reads stdout any more; this keeps the interpreter from reporting that again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"{_name()} {error.strerror or error}", file=sys.stderr)
        return TROUBLE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        import logging

        logging.getLogger("digestbot").debug("unexpected", exc_info=True)
        what = f"unexpected {type(error).__name__}: {error}"
        print(f"{_name()} {what} (-v shows where); please report it", file=sys.stderr)
        return TROUBLE


def _name() -> str:
    """Return the program's name as it begins an error's line."""
    from digestbot.cli.style import BAD, paint

    return paint("digestbot:", BAD, sys.stderr)
