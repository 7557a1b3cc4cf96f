"""The conversion of a feedparser entry into a summary, by the layout of its feed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from digestbot.domain.dedup import doi, title_key
from digestbot.domain.model import Genre, Paper, Summary
from digestbot.sources.feed.authors import entry_names, person_name
from digestbot.sources.feed.config import FeedLayout, Identity, TextElement
from digestbot.sources.feed.dates import parse_date
from digestbot.sources.feed.entry_text import as_markdown, choose_text, image_of, without_boilerplate
from digestbot.sources.feed.entry_values import table, tables
from digestbot.sources.feed.html import to_markdown
from digestbot.sources.feed.links import TRACKING, absolute, without_tracking
from digestbot.sources.feed.literature import is_paper, paper_of
from digestbot.text.mathml import to_dollars

ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """How entries are read.

    ``bases`` are the URLs that relative links may start from, the best one first. ``author`` is that of the whole feed.
    """

    layout: FeedLayout = FeedLayout.AUTO
    identity: Identity = Identity.AUTO
    text: TextElement = TextElement.AUTO
    strip_parameters: tuple[str, ...] = TRACKING
    bases: tuple[str, ...] = ()
    author: str = ""


def read_entry(entry: Any, version: bytes | None, format_: EntryFormat) -> Summary:
    """Return the summary in one feedparser entry. Raises ValueError if the entry has no HTTP URL to link to."""
    get = partial(dict.get, entry)  # feedparser's own lookup tries every alias of a name and is ten times slower
    store_key = clean(get("shortscience_bibtexkey"))
    if store_key or format_.layout is FeedLayout.SHORTSCIENCE:
        return _store_summary(get, store_key, version, format_)
    bases = _bases(get, format_)
    link = without_tracking(absolute(_link(get), bases), format_.strip_parameters)
    title = _title(clean(get("title")))
    guid = _identity(get, link, title, format_)
    dated = _date(get)
    text = _markdown(get, format_.text, link)
    if format_.layout is FeedLayout.PAPERS or (format_.layout is FeedLayout.AUTO and is_paper(entry, link)):
        paper = paper_of(entry, link, guid, title, dated, text)
        if format_.identity is not Identity.AUTO:
            paper = replace(paper, key=guid)
        body, writer, genre = without_boilerplate(text), None, Genre.ABSTRACT
    else:
        names = entry_names(entry) or list(filter(None, [person_name(format_.author)]))
        writer = clean(" and ".join(filter(None, (", ".join(names[:-1]), names[-1])))) if names else None
        paper, body, genre = Paper(key=guid, title=title, doi=doi(guid)), text, Genre.ARTICLE
    body = _with_image(body, get, link)
    return Summary(paper, writer, paper.key, body, link, dated=dated, version=version, genre=genre)


def _link(get: Callable[[str], Any]) -> str:
    """Return an entry's link, or its guid if it has none and the guid may be one."""
    link, guid = clean(get("link")), clean(get("id"))
    no_link = get("guidislink") is False and not guid.startswith(("http://", "https://"))
    return link or ("" if no_link else guid)


def _title(text: str) -> str:
    """Return a title without HTML and JATS, with scripts and formulas unchanged."""
    if "<" not in text:
        return text
    return to_dollars(" ".join(to_markdown(text).split()).removeprefix("## "))


def _store_summary(get: Callable[[str], Any], store_key: str, version: bytes | None, format_: EntryFormat) -> Summary:
    """Return the summary in an entry of ShortScience's format, by its writer, with Markdown as its text."""
    link = absolute(clean(get("link") or get("id")), _bases(get, format_))
    author = " ".join(clean(get("author")).split())
    key = store_key or clean(get("id")) or link
    anonymous = author == ANONYMOUS or not author
    handle: str | None = key
    if store_key:
        anchor = unquote(link.partition("#")[2])
        handle = None if anonymous and anchor in ("", "anon") else anchor or author
    return Summary(
        paper=Paper(
            key=key,
            title=clean(get("title")),
            arxiv_id=clean(get("shortscience_arxivid")) or None,
            doi=key if doi(key) else None,
        ),
        writer=None if anonymous else author,
        handle=handle,
        body=clean(get("summary")) or clean(next(iter(tables(get("content"))), {}).get("value")),
        link=link,
        votes=_number(get("shortscience_votes")),
        dated=_date(get),
        version=version,
    )


def _bases(get: Callable[[str], Any], format_: EntryFormat) -> tuple[str, ...]:
    return (clean(table(get("title_detail")).get("base")), *format_.bases)


def _identity(get: Callable[[str], Any], link: str, title: str, format_: EntryFormat) -> str:
    if format_.identity is Identity.TITLE:
        return title_key(title) or link
    if format_.identity is Identity.LINK:
        return link
    return clean(get("id")).strip() or link


def _date(get: Callable[[str], Any]) -> datetime | None:
    return parse_date(str(get("published") or "")) or parse_date(str(get("updated") or ""))


def _markdown(get: Callable[[str], Any], wanted: TextElement, link: str) -> str:
    """Return an entry's text as Markdown."""
    content = next(iter(tables(get("content"))), {})
    return choose_text(as_markdown(clean(get("summary")), link), as_markdown(clean(content.get("value")), link), wanted)


def _with_image(text: str, get: Callable[[str], Any], link: str) -> str:
    """Return the text with the entry's own picture as Markdown at its end, unless it has one already."""
    image = image_of({name: get(name) for name in ("links", "media_content", "media_thumbnail")})
    if image is None or "![" in text:
        return text
    try:
        url = absolute(image, [link])
    except ValueError:
        return text
    return f"{text}\n\n![]({url})" if re.fullmatch(r"https?://[^\s()<>]{1,2000}", url) else text


def clean(value: object) -> str:
    """Return text that every database accepts: without lone surrogates and NUL."""
    text = str(value or "")
    if text.isascii():
        return text.replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def _number(text: object) -> int | None:
    digits = str(text).strip()
    return int(digits) if re.fullmatch(r"-?\d{1,9}", digits, re.ASCII) else None
