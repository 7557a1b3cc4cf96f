"""`python -m bench.excerpts`: how often posts on X begin with a sentence that an editor marked, as docs/excerpts.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.common import ROOT
from digestbot.config import Appearance
from digestbot.domain.model import ExcerptPolicy, Paper, Summary
from digestbot.platforms.registry import TWITTER
from digestbot.rendering.renderer import Renderer, RenderTarget
from digestbot.text import UNBROKEN

CORPUS = ROOT / "tests" / "corpus"
HELD_BACK, TUNING = "held-back", ("tuning-1", "tuning-2", "tuning-3")
_MARKUP = re.compile(r"[*_`$\\{}\"“”'’>#\[\]()«»]")
HEAD = """\
# How an excerpt is chosen

A post on X has room for two or three sentences. With `excerpt = "lead"`, which is the default, digestbot shows those
that a careful editor would choose. With `excerpt = "beginning"` it shows the beginning.

1. Structure is repaired: line breaks that were lost, headings, lists. Labels, captions, ratings, author lines, link
   lines and a repeated title go.
2. A `TL;DR` by the writer always wins.
3. Otherwise the beginning stays, unless its first sentence must not lead. Such sentences are a note about the text ("I
   read this for our reading group"), a verdict, background, a topic ("This paper deals with"), a pointer, a caveat, an
   aside, a quotation, a formula, an announcement, a question that the next sentence does not answer, or a claim that
   the next sentence denies. A sentence without any result is background if the authors or a result come only later.
4. Then the best run of whole sentences leads: the key idea, then what was found or proposed, then a comparison with a
   number, then the first sentence that says something. Of equals, one that fits whole wins, then the earlier.
5. A run never begins with "It", "However" and similar words, or with a fragment. Its first sentence is followed by the
   next whole sentences that fit.

The words of each language are in `digestbot/text/languages/`. `digestbot why`, `digestbot preview` and the page of a
slot name the rule and the place of the first sentence.

## Agreement with an editor

`tests/corpus/` has summaries in the style of real ones, with all sentences with which a post may begin, and those with
which it must not, marked by hand before the code ran on them. The rules were made with the tuning parts only.
"""


@dataclass(frozen=True)
class Verdict:
    """The excerpt of one summary of the corpus, and how the editor's marks judge it."""

    name: str
    kind: str
    excerpt: str
    rule: str
    accepted: bool
    rejected: bool
    good_beginning: bool
    wanted: str


@cache
def verdicts(part: str, policy: ExcerptPolicy = ExcerptPolicy.LEAD) -> tuple[Verdict, ...]:
    """Return a verdict for each summary of a part of the corpus."""
    return tuple(_judged(json.loads((CORPUS / f"excerpts-{part}.json").read_text(encoding="utf-8")), policy))


def _judged(entries: list[dict[str, Any]], policy: ExcerptPolicy) -> Iterator[Verdict]:
    renderer, place = Renderer(), RenderTarget("all", "x", TWITTER, {})
    for number, entry in enumerate(entries):
        summary = Summary(
            id=number,
            paper=Paper(f"key{number}", entry["title"]),
            writer="Some Reader",
            handle="somereader",
            body=entry["body"],
            link=f"http://www.shortscience.org/paper?bibtexKey=key{number}#somereader",
            votes=None,
            dated=None,
        )
        (draft,) = renderer.drafts(Appearance(excerpt=policy), place, [summary])
        excerpt = "\n".join(draft.message.text.partition("Summary by Some Reader")[2].strip().split("\n")[:-1]).strip()
        accepted, rejected = (_begins(excerpt, entry[marks]) for marks in ("accept", "reject"))
        yield Verdict(
            entry["name"],
            entry["kind"],
            excerpt,
            draft.excerpt,
            accepted,
            rejected and not accepted,
            entry["beginning_is_good"],
            entry["accept"][0],
        )


def _begins(text: str, starts: list[str]) -> bool:
    return any(_bare(text).startswith(_bare(one)) for one in starts)


def _bare(text: str) -> str:
    return " ".join(_MARKUP.sub("", text.replace(UNBROKEN, " ").replace("․", ".")).lower().split())


def page() -> str:
    """Return the text of docs/excerpts.md."""
    lines = [
        HEAD,
        '| part | summaries | accepted | must not lead | good beginnings kept | accepted with `"beginning"` |',
        "|---|---|---|---|---|---|",
    ]
    for part in (HELD_BACK, *TUNING):
        found = verdicts(part)
        good = [one for one in found if one.good_beginning]
        plain = verdicts(part, ExcerptPolicy.BEGINNING)
        lines.append(
            f"| {part} | {len(found)} | {_share(sum(one.accepted for one in found), len(found))} "
            f"| {_share(sum(one.rejected for one in found), len(found))} "
            f"| {_share(sum(one.accepted for one in good), len(good))} "
            f"| {_share(sum(one.accepted for one in plain), len(plain))} |"
        )
    lines += [
        "",
        "The goals are 85 % accepted and at most 3 % that must not lead. The held-back part does not meet them.",
        "",
        "Each summary of the held-back part on which digestbot and the editor disagree:",
        "",
        "| summary | digestbot posts | rule | the editor's first choice |",
        "|---|---|---|---|",
    ]
    for one in verdicts(HELD_BACK):
        if not one.accepted:
            mark = " (must not lead)" if one.rejected else ""
            lines.append(f"| {one.name}{mark} | {_cell(one.excerpt)} | {one.rule} | {_cell(one.wanted)} … |")
    return "\n".join(lines) + "\n"


def _share(some: int, of: int) -> str:
    return f"{some} ({100 * some / of:.0f} %)"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    (ROOT / "docs" / "excerpts.md").write_text(page(), encoding="utf-8")
