"""LaTeX mathematics to Unicode, through pylatexenc, with what plain text needs beside it."""

from __future__ import annotations

import logging
import re
from functools import cache, lru_cache
from typing import Any

_SUBSCRIPT = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_SUPERSCRIPT = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδ⊤∗*",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᵀ**",
        strict=True,
    )
)
_OPEN, _CLOSE = "\ue000", "\ue001"  # stand for the braces of _{…} and ^{…}, which pylatexenc drops
_BRACED = re.compile(r"([_^])\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_SCRIPT = re.compile(f"([_^]){_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}|([_^])(\\S)")
_NAMED = re.compile(
    r"\\(arg|cos|cosh|cot|deg|det|dim|exp|gcd|inf|ker|lg|lim|ln|log|max|min|Pr|sin|sinh|sup|tan|tanh)"
    r"(?![A-Za-z])\s*(?=[A-Za-z\\])(?!\\left|\\big|\\Big)"
)
_LEFT_OVER = re.compile(rf"[\\{{}}${_OPEN}{_CLOSE}]")
_RELATION = re.compile(r"\s*([=≤≥≠≈∼∈→←⇒×+∣])\s*")
_CLOSED_UP = re.compile(r"\s+([,.;:)\]])|([(\[])\s+")
_ATOM = re.compile(rf"[√∂]?[^\W_]*[\u0300-\u036f]*(?:[_^](?:{_OPEN}[^{_CLOSE}]*{_CLOSE}|[^\s{_OPEN}]))*|\([^()]*\)")


def _grouped(text: str) -> str:
    return text if _ATOM.fullmatch(text) else f"({text})"


def _arguments(node: Any, converter: Any) -> list[str]:
    """The macro's arguments as text; an unfinished formula may lack them."""
    given = node.nodeargd.argnlist if node.nodeargd else []
    return [converter.nodelist_to_text([argument]).strip() for argument in given if argument is not None]


def _fraction(node: Any, l2tobj: Any) -> str:
    return " " + "/".join(_grouped(part) for part in _arguments(node, l2tobj)) + " "


def _root(node: Any, l2tobj: Any) -> str:
    *degree, inner = _arguments(node, l2tobj) or [""]
    return "".join(f"^{_OPEN}{part}{_CLOSE}" for part in degree) + "√" + _grouped(inner)


@cache
def _converter() -> Any:
    from pylatexenc import latex2text

    # It reports what it cannot read as warnings on a logger of its own; the readable rest is what counts here.
    logging.getLogger("pylatexenc").setLevel(logging.CRITICAL)
    context = latex2text.get_default_latex_context_db()
    macro = latex2text.MacroTextSpec
    context.add_context_category(
        "digestbot",
        macros=[macro(name, simplify_repl=_fraction) for name in ("frac", "dfrac", "tfrac")]
        + [macro("sqrt", simplify_repl=_root), macro("|", "‖"), macro("lVert", "‖"), macro("rVert", "‖")]
        + [macro(name, f" {name[:3]} {name[3:]}") for name in ("argmax", "argmin")],
        prepend=True,
    )
    return latex2text.LatexNodes2Text(latex_context=context, math_mode="text", keep_comments=False)


@lru_cache(maxsize=4096)
def to_unicode(formula: str) -> str:
    """The formula as one line of readable text: Unicode where it has the sign, plain words where not.

    >>> to_unicode(r"\\beta_1 \\in \\mathbb{R}^{n}")
    'β₁ ∈ ℝⁿ'
    """
    marked = _NAMED.sub(r"\\\1\\ ", _BRACED.sub(rf"\1{{{_OPEN}\2{_CLOSE}}}", formula))
    try:
        text = _converter().latex_to_text(marked)
    except Exception:  # noqa: BLE001 - broken LaTeX raises whatever it meets: the words in it are still worth reading
        text = re.sub(r"\\[A-Za-z]+", " ", marked)
    text = _SCRIPT.sub(_script, text)
    text = _RELATION.sub(r" \1 ", _LEFT_OVER.sub("", text))
    text = _CLOSED_UP.sub(lambda match: match[1] or match[2], text)
    return " ".join(text.split())


def _script(match: re.Match[str]) -> str:
    sign = match[1] or match[3]
    content = (match[2] if match[1] else match[4]).replace(" ", "")
    table = _SUBSCRIPT if sign == "_" else _SUPERSCRIPT
    if content and all(char in table for char in content):
        return "".join(table[char] for char in content)
    return sign + _grouped(content) if content else ""
