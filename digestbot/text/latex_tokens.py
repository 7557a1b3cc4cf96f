"""The tokens of a LaTeX formula, and a reader that moves along them."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"\\[A-Za-z]+\*?|\\.|\s+|[A-Za-z]|\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)*|(?<![\d.])\.\d+|.", re.DOTALL
)


class TokenReader:
    """Reads a formula token by token; ``at`` is the place of the next one."""

    def __init__(self, formula: str) -> None:
        self.tokens = _TOKEN.findall(formula)
        self.at = 0

    def peek(self) -> str:
        """Return the next token that is not blank; "" at the end."""
        at = self.at + self.blank()
        return self.tokens[at] if at < len(self.tokens) else ""

    def blank(self) -> bool:
        """Return whether the next token is blank."""
        return self.at < len(self.tokens) and self.tokens[self.at].isspace()

    def take(self) -> str:
        """Return the next token that is not blank, and move past it."""
        token = self.peek()
        self.at += 1 + self.blank()
        return token

    def raw(self) -> str:
        """Return the source of the next group."""
        if self.peek() != "{":
            return self.take()
        self.take()
        depth, pieces = 1, []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            depth += (token == "{") - (token == "}")
            if not depth:
                break
            pieces.append(token)
        return "".join(pieces)
