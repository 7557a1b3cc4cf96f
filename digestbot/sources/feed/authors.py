"""The authors of a feed's entries: names only, never an e-mail address."""

from __future__ import annotations

import re
from typing import Any

from digestbot.text import split_names

_BRACKETED = re.compile(r"\(([^()]{1,200})\)")
_MAIL = re.compile(r"<?(?:mailto:)?[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}>?")
_AFFILIATION = re.compile(r"\s*\([^()]{0,500}\)")
_NAME_FIRST = re.compile(r"[^,]*\S \S[^,]*")
MOST_AUTHORS = 5_000
MOST_NESTED = 3  # parentheses within each other
ANONYMOUS = ("anonymous", "noreply", "no reply", "nobody")


def person_name(text: str) -> str:
    """Return the name in one author element; empty where it has none.

    RSS 2.0 writes "mail@host (Name)", other feeds "Name <mail@host>" or "Name (mail@host)". An address is never shown.
    """
    text = " ".join(text.split())
    if "@" in text:
        name = next((one for one in _BRACKETED.findall(text) if "@" not in one), "")
        text = name or _MAIL.sub(" ", text)
        if "@" in text:
            return ""
        text = re.sub(r"\(\s*\)", " ", text)
        text = " ".join(text.split())
    text = text.strip(" ,;<>\"'")
    return "" if text.lower() in ANONYMOUS else text


def entry_names(entry: dict[str, Any]) -> list[str]:
    """Return the text of each author element of a feedparser entry, in order. Several names may be in one of them."""
    given = dict.get(entry, "authors") or []
    several = len(given) > 1
    texts = [_rejoined(one) for one in given[:MOST_AUTHORS]] if several else []
    return [name for name in map(person_name, texts or [str(dict.get(entry, "author") or "")]) if name]


def _rejoined(author: dict[str, Any]) -> str:
    """Return an author's name. feedparser cuts "mail@host.example (Name)" after "exam", and takes the rest for one."""
    name = str(author.get("name") or "")
    return f"{author.get('email') or ''}{name})" if name.count("(") > name.count(")") else name


def paper_authors(entry: dict[str, Any], *, plain_commas: bool) -> tuple[str, ...]:
    """Return the authors of the paper that an entry is about, in reading order.

    ``plain_commas``: commas are only ever between people, as in arXiv's feeds ("Ada Example, Chen Wei").
    """
    results: list[str] = []
    for text in entry_names(entry):
        for _ in range(MOST_NESTED):
            text = _AFFILIATION.sub("", text)
        pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
        if plain_commas or (len(pieces) == 2 and all(map(_NAME_FIRST.fullmatch, pieces)) and "." not in pieces[1]):
            results += pieces
        else:
            results += split_names(text)
    return tuple(dict.fromkeys(results))
