"""The planner: for each due slot, it decides which summaries are taken, and makes the edition."""

from __future__ import annotations

import heapq
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain import schedule
from digestbot.domain.errors import PictureError, RenderError, SourceError
from digestbot.domain.model import Draft, ImageFailure, Route, Shape, Slot
from digestbot.domain.schedule import (
    CandidateQueue,
    ChannelHistory,
    DigestHistory,
    QueuedPost,
    SlotDecision,
)
from digestbot.ledger import (
    alerts,
    backlog,
    editions,
    post_queue,
)
from digestbot.pipeline.backlog_growth import BacklogGrowth
from digestbot.pipeline.edition_writer import EditionWriter
from digestbot.pipeline.ingest import Poller
from digestbot.pipeline.post_builder import PostBuilder
from digestbot.pipeline.report import Report
from digestbot.pipeline.rule_book import RuleBook
from digestbot.pipeline.runtime import Runtime

log = logging.getLogger(__name__)

MOST_WAITS = 20  # how often `next_turn` moves on to a later instant
CONFIRMATIONS = 5  # how often an edition is chosen again because its summaries changed in their source


class Planner:
    """Makes the editions of every digest on every channel. Each channel may have a thread of its own."""

    def __init__(
        self, runtime: Runtime, book: RuleBook, growth: BacklogGrowth, poller: Poller, post_builder: PostBuilder
    ) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._contained, self._stopping = runtime.contained, runtime.stopping
        self._book, self._growth, self._poller, self._post_builder = book, growth, poller, post_builder
        self._writer = EditionWriter(runtime, book)

    def make_due(self, report: Report, channel: str | None = None) -> None:
        """Make the editions of all due slots in the order of their times, on one channel or, with None, on all."""
        digest_histories = self._growth.extend_all(report, channel)
        routes = self._book.routes(channel)
        due: list[tuple[datetime, int]] = []
        for index, route in enumerate(routes):
            with self._contained(f"slots of digest {route}", report):
                self._note_due(due, index, route, digest_histories.get(route))
        before = len(report.made)
        while due and not self._stopping():
            _, index = heapq.heappop(due)
            route = routes[index]
            with self._contained(f"digest {route}", report):
                if self._conclude_slot(route, report):
                    with self._ledger.read() as tx:
                        digest_history = editions.digest_history(tx, *route, self._clock())
                    self._note_due(due, index, route, digest_history)
        for route in routes:
            if route in digest_histories and not self._stopping():
                with self._contained(f"slots of digest {route}", report):
                    self._record_closed(route)
        if len(report.made) > before and len(routes) > 1:  # what one digest took is blocked for others
            self._growth.extend_all(report, channel)

    def _note_due(
        self, due: list[tuple[datetime, int]], index: int, route: Route, digest_history: DigestHistory | None
    ) -> None:
        slot = (
            schedule.is_due(self._book.rules[route].posting_rules, digest_history, self._clock())
            if digest_history
            else None
        )
        if slot is not None:
            heapq.heappush(due, (slot.at, index))

    def _record_closed(self, route: Route) -> None:
        """Record that slots passed within a blackout, by marking the newest of them as reached."""
        calendar, now = self._book.rules[route].posting_rules.calendar, self._clock()
        if not calendar.may_close:
            return
        with self._ledger.read() as tx:
            since = editions.digest_history(tx, *route, now).since
        slot = calendar.newest_closed(since, now)
        if slot is not None:
            with suppress(editions.TakenElsewhereError), self._ledger.begin() as tx:
                editions.reach_slot(tx, *route, slot, now, outcome=calendar.closed(slot.at))

    def _conclude_slot(self, route: Route, report: Report) -> bool:
        """Make the edition of the slot that is due, or let the slot pass. Return False if the slot was not reached
        here: it stays due, or another process was faster."""
        if self._book.rules[route].posting_rules.closed(self._clock()):
            return False
        decision, shape, drafts = self._settled(route, self._decide_now, report)
        if decision.slot is None:
            return False
        _, reached = self._writer.reach(route, decision, decision.slot, shape, drafts, report, scheduled=True)
        return reached

    def _decide_now(self, route: Route) -> SlotDecision:
        """Return what the digest does on the channel now."""
        with self._ledger.read() as tx:
            return self._decide_at(tx, route, self._clock())

    def _decide_at(self, tx: sa.Connection, route: Route, at: datetime) -> SlotDecision:
        rules, digest_history = self._book.rules[route], editions.digest_history(tx, *route, at)
        channel_history: ChannelHistory[QueuedPost] = (
            ChannelHistory() if rules.posting_rules.free else self._channel_history(tx, route.channel, at)
        )
        queue = CandidateQueue(self._growth.candidates(tx, route, digest_history, self._clock(), at))
        return schedule.decide_slot(
            rules.posting_rules, rules.timing, rules.shape, digest_history, channel_history, queue, at
        )

    def _channel_history(self, tx: sa.Connection, channel: str, now: datetime) -> ChannelHistory[QueuedPost]:
        return ChannelHistory(
            post_queue.published_posts(tx, channel, now),
            [
                QueuedPost(self._book.posting_rules(post.digest, channel), post.scheduled, approved=post.approved)
                for post in post_queue.queued_posts(tx, channel)
            ],
        )

    def next_decision(self, route: Route) -> tuple[SlotDecision, list[Draft]]:
        """Return what the digest does next on the channel, now or at its next slot, and the drafts. No slot is marked
        as reached and no edition is made."""

        def choose(route: Route) -> SlotDecision:
            at = self._clock()
            with self._ledger.read() as tx:
                self._book.refresh(tx)
                decision = self._decide_at(tx, route, at)
                for _ in range(MOST_WAITS):
                    if decision.slot is None and decision.until is not None and decision.until > at:
                        at = decision.until
                        decision = self._decide_at(tx, route, at)
            return decision

        decision, _, drafts = self._settled(route, choose, Report())
        return decision, drafts

    def _at_once(self, route: Route) -> SlotDecision:
        """Return what the digest does on the channel when an operator asks for an edition, whatever the time and
        however few summaries there are."""
        rules, now = self._book.rules[route], self._clock()
        local = now.astimezone(rules.posting_rules.calendar.zone).replace(tzinfo=None)
        slot = Slot(f"{local.isoformat(timespec='seconds')} by hand {uuid.uuid4().hex[:8]}", now)
        with self._ledger.read() as tx:
            queue = CandidateQueue(self._growth.candidates(tx, route, None, now, now))
            timing = rules.timing
            result = queue.choose(
                timing.size, now, None, one_per_paper=timing.one_per_paper, repeat_paper=timing.repeat_paper
            )
            return SlotDecision(
                slot, [candidate.summary for candidate in result], "" if result else "nothing is pending"
            )

    def send(self, route: Route, report: Report, *, needs_approval: bool = False) -> bool:
        """Make an edition now, outside the schedule. Return False if none was made."""
        decision, shape, drafts = self._settled(route, self._at_once, report)
        if not decision.chosen or decision.slot is None:
            return False
        made, _ = self._writer.reach(
            route, decision, decision.slot, shape, drafts, report, scheduled=False, needs_approval=needs_approval
        )
        return made

    def _settled(
        self, route: Route, choose: Callable[[Route], SlotDecision], report: Report
    ) -> tuple[SlotDecision, Shape, list[Draft]]:
        """Return what ``choose`` decides, the shape, and the drafts, after the sources have confirmed the summaries.

        A summary that cannot be rendered, although others can, is skipped with its reason. One whose required picture
        cannot be made waits for it. RenderError is raised for a template that cannot render anything, SourceError if
        the summaries keep changing in their source. Then nothing is made, and the slot stays due.
        """
        digest, channel = route
        tries, held = 0, ""
        if self._config.appearance(digest, channel).image_failure is ImageFailure.HOLD:
            with self._ledger.begin() as tx:
                backlog.retry_pictures(tx, digest, channel)
        self._growth.filter_new(route)
        while True:
            decision = choose(route)
            try:
                shape, drafts = self._post_builder.drafts(digest, channel, decision.chosen)
                if self._poller.confirm(decision.chosen):
                    drafts = self._post_builder.pictured(digest, channel, decision.chosen, drafts)
                    self._tell_of_pictures(route, held)
                    return decision, shape, drafts
                self._growth.filter_new(route)
                tries += 1
                if tries >= CONFIRMATIONS:
                    raise SourceError("what would be published keeps changing in its store; the slot stays due")
            except PictureError as error:
                held = str(error)
                log.error(
                    "digest %s on %s: summary %s waits for its picture: %s", digest, channel, error.summary, error
                )
                with self._ledger.begin() as tx:
                    backlog.hold_after_failure(tx, digest, channel, error.summary or 0, held)
            except RenderError as error:
                report.render_errors.append(str(error))
                self._post_builder.raise_if_broken(route, error)
                log.error("digest %s on %s: summary %d is skipped: %s", digest, channel, error.summary, error)
                with self._ledger.begin() as tx:
                    backlog.skip_after_failure(tx, digest, channel, error.summary or 0, str(error))

    def _tell_of_pictures(self, route: Route, held: str) -> None:
        """Raise an alert about summaries that wait for their pictures, or close it if none does."""
        (digest, channel), now = route, self._clock()
        subject = f"{digest} on {channel}"
        with self._ledger.read() as tx:
            was_open = alerts.open_alert(tx, "pictures", subject) is not None
        if not (held or was_open):
            return
        with self._ledger.begin() as tx:
            if held:
                note = f"summaries wait for their pictures ({held}): digestbot backlog {digest} lists them"
                alerts.raise_alert(tx, "pictures", subject, note, now)
            else:
                alerts.close_alert(tx, "pictures", subject, now)
