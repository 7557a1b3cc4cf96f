"""The conversion of untrusted LaTeX formulas into Typst math that does nothing but typeset when evaluated.

tex2typst does the translation. It passes through what it does not know, and takes exponential time for unbraced macros.
So its input is bounded, and its output may contain only known math names, numbers, quoted letters and symbols.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache

MOST_FORMULA = 400  # characters of LaTeX that are typeset
DEEPEST = 12  # nested groups: an overflow of the typesetter's stack cannot be caught
MOST_UNBRACED = 6  # macros with unbraced arguments, or unbraced nested scripts

# Replacements for macros that tex2typst does not know, and symbols that Typst has since renamed.
_WORDS = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\\(?:label|tag\*?|color)\{[^{}]*\}|\\(?:nonumber|notag|displaystyle|limits|!)", " "),
        (r"\\(?:[bB]ig{1,2}[lrm]?)(?![A-Za-z])", ""),
        (r"\\[lr]Vert(?![A-Za-z])", r"\\|"),
        (r"\\[lr]vert(?![A-Za-z])", "|"),
        (r"\\(?:bm|pmb)(?![A-Za-z])", r"\\boldsymbol"),
        (r"\\(?:nicefrac|sfrac|cfrac|tfrac)(?![A-Za-z])", r"\\frac"),
        (r"\\stackrel(?![A-Za-z])", r"\\overset"),
        (r"\\xrightarrow\{([^{}]*)\}", r"\\overset{\1}{\\to}"),
        (r"\\(?:textbf|textit|emph|mbox|textrm)(?![A-Za-z])", r"\\text"),
        (r"\\coloneqq?(?![A-Za-z])", ":="),
        (r"\\arg(max|min)(?![A-Za-z])", r"\\operatorname{arg\1}"),
        (r"\\operatorname\*", r"\\operatorname"),
        (r"\\(begin|end)\{(?:equation|gather|multline|split|eqnarray|displaymath)\*?\}", r"\\\1{aligned}"),
        (r"\{\\(bf|it|rm|cal)(?![A-Za-z])\s*([^{}]*)\}", r"\\math\1{\2}"),
        (r"\\boxed(?![A-Za-z])", ""),
        (r"\\([RNZE])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"\\norm\{([^{}]*)\}", r"\\left\\|\1\\right\\|"),
        (r"\\abs\{([^{}]*)\}", r"\\left|\1\\right|"),
        # bars around something are delimiters, with no space inside
        (r"(?<!left)(?<!right)\\\|([^|]{1,120})(?<!\\left)(?<!\\right)\\\|", r"\\left\\|\1\\right\\|"),
        (r"(?:^|(?<=[=+\-(,{<> ]))\|([^|]{1,60})\|(?=$|[=+\-),.^_}<>\s])", r"\\left|\1\\right|"),
    )
]
_RENAMED = re.compile(r"\b(dot|plus|minus|times)\.circle\b")
_TAKES = (
    r"\\(?:sqrt|[dtc]?frac|[dt]?binom|(?:wide)?(?:hat|tilde|bar)|overline|underline|vec|dd?ot|check|breve|acute|grave|"
    r"math[a-z]+|boldsymbol|text|operatorname|over[a-z]+|under[a-z]+|left|right|begin|end|not|mathring|phantom)"
)
_UNBRACED = re.compile(rf"{_TAKES}(?![A-Za-z])(?!\s*\{{)|[\^_]\s*(?=[^\s{{][\^_])|[\^_]\s*\\")
_TOKEN = re.compile(
    r'"[^"\\]*"|[A-Za-z][A-Za-z.]*|\d[\d.]*|\\[^A-Za-z0-9"]|[^\x00-\x7f]|[-+*/=<>!?:;,.()\[\]{}|&%^_~\'\s]'
)
_NAMED = frozenset(("delim", "gap"))  # names of arguments
_NOT_THESE = frozenset(("text", "equation", "class", "control", "image", "lrm", "rlm", "zwj", "zwnj", "zws", "wj"))


@cache
def _names() -> frozenset[str]:
    """Return the names of all functions and symbols that Typst knows in math, except unsafe ones."""
    import typst

    source = b"#metadata(dictionary(math).keys() + dictionary(sym).keys()) <names>"
    return (
        frozenset(json.loads(typst.query(source, "<names>", field="value", one=True, ignore_system_fonts=True)))
        - _NOT_THESE
    )


@lru_cache(maxsize=4096)
def typeset(formula: str) -> str | None:
    """Return the formula as Typst math; None if it should be set as text because it is invalid or not safe."""
    depth = deepest = 0
    for char in formula:
        depth += (char in "{[(") - (char in "}])")
        deepest = max(deepest, depth)
    if len(formula) > MOST_FORMULA or deepest > DEEPEST or '"' in formula or "`" in formula:
        return None
    for pattern, words in _WORDS:
        formula = pattern.sub(words, formula)
    if len(_UNBRACED.findall(formula)) > MOST_UNBRACED + formula.count("\\left") * 2 + formula.count("\\begin") * 2:
        return None
    from tex2typst import tex2typst

    try:
        result = _RENAMED.sub(r"\1.o", str(tex2typst(formula)).strip())
    except Exception:  # noqa: BLE001 - broken LaTeX may raise anything
        return None
    return result if result and len(result) <= 4 * MOST_FORMULA and _is_mathematics(result) else None


def _is_mathematics(source: str) -> bool:
    """Return True if the source contains only known math names, numbers, quoted letters and symbols."""
    at = 0
    while at < len(source):
        token = _TOKEN.match(source, at)
        if token is None:
            return False
        word = token[0].rstrip(".").partition(".")[0]
        if len(word) > 1 and word[0].isalpha() and word.isascii() and word not in _names() and word not in _NAMED:
            return False
        at = token.end()
    return True
