"""Pure: what an attempt's outcome does to the post and to its channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.errors import PublishError, RateLimited, Rejected, RepliesRefused, Unauthorized, Unavailable
from digestbot.model import PostStatus, Receipt

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
RATE_LIMIT_WAIT = timedelta(minutes=15)  # X's window, where the answer does not say
LONGEST_RATE_LIMIT = timedelta(hours=25)  # X's longest window is a day: a header that says more is wrong
SECOND_LOOK = timedelta(minutes=5)  # after a refusal of the channel that may be an outage


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the post, and of its channel.

    ``not_before``: a pending post waits until then. ``channel_until``: the whole channel waits until then.
    ``pause``: the channel stops until an operator resumes it, for this reason. ``refused``: the channel, not
    the post, was what the platform objected to. ``no_replies``: it takes no replies: the edition ends here.
    """

    status: PostStatus
    receipt: Receipt | None = None
    error: str | None = None
    not_before: datetime | None = None
    channel_until: datetime | None = None
    pause: str | None = None
    refused: bool = False
    no_replies: bool = False

    @property
    def settles(self) -> bool:
        """Whether the post is done with and its channel free for the next one."""
        return self.status in (PostStatus.PUBLISHED, PostStatus.FAILED, PostStatus.SKIPPED)


def backoff(attempts: int) -> timedelta:
    """How long to wait after that many attempts: doubling, at most an hour."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def decide(outcome: Receipt | Exception, attempts: int, refusals: int, now: datetime) -> Decision:
    """``attempts`` counts this one; ``refusals`` is how often in a row the channel was refused before it."""
    match outcome:
        case Receipt():
            return Decision(PostStatus.PUBLISHED, receipt=outcome)
        case RepliesRefused():
            return Decision(PostStatus.SKIPPED, error=str(outcome), no_replies=True)
        case Rejected():
            return Decision(PostStatus.FAILED, error=str(outcome))
        case Unauthorized() if outcome.certain or refusals:
            return Decision(PostStatus.PENDING, error=str(outcome), pause=str(outcome), refused=True)
        case Unauthorized():
            return Decision(PostStatus.PENDING, error=str(outcome), channel_until=now + SECOND_LOOK, refused=True)
        case RateLimited():
            wait = min(max(outcome.wait or RATE_LIMIT_WAIT, FIRST_WAIT), LONGEST_RATE_LIMIT)
            return Decision(PostStatus.PENDING, error=str(outcome), channel_until=now + wait)
        case Unavailable():
            return Decision(PostStatus.PENDING, error=str(outcome), not_before=now + backoff(attempts))
        case PublishError():  # OutcomeUnknown
            return Decision(PostStatus.UNKNOWN, error=str(outcome))
        case _:  # whatever escaped: nobody knows how far it got
            return Decision(PostStatus.UNKNOWN, error=f"unforeseen {type(outcome).__name__} while publishing")
