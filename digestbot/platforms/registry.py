"""The platforms that digestbot supports. To add one, write its folder and one line here; see CONTRIBUTING.md."""

from __future__ import annotations

from digestbot.platforms.base import ChannelConfig, Platform, Publisher
from digestbot.platforms.facebook.platform import PLATFORM as FACEBOOK
from digestbot.platforms.login import Login, LoginError
from digestbot.platforms.twitter.platform import PLATFORM as TWITTER

__all__ = [
    "FACEBOOK",
    "PLATFORMS",
    "TWITTER",
    "get_platform",
    "has_login",
    "login_for",
    "publisher_for",
]

PLATFORMS: dict[str, Platform] = {platform.name: platform for platform in (TWITTER, FACEBOOK)}


def get_platform(name: str) -> Platform:
    """Return the platform of that name. Raises LookupError if there is none."""
    if name not in PLATFORMS:
        raise LookupError(f"unknown platform {name!r}; known platforms: {', '.join(PLATFORMS)}")
    return PLATFORMS[name]


def login_for(platform: str) -> Login:
    """Return the login of a platform. Raises LoginError if there is no such platform, or if it has none."""
    known = PLATFORMS.get(platform)
    if known is None or known.make_login is None:
        raise LoginError(f"there is no login for the platform {platform!r}")
    return known.make_login()


def has_login(platform: str) -> bool:
    """Return True if `digestbot login` can get the tokens of a channel on this platform."""
    return platform in PLATFORMS and PLATFORMS[platform].make_login is not None


def publisher_for(channel: ChannelConfig) -> Publisher:
    """Return the channel's publisher. The platform's library is imported when it is first needed."""
    return get_platform(channel.platform).make_publisher(channel)
