"""Publish what is pending: claim, send once, conclude; and look for what is unknown. docs/lifecycle.md is the
protocol."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.context import about
from digestbot.errors import LedgerChanged, LedgerError, PublishError, Unauthorized, Unavailable
from digestbot.ledger import Ledger, channel_states, delivery, reconciliation
from digestbot.ledger.continuity import Continuity, Marker, catch_up_all
from digestbot.model import Action, Claim, PostStatus, Receipt, TimelinePost
from digestbot.planning import Lane, Obstacle, Pending, Traffic
from digestbot.publishers import Publisher
from digestbot.publishers.catalogue import with_channel
from digestbot.reconcile import (
    Reading,
    Verdict,
    judge_before_sending,
    matches,
)
from digestbot.retry import Decision, decide
from digestbot.service.reconciling import Reconciler
from digestbot.service.report import Clock, Report
from digestbot.service.timelines import Request, TimelineReader

log = logging.getLogger(__name__)

CONCLUDE_TRIES = 3  # each waits for a lock as long as SQLite does
START = "digestbot was started"


class DeliveryWorker:
    """Sends what is pending, on each channel one post at a time. Channels may have a thread each."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        make_publisher: Callable[[str], Publisher],
        progress: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._make_publisher, self._progress, self._stopping = make_publisher, progress, stopping
        self._publishers: dict[str, Publisher] = {}
        self._secrets = config.secrets()
        self._reader = TimelineReader(config, ledger, self.publisher)
        self.reconciler = Reconciler(config, ledger, self.publisher, self._reader, self._pause)
        self._continuity = Continuity()
        self._marker: Marker | None = None
        self._marker_lock = threading.Lock()
        # of each channel, no later than when the last claim's lease was granted
        self._lease_from: dict[str, tuple[float, datetime]] = {}
        self._claimed: dict[str, tuple[int, datetime]] = {}  # attempts that are about to be committed
        self._doubted: set[str] = set()  # channels whose transaction has just marked all for catching up
        self._remembered: dict[str, int] = {}  # how many posts of a timeline, when its last post was claimed
        self._looked: set[str] = set()  # the channels whose timeline this process has seen
        # what is remembered of a channel's timeline, and how much of it there was
        self._elsewhere: dict[str, tuple[int, list[TimelinePost]]] = {}
        # the rules of each digest on each channel, and, under no name, the channel's own, for digests of before
        self._lanes = {
            channel: {digest: Lane.of(config, digest, channel) for digest in ("", *config.digests)}
            for channel in config.channels
        }

    def publish(self, channel: str, report: Report) -> None:
        """Settle what is unknown on the channel, if it is due to be looked for, then send what is pending, one
        post at a time, until nothing may be sent."""
        try:
            self.reconciler.reconcile(channel, report)
            if self._stopping():
                return
            self._lease_begins(channel)
            with self._ledger.begin() as tx:
                claim = self._claim(tx, channel, None)
            self._committed(channel)
            while claim is not None:
                with about(post=claim.post, attempt=claim.epoch):
                    outcome = self._attempt(claim)
                    claim = self._conclude(claim, outcome, report)
                self._progress()
        except LedgerChanged:
            raise
        except LedgerError:
            self._looked.discard(channel)  # perhaps its database failed over, and lost something
            raise

    def _claim(
        self, tx: sa.Connection, channel: str, state: channel_states.ChannelState | None, now: datetime | None = None
    ) -> Claim | None:
        now, settings = now or self._ledger.now(tx), self._config.delivery
        doubt = self._continuity.check(tx)
        if doubt:
            log.error("%s: each channel's timeline is read before anything is posted", doubt)
            if state is not None:  # this transaction has locked the channel, and others theirs: in another one, then
                return None
            catch_up_all(tx, doubt)
            self._looked.clear()
            self._doubted.add(channel)
        if state is None:
            state = channel_states.channel_state(tx, channel, now)  # locks: what appeared is counted by one at a time
            if delivery.any_in_flight(tx, channel):
                return None
        state = self._compared_with_marker(tx, channel, state)
        if state.catch_up and not state.waited and state.pause_reason is None:
            # an attempt that the ledger lost may be under way until its lease ends, and show a quiet period later
            channel_states.wait_for_timeline(tx, channel, now + settings.lease + settings.quiet_period)
            return None
        held_back = list(self._obstacles(tx, channel, now)[0])
        budget = self._config.budget(channel)
        look = "" if channel in self._looked else START
        claim = delivery.claim(tx, channel, settings.lease, now, state, budget, held_back, look)
        if claim is not None:
            self._note_planned(tx, claim, now)
            if claim.attempt is not None:
                self._claimed[channel] = claim.attempt
            self._remembered[channel] = reconciliation.remembered_count(tx, channel)
        return claim

    def _note_planned(self, tx: sa.Connection, claim: Claim, now: datetime) -> None:
        """Note when the post was to appear, by all that kept it from appearing until now."""
        lanes = self._lanes[claim.channel]
        if claim.epoch != 1 or all(lane.free for lane in lanes.values()):
            return
        planned = delivery.planned(tx, claim.post)
        if planned is not None:
            digest, wanted = planned
            traffic: Traffic[Pending] = Traffic(delivery.appeared(tx, claim.channel, now))
            at = lanes.get(digest, lanes[""]).planned_at(traffic, min(wanted, now), now)
            if at != wanted:
                delivery.set_planned(tx, claim.post, at)

    def _committed(self, channel: str) -> None:
        """The transaction that claimed a post, if any was, is committed."""
        if channel in self._doubted:
            self._continuity.attempts.clear()
            self._doubted.discard(channel)
        attempt = self._claimed.pop(channel, None)
        if attempt is not None:
            self._continuity.note_attempt(channel, attempt)

    def _compared_with_marker(
        self, tx: sa.Connection, channel: str, state: channel_states.ChannelState
    ) -> channel_states.ChannelState:
        """Compare the ledger with what this machine published last, once in a process."""
        account = self._config.account(channel)
        if channel in self._looked or state.catch_up or state.accepted or account is None:
            return state
        doubt = self._marked().doubts(tx, self._continuity.ledger, channel, account)
        if not doubt:
            return state
        log.error("channel %s: %s: its timeline is read before anything is posted", channel, doubt)
        channel_states.catch_up(tx, channel, doubt)
        return replace(state, catch_up=doubt)

    def _marked(self) -> Marker:
        with self._marker_lock:
            if self._marker is None:
                self._marker = Marker.read(self._ledger.marker)
            return self._marker

    def next_due(self, channel: str) -> timedelta | None:
        """How long it is until something is to be done about posts that are made, negative where it has been for so
        long; None where nothing is known of."""
        with self._ledger.read() as tx:
            now = self._ledger.now(tx)
            at = delivery.next_due(tx, channel, channel_states.channel_state_now(tx, channel, now), now)
            if at is not None and at <= now:
                held_back, waiting = self._obstacles(tx, channel, now)
                if waiting and len(held_back) == waiting:
                    at = min((one.until for one in held_back.values() if one.until is not None), default=None)
        return at - now if at is not None else None

    def _obstacles(self, tx: sa.Connection, channel: str, now: datetime) -> tuple[dict[str, Obstacle], int]:
        """The digests of which no post may appear on the channel now, as far as posts of theirs wait to, each with what
        keeps it; and how many digests' posts wait."""
        lanes = self._lanes[channel]
        if all(lane.free for lane in lanes.values()):
            return {}, 0
        waiting = {post.digest for post in delivery.queued(tx, channel) if post.approved}
        if not waiting:
            return {}, 0
        traffic: Traffic[Pending] = Traffic(delivery.appeared(tx, channel, now))
        found = {digest: lanes.get(digest, lanes[""]).obstacle(traffic, now) for digest in waiting}
        return {digest: one for digest, one in found.items() if one is not None}, len(waiting)

    def publisher(self, channel: str) -> Publisher:
        """The channel's publisher, made when it is first needed."""
        if channel not in self._publishers:
            self._publishers[channel] = self._make_publisher(channel)
        return self._publishers[channel]

    def _attempt(self, claim: Claim) -> Receipt | Verdict | Exception:
        """One try. Whatever escapes is an outcome too: nobody knows how far it got."""
        seconds = self._config.delivery.lease.total_seconds() / 2
        may_send = self._until_deadline(claim.channel)
        try:
            if claim.action is not Action.PUBLISH:
                return self._change(claim, seconds, may_send)
            try:
                verdict = self._look_before_sending(claim)
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
            log.exception("post %d on %s: unforeseen while publishing", claim.post, claim.channel)
            return error

    def _lease_begins(self, channel: str) -> None:
        """A lease is about to be granted; to be called before the transaction begins, for a commit may take long."""
        self._lease_from[channel] = _ticks(), self._clock()
        self._claimed.pop(channel, None)  # of a transaction that was not committed
        self._doubted.discard(channel)

    def _until_deadline(self, channel: str) -> Callable[[], bool]:
        """Whether the claim that was just committed still holds: by how much time has passed here since, for what clock
        the deadline was set by does not matter then. A machine that slept, or was stopped, has lost its claim."""
        lease = self._config.delivery.lease
        ticks, wall = self._lease_from[channel]
        return lambda: _ticks() - ticks < lease.total_seconds() and self._clock() - wall < lease

    def _change(self, claim: Claim, seconds: float, may_send: Callable[[], bool]) -> Receipt:
        """Update or delete a published post; return the receipt of that post, which stays what it was."""
        publisher, target = self.publisher(claim.channel), claim.target or ""
        if claim.action is Action.DELETE:
            publisher.delete(target, seconds=seconds, may_send=may_send)
        else:
            publisher.update(target, claim.message, seconds=seconds, may_send=may_send)
        return Receipt(target, target)

    # ---- look before sending

    def _look_before_sending(self, claim: Claim) -> Verdict | None:
        """Return what is known of a post that may be on the timeline already; None where it may be sent."""
        if not claim.look_first:
            return self._known_elsewhere(claim)
        publisher = self.publisher(claim.channel)
        comments = claim.reply_to is not None and publisher.replies_apart
        request = self._request(claim)
        reading = self._reader.read(request)
        soft = claim.look_first == START and bool(reading.trouble)
        trusted = soft and self._marked().receipt(self._config.account(claim.channel)) is not None
        trusted = trusted or (claim.accepted and bool(reading.trouble))
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            caught_up = not comments and not reading.trouble
            if not comments:
                reconciliation.remember_timeline(tx, claim.channel, reading.posts, caught_up=caught_up)
            claimed = reconciliation.claimed(tx, claim.channel, [post.id for post in reading.posts])
            verdict = judge_before_sending(claim.message, reading, claimed, claim.dismissed, claim.first_sent_at)
            if verdict is not None and verdict.status is PostStatus.PENDING and trusted:
                verdict = None  # this machine's own record agrees with the ledger, or an operator accepted it
            note = verdict.note if verdict else reading.trouble or "not on the timeline"
            whose = {"post": claim.post, "epoch": claim.epoch - 1}  # it says nothing about this attempt
            sound = not reading.trouble
            reconciliation.note_look(tx, claim.channel, note, reading.count, reading.cost, now, sound=sound, **whose)
        if caught_up or trusted:
            self._looked.add(claim.channel)
        self._elsewhere.pop(claim.channel, None)
        return verdict or self._known_elsewhere(claim)

    def _request(self, claim: Claim) -> Request:
        """How far back the timeline is to be read for a claim."""
        with self._ledger.read() as tx:
            if claim.first_sent_at is not None:
                known = tuple(reconciliation.anchors(tx, claim.channel, claim.first_sent_at))
            else:
                known = tuple(reconciliation.newest_anchors(tx, claim.channel, self._ledger.now(tx)))
            own = reconciliation.any_receipt(tx, claim.channel)
        if claim.first_sent_at is not None or own:
            return Request(claim.channel, known, claim.first_sent_at, claim.reply_to)
        # Nothing is known of the account: as much of it as can be read.
        noted = self._marked().receipt(self._config.account(claim.channel))
        witnesses = frozenset([noted] if noted else [])
        return Request(claim.channel, reply_to=claim.reply_to, witnesses=witnesses, as_far_as_possible=not noted)

    def _known_elsewhere(self, claim: Claim) -> Verdict | None:
        """Compare a post with what is remembered of the timeline: others' posts, or our own of a ledger that was
        lost."""
        if claim.reply_to is not None and self.publisher(claim.channel).replies_apart:
            return None
        if not (claim.look_first or self._remembered.get(claim.channel, 1)):
            return None
        with self._ledger.read() as tx:
            count = reconciliation.remembered_count(tx, claim.channel)
            if not count:
                return None
            if self._elsewhere.get(claim.channel, (0, []))[0] != count:  # another process may have looked, too
                self._elsewhere[claim.channel] = count, reconciliation.remembered_timeline(tx, claim.channel)
            remembered = self._elsewhere[claim.channel][1]
            found = [post for some in matches(claim.message, remembered) for post in some]
            claimed = reconciliation.claimed(tx, claim.channel, [post.id for post in found])
        known = Reading(tuple(found))
        return judge_before_sending(claim.message, known, claimed, claim.dismissed, claim.first_sent_at)

    # ---- conclude

    def _conclude(self, claim: Claim, outcome: Receipt | Verdict | Exception, report: Report) -> Claim | None:
        """Write down what came of a claim and, in the same transaction, take the channel's next one, if any."""
        if isinstance(outcome, Receipt):  # first of all: should the ledger fail now, the log still knows
            what = "published as" if claim.action is Action.PUBLISH else f"{claim.action} done of"
            log.info("post %d on %s: %s %s", claim.post, claim.channel, what, outcome.url)
        for tries_left in range(CONCLUDE_TRIES - 1, -1, -1):
            now = claim.deadline
            self._lease_begins(claim.channel)
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
                marker = self._marked()
                with self._marker_lock:
                    marker.note(self._continuity.ledger, account, decision.receipt.id)
        if isinstance(following, LedgerChanged):
            raise following
        if not done:
            log.warning("post %d on %s: concluded too late%s", claim.post, claim.channel, _late(decision))
            return None
        if decision.application:
            # each in a transaction of its own: its channels' threads may be doing the same
            for name in self._config.same_application(claim.channel):
                with self._ledger.begin() as tx:
                    channel_states.pause_at_fault(tx, name, _named(general, name), self._ledger.now(tx))
        report.concluded.append((claim.post, decision))
        _log_decision(claim, decision)
        return following

    def _write_down(
        self, tx: sa.Connection, claim: Claim, outcome: Receipt | Verdict | Exception, now: datetime
    ) -> tuple[Decision, Decision, bool, Claim | LedgerChanged | None]:
        """What an outcome means (with and without the channel's name), whether the claim still held, and the next
        claim. A ledger that this process must not continue with is no reason to lose what came of the claim: that is
        written down first."""
        changed: LedgerChanged | None = None
        try:
            state = channel_states.channel_state(tx, claim.channel, now)
        except LedgerChanged as error:  # another process has given the channel another name
            state, changed = channel_states.ChannelState(None, None, 0), error
        tries = 1 if isinstance(outcome, Receipt) else delivery.tries(tx, claim.post) + 1
        catching_up = state.catch_up or (START if claim.look_first == START else "")
        quiet = self._config.delivery.quiet_period
        decision = decide(outcome, tries, state.history, now, post=claim.post, catching_up=catching_up, quiet=quiet)
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
        """Pause what is at fault, as an attempt at a post would have."""
        history = channel_states.channel_state(tx, channel, now).history
        general = self._redacted(decide(Verdict(PostStatus.PENDING, str(failure), failure=failure), 1, history, now))
        self._pause_at_fault(tx, channel, general, now)

    def _pause_at_fault(self, tx: sa.Connection, channel: str, general: Decision, now: datetime) -> None:
        """Pause the channel, and every other one of an application that is at fault, where they are not paused."""
        for name in self._config.same_application(channel) if general.application else [channel]:
            channel_states.pause_at_fault(tx, name, _named(general, name), now)

    def _redacted(self, decision: Decision) -> Decision:
        """Without secrets: a platform may quote a token in its complaint, and this is stored and shown."""
        if not decision.error:
            return decision
        error, pause = decision.error, decision.pause
        for secret in self._secrets:
            error = error.replace(secret, "***")
            pause = pause.replace(secret, "***") if pause else None
        return replace(decision, error=error, pause=pause)


def _ticks() -> float:
    """Seconds that have passed on this machine, while it slept too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _named(decision: Decision, channel: str) -> Decision:
    """With the channel's name in the commands that the texts recommend."""
    error, pause = (text and with_channel(text, channel) for text in (decision.error, decision.pause))
    return replace(decision, error=error, pause=pause)


def _late(decision: Decision) -> str:
    return ": it is published, as the answer says" if decision.receipt else "; it stays as the ledger has it"


def _log_decision(claim: Claim, decision: Decision) -> None:
    where = f"post {claim.post} on {claim.channel}"
    if decision.receipt:
        return
    if decision.no_replies:
        log.error("%s: %s; the edition ends with its first part: digestbot alarms", where, decision.error)
    elif decision.pause:
        log.error("%s: not published, and the channel pauses: %s", where, decision.pause)
    else:
        level = logging.WARNING if decision.status == "pending" else logging.ERROR
        again = decision.not_before or decision.channel_until
        when = f"; again at {again:%Y-%m-%d %H:%M:%S} UTC" if again else ""
        log.log(level, "%s: %s: %s%s", where, decision.status, decision.error, when)
