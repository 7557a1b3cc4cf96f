"""The verb plan: let backlogs grow, keep the slots that are due, and foresee those to come."""

from __future__ import annotations

import heapq
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from digestbot import planning
from digestbot.config import Config, Timing
from digestbot.costs import Account, month_start
from digestbot.errors import PictureError, RenderError, SourceError
from digestbot.gate import Gate
from digestbot.ledger import (
    Ledger,
    alarms,
    backlogs,
    channel_states,
    delivery,
    editions,
    health,
    rescheduling,
    schedule_versions,
    spending,
    views,
    wishes,
)
from digestbot.model import CatchUp, Draft, ImageFailure, Shape, Slot, Summary
from digestbot.planning import (
    Calendar,
    Candidate,
    Departure,
    Lane,
    Obstacle,
    Past,
    Pending,
    Plan,
    Queue,
    Road,
    Row,
    Traffic,
    Turn,
)
from digestbot.planning.versions import Rules, Version, made_up_for, rules_of, with_history
from digestbot.service.drafting import SAMPLE, Drafter
from digestbot.service.polling import Poller
from digestbot.service.report import Clock, Containment, Report

log = logging.getLogger(__name__)

MOST_KEPT = 5000  # renderings
MOST_WAITS = 20  # how often what comes next is looked for further ahead
PAGE = 100  # candidates that are read at first when looking ahead
MOST_AT_ONCE = 2000  # and later
MOST_KNOWN = 20_000  # summaries that are read once for all digests
DECIDE = "a changed schedule would make up for missed slots: decide, see digestbot alarms"
CONFIRMATIONS = 5  # how often an edition is chosen again because its summaries were no longer as they were

Pair = tuple[str, str]
"""A digest and a channel."""


@dataclass
class _Read:
    """Candidates as far as they were read: so many ``rows``, of which ``most`` are read next."""

    candidates: list[Candidate] = field(default_factory=list)
    rows: int = 0
    most: int = PAGE


@dataclass(frozen=True)
class _Rules:
    """What a digest asks for on a channel."""

    lane: Lane
    timing: Timing
    shape: Shape
    gate: Gate
    sources: tuple[str, ...]
    dated: bool = False
    """Whether its calendar knows the rules of before."""


class Planner:
    """Decides for every digest and channel, by one and the same code for now (`make_due`) and for later
    (`forecast`). Channels may have a thread each for what is due now."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        poller: Poller,
        drafter: Drafter,
        contained: Containment,
        stopping: Callable[[], bool],
    ) -> None:
        self._config, self.ledger, self._clock = config, ledger, clock
        self._poller, self._drafter, self._contained, self._stopping = poller, drafter, contained, stopping
        self._kept: dict[tuple[str, str, tuple[Summary, ...]], planning.Rendered] | None = None
        self._queues: dict[Pair, _Read] = {}  # as far as they were read, where they are kept
        self._versions: dict[Pair, list[Version]] | None = None
        self._newest_version = datetime.min.replace(tzinfo=UTC)
        self._rules = {
            (digest, channel): _Rules(
                Lane.of(config, digest, channel),
                config.timing(digest, channel),
                config.appearance(digest, channel).shape,
                Gate.of(config, digest, channel),
                config.digests[digest].sources,
            )
            for digest, channel in config.pairs()
        }

    def _pairs(self, channel: str | None) -> list[Pair]:
        """The pairs of a channel, or all of them."""
        return [pair for pair in self._rules if channel in (None, pair[1])]

    def take_up(self, tx: sa.Connection) -> None:
        """Record from when on the rules of the configuration apply, where they are others than before; where that would
        make up for more missed slots than the rules of before, a person is asked first."""
        now = self._clock()
        changed = schedule_versions.take_up(tx, self._configured_rules(), now)
        self._versions = None
        self._heed_changes(tx)
        asked = {pair: (before, after) for pair, before, after in self._made_up_for(tx, changed, now)}
        for subject in self._undecided(tx):
            pair = next((pair for pair in self._rules if _name(pair) == subject), None)
            if pair is None or (pair in changed and pair not in asked):
                alarms.alarm_is_over(tx, alarms.MAKE_UP, subject, now)
        for pair, (before, after) in asked.items():
            note = (
                f"by the changed schedule it would make up for {after} missed slots, not {before}. Until you decide, "
                "no slot is kept: confirm to make up for them, dismiss to let them pass"
            )
            alarms.raise_alarm(tx, alarms.MAKE_UP, _name(pair), note, now)

    def _configured_rules(self) -> dict[Pair, Rules]:
        return {pair: rules_of(one.lane.calendar, one.timing.catch_up) for pair, one in self._rules.items()}

    def _made_up_for(
        self, tx: sa.Connection, changed: Mapping[Pair, Sequence[Version]], now: datetime
    ) -> list[tuple[Pair, int, int]]:
        """Of what changed, the pairs that would make up for more than before, with how many slots, before and now;
        none where it is one slot of a channel."""
        pasts = editions.pasts(tx, now)
        more: dict[str, list[tuple[Pair, int, int]]] = defaultdict(list)
        for pair, versions in changed.items():
            if pair in self._rules and pair in pasts and versions[-1].rules["schedule"]:
                calendar, since = self._rules[pair].lane.calendar, pasts[pair].since
                before = made_up_for(calendar, CatchUp(versions[-1].rules["catch_up"]), since, now)
                after = made_up_for(calendar, self._rules[pair].timing.catch_up, since, now)
                if after > before:
                    more[pair[1]].append((pair, before, after))
        return [one for some in more.values() if sum(after for _, _, after in some) > 1 for one in some]

    def _would_ask(self, tx: sa.Connection, now: datetime) -> set[str]:
        """Those about which a person would be asked if the configuration, which is not in use yet, were."""
        changed = schedule_versions.differing(self._versions or {}, self._configured_rules())
        return {_name(pair) for pair, _, _ in self._made_up_for(tx, changed, now)} if changed else set()

    def _undecided(self, tx: sa.Connection) -> set[str]:
        """The digests and channels for which a person has to decide whether missed slots are made up for."""
        return alarms.open_subjects(tx, alarms.MAKE_UP)

    def _heed_changes(self, tx: sa.Connection, channel: str | None = None) -> None:
        """Take up what a person changed of slots, or took back, and the rules of before."""
        now = self._clock()
        if self._versions is None or self._newest_version > now + editions.CLOCK_STEP:
            self._versions = schedule_versions.versions(tx)
            newest = (one.since for some in self._versions.values() for one in some)
            self._newest_version = min(max(newest, default=now), now)
            self._rules = {pair: replace(one, dated=False) for pair, one in self._rules.items()}
        changes = rescheduling.changes(tx, channel)
        for pair in self._pairs(channel):
            rules, mine = self._rules[pair], changes.get(pair, ())
            if rules.lane.calendar.changes != mine or not rules.dated:
                lane = Lane.of(self._config, *pair, mine)
                versions = self._versions.get(pair, ())
                calendar = with_history(lane.calendar, rules.timing.catch_up, versions, now)
                self._rules[pair] = replace(rules, lane=replace(lane, calendar=calendar), dated=True)

    def next_due(self, channel: str) -> timedelta | None:
        """How long it is until a slot of the channel's comes, negative where one has been due for so long; None for
        never."""
        now = self._clock()
        with self.ledger.read() as tx:
            self._heed_changes(tx, channel)
            pasts = editions.pasts(tx, now, channel)
            undecided = self._undecided(tx)
        moments = []
        for pair in self._pairs(channel):
            if _name(pair) in undecided:
                continue
            lane, past = self._rules[pair].lane, pasts.get(pair)
            slot = lane.calendar.first_open(past.since) if past else None
            if slot is not None and slot.at <= now:
                obstacle = lane.closed(now)
                moments.append(obstacle.until if obstacle else slot.at)
            elif slot is not None:
                moments.append(slot.at)
        return min((moment - now for moment in moments if moment is not None), default=None)

    # ---- backlogs

    def extend(self, pair: Pair) -> None:
        """Put on the pair's backlog what its sources have that it has not seen, and let the gate judge it."""
        digest, channel = pair
        rules, policy = self._rules[pair], self._config.digests[digest].backlog
        zone, configured = rules.lane.calendar.zone, self._config.digests_on(channel)
        with self.ledger.begin() as tx:
            for source in sorted(rules.sources):  # in one order, for each is locked
                backlogs.extend(tx, digest, channel, source, policy, zone, rules.gate, self._clock(), configured)
        self._judge(pair)

    def _judge(self, pair: Pair) -> None:
        gate = self._rules[pair].gate
        while True:
            with self.ledger.begin() as tx:
                if not backlogs.judge(tx, *pair, gate.verdict, gate.shares_with):
                    return

    def _wanted(self, channel: str | None = None) -> dict[Pair, tuple[tuple[str, ...], bytes]]:
        """Each pair's sources, and its gate's mark."""
        return {pair: (self._rules[pair].sources, self._rules[pair].gate.mark) for pair in self._pairs(channel)}

    def _extend_all(self, report: Report, channel: str | None = None) -> dict[Pair, Past]:
        """Let every backlog grow that something came for; returns what each digest did so far, but for those about
        which a person has to decide."""
        now = self._clock()
        with self.ledger.read() as tx:
            self._heed_changes(tx, channel)
            behind = backlogs.behind(tx, self._wanted(channel))
            unjudged = backlogs.unjudged(tx, channel)
            pasts = editions.pasts(tx, now, channel)
            undecided = self._undecided(tx)
        for pair in behind:
            with self._contained(f"digest {pair[0]} on {pair[1]}", report):
                self.extend(pair)
        for pair in unjudged.intersection(self._rules).difference(behind):
            with self._contained(f"digest {pair[0]} on {pair[1]}", report):
                self._judge(pair)
        if behind:
            with self.ledger.read() as tx:
                pasts = editions.pasts(tx, now, channel)
        return {pair: past for pair, past in pasts.items() if _name(pair) not in undecided}

    # ---- now

    def make_due(self, report: Report, channel: str | None = None) -> None:
        """Make the editions of all slots that are due, in the order in which they were to be kept; on one channel, or
        on all."""
        pasts = self._extend_all(report, channel)
        pairs = self._pairs(channel)
        due: list[tuple[datetime, int]] = []
        for index, pair in enumerate(pairs):
            with self._contained(f"slots of digest {pair[0]} on {pair[1]}", report):
                self._note_due(due, index, pair, pasts.get(pair))
        before = len(report.made)
        while due and not self._stopping():
            _, index = heapq.heappop(due)
            pair = pairs[index]
            with self._contained(f"digest {pair[0]} on {pair[1]}", report):
                if self._take_turn(pair, report):
                    with self.ledger.read() as tx:
                        past = editions.past(tx, *pair, self._clock())
                    self._note_due(due, index, pair, past)
        for pair in pairs:
            if pair in pasts and not self._stopping():
                with self._contained(f"slots of digest {pair[0]} on {pair[1]}", report):
                    self._record_closed(pair)
        if len(report.made) > before and len(pairs) > 1:  # what one digest took is no longer for the others
            self._extend_all(report, channel)

    def _note_due(self, due: list[tuple[datetime, int]], index: int, pair: Pair, past: Past | None) -> None:
        slot = planning.is_due(self._rules[pair].lane, past, self._clock()) if past else None
        if slot is not None:
            heapq.heappush(due, (slot.at, index))

    def _record_closed(self, pair: Pair) -> None:
        """Record that slots passed in closed hours, by the newest of them."""
        calendar, now = self._rules[pair].lane.calendar, self._clock()
        if not calendar.may_close:
            return
        with self.ledger.read() as tx:
            since = editions.past(tx, *pair, now).since
        slot = calendar.newest_closed(since, now)
        if slot is not None:
            with suppress(editions.TakenElsewhereError), self.ledger.begin() as tx:
                editions.reach_slot(tx, *pair, slot, now, outcome=calendar.closed(slot.at))

    def _take_turn(self, pair: Pair, report: Report) -> bool:
        """Keep the slot that is due, or let it pass; False where it stays due."""
        if self._rules[pair].lane.closed(self._clock()):
            return False
        turn, shape, drafts = self._settled(pair, self._turn, report)
        if turn.slot is None:
            return False
        _, reached = self._reach(pair, turn, turn.slot, shape, drafts, report, scheduled=True)
        return reached

    def _turn(self, pair: Pair) -> Turn:
        """What the pair does now."""
        with self.ledger.read() as tx:
            return self._turn_at(tx, pair, self._clock())

    def _turn_at(self, tx: sa.Connection, pair: Pair, at: datetime) -> Turn:
        rules, past = self._rules[pair], editions.past(tx, *pair, at)
        traffic: Traffic[Pending] = Traffic() if rules.lane.free else self._traffic(tx, pair[1], at)
        queue = Queue(self._candidates(tx, pair, past, self._clock(), at))
        return planning.decide(rules.lane, rules.timing, rules.shape, past, traffic, queue, at)

    def _traffic(self, tx: sa.Connection, channel: str, now: datetime) -> Traffic[Pending]:
        return Traffic(
            delivery.appeared(tx, channel, now),
            [
                Pending(self._lane(post.digest, channel), post.scheduled, approved=post.approved)
                for post in delivery.queued(tx, channel)
            ],
        )

    def next_turn(self, pair: Pair) -> tuple[Turn, list[Draft]]:
        """What the pair does next, now or at its next slot; nothing of it is written down."""

        def choose(pair: Pair) -> Turn:
            at = self._clock()
            with self.ledger.read() as tx:
                self._heed_changes(tx)
                turn = self._turn_at(tx, pair, at)
                for _ in range(MOST_WAITS):
                    if turn.slot is None and turn.until is not None and turn.until > at:
                        at = turn.until
                        turn = self._turn_at(tx, pair, at)
            return turn

        turn, _, drafts = self._settled(pair, choose, Report())
        return turn, drafts

    def _at_once(self, pair: Pair) -> Turn:
        """What the pair does when a person asks for an edition, whatever the hour and however few there are."""
        rules, now = self._rules[pair], self._clock()
        local = now.astimezone(rules.lane.calendar.zone).replace(tzinfo=None)
        slot = Slot(f"{local.isoformat(timespec='seconds')} by hand {uuid.uuid4().hex[:8]}", now)
        with self.ledger.read() as tx:
            queue = Queue(self._candidates(tx, pair, None, now, now))
            found = queue.choose(rules.timing.size, now, None, one_per_paper=rules.timing.one_per_paper)
            return Turn(slot, [candidate.summary for candidate in found], "" if found else "nothing waits")

    def _candidates(
        self,
        tx: sa.Connection,
        pair: Pair,
        past: Past | None,
        now: datetime,
        until: datetime,
        first: int = 8,
    ) -> Iterator[Candidate]:
        """What may go at some time from now until then; with the past, only what the digest's window has not passed."""
        timing, gate = self._rules[pair].timing, self._rules[pair].gate
        since = planning.window_begins(timing.window, past, now) if timing.window and past else None
        return backlogs.candidates(tx, *pair, timing.order, gate, now, until, first, since)

    def calendar(self, pair: Pair) -> Calendar:
        """When the pair's slots come, with what a person changed of them."""
        with self.ledger.read() as tx:
            self._heed_changes(tx)
        return self._rules[pair].lane.calendar

    def calendar_of(self, pair: Pair) -> Calendar:
        """When the pair's slots come by its schedule alone; the ledger is not asked."""
        return self._rules[pair].lane.calendar

    def next_slot(self, pair: Pair) -> Slot | None:
        """The pair's next open slot."""
        return self.calendar_of(pair).first_open(self._clock())

    def send(self, pair: Pair, report: Report, *, needs_approval: bool = False) -> bool:
        """Make an edition now, outside the schedule; False where nothing was made."""
        turn, shape, drafts = self._settled(pair, self._at_once, report)
        if not turn.chosen or turn.slot is None:
            return False
        made, _ = self._reach(
            pair, turn, turn.slot, shape, drafts, report, scheduled=False, needs_approval=needs_approval
        )
        return made

    def _reach(
        self,
        pair: Pair,
        turn: Turn,
        slot: Slot,
        shape: Shape,
        drafts: Sequence[Draft],
        report: Report,
        *,
        scheduled: bool,
        needs_approval: bool = False,
    ) -> tuple[bool, bool]:
        """Write down that the slot was reached, and the edition that it makes: whether one was made, and whether it was
        reached here. A slot without an edition is reached too, if it was scheduled: what comes later waits for the
        next."""
        (digest, channel), now = pair, self._clock()
        timing = self._rules[pair].timing
        made: list[int] = []
        ids = [summary.id or 0 for summary in turn.chosen]
        outcome: str | None = None
        try:
            with self.ledger.begin() as tx:
                if not turn.chosen:
                    outcome = turn.reason
                elif not self._is_paid_for(tx, channel, drafts, now):
                    outcome = planning.OVER_BUDGET
                slot_id = editions.reach_slot(tx, digest, channel, slot, now, scheduled=scheduled, outcome=outcome)
                asks = timing.approval and scheduled and not wishes.are_approved(tx, digest, channel, ids)
                asks = asks or needs_approval
                approve_by = self.ledger.now(tx) + timing.approve_by if asks else None
                if outcome is None:
                    shares_with = self._rules[pair].gate.shares_with
                    made = editions.make_edition(
                        tx,
                        slot_id,
                        digest,
                        channel,
                        turn.chosen,
                        drafts,
                        now,
                        shape,
                        approve_by,
                        shares_with,
                        slot.at if scheduled else None,
                    )
                    report.made += made
        except editions.TakenElsewhereError:
            with self.ledger.begin() as tx:
                backlogs.judge_again(tx, digest, channel, ids)
            log.info("digest %s on %s: slot %s: another process was faster", digest, channel, slot.nominal)
            return False, False
        if made:
            waits = ", which waits for approval: digestbot approve" if approve_by else ""
            result = f"makes post {', '.join(map(str, made))}{waits}"
        else:
            result = f"makes none: {outcome}"
        log.info("digest %s on %s: slot %s %s", digest, channel, slot.nominal, result)
        if turn.chosen and not made and not scheduled:
            report.troubles.append(f"{channel}: the month's budget has no room for this edition")
        return bool(made), True

    def _is_paid_for(self, tx: sa.Connection, channel: str, drafts: Sequence[Draft], now: datetime) -> bool:
        """Whether the month's budget has room for the edition beside what is pending; the operator is told when not."""
        budget = self._config.budget(channel)
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

    def _settled(self, pair: Pair, choose: Callable[[Pair], Turn], report: Report) -> tuple[Turn, Shape, list[Draft]]:
        """What the pair does, and the posts that this makes. A summary that cannot be rendered though others can is
        skipped with its reason.

        Raises RenderError for a template that cannot render anything: nothing is made, the slot stays due.
        """
        digest, channel = pair
        tries, held = 0, ""
        if self._config.appearance(digest, channel).image_failure is ImageFailure.HOLD:
            with self.ledger.begin() as tx:
                backlogs.try_pictures_again(tx, digest, channel)
        self._judge(pair)
        while True:
            turn = choose(pair)
            try:
                shape, drafts = self._drafter.drafts(digest, channel, turn.chosen)
                if self._poller.confirm(turn.chosen):
                    drafts = self._drafter.pictured(digest, channel, turn.chosen, drafts)
                    self._tell_of_pictures(pair, held)
                    return turn, shape, drafts
                self._judge(pair)
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
                self._raise_if_broken(pair, error)
                log.error("digest %s on %s: summary %d is skipped: %s", digest, channel, error.summary, error)
                with self.ledger.begin() as tx:
                    backlogs.skip(tx, digest, channel, error.summary or 0, str(error))

    def _raise_if_broken(self, pair: Pair, error: RenderError) -> None:
        """Raises RenderError where it is the template that is broken, and not what it was to render."""
        try:
            self._drafter.drafts(*pair, [SAMPLE])
        except RenderError:
            raise RenderError(f"{error}; nothing was made, the slot stays due") from error
        if error.summary is None:
            raise error

    def _tell_of_pictures(self, pair: Pair, held: str) -> None:
        """Raise an alarm about summaries that wait for their pictures, or let it be over."""
        (digest, channel), now = pair, self._clock()
        subject = f"{digest} on {channel}"
        with self.ledger.read() as tx:
            told = alarms.open_alarm(tx, "pictures", subject) is not None
        if not (held or told):
            return
        with self.ledger.begin() as tx:
            if held:
                note = f"summaries wait for their pictures ({held}): digestbot backlog {digest} lists them"
                alarms.raise_alarm(tx, "pictures", subject, note, now)
            else:
                alarms.alarm_is_over(tx, "pictures", subject, now)

    # ---- later

    def is_behind(self) -> bool:
        """Whether something came that backlogs have not seen, or gates not judged, yet."""
        with self.ledger.read() as tx:
            return bool(backlogs.behind(tx, self._wanted()) or backlogs.unjudged(tx).intersection(self._rules))

    def extend_all(self) -> None:
        """Let every backlog grow that something came for."""
        self._extend_all(Report())

    def forecast(
        self, begin: datetime, end: datetime, channels: Collection[str] | None = None, *, costs: bool = True
    ) -> list[Row]:
        """What will be posted between two instants, and which slots stay empty, unless something new arrives; on these
        channels, or on all."""
        return list(self.foresee(begin, end, channels, costs=costs))

    def foresee(
        self, begin: datetime, end: datetime, channels: Collection[str] | None = None, *, costs: bool = True
    ) -> Iterator[Row]:
        """Yield the rows of `forecast`. Without ``costs`` it renders only where a budget asks for that, and is the
        quicker for it."""
        now = self._clock()
        only = next(iter(channels)) if channels is not None and len(channels) == 1 else None
        with self.ledger.read() as tx:
            self._heed_changes(tx, only)
            ahead = editions.recorded_ahead(tx, now)
            pasts = {
                pair: replace(past, ahead=ahead.get(pair, ())) for pair, past in editions.pasts(tx, now, only).items()
            }
            undecided = self._undecided(tx) | self._would_ask(tx, now)
            asks = any(rules.timing.approval for rules in self._rules.values())
            approved = wishes.approved(tx) if asks else {}
            names = [name for name in self._config.channels if channels is None or name in channels]
            roads = {channel: self._road(tx, channel, now) for channel in names}
        known: dict[int, Summary] = {}
        plans = [
            replace(
                self._plan(pair, pasts[pair], now, end, approved.get(pair, frozenset()), known),
                held=DECIDE if _name(pair) in undecided else "",
            )
            for pair in self._rules
            if pair in pasts and pair[1] in roads
        ]

        def rendered(lane: Lane, chosen: Sequence[Summary]) -> planning.Rendered:
            if costs or roads[lane.channel].budget is not None:
                return self._rendered(lane, chosen)
            together = self._rules[lane.digest, lane.channel].shape is Shape.ROUNDUP
            return [(tuple(chosen), 0)] if together else [((one,), 0) for one in chosen]

        for row in planning.foresee(plans, roads, rendered, now, end):
            if begin <= row.at <= end:
                yield row

    def dry_channels(self, tx: sa.Connection, now: datetime, span: timedelta) -> list[str]:
        """The channels on which nothing was posted for so long, and nothing waits that could be for as long again."""
        pasts = editions.pasts(tx, now)
        found = []
        for channel in self._config.channels:
            pairs = [pair for pair in self._rules if pair[1] == channel and pair in pasts]
            last = health.last_post(tx, channel) or min((pasts[pair].first_seen for pair in pairs), default=now)
            if not pairs or now - last < span or any(post.approved for post in delivery.queued(tx, channel)):
                continue
            if not any(next(self._candidates(tx, pair, pasts[pair], now, now + span, 1), None) for pair in pairs):
                found.append(channel)
        return found

    def _plan(
        self,
        pair: Pair,
        past: Past,
        now: datetime,
        end: datetime,
        approved: frozenset[int],
        known: dict[int, Summary],
    ) -> Plan:
        """The pair as its ledger has it. ``known`` are summaries that were read for other pairs."""
        rules = self._rules[pair]
        timing = rules.timing
        since = planning.window_begins(timing.window, past, now) if timing.window else None
        kept = self._queues.setdefault(pair, _Read()) if self._kept is not None else None
        passed_over: set[int] = set()

        def candidates() -> Iterator[Candidate]:
            """Read in short transactions: whoever looks ahead must not keep the ledger from those who post."""
            if kept is not None:
                yield from kept.candidates
            read, most = (kept.rows, kept.most) if kept is not None else (0, PAGE)
            skips = passed_over if kept is None else ()  # what is kept serves later forecasts too
            while most:
                with self.ledger.read() as tx:
                    if len(known) > MOST_KNOWN:
                        known.clear()
                    page, rows = backlogs.candidate_page(
                        tx, *pair, timing.order, rules.gate, now, end, since, read, most, skips, known
                    )
                read, most = read + rows, min(most * 4, MOST_AT_ONCE) if rows == most else 0
                if kept is not None:
                    kept.candidates += page
                    kept.rows, kept.most = read, most
                yield from page

        shares_with = frozenset(rules.gate.shares_with)
        return Plan(rules.lane, timing, rules.shape, past, candidates(), shares_with, approved, passed_over)

    def remember(self) -> None:
        """From now on, keep for the next forecast what one renders, and what it reads of backlogs."""
        self._kept = {}

    def forget_backlogs(self, channel: str) -> None:
        """What waits for a channel may have changed."""
        for pair in self._pairs(channel):
            self._queues.pop(pair, None)

    def forget(self, summary: int | None) -> None:
        """A summary's post will say something else than what was rendered; None: any may."""
        for key in list(self._kept or ()):
            if self._kept and (summary is None or any(one.id == summary for one in key[2])):
                self._kept.pop(key, None)

    def _rendered(self, lane: Lane, chosen: Sequence[Summary]) -> planning.Rendered:
        if self._kept is None:
            return self._render(lane, chosen)
        key = lane.digest, lane.channel, tuple(chosen)
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._render(lane, chosen)
        return self._kept[key]

    def _render(self, lane: Lane, chosen: Sequence[Summary]) -> planning.Rendered:
        try:
            return self._drafter.groups(lane.digest, lane.channel, chosen)
        except RenderError as error:
            self._raise_if_broken((lane.digest, lane.channel), error)
            raise

    def holding(self, channel: str, post: int) -> list[Obstacle]:
        """What keeps a pending post from being sent now, each with when that may be over."""
        now = self._clock()
        with self.ledger.read() as tx:
            self._heed_changes(tx, channel)
            road = self._road(tx, channel, now)
            shown = views.parts_of(tx, post)
        ids = {row.id for row in shown} | {post}
        departures = [one for one in road.traffic.queue if one.post in ids]  # a thread's is its first part
        departure = next((one for one in departures if one.post == post), departures[0] if departures else None)
        found = [Obstacle(road.note, None)] if road.note else []
        if departure is None:
            return found
        if departure.note:  # it needs approval
            found.append(Obstacle(departure.note, None))
        if road.blocked_until is not None and road.blocked_until > now:
            found.append(Obstacle("an attempt failed, or the platform asked to wait", road.blocked_until))
        if departure.not_before is not None and departure.not_before > now:
            found.append(Obstacle("several attempts failed", departure.not_before))
        obstacle = departure.obstacle(road.traffic, now)
        if obstacle is not None:
            found.append(obstacle)
        if not road.account(now).lets_through(departure.cost):
            found.append(Obstacle(planning.OVER_BUDGET, month_start(month_start(now) + timedelta(days=32))))
        return found

    def _road(self, tx: sa.Connection, channel: str, now: datetime) -> Road:
        """The channel with what is on its way there."""
        state = channel_states.channel_state_now(tx, channel, now)
        queue, not_before = self._departures(tx, channel)
        road = Road(Traffic(delivery.appeared(tx, channel, now), queue), self._config.budget(channel))
        road.spent[month_start(now)] = spending.spent(tx, channel, now)
        road.note = f"the channel is paused: {state.pause_reason}" if state.pause_reason else ""
        road.blocked_until = max((at for at in (state.wait_until, not_before) if at is not None), default=None)
        return road

    def _departures(self, tx: sa.Connection, channel: str) -> tuple[list[Departure], datetime | None]:
        """The channel's posts that wait to be sent, each with the replies to it; and until when the first of them waits
        for its next attempt."""
        found: list[Departure] = []
        edition, not_before = 0, None
        for post, shows in views.on_their_way(tx, channel):
            not_before = not_before or (None if post.yields else post.not_before)
            if post.reply and found and post.edition == edition:
                before = found[-1]
                new = tuple(one for one in shows if one not in before.summaries)
                found[-1] = replace(before, summaries=before.summaries + new, cost=before.cost + post.cost)
            else:
                lane = self._lane(post.digest, channel)
                zone = lane.calendar.zone
                until = f"{post.approve_by.astimezone(zone):%Y-%m-%d %H:%M %Z}" if post.approve_by else ""
                note = f"waits for approval until {until}" if until else ""
                found.append(
                    Departure(
                        lane,
                        post.scheduled,
                        begins=not post.reply,
                        planned_at=post.planned_at,
                        slot=post.slot,
                        summaries=shows,
                        cost=post.cost,
                        post=post.post,
                        note=note,
                        not_before=post.not_before if post.yields else None,
                    )
                )
            edition = post.edition
        return found, not_before

    def _lane(self, digest: str, channel: str) -> Lane:
        rules = self._rules.get((digest, channel))
        return rules.lane if rules else Lane.of(self._config, digest, channel)


def _name(pair: Pair) -> str:
    return f"{pair[0]} on {pair[1]}"
