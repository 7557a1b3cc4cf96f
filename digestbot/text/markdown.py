"""A summary's Markdown as plain text, through pyromark (pulldown-cmark), which also finds the mathematics."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from digestbot.text.latex import to_unicode

_MATH = re.compile(r"(?<![\\\d])\$(?=\S)([^$\n]+?)(?<=[^\s\\])\$(?!\d)")
_LEFT_OUT = ("Table", "CodeBlock", "HtmlBlock", "Image", "MetadataBlock", "FootnoteDefinition")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item or displayed formula of plain text, on one line."""

    kind: str  # "paragraph", "heading", "item" or "formula"
    text: str


def blocks(body: str) -> list[Block]:
    """The readable parts of a Markdown text, in order.

    What plain text cannot carry (tables, code blocks, images, raw HTML) is left out whole.
    """
    import pyromark

    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_MATH
    found: list[Block] = []
    pieces: list[str] = []
    item = left_out = 0
    formula = True  # whether nothing but a displayed formula stands in the block so far

    def finish(kind: str) -> None:
        nonlocal formula
        text = " ".join("".join(pieces).split())
        if re.search(r"\w", text):
            found.append(Block("formula" if formula and kind == "paragraph" else kind, text))
        pieces.clear()
        formula = True

    for event in pyromark.events(body, options=options):
        if isinstance(event, str):  # SoftBreak, HardBreak, Rule
            pieces.append(" ")
            continue
        ((what, value),) = event.items()
        tag = _tag(value) if what in ("Start", "End") else ""
        if tag in _LEFT_OUT:
            left_out += 1 if what == "Start" else -1
        elif left_out:
            continue
        elif what in ("Text", "Code"):
            pieces.append(html.unescape(str(value)))
            formula = formula and not pieces[-1].strip()
        elif what in ("InlineMath", "DisplayMath"):
            pieces.append(to_unicode(value))
            formula = formula and what == "DisplayMath"
        elif tag in ("Paragraph", "Heading", "Item", "List") and (what == "End" or tag in ("Item", "List")):
            finish("heading" if tag == "Heading" else "item" if item else "paragraph")
            if tag == "Item":
                item += 1 if what == "Start" else -1
    return found


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else next(iter(value))


def plain_title(title: str) -> str:
    """A paper's title for readers: entities undone (the store escapes them twice), LaTeX as Unicode, no full
    stop at the end."""
    title = html.unescape(html.unescape(title))
    if "$" in title:
        title = _MATH.sub(lambda match: to_unicode(match[1]), title)
    if re.search(r"\\[A-Za-z]+|[{}]", title):
        title = to_unicode(title)
    title = " ".join(title.split())
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title
