"""LaTeX commands in prose, outside of formulas, translated one by one; the text around them is unchanged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from digestbot.text.block_cleanup import GONE

DEEPEST = 20  # levels of commands within commands

_COMMAND = re.compile(r"\\(?:([A-Za-z]+)\*?[ \t]*|(.))", re.DOTALL)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OPTION = re.compile(r"\[[^\[\]]{0,200}\]")
_QUOTES = re.compile(r"``([^`']{1,400})''")
_TIE = re.compile(r"(?<=[^\s~/])~(?=[^\s~])")
# Commands that show their argument.
_SHOWN = frozenset(
    ("emph", "textbf", "textit", "texttt", "textsc", "textsf", "textrm", "textup", "textnormal", "text", "underline",
     "mbox", "hbox", "uline", "mathrm", "mathbf", "mathit", "title", "caption", "section", "subsection",
     "subsubsection", "paragraph", "subparagraph", "chapter", "part", "url", "path", "nolinkurl", "enquote", "ce", "si",
     "num", "ensuremath", "footnotesize", "centerline", "uppercase", "lowercase")
)  # fmt: skip
# Commands that leave nothing, and how many arguments they take with them.
_LEFT_OUT = {
    "cite": 1, "citep": 1, "citet": 1, "citealp": 1, "citeauthor": 1, "citeyear": 1, "parencite": 1, "textcite": 1,
    "autocite": 1, "footcite": 1, "nocite": 1, "ref": 1, "eqref": 1, "cref": 1, "Cref": 1, "autoref": 1, "pageref": 1,
    "label": 1, "footnote": 1, "footnotemark": 0, "includegraphics": 1, "input": 1, "include": 1, "vspace": 1,
    "hspace": 1, "bibliography": 1, "bibliographystyle": 1, "usepackage": 1, "documentclass": 1, "pagestyle": 1,
    "thispagestyle": 1, "begin": 1, "end": 1, "newcommand": 2, "renewcommand": 2, "def": 1, "color": 1, "thanks": 1,
    "index": 1, "rule": 2, "setlength": 2, "todo": 1,
    "noindent": 0, "newline": 0, "linebreak": 0, "pagebreak": 0, "newpage": 0, "clearpage": 0, "centering": 0,
    "medskip": 0, "smallskip": 0, "bigskip": 0, "maketitle": 0, "tableofcontents": 0, "item": 0, "par": 0, "small": 0,
    "large": 0, "Large": 0, "LARGE": 0, "huge": 0, "tiny": 0, "normalsize": 0, "bf": 0, "it": 0, "em": 0, "sc": 0,
    "tt": 0, "rm": 0, "sf": 0, "bfseries": 0, "itshape": 0, "protect": 0, "left": 0, "right": 0, "hline": 0,
    "hfill": 0, "vfill": 0, "indent": 0, "xspace": 0, "displaystyle": 0, "selectfont": 0,
}  # fmt: skip
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ",
    "S": "§", "P": "¶", "dag": "†", "ddag": "‡", "copyright": "©", "pounds": "£", "euro": "€", "textregistered": "®",
    "texttrademark": "™", "textdegree": "°", "textquotesingle": "'", "textquoteleft": "‘", "textquoteright": "’",
    "textquotedblleft": "“", "textquotedblright": "”", "textendash": "–", "textemdash": "—", "textellipsis": "…",
    "ldots": "…", "dots": "…", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|",
    "textless": "<", "textgreater": ">", "textunderscore": "_", "textbullet": "•", "textmu": "µ", "guillemotleft": "«",
    "guillemotright": "»", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "quad": " ", "qquad": " ",
    "space": " ", "slash": "/", "textsuperscript": "", "textsubscript": "", "and": " and ",
}  # fmt: skip
_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331", "t": "\u0361",
}  # fmt: skip
_SIGNS = {"&": "&", "%": "%", "$": "$", "#": "#", "_": "_", "{": "{", "}": "}", " ": " ", ",": " ", ";": " ", ":": " ",
          "\\": " ", "-": "", "!": "", "/": "", "@": "", "\n": " ", "(": "", ")": "", "[": "", "]": ""}  # fmt: skip


def convert_prose(text: str, to_symbol: Callable[[str], str | None], *, braces: bool = False) -> str:
    """Return text with the LaTeX commands outside of its formulas as plain text.

    Accents become letters and emphasis goes. Citations and references leave the mark `GONE`. A command that
    nobody knows keeps its name. ``to_symbol`` returns the sign of a command such as ``\\alpha``, None where it has
    none. With ``braces``, as in BibTeX's titles, groups lose their braces. Time grows with the length only.
    """
    converted = _Converter(text, to_symbol).convert(0, len(text))
    if braces:
        converted = converted.replace("{", "").replace("}", "")
    converted = converted.replace(_OPEN, "{").replace(_CLOSE, "}")
    return _QUOTES.sub(r"“\1”", _TIE.sub(" ", converted) if "\\" in text else converted)


_OPEN, _CLOSE = "\ue00a", "\ue00b"  # braces that the writer means to be seen


class _Converter:
    """Converts one text; positions are those in the text."""

    def __init__(self, text: str, to_symbol: Callable[[str], str | None]) -> None:
        self._text = text
        self._to_symbol = to_symbol
        self._ends = _group_ends(text)

    def convert(self, at: int, stop: int, depth: int = 0) -> str:
        """Return what stands between two positions, converted."""
        text = self._text
        pieces: list[str] = []
        while match := _COMMAND.search(text, at, stop):
            pieces.append(text[at : match.start()])
            at = self._command(match, stop, depth, pieces)
        return "".join([*pieces, text[at:stop]])

    def _command(self, match: re.Match[str], stop: int, depth: int, pieces: list[str]) -> int:
        """Add what a command shows, and return where it ends."""
        name, sign, at = match[1] or "", match[2] or "", match.end()
        if sign in _ACCENTS or name in _ACCENTS:
            accented, end = self._accented(at, sign or name)
            if accented or not name:
                pieces.append(accented)
                return end
        if not name:
            pieces.append({"{": _OPEN, "}": _CLOSE}.get(sign) or _SIGNS.get(sign, match[0]))
            return at
        if name in _LEFT_OUT:
            if _LEFT_OUT[name]:
                pieces.append(GONE)
            return self._skip(at, _LEFT_OUT[name])
        if name in ("href", "textcolor"):
            return self._skip(at, 1)
        blank = " " if match[0][-1:].isspace() else ""
        if name in _LETTERS:
            letter = _LETTERS[name]
            pieces += [letter, "" if len(letter) == 1 and letter.isalpha() else blank]
            return at + 2 if self._text[at : at + 2] == "{}" else at
        symbol = None if name in _SHOWN else self._to_symbol(name)
        if symbol:
            pieces += [symbol, blank]
        elif self._text[at : at + 1] == "{":
            closing = self._ends.get(at)
            if closing is None or closing > stop:  # it never ends: the brace goes
                return at + 1
            inner = self.convert(at + 1, closing, depth + 1) if depth < DEEPEST else self._text[at + 1 : closing]
            pieces.append(inner)
            return closing + 1
        else:  # a macro of the writer's own, or a path such as C:\Users
            inside = match.start() and not self._text[match.start() - 1].isspace()
            pieces.append(match[0] if inside else match[0][1:])
        return at

    def _skip(self, at: int, arguments: int) -> int:
        """Return where a command's options and arguments end."""
        while option := _OPTION.match(self._text, at):
            at = option.end()
        for _ in range(arguments):
            if self._text[at : at + 1] == "{":
                at = self._ends.get(at, at) + 1
        return at

    def _accented(self, at: int, accent: str) -> tuple[str, int]:
        """Return the letter at a position with an accent on it, and where it ends; "" where there is no letter."""
        text = self._text
        braced = text[at : at + 1] == "{"
        start = at + braced
        if text[start : start + 2] in ("\\i", "\\j"):
            letter, end = text[start + 1], start + 2
        else:
            letter, end = text[start : start + 1], start + 1
        if not letter.isalpha() or (accent.isalpha() and not braced and text[at - 1] != " "):
            return "", at
        end += braced and text[end : end + 1] == "}"
        return unicodedata.normalize("NFC", letter + _ACCENTS[accent]), end


def _group_ends(text: str) -> dict[int, int]:
    """Return where each group in braces ends, by where it begins."""
    ends: dict[int, int] = {}
    begins: list[int] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            begins.append(match.start())
        elif match[0] == "}" and begins:
            ends[begins.pop()] = match.start()
    return ends
