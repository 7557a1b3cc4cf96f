"""The alert monitor: it detects conditions that the operator must know about, sends one notification for each, and
signals that digestbot is alive."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from digestbot.domain.alert_rules import AlertInputs, SourceHealth, active_conditions
from digestbot.domain.errors import PublishError
from digestbot.domain.time_format import local_time, localize
from digestbot.infra import notifier
from digestbot.infra.notifier import Notifier
from digestbot.ledger import alerts, clock_steps, heartbeats, notifications, queries, stats
from digestbot.ledger.concurrency import WATCH, one_at_a_time
from digestbot.pipeline.forecaster import Forecaster
from digestbot.pipeline.runtime import Runtime
from digestbot.platforms.base import Publisher

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
COUNT_EVERY = timedelta(hours=1)
TOKEN_EVERY = timedelta(days=1)
TOKEN_SECONDS = 20.0
ARRIVALS = 200
A_DAY = timedelta(days=1)


class AlertMonitor:
    """The monitor that runs after each tick, but at most once a minute."""

    def __init__(
        self,
        runtime: Runtime,
        forecaster: Forecaster,
        publisher: Callable[[str], Publisher],
        notifier: Notifier | None = None,
    ) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._runtime, self._forecaster, self._publisher = runtime, forecaster, publisher
        settings = runtime.config.alerts
        self._notifier = notifier or Notifier([address.get_secret_value() for address in settings.to])
        self._looked: datetime | None = None

    def watch(self) -> None:
        """Check for conditions, notify the operator and ping the monitoring URL. Call this after a completed tick;
        within a minute of the last check it does nothing."""
        now = self._clock()
        if self._looked is not None and timedelta(0) <= now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        with self._ledger.begin() as tx:
            one_at_a_time(tx, WATCH)
            heartbeats.record_heartbeat(tx, heartbeats.TICK, now)
            stepped = clock_steps.detect_clock_step(tx, now)
            if _is_over(heartbeats.last_heartbeat(tx, heartbeats.COUNT), COUNT_EVERY, now):
                stats.count_day(tx, now)
                heartbeats.record_heartbeat(tx, heartbeats.COUNT, now)
        if stepped:
            log.error("%s: digestbot alerts", stepped)
        self._check_tokens(now)
        settings = self._config.alerts
        result = active_conditions(self._state(now), now, settings.stale_after, settings.dry_after)
        with self._ledger.begin() as tx:
            one_at_a_time(tx, WATCH)
            notifications.update_conditions(tx, result, now)
            claimed = notifications.claim_notifications(tx, self._ledger.now(tx)) if self._notifier else []
        for alert in claimed:
            if self._runtime.stopping():
                return
            self._tell(alert)
            self._runtime.progress()
        self._ping(now)

    def _check_tokens(self, now: datetime) -> None:
        with self._ledger.read() as tx:
            known = queries.channel_rows(tx)
        for name in self._config.channels:
            row = known.get(name)
            if not self._config.platform(name).tokens_expire or row is None or self._runtime.stopping():
                continue
            if row.pause_reason is not None or not _is_over(row.token_checked_at, TOKEN_EVERY, now):
                continue
            try:
                expires_at = self._publisher(name).expires_at(seconds=TOKEN_SECONDS, now=now)
            except PublishError as error:  # the next check, a day later, may succeed
                log.info("channel %s: cannot determine when the token expires: %s", name, error)
                expires_at = row.token_expires_at
            with self._ledger.begin() as tx:
                notifications.record_token_expiry(tx, name, expires_at, now)
            self._runtime.progress()

    def _state(self, now: datetime) -> AlertInputs:
        config = self._config
        with self._ledger.read() as tx:
            channels, sources = queries.channel_rows(tx), queries.source_rows(tx)
            unapproved = notifications.unapproved(tx)
            return AlertInputs(
                paused={
                    name: reason
                    for name in config.channels
                    if name in channels and (reason := channels[name].pause_reason)
                },
                tokens={
                    name: at for name in config.channels if name in channels and (at := channels[name].token_expires_at)
                },
                quarantined=notifications.quarantined(tx),
                alerts=alerts.open_alerts(tx),
                sources={
                    name: SourceHealth(row.failures, row.error, notifications.arrivals(tx, name, ARRIVALS))
                    for name in config.sources
                    if (row := sources.get(name)) is not None
                },
                dry=self._forecaster.dry_channels(tx, now, config.alerts.dry_after),
                overdue=notifications.overdue(tx, now - A_DAY),
                unapproved=unapproved,
                passed_undecided=notifications.passed_undecided(tx, unapproved),
                resent=notifications.resent(tx),
                postponed=notifications.postponed(tx),
                overrunning=self._runtime.overrunning(),
            )

    def _tell(self, alert: notifications.Notification) -> None:
        one = alert.condition
        title = f"digestbot: {'resolved: ' if alert.over else ''}{one.title}"
        zone = self._config.timezone
        note = localize(one.note, zone)
        body = f"It began at {local_time(alert.begun_at, zone)}: {note}" if alert.over else note
        web = self._config.web
        if web is not None and web.public_url:
            body += f"\n{web.public_url}"
        if self._notifier.send(title, body):
            with self._ledger.begin() as tx:
                notifications.mark_notified(tx, alert, self._clock())

    def _ping(self, now: datetime) -> None:
        settings = self._config.alerts
        if settings.ping_url is None:
            return
        with self._ledger.begin() as tx:
            if not _is_over(heartbeats.last_heartbeat(tx, heartbeats.PING), settings.ping_every, now):
                return
        if notifier.ping(settings.ping_url.get_secret_value()):
            with self._ledger.begin() as tx:
                heartbeats.record_heartbeat(tx, heartbeats.PING, now)


def _is_over(before: datetime | None, span: timedelta, now: datetime) -> bool:
    """Return whether ``span`` has passed since ``before``. Also return True if there was no such time, or if the clock
    has stepped back behind it."""
    return before is None or not before <= now < before + span
