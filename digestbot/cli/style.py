"""Colours, where a terminal wants them: never in a pipe, and not with NO_COLOR or TERM=dumb."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TextIO

GOOD, WARN, BAD, DIM = "green", "yellow", "bold red", "dim"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return the text in a style of rich, for a stream (stdout); unchanged if the stream shows no colours."""
    target = sys.stdout if stream is None else stream
    if not text or not (target.isatty() or "FORCE_COLOR" in os.environ):
        return text
    before, after = _codes(style, target)
    return f"{before}{text}{after}"


@lru_cache(maxsize=16)
def _codes(style: str, stream: TextIO) -> tuple[str, str]:
    """Return the control sequences before and after a text in this style; both empty if the stream shows none."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream)
    if console.no_color:
        return "", ""
    with console.capture() as captured:
        console.print(Text("x", style=style), end="")
    before, _, after = captured.get().partition("x")
    return before, after
