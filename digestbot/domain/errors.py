"""All errors that digestbot itself raises.

::

    DigestbotError
    ├── ConfigError        the operator's configuration is wrong; lists every problem at once
    ├── PortTakenError     the port of the operator pages is in use
    ├── SourceError        a source could not be read; the ledger is unchanged
    │   └── SourceGone     its server says that it is gone for good: it is no longer polled
    ├── RenderError        a template is missing, broken, or rendered something that cannot be posted
    ├── PictureError       a picture cannot be made or fetched
    ├── LedgerError        the ledger cannot be opened, read or written: nothing is sent
    │   └── LedgerChanged  it is no longer the ledger that this process opened: the process ends
    └── PublishError       an attempt at a post produced no receipt
        ├── Rejected       the platform rejected this content: the post fails, others continue
        │   └── RepliesRefused  it rejected a part of a thread for being a reply
        ├── Unauthorized   the channel, or its application, may not post: it pauses, its posts wait
        ├── RateLimited    too many calls: the channel waits
        ├── Unavailable    definitely not sent: it may be tried again
        └── OutcomeUnknown the post may exist: never sent again before its absence is established
            └── DuplicateText  the platform says that it already has this text: check the timeline, never send again

Publishers raise only subclasses of PublishError, with the cause chained and secrets removed. Any other exception that
escapes while publishing counts as OutcomeUnknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class DigestbotError(Exception):
    """The base class of all digestbot errors; its text can be shown to an operator."""


class ConfigError(DigestbotError):
    """The configuration has errors; ``problems`` lists each with its location and how to correct it.

    ``sound`` is the part of the configuration without errors (a Config); None where there is no such part.
    """

    def __init__(self, problems: Sequence[str], sound: object = None) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.sound = tuple(problems), sound


class PortTakenError(DigestbotError):
    """The operator pages cannot be served: their port is in use or unavailable."""


class SourceError(DigestbotError):
    """A source could not be read or understood. ``retry_after`` is how long its server asked not to be called again."""

    retry_after: timedelta | None = None


class SourceGone(SourceError):
    """The server says that the source is gone for good (410)."""


class RenderError(DigestbotError):
    """A template is missing, broken, or rendered something that cannot be posted. ``summary`` is the id of the summary
    being rendered."""

    summary: int | None = None


class PictureError(DigestbotError):
    """A picture cannot be made, fetched or read. ``summary`` is the id of the summary that it was for."""

    summary: int | None = None


class LedgerError(DigestbotError):
    """The ledger cannot be used."""


class LedgerChanged(LedgerError):
    """The ledger is no longer the one that this process opened (upgraded by a newer digestbot, replaced, or emptied):
    the process must stop."""


class PublishError(DigestbotError):
    """An attempt at a post produced no receipt. ``row`` names the row of the platform's error catalogue."""

    row: str = ""


class Rejected(PublishError):
    """The platform definitely rejected this content, and would reject it again."""


class RepliesRefused(Rejected):
    """The platform definitely rejected a reply under the channel's own post: threads do not work here."""


class Unauthorized(PublishError):
    """The platform definitely rejected the channel: invalid token, missing permission, no credit.

    ``certain`` is False where one such answer may be an outage of the platform and a second try is due.
    ``application``: every channel of the same application is affected. ``until_reset``: the limit resets by itself;
    ``wait`` is then how long that takes, None where it is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        certain: bool = True,
        application: bool = False,
        until_reset: bool = False,
        wait: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.certain, self.application, self.until_reset, self.wait = certain, application, until_reset, wait


class RateLimited(PublishError):
    """The platform definitely rejected the call for now.

    ``wait`` is how long the platform asks to wait, None where it does not say. It is calculated on the platform's own
    clock, so that a wrong clock of ours does no harm.
    """

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Unavailable(PublishError):
    """Definitely nothing was done, and it may be tried again: no connection, or the platform was not ready.

    ``wait`` is how long to wait before the first further try, None for the usual time.
    """

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class OutcomeUnknown(PublishError):
    """The request was sent, or may have been, and no trustworthy answer came: the post may exist."""


class DuplicateText(OutcomeUnknown):
    """The platform rejected the post because it already has one with this text: an earlier attempt's, or somebody
    else's."""
