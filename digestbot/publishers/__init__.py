"""The code that sends posts. A publisher is used by one thread at a time.

A publisher raises only the kinds of PublishError; adding a platform is a module with a class of this shape, a
row in `publisher_for`, a limit in `text.LIMITS` and a pair of templates (CONTRIBUTING has the whole list).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from digestbot.config import FacebookChannel, TwitterChannel
from digestbot.model import Message, Receipt


class Publisher(Protocol):
    """One channel's way to its platform."""

    def publish(self, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> Receipt:
        """Send once, within that many seconds in all; ``may_send`` is asked just before the first byte.

        Gives the platform's receipt, or raises a PublishError that says what is known.
        """

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """Ask the platform who we are: the account's name, and what an operator should know about it."""


def publisher_for(channel: TwitterChannel | FacebookChannel) -> Publisher:
    """The channel's publisher. The platform's library is imported when its first channel asks for it."""
    if isinstance(channel, TwitterChannel):
        from digestbot.publishers.twitter import TwitterPublisher

        return TwitterPublisher(channel)
    from digestbot.publishers.facebook import FacebookPublisher

    return FacebookPublisher(channel)
