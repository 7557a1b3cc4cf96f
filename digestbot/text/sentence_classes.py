"""What a sentence of a summary is good for, by the words in it: what must not lead a post, and what should.

The words are in `languages`.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from digestbot.text.languages import pattern
from digestbot.text.languages.word_pattern import WordPattern


class Strength(IntEnum):
    """How good a sentence is as the beginning of an excerpt; a higher one wins."""

    PLAIN = 0
    COMPARISON = 1
    FINDING = 2
    KEY = 3
    TLDR = 4


# what must not lead, each class with its name
_CLASSES = {
    "a note about the text": pattern("notes"),
    "a verdict": pattern("verdicts"),
    "background": pattern("background"),
    "a topic": pattern("topics"),
    "a pointer": pattern("pointers"),
    "a caveat": pattern("caveats"),
}
_ANY_CLASS = pattern("notes", "verdicts", "background", "topics", "pointers", "caveats")
_QUESTION = re.compile(r"[?？؟][\"'”’»)\]」』）]*$")
_DOUBTS, _ANSWERS, _REFERS_BACK = pattern("doubts"), pattern("answers"), pattern("refers_back")
_KEY, _FINDING, _COMPARES, _CHANGES = pattern("key"), pattern("findings"), pattern("compares"), pattern("changes")
_NUMBER = re.compile(
    r"\d|\b(?:twice|half|halves|double|tenfold|threefold|two|three|four|five|six|nine|ten|twenty|hundred|thousand)\b"
    r"|[一二三四五六七八九十百千万]+(?:倍|分之)",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\d[\d.,]*\s?(?:%|٪|x\b|×|times|fold|percent|points?|pp\b|ms\b|s\b|hours?|minutes?|seconds?|days?|dB|AP\b|BLEU|FID|"
    r"mAP|AUC|Punkte|K\b|倍|个百分点|ポイント|分の)"
    r"|\b(?:AUC|FID|AP|mAP|BLEU|HR|OR|RR|error|accuracy|dice|F1|MAE|RMSE|IoU|mIoU)\s?(?:of|is|=|was|:|达到)?\s?\d"
    r"|\b[rpn]\s?[=<>]\s?\d"
    r"|\bin (?:fewer|less|more) than\b|\b(?:half|twice|third|quarter|tenfold|threefold|sixteenfold)\b",
    re.IGNORECASE,
)
_RESULT_SHAPE = WordPattern(
    [
        r"\b(?:without|suffices?|enough|no (?:harder|worse|better|longer|effect|loss)|did not|does not|can be)\b",
        r"\b(?:equals?|matches|determin\w*|allows?|lets?|enables?|removes?|beats?|predicts?|learns?|solves?|speeds?|makes?)\b",
        r"\b(?:reach|reaches|reached|gives?|keeps?|turns?|identical|impossible|optimal|for the first time|first)\b",
    ]
)
FEWEST_OF_A_FINDING = 6  # words
_SPACELESS = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
NUMBERING = re.compile(r"^\(\d{1,3}\) ")
LONGEST = 600  # characters of a sentence that are looked at
SHORTEST = 4  # words of a sentence that says something


def words_in(text: str) -> int:
    """Return the number of words of a text; in a script without spaces, two characters count as one."""
    return max(len(text.split()), len(_SPACELESS.findall(text)) // 2)


@lru_cache(maxsize=8192)
def weakness(sentence: str) -> str:
    """Return the name of the class of sentences that must not lead a post which this one belongs to; "" for none."""
    words = sentence[:LONGEST].strip("\"'“”‘’«»()[] \u00a0")
    for name, members in _CLASSES.items() if _ANY_CLASS.search(words) else ():
        if members.search(words) and not (name in ("background", "a caveat") and introduces(words)):
            return name
    if _QUESTION.search(sentence):
        return "a question"
    if sentence[:1] in "([" and not NUMBERING.match(sentence):
        return "an aside"
    if sentence[:1] in '"“„«' and sentence[-1:] in '"”“»':
        return "a quotation"
    return ""


@lru_cache(maxsize=8192)
def refers_back(sentence: str) -> bool:
    """Return whether a sentence begins with a word that refers to what was said before: "It", "However"."""
    words = sentence[:LONGEST].lstrip("\"'“‘«([ \u00a0")
    return _REFERS_BACK.match(words)


def doubts(sentence: str) -> bool:
    """Return whether a sentence says that the one before it is not so: "So you would think"."""
    return _DOUBTS.search(sentence[:LONGEST])


def answers(sentence: str) -> bool:
    """Return whether a sentence after a question answers it."""
    return _ANSWERS.match(sentence[:LONGEST]) and words_in(sentence) > FEWEST_OF_A_FINDING


@lru_cache(maxsize=8192)
def strength(sentence: str) -> Strength:
    """Return how good the words of a sentence make it as a beginning."""
    sentence = sentence[:LONGEST]
    if _KEY.search(sentence):
        return Strength.KEY
    if _FINDING.search(sentence) and words_in(sentence) >= FEWEST_OF_A_FINDING:
        return Strength.FINDING
    return Strength.COMPARISON if _compares(sentence) else Strength.PLAIN


def _compares(sentence: str) -> bool:
    """Return whether a sentence compares something by a number, or gives a measured change."""
    if not _NUMBER.search(sentence):
        return False
    return bool(_COMPARES.search(sentence) or (_MEASURED.search(sentence) and _CHANGES.search(sentence)))


def claims(sentence: str) -> bool:
    """Return whether a sentence without the authors in it still states something that was found."""
    sentence = sentence[:LONGEST]
    return _compares(sentence) or bool(_RESULT_SHAPE.search(sentence) or _COMPARES.search(sentence))


@lru_cache(maxsize=8192)
def introduces(sentence: str) -> bool:
    """Return whether a sentence introduces what the authors did or found."""
    return _FINDING.search(sentence[:LONGEST])
