"""Shortening a text, or splitting it into parts, at places where a reader would stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from digestbot.text.addresses import spans
from digestbot.text.characters import boundaries
from digestbot.text.safety import UNBROKEN, harmless

Measure = Callable[[str], int]

ELLIPSIS = "…"
MONSTER = 40  # characters without a space: no word of a language
MOST_PARTS = 99
_LONGEST_URL = 5000

_STOP = re.compile(r"(?:(?P<wide>[。！？｡．])|[.!?…]+)[\"'”’»)\]」』）]*")
_GAP = re.compile(rf"[^\S{UNBROKEN}]+")
_CLAUSE = re.compile(r"[,;:)](?=[ \n])|(?<=\S)(?= [(–—-] ?)|[，、；：]")
# A full stop after these ends no sentence; after those of the second list only before a number.
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
    """Where the sentences of a text end, those of its list items too."""
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


def cut(text: str, most: int, measure: Measure = len) -> str:
    """The beginning of the text that measures at most ``most``.

    Ends after a sentence where that keeps two fifths of the room, else after a clause that keeps two thirds of it, else
    after a word, with an ellipsis that is counted. A word is cut only where its script sets no spaces or where it is a
    monster, and then between two characters, never inside one, an address or a formula. Gives "" where nothing fits. A
    text that fits comes back as it is.
    """
    return text if measure(text) <= most else _head(text, most, measure)[0]


def split(text: str, room: int, measure: Measure, *, first: int, whole: bool = False) -> list[str]:
    """The text in parts, none over its room: ``first`` for the first, ``room`` for the others.

    Parts end with a paragraph or a sentence; a sentence that is longer than a part is broken as `cut` does it. With
    ``whole``, a paragraph that fits a part is never broken. What is over after so many parts as nobody reads is left
    out.
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
            head, end = _head(rest, most, measure, 4)  # rather a short part than a broken sentence
        if not head:  # a formula or an address that no part holds
            end = _next_gap(rest)
        else:
            parts.append(head)
        broken = head.endswith(ELLIPSIS) and not rest[:end].rstrip().endswith(ELLIPSIS)
        rest = rest[end:].strip()
        if broken and rest:
            rest = ELLIPSIS + rest
    return parts


def _paragraphs(text: str, most: int, measure: Measure, least: int) -> tuple[str, int]:
    """As many paragraphs as fit, if they measure so much, and where they end."""
    ends = [match.start() for match in re.finditer(r"\n{2,}", text[: _room(text, most, measure) + 2])]
    for end in reversed(ends):
        kept = text[:end].rstrip()
        if measure(kept) <= most:
            return (kept, end) if measure(kept) >= least and not _is_heading(kept) else ("", 0)
    return "", 0


def _is_heading(text: str) -> bool:
    """Whether the last paragraph is one short line without an end: what it announces comes after it."""
    last = text.rpartition("\n\n")[2]
    return not ("\n" in last or UNBROKEN in last or last == text or len(last) >= 60 or _STOP.search(last[-2:]))


def _head(text: str, most: int, measure: Measure, parts: float = 2.5) -> tuple[str, int]:
    """The beginning of a text that is too long, and how much of the text that is. A sentence's end has to keep one of
    so many parts of the room."""
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
    while best and not _fits(text, best, most_before, measure):  # half an address can weigh less than the whole
        best = _word_end(text, best - 1)
    if measure(text[:best]) * 3 < most:
        best = next((at for at in _inside_word(text, best, room) if _fits(text, at, most_before, measure)), best)
    kept = text[:best].rstrip(_DANGLING)
    return (kept + ELLIPSIS, best) if kept else ("", 0)


def _inside_word(text: str, start: int, room: int) -> Sequence[int]:
    """Where the word that begins there may be cut, the last place first."""
    word = text[start : _next_gap(text, start)]
    spaceless = _SPACELESS.search(word)
    if spaceless is None and (len(word) <= MONSTER or UNBROKEN in word):
        return ()
    places = [start + at for at in boundaries(word[: room - start + 2]) if at]
    return [
        at
        for at in reversed(places[-MONSTER:])
        if at <= room
        and (spaceless is None or _SPACELESS.search(text[at - 1 : at + 1]))
        and not _inside_address(text, at)
        and _is_harmless(text[max(start, at - 2 * MONSTER) : at], text[at : at + 2 * MONSTER])
    ]


def _is_harmless(before: str, after: str) -> bool:
    """Whether both sides of a cut are still harmless: what was inside a word may mention or link at its beginning."""
    return harmless(before) == before and harmless(ELLIPSIS + after) == ELLIPSIS + after


def _inside_address(text: str, at: int) -> bool:
    return any(start < at < end for start, end in spans(text[: at + 400]))


def _fits(text: str, at: int, most: int, measure: Measure) -> bool:
    """Whether the text up to there fits, without what would dangle before an ellipsis."""
    return measure(text[:at].rstrip(_DANGLING)) <= most


def _room(text: str, most: int, measure: Measure) -> int:
    """About the longest beginning that fits. A character weighs one or two, so the first guess is near; only an
    address or an emoji is longer than it weighs."""
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
    """The last end of a word at or before there; 0 if none."""
    while at > 0 and (_is_gap(text[at - 1]) or not _is_gap(text[at : at + 1])):
        at -= 1
    return at


def _next_gap(text: str, start: int = 0) -> int:
    """Where the word ends that begins there."""
    at = start
    while at < len(text) and _is_gap(text[at]):
        at += 1
    while at < len(text) and not _is_gap(text[at]):
        at += 1
    return at


def _is_gap(char: str) -> bool:
    return char.isspace() and char != UNBROKEN
