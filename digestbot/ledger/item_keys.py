"""A function that runs inside a transaction: entries of a feed that share an identifier although they are different.

Some sites give every item the same guid ("N/A", or their own address), or none and the same link. Such an identifier
must not join the title of one item, the text of another and the link of a third.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from digestbot.domain.dedup import doi, has_text, is_cut, is_item, leads_nowhere, short_key, similarity, title_key
from digestbot.domain.model import Summary
from digestbot.ledger.schema import paper_keys, papers, summaries

EDITED_TEXT = 0.6  # share of common words of a text that was edited together with its title and its link


@dataclass(frozen=True, slots=True)
class _Item:
    """An item that has a key: a known one, or one of those that are being ingested.

    ``elsewhere``: it cannot be the incoming item, because the same document shows it too, or because it is another
    source's.
    """

    title: str | None
    body: str
    link: str
    elsewhere: bool


def separate_items(
    tx: sa.Connection, source: str, incoming: Sequence[Summary], present: Collection[int]
) -> tuple[list[Summary], int]:
    """Return the summaries, each with a key under which no different item is known, and how many keys were changed.

    Two items with the same key are different if title and text differ, and the link too, unless it is known to lead
    nowhere in particular. ``present`` are the ids of known summaries that the same document shows unchanged. Summaries
    of a store with keys of its own are left alone.
    """
    candidates = [one for one in incoming if _may_be_shared(one)]
    if not candidates:
        return list(incoming), 0
    holders = _known(tx, source, [one.paper.key for one in candidates], present)
    times = Counter(one.paper.key for one in candidates)
    doubtful = [one for one in candidates if one.paper.key in holders or times[one.paper.key] > 1]
    holders |= _known(tx, source, [key for one in doubtful for key in _keys(one)[1:]], present)
    results, changed = [], 0
    for one in incoming:
        if not _may_be_shared(one):
            results.append(one)
            continue
        key = _key_for(one, holders) if one.paper.key in holders else one.paper.key
        holders[key].append(_Item(title_key(one.paper.title), one.body, one.link, elsewhere=True))
        if key != one.paper.key:
            changed += 1
            one = replace(one, handle=key, paper=replace(one.paper, key=key))
        results.append(one)
    return results, changed


def _may_be_shared(one: Summary) -> bool:
    """Return whether the key is a site's own, which may be wrong; arXiv ids, PubMed ids and DOIs are not."""
    key = one.paper.key
    return is_item(one) and not key.startswith(("arXiv:", "pubmed:")) and doi(key) is None


def _keys(one: Summary) -> tuple[str, str, str]:
    key = one.paper.key
    return key, short_key(f"{key}#{one.link}"), short_key(f"{key}#{title_key(one.paper.title)}")


def _key_for(one: Summary, holders: dict[str, list[_Item]]) -> str:
    keys = _keys(one)
    shared = sum(item.link == one.link for key in keys for item in holders[key]) > 1
    best, most = "", -1
    for key in keys:
        for item in holders[key]:
            if not _different(one, item, link_is_shared=shared):
                agreement = _agreement(one, item)
                if agreement > most:
                    best, most = key, agreement
    return best or next((key for key in keys if not holders[key]), keys[-1])


def _agreement(one: Summary, item: _Item) -> int:
    return (item.link == one.link) + (item.title == title_key(one.paper.title)) + (item.body == one.body)


def _different(one: Summary, item: _Item, *, link_is_shared: bool) -> bool:
    if item.title == title_key(one.paper.title) or item.body == one.body != "":
        return False
    if has_text(one.body) and has_text(item.body):
        cut = is_cut(one.body, item.body) or is_cut(item.body, one.body)
        if cut or similarity(one.body, item.body) >= EDITED_TEXT:
            return False
    return item.link != one.link or item.elsewhere or link_is_shared or leads_nowhere(one.link)


def _known(tx: sa.Connection, source: str, keys: Sequence[str], present: Collection[int]) -> dict[str, list[_Item]]:
    results: dict[str, list[_Item]] = defaultdict(list)
    wanted = list(dict.fromkeys(keys))
    for start in range(0, len(wanted), 3000):
        query = (
            sa.select(summaries.c.id, summaries.c.key, summaries.c.source, summaries.c.body, summaries.c.link)
            .add_columns(papers.c.title_key)
            .select_from(paper_keys)
            .join(papers, papers.c.id == paper_keys.c.paper_id)
            .join(summaries, summaries.c.paper_id == papers.c.id)
            .where(paper_keys.c.key.in_(wanted[start : start + 3000]), summaries.c.withdrawn_at.is_(None))
        )
        row: Any
        for row in tx.execute(query):
            elsewhere = row.id in present or row.source != source
            results[row.key].append(_Item(row.title_key, row.body, row.link, elsewhere))
    return results
