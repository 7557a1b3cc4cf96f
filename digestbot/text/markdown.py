"""A summary's Markdown as plain text, through pyromark (pulldown-cmark), which also finds the mathematics."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from digestbot.text.latex import to_unicode

_MATH = re.compile(r"(?<![\\\d])\$(?=\S)([^$\n]+?)(?<=[^\s\\])\$(?!\d)")
_LEFT_OUT = ("Table", "CodeBlock", "Image", "MetadataBlock", "FootnoteDefinition")
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL | re.IGNORECASE)
_KNOWN_TAG = re.compile(
    r"<!--|</?(?:a|abbr|b|big|blockquote|br|center|cite|code|dd|del|details|div|dl|dt|em|figure|font|h[1-6]|hr|i|img|ins|"
    r"kbd|li|mark|ol|p|pre|q|s|samp|section|small|span|strike|strong|sub|summary|sup|table|td|th|tr|tt|u|ul|var)[\s/>]",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\\[A-Za-z]{2,}")
# What is left of Markdown that the store cut off in the middle: "**bold", "[text](http://…", "<a href=…"
_BROKEN_LINK = re.compile(r"!?\[([^\]]*)\]\([^()\s]*(?:\.\.\.)?$|<[A-Za-z/][^<>]*$")
_MARKS = re.compile(r"\*\*+|(?<!\w)\*(?=\w)|``+")
_JOINING = frozenset(("and", "or", "see", "also", "here"))
# What looks like mathematics to a parser but is money: "$20, or 5$", "$5 to $"
_PRICE = re.compile(r"\d[\d.,]*\s*[^\\^_={}]*[A-Za-z]{2,}[^\\^_={}]*")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item or displayed formula of plain text, on one line."""

    kind: str  # "paragraph", "heading", "item" or "formula"
    text: str


class _Gatherer:
    """Gathers a parser's events into blocks."""

    def __init__(self) -> None:
        self.found: list[Block] = []
        self.items = 0  # list items around the place
        self._start()

    def _start(self) -> None:
        self.pieces: list[str] = []
        self.formula = True  # nothing but a displayed formula so far
        self.links = 0  # and pictures
        self.words: set[str] = set()  # outside of them
        self.inside = 0

    def text(self, text: str) -> None:
        self.pieces.append(text)
        self.formula = self.formula and not text.strip()
        if not self.inside:
            self.words.update(re.findall(r"\w+", text.lower()))

    def math(self, formula: str, *, displayed: bool) -> None:
        if _PRICE.fullmatch(formula):
            return self.text(f"${formula}$")
        self.pieces.append(to_unicode(formula))
        self.formula = self.formula and displayed
        self.words.add(formula)
        return None

    def finish(self, kind: str) -> None:
        text = _mended(" ".join("".join(self.pieces).split()))
        # a paragraph of links whose addresses are gone ("[code]() and [data]()") says nothing
        empty = self.links and self.words <= _JOINING
        if re.search(r"\w", text) and not empty:
            self.found.append(Block("formula" if self.formula and kind == "paragraph" else kind, text))
        self._start()


def _mended(text: str) -> str:
    """Without the marks of Markdown and LaTeX that no longer, or not yet, mean anything."""
    text = _MARKS.sub("", _BROKEN_LINK.sub(r"\1", text))
    return to_unicode(text) if _COMMAND.search(text) else text.strip()


def blocks(body: str) -> list[Block]:
    """The readable parts of a Markdown text, in order.

    What plain text cannot carry (tables, code blocks, images) is left out whole; HTML loses its tags.
    """
    import pyromark

    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_MATH
    gathered = _Gatherer()
    left_out = 0
    for event in pyromark.events(body, options=options):
        if isinstance(event, str):  # SoftBreak, HardBreak, Rule
            gathered.pieces.append(" ")
            continue
        ((what, value),) = event.items()
        tag = _tag(value) if what in ("Start", "End") else ""
        if tag in _LEFT_OUT:
            left_out += 1 if what == "Start" else -1
            gathered.links += tag == "Image"
        elif left_out:
            continue
        elif what == "Text" or what == "Code":
            gathered.text(html.unescape(str(value)))
        elif what in ("InlineMath", "DisplayMath"):
            gathered.math(str(value), displayed=what == "DisplayMath")
        elif what == "InlineHtml" and not _KNOWN_TAG.match(str(value)):
            gathered.text(str(value))  # "x<y and y>z"
        elif what in ("Html", "InlineHtml"):
            gap = " " if what == "Html" or "br" in str(value).lower() else ""
            gathered.text(html.unescape(_TAG.sub(gap, str(value))))
        elif tag == "Link":
            gathered.inside += 1 if what == "Start" else -1
            gathered.links += what == "Start"
        elif tag in _ENDS and (what == "End" or tag in ("Item", "List")):
            gathered.finish("heading" if tag == "Heading" else "item" if gathered.items else "paragraph")
            if tag == "Item":
                gathered.items += 1 if what == "Start" else -1
    return gathered.found


_ENDS = ("Paragraph", "Heading", "Item", "List", "HtmlBlock")


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else next(iter(value))


def plain_title(title: str) -> str:
    """A paper's title for readers: entities undone (the store escapes them twice), LaTeX as Unicode, no full
    stop at the end."""
    title = _TAG.sub("", html.unescape(html.unescape(title)))
    if "$" in title:
        title = _MATH.sub(lambda match: to_unicode(match[1]), title)
    if re.search(r"\\[A-Za-z]+|[{}]", title):
        title = to_unicode(title)
    title = " ".join(title.split())
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title
