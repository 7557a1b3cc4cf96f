"""Conversion of a summary's Markdown to plain text with pyromark (pulldown-cmark), which also finds the formulas."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from digestbot.text.html_tags import is_tag, remove_tags
from digestbot.text.latex import convert_prose, to_unicode
from digestbot.text.sanitization import UNBROKEN

_MATH = re.compile(r"(?<![\\\d])\$(?=\S)([^$\n]+?)(?<=[^\s\\])\$(?!\d)")
_LEFT_OUT = ("Table", "CodeBlock", "Image", "MetadataBlock", "FootnoteDefinition")
_GAPS = re.compile(f"[^\\S{UNBROKEN}]+")
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # private-use characters, which are placeholders here
_GONE = "\ue003"  # where a picture was
# "(see ![a plot]())", "see the code and ![a plot]()."
_AROUND_GONE = re.compile(
    rf"{_GONE}\s*(?:,|\band\b|\bor\b)\s*|\s*[(\[]\s*(?:see|cf\.?|e\.g\.?|in)?\s*{_GONE}\s*[)\]]"
    rf"|(?:\s*\b(?:and|or|see|in|at|here|also|plus|with|like|below|above))+:?\s*{_GONE}(?=\s*(?:[.,;:!?]|\Z))"
)
_CUT_BYTES = (497, 506)  # length of a text in the store's shorter feeds: 500 bytes and "..."
_CUT_WORD = re.compile(r"\s+\S*\.\.\.\Z")
# What MathJax treats as a formula and Markdown does not.
_MATHJAX = re.compile(
    r"\\[(\[]|(?<!\$)\\begin\{((?:align|equation|gather|eqnarray|multline|displaymath)\*?)\}",
)
_IN_DOLLARS = re.compile(r"\s*\$")
MOST_BODY = 250_000  # characters of a text that are read: no platform accepts a third of that
FORMULA = 0xE100  # the first of the private-use characters that stand for formulas
MOST_FORMULAS = 256
_SAYS = re.compile(f"[\\w{chr(FORMULA)}-{chr(FORMULA + MOST_FORMULAS)}]")
_COMMAND = re.compile(r"\\[A-Za-z]{2,}")
_TAG_BEGINS = re.compile(r"<[A-Za-z/]")
_LINK_ENDS = re.compile(r"[()\s]")
_MARKS = re.compile(r"\*\*+|(?<!\w)\*(?=\w)|``+")
_JOINING = frozenset(("and", "or", "see", "also", "here"))
# What looks like mathematics to a parser but is money: "$20, or 5$", "$5 to $"
_PRICE = re.compile(r"\d[\d.,]*\s*[^\\^_={}]*[A-Za-z]{2,}[^\\^_={}]*")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item or displayed formula of plain text, on one line.

    ``number`` is the number of an item in a numbered list.
    """

    kind: str  # "paragraph", "heading", "item" or "formula"
    text: str
    number: int | None = None


class _Gatherer:
    """Collects the events of a parser into blocks."""

    def __init__(self, formulas: list[tuple[str, bool]] | None) -> None:
        self.found: list[Block] = []
        self.formulas = formulas
        self.lists: list[int | None] = []  # enclosing lists: the next item's number, None without numbers
        self.items = 0  # enclosing list items
        self._number: int | None = None
        self._start()

    def _start(self) -> None:
        self.pieces: list[str] = []
        self.formula = True  # nothing but a displayed formula so far
        self.links = 0  # and pictures
        self.outside: list[str] = []  # the text outside of links and pictures
        self.inside = 0
        self.after_display = False

    def content(self, what: str, value: str) -> None:
        """Handle content between tags."""
        if what in ("Text", "Code"):
            self.text(html.unescape(value))
        elif what in ("InlineMath", "DisplayMath"):
            self.math(value, displayed=what == "DisplayMath")
        elif what == "InlineHtml" and not is_tag(value):
            self.text(value)  # "x<y and y>z"
        elif what in ("Html", "InlineHtml"):
            gap = " " if what == "Html" or "br" in value.lower() else ""
            self.text(html.unescape(html.unescape(remove_tags(value, gap))))

    def tag(self, tag: str, value: Any, *, starts: bool) -> None:
        """Handle the start or end of an element."""
        if tag == "Link":
            self.inside += 1 if starts else -1
            self.links += starts
            if starts and value["Link"].get("link_type") in ("Autolink", "Email"):
                self.outside.append(value["Link"]["dest_url"])  # the URL itself is the text
        elif tag in _ENDS and (not starts or tag in ("Item", "List")):
            self.finish("heading" if tag == "Heading" else "item" if self.items else "paragraph")
        if tag == "List" and starts:
            self.lists.append(_first_number(value))
        elif tag == "List":
            self.lists.pop()
        elif tag == "Item" and starts:
            self.item()
        elif tag == "Item":
            self.items -= 1

    def picture(self) -> None:
        """Mark the place of a picture."""
        self.links += 1
        self.pieces.append(_GONE)

    def text(self, text: str) -> None:
        if self.after_display and text.lstrip()[:1].isupper():
            while self.pieces[-1].isspace():
                self.pieces.pop()
            self.pieces.append(". ")  # a displayed formula ends its sentence without a full stop
        self.after_display = self.after_display and not text.strip()
        self.pieces.append(text.replace(UNBROKEN, " "))
        self.formula = self.formula and not text.strip()
        if not self.inside:
            self.outside.append(text)

    def math(self, formula: str, *, displayed: bool) -> None:
        if _PRICE.fullmatch(formula):
            return self.text(f"${formula}$")
        if self.formulas is not None and len(self.formulas) < MOST_FORMULAS:
            self.pieces.append(chr(FORMULA + len(self.formulas)))
            self.formulas.append((formula, displayed))
        else:
            text = to_unicode(formula)
            self.pieces.append(text)
            self.after_display = displayed and text[-1:] not in ".,;:!?"
        self.formula = self.formula and displayed
        self.outside.append(formula)
        return None

    def item(self) -> None:
        """Begin the next item of the innermost list."""
        self.items += 1
        self._number = self.lists[-1] if self.lists else None
        if self._number is not None:
            self.lists[-1] = self._number + 1

    def finish(self, kind: str) -> None:
        text = _mended("".join(self.pieces))
        # a paragraph of links whose URLs are missing ("[code]() and [data]()") says nothing
        empty = self.links and _JOINING.issuperset(re.findall(r"\w+", " ".join(self.outside).lower()))
        if _SAYS.search(text) and not empty:
            kind = "formula" if self.formula and kind == "paragraph" else kind
            self.found.append(Block(kind, text, self._number if kind == "item" else None))
            self._number = None
        self._start()


def _mended(text: str) -> str:
    """Return the text on one line, without the words that introduced a picture, and without Markdown and LaTeX markup
    that has no meaning here."""
    if not text.isprintable() or "  " in text:
        text = _GAPS.sub(" ", text)
    text = text.strip(" ")
    if _GONE in text:
        text = _AROUND_GONE.sub("", text).replace(_GONE, "")
        text = _GAPS.sub(" ", text).strip(" ")
    if "[" in text or "<" in text:
        text = _without_broken_end(text)
    if "*" in text or "`" in text:
        text = _MARKS.sub("", text)
    if "<" in text:  # tags that were escaped twice, so that the parser took them for text
        text = remove_tags(text)
    return convert_prose(text) if _COMMAND.search(text) else text.strip(" ")


def _without_broken_end(text: str) -> str:
    """Return the text without remains of Markdown or HTML that the store cut off, such as "[text](http://…"."""
    tag, middle = text.rfind("<"), text.rfind("](")
    if tag >= 0 and (">" in text[tag:] or not _TAG_BEGINS.match(text, tag)):
        tag = -1
    link = -1
    if middle >= 0 and not _LINK_ENDS.search(text, middle + 2):
        link = text.find("[", text.rfind("]", 0, middle) + 1, middle)
    if link >= 0 and not 0 <= tag < link:
        return text[: link - (text[link - 1 : link] == "!")] + text[link + 1 : middle]
    return text[:tag] if tag >= 0 else text


def blocks(body: str, formulas: list[tuple[str, bool]] | None = None) -> list[Block]:
    """Return the readable parts of a Markdown text, in order.

    Tables, code blocks and images are left out entirely, since plain text cannot show them. HTML loses its tags. Spaces
    within a formula are `UNBROKEN`. What comes after `MOST_BODY` characters is left out.

    With a list for ``formulas``, each formula is added to it as written, along with whether it is displayed on a line
    of its own. In the text, a character from `FORMULA` on then stands for it.
    """
    import pyromark

    body = body[:MOST_BODY]
    if "\\(" in body or "\\[" in body or "\\begin{" in body:
        body = _with_dollars(body)
    if body.endswith("...") and _CUT_BYTES[0] <= len(body.encode("utf-8", "replace")) <= _CUT_BYTES[1]:
        body = _CUT_WORD.sub("…", body)  # the store cut it, mostly in the middle of a word
    body = _PRIVATE.sub("", body)
    known = pyromark.Options
    options = (
        known.ENABLE_TABLES
        | known.ENABLE_STRIKETHROUGH
        | known.ENABLE_MATH
        | known.ENABLE_FOOTNOTES
        | known.ENABLE_TASKLISTS
    )
    gathered = _Gatherer(formulas)
    left_out = 0
    for event in pyromark.events(body, options=options):
        if isinstance(event, str):  # SoftBreak, HardBreak, Rule
            gathered.pieces.append(" ")
            continue
        ((what, value),) = event.items()
        if what in ("Start", "End"):
            tag = _tag(value)
            if tag in _LEFT_OUT:
                left_out += 1 if what == "Start" else -1
                if tag == "Image" and what == "Start":
                    gathered.picture()
            elif not left_out:
                gathered.tag(tag, value, starts=what == "Start")
        elif not left_out:
            gathered.content(what, str(value))
    return gathered.found


def _with_dollars(body: str) -> str:
    """Return the body with MathJax's formulas in Markdown's notation. A kind of end that does not occur is searched for
    only once."""
    pieces, done, at = [], 0, 0
    ends: dict[str, int] = {}  # the last position of each kind of end
    while match := _MATHJAX.search(body, at):
        at = match.end()
        end = f"\\end{{{match[1]}}}" if match[1] else "\\)" if match[0] == "\\(" else "\\]"
        if end not in ends:
            ends[end] = body.rfind(end)
        least = at if match[1] else at + 1  # \\(\\) is empty
        if ends[end] < least:
            continue
        inside, stop = at, body.index(end, least)
        at = stop + len(end)
        if match[1] is None:
            formula = body[inside:stop]
        elif _IN_DOLLARS.match(body, at):
            continue
        else:
            formula = body[match.start() : at]
        one_line = re.sub(r"\n\s*\n", "\n", formula.strip())
        pieces += [body[done : match.start()], f"${formula}$" if end == "\\)" else f"$${one_line}$$"]
        done = at
    return "".join([*pieces, body[done:]])


def _first_number(value: Any) -> int | None:
    number = value.get("List") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None


_ENDS = ("Paragraph", "Heading", "Item", "List", "HtmlBlock")


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else next(iter(value))


def first_image(body: str) -> tuple[str, str] | None:
    """Return the URL and the alternative text of the first image in a Markdown text; None if there is none."""
    import pyromark

    body = body[:MOST_BODY]
    if "![" not in body:
        return None
    result: str | None = None
    texts: list[str] = []
    value: Any
    for event in pyromark.events(body):
        if isinstance(event, str):
            continue
        ((what, value),) = event.items()
        if what == "Start" and _tag(value) == "Image" and result is None:
            result = str(value["Image"].get("dest_url") or "") or None
        elif what == "End" and _tag(value) == "Image" and result:
            break
        elif result and what == "Text":
            texts.append(str(value))
    return (result, " ".join("".join(texts).split())) if result else None


def plain_title(title: str) -> str:
    """Return a paper's title for readers: entities decoded (the store escapes them twice), LaTeX as Unicode, and no
    full stop at the end."""
    title = _GAPS.sub(" ", remove_tags(html.unescape(html.unescape(title)).replace(UNBROKEN, " ")))
    if "$" in title:
        title = _MATH.sub(lambda match: match[0] if _PRICE.fullmatch(match[1]) else to_unicode(match[1]), title)
    if re.search(r"\\[A-Za-z]+|\\\W|[{}]", title):
        title = convert_prose(title)
    title = _GAPS.sub(" ", title).strip(" ")
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title
