"""Jinja2 templates to posts: sandboxed, strict, and never over a platform's limit.

A template is named TEMPLATE.PLATFORM.txt.j2 and is searched for in the operator's folder, then among the
built-in ones. docs/templates.md lists what it is given.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateNotFound, TemplateSyntaxError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digestbot.errors import RenderError
from digestbot.model import Message, Paper, Platform, Summary
from digestbot.text import LIMITS, Block, Limit, ascii_link, blocks, cut, harmless, plain_title

_PACKAGED = Path(__file__).parent / "templates"
BUILT_IN = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "templates"

LEAST_ROOM = 12  # a `fit` text that would get less than this is left out: a word and a half tell nobody anything
_MARK = re.compile("\ue000(\\d+)\ue001")  # where a `fit` text goes; private-use characters, which harmless() removes
_SENTENCE_END = (".", "!", "?", ":", ";", "…", "。", "！", "？")


@lru_cache(maxsize=1024)  # one summary is rendered for several channels
def _plain_blocks(body: str) -> tuple[Block, ...]:
    found = blocks(body)
    if not found:
        return ()
    texts = harmless("\n".join(block.text for block in found)).split("\n")  # no block's text holds a line break
    return tuple(Block(block.kind, text) for block, text in zip(found, texts, strict=True) if text)


@dataclass(frozen=True)
class PaperView:
    """`paper` in a template."""

    title: str
    key: str
    arxiv_id: str | None
    doi: str | None
    authors: tuple[str, ...]
    venue: str | None
    year: int | None
    category: str | None
    sections: tuple[str, ...]

    @classmethod
    def of(cls, paper: Paper) -> PaperView:
        """The paper, fit for a post."""
        return cls(
            title=harmless(plain_title(paper.title)),
            key=paper.key,
            arxiv_id=paper.arxiv_id,
            doi=paper.doi,
            authors=tuple(harmless(plain_title(name)) for name in paper.authors),
            venue=harmless(plain_title(paper.venue)) if paper.venue else None,
            year=paper.year,
            category=harmless(paper.category) if paper.category else None,
            sections=tuple(harmless(name) for name in paper.sections),
        )


class SummaryView:
    """`summary` in a template."""

    def __init__(self, summary: Summary) -> None:
        self._body = summary.body
        self.writer = harmless(summary.writer).strip() or None if summary.writer else None
        self.link = ascii_link(summary.link)
        self.orcid = harmless(summary.orcid) if summary.orcid else None
        self.votes = summary.votes
        self.dated = summary.dated

    @property
    def by(self) -> str:
        """Who wrote it, as a line of the post."""
        return f"Summary by {self.writer}" if self.writer else "Anonymous summary"

    @cached_property
    def text(self) -> str:
        """All of it as plain text: paragraphs apart, list items with a bullet."""
        text, before = "", ""
        for block in _plain_blocks(self._body):
            text += ("\n" if block.kind == before == "item" else "\n\n") if text else ""
            text += f"• {block.text}" if block.kind == "item" else block.text
            before = block.kind
        return text

    @cached_property
    def lead(self) -> str:
        """All of it as one paragraph of prose: headings left out, list items as clauses."""
        prose = [block for block in _plain_blocks(self._body) if block.kind != "heading"]
        text = ""
        for block, after in zip_longest(prose, prose[1:]):
            text += block.text
            if after and not block.text.endswith((*_SENTENCE_END, ",")):
                if block.kind == after.kind == "item":
                    text += ";"
                elif after.kind != "formula" and after.text[:1].isupper():
                    text += "."
            text += " "
        return text.strip()


class Renderer:
    """Compiles each template once and renders summaries with it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = [path for path in (folder, BUILT_IN) if path is not None]
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"cut": _cut, "fit": _fit}

    def message(self, template: str, platform: Platform, digest: str, channel: str, summary: Summary) -> Message:
        """The post for one summary. Raises RenderError, with the template's line where there is one."""
        name = f"{template}.{platform}.txt.j2"
        compiled = self._compiled(name)
        limit = LIMITS[platform]
        paper = summary.paper
        texts: list[str] = []
        try:
            view = SummaryView(summary)
            raw = compiled.render(
                summary=view,
                paper=PaperView.of(paper),
                digest={"name": digest},
                channel={"name": channel, "platform": str(platform), "limit": limit.most},
                _fit=texts,
                _limit=limit,
            )
        except Exception as error:  # a template may raise whatever it likes
            raise RenderError(f"template {name}, line {_line(error, compiled)}: {error}") from error
        text, length = _fill(raw, texts, limit)
        if not text:
            raise RenderError(f"template {name}: makes an empty post of {paper.key}")
        if length > limit.most:
            raise RenderError(
                f"template {name}: makes {length} characters of {paper.key}, over the limit of {limit.most}; "
                "pass what may be shortened through the filter fit"
            )
        return Message(text, view.link if platform is Platform.FACEBOOK else None)

    def _compiled(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except TemplateNotFound as error:
            places = " or ".join(str(folder) for folder in self._folders)
            raise RenderError(f"template {error.name}: not found in {places}") from error
        except TemplateSyntaxError as error:
            raise RenderError(f"template {error.name or name}, line {error.lineno}: {error.message}") from error
        except UnicodeDecodeError as error:
            raise RenderError(f"template {name}: is not UTF-8 text") from error


@pass_context
def _cut(context: Context, text: object, most: int) -> str:
    """Filter: at most that many characters, as the platform counts them."""
    limit: Limit = context.parent["_limit"]
    return cut(str(text), most, limit.measure)


@pass_context
def _fit(context: Context, text: object) -> str:
    """Filter: as much of the text as the rest of the post leaves room for."""
    texts: list[str] = context.parent["_fit"]
    texts.append(str(text))
    return f"\ue000{len(texts) - 1}\ue001"


def _fill(raw: str, texts: Sequence[str], limit: Limit) -> tuple[str, int]:
    """Put the `fit` texts in their places, the first given all the room there is; gives the length too."""
    text = _tidy(_MARK.sub("", raw))
    length = limit.measure(text)
    for match in _MARK.finditer(raw):
        room = limit.most - length
        while room >= LEAST_ROOM:
            filled = raw.replace(match[0], cut(texts[int(match[1])], room, limit.measure), 1)
            whole = _tidy(_MARK.sub("", filled))
            over = limit.measure(whole) - limit.most
            if over <= 0:
                raw, text, length = filled, whole, limit.most + over
                break
            room -= over  # two texts side by side can weigh more than each alone
        else:
            raw = raw.replace(match[0], "", 1)
    return text, length


def _tidy(text: str) -> str:
    """No blanks at line ends, no more than one empty line in a row, none around."""
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _line(error: Exception, template: Template) -> int | str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == template.filename]
    return lines[-1] if lines and lines[-1] is not None else "?"
