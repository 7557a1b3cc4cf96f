"""Jinja's sandbox, with what it leaves open closed: loops without end, and texts without bounds.

Templates are the operator's own, but a slip in one must not hang the service.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from digestbot.text import Limit

MOST_STEPS = 20_000  # turns of all loops of one rendering together
MOST_TEXT = 200_000  # characters, or members of a list, that one expression or one rendering may make
_GROWING = frozenset(
    ("center", "expandtabs", "ljust", "rjust", "zfill", "format", "format_map", "translate", "replace", "join")
)


class TooMuchError(Exception):
    """A template takes too many turns or makes too much text."""


@dataclass
class Rendering:
    """The rendering under way: the limit, what ``fit`` texts it has (None where nothing is to be fitted), and how many
    turns its loops may still take."""

    limit: Limit
    texts: list[str] | None
    steps: int = MOST_STEPS


RENDERING: ContextVar[Rendering] = ContextVar("rendering")


class Environment(ImmutableSandboxedEnvironment):
    """The environment of all templates."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self, folders: list[Path], filters: dict[str, Callable[..., Any]]) -> None:
        super().__init__(
            loader=FileSystemLoader(folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for name in ("batch", "center", "format", "indent", "random", "slice", "xmlattr", "wordwrap"):
            del self.filters[name]
        del self.globals["lipsum"]
        self.globals |= {"_step": _step, "_join": _join}
        self.filters |= {"replace": _replace, "join": _joined} | filters

    def _generate(self, source: nodes.Template, *arguments: Any, **options: Any) -> str:
        return super()._generate(_Bounded(self).visit(source), *arguments, **options)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """As Jinja has it, without the methods that make long texts of short ones."""
        return not (isinstance(obj, str) and attr in _GROWING) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """As Jinja has it, bounded."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "*" and not numbers and _size(left) * _size(right) > MOST_TEXT:
            raise TooMuchError("makes too long a text")
        if operator == "+" and not numbers and _size(left) + _size(right) > MOST_TEXT:
            raise TooMuchError("makes too long a text")
        if operator == "%" and not numbers:
            raise TooMuchError("writes texts with %; use ~ to join them")
        if operator == "**" and (not numbers or abs(left) > 1000 or abs(right) > 10):
            raise TooMuchError("reckons with too large a number")
        return super().call_binop(context, operator, left, right)


class _Bounded(NodeTransformer):
    """Lets every turn of a loop, and every call of a macro, be counted, and joined texts be measured."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def _call(self, name: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
        called: nodes.Call = nodes.Call(nodes.Name(name, "load"), arguments, [], None, None)
        called.set_lineno(line, override=True).set_environment(self._environment)
        return called

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja finds them by these names
        """A loop, or a macro."""
        self.generic_visit(node)
        line = node.body[0].lineno if node.body else node.lineno
        counted = nodes.ExprStmt(self._call("_step", [], line))
        counted.set_lineno(line).set_environment(self._environment)
        node.body.insert(0, counted)
        return node

    visit_Macro = visit_For  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802
        """Texts joined with ~."""
        self.generic_visit(node)
        return self._call("_join", list(node.nodes), node.lineno)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value)


def _step() -> None:
    rendering = RENDERING.get()
    rendering.steps -= 1
    if rendering.steps < 0:
        raise TooMuchError(f"loops take more than {MOST_STEPS} turns together")


def _bounded(length: int) -> None:
    if length > MOST_TEXT:
        raise TooMuchError(f"makes more than {MOST_TEXT} characters")


def _join(*pieces: Any) -> str:
    texts = [str(piece) for piece in pieces]
    _bounded(sum(map(len, texts)))
    return "".join(texts)


def _joined(value: Any, d: str = "", attribute: Any = None) -> str:
    """Filter: the members with something between them."""
    texts = [str(one if attribute is None else getattr(one, str(attribute))) for one in value]
    _bounded(sum(map(len, texts)) + len(str(d)) * len(texts))
    return str(d).join(texts)


def _replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    """Filter: another text in the place of one."""
    text, old, new = str(text), str(old), str(new)
    _bounded(len(text) + text.count(old) * len(new))
    replaced: str = text.replace(old, new, count)
    return replaced
