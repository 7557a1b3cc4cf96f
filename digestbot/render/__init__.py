"""Jinja2 templates to posts: sandboxed, strict, and never over a platform's limit.

A template is named TEMPLATE.PLATFORM.txt.j2 and is searched for in the operator's folder, then among the
built-in ones. docs/templates.md lists what it is given.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError

from digestbot.config import Appearance
from digestbot.errors import RenderError
from digestbot.model import Draft, LinkPolicy, Message, Platform, Shape, Summary
from digestbot.render.environment import MOST_TEXT, RENDERING, Environment, Rendering, TooMuchError
from digestbot.render.shapes import parts
from digestbot.render.views import (
    ChannelView,
    DigestView,
    MarkedView,
    PaperView,
    SummaryView,
    hashtags,
    names,
    shown_link,
)
from digestbot.text import LIMITS, UNBROKEN, Limit, ascii_link, blocks, cut, find_urls, harmless, to_unicode, unlinked

__all__ = ["BUILT_IN", "PaperView", "Place", "Renderer", "SummaryView"]

_PACKAGED = Path(__file__).parent.parent / "templates"
BUILT_IN = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent.parent / "templates"

LEAST_ROOM = 12  # a `fit` text that would get less than this is left out: a word and a half tell nobody anything
_MARK = re.compile("\ue000(\\d+)\ue001")  # where a `fit` text goes; private-use characters, which harmless() removes
MARKS = 0xE200  # private characters from here on stand in a roundup's text for the summaries that it shows
_MARKS = re.compile(f"[{chr(MARKS)}-{chr(MARKS + 255)}]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where posts are to appear: a digest on a channel. ``parameters`` join the links."""

    digest: str
    channel: str
    platform: Platform
    parameters: dict[str, str]


class Renderer:
    """Compiles each template once and renders summaries with it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = [path for path in (folder, BUILT_IN) if path is not None]
        filters: dict[str, Callable[..., Any]] = {
            "cut": _cut,
            "fit": _fit,
            "names": names,
            "plain": _plain,
            "math": _math,
        }
        self._environment = Environment(self._folders, filters)

    def drafts(self, look: Appearance, place: Place, chosen: Sequence[Summary]) -> list[Draft]:
        """The posts of an edition, what they cost left open. Raises RenderError, with the template's line where there
        is one, and with the summary that it is about where it is about one."""
        if look.shape is not Shape.ROUNDUP:
            make = self._thread if look.shape is Shape.THREAD else self._single
            return [draft for summary in chosen for draft in _about(summary, make, look, place, summary)]
        try:
            return _about(None, self._roundup, look, place, chosen)
        except RenderError:
            if len(chosen) > 1:  # perhaps it is one of them
                for summary in chosen:
                    _about(summary, self._roundup, look, place, [summary])
            raise

    def _single(self, look: Appearance, place: Place, summary: Summary) -> list[Draft]:
        link, comment = self._links(look, place, summary)
        limit = LIMITS[place.platform]
        texts: list[str] = []
        view = SummaryView(summary, link)
        raw = self._render(look, place, [summary], limit, texts, summary=view, paper=view.paper)
        text = _fill(raw, texts, limit)
        found = self._posts(look, place, [text], link, [_ids([summary])], find_urls(text))
        return found + _comment(comment, found)

    def _thread(self, look: Appearance, place: Place, summary: Summary) -> list[Draft]:
        link, comment = self._links(look, place, summary)
        view = SummaryView(summary, "")
        limit = LIMITS[place.platform]
        text = _tidy(self._render(look, place, [summary], limit, None, summary=view, paper=view.paper))
        texts = parts(text, link, look.link, limit)
        found = self._posts(look, place, texts, link, [_ids([summary])] * len(texts), [*find_urls(text), link])
        return found + _comment(comment, found)

    @staticmethod
    def _links(look: Appearance, place: Place, summary: Summary) -> tuple[str, str]:
        """The link that goes with the summary's posts, and the one that goes into a comment under them."""
        if look.link is LinkPolicy.NONE:
            return "", ""
        link = shown_link(summary, place.parameters)
        return ("", link) if look.link is LinkPolicy.COMMENT else (link, "")

    def _roundup(self, look: Appearance, place: Place, chosen: Sequence[Summary]) -> list[Draft]:
        each = look.link is LinkPolicy.POST
        views = [
            MarkedView(one, shown_link(one, place.parameters) if each else "", chr(MARKS + number))
            for number, one in enumerate(chosen)
        ]
        limit = _unmarked(LIMITS[place.platform])
        raw = self._render(look, place, chosen, limit, None, summaries=views)
        shared = _home(chosen, place.parameters) if look.link is LinkPolicy.LAST else ""
        marked = parts(_tidy(raw), shared, look.link, limit, whole=True)
        shown = [{ord(mark) - MARKS for mark in _MARKS.findall(text)} for text in marked]
        if set().union(*shown) != set(range(len(chosen))):
            where = f"template {_file(look, place)}"
            raise RenderError(f"{where}: shows nothing of one of the summaries; is it made for a roundup?")
        ids = [_ids([one for number, one in enumerate(chosen) if number in some]) for some in shown]
        texts = [_MARKS.sub("", text) for text in marked]
        found = self._posts(look, place, texts, shared, ids, [*find_urls(_MARKS.sub("", raw)), shared])
        if look.link is not LinkPolicy.COMMENT:
            return found
        lines = "\n".join(shown_link(one, place.parameters) for one in chosen)
        fits = LIMITS[place.platform].measure(lines) <= LIMITS[place.platform].most
        return found + _comment(lines if fits else _home(chosen, place.parameters), found)

    def _posts(
        self,
        look: Appearance,
        place: Place,
        texts: Sequence[str],
        link: str,
        shows: Sequence[tuple[int, ...]],
        links: Collection[str],
    ) -> list[Draft]:
        """The finished texts as posts, if each of them can be one. ``links`` are all that may be one in them."""
        limit = LIMITS[place.platform]
        found = []
        for number, (text, ids) in enumerate(zip(texts, shows, strict=True)):
            finished = text.replace(UNBROKEN, " ")
            if place.platform is Platform.TWITTER:  # what a cut has made look like an address
                finished = unlinked(finished, links)
            length = limit.measure(finished)
            where = f"template {_file(look, place)}"
            if not finished:
                raise RenderError(f"{where}: makes an empty post")
            if length > limit.most:
                raise RenderError(
                    f"{where}: makes {length} characters, over the limit of {limit.most}; "
                    "pass what may be shortened through the filter fit"
                )
            attached = link if place.platform is Platform.FACEBOOK and link and not number else None
            found.append(Draft(Message(finished, attached, reply=number > 0), ids))
        return found

    def _render(
        self,
        look: Appearance,
        place: Place,
        chosen: Sequence[Summary],
        limit: Limit,
        texts: list[str] | None,
        **values: Any,
    ) -> str:
        name = _file(look, place)
        compiled = self._compiled(name)
        under_way = RENDERING.set(Rendering(limit, texts))
        try:
            pieces, length = [], 0
            for piece in compiled.generate(
                **values,
                digest=DigestView(place.digest, look.heading),
                channel=ChannelView(place.channel, str(place.platform), limit.most),
                hashtags=hashtags(look.hashtags, [summary.paper for summary in chosen]),
            ):
                pieces.append(piece)
                length += len(piece)
                if length > MOST_TEXT:
                    raise TooMuchError(f"makes more than {MOST_TEXT} characters")
        except Exception as error:  # a template may raise whatever it likes
            said = str(error) or type(error).__name__
            raise RenderError(f"template {name}, line {_line(error, compiled)}: {said}") from error
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
    """What is made, or a RenderError that says of which summary it was to be."""
    try:
        return make(*arguments)
    except RenderError as error:
        error.summary = summary.id if summary else None
        raise
    except Exception as error:
        trouble = RenderError(f"cannot be made into a post: {type(error).__name__}: {error}")
        trouble.summary = summary.id if summary else None
        raise trouble from error


def _comment(text: str, found: Sequence[Draft]) -> list[Draft]:
    """A reply under these posts with this text, if any; it shows what the last of them does."""
    return [Draft(Message(text, None, reply=True), found[-1].shows)] if text else []


def _home(chosen: Sequence[Summary], parameters: dict[str, str]) -> str:
    """The site that the summaries are on: the link that a roundup can share."""
    found = urlsplit(chosen[0].link)
    return ascii_link(f"{found.scheme}://{found.netloc}/", parameters)


def _unmarked(limit: Limit) -> Limit:
    """The limit, which the marks of summaries do not count towards."""
    return Limit(limit.most, lambda text: limit.measure(_MARKS.sub("", text)))


def _cut(text: object, most: int) -> str:
    """Filter: at most that many characters, as the platform counts them."""
    return cut(str(text), most, RENDERING.get().limit.measure)


def _fit(text: object) -> str:
    """Filter: as much of the text as the rest of the post leaves room for; in a thread or a roundup, all of it."""
    texts = RENDERING.get().texts
    if texts is None:
        return str(text)
    texts.append(str(text))
    return f"\ue000{len(texts) - 1}\ue001"


def _plain(text: object) -> str:
    """Filter: Markdown with LaTeX as plain text that does no harm."""
    return harmless("\n\n".join(block.text for block in blocks(str(text))))


def _math(formula: object) -> str:
    """Filter: a LaTeX formula as Unicode."""
    return harmless(to_unicode(str(formula)))


def _fill(raw: str, texts: Sequence[str], limit: Limit) -> str:
    """Put the `fit` texts in their places, the first given all the room there is."""
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
    return text


def _file(look: Appearance, place: Place) -> str:
    """The file of the template."""
    return f"{look.template_name}.{place.platform}.txt.j2"


def _tidy(text: str) -> str:
    """No blanks at line ends, no more than one empty line in a row, none around."""
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _line(error: Exception, template: Template) -> int | str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == template.filename]
    return lines[-1] if lines and lines[-1] is not None else "?"
