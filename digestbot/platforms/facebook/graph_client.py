"""facebook-sdk's GraphAPI with its request() corrected.

As observed in facebook-sdk 3.1.0, its request() ignores the HTTP status and puts the token into the URL. It knows no
current API version and sets no time limit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import facebook

from digestbot.platforms.facebook.appsecret_proof import appsecret_proof
from digestbot.platforms.facebook.config import FacebookChannel
from digestbot.platforms.http import Session, error_message

log = logging.getLogger(__name__)


class _WithoutTokens(logging.Filter):
    """A log filter that hides tokens in URLs.

    debug_token takes the token in its URL, which urllib3 logs at DEBUG.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a line that contains a token."""
        return "input_token=" not in record.getMessage()


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutTokens())


class GraphError(facebook.GraphAPIError):
    """An unsuccessful answer of the Graph API, with the status and headers that the stock exception leaves out."""

    def __init__(self, status: int, headers: Mapping[str, str], error: dict[str, Any] | None) -> None:
        super().__init__({"error": error or {"message": f"status {status}"}})
        self.status, self.headers, self.error = status, headers, error


class Graph(facebook.GraphAPI):
    """A GraphAPI whose calls all go through a corrected request()."""

    def __init__(self, channel: FacebookChannel) -> None:
        super().__init__(
            access_token=channel.access_token.get_secret_value(),
            session=Session(channel.api_url, facebook.FACEBOOK_GRAPH_URL.rstrip("/")),
        )
        self.version = channel.api_version  # the constructor rejects every version that still exists
        self._address = channel.api_url
        self._proof = None
        if channel.app_secret is not None:
            self._proof = appsecret_proof(self.access_token, channel.app_secret.get_secret_value())
        self._version_seen = self.version

    def request(
        self,
        path: str,
        args: dict[str, Any] | None = None,
        post_args: dict[str, Any] | None = None,
        files: Any = None,
        method: str | None = None,
    ) -> dict[str, Any]:
        """Send one call and return the JSON object of a success. Raises GraphError or requests' exceptions."""
        parameters = _encoded(args or {})
        if self._proof:
            parameters["appsecret_proof"] = self._proof
        response = self.session.request(
            method or ("GET" if post_args is None else "POST"),
            f"{self._address}/{path}",
            params=parameters,
            data=None if post_args is None else _encoded(post_args),
            files=files,
            headers={"Authorization": f"Bearer {self.access_token}"},
        )
        self._notice_version(response.headers.get("facebook-api-version"))
        try:
            answer = response.json()  # ignores the Content-Type: Meta has sent text/javascript
        except ValueError:
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        if error or not response.ok or response.is_redirect or not isinstance(answer, dict):
            raise GraphError(response.status_code, response.headers, error if isinstance(error, dict) else None)
        return answer

    def _notice_version(self, served: str | None) -> None:
        if served and served != self._version_seen:
            self._version_seen = served
            log.warning(
                "Facebook uses %s although %s was requested: set api_version to a supported version",
                error_message(served, 20),
                self.version,
            )


def _encoded(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as the Graph API reads them: lists as JSON, booleans in lower case, empty ones left out."""
    encoded = {}
    for name, value in parameters.items():
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, list | dict):
            value = json.dumps(value)
        encoded[name] = value
    return encoded
