"""Functions that run inside a transaction: extend backlogs with the summaries of sources, and evaluate the filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import PostStatus, Route, Summary
from digestbot.ledger import arrivals
from digestbot.ledger.schema import (
    OPEN_ALERT,
    UNJUDGED,
    WAITING,
    adopted_posts,
    alerts,
    backlog,
    cursors,
    papers,
    posts,
    sources,
    summaries,
)
from digestbot.ledger.summary_rows import EDITED_AT, PAPER_COLUMNS, as_summary

BATCH = 500
BY_HAND = "held by hand"
BEFORE_FIRST_RUN = "was in the source before the digest was first run"
ADOPTED = "is on the channel already: "


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


def routes_behind(tx: sa.Connection, wanted: Mapping[Route, tuple[Sequence[str], bytes]]) -> list[Route]:
    """Return the routes (digest, channel) whose backlogs need extending.

    ``wanted`` gives each route's sources and the hash of its filters. A route needs it if it has not read all of a
    source, if its filters have changed, or if the initial policy is to be reapplied.
    """
    sources_wanted = sorted({name for names, _ in wanted.values() for name in names})
    channels = sorted({channel for _, channel in wanted})
    newest = {row.name: row.newest or 0 for row in tx.execute(_SOURCES, {"names": sources_wanted})}
    rows = tx.execute(_CURSORS, {"channels": channels})
    known = {(row.digest, row.channel, row.source): row for row in rows}
    results = []
    for route, (names, mark) in wanted.items():
        for name in names:
            row = known.get((*route, name))
            if name in newest and (
                row is None or row.filters_hash != mark or row.summary_id < newest[name] or row.reapply_initial_policy
            ):
                results.append(route)
                break
    return results


def extend_backlog(
    tx: sa.Connection,
    digest: str,
    channel: str,
    source: str,
    policy: str | int | date,
    zone: ZoneInfo,
    filters: DigestFilters,
    now: datetime,
    configured: Sequence[str] = (),
) -> int:
    """Add the source's summaries that the digest has not read yet to its backlog on the channel; return how many of
    them are waiting.

    When the source is read for the first time, ``policy`` decides what happens to its summaries: "skip", "all", the
    number of newest ones to keep, or the date (in ``zone``) from which to keep them. Summaries also stay waiting if
    they wait on the channel in the backlog of a digest that is no longer ``configured``. If the digest's filters
    (``filters``) have changed, all its waiting summaries are to be evaluated again.
    """
    polled = tx.execute(
        sa.select(sources.c.polled_at).where(sources.c.name == source).with_for_update()
    ).scalar_one_or_none()
    if polled is None:
        return 0  # never read yet: the initial policy applies to what it holds then
    here = (cursors.c.digest == digest, cursors.c.channel == channel, cursors.c.source == source)
    row = tx.execute(sa.select(cursors).where(*here)).first()
    cursor = row.summary_id if row else None
    if row is not None and row.filters_hash != filters.mark:
        tx.execute(cursors.update().where(*here).values(filters_hash=filters.mark))
        _judge_again(tx, digest, channel)
    newest = tx.scalar(sa.select(sa.func.max(summaries.c.id)).where(summaries.c.source == source)) or 0
    if cursor is None:
        tx.execute(
            cursors.insert().values(
                digest=digest,
                channel=channel,
                source=source,
                summary_id=newest,
                first_seen_at=now,
                filters_hash=filters.mark,
                initial_policy=str(policy),
            )
        )
        keep = sa.or_(_kept_at_first_sight(source, policy, zone), _left_behind(channel, [digest, *configured]))
    elif newest > cursor:
        tx.execute(cursors.update().where(*here).values(summary_id=newest, reapply_initial_policy=False))
        again = row is not None and row.reapply_initial_policy
        keep = _kept_at_first_sight(source, policy, zone) if again else sa.true()
    else:
        if row is not None and row.reapply_initial_policy:  # nothing new to apply it to
            tx.execute(cursors.update().where(*here).values(reapply_initial_policy=False))
        return 0
    adopted = sa.select(adopted_posts.c.url).where(
        adopted_posts.c.channel == channel, adopted_posts.c.summary_id == summaries.c.id
    )
    old = summaries.c.arrival_alert_id.is_not(None)
    undecided = sa.exists().where(alerts.c.id == summaries.c.arrival_alert_id, OPEN_ALERT)
    waits = sa.and_(keep, ~adopted.exists(), sa.or_(~old, undecided))
    picked = sa.select(
        sa.literal(digest),
        sa.literal(channel),
        summaries.c.id,
        sa.case((waits, "waiting"), else_="skipped"),
        sa.case(
            (waits, sa.null()),
            (adopted.exists(), sa.literal(ADOPTED) + adopted.correlate(summaries).scalar_subquery()),
            (keep, arrivals.DISMISSED),
            else_=BEFORE_FIRST_RUN,
        ),
        sa.and_(waits, old),
    ).where(summaries.c.source == source, summaries.c.id > (cursor or 0), summaries.c.id <= newest)
    tx.execute(backlog.insert().from_select(["digest", "channel", "summary_id", "status", "reason", "held"], picked))
    return int(
        tx.scalar(
            sa.select(sa.func.count())
            .select_from(backlog)
            .join(summaries)
            .where(*of_route(digest, channel), WAITING, summaries.c.source == source, summaries.c.id > (cursor or 0))
        )
        or 0
    )


def changed_policies(tx: sa.Connection, wanted: Mapping[Route, str]) -> dict[Route, str]:
    """Return the routes whose ``backlog`` was another one when they first read their sources, with that policy.
    ``wanted`` are the present ones. The policy no longer has an effect there."""
    rows = tx.execute(sa.select(cursors).where(cursors.c.initial_policy.is_not(None)))
    return {
        Route(row.digest, row.channel): row.initial_policy
        for row in rows
        if wanted.get(Route(row.digest, row.channel), row.initial_policy) != row.initial_policy
    }


def take_in(tx: sa.Connection, digest: str, channel: str, policy: str | int | date, zone: ZoneInfo) -> int:
    """Make summaries pending that were skipped when the digest first read its sources; return how many.

    ``policy`` is "all", how many of the newest ones, or the date (in ``zone``) from which on.
    """
    skipped = (*of_route(digest, channel), backlog.c.status == "skipped", backlog.c.reason == BEFORE_FIRST_RUN)
    adopted = sa.select(adopted_posts.c.summary_id).where(adopted_posts.c.channel == channel)
    ids = sa.select(backlog.c.summary_id).join(summaries).where(*skipped, summaries.c.withdrawn_at.is_(None))
    ids = ids.where(summaries.c.id.not_in(adopted))
    if isinstance(policy, date):
        ids = ids.where(summaries.c.source_date >= datetime.combine(policy, time(), zone))
    elif policy != "all":
        newest_first = (summaries.c.source_date.is_(None), summaries.c.source_date.desc(), summaries.c.id.desc())
        ids = ids.order_by(*newest_first).limit(int(policy))
    values = {"status": "waiting", "reason": None, "blocked_reason": None}
    done = tx.execute(backlog.update().where(*skipped, backlog.c.summary_id.in_(ids)).values(**values))
    return int(done.rowcount)


def skip_adopted(tx: sa.Connection, channel: str, ids: Sequence[int]) -> None:
    """Skip these summaries on the channel, in every digest, if its account is known to show them."""
    url = sa.select(adopted_posts.c.url).where(
        adopted_posts.c.channel == channel, adopted_posts.c.summary_id == backlog.c.summary_id
    )
    reason = sa.literal(ADOPTED) + url.scalar_subquery()
    those = (backlog.c.channel == channel, backlog.c.summary_id.in_(ids), url.exists())
    old = (backlog.c.status == "skipped", backlog.c.reason == BEFORE_FIRST_RUN)
    tx.execute(backlog.update().where(*those, *old).values(reason=reason))
    tx.execute(backlog.update().where(*those, WAITING).values(status="skipped", reason=reason))


def skip_pending(tx: sa.Connection, digest: str, channel: str) -> int:
    """Skip every pending summary of the digest on the channel; return how many. `take_in` can undo that."""
    values = {"status": "skipped", "reason": BEFORE_FIRST_RUN, "blocked_reason": None}
    return int(tx.execute(backlog.update().where(*of_route(digest, channel), WAITING).values(**values)).rowcount)


def _kept_at_first_sight(source: str, policy: str | int | date, zone: ZoneInfo) -> sa.ColumnElement[bool]:
    if policy == "all":
        return sa.true()
    if policy == "skip" or policy == 0:
        return sa.false()
    if isinstance(policy, date):
        return summaries.c.source_date >= datetime.combine(policy, time(), zone)
    newest_first = (summaries.c.source_date.is_(None), summaries.c.source_date.desc(), summaries.c.id.desc())
    ids = sa.select(summaries.c.id).where(summaries.c.source == source).order_by(*newest_first).limit(int(policy))
    return summaries.c.id.in_(ids)


def _left_behind(channel: str, configured: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a summary is left over from a digest that is no longer configured.

    It is still waiting there, or is in a post of that digest that may yet be returned. Summaries that a configured
    digest has put on the channel since do not count.
    """
    left, other = backlog.alias("left_behind"), backlog.alias("other")
    elsewhere = (left.c.summary_id == summaries.c.id, left.c.channel == channel, left.c.digest.not_in(configured))
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
    return sa.and_(sa.exists().where(*elsewhere, sa.or_(left.c.status == "waiting", unsent)), ~taken)


def of_route(digest: str, channel: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Return the conditions that select a route's rows of the backlog."""
    return backlog.c.digest == digest, backlog.c.channel == channel


def _judge_again(tx: sa.Connection, digest: str, channel: str) -> None:
    tx.execute(backlog.update().where(*of_route(digest, channel), WAITING).values(blocked_reason=None))


def apply_filters(
    tx: sa.Connection, digest: str, channel: str, verdict: Callable[[Summary], str], shares_with: Sequence[str] = ()
) -> int:
    """Evaluate the filters for up to `BATCH` waiting summaries whose verdict is missing or outdated; return how many
    that were.

    ``verdict`` returns what blocks a summary, "" for nothing. A summary that another digest has put on the channel is
    blocked, unless that digest is one of ``shares_with``.
    """
    other = backlog.alias("other")
    elsewhere = sa.select(sa.func.min(other.c.digest)).where(
        other.c.summary_id == backlog.c.summary_id, *_elsewhere(other, digest, channel, shares_with)
    )
    query = select_summaries().add_columns(elsewhere.correlate(backlog).scalar_subquery().label("elsewhere"))
    rows = tx.execute(query.where(*of_route(digest, channel), UNJUDGED).limit(BATCH)).all()
    verdicts = [
        {
            "b_summary": row.id,
            "blocked_reason": _held(row) or verdict(as_summary(row)),
        }
        for row in rows
    ]
    if verdicts:
        tx.execute(
            backlog.update().where(
                *of_route(digest, channel), backlog.c.summary_id == sa.bindparam("b_summary"), WAITING
            ),
            verdicts,
        )
    return len(verdicts)


def _held(row: Any) -> str:
    """Return what blocks a summary whatever its content is; "" for nothing."""
    if row.held:
        alert = row.arrival_alert_id
        return BY_HAND if alert is None else f"one of many old entries that arrived at once: decide alert {alert}"
    return f"digest {row.elsewhere} has posted it on this channel, or is about to" if row.elsewhere else ""


def select_summaries() -> sa.Select[Any]:
    """Return a query for the summaries of backlogs, with the columns that filters and views need."""
    return (
        sa.select(summaries, *PAPER_COLUMNS, EDITED_AT.label("since"), backlog.c.blocked_reason, backlog.c.held)
        .join(papers, papers.c.id == summaries.c.paper_id)
        .join(backlog, backlog.c.summary_id == summaries.c.id)
    )


def _elsewhere(
    table: sa.FromClause, digest: str, channel: str, shares_with: Sequence[str]
) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that another digest has put a summary on the channel."""
    digests = [digest, *shares_with]
    return table.c.channel == channel, table.c.status == "taken", table.c.digest.not_in(digests)


def any_published_elsewhere(
    tx: sa.Connection, digest: str, channel: str, ids: Sequence[int], shares_with: Sequence[str]
) -> bool:
    """Return whether another digest has put one of these summaries on the channel, apart from ``shares_with``."""
    which = (backlog.c.summary_id.in_(ids), *_elsewhere(backlog, digest, channel, shares_with))
    return tx.execute(sa.select(backlog.c.summary_id).where(*which).limit(1)).first() is not None


def reset_verdicts(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> None:
    """Discard the filters' verdicts on these summaries, so that they are evaluated again."""
    tx.execute(
        backlog.update()
        .where(*of_route(digest, channel), backlog.c.summary_id.in_(ids), WAITING)
        .values(blocked_reason=None)
    )


def unfiltered_routes(tx: sa.Connection, channel: str | None = None) -> set[Route]:
    """Return the routes (digest, channel) with waiting summaries whose filters' verdict is missing or outdated."""
    routes = sa.select(backlog.c.digest, backlog.c.channel).where(UNJUDGED).distinct()
    if channel is not None:
        routes = routes.where(backlog.c.channel == channel)
    return {Route(row.digest, row.channel) for row in tx.execute(routes)}


def reset_verdicts_elsewhere(tx: sa.Connection, digest: str, channel: str, ids: Sequence[int]) -> None:
    """Let the channel's other digests evaluate these summaries again, because this digest has taken or returned
    them."""
    others = (backlog.c.summary_id.in_(ids), backlog.c.channel == channel, backlog.c.digest != digest, WAITING)
    tx.execute(backlog.update().where(*others).values(blocked_reason=None))


PICTURE = "its picture: "  # prefix of the blocked reason of a summary that waits for its picture


def hold_after_failure(tx: sa.Connection, digest: str, channel: str, summary: int, reason: str) -> None:
    """Block a summary whose picture is not available, until `retry_pictures` is called."""
    entry = (*of_route(digest, channel), backlog.c.summary_id == summary, WAITING)
    tx.execute(backlog.update().where(*entry).values(blocked_reason=PICTURE + reason))


def retry_pictures(tx: sa.Connection, digest: str, channel: str) -> None:
    """Let the filters evaluate the summaries that wait for a picture again."""
    entries = (*of_route(digest, channel), WAITING, backlog.c.blocked_reason.startswith(PICTURE))
    tx.execute(backlog.update().where(*entries).values(blocked_reason=None))


def skip_after_failure(tx: sa.Connection, digest: str, channel: str, summary: int, reason: str) -> None:
    """Skip a summary on the channel, for this reason."""
    tx.execute(
        backlog.update()
        .where(*of_route(digest, channel), backlog.c.summary_id == summary, WAITING)
        .values(status="skipped", reason=reason)
    )
