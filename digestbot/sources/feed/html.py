"""The HTML of feeds, and the JATS of journals, as Markdown: paragraphs, headings, lists and pictures.

Inline elements such as ``<b>``, ``<sup>`` and ``<a>``, and MathML, stay as they are: digestbot's text functions know
them. So does whatever only looks like a tag ("x<y and y>z"). The time is proportional to the length for any input.
"""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_.-]{0,40})((?:\s[^<>]*)?)/?>|<!--")
_ATTRIBUTE = re.compile(
    r"\b(src|alt|width|height)\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]{1,2000}))", re.IGNORECASE
)
_BLANK = re.compile(r"[ \t\r\n\f]+")
_LINES = re.compile(r"[ \t]*\n[ \t]*(?:\n[ \t]*)+")
_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "figure", "footer",
     "header", "hr", "html", "main", "p", "section", "sec", "table", "tbody", "thead", "tr", "abstract", "list", "ul",
     "ol", "pre", "disp-formula", "disp-quote", "boxed-text")
)  # fmt: skip
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "title"))
_ITEMS = frozenset(("li", "list-item"))
_CELLS = frozenset(("td", "th"))
_WITHOUT_CONTENT = frozenset(
    ("audio", "button", "canvas", "embed", "figcaption", "form", "head", "iframe", "nav", "noscript", "object",
     "script", "select", "style", "svg", "template", "tex-math", "textarea", "video")
)  # fmt: skip
_RENAMED = {"italic": "i", "bold": "b", "monospace": "code"}
# Elements of JATS and HTML whose tags say nothing, while their content is text.
_PLAIN = frozenset(
    ("alternatives", "caption", "ext-link", "fig", "font", "inline-formula", "inline-graphic", "label", "named-content",
     "picture", "roman", "sans-serif", "sc", "source", "styled-content", "underline", "uri", "wbr", "xref", "o:p",
     "graphic", "break", "track", "param", "link", "meta", "time", "address", "bdi", "bdo", "data", "nobr")
)  # fmt: skip
_PREFIXES = ("jats:", "jats1:", "xhtml:", "html:")


def to_markdown(text: str) -> str:
    """Return the text with its block elements as Markdown. A text without any is unchanged."""
    if "<" not in text:
        return text
    converter = _Converter(text)
    return converter.result() if converter.found else text


class _Converter:
    """One pass over a text's tags."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tags = list(_TAG.finditer(text))
        self._pieces: list[str] = []
        self._lists: list[int] = []
        self._last_end = {
            _name(match): match.start() for match in self._tags if match[1] and _name(match) in _WITHOUT_CONTENT
        }
        self.found = any(_is_ours(match) for match in self._tags)

    def result(self) -> str:
        """Return the Markdown."""
        text, at, until, math = self._text, 0, "", 0
        comments_end = text.rfind("-->")
        for match in self._tags:
            if match.start() < at:
                continue  # inside a comment
            name = _name(match)
            if until:
                if match[1] and name == until:
                    until, at = "", match.end()
                continue
            if match[0] == "<!--":
                if match.end() <= comments_end:
                    self._add(text[at : match.start()])
                    at = text.index("-->", match.end()) + 3
                continue
            local = name.rpartition(":")[2]
            if local == "math" or math:
                math = max(0, math + (-1 if match[1] else 1)) if local == "math" else math
                continue
            replacement = self._replacement(match, name)
            if replacement is None:
                continue
            self._add(text[at : match.start()])
            self._pieces.append(replacement)
            at = match.end()
            if name in _WITHOUT_CONTENT and not match[1] and self._last_end.get(name, -1) > match.start():
                until = name
        if not until:
            self._add(text[at:])
        return _LINES.sub("\n\n", "".join(self._pieces)).strip()

    def _add(self, text: str) -> None:
        self._pieces.append(_BLANK.sub(" ", text))

    def _replacement(self, match: re.Match[str], name: str) -> str | None:
        """Return what stands for a tag; None if it stays as it is."""
        ends = bool(match[1])
        if name in _WITHOUT_CONTENT or name in _PLAIN:
            return ""
        if name in _HEADINGS:
            return "\n\n" if ends else "\n\n## "
        if name in ("ul", "ol", "list"):
            return self._list(match, name, ends=ends)
        if name in _ITEMS:
            return "" if ends else self._item()
        if name in _BLOCKS:
            return "\n\n"
        if name in _CELLS:
            return " "
        if name == "br":
            return "\n"
        if name == "img":
            return "" if ends else _image(match[3])
        if name in _RENAMED:
            return f"<{match[1]}{_RENAMED[name]}>"
        if match[2].lower().startswith(_PREFIXES):
            return f"<{match[1]}{name}>" if name in ("sup", "sub") else ""
        return None

    def _list(self, match: re.Match[str], name: str, *, ends: bool) -> str:
        if ends:
            del self._lists[-1:]
        else:
            numbered = name == "ol" or 'list-type="order"' in match[3]
            self._lists.append(1 if numbered else 0)
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


def _image(attributes: str) -> str:
    """Return a picture as Markdown; empty for one without a URL, and for a tracking pixel."""
    values = {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "")
        for match in _ATTRIBUTE.finditer(attributes[:4000])
    }
    url = values.get("src", "").strip()
    if not url or " " in url or values.get("width") in ("0", "1") or values.get("height") in ("0", "1"):
        return ""
    alt = re.sub(r"[\[\]\s]+", " ", values.get("alt", ""))[:500].strip()
    return f" ![{alt}]({url.replace('(', '%28').replace(')', '%29')}) "
