"""The rendering of Jinja2 templates into posts: sandboxed, strict, and never over a platform's limit.

A template is named TEMPLATE.PLATFORM.txt.j2. It is searched for in the operator's folder, then among the built-in ones.
docs/templates.md lists the values that it receives.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError

from digestbot.config import Appearance
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Draft, ExcerptPolicy, LinkPolicy, Message, Shape, Summary
from digestbot.platforms.base import LengthLimit, Platform
from digestbot.rendering.jinja_sandbox import (
    LONGEST_LINE,
    MOST_TEXT,
    RENDERING,
    RenderContext,
    SandboxedJinja,
    TooMuchError,
)
from digestbot.rendering.template_views import (
    ChannelView,
    DigestView,
    MarkedView,
    PaperView,
    SummaryView,
    build_link,
    hashtags,
)
from digestbot.rendering.threads import split_into_parts
from digestbot.text import (
    UNBROKEN,
    Choice,
    Excerpt,
    ascii_link,
    blocks,
    defang_urls,
    find_urls,
    format_names,
    sanitize,
    to_unicode,
    truncate,
)

__all__ = [
    "BUILT_IN",
    "PaperView",
    "RenderTarget",
    "Renderer",
    "SummaryView",
]

_PACKAGED = Path(__file__).parent.parent / "templates"
BUILT_IN = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent.parent / "templates"

LINES = (0, 50, 70, 100, LONGEST_LINE)  # the lengths of lines that are tried in a roundup
LEAST_ROOM = 12  # a `fit` text with less room than this is left out: a word and a half is useless
_MARK = re.compile("\ue000(\\d+)\ue001")  # where a `fit` text goes; sanitize() removes these characters
MARKS = 0xE200  # private-use characters from here on mark the summaries in a roundup's text
_MARKS = re.compile(f"[{chr(MARKS)}-{chr(MARKS + 255)}]")


@dataclass(frozen=True, slots=True)
class RenderTarget:
    """The digest and channel that posts are rendered for. ``parameters`` are added to the links."""

    digest: str
    channel: str
    platform: Platform
    parameters: dict[str, str]


class Renderer:
    """A renderer of summaries that compiles each template only once."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = [path for path in (folder, BUILT_IN) if path is not None]
        filters: dict[str, Callable[..., Any]] = {
            "cut": _cut,
            "fit": _fit,
            "line": _line_of,
            "names": format_names,
            "plain": _plain,
            "math": _math,
        }
        self._environment = SandboxedJinja(self._folders, filters)

    def drafts(self, appearance: Appearance, place: RenderTarget, chosen: Sequence[Summary]) -> list[Draft]:
        """Return the drafts of an edition's posts, without their costs.

        Raises RenderError, with the template's line and the summary at fault where they are known.
        """
        if appearance.shape is not Shape.ROUNDUP:
            make = self._thread if appearance.shape is Shape.THREAD else self._single
            return [draft for summary in chosen for draft in _about(summary, make, appearance, place, summary)]
        try:
            return _about(None, self._roundup, appearance, place, chosen)
        except RenderError:
            if len(chosen) > 1:  # find out if one summary is at fault
                for summary in chosen:
                    _about(summary, self._roundup, appearance, place, [summary])
            raise

    def _single(self, appearance: Appearance, place: RenderTarget, summary: Summary) -> list[Draft]:
        link, comment = self._links(appearance, place, summary)
        limit = place.platform.limit
        texts: list[str] = []
        view = SummaryView(summary, link, beginning=appearance.excerpt is ExcerptPolicy.BEGINNING)
        raw = self._render(appearance, place, [summary], limit, texts, summary=view, paper=view.paper)
        text, choice = _fill(raw, texts, limit)
        result = self._posts(appearance, place, [text], link, [_ids([summary])], find_urls(text))
        result = [replace(draft, excerpt=str(choice)) for draft in result] if choice else result
        return result + _comment(comment, result)

    def _thread(self, appearance: Appearance, place: RenderTarget, summary: Summary) -> list[Draft]:
        link, comment = self._links(appearance, place, summary)
        view = SummaryView(summary, "")
        limit = place.platform.limit
        text = _tidy(self._render(appearance, place, [summary], limit, None, summary=view, paper=view.paper))
        texts = split_into_parts(text, link, appearance.link, limit, most=appearance.max_parts)
        result = self._posts(appearance, place, texts, link, [_ids([summary])] * len(texts), [*find_urls(text), link])
        return result + _comment(comment, result)

    @staticmethod
    def _links(appearance: Appearance, place: RenderTarget, summary: Summary) -> tuple[str, str]:
        """Return the link for the summary's posts and the link for a comment under them; one or both are empty."""
        if appearance.link is LinkPolicy.NONE:
            return "", ""
        link = build_link(summary, place.parameters)
        return ("", link) if appearance.link is LinkPolicy.COMMENT else (link, "")

    def _roundup(self, appearance: Appearance, place: RenderTarget, chosen: Sequence[Summary]) -> list[Draft]:
        each = appearance.link is LinkPolicy.POST
        views = [
            MarkedView(
                one,
                build_link(one, place.parameters) if each else "",
                chr(MARKS + number),
                beginning=appearance.excerpt is ExcerptPolicy.BEGINNING,
            )
            for number, one in enumerate(chosen)
        ]
        limit = _unmarked(place.platform.limit)
        shared = _shared_link(appearance, chosen, place.parameters) if appearance.link is LinkPolicy.LAST else ""
        marked: list[str] = []
        for line in LINES:  # the longest lines that need no more posts than none
            raw = self._render(appearance, place, chosen, limit, None, line=line, summaries=views)
            parts = split_into_parts(_tidy(raw), shared, appearance.link, limit, whole=True)
            if marked and len(parts) > len(marked):
                break
            marked = parts
        shown = [{ord(mark) - MARKS for mark in _MARKS.findall(text)} for text in marked]
        if set().union(*shown) != set(range(len(chosen))):
            where = f"template {_file(appearance, place)}"
            raise RenderError(f"{where}: shows nothing of one of the summaries; is it made for a roundup?")
        ids = [_ids([one for number, one in enumerate(chosen) if number in some]) for some in shown]
        texts = [_MARKS.sub("", text) for text in marked]
        result = self._posts(appearance, place, texts, shared, ids, [*find_urls(_MARKS.sub("", raw)), shared])
        if appearance.link is not LinkPolicy.COMMENT:
            return result
        lines = "\n".join(build_link(one, place.parameters) for one in chosen)
        fits = place.platform.limit.measure(lines) <= place.platform.limit.most
        return result + _comment(lines if fits else _shared_link(appearance, chosen, place.parameters), result)

    def _posts(
        self,
        appearance: Appearance,
        place: RenderTarget,
        texts: Sequence[str],
        link: str,
        shows: Sequence[tuple[int, ...]],
        links: Collection[str],
    ) -> list[Draft]:
        """Return the finished texts as drafts. ``links`` are all the URLs that may be links in them.

        Raises RenderError if a text is empty or over the limit.
        """
        limit = place.platform.limit
        results = []
        for number, (text, ids) in enumerate(zip(texts, shows, strict=True)):
            finished = text.replace(UNBROKEN, " ")
            if place.platform.links_bare_hosts:  # truncation may have made text look like a URL
                finished = defang_urls(finished, links)
            length = limit.measure(finished)
            where = f"template {_file(appearance, place)}"
            if not finished:
                raise RenderError(f"{where}: makes an empty post")
            if length > limit.most:
                raise RenderError(
                    f"{where}: makes {length} characters, over the limit of {limit.most}; "
                    "pass what may be shortened through the filter fit"
                )
            attached = link if place.platform.attaches_links and link and not number else None
            results.append(Draft(Message(finished, attached, reply=number > 0), ids))
        return results

    def _render(
        self,
        appearance: Appearance,
        place: RenderTarget,
        chosen: Sequence[Summary],
        limit: LengthLimit,
        texts: list[str] | None,
        *,
        line: int = LONGEST_LINE,
        **values: Any,
    ) -> str:
        name = _file(appearance, place)
        compiled = self._compiled(name)
        under_way = RENDERING.set(RenderContext(limit, texts, line=line))
        try:
            pieces, length = [], 0
            for piece in compiled.generate(
                **values,
                digest=DigestView(place.digest, appearance.heading),
                channel=ChannelView(place.channel, place.platform.name, limit.most),
                hashtags=hashtags(appearance.hashtags, [summary.paper for summary in chosen]),
            ):
                pieces.append(piece)
                length += len(piece)
                if length > MOST_TEXT:
                    raise TooMuchError(f"makes more than {MOST_TEXT} characters")
        except Exception as error:  # a template may raise anything
            message = str(error) or type(error).__name__
            raise RenderError(f"template {name}, line {_line(error, compiled)}: {message}") from error
        finally:
            RENDERING.reset(under_way)
        return "".join(pieces)

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


def _ids(chosen: Sequence[Summary]) -> tuple[int, ...]:
    return tuple(summary.id for summary in chosen if summary.id is not None)


def _about(summary: Summary | None, make: Callable[..., list[Draft]], *arguments: Any) -> list[Draft]:
    """Call ``make`` and return its drafts. A RenderError, or any other error turned into one, names the summary."""
    try:
        return make(*arguments)
    except RenderError as error:
        error.summary = summary.id if summary else None
        raise
    except Exception as error:
        trouble = RenderError(f"cannot be made into a post: {type(error).__name__}: {error}")
        trouble.summary = summary.id if summary else None
        raise trouble from error


def _comment(text: str, result: Sequence[Draft]) -> list[Draft]:
    """Return a reply with this text under the posts, if any. It shows the same summaries as the last post."""
    return [Draft(Message(text, None, reply=True), result[-1].shows)] if text else []


def _shared_link(appearance: Appearance, chosen: Sequence[Summary], parameters: dict[str, str]) -> str:
    """Return the one link of a roundup: the page that lists its summaries or, without one, the site they are on."""
    site = urlsplit(chosen[0].link)
    return ascii_link(appearance.list_url or f"{site.scheme}://{site.netloc}/", parameters)


def _unmarked(limit: LengthLimit) -> LengthLimit:
    """Return the limit with a measure that ignores the marks of summaries."""
    return LengthLimit(limit.most, lambda text: limit.measure(_MARKS.sub("", text)))


def _cut(text: object, most: int) -> str:
    """Filter: return at most that many characters, as the platform counts them. Of a lead, the best excerpt."""
    return _shortened(text, most, RENDERING.get().limit)[0]


def _line_of(text: object) -> str:
    """Filter: return as much of the text as each summary of a roundup has room for without more posts; "" for none."""
    context = RENDERING.get()
    return _cut(text, context.line) if context.line else ""


def _shortened(text: object, most: int, limit: LengthLimit) -> tuple[str, Choice | None]:
    """Return at most that many characters, and which excerpt was chosen if the text is a summary's lead."""
    if isinstance(text, Excerpt):
        choice = text.within(most, limit.measure)
        return choice.text, choice if choice.rule else None
    return truncate(str(text), most, limit.measure), None


def _fit(text: object) -> str:
    """Filter: return as much of the text as the rest of the post leaves room for.

    In a thread or a roundup, return all of it.
    """
    texts = RENDERING.get().texts
    if texts is None:
        return str(text)
    texts.append(text if isinstance(text, Excerpt) else str(text))
    return f"\ue000{len(texts) - 1}\ue001"


def _plain(text: object) -> str:
    """Filter: return Markdown with LaTeX as sanitized plain text."""
    return sanitize("\n\n".join(block.text for block in blocks(str(text))))


def _math(formula: object) -> str:
    """Filter: return a LaTeX formula as Unicode."""
    return sanitize(to_unicode(str(formula)))


def _fill(raw: str, texts: Sequence[str], limit: LengthLimit) -> tuple[str, Choice | None]:
    """Replace the placeholders with the `fit` texts, and return which excerpt was chosen. The first text gets all the
    available room."""
    chosen: Choice | None = None
    text = _tidy(_MARK.sub("", raw))
    length = limit.measure(text)
    for match in _MARK.finditer(raw):
        room = limit.most - length
        while room >= LEAST_ROOM:
            short, choice = _shortened(texts[int(match[1])], room, limit)
            filled = raw.replace(match[0], short, 1)
            whole = _tidy(_MARK.sub("", filled))
            over = limit.measure(whole) - limit.most
            if over <= 0:
                raw, text, length = filled, whole, limit.most + over
                chosen = choice or chosen
                break
            room -= over  # two adjacent texts can weigh more than each alone
        else:
            raw = raw.replace(match[0], "", 1)
    return text, chosen


def _file(appearance: Appearance, place: RenderTarget) -> str:
    """Return the template's file name."""
    return f"{appearance.template_name}.{place.platform.name}.txt.j2"


def _tidy(text: str) -> str:
    """Return text without trailing blanks, consecutive empty lines, and surrounding white space."""
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _line(error: Exception, template: Template) -> int | str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == template.filename]
    return lines[-1] if lines and lines[-1] is not None else "?"
