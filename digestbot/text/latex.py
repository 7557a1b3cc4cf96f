"""Conversion of LaTeX to Unicode.

pylatexenc supplies the symbol for each macro. This module decides how a formula reads on one line: fractions,
environments, and (in `latex_layout`) scripts, spacing, and a readable form of what Unicode has no character for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from digestbot.text.latex_layout import (
    Atom,
    add_accent,
    join_atoms,
    kind_of,
    kind_of_sign,
    parenthesize,
    subscript,
    superscript,
)
from digestbot.text.latex_prose import convert_prose
from digestbot.text.latex_tokens import TokenReader
from digestbot.text.sanitization import UNBROKEN
from digestbot.text.symbols import ACCENTS, FONTS, FUNCTIONS, OWN

DEEPEST = 80  # levels of nested groups and macros: anything deeper is left out
LONGEST = 4000  # characters of a formula that are read

_TEXT_MACROS = frozenset(
    ("text", "textrm", "textbf", "textit", "textsf", "texttt", "textnormal", "emph", "mbox", "hbox", "operatorname",
     "operatorname*", "mathrm", "mathop", "mathop*")
)  # fmt: skip
_TRANSPARENT = frozenset(
    ("mathbf", "mathit", "mathsf", "mathtt", "mathnormal", "bm", "boldsymbol", "pmb", "mathrel", "mathbin", "mathord",
     "mathopen", "mathclose", "mathinner", "ensuremath", "smash", "boxed", "overbrace", "underbrace", "cancel",
     "mathstrut")
)  # fmt: skip
_DROPPED = {
    "label": 1, "color": 1, "hspace": 1, "hspace*": 1, "vspace": 1, "vspace*": 1, "phantom": 1, "vphantom": 1,
    "hphantom": 1, "footnote": 1, "cite": 1, "ref": 1, "eqref": 1, "href": 1, "url": 1, "textcolor": 1, "rule": 2,
    "raisebox": 1, "newcommand": 2, "renewcommand": 2, "def": 2, "DeclareMathOperator": 2, "colorbox": 1, "style": 1,
    "class": 1, "cssId": 1, "require": 1,
}  # fmt: skip
_IGNORED = frozenset(
    ("displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits", "nonumber", "notag", "rm",
     "bf", "it", "sf", "tt", "left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "Bigl", "biggl", "Biggl",
     "bigr", "Bigr", "biggr", "Biggr", "bigm", "Bigm", "!", "hline", "centering", "mathsurround", "allowbreak", "/",
     "tiny", "scriptsize", "footnotesize", "small", "normalsize", "large", "Large", "newline")
)  # fmt: skip
_SPACES = frozenset((",", ":", ";", ">", " ", "\n", "quad", "qquad", "enspace", "thinspace", "hfill", "space"))
_FRACTIONS = frozenset(("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "flatfrac"))
_BRACKETS = {"pmatrix": "()", "bmatrix": "[]", "matrix": "[]", "smallmatrix": "[]", "vmatrix": "||", "Vmatrix": "‖‖",
             "Bmatrix": "[]", "array": "[]"}  # fmt: skip
_DIMENSION = re.compile(r"\\(?:hskip|kern|mkern|mskip|vskip)\s*-?[\d.]+\s*(?:em|ex|pt|mu|cm|mm|in)\b")
_INFIX = frozenset(("\\over", "\\atop", "\\choose"))
_ENCLOSED = {"norm": "‖‖", "Norm": "‖‖", "abs": "||", "set": "❴❵", "ceil": "⌈⌉", "floor": "⌊⌋", "inner": "⟨⟩",
             "ket": "|⟩", "bra": "⟨|", "braket": "⟨⟩"}  # fmt: skip
_SCRIPTS = frozenset("_^'’")
_LEFT_OVER = re.compile(r"[\\{}]|\$(?!\d)")
# The brackets of a matrix that is itself in brackets.
_DOUBLED = re.compile(r"(?<=\()\[([^\[\]]*)\](?=\))|(?<=\[)\[([^\[\]]*)\](?=\])")
_CONDITION = re.compile(r"(?:if|for|when|where|otherwise|else|with|and|on)\b")


class _Reader(TokenReader):
    """A parser of one formula."""

    def __init__(self, formula: str, depth: int = 0) -> None:
        super().__init__(formula)
        self.depth = depth
        self.cases = False  # a brace has just been opened before an environment with several lines

    def group(self, *ends: str) -> list[Atom]:
        """Return the atoms up to one of the tokens ``ends`` (which is consumed), or to the end of the formula."""
        atoms: list[Atom] = []
        font: Callable[[str], str] | None = None
        self.depth += 1
        while True:
            blank, token = self.blank(), self.peek()
            if not token or token in ends:
                self.take()
                self.depth -= 1
                return atoms
            if token == "\\cal":
                self.take()
                font = FONTS["mathcal"]
                continue
            if token in _SCRIPTS:
                self._script(atoms)
                continue
            if token in _INFIX:
                self.take()
                self.depth -= 1
                return [_infix(token, atoms, self.group(*ends) if self.depth <= DEEPEST else [])]
            result = self.atom()
            if font is not None:
                result = [replace(one, text="".join(map(font, one.text))) for one in result]
            if result and blank:
                result[0] = replace(result[0], blank=True)
            atoms += result

    def argument(self) -> list[Atom]:
        """Return the next group, or the single token in its place."""
        if self.depth > DEEPEST:
            self.at = len(self.tokens)
        token = self.peek()
        if token == "{":
            self.take()
            return self.group("}")
        if token[:1].isdigit() and len(token) > 1:  # TeX takes only one digit of a number
            at = self.at + self.blank()
            self.tokens[at : at + 1] = [token[0], token[1:]]
        return self.atom()

    def option(self) -> list[Atom]:
        """Return the content of [...] after a macro; empty if there is none."""
        if self.peek() == "[":
            self.take()
            return self.group("]")
        return []

    def atom(self) -> list[Atom]:
        """Return what the next token and its arguments produce."""
        if self.depth > DEEPEST:
            self.at = len(self.tokens)
            return []
        self.depth += 1
        result = self._begun(self.take())
        self.depth -= 1
        return result

    def _begun(self, token: str) -> list[Atom]:
        if token == "{":
            inner = self.group("}")
            return [Atom(join_atoms(inner), kind_of(inner), spilled=inner[-1].spilled)] if inner else []
        if token.startswith("\\") and len(token) > 1:
            return self._macro(token[1:])
        if token in ("}", "$", "\\", ""):
            return []
        if token in ("~", "&"):
            return [Atom(UNBROKEN, "space")]
        if token in ("-", "−"):
            return [Atom("-", "bin")]
        if token == ":" and self.tokens[self.at : self.at + 1] == ["="]:
            self.take()
            return [Atom(":=", "rel")]
        return [Atom(token, kind_of_sign(token))]

    def _macro(self, name: str) -> list[Atom]:  # noqa: C901 - one case a macro, each a line or two
        if name in _SPACES:
            return [Atom(UNBROKEN, "space")]
        if name in _IGNORED:
            if self.peek() == "." and name in ("left", "right"):
                self.take()
            elif name == "left" and self.peek() == "\\{" and "\\begin" in self.tokens[self.at + 1 : self.at + 4]:
                self.take()
                self.cases = True
            return []
        if name == "\\":
            self.option()
            return [Atom(";", "punct")]
        if name in _TEXT_MACROS:
            return self._text(name)
        if name in _TRANSPARENT:
            inner = self.argument()
            if name in ("underbrace", "overbrace") and self.peek() in ("_", "^"):
                self.take()
                self.argument()
            return inner
        if name in _DROPPED:
            for _ in range(_DROPPED[name]):
                self.raw()
            return []
        if name in FONTS:
            return [Atom("".join(map(FONTS[name], join_atoms(self.argument()))))]
        if name in ACCENTS:
            return [Atom(add_accent(join_atoms(self.argument()), ACCENTS[name]))]
        if name in _FRACTIONS:
            over, under = parenthesize(self.argument(), below=False), parenthesize(self.argument(), below=True)
            return [Atom(f"{over}/{under}", "frac")] if over and under else [Atom(over or under)]
        if name in FUNCTIONS:
            return [Atom(FUNCTIONS[name], "op")]
        if name in _ENCLOSED and self.peek() == "{":
            left, right = tuple(_ENCLOSED[name])
            between = join_atoms(self.argument())
            if name == "inner" and self.peek() == "{":
                between += f",{UNBROKEN}{join_atoms(self.argument())}"
            return [Atom(left + between + right)]
        match name:
            case "sqrt":
                degree = join_atoms(self.option())
                root = (superscript(degree)[0] if degree else "") + "√" + parenthesize(self.argument(), below=True)
                return [Atom(root, "root")]
            case "binom" | "dbinom" | "tbinom":
                return [Atom(f"({join_atoms(self.argument())}{UNBROKEN}choose{UNBROKEN}{join_atoms(self.argument())})")]
            case "overset" | "stackrel":
                above, base = join_atoms(self.argument()), self.argument()
                if above == "def" and join_atoms(base) == "=":
                    return [Atom("≝", "rel")]
                return [replace(base[0], text=join_atoms(base) + superscript(above)[0])] if base else []
            case "underset":
                below, base = join_atoms(self.argument()), self.argument()
                return [replace(base[-1], text=join_atoms(base) + subscript(below)[0])] if base else []
            case "substack":
                return [Atom(join_atoms(self.argument()).replace(";", ","))]
            case "pmod" | "pod":
                return [Atom(UNBROKEN, "space"), Atom(f"(mod{UNBROKEN}{join_atoms(self.argument())})")]
            case "mid":
                return [Atom("|", "rel")]
            case "bmod" | "mod":
                return [Atom("mod", "rel")]
            case "tag" | "tag*":
                return [Atom(UNBROKEN, "space"), Atom(f"({self.raw()})")]
            case "not":
                return [replace(one, text=unicodedata.normalize("NFC", one.text + "\u0338")) for one in self.atom()[:1]]
            case "begin":
                return self._environment(self.raw())
            case "end":
                self.raw()
                return []
        if name.startswith("x") and name.endswith("arrow"):
            self.option()
            label, spilled = superscript(join_atoms(self.argument()))
            return [Atom(("←" if "left" in name else "→") + ("" if spilled else label), "rel")]
        return self._sign(name)

    def _sign(self, name: str) -> list[Atom]:
        sign = symbol(name)
        if sign is not None:
            return [Atom(sign, kind_of_sign(sign))] if sign else []
        if len(name) == 1 or self.peek() == "{":  # the writer's own macro for styling its argument
            return [] if not name.isalpha() or self.peek() == "{" else [Atom(name)]
        return [Atom(name.rstrip("*"), "op")]

    def _text(self, name: str) -> list[Atom]:
        raw = self.raw()
        if name.startswith(("operatorname", "mathop", "mathrm")):
            result = join_atoms(_Reader(raw, self.depth).group())
            return [Atom(result, "op" if len(result) > 1 and result[:1].isalpha() else "ord")] if result else []
        if "$" in raw:
            result = join_atoms(_Reader(re.sub(r"\s+", "~", raw), self.depth).group())
        else:
            result = prose_to_unicode(raw, braces=True) if "\\" in raw else re.sub(r"[{}]", "", raw)
            result = re.sub(r"\s+", UNBROKEN, result)
        return [Atom(result, "word")] if result.strip() else [Atom(UNBROKEN, "space")]

    def _environment(self, name: str) -> list[Atom]:
        plain = name.rstrip("*")
        if plain in ("array", "alignat", "alignedat", "tabular"):
            self.raw()
        if self.cases and plain in _BRACKETS:  # \\left\\{ \\begin{array} ... \\right.
            plain = "cases"
        self.cases = False
        rows: list[list[list[Atom]]] = [[]]
        while True:
            atoms = self.group("&", "\\\\", "\\end", "\\cr")
            ended = self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""
            rows[-1].append(atoms)
            if ended in ("\\\\", "\\cr"):
                rows.append([])
            elif ended != "&":
                break
        if self.at < len(self.tokens) and self.peek() == "{":
            self.raw()
        lines = [cells for cells in rows if any(cells)]
        gap = f";{UNBROKEN}"
        if plain in ("cases", "dcases", "rcases"):
            return [Atom(gap.join(_case([join_atoms(cell) for cell in cells]) for cells in lines))]
        if plain in _BRACKETS:
            left, right = tuple(_BRACKETS[plain])
            return [
                Atom(
                    left
                    + gap.join(UNBROKEN.join(join_atoms(cell) for cell in cells if cell) for cells in lines)
                    + right
                )
            ]
        return [Atom(gap.join(join_atoms([atom for cell in cells for atom in cell]) for cells in lines))]

    def _script(self, atoms: list[Atom]) -> None:
        """Add subscripts and superscripts to the last atom; the subscript comes first, whichever was written first."""
        below: list[Atom] = []
        above: list[Atom] = []
        primes = ""
        while (sign := self.peek()) in _SCRIPTS:
            self.take()
            if sign in "'’":
                primes += "'"
            elif sign == "_":
                below += self.argument()
            else:
                above += self.argument()
        base = atoms.pop() if atoms and atoms[-1].kind not in ("space", "bin", "rel", "punct", "open") else Atom("")
        low, low_spilled = subscript(join_atoms(below))
        high, high_spilled = superscript(join_atoms(above))
        text = base.text + low + primes + high
        if base.kind in ("frac", "root") and (low or high):
            text = f"({base.text}){low}{primes}{high}"
        kind = base.kind if base.kind in ("op", "close", "word") else "ord"
        atoms.append(replace(base, text=text, kind=kind, spilled=low_spilled or high_spilled))


def _infix(token: str, above: list[Atom], below: list[Atom]) -> Atom:
    """Return a fraction in TeX's infix notation (``over``, ``atop``, ``choose``)."""
    if token == "\\over":
        return Atom(f"{parenthesize(above, below=False)}/{parenthesize(below, below=True)}", "frac")
    word = "choose" if token == "\\choose" else "over"
    return Atom(f"({join_atoms(above)}{UNBROKEN}{word}{UNBROKEN}{join_atoms(below)})")


def _case(cells: list[str]) -> str:
    """Return one line of a definition by cases: "x if x > 0"."""
    value, *rest = (cell.strip(f"{UNBROKEN} ,") for cell in cells)
    condition = UNBROKEN.join(filter(None, rest)).rstrip(".,;")
    if not condition:
        return value
    return f"{value}{'' if _CONDITION.match(condition) else ','}{UNBROKEN}{condition}"


@cache
def symbol(name: str) -> str | None:
    """Return the symbol for a macro, our own or pylatexenc's; None where there is none."""
    if name in OWN:
        return OWN[name]
    spec = _database().get_macro_spec(name)
    sign = getattr(spec, "simplify_repl", None)
    if not isinstance(sign, str) or "%" in sign:
        return None
    return unicodedata.normalize("NFC", sign.strip())


@cache
def _database() -> Any:
    from pylatexenc import latex2text

    return latex2text.get_default_latex_context_db()


@lru_cache(maxsize=4096)
def to_unicode(formula: str) -> str:
    """Return the formula as one line of readable text; its spaces are `UNBROKEN`.

    >>> to_unicode(r"\\beta_1\\in\\mathbb{R}^n").replace(UNBROKEN, " ")
    'β₁ ∈ ℝⁿ'
    """
    text = join_atoms(_Reader(_DIMENSION.sub(" ", formula[:LONGEST])).group())
    text = _DOUBLED.sub(lambda match: match[1] or match[2], text)
    return _LEFT_OVER.sub("", text).strip(f"{UNBROKEN} ")


def prose_to_unicode(text: str, *, braces: bool = False) -> str:
    """Return text with LaTeX commands outside of formulas as plain text: accents, emphasis, quotes. With ``braces``,
    groups lose their braces too, as in the titles of BibTeX."""
    return convert_prose(text, symbol, braces=braces)
