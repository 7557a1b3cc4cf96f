"""The names of authors: as bibliographies write them, and as papers are cited."""

from __future__ import annotations

import re
from collections.abc import Sequence

from digestbot.text.sanitization import UNBROKEN

# Name particles that belong to the surname, and suffixes that follow it.
_PARTICLES = frozenset(
    ("al", "ap", "ben", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "la", "le",
     "los", "ten", "ter", "van", "von", "zu", "zum", "zur", "'t")
)  # fmt: skip
_AFTER_NAME = re.compile(r",?\s+(?:Jr\.?|Sr\.?|I{2,3}|IV)$")
_HOMONYM = re.compile(r"\s+\d{4}$")  # DBLP tells people of one name apart by a number: "Wei Wang 0001"
_GROUP = re.compile(
    r"\b(?:collaborations?|consortium|consortia|team|group|network|committee|initiative|project|investigators|society|"
    r"institute|foundation|research|university|inc\.?|openai|deepmind|deepseek(?:-ai)?)$",
    re.IGNORECASE,
)
_BRACED = re.compile(r"\{([^{}]*)\}")
# "Smith, J., Jones, K.": surnames with initials, one comma between two people
_INITIALS = re.compile(r"\s*([^,;&]{1,100}),\s*(?!(?:Jr|Sr)\b)((?:[^\W\d_]\.?[\s-]*){1,4}\.)\s*(?:,|$)")
_ET_AL = re.compile(r",?\s+et\.? al\.?$", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:Jr\.?|Sr\.?|I{2,3}|IV)")
OTHERS = "others"


def split_names(authors: str) -> tuple[str, ...]:
    """Return the authors' names in reading order.

    They are separated by "and", "&" or semicolons, each as "Last, First" or "First Last", or by commas alone. A name in
    braces, or that of a group, stays whole. "and others" and "et al." become the name `OTHERS`.
    """
    results: list[str] = []
    text = " ".join(authors.split())
    for part in re.split(r" and (?![^{]{0,200}\})|\s&\s(?![^{]{0,200}\})|;\s*(?![^{]{0,200}\})", text):
        people = [(match[1], match[2]) for match in _INITIALS.finditer(part)]
        if people and sum(len(match[0]) for match in _INITIALS.finditer(part)) == len(part):
            results += [f"{first.strip()} {last.strip()}" for last, first in people]
            continue
        name = _ET_AL.sub("", part).strip(" ,")
        results += [name] if name.startswith("{") else _between_commas([piece.strip() for piece in name.split(",")])
        if _ET_AL.search(part):
            results.append(OTHERS)
    return tuple(_HOMONYM.sub("", name) for name in results if name)


def _between_commas(pieces: list[str]) -> list[str]:
    """Return the names that commas separate. One comma is within a name, as in BibTeX; several may be between names."""
    pieces = [piece for piece in pieces if piece]
    suffix = next((f" {piece}" for piece in pieces[1:] if _SUFFIX.fullmatch(piece)), "")
    pieces = [piece for at, piece in enumerate(pieces) if not (at and _SUFFIX.fullmatch(piece))]
    if len(pieces) > 2 and all(" " in piece for piece in pieces):
        return pieces
    if len(pieces) > 2 and len(pieces) % 2 == 0 and not any(" " in piece for piece in pieces):
        return [f"{first} {last}" for last, first in zip(pieces[::2], pieces[1::2], strict=True)]
    first = ", ".join(pieces[1:])
    return [f"{_HOMONYM.sub('', first)} {pieces[0]}".strip() + suffix] if pieces else []


def is_group(name: str) -> bool:
    """Return whether a name is that of a group: a collaboration, a consortium, a company."""
    return bool(_GROUP.search(name))


def whole_name(name: str) -> str:
    """Return a name in which `UNBROKEN` joins the words that belong together: those in braces, and a group's."""
    name = name.strip()
    if name.startswith("{") and name.endswith("}"):
        return name.strip("{}").replace(" ", UNBROKEN)
    if _GROUP.search(name):
        return name.replace(" ", UNBROKEN)
    return _BRACED.sub(lambda match: match[1].replace(" ", UNBROKEN), name)


def format_names(people: Sequence[str], most: int = 4) -> str:
    """Return surnames as papers are cited: "Ren, He, Girshick and Sun"; above ``most`` names, "Ren et al."."""
    more = bool(people) and people[-1].lower().strip(". ") in (OTHERS, "et al")
    surnames = [_surname(whole_name(name)) for name in (people[:-1] if more else people)]
    if not surnames:
        return ""
    if more or len(surnames) > max(most, 1):
        return f"{surnames[0]} et al."
    return " and ".join(filter(None, (", ".join(surnames[:-1]), surnames[-1])))


def _surname(name: str) -> str:
    words = [word for word in _AFTER_NAME.sub("", _HOMONYM.sub("", name.strip(" "))).split(" ") if word]
    if not words:
        return name
    first = len(words) - 1
    while first > 1 and words[first - 1].lower() in _PARTICLES:
        first -= 1
    return " ".join(words[first:])
