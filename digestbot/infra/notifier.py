"""Notifications to the operator through Apprise (mail, Slack, Telegram and many others), and the heartbeat ping.

A dead man's switch notices when the ping stops because digestbot is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec

import requests

log = logging.getLogger(__name__)

MISSING = "pip install 'digestbot[alerts]'"
PING_SECONDS = 5


def apprise_available() -> bool:
    """Return True if Apprise is installed."""
    return find_spec("apprise") is not None


def unusable_urls(addresses: Sequence[str]) -> list[str]:
    """Return the schemes of those URLs that Apprise does not understand, not the URLs: they hold passwords."""
    import apprise

    _quieten()
    return [_kind(address) for address in addresses if not apprise.Apprise().add(address)]


class Notifier:
    """A sender of messages to Apprise URLs."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def __bool__(self) -> bool:
        """Return True if there is any recipient."""
        return bool(self._addresses)

    def send(self, title: str, body: str) -> bool:
        """Send the message to all recipients. Return True if at least one was reached."""
        if not apprise_available():
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
    """Send the heartbeat ping. Return True if it was accepted. The URL is secret and is never logged."""
    try:
        return requests.get(url, timeout=PING_SECONDS, allow_redirects=False).ok
    except (requests.RequestException, ValueError) as error:
        log.warning("the ping failed: %s", type(error).__name__)
        return False


def _kind(address: str) -> str:
    return address.partition(":")[0]


def _quieten() -> None:
    """Silence Apprise's own logging, which may contain parts of URLs; failures are logged here."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
