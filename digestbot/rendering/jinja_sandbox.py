"""Jinja's sandbox with two gaps closed: endless loops and texts of unbounded size.

Templates are the operator's own, but a mistake in one must not hang the service.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes, pass_environment
from jinja2.filters import make_attrgetter
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from digestbot.platforms.base import LengthLimit

MOST_STEPS = 20_000  # loop iterations of one rendering in all
LONGEST_LINE = 140  # characters of a `line` text
MOST_TEXT = 200_000  # characters or list members that one expression or one rendering may produce
MOST_PRODUCED = 5 * MOST_TEXT  # characters that all outputs of one rendering have, those within blocks included
_GROWING = frozenset(
    ("center", "expandtabs", "ljust", "rjust", "zfill", "format", "format_map", "translate", "replace", "join")
)


class TooMuchError(Exception):
    """A template runs too many loop iterations or produces too much text."""


@dataclass
class RenderContext:
    """The state of the current rendering.

    ``limit`` is the platform's, ``texts`` the ``fit`` texts so far (None if nothing is fitted), and ``steps`` the
    number of loop iterations left, ``room`` that of characters. A ``line`` text has at most ``line`` characters.
    """

    limit: LengthLimit
    texts: list[str] | None
    steps: int = MOST_STEPS
    room: int = MOST_PRODUCED
    line: int = LONGEST_LINE


RENDERING: ContextVar[RenderContext] = ContextVar("rendering")


class SandboxedJinja(ImmutableSandboxedEnvironment):
    """The Jinja environment of all templates."""

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
        self.globals |= {"_step": _step, "_join": _join, "_produce": _produce, "_counted": _counted}
        self.filters |= {"replace": _replace, "join": _joined} | filters

    def _generate(self, source: nodes.Template, *arguments: Any, **options: Any) -> str:
        return super()._generate(_Bounded(self).visit(source), *arguments, **options)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return Jinja's own decision, but False for string methods that can produce long texts."""
        return not (isinstance(obj, str) and attr in _GROWING) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator as Jinja does. Raises TooMuchError if the result could be too large."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "*" and not numbers and _size(left) * _size(right) > MOST_TEXT:
            raise TooMuchError("renders too much text")
        if operator == "+" and not numbers and _size(left) + _size(right) > MOST_TEXT:
            raise TooMuchError("renders too much text")
        if operator == "%" and not numbers:
            raise TooMuchError("formats strings with %; use ~ to join them")
        if operator == "**" and (not numbers or abs(left) > 1000 or abs(right) > 10):
            raise TooMuchError("uses a number that is too large")
        return super().call_binop(context, operator, left, right)


class _Bounded(NodeTransformer):
    """A transformer that counts loop iterations and macro calls, and measures texts joined with ~."""

    def __init__(self, environment: SandboxedJinja) -> None:
        self._environment = environment

    def _call(self, name: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
        called: nodes.Call = nodes.Call(nodes.Name(name, "load"), arguments, [], None, None)
        called.set_lineno(line, override=True).set_environment(self._environment)
        return called

    def _statement(self, name: str, arguments: list[nodes.Expr], line: int) -> nodes.ExprStmt:
        statement = nodes.ExprStmt(self._call(name, arguments, line))
        statement.set_lineno(line).set_environment(self._environment)
        return statement

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja finds the methods by these names
        """Count each iteration of a loop, or each call of a macro."""
        self.generic_visit(node)
        line = node.body[0].lineno if node.body else node.lineno
        node.body.insert(0, self._statement("_step", [], line))
        return node

    visit_Macro = visit_For  # noqa: N815

    def visit_Output(self, node: nodes.Output) -> list[nodes.Node]:  # noqa: N802
        """Count the characters of each output."""
        self.generic_visit(node)
        constant = sum(len(part.data) for part in node.nodes if isinstance(part, nodes.TemplateData))
        node.nodes = [
            part if isinstance(part, nodes.TemplateData) else self._call("_counted", [part], part.lineno)
            for part in node.nodes
        ]
        return [self._statement("_produce", [nodes.Const(constant)], node.lineno), node]

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802
        """Measure texts joined with ~."""
        self.generic_visit(node)
        return self._call("_join", list(node.nodes), node.lineno)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value)


def _step() -> None:
    rendering = RENDERING.get()
    rendering.steps -= 1
    if rendering.steps < 0:
        raise TooMuchError(f"loops take more than {MOST_STEPS} iterations in total")


def _bounded(length: int) -> None:
    if length > MOST_TEXT:
        raise TooMuchError(f"makes more than {MOST_TEXT} characters")


def _join(*pieces: Any) -> str:
    texts = [str(piece) for piece in pieces]
    _bounded(sum(map(len, texts)))
    return "".join(texts)


def _produce(length: int) -> None:
    rendering = RENDERING.get()
    rendering.room -= length
    if rendering.room < 0:
        raise TooMuchError(f"produces more than {MOST_PRODUCED} characters in total")


def _counted(value: Any) -> str:
    """Return an output's text, and count it: within ``{% set %}`` it goes nowhere that would be measured."""
    text = str(value)
    _produce(len(text))
    return text


@pass_environment
def _joined(environment: Environment, value: Any, d: str = "", attribute: Any = None) -> str:
    """Filter: join the members with a separator. Attributes are read as the sandbox allows."""
    read = make_attrgetter(environment, attribute)
    texts = [str(read(one)) for one in value]
    _bounded(sum(map(len, texts)) + len(str(d)) * len(texts))
    return str(d).join(texts)


def _replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    """Filter: replace a text by another."""
    text, old, new = str(text), str(old), str(new)
    _bounded(len(text) + text.count(old) * len(new))
    replaced: str = text.replace(old, new, count)
    return replaced
