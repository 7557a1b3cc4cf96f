"""Which summaries the posts of an account already show: posts of another bot, of a person, or of a lost ledger.

A post shows a summary if it links to it, or if it has the title of its paper. Where several summaries have that link or
title, the writer's name or the text decides; if neither does, the post is ambiguous.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from digestbot.domain.model import TimelinePost
from digestbot.domain.reconciliation import comparable_link, read_links
from digestbot.text import find_urls, plain_title

LEAST_WORDS = 4  # of a title that a longer text may contain by chance if it is shorter
TELLING = 6  # words of a summary in a row, which no other text has by chance
_WORD = re.compile(r"\w+")
_ARXIV_VERSION = re.compile(r"(?<=\d)v\d+(?=[?#]|$)")


@dataclass(frozen=True, slots=True)
class KnownText:
    """What adopting needs to know of a summary."""

    id: int
    title: str
    link: str
    writer: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the posts show: for each summary the post, for each ambiguous post the summaries that it may show, and the
    posts that show none."""

    shown: dict[int, TimelinePost] = field(default_factory=dict)
    ambiguous: dict[str, tuple[TimelinePost, tuple[int, ...]]] = field(default_factory=dict)
    others: tuple[TimelinePost, ...] = ()


def match_posts(
    posts: Sequence[TimelinePost],
    summaries: Iterable[KnownText],
    parameters: Iterable[str] = (),
    clean: Callable[[str], str] = str,
) -> Adoption:
    """Return which of the summaries these posts show.

    ``parameters`` are names that the channel adds to its links. ``clean`` removes from a link what the sources remove.
    """
    index = _Index(summaries, frozenset(parameters), clean)
    shown: dict[int, TimelinePost] = {}
    ambiguous: dict[str, tuple[TimelinePost, tuple[int, ...]]] = {}
    others: list[TimelinePost] = []
    for post in posts:
        certain, possible = index.find(post)
        for id_ in certain:
            shown.setdefault(id_, post)
        if possible:
            ambiguous[post.id] = post, possible
        if not certain and not possible:
            others.append(post)
    settled = {
        id_: (post, left)
        for id_, (post, possible) in ambiguous.items()
        if (left := tuple(one for one in possible if one not in shown))
    }
    return Adoption(shown, settled, tuple(others))


class _Index:
    """The summaries by their links, and by the first words of their papers' titles."""

    def __init__(self, summaries: Iterable[KnownText], parameters: frozenset[str], clean: Callable[[str], str]) -> None:
        self._parameters, self._clean = parameters, clean
        self._links: dict[str, list[KnownText]] = defaultdict(list)
        self._pages: dict[str, list[KnownText]] = defaultdict(list)
        self._titles: dict[tuple[str, ...], list[tuple[list[str], KnownText]]] = defaultdict(list)
        for one in summaries:
            link = self._plain(one.link)
            if re.search(r"[/?#][^/?#]", link):  # a site's first page identifies nothing
                self._links[link].append(one)
                self._pages[link.partition("#")[0]].append(one)
            words = _words(plain_title(one.title))
            if words:
                self._titles[tuple(words[:LEAST_WORDS])].append((words, one))

    def _plain(self, url: str) -> str:
        cleaned = self._clean(url if "://" in url else f"https://{url}")
        before, mark, rest = _ARXIV_VERSION.sub("", comparable_link(cleaned)).partition("?")
        query, number_sign, fragment = rest.partition("#")
        kept = [one for one in query.split("&") if one.partition("=")[0] not in self._parameters]
        return before + mark + "&".join(kept) + number_sign + fragment

    def find(self, post: TimelinePost) -> tuple[list[int], tuple[int, ...]]:
        """Return the summaries that a post shows, and those that it may show."""
        certain: list[int] = []
        possible: list[int] = []
        links = [self._plain(link) for link in read_links(post)]
        found = [self._links.get(link) or self._pages.get(link.partition("#")[0], []) for link in links]
        if not any(found):
            found = self._by_title(post)
        for candidates in found:
            unique = {one.id: one for one in candidates}
            chosen = list(unique.values()) if len(unique) == 1 else _by_text(post, list(unique.values()))
            certain += [one.id for one in chosen]
            if not chosen:
                possible += unique
        return list(dict.fromkeys(certain)), tuple(dict.fromkeys(one for one in possible if one not in certain))

    def _by_title(self, post: TimelinePost) -> list[list[KnownText]]:
        text = post.text
        for url in find_urls(text):
            text = text.replace(url, " ")
        words, cut = _words(text), text.rstrip().endswith(("…", "..."))
        results: dict[str, list[KnownText]] = defaultdict(list)
        if len(words) < LEAST_WORDS:  # a short title must be the whole post
            return [[one for title, one in self._titles.get(tuple(words), ()) if title == words]]
        for at in range(len(words)):
            here = self._titles.get(tuple(words[at : at + LEAST_WORDS]), ())
            fitting = [(len(title), one) for title, one in here if _has_title(words, at, title)]
            longest = max((length for length, _ in fitting), default=0)  # a title may be the beginning of another
            found = [one for length, one in fitting if length == longest]
            if not found and cut:
                found = [one for title, one in here if _is_cut_title(words, at, title)]
            if found:
                results[str(at)] = found
        return list(results.values())


def _has_title(words: list[str], at: int, title: list[str]) -> bool:
    return len(title) >= LEAST_WORDS and words[at : at + len(title)] == title


def _is_cut_title(words: list[str], at: int, title: list[str]) -> bool:
    """Return whether the text ends within the title, perhaps within a word of it."""
    here = words[at:]
    return LEAST_WORDS < len(here) <= len(title) and here[:-1] == title[: len(here) - 1]


def _by_text(post: TimelinePost, candidates: Sequence[KnownText]) -> list[KnownText]:
    """Return the one candidate whose writer or text the post has; none if that is none or several."""
    text = " ".join(_words(post.text))
    named = [one for one in candidates if one.writer and f" {' '.join(_words(one.writer))} " in f" {text} "]
    if len(named) == 1:
        return named
    told = [one for one in candidates if _shares_words(text, _words(one.body))]
    return told if len(told) == 1 else []


def _shares_words(text: str, body: list[str]) -> bool:
    runs = (" ".join(body[at : at + TELLING]) for at in range(max(len(body) - TELLING + 1, 0)))
    return any(run in text for run in runs)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
