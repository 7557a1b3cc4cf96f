"""The words of a formula's signs, and what its pieces are when they are spoken.

Numbers of rules are those of the table in tests/corpus/README.md.
"""

from __future__ import annotations

from digestbot.text.latex_tree import Node

_GREEK = frozenset(
    ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
     "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi",
     "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
)  # fmt: skip
_LETTERS = {
    "varepsilon": "epsilon", "varphi": "phi", "vartheta": "theta", "varrho": "rho", "varsigma": "sigma",
    "infty": "infinity", "hbar": "h bar", "ell": "l", "emptyset": "the empty set", "varnothing": "the empty set",
    "dots": "dot dot dot", "ldots": "dot dot dot", "cdots": "dot dot dot", "vdots": "dot dot dot", "top": "top",
    "dagger": "dagger", "imath": "i", "jmath": "j", "Re": "real part", "Im": "imaginary part", "aleph": "aleph",
}  # fmt: skip
_SIGNS = {
    "operator": {
        "+": "plus", "-": "minus", "−": "minus", "pm": "plus or minus", "mp": "minus or plus", "times": "times",
        "cdot": "times", "/": "divided by", "div": "divided by", "*": "star", "ast": "star", "star": "star",
        "circ": "composed with", "odot": "circled dot", "oplus": "circled plus", "otimes": "circled times",
        "bmod": "mod", "mod": "mod", "cup": "union", "cap": "intersection", "setminus": "set minus",
        "backslash": "set minus", "wedge": "and", "land": "and", "lor": "or", "vee": "or",
    },
    "relation": {
        "=": "equals", "neq": "is not equal to", "ne": "is not equal to", "<": "is less than", "lt": "is less than",
        ">": "is greater than", "gt": "is greater than", "leq": "is less than or equal to",
        "le": "is less than or equal to", "leqslant": "is less than or equal to",
        "geq": "is greater than or equal to", "ge": "is greater than or equal to",
        "geqslant": "is greater than or equal to", "ll": "is much less than", "gg": "is much greater than",
        "approx": "is approximately equal to", "simeq": "is approximately equal to", "equiv": "is identical to",
        "cong": "is congruent to", "propto": "is proportional to", "sim": "follows", ":=": "is defined as",
        "triangleq": "is defined as", "coloneqq": "is defined as", "perp": "is perpendicular to",
        "in": "is a member of", "ni": "contains", "notin": "is not a member of", "subset": "is a subset of",
        "subseteq": "is a subset of or equal to", "supset": "is a superset of", "to": "to", "rightarrow": "to",
        "longrightarrow": "to", "mapsto": "maps to", "Rightarrow": "implies", "implies": "implies",
        "Leftrightarrow": "if and only if", "iff": "if and only if", "leftarrow": "gets", "gets": "gets",
        "Leftarrow": "is implied by", "leftrightarrow": "corresponds to", "models": "models", "vdash": "proves",
    },
    "prefix": {"partial": "partial", "nabla": "nabla", "neg": "not", "lnot": "not", "forall": "for all",
               "exists": "there exists"},
    "function": {"log": "log", "ln": "l n", "exp": "exp", "sin": "sine", "cos": "cosine", "tan": "tangent",
                 "tanh": "hyperbolic tangent", "sinh": "hyperbolic sine", "cosh": "hyperbolic cosine",
                 "det": "determinant", "Pr": "probability", "arctan": "arc tangent", "arcsin": "arc sine",
                 "arccos": "arc cosine", "lg": "log"},
    "optimum": {"max": "max", "min": "min", "sup": "sup", "inf": "inf"},
    "large": {"sum": "the sum", "prod": "the product", "bigcup": "the union", "bigcap": "the intersection",
              "int": "the integral", "iint": "the double integral", "oint": "the contour integral"},
    "limit": {"lim": "the limit"},
    "postfix": {"%": "percent", "!": "factorial"},
    "given": {"mid": "given"},
    "comma": {",": "comma"},
    "colon": {":": "colon", "colon": "colon"},
}  # fmt: skip
_KINDS = {sign: (kind, words) for kind, signs in _SIGNS.items() for sign, words in signs.items()}
# Rule 10: what is before parentheses and is a function rather than a factor.
_HEADS = frozenset("f g h p q E F G H J L O P Q phi psi sigma Phi Psi Gamma".split())  # noqa: SIM905
_IN_FRACTIONS = frozenset(("letter", "number", "name", "prefix", "postfix", "function", "nothing"))
_UNNAMED = frozenset(_LETTERS.values()) - _GREEK  # which are no heads
SEPARATES = frozenset(("operator", "relation", "comma", "given", "colon"))


def classify(token: str) -> Node:
    """Return the node of a sign, or of a macro without arguments."""
    name = token[1:].rstrip("*") if token.startswith("\\") and len(token) > 1 else token
    if name in _KINDS:
        kind, words = _KINDS[name]
        return Node(kind, words, close=name)
    if name in _GREEK or name in _LETTERS:
        return Node("letter", _LETTERS.get(name, name), close="macro")
    if name[:1].isdigit():
        return Node("number", name)
    if name == ".":
        return Node("nothing")
    if token.startswith("\\"):
        return Node("name" if len(name) > 1 else "letter", name) if name.isalpha() else Node("nothing")
    return Node("letter", name)


def only(nodes: list[Node] | None, kind: str) -> Node | None:
    """Return the only node if it is of that kind and bare."""
    if nodes and len(nodes) == 1 and nodes[0].kind == kind:
        node = nodes[0]
        if not (node.sub or node.sup or node.primes):
            return node
    return None


def number(nodes: list[Node] | None) -> int:
    """Return the whole number that the nodes are; -1 if they are none."""
    node = only(nodes, "number")
    return int(node.text) if node and node.text.isdigit() else -1


def is_operator(node: Node, *words: str) -> bool:
    """Return whether a node is one of these operators, named by their words."""
    return node.kind == "operator" and node.text in words


def is_minus_one(nodes: list[Node] | None) -> bool:
    """Return whether an exponent is -1."""
    return nodes is not None and len(nodes) == 2 and is_operator(nodes[0], "minus") and number(nodes[1:]) == 1


def innermost(node: Node) -> Node:
    """Return what is under a node's accents."""
    while node.kind == "accent" and len(node.parts[0]) == 1:
        node = node.parts[0][0]
    return node


def is_compound(nodes: list[Node]) -> bool:
    """Rule 6: return whether a subscript needs a pause after it."""
    simple = ("letter", "number", "name", "text", "comma", "accent", "optimum", "function", "nothing")
    return any(node.kind not in simple or bool(node.sub and is_compound(node.sub)) for node in nodes)


def has_operator(nodes: list[Node], *words: str) -> bool:
    """Return whether an operator, one of ``words`` if there are any, stands between two terms."""
    for at, node in enumerate(nodes):
        before = nodes[at - 1].kind if at else "operator"
        if node.kind != "operator" or before in SEPARATES:
            continue
        if node.text in words if words else not is_lone_dot(nodes, at):
            return True
    return False


def is_lone_dot(nodes: list[Node], at: int) -> bool:
    """Rule 3: return whether a dot stands for an argument, as in f(·)."""
    if nodes[at].close != "cdot":
        return False
    around = [nodes[to].kind if 0 <= to < len(nodes) else "comma" for to in (at - 1, at + 1)]
    return any(kind in SEPARATES - {"colon"} for kind in around)


def is_application(head: Node, group: Node) -> bool:
    """Rule 10: return whether parentheses hold a function's arguments."""
    if group.kind != "group" or group.text not in ("(", "["):
        return False
    base = innermost(head)
    if base.kind in ("name", "function", "optimum"):
        return True
    if base.kind != "letter" or (base.close == "macro" and base.text in _UNNAMED):
        return False
    return base.text in _HEADS or not has_operator(group.parts[0], "plus", "minus")


def is_simple_fraction(node: Node) -> bool:
    """Rule 15: return whether a fraction is spoken like "2 thirds"."""
    return 1 <= number(node.parts[0]) <= 9 and 2 <= number(node.parts[1]) <= 10


def speaks_brackets(group: Node) -> bool:
    """Rule 10: return whether the parentheses of an argument are spoken."""
    inner = group.parts[0]
    return has_operator(inner) or any(
        node.kind in ("relation", "binomial", "colon") or (node.kind == "fraction" and not is_simple_fraction(node))
        for node in inner
    )


def is_plain(nodes: list[Node], *, numerator: bool = False) -> bool:
    """Rule 15: return whether a fraction of this is spoken with "over"."""
    if numerator and nodes and is_operator(nodes[0], "minus"):
        nodes = nodes[1:]
    for at, node in enumerate(nodes):
        argument = node.kind == "group" and at and is_application(nodes[at - 1], node) and not speaks_brackets(node)
        if argument or node.kind == "accent":
            if not is_plain(node.parts[0]):
                return False
        elif node.kind not in _IN_FRACTIONS and not is_operator(node, "times"):
            return False
        if node.sub and not is_plain(node.sub):
            return False
        if node.sup and not (is_plain(node.sup) or is_minus_one(node.sup) or is_mark(node.sup)):
            return False
    return True


def is_mark(nodes: list[Node]) -> bool:
    """Return whether an exponent is a star, plus, minus or degree sign."""
    return len(nodes) == 1 and is_operator(nodes[0], "star", "plus", "minus", "composed with")


def ordinal(number: int) -> str:
    """Return "1st", "2nd" and so on."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
