"""Shortening a text at a place where a reader would stop."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"
_SENTENCE_END = re.compile(r"[.!?。！？][\"'”’)\]]*(?=\s)|[。！？]")
# A full stop after these, or after an initial, ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?i:al|approx|cf|ch|dr|e\.g|eq|eqs|etc|fig|figs|i\.e|mr|mrs|no|nos|pp|prof|ref|refs|resp|sec|st|"
    r"tab|vol|vs|w\.r\.t)|\b[A-Z])\.$"
)
_WORD = re.compile(r"\s*\S+")
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0003ffff]"
)
MONSTER = 40  # characters without a space: no word of a language
_DANGLING = " \t\n,;:–—-(["


def cut(text: str, most: int, measure: Callable[[str], int] = len) -> str:
    """The beginning of the text that measures at most ``most``.

    Ends after a sentence where that keeps at least half the room, else after a word with an ellipsis that is
    counted. A word is cut only where its script sets no spaces or where it is a monster, and then between two
    characters, never inside one. Gives "" where nothing fits. A text that fits comes back as it is.
    """
    if measure(text) <= most:
        return text
    most_before = most - measure(ELLIPSIS)
    if most_before < 0:
        return ""
    room = _room(text, most_before, measure)
    best = _word_end(text, room)
    while best and not _fits(text, best, most_before, measure):  # half an address can weigh less than the whole
        best = _word_end(text, best - 1)
    for match in reversed(list(_SENTENCE_END.finditer(text, 0, best + 1))):
        kept = text[: match.end()]
        if match.end() > best or _ABBREVIATION.search(kept[-12:]):
            continue
        if measure(kept) * 2 >= most:
            return kept
        break
    if measure(text[:best]) * 3 < most:
        word = _WORD.match(text, best)
        if word and (len(word[0]) > MONSTER or _SPACELESS.search(word[0])):
            inside = range(min(word.end() - 1, room), best, -1)
            best = next(
                (at for at in inside if _between_characters(text, at) and _fits(text, at, most_before, measure)), best
            )
    kept = text[:best].rstrip(_DANGLING)
    return kept + ELLIPSIS if kept else ""


def _fits(text: str, at: int, most: int, measure: Callable[[str], int]) -> bool:
    """Whether the text up to there fits, without what would dangle before an ellipsis."""
    return measure(text[:at].rstrip(_DANGLING)) <= most


def _room(text: str, most: int, measure: Callable[[str], int]) -> int:
    """About the longest beginning that fits: no character weighs less than one, but an address may."""
    low, high = 0, min(len(text), most * 2 + 400)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(text, middle, most, measure):
            low = middle
        else:
            high = middle - 1
    return low


def _word_end(text: str, at: int) -> int:
    """The last end of a word at or before there; 0 if none."""
    while at > 0 and (text[at - 1].isspace() or not text[at : at + 1].isspace()):
        at -= 1
    return at


def _between_characters(text: str, at: int) -> bool:
    """Whether a reader sees two characters here, not one made of several code points."""
    after = text[at]
    return not (
        unicodedata.combining(after)
        or unicodedata.category(after) in ("Mn", "Me", "Mc")
        or after in "\u200d\ufe0f\u20e3"
        or text[at - 1] == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or ("\U0001f1e6" <= after <= "\U0001f1ff" and "\U0001f1e6" <= text[at - 1] <= "\U0001f1ff")
    )
