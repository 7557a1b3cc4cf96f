"""Functions that run inside a transaction: papers, and the keys under which stores file them.

A paper with several keys is one row. Two papers are the same if they share an arXiv id, a DOI, or a title (ignoring
full stops and case), unless their authors or DOIs show that only the title is the same. They are merged at intake, or
later, when a source provides more of these fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from digestbot.domain.dedup import arxiv_id, doi, title_key
from digestbot.domain.model import Paper
from digestbot.ledger.schema import paper_keys, papers, summaries

_FACTS = ("title", "title_key", "arxiv_id", "doi", "authors", "venue", "year", "category", "sections")
_SIGNS = ("arxiv_id", "doi", "title_key")  # papers that share one of these are the same paper


def resolve_papers(tx: sa.Connection, given: Sequence[Paper]) -> tuple[dict[str, int], set[int], set[int]]:
    """Create, complete or merge the rows of these papers as needed.

    Return the papers' ids by key, the ids of the papers that were created, and the ids of those whose title changed.
    """
    rows = {paper.key: _facts(paper) for paper in given}
    known: dict[str, int] = {
        row.key: row.paper_id for row in tx.execute(sa.select(paper_keys).where(paper_keys.c.key.in_(rows)))
    }
    by_sign = _by_sign(tx, rows.values())
    by_title = _facts_of(tx, {id_ for (sign, _), id_ in by_sign.items() if sign == "title_key"})
    ids: dict[str, int] = {}
    fresh: dict[str, dict[str, Any]] = {}
    leader: dict[tuple[str, str], str] = {}  # if one new paper has several keys: the key that creates its row
    follow: dict[str, str] = {}
    for key, facts in rows.items():
        signs = [(name, facts[name]) for name in _SIGNS if facts[name]]
        matching = {sign: by_sign[sign] for sign in signs if sign in by_sign}
        result = {
            id_
            for (sign, _), id_ in matching.items()
            if sign != "title_key" or not _are_different(facts, by_title.get(id_, facts))
        }
        result |= {known[key]} if key in known else set()
        if result:
            ids[key] = min(result)
            if len(result) > 1:
                _merge(tx, ids[key], result - {ids[key]})
                gone = dict.fromkeys(result, ids[key])
                by_sign = {sign: gone.get(id_, id_) for sign, id_ in by_sign.items()}
                known = {name: gone.get(id_, id_) for name, id_ in known.items()}
                ids = {name: gone.get(id_, id_) for name, id_ in ids.items()}
            by_sign.update(dict.fromkeys(signs, ids[key]))
        elif first := next(
            (
                leader[sign]
                for sign in signs
                if sign in leader and (sign[0] != "title_key" or not _are_different(facts, rows[leader[sign]]))
            ),
            None,
        ):
            follow[key] = first
            leader.update(dict.fromkeys(signs, first))
        else:
            fresh[key] = facts
            leader.update({sign: key for sign in signs if sign not in leader})
    made: set[int] = set()
    if fresh:
        numbers = _new_ids(tx, len(fresh))
        named_facts = [name for name in _FACTS if any(facts[name] is not None for facts in fresh.values())]
        rows_ = [
            {"id": id_} | {name: facts[name] for name in named_facts}
            for id_, facts in zip(numbers, fresh.values(), strict=True)
        ]
        tx.execute(papers.insert(), rows_)  # each omitted column saves a tenth of the time
        ids |= dict(zip(fresh, numbers, strict=True))
        made = set(numbers)
    ids |= {key: ids[first] for key, first in follow.items()}
    unfiled = [{"key": key, "paper_id": id_} for key, id_ in ids.items() if key not in known]
    if unfiled:
        tx.execute(paper_keys.insert(), unfiled)
    retitled = _complete(tx, [(ids[key], facts) for key, facts in rows.items() if key not in fresh])
    return ids, made, retitled


def _are_different(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two papers with the same title are different: "Editorial" by others, or with another DOI.

    A preprint and the article that it became have different DOIs and the same authors.
    """
    ours, theirs = (_surnames(facts["authors"]) for facts in (one, other))
    if ours and theirs:
        return not ours & theirs
    return bool(one["doi"] and other["doi"] and one["doi"] != other["doi"])


def _surnames(authors: Sequence[str] | None) -> set[str]:
    return {name.split()[-1].casefold() for name in authors or () if name.split()}


def _facts_of(tx: sa.Connection, ids: set[int]) -> dict[int, dict[str, Any]]:
    """Return what is known of these papers, as far as `_are_different` needs it."""
    columns = (papers.c.id, papers.c.authors, papers.c.arxiv_id, papers.c.doi)
    return {row.id: row._asdict() for row in tx.execute(sa.select(*columns).where(papers.c.id.in_(ids)))} if ids else {}


def _new_ids(tx: sa.Connection, many: int) -> list[int]:
    """Return ``many`` ids for new rows of papers: far cheaper than having each insert return its id."""
    if tx.dialect.name == "postgresql":
        sequence = sa.func.nextval(sa.func.pg_get_serial_sequence("papers", "id"))
        return list(tx.scalars(sa.select(sequence).select_from(sa.func.generate_series(1, many))))
    last = tx.scalar(sa.select(sa.func.max(papers.c.id))) or 0  # SQLite has one writer at a time
    return list(range(last + 1, last + 1 + many))


def _facts(paper: Paper) -> dict[str, Any]:
    return {
        "title": paper.title,
        "title_key": title_key(paper.title),
        "arxiv_id": arxiv_id(paper.arxiv_id),
        "doi": doi(paper.doi),
        "authors": list(paper.authors) or None,
        "venue": paper.venue,
        "year": paper.year,
        "category": paper.category,
        "sections": list(paper.sections) or None,
    }


def _by_sign(tx: sa.Connection, rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], int]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for facts in rows:
        for name in _SIGNS:
            if facts[name]:
                wanted[name].add(facts[name])
    results: dict[tuple[str, str], int] = {}
    for name, values in wanted.items():
        column = papers.c[name]
        for row in tx.execute(sa.select(papers.c.id, column.label("sign")).where(column.in_(values))):
            results[name, row.sign] = min(row.id, results.get((name, row.sign), row.id))
    return results


def _merge(tx: sa.Connection, into: int, others: set[int]) -> None:
    for table in (summaries, paper_keys):
        tx.execute(table.update().where(table.c.paper_id.in_(others)).values(paper_id=into))
    tx.execute(papers.delete().where(papers.c.id.in_(others)))


def _complete(tx: sa.Connection, known_facts: Sequence[tuple[int, dict[str, Any]]]) -> set[int]:
    """Update papers that are known already; return the ids of those whose title changed.

    A field that is missing here keeps the value that another source gave. A title that differs only by a full stop or
    in case is the same title. A paper with several keys may have titles that differ for good: it keeps the first.
    """
    retitled: set[int] = set()
    if not known_facts:
        return retitled
    ids = {id_ for id_, _ in known_facts}
    before = {row.id: row for row in tx.execute(sa.select(papers).where(papers.c.id.in_(ids)))}
    several = set(
        tx.scalars(
            sa.select(paper_keys.c.paper_id)
            .where(paper_keys.c.paper_id.in_(ids))
            .group_by(paper_keys.c.paper_id)
            .having(sa.func.count() > 1)
        )
    )
    for id_, facts in known_facts:
        new = {name: facts[name] for name in _FACTS if facts[name] and facts[name] != getattr(before[id_], name)}
        if "title_key" not in new or (id_ in several and before[id_].title_key):
            new.pop("title", None)
            new.pop("title_key", None)
        if "title" in new:
            retitled.add(id_)
        if new:
            tx.execute(papers.update().where(papers.c.id == id_).values(**new))
    return retitled
