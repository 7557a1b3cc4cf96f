"""The choice of a summary's excerpt: the beginning, or the sentences that a careful editor would post instead.

The beginning stays unless its first sentence is in a class that must not lead, or does not fit. Then the best run of
whole neighbouring sentences leads: the writer's own TL;DR, then a key idea, then what was found or is proposed, then a
comparison with a number; of equals, the earlier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from digestbot.text.languages import TextSection
from digestbot.text.markdown import Block
from digestbot.text.prose import Sentence, prose
from digestbot.text.sanitization import UNBROKEN
from digestbot.text.sentence_classes import (
    NUMBERING,
    SHORTEST,
    Strength,
    answers,
    claims,
    doubts,
    refers_back,
    strength,
    weakness,
    words_in,
)
from digestbot.text.truncation import ELLIPSIS, truncate

Measure = Callable[[str], int]

MOST_SENTENCES = 80  # of a summary that are considered
_RULES = {
    Strength.TLDR: "the writer's TL;DR",
    Strength.KEY: "the key idea",
    Strength.FINDING: "what was found or proposed",
    Strength.COMPARISON: "a comparison with a number",
    Strength.PLAIN: "the first sentence that says something",
}
_NOT_PROSE = (TextSection.METADATA, TextSection.REFERENCES)
LONGEST_CREDIT = 120  # characters of a line that names authors
LONGEST_NAME = 24  # characters of what is defined by a line such as "Content = activations of a layer"
LEAST_FILLED = 2.5  # the part of the room that whole sentences must fill, or the next one is cut: 1 / this
MOST_WORDS_OF_FORMULA = 9  # in a sentence that is a formula with a remark
MOST_NAME_WORDS = 3  # of the name before a title's colon
_CLAUSE_ENDS = re.compile(
    r"[ \u00a0]*[,;:()–—，；：、]"
    r"|[ \u00a0](?:and|but|which|that|while|where|when|because|so|by|without|with|und|et|y|и)\b"
)
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[\w-]+")
_ARTICLES = frozenset(("a", "an", "the", "in", "on", "we", "it", "i"))
_CALLS = re.compile(
    r"(?:(?:the )?authors?|they|we|he|she|this|it|[A-Z]\w+ et al\.) "
    r"(?:calls?|is called|names?|dubs?|prove[sd]?|show(?:s|ed)? this)\b",
    re.IGNORECASE,
)
_FRAGMENT = re.compile(r"[a-z]{2,}(?![\w-])")  # a lower-case word: the sentence began before it
_LEAD_IN = re.compile(
    r"^.{0,90}?\b(?:the|their|its|one|my) (?:main |key |big |core |most important )?"
    r"(?:take[- ]?aways?|take[- ]home message|upshot|bottom line|lesson|message) (?:here )?"
    r"(?:is|was|seems to be|appears to be|being|here is),? (?:that )?(?=\w)",
    re.IGNORECASE,
)
FEWEST_OF_A_MESSAGE = 5  # words
_SMALL_START = re.compile(r"(?:a|[a-z]{2,}) ")
_CREDIT = re.compile(
    r"^(?:by|von|par|por)\s+[A-ZÀ-Þ][\w.-]*(?:\s+[A-ZÀ-Þ][\w.-]*){0,4}(?:\s*(?:,|and|&|und|et|y)\s|\s*[(,]|\Z)"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen text, the rule that chose it, and the place of its first sentence among all, from 1 on."""

    text: str
    rule: str = ""
    place: int = 0
    total: int = 0

    def __str__(self) -> str:
        """Return the rule and the place, for people."""
        return f"{self.rule}, from sentence {self.place} of {self.total}" if self.place else self.rule


class Excerpt(str):
    """A summary's whole prose as one paragraph, which can also be asked for the best excerpt of a length."""

    __slots__ = ("_beginning", "_mark", "_sentences", "_title")

    _sentences: Sequence[Sentence]
    _title: str
    _beginning: bool
    _mark: str

    @classmethod
    def of(cls, blocks: Sequence[Block], title: str = "", *, beginning: bool = False) -> Excerpt:
        """Return the prose of a summary's blocks. With ``beginning``, an excerpt is always the beginning."""
        sentences = prose(blocks)
        result = cls("".join(one.text + one.joint for one in sentences).strip(" "))
        result._sentences, result._title, result._beginning, result._mark = sentences, title, beginning, ""
        return result

    def marked(self, mark: str) -> Excerpt:
        """Return the same with a mark before it, which is also before each excerpt; empty prose gets none."""
        result = Excerpt(mark + self if self else "")
        result._sentences, result._title, result._beginning = self._sentences, self._title, self._beginning
        result._mark = mark
        return result

    def within(self, most: int, measure: Measure = len) -> Choice:
        """Return the best excerpt that measures at most ``most``."""
        choice = self._chosen(most, measure)
        return replace(choice, text=self._mark + choice.text) if self._mark and choice.text else choice

    def _chosen(self, most: int, measure: Measure) -> Choice:
        if measure(self) <= most and not _has_clutter(self._sentences, self._title):
            return Choice(_capitalized(self.removeprefix(self._mark)))
        if self._beginning:
            return Choice(
                truncate(self.removeprefix(self._mark), most, measure), "the beginning", 1, len(self._sentences)
            )
        return _Chooser(self._sentences, self._title, most, measure).choice


def _is_empty(text: str, title: str) -> bool:
    """Return whether a sentence is no prose: the title again, a credit, a row of metadata, a few signs."""
    words = [word.lower() for word in _WORD.findall(text)]
    if not words or words == [word.lower() for word in _WORD.findall(title)] or text.count(" | ") >= 2:
        return True
    return bool(_CREDIT.match(text) and len(text) < LONGEST_CREDIT)


def _has_clutter(sentences: Sequence[Sentence], title: str) -> bool:
    """Return whether there is something to leave out even if all fits."""
    return any(one.section in _NOT_PROSE or _is_empty(one.text, title) for one in sentences) or (
        len(sentences) > 1 and weakness(sentences[0].text) in ("a note about the text", "a pointer", "a verdict")
    )


def _capitalized(text: str) -> str:
    """Return a text with a capital letter at its beginning, before which a label was."""
    return text[0].upper() + text[1:] if _SMALL_START.match(text) else text


def _without_lead_in(text: str) -> str:
    """Return a sentence without what leads to its message: "To me, the takeaway seems to be that depth helps"."""
    match = _LEAD_IN.match(text)
    if match is None or words_in(text[match.end() :]) < FEWEST_OF_A_MESSAGE:
        return text
    return text[match.end()].upper() + text[match.end() + 1 :]


def _is_formula(text: str) -> bool:
    """Return whether a sentence begins with a formula that is most of it."""
    words = [word for word in text.split(" ") if word]
    return UNBROKEN in words[0] and "=" in words[0] and len(words) < MOST_WORDS_OF_FORMULA


class _Chooser:
    """Chooses the excerpt of one summary for one room."""

    def __init__(self, sentences: Sequence[Sentence], title: str, most: int, measure: Measure) -> None:
        self._all = [one for one in sentences if one.section not in _NOT_PROSE] or sentences
        self._considered = self._all[:MOST_SENTENCES]
        self._title = title
        self._most = most
        self._measure = measure
        self._weak: dict[int, str] = {}

    @cached_property
    def choice(self) -> Choice:
        """The best excerpt."""
        first = next(
            (at for at in range(len(self._considered)) if not _is_empty(self._considered[at].text, self._title)), None
        )
        if first is None:
            return self._cut(0, "the beginning")
        own = next((at for at, one in enumerate(self._considered) if one.section is TextSection.TLDR), None)
        if own is not None and not _is_empty(self._considered[own].text, self._title):
            return self._run(own, Strength.TLDR) or self._cut(own, _RULES[Strength.TLDR])
        if not self._weakness(first, first):
            kept = self._run(first, None)
            if kept is not None:
                return kept
            clause = self._clause(first)
            if clause is not None:
                return clause
        best, power = self._best(first)
        if best is not None and (power or self._weakness(first, first)):
            return best
        at = next((at for at in range(first, len(self._considered)) if self._may_lead(at, first)), first)
        return self._cut(at, "the beginning" if at == first else _RULES[Strength.PLAIN])

    def _weakness(self, at: int, first: int) -> str:
        """Return why a sentence must not lead; "" if it may."""
        if at not in self._weak:
            self._weak[at] = self._why_weak(at, first)
        return self._weak[at]

    def _why_weak(self, at: int, first: int) -> str:
        one = self._considered[at]
        if _without_lead_in(one.text) != one.text:
            return ""
        name = weakness(one.text)
        if name == "a question":
            answered = at + 1 < len(self._considered) and self._fits(at, at + 2)
            return "" if answered and answers(self._considered[at + 1].text) else name
        if name:
            return name
        if one.text.endswith((":", "：")) and not self._fits(at, self._group_end(at)):
            return "an announcement"
        if at + 1 < len(self._considered) and doubts(self._considered[at + 1].text):
            return "a claim that is refuted"
        if _is_formula(one.text) or " = " in one.text[:LONGEST_NAME]:
            return "a formula"
        if one.phrase or (at > first and _FRAGMENT.match(one.text)):
            return "a phrase"
        if one.section is TextSection.BACKGROUND and strength(one.text) < Strength.FINDING:
            return "background"
        least = SHORTEST if at == first or one.item or strength(one.text) else SHORTEST + 3
        if words_in(one.text) < least:
            return "too short"
        if one.item and not one.begins:
            return ""
        if at == first and not self._power(at) and not claims(one.text) and self._introduced_later(at):
            return "background"
        return ""

    def _introduced_later(self, at: int) -> bool:
        """Return whether a later sentence introduces the paper or states a result, as if nothing before had been about
        it."""
        after = range(at + 1, len(self._considered))
        if after and _CALLS.match(self._considered[at + 1].text):
            return False
        return any(self._power(later) > Strength.COMPARISON or self._is_result(later) for later in after)

    def _is_result(self, at: int) -> bool:
        one = self._considered[at]
        return not one.item and strength(one.text) > Strength.PLAIN

    def _may_lead(self, at: int, first: int) -> bool:
        one = self._considered[at]
        if _is_empty(one.text, self._title) or self._weakness(at, first) or (at > first and refers_back(one.text)):
            return False
        return one.section is not TextSection.OPINION or self._considered[first].section is TextSection.OPINION

    def _best(self, first: int) -> tuple[Choice | None, int]:
        """Return the run that begins with the strongest sentence, and how strong that is; of equals, one that fits
        whole, then the earlier."""
        best: Choice | None = None
        highest = (-1, False)
        for at in range(first, len(self._considered)):
            power = self._power(at)
            if (power, True) <= highest or not self._may_lead(at, first):
                continue
            found = self._run(at, power)
            if (power, found is not None) > highest:
                best, highest = found or self._cut(at, _RULES[power]), (power, found is not None)
        return best, highest[0]

    def _power(self, at: int) -> Strength:
        one = self._considered[at]
        if one.section is TextSection.KEY and one.begins:
            return Strength.KEY
        power = strength(one.text)
        return max(power, Strength.FINDING) if self._names_the_work(one.text) else power

    def _names_the_work(self, text: str) -> bool:
        """Return whether a sentence begins with the name that the title gives to the work: "LIME explains …"."""
        name = _NAME.match(text)
        if name is None or name[0].lower() in _ARTICLES:
            return False
        coined = not name[0][1:].islower() and len(name[0]) > 2
        squeezed = "".join(_WORD.findall(self._title.lower()))
        before, colon, _ = self._title.partition(":")
        titled = colon and len(before.split()) <= MOST_NAME_WORDS and text.lower().startswith(before.lower())
        return bool(titled or (coined and "".join(_WORD.findall(name[0].lower())).rstrip("s") in squeezed))

    def _group_end(self, at: int) -> int:
        """Return where what an announcement announces ends: the list after it, or the next sentence."""
        end = at + 1
        while end < len(self._considered) and self._considered[end].item:
            end += 1
        return max(end, min(at + 2, len(self._considered)))

    def _joined(self, start: int, end: int) -> str:
        first = self._considered[start]
        rest = "".join(one.text + one.joint for one in self._considered[start + 1 : end])
        text = f"{_without_lead_in(first.text)}{first.joint}{rest}".strip(" ")
        text = text.removesuffix(";")
        if not self._considered[start].item or end - start == 1 or not self._considered[start + 1].item:
            text = NUMBERING.sub("", text)
        return _capitalized(text)

    def _fits(self, start: int, end: int) -> bool:
        return end <= len(self._considered) and self._measure(self._joined(start, end)) <= self._most

    def _run(self, start: int, power: Strength | None) -> Choice | None:
        """Return the run of whole sentences from one on that fills the room, None if not even that one fits."""
        end = start + 1
        while end < len(self._considered) and self._considered[end - 1].text.endswith((":", "：")):
            end += 1  # an announcement without what it announces says nothing
        if not self._fits(start, end):
            return None
        while end < len(self._considered) and self._continues(start, end) and self._fits(start, end + 1):
            end += 1
        while end > start + 1 and self._considered[end - 1].text.endswith((":", "：")):
            end -= 1
        rule = "the beginning" if power is None else _RULES[power]
        text = self._joined(start, end)
        if (
            self._measure(text) * LEAST_FILLED < self._most
            and end < len(self._considered)
            and self._continues(start, end)
        ):
            return self._cut(start, rule)  # much room is left
        return Choice(text, rule, start + 1, len(self._all))

    def _continues(self, start: int, end: int) -> bool:
        """Return whether a sentence may follow in the run."""
        one = self._considered[end]
        leader = self._considered[start]
        if _is_empty(one.text, self._title) or weakness(one.text) in (
            "a note about the text",
            "a pointer",
            "a verdict",
        ):
            return False
        changes = one.section is not leader.section and one.section in (TextSection.OPINION, TextSection.BACKGROUND)
        return not changes and (
            leader.section is not TextSection.TLDR or one.section is TextSection.TLDR or not one.begins
        )

    def _clause(self, at: int) -> Choice | None:
        """Return a sentence that is too long up to the end of a clause; None if that leaves much of the room."""
        cut = self._cut(at, "the beginning")
        kept = cut.text.removesuffix(ELLIPSIS)
        ends = _CLAUSE_ENDS.match(self._joined(at, at + 1), len(kept)) if cut.text.endswith(ELLIPSIS) else True
        return cut if ends and self._measure(kept) * LEAST_FILLED >= self._most else None

    def _cut(self, at: int, rule: str) -> Choice:
        """Return the sentences from one on, cut to the room."""
        if not self._considered:
            return Choice("")
        text = self._joined(at, len(self._considered))
        return Choice(truncate(text, self._most, self._measure), rule, at + 1, len(self._all))
