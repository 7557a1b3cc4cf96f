"""The format of an error catalogue: one table per platform of its answers, their meaning and the reaction.

The publisher classifies answers by it, `check --online` explains them, the sandbox returns them, and docs/errors.md
lists them. A row is found by status, codes and words; the first match wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from digestbot.domain.errors import (
    DuplicateText,
    OutcomeUnknown,
    PublishError,
    RateLimited,
    Rejected,
    RepliesRefused,
    Unauthorized,
    Unavailable,
)


class ErrorCause(StrEnum):
    """The cause of an error answer, which is also its scope: the reaction affects exactly that much."""

    POST = "this post"
    ACCOUNT = "this account"
    APPLICATION = "this application"
    PLATFORM = "the platform"
    NOBODY = "nobody knows"


class ErrorReaction(StrEnum):
    """digestbot's reaction to an error answer."""

    REJECT = "reject the post"
    NO_REPLIES = "end the thread, then post without replies"
    PAUSE = "pause at once"
    PAUSE_LATER = "try once more, then pause"
    PAUSE_UNTIL_RESET = "pause until the limit resets"
    WAIT = "wait, then try again"
    SOON = "try again after a few seconds"
    LOOK = "look for the post before anything else"
    LOOK_ONCE = "look for the post; if it is not there, quarantine it"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One answer of a platform.

    An answer matches if its status, code and subcode are in ``statuses``, ``codes`` and ``subcodes``; an empty one
    matches any. ``words`` is a regular expression for the answer's text, in lower case. ``remedy`` tells the operator
    what to do. Rows with ``reply_only`` apply only to replies. ``example`` is such an answer: its HTTP status and JSON
    body.
    """

    name: str
    fault: ErrorCause
    reaction: ErrorReaction
    meaning: str
    remedy: str
    example: tuple[int, Mapping[str, Any]]
    statuses: Sequence[int] = ()
    codes: Sequence[int] = ()
    subcodes: Sequence[int] = ()
    words: str = ""
    wait: timedelta | None = None
    reply_only: bool = False

    def fits(self, status: int, code: int, subcode: int, words: str, *, reply: bool) -> bool:
        """Return True if the answer matches this row."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.subcodes or subcode in self.subcodes)
            and (not self.words or re.search(self.words, words) is not None)
            and (reply or not self.reply_only)
        )


def with_channel(text: str, channel: str) -> str:
    """Return the text with the channel's name filled in the command that it recommends."""
    return text.replace("resume CHANNEL", f"resume {channel}")


def find_row(
    rows: Sequence[ErrorRow], status: int, code: int, subcode: int, answer: str, *, reply: bool = False
) -> ErrorRow | None:
    """Return the first row that matches an answer; None if the catalogue has none.

    ``answer`` is all the text of the answer.
    """
    lowered = answer.lower()
    return next((row for row in rows if row.fits(status, code, subcode, lowered, reply=reply)), None)


def to_publish_error(row: ErrorRow, platform: str, detail: str, wait: timedelta | None = None) -> PublishError:
    """Return the exception for a row.

    ``detail`` is the platform's own message; ``wait`` is how long the platform asks to wait.
    """
    words = f" ({detail})" if detail else ""
    text = f"{platform}: {row.meaning}{words}" + (f". {row.remedy}" if row.remedy else "")
    error: PublishError
    match row.reaction:
        case ErrorReaction.REJECT:
            error = Rejected(text)
        case ErrorReaction.NO_REPLIES:
            error = RepliesRefused(text)
        case ErrorReaction.PAUSE | ErrorReaction.PAUSE_LATER | ErrorReaction.PAUSE_UNTIL_RESET:
            error = Unauthorized(
                text,
                certain=row.reaction is not ErrorReaction.PAUSE_LATER,
                application=row.fault is ErrorCause.APPLICATION,
                until_reset=row.reaction is ErrorReaction.PAUSE_UNTIL_RESET,
                wait=row.wait,
            )
        case ErrorReaction.SOON:
            error = Unavailable(text, wait=row.wait)
        case ErrorReaction.WAIT:
            error = RateLimited(text, wait=wait or row.wait)
        case ErrorReaction.LOOK_ONCE:
            error = DuplicateText(text)
        case _:
            error = OutcomeUnknown(text)
    error.row = row.name
    return error
