"""Everything that digestbot itself raises.

::

    DigestbotError
    ├── ConfigError        the operator's configuration is wrong; every mistake at once
    ├── PortTakenError     the port of the operators' pages is in use
    ├── SourceError        a source could not be read; the ledger stays as it was
    ├── RenderError        a template is missing, broken, or made something that cannot be posted
    ├── PictureError       a picture cannot be made or fetched
    ├── LedgerError        the ledger cannot be opened, read or written: nothing is sent
    └── PublishError       what came of one attempt at a post
        ├── Rejected       the platform refused this content: the post fails, others continue
        │   └── RepliesRefused  it refused a part of a thread for being a reply
        ├── Unauthorized   the channel, or its application, may not post: it pauses, its posts wait
        ├── RateLimited    too many calls: the channel waits
        ├── Unavailable    surely not sent: it may be tried again
        └── OutcomeUnknown the post may exist: never sent again before its absence is established
            └── DuplicateText the platform says that it has this text already: look once, never send again

Publishers raise only the kinds of PublishError, cause chained and secrets removed. Whatever else escapes
while publishing counts as OutcomeUnknown. A LedgerChanged ends the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class DigestbotError(Exception):
    """The root of the tree: its text is fit for an operator's eyes."""


class ConfigError(DigestbotError):
    """The configuration holds mistakes; ``problems`` names each with its place and its mend. ``sound`` is the part of
    it that holds none (a Config), None where there is no such part."""

    def __init__(self, problems: Sequence[str], sound: object = None) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.sound = tuple(problems), sound


class PortTakenError(DigestbotError):
    """The operators' pages cannot be served: their port is in use, or not to be had."""


class SourceError(DigestbotError):
    """A source could not be read or understood."""


class RenderError(DigestbotError):
    """A template is missing, broken, or rendered something that cannot be posted; ``summary`` is the id of the
    one that it was to render."""

    summary: int | None = None


class PictureError(DigestbotError):
    """A picture cannot be made, fetched or read; ``summary`` is the id of the one whose it was to be."""

    summary: int | None = None


class LedgerError(DigestbotError):
    """The ledger cannot be used."""


class LedgerChanged(LedgerError):
    """The ledger is no longer the one that this process opened (upgraded by a newer digestbot, replaced, emptied): the
    process must stop."""


class PublishError(DigestbotError):
    """What came of an attempt that gave no receipt. ``row`` names the row of the platform's error catalogue."""

    row: str = ""


class Rejected(PublishError):
    """The platform surely refused this content, and would again."""


class RepliesRefused(Rejected):
    """The platform surely refused a reply under the channel's own post: threads do not work here."""


class Unauthorized(PublishError):
    """The platform surely refused the channel: dead token, missing permission, no credit.

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
    """The platform surely refused the call for now.

    ``wait`` is how long it asks to be left alone, calculated on its own clock, so that ours being wrong does
    no harm; None where it did not say.
    """

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Unavailable(PublishError):
    """Surely nothing was done, and it may be tried again: no connection, or the platform was not ready for it.

    ``wait`` is how long before the first further try, None for the usual time.
    """

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class OutcomeUnknown(PublishError):
    """The request left, or may have, and no trustworthy answer came: the post may exist."""


class DuplicateText(OutcomeUnknown):
    """The platform rejected the post because it has one with this text: an earlier attempt's, or somebody else's."""
