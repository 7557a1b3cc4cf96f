"""Pure: what the operator is to be told of: conditions that hold now. Whoever remembers which held before tells of each
once when it begins, and once when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from digestbot.model import Alarm
from digestbot.text.durations import duration

FAILURES = 4  # polls in a row; what fails less often corrects itself
TOKEN_ENDS = timedelta(days=14)
LEAST_GAPS = 5  # between arrivals, before anything is known of what is usual
LEAST_SILENCE = timedelta(days=3)
LAPSES_SOON = timedelta(hours=2)  # how long before an approval lapses the operator is told again
PILE = 3  # editions of one digest and channel that nobody decided about
TOGETHER = timedelta(minutes=10)  # what a source gives within this time came at once

TITLES = {
    "paused": "channel {} is paused",
    "token": "the token of {} ends",
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
    "by-hand": "post {} needs your hand",
    "make-up": "missed slots of {}: make up for them?",
    "clock": "the clock stepped back",
    "approvals": "approvals of {} pile up",
    "budget": "the month's budget of {} nears its end",
    "budget-spent": "the month's budget of {} is used up",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that the operator is to be told of: its kind, what it is about, and the words for it."""

    kind: str
    subject: str
    note: str

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return TITLES.get(self.kind, f"{self.kind} ({{}})").format(self.subject)


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source does: polls that failed in a row and why, and when it gave something new, the newest last."""

    failures: int = 0
    error: str | None = None
    arrivals: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Overdue:
    """How many posts of a channel have been pending for long, the oldest of them, and why it is."""

    count: int
    post: int
    reason: str


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """An edition that needs approval, by its first post."""

    post: int
    digest: str
    channel: str
    made_at: datetime
    approve_by: datetime


@dataclass(frozen=True, slots=True)
class Resent:
    """A post that was sent so often without a known outcome; it is not sent again before an instant."""

    channel: str
    sent: int
    not_before: datetime | None


@dataclass
class State:
    """What conditions are judged by. ``quarantined`` and ``postponed`` are posts by their ids, with where they were to
    go and why; ``dry`` the channels on which nothing was posted for long, and nothing is pending that could be;
    ``passed_undecided`` how many slots of a digest on a channel passed because of editions that wait for approval;
    ``overrunning`` jobs that have given no sign of progress for so long."""

    paused: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, datetime] = field(default_factory=dict)
    quarantined: Mapping[int, str] = field(default_factory=dict)
    alarms: Sequence[Alarm] = ()
    sources: Mapping[str, SourceState] = field(default_factory=dict)
    dry: Sequence[str] = ()
    overdue: Mapping[str, Overdue] = field(default_factory=dict)
    unapproved: Sequence[NeedsApproval] = ()
    passed_undecided: Mapping[tuple[str, str], int] = field(default_factory=dict)
    resent: Mapping[int, Resent] = field(default_factory=dict)
    postponed: Mapping[int, str] = field(default_factory=dict)
    overrunning: Mapping[str, timedelta] = field(default_factory=dict)


def conditions(state: State, now: datetime, stale_after: timedelta | None, dry_after: timedelta) -> list[Condition]:
    """What holds now. A source is silent when it gave nothing new for ``stale_after``; without that, for twice as long
    as ever lately."""
    found = [Condition("paused", name, reason) for name, reason in state.paused.items()]
    for name, at in state.tokens.items():
        if at <= now:
            found.append(Condition("token", name, "it is no longer valid: make a new one, then resume the channel"))
        elif at - now <= TOKEN_ENDS:
            found.append(Condition("token", name, f"it expires on {at:%Y-%m-%d}: make a new one in time"))
    found += [
        Condition("quarantined", str(id_), f"{note}: digestbot posts show {id_}")
        for id_, note in state.quarantined.items()
    ]
    found += [Condition(alarm.kind, alarm.subject, alarm.note) for alarm in state.alarms]
    found += [
        Condition("overrun", name, f"no sign of progress for {duration(silence)}; the other jobs are not delayed")
        for name, silence in state.overrunning.items()
    ]
    found += _pending(state, now)
    for name, source in state.sources.items():
        if source.failures >= FAILURES:
            note = f"{source.failures} tries in a row failed: {source.error or 'no reason is known'}"
            found.append(Condition("failing", name, note))
        longest = stale_after or usual_silence(source.arrivals)
        if longest is not None and source.arrivals and now - source.arrivals[-1] > longest:
            since = f"since {source.arrivals[-1]:%Y-%m-%d %H:%M} UTC"
            found.append(Condition("silent", name, f"it gave nothing new {since}, longer than usual"))
    days = f"{dry_after / timedelta(days=1):g} days"
    found += [
        Condition("dry", name, f"nothing was posted for {days}, and nothing waits that could be") for name in state.dry
    ]
    return found


def _pending(state: State, now: datetime) -> list[Condition]:
    """What is to be known of posts that have not been sent yet."""
    found = []
    for channel, late in state.overdue.items():
        count = f"{late.count} posts have" if late.count > 1 else "a post has"
        note = f"{count} been pending for more than a day; post {late.post}: {late.reason}"
        found.append(Condition("overdue", channel, note))
    for one in state.unapproved:
        where = f"{one.digest} on {one.channel}: digestbot approve {one.post}, by {one.approve_by:%Y-%m-%d %H:%M} UTC"
        found.append(Condition("approval", str(one.post), where))
        if one.approve_by - now <= min(LAPSES_SOON, (one.approve_by - one.made_at) / 2):
            found.append(Condition("approval-ends", str(one.post), where))
    found += _piling_up(state)
    for id_, sent in state.resent.items():
        note = f"on {sent.channel}: sent {sent.sent} times, and it never appeared on the timeline"
        if sent.not_before is not None and sent.not_before > now:
            note += f"; looked for and sent again after {sent.not_before:%Y-%m-%d %H:%M} UTC"
        found.append(Condition("resent", str(id_), f"{note}. If it is there: digestbot posts show {id_}"))
    found += [
        Condition("postponed", str(id_), f"{note}. The others are sent meanwhile: digestbot posts show {id_}")
        for id_, note in state.postponed.items()
    ]
    return found


def _piling_up(state: State) -> list[Condition]:
    """Digests whose editions nobody decides about."""
    waiting = Counter((one.digest, one.channel) for one in state.unapproved)
    found = []
    for (digest, channel), count in waiting.items():
        passed = state.passed_undecided.get((digest, channel), 0)
        if count >= PILE or passed:
            note = f"{count} edition{'s need' if count > 1 else ' needs'} approval: digestbot approve"
            if passed:
                note += f"; {passed} slot{'s' if passed > 1 else ''} passed meanwhile, for they count towards its limit"
            found.append(Condition("approvals", f"{digest} on {channel}", note))
    return found


def usual_silence(arrivals: Sequence[datetime]) -> timedelta | None:
    """For how long a source may give nothing new, by what it gave lately; None where too little is known."""
    gaps = [later - earlier for earlier, later in pairwise(arrivals) if later - earlier > TOGETHER]
    return max(LEAST_SILENCE, 2 * max(gaps)) if len(gaps) >= LEAST_GAPS else None
