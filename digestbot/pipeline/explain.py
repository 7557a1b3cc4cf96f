"""Explanations of why a summary appeared, is pending, or will not appear, as shown by `digestbot why`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digestbot.config.rules import filters_for
from digestbot.domain.model import PostRow, PostStatus, Route, Summary
from digestbot.domain.schedule import OVERTAKEN, Blocker, DigestHistory, ready_at, window_begins
from digestbot.ledger import backlog_views, editions, queries
from digestbot.ledger.backlog_views import BacklogStatus
from digestbot.pipeline.forecaster import Forecaster

HORIZON = timedelta(days=366)  # how far ahead the summary's turn is searched for
MOST_ROWS = 20_000  # plan entries that are searched
MOST_SECONDS = 0.8  # CPU time that the search may take


@dataclass(frozen=True)
class Reason:
    """What becomes of a summary in one digest on one channel.

    ``because`` says why. The summary has been waiting ``since`` then and appears ``at`` that time, if these are known.
    ``not_posted``: it does not appear unless somebody changes something. ``posts`` show it, or will; ``held`` says what
    keeps the first of them from being sent, and until when. ``excerpt`` says which rule chooses the part of it that a
    post would show; empty if a post shows all of it.
    """

    digest: str
    channel: str
    because: str
    since: datetime | None = None
    at: datetime | None = None
    not_posted: bool = False
    posts: tuple[PostRow, ...] = ()
    held: tuple[Blocker, ...] = ()
    excerpt: str = ""


class Explainer:
    """Explains what becomes of summaries, by a ledger whose backlogs contain everything that has arrived."""

    def __init__(
        self,
        forecaster: Forecaster,
        excerpt_rule: Callable[[Route, Summary], str],
        seconds: Callable[[], float] = time.thread_time,
    ) -> None:
        """Create an explainer over the forecaster's ledger. ``excerpt_rule`` returns which rule chooses the part of a
        summary that a post would show. ``seconds`` is the clock, in seconds, that limits how long it looks ahead."""
        runtime = forecaster.runtime
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._forecaster, self._excerpt_rule = forecaster, excerpt_rule
        self._seconds = seconds

    def why(self, summary: Summary, source: str) -> list[Reason]:
        """Return what becomes of the summary in each digest that reads its source, or once did, on each channel."""
        now = self._clock()
        with self._ledger.read() as tx:
            standings = backlog_views.backlog_statuses(tx, summary.id or 0)
            digest_histories = editions.digest_histories(tx, now)
            posts = {
                standing.edition: queries.posts_showing(tx, standing.edition, summary.id or 0)
                for standing in standings.values()
                if standing.edition is not None
            }
        results = []
        ahead: list[Route] = []
        for digest, channel in dict.fromkeys([*self._config.routes(), *standings]):
            standing = standings.get(Route(digest, channel))
            if standing is None:
                if source in self._config.digests[digest].sources:
                    results.append(Reason(digest, channel, f"source {source} has not been read to its end yet"))
                continue
            shown = tuple(posts.get(standing.edition, ())) if standing.edition is not None else ()
            reason = self._standing(
                digest, channel, standings, digest_histories.get(Route(digest, channel)), shown, now
            )
            if reason is None:
                ahead.append(Route(digest, channel))
            else:
                results.append(reason)
        results += self._ahead(summary, ahead, standings, now)
        return [
            reason
            if reason.posts or reason.not_posted
            else replace(reason, excerpt=self._excerpt_rule(Route(reason.digest, reason.channel), summary))
            for reason in results
        ]

    def _standing(
        self,
        digest: str,
        channel: str,
        standings: dict[Route, BacklogStatus],
        digest_history: DigestHistory | None,
        posts: tuple[PostRow, ...],
        now: datetime,
    ) -> Reason | None:
        """Return the explanation if the ledger alone gives it; None if it depends on the slots to come."""
        standing = standings[Route(digest, channel)]
        if standing.status == "skipped":
            return Reason(digest, channel, _sentence(standing.reason or "it was skipped"), not_posted=True)
        if standing.status == "taken":
            pending = [row.id for row in posts if row.status is PostStatus.PENDING]
            held = self._forecaster.holding(channel, pending[0]) if pending else ()
            return Reason(digest, channel, "it is in an edition", posts=posts, held=tuple(held))
        if digest not in self._config.digests_on(channel):
            because = f"digest {digest} is no longer configured for {channel}"
            return Reason(digest, channel, because, standing.since, not_posted=True)
        if standing.withdrawn:
            return Reason(digest, channel, "it was withdrawn", standing.since, not_posted=True)
        filters, window = filters_for(self._config, digest, channel), self._config.timing(digest, channel).window
        for (other, there), its in standings.items():
            if there == channel and its.status == "taken" and other not in (digest, *filters.shares_with):
                because = f"digest {other} has posted it on this channel, or is about to"
                gone = other not in self._config.digests_on(channel)
                return Reason(digest, channel, because, standing.since, not_posted=gone)
        if standing.blocked_reason:
            return Reason(digest, channel, _sentence(standing.blocked_reason), standing.since)
        waits = filters.waits_for(standing.votes, standing.edited_at, now, standing.paper_shown_at)
        if waits and not waits.startswith("too young"):
            over = waits.startswith("too old") or waits.endswith("(repeat_paper)")
            return Reason(digest, channel, _sentence(waits), standing.since, not_posted=over)
        if window is not None and digest_history is not None:
            old_enough_at = standing.edited_at + filters.min_age if filters.min_age is not None else None
            ready = ready_at(standing.first_seen_at, old_enough_at)
            if ready <= window_begins(window, digest_history, now):
                because = f"its window is over: it was eligible from {ready:%Y-%m-%d %H:%M} UTC on, but was not chosen"
                return Reason(digest, channel, because, standing.since, not_posted=True)
        return None

    def _ahead(
        self,
        summary: Summary,
        routes: list[Route],
        standings: dict[Route, BacklogStatus],
        now: datetime,
    ) -> list[Reason]:
        """Return the explanations for the digests on channels in ``pairs``, where the summary only waits for its
        turn."""
        reasons: dict[Route, Reason] = {}
        before: Counter[Route] = Counter()
        empty: dict[Route, Counter[str]] = {route: Counter() for route in routes}
        until = now + HORIZON
        begun = self._seconds()
        rows = (
            self._forecaster.foresee(now, until, {channel for _, channel in routes}, costs=False)
            if routes
            else iter(())
        )
        for number, row in enumerate(rows):
            if len(reasons) == len(routes):
                break
            if number >= MOST_ROWS or self._seconds() - begun > MOST_SECONDS:
                until = row.at
                break
            shown = any(one.id == summary.id for one in row.summaries)
            route = row.digest, row.channel
            if route in empty and route not in reasons:
                if shown:
                    reasons[route] = Reason(
                        *route, _also(_turn(before[route]), row.note), standings[route].since, row.at
                    )
                elif not row.summaries and row.note != OVERTAKEN:
                    empty[route][row.note] += 1
                before[route] += len(row.summaries)
            if shown:
                for other in routes:
                    allowed = (other[0], *filters_for(self._config, *other).shares_with)
                    if other[1] == row.channel and other not in reasons and row.digest not in allowed:
                        because = f"digest {row.digest} posts it on this channel at {row.at:%Y-%m-%d %H:%M} UTC"
                        reasons[other] = Reason(*other, because, standings[other].since)
        for route in routes:
            if route not in reasons:
                reasons[route] = self._not_in(route, before[route], empty[route], standings[route], until)
        return [reasons[route] for route in routes]

    def _not_in(
        self, route: Route, before: int, empty: Counter[str], standing: BacklogStatus, until: datetime
    ) -> Reason:
        """Return why the digest's plan on the channel does not contain the summary by ``until``."""
        if before and self._config.timing(*route).window is not None:
            because = "its window ends before its turn: others are ahead of it"
            return Reason(*route, because, standing.since, not_posted=True)
        notes = [f"its slots: {note}" for note, _ in empty.most_common(1)]
        others = f"{before} go before it until then" if before > 1 else ""
        return Reason(*route, _also(f"it is not scheduled by {until:%Y-%m-%d}", others, *notes), standing.since)


def _turn(before: int) -> str:
    return f"{before} go before it" if before > 1 else "one goes before it" if before else "it is next"


def _sentence(reason: str) -> str:
    """Return the reason as a complete clause."""
    first = reason.split(" ", 1)[0]
    return f"it {reason}" if first in ("was", "has") else f"it is {reason}" if first == "too" else reason


def _also(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
