"""Conversion of a summary's Markdown to plain text with pyromark (pulldown-cmark), which also finds the formulas."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from digestbot.text.block_cleanup import GONE, is_caption, strike_announcer
from digestbot.text.body_repair import repair
from digestbot.text.html_tags import is_tag, remove_tags, script
from digestbot.text.labels import section_of, split_label, without_metadata
from digestbot.text.languages import TextSection
from digestbot.text.latex import prose_to_unicode, to_unicode
from digestbot.text.line_cleanup import COMMAND, GAPS, mend
from digestbot.text.mathml import to_dollars
from digestbot.text.sanitization import UNBROKEN

_MATH = re.compile(r"(?<![\\\d])\$(?=\S)([^$\n]+?)(?<=[^\s\\])\$(?!\d)")
_LEFT_OUT = ("Table", "CodeBlock", "Image", "MetadataBlock", "FootnoteDefinition", "Strikethrough")
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # private-use characters, which are placeholders here
_LINE, _STRONG, _END_STRONG, _STRUCK = "\ue004", "\ue005", "\ue006", "\ue007"
_PLACEHOLDERS = re.compile("[\ue004-\ue007]")
_STRUCK_GAP = re.compile(f" *{_STRUCK}(?= |[.,;:!?)]|\\Z)|{_STRUCK} ?")
# "**Main idea:** Use …", "**Main idea**: Use …", and a line of its own "**Main idea**"
_STRONG_LABEL = re.compile(
    f"{_STRONG}([^{_STRONG}{_END_STRONG}]{{1,60}}){_END_STRONG}(?P<after>[ ]*(?:[:：—–]|-(?= ))?)[ ]*"
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
_JOINING = frozenset(("and", "or", "see", "also", "here"))
MOST_LABEL_WORDS = 6
_SCRIPT_TAG = re.compile(r"<(/?)(sup|sub)\s*>", re.IGNORECASE)
# What looks like mathematics to a parser but is money: "$20, or 5$", "$5 to $"
_PRICE = re.compile(r"\d[\d.,]*\s?[-–—/]|\d[\d.,]*\s*[^\\^_={}]*[A-Za-z]{2,}[^\\^_={}]*")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item or displayed formula of plain text, on one line.

    A label is the beginning of a paragraph or an item ("Main idea"), without its colon. A quotation is a paragraph of
    someone else's words. ``number`` is the number of an item in a numbered list.
    """

    kind: str  # "paragraph", "heading", "label", "item", "quotation" or "formula"
    text: str
    number: int | None = None


class _Gatherer:
    """Collects the events of a parser into blocks."""

    def __init__(self, formulas: list[tuple[str, bool]] | None, *, truncated: bool) -> None:
        self.found: list[Block] = []
        self.truncated = truncated  # the store cut the text
        self.formulas = formulas
        self.lists: list[int | None] = []  # enclosing lists: the next item's number, None without numbers
        self.items = 0  # enclosing list items
        self.quotations = 0  # enclosing quotations
        self._number: int | None = None
        self._start()

    def _start(self) -> None:
        self.pieces: list[str] = []
        self.formula = True  # nothing but a displayed formula so far
        self.scripts: int | None = None  # where the content of <sup> or <sub> begins
        self.links = 0  # and pictures
        self.outside: list[str] = []  # the text outside of links and pictures
        self.inside = 0
        self.after_display = False

    def content(self, what: str, value: str) -> None:
        """Handle content between tags."""
        if what == "Code" and (match := _MATH.fullmatch(value)):
            self.math(match[1], displayed=False)
        elif what in ("Text", "Code"):
            self.text(html.unescape(value))
        elif what == "TaskListMarker":
            self.text("☑ " if value == "True" else "☐ ")
        elif what in ("InlineMath", "DisplayMath"):
            self.math(value, displayed=what == "DisplayMath")
        elif what == "InlineHtml" and not is_tag(value):
            self.text(value)  # "x<y and y>z"
        elif what == "InlineHtml" and (tag := _SCRIPT_TAG.fullmatch(value)):
            self.script(tag[2].lower(), starts=not tag[1])
        elif what in ("Html", "InlineHtml"):
            gap = " " if what == "Html" or "br" in value.lower() else ""
            self.text(html.unescape(html.unescape(remove_tags(value, gap))))

    def tag(self, tag: str, value: Any, *, starts: bool) -> None:
        """Handle the start or end of an element."""
        if tag == "Strong":
            self.pieces.append(_STRONG if starts else _END_STRONG)
        elif tag == "BlockQuote":
            self.quotations += 1 if starts else -1
        elif tag == "Link":
            self.inside += 1 if starts else -1
            self.links += starts
            if starts and value["Link"].get("link_type") in ("Autolink", "Email"):
                self.outside.append(value["Link"]["dest_url"])  # the URL itself is the text
        elif tag in _ENDS and (not starts or tag in ("Item", "List")):
            plain = "quotation" if self.quotations else "paragraph"
            self.finish("heading" if tag == "Heading" else "item" if self.items else plain)
        if tag == "List" and starts:
            self.lists.append(_first_number(value))
        elif tag == "List":
            self.lists.pop()
        elif tag == "Item" and starts:
            self.item()
        elif tag == "Item":
            self.items -= 1

    def leave_out(self, tag: str) -> None:
        """Mark the place of what is not shown."""
        if tag == "Image":
            self.links += 1
        self.pieces.append(_STRUCK if tag == "Strikethrough" else GONE)
        if tag in ("Table", "CodeBlock"):
            self.finish("paragraph")

    def script(self, tag: str, *, starts: bool) -> None:
        """Handle ``<sup>`` or ``<sub>``: what is in it becomes a script where Unicode has one."""
        if starts:
            self.scripts = len(self.pieces)
        elif self.scripts is not None:
            content = "".join(self.pieces[self.scripts :])
            self.pieces[self.scripts :] = [script(tag, content)]
            self.scripts = None

    def text(self, text: str) -> None:
        if self.after_display and text.lstrip()[:1].isupper():
            while self.pieces[-1].isspace() or self.pieces[-1] == _LINE:
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
        if "$" in formula:  # the parser went on to another formula, since a brace is missing
            for number, piece in enumerate(formula.split("$")):
                self.text(piece) if number % 2 else self.math(piece, displayed=False)
            return None
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
        """Add what was gathered as blocks of that kind."""
        raw = "".join(self.pieces)
        # a paragraph of links whose URLs are missing ("[code]() and [data]()") says nothing
        empty = self.links and _JOINING.issuperset(re.findall(r"\w+", " ".join(self.outside).lower()))
        if empty or not _SAYS.search(raw):
            if GONE in raw or empty:
                self.found.append(Block("gone", ""))
        elif kind == "heading":
            self._add(kind, raw)
        else:
            self._add_labelled("formula" if self.formula and kind == "paragraph" else kind, raw)
        if kind == "item" and raw:
            self._number = None
        self._start()

    def _add_labelled(self, kind: str, raw: str) -> None:
        """Add a paragraph or an item, divided before each line that begins with a label."""
        lines: list[str] = []
        for line in raw.split(_LINE):
            label, rest = _label(line, alone=_LINE in raw)
            if not label:
                lines.append(line)
                continue
            self._add(kind, " ".join(lines))
            lines = [rest]
            if section_of(label) is TextSection.METADATA:
                lines = [without_metadata(_plain(line))]
            else:
                self._add("label" if _SAYS.search(rest) else "heading", label)
        self._add(kind, " ".join(lines))

    def _add(self, kind: str, raw: str) -> None:
        bare = raw.rstrip(f" {_LINE}")
        announced = bare.endswith(GONE)
        before = bare[:-1].rstrip(f" {_LINE}") if announced else ""
        if before.endswith((":", "：")):
            text = strike_announcer(mend(_plain(before), truncated=self.truncated))
        else:
            text = mend(_plain(raw), truncated=self.truncated)
        if not _SAYS.search(text) or (kind == "paragraph" and is_caption(text)):
            return
        self.found.append(Block(kind, text, self._number if kind == "item" else None))
        if announced:
            self.found.append(Block("gone", ""))


def _label(line: str, *, alone: bool) -> tuple[str, str]:
    """Return the label with which a line begins, and the rest of it; "" without one.

    Bold words are a label before a colon, or where nobody else is on their line, or if everybody knows them.
    """
    line = line.strip(" ")
    if match := _STRONG_LABEL.match(line):
        words, rest = match[1].strip(" "), line[match.end() :]
        known = section_of(words) is not TextSection.BODY or split_label(f"{words}: x") is not None
        marked = words.endswith((":", "：")) or match["after"].strip(" ")
        if (marked and len(words.split()) <= MOST_LABEL_WORDS) or (known and (words.endswith(".") or not rest)):
            return words.rstrip(" :：."), rest
        if alone and not rest and words[-1:] not in ".!?。" and len(words.split()) <= MOST_LABEL_WORDS:
            return words, rest
    return split_label(_plain(line)) or ("", line)


def _plain(raw: str) -> str:
    """Return what was gathered without the marks of lines, bold and struck text."""
    text = _STRUCK_GAP.sub("", raw) if _STRUCK in raw else raw
    return _PLACEHOLDERS.sub("", text.replace(_LINE, " "))


def blocks(body: str, formulas: list[tuple[str, bool]] | None = None) -> list[Block]:
    """Return the readable parts of a Markdown text, in order.

    Tables, code blocks and images are left out entirely, since plain text cannot show them. HTML loses its tags. Spaces
    within a formula are `UNBROKEN`. What comes after `MOST_BODY` characters is left out.

    With a list for ``formulas``, each formula is added to it as written, along with whether it is displayed on a line
    of its own. In the text, a character from `FORMULA` on then stands for it.
    """
    import pyromark

    body = body[:MOST_BODY]
    body = to_dollars(body)
    truncated = body.endswith("...") and _CUT_BYTES[0] <= len(body.encode("utf-8", "replace")) <= _CUT_BYTES[1]
    if "\\(" in body or "\\[" in body or "\\begin{" in body:
        body = _with_dollars(body)
    if truncated:
        body = _without_broken_formula(_CUT_WORD.sub("…", body))  # the cut is mostly in the middle of a word
    body = repair(_PRIVATE.sub("", body))
    known = pyromark.Options
    options = (
        known.ENABLE_TABLES
        | known.ENABLE_STRIKETHROUGH
        | known.ENABLE_MATH
        | known.ENABLE_FOOTNOTES
        | known.ENABLE_TASKLISTS
    )
    gathered = _Gatherer(formulas, truncated=truncated)
    left_out = 0
    for event in pyromark.events(body, options=options):
        if isinstance(event, str):  # SoftBreak, HardBreak, Rule
            gathered.pieces.append(_LINE)
            continue
        ((what, value),) = event.items()
        if what in ("Start", "End"):
            tag = tag_name(value)
            if tag in _LEFT_OUT:
                left_out += 1 if what == "Start" else -1
                if what == "Start" and left_out == 1:
                    gathered.leave_out(tag)
            elif not left_out:
                gathered.tag(tag, value, starts=what == "Start")
        elif not left_out:
            gathered.content(what, str(value))
    return _without_announcers(gathered.found)


def plain_blocks(body: str) -> list[Block]:
    """Return the paragraphs of a text as they are written, without looking for Markdown, LaTeX or HTML in it."""
    paragraphs = re.split(r"\n\s*\n", _PRIVATE.sub("", body[:MOST_BODY]))
    return [Block("paragraph", " ".join(one.split())) for one in paragraphs if one.strip()]


def _without_announcers(found: list[Block]) -> list[Block]:
    """Return the blocks without the sentences that announce a table, a picture or code that is not shown."""
    results: list[Block] = []
    for at, (block, following) in enumerate(zip_longest(found, found[1:])):
        if block.kind == "gone":
            continue
        text = block.text
        if block.kind in ("heading", "label") and following is not None and following.kind == "gone":
            after = next((one.kind for one in found[at + 1 :] if one.kind != "gone"), "heading")
            if after == "heading":  # a table was all that it announced
                continue
        if (following is None or following.kind == "gone") and block.kind == "paragraph":
            text = strike_announcer(text)
        if text:
            results.append(replace(block, text=text))
    while results and results[-1].kind in ("heading", "label") and len(results) > 1:
        results.pop()  # nothing follows it
    return results


def _without_broken_formula(body: str) -> str:
    """Return a body that was cut within a formula without what there is of that formula."""
    start = body.rindex("$$") if body.count("$$") % 2 else -1
    if start < 0 and body.replace("$$", "").count("$") % 2:
        last = body.rindex("$")
        start = last if COMMAND.search(body, last) else -1
    return body[:start].rstrip() + "…" if start >= 0 else body


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


def tag_name(value: Any) -> str:
    """Return the name of the element that an event of the parser starts or ends."""
    return value if isinstance(value, str) else next(iter(value))


def plain_title(title: str, math: Callable[[str], str] = to_unicode) -> str:
    """Return a paper's title for readers: entities decoded (the store escapes them twice), LaTeX as Unicode, and no
    full stop at the end. ``math`` returns the text of a formula."""
    title = GAPS.sub(" ", remove_tags(html.unescape(html.unescape(title)).replace(UNBROKEN, " ")))
    if "$" in title:
        title = _MATH.sub(lambda match: match[0] if _PRICE.fullmatch(match[1]) else math(match[1]), title)
    if re.search(r"\\[A-Za-z]+|\\\W|[{}]", title):
        title = prose_to_unicode(title, braces=True)
    title = GAPS.sub(" ", title).strip(" ")
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title
