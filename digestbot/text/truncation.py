"""Truncation of a text, or its division into parts, at places where a reader would stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from digestbot.text.graphemes import grapheme_boundaries
from digestbot.text.sanitization import UNBROKEN, sanitize
from digestbot.text.urls import url_spans

Measure = Callable[[str], int]

ELLIPSIS = "…"
MONSTER = 40  # characters without a space: longer than the words of any language
MOST_PARTS = 99
_LONGEST_URL = 5000

_STOP = re.compile(r"(?:(?P<wide>[。！？｡．])|[.!?…]+)[\"'”’»)\]」』）]*")
_GAP = re.compile(rf"[^\S{UNBROKEN}]+")
_CLAUSE = re.compile(r"[,;:)](?=[ \n])|(?<=\S)(?= [(–—-] ?)|[，、；：]")
# A full stop after these does not end a sentence; after those of the second list, that is so only before a number or
# a bracket.
_ABBREVIATION = re.compile(
    r"(?:\b(?i:al|approx|ca|cf|dr|etc|jr|mr|mrs|ms|prof|resp|sr|st|viz|vs)|\b[A-Z]|\b(?:[A-Za-z]\.)+[A-Za-z])\.$"
)
_NUMBERED = re.compile(
    r"\b(?i:alg|app|ch|def|eq|eqn|eqs|ex|fig|figs|lem|no|nos|p|pp|prop|ref|refs|sec|sect|tab|thm|vol)\.$"
)
_ENUMERATION = re.compile(r"(?:^|\n)\s*\(?\d{1,3}\.$")
_ITEM = re.compile(r"^(?:•|\d{1,3}\.) .*$", re.MULTILINE)
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0003ffff]"
)
_DANGLING = f" \t\n,;:–—-(['\"“‘{UNBROKEN}"


def sentence_ends(text: str) -> list[int]:
    """Return the positions at which the sentences of a text end, including those of list items."""
    ends = {match.end() for match in _ITEM.finditer(text) if "\n" in text[match.end() : match.end() + 1]}
    for match in _STOP.finditer(text):
        if match["wide"]:
            ends.add(match.end())
            continue
        gap = _GAP.match(text, match.end())
        if gap is None:
            if match.end() == len(text):
                ends.add(match.end())
            continue
        following = text[gap.end() : gap.end() + 1]
        if "\n" not in gap[0] and following.islower():
            continue
        if match[0].startswith(".") and not match[0].startswith(".."):
            before = text[max(0, match.start() - 24) : match.start() + 1]
            if _ABBREVIATION.search(before) or _ENUMERATION.search(before):
                continue
            if _NUMBERED.search(before) and (following.isdigit() or following in "(["):
                continue
        ends.add(match.end())
    return sorted(ends)


def truncate(text: str, most: int, measure: Measure = len) -> str:
    """Return the beginning of the text that measures at most ``most``; a text that fits is returned unchanged.

    The result ends after a sentence if that keeps two fifths of the room, else after a clause if that keeps two thirds,
    else after a word. In the last two cases an ellipsis is added, and counted.

    A word is cut only where its script uses no spaces or where it is longer than `MONSTER`. Such a cut falls between
    two characters as a reader sees them, never inside a URL or a formula. Returns "" where nothing fits.
    """
    return text if measure(text) <= most else _head(text, most, measure)[0]


def split(text: str, room: int, measure: Measure, *, first: int, whole: bool = False) -> list[str]:
    """Return the text in parts, each within its room: ``first`` for the first, ``room`` for the others.

    Parts end with a paragraph or a sentence. A sentence that is longer than a part is broken where `truncate` would end
    it. With ``whole``, a paragraph that fits a part is never broken. What remains after `MOST_PARTS` parts is left out.
    """
    parts: list[str] = []
    rest = text.strip()
    while rest and len(parts) < MOST_PARTS:
        most = room if parts else first
        if len(rest) <= most * 4 + _LONGEST_URL and measure(rest) <= most:
            parts.append(rest)
            break
        head, end = _paragraphs(rest, most, measure, 1 if whole else most * 3 // 5)
        if not head:
            head, end = _head(rest, most, measure, 4)  # a short part is better than a broken sentence
        if not head:  # a formula or a URL that fits no part is left out
            end = _next_gap(rest)
        else:
            parts.append(head)
        broken = head.endswith(ELLIPSIS) and not rest[:end].rstrip().endswith(ELLIPSIS)
        rest = rest[end:].strip()
        if broken and rest:
            rest = ELLIPSIS + rest
    return parts


def _paragraphs(text: str, most: int, measure: Measure, least: int) -> tuple[str, int]:
    """Return as many paragraphs as fit, and the position at which they end.

    Return "" and 0 if they measure less than ``least``, or would end with a heading.
    """
    ends = [match.start() for match in re.finditer(r"\n{2,}", text[: _room(text, most, measure) + 2])]
    for end in reversed(ends):
        kept = text[:end].rstrip()
        if measure(kept) <= most:
            return (kept, end) if measure(kept) >= least and not _is_heading(kept) else ("", 0)
    return "", 0


def _is_heading(text: str) -> bool:
    """Return whether the last paragraph is one short line without final punctuation: what it announces comes after
    it."""
    last = text.rpartition("\n\n")[2]
    return not ("\n" in last or UNBROKEN in last or last == text or len(last) >= 60 or _STOP.search(last[-2:]))


def _head(text: str, most: int, measure: Measure, parts: float = 2.5) -> tuple[str, int]:
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
    for match in reversed(list(_CLAUSE.finditer(text[: room + 1]))):
        if match.end() <= room and _fits(text, match.end(), most_before, measure):
            if measure(text[: match.end()]) * 3 >= most * 2 and not _inside_address(text, match.end()):
                return text[: match.end()].rstrip(_DANGLING) + ELLIPSIS, match.end()
            break
    best = _word_end(text, room)
    while best and not _fits(text, best, most_before, measure):  # half a URL can measure less than the whole
        best = _word_end(text, best - 1)
    if measure(text[:best]) * 3 < most:
        best = next((at for at in _inside_word(text, best, room) if _fits(text, at, most_before, measure)), best)
    kept = text[:best].rstrip(_DANGLING)
    return (kept + ELLIPSIS, best) if kept else ("", 0)


def _inside_word(text: str, start: int, room: int) -> Sequence[int]:
    """Return the positions at which the word that begins at ``start`` may be cut, last position first."""
    word = text[start : _next_gap(text, start)]
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
    return measure(text[:at].rstrip(_DANGLING)) <= most


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
    while at > 0 and (over := measure(text[:at].rstrip(_DANGLING)) - most) > 0:
        at -= max(1, over // 2)
    return max(at, 0)


def _word_end(text: str, at: int) -> int:
    """Return the last end of a word at or before a position; 0 if there is none."""
    while at > 0 and (_is_gap(text[at - 1]) or not _is_gap(text[at : at + 1])):
        at -= 1
    return at


def _next_gap(text: str, start: int = 0) -> int:
    """Return the position at which the word that begins at ``start`` ends. Gaps before it are skipped."""
    at = start
    while at < len(text) and _is_gap(text[at]):
        at += 1
    while at < len(text) and not _is_gap(text[at]):
        at += 1
    return at


def _is_gap(char: str) -> bool:
    return char.isspace() and char != UNBROKEN
