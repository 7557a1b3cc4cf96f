"""The division of a text into parts, with all seams chosen together.

A part costs something, a seam costs more the less it is a place at which a reader would pause, and a part that is less
than half full or ends with a heading costs more. The cheapest division is found from its beginning on, by what each
place costs at least.
"""

from __future__ import annotations

import bisect
import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass

from digestbot.text.graphemes import grapheme_boundaries
from digestbot.text.sanitization import UNBROKEN
from digestbot.text.sentences import STOP, sentence_ends
from digestbot.text.truncation import CLAUSE, ELLIPSIS, Measure, head, next_gap, trimmed, truncate
from digestbot.text.urls import url_spans

MOST_PARTS = 99
MOST_ENDS = 24  # seams of each kind that are tried for a part, the last that fit
LONGEST_HEADING = 60  # characters
A_PART, PARAGRAPH, SENTENCE, LINE, A_CLAUSE, A_WORD = 100.0, 0.0, 10.0, 6.0, 70.0, 120.0
HALF_EMPTY, AFTER_HEADING, SLACK, LAST_SLACK = 50.0, 90.0, 15.0, 6.0
_PARAGRAPH_END = re.compile(r"\n{2,}")
_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")
_QUOTED = re.compile(r"“[^”\n]{1,600}”|\"[^\"\n]{1,600}\"|«[^»\n]{1,600}»|„[^“”\n]{1,600}[“”]|「[^」\n]{1,300}」")


@dataclass(frozen=True, slots=True)
class _Step:
    """The cheapest way to a position: its cost, and the position where its last part begins."""

    cost: float
    start: int
    broken: bool  # the part ends within a sentence


def split(
    text: str,
    room: int,
    measure: Measure,
    *,
    first: int,
    last: int | None = None,
    whole: bool = False,
    most: int = MOST_PARTS,
) -> list[str]:
    """Return the text in parts, each within its room: ``first`` for the first, ``last`` for the last (``room`` if it
    is None), ``room`` for the others.

    Seams are between paragraphs, lines and sentences, else between clauses, with an ellipsis on both sides. None is
    inside a quotation, a formula or a URL. With ``whole``, a paragraph that fits a part is never divided. What remains
    after ``most`` parts is left out; the last one then ends at a sentence where possible.
    """
    text = text.strip()
    if not text:
        return []
    last = room if last is None else last
    parts = _Splitter(text, room, measure, first, last, whole=whole).parts()
    if len(parts) <= most:
        return [part for _, part in parts]
    rest = text[parts[most - 1][0] :].strip()
    return [*(part for _, part in parts[: most - 1]), truncate(rest, last if most > 1 else min(first, last), measure)]


class _Splitter:
    """Finds the cheapest division of one text."""

    def __init__(self, text: str, room: int, measure: Measure, first: int, last: int, *, whole: bool) -> None:
        self._text, self._measure = text, measure
        self._room, self._first, self._last = room, first, last
        self._whole = whole
        self._costs = _seams(text)
        self._places = sorted(self._costs)
        self._paragraphs = [at for at in self._places if self._costs[at] == PARAGRAPH]
        self._ellipsis = measure(ELLIPSIS)

    def parts(self) -> list[tuple[int, str]]:
        """Return the parts, each with the position at which it begins."""
        steps = self._steps()
        results: list[tuple[int, str]] = []
        at = len(self._text)
        while at > 0:
            step = steps[at]
            results.append((step.start, self._part(step.start, at, begun=steps[step.start].broken, broken=step.broken)))
            at = step.start
        return [(start, part) for start, part in reversed(results) if part]

    def _steps(self) -> dict[int, _Step]:
        """Return the cheapest way to each position that one leads to."""
        steps = {0: _Step(0.0, 0, broken=False)}
        ahead, done = [0], set()
        while ahead:
            start = heapq.heappop(ahead)
            if start in done or start == len(self._text):
                continue
            done.add(start)
            before = steps[start]
            for end, cost, broken in self._ends(start, begun=before.broken):
                step = _Step(before.cost + A_PART + cost, start, broken)
                if end not in steps or step.cost < steps[end].cost:
                    steps[end] = step
                heapq.heappush(ahead, end)
        return steps

    def _ends(self, start: int, *, begun: bool) -> Iterator[tuple[int, float, bool]]:
        """Yield where a part that begins at a position may end, what that costs, and whether it ends in a sentence."""
        most = (self._room if start else self._first) - (self._ellipsis if begun else 0)
        final = (self._last if start else min(self._first, self._last)) - (self._ellipsis if begun else 0)
        if len(self._text) - start <= self._reach(most) and self._fits(start, len(self._text), final):
            fill = self._measure(self._text[start:].strip()) / max(1, final)
            yield len(self._text), LAST_SLACK * (1 - fill) ** 2, False
            return
        places = self._paragraphs if self._whole else self._places
        furthest = self._furthest(places, start, most)
        if furthest < 0 and self._whole:
            places = self._places
            furthest = self._furthest(places, start, most)
        least = bisect.bisect_right(places, start)
        found = False
        for index in range(furthest, max(least, furthest + 1 - MOST_ENDS) - 1, -1):
            end = places[index]
            broken = self._costs[end] == A_CLAUSE
            if broken and not self._fits(start, end, most - self._ellipsis):
                continue
            found = True
            fill = (end - start) / max(1, places[furthest] - start)
            yield end, self._cost(start, end, fill), broken
        if not found:
            least_room = min(most, final) if self._fits(start, len(self._text), most) else most
            yield self._forced(start, least_room, begun=begun)

    def _cost(self, start: int, end: int, fill: float) -> float:
        cost = self._costs[end] + SLACK * (1 - fill) ** 2
        if self._measure(self._text[start:end].strip()) * 2 < self._room:
            cost += HALF_EMPTY
        return cost + (AFTER_HEADING if _is_heading(self._text[start:end].strip()) else 0.0)

    def _forced(self, start: int, most: int, *, begun: bool) -> tuple[int, float, bool]:
        """Return the end of a part within a sentence. A formula or a URL that fits no part is left out."""
        reach = self._text[start : start + self._reach(most)]
        kept, end = head(reach, most, self._measure, 4)
        if not kept:
            cut = self._inside_word(reach, most) if begun else 0
            return (start + cut, A_WORD, True) if cut else (start + max(1, next_gap(reach)), A_WORD, False)
        end += len(reach[end:]) - len(reach[end:].lstrip())
        return start + end, A_WORD, kept.endswith(ELLIPSIS)

    def _inside_word(self, reach: str, most: int) -> int:
        """Return where a word that is already broken may be broken again; 0 for nowhere."""
        word = reach[: next_gap(reach)]
        if UNBROKEN in word or next(url_spans(word), None):
            return 0
        fits = (
            at for at in grapheme_boundaries(word[:most]) if at and self._measure(word[:at]) + self._ellipsis <= most
        )
        return max(fits, default=0)

    def _reach(self, most: int) -> int:
        return most * 4 + 5000

    def _fits(self, start: int, end: int, most: int) -> bool:
        return self._measure(self._text[start:end].strip()) <= most

    def _furthest(self, places: list[int], start: int, most: int) -> int:
        """Return the index of the last place up to which the text fits, -1 if none does."""
        low = bisect.bisect_right(places, start)
        high = bisect.bisect_right(places, start + self._reach(most)) - 1
        if low > high or not self._fits(start, places[low], most):
            return -1
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(start, places[middle], most):
                low = middle
            else:
                high = middle - 1
        return low

    def _part(self, start: int, end: int, *, begun: bool, broken: bool) -> str:
        text = self._text[start:end].strip()
        most = (self._room if start else self._first) if end < len(self._text) else self._last
        most -= self._ellipsis if begun else 0
        if self._measure(text) > most:  # a forced end: as much of it as fits
            text = head(self._text[start:], most, self._measure, 4)[0]
        elif broken:
            text = trimmed(text) + ELLIPSIS
        return ELLIPSIS + text if begun and text else text


def _seams(text: str) -> dict[int, float]:
    """Return the places at which a text may be divided, and what each costs."""
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    results: dict[int, float] = {}
    for match in CLAUSE.finditer(text):
        results[match.end()] = A_CLAUSE
    for end in sentence_ends(text):
        results[end] = SENTENCE
    for match in _LINE_END.finditer(text):
        results[match.start()] = LINE
    for match in _PARAGRAPH_END.finditer(text):
        results[match.start()] = PARAGRAPH
    inside, at = [], 0
    for place in sorted(results):
        while at < len(quoted) and quoted[at][1] <= place:
            at += 1
        in_quotes = at < len(quoted) and quoted[at][0] < place
        in_formula = text[place : place + 1] == UNBROKEN or text[place - 1 : place] == UNBROKEN
        if in_quotes or in_formula or place in (0, len(text)):
            inside.append(place)
    for place in inside:
        del results[place]
    return results


def _is_heading(text: str) -> bool:
    """Return whether the last paragraph is one short line without final punctuation: what it announces comes after
    it."""
    final = text.rpartition("\n\n")[2]
    return not (
        "\n" in final or UNBROKEN in final or final == text or len(final) >= LONGEST_HEADING or STOP.search(final[-2:])
    )
