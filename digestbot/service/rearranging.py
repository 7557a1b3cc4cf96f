"""The verbs with which a person rearranges what is to come: move, skip or send a slot, write a post oneself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.costs import FREE, estimate
from digestbot.errors import ConfigError, LedgerError
from digestbot.ledger import Ledger, approvals, editions, rescheduling, views, wishes
from digestbot.model import PostRow, Shape, Slot, SlotChange
from digestbot.planning import A_SECOND, MOVED, instant
from digestbot.service.planner import Pair, Planner
from digestbot.service.report import Clock, Report
from digestbot.text import LIMITS

FURTHEST = timedelta(days=366)
AROUND = timedelta(days=2)  # of a slot's nominal time, in whatever zone: where it is looked for


class Rearranger:
    """Changes what is to come. All of it is taken up at the next tick, by whichever process makes it."""

    def __init__(self, config: Config, ledger: Ledger, clock: Clock, planner: Planner) -> None:
        self._config, self._ledger, self._clock, self._planner = config, ledger, clock, planner

    # ---- slots

    def move(self, pair: Pair, nominal: str, to: datetime) -> None:
        """The slot comes at another time. Raises LedgerError where there is no such slot, or it cannot come then."""
        slot = self._slot(pair, nominal)
        self._may_come(pair, to)
        with self._ledger.begin() as tx:
            rescheduling.change(tx, *pair, SlotChange(slot.nominal, slot.due, to))

    def skip(self, pair: Pair, nominal: str) -> None:
        """The slot does not come; what waits for it waits for the next. Raises LedgerError where there is no such
        slot."""
        slot = self._slot(pair, nominal)
        with self._ledger.begin() as tx:
            rescheduling.change(tx, *pair, SlotChange(slot.nominal, slot.due))

    def restore(self, pair: Pair, nominal: str) -> None:
        """The slot comes as the schedule has it. Raises LedgerError where nothing was changed of it."""
        with self._ledger.begin() as tx:
            if not rescheduling.restore(tx, *pair, nominal.partition(MOVED)[2] or nominal):
                raise LedgerError(f"nothing is changed of the slot {nominal} (any more)")

    def send_now(self, pair: Pair, nominal: str, summaries: Sequence[int]) -> list[int]:
        """What was to come in the slot is made now, whatever the hour, and the slot does not come; returns the ids of
        the posts. Raises LedgerError where nothing could be made."""
        slot, now = self._slot(pair, nominal), self._clock()
        with self._ledger.begin() as tx:
            wishes.pin(tx, pair, summaries, now)
        report = Report()
        if not self._planner.send(pair, report):
            raise LedgerError(
                "; ".join([*report.troubles, *report.render_errors]) or "nothing waits that could be sent"
            )
        with self._ledger.begin() as tx:
            rescheduling.change(tx, *pair, SlotChange(slot.nominal, slot.due))
        return report.made

    def move_post(self, post: int, to: datetime) -> Pair:
        """A post that waits to be sent is taken back, and made again at another time; returns its digest and channel.
        Raises LedgerError for one that was begun, or cannot come then."""
        now = self._clock()
        with self._ledger.read() as tx:
            row = views.post_row(tx, post)
        pair = row.digest, row.channel
        self._may_come(pair, to)
        with self._ledger.begin() as tx:
            taken = approvals.recall(tx, post, now)
            wishes.pin(tx, pair, taken.summaries, now)
            rescheduling.change(tx, *pair, SlotChange(taken.slot.nominal, taken.slot.due, to))
        return pair

    def _slot(self, pair: Pair, nominal: str) -> Slot:
        """The slot as the schedule has it, if it is still to come."""
        self._known(pair)
        nominal = nominal.partition(MOVED)[2] or nominal
        with self._ledger.read() as tx:
            changed = [one for one in rescheduling.changes(tx).get(pair, ()) if one.nominal == nominal]
            past = editions.pasts(tx, self._clock()).get(pair)
        if changed:
            return Slot(nominal, changed[0].due)
        zone = self._config.zone(*pair)
        try:
            about = datetime.fromisoformat(nominal).replace(tzinfo=zone)
        except ValueError:
            raise LedgerError(f"{nominal!r} is no slot's time") from None
        for slot in self._planner.calendar(pair).slots(about - AROUND):
            if slot.nominal == nominal and (past is None or slot.due > past.since):
                return slot
            if slot.due > about + AROUND:
                break
        raise LedgerError(f"{pair[0]} on {pair[1]} has no slot {nominal} to come (any more)")

    def _may_come(self, pair: Pair, at: datetime) -> None:
        self._known(pair)
        now, calendar = self._clock(), self._planner.calendar(pair)
        if at <= now:
            raise LedgerError("that time is over: choose one to come")
        if at > now + FURTHEST:
            raise LedgerError("that is more than a year ahead")
        closed = calendar.closed(at)
        if closed:
            raise LedgerError(f"nothing is posted then: {closed}")
        following = next(iter(calendar.slots(at - A_SECOND)), None)
        if following is not None and following.due == at:
            raise LedgerError("another slot of the same digest comes then already")

    def _known(self, pair: Pair) -> None:
        if pair not in self._config.pairs():
            raise LedgerError(f"digest {pair[0]} is not configured for {pair[1]}")

    # ---- words

    def write(self, pair: Pair, summary: int, text: str) -> None:
        """The summary's post will say this. Raises ConfigError for a text that its platform would not take, LedgerError
        where the digest makes other posts than one for each summary."""
        self._known(pair)
        if self._config.appearance(*pair).shape is not Shape.SINGLE:
            raise LedgerError("the parts of threads and roundups can be edited once they are made, if approval is on")
        words = self._fitting(pair[1], text)
        with self._ledger.begin() as tx:
            wishes.write(tx, pair, summary, words)

    def rewrite(self, post: int, text: str) -> PostRow:
        """A post that waits for approval says something else. Raises ConfigError for a text that its platform would not
        take, LedgerError for a post that does not wait."""
        with self._ledger.begin() as tx:
            row = views.post_row(tx, post)
            text = self._fitting(row.channel, text)
            cost = estimate(replace(row.message(), text=text), self._config.prices(row.channel) or FREE)
            approvals.rewrite(tx, post, text, cost, self._clock())
            return views.post_row(tx, post)

    def _fitting(self, channel: str, text: str) -> str:
        limit = LIMITS[self._config.platform(channel)]
        text = text.replace("\r\n", "\n").strip()
        length = limit.measure(text)
        if not text or length > limit.most:
            raise ConfigError([f"the text has {length} characters, and may have 1 to {limit.most}"])
        return text


def at_local(text: str, pair: Pair, config: Config, now: datetime) -> datetime:
    """A local time of the digest's calendar, as forms give it. Raises LedgerError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise LedgerError(f"{text!r} is no time; write one such as 2026-12-24T18:00") from None
    return found if found.tzinfo else instant(found, config.zone(*pair), now)
