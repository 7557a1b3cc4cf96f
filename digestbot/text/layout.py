"""How the pieces of a formula stand on one line: spaces, scripts, parentheses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from digestbot.text.safety import UNBROKEN
from digestbot.text.signs import BINARY, CLOSING, OPENING, RELATIONS, SUBSCRIPT, SUPERSCRIPT

_BIG = frozenset("∑∏∐∫∬∭∮⋃⋂⨁⨂⋁⋀⨆")
_NO_LEFT = frozenset(("open", "rel", "bin", "punct", "op"))  # after these a sign has nothing to its left
_DIFFERENTIAL = frozenset("d∂Δ∇")
_CALLED = frozenset("fghpqrFGPQDLV")  # letters that before a parenthesis are rather a function than a factor
_LOOSE = re.compile(rf"(?<!\w){UNBROKEN}|{UNBROKEN}(?!\w)")


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of a formula: what it looks like, and how it stands to its neighbours.

    ``kind``: ord, word, op (log, max, ∑), bin, rel, open, close, punct, space, frac. ``blank``: the source has a blank
    before it. ``spilled``: it ends in a script that Unicode has no sign for.
    """

    text: str
    kind: str = "ord"
    blank: bool = False
    spilled: bool = False


def kind_of_sign(sign: str) -> str:
    """How a single sign stands to its neighbours."""
    for kind, members in (("rel", RELATIONS), ("bin", BINARY), ("open", OPENING), ("close", CLOSING), ("op", _BIG)):
        if sign in members:
            return kind
    return "punct" if sign in ",;:" else "ord"


def kind_of(atoms: list[Atom]) -> str:
    """How a group stands to its neighbours: as what it is made of, if that is one thing."""
    if len(atoms) == 1:
        return atoms[0].kind
    return "op" if atoms and atoms[0].kind == "op" and all(one.kind in ("op", "space") for one in atoms) else "ord"


def joined(atoms: list[Atom]) -> str:
    """The atoms on one line, with the spaces that make it readable."""
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
    """A bar opens, closes, or stands between: p(y | x)."""
    if bars[atom.text]:
        bars[atom.text] = False
        return replace(atom, kind="close")
    if before.kind in ("open", "rel", "bin", "sign", "punct", "op", "space") or (before.kind == "frac"):
        bars[atom.text] = True
        return replace(atom, kind="open")
    return replace(atom, kind="rel") if atom.blank and after is not None and after.blank else atom


def _apart(before: Atom, atom: Atom) -> bool:
    """Whether a space goes between two atoms."""
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
    if "word" in (before.kind, atom.kind):  # TeX sets none; where the source has one it may be meant
        return atom.blank and atom.text[:1] not in "!'/@.-" and before.text[-1:] not in "-("
    if before.kind in ("op", "frac", "root") or before.spilled:
        if atom.kind == "open":
            return before.text[-1:] in _BIG or before.kind == "frac"
        return atom.text[:1] not in "!'/@."
    if atom.kind in ("op", "frac"):
        return before.text != "/" and before.text[-1:] not in "-("
    return before.text[-1:].isdigit() and atom.text[:1].isdigit()


def grouped(atoms: list[Atom], *, below: bool) -> str:
    """A part of a fraction, or what stands under a root: in parentheses where it would be read wrongly without."""
    text = joined(atoms)
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


def accented(text: str, mark: str) -> str:
    """With a combining mark on each letter; of a longer text only a line over all of it can be shown."""
    if len(text) > 3 and mark not in ("\u0304", "\u0332"):
        return text
    mark = "\u0305" if mark == "\u0304" and len(text) > 1 else mark
    return unicodedata.normalize("NFC", "".join(char + mark if char.isalnum() else char for char in text))


def raised(text: str) -> tuple[str, bool]:
    """The text as a superscript; and whether Unicode has no signs for that."""
    return _scripted(text, SUPERSCRIPT, "^")


def lowered(text: str) -> tuple[str, bool]:
    """The text as a subscript; and whether Unicode has no signs for that."""
    return _scripted(text, SUBSCRIPT, "_")


def _scripted(text: str, table: dict[str, str], sign: str) -> tuple[str, bool]:
    """A script in Unicode's signs, or in plain ones after ``sign``; and whether what follows has to keep a distance."""
    if not text:
        return "", False
    closed = text.replace(UNBROKEN, "")
    if all(char in table for char in closed):
        return "".join(table[char] for char in closed), closed[-1] in "*∗⋆"
    if len(closed) == 1 or re.fullmatch(r"[A-Za-z]+|\d+(?:\.\d+)?|\([^()]*\)|\[[^\[\]]*\]|[^\W_]['*]", closed):
        return sign + closed, True
    return f"{sign}({_LOOSE.sub('', text)})", True
