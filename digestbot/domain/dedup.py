"""Matching of incoming summaries with known ones, and of papers with each other.

The store identifies a summary by user and paper. Its feed, however, hides the user of an anonymous summary, and gives
all anonymous summaries of a paper the same guid. Writers may change their name, become anonymous, or become named
again, and one paper may be filed under several keys. Dates are not used: a store's date is that of the last edit.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from digestbot.domain.model import Summary

# Share of words that two texts must have in common to count as one text that was edited.
SAME_TEXT = 0.4
TELLING_OF_PAGES = 25  # words that two different pages of one site do not share
TELLING = 8  # words; two writers do not produce the same text of this length
LONGEST_KEY = 500  # characters; a PostgreSQL index entry holds at most 2,700 bytes
_WORD = re.compile(r"\w+")
_EMPTY_LINK = re.compile(r"!?\[[^\]]*\]\(\s*\)|https?://\S*")
_ADDRESS = re.compile(r"(?<=\]\()[^)]*(?=\))|<?https?://[^\s)>]*>?")
_ARXIV_ID = re.compile(r"(?:arxiv:)?(\d{4}\.\d{4,5}|[a-z-]{1,30}(?:\.[a-z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_DOI = re.compile(r"10\.\d{4,9}/\S{1,290}")


@dataclass(frozen=True, slots=True)
class KnownSummary:
    """What the ledger knows of a summary, as far as matching needs it."""

    id: int
    key: str
    store_id: str | None
    handle: str | None
    body: str
    link: str = ""


def match_summaries(
    known: Sequence[KnownSummary], incoming: Sequence[Summary], *, whole: Callable[[], bool] = lambda: False
) -> list[KnownSummary | None]:
    """Return, for each incoming summary of one paper, the known summary that it is; None for a new one.

    ``known`` are the paper's summaries, except those that the source has just shown unchanged. No known summary is
    returned twice. ``whole`` is called to ask whether the source showed everything that it holds. If so, a known
    anonymous summary that is missing counts as edited beyond recognition, provided that exactly one new one could
    replace it.
    """
    results: list[KnownSummary | None] = [None] * len(incoming)
    free = {one.id: one for one in known}

    def settle(same: Callable[[Summary, KnownSummary], bool]) -> None:
        for at, summary in enumerate(incoming):
            if results[at] is None:
                for one in free.values():
                    if same(summary, one):
                        results[at] = free.pop(one.id)
                        break

    ids = [(one.key, one.store_id) for one in known] + [(one.paper.key, one.store_id) for one in incoming]
    settle(
        lambda summary, one: (
            summary.store_id is not None
            and (one.key, one.store_id) == (summary.paper.key, summary.store_id)
            and ids.count((one.key, one.store_id)) == 2  # otherwise two were added in the same second
        )
    )
    settle(lambda new, one: new.handle is not None and (one.key, one.handle) == (new.paper.key, new.handle))
    settle(lambda new, one: one.key == new.paper.key and _could_be(new, one) and _one_is_cut(one.body, new.body))
    settle(
        lambda new, one: (
            one.body == new.body and _could_be(new, one) and len(_WORD.findall(new.body)) >= _telling(new, one)
        )
    )
    settle(
        lambda new, one: (
            is_item(new)
            and one.handle == one.key
            and same_page(one.link, new.link)
            and (not (has_text(one.body) and has_text(new.body)) or similarity(one.body, new.body) >= SAME_TEXT)
        )
    )
    for at, id_ in _by_likeness(list(free.values()), incoming, results):
        if results[at] is None and id_ in free:
            results[at] = free.pop(id_)
    for key in {summary.paper.key for at, summary in enumerate(incoming) if results[at] is None}:
        left = [one for one in free.values() if (one.key, one.handle) == (key, None)]
        new = [
            at
            for at, summary in enumerate(incoming)
            if results[at] is None and (summary.paper.key, summary.handle) == (key, None)
        ]
        if len(left) == len(new) == 1 and _could_be(incoming[new[0]], left[0]) and whole():
            results[new[0]] = left[0]
    return results


def _telling(new: Summary, one: KnownSummary) -> int:
    """Return how many words an equal text must have to be the same summary under another key or by another name.

    Two entries of a feed may share a short text ("The new issue is out") although their pages differ.
    """
    if None in (one.handle, new.handle):
        return 1
    entries = is_item(new) and one.handle == one.key
    return TELLING if not entries or same_page(one.link, new.link) else TELLING_OF_PAGES


def is_item(summary: Summary) -> bool:
    """Return whether a summary is an item of a feed without keys of its own for papers and writers: it has one
    identifier, and is the only summary of its kind."""
    return summary.handle is not None and summary.handle == summary.paper.key


def _could_be(summary: Summary, one: KnownSummary) -> bool:
    """Return whether the store's ids permit that both are the same summary. Where both have an id, only the ids count,
    however similar the texts are."""
    return summary.store_id is None or one.store_id is None or summary.store_id == one.store_id


def _by_likeness(
    known: Sequence[KnownSummary], incoming: Sequence[Summary], result: Sequence[KnownSummary | None]
) -> list[tuple[int, int]]:
    """Return pairs of an incoming summary's index and a known summary's id that are edits of one text, the most similar
    first.

    Compared are summaries under the same key of which at least one is anonymous (it may have lost or gained its name),
    and a named writer's summaries under different keys. So are named summaries with the same link, because feedparser
    may compute a feed's guid from surrounding elements.
    """
    scored = [
        (similarity(one.body, summary.body), at, one.id)
        for at, summary in enumerate(incoming)
        if result[at] is None
        for one in known
        if has_text(summary.body)
        and _could_be(summary, one)
        and (
            (one.key == summary.paper.key and None in (one.handle, summary.handle))
            or (one.key != summary.paper.key and summary.handle is not None and one.handle == summary.handle)
            or (None not in (one.handle, summary.handle) and one.link == summary.link)
        )
    ]
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    return [(at, id_) for score, at, id_ in scored if score >= SAME_TEXT]


def same_page(one: str, other: str) -> bool:
    """Return whether two links are of one page of a site, which may have moved to https or to another host."""
    ours, theirs = urlsplit(one), urlsplit(other)
    path = ours.path.rstrip("/")
    if (path, ours.fragment) != (theirs.path.rstrip("/"), theirs.fragment):
        return False
    parameters = [set(filter(None, link.query.split("&"))) for link in (ours, theirs)]
    if not (parameters[0] <= parameters[1] or parameters[1] <= parameters[0]):  # one may have tracking parameters
        return False
    hosts = [(link.hostname or "").removeprefix("www.") for link in (ours, theirs)]
    return hosts[0] == hosts[1] or bool(path or ours.query)


def leads_nowhere(link: str) -> bool:
    """Return whether a link leads to a site's first page, rather than to one of its items."""
    parts = urlsplit(link)
    return parts.path in ("", "/") and not parts.query and not parts.fragment


def similarity(one: str, other: str) -> float:
    """Return the number of words that two texts share, divided by the number of all their words: 0 to 1."""
    ours, theirs = set(_WORD.findall(one.lower())), set(_WORD.findall(other.lower()))
    if not ours and not theirs:
        return 1.0
    return len(ours & theirs) / len(ours | theirs)


def has_text(body: str) -> bool:
    """Return whether a summary's Markdown has any content besides dots, bare URLs, and links without URL or text.

    The store's feed cuts a text to "..." where its 500 bytes end inside a character.
    """
    return _WORD.search(_EMPTY_LINK.sub(" ", body)) is not None


def is_cut(body: str, whole: str) -> bool:
    """Return whether a text is only the beginning of another, as in the store's shorter feeds: 500 bytes and "...", or
    "..." alone."""
    start = body.strip().removesuffix("...").removesuffix("…").rstrip()
    return body.rstrip().endswith(("...", "…")) and len(whole) > len(body) and whole.startswith(start)


def _one_is_cut(one: str, other: str) -> bool:
    """Return whether one of two texts is the beginning of the other, and has at least `TELLING` words."""
    short, long = sorted((one, other), key=len)
    return is_cut(short, long) and len(_WORD.findall(short)) >= TELLING


def same_text(one: str, other: str) -> bool:
    """Return whether two texts are equal apart from white space and URLs (which the store's feeds delete)."""
    return one == other or _spoken(one) == _spoken(other)


def _spoken(body: str) -> list[str]:
    return _ADDRESS.sub("", body).split()


# ---- papers


def title_key(title: str) -> str | None:
    """Return a key that is equal for all variants of a paper's title: they may differ in full stops, case, white space
    and HTML entities. Return None for an empty title."""
    unescaped = html.unescape(html.unescape(title)) if "&" in title else title
    words = " ".join(unescaped.replace(".", "").casefold().split())
    return short_key(words) or None


def short_key(key: str) -> str:
    """Return the key itself or, if it is longer than `LONGEST_KEY`, its beginning and a hash."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 40]}…{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


def arxiv_id(text: str | None) -> str | None:
    """Return the arXiv identifier in lower case, without its version; None where the text is not one."""
    match = _ARXIV_ID.fullmatch(text.strip()) if text else None
    return match[1].lower() if match else None


def doi(text: str | None) -> str | None:
    """Return the DOI in lower case, since DOIs are case-insensitive; None where the text is not one."""
    match = _DOI.fullmatch(text.strip()) if text else None
    return match[0].lower() if match else None
