"""Inside a transaction: what sources gave, and the backlogs that grow from it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from digestbot.identity import Known, match
from digestbot.model import Summary
from digestbot.retry import backoff
from digestbot.schema import backlog, cursors, papers, sources, summaries

BATCH = 500  # papers to a round trip: memory and SQL stay bounded however long the feed


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of a source between polls, for conditional requests. ``failed``: the last one did."""

    url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: bytes | None = None
    suspect_hash: bytes | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Intake:
    """What a poll brought."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


def claim_poll(tx: sa.Connection, source: str, every: timedelta, now: datetime, *, at_once: bool) -> SourceState | None:
    """The right to poll the source now, and what to ask with; None where it is not due.

    The next poll is set before this one is made, so that of several processes one polls. A next poll further
    away than ``every`` was set by a clock that has since stepped back: then the source is due.
    """
    row = tx.execute(sa.select(sources).where(sources.c.name == source).with_for_update()).first()
    if row is None:
        tx.execute(sources.insert().values(name=source, next_poll_at=now + every))
        return SourceState()
    due = row.next_poll_at is None or not now < row.next_poll_at <= now + every
    if not due and not at_once:
        return None
    tx.execute(sources.update().where(sources.c.name == source).values(next_poll_at=now + every))
    return SourceState(row.url, row.etag, row.last_modified, row.body_hash, row.suspect_hash, row.failures > 0)


def poll_succeeded(tx: sa.Connection, source: str, state: SourceState, now: datetime, *, sighted: bool = True) -> None:
    """Remember what to ask with next time. ``sighted``: what the source holds has been seen whole."""
    values: dict[str, object] = {"polled_at": now} if sighted else {}
    tx.execute(
        sources.update()
        .where(sources.c.name == source)
        .values(
            url=state.url,
            etag=state.etag,
            last_modified=state.last_modified,
            body_hash=state.body_hash,
            suspect_hash=state.suspect_hash,
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
        .values(failures=failures, error=error, next_poll_at=now + min(every, backoff(failures)))
    )
    return failures


def sight_again(tx: sa.Connection, source: str) -> None:
    """The source has moved to another address: what is new there now is treated as at first sight."""
    tx.execute(cursors.update().where(cursors.c.source == source).values(sight_again=True))


def fingerprint(summary: Summary) -> bytes:
    """A hash of everything that may change about a summary."""
    paper = summary.paper
    parts = (
        paper.title,
        paper.arxiv_id,
        paper.doi,
        summary.writer,
        summary.handle,
        summary.body,
        summary.link,
        summary.votes,
        summary.dated,
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def take_in(tx: sa.Connection, source: str, incoming: Sequence[Summary], now: datetime) -> Intake:
    """Add what is new, update what changed, leave the rest; what is absent says nothing and stays."""
    # Serialises intakes of one source: summary ids then commit in order, which the cursors rely on.
    tx.execute(sa.select(sources.c.name).where(sources.c.name == source).with_for_update())
    by_paper: dict[str, list[Summary]] = defaultdict(list)
    for summary in incoming:
        by_paper[summary.paper.key].append(summary)
    keys = list(by_paper)
    total = Intake()
    for start in range(0, len(keys), BATCH):
        part = _take_in_batch(tx, source, {key: by_paper[key] for key in keys[start : start + BATCH]}, now)
        total = Intake(total.new + part.new, total.changed + part.changed, total.unchanged + part.unchanged)
    return total


def _take_in_batch(tx: sa.Connection, source: str, by_paper: dict[str, list[Summary]], now: datetime) -> Intake:
    paper_ids = {
        row.key: row.id for row in tx.execute(sa.select(papers.c.id, papers.c.key).where(papers.c.key.in_(by_paper)))
    }
    rows = tx.execute(
        sa.select(summaries.c.id, summaries.c.paper_id, summaries.c.handle, summaries.c.body, summaries.c.fingerprint)
        .where(summaries.c.paper_id.in_(paper_ids.values()), summaries.c.source == source)
        .order_by(summaries.c.id)
    ).all()
    known: dict[int, list[Known]] = defaultdict(list)
    for row in rows:
        known[row.paper_id].append(Known(row.id, row.handle, row.body))
    prints = {row.id: row.fingerprint for row in rows}

    fresh = [
        {"key": key, "title": group[0].paper.title, "arxiv_id": group[0].paper.arxiv_id, "doi": group[0].paper.doi}
        for key, group in by_paper.items()
        if key not in paper_ids
    ]
    if fresh:
        inserted = tx.execute(papers.insert().returning(papers.c.id, papers.c.key), fresh)
        paper_ids.update({row.key: row.id for row in inserted})

    new, changes, unchanged = [], [], 0
    for key, group in by_paper.items():
        group = _without_repeats(group)
        for summary, twin in zip(group, match(known[paper_ids[key]], group), strict=True):
            hash_ = fingerprint(summary)
            if twin is not None and prints[twin.id] == hash_:
                unchanged += 1
                continue
            row_ = {
                "paper_id": paper_ids[key],
                "source": source,
                "handle": summary.handle,
                "writer": summary.writer,
                "body": summary.body,
                "link": summary.link,
                "votes": summary.votes,
                "dated": summary.dated,
                "fingerprint": hash_,
            }
            if twin is None:
                new.append((summary.dated, row_ | {"taken_in_at": now}))
            else:
                changes.append((row_ | {"changed_at": now, "b_id": twin.id}, summary))
    if new:
        far = datetime.max.replace(tzinfo=now.tzinfo)
        new.sort(key=lambda pair: pair[0] or far)  # ids follow dates where there are any
        tx.execute(summaries.insert(), [row_ for _, row_ in new])
    if changes:
        update = summaries.update().where(summaries.c.id == sa.bindparam("b_id"))
        tx.execute(update, [row_ for row_, _ in changes])
        tx.execute(
            papers.update().where(papers.c.id == sa.bindparam("b_id")),
            [
                {"b_id": row_["paper_id"], "title": s.paper.title, "arxiv_id": s.paper.arxiv_id, "doi": s.paper.doi}
                for row_, s in changes
            ],
        )
    return Intake(len(new), len(changes), unchanged)


def _without_repeats(group: list[Summary]) -> list[Summary]:
    """One paper's summaries without those that the feed gives twice."""
    if len(group) == 1:
        return group
    seen: dict[tuple[str, str], Summary] = {}
    for summary in group:
        seen.setdefault(("by", summary.handle) if summary.handle is not None else ("anon", summary.body), summary)
    return list(seen.values())


def first_seen(tx: sa.Connection, digest: str, channel: str) -> datetime | None:
    """When the digest first read a source for the channel; None if it never did."""
    seen: datetime | None = tx.scalar(
        sa.select(sa.func.min(cursors.c.first_seen_at)).where(cursors.c.digest == digest, cursors.c.channel == channel)
    )
    return seen


def extend_backlog(
    tx: sa.Connection,
    digest: str,
    channel: str,
    source: str,
    policy: str | int | date,
    zone: ZoneInfo,
    now: datetime,
) -> int:
    """Put the source's summaries that the digest has not seen yet on its backlog for the channel.

    What is there at first sight is treated by ``policy``: "skip", "all", the number of newest to keep, or the
    date (in ``zone``) from which on to keep. Gives how many now wait that did not.
    """
    polled = tx.execute(
        sa.select(sources.c.polled_at).where(sources.c.name == source).with_for_update()
    ).scalar_one_or_none()
    if polled is None:
        return 0  # never read yet: what it holds then is what is there at first sight
    mine = (cursors.c.digest == digest, cursors.c.channel == channel, cursors.c.source == source)
    row = tx.execute(sa.select(cursors.c.summary_id, cursors.c.sight_again).where(*mine)).first()
    cursor = row.summary_id if row else None
    newest = tx.scalar(sa.select(sa.func.max(summaries.c.id)).where(summaries.c.source == source)) or 0
    if cursor is None:
        tx.execute(
            cursors.insert().values(digest=digest, channel=channel, source=source, summary_id=newest, first_seen_at=now)
        )
        keep = _kept_at_first_sight(source, policy, zone)
    elif newest > cursor:
        tx.execute(cursors.update().where(*mine).values(summary_id=newest, sight_again=False))
        again = row is not None and row.sight_again
        keep = _kept_at_first_sight(source, policy, zone) if again else sa.true()
    else:
        return 0
    picked = sa.select(
        sa.literal(digest),
        sa.literal(channel),
        summaries.c.id,
        sa.case((keep, "waiting"), else_="skipped"),
        sa.case((keep, sa.null()), else_="was there when the digest was first seen"),
    ).where(summaries.c.source == source, summaries.c.id > (cursor or 0), summaries.c.id <= newest)
    tx.execute(backlog.insert().from_select(["digest", "channel", "summary_id", "status", "reason"], picked))
    return int(
        tx.scalar(
            sa.select(sa.func.count())
            .select_from(backlog)
            .join(summaries)
            .where(
                backlog.c.digest == digest,
                backlog.c.channel == channel,
                backlog.c.status == "waiting",
                summaries.c.source == source,
                summaries.c.id > (cursor or 0),
            )
        )
        or 0
    )


def _kept_at_first_sight(source: str, policy: str | int | date, zone: ZoneInfo) -> sa.ColumnElement[bool]:
    if policy == "all":
        return sa.true()
    if policy == "skip" or policy == 0:
        return sa.false()
    if isinstance(policy, date):
        return summaries.c.dated >= datetime.combine(policy, time(), zone)
    newest_first = (summaries.c.dated.is_(None), summaries.c.dated.desc(), summaries.c.id.desc())
    ids = sa.select(summaries.c.id).where(summaries.c.source == source).order_by(*newest_first).limit(int(policy))
    return summaries.c.id.in_(ids)
