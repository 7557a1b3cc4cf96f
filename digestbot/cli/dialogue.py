"""The dialogue with the person at the terminal, or at the other end of a pipe."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence


class Terminal:
    """Questions on stdout, answers from stdin. With ``asks=False`` every question gets its default answer."""

    def __init__(self, *, asks: bool = True) -> None:
        self._asks = asks

    def tell(self, text: str) -> None:
        """Print a step."""
        print(text, flush=True)

    def ask(self, question: str, *, secret: bool = False, default: str | None = None) -> str:
        """Return the answer to a question, stripped. On a terminal, a secret is not echoed.

        An empty answer, or the end of the input, stands for the default. Raises LoginError at the end of the input if
        there is no default.
        """
        from digestbot.platforms.login import LoginError

        if not self._asks and default is not None:
            return default
        prompt = f"{question} [{default}]" if default else question
        if secret and sys.stdin.isatty():
            answer = getpass.getpass(f"{prompt}: ")
        else:
            print(f"{prompt}: ", end="", flush=True)
            answer = sys.stdin.readline()
            if not answer:
                print(flush=True)
                if default is None:
                    raise LoginError("the input ended; nothing was stored")
        answer = answer.strip()
        if not answer and default is not None:
            return default
        return answer or self.ask(question, secret=secret)

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
