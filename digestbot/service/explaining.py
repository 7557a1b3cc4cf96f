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
            pasts = editions.pasts(tx)
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
            reason = self._standing(digest, channel, standing, pasts.get((digest, channel)), shown, now)
            if reason is None:
                ahead.append((digest, channel))
            else:
                found.append(reason)
        return found + self._ahead(summary, ahead, standings, now)

    def _standing(
        self,
        digest: str,
        channel: str,
        standing: Standing,
        past: Past | None,
        posts: tuple[PostRow, ...],
        now: datetime,
    ) -> Reason | None:
        """What the ledger alone tells; None where it depends on the times to come."""
        if standing.status == "skipped":
            return Reason(digest, channel, standing.reason or "it was skipped", never=True)
        if standing.status == "taken":
            return Reason(digest, channel, "it is in an edition", posts=posts)
        if digest not in self._config.digests or channel not in self._config.digests[digest].channels:
            because = f"digest {digest} is no longer configured for {channel}"
            return Reason(digest, channel, because, standing.since, never=True)
        if standing.withdrawn:
            return Reason(digest, channel, "it was withdrawn", standing.since, never=True)
        if standing.held:
            return Reason(digest, channel, standing.held, standing.since)
        gate, window = Gate.of(self._config, digest, channel), self._config.timing(digest, channel).window
        waits = gate.waits_for(standing.votes, standing.edited_at, now)
        if waits and not waits.startswith("too young"):
            return Reason(digest, channel, waits, standing.since, never=waits.startswith("too old"))
        if window is not None and past is not None:
            old_enough_at = standing.edited_at + gate.min_age if gate.min_age is not None else None
            ready = ready_at(standing.first_seen_at, old_enough_at)
            if ready <= window_begins(window, past.edition, now):
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
                        because = f"{before} go before it" if before else "it is next"
                        found[pair] = Reason(*pair, _also(because, row.note), standings[pair].since, row.at)
        for pair in pairs:
            if pair not in found:
                notes = Counter(row.note for row in rows if (row.digest, row.channel) == pair and not row.summaries)
                notes.pop(OVERTAKEN, None)
                because = f"its turn does not come within {HORIZONS[-1]} days"
                found[pair] = Reason(
                    *pair,
                    _also(because, *(f"slots pass: {note}" for note, _ in notes.most_common(1))),
                    standings[pair].since,
                )
        return [found[pair] for pair in pairs]


def _same(one: Row, other: Row) -> bool:
    return (one.digest, one.channel) == (other.digest, other.channel)


def _also(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
