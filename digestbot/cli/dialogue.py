"""The dialogue with the person at the terminal, or at the other end of a pipe."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import TextIO


class Terminal:
    """Questions on stdout, answers from stdin. With ``asks=False`` every question gets its default answer; ``output``
    is where questions go instead of stdout."""

    def __init__(self, *, asks: bool = True, output: TextIO | None = None) -> None:
        self._asks, self._output = asks, output

    def tell(self, text: str) -> None:
        """Print a step. Control characters, which a platform or a page may have sent, are left out."""
        from digestbot.cli.output import strip_control

        print(strip_control(text), file=self._output or sys.stdout, flush=True)

    def ask(self, question: str, *, secret: bool = False, default: str | None = None) -> str:
        """Return the answer to a question, stripped. On a terminal, a secret is not echoed.

        An empty answer, or the end of piped input, stands for the default. Raises LoginError at the end of the input if
        there is no default or a person ended it (Ctrl-D), and for input that is not text.
        """
        from digestbot.platforms.login import LoginError

        if not self._asks and default is not None:
            return default
        prompt = f"{question} [{default}]: " if default else f"{question}: "
        while True:
            try:
                answer = self._read(prompt, secret=secret)
            except EOFError:
                if default is None or sys.stdin.isatty():
                    raise LoginError("the input ended; nothing was stored") from None
                return default
            except KeyboardInterrupt:
                print("\nstopped; nothing was stored", file=sys.stderr)
                raise
            except UnicodeDecodeError:
                raise LoginError("the input is not text in this terminal's encoding; nothing was stored") from None
            if answer or default is not None:
                return answer or default or ""

    def ask_secret(self, question: str, stored: str) -> str:
        """Return the answer to a question for a secret. If one is stored, an empty answer keeps it."""
        if not stored:
            return self.ask(question, secret=True)
        return self.ask(f"{question} (Enter keeps the stored one)", secret=True, default="") or stored

    def _read(self, prompt: str, *, secret: bool) -> str:
        """Return one line of input, stripped. Raises EOFError at its end."""
        if secret and sys.stdin.isatty():
            return getpass.getpass(prompt).strip()
        output = self._output or sys.stdout
        print(prompt, end="", file=output, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            print(file=output, flush=True)
            raise EOFError
        return answer.strip()

    def choose(self, question: str, options: Sequence[str], *, default: int | None = None) -> int:
        """Return the index of the chosen option. An empty answer stands for the default, if there is one."""
        if self._asks:
            for number, option in enumerate(options, 1):
                self.tell(f"  {number}. {option}")
        preset = str(default + 1) if default is not None else None
        while True:
            answer = self.ask(f"{question} (1-{len(options)})", default=preset)
            if answer.isdecimal() and 1 <= int(answer) <= len(options):
                return int(answer) - 1

    def confirm(self, question: str, *, default: bool = True) -> bool:
        """Return the answer to a yes-or-no question. An empty answer stands for the default."""
        while True:
            answer = self.ask(f"{question} (y/n)", default="y" if default else "n").lower()
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")
            self.tell("Answer y or n.")
