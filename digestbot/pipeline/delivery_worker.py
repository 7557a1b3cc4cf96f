"""The delivery worker: it claims a pending post, sends it once and records the outcome. Unknown outcomes are
reconciled.

docs/lifecycle.md describes the protocol.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain.errors import LedgerChanged, LedgerError, PublishError, Unauthorized, Unavailable
from digestbot.domain.model import Action, Claim, PostStatus, Receipt
from digestbot.domain.reconciliation import Verdict
from digestbot.domain.retry import Decision, decide_after_attempt
from digestbot.infra.log_context import log_context
from digestbot.ledger import channel_states, delivery, post_queue, timeline_checks
from digestbot.ledger.rollback_detection import RollbackDetector, catch_up_all
from digestbot.pipeline.channel_rules import ChannelRules
from digestbot.pipeline.lease_timer import LeaseTimer
from digestbot.pipeline.pre_send_check import START, PreSendCheck
from digestbot.pipeline.reconciler import Reconciler
from digestbot.pipeline.report import Report
from digestbot.pipeline.runtime import Runtime
from digestbot.pipeline.timeline_reader import TimelineReader
from digestbot.platforms.base import Publisher
from digestbot.platforms.error_catalogue import with_channel

log = logging.getLogger(__name__)

CONCLUDE_TRIES = 3  # each waits for SQLite's whole lock timeout


class DeliveryWorker:
    """The worker that sends pending posts, one at a time on each channel. Each channel may have a thread of its own."""

    def __init__(self, runtime: Runtime, make_publisher: Callable[[str], Publisher]) -> None:
        config, ledger = runtime.config, runtime.ledger
        self._config, self._ledger, self._clock = config, ledger, runtime.clock
        self._make_publisher, self._progress, self._stopping = make_publisher, runtime.progress, runtime.stopping
        self._publishers: dict[str, Publisher] = {}
        self._secrets = config.secrets()
        self._reader = TimelineReader(config, ledger, self.publisher)
        self.reconciler = Reconciler(config, ledger, self.publisher, self._reader, self._pause)
        self._check = PreSendCheck(config, ledger, self.publisher, self._reader)
        self._continuity = RollbackDetector()
        self._leases = LeaseTimer(config.delivery.lease, runtime.clock)
        self._claimed: dict[str, tuple[int, datetime]] = {}  # attempts whose transaction is about to be committed
        self._doubted: set[str] = set()  # channels whose transaction requires all channels to catch up
        self._rules = ChannelRules(config)

    def publish(self, channel: str, report: Report) -> None:
        """Reconcile the channel's unknown post if a timeline check is due, then send pending posts, one at a time,
        until none may be sent."""
        try:
            self.reconciler.reconcile(channel, report)
            if self._stopping():
                return
            self._begin_claim(channel)
            with self._ledger.begin() as tx:
                claim = self._claim(tx, channel, None)
            self._committed(channel)
            while claim is not None:
                with log_context(post=claim.post, attempt=claim.epoch):
                    outcome = self._attempt(claim)
                    claim = self._conclude(claim, outcome, report)
                self._progress()
        except LedgerChanged:
            raise
        except LedgerError:
            self._check.looked.discard(channel)  # the database may have failed over and lost data
            raise

    def _claim(
        self, tx: sa.Connection, channel: str, state: channel_states.ChannelRecord | None, now: datetime | None = None
    ) -> Claim | None:
        now, settings = now or self._ledger.now(tx), self._config.delivery
        doubt = self._continuity.check(tx)
        if doubt:
            log.error("%s: each channel's timeline is read before anything is posted", doubt)
            if state is not None:  # this transaction locks one channel, others lock theirs: do it in the next one
                return None
            catch_up_all(tx, doubt)
            self._check.looked.clear()
            self._doubted.add(channel)
        if state is None:
            state = channel_states.channel_state(tx, channel, now)  # locks its row: only one process counts posts
            if delivery.any_in_flight(tx, channel):
                return None
        state = self._check.compare_with_marker(tx, channel, state, self._continuity.ledger)
        if state.catch_up and not state.waited and state.pause_reason is None:
            # an attempt that the ledger lost may run until its lease ends; its post may appear a quiet period later
            channel_states.wait_for_timeline(tx, channel, now + settings.lease + settings.quiet_period)
            return None
        held_back = list(self._rules.blockers(tx, channel, now)[0])
        budget = self._config.budget(channel)
        look = "" if channel in self._check.looked else START
        claim = delivery.claim(tx, channel, settings.lease, now, state, budget, held_back, look)
        if claim is not None:
            self._rules.record_planned_time(tx, claim, now)
            if claim.attempt is not None:
                self._claimed[channel] = claim.attempt
            self._check.remembered[channel] = timeline_checks.remembered_count(tx, channel)
        return claim

    def _committed(self, channel: str) -> None:
        """Record that the transaction was committed, and with it the claim of a post, if there was one."""
        if channel in self._doubted:
            self._continuity.attempts.clear()
            self._doubted.discard(channel)
        attempt = self._claimed.pop(channel, None)
        if attempt is not None:
            self._continuity.note_attempt(channel, attempt)

    def next_due(self, channel: str) -> timedelta | None:
        """Return how long until the channel's existing posts need work, negative if it is overdue; None if no such time
        is known."""
        with self._ledger.read() as tx:
            now = self._ledger.now(tx)
            at = delivery.next_due(tx, channel, channel_states.channel_state_now(tx, channel, now), now)
            if at is not None and at <= now:
                held_back, waiting = self._rules.blockers(tx, channel, now)
                if waiting and len(held_back) == waiting:
                    at = min((one.until for one in held_back.values() if one.until is not None), default=None)
        return at - now if at is not None else None

    def publisher(self, channel: str) -> Publisher:
        """Return the channel's publisher, which is created on first use."""
        if channel not in self._publishers:
            self._publishers[channel] = self._make_publisher(channel)
        return self._publishers[channel]

    def _attempt(self, claim: Claim) -> Receipt | Verdict | Exception:
        """Carry out a claim once; return its outcome. Any exception but LedgerChanged is an outcome too, because nobody
        knows how far the attempt got."""
        seconds = self._config.delivery.lease.total_seconds() / 2
        may_send = self._leases.until_deadline(claim.channel)
        try:
            if claim.action is not Action.PUBLISH:
                return self._change(claim, seconds, may_send)
            try:
                verdict = self._check.look(claim)
            except LedgerChanged:
                raise
            except LedgerError as error:
                return Unavailable(f"not sent: {error}")
            if verdict is not None:
                return verdict
            return self.publisher(claim.channel).publish(
                claim.message, reply_to=claim.reply_to, seconds=seconds, may_send=may_send
            )
        except PublishError as error:
            return error
        except LedgerChanged:
            raise
        except Exception as error:
            log.exception("post %d on %s: unexpected while publishing", claim.post, claim.channel)
            return error

    def _begin_claim(self, channel: str) -> None:
        """Prepare for a claim. Call this before the transaction begins, because a commit may take long."""
        self._leases.begin(channel)
        self._claimed.pop(channel, None)  # left by a transaction that was not committed
        self._doubted.discard(channel)

    def _change(self, claim: Claim, seconds: float, may_send: Callable[[], bool]) -> Receipt:
        """Update or delete a published post; return that post's receipt, which does not change."""
        publisher, target = self.publisher(claim.channel), claim.target or ""
        if claim.action is Action.DELETE:
            publisher.delete(target, seconds=seconds, may_send=may_send)
        else:
            publisher.update(target, claim.message, seconds=seconds, may_send=may_send)
        return Receipt(target, target)

    # ---- conclude

    def _conclude(self, claim: Claim, outcome: Receipt | Verdict | Exception, report: Report) -> Claim | None:
        """Record the outcome of a claim and, in the same transaction, claim the channel's next post. Return the next
        claim; None if there is none."""
        if isinstance(outcome, Receipt):  # logged first, so that the receipt survives if the ledger fails now
            what = "published as" if claim.action is Action.PUBLISH else f"{claim.action} completed for"
            log.info("post %d on %s: %s %s", claim.post, claim.channel, what, outcome.url)
        for tries_left in range(CONCLUDE_TRIES - 1, -1, -1):
            now = claim.deadline
            self._begin_claim(claim.channel)
            try:
                with self._ledger.begin() as tx:
                    now = self._ledger.now(tx)
                    decision, general, done, following = self._write_down(tx, claim, outcome, now)
                self._committed(claim.channel)
                break
            except LedgerChanged:
                raise
            except LedgerError:
                if not tries_left or now >= claim.deadline:
                    raise
        if decision.receipt and claim.action is Action.PUBLISH and not claim.reply_to:
            account = self._config.account(claim.channel)
            if account is not None:
                marker = self._check.marker()
                with self._check.marker_lock:
                    marker.note(self._continuity.ledger, account, decision.receipt.id)
        if isinstance(following, LedgerChanged):
            raise following
        if not done:
            log.warning("post %d on %s: the outcome arrived too late%s", claim.post, claim.channel, _late(decision))
            return None
        if decision.application:
            # one transaction for each channel, because the channels' threads may be doing the same
            for name in self._config.same_application(claim.channel):
                with self._ledger.begin() as tx:
                    channel_states.pause_at_fault(tx, name, _named(general, name), self._ledger.now(tx))
        report.concluded.append((claim.post, decision))
        _log_decision(claim, decision)
        return following

    def _write_down(
        self, tx: sa.Connection, claim: Claim, outcome: Receipt | Verdict | Exception, now: datetime
    ) -> tuple[Decision, Decision, bool, Claim | LedgerChanged | None]:
        """Record the outcome of a claim in the ledger.

        Return the decision with the channel's name and without it, whether the claim still held, and the next claim. If
        this process must not continue with the ledger, the outcome is still recorded, and LedgerChanged takes the next
        claim's place.
        """
        changed: LedgerChanged | None = None
        try:
            state = channel_states.channel_state(tx, claim.channel, now)
        except LedgerChanged as error:  # another process has renamed the channel
            state, changed = channel_states.ChannelRecord(None, None, 0), error
        tries = 1 if isinstance(outcome, Receipt) else post_queue.attempt_count(tx, claim.post) + 1
        catching_up = state.catch_up or (START if claim.check_first == START else "")
        quiet = self._config.delivery.quiet_period
        decision = decide_after_attempt(
            outcome, tries, state.history, now, post=claim.post, catching_up=catching_up, quiet=quiet
        )
        general = self._redacted(decision)
        decision = _named(general, claim.channel)
        done = delivery.conclude(tx, claim, decision, state, now)
        if changed is not None:
            return decision, general, done, changed
        if not done or not decision.settles or decision.pause or self._stopping():
            return decision, general, done, None
        try:
            free = replace(state, wait_until=decision.channel_until, accepted=False)
            return decision, general, done, self._claim(tx, claim.channel, free, now)
        except LedgerChanged as error:
            return decision, general, done, error

    def _pause(self, tx: sa.Connection, channel: str, failure: Unauthorized, now: datetime) -> None:
        """Pause the channel, or the whole application if that is at fault, as a failed attempt to post would."""
        history = channel_states.channel_state(tx, channel, now).history
        general = self._redacted(
            decide_after_attempt(Verdict(PostStatus.PENDING, str(failure), failure=failure), 1, history, now)
        )
        self._pause_at_fault(tx, channel, general, now)

    def _pause_at_fault(self, tx: sa.Connection, channel: str, general: Decision, now: datetime) -> None:
        """Pause the channel, or every channel of the application if that is at fault, unless they are already
        paused."""
        for name in self._config.same_application(channel) if general.application else [channel]:
            channel_states.pause_at_fault(tx, name, _named(general, name), now)

    def _redacted(self, decision: Decision) -> Decision:
        """Return the decision without secrets: a platform may quote a token in its error, which is stored and shown."""
        if not decision.error:
            return decision
        error, pause = decision.error, decision.pause
        for secret in self._secrets:
            error = error.replace(secret, "***")
            pause = pause.replace(secret, "***") if pause else None
        return replace(decision, error=error, pause=pause)


def _named(decision: Decision, channel: str) -> Decision:
    """Return the decision with the channel's name in the commands that its texts recommend."""
    error, pause = (text and with_channel(text, channel) for text in (decision.error, decision.pause))
    return replace(decision, error=error, pause=pause)


def _late(decision: Decision) -> str:
    return (
        ": it is published, according to the response"
        if decision.receipt
        else "; its status in the ledger is unchanged"
    )


def _log_decision(claim: Claim, decision: Decision) -> None:
    where = f"post {claim.post} on {claim.channel}"
    if decision.receipt:
        return
    if decision.no_replies:
        log.error("%s: %s; the edition ends with its first part: digestbot alerts", where, decision.error)
    elif decision.pause:
        log.error("%s: not published, and the channel pauses: %s", where, decision.pause)
    else:
        level = logging.WARNING if decision.status == "pending" else logging.ERROR
        again = decision.not_before or decision.channel_until
        when = f"; again at {again:%Y-%m-%d %H:%M:%S} UTC" if again else ""
        log.log(level, "%s: %s: %s%s", where, decision.status, decision.error, when)
