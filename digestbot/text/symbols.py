"""The Unicode symbols with which formulas are written: the tables of `latex`."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial

SUBSCRIPT = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
SUPERSCRIPT = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδ⊤∗*⋆∘†′'",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᵀ***°†′'",
        strict=True,
    )
)
RELATIONS = frozenset("⊨⇝⊲⊳=<>≤≥≠≈∼≃≅≡∝∈∉∋∌⊂⊃⊆⊇⊄⊊→←↔⇒⇐⇔⟶⟵⟹⟸⟺↦⟼≪≫≺≻⪯⪰≔≜≝⊢⊨⟂≲≳∥⊥⇌↪↠") - {"⊥"}
BINARY = frozenset("+-*±∓×÷·⋅∘∗⋆⊕⊗⊙⊖∪∩∧∨∖⊎⊔⊓•")
OPENING = frozenset("([⟨⌊⌈❴")
CLOSING = frozenset(")]⟩⌋⌉❵")

# Symbols that pylatexenc lacks, or renders differently from what a post needs. A set's braces are ornamental ones,
# because a plain brace may be one that only LaTeX needed.
OWN = {
    "{": "❴", "}": "❵", "lbrace": "❴", "rbrace": "❵", "|": "‖", "Vert": "‖", "lVert": "‖", "rVert": "‖", "vert": "|",
    "lvert": "|", "rvert": "|", "parallel": "∥", "iff": "⇔", "implies": "⇒", "impliedby": "⇐", "to": "→",
    "gets": "←", "ne": "≠", "neq": "≠", "le": "≤", "ge": "≥", "leq": "≤", "geq": "≥", "leqslant": "≤", "geqslant": "≥",
    "coloneqq": "≔", "coloneq": "≔", "triangleq": "≜", "dots": "…", "ldots": "…", "cdots": "⋯", "dotsc": "…",
    "dotsb": "⋯", "dotso": "…", "hdots": "…", "vdots": "⋮", "ddots": "⋱", "cdot": "·", "ast": "*", "star": "⋆",
    "colon": ":", "lnot": "¬", "neg": "¬", "land": "∧", "lor": "∨", "emptyset": "∅", "varnothing": "∅", "sim": "∼",
    "degree": "°", "dagger": "†", "prime": "′", "infty": "∞", "top": "⊤", "bot": "⊥", "R": "ℝ", "N": "ℕ", "Z": "ℤ",
    "E": "𝔼", "P": "P", "%": "%", "&": "&", "#": "#", "_": "_", "$": "$", "-": "", "uparrow": "↑", "downarrow": "↓",
    "propto": "∝", "setminus": "∖", "times": "×", "ell": "ℓ", "epsilon": "ϵ", "varepsilon": "ε", "phi": "ϕ",
    "varphi": "φ", "checkmark": "✓", "square": "□", "Box": "□", "qed": "□", "hbar": "ℏ", "imath": "ı", "jmath": "ȷ",
    "lt": "<", "gt": ">", "lbrack": "[", "rbrack": "]", "ni": "∋", "wedge": "∧", "vee": "∨", "oint": "∮", "iint": "∬",
    "backslash": "∖", "1": "𝟙", "models": "⊨", "vDash": "⊨", "leadsto": "⇝", "lhd": "⊲", "rhd": "⊳", "ddagger": "‡",
    "S": "§",
    "bigoplus": "⨁", "bigotimes": "⨂", "bigcup": "⋃", "bigcap": "⋂", "bigvee": "⋁", "bigwedge": "⋀", "bigsqcup": "⨆",
    "Bbbk": "𝕜",
}  # fmt: skip
FUNCTIONS = {
    name: name
    for name in (
        "arg", "arccos", "arcsin", "arctan", "cos", "cosh", "cot", "csc", "deg", "det", "diag", "dim", "exp", "gcd",
        "hom", "inf", "ker", "lg", "lim", "ln", "log", "max", "min", "Pr", "sec", "sgn", "sign", "sin", "sinh",
        "softmax", "sup", "tan", "tanh", "tr", "Tr",
    )
} | {"argmax": "arg\xa0max", "argmin": "arg\xa0min", "liminf": "lim\xa0inf", "limsup": "lim\xa0sup"}  # fmt: skip
ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304",
    "overline": "\u0304", "vec": "\u20d7", "overrightarrow": "\u20d7", "dot": "\u0307", "ddot": "\u0308",
    "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a",
    "underline": "\u0332", "widebar": "\u0304", "dddot": "\u20db",
}  # fmt: skip


def _letter(styles: tuple[str, ...], char: str) -> str:
    """Return a letter or digit in another mathematical alphabet; unchanged where that alphabet does not have it."""
    if not (char.isascii() and char.isalnum()):
        return char
    case = "CAPITAL" if char.isupper() else "SMALL" if char.isalpha() else "DIGIT"
    name = char.upper() if char.isalpha() else unicodedata.name(char).removeprefix("DIGIT ")
    for style in styles:
        for form in (f"MATHEMATICAL {style} {case} {name}", f"{style} {case} {name}"):
            try:
                return unicodedata.lookup(form)
            except KeyError:
                continue
    return char


_DOUBLE = partial(_letter, ("DOUBLE-STRUCK",))
_SCRIPT = partial(_letter, ("SCRIPT",))
FONTS: dict[str, Callable[[str], str]] = {
    "mathbb": _DOUBLE,
    "mathds": _DOUBLE,
    "Bbb": _DOUBLE,
    "mathbbm": _DOUBLE,
    "mathcal": _SCRIPT,
    "mathscr": _SCRIPT,
    "mathfrak": partial(_letter, ("BLACK-LETTER", "FRAKTUR")),
}
