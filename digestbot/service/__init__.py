"""The verbs: poll, plan, publish. Each reads the ledger, decides, acts at the edge, and writes down what came.

The clock is passed in. Nothing here knows of schedulers or command lines.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from digestbot import planning
from digestbot.config import Config, DatabaseSource, Prices
from digestbot.costs import FREE, Account, estimate
from digestbot.errors import PictureError, RenderError, SourceError
from digestbot.gate import Gate
from digestbot.ledger import Ledger, alarms, backlogs, delivery, editions, spending, views
from digestbot.ledger.intake import SourceState
from digestbot.model import Draft, Image, LinkPolicy, Paper, PostStatus, Shape, Slot, Summary
from digestbot.publishers import Publisher, publisher_for
from digestbot.render import Place, Renderer
from digestbot.service.amending import Amender
from digestbot.service.delivering import Courier
from digestbot.service.picturing import Picturer
from digestbot.service.polling import Poller
from digestbot.service.report import Clock, Containment, Report

__all__ = ["Preview", "Report", "Service"]

log = logging.getLogger(__name__)

CONFIRMATIONS = 5  # how often an edition is chosen anew because its summaries were no longer as they were

SAMPLE = Summary(
    paper=Paper("conf/sample/Sample26", r"A Sample Title of $\mathcal{O}(n)$ Words"),
    writer="Some Reader",
    handle="somereader",
    body="A *first* sentence with $x_1 + x_2$. A second one.\n\n* an item\n* another",
    link="https://www.example.org/paper?bibtexKey=conf/sample/Sample26#somereader",
    votes=2,
    dated=datetime(2026, 1, 1, tzinfo=UTC),
)
"""What templates are tried with."""


@dataclass(frozen=True)
class Preview:
    """What would be sent next, and when. ``sample`` shows the newest summary where nothing would be sent."""

    digest: str
    channel: str
    slot: Slot | None
    drafts: list[Draft]
    sample: Draft | None
    backlog: dict[str, int]
    account: Account


class Service:
    """The verbs over one configuration and one ledger. One thread at a time; any number of processes."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        publishers: Callable[[str], Publisher] | None = None,
        *,
        progress: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``progress`` is called whenever a step is done; once ``stopping`` says so, no further step begins."""
        self.config, self.ledger, self.clock = config, ledger, clock
        self.stopping = stopping
        self.renderer = Renderer(config.folder / config.templates if config.templates else None)
        self.poller = Poller(config, ledger, clock, progress, stopping)
        make_publisher = publishers or (lambda name: publisher_for(config.channels[name]))
        self.courier = Courier(config, ledger, clock, make_publisher, progress, stopping)
        self.picturer = Picturer(config)
        self._amender = Amender(config, ledger, clock, self.drafts)
        self._contained = Containment(log, progress)

    def prepare(self) -> None:
        """Open the ledger and make the configured channels known to it."""
        self.ledger.prepare()
        with self.ledger.begin() as tx:
            delivery.add_channels(tx, self.config.channels)

    # ---- all that is due

    def tick(self) -> Report:
        """Do all that is due now: leases, polls, slots, posts. Never raises for what one part meets."""
        report = Report()
        with self._contained("leases", report), self.ledger.begin() as tx:
            for post in delivery.expire(tx, self.config.delivery.lease, self.clock()):
                log.error("post %d: the lease ran out; whether it was published is unknown", post)
        for name in self.config.sources:
            if self.stopping():
                break
            if name not in self.config.reserves():
                with self._contained(f"source {name}", report):
                    self.poller.poll(name, report)
        with self._contained("changes", report):
            self._amender.amend(report)
        for digest, channel in self.config.pairs():
            if self.stopping():
                break
            with self._contained(f"digest {digest} on {channel}", report):
                self.plan(digest, channel, report)
        for channel in self.config.channels:
            with self._contained(f"channel {channel}", report):
                self.courier.publish(channel, report)
        return report

    def close(self) -> None:
        """Let go of what is held open between ticks."""
        self.poller.close()

    # ---- plan

    def plan(self, digest: str, channel: str, report: Report) -> None:
        """Grow the backlog, and make the edition of the slot that is due, if one is."""
        now = self.clock()
        since = self.extend_backlog(digest, channel)
        if since is None:
            return
        settings = self.config.digests[digest]
        slot = planning.due_slot(settings.schedule, self.config.zone(digest), since, now)
        if slot is not None:
            self._make(digest, channel, slot, report, scheduled=True)

    def extend_backlog(self, digest: str, channel: str) -> datetime | None:
        """Gives the instant after which slots count: the last one reached, or when the digest was first seen."""
        settings, now = self.config.digests[digest], self.clock()
        with self.ledger.begin() as tx:
            for source in settings.sources:
                zone = self.config.zone(digest)
                backlogs.extend(tx, digest, channel, source, settings.backlog, zone, Gate.of(settings), now)
            seen = [backlogs.first_seen(tx, digest, channel), editions.last_slot(tx, digest, channel)]
        return max((instant for instant in seen if instant), default=None)

    def _make(self, digest: str, channel: str, slot: Slot, report: Report, *, scheduled: bool) -> bool:
        """The slot's edition and posts; False where nothing waits. A slot with nothing to publish is reached
        too, if it was scheduled: what comes later waits for the next."""
        chosen, shape, drafts = self._renderable(digest, channel, report)
        if not chosen and not scheduled:
            return False
        now = self.clock()
        made: list[int] = []
        try:
            with self.ledger.begin() as tx:
                slot_id = editions.reach_slot(tx, digest, channel, slot, now, scheduled=scheduled)
                if chosen and self._is_paid_for(tx, channel, drafts, now):
                    made = editions.make_edition(tx, slot_id, digest, channel, chosen, drafts, now, shape)
                    report.made += made
        except editions.TakenElsewhereError:
            log.info("digest %s on %s: slot %s: another process was faster", digest, channel, slot.nominal)
            return False
        log.info(
            "digest %s on %s: slot %s %s",
            digest,
            channel,
            slot.nominal,
            f"makes post {', '.join(map(str, made))}"
            if made
            else "is over the month's budget"
            if chosen
            else "has nothing to publish",
        )
        if chosen and not made and not scheduled:
            report.troubles.append(f"{channel}: the month's budget has no room for this edition")
        return bool(made)

    def _is_paid_for(self, tx: sa.Connection, channel: str, drafts: Sequence[Draft], now: datetime) -> bool:
        """Whether the month's budget has room for the edition beside what is pending; the operator is told when not."""
        budget = self.config.budget(channel)
        if budget is None:
            spending.tell_room(tx, channel, Account(0, None), now)
            return True
        account = Account(spending.spent(tx, channel, now) + spending.reserved(tx, channel), budget)
        cost = sum(draft.cost for draft in drafts)
        if account.lets_through(cost):
            spending.tell_room(tx, channel, account, now)
            return True
        if spending.tell_exhausted(tx, channel, account, cost, now):
            log.error("channel %s: the month's budget is used up: digestbot alarms", channel)
        return False

    def _renderable(self, digest: str, channel: str, report: Report) -> tuple[list[Summary], Shape, list[Draft]]:
        """The next edition. A summary that cannot be rendered though others can is skipped with its reason.

        Raises RenderError for a template that cannot render anything: nothing is made, the slot stays due.
        """
        tries = 0
        held = ""
        with self.ledger.begin() as tx:
            again = backlogs.try_pictures_again(tx, digest, channel)
        while True:
            try:
                chosen, shape, drafts = self.next_edition(digest, channel)
                if self.poller.confirm(chosen):
                    drafts = self._pictured(digest, channel, chosen, drafts)
                    if again or held:
                        self._tell_of_pictures(digest, channel, held)
                    return chosen, shape, drafts
                tries += 1
                if tries >= CONFIRMATIONS:
                    raise SourceError("what would be published keeps changing in its store; the slot stays due")
            except PictureError as error:
                held = str(error)
                log.error(
                    "digest %s on %s: summary %s waits for its picture: %s", digest, channel, error.summary, error
                )
                with self.ledger.begin() as tx:
                    backlogs.hold(tx, digest, channel, error.summary or 0, held)
            except RenderError as error:
                report.render_errors.append(str(error))
                try:
                    self.drafts(digest, channel, [SAMPLE])
                except RenderError:
                    raise RenderError(f"{error}; nothing was made, the slot stays due") from error
                if error.summary is None:
                    raise
                log.error("digest %s on %s: summary %d is skipped: %s", digest, channel, error.summary, error)
                with self.ledger.begin() as tx:
                    backlogs.skip(tx, digest, channel, error.summary, str(error))

    def _pictured(self, digest: str, channel: str, chosen: Sequence[Summary], drafts: Sequence[Draft]) -> list[Draft]:
        """With pictures, and what these cost. Raises PictureError where a post is to be held without one."""
        look = self.config.appearance(digest, channel)
        if look.image is Image.NONE or not chosen:
            return list(drafts)
        found = self.picturer.attach(look, channel, chosen, drafts)
        return [replace(draft, cost=estimate(draft.message, self._prices(channel))) for draft in found]

    def _tell_of_pictures(self, digest: str, channel: str, held: str) -> None:
        """Raise an alarm about summaries that wait for their pictures, or let it be over."""
        subject, now = f"{digest} on {channel}", self.clock()
        with self.ledger.begin() as tx:
            if held:
                note = f"summaries wait for their pictures ({held}): digestbot backlog {digest} lists them"
                alarms.raise_alarm(tx, "pictures", subject, note, now)
            else:
                alarms.alarm_is_over(tx, "pictures", subject, now)

    def _prices(self, channel: str) -> Prices:
        return self.config.prices(channel) or FREE

    def next_edition(self, digest: str, channel: str) -> tuple[list[Summary], Shape, list[Draft]]:
        """What the digest would publish on the channel next. Raises RenderError."""
        settings = self.config.digests[digest]
        gate = Gate.of(settings)
        self.judge(digest, channel, gate)
        with self.ledger.read() as tx:
            chosen = backlogs.next_up(tx, digest, channel, settings.order, gate, settings.size, self.clock())
        shape, drafts = self.drafts(digest, channel, chosen)
        return chosen, shape, drafts

    def judge(self, digest: str, channel: str, gate: Gate) -> None:
        """Let the gate look at what of the backlog it has not seen as it is now."""
        while True:
            with self.ledger.begin() as tx:
                if not backlogs.judge(tx, digest, channel, gate.verdict):
                    return

    def drafts(
        self, digest: str, channel: str, chosen: Sequence[Summary], shape: Shape | None = None
    ) -> tuple[Shape, list[Draft]]:
        """The summaries' posts in the digest's words and shape (or in another), with their costs. Raises RenderError.

        Where the platform takes no replies, each summary is a post of its own that carries its link.
        """
        look = self.config.appearance(digest, channel)
        if shape is not None:
            look = look.model_copy(update={"shape": shape})
        parameters = self.config.channels[channel].link_parameters
        place = Place(digest, channel, self.config.platform(channel), parameters)
        found = self.renderer.drafts(look, place, chosen) if chosen else []
        if any(draft.message.reply for draft in found) and shape is None and not self._takes_replies(channel):
            link = LinkPolicy.NONE if look.link is LinkPolicy.NONE else LinkPolicy.POST
            look = look.model_copy(update={"shape": Shape.SINGLE, "template": None, "link": link})
            found = self.renderer.drafts(look, place, chosen)
        return look.shape, [replace(draft, cost=estimate(draft.message, self._prices(channel))) for draft in found]

    def _takes_replies(self, channel: str) -> bool:
        with self.ledger.read() as tx:
            return delivery.takes_replies(tx, channel)

    # ---- outside the schedule

    def send(self, digest: str, count: int) -> Report:
        """Make and publish that many editions now, on each of the digest's channels."""
        report = Report()
        settings = self.config.digests[digest]
        for source in settings.sources:
            self.poller.poll(source, report, at_once=True)
        for channel in settings.channels:
            self.extend_backlog(digest, channel)
            for _ in range(count):
                if self.stopping():
                    break
                now = self.clock()
                local = now.astimezone(self.config.zone(digest)).replace(tzinfo=None)
                nominal = f"{local.isoformat(timespec='seconds')} by hand {uuid.uuid4().hex[:8]}"
                with self._contained(f"digest {digest} on {channel}", report):
                    if self._make(digest, channel, Slot(nominal, now), report, scheduled=False):
                        continue
                break
            self.courier.publish(channel, report)
        return report

    def preview(self, digest: str, channel: str) -> Preview:
        """What would be sent next, were the slot due now. Sources are read; nothing is written anywhere."""
        settings = self.config.digests[digest]
        now = self.clock()
        found = {
            name: (None, SourceState())
            if isinstance(self.config.sources[name], DatabaseSource)
            else self.poller.feeds.fetch(name, SourceState())
            for name in settings.sources
        }
        with self.ledger.rehearsal() as ledger:
            ledger.prepare()
            other = Service(self.config, ledger, self.clock)
            poller = self.poller.over(ledger)
            for name, (fetched, after) in found.items():
                poller.rehearse(name, fetched, after)
            since = other.extend_backlog(digest, channel) or now
            chosen, _, drafts = other._renderable(digest, channel, Report())
            with ledger.read() as tx:
                account = Account(spending.spent(tx, channel, now), self.config.budget(channel))
                counts = views.backlog_counts(tx, digest, channel)
                waiting = list(views.post_rows(tx, statuses=[PostStatus.PENDING], channel=channel, digest=digest))
                sample = None if chosen or waiting else backlogs.newest(tx, settings.sources)
            zone = self.config.zone(digest)
            slot = planning.due_slot(settings.schedule, zone, since, now) or planning.next_slot(
                settings.schedule, zone, now
            )
            return Preview(
                digest,
                channel,
                slot,
                [Draft(row.message(), cost=row.cost) for row in waiting] or drafts,
                other.drafts(digest, channel, [sample])[1][0] if sample else None,
                counts,
                account,
            )
