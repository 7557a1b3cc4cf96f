"""Shortening a text at a place where a reader would stop."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"
_WORD_END = re.compile(r"(?<=\S)(?=\s)")
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
    if most < measure(ELLIPSIS):
        return ""
    ends = [match.start() for match in _WORD_END.finditer(text, 0, most * 12 + 400)]
    best = _last_fitting(text, ends, most, measure)
    for match in reversed(list(_SENTENCE_END.finditer(text, 0, best + 1))):
        kept = text[: match.end()]
        if match.end() > best or _ABBREVIATION.search(kept):
            continue
        if measure(kept) * 2 >= most:
            return kept
        break
    if measure(text[:best]) * 3 < most:
        word = _WORD.match(text, best)
        if word and (len(word[0]) > MONSTER or _SPACELESS.search(word[0])):
            inside = [at for at in range(best + 1, min(word.end(), best + most)) if _between_characters(text, at)]
            best = max(best, _last_fitting(text, inside, most, measure))
    kept = text[:best].rstrip(_DANGLING)
    return kept + ELLIPSIS if kept else ""


def _last_fitting(text: str, ends: list[int], most: int, measure: Callable[[str], int]) -> int:
    """The last of the places up to which the text fits together with an ellipsis; 0 if none."""
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if measure(text[: ends[middle]].rstrip(_DANGLING) + ELLIPSIS) <= most:
            low = middle + 1
        else:
            high = middle
    return ends[low - 1] if low else 0


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
