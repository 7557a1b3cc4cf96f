"""Decisions about what an attempt's outcome means for the post and its channel.

The consequences reach exactly as far as the cause. Rejected content fails one post, a rejected token pauses the
channel, and missing credit pauses every channel of the application.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digestbot.domain.errors import (
    DuplicateText,
    PublishError,
    RateLimited,
    Rejected,
    RepliesRefused,
    Unauthorized,
    Unavailable,
)
from digestbot.domain.model import PostStatus, Receipt, ReceiptBasis, TimelinePost
from digestbot.domain.reconciliation import Verdict

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
RATE_LIMIT_WAIT = timedelta(minutes=15)  # X's window, used if the answer states none; doubled at each further try
LONGEST_RATE_LIMIT = timedelta(hours=25)  # X's longest window is a day: a header that says more is wrong
LONGEST_GUESS = timedelta(hours=12)  # used if the answer does not say how long to wait
SECOND_TRY = timedelta(minutes=5)  # after a rejection of the channel that may be an outage
HANDFUL = 5  # tries before a post lets the next ones go first
ASIDE = timedelta(hours=1)  # the minimum time for which such a post lets the others go first
MOST_REJECTED = 3  # different posts rejected in a row pause the channel
LONGEST_RESET = timedelta(days=32)


@dataclass(frozen=True, slots=True)
class ChannelFailures:
    """The recent failures on a channel: how often in a row the channel was rejected, and which posts were rejected in a
    row."""

    rejections: int = 0
    rejected: tuple[int, ...] = ()

    def rejected_with(self, post: int) -> tuple[int, ...]:
        """Return the posts rejected in a row, including this one. A post that is retried counts once."""
        return (*(one for one in self.rejected if one != post), post)


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the post, and to its channel.

    ``basis`` is what the receipt rests on. ``not_before``: a pending post waits until then; with ``yields``, the posts
    after it are sent meanwhile. ``check_first``: bytes were sent, so the timeline is checked before the post is sent
    again. ``posted_at`` is when a post found on the timeline appeared. ``candidates`` are posts that an operator has to
    compare.

    ``channel_until``: the whole channel waits until then. ``pause`` is the reason why the channel pauses until an
    operator resumes it, or until ``paused_until``; with ``application``, every channel of the same application pauses
    too. ``unread_timeline``: it pauses because its timeline cannot be read.

    ``refused``: the platform objected to the channel, not to the post. ``rejected``: it objected to the post.
    ``no_replies``: the channel does not accept replies, so the edition ends here. ``duplicate``: the platform says that
    it already has this text.
    """

    status: PostStatus
    receipt: Receipt | None = None
    basis: ReceiptBasis = ReceiptBasis.ANSWER
    error: str | None = None
    not_before: datetime | None = None
    yields: bool = False
    check_first: bool = False
    channel_until: datetime | None = None
    pause: str | None = None
    paused_until: datetime | None = None
    application: bool = False
    refused: bool = False
    rejected: bool = False
    no_replies: bool = False
    duplicate: bool = False
    unread_timeline: bool = False
    posted_at: datetime | None = None
    candidates: tuple[TimelinePost, ...] = ()

    @property
    def settles(self) -> bool:
        """Return whether the post is settled, so that its channel is free for the next one."""
        return self.status in (PostStatus.PUBLISHED, PostStatus.FAILED, PostStatus.SKIPPED, PostStatus.QUARANTINED)


def backoff(attempts: int, first: timedelta, longest: timedelta) -> timedelta:
    """Return how long to wait after this many attempts: doubling from ``first``, at most ``longest``."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(first * (1 << doublings), longest)


def decide_after_attempt(
    outcome: Receipt | Verdict | Exception,
    tries: int,
    history: ChannelFailures,
    now: datetime,
    *,
    post: int = 0,
    catching_up: str = "",
    quiet: timedelta = timedelta(0),
) -> Decision:
    """Return what an attempt's outcome means for the post and its channel.

    ``tries`` is how many attempts at the post ended with it pending, including this one if it does. ``catching_up``
    says why the channel's timeline has to be read before anything is posted. ``quiet`` is how long a timeline may lag:
    a 401 or a 429 may be wrong, so the timeline is checked for the post after that time.
    """
    match outcome:
        case Receipt():
            return Decision(PostStatus.PUBLISHED, receipt=outcome)
        case Verdict(failure=Unauthorized() | RateLimited() as failure):
            # nothing was sent: this attempt needs no quiet period and no timeline check
            return replace(decide_after_attempt(failure, tries, history, now), check_first=False)
        case Verdict(failure=Rejected() as failure):  # the post that a reply belongs to is gone
            return _rejected(str(failure), history, post)
        case Verdict():
            return _after_looking(outcome, tries, now, catching_up)
        case RepliesRefused():
            return Decision(PostStatus.SKIPPED, error=str(outcome), no_replies=True)
        case Rejected():
            return _rejected(str(outcome), history, post)
        case Unauthorized():
            return _refused(outcome, history, now, quiet)
        case RateLimited():
            return _rate_limited(outcome, tries, now, quiet)
        case Unavailable():
            return _again(str(outcome), tries, now, outcome.wait)
        case DuplicateText():
            return Decision(PostStatus.UNKNOWN, error=str(outcome), duplicate=True)
        case PublishError():  # OutcomeUnknown
            return Decision(PostStatus.UNKNOWN, error=str(outcome))
        case _:  # any other exception: it is not known how far the attempt got
            return Decision(PostStatus.UNKNOWN, error=f"unexpected {type(outcome).__name__} while publishing")


def _after_looking(verdict: Verdict, tries: int, now: datetime, catching_up: str) -> Decision:
    """Decide about a post that was not sent, given what the timeline check before sending found."""
    if verdict.found is not None:
        receipt = Receipt(verdict.found.id, verdict.found.url)
        at = verdict.found.at
        return Decision(PostStatus.PUBLISHED, receipt=receipt, basis=ReceiptBasis.TEXT, posted_at=at)
    if verdict.status is PostStatus.QUARANTINED:
        return Decision(PostStatus.QUARANTINED, error=verdict.note, candidates=verdict.candidates)
    if catching_up and (verdict.final or tries >= HANDFUL):
        reason = (
            f"{catching_up}, and the channel's timeline could not be read ({verdict.note}). Check "
            "what was posted last, then run `digestbot resume CHANNEL` to post without checking the timeline"
        )
        return Decision(PostStatus.PENDING, error=reason, pause=reason, unread_timeline=True)
    return _again(f"not sent: the timeline has to be read first, but could not be: {verdict.note}", tries, now)


def _again(error: str, tries: int, now: datetime, first: timedelta | None = None) -> Decision:
    """Decide to try again, since nothing was sent.

    The wait grows with each try; ``first`` is the wait after the first one, if given. After `HANDFUL` tries, the next
    posts go first.
    """
    wait = first if first is not None and tries <= 1 else backoff(tries, FIRST_WAIT, LONGEST_WAIT)
    return Decision(PostStatus.PENDING, error=error, not_before=now + wait, yields=tries >= HANDFUL)


def _rejected(error: str, history: ChannelFailures, post: int) -> Decision:
    rejected = history.rejected_with(post)
    if len(rejected) < MOST_REJECTED:
        return Decision(PostStatus.FAILED, error=error, rejected=True)
    others = ", ".join(map(str, rejected))
    pause = (
        f"{len(rejected)} posts in a row were rejected (posts {others}); the last: {error}. If the posts are not at "
        "fault, correct the cause; then run `digestbot resume CHANNEL`, and `digestbot posts retry ID` for each"
    )
    return Decision(PostStatus.FAILED, error=error, rejected=True, pause=pause)


def _refused(outcome: Unauthorized, history: ChannelFailures, now: datetime, quiet: timedelta) -> Decision:
    error = str(outcome)
    if not outcome.certain and not history.rejections:
        again = now + max(SECOND_TRY, quiet)
        error += (
            f". It may be an outage: one more attempt follows at {again:%Y-%m-%d %H:%M} UTC, then the channel pauses"
        )
        return Decision(PostStatus.PENDING, error=error, channel_until=again, refused=True, check_first=True)
    until = None
    if outcome.until_reset and outcome.wait is not None:
        until = now + min(outcome.wait, LONGEST_RESET)
        error += f". The channel resumes by itself at {until:%Y-%m-%d %H:%M} UTC"
    return Decision(
        PostStatus.PENDING,
        error=error,
        pause=error,
        paused_until=until,
        application=outcome.application,
        refused=True,
        not_before=now + quiet,
        check_first=True,
    )


def _rate_limited(outcome: RateLimited, tries: int, now: datetime, quiet: timedelta) -> Decision:
    guess = backoff(tries, RATE_LIMIT_WAIT, LONGEST_GUESS)
    wait = min(max(outcome.wait or guess, FIRST_WAIT), LONGEST_RATE_LIMIT)
    until = now + wait
    yields = tries >= HANDFUL
    return Decision(
        PostStatus.PENDING,
        error=str(outcome),
        channel_until=until,
        not_before=until + ASIDE if yields else now + quiet,
        yields=yields,
        check_first=True,
    )
