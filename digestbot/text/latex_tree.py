"""The structure of a LaTeX formula, for speech: what is a fraction, a bracket, an argument, a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from digestbot.text.latex import prose_to_unicode
from digestbot.text.latex_tokens import TokenReader

_NO_WORD = re.compile(r"[\\{}$~]|[\ue000-\uf8ff]")
DEEPEST = 40  # levels of groups
LONGEST = 2000  # characters of a formula that are read

_SPACES = frozenset((",", ";", ":", " ", "!", "quad", "qquad", "thinspace", "enspace", ">", "\n"))
_IGNORED = frozenset(
    ("displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "left", "right", "middle", "big", "Big", "bigg",
     "Bigg", "bigl", "bigr", "Bigl", "Bigr", "nonumber", "notag", "rm", "bf", "it", "cal", "hline", "centering")
)  # fmt: skip
_FONTS = frozenset(
    ("mathbf", "mathcal", "mathscr", "mathfrak", "mathit", "mathsf", "mathtt", "mathnormal", "boldsymbol", "bm",
     "boxed", "ensuremath", "pmb", "emph", "mathds", "Bbb")
)  # fmt: skip
_WORDS = frozenset(("text", "mathrm", "operatorname", "textrm", "textbf", "textit", "mbox", "textnormal"))
_WITHOUT = {"color": 1, "label": 1, "tag": 1, "hspace": 1, "vspace": 1, "phantom": 1}
_FRACTIONS = frozenset(("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"))
ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "overline": "bar", "tilde": "tilde", "widetilde": "tilde",
    "vec": "vector", "dot": "dot", "ddot": "double dot", "check": "check", "breve": "breve",
}  # fmt: skip
_PAIRS = {"(": ")", "[": "]", "{": "}", "lfloor": "rfloor", "lceil": "rceil"}
_OPEN, _CLOSE = frozenset(_PAIRS), frozenset((")", "]", "}", "rfloor", "rceil"))
_BRACKET_MACROS = {
    "{": "{", "}": "}", "lbrace": "{", "rbrace": "}", "langle": "langle", "rangle": "rangle", "lfloor": "lfloor",
    "rfloor": "rfloor", "lceil": "lceil", "rceil": "rceil", "|": "||", "lVert": "||", "rVert": "||", "Vert": "||",
    "vert": "|", "lvert": "|", "rvert": "|",
}  # fmt: skip


@dataclass(slots=True)
class Node:
    """A piece of a formula.

    ``kind`` says how it is spoken, ``text`` is its source or word. ``parts`` are its arguments: the content of a group,
    a fraction's numerator and denominator, or the cells of rows, one after the other.
    """

    kind: str
    text: str = ""
    parts: list[list[Node]] = field(default_factory=list)
    sub: list[Node] | None = None
    sup: list[Node] | None = None
    primes: int = 0
    close: str = ""  # the closing bracket of a group
    rows: list[int] = field(default_factory=list)  # the numbers of cells in the rows of an environment
    blackboard: bool = False


Classify = Callable[[str], Node]


def parse(formula: str, classify: Classify) -> list[Node]:
    """Return the nodes of a formula. ``classify`` returns the node of a single sign, or of a macro without arguments,
    whose name follows a backslash."""
    return _Parser(formula[:LONGEST].replace("{,}", ",").replace("...", "\\ldots "), classify).sequence(())


class _Parser(TokenReader):
    """Parses one formula."""

    def __init__(self, formula: str, classify: Classify) -> None:
        super().__init__(formula)
        self._classify = classify
        self._depth = 0

    def sequence(self, ends: Collection[str]) -> list[Node]:
        """Return the nodes up to one of the tokens ``ends``, which is not consumed."""
        nodes: list[Node] = []
        while (token := self.peek()) and token not in ends:
            self._item(nodes)
        return _grouped(nodes)

    def argument(self) -> list[Node]:
        """Return the next group, or the next item in its place."""
        if self._depth > DEEPEST:
            self.at = len(self.tokens)
            return []
        self._depth += 1
        nodes: list[Node] = []
        if self.peek() == "{":
            self.take()
            nodes = self.sequence("}")
            self.take()
        elif self.peek():
            token = self.peek()
            if token[:1].isdigit() and len(token) > 1:  # TeX takes only one digit of a number
                at = self.at + self.blank()
                self.tokens[at : at + 1] = [token[0], token[1:]]
            self._item(nodes)
            nodes = _grouped(nodes)
        self._depth -= 1
        return nodes

    def _item(self, nodes: list[Node]) -> None:  # noqa: C901 - one case a macro, each a line or two
        token = self.take()
        name = token[1:].rstrip("*") if token.startswith("\\") and len(token) > 1 else ""
        if token in ("^", "_"):
            script = self.argument()
            target = nodes[-1] if nodes else Node("letter", "")
            if token == "^":
                target.sup = (target.sup or []) + script
            else:
                target.sub = (target.sub or []) + script
            if not nodes:
                nodes.append(target)
        elif token in ("'", "’"):
            if nodes:
                nodes[-1].primes += 1
        elif token == "{":
            if self._depth <= DEEPEST:
                self._depth += 1
                nodes += self.sequence("}")
                self._depth -= 1
            self.take()
        elif token in ("}", "&", "$", "~", "\\", ""):
            pass
        elif name in _SPACES or name in _IGNORED:
            if name in ("left", "right") and self.peek() == ".":
                self.take()
        elif name in _WITHOUT:
            self.raw()
        elif name == "textcolor":
            self.raw()
            nodes += self.argument()
        elif name in _FONTS:
            nodes += self.argument()
        elif name in ("mathbb", "mathbbm"):
            inner = self.argument()
            for one in inner[:1]:
                one.blackboard = True
                if one.text == "1":
                    one.kind, one.text = "name", "indicator"
            nodes += inner
        elif name in _WORDS:
            words = " ".join(_NO_WORD.sub(" ", prose_to_unicode(self.raw(), braces=True)).split())
            applied = self.tokens[self.at : self.at + 1] == ["("] and " " not in words
            kind = "letter" if len(words) == 1 else "name"
            if name.startswith(("text", "mbox")) and not applied:
                kind = "text"
            nodes.append(Node("optimum", "arg min") if words == "argmin" else Node(kind, words))
        elif name in ("argmin", "argmax"):
            nodes.append(Node("optimum", f"arg {name[3:]}"))
        elif name == "arg":
            following = self.take().lstrip("\\")
            while following in _SPACES:
                following = self.take().lstrip("\\")
            nodes.append(Node("optimum", f"arg {following}"))
        elif name in ("underset", "overset"):
            script, base = self.argument(), self.argument()
            if base and name == "underset":
                base[0].sub = script
            nodes += base
        elif name in _FRACTIONS or name in ("binom", "dbinom", "tbinom"):
            nodes.append(
                Node("fraction" if name in _FRACTIONS else "binomial", parts=[self.argument(), self.argument()])
            )
        elif name == "sqrt":
            degree: list[Node] = []
            if self.peek() == "[":
                self.take()
                degree = self.sequence("]")
                self.take()
            nodes.append(Node("root", parts=[self.argument(), degree]))
        elif name in ("abs", "norm"):
            bars = "|" if name == "abs" else "||"
            nodes.append(Node("group", bars, [self.argument()], close=bars))
        elif name in ACCENTS:
            nodes.append(Node("accent", ACCENTS[name], [self.argument()]))
        elif name in ("underbrace", "overbrace"):
            nodes.append(Node("brace", parts=[self.argument()]))
        elif name == "begin":
            nodes.append(self._environment(self.raw()))
        elif name == "end":
            self.raw()
        elif name in _BRACKET_MACROS:
            nodes.append(Node("bracket", _BRACKET_MACROS[name]))
        elif token in "()[]|":
            double = token == "|" and self.tokens[self.at : self.at + 1] == ["|"]
            self.at += double
            nodes.append(Node("bracket", "||" if double else token, close="plain"))
        elif token == ":" and self.peek() == "=":
            self.take()
            nodes.append(self._classify(":="))
        elif not name and token.isspace():
            pass
        else:
            nodes.append(self._classify(token))

    def _environment(self, name: str) -> Node:
        node = Node("environment", name.rstrip("*"))
        if node.text in ("array", "alignat", "alignedat"):
            self.raw()
        count = 0
        while self.peek():
            node.parts.append(self.sequence(("&", "\\\\", "\\end")))
            count += 1
            end = self.take()
            if end == "&":
                continue
            node.rows.append(count)
            count = 0
            if end != "\\\\":
                break
        if self.peek() == "{":
            self.raw()
        return node


def _grouped(nodes: list[Node]) -> list[Node]:
    """Return the nodes with what is between brackets or bars as one node, and single bars as what they mean."""
    nodes = _single_bars(nodes)
    results: list[Node] = []
    at = 0
    while at < len(nodes):
        node = nodes[at]
        if node.kind != "bracket":
            results.append(node)
            at += 1
            continue
        at = _bracket(nodes, at, results)
    return results


def _single_bars(nodes: list[Node]) -> list[Node]:
    """Return the nodes with "||" inside an open single bar as two bars."""
    results: list[Node] = []
    is_open = [False]  # in each bracket
    for node in nodes:
        if _is_bracket(node, *_OPEN):
            is_open.append(False)
        elif _is_bracket(node, *_CLOSE):
            is_open[-2:] = is_open[-2:-1] or [False]
        elif _is_bracket(node, "|"):
            is_open[-1] = not is_open[-1]
        elif _is_bracket(node, "||") and is_open[-1] and node.close == "plain":
            results.append(Node("bracket", "|"))
            node.text = "|"
        results.append(node)
    return results


def _bracket(nodes: list[Node], at: int, results: list[Node]) -> int:
    """Add what the bracket at a position begins, and return where that ends."""
    node = nodes[at]
    if node.text in _OPEN:
        end = _end_of(nodes, at, _CLOSE)
        if end is not None:
            results.append(_group(node.text, nodes[end], nodes[at + 1 : end]))
            return end + 1
    elif node.text == "langle":
        end = next((to for to in range(at + 1, len(nodes)) if _is_bracket(nodes[to], "rangle")), None)
        body = nodes[at + 1 : end] if end else nodes[at + 1 :]
        parts: list[list[Node]] = [[]]
        for one in body:
            if _is_bracket(one, "|"):
                parts.append([])
            else:
                parts[-1].append(one)
        if len(parts) > 1 or end is None:
            results.append(Node("braket", parts=[_grouped(part) for part in parts]))
            return (end or len(nodes) - 1) + 1
        results.append(_group("langle", nodes[end], body))
        return end + 1
    elif node.text in ("|", "||"):
        ends = (node.text, "rangle") if node.text == "|" else (node.text,)
        end = _end_of(nodes, at, ends)
        if end is None and node.text == "|":
            results.append(Node("evaluated", parts=[node.sub]) if node.sub else Node("given", "given"))
        elif end is None:
            results.append(Node("given", "double bar"))
        elif nodes[end].text == "rangle":
            results.append(Node("ket", parts=[_grouped(nodes[at + 1 : end])]))
            return end + 1
        else:
            results.append(_group(node.text, nodes[end], nodes[at + 1 : end]))
            return end + 1
    return at + 1  # a bracket without its partner


def _end_of(nodes: list[Node], at: int, ends: Collection[str]) -> int | None:
    """Return the position of the first of ``ends`` after a position, outside of other brackets; None without one."""
    depth = 0
    for to in range(at + 1, len(nodes)):
        if nodes[to].kind == "bracket":
            if not depth and nodes[to].text in ends:
                return to
            depth += (nodes[to].text in _OPEN) - (nodes[to].text in _CLOSE)
            if depth < 0:
                return None
    return None


def _group(opening: str, closing: Node, inner: list[Node]) -> Node:
    return Node("group", opening, [_grouped(inner)], closing.sub, closing.sup, closing.primes, close=closing.text)


def _is_bracket(node: Node, *texts: str) -> bool:
    return node.kind == "bracket" and node.text in texts
