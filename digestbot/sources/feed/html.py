"""The HTML of feeds, and the JATS of journals, as Markdown: paragraphs, headings, lists and pictures.

Inline elements such as ``<b>``, ``<sup>`` and ``<a>``, and MathML, remain unchanged: digestbot's text functions know
them. So does whatever only looks like a tag ("x<y and y>z"). The time is proportional to the length for any input.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

# The attributes of a tag may hold ">" in quotes.
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_.-]{0,40})((?:\s(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*|\s[^<>]*)?)/?>|<!--")
_ATTRIBUTE = re.compile(
    r"(?<![\w-])(src|alt|width|height|style|start)\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]{1,2000}))",
    re.IGNORECASE,
)
_PIXEL = re.compile(r"(?:width|height)\s*:\s*[01]px", re.IGNORECASE)
_FORMULA = re.compile(r"\$[^$\n]{1,500}\$|\\\([^\n]{1,500}?\\\)")
_TEX = re.compile(r"\\begin\{document\}([^<]{1,2000}?)\\end\{document\}")  # Springer wraps each formula in a document
_BLANK = re.compile(r"[ \t\r\n\f]+")
_MARKER = re.compile(r"\n(?:\*|\d+\.) ")
_LINES = re.compile(r"[ \t]*\n[ \t]*(?:\n[ \t]*)+")
_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "figure", "footer",
     "header", "hr", "html", "main", "p", "section", "sec", "table", "tbody", "thead", "tr", "abstract", "list", "ul",
     "ol", "pre", "disp-formula", "disp-quote", "boxed-text")
)  # fmt: skip
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "title", "st"))
_ITEMS = frozenset(("li", "list-item"))
_CELLS = frozenset(("td", "th"))
_WITHOUT_CONTENT = frozenset(
    ("audio", "button", "canvas", "embed", "figcaption", "form", "head", "iframe", "nav", "noscript", "object",
     "script", "select", "style", "svg", "template", "textarea", "video")
)  # fmt: skip
_RENAMED = {"italic": "i", "bold": "b", "monospace": "code"}
_SINGLE = frozenset("abipqsu")  # names of tags that are variables as well: "x<p and p>q"
# Elements of JATS and HTML whose tags say nothing, while their content is text.
_PLAIN = frozenset(
    ("alternatives", "caption", "ext-link", "fig", "font", "inline-formula", "inline-graphic", "label", "named-content",
     "picture", "roman", "sans-serif", "sc", "source", "styled-content", "underline", "uri", "wbr", "xref", "o:p",
     "graphic", "break", "track", "param", "link", "meta", "time", "address", "bdi", "bdo", "data", "nobr",
     "fn", "email", "abstract-text", "abstracttext", "input", "scp", "kwd", "inlineequation", "equation",
     "equationsource")
)  # fmt: skip
_PREFIXES = ("jats:", "jats1:", "xhtml:", "html:")


def to_markdown(text: str, base: str = "") -> str:
    """Return the text with its block elements as Markdown. ``base`` is the URL at which relative pictures start.

    Entities within formulas are undone, because LaTeX has none.
    """
    if "<" in text:
        converter = _Converter(text, base)
        text = converter.result() if converter.found else text
    if "&" in text and ("$" in text or "\\(" in text):
        text = _FORMULA.sub(lambda match: html.unescape(match[0]), text)
    return text


class _Converter:
    """One pass over a text's tags."""

    def __init__(self, text: str, base: str) -> None:
        if "\\begin{document}" in text:
            text = _TEX.sub(r"\1", text)
        self._text, self._base = text, base
        self._mathml = "math>" in text
        self._tags = list(_TAG.finditer(text))
        self._pieces: list[str] = []
        self._lists: list[int] = []
        self._last_end = {
            _name(match): match.start() for match in self._tags if match[1] and self._has_no_text(_name(match))
        }
        self.found = any(_is_ours(match) for match in self._tags)

    def result(self) -> str:
        """Return the Markdown."""
        text, at, until, math = self._text, 0, "", 0
        comments_end = text.rfind("-->")
        for match in self._tags:
            name = _name(match)
            if match.start() < at:
                continue  # inside a comment
            if until:
                if match[1] and name == until:
                    until, at = "", match.end()
                continue
            if match[0] == "<!--":
                if match.end() <= comments_end:
                    self._add(text[at : match.start()])
                    at = text.index("-->", match.end()) + 3
                continue
            before, math = math, self._depth(math, match, name)
            replacement = None if before or math else self._replacement(match, name)
            if replacement is None:
                continue
            self._add(text[at : match.start()])
            self._pieces.append(replacement)
            at = match.end()
            if self._has_no_text(name) and not match[1]:
                until = self._end_of(match, name)
                if not until and name in ("script", "style"):  # the text was cut off within it
                    return self._joined()
        if not until:
            self._add(text[at:])
        return self._joined()

    def _end_of(self, match: re.Match[str], name: str) -> str:
        """Return the name of the tag that ends an element without text; empty if nothing does."""
        return name if self._last_end.get(name, -1) > match.start() else ""

    @staticmethod
    def _depth(math: int, match: re.Match[str], name: str) -> int:
        """Return how many elements of MathML are open after this tag."""
        if name.rpartition(":")[2] != "math":
            return math
        return max(0, math + (-1 if match[1] else 1))

    def _joined(self) -> str:
        return _LINES.sub("\n\n", "".join(self._pieces)).strip()

    def _has_no_text(self, name: str) -> bool:
        """Return whether an element's content is left out: LaTeX is, if the text has the formula as MathML too."""
        return name in _WITHOUT_CONTENT or (name == "tex-math" and self._mathml)

    def _add(self, text: str) -> None:
        self._pieces.append(_BLANK.sub(" ", text))

    def _replacement(self, match: re.Match[str], name: str) -> str | None:
        """Return what stands for a tag; None if it remains unchanged."""
        ends = bool(match[1])
        if name in _SINGLE and match[3].strip() and "=" not in match[3]:
            return None
        if name in _WITHOUT_CONTENT or name in _PLAIN or name in ("tex-math", "annotation-xml"):
            return ""
        if name in _HEADINGS:
            return "\n\n" if ends else "\n\n## "
        if name in ("ul", "ol", "list"):
            return self._list(match, name, ends=ends)
        if name in _ITEMS:
            return "" if ends else self._item()
        if name in _BLOCKS:
            in_item = not ends and bool(self._pieces) and _MARKER.fullmatch(self._pieces[-1] or " ") is not None
            return "" if in_item else "\n\n"
        if name in _CELLS:
            return " "
        if name == "br":
            return "\n"
        if name == "img":
            return "" if ends else _image(match[3], self._base)
        if name in _RENAMED:
            return f"<{match[1]}{_RENAMED[name]}>"
        if ":" in match[2]:
            return f"<{match[1]}{name}>" if name in ("sup", "sub") else ""
        return None

    def _list(self, match: re.Match[str], name: str, *, ends: bool) -> str:
        if ends:
            del self._lists[-1:]
        else:
            numbered = name == "ol" or 'list-type="order"' in match[3]
            start = _attributes(match[3]).get("start", "1")
            number = int(start) if re.fullmatch(r"\d{1,4}", start) else 1
            self._lists.append(max(number, 1) if numbered else 0)
        return "\n\n" if len(self._lists) <= (0 if ends else 1) else "\n"

    def _item(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "\n* "
        self._lists[-1] += 1
        return f"\n{self._lists[-1] - 1}. "


def _name(match: re.Match[str]) -> str:
    name = (match[2] or "").lower()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _is_ours(match: re.Match[str]) -> bool:
    name = _name(match)
    known = (_BLOCKS, _HEADINGS, _ITEMS, _WITHOUT_CONTENT, _PLAIN, _RENAMED)
    return (
        any(name in names for names in known) or name in ("br", "img") or (match[2] or "").lower().startswith(_PREFIXES)
    )


def _attributes(text: str) -> dict[str, str]:
    return {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "")
        for match in _ATTRIBUTE.finditer(text[:4000])
    }


def _image(attributes: str, base: str) -> str:
    """Return a picture as Markdown; empty for one without a URL, for a tracking pixel, and for a button."""
    values = _attributes(attributes)
    sides = {values.get(name, "").removesuffix("px") for name in ("width", "height")}
    source = values.get("src", "").strip()
    try:
        url = urljoin(base, source) if source else ""
    except ValueError:
        return ""
    if not url.startswith(("http://", "https://")) or re.search(r"\s", url) or "/~ff/" in url:
        return ""
    if sides & {"0", "1"} or _PIXEL.search(values.get("style", "")):
        return ""
    alt = re.sub(r"[\[\]\s]+", " ", values.get("alt", ""))[:500].strip()
    return f" ![{alt}]({url.replace('(', '%28').replace(')', '%29')}) "
