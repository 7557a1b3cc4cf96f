"""Inside a transaction: what is remembered of sources, and the summaries that they gave."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from digestbot.identity import LONGEST_KEY, Known, is_cut, match, same_text, short_key
from digestbot.ledger import changes
from digestbot.ledger import papers as paper_ledger
from digestbot.ledger.concurrency import INTAKE, insert_unless_there, one_at_a_time
from digestbot.model import Summary
from digestbot.retry import FIRST_WAIT, LONGEST_WAIT, backoff
from digestbot.schema import cursors, sources, summaries

BATCH = 1000  # summaries to a round trip: memory and SQL stay bounded however long the feed


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of a source between polls.

    ``fetched_at`` is when a document last came whole. Of a feed that slid past what was known, ``read_to`` is the
    latest date known before, until the gap is filled. Of a database, ``read_to`` is where going through it in the
    order of its keys has come, ``checked_to`` the known summary up to which the others were looked for in it.
    ``sighted``: it was read whole at least once. ``failed``: the last poll did.
    """

    url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: bytes | None = None
    suspect_hash: bytes | None = None
    fetched_at: datetime | None = None
    read_to: str | None = None
    checked_to: int | None = None
    sighted: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Intake:
    """What a poll brought."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    withdrawn: int = 0

    def __add__(self, other: Intake) -> Intake:
        return Intake(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.withdrawn + other.withdrawn,
        )


def claim_poll(tx: sa.Connection, source: str, every: timedelta, now: datetime, *, at_once: bool) -> SourceState | None:
    """The right to poll the source now, and what to ask with; None where it is not due.

    The next poll is set before this one is made, so that of several processes one polls. A next poll further
    away than ``every`` was set by a clock that has since stepped back: then the source is due.
    """
    query = sa.select(sources).where(sources.c.name == source).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        if insert_unless_there(tx, sources, name=source, next_poll_at=now + every):
            return SourceState()
        row = tx.execute(query).one()  # another process was faster
    due = row.next_poll_at is None or not now < row.next_poll_at <= now + every
    if not due and not at_once:
        return None
    tx.execute(sources.update().where(sources.c.name == source).values(next_poll_at=now + every))
    return SourceState(
        row.url,
        row.etag,
        row.last_modified,
        row.body_hash,
        row.suspect_hash,
        row.fetched_at,
        row.read_to,
        row.checked_to,
        row.polled_at is not None,
        row.failures > 0,
    )


def next_poll(tx: sa.Connection, source: str) -> datetime | None:
    """When the source is to be polled next; None for one that never was."""
    found: datetime | None = tx.scalar(sa.select(sources.c.next_poll_at).where(sources.c.name == source))
    return found


def poll_succeeded(tx: sa.Connection, source: str, state: SourceState, now: datetime, *, sighted: bool = True) -> None:
    """Remember what to ask with next time. ``sighted``: what the source holds has been seen whole."""
    values: dict[str, object] = {"polled_at": now} if sighted else {}
    if state.fetched_at is None:  # of a feed it is not what a poll ends with that says how far is read
        values |= {"read_to": state.read_to}
    tx.execute(
        sources.update()
        .where(sources.c.name == source)
        .values(
            url=state.url,
            etag=state.etag,
            last_modified=state.last_modified,
            body_hash=state.body_hash,
            suspect_hash=state.suspect_hash,
            fetched_at=state.fetched_at,
            checked_to=state.checked_to,
            failures=0,
            error=None,
            **values,
        )
    )


def poll_failed(tx: sa.Connection, source: str, error: str, every: timedelta, now: datetime) -> int:
    """Remember that and why the source could not be read, and ask again soon; gives how often in a row."""
    failures = int(tx.scalar(sa.select(sources.c.failures).where(sources.c.name == source)) or 0) + 1
    tx.execute(
        sources.update()
        .where(sources.c.name == source)
        .values(
            failures=failures, error=error, next_poll_at=now + min(every, backoff(failures, FIRST_WAIT, LONGEST_WAIT))
        )
    )
    return failures


def read_on(tx: sa.Connection, source: str, read_to: str) -> None:
    """Remember how far going through a database for the first time has come."""
    tx.execute(sources.update().where(sources.c.name == source).values(read_to=read_to))


def sight_again(tx: sa.Connection, source: str, *, again: bool = True) -> None:
    """What is new in the source from here on is treated as at first sight, or (again) as new."""
    tx.execute(sa.select(sources.c.name).where(sources.c.name == source).with_for_update())  # as backlogs.extend does
    tx.execute(cursors.update().where(cursors.c.source == source).values(sight_again=again))


def known_until(tx: sa.Connection, source: str) -> datetime | None:
    """Of a feed that slid past what was known: the latest date that was known before."""
    date = tx.scalar(sa.select(sources.c.read_to).where(sources.c.name == source))
    try:
        return datetime.fromisoformat(date) if date else None
    except ValueError:  # a key: the source was a database before
        return None


def gap_since(tx: sa.Connection, source: str, newest: datetime | None) -> None:
    """Remember what was the latest date known before a gap; None for none, or none any more."""
    date = newest.isoformat() if newest else None
    tx.execute(sources.update().where(sources.c.name == source).values(read_to=date))


def fingerprint(summary: Summary) -> bytes:
    """A hash of everything that may change about a summary."""
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
    )
    hash_.update("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"))
    hash_.update(summary.body.encode("utf-8", "surrogatepass"))
    return hash_.digest()


def known_versions(tx: sa.Connection, source: str, versions: Sequence[bytes]) -> dict[bytes, int]:
    """Those of these versions that the ledger holds, with the id of the summary."""
    found: dict[bytes, int] = {}
    for start in range(0, len(versions), BATCH):
        query = sa.select(summaries.c.version, summaries.c.id).where(
            summaries.c.source == source,
            summaries.c.version.in_(versions[start : start + BATCH]),
            summaries.c.withdrawn_at.is_(None),
        )
        found |= {row.version: row.id for row in tx.execute(query)}
    return found


def count(tx: sa.Connection, source: str) -> int:
    """How many summaries of the source are known and not withdrawn."""
    query = sa.select(sa.func.count()).where(summaries.c.source == source, summaries.c.withdrawn_at.is_(None))
    return int(tx.scalar(query) or 0)


def any_known(tx: sa.Connection, source: str) -> bool:
    """Whether the source gave anything yet."""
    return tx.execute(sa.select(summaries.c.id).where(summaries.c.source == source).limit(1)).first() is not None


def newest_date(tx: sa.Connection, source: str) -> datetime | None:
    """The latest date of the source's summaries."""
    newest: datetime | None = tx.scalar(sa.select(sa.func.max(summaries.c.dated)).where(summaries.c.source == source))
    return newest


def take_in(
    tx: sa.Connection,
    source: str,
    incoming: Sequence[Summary],
    now: datetime,
    *,
    present: Collection[int] = (),
    shown: int = 0,
    only_new: bool = False,
) -> Intake:
    """Add what is new, update what changed, leave the rest; what is absent says nothing and stays.

    ``present`` are known summaries that the source has shown unchanged beside these, so none of these is one of
    them. ``shown`` is how many it has shown in all: where that is no less than what is known of it, it showed all
    that it holds. ``only_new``: another source stands in for it, so what is known stays as it is.
    """
    # Serialises intakes of one source: summary ids then commit in order, which the cursors rely on.
    tx.execute(sa.select(sources.c.name).where(sources.c.name == source).with_for_update())
    one_at_a_time(tx, INTAKE)  # several sources may have the same papers
    groups: dict[str, list[Summary]] = defaultdict(list)
    for summary in incoming:
        if len(summary.paper.key) > LONGEST_KEY:
            summary = replace(summary, paper=replace(summary.paper, key=short_key(summary.paper.key)))
        groups[summary.paper.key].append(summary)
    keys, total = list(groups), Intake()
    for start in range(0, len(keys), BATCH):
        part = {key: _without_repeats(groups[key]) for key in keys[start : start + BATCH]}
        total += _Batch(tx, source, now, present, shown, only_new).take_in(part)
    return total


class _Batch:
    """Some papers' summaries on their way into the ledger."""

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
        """Whether the source showed all that it holds."""
        return self.shown > 0 and self.shown >= count(self.tx, self.source)

    def take_in(self, groups: dict[str, list[Summary]]) -> Intake:
        """Each group is one key's."""
        ids, made, self.retitled = paper_ledger.resolve(self.tx, [group[-1].paper for group in groups.values()])
        known = self._known(set(ids.values()) - made)
        by_paper: dict[int, list[Summary]] = defaultdict(list)
        for key, group in groups.items():
            by_paper[ids[key]] += group
        for paper_id, members in by_paper.items():
            mine = known.get(paper_id, [])
            found = match(mine, members, whole=lambda: self.whole) if mine else [None] * len(members)
            for summary, twin in zip(members, found, strict=True):
                self._sort_out(paper_id, summary, twin)
        self._write()
        return Intake(len(self.new), len(self.changed), self.unchanged)

    def _known(self, paper_ids: Collection[int]) -> dict[int, list[Known]]:
        known: dict[int, list[Known]] = defaultdict(list)
        if paper_ids:
            query = (
                sa.select(summaries)
                .where(summaries.c.paper_id.in_(paper_ids), summaries.c.source == self.source)
                .order_by(summaries.c.id)
            )
            for row in self.tx.execute(query):
                if row.id not in self.present:
                    self.rows[row.id] = row
                    known[row.paper_id].append(Known(row.id, row.key, row.store_id, row.handle, row.body, row.link))
        return known

    def _sort_out(self, paper_id: int, summary: Summary, twin: Known | None) -> None:
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
            "body": summary.body,
            "link": summary.link,
            "votes": summary.votes,
            "dated": summary.dated,
            "fingerprint": hash_,
            "version": summary.version,
        }
        if before is None:
            self.new.append((summary, values | {"taken_in_at": self.now}))
        else:
            self.changed.append((before, summary, values | {"changed_at": self.now, "withdrawn_at": None}))

    def _write(self) -> None:
        if self.new:
            far = datetime.max.replace(tzinfo=self.now.tzinfo)
            self.new.sort(key=lambda pair: pair[0].dated or far)  # ids follow dates where there are any
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
            changes.note(self.tx, differences, self.now)


def _difference(before: Any, summary: Summary, *, retitled: bool) -> changes.Difference:
    back = before.withdrawn_at is not None
    changed = not same_text(before.body, summary.body) or before.writer != summary.writer or retitled
    return changes.Difference(
        summary=before.id,
        edited=changed and not back,
        name_gone=(before.writer, before.handle, before.orcid) if before.writer and summary.writer is None else None,
        named=summary.writer is not None,
        back=back,
    )


def _without_repeats(group: list[Summary]) -> list[Summary]:
    """One key's summaries without those that the feed gives twice."""
    if len(group) == 1:
        return group
    seen: dict[tuple[str | None, ...], Summary] = {}
    for summary in group:
        text = summary.body if summary.handle is None or summary.store_id else None
        seen.setdefault((summary.store_id, summary.handle, text), summary)
    return list(seen.values())


# ---- what a database no longer holds


def rows_after(tx: sa.Connection, source: str, after: int, most: int) -> list[sa.Row[tuple[int, str, bytes | None]]]:
    """The next known summaries, not withdrawn, in the order of their ids: (id, key, version)."""
    query = sa.select(summaries.c.id, summaries.c.key, summaries.c.version).where(
        summaries.c.source == source, summaries.c.id > after, summaries.c.withdrawn_at.is_(None)
    )
    return list(tx.execute(query.order_by(summaries.c.id).limit(most)))


def rows_of(tx: sa.Connection, source: str, keys: Iterable[str]) -> list[sa.Row[tuple[int, str, bytes | None]]]:
    """The known summaries, not withdrawn, that are filed under these keys: (id, key, version)."""
    query = sa.select(summaries.c.id, summaries.c.key, summaries.c.version).where(
        summaries.c.source == source, summaries.c.key.in_(list(keys)), summaries.c.withdrawn_at.is_(None)
    )
    return list(tx.execute(query))


def withdraw(tx: sa.Connection, source: str, ids: Sequence[int], looked: int, now: datetime) -> None:
    """These summaries are no longer there, or no longer public, of so many that were looked for: their texts and
    names are forgotten, what waits of them is not posted, and their posts are up for what the digests say."""
    forgotten: dict[str, Any] = {"body": "", "link": "", "fingerprint": b"", "withdrawn_at": now}
    forgotten |= dict.fromkeys(("writer", "orcid", "version"))
    # a store that does not number its summaries could not be told by anything else, should they come back
    forgotten["handle"] = sa.case((summaries.c.store_id.is_(None), summaries.c.handle))
    for start in range(0, len(ids), BATCH):
        tx.execute(summaries.update().where(summaries.c.id.in_(ids[start : start + BATCH])).values(**forgotten))
    changes.note_withdrawn(tx, source, ids, looked, now)
