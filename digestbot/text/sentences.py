"""The ends of sentences, in the languages that summaries are written in."""

from __future__ import annotations

import re

from digestbot.text.languages import alternatives
from digestbot.text.sanitization import UNBROKEN

STOP = re.compile(r"(?:(?P<wide>[。！？｡．।॥۔؟])|[.!?…]+)[\"'”’»)\]」』）]*")
_GAP = re.compile(rf"[^\S{UNBROKEN}]+")
# A full stop after one of these does not end a sentence, unless a word follows with which only a sentence begins.
_MAY_END = re.compile(rf"(?:\b(?i:{alternatives('may_end')})|\b(?:[A-Z]\.){{2,}}|\b[A-Z]|\b[A-Z]\.(?:\s?[A-Z]\.)+)\.?$")
_ABBREVIATION = re.compile(
    rf"(?:\b(?i:{alternatives('abbreviations')})|\b[A-ZÀ-ÞА-Я]|\b(?:[A-Za-zА-Яа-я]\.\s?)+[A-Za-zА-Яа-я])\.$"
)
# A full stop after one of these does not end a sentence if a number or a bracket follows.
_NUMBERED = re.compile(rf"\b(?i:{alternatives('numbered')})\.$")
_ENUMERATION = re.compile(r"(?:^|[\n:;.?!(]|\b(?:and|or|und|et|y|и))\s*\(?\d{1,2}\.$")
_LAST_WORD = re.compile(r"[^\W\d_]+\Z")
_SHORT = frozenset(f"{alternatives('abbreviations')}|{alternatives('numbered')}|inc|ff|usw".split("|"))
_LETTER = re.compile(r"\b[^\W\d_]\.$")  # "z. B.", "p. ej.", "т. е."
_SECOND = re.compile(r"[^\W\d_]{1,2}\.")
_DAY = re.compile(r"\b\d{1,2}\.$")
_MONTH = re.compile(
    r"\s(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Jh\.|Jahrhundert)"
)
_ITEM = re.compile(r"^(?:[•☐☑]|\d{1,3}\.) .*$", re.MULTILINE)
# Words that, with a capital, hardly stand within a sentence.
STARTERS = (
    "The|It|They|We|This|These|Those|That|There|Here|In|On|At|For|To|From|With|As|An|But|And|So|Then|However|Moreover"
    "|Furthermore|Therefore|If|When|While|Since|Also|Our|Their|Its|He|She|His|Her|One|All|Each|Both|Finally|Thus|Hence"
    "|Note|Using|By|What|Why|How|Which|Results|Experiments|Authors|No|Not|Some|Most|Many|Another|Other|Overall|Although"
    "|Unlike|Instead|Compared|You|My|Because|After|Before|Not|Only|Here|Even|Such|Their"
)
_BEGINS = re.compile(rf"(?:{STARTERS})\b")


def sentence_ends(text: str) -> list[int]:
    """Return the positions at which the sentences of a text end, including those of list items."""
    ends = {match.end() for match in _ITEM.finditer(text) if "\n" in text[match.end() : match.end() + 1]}
    for match in STOP.finditer(text):
        if match["wide"]:
            ends.add(match.end())
            continue
        gap = _GAP.match(text, match.end())
        if gap is None:
            if match.end() == len(text):
                ends.add(match.end())
            continue
        following = text[gap.end() : gap.end() + 24]
        if "\n" not in gap[0] and following[:1].islower():
            continue
        if match[0].startswith(".") and not match[0].startswith("..") and not _ends(text, match.start(), following):
            continue
        ends.add(match.end())
    return sorted(ends)


def _ends(text: str, stop: int, following: str) -> bool:
    """Return whether the full stop at a position ends a sentence that ``following`` does not continue."""
    word = _LAST_WORD.search(text, max(0, stop - 24), stop)
    if word is None and not text[stop - 1 : stop].isdigit():
        return True
    if word and len(word[0]) > 1 and word[0].lower() not in _SHORT:
        return True
    before = text[max(0, stop - 24) : stop + 1]
    if _ENUMERATION.search(before) or (_DAY.search(before) and _MONTH.match(f" {following}")):
        return False
    if _LETTER.search(before) and _SECOND.match(following):
        return False
    if _ABBREVIATION.search(before):
        return bool(_MAY_END.search(before) and _BEGINS.match(following))
    return not (_NUMBERED.search(before) and (following[:1].isdigit() or following[:1] in "(["))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without the white space between them; what follows the last end is one too."""
    results, start = [], 0
    for end in [*sentence_ends(text), len(text)]:
        if piece := text[start:end].strip():
            results.append(piece)
        start = end
    return results
