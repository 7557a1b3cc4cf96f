"""The verb publish: claim, send once, conclude; and reconcile what is unknown. docs/lifecycle.md is its protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.context import about
from digestbot.errors import LedgerError, OutcomeUnknown, PublishError, Unavailable
from digestbot.ledger import Ledger, delivery
from digestbot.model import Action, Claim, PostStatus, Receipt, Seen
from digestbot.planning import Lane, Pending, Traffic
from digestbot.publishers import Publisher
from digestbot.reconcile import Case, Verdict, judge, judge_change, matches
from digestbot.retry import Decision, decide
from digestbot.service.report import Clock, Report

log = logging.getLogger(__name__)

A_DAY = timedelta(days=1)  # how far before an attempt a timeline is read: more than any clock is wrong by
CONCLUDE_TRIES = 3  # each waits for a lock as long as SQLite does
MOST_READ = 1000  # posts of a timeline: what is further back was not published a moment ago


class Courier:
    """Sends what is pending, on each channel one post at a time."""

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
        # the rules of each digest on each channel, and, under no name, the channel's own, for digests of before
        self._lanes = {
            channel: {digest: Lane.of(config, digest, channel) for digest in ("", *config.digests)}
            for channel in config.channels
        }

    def publish(self, channel: str, report: Report) -> None:
        """Settle what is unknown on the channel, if it is due to be looked for, then send what is pending, one
        post at a time, until nothing may be sent."""
        self.reconcile(channel, report)
        if self._stopping():
            return
        with self._ledger.begin() as tx:
            claim = self._claim(tx, channel, None)
        while claim is not None:
            with about(post=claim.post, attempt=claim.epoch):
                outcome = self._attempt(claim)
                claim = self._conclude(claim, outcome, report)
            self._progress()

    def _claim(self, tx: sa.Connection, channel: str, state: delivery.ChannelState | None) -> Claim | None:
        now, settings = self._clock(), self._config.delivery
        if state is None:
            state = delivery.channel_state(tx, channel, now)  # locks: what appeared is counted by one at a time
            if delivery.any_in_flight(tx, channel):
                return None
        held_back = self._held_back(tx, channel, now)
        return delivery.claim(tx, channel, settings.lease, now, state, self._config.budget(channel), held_back)

    def _held_back(self, tx: sa.Connection, channel: str, now: datetime) -> list[str]:
        """The digests of which no post may appear on the channel now, as far as posts of theirs wait to."""
        lanes = self._lanes[channel]
        if all(lane.free for lane in lanes.values()):
            return []
        waiting = {digest for digest, _ in delivery.queued(tx, channel)}
        if not waiting:
            return []
        traffic: Traffic[Pending] = Traffic(delivery.appeared(tx, channel, now))
        return [digest for digest in waiting if lanes.get(digest, lanes[""]).obstacle(traffic, now)]

    def publisher(self, channel: str) -> Publisher:
        """The channel's publisher, made when it is first needed."""
        if channel not in self._publishers:
            self._publishers[channel] = self._make_publisher(channel)
        return self._publishers[channel]

    def _attempt(self, claim: Claim) -> Receipt | Exception:
        """One try. Whatever escapes is an outcome too: nobody knows how far it got."""
        seconds = self._config.delivery.lease.total_seconds() / 2
        try:
            if claim.action is not Action.PUBLISH:
                return self._change(claim, seconds)
            if claim.look_first:
                there = self._already_there(claim)
                if there is not None:
                    return there
            return self.publisher(claim.channel).publish(
                claim.message,
                reply_to=claim.reply_to,
                seconds=seconds,
                may_send=lambda: self._clock() < claim.deadline,
            )
        except PublishError as error:
            return error
        except Exception as error:
            log.exception("post %d on %s: unforeseen while publishing", claim.post, claim.channel)
            return error

    def _change(self, claim: Claim, seconds: float) -> Receipt:
        """Update or delete a published post; gives the receipt of that post, which stays what it was."""
        publisher, target = self.publisher(claim.channel), claim.target or ""

        def may_send() -> bool:
            return self._clock() < claim.deadline

        if claim.action is Action.DELETE:
            publisher.delete(target, seconds=seconds, may_send=may_send)
        else:
            publisher.update(target, claim.message, seconds=seconds, may_send=may_send)
        return Receipt(target, target)

    def _already_there(self, claim: Claim) -> Receipt | None:
        """In a ledger that was restored from a backup: the post, if it was published after that was made."""
        try:
            seen = self._look(claim.channel, claim.after, claim.reply_to, None)
        except PublishError as error:
            raise Unavailable(f"the ledger was restored, and the timeline cannot be read: {error}") from error
        with self._ledger.read() as tx:
            claimed = delivery.claimed(tx, claim.channel, [post.id for post in seen])
        found = matches(claim.message, [post for post in seen if post.id not in claimed])
        if len(found) > 1:
            raise OutcomeUnknown("the ledger was restored, and several posts on the timeline could be this one")
        if found:
            log.warning("post %d on %s: was on the timeline already", claim.post, claim.channel)
        return Receipt(found[0].id, found[0].url) if found else None

    # ---- reconcile

    def reconcile(self, channel: str, report: Report) -> None:
        """Look for the channel's unknown post on its own timeline, if that is due."""
        delivery_ = self._config.delivery
        with self._ledger.begin() as tx:
            case = delivery.claim_look(tx, channel, delivery_.lease, delivery_.quiet_period, self._clock())
        if case is None:
            return
        settled, verdict = self._look_for(case) if case.action is Action.PUBLISH else self._look_at(case)
        if not settled:
            return
        report.settled.append((case.post, verdict))
        levels = {PostStatus.QUARANTINED: logging.ERROR, PostStatus.UNKNOWN: logging.INFO}
        level = levels.get(verdict.status, logging.WARNING)
        log.log(level, "post %d on %s: %s: %s", case.post, channel, verdict.status, verdict.note)

    def _look_for(self, case: Case) -> tuple[bool, Verdict]:
        """Look for a post on the channel's timeline."""
        quiet = self._config.delivery.quiet_period
        seen: list[Seen] | None = None
        trouble = ""
        try:
            seen = self._look(case.channel, case.after, case.reply_to, case.started_at - A_DAY)
        except PublishError as error:
            trouble = str(error)
        now = self._clock()
        with self._ledger.begin() as tx:
            claimed = delivery.claimed(tx, case.channel, [post.id for post in seen or ()])
            verdict = judge(case, seen, claimed, quiet, now, trouble)
            read = len(seen or ())
            return delivery.settle(tx, case, verdict, read, now, self._read_price(case.channel) * read), verdict

    def _look_at(self, case: Case) -> tuple[bool, Verdict]:
        """Look at the post that an update or a deletion is about."""
        delivery_ = self._config.delivery
        seen, trouble = None, None
        try:
            seen = self.publisher(case.channel).lookup(case.target or "", seconds=delivery_.lease.total_seconds() / 2)
        except PublishError as error:
            trouble = str(error)
        now = self._clock()
        verdict = judge_change(case, seen, delivery_.quiet_period, now, trouble)
        with self._ledger.begin() as tx:
            read = int(seen is not None)
            return delivery.settle(tx, case, verdict, read, now, self._read_price(case.channel) * read), verdict

    def _read_price(self, channel: str) -> int:
        prices = self._config.prices(channel)
        return prices.read if prices else 0

    def _look(self, channel: str, after: str | None, reply_to: str | None, since: datetime | None) -> list[Seen]:
        """The channel's timeline back to the post ``after``, or to ``since``, whichever comes first."""
        seconds = self._config.delivery.lease.total_seconds() / 2
        seen: list[Seen] = []
        for post in self.publisher(channel).timeline(after=after, reply_to=reply_to, seconds=seconds):
            if post.id == after or (since is not None and post.at < since):
                break
            if len(seen) >= MOST_READ:
                raise OutcomeUnknown(f"the post was not among the newest {MOST_READ} of the timeline")
            seen.append(post)
        return seen

    def _conclude(self, claim: Claim, outcome: Receipt | Exception, report: Report) -> Claim | None:
        """Write down what came of a claim and, in the same transaction, take the channel's next one, if any."""
        if isinstance(outcome, Receipt):  # first of all: should the ledger fail now, the log still knows
            what = "published as" if claim.action is Action.PUBLISH else f"{claim.action} done of"
            log.info("post %d on %s: %s %s", claim.post, claim.channel, what, outcome.url)
        for tries_left in range(CONCLUDE_TRIES - 1, -1, -1):
            now = self._clock()
            try:
                with self._ledger.begin() as tx:
                    state = delivery.channel_state(tx, claim.channel, now)
                    decision = self._redacted(decide(outcome, claim.epoch, state.refusals, now))
                    done = delivery.conclude(tx, claim, decision, state, now)
                    following = None
                    if done and decision.settles and not self._stopping():
                        following = self._claim(tx, claim.channel, state)
                break
            except LedgerError:
                if not tries_left or now >= claim.deadline:
                    raise
        where = f"post {claim.post} on {claim.channel}"
        if not done:
            log.error("%s: concluded too late; it stays as the ledger has it", where)
            return None
        report.concluded.append((claim.post, decision))
        if decision.receipt:
            return following
        if decision.no_replies:
            log.error("%s: %s; the edition ends with its first part: digestbot alarms", where, decision.error)
        elif decision.pause:
            log.error("%s: not published, and the channel pauses: %s", where, decision.pause)
        else:
            level = logging.WARNING if decision.status == "pending" else logging.ERROR
            again = decision.not_before or decision.channel_until
            when = f"; again at {again:%Y-%m-%d %H:%M:%S} UTC" if again else ""
            log.log(level, "%s: %s: %s%s", where, decision.status, decision.error, when)
        return following

    def _redacted(self, decision: Decision) -> Decision:
        """Without secrets: a platform may quote a token in its complaint, and this is stored and shown."""
        if not decision.error:
            return decision
        error = decision.error
        for secret in self._secrets:
            error = error.replace(secret, "***")
        return replace(decision, error=error, pause=error if decision.pause else None)
