"""Why a summary appeared, waits, or never will: what `digestbot why` says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.gate import Gate
from digestbot.ledger import Ledger, backlogs, editions, views
from digestbot.ledger.backlogs import Standing
from digestbot.model import PostRow, Summary
from digestbot.planning import OVERTAKEN, Past, Row, ready_at, window_begins
from digestbot.service.planner import Planner
from digestbot.service.report import Clock

HORIZONS = (8, 40, 366)  # days; each is tried when the one before it shows nothing


@dataclass(frozen=True)
class Reason:
    """What becomes of a summary in one digest on one channel: it waits ``since`` then, ``because`` of that; and appears
    ``at`` that time, or never. ``posts`` show it already, or are to."""

    digest: str
    channel: str
    because: str
    since: datetime | None = None
    at: datetime | None = None
    never: bool = False
    posts: tuple[PostRow, ...] = ()


class Explainer:
    """Explains decisions over a ledger whose backlogs know all that came."""

    def __init__(self, config: Config, ledger: Ledger, clock: Clock, planner: Planner) -> None:
        self._config, self._ledger, self._clock, self._planner = config, ledger, clock, planner

    def why(self, summary: Summary, source: str) -> list[Reason]:
        """For each digest that reads the summary's source, or did, on each channel."""
        now = self._clock()
        with self._ledger.read() as tx:
            standings = backlogs.standings(tx, summary.id or 0)
            pasts = editions.pasts(tx, now)
            posts = {
                standing.edition: views.posts_showing(tx, standing.edition, summary.id or 0)
                for standing in standings.values()
                if standing.edition is not None
            }
        found = []
        ahead: list[tuple[str, str]] = []
        for digest, channel in dict.fromkeys([*self._config.pairs(), *standings]):
            standing = standings.get((digest, channel))
            if standing is None:
                if source in self._config.digests[digest].sources:
                    found.append(Reason(digest, channel, f"source {source} was not read to its end yet"))
                continue
            shown = tuple(posts.get(standing.edition, ())) if standing.edition is not None else ()
            reason = self._standing(digest, channel, standings, pasts.get((digest, channel)), shown, now)
            if reason is None:
                ahead.append((digest, channel))
            else:
                found.append(reason)
        return found + self._ahead(summary, ahead, standings, now)

    def _standing(
        self,
        digest: str,
        channel: str,
        standings: dict[tuple[str, str], Standing],
        past: Past | None,
        posts: tuple[PostRow, ...],
        now: datetime,
    ) -> Reason | None:
        """What the ledger alone tells; None where it depends on the times to come."""
        standing = standings[digest, channel]
        if standing.status == "skipped":
            return Reason(digest, channel, _sentence(standing.reason or "it was skipped"), never=True)
        if standing.status == "taken":
            return Reason(digest, channel, "it is in an edition", posts=posts)
        if digest not in self._config.digests_on(channel):
            because = f"digest {digest} is no longer configured for {channel}"
            return Reason(digest, channel, because, standing.since, never=True)
        if standing.withdrawn:
            return Reason(digest, channel, "it was withdrawn", standing.since, never=True)
        gate, window = Gate.of(self._config, digest, channel), self._config.timing(digest, channel).window
        for (other, there), its in standings.items():
            if there == channel and its.status == "taken" and other not in (digest, *gate.shares_with):
                because = f"digest {other} has put it there, or is about to"
                gone = other not in self._config.digests_on(channel)
                return Reason(digest, channel, because, standing.since, never=gone)
        if standing.held:
            return Reason(digest, channel, _sentence(standing.held), standing.since)
        waits = gate.waits_for(standing.votes, standing.edited_at, now)
        if waits and not waits.startswith("too young"):
            return Reason(digest, channel, _sentence(waits), standing.since, never=waits.startswith("too old"))
        if window is not None and past is not None:
            old_enough_at = standing.edited_at + gate.min_age if gate.min_age is not None else None
            ready = ready_at(standing.first_seen_at, old_enough_at)
            if ready <= window_begins(window, past, now):
                because = (
                    f"its window is over: it could have gone from {ready:%Y-%m-%d %H:%M} UTC on, and was not chosen"
                )
                return Reason(digest, channel, because, standing.since, never=True)
        return None

    def _ahead(
        self,
        summary: Summary,
        pairs: list[tuple[str, str]],
        standings: dict[tuple[str, str], Standing],
        now: datetime,
    ) -> list[Reason]:
        """When it goes out where nothing but its turn is waited for."""
        found: dict[tuple[str, str], Reason] = {}
        rows: list[Row] = []
        for days in HORIZONS:
            if len(found) < len(pairs):
                there = {channel for _, channel in pairs}
                rows = self._planner.forecast(now, now + timedelta(days=days), there, costs=False)
                for row in rows:
                    pair = (row.digest, row.channel)
                    if pair in pairs and pair not in found and any(one.id == summary.id for one in row.summaries):
                        before = sum(len(other.summaries) for other in rows[: rows.index(row)] if _same(other, row))
                        because = (
                            f"{before} go before it" if before > 1 else "one goes before it" if before else "it is next"
                        )
                        found[pair] = Reason(*pair, _also(because, row.note), standings[pair].since, row.at)
        for pair in pairs:
            if pair not in found:
                found[pair] = self._not_in(pair, summary, rows, standings[pair])
        return [found[pair] for pair in pairs]

    def _not_in(self, pair: tuple[str, str], summary: Summary, rows: list[Row], standing: Standing) -> Reason:
        """Why the summary is not among what the pair will post."""
        shares_with = (pair[0], *Gate.of(self._config, *pair).shares_with)
        for row in rows:
            if row.channel == pair[1] and row.digest not in shares_with and summary.id in [s.id for s in row.summaries]:
                because = f"digest {row.digest} puts it there at {row.at:%Y-%m-%d %H:%M} UTC"
                return Reason(*pair, because, standing.since)
        if self._config.timing(*pair).window is not None and any(_of(row, pair) and row.summaries for row in rows):
            because = "its window ends before its turn comes: others go before it"
            return Reason(*pair, because, standing.since, never=True)
        notes = Counter(row.note for row in rows if _of(row, pair) and not row.summaries and row.note != OVERTAKEN)
        because = f"its turn does not come within {HORIZONS[-1]} days"
        return Reason(
            *pair, _also(because, *(f"its slots: {note}" for note, _ in notes.most_common(1))), standing.since
        )


def _of(row: Row, pair: tuple[str, str]) -> bool:
    return (row.digest, row.channel) == pair


def _sentence(reason: str) -> str:
    """A reason as a clause of its own."""
    first = reason.split(" ", 1)[0]
    return f"it {reason}" if first in ("was", "has") else f"it is {reason}" if first == "too" else reason


def _same(one: Row, other: Row) -> bool:
    return (one.digest, one.channel) == (other.digest, other.channel)


def _also(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
