"""What each of the service's jobs does, and when it is due again."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from digestbot.ledger import approvals, channel_states, delivery, heartbeats
from digestbot.pipeline.alert_monitor import LOOK_EVERY, AlertMonitor
from digestbot.pipeline.delivery_worker import DeliveryWorker
from digestbot.pipeline.edit_handler import EditHandler
from digestbot.pipeline.ingest import Poller
from digestbot.pipeline.jobs import (
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
    source_job,
)
from digestbot.pipeline.planner import Planner
from digestbot.pipeline.report import Report
from digestbot.pipeline.rule_book import RuleBook
from digestbot.pipeline.runtime import Runtime

log = logging.getLogger(__name__)

LOOK_AFTER_OTHERS = timedelta(seconds=5)  # until a channel that another process holds is tried again
PATIENCE = timedelta(minutes=3)  # with upkeep and alerts, which wait for databases and notification services


class ServiceJobs:
    """The jobs of one service. Each may run in a thread of its own."""

    def __init__(
        self,
        runtime: Runtime,
        poller: Poller,
        rule_book: RuleBook,
        planner: Planner,
        delivery_worker: DeliveryWorker,
        edit_handler: EditHandler,
        alert_monitor: AlertMonitor,
    ) -> None:
        self._runtime, self._poller, self._rule_book = runtime, poller, rule_book
        self._planner, self._delivery_worker = planner, delivery_worker
        self._edit_handler, self._alert_monitor = edit_handler, alert_monitor
        self._acted_at: datetime | None = None
        self._worked_on_elsewhere: set[str] = set()

    def jobs(self) -> list[Job]:
        """Return all jobs, those of each group in a fixed order."""
        config = self._runtime.config
        results = [Job(UPKEEP, UPKEEP, self._upkeep, lambda: UPKEEP_EVERY, PATIENCE)]
        for name in polled_sources(config):
            poll, due = partial(self.poll, name), partial(self._poller.next_due, name)
            results.append(Job(source_job(name), SOURCES, poll, due, patience_of_source(config, name)))
        for name in config.channels:
            publish, due = partial(self._publish, name), partial(self._next_due, name)
            results.append(Job(channel_job(name), CHANNELS, publish, due, config.delivery.lease + SLACK))
        return [*results, Job(ALERTS, ALERTS, self._alert, lambda: LOOK_EVERY, PATIENCE)]

    def poll(self, source: str, report: Report, *, at_once: bool = False) -> Collection[str]:
        """Read a source; return the names of the jobs that may have something to do now."""
        with self._runtime.contained(f"source {source}", report):
            self._poller.poll(source, report, at_once=at_once)
        taken = report.polled.get(source)
        return readers_of(self._runtime.config, source) if taken is not None else ()

    def _publish(self, channel: str, report: Report) -> Collection[str]:
        with self._runtime.ledger.channel_locks.hold(channel) as held:
            if not held:
                self._worked_on_elsewhere.add(channel)
                return ()
            with self._runtime.contained(f"plan of {channel}", report):
                self._planner.make_due(report, channel)
            with self._runtime.contained(f"channel {channel}", report):
                self._delivery_worker.publish(channel, report)
        return ()

    def _next_due(self, channel: str) -> timedelta | None:
        """Return how long until something is due on the channel, negative if it is overdue; None if nothing is known to
        be due."""
        if channel in self._worked_on_elsewhere:
            self._worked_on_elsewhere.discard(channel)
            return LOOK_AFTER_OTHERS
        moments = (self._rule_book.next_due(channel), self._delivery_worker.next_due(channel))
        return min((moment for moment in moments if moment is not None), default=None)

    def _upkeep(self, report: Report) -> Collection[str]:
        """End what has expired, and decide what becomes of posts whose summary changed. Return the names of the jobs
        that may have something to do now."""
        woken = self._release_expired(report)
        before = len(report.made)
        with self._runtime.contained("changes", report):
            self._edit_handler.amend(report)
        if len(report.made) > before or self._operator_acted(report):
            return job_names(self._runtime.config)
        return woken

    def _operator_acted(self, report: Report) -> bool:
        """Return whether an operator has changed something in the ledger since the last call."""
        before = self._acted_at
        with self._runtime.contained("operators", report), self._runtime.ledger.read() as tx:
            self._acted_at = heartbeats.last_heartbeat(tx, heartbeats.ACTION)
        return before != self._acted_at

    def _release_expired(self, report: Report) -> set[str]:
        """End leases, approvals and pauses that have expired; return the names of the jobs of the channels that they
        held up."""
        results: set[str] = set()
        with self._runtime.contained("leases", report), self._runtime.ledger.begin() as tx:
            now = self._runtime.ledger.now(tx)
            for post, channel in delivery.expire(tx, self._runtime.config.delivery.lease, now):
                log.error("post %d: the lease ran out; whether it was published is unknown", post)
                results.add(channel_job(channel))
            for post in approvals.expire_approvals(tx, now):
                log.warning("post %d: it was not approved in time; its summaries are pending again", post)
                results.update(map(channel_job, self._runtime.config.channels))
            for channel in channel_states.end_pauses(tx, now):
                log.warning("channel %s resumed: the limit has reset", channel)
                results.add(channel_job(channel))
        return results

    def _alert(self, report: Report) -> Collection[str]:
        with self._runtime.contained("alerts", report):
            self._alert_monitor.watch()
        return ()
