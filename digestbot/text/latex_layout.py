"""The layout of the pieces of a formula on one line: spaces, scripts, parentheses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from digestbot.text.sanitization import UNBROKEN
from digestbot.text.symbols import BINARY, CLOSING, OPENING, RELATIONS, SUBSCRIPT, SUPERSCRIPT

_BIG = frozenset("∑∏∐∫∬∭∮⋃⋂⨁⨂⋁⋀⨆")
_NO_LEFT = frozenset(("open", "rel", "bin", "punct", "op"))  # after these, an operator has no left operand
_DIFFERENTIAL = frozenset("d∂Δ∇")
_CALLED = frozenset("fghpqrFGPQDLV")  # letters that before a parenthesis are more likely a function than a factor
_LOOSE = re.compile(rf"(?<!\w){UNBROKEN}|{UNBROKEN}(?!\w)")


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of a formula: its text, and its kind, which determines the spaces around it.

    ``kind``: ord, word, op (log, max, ∑), bin, rel, open, close, punct, space, frac, root, sign. ``blank``: the source
    has a blank before it. ``spilled``: it ends in a script for which Unicode has no characters.
    """

    text: str
    kind: str = "ord"
    blank: bool = False
    spilled: bool = False


def kind_of_sign(sign: str) -> str:
    """Return the kind of a single symbol."""
    for kind, members in (("rel", RELATIONS), ("bin", BINARY), ("open", OPENING), ("close", CLOSING), ("op", _BIG)):
        if sign in members:
            return kind
    return "punct" if sign in ",;:" else "ord"


def kind_of(atoms: list[Atom]) -> str:
    """Return the kind of a group: that of its only atom, op for a group of operators, ord otherwise."""
    if len(atoms) == 1:
        return atoms[0].kind
    return "op" if atoms and atoms[0].kind == "op" and all(one.kind in ("op", "space") for one in atoms) else "ord"


def join_atoms(atoms: list[Atom]) -> str:
    """Return the atoms on one line, with the spaces that make it readable."""
    out: list[str] = []
    before = Atom("", "open")
    bars = {"|": False, "‖": False}
    for number, atom in enumerate(atoms):
        if atom.text in bars and atom.kind == "ord":
            after = atoms[number + 1] if number + 1 < len(atoms) else None
            atom = _bar(atom, before, after, bars)
        if (atom.kind == "bin" and before.kind in _NO_LEFT and atom.text in "+-±∓·*∗") or (
            atom.kind == "rel" and before.kind == "open"
        ):
            atom = replace(atom, kind="sign")
        if atom.kind == "frac" and (before.text == "/" or (before.kind == "op" and before.text.isalpha())):
            atom = replace(atom, text=f"({atom.text})")  # log (p/q), a/(b/c)
        if out and _apart(before, atom):
            out.append(UNBROKEN)
        out.append(atom.text)
        before = atom
    text = re.sub(f"{UNBROKEN}+", UNBROKEN, "".join(out)).strip(UNBROKEN)
    return re.sub(f"{UNBROKEN}([.,;])", r"\1", text)


def _bar(atom: Atom, before: Atom, after: Atom | None, bars: dict[str, bool]) -> Atom:
    """Return a bar with its kind: it opens, closes, or separates, as in p(y | x)."""
    if bars[atom.text]:
        bars[atom.text] = False
        return replace(atom, kind="close")
    if before.kind in ("open", "rel", "bin", "sign", "punct", "op", "space") or (before.kind == "frac"):
        bars[atom.text] = True
        return replace(atom, kind="open")
    return replace(atom, kind="rel") if atom.blank and after is not None and after.blank else atom


def _apart(before: Atom, atom: Atom) -> bool:
    """Return whether a space goes between two atoms."""
    if "space" in (before.kind, atom.kind) or before.kind == "sign":
        return False
    if "rel" in (before.kind, atom.kind):
        return True
    if "bin" in (before.kind, atom.kind):
        return before.kind != "open" and atom.kind not in ("close", "punct")
    if before.kind == "punct":
        return not (before.text == ":" and not atom.blank) and not (
            before.text == "," and atom.text[:1].isdigit() and not atom.blank
        )
    if before.kind == "open" or atom.kind in ("close", "punct"):
        return False
    if atom.text in "∀∃":
        return True
    if before.kind in ("ord", "close") and atom.kind == "ord" and atom.blank and atom.text[:1] not in "!'/":
        return len(before.text) > 1 or before.kind == "close"
    if "word" in (before.kind, atom.kind):  # TeX sets none; one in the source may be intended
        return atom.blank and atom.text[:1] not in "!'/@.-" and before.text[-1:] not in "-("
    if before.kind in ("op", "frac", "root") or before.spilled:
        if atom.kind == "open":
            return before.text[-1:] in _BIG or before.kind == "frac"
        return atom.text[:1] not in "!'/@."
    if atom.kind in ("op", "frac"):
        return before.text != "/" and before.text[-1:] not in "-("
    return before.text[-1:].isdigit() and atom.text[:1].isdigit()


def parenthesize(atoms: list[Atom], *, below: bool) -> str:
    """Return a part of a fraction or the content of a root, in parentheses where it would be misread without.

    ``below``: it is a denominator or the content of a root.
    """
    text = join_atoms(atoms)
    alone = len(atoms) == 1 and atoms[0].kind not in ("frac", "bin", "rel") and UNBROKEN not in text
    product = all(one.kind == "ord" and not one.spilled and UNBROKEN not in one.text for one in atoms)
    differential = len(atoms) == 2 and atoms[0].text[:1] in _DIFFERENTIAL and product
    call = re.fullmatch(r"[^()]*\([^()]*\)", text) and (atoms[0].kind == "op" or text[0] in _CALLED) and len(text) < 40
    enclosed = len(atoms) > 1 and re.fullmatch(r"\([^()]*\)|‖[^‖]*‖\S?|\|[^|]*\|", text)
    fits = (
        alone
        or differential
        or enclosed
        or (product and not below)
        or (call and atoms[1:2] and atoms[1].kind == "open")
    )
    return text if fits or not text else f"({text})"


def add_accent(text: str, mark: str) -> str:
    """Return the text with a combining mark on each letter. A text of more than three characters can only have a line
    over or under it; other marks are left out."""
    if len(text) > 3 and mark not in ("\u0304", "\u0332"):
        return text
    mark = "\u0305" if mark == "\u0304" and len(text) > 1 else mark
    return unicodedata.normalize("NFC", "".join(char + mark if char.isalnum() else char for char in text))


def superscript(text: str) -> tuple[str, bool]:
    """Return the text as a superscript, and whether what follows has to keep a distance (see `_scripted`)."""
    return _scripted(text, SUPERSCRIPT, "^")


def subscript(text: str) -> tuple[str, bool]:
    """Return the text as a subscript, and whether what follows has to keep a distance (see `_scripted`)."""
    return _scripted(text, SUBSCRIPT, "_")


def _scripted(text: str, table: dict[str, str], sign: str) -> tuple[str, bool]:
    """Return a script, and whether what follows has to keep a distance.

    The script is in Unicode's own characters or, where some are missing, in plain ones after ``sign``.
    """
    if not text:
        return "", False
    closed = text.replace(UNBROKEN, "")
    if all(char in table for char in closed):
        return "".join(table[char] for char in closed), closed[-1] in "*∗⋆"
    if len(closed) == 1 or re.fullmatch(r"[A-Za-z]+|\d+(?:\.\d+)?|\([^()]*\)|\[[^\[\]]*\]|[^\W_]['*]", closed):
        return sign + closed, True
    return f"{sign}({_LOOSE.sub('', text)})", True
