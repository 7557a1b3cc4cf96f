"""Inside a transaction: the backlogs that grow from what sources gave, and what of them may go next."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from digestbot.gate import Gate
from digestbot.model import Order, Paper, PostStatus, Summary
from digestbot.planning import Candidate
from digestbot.schema import READY, UNJUDGED, WAITING, backlog, cursors, papers, posts, sources, summaries

BATCH = 500
MOST_AT_ONCE = 2000  # candidates
BY_HAND = "held by hand"
_PAPER = (
    papers.c.title,
    papers.c.arxiv_id,
    papers.c.doi,
    papers.c.authors,
    papers.c.venue,
    papers.c.year,
    papers.c.category,
    papers.c.sections,
)
_noted = sa.func.coalesce(summaries.c.changed_at, summaries.c.taken_in_at)
# When a summary was last edited: a store that dates it into the future is not believed.
_SINCE = sa.case((sa.or_(summaries.c.dated.is_(None), summaries.c.dated > _noted), _noted), else_=summaries.c.dated)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A summary of a backlog, and what it waits for; empty for its turn."""

    summary: Summary
    waits_for: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a summary stands in a backlog: ``since`` is when it was taken in, or changed in the store; ``edited_at``
    when it was last edited, as the store says."""

    status: str
    reason: str | None
    held: str
    edition: int | None
    since: datetime
    first_seen_at: datetime
    edited_at: datetime
    votes: int | None
    withdrawn: bool


def standings(tx: sa.Connection, summary: int) -> dict[tuple[str, str], Standing]:
    """How the summary stands in each digest's backlog for each channel."""
    columns = (
        backlog,
        _noted.label("noted"),
        _SINCE.label("edited_at"),
        summaries.c.votes,
        summaries.c.withdrawn_at,
        summaries.c.taken_in_at,
    )
    query = sa.select(*columns).join(summaries, summaries.c.id == backlog.c.summary_id)
    return {
        (row.digest, row.channel): Standing(
            row.status,
            row.reason,
            row.held or "",
            row.edition_id,
            row.noted,
            row.taken_in_at,
            row.edited_at,
            row.votes,
            row.withdrawn_at is not None,
        )
        for row in tx.execute(
            query.where(backlog.c.summary_id == summary).order_by(backlog.c.digest, backlog.c.channel)
        )
    }


def find(tx: sa.Connection, wanted: str) -> list[tuple[Summary, str]]:
    """The summaries that are meant by an id of the ledger's, an address or a paper's key, each with its source."""
    query = sa.select(summaries, *_PAPER).join(papers)
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19:
        query = query.where(summaries.c.id == int(wanted))
    else:
        query = query.where(sa.or_(summaries.c.link == wanted, summaries.c.key == wanted))
    return [(as_summary(row), row.source) for row in tx.execute(query.order_by(summaries.c.id).limit(20))]


_NEWEST = (
    sa.select(sa.func.max(summaries.c.id))
    .where(summaries.c.source == sources.c.name)
    .correlate(sources)
    .scalar_subquery()
)
_SOURCES = sa.select(sources.c.name, _NEWEST.label("newest")).where(
    sources.c.polled_at.is_not(None), sources.c.name.in_(sa.bindparam("names", expanding=True))
)
_CURSORS = sa.select(cursors).where(cursors.c.channel.in_(sa.bindparam("channels", expanding=True)))


def behind(tx: sa.Connection, wanted: Mapping[tuple[str, str], tuple[Sequence[str], bytes]]) -> list[tuple[str, str]]:
    """The pairs of digest and channel whose backlogs are to be extended: those that have not read as far as one of
    their sources was, or whose gate has another mark. For each pair, its sources and its gate's mark."""
    sources_wanted = sorted({name for names, _ in wanted.values() for name in names})
    channels = sorted({channel for _, channel in wanted})
    newest = {row.name: row.newest or 0 for row in tx.execute(_SOURCES, {"names": sources_wanted})}
    rows = tx.execute(_CURSORS, {"channels": channels})
    known = {(row.digest, row.channel, row.source): row for row in rows}
    found = []
    for (digest, channel), (names, mark) in wanted.items():
        for name in names:
            row = known.get((digest, channel, name))
            if name in newest and (row is None or row.gate != mark or row.summary_id < newest[name] or row.sight_again):
                found.append((digest, channel))
                break
    return found


def extend(
    tx: sa.Connection,
    digest: str,
    channel: str,
    source: str,
    policy: str | int | date,
    zone: ZoneInfo,
    gate: Gate,
    now: datetime,
    configured: Sequence[str] = (),
) -> int:
    """Put the source's summaries that the digest has not seen yet on its backlog for the channel.

    What is there at first sight is treated by ``policy``: "skip", "all", the number of newest to keep, or the
    date (in ``zone``) from which on to keep; and what waits for the channel in the backlog of a digest that is no
    longer ``configured`` continues waiting here. Gives how many now wait that did not. Where the digest's ``gate`` is
    another than last time, all that waits is to be judged again.
    """
    polled = tx.execute(
        sa.select(sources.c.polled_at).where(sources.c.name == source).with_for_update()
    ).scalar_one_or_none()
    if polled is None:
        return 0  # never read yet: what it holds then is what is there at first sight
    mine = (cursors.c.digest == digest, cursors.c.channel == channel, cursors.c.source == source)
    row = tx.execute(sa.select(cursors).where(*mine)).first()
    cursor = row.summary_id if row else None
    if row is not None and row.gate != gate.mark:
        tx.execute(cursors.update().where(*mine).values(gate=gate.mark))
        _judge_again(tx, digest, channel)
    newest = tx.scalar(sa.select(sa.func.max(summaries.c.id)).where(summaries.c.source == source)) or 0
    if cursor is None:
        tx.execute(
            cursors.insert().values(
                digest=digest, channel=channel, source=source, summary_id=newest, first_seen_at=now, gate=gate.mark
            )
        )
        keep = sa.or_(_kept_at_first_sight(source, policy, zone), _left_behind(channel, [digest, *configured]))
    elif newest > cursor:
        tx.execute(cursors.update().where(*mine).values(summary_id=newest, sight_again=False))
        again = row is not None and row.sight_again
        keep = _kept_at_first_sight(source, policy, zone) if again else sa.true()
    else:
        if row is not None and row.sight_again:  # what was to be treated so is all there is
            tx.execute(cursors.update().where(*mine).values(sight_again=False))
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
            .where(*_of(digest, channel), WAITING, summaries.c.source == source, summaries.c.id > (cursor or 0))
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


def _left_behind(channel: str, configured: Sequence[str]) -> sa.ColumnElement[bool]:
    """What waits in the backlog of a digest that is no longer configured, or is in a post of its that may yet be given
    back; but not what a configured digest has put on the channel since."""
    left, other = backlog.alias("left_behind"), backlog.alias("other")
    mine = (left.c.summary_id == summaries.c.id, left.c.channel == channel, left.c.digest.not_in(configured))
    unsent = sa.exists().where(
        posts.c.edition_id == left.c.edition_id,
        posts.c.status.in_([PostStatus.PENDING, PostStatus.PUBLISHING, PostStatus.UNKNOWN, PostStatus.QUARANTINED]),
    )
    taken = sa.exists().where(
        other.c.summary_id == summaries.c.id,
        other.c.channel == channel,
        other.c.status == "taken",
        other.c.digest.in_(configured),
    )
    return sa.and_(sa.exists().where(*mine, sa.or_(left.c.status == "waiting", unsent)), ~taken)


def _of(digest: str, channel: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return backlog.c.digest == digest, backlog.c.channel == channel


def _judge_again(tx: sa.Connection, digest: str, channel: str) -> None:
    tx.execute(backlog.update().where(*_of(digest, channel), WAITING).values(held=None))


def judge(
    tx: sa.Connection, digest: str, channel: str, verdict: Callable[[Summary], str], shares_with: Sequence[str] = ()
) -> int:
    """Let the gate look at some of the waiting summaries that it has not seen yet, or not as they are now; gives how
    many those were. What another digest has put on the channel is held back, unless that is one of ``shares_with``."""
    other = backlog.alias("other")
    elsewhere = sa.select(sa.func.min(other.c.digest)).where(
        other.c.summary_id == backlog.c.summary_id, *_elsewhere(other, digest, channel, shares_with)
    )
    query = _selected().add_columns(elsewhere.correlate(backlog).scalar_subquery().label("elsewhere"))
    rows = tx.execute(query.where(*_of(digest, channel), UNJUDGED).limit(BATCH)).all()
    verdicts = [
        {
            "b_summary": row.id,
            "held": _held(row) or verdict(as_summary(row)),
        }
        for row in rows
    ]
    if verdicts:
        tx.execute(
            backlog.update().where(*_of(digest, channel), backlog.c.summary_id == sa.bindparam("b_summary"), WAITING),
            verdicts,
        )
    return len(verdicts)


def _held(row: Any) -> str:
    """What keeps a summary back, whatever it is about."""
    if row.on_hold:
        return BY_HAND
    return f"digest {row.elsewhere} has put it there, or is about to" if row.elsewhere else ""


def _selected() -> sa.Select[Any]:
    return (
        sa.select(summaries, *_PAPER, _SINCE.label("since"), backlog.c.held, backlog.c.on_hold)
        .join(papers, papers.c.id == summaries.c.paper_id)
        .join(backlog, backlog.c.summary_id == summaries.c.id)
    )


def _elsewhere(
    table: sa.FromClause, digest: str, channel: str, shares_with: Sequence[str]
) -> tuple[sa.ColumnElement[bool], ...]:
    """What another digest has put on the channel."""
    mine = [digest, *shares_with]
    return table.c.channel == channel, table.c.status == "taken", table.c.digest.not_in(mine)


def any_elsewhere(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int], shares_with: Sequence[str]) -> bool:
    """Whether another digest has put one of these summaries on the channel."""
    which = (backlog.c.summary_id.in_(ids), *_elsewhere(backlog, digest, channel, shares_with))
    return tx.execute(sa.select(backlog.c.summary_id).where(*which).limit(1)).first() is not None


def judge_again(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> None:
    """What the gate said of these summaries may no longer be so."""
    tx.execute(backlog.update().where(*_of(digest, channel), backlog.c.summary_id.in_(ids), WAITING).values(held=None))


def unjudged(tx: sa.Connection, channel: str | None = None) -> set[tuple[str, str]]:
    """The pairs of digest and channel whose gate has not seen all that waits, or not as it is now."""
    pairs = sa.select(backlog.c.digest, backlog.c.channel).where(UNJUDGED).distinct()
    if channel is not None:
        pairs = pairs.where(backlog.c.channel == channel)
    return {(row.digest, row.channel) for row in tx.execute(pairs)}


def judge_elsewhere(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> None:
    """The digest took these summaries, or gave them back: the channel's other digests look at them again."""
    others = (backlog.c.summary_id.in_(ids), backlog.c.channel == channel, backlog.c.digest != digest, WAITING)
    tx.execute(backlog.update().where(*others).values(held=None))


def candidates(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    gate: Gate,
    now: datetime,
    until: datetime,
    first: int = 8,
    since: datetime | None = None,
) -> Iterator[Candidate]:
    """The waiting summaries that the gate lets through at some time from now until then, in the digest's order: so many
    are read at first, and more when they are asked for. Those it has not judged yet are not among them; nor, with
    ``since``, those that were ready by then."""
    read, most = 0, first
    while True:
        page, rows = candidate_page(tx, digest, channel, order, gate, now, until, since, read, most)
        yield from page
        if rows < most:
            return
        read, most = read + rows, min(most * 4, MOST_AT_ONCE)


def candidate_page(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    gate: Gate,
    now: datetime,
    until: datetime,
    since: datetime | None,
    after: int,
    most: int,
    passed_over: Container[int] = (),
    known: dict[int, Summary] | None = None,
) -> tuple[list[Candidate], int]:
    """Return so many of the `candidates` after the first ``after`` of them, and how many were read: those that are
    ``passed_over`` are left out. Summaries that are ``known`` are not read again; those that are read are added."""
    aging = gate.min_age is not None or gate.max_age is not None
    query = (
        sa.select(summaries.c.id, summaries.c.paper_id, summaries.c.taken_in_at)
        .add_columns(*([_SINCE.label("since")] if aging else []))
        .join(backlog, backlog.c.summary_id == summaries.c.id)
        .where(*_of(digest, channel), READY, summaries.c.withdrawn_at.is_(None))
    )
    if gate.min_votes is not None:
        query = query.where(sa.func.coalesce(summaries.c.votes, 0) >= gate.min_votes)
    if gate.min_age is not None:
        query = query.where(until - gate.min_age >= _SINCE)
    if gate.max_age is not None:
        query = query.where(now - gate.max_age <= _SINCE)
    if since is not None:
        late = summaries.c.taken_in_at > since
        query = query.where(late if gate.min_age is None else sa.or_(late, since - gate.min_age < _SINCE))
    rows = tx.execute(query.order_by(*in_order(order)).limit(most).offset(after)).all()
    left = [row for row in rows if row.id not in passed_over]
    whole = {} if known is None else known
    whole |= by_ids(tx, [row.id for row in left if row.id not in whole], lock=False)
    found = [
        Candidate(
            whole[row.id],
            row.paper_id,
            row.taken_in_at,
            row.since + gate.min_age if gate.min_age is not None else None,
            row.since + gate.max_age if gate.max_age is not None else None,
        )
        for row in left
        if row.id in whole
    ]
    return found, len(rows)


def in_order(order: Order) -> tuple[sa.ColumnElement[Any], ...]:
    """Which goes first: what was pinned to the top, the last so before others; then as the digest has it."""
    undated = summaries.c.dated.is_(None)
    pinned = (backlog.c.pinned_at.is_(None), backlog.c.pinned_at.desc())
    match order:
        case Order.OLDEST:
            return *pinned, undated, summaries.c.dated, summaries.c.id
        case Order.NEWEST:
            return *pinned, undated, summaries.c.dated.desc(), summaries.c.id.desc()
        case Order.VOTES:
            return *pinned, sa.func.coalesce(summaries.c.votes, 0).desc(), summaries.c.id


def listed(
    tx: sa.Connection, digest: str, channel: str, order: Order, gate: Gate, most: int | None, now: datetime
) -> list[Waiting]:
    """The backlog as an operator asks for it: first what may go, in the digest's order, then what waits and for
    what."""
    query = _selected().where(*_of(digest, channel), WAITING).order_by(*in_order(order))
    ready: list[Waiting] = []
    held: list[Waiting] = []
    for row in tx.execute(query):
        waits_for = _waits_for(row, gate, now)
        (held if waits_for else ready).append(Waiting(as_summary(row), waits_for))
    return (ready + held)[:most]


@dataclass(frozen=True, slots=True)
class Entry:
    """A summary of a backlog as the pages show it: what it waits for (empty: its turn), or why it was skipped; and what
    a person said of it."""

    summary: Summary
    status: str
    waits_for: str
    pinned: bool
    on_hold: bool
    words: str | None
    approved: bool


def entries(
    tx: sa.Connection,
    digest: str,
    channel: str,
    order: Order,
    gate: Gate,
    now: datetime,
    *,
    kind: str = "waiting",
    words: str = "",
    after: int = 0,
    most: int = 50,
) -> list[Entry]:
    """A part of a backlog in the digest's order: of what is ``waiting``, or of that what is ``ready`` or ``held``; or
    what was ``skipped``, the newest first. Only what has the words in its paper's title or its writer's name."""
    which: Any = {"ready": READY, "skipped": backlog.c.status == "skipped"}.get(kind, WAITING)
    ids = sa.select(summaries.c.id).join(backlog, backlog.c.summary_id == summaries.c.id)
    ids = ids.where(*_of(digest, channel), which)
    if kind == "held":
        ids = ids.where(backlog.c.held != "")
    if words:
        ids = ids.join(papers, papers.c.id == summaries.c.paper_id).where(
            sa.or_(
                papers.c.title.icontains(words, autoescape=True), summaries.c.writer.icontains(words, autoescape=True)
            )
        )
    placed = (summaries.c.id.desc(),) if kind == "skipped" else in_order(order)
    page = list(tx.scalars(ids.order_by(*placed).offset(after).limit(most)))
    columns = (backlog.c.status, backlog.c.reason, backlog.c.pinned_at, backlog.c.words, backlog.c.approved_at)
    query = _selected().add_columns(*columns).where(*_of(digest, channel), summaries.c.id.in_(page))
    rows = {row.id: row for row in tx.execute(query)}
    return [
        Entry(
            as_summary(row),
            row.status,
            row.reason if row.status == "skipped" else _waits_for(row, gate, now),
            row.pinned_at is not None,
            row.on_hold,
            row.words,
            row.approved_at is not None,
        )
        for row in (rows[id_] for id_ in page)
    ]


def waiting_count(tx: sa.Connection, digest: str, channel: str) -> int:
    """How many summaries wait."""
    query = sa.select(sa.func.count()).select_from(backlog).where(*_of(digest, channel), WAITING)
    return int(tx.scalar(query) or 0)


def _waits_for(row: Any, gate: Gate, now: datetime) -> str:
    if row.withdrawn_at is not None:
        return "was withdrawn"
    return row.held or gate.waits_for(row.votes, row.since, now)


def newest(tx: sa.Connection, names: Sequence[str]) -> Summary | None:
    """The newest summary of these sources, for showing what a post would look like."""
    query = (
        sa.select(summaries, *_PAPER)
        .join(papers)
        .where(summaries.c.source.in_(names), summaries.c.withdrawn_at.is_(None))
        .order_by(summaries.c.dated.is_(None), summaries.c.dated.desc(), summaries.c.id.desc())
    )
    row = tx.execute(query.limit(1)).first()
    return None if row is None else as_summary(row)


def by_ids(tx: sa.Connection, ids: Sequence[int], *, lock: bool = True) -> dict[int, Summary]:
    """Those of these summaries that are not withdrawn; with ``lock`` kept as they are until the transaction ends."""
    query = (
        sa.select(summaries, *_PAPER).join(papers).where(summaries.c.id.in_(ids), summaries.c.withdrawn_at.is_(None))
    )
    return {row.id: as_summary(row) for row in tx.execute(query.with_for_update(of=summaries) if lock else query)}


def source_of(tx: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Which source each of these summaries came from."""
    return {
        row.id: row.source
        for row in tx.execute(sa.select(summaries.c.id, summaries.c.source).where(summaries.c.id.in_(ids)))
    }


def as_summary(row: Any) -> Summary:
    """A row of summaries with its paper's columns."""
    paper = Paper(
        row.key,
        row.title,
        row.arxiv_id,
        row.doi,
        tuple(row.authors or ()),
        row.venue,
        row.year,
        row.category,
        tuple(row.sections or ()),
    )
    return Summary(
        paper=paper,
        writer=row.writer,
        handle=row.handle,
        body=row.body,
        link=row.link,
        votes=row.votes,
        dated=row.dated,
        orcid=row.orcid,
        store_id=row.store_id,
        id=row.id,
    )


PICTURE = "its picture: "  # begins what a summary waits for whose post is held without one


def hold(tx: sa.Connection, digest: str, channel: str, summary: int, reason: str) -> None:
    """This summary waits for its picture, until `try_pictures_again`."""
    mine = (*_of(digest, channel), backlog.c.summary_id == summary, WAITING)
    tx.execute(backlog.update().where(*mine).values(held=PICTURE + reason))


def try_pictures_again(tx: sa.Connection, digest: str, channel: str) -> None:
    """Let those that wait for their picture be looked at again."""
    mine = (*_of(digest, channel), WAITING, backlog.c.held.startswith(PICTURE))
    tx.execute(backlog.update().where(*mine).values(held=None))


def skip(tx: sa.Connection, digest: str, channel: str, summary: int, reason: str) -> None:
    """This summary will not go onto the channel, for this reason."""
    tx.execute(
        backlog.update()
        .where(*_of(digest, channel), backlog.c.summary_id == summary, WAITING)
        .values(status="skipped", reason=reason)
    )
