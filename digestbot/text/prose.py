"""The sentences of a summary's prose, with what joins them on one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from digestbot.text.labels import section_of
from digestbot.text.languages import TextSection
from digestbot.text.markdown import Block
from digestbot.text.sentences import sentence_ends

_STOPS = (".", "!", "?", ":", ";", "…", "。", "！", "？", "।", "؟", "：", "；")
_LABELLED = (TextSection.OPINION, TextSection.KEY, TextSection.RESULTS, TextSection.BACKGROUND)
FEWEST_WORDS = 8  # of a list item without a full stop that is a sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or a list item of a summary's prose, with the punctuation that joins it to the next.

    ``begins``: it is the first of its paragraph or item. ``item``: it belongs to a list; ``phrase``: that item is no
    sentence. ``joint``: what separates it from the next one ("" in a script without spaces).
    """

    text: str
    section: TextSection
    begins: bool
    item: bool
    phrase: bool
    joint: str = " "


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block of prose, the section that it is in, and the label without which it would say little."""

    block: Block
    section: TextSection
    label: str


def prose(blocks: Sequence[Block]) -> list[Sentence]:
    """Return the sentences of a summary's prose: without headings and labels, and with list items as clauses.

    A phrase under "Weaknesses" or a similar label keeps it: without it, the phrase would say nothing or the
    opposite.
    """
    results: list[Sentence] = []
    pieces = list(_pieces(blocks))
    phrases = _phrases([piece.block for piece in pieces])
    for piece, following, phrase in zip_longest(pieces, pieces[1:], phrases):
        block = piece.block
        text = block.text if block.number is None else f"({block.number}) {block.text}"
        text = piece.label + text + _punctuation(block, following)
        start = 0
        for end in [*sentence_ends(text), len(text)]:
            words = text[start:end].strip(" ")
            if words:
                joint = " " if end == len(text) or text[end : end + 1] == " " else ""
                results.append(Sentence(words, piece.section, not start, block.kind == "item", bool(phrase), joint))
            start = end
    return results


def _pieces(blocks: Sequence[Block]) -> Iterator[_Piece]:
    section, label = TextSection.BODY, ""
    for block in blocks:
        if block.kind in ("heading", "label"):
            section = section_of(block.text)
            label = f"{block.text}: " if section in _LABELLED else ""
            continue
        short = len(block.text.split()) < FEWEST_WORDS and not block.text.endswith(_STOPS[:3])
        few = section is TextSection.OPINION or len(block.text.split()) < FEWEST_WORDS
        small = few and block.text[:1].islower()
        yield _Piece(block, section, label if short or small else "")
        label = ""
        if section is TextSection.TLDR and block.kind not in ("item", "formula"):
            section = TextSection.BODY


def _punctuation(block: Block, following: _Piece | None) -> str:
    """Return what goes between a block and the next one on one line."""
    if following is None or block.text.endswith((*_STOPS, ",")):
        return ""
    if following.label:
        return "."
    if block.kind == following.block.kind == "item":
        return ";"
    if block.kind == "item":
        return "."
    if following.block.kind == "item":
        return ":"
    return "." if following.block.kind != "formula" and following.block.text[:1].isupper() else ""


def _phrases(blocks: Sequence[Block]) -> list[bool]:
    """Return for each block whether it is a list item that is no sentence: "fast", "+5 % on ImageNet".

    Where one item of a list is none, no other item without a full stop is one.
    """
    results: list[bool] = []
    for is_item, some in groupby(blocks, key=lambda block: block.kind == "item"):
        items = list(some)
        open_ended = [is_item and not block.text.endswith(_STOPS) for block in items]
        short = any(
            ended and (len(block.text.split()) < FEWEST_WORDS or not block.text[:1].isupper())
            for block, ended in zip(items, open_ended, strict=True)
        )
        results += [short and ended for ended in open_ended]
    return results
