"""Functions that run inside a transaction: what is stored about each source, and when it is polled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digestbot.domain.retry import FIRST_WAIT, LONGEST_WAIT, backoff
from digestbot.ledger import alerts, arrivals, heartbeats
from digestbot.ledger.concurrency import insert_unless_there
from digestbot.ledger.intake import IngestResult, summary_count
from digestbot.ledger.schema import cursors, sources

LONGEST_PAUSE = timedelta(days=7)  # that a server may ask for
GONE = "gone"


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is stored about a source between polls.

    ``fetched_at`` is when a complete document was last received. ``suspect_hash`` is the hash of the last entry of a
    document that broke off. For a feed that left a gap, ``scan_cursor`` is the latest date known before the gap, until
    it is filled. For a database, ``scan_cursor`` is how far the scan in key order has come. ``recheck_cursor`` is the
    id of the last known summary that was looked up in the database. ``sighted``: the source was read completely at
    least once. ``failed``: the last poll failed. ``gone``: the server said that the source is gone for good, and the
    operator has not decided yet. ``moved_to`` is the URL to which the server redirects for good.
    """

    url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: bytes | None = None
    suspect_hash: bytes | None = None
    fetched_at: datetime | None = None
    scan_cursor: str | None = None
    recheck_cursor: int | None = None
    sighted: bool = False
    failed: bool = False
    gone: bool = False
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class PollReport:
    """What a poll read: how many entries, and how many of them were new, changed, unchanged, withdrawn, or dropped.

    ``early`` ones wait for their date. ``repeated`` ones are in the source more than once. ``examples`` says why the
    first ones were dropped.
    """

    entries: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    dropped: int = 0
    early: int = 0
    repeated: int = 0
    examples: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        taken: IngestResult,
        dropped: int = 0,
        early: int = 0,
        examples: Sequence[str] = (),
        entries: int | None = None,
    ) -> PollReport:
        """Return the report of a poll; without ``entries``, the sum of what was taken in counts."""
        told = taken.new + taken.changed + taken.unchanged
        repeated = 0 if entries is None else max(entries - told - dropped - early, 0)
        return cls(
            told if entries is None else entries,
            taken.new,
            taken.changed,
            taken.unchanged,
            taken.withdrawn,
            dropped,
            early,
            repeated,
            tuple(examples),
        )


def claim_poll(tx: sa.Connection, source: str, every: timedelta, now: datetime, *, at_once: bool) -> SourceState | None:
    """Claim the right to poll the source now; return the state to poll with, or None if no poll is due.

    The next poll is scheduled before this one is made, so that only one of several processes polls. A next poll further
    away than ``every`` was set by a clock that has since been set back, so the source is due. With ``at_once``, the
    source is polled even if it is not due.
    """
    query = sa.select(sources).where(sources.c.name == source).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        if insert_unless_there(tx, sources, name=source, next_poll_at=now + every):
            return SourceState()
        row = tx.execute(query).one()  # another process inserted it first
    due = row.next_poll_at is None or not now < row.next_poll_at <= now + every
    if row.not_before is not None and now < row.not_before <= now + LONGEST_PAUSE:
        due = False  # by the server's own wish
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
        row.scan_cursor,
        row.recheck_cursor,
        row.polled_at is not None,
        row.failures > 0,
        alerts.open_alert(tx, GONE, source) is not None,
        row.moved_to,
    )


def next_poll(tx: sa.Connection, source: str) -> datetime | None:
    """Return when the source is to be polled next; None if it was never polled."""
    row = tx.execute(sa.select(sources.c.next_poll_at, sources.c.not_before).where(sources.c.name == source)).first()
    return max(filter(None, row), default=None) if row is not None else None


def bring_forward(tx: sa.Connection, source: str, now: datetime) -> None:
    """Let the source be polled now, unless its server asked to wait. A running service is woken."""
    later = (sources.c.next_poll_at > now, sa.or_(sources.c.not_before.is_(None), sources.c.not_before <= now))
    done = tx.execute(sources.update().where(sources.c.name == source, *later).values(next_poll_at=now))
    if done.rowcount:
        heartbeats.record_heartbeat(tx, heartbeats.ACTION, now)


def poll_succeeded(
    tx: sa.Connection,
    source: str,
    state: SourceState,
    now: datetime,
    *,
    sighted: bool = True,
    report: PollReport | None = None,
) -> None:
    """Record a successful poll, with the state for the next one. ``sighted``: the source was read completely.

    ``report`` is what was read; None if nothing was, so that the last report stays.
    """
    values: dict[str, object] = {"polled_at": now} if sighted else {}
    if report is not None:
        values |= {"last_poll": {"at": now.isoformat()} | asdict(report)}
    if state.fetched_at is None:  # for a feed, `set_gap_since` sets it instead
        values |= {"scan_cursor": state.scan_cursor}
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
            recheck_cursor=state.recheck_cursor,
            moved_to=state.moved_to,
            failures=0,
            error=None,
            not_before=None,
            **values,
        )
    )


def poll_failed(
    tx: sa.Connection, source: str, error: str, every: timedelta, now: datetime, *, retry_after: timedelta | None = None
) -> int:
    """Record a failed poll with its error, and schedule a retry soon; return how many polls have failed in a row.

    ``retry_after`` is how long the server asked not to be called: the retry comes no sooner.
    """
    failures = int(tx.scalar(sa.select(sources.c.failures).where(sources.c.name == source)) or 0) + 1
    wait = min(every, backoff(failures, FIRST_WAIT, LONGEST_WAIT))
    asked = min(retry_after, LONGEST_PAUSE) if retry_after else None
    tx.execute(
        sources.update()
        .where(sources.c.name == source)
        .values(
            failures=failures,
            error=error,
            next_poll_at=now + (max(wait, asked) if asked else wait),
            **({"not_before": now + asked} if asked else {}),
        )
    )
    return failures


def mark_gone(tx: sa.Connection, source: str, url: str, error: str, now: datetime) -> None:
    """Raise an alert that the server says that the source is gone for good. It is not polled at this URL any more."""
    tx.execute(sources.update().where(sources.c.name == source).values(url=url))
    note = f"{error}, and it is no longer polled. Correct sources.{source}.url, or remove the source"
    alerts.raise_alert(tx, GONE, source, note, now)


def accept_move(tx: sa.Connection, source: str, before: str, url: str, now: datetime) -> None:
    """Record that the operator has written the URL to which the source moved into the configuration: its entries are
    still the same ones, not those of another source."""
    tx.execute(sources.update().where(sources.c.name == source, sources.c.url == before).values(url=url, moved_to=None))
    alerts.close_alert(tx, "moved", source, now)


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """A source as operators see it. ``last_poll`` is the report of the last poll that read anything, and when that was
    (``at``, in ISO format); None if there was none. ``held`` is how many of its old summaries an alert holds back."""

    known: int
    polled_at: datetime | None = None
    next_poll_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    moved_to: str | None = None
    last_poll: dict[str, Any] | None = None
    held: int = 0


def source_overview(tx: sa.Connection, source: str) -> SourceOverview:
    """Return a source as operators see it."""
    row: Any = tx.execute(sa.select(sources).where(sources.c.name == source)).first()
    if row is None:
        return SourceOverview(0)
    alert = alerts.open_alert(tx, arrivals.ARRIVAL, source)
    held = arrivals.held_count(tx, source, alert) if alert is not None else 0
    return SourceOverview(
        summary_count(tx, source),
        row.polled_at,
        max(filter(None, (row.next_poll_at, row.not_before)), default=None),
        row.failures,
        row.error,
        row.moved_to,
        row.last_poll,
        held,
    )


def save_scan_cursor(tx: sa.Connection, source: str, scan_cursor: str) -> None:
    """Record how far the first scan of a database has come."""
    tx.execute(sources.update().where(sources.c.name == source).values(scan_cursor=scan_cursor))


def reapply_initial_policy(tx: sa.Connection, source: str, *, again: bool = True) -> None:
    """Treat the source's next new summaries like those of a source that is read for the first time; with ``again``
    False, treat them as new."""
    tx.execute(sa.select(sources.c.name).where(sources.c.name == source).with_for_update())  # as in extend_backlog
    tx.execute(cursors.update().where(cursors.c.source == source).values(reapply_initial_policy=again))


def known_until(tx: sa.Connection, source: str) -> datetime | None:
    """Return the latest date that was known before a feed's gap; None if there is no gap."""
    date = tx.scalar(sa.select(sources.c.scan_cursor).where(sources.c.name == source))
    try:
        return datetime.fromisoformat(date) if date else None
    except ValueError:  # it is a key, because the source was a database before
        return None


def set_gap_since(tx: sa.Connection, source: str, newest: datetime | None) -> None:
    """Record the latest date that was known before a feed's gap; None if there is none, or no gap any more."""
    date = newest.isoformat() if newest else None
    tx.execute(sources.update().where(sources.c.name == source).values(scan_cursor=date))
