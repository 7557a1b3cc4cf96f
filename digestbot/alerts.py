"""Telling the operator, through Apprise: by mail, Slack, Telegram and a hundred other ways. And the ping that a dead
man's switch misses when digestbot is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec

import requests

log = logging.getLogger(__name__)

MISSING = "pip install 'digestbot[alerts]'"
PING_SECONDS = 5


def available() -> bool:
    """Whether Apprise is installed."""
    return find_spec("apprise") is not None


def unusable(addresses: Sequence[str]) -> list[str]:
    """The kinds of those addresses that Apprise does not understand. No address is said: they hold passwords."""
    import apprise

    _quieten()
    return [_kind(address) for address in addresses if not apprise.Apprise().add(address)]


class Notifier:
    """Sends messages to addresses as Apprise has them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._addresses)

    def send(self, title: str, body: str) -> bool:
        """Tell everybody; gives whether somebody was reached."""
        if not available():
            log.error("alerts cannot be sent: Apprise is not installed: %s", MISSING)
            return False
        import apprise

        _quieten()
        reached = False
        for address in self._addresses:
            one = apprise.Apprise()
            done = one.add(address) and one.notify(title=title, body=body)
            reached = reached or bool(done)
            if not done:
                log.error("an alert could not be sent by %s", _kind(address))
        return reached


def ping(url: str) -> bool:
    """Give the sign of life; gives whether it was taken. The address is a secret, and in no message."""
    try:
        return requests.get(url, timeout=PING_SECONDS, allow_redirects=False).ok
    except (requests.RequestException, ValueError) as error:
        log.warning("the ping was not taken: %s", type(error).__name__)
        return False


def _kind(address: str) -> str:
    return address.partition(":")[0]


def _quieten() -> None:
    """What Apprise says of what goes wrong may hold parts of addresses; what matters of it is said here."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
