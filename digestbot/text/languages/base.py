"""What a language gives to the reading of summaries: words, as regular expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class TextSection(Enum):
    """What a heading or a label says of the text under it."""

    TLDR = "TL;DR"
    KEY = "key idea"
    RESULTS = "results"
    BODY = "body"
    BACKGROUND = "background"
    OPINION = "opinion"
    METADATA = "metadata"
    REFERENCES = "references"


@dataclass(frozen=True)
class Language:
    """The words of one language, as regular expressions that ignore case.

    ``abbreviations``, ``may_end`` and ``numbered`` are alternatives ("dr|etc|prof"): words whose full stop does not end
    a sentence, those of them that can be the last word of one, and those that only a number follows.

    ``labels`` are the headings and labels of each section, as alternatives. All others are patterns that are searched
    for in a sentence. A sentence that has one of ``notes``, ``verdicts``, ``background``, ``topics``, ``pointers`` or
    ``caveats`` must not lead a post. One of ``refers_back`` needs the sentence before it, one of ``doubts`` denies it,
    and one of ``answers`` answers it. ``key``, ``findings``, ``compares`` and ``changes`` are of sentences that should
    lead: a key idea, what was found or proposed, and, next to a number, a comparison or a change.
    """

    labels: Mapping[TextSection, str]
    abbreviations: str = ""
    may_end: str = ""
    numbered: str = ""
    notes: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    refers_back: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    compares: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
