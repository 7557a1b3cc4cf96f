"""Formulas as words, for alternative texts: screen readers skip or garble mathematics in Unicode.

In the manner of ClearSpeak (the rules that Speech Rule Engine follows by default), but shorter. The rules, with the
source of each, are a table in tests/corpus/README.md, whose numbers are named here.
"""

from __future__ import annotations

from functools import lru_cache

from digestbot.text.latex import to_unicode
from digestbot.text.latex_tree import Node, parse
from digestbot.text.latex_words import (
    SEPARATES,
    classify,
    innermost,
    is_application,
    is_compound,
    is_lone_dot,
    is_minus_one,
    is_operator,
    is_plain,
    is_simple_fraction,
    number,
    only,
    ordinal,
    speaks_brackets,
)
from digestbot.text.sanitization import UNBROKEN

_FACTORS = frozenset(
    ("letter", "number", "name", "prefix", "accent", "fraction", "binomial", "root", "group", "ket", "braket",
     "function", "optimum", "large", "limit", "environment", "brace")
)  # fmt: skip
_BRACKETS = {"(": "paren", "[": "bracket", ")": "paren", "]": "bracket", "langle": "angle bracket",
             "rangle": "angle bracket"}  # fmt: skip
_PARTS = ("half", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_PRIMES = ("", " prime", " double prime", " triple prime")


@lru_cache(maxsize=2048)
def spoken(formula: str) -> str:
    """Return a formula in words; one that cannot be read, as `to_unicode` has it.

    >>> spoken(r"\\frac{1}{n}\\sum_{i=1}^n x_i^2")
    '1 over n, the sum from i equals 1 to n of x sub i squared'
    """
    try:
        words = _Speaker().speak(parse(formula, classify))
    except (IndexError, ValueError, RecursionError):
        words = ""
    return " ".join(words.split()) or to_unicode(formula).replace(UNBROKEN, " ")


class _Speaker:
    """Speaks nodes. ``speak`` returns the words of a sequence; pauses are the commas of rule 20."""

    def speak(self, nodes: list[Node], place: str = "") -> str:
        """Return the nodes in words. ``place`` is "script" in subscripts and limits, "limit" under lim."""
        nodes = [node for node in nodes if node.kind != "nothing"]
        while nodes and nodes[-1].kind == "comma":
            nodes.pop()
        return _Sequence(self, nodes, place).words()

    def power(self, exponent: list[Node], node: Node, *, applied: bool) -> str:  # noqa: C901 - rules 7 and 8 in turn
        """Return an exponent in words, by rules 7 and 8."""
        base = innermost(node)
        letter = only(exponent, "letter")
        if letter and letter.text in ("T", "top"):
            return "transpose"
        if letter and letter.text == "dagger":
            return "dagger"
        if len(exponent) == 1:
            one = exponent[0]
            if is_operator(one, "star", "plus", "minus"):
                return one.text
            if is_operator(one, "composed with"):
                return "degrees"
            if one.kind == "group" and one.text == "(":
                return f"superscript {self.speak(one.parts[0])}"
            if one.kind in ("text", "name"):
                return f"superscript {one.text}"
        if base.blackboard and base.text in "RNZQC":
            return self.speak(exponent).replace(" times ", " by ")
        power = number(exponent)
        if power in (2, 3):
            return "squared" if power == 2 else "cubed"
        if power >= 0:
            return f"to the {ordinal(power)} power"
        capital = base.kind == "letter" and base.text[:1].isupper()
        if is_minus_one(exponent) and (node.kind in ("function", "group") or capital or applied):
            return "inverse"
        if len(exponent) == 2 and is_operator(exponent[0], "minus") and number(exponent[1:]) >= 0:
            return f"to the minus {number(exponent[1:])} power"
        if letter:
            return f"to the {letter.text}-th power"
        words = self.speak(exponent)
        if " power" in words or "," in words or " over " in words:
            return f"raised to the exponent {words}, end exponent"
        return f"raised to the {words} power"

    def scripts(self, words: str, node: Node, *, pause: bool = False, applied: bool = False) -> tuple[str, bool]:
        """Return the words with the node's scripts, and whether a pause follows. ``pause``: one is due before them."""
        if node.kind == "group" and any(one.kind == "relation" and one.text == "equals" for one in node.sub or ()):
            end = f" to {self.speak(node.sup)}" if node.sup else ""  # a family, or a difference of two values
            return f"{words}, from {self.speak(node.sub or [], 'script')}{end}", True
        if node.sub is not None:
            words += ("," if pause else "") + f" sub {self.speak(node.sub, 'script')}"
            pause = is_compound(node.sub)
        if node.primes:
            words += ("," if pause else "") + _PRIMES[min(node.primes, 3)]
            pause = False
        if node.sup is not None:
            words += ("," if pause else "") + f" {self.power(node.sup, node, applied=applied)}"
            one = node.sup[0] if len(node.sup) == 1 else None
            pause = one is not None and one.kind == "group" and is_compound(one.parts[0])
        return words, pause


class _Sequence:
    """Speaks one sequence of nodes, and remembers what the one before leaves due."""

    def __init__(self, speaker: _Speaker, nodes: list[Node], place: str) -> None:
        self._speaker, self._nodes, self._place = speaker, nodes, place
        self._out = ""
        self._pause = False  # due if anything but a comma follows
        self._factor_pause = False  # due if a factor follows
        self._bracketed = False  # the one before is in spoken brackets, or is a matrix
        self._factor = ""  # the one before can be multiplied ("factor"), or waits for its argument ("function")
        self._said_of = False
        self._end = ""  # "; end matrix", if more follows
        mapping = any(node.kind == "relation" and node.text == "to" for node in nodes)
        self._colon = "from" if mapping else "colon"

    def words(self) -> str:
        """Return all in words."""
        for at, node in enumerate(self._nodes):
            self._add(at, node)
        return self._out

    def _add(self, at: int, node: Node) -> None:
        self._out += self._end
        self._end = ""
        is_factor = node.kind in _FACTORS
        if node.kind not in ("comma", "evaluated") and (self._pause or (self._factor_pause and is_factor)):
            self._out += ","
        argument = bool(at and self._factor and is_application(self._nodes[at - 1], node))
        was = (self._factor, self._bracketed)
        self._pause = self._factor_pause = self._bracketed = False
        self._next = "factor" if is_factor else ""
        words = self._spoken(at, node, argument=argument)
        if was[0] == "factor" and is_factor and not argument and (was[1] or self._bracketed):
            words = f"times {words}"
        if node.kind == "evaluated":
            self._out += words
            self._pause = True
            self._next = "factor"
        else:
            self._out += (" " if self._out and words else "") + words
        self._factor = "" if node.kind in SEPARATES else self._next

    def _spoken(self, at: int, node: Node, *, argument: bool) -> str:  # noqa: C901 - one case a kind
        following = self._nodes[at + 1] if at + 1 < len(self._nodes) else None
        match node.kind:
            case "letter" | "number" | "name" | "text" | "prefix":
                applied = following is not None and is_application(node, following)
                words, self._pause = self._speaker.scripts(node.text, node, applied=applied)
                if node.kind == "text" or node.text in ("not", "for all", "there exists"):
                    self._next = ""
                return words
            case "operator":
                return self._operator(at, node)
            case "relation":
                return self._relation(node)
            case "colon":
                return self._colon
            case "accent":
                inner = self._speaker.speak(node.parts[0])
                if len(node.parts[0]) == 1:
                    words, self._pause = self._speaker.scripts(f"{inner} {node.text}", node)
                    return words
                return self._paused(f"the {node.text} over {inner}", node)
            case "fraction":
                return self._fraction(node)
            case "binomial":
                self._factor_pause = True
                return f"{self._speaker.speak(node.parts[0])} choose {self._speaker.speak(node.parts[1])}"
            case "root":
                return self._paused(
                    f"the {self._root(node.parts[1])} root of {self._speaker.speak(node.parts[0])}", node
                )
            case "ket":
                return f"ket {self._speaker.speak(node.parts[0])}"
            case "braket":
                bra, *middle = map(self._speaker.speak, node.parts)
                ket = middle.pop() if middle else ""
                return " ".join(filter(None, ("bra", bra, *middle, f"ket {ket}" if ket else "")))
            case "function":
                return self._function(node, following)
            case "optimum" | "large":
                return self._large(node, following)
            case "limit":
                self._next = ""
                return f"the limit as {self._speaker.speak(node.sub or [], 'limit')} of"
            case "group":
                return self._group(node, argument=argument)
            case "evaluated":
                return f", evaluated at {self._speaker.speak(node.parts[0])}"
            case "brace":
                self._pause = node.sup is None
                label = self._speaker.speak(node.sub or node.sup or [])
                return self._speaker.speak(node.parts[0]) + (f", labelled {label}" if label else "")
            case "environment":
                return self._environment(node)
            case _:
                return node.text

    def _paused(self, words: str, node: Node) -> str:
        """Return words that a pause follows, unless an exponent does."""
        words, _ = self._speaker.scripts(words, node, pause=True)
        self._pause = node.sup is None
        return words

    def _operator(self, at: int, node: Node) -> str:
        before = self._nodes[at - 1] if at else None
        if before is not None and before.kind == "prefix" and node.close in ("cdot", "times"):
            return "dot" if node.close == "cdot" else "cross"
        return "dot" if is_lone_dot(self._nodes, at) else node.text

    def _relation(self, node: Node) -> str:
        if not self._place:
            return node.text
        if self._place == "limit" and node.text == "to":
            return "approaches"
        return "in" if node.text == "is a member of" else node.text.removeprefix("is ")

    def _fraction(self, node: Node) -> str:
        above, below = node.parts
        if is_simple_fraction(node):
            count, part = number(above), _PARTS[number(below) - 2]
            return f"{count} {part}" if count == 1 else f"{count} {'halves' if part == 'half' else part + 's'}"
        first, second = self._speaker.speak(above), self._speaker.speak(below)
        if is_plain(above, numerator=True) and is_plain(below):
            self._factor_pause = True
            return f"{first} over {second}"
        self._pause = node.sup is None
        return f"the fraction with numerator {first} and denominator {second}"

    def _root(self, degree: list[Node]) -> str:
        if not degree or number(degree) == 2:
            return "square"
        which = number(degree)
        return "cube" if which == 3 else ordinal(which) if which > 0 else f"{self._speaker.speak(degree)}-th"

    def _function(self, node: Node, following: Node | None) -> str:
        words = node.text
        if is_minus_one(node.sup):
            words = f"inverse {words}"
        elif node.sup is not None:
            words += f" {self._speaker.power(node.sup, node, applied=False)}"
        if node.sub is not None:
            words += f" base {self._speaker.speak(node.sub)} of"
        if following is not None and following.kind == "fraction" and not is_simple_fraction(following):
            words += " of" if node.sub is None else ""
            self._pause = node.sup is None
        self._next, self._said_of = "function", words.endswith(" of")
        return words

    def _large(self, node: Node, following: Node | None) -> str:
        self._next = ""
        below = self._speaker.speak(node.sub, "script") if node.sub is not None else ""
        if node.sub is not None and node.sup is not None:
            return f"{node.text} from {below} to {self._speaker.speak(node.sup)} of"
        if node.sub is not None:
            return f"{node.text} over {below} of"
        if node.kind == "large":
            return f"{node.text} of"
        if following is not None and following.kind == "group" and following.text in ("(", "["):
            self._next, self._said_of = "function", False
        return node.text

    def _group(self, node: Node, *, argument: bool) -> str:
        inner, speak = node.parts[0], self._speaker.speak
        if node.text == "langle":
            comma = next((to for to, one in enumerate(inner) if one.kind == "comma"), None)
            if comma is not None and not any(one.kind == "comma" for one in inner[comma + 1 :]):
                return self._paused(
                    f"the inner product of {speak(inner[:comma])} and {speak(inner[comma + 1 :])}", node
                )
        if node.text in ("(", "[", "langle"):
            opened = f"open {_BRACKETS[node.text]}, {speak(inner)}, close {_BRACKETS.get(node.close, 'paren')}"
            if (argument or self._factor == "function") and node.text != "langle":
                of = "" if self._factor == "function" and self._said_of else "of "
                if speaks_brackets(node):
                    words, self._pause = self._speaker.scripts(of + opened, node)
                    self._bracketed = True
                    return words
                words, _ = self._speaker.scripts(of + speak(inner), node, pause=True)
                self._factor_pause = node.sup is None
                return words
            bare = (only(inner, "letter") or only(inner, "number")) and node.text != "langle"
            words, self._pause = self._speaker.scripts(speak(inner) if bare else opened, node)
            self._bracketed = True
            return words
        if node.text == "{":
            such = next((to for to, one in enumerate(inner) if one.kind in ("given", "colon")), None)
            words = f"the set {speak(inner)}"
            if such is not None:
                words = f"the set of all {speak(inner[:such], 'script')} such that {speak(inner[such + 1 :])}"
            return self._paused(words, node)
        if node.text == "||":
            which = f"{speak(node.sub)} " if node.sub else ""
            node.sub = None
            return self._paused(f"the {which}norm of {speak(inner)}", node)
        if node.text == "|":
            return self._paused(f"the {'size' if self._is_set(inner) else 'absolute value'} of {speak(inner)}", node)
        return self._paused(f"the {node.text.removeprefix('l').replace('ceil', 'ceiling')} of {speak(inner)}", node)

    @staticmethod
    def _is_set(nodes: list[Node]) -> bool:
        if len(nodes) != 1:
            return False
        node = nodes[0]
        capital = node.kind == "letter" and len(node.text) == 1 and node.text.isupper()
        return capital or (node.kind == "group" and node.text == "{")

    def _environment(self, node: Node) -> str:
        cells = iter(node.parts)
        rows = [[next(cells) for _ in range(count)] for count in node.rows]
        rows = [row for row in rows if any(row)]
        speak = self._speaker.speak
        if not rows:
            return ""
        if node.text in ("cases", "dcases", "rcases"):
            self._end = "; end cases"
            words = f"{len(rows)} cases"
            for place, row in enumerate(rows, 1):
                value, *conditions = [one for one in row if one]
                words += f"; case {place}: {speak(value)}"
                for one in conditions:
                    words += (" " if one[0].kind == "text" else ", ") + speak(one)
            return words
        if not node.text.endswith("matrix") and node.text != "array":
            return "; ".join(" ".join(filter(None, map(speak, row))) for row in rows)
        self._end, self._bracketed = "; end matrix", True
        wide = max(map(len, rows))
        if wide == 1:
            words = f"the {len(rows)} by 1 column matrix: " + ", ".join(speak(row[0]) for row in rows)
        elif len(rows) == 1:
            words = f"the 1 by {wide} row matrix: " + ", ".join(map(speak, rows[0]))
        else:
            lines = (f"; row {place}: " + ", ".join(map(speak, row)) for place, row in enumerate(rows, 1))
            words = f"the {len(rows)} by {wide} matrix" + "".join(lines)
        return f"the determinant of {words}" if node.text == "vmatrix" else words
