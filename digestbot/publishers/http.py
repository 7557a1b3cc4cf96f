"""The requests session under both SDKs: our connections, no redirects, no retries, always a time limit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from digestbot.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.model import Picture
from digestbot.net import CONNECT_SECONDS, Wire, pool_manager

log = logging.getLogger(__name__)

READ_SECONDS = 30.0


class _Adapter(HTTPAdapter):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Called by HTTPAdapter's constructor."""
        self.poolmanager = pool_manager(self._wire, num_pools=connections, maxsize=maxsize, block=block, **options)


class Session(requests.Session):
    """Sends to ``api_url`` whatever host the SDK has built in, before the request is signed."""

    def __init__(self, api_url: str, built_in: str) -> None:
        super().__init__()
        self.answer: requests.Response | None = None  # the last one
        self.platform_time: datetime | None = None  # what the last answer's Date header said
        self.wire = Wire(allow_private=True)  # the operator names this address, not a stranger
        self._api_url, self._built_in = api_url, built_in
        self.trust_env = False  # a .netrc would replace the Authorization header
        # A connection left open may be dropped just as the next post is written: its outcome would be unknown.
        self.headers["Connection"] = "close"
        self.mount("https://", _Adapter(self.wire))
        self.mount("http://", _Adapter(self.wire))

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """As requests has it, but for the host, redirects and time limits."""
        if url.startswith(self._built_in):
            url = self._api_url + url.removeprefix(self._built_in)
        options |= {"allow_redirects": False, "timeout": (CONNECT_SECONDS, READ_SECONDS)}
        self.answer = None
        try:
            self.answer = super().request(method, url, **options)
            self.platform_time = date_of(self.answer.headers)
            return self.answer
        finally:
            self.close()  # the adapters' connections; they open new ones when asked again


def uploaded(picture: Picture, upload: Callable[[Picture], str]) -> str | None:
    """The platform's id of the picture, after ``upload``; None where it does not take it and the post may go without.

    Nothing of the post itself has been sent by then, so what went wrong says nothing about it.
    """
    try:
        return upload(picture)
    except PublishError as error:
        if not picture.required:
            log.warning("the picture was not taken, the post goes without it: %s", error)
            return None
        if isinstance(error, Unauthorized | RateLimited | Rejected):
            raise
        raise Unavailable(f"the picture was not taken: {error}") from error


def failure(wire: Wire, error: Exception) -> PublishError:
    """A request that got no answer: surely not sent, or nobody knows."""
    if wire.sent:
        late = wire.expired or isinstance(error, requests.Timeout)
        return OutcomeUnknown("no whole answer came in time" if late else "the answer was lost")
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return Unavailable(f"not sent: {reason}")


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the platform's time, as its Date header has it; None without one that can be read."""
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None


def wait_from(headers: Mapping[str, str], resets: list[str]) -> timedelta | None:
    """How long the server asks to wait: the latest of these epoch seconds on its own clock, or Retry-After."""
    try:
        now = parsedate_to_datetime(headers["Date"])
        epochs = [int(reset) for reset in resets]
        return max(datetime.fromtimestamp(max(epochs), now.tzinfo) - now, timedelta(seconds=1))
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        after = headers.get("Retry-After", "")
        return timedelta(seconds=int(after)) if re.fullmatch(r"\d{1,6}", after) else None


def as_count(value: object) -> int | None:
    """Return a platform's count; None for what is no whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def another_account(receipt: str, author: str) -> Rejected:
    """Return the error for a post that was looked up and belongs to somebody else."""
    return Rejected(f"post {receipt} belongs to another account ({words(author, 25)})")


# C0 and C1 controls, and what changes the direction of writing: none of it may reach a terminal, a page or a log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def words(text: object, most: int = 300) -> str:
    """Return a platform's words, fit for one line of a log."""
    return " ".join(_CONTROL.sub(" ", str(text)).split())[:most]
