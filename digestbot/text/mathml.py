"""MathML, as feeds of journals have it in abstracts, as LaTeX."""

from __future__ import annotations

import re
from xml.etree import ElementTree

DEEPEST = 30  # levels of elements
LONGEST = 20_000  # characters of a formula
_OPENING = re.compile(r"<(?:\w{1,10}:)?math[\s>]")
_CLOSING = re.compile(r"</(?:\w{1,10}:)?math>")
_PREFIX = re.compile(r"(</?)\w{1,10}:")
_SCRIPTS = {
    "msub": "{0}_{{{1}}}", "msup": "{0}^{{{1}}}", "msubsup": "{0}_{{{1}}}^{{{2}}}", "munder": "{0}_{{{1}}}",
    "mover": "{0}^{{{1}}}", "munderover": "{0}_{{{1}}}^{{{2}}}", "mfrac": "\\frac{{{0}}}{{{1}}}",
    "mroot": "\\sqrt[{1}]{{{0}}}",
}  # fmt: skip


def to_dollars(body: str) -> str:
    """Return a body with its MathML as LaTeX between dollars. What is no XML stays as it is."""
    pieces, done = [], 0
    openings = [match.start() for match in _OPENING.finditer(body)] if "math>" in body else []
    at = 0
    for closing in _CLOSING.finditer(body) if openings else ():
        begin = -1
        while at < len(openings) and openings[at] < closing.start():
            begin, at = openings[at], at + 1
        if begin >= done:
            pieces += [body[done:begin], _as_latex(body[begin : closing.end()])]
            done = closing.end()
    return "".join([*pieces, body[done:]])


def _as_latex(element: str) -> str:
    source = _PREFIX.sub(r"\1", element)
    if "<!" in source or len(source) > LONGEST:  # neither a document type nor entities
        return element
    try:
        latex = _convert(ElementTree.fromstring(re.sub(r"\sxmlns(?::\w+)?=\"[^\"]*\"", "", source)), 0)  # noqa: S314
    except ElementTree.ParseError:
        return element
    return f"${latex.strip()}$" if latex.strip() else ""


def _convert(element: ElementTree.Element, depth: int) -> str:
    if depth > DEEPEST:
        return ""
    parts = [_convert(child, depth + 1) for child in element]
    text = " ".join((element.text or "").split())
    if element.tag in ("annotation", "annotation-xml"):
        return ""
    if element.tag == "msqrt":
        return f"\\sqrt{{{''.join(parts)}}}"
    form = _SCRIPTS.get(element.tag)
    if form and len(parts) == len(set(re.findall(r"\{(\d)\}", form))):
        return form.format(*parts)
    if element.tag == "mtext":
        return f"\\text{{{text}}}"
    return f"\\mathrm{{{text}}}" if element.tag == "mi" and len(text) > 1 and text.isascii() else text + "".join(parts)
