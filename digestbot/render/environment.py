"""Jinja's sandbox, with what it leaves open closed: loops without end, and texts without bounds.

Templates are the operator's own, but a slip in one must not hang the service.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_STEPS = 20_000  # turns of all loops of one rendering together
MOST_TEXT = 200_000  # characters that one expression, or one rendering, may make
_GROWING = frozenset(("center", "expandtabs", "ljust", "rjust", "zfill", "format", "format_map", "translate"))


class TooMuchError(Exception):
    """A template takes too many turns or makes too much text."""


class Environment(ImmutableSandboxedEnvironment):
    """The environment of all templates."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self, folders: list[Path], filters: dict[str, Callable[..., Any]]) -> None:
        super().__init__(
            loader=FileSystemLoader(folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for name in ("center", "format", "indent", "random", "xmlattr", "wordwrap"):
            del self.filters[name]
        self.filters |= filters

    def _generate(self, source: nodes.Template, *arguments: Any, **options: Any) -> str:
        for body in [loop.body for loop in source.find_all(nodes.For)] + [
            one.body for one in source.find_all(nodes.Macro)
        ]:
            line = body[0].lineno if body else source.lineno
            count = nodes.Call(nodes.Name("_step", "load"), [], [], None, None)
            body.insert(0, nodes.ExprStmt(count).set_lineno(line).set_environment(self))
        return super()._generate(source, *arguments, **options)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """As Jinja has it, without the methods that make long texts of short ones."""
        return not (isinstance(obj, str) and attr in _GROWING) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """As Jinja has it, bounded."""
        if operator == "*" and _size(left) * _size(right) > MOST_TEXT:
            raise TooMuchError("makes too long a text")
        if operator == "%" and isinstance(left, str):
            raise TooMuchError("writes texts with %; use ~ to join them")
        if operator == "**" and (abs(left) > 1000 or abs(right) > 10):
            raise TooMuchError("reckons with too large a number")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value)


class Steps:
    """Counts the turns of a rendering's loops."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def __call__(self) -> None:
        """One more."""
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"takes more than {MOST_STEPS} turns")
