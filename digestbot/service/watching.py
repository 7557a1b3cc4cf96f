"""The verb watch: notice what the operator is to be told of, tell it once, and give signs of life."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from digestbot import alerts
from digestbot.alerts import Notifier
from digestbot.config import Config, FacebookChannel
from digestbot.errors import PublishError
from digestbot.ledger import Ledger, clock_steps, figures, health, heartbeats, views
from digestbot.ledger import alarms as alarms_
from digestbot.ledger.concurrency import WATCH, one_at_a_time
from digestbot.publishers import Publisher
from digestbot.service.planner import Planner
from digestbot.service.report import Clock
from digestbot.watch import SourceState, State, conditions

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
COUNT_EVERY = timedelta(hours=1)
TOKEN_EVERY = timedelta(days=1)
TOKEN_SECONDS = 20.0
ARRIVALS = 200
A_DAY = timedelta(days=1)


class Watcher:
    """Looks after each tick, but for the ticks of one minute only once."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        planner: Planner,
        publisher: Callable[[str], Publisher],
        stopping: Callable[[], bool],
        notifier: Notifier | None = None,
        overrunning: Callable[[], Mapping[str, timedelta]] = dict,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._config, self._ledger, self._clock, self._planner = config, ledger, clock, planner
        self._publisher, self._stopping = publisher, stopping
        settings = config.alerts
        self._notifier = notifier or Notifier([address.get_secret_value() for address in settings.to])
        self._overrunning, self._progress = overrunning, progress
        self._looked: datetime | None = None

    def watch(self) -> None:
        """After a tick that was done."""
        now = self._clock()
        if self._looked is not None and timedelta(0) <= now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        with self._ledger.begin() as tx:
            one_at_a_time(tx, WATCH)
            heartbeats.beat(tx, heartbeats.TICK, now)
            stepped = clock_steps.notice(tx, now)
            if _is_over(heartbeats.last_beat(tx, heartbeats.COUNT), COUNT_EVERY, now):
                figures.count_day(tx, now)
                heartbeats.beat(tx, heartbeats.COUNT, now)
        if stepped:
            log.error("%s: digestbot alarms", stepped)
        self._check_tokens(now)
        settings = self._config.alerts
        found = conditions(self._state(now), now, settings.stale_after, settings.dry_after)
        with self._ledger.begin() as tx:
            one_at_a_time(tx, WATCH)
            health.renew(tx, found, now)
            claimed = health.claim_alerts(tx, self._ledger.now(tx)) if self._notifier else []
        for alert in claimed:
            if self._stopping():
                return
            self._tell(alert)
            self._progress()
        self._ping(now)

    def _check_tokens(self, now: datetime) -> None:
        with self._ledger.read() as tx:
            known = views.channel_rows(tx)
        for name, settings in self._config.channels.items():
            row = known.get(name)
            if not isinstance(settings, FacebookChannel) or row is None or self._stopping():
                continue
            if row.pause_reason is not None or not _is_over(row.token_checked_at, TOKEN_EVERY, now):
                continue
            try:
                expires_at = self._publisher(name).expires_at(seconds=TOKEN_SECONDS, now=now)
            except PublishError as error:  # another day it will say
                log.info("channel %s: nobody can say until when the token holds: %s", name, error)
                expires_at = row.token_expires_at
            with self._ledger.begin() as tx:
                health.note_token(tx, name, expires_at, now)
            self._progress()

    def _state(self, now: datetime) -> State:
        config = self._config
        with self._ledger.read() as tx:
            channels, sources = views.channel_rows(tx), views.source_rows(tx)
            unapproved = health.unapproved(tx)
            return State(
                paused={
                    name: reason
                    for name in config.channels
                    if name in channels and (reason := channels[name].pause_reason)
                },
                tokens={
                    name: at for name in config.channels if name in channels and (at := channels[name].token_expires_at)
                },
                quarantined=health.quarantined(tx),
                alarms=alarms_.open_alarms(tx),
                sources={
                    name: SourceState(row.failures, row.error, health.arrivals(tx, name, ARRIVALS))
                    for name in config.sources
                    if (row := sources.get(name)) is not None
                },
                dry=self._planner.dry_channels(tx, now, config.alerts.dry_after),
                overdue=health.overdue(tx, now - A_DAY),
                unapproved=unapproved,
                passed_undecided=health.passed_undecided(tx, unapproved),
                resent=health.resent(tx),
                postponed=health.postponed(tx),
                overrunning=self._overrunning(),
            )

    def _tell(self, alert: health.Alert) -> None:
        one = alert.condition
        title = f"digestbot: {'over: ' if alert.over else ''}{one.title}"
        body = f"It began at {alert.begun_at:%Y-%m-%d %H:%M} UTC: {one.note}" if alert.over else one.note
        web = self._config.web
        if web is not None and web.public_url:
            body += f"\n{web.public_url}"
        if self._notifier.send(title, body):
            with self._ledger.begin() as tx:
                health.told(tx, alert, self._clock())

    def _ping(self, now: datetime) -> None:
        settings = self._config.alerts
        if settings.ping_url is None:
            return
        with self._ledger.begin() as tx:
            if not _is_over(heartbeats.last_beat(tx, heartbeats.PING), settings.ping_every, now):
                return
        if alerts.ping(settings.ping_url.get_secret_value()):
            with self._ledger.begin() as tx:
                heartbeats.beat(tx, heartbeats.PING, now)


def _is_over(before: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether so much time has passed since; also where the clock has since stepped back."""
    return before is None or not before <= now < before + span
