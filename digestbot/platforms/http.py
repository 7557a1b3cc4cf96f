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

from digestbot.domain.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.domain.model import Picture
from digestbot.infra.http_client import CONNECT_SECONDS, DeadlineTransport, pool_manager

log = logging.getLogger(__name__)

READ_SECONDS = 30.0


class _Adapter(HTTPAdapter):
    def __init__(self, wire: DeadlineTransport) -> None:
        self._wire = wire
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Create the pool manager; called by HTTPAdapter's constructor."""
        self.poolmanager = pool_manager(self._wire, num_pools=connections, maxsize=maxsize, block=block, **options)


class Session(requests.Session):
    """A requests session that sends calls to ``api_url`` instead of the SDK's built-in host.

    The host is replaced before the request is signed.
    """

    def __init__(self, api_url: str, built_in: str) -> None:
        super().__init__()
        self.answer: requests.Response | None = None  # the last answer
        self.platform_time: datetime | None = None  # from the last answer's Date header
        self.wire = DeadlineTransport(allow_private=True)  # this host is the operator's choice, not a stranger's
        self._api_url, self._built_in = api_url, built_in
        self.trust_env = False  # otherwise a .netrc would replace the Authorization header
        # A kept-alive connection may be dropped while the next post is written; its outcome would be unknown.
        self.headers["Connection"] = "close"
        self.mount("https://", _Adapter(self.wire))
        self.mount("http://", _Adapter(self.wire))

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request as requests does, but with our host and time limits, and without redirects."""
        if url.startswith(self._built_in):
            url = self._api_url + url.removeprefix(self._built_in)
        options |= {"allow_redirects": False, "timeout": (CONNECT_SECONDS, READ_SECONDS)}
        self.answer = None
        try:
            self.answer = super().request(method, url, **options)
            self.platform_time = date_of(self.answer.headers)
            return self.answer
        finally:
            self.close()  # closes the adapters' connections; the next request opens new ones


def upload_bytes(picture: Picture, upload: Callable[[Picture], str]) -> str | None:
    """Upload a picture and return the platform's id for it; None if it failed and the picture is not required.

    Nothing of the post has been sent at this point, so a failed upload leaves no doubt about the post. If the picture
    is required, a failure raises Unauthorized, RateLimited, Rejected or, in all other cases, Unavailable.
    """
    try:
        return upload(picture)
    except PublishError as error:
        if not picture.required:
            log.warning("the picture was not accepted; the post is sent without it: %s", error)
            return None
        if isinstance(error, Unauthorized | RateLimited | Rejected):
            raise
        raise Unavailable(f"the picture was not accepted: {error}") from error


def failure(wire: DeadlineTransport, error: Exception) -> PublishError:
    """Return the exception for a request without an answer.

    It is Unavailable if nothing was sent, and OutcomeUnknown otherwise.
    """
    if wire.sent:
        late = wire.expired or isinstance(error, requests.Timeout)
        return OutcomeUnknown("no complete response in time" if late else "the answer was lost")
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return Unavailable(f"not sent: {reason}")


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the platform's time from the Date header; None if it is missing or unreadable."""
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None


def wait_from(headers: Mapping[str, str], resets: list[str]) -> timedelta | None:
    """Return how long the server asks to wait; None if it does not say.

    ``resets`` are epoch seconds. The latest is compared with the server's own Date header; the fallback is Retry-After.
    """
    try:
        now = parsedate_to_datetime(headers["Date"])
        epochs = [int(reset) for reset in resets]
        return max(datetime.fromtimestamp(max(epochs), now.tzinfo) - now, timedelta(seconds=1))
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        after = headers.get("Retry-After", "")
        return timedelta(seconds=int(after)) if re.fullmatch(r"\d{1,6}", after) else None


def as_count(value: object) -> int | None:
    """Return the value if it is an integer and not a bool; otherwise None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def another_account(receipt: str, author: str) -> Rejected:
    """Return the exception for a post that was looked up and belongs to another account."""
    return Rejected(f"post {receipt} belongs to another account ({error_message(author, 25)})")


# C0 and C1 controls and bidirectional formatting: none of it may reach a terminal, a page or a log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def error_message(text: object, most: int = 300) -> str:
    """Return a platform's message on one line, without control characters, cut to ``most`` characters."""
    return " ".join(_CONTROL.sub(" ", str(text)).split())[:most]
