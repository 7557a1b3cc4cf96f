"""The code that sends posts. A publisher is used by one thread at a time.

A publisher raises only the kinds of PublishError; adding a platform is a module with a class of this shape, a
row in `publisher_for`, a limit in `text.LIMITS` and a pair of templates (CONTRIBUTING has the whole list).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from digestbot.config import FacebookChannel, TwitterChannel
from digestbot.model import Message, Receipt, TimelinePage, TimelinePost


class Publisher(Protocol):
    """One channel's way to its platform."""

    replies_apart: bool
    """Whether replies are on a list of their own, not on the channel's timeline."""

    @property
    def account(self) -> str:
        """The platform's id of the account, empty where only a call could tell."""

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """Send once, within that many seconds in all; ``may_send`` is asked just before the first byte.

        ``reply_to`` is the id of the part of a thread that this one goes under. Gives the platform's receipt, or
        raises a PublishError that says what is known.
        """

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Let the published post say this instead. Raises Rejected where it is no longer there, or the platform has
        no such thing."""

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Remove the published post; one that is gone already is as good."""

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        """Return the published post as it stands on the platform, None where it is gone. Raises Rejected where it
        belongs to another account."""

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:
        """Yield the channel's own posts, newest first, page by page as they are asked for, within ``seconds`` in all.

        Nothing older than the post ``after`` is of interest; that post itself is part of a sound reading.
        ``reply_to``: the replies under that post, where the platform keeps them apart. Raises a PublishError where a
        page cannot be read.
        """

    def receipt(self, reference: str) -> Receipt:
        """Return the receipt that an id or an address names, as a person copied it. Raises ValueError."""

    def platform_time(self) -> datetime | None:
        """Return the platform's clock, as its last answer had it; None before there was one."""

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """Ask the platform who we are: the account's name, and what an operator should know about it."""

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:
        """Until when the token holds: ``now`` for one that is dead; None for good, or where nobody can tell."""


def publisher_for(channel: TwitterChannel | FacebookChannel) -> Publisher:
    """The channel's publisher. The platform's library is imported when its first channel asks for it."""
    if isinstance(channel, TwitterChannel):
        from digestbot.publishers.twitter import TwitterPublisher

        return TwitterPublisher(channel)
    from digestbot.publishers.facebook import FacebookPublisher

    return FacebookPublisher(channel)
