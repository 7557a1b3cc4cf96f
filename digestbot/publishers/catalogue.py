"""The shape of an error catalogue: one table per platform that says what each answer means and what to do about it.

The publisher classifies answers by it, `check --online` explains them, the sandbox gives them, and docs/errors.md lists
them. A row is found by status, codes and words; the first that fits counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from digestbot.errors import (
    DuplicateText,
    OutcomeUnknown,
    PublishError,
    RateLimited,
    Rejected,
    RepliesRefused,
    Unauthorized,
    Unavailable,
)


class Fault(StrEnum):
    """Whose fault an answer is; what happens reaches exactly as far."""

    POST = "this post"
    ACCOUNT = "this account"
    APPLICATION = "this application"
    PLATFORM = "the platform"
    NOBODY = "nobody knows"


class Reaction(StrEnum):
    """What digestbot does about an answer."""

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

    ``statuses``, ``codes`` and ``subcodes`` are ranges or values that must hold; empty means any. ``words`` is a
    regular expression for what the answer says, in lower case. ``remedy`` tells the operator what to do. ``reply_only``
    rows apply only to a reply. ``example`` is such an answer: its HTTP status and JSON body.
    """

    name: str
    fault: Fault
    reaction: Reaction
    meaning: str
    remedy: str
    example: tuple[int, Mapping[str, Any]]
    statuses: Sequence[int] = ()
    codes: Sequence[int] = ()
    subcodes: Sequence[int] = ()
    words: str = ""
    wait: timedelta | None = None
    reply_only: bool = False

    def fits(self, status: int, code: int, subcode: int, said: str, *, reply: bool) -> bool:
        """Return whether the answer is one of this row's."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.subcodes or subcode in self.subcodes)
            and (not self.words or re.search(self.words, said) is not None)
            and (reply or not self.reply_only)
        )


def with_channel(text: str, channel: str) -> str:
    """Return a text with the channel's name in the command that it recommends."""
    return text.replace("resume CHANNEL", f"resume {channel}")


def find_row(
    rows: Sequence[ErrorRow], status: int, code: int, subcode: int, said: str, *, reply: bool = False
) -> ErrorRow | None:
    """Return the first row that fits an answer, None where the catalogue does not know it. ``said`` is all its
    words."""
    lowered = said.lower()
    return next((row for row in rows if row.fits(status, code, subcode, lowered, reply=reply)), None)


def as_error(row: ErrorRow, platform: str, detail: str, wait: timedelta | None = None) -> PublishError:
    """Return the exception of a row. ``detail`` is what the platform said; ``wait`` how long it asks to wait."""
    said = f" ({detail})" if detail else ""
    text = f"{platform}: {row.meaning}{said}" + (f". {row.remedy}" if row.remedy else "")
    error: PublishError
    match row.reaction:
        case Reaction.REJECT:
            error = Rejected(text)
        case Reaction.NO_REPLIES:
            error = RepliesRefused(text)
        case Reaction.PAUSE | Reaction.PAUSE_LATER | Reaction.PAUSE_UNTIL_RESET:
            error = Unauthorized(
                text,
                certain=row.reaction is not Reaction.PAUSE_LATER,
                application=row.fault is Fault.APPLICATION,
                until_reset=row.reaction is Reaction.PAUSE_UNTIL_RESET,
                wait=row.wait,
            )
        case Reaction.SOON:
            error = Unavailable(text, wait=row.wait)
        case Reaction.WAIT:
            error = RateLimited(text, wait=wait or row.wait)
        case Reaction.LOOK_ONCE:
            error = DuplicateText(text)
        case _:
            error = OutcomeUnknown(text)
    error.row = row.name
    return error
