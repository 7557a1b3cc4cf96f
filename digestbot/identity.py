"""Pure: which incoming summary is which of those already known, and which papers are one.

The store's own identity is (user, paper), but its feed hides the user of an anonymous summary and gives all
anonymous summaries of one paper the same guid; a writer may take another name, turn anonymous, or back; and one
paper may be filed under several keys. Dates decide nothing: a store's date is that of the last edit.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from digestbot.model import Summary

# Share of words two texts must have in common to count as one that was edited.
SAME_TEXT = 0.4
TELLING = 8  # words from which on two writers do not come up with the same text
LONGEST_KEY = 500  # an index of PostgreSQL takes no more than 2,700 bytes
_WORD = re.compile(r"\w+")
_EMPTY_LINK = re.compile(r"!?\[[^\]]*\]\(\s*\)|https?://\S*")
_ADDRESS = re.compile(r"(?<=\]\()[^)]*(?=\))|<?https?://[^\s)>]*>?")
_ARXIV_ID = re.compile(r"(?:arxiv:)?(\d{4}\.\d{4,5}|[a-z-]{1,30}(?:\.[a-z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_DOI = re.compile(r"10\.\d{4,9}/\S{1,290}")


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger remembers of a summary, as far as recognising it goes."""

    id: int
    key: str
    store_id: str | None
    handle: str | None
    body: str
    link: str = ""


def match(
    known: Sequence[Known], incoming: Sequence[Summary], *, whole: Callable[[], bool] = lambda: False
) -> list[Known | None]:
    """For each incoming summary of one paper the known one that it is, or None for a new one.

    ``known`` are those of the paper that the source has not just shown unchanged. ``whole`` is asked whether the
    source showed all that it holds: then a known anonymous summary that is missing was edited beyond recognition,
    if a single other one stands in its place. No known summary is given twice.
    """
    found: list[Known | None] = [None] * len(incoming)
    free = {one.id: one for one in known}

    def settle(same: Callable[[Summary, Known], bool]) -> None:
        for at, summary in enumerate(incoming):
            if found[at] is None:
                for one in free.values():
                    if same(summary, one):
                        found[at] = free.pop(one.id)
                        break

    ids = [(one.key, one.store_id) for one in known] + [(one.paper.key, one.store_id) for one in incoming]
    settle(
        lambda summary, one: (
            summary.store_id is not None
            and (one.key, one.store_id) == (summary.paper.key, summary.store_id)
            and ids.count((one.key, one.store_id)) == 2  # else two were added in the same second
        )
    )
    settle(lambda new, one: new.handle is not None and (one.key, one.handle) == (new.paper.key, new.handle))
    settle(lambda new, one: one.key == new.paper.key and _could_be(new, one) and _one_is_cut(one.body, new.body))
    settle(
        lambda new, one: (
            one.body == new.body
            and _could_be(new, one)
            and len(_WORD.findall(new.body)) >= (1 if None in (one.handle, new.handle) else TELLING)
        )
    )
    for at, id_ in _by_likeness(list(free.values()), incoming, found):
        if found[at] is None and id_ in free:
            found[at] = free.pop(id_)
    for key in {summary.paper.key for at, summary in enumerate(incoming) if found[at] is None}:
        left = [one for one in free.values() if (one.key, one.handle) == (key, None)]
        new = [
            at
            for at, summary in enumerate(incoming)
            if found[at] is None and (summary.paper.key, summary.handle) == (key, None)
        ]
        if len(left) == len(new) == 1 and _could_be(incoming[new[0]], left[0]) and whole():
            found[new[0]] = left[0]
    return found


def _could_be(summary: Summary, one: Known) -> bool:
    """A store that numbers its summaries tells by the number; the text cannot make one of two."""
    return summary.store_id is None or one.store_id is None or summary.store_id == one.store_id


def _by_likeness(
    known: Sequence[Known], incoming: Sequence[Summary], found: Sequence[Known | None]
) -> list[tuple[int, int]]:
    """Pairs of one edited text, the likest first: an anonymous summary with another of the same key, or with one
    that lost or gained its name; a named one with the same writer's under another key, or with one of the same
    address (what a feed's guid is, feedparser may reckon from what stands around it)."""
    scored = [
        (likeness(one.body, summary.body), at, one.id)
        for at, summary in enumerate(incoming)
        if found[at] is None
        for one in known
        if says_something(summary.body)
        and _could_be(summary, one)
        and (
            (one.key == summary.paper.key and None in (one.handle, summary.handle))
            or (one.key != summary.paper.key and summary.handle is not None and one.handle == summary.handle)
            or (None not in (one.handle, summary.handle) and one.link == summary.link)
        )
    ]
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    return [(at, id_) for score, at, id_ in scored if score >= SAME_TEXT]


def likeness(one: str, other: str) -> float:
    """The words that two texts share, over all their words: 0 to 1."""
    ours, theirs = set(_WORD.findall(one.lower())), set(_WORD.findall(other.lower()))
    if not ours and not theirs:
        return 1.0
    return len(ours & theirs) / len(ours | theirs)


def says_something(body: str) -> bool:
    """Whether a summary's Markdown has anything to say: more than dots, bare addresses, and links whose address
    or text is missing. The store's feed cuts a text to "..." where its 500 bytes end inside a character."""
    return _WORD.search(_EMPTY_LINK.sub(" ", body)) is not None


def is_cut(body: str, whole: str) -> bool:
    """Whether a text is no more than the beginning of another, as the store's shorter feeds give it: 500 bytes and
    "...", or "..." alone."""
    start = body.strip().removesuffix("...").removesuffix("…").rstrip()
    return body.rstrip().endswith(("...", "…")) and len(whole) > len(body) and whole.startswith(start)


def _one_is_cut(one: str, other: str) -> bool:
    """Whether one of two texts is the beginning of the other, and long enough to tell."""
    short, long = sorted((one, other), key=len)
    return is_cut(short, long) and len(_WORD.findall(short)) >= TELLING


def same_text(one: str, other: str) -> bool:
    """Whether two texts say the same, addresses (which the store's feeds delete) and white space aside."""
    return one == other or _spoken(one) == _spoken(other)


def _spoken(body: str) -> list[str]:
    return _ADDRESS.sub("", body).split()


# ---- papers


def title_key(title: str) -> str | None:
    """What two titles of one paper have in common: all but full stops, case and white space; None for none."""
    told = html.unescape(html.unescape(title)) if "&" in title else title
    words = " ".join(told.replace(".", "").casefold().split())
    return short_key(words) or None


def short_key(key: str) -> str:
    """The key itself, or one of bearable length for an absurdly long one."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 40]}…{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


def arxiv_id(text: str | None) -> str | None:
    """The arXiv identifier without its version; None where there is none."""
    found = _ARXIV_ID.fullmatch(text.strip()) if text else None
    return found[1].lower() if found else None


def doi(text: str | None) -> str | None:
    """The DOI in lower case, for DOIs know no case; None where there is none."""
    found = _DOI.fullmatch(text.strip()) if text else None
    return found[0].lower() if found else None
