"""The values passed to templates: summaries, papers, digests and channels, with sanitized texts.

docs/templates.md lists them all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

from digestbot.domain.model import Genre, Paper, Summary
from digestbot.text import (
    UNBROKEN,
    Block,
    Excerpt,
    TextSection,
    ascii_link,
    blocks,
    format_names,
    plain_blocks,
    plain_title,
    sanitize,
    section_of,
    whole_name,
)

log = logging.getLogger(__name__)

_GENERIC = frozenset(
    ("summary", "abstract", "overview", "tl;dr", "tldr", "zusammenfassung", "résumé", "resumen", "резюме", "摘要",
     "总结", "概要", "要約", "सारांश", "ملخص")
)  # fmt: skip


@lru_cache(maxsize=1024)  # because one summary is rendered for several channels
def readable_blocks(body: str) -> tuple[Block, ...]:
    """Return the readable parts of a summary's text, sanitized.

    Whatever the text is, it can be posted: if it cannot be read carefully, which is logged, it is read as plain text.
    """
    try:
        return _sanitized(blocks(body))
    except Exception:  # no text may make a summary unpostable
        log.exception("a summary's text cannot be read as Markdown; it is shown as plain text")
        return _sanitized(plain_blocks(body))


def _sanitized(found: Sequence[Block]) -> tuple[Block, ...]:
    if not found:
        return ()
    texts = sanitize("\n".join(block.text for block in found)).split("\n")
    if len(texts) != len(found):  # a block had a line break in it, or sanitize() left nothing of some
        texts = [sanitize(block.text).replace("\n", " ") for block in found]
    pairs = zip(found, texts, strict=True)
    return tuple(Block(block.kind, text, block.number) for block, text in pairs if text)


@dataclass(frozen=True)
class PaperView:
    """The variable `paper` in a template."""

    title: str
    key: str
    arxiv_id: str | None
    doi: str | None
    authors: tuple[str, ...]
    venue: str | None
    year: int | None
    category: str | None
    sections: tuple[str, ...]

    @property
    def published(self) -> str:
        """Return where and when the paper appeared: "bioRxiv, 2026"; empty if neither is known."""
        return ", ".join(filter(None, (self.venue, str(self.year) if self.year else "")))

    def reference(self, most: int = 2) -> str:
        """Return who wrote the paper, where it appeared, and when, as a line: "Wei et al. · bioRxiv, 2026".

        Above ``most`` authors, only the first is named.
        """
        names = self.authors[0] if len(self.authors) == 1 else format_names(self.authors, most)
        return " · ".join(filter(None, (names, self.published)))

    @classmethod
    def of(cls, paper: Paper) -> PaperView:
        """Return the view of a paper, with its text sanitized."""
        return cls(
            title=sanitize(plain_title(paper.title)),
            key=sanitize(paper.key),
            arxiv_id=paper.arxiv_id,
            doi=paper.doi,
            authors=tuple(sanitize(_person(name)) for name in paper.authors),
            venue=sanitize(plain_title(paper.venue)) if paper.venue else None,
            year=paper.year,
            category=sanitize(paper.category) if paper.category else None,
            sections=tuple(sanitize(name) for name in paper.sections),
        )


def _person(name: str) -> str:
    """Return a name without LaTeX, in which `UNBROKEN` joins the words of a group's name."""
    plain = plain_title(name)
    return plain.replace(" ", UNBROKEN) if UNBROKEN in whole_name(name) else plain


class SummaryView:
    """The variable `summary` in a template."""

    def __init__(self, summary: Summary, link: str, *, beginning: bool = False) -> None:
        self._body = summary.body
        self._beginning = beginning
        self._paper = summary.paper
        self._genre = summary.genre
        self.writer: str | None = sanitize(summary.writer) or None if summary.writer else None
        self.link = link
        self.orcid: str | None = sanitize(summary.orcid) if summary.orcid else None
        self.votes: int | None = summary.votes
        self.dated: datetime | None = summary.dated

    @cached_property
    def paper(self) -> PaperView:
        """Return the paper that the summary is about."""
        return PaperView.of(self._paper)

    @property
    def by(self) -> str:
        """Return who wrote the text, as a line of the post; empty for a paper's own abstract.

        A source that shows papers names their authors, and they wrote no summary.
        """
        if self._genre is Genre.SUMMARY:
            return f"Summary by {self.writer}" if self.writer else "Anonymous summary"
        return f"By {self.writer}" if self.writer else ""

    @cached_property
    def text(self) -> str:
        """Return the whole text as plain text: separate paragraphs, and list items with a bullet or their number."""
        text, before, label, bare = "", "", "", False
        for block in _shown(readable_blocks(self._body)):
            if block.kind == "label":
                bare = block.text.lower() in _GENERIC
                label = "" if bare else f"{block.text}: "
                continue
            text += ("\n" if block.kind == before == "item" else "\n\n") if text else ""
            mark = "• " if block.number is None else f"{block.number}. "
            words = block.text
            if bare and words[:1].islower() and words.partition(" ")[0].isalpha():
                words = words[0].upper() + words[1:]  # its label is gone
            text += (mark if block.kind == "item" else "") + label + words
            before, label, bare = block.kind, "", False
        return text

    @cached_property
    def lead(self) -> Excerpt:
        """Return the whole text as one paragraph of prose: without headings, and with list items as clauses. Shortened,
        it becomes the best excerpt."""
        return Excerpt.of(readable_blocks(self._body), self.paper.title, beginning=self._beginning)


def _shown(found: Sequence[Block]) -> Sequence[Block]:
    """Return the blocks without lists of references and without a first heading that only says "Summary"."""
    results: list[Block] = []
    references = False
    for block in found:
        if block.kind == "heading":
            references = bool(results) and section_of(block.text) is TextSection.REFERENCES
        if not references:
            results.append(block)
    generic = len(results) > 1 and results[0].kind == "heading" and results[0].text.lower() in _GENERIC
    return results[1:] if generic else results


class MarkedView(SummaryView):
    """The variable `summary` in a roundup's template.

    Its texts carry a mark, by which the parts that show the summary are recognised.
    """

    def __init__(self, summary: Summary, link: str, mark: str, *, beginning: bool = False) -> None:
        super().__init__(summary, link, beginning=beginning)
        self._mark = mark
        self.writer = self._marked(self.writer) if self.writer else None
        self.link = self._marked(link)

    def _marked(self, text: str) -> str:
        return self._mark + text if text else ""

    @cached_property
    def paper(self) -> PaperView:
        """Return the paper that the summary is about."""
        paper = super().paper
        return replace(paper, title=self._marked(paper.title))

    @property
    def by(self) -> str:
        """Return who wrote the text, as a line of the post."""
        return self._marked(super().by)

    @cached_property
    def text(self) -> str:
        """Return the whole text as plain text."""
        return self._marked(super().text)

    @cached_property
    def lead(self) -> Excerpt:
        """Return the whole text as one paragraph of prose."""
        return super().lead.marked(self._mark)


@dataclass(frozen=True)
class DigestView:
    """The variable `digest` in a template."""

    name: str
    heading: str


@dataclass(frozen=True)
class ChannelView:
    """The variable `channel` in a template."""

    name: str
    platform: str
    limit: int


def author_line(summary: Summary) -> str:
    """Return who wrote a text, for operators: the writer, "anonymous", or a paper's authors if it is an abstract."""
    if summary.writer:
        return summary.writer
    if summary.genre is Genre.SUMMARY:
        return "anonymous"
    return format_names([_person(name) for name in summary.paper.authors], 2) or "unnamed"


def build_link(summary: Summary, parameters: dict[str, str]) -> str:
    """Return the summary's URL with the channel's parameters, in ASCII."""
    return ascii_link(summary.link, parameters)


def hashtags(wanted: Sequence[str], papers: Sequence[Paper]) -> tuple[str, ...]:
    """Return the hashtags for the digest's ``hashtags``: those written out, and those derived from the papers."""
    results: list[str] = []
    for one in wanted:
        if one.startswith("#"):
            results.append(one)
            continue
        for paper in papers:
            names = [paper.category or ""] if one == "category" else paper.sections
            words = (re.sub(r"[^\w]|_", "", name) for name in names)
            results += [f"#{word}" for word in words if re.search(r"[^\W\d]", word)]
    return tuple(dict.fromkeys(results))
