"""Functions that run inside a transaction: ingest the summaries of sources, and withdraw those that are gone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from digestbot.domain.dedup import LONGEST_KEY, KnownSummary, is_cut, match_summaries, same_text, short_key
from digestbot.domain.model import Summary
from digestbot.ledger import arrivals, edit_log
from digestbot.ledger.concurrency import INTAKE, one_at_a_time
from digestbot.ledger.item_keys import separate_items
from digestbot.ledger.papers import resolve_papers
from digestbot.ledger.schema import sources, summaries

BATCH = 1000  # summaries per round trip, so that memory and SQL stay bounded however long the feed is


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The outcome of a poll: the number of summaries that were new, changed, unchanged and withdrawn.

    ``shared_keys`` is how many of them had an identifier that belongs to a different one.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    shared_keys: int = 0

    def __add__(self, other: IngestResult) -> IngestResult:
        return IngestResult(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.withdrawn + other.withdrawn,
            self.shared_keys + other.shared_keys,
        )


def fingerprint(summary: Summary) -> bytes:
    """Return a hash of everything that may change about a summary."""
    paper, hash_ = summary.paper, hashlib.blake2b(digest_size=16)
    parts = (
        paper.title,
        paper.arxiv_id,
        paper.doi,
        paper.authors,
        paper.venue,
        paper.year,
        paper.category,
        paper.sections,
        summary.writer,
        summary.handle,
        summary.orcid,
        summary.link,
        summary.votes,
        summary.dated,
        summary.genre,
    )
    hash_.update("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"))
    hash_.update(summary.body.encode("utf-8", "surrogatepass"))
    return hash_.digest()


def known_versions(tx: sa.Connection, source: str, versions: Sequence[bytes]) -> dict[bytes, int]:
    """Return those of these versions that the ledger holds, with their summaries' ids; withdrawn summaries are left
    out."""
    results: dict[bytes, int] = {}
    if not has_summaries(tx, source):
        return results
    for start in range(0, len(versions), BATCH):
        query = sa.select(summaries.c.version, summaries.c.id).where(
            summaries.c.source == source,
            summaries.c.version.in_(versions[start : start + BATCH]),
            summaries.c.withdrawn_at.is_(None),
        )
        results |= {row.version: row.id for row in tx.execute(query)}
    return results


def summary_count(tx: sa.Connection, source: str) -> int:
    """Return how many of the source's summaries are known and not withdrawn."""
    query = sa.select(sa.func.count()).where(summaries.c.source == source, summaries.c.withdrawn_at.is_(None))
    return int(tx.scalar(query) or 0)


def has_summaries(tx: sa.Connection, source: str) -> bool:
    """Return whether the source has provided any summary yet."""
    return tx.execute(sa.select(summaries.c.id).where(summaries.c.source == source).limit(1)).first() is not None


def newest_date(tx: sa.Connection, source: str) -> datetime | None:
    """Return the latest date of the source's summaries; None if none has a date."""
    newest: datetime | None = tx.scalar(
        sa.select(sa.func.max(summaries.c.source_date)).where(summaries.c.source == source)
    )
    return newest


def count_of_date(tx: sa.Connection, source: str, date: datetime) -> int:
    """Return how many of the source's summaries have exactly this date."""
    query = sa.select(sa.func.count()).where(summaries.c.source == source, summaries.c.source_date == date)
    return int(tx.scalar(query) or 0)


def ingest(
    tx: sa.Connection,
    source: str,
    incoming: Sequence[Summary],
    now: datetime,
    *,
    present: Collection[int] = (),
    shown: int = 0,
    only_new: bool = False,
    keys_are_certain: bool = False,
    hold_old: bool = False,
) -> IngestResult:
    """Add new summaries and update changed ones; a known summary that is absent from ``incoming`` stays as it is.

    ``present`` are the ids of known summaries that the source has also shown, unchanged; none of ``incoming`` is one of
    them. ``shown`` is the total number of summaries that the source has shown. If it is at least the number of known
    summaries, the source has shown everything that it holds. With ``only_new``, known summaries stay unchanged,
    because another source stands in for this one. ``keys_are_certain``: summaries with the same key are the same,
    whatever they look like. ``hold_old``: many old ones that arrive at once are held for the operator.
    """
    # Serialize the intakes of a source: its summary ids then commit in order, which the cursors rely on.
    tx.execute(sa.select(sources.c.name).where(sources.c.name == source).with_for_update())
    one_at_a_time(tx, INTAKE)  # because several sources may have the same papers
    since = arrivals.last_id(tx, source) if hold_old else 0
    separate, shared = [_with_short_key(one) for one in incoming], 0
    if not keys_are_certain:
        separate, shared = separate_items(tx, source, separate, present)
    groups: dict[str, list[Summary]] = defaultdict(list)
    for summary in separate:
        groups[summary.paper.key].append(summary)
    keys, total = list(groups), IngestResult(shared_keys=shared)
    for start in range(0, len(keys), BATCH):
        part = {key: _without_repeats(groups[key]) for key in keys[start : start + BATCH]}
        total += _Batch(tx, source, now, present, shown, only_new).take_in(part)
    if hold_old and total.new:
        nothing_known = not (present or total.changed or total.unchanged)
        arrivals.hold_old_arrivals(tx, source, since, now, nothing_known=nothing_known)
    return total


def _with_short_key(summary: Summary) -> Summary:
    key = summary.paper.key
    if len(key) <= LONGEST_KEY:
        return summary
    handle = short_key(key) if summary.handle == key else summary.handle
    return replace(summary, handle=handle, paper=replace(summary.paper, key=short_key(key)))


class _Batch:
    """The summaries of some papers that are being ingested."""

    def __init__(
        self, tx: sa.Connection, source: str, now: datetime, present: Collection[int], shown: int, only_new: bool
    ) -> None:
        self.tx, self.source, self.now, self.present = tx, source, now, present
        self.shown, self.only_new = shown, only_new
        self.rows: dict[int, Any] = {}
        self.new: list[tuple[Summary, dict[str, Any]]] = []
        self.versions: list[dict[str, Any]] = []
        self.changed: list[tuple[Any, Summary, dict[str, Any]]] = []
        self.retitled: set[int] = set()
        self.unchanged = 0

    @cached_property
    def whole(self) -> bool:
        """Whether the source has shown everything that it holds."""
        return self.shown > 0 and self.shown >= summary_count(self.tx, self.source)

    def take_in(self, groups: dict[str, list[Summary]]) -> IngestResult:
        """Ingest these summaries, grouped by their paper's key; return the counts."""
        ids, made, self.retitled = resolve_papers(self.tx, [group[-1].paper for group in groups.values()])
        known = self._known(set(ids.values()) - made)
        by_paper: dict[int, list[Summary]] = defaultdict(list)
        for key, group in groups.items():
            by_paper[ids[key]] += group
        for paper_id, members in by_paper.items():
            of_paper = known.get(paper_id, [])
            result = match_summaries(of_paper, members, whole=lambda: self.whole) if of_paper else [None] * len(members)
            for summary, twin in zip(members, result, strict=True):
                self._sort_out(paper_id, summary, twin)
        self._write()
        return IngestResult(len(self.new), len(self.changed), self.unchanged)

    def _known(self, paper_ids: Collection[int]) -> dict[int, list[KnownSummary]]:
        known: dict[int, list[KnownSummary]] = defaultdict(list)
        if paper_ids:
            query = (
                sa.select(summaries)
                .where(summaries.c.paper_id.in_(paper_ids), summaries.c.source == self.source)
                .order_by(summaries.c.id)
            )
            for row in self.tx.execute(query):
                if row.id not in self.present:
                    self.rows[row.id] = row
                    known[row.paper_id].append(
                        KnownSummary(row.id, row.key, row.store_id, row.handle, row.body, row.link)
                    )
        return known

    def _sort_out(self, paper_id: int, summary: Summary, twin: KnownSummary | None) -> None:
        before = self.rows[twin.id] if twin else None
        if before is not None and is_cut(summary.body, before.body):
            summary = replace(summary, body=before.body)
        hash_, key = fingerprint(summary), summary.paper.key
        if before is not None and self.only_new:
            self.unchanged += 1
            return
        if before is not None and before.fingerprint == hash_ and before.withdrawn_at is None:
            self.unchanged += 1
            if before.version != summary.version or before.key != key or before.store_id != summary.store_id:
                self.versions.append(
                    {"b_id": before.id, "version": summary.version, "key": key, "store_id": summary.store_id}
                )
            return
        values = {
            "paper_id": paper_id,
            "source": self.source,
            "key": key,
            "store_id": summary.store_id,
            "handle": summary.handle,
            "writer": summary.writer,
            "orcid": summary.orcid,
            "genre": summary.genre,
            "body": summary.body,
            "link": summary.link,
            "votes": summary.votes,
            "source_date": summary.dated,
            "fingerprint": hash_,
            "version": summary.version,
        }
        if before is None:
            self.new.append((summary, values | {"ingested_at": self.now}))
        else:
            self.changed.append((before, summary, values | {"changed_at": self.now, "withdrawn_at": None}))

    def _write(self) -> None:
        if self.new:
            far = datetime.max.replace(tzinfo=self.now.tzinfo)
            self.new.sort(key=lambda pair: pair[0].dated or far)  # so that ids follow dates where there are any
            self.tx.execute(summaries.insert(), [values for _, values in self.new])
        if self.versions:
            self.tx.execute(summaries.update().where(summaries.c.id == sa.bindparam("b_id")), self.versions)
        if self.changed:
            update = summaries.update().where(summaries.c.id == sa.bindparam("b_id"))
            self.tx.execute(update, [values | {"b_id": before.id} for before, _, values in self.changed])
            differences = [
                _difference(before, summary, retitled=before.paper_id in self.retitled)
                for before, summary, _ in self.changed
            ]
            edit_log.record_edits(self.tx, differences, self.now)


def _difference(before: Any, summary: Summary, *, retitled: bool) -> edit_log.SummaryDifference:
    back = before.withdrawn_at is not None
    changed = not same_text(before.body, summary.body) or before.writer != summary.writer or retitled
    return edit_log.SummaryDifference(
        summary=before.id,
        edited=changed and not back,
        name_gone=(before.writer, before.handle, before.orcid) if before.writer and summary.writer is None else None,
        named=summary.writer is not None,
        back=back,
    )


def _without_repeats(group: list[Summary]) -> list[Summary]:
    """Return the summaries of one paper key without those that the source gave twice."""
    if len(group) == 1:
        return group
    seen: dict[tuple[str | None, ...], Summary] = {}
    for summary in group:
        text = summary.body if summary.handle is None or summary.store_id else None
        seen.setdefault((summary.store_id, summary.handle, text), summary)
    return list(seen.values())


# ---- summaries that a database no longer holds


def rows_after(tx: sa.Connection, source: str, after: int, most: int) -> list[sa.Row[tuple[int, str, bytes | None]]]:
    """Return up to ``most`` known summaries with ids greater than ``after``, by id, without withdrawn ones: (id, key,
    version)."""
    query = sa.select(summaries.c.id, summaries.c.key, summaries.c.version).where(
        summaries.c.source == source, summaries.c.id > after, summaries.c.withdrawn_at.is_(None)
    )
    return list(tx.execute(query.order_by(summaries.c.id).limit(most)))


def rows_of(tx: sa.Connection, source: str, keys: Iterable[str]) -> list[sa.Row[tuple[int, str, bytes | None]]]:
    """Return the known summaries with these keys, without withdrawn ones: (id, key, version)."""
    query = sa.select(summaries.c.id, summaries.c.key, summaries.c.version).where(
        summaries.c.source == source, summaries.c.key.in_(list(keys)), summaries.c.withdrawn_at.is_(None)
    )
    return list(tx.execute(query))


def withdraw(tx: sa.Connection, source: str, ids: Sequence[int], looked: int, now: datetime) -> None:
    """Withdraw summaries that are no longer in the source, or no longer public.

    Their texts and names are cleared, their pending posts are not sent, and their published posts are recorded for the
    digests to act on. ``looked`` is how many summaries were looked for.
    """
    forgotten: dict[str, Any] = {"body": "", "link": "", "fingerprint": b"", "withdrawn_at": now}
    forgotten |= dict.fromkeys(("writer", "orcid", "version"))
    # without a store id, the handle is all that can identify the summary if it comes back
    forgotten["handle"] = sa.case((summaries.c.store_id.is_(None), summaries.c.handle))
    for start in range(0, len(ids), BATCH):
        tx.execute(summaries.update().where(summaries.c.id.in_(ids[start : start + BATCH])).values(**forgotten))
    edit_log.record_withdrawals(tx, source, ids, looked, now)
