"""The sentences of a summary's prose, with what joins them on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from digestbot.text.labels import section_of
from digestbot.text.languages import TextSection
from digestbot.text.markdown import Block
from digestbot.text.sentences import sentence_ends

_STOPS = (".", "!", "?", ":", ";", "…", "。", "！", "？", "।", "؟", "：", "；")
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


def prose(blocks: Sequence[Block]) -> list[Sentence]:
    """Return the sentences of a summary's prose: without headings and labels, and with list items as clauses."""
    results: list[Sentence] = []
    section = TextSection.BODY
    shown: list[tuple[Block, TextSection]] = []
    for block in blocks:
        if block.kind in ("heading", "label"):
            section = section_of(block.text)
        else:
            shown.append((block, section))
            if block.kind not in ("item", "formula"):
                section = section if section is not TextSection.TLDR else TextSection.BODY
    phrases = _phrases([block for block, _ in shown])
    for at, ((block, about), following) in enumerate(zip_longest(shown, [one for one, _ in shown[1:]])):
        text = block.text if block.number is None else f"({block.number}) {block.text}"
        text += _punctuation(block, following)
        start = 0
        for end in [*sentence_ends(text), len(text)]:
            piece = text[start:end].strip(" ")
            if piece:
                joint = " " if end == len(text) or text[end : end + 1] == " " else ""
                results.append(Sentence(piece, about, not start, block.kind == "item", phrases[at], joint))
            start = end
    return results


def _punctuation(block: Block, following: Block | None) -> str:
    """Return what goes between a block and the next one on one line."""
    if following is None or block.text.endswith((*_STOPS, ",")):
        return ""
    if block.kind == following.kind == "item":
        return ";"
    if block.kind == "item":
        return "."
    if following.kind == "item":
        return ":"
    return "." if following.kind != "formula" and following.text[:1].isupper() else ""


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
