"""A service over a ledger that knows some summaries, a clock that is moved by hand, and channels that take everything."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from digestbot import config as configuration
from digestbot.domain.model import Message, PostStatus, Receipt, Summary, TimelinePage, TimelinePost
from digestbot.domain.schedule import PlanEntry
from digestbot.ledger import Ledger, intake, queries, source_states
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.jobs import CHANNELS, run_all
from helpers.basics import START, Clock, raw_config


class Platform:
    """A channel that takes everything at once."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.ids = clock, count(1)
        self.posts: list[TimelinePost] = []

    def publish(self, message: Message, **_: Any) -> Receipt:
        id_ = next(self.ids)
        self.posts.insert(0, TimelinePost(str(id_), f"https://x.com/{id_}", message.text, (), self.clock()))
        return Receipt(str(id_), f"https://x.com/{id_}")

    def expires_at(self, **_: Any) -> None:
        return None

    replies_apart = False
    account = "100"

    def timeline(self, **_: Any) -> Iterator[TimelinePage]:
        yield TimelinePage(tuple(self.posts), end_proven=True)

    def lookup(self, *_: Any, **__: Any) -> None:
        return None


class Platforms(dict[str, Platform]):
    """A platform for each channel."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __missing__(self, channel: str) -> Platform:
        self[channel] = Platform(self._clock)
        return self[channel]


class Run:
    """A service over an empty ledger that knows these summaries, and what it posts."""

    def __init__(self, raw: dict[str, Any], known: list[Summary], url: str = "sqlite://", threads: int = 1) -> None:
        self.clock = Clock()
        self.ledger = Ledger(url, clock=self.clock)
        self.platforms = Platforms(self.clock)
        self.reports: list[Report] = []
        self.order, self.threads = random.Random(0), threads
        self.configure(raw)
        self.arrive(known)
        self.service.planner.make_due(Report())  # first sight

    def configure(self, raw: dict[str, Any]) -> None:
        """Another configuration over the same ledger, as after a restart."""
        self.config = configuration.build(raw)
        self.service = self.process(self.ledger)
        self.service.prepare()

    @property
    def platform(self) -> Platform:
        """The one of the channel x."""
        return self.platforms["x"]

    def process(self, ledger: Ledger) -> Service:
        """A process by the configuration."""
        return Service(self.config, ledger, self.clock, self.platforms.__getitem__)  # type: ignore[arg-type]

    def arrive(self, summaries: list[Summary]) -> None:
        """The store has these too, and was just polled."""
        now = self.clock()
        with self.ledger.begin() as tx:
            source_states.claim_poll(tx, "store", timedelta(days=9), now, at_once=True)
            intake.ingest(tx, "store", summaries, now)
            source_states.poll_succeeded(tx, "store", source_states.SourceState(), now)

    def tick(self, at: datetime) -> None:
        self.clock.now = at
        report = Report()
        jobs = [job for job in self.service.jobs() if job.group == CHANNELS]
        self.order.shuffle(jobs)
        run_all([partial(job.run, report) for job in jobs], self.threads, lambda: False)
        assert not report.troubles, report.troubles
        self.reports.append(report)

    def until(self, end: datetime, moments: set[datetime] = frozenset()) -> None:  # type: ignore[assignment]
        """Live through these moments, every third hour, and the end."""
        grid = {START + timedelta(hours=3 * step) for step in range(1, int((end - START) / timedelta(hours=3)) + 1)}
        for moment in sorted(moments | grid | {end}):
            if self.clock() < moment <= end:
                self.tick(moment)

    def posted(self) -> dict[tuple[datetime, str, str], tuple[set[int], int]]:
        found: dict[tuple[datetime, str, str], tuple[set[int], int]] = defaultdict(lambda: (set(), 0))
        with self.ledger.read() as tx:
            rows = queries.post_rows(tx)
            for row in rows:
                if row.status is PostStatus.PUBLISHED:
                    key = (row.at, row.digest, row.channel)
                    ids, cost = found[key]
                    found[key] = ids | queries.summaries_shown_by(tx, row.id), cost + row.cost
        return dict(found)

    def appeared(self, zone: str = "UTC") -> list[tuple[str, str, list[int]]]:
        """What was posted, in order: the local time, where, and the summaries' ids."""
        return [
            (f"{at.astimezone(ZoneInfo(zone)):%d %H:%M}", f"{digest}/{channel}", sorted(ids))
            for (at, digest, channel), (ids, _) in sorted(self.posted().items(), key=lambda item: item[0])
        ]

    def close(self) -> None:
        self.service.close()
        self.ledger.close()


def planned(rows: list[PlanEntry]) -> dict[tuple[datetime, str, str], tuple[set[int], int]]:
    found: dict[tuple[datetime, str, str], tuple[set[int], int]] = {}
    for row in rows:
        if row.summaries:
            ids, cost = found.get((row.at, row.digest, row.channel), (set(), 0))
            found[row.at, row.digest, row.channel] = (ids | {one.id or 0 for one in row.summaries}, cost + row.cost)
    return found


Make = Callable[..., Run]


def raw(more: dict[str, Any] | None = None, **latest: Any) -> dict[str, Any]:
    """``more`` has further digests, and under "x" keys of the channel."""
    found = raw_config("http://127.0.0.1:1", **{"channels": ["x"], "schedule": "every 3 hours"} | latest)
    for name, keys in (more or {}).items():
        if name == "x":
            found["channels"]["x"] |= keys
        else:
            found["digests"][name] = found["digests"]["latest"] | keys
    return found
