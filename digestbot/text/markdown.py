"""A summary's Markdown as plain text, through markdown-it-py's parser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from digestbot.text.latex import to_unicode

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SPACES = re.compile(r"\s+")
_MATH = re.compile(r"(?<![\\\d])\$(?=\S)([^$\n]+?)(?<=[^\s\\])\$(?!\d)")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item or displayed formula of plain text, on one line."""

    kind: str  # "paragraph", "heading", "item" or "formula"
    text: str


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
    return parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)


def blocks(body: str) -> list[Block]:
    """The readable parts of a Markdown text, in order.

    What plain text cannot carry (tables, code blocks, images, raw HTML) is left out whole.
    """
    found: list[Block] = []
    kinds: list[str] = []
    table = 0
    for token in _parser().parse(body):
        match token.type:
            case "table_open" | "table_close":
                table += token.nesting
            case "heading_open" | "list_item_open":
                kinds.append("heading" if token.type == "heading_open" else "item")
            case "heading_close" | "list_item_close":
                kinds.pop()
            case "inline" if not table:
                text = _inline(token.children or [])
                if text:
                    found.append(Block(kinds[-1] if kinds else "paragraph", text))
            case "math_block" | "math_block_label":
                found.append(Block("formula", to_unicode(token.content)))
    return [block for block in found if re.search(r"\w", block.text)]


def _inline(tokens: Sequence[Token]) -> str:
    return _SPACES.sub(" ", "".join(_pieces(tokens))).strip()


def _pieces(tokens: Iterable[Token]) -> Iterable[str]:
    for token in tokens:
        match token.type:
            case "text" | "code_inline":
                yield html.unescape(token.content)
            case "math_inline" | "math_inline_double":
                yield to_unicode(token.content)
            case "softbreak" | "hardbreak":
                yield " "


def plain_title(title: str) -> str:
    """A paper's title for readers: entities undone (the store escapes them twice), LaTeX as Unicode, no full
    stop at the end."""
    title = html.unescape(html.unescape(title))
    title = _MATH.sub(lambda match: to_unicode(match[1]), title)
    if re.search(r"\\[A-Za-z]+|[{}]", title):
        title = to_unicode(title)
    title = _SPACES.sub(" ", title).strip()
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title
