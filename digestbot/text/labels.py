"""The labels and headings of summaries ("Main idea:", "TL;DR", "Code: https://…"), and what each says of its text."""

from __future__ import annotations

import re

from digestbot.text.languages import TextSection, labels
from digestbot.text.sentences import sentence_ends

_KINDS = [(section, re.compile(f"(?:{labels(section)})", re.IGNORECASE)) for section in TextSection]
_ALL = "|".join(map(labels, TextSection))
_PLAIN = re.compile(
    rf"[\"'“*]?({_ALL})[\"'”*]?[ \u00a0]*(?:\([^()\n]{{1,30}}\))?"
    # "Conclusion first:", "Keywords for the search:"
    r"(?:\s(?:first|so far|in (?:short|brief|one line)|(?:of|for) (?:the |this |my )?[\w-]+(?: [\w-]+)?)(?=[ ]?[:：]))?"
    r"[ \u00a0]*(?:[:：]+|(?P<dash>[—–]|\s-(?=\s))|(?P<stop>\.(?=\s+\S)))\s*",
    re.IGNORECASE,
)
_LABEL_END = re.compile(r"[:：—–]|\s-\s|\.\s")
_BARE_TLDR = re.compile(r"tl;? ?dr\b[\s,.:–—-]*", re.IGNORECASE)
_METADATA = re.compile(rf"({labels(TextSection.METADATA)})\s*[:：]\s*", re.IGNORECASE)
_NEXT = re.compile(rf"\b(?:{_ALL})\s*[:：]", re.IGNORECASE)
_VALUE = re.compile(
    r"(?:(?:\(?<?(?:https?://|www\.)\S+|doi:\S+|arXiv:\S+|\d{4}(?:-\d\d){0,2}(?!\d|\.\d)"
    r"|\d+(?:[.,]\d+)?\s*(?:/|out of)\s*\d+(?:\s*\([^()]{0,60}\))?|\[[^\[\]]{0,200}\])[\s,;.|]*)+"
)
_LISTED = re.compile(
    r"auth|tag|keyw|title|venue|autor|schlag|auteur|mots|palabras|авт|ключ|теги|作者|关键|关键词|著者|キー|लेखक|المؤل|الكلمات|affil|inst",
    re.IGNORECASE,
)
MOST_WORDS = 6  # of names or tags without a comma, and of a rating
FEW_WORDS = 3  # of a value that is not prose: "available soon"
_PROSE = re.compile(r"(?:the|they|we|it|a|an|each|this|these|of|are|is)\b", re.IGNORECASE)
_INITIAL = re.compile(r"\b[^\W\d_]\.\s*\Z")  # "K. He" is a name
LONGEST_LABEL = 60  # characters
LONGEST_VALUE = 300  # characters of a line of metadata
_NUMBER = re.compile(r"^(?:\(?\d{1,2}[.)]|[IVX]{1,4}\.|[a-h]\))\s+")


def section_of(label: str) -> TextSection:
    """Return what a heading or label says of the text under it; `TextSection.BODY` where nobody knows it."""
    words = _NUMBER.sub("", label.strip(" \u00a0*_#\"'“”")).rstrip(" :：.!?–—-").strip()
    if len(words) <= LONGEST_LABEL:
        for kind, pattern in _KINDS:
            if pattern.fullmatch(words):
                return kind
        first = re.split(r"\s*(?:/|&|,|\band\b|\bund\b|\bet\b|\by\b|\bи\b|和)\s*", words, maxsplit=1)[0]
        if first != words:
            return section_of(first)
    return TextSection.BODY


def split_label(line: str) -> tuple[str, str] | None:
    """Return the known label with which a line begins, and the rest of the line; None without one.

    A label is followed by a colon or a dash, or, where it has a capital letter, by a full stop.
    """
    if _LABEL_END.search(line, 0, LONGEST_LABEL * 2) and (match := _PLAIN.match(line)):
        certain = not (match["stop"] or match["dash"]) or match[1][:1].isupper() or not match[1].isascii()
        if match["dash"] and f" {match['dash'].strip()} " in line[match.end() :]:
            return None  # "Model - a thing that is trained - is …"
        if certain and not (match["stop"] and not line[match.end() :][:1].isupper()):
            return match[1], line[match.end() :]
    if match := _BARE_TLDR.match(line):
        return "TL;DR", line[match.end() :]
    return None


def without_metadata(line: str) -> str:
    """Return a line without the metadata at its beginning: "Paper: https://… Code: https://… Year: 2017".

    What follows such a label is metadata if it looks like it: a URL, a year, a score, names, or a few words to the end
    of a sentence. Whatever else follows it is prose, and stays with its label.
    """
    while match := _METADATA.match(line):
        rest = line[match.end() :]
        value = _VALUE.match(rest)
        if value and not rest[value.end() :][:1].islower():
            line = rest[value.end() :]
            continue
        following = _NEXT.search(rest)
        ends = [at + 1 for sign in (";", "|") if (at := rest.find(sign)) >= 0]
        ends += [end for end in sentence_ends(rest[:LONGEST_VALUE]) if not _INITIAL.search(rest, 0, end)]
        if following:
            ends.append(following.start())
        end = min((end for end in ends if end), default=len(rest))
        words = rest[:end].split()
        rated = rest[:1].isdigit() and len(words) <= MOST_WORDS
        listed = _LISTED.match(match[1]) and (len(words) <= MOST_WORDS or "," in rest[:end])
        if end > LONGEST_VALUE or not (listed or rated or len(words) <= FEW_WORDS) or (listed and _PROSE.match(rest)):
            break
        line = rest[end:].lstrip(" ;|,")
    return line
