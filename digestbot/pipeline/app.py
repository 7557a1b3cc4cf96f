"""The service: its operations poll sources, handle edits, plan editions and publish posts.

Each operation reads the ledger, decides what to do, calls sources or platforms, and records the result. The clock is
passed in. Nothing here depends on a scheduler or on the command line.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

from digestbot.config import Config
from digestbot.domain.budget import Budget
from digestbot.domain.model import Draft, PostRow, PostStatus, Route, Slot, Summary
from digestbot.domain.schedule import PlanEntry
from digestbot.ledger import (
    Ledger,
    approvals,
    monthly_costs,
    queries,
    revisions,
    rollback_detection,
    source_states,
    summary_rows,
)
from digestbot.ledger.concurrency import SETUP, one_at_a_time
from digestbot.pipeline.alert_monitor import AlertMonitor
from digestbot.pipeline.backlog_growth import BacklogGrowth
from digestbot.pipeline.delivery_worker import DeliveryWorker
from digestbot.pipeline.edit_handler import EditHandler
from digestbot.pipeline.explain import Explainer, Reason
from digestbot.pipeline.forecaster import Forecaster
from digestbot.pipeline.ingest import Poller
from digestbot.pipeline.jobs import (
    ALERTS,
    CHANNELS,
    SOURCES,
    UPKEEP,
    Job,
    run_all,
)
from digestbot.pipeline.planner import Planner
from digestbot.pipeline.post_builder import SAMPLE, PostBuilder
from digestbot.pipeline.report import ErrorBoundary, Report
from digestbot.pipeline.rule_book import RuleBook
from digestbot.pipeline.runtime import Clock, Runtime
from digestbot.pipeline.service_jobs import ServiceJobs
from digestbot.platforms.base import Publisher
from digestbot.platforms.registry import publisher_for

__all__ = ["SAMPLE", "Preview", "Reason", "Report", "Service"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preview:
    """What would be sent next and when, or the ``reason`` why nothing would be.

    If there is nothing to send, ``sample`` is a draft of the newest summary.
    """

    digest: str
    channel: str
    slot: Slot | None
    drafts: list[Draft]
    sample: Draft | None
    backlog: dict[str, int]
    account: Budget
    reason: str


class Service:
    """The operations on one configuration and one ledger.

    Each job may run in a thread of its own; everything else is for one thread at a time. Any number of processes may
    share a ledger.
    """

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
        """Assemble the service.

        ``publishers`` returns the publisher of a channel. `Runtime` explains the others.
        """
        contained = ErrorBoundary(log, progress)
        runtime = Runtime(config, ledger, clock, contained, progress, stopping, overrunning)
        self.config, self.ledger, self.clock, self.runtime = config, ledger, clock, runtime
        make_publisher = publishers or (lambda name: publisher_for(config.channels[name]))
        self.poller = Poller(runtime)
        self.delivery_worker = DeliveryWorker(runtime, make_publisher)
        self.post_builder = PostBuilder(runtime)
        self._edit_handler = EditHandler(runtime, self.post_builder.drafts)
        self.rule_book = RuleBook(runtime)
        self.growth = BacklogGrowth(runtime, self.rule_book)
        self.forecaster = Forecaster(runtime, self.rule_book, self.growth, self.post_builder)
        self.planner = Planner(runtime, self.rule_book, self.growth, self.poller, self.post_builder)
        # it has publishers of its own, because two threads must not use the same one at once
        self._alert_monitor = AlertMonitor(runtime, self.forecaster, cache(make_publisher))
        self._work = ServiceJobs(
            runtime,
            self.poller,
            self.rule_book,
            self.planner,
            self.delivery_worker,
            self._edit_handler,
            self._alert_monitor,
        )

    def prepare(self) -> None:
        """Open the ledger, register the configured channels and schedules in it, and detect renamed channels and
        sources."""
        self.ledger.prepare()
        accounts = {name: self.config.account(name) or f"unknown:{name}" for name in self.config.channels}
        urls = {name: self.poller.url(name) for name in self.config.sources}
        with self.ledger.begin() as tx:
            one_at_a_time(tx, SETUP)
            renamed = rollback_detection.adopt_channels(tx, accounts, self.ledger.now(tx))
            renamed |= rollback_detection.adopt_sources(tx, urls)
            self.rule_book.record_versions(tx)
        for old, new in renamed.items():
            log.warning("%s was renamed to %s: its history in the ledger is kept", old, new)

    def check(self) -> None:
        """Raise RenderError if a digest's template cannot render anything."""
        for digest, channel in self.config.routes():
            self.post_builder.drafts(digest, channel, [SAMPLE])

    # ---- everything that is due

    def jobs(self) -> list[Job]:
        """Return the jobs: one for upkeep, one for each polled source, one for each channel, and one for alerts."""
        return self._work.jobs()

    def tick(self, threads: int = 1) -> Report:
        """Do everything that is due now, running each job once on up to ``threads`` threads.

        Errors in one part are logged and do not stop the others. Only LedgerChanged is raised; after it, this process
        must stop.
        """
        report = Report()
        groups: dict[str, list[Job]] = defaultdict(list)
        for job in self.jobs():
            groups[job.group].append(job)
        for group in (SOURCES, UPKEEP, CHANNELS, ALERTS):
            run_all([partial(job.run, report) for job in groups[group]], threads, self.runtime.stopping)
        return report

    def close(self) -> None:
        """Close the connections that sources keep open between ticks."""
        self.poller.close()

    def extend_backlog(self, digest: str, channel: str) -> None:
        """Add new summaries from the digest's sources to its backlog on the channel."""
        self.growth.extend(Route(digest, channel))

    def plan(self, begin: datetime, end: datetime) -> list[PlanEntry]:
        """Return what will be posted between two instants, and which slots stay empty, unless something new arrives.
        Nothing is written, and no source is read."""
        return list(self.foresee(begin, end))

    def foresee(self, begin: datetime, end: datetime) -> Iterator[PlanEntry]:
        """Yield the entries of `plan` one by one."""
        with self._looking_ahead() as forecaster:
            yield from forecaster.foresee(begin, end)

    @contextmanager
    def _looking_ahead(self) -> Iterator[Forecaster]:
        """Yield a forecaster whose backlogs contain everything that has arrived.

        Where a service runs, the ledger's own backlogs do. Otherwise they are extended in a dry run, of which nothing
        remains.
        """
        with self.ledger.read() as tx:
            ready = revisions.current_revision(tx) is not None
        if ready and not self.growth.is_behind():
            yield self.forecaster
            return
        with self.ledger.rehearsal() as ledger:
            other = Service(self.config, ledger, self.clock)
            other.prepare()
            other.growth.extend_all(Report())
            yield other.forecaster

    def why(self, summary: Summary, source: str) -> list[Reason]:
        """Return what becomes of the summary on each channel, and why. Nothing is written."""
        with self._looking_ahead() as forecaster:
            return Explainer(forecaster, self.post_builder.excerpt_rule).why(summary, source)

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
        """Make and publish ``count`` editions now, on each of ``channels``, or on all of the digest's channels.

        ``decide`` is called for each edition that needs approval, with its posts, and returns whether it is approved.
        The summaries of an edition that is not approved go back to the backlog. Without ``decide``, no edition needs
        approval. Up to ``threads`` threads read sources and post to channels; channels that need approval are handled
        one by one.
        """
        report = Report()
        settings = self.config.digests[digest]
        polls = [partial(self._work.poll, source, report, at_once=True) for source in settings.sources]
        run_all(polls, threads, self.runtime.stopping)
        names = channels or settings.channels
        asking = [name for name in names if decide is not None and self.config.timing(digest, name).approval]
        for channel in asking:
            self._send_on(channel, digest, count, report, decide)
        others = [partial(self._send_on, name, digest, count, report, None) for name in names if name not in asking]
        run_all(others, threads, self.runtime.stopping)
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
            if self.runtime.stopping():
                break
            with self.runtime.contained(f"digest {digest} on {channel}", report):
                made = Report()
                try:
                    going_on = self.planner.send(Route(digest, channel), made, needs_approval=decide is not None)
                finally:
                    report.take(made)
                if going_on and decide is not None:
                    going_on = self._decided(made.made, decide)
                if going_on:
                    continue
            break
        self.delivery_worker.publish(channel, report)

    def _decided(self, ids: Sequence[int], decide: Callable[[Sequence[PostRow]], bool]) -> bool:
        """Ask for approval of the edition that was just made, and record the answer. Return whether it is approved; an
        interruption counts as a refusal."""
        with self.ledger.read() as tx:
            rows = queries.post_rows(tx, ids=ids)
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
        """Return the posts that `send` would make. Sources are read, but nothing is written."""
        with self._rehearsed(self.config.digests[digest].sources) as other:
            report = Report()
            for channel in channels:
                other.extend_backlog(digest, channel)
                for _ in range(count):
                    if not other.planner.send(Route(digest, channel), report):
                        break
            with other.ledger.read() as tx:
                return queries.post_rows(tx, ids=report.made) if report.made else []

    @contextmanager
    def _rehearsed(self, sources: Sequence[str]) -> Iterator[Service]:
        """Yield a service over a dry-run ledger, of which nothing remains, with the present content of these
        sources."""
        polls = {name: self.poller.source(name).prepare_dry_run() for name in sources}
        with self.ledger.rehearsal() as ledger:
            ledger.prepare()
            for name, poll_into in polls.items():
                with ledger.begin() as tx:
                    every = self.config.sources[name].every
                    state = source_states.claim_poll(tx, name, every, self.clock(), at_once=True)
                assert state is not None  # noqa: S101 - at once
                poll_into(ledger, state)
            yield Service(self.config, ledger, self.clock)

    def preview(self, digest: str, channel: str) -> Preview:
        """Return what would be sent next if the slot were due now. Sources are read, but nothing is written."""
        settings = self.config.digests[digest]
        now = self.clock()
        with self._rehearsed(settings.sources) as other:
            ledger = other.ledger
            other.extend_backlog(digest, channel)
            decision, drafts = other.planner.next_decision(Route(digest, channel))
            with ledger.read() as tx:
                account = monthly_costs.account(tx, channel, self.config.budget(channel), now)
                counts = queries.backlog_counts(tx, digest, channel)
                waiting = list(queries.post_rows(tx, statuses=[PostStatus.PENDING], channel=channel, digest=digest))
                sample = None if drafts or waiting else summary_rows.newest_summary(tx, settings.sources)
            return Preview(
                digest,
                channel,
                decision.slot or other.rule_book.next_slot(Route(digest, channel)),
                [Draft(row.message(), cost=row.cost) for row in waiting] or drafts,
                other.post_builder.drafts(digest, channel, [sample])[1][0] if sample else None,
                counts,
                account,
                decision.reason,
            )
