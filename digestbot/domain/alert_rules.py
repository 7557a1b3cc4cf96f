"""The conditions that the operator must know about.

The caller remembers which conditions held before. It notifies once when a condition begins, and once when it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from digestbot.domain.model import Alert, Route
from digestbot.text.durations import duration

FAILURES = 4  # polls in a row; fewer failures usually resolve themselves
TOKEN_ENDS = timedelta(days=14)
LEAST_GAPS = 5  # between arrivals: with fewer, it is unknown what is usual
LEAST_SILENCE = timedelta(days=3)
LAPSES_SOON = timedelta(hours=2)  # how long before an approval lapses the operator is reminded
PILE = 3  # editions of one digest on a channel that nobody approved or declined
TOGETHER = timedelta(minutes=10)  # a source's arrivals within this time count as one

TITLES = {
    "paused": "channel {} is paused",
    "token": "the token of {} expires",
    "quarantined": "post {} is quarantined",
    "failing": "source {} cannot be read",
    "silent": "source {} is silent",
    "dry": "nothing is left to post on {}",
    "overdue": "posts on {} are overdue",
    "approval": "post {} needs approval",
    "approval-ends": "post {} is about to lapse without approval",
    "resent": "post {} was sent more than once",
    "postponed": "post {} cannot be sent",
    "overrun": "the job {} takes too long",
    "twice": "post {} appeared twice",
    "by-hand": "post {} must be changed by hand",
    "make-up": "missed slots of {}: make up for them?",
    "clock": "the clock stepped back",
    "arrival": "many old entries of source {} arrived at once",
    "identity": "entries of source {} share an identifier",
    "moved": "source {} has moved",
    "gone": "source {} is gone",
    "approvals": "editions of {} are waiting for approval",
    "budget": "the month's budget of {} is almost used up",
    "budget-spent": "the month's budget of {} is used up",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that the operator is notified of: its kind, its subject, and a note that explains it."""

    kind: str
    subject: str
    note: str

    @property
    def title(self) -> str:
        """Return the condition as one line."""
        return TITLES.get(self.kind, f"{self.kind} ({{}})").format(self.subject)


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """The state of a source: how many polls failed in a row and why, and when it delivered anything new, newest
    last."""

    failures: int = 0
    error: str | None = None
    arrivals: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Overdue:
    """The posts of a channel that have been pending for too long: how many, the oldest of them, and the reason."""

    count: int
    post: int
    reason: str


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """An edition that needs approval, identified by its first post."""

    post: int
    digest: str
    channel: str
    made_at: datetime
    approve_by: datetime


@dataclass(frozen=True, slots=True)
class Resent:
    """A post that was sent repeatedly without a known outcome: how often, and until when it is not sent again."""

    channel: str
    sent: int
    not_before: datetime | None


@dataclass
class AlertInputs:
    """The data from which conditions are determined.

    ``quarantined`` and ``postponed`` map post ids to a note that says where the post was to go, and what happened.
    ``dry`` lists the channels on which nothing was posted for long and nothing pending can be posted.
    ``passed_undecided`` counts the slots of a digest on a channel that passed because its editions need approval.
    ``overrunning`` maps jobs to how long they have shown no sign of progress.
    """

    paused: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, datetime] = field(default_factory=dict)
    quarantined: Mapping[int, str] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    sources: Mapping[str, SourceHealth] = field(default_factory=dict)
    dry: Sequence[str] = ()
    overdue: Mapping[str, Overdue] = field(default_factory=dict)
    unapproved: Sequence[NeedsApproval] = ()
    passed_undecided: Mapping[Route, int] = field(default_factory=dict)
    resent: Mapping[int, Resent] = field(default_factory=dict)
    postponed: Mapping[int, str] = field(default_factory=dict)
    overrunning: Mapping[str, timedelta] = field(default_factory=dict)


def active_conditions(
    state: AlertInputs, now: datetime, stale_after: timedelta | None, dry_after: timedelta
) -> list[Condition]:
    """Return the conditions that hold now.

    A source is silent if it delivered nothing new for ``stale_after`` or, without that setting, for longer than
    `usual_silence` allows.
    """
    results = [Condition("paused", name, reason) for name, reason in state.paused.items()]
    for name, at in state.tokens.items():
        if at <= now:
            results.append(Condition("token", name, "it is no longer valid: make a new one, then resume the channel"))
        elif at - now <= TOKEN_ENDS:
            results.append(Condition("token", name, f"it expires on {at:%Y-%m-%d}: make a new one in time"))
    results += [
        Condition("quarantined", str(id_), f"{note}: digestbot posts show {id_}")
        for id_, note in state.quarantined.items()
    ]
    results += [Condition(alert.kind, alert.subject, alert.note) for alert in state.alerts]
    results += [
        Condition("overrun", name, f"no sign of progress for {duration(silence)}; the other jobs are not delayed")
        for name, silence in state.overrunning.items()
    ]
    results += _pending(state, now)
    for name, source in state.sources.items():
        if source.failures >= FAILURES:
            note = f"{source.failures} polls in a row failed: {source.error or 'no reason is known'}"
            results.append(Condition("failing", name, note))
        longest = stale_after or usual_silence(source.arrivals)
        if longest is not None and source.arrivals and now - source.arrivals[-1] > longest:
            since = f"since {source.arrivals[-1]:%Y-%m-%d %H:%M} UTC"
            results.append(
                Condition("silent", name, f"it has delivered nothing new {since}, which is longer than usual")
            )
    days = f"{dry_after / timedelta(days=1):g} days"
    results += [
        Condition("dry", name, f"nothing was posted for {days}, and nothing pending can be posted")
        for name in state.dry
    ]
    return results


def _pending(state: AlertInputs, now: datetime) -> list[Condition]:
    """Return the conditions that concern posts which have not been published yet."""
    results = []
    for channel, late in state.overdue.items():
        count = f"{late.count} posts have" if late.count > 1 else "a post has"
        note = f"{count} been pending for more than a day; post {late.post}: {late.reason}"
        results.append(Condition("overdue", channel, note))
    for one in state.unapproved:
        where = f"{one.digest} on {one.channel}: digestbot approve {one.post}, by {one.approve_by:%Y-%m-%d %H:%M} UTC"
        results.append(Condition("approval", str(one.post), where))
        if one.approve_by - now <= min(LAPSES_SOON, (one.approve_by - one.made_at) / 2):
            results.append(Condition("approval-ends", str(one.post), where))
    results += _piling_up(state)
    for id_, sent in state.resent.items():
        note = f"on {sent.channel}: sent {sent.sent} times, and it never appeared on the timeline"
        if sent.not_before is not None and sent.not_before > now:
            note += f"; looked for and sent again after {sent.not_before:%Y-%m-%d %H:%M} UTC"
        results.append(Condition("resent", str(id_), f"{note}. If it is there: digestbot posts show {id_}"))
    results += [
        Condition("postponed", str(id_), f"{note}. The others are sent meanwhile: digestbot posts show {id_}")
        for id_, note in state.postponed.items()
    ]
    return results


def _piling_up(state: AlertInputs) -> list[Condition]:
    """Return the conditions for digests whose editions nobody approves or declines."""
    waiting = Counter((one.digest, one.channel) for one in state.unapproved)
    results = []
    for (digest, channel), count in waiting.items():
        passed = state.passed_undecided.get(Route(digest, channel), 0)
        if count >= PILE or passed:
            note = f"{count} edition{'s need' if count > 1 else ' needs'} approval: digestbot approve"
            if passed:
                note += (
                    f"; {passed} slot{'s' if passed > 1 else ''} passed in the meantime, because these editions count "
                    "towards the limit"
                )
            results.append(Condition("approvals", f"{digest} on {channel}", note))
    return results


def usual_silence(arrivals: Sequence[datetime]) -> timedelta | None:
    """Return how long a source may deliver nothing new, judging by its recent arrivals: twice the longest gap, but at
    least `LEAST_SILENCE`. None where too little is known."""
    gaps = [later - earlier for earlier, later in pairwise(arrivals) if later - earlier > TOGETHER]
    return max(LEAST_SILENCE, 2 * max(gaps)) if len(gaps) >= LEAST_GAPS else None
