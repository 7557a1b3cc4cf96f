"""The verbs: poll, amend, plan, publish. Each reads the ledger, decides, acts at the edge, and writes down what came.

The clock is passed in. Nothing here knows of schedulers or command lines.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

from digestbot.config import Config, DatabaseSource
from digestbot.costs import Account
from digestbot.ledger import (
    Ledger,
    approvals,
    backlogs,
    channel_states,
    continuity,
    delivery,
    heartbeats,
    spending,
    views,
)
from digestbot.ledger.concurrency import SETUP, one_at_a_time
from digestbot.ledger.intake import SourceState
from digestbot.model import Draft, PostRow, PostStatus, Slot, Summary
from digestbot.planning import Row
from digestbot.publishers import Publisher, publisher_for
from digestbot.service.amending import Amender
from digestbot.service.approving import Approver
from digestbot.service.delivering import DeliveryWorker
from digestbot.service.drafting import SAMPLE, Drafter
from digestbot.service.explaining import Explainer, Reason
from digestbot.service.jobs import (
    ALERTS,
    CHANNELS,
    SLACK,
    SOURCES,
    UPKEEP,
    UPKEEP_EVERY,
    Job,
    channel_job,
    job_names,
    patience_of_source,
    polled_sources,
    readers_of,
    run_all,
    source_job,
)
from digestbot.service.planner import Planner
from digestbot.service.polling import Poller
from digestbot.service.rearranging import Rearranger
from digestbot.service.report import Clock, Containment, Report
from digestbot.service.resolving import Resolver
from digestbot.service.watching import LOOK_EVERY, Watcher

__all__ = ["SAMPLE", "Preview", "Reason", "Report", "Service"]

log = logging.getLogger(__name__)

LOOK_AFTER_OTHERS = timedelta(seconds=5)  # so long after a channel was left to another process
PATIENCE = timedelta(minutes=3)  # with upkeep and alerts, which wait for databases and for who delivers alerts


@dataclass(frozen=True)
class Preview:
    """What would be sent next, and when; or the ``reason`` why nothing would be. Then ``sample`` shows the newest
    summary."""

    digest: str
    channel: str
    slot: Slot | None
    drafts: list[Draft]
    sample: Draft | None
    backlog: dict[str, int]
    account: Account
    reason: str


class Service:
    """The verbs over one configuration and one ledger. Its jobs may have a thread each; of the rest, one thread at a
    time. Any number of processes."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        publishers: Callable[[str], Publisher] | None = None,
        *,
        progress: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
        overrunning: Callable[[], Mapping[str, timedelta]] = dict,
    ) -> None:
        """``progress`` is called whenever a step is done; once ``stopping`` says so, no further step begins.
        ``overrunning`` says which jobs give no sign of progress, and for how long."""
        self.config, self.ledger, self.clock = config, ledger, clock
        self.stopping = stopping
        self.poller = Poller(config, ledger, clock, progress, stopping)
        make_publisher = publishers or (lambda name: publisher_for(config.channels[name]))
        self.delivery_worker = DeliveryWorker(config, ledger, clock, make_publisher, progress, stopping)
        self.drafter = Drafter(config, ledger)
        self._amender = Amender(config, ledger, clock, self.drafter.drafts)
        self._contained = Containment(log, progress)
        self.planner = Planner(
            config, ledger, clock, self.poller, self.drafter, self._contained, lambda: self.stopping()
        )

        # with publishers of its own: one is not for two threads at once
        self._watcher = Watcher(
            config,
            ledger,
            clock,
            self.planner,
            cache(make_publisher),
            self.stopping,
            overrunning=overrunning,
            progress=progress,
        )
        self._acted_at: datetime | None = None
        self._worked_on_elsewhere: set[str] = set()
        self.approver = Approver(config, ledger, clock, self.drafter)
        self.rearranger = Rearranger(config, ledger, clock, self.planner)
        self.resolver = Resolver(config, ledger, self.delivery_worker.publisher)

    def prepare(self) -> None:
        """Open the ledger and make the configured channels and schedules known to it."""
        self.ledger.prepare()
        accounts = {name: self.config.account(name) or f"unknown:{name}" for name in self.config.channels}
        urls = {name: self.poller.url(name) for name in self.config.sources}
        with self.ledger.begin() as tx:
            one_at_a_time(tx, SETUP)
            renamed = continuity.adopt_channels(tx, accounts, self.ledger.now(tx))
            renamed |= continuity.adopt_sources(tx, urls)
            self.planner.take_up(tx)
        for old, new in renamed.items():
            log.warning("%s is now called %s: what the ledger knows of it is kept", old, new)

    def check(self) -> None:
        """Raises RenderError for a digest whose template cannot render anything."""
        for digest, channel in self.config.pairs():
            self.drafter.drafts(digest, channel, [SAMPLE])

    # ---- all that is due

    def jobs(self) -> list[Job]:
        """Return the jobs, in the order in which one thread would do them."""
        config = self.config
        found = [Job(UPKEEP, UPKEEP, self._upkeep, lambda: UPKEEP_EVERY, PATIENCE)]
        for name in polled_sources(config):
            poll, due = partial(self._poll, name), partial(self.poller.next_due, name)
            found.append(Job(source_job(name), SOURCES, poll, due, patience_of_source(config, name)))
        for name in config.channels:
            publish, due = partial(self._publish, name), partial(self._next_due, name)
            found.append(Job(channel_job(name), CHANNELS, publish, due, config.delivery.lease + SLACK))
        return [*found, Job(ALERTS, ALERTS, self._alert, lambda: LOOK_EVERY, PATIENCE)]

    def tick(self, threads: int = 1) -> Report:
        """Do all that is due now, each job once. Never raises for what one part meets, but for LedgerChanged, after
        which this process must stop."""
        report = Report()
        groups: dict[str, list[Job]] = defaultdict(list)
        for job in self.jobs():
            groups[job.group].append(job)
        for group in (SOURCES, UPKEEP, CHANNELS, ALERTS):
            run_all([partial(job.run, report) for job in groups[group]], threads, self.stopping)
        return report

    def _poll(self, source: str, report: Report, *, at_once: bool = False) -> Collection[str]:
        with self._contained(f"source {source}", report):
            self.poller.poll(source, report, at_once=at_once)
        taken = report.polled.get(source)
        return readers_of(self.config, source) if taken is not None else ()

    def _publish(self, channel: str, report: Report) -> Collection[str]:
        with self.ledger.channel_locks.hold(channel) as held:
            if not held:
                self._worked_on_elsewhere.add(channel)
                return ()
            with self._contained(f"plan of {channel}", report):
                self.planner.make_due(report, channel)
            with self._contained(f"channel {channel}", report):
                self.delivery_worker.publish(channel, report)
        return ()

    def _next_due(self, channel: str) -> timedelta | None:
        """How long it is until something is due on a channel."""
        if channel in self._worked_on_elsewhere:
            self._worked_on_elsewhere.discard(channel)
            return LOOK_AFTER_OTHERS
        moments = (self.planner.next_due(channel), self.delivery_worker.next_due(channel))
        return min((moment for moment in moments if moment is not None), default=None)

    def _upkeep(self, report: Report) -> Collection[str]:
        """Free what ran out, and decide what becomes of posts whose summary changed."""
        woken = self._release_expired(report)
        before = len(report.made)
        with self._contained("changes", report):
            self._amender.amend(report)
        if len(report.made) > before or self._operator_acted(report):
            return job_names(self.config)
        return woken

    def _operator_acted(self, report: Report) -> bool:
        """Whether an operator changed something in the ledger since this was last asked."""
        before = self._acted_at
        with self._contained("operators", report), self.ledger.read() as tx:
            self._acted_at = heartbeats.last_beat(tx, heartbeats.ACTION)
        return before != self._acted_at

    def _release_expired(self, report: Report) -> set[str]:
        """Leases, approvals and pauses that are over; returns the jobs of the channels that these kept."""
        found: set[str] = set()
        with self._contained("leases", report), self.ledger.begin() as tx:
            now = self.ledger.now(tx)
            for post, channel in delivery.expire(tx, self.config.delivery.lease, now):
                log.error("post %d: the lease ran out; whether it was published is unknown", post)
                found.add(channel_job(channel))
            for post in approvals.lapse(tx, now):
                log.warning("post %d: nobody approved it in time; its summaries are pending again", post)
                found.update(map(channel_job, self.config.channels))
            for channel in channel_states.end_pauses(tx, now):
                log.warning("channel %s resumed: the limit has reset", channel)
                found.add(channel_job(channel))
        return found

    def _alert(self, report: Report) -> Collection[str]:
        with self._contained("alerts", report):
            self._watcher.watch()
        return ()

    def close(self) -> None:
        """Let go of what is held open between ticks."""
        self.poller.close()

    def extend_backlog(self, digest: str, channel: str) -> None:
        """Put on the digest's backlog for the channel what its sources gave since."""
        self.planner.extend((digest, channel))

    def plan(self, begin: datetime, end: datetime) -> list[Row]:
        """What will be posted between two instants, and which slots stay empty, unless something new arrives. Nothing
        is written anywhere; sources are not read."""
        return list(self.foresee(begin, end))

    def foresee(self, begin: datetime, end: datetime) -> Iterator[Row]:
        """Yield the rows of `plan` one by one."""
        with self._looking_ahead() as planner:
            yield from planner.foresee(begin, end)

    @contextmanager
    def _looking_ahead(self) -> Iterator[Planner]:
        """A planner whose backlogs know all that came. Where a service runs, they do already; else they are let grow in
        a rehearsal, which keeps others from writing meanwhile."""
        with self.ledger.read() as tx:
            ready = Ledger.revision(tx) is not None
        if ready and not self.planner.is_behind():
            yield self.planner
            return
        with self.ledger.rehearsal() as ledger:
            other = Service(self.config, ledger, self.clock)
            other.prepare()
            other.planner.extend_all()
            yield other.planner

    def why(self, summary: Summary, source: str) -> list[Reason]:
        """What becomes of the summary on each channel, and why. Nothing is written anywhere."""
        with self._looking_ahead() as planner:
            return Explainer(self.config, planner.ledger, self.clock, planner).why(summary, source)

    # ---- outside the schedule

    def send(
        self,
        digest: str,
        count: int,
        channels: Sequence[str] = (),
        *,
        decide: Callable[[Sequence[PostRow]], bool] | None = None,
        threads: int = 1,
    ) -> Report:
        """Make and publish that many editions now, on each of these channels, or all of the digest's.

        ``decide`` is asked about each edition that needs approval, with its posts; without it, none is asked about. The
        summaries of one that is not approved go back to the backlog. Sources are read, and channels posted to, by so
        many ``threads``; but those that ask, one after the other.
        """
        report = Report()
        settings = self.config.digests[digest]
        polls = [partial(self._poll, source, report, at_once=True) for source in settings.sources]
        run_all(polls, threads, self.stopping)
        names = channels or settings.channels
        asking = [name for name in names if decide is not None and self.config.timing(digest, name).approval]
        for channel in asking:
            self._send_on(channel, digest, count, report, decide)
        others = [partial(self._send_on, name, digest, count, report, None) for name in names if name not in asking]
        run_all(others, threads, self.stopping)
        return report

    def _send_on(
        self,
        channel: str,
        digest: str,
        count: int,
        report: Report,
        decide: Callable[[Sequence[PostRow]], bool] | None,
    ) -> None:
        self.extend_backlog(digest, channel)
        for _ in range(count):
            if self.stopping():
                break
            with self._contained(f"digest {digest} on {channel}", report):
                made = Report()
                try:
                    going_on = self.planner.send((digest, channel), made, needs_approval=decide is not None)
                finally:
                    report.take(made)
                if going_on and decide is not None:
                    going_on = self._decided(made.made, decide)
                if going_on:
                    continue
            break
        self.delivery_worker.publish(channel, report)

    def _decided(self, ids: Sequence[int], decide: Callable[[Sequence[PostRow]], bool]) -> bool:
        """Ask about an edition that was just made; an interruption counts as a no."""
        with self.ledger.read() as tx:
            rows = views.post_rows(tx, ids=ids)
        approved = False
        try:
            approved = decide(rows)
        finally:
            with self.ledger.begin() as tx:
                now = self.ledger.now(tx)
                if approved:
                    approvals.approve(tx, ids[0], now)
                else:
                    approvals.decline(tx, ids[0], "not approved", now, later=True)
        return approved

    def rehearse_send(self, digest: str, count: int, channels: Sequence[str]) -> list[PostRow]:
        """Return the posts that `send` would make. Sources are read; nothing is written anywhere."""
        with self._rehearsed(self.config.digests[digest].sources) as other:
            report = Report()
            for channel in channels:
                other.extend_backlog(digest, channel)
                for _ in range(count):
                    if not other.planner.send((digest, channel), report):
                        break
            with other.ledger.read() as tx:
                return views.post_rows(tx, ids=report.made) if report.made else []

    @contextmanager
    def _rehearsed(self, sources: Sequence[str]) -> Iterator[Service]:
        """A service over a ledger of which nothing remains, with what these sources hold now."""
        found = {
            name: (None, SourceState())
            if isinstance(self.config.sources[name], DatabaseSource)
            else self.poller.feeds.fetch(name, SourceState())
            for name in sources
        }
        with self.ledger.rehearsal() as ledger:
            ledger.prepare()
            other = Service(self.config, ledger, self.clock)
            poller = self.poller.over(ledger)
            for name, (fetched, after) in found.items():
                poller.rehearse(name, fetched, after)
            yield other

    def preview(self, digest: str, channel: str) -> Preview:
        """What would be sent next, were the slot due now. Sources are read; nothing is written anywhere."""
        settings = self.config.digests[digest]
        now = self.clock()
        with self._rehearsed(settings.sources) as other:
            ledger = other.ledger
            other.extend_backlog(digest, channel)
            turn, drafts = other.planner.next_turn((digest, channel))
            with ledger.read() as tx:
                account = Account(spending.spent(tx, channel, now), self.config.budget(channel))
                counts = views.backlog_counts(tx, digest, channel)
                waiting = list(views.post_rows(tx, statuses=[PostStatus.PENDING], channel=channel, digest=digest))
                sample = None if drafts or waiting else backlogs.newest(tx, settings.sources)
            return Preview(
                digest,
                channel,
                turn.slot or other.planner.next_slot((digest, channel)),
                [Draft(row.message(), cost=row.cost) for row in waiting] or drafts,
                other.drafter.drafts(digest, channel, [sample])[1][0] if sample else None,
                counts,
                account,
                turn.reason,
            )
