"""The platforms that digestbot supports. To add one, write its folder and one line here; see CONTRIBUTING.md."""

from __future__ import annotations

from digestbot.platforms.base import ChannelConfig, Platform, Publisher
from digestbot.platforms.facebook.platform import PLATFORM as FACEBOOK
from digestbot.platforms.twitter.platform import PLATFORM as TWITTER

__all__ = [
    "FACEBOOK",
    "PLATFORMS",
    "TWITTER",
    "get_platform",
    "publisher_for",
]

PLATFORMS: dict[str, Platform] = {platform.name: platform for platform in (TWITTER, FACEBOOK)}


def get_platform(name: str) -> Platform:
    """Return the platform of that name. Raises LookupError if there is none."""
    if name not in PLATFORMS:
        raise LookupError(f"unknown platform {name!r}; known platforms: {', '.join(PLATFORMS)}")
    return PLATFORMS[name]


def publisher_for(channel: ChannelConfig) -> Publisher:
    """Return the channel's publisher. The platform's library is imported when it is first needed."""
    return get_platform(channel.platform).make_publisher(channel)
