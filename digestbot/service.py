"""The verbs: poll, plan, publish. Each reads the ledger, decides, acts at the edge, and writes down what came.

The clock is passed in. Nothing here knows of schedulers or command lines.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from digestbot import planning
from digestbot.config import Config
from digestbot.errors import (
    DigestbotError,
    LedgerError,
    OutcomeUnknown,
    PublishError,
    RenderError,
    SourceError,
    Unavailable,
)
from digestbot.ledger import Ledger, delivery, editions, intake, views
from digestbot.model import Claim, Message, Paper, PostStatus, Receipt, Seen, Slot, Summary
from digestbot.publishers import Publisher, publisher_for
from digestbot.reconcile import Verdict, judge, matches
from digestbot.render import Renderer
from digestbot.retry import Decision, decide

if TYPE_CHECKING:
    from digestbot.sources.fetch import Fetcher

log = logging.getLogger(__name__)

A_DAY = timedelta(days=1)  # how far before an attempt a timeline is read: more than any clock is wrong by
CONCLUDE_TRIES = 3  # each waits for a lock as long as SQLite does
MOST_READ = 1000  # posts of a timeline: what is further back was not published a moment ago

Clock = Callable[[], datetime]
"""Gives the time, aware."""


@dataclass
class Report:
    """What a run of verbs did, for the command that asked."""

    polled: dict[str, intake.Intake | None] = field(default_factory=dict)
    source_errors: dict[str, str] = field(default_factory=dict)
    render_errors: list[str] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    concluded: list[tuple[int, Decision]] = field(default_factory=list)
    settled: list[tuple[int, Verdict]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


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
    messages: list[Message]
    sample: Message | None
    backlog: dict[str, int]


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
        self.progress, self.stopping = progress, stopping
        folder = config.folder / config.templates if config.templates else None
        self.renderer = Renderer(folder)
        self._make_publisher = publishers or (lambda name: publisher_for(config.channels[name]))
        self._publishers: dict[str, Publisher] = {}
        self._fetchers: dict[str, Fetcher] = {}
        self._said: dict[str, str] = {}
        self._secrets = config.secrets()

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
            with self._contained(f"source {name}", report):
                self.poll(name, report)
        for digest, channel in self.config.pairs():
            if self.stopping():
                break
            with self._contained(f"digest {digest} on {channel}", report):
                self.plan(digest, channel, report)
        for channel in self.config.channels:
            with self._contained(f"channel {channel}", report):
                self.publish(channel, report)
        return report

    @contextmanager
    def _contained(self, what: str, report: Report) -> Iterator[None]:
        """One part's trouble is logged and stops no other part; trouble that lasts is logged once."""
        self.progress()
        try:
            yield
        except DigestbotError as error:
            report.troubles.append(f"{what}: {error}")
            if self._said.get(what) != str(error):
                log.error("%s: %s", what, error)
            self._said[what] = str(error)
        except Exception as error:
            report.troubles.append(f"{what}: unforeseen {type(error).__name__}")
            log.exception("%s: unforeseen", what)
        else:
            self._said.pop(what, None)

    # ---- poll

    def poll(self, name: str, report: Report, *, at_once: bool = False) -> None:
        """Read a source if it is due (or at once), and take in what it holds. A source that cannot be read
        leaves the ledger's summaries as they were."""
        source, now = self.config.sources[name], self.clock()
        with self.ledger.begin() as tx:
            state = intake.claim_poll(tx, name, source.every, now, at_once=at_once)
        if state is None:
            return
        try:
            found = self._read(name, state)
        except SourceError as error:
            with self.ledger.begin() as tx:
                failures = intake.poll_failed(tx, name, str(error), source.every, now)
            report.source_errors[name] = str(error)
            log.log(
                logging.WARNING if failures in (1, 2, 4, 8) or failures % 100 == 0 else logging.DEBUG,
                "source %s: %s (%d in a row)",
                name,
                error,
                failures,
            )
            return
        summaries, after = found
        taken = None
        if summaries is not None or after != state:  # else there is nothing to write down
            with self.ledger.begin() as tx:
                taken = intake.take_in(tx, name, summaries, now) if summaries is not None else None
                # what a broken or empty document holds is no first sight of the source
                sighted = bool(summaries) and after.suspect_hash is None
                intake.poll_succeeded(tx, name, after, self.clock(), sighted=sighted)
                if state.url is not None and state.url != after.url:
                    intake.sight_again(tx, name)
        report.polled[name] = taken
        if taken and (taken.new or taken.changed):
            log.info("source %s: %d new, %d changed", name, taken.new, taken.changed)

    def _read(self, name: str, state: intake.SourceState) -> tuple[list[Summary] | None, intake.SourceState]:
        """The source's summaries, or None where it did not change, and what to remember of it."""
        from digestbot.sources import feed
        from digestbot.sources.fetch import Fetcher, shown

        source = self.config.sources[name]
        if name not in self._fetchers:
            self._fetchers[name] = Fetcher(
                allow_private=source.allow_private_addresses,
                seconds=source.timeout.total_seconds(),
                most_bytes=source.max_size,
            )
        if state.url != source.url:
            state = intake.SourceState(url=source.url)
        fetched = self._fetchers[name].fetch(source.url, state.etag, state.last_modified)
        state = replace(state, failed=False)
        if fetched is None:
            if not (state.etag or state.last_modified):
                raise SourceError(f"{shown(source.url)}: answers 304 (not modified) to one who has nothing")
            return None, state
        hash_ = hashlib.blake2b(fetched.body, digest_size=16).digest()
        after = replace(state, etag=fetched.etag, last_modified=fetched.last_modified, body_hash=hash_)
        if hash_ == state.body_hash and state.suspect_hash is None:
            return None, after
        try:
            parsed = feed.parse(fetched.body, fetched.content_type, state.suspect_hash)
        except SourceError as error:
            raise SourceError(f"{shown(source.url)}: {error}") from error
        except Exception as error:  # whatever a parser meets, the feed is at fault and not the service
            log.debug("source %s", name, exc_info=True)
            raise SourceError(f"{shown(source.url)}: cannot be parsed ({type(error).__name__})") from error
        for reason in parsed.dropped:
            log.warning("source %s: an entry is left out: %s", name, reason)
        if parsed.complaint:
            log.warning("source %s: %s; what came whole is taken in", name, parsed.complaint)
            after = replace(after, etag=None, last_modified=None)  # ask for the whole again
        return parsed.summaries, replace(after, suspect_hash=parsed.suspect_hash)

    # ---- plan

    def plan(self, digest: str, channel: str, report: Report) -> None:
        """Grow the backlog, and make the edition of the slot that is due, if one is."""
        now = self.clock()
        since = self._extend_backlog(digest, channel)
        if since is None:
            return
        settings = self.config.digests[digest]
        slot = planning.due_slot(settings.schedule, self.config.zone(digest), since, now)
        if slot is not None:
            self._make(digest, channel, slot, report, scheduled=True)

    def _extend_backlog(self, digest: str, channel: str) -> datetime | None:
        """Gives the instant after which slots count: the last one reached, or when the digest was first seen."""
        settings, now = self.config.digests[digest], self.clock()
        with self.ledger.begin() as tx:
            for source in settings.sources:
                intake.extend_backlog(tx, digest, channel, source, settings.backlog, self.config.zone(digest), now)
            seen = [intake.first_seen(tx, digest, channel), editions.last_slot(tx, digest, channel)]
        return max((instant for instant in seen if instant), default=None)

    def _make(self, digest: str, channel: str, slot: Slot, report: Report, *, scheduled: bool) -> bool:
        """The slot's edition and posts; False where nothing waits. A slot with nothing to publish is reached
        too, if it was scheduled: what comes later waits for the next."""
        chosen, messages = self._renderable(digest, channel, report)
        if not chosen and not scheduled:
            return False
        now = self.clock()
        try:
            with self.ledger.begin() as tx:
                slot_id = editions.reach_slot(tx, digest, channel, slot, now, scheduled=scheduled)
                if chosen:
                    made = editions.make_edition(tx, slot_id, digest, channel, chosen, messages, now)
                    report.made += made
        except editions.TakenElsewhereError:
            log.info("digest %s on %s: slot %s was reached by another process", digest, channel, slot.nominal)
            return False
        log.info(
            "digest %s on %s: slot %s %s",
            digest,
            channel,
            slot.nominal,
            f"makes post {', '.join(map(str, made))}" if chosen else "has nothing to publish",
        )
        return bool(chosen)

    def _renderable(self, digest: str, channel: str, report: Report) -> tuple[list[Summary], list[Message]]:
        """The next edition. A summary that cannot be rendered though others can is skipped with its reason.

        Raises RenderError for a template that cannot render anything: nothing is made, the slot stays due.
        """
        while True:
            try:
                return self.next_edition(digest, channel)
            except RenderError as error:
                report.render_errors.append(str(error))
                try:
                    self.message(digest, channel, SAMPLE)
                except RenderError:
                    raise RenderError(f"{error}; nothing was made, the slot stays due") from error
                if error.summary is None:
                    raise
                log.error("digest %s on %s: summary %d is skipped: %s", digest, channel, error.summary, error)
                with self.ledger.begin() as tx:
                    editions.skip(tx, digest, channel, error.summary, str(error))

    def next_edition(self, digest: str, channel: str) -> tuple[list[Summary], list[Message]]:
        """What the digest would publish on the channel next. Raises RenderError."""
        settings = self.config.digests[digest]
        with self.ledger.read() as tx:
            chosen = editions.waiting(tx, digest, channel, settings.order, settings.min_votes, settings.size)
        return chosen, [self.message(digest, channel, summary) for summary in chosen]

    def message(self, digest: str, channel: str, summary: Summary) -> Message:
        """The summary's post in the digest's words. Raises RenderError."""
        template = self.config.digests[digest].template
        try:
            return self.renderer.message(template, self.config.platform(channel), digest, channel, summary)
        except RenderError as error:
            error.summary = summary.id
            raise

    # ---- publish

    def publish(self, channel: str, report: Report) -> None:
        """Settle what is unknown on the channel, if it is due to be looked for, then send what is pending, one
        post at a time, until nothing may be sent."""
        self.reconcile(channel, report)
        if self.stopping():
            return
        with self.ledger.begin() as tx:
            claim = delivery.claim(tx, channel, self.config.delivery.lease, self.clock())
        while claim is not None:
            outcome = self._attempt(claim)
            claim = self._conclude(claim, outcome, report)
            self.progress()

    def publisher(self, channel: str) -> Publisher:
        """The channel's publisher, made when it is first needed."""
        if channel not in self._publishers:
            self._publishers[channel] = self._make_publisher(channel)
        return self._publishers[channel]

    def _attempt(self, claim: Claim) -> Receipt | Exception:
        """One try. Whatever escapes is an outcome too: nobody knows how far it got."""
        seconds = self.config.delivery.lease.total_seconds() / 2
        try:
            if claim.look_first:
                there = self._already_there(claim)
                if there is not None:
                    return there
            return self.publisher(claim.channel).publish(
                claim.message,
                reply_to=claim.reply_to,
                seconds=seconds,
                may_send=lambda: self.clock() < claim.deadline,
            )
        except PublishError as error:
            return error
        except Exception as error:
            log.exception("post %d on %s: unforeseen while publishing", claim.post, claim.channel)
            return error

    def _already_there(self, claim: Claim) -> Receipt | None:
        """In a ledger that was restored from a backup: the post, if it was published after that was made."""
        try:
            seen = self._look(claim.channel, claim.after, claim.reply_to, None)
        except PublishError as error:
            raise Unavailable(f"the ledger was restored, and the timeline cannot be read: {error}") from error
        with self.ledger.read() as tx:
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
        delivery_ = self.config.delivery
        with self.ledger.begin() as tx:
            case = delivery.claim_look(tx, channel, delivery_.lease, delivery_.quiet_period, self.clock())
        if case is None:
            return
        seen: list[Seen] | None = None
        trouble = ""
        try:
            seen = self._look(channel, case.after, case.reply_to, case.started_at - A_DAY)
        except PublishError as error:
            trouble = str(error)
        now = self.clock()
        with self.ledger.begin() as tx:
            claimed = delivery.claimed(tx, channel, [post.id for post in seen or ()])
            verdict = judge(case, seen, claimed, delivery_.quiet_period, now, trouble)
            settled = delivery.settle(tx, case, verdict, len(seen or ()), now)
        if not settled:
            return
        report.settled.append((case.post, verdict))
        levels = {PostStatus.QUARANTINED: logging.ERROR, PostStatus.UNKNOWN: logging.INFO}
        level = levels.get(verdict.status, logging.WARNING)
        log.log(level, "post %d on %s: %s: %s", case.post, channel, verdict.status, verdict.note)

    def _look(self, channel: str, after: str | None, reply_to: str | None, since: datetime | None) -> list[Seen]:
        """The channel's timeline back to the post ``after``, or to ``since``, whichever comes first."""
        seconds = self.config.delivery.lease.total_seconds() / 2
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
            log.info("post %d on %s: published as %s", claim.post, claim.channel, outcome.url)
        for tries_left in range(CONCLUDE_TRIES - 1, -1, -1):
            now = self.clock()
            try:
                with self.ledger.begin() as tx:
                    state = delivery.channel_state(tx, claim.channel, now)
                    decision = self._redacted(decide(outcome, claim.epoch, state.refusals, now))
                    done = delivery.conclude(tx, claim, decision, state, now)
                    following = None
                    if done and decision.settles and not self.stopping():
                        following = delivery.claim(tx, claim.channel, self.config.delivery.lease, now, state)
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
        if decision.pause:
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

    # ---- outside the schedule

    def send(self, digest: str, count: int) -> Report:
        """Make and publish that many editions now, on each of the digest's channels."""
        report = Report()
        settings = self.config.digests[digest]
        for source in settings.sources:
            self.poll(source, report, at_once=True)
        for channel in settings.channels:
            self._extend_backlog(digest, channel)
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
            self.publish(channel, report)
        return report

    def preview(self, digest: str, channel: str) -> Preview:
        """What would be sent next, were the slot due now. Sources are read; nothing is written anywhere."""
        settings = self.config.digests[digest]
        now = self.clock()
        found = {name: self._read(name, intake.SourceState()) for name in settings.sources}
        with self.ledger.rehearsal() as ledger:
            ledger.prepare()
            with ledger.begin() as tx:
                for name, (summaries, state) in found.items():
                    intake.claim_poll(tx, name, self.config.sources[name].every, now, at_once=True)
                    intake.take_in(tx, name, summaries or [], now)
                    intake.poll_succeeded(tx, name, state, now)
            other = Service(self.config, ledger, self.clock)
            since = other._extend_backlog(digest, channel) or now
            chosen, messages = other.next_edition(digest, channel)
            with ledger.read() as tx:
                counts = views.backlog_counts(tx, digest, channel)
                waiting = list(views.post_rows(tx, statuses=[PostStatus.PENDING], channel=channel, digest=digest))
                sample = None if chosen or waiting else editions.newest(tx, settings.sources)
            zone = self.config.zone(digest)
            slot = planning.due_slot(settings.schedule, zone, since, now) or planning.next_slot(
                settings.schedule, zone, now
            )
            return Preview(
                digest,
                channel,
                slot,
                [Message(row.text, row.link) for row in waiting] or messages,
                other.message(digest, channel, sample) if sample else None,
                counts,
            )
