"""Truncation of a text at a place where a reader would stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from digestbot.text.graphemes import grapheme_boundaries
from digestbot.text.sanitization import UNBROKEN, sanitize
from digestbot.text.sentences import sentence_ends
from digestbot.text.urls import url_spans

Measure = Callable[[str], int]

ELLIPSIS = "…"
MONSTER = 40  # characters without a space: longer than the words of any language

CLAUSE = re.compile(r"[,;:](?=[ \n])|(?<!\(\d)(?<!\(\d\d)\)(?=[ \n])|(?<=\S)(?= [(–—-] ?)|[，、；：]")
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0003ffff]"
)
_SMALL_WORD = re.compile(
    r"\s(?:\(\d{1,2}\)|a|an|the|of|and|or|but|as|well|that|which|who|whose|to|in|on|at|for|from|with|without|by|is|are|was|were|be|its|"
    r"their|this|these|than|into|such|when|while|where|because|if|not|also|both|between|e\.g\.|i\.e\.|we|they|it|"
    r"der|die|das|den|dem|des|ein|eine|einer|und|oder|dass|zu|von|mit|für|auf|im|in|le|la|les|des|un|une|et|ou|que|qui|de|du|"
    r"en|pour|par|el|los|las|una|y|con|para|и|в|на|с|что|для|по)[,:;]?\s*\Z",
    re.IGNORECASE,
)
MOST_SMALL_WORDS = 4
_DANGLING = f" \t\n,;:–—-(['\"“‘{UNBROKEN}"


def truncate(text: str, most: int, measure: Measure = len) -> str:
    """Return the beginning of the text that measures at most ``most``; a text that fits is returned unchanged.

    The result ends after a sentence if that keeps two fifths of the room, else after a clause if that keeps two thirds,
    else after a word. In the last two cases an ellipsis is added, and counted.

    A word is cut only where its script uses no spaces or where it is longer than `MONSTER`. Such a cut falls between
    two characters as a reader sees them, never inside a URL or a formula. Returns "" where nothing fits.
    """
    return text if measure(text) <= most else head(text, most, measure)[0]


def head(text: str, most: int, measure: Measure, parts: float = 2.5) -> tuple[str, int]:
    """Return the beginning of a text that is too long, and the position at which it ends.

    The end of a sentence is used only if that keeps at least ``1 / parts`` of the room.
    """
    room = _room(text, most, measure)
    for end in reversed(sentence_ends(text[: room + 2])):
        if end <= room and measure(text[:end]) <= most:
            if measure(text[:end]) * parts >= most:
                return text[:end], end
            break
    most_before = most - measure(ELLIPSIS)
    if most_before < 0:
        return "", 0
    room = _room(text, most_before, measure)
    for match in reversed(list(CLAUSE.finditer(text[: room + 1]))):
        if match.end() <= room and _fits(text, match.end(), most_before, measure):
            if measure(text[: match.end()]) * 3 >= most * 2 and not _inside_address(text, match.end()):
                return trimmed(text[: match.end()]) + ELLIPSIS, match.end()
            break
    best = _without_small_words(text, _word_end(text, room))
    while best and not _fits(text, best, most_before, measure):  # half a URL can measure less than the whole
        best = _word_end(text, best - 1)
    if measure(text[:best]) * 3 < most:
        best = next((at for at in _inside_word(text, best, room) if _fits(text, at, most_before, measure)), best)
    kept = trimmed(text[:best])
    return (kept + ELLIPSIS, best) if kept else ("", 0)


def trimmed(text: str) -> str:
    """Return a text without what would dangle before an ellipsis. A closing quotation mark stays with its word."""
    kept = text.rstrip(_DANGLING)
    return kept + '"' if kept and text[len(kept) : len(kept) + 1] == '"' else kept


def _without_small_words(text: str, end: int) -> int:
    """Return the position at which the words before ``end`` end without those that lead on: "as well as the"."""
    for _ in range(MOST_SMALL_WORDS):
        match = _SMALL_WORD.search(text, max(0, end - MONSTER), end)
        if match is None:
            break
        end = match.start()
    return end


def _inside_word(text: str, start: int, room: int) -> Sequence[int]:
    """Return the positions at which the word that begins at ``start`` may be cut, last position first."""
    word = text[start : next_gap(text, start)]
    spaceless = _SPACELESS.search(word)
    if spaceless is None and (len(word) <= MONSTER or UNBROKEN in word):
        return ()
    places = [start + at for at in grapheme_boundaries(word[: room - start + 2]) if at]
    return [
        at
        for at in reversed(places[-MONSTER:])
        if at <= room
        and (spaceless is None or _SPACELESS.search(text[at - 1 : at + 1]))
        and not _inside_address(text, at)
        and _is_harmless(text[max(start, at - 2 * MONSTER) : at], text[at : at + 2 * MONSTER])
    ]


def _is_harmless(before: str, after: str) -> bool:
    """Return whether both sides of a cut are still sanitized. What was inside a word may become a mention or a link at
    the beginning of one."""
    return sanitize(before) == before and sanitize(ELLIPSIS + after) == ELLIPSIS + after


def _inside_address(text: str, at: int) -> bool:
    return any(start < at < end for start, end in url_spans(text[: at + 400]))


def _fits(text: str, at: int, most: int, measure: Measure) -> bool:
    """Return whether the text up to a position fits, not counting what would dangle before an ellipsis."""
    return measure(trimmed(text[:at])) <= most


def _room(text: str, most: int, measure: Measure) -> int:
    """Return the approximate length of the longest beginning that fits.

    A character measures one or two, so the first guess is close. Only a URL or an emoji has more characters than it
    measures.
    """
    at = min(len(text), most)
    if at < len(text) and measure(text[:at]) < most:
        low, high = at, min(len(text), most * 2 + 400)
        while low < high:
            middle = (low + high + 1) // 2
            if _fits(text, middle, most, measure):
                low = middle
            else:
                high = middle - 1
        return low
    while at > 0 and (over := measure(trimmed(text[:at])) - most) > 0:
        at -= max(1, over // 2)
    return max(at, 0)


def _word_end(text: str, at: int) -> int:
    """Return the last end of a word at or before a position; 0 if there is none."""
    while at > 0 and (_is_gap(text[at - 1]) or not _is_gap(text[at : at + 1])):
        at -= 1
    return at


def next_gap(text: str, start: int = 0) -> int:
    """Return the position at which the word that begins at ``start`` ends. Gaps before it are skipped."""
    at = start
    while at < len(text) and _is_gap(text[at]):
        at += 1
    while at < len(text) and not _is_gap(text[at]):
        at += 1
    return at


def _is_gap(char: str) -> bool:
    return char.isspace() and char != UNBROKEN
