"""X, through tweepy's Client with OAuth 1.0a user context.

The rules are X's documentation and OpenAPI of 2026-08 and what was seen of tweepy 4.17: it has the host built
in, no time limit, leaves 402 without an exception of its own, and lets requests' exceptions through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import requests
import tweepy

from digestbot.config import TwitterChannel
from digestbot.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized
from digestbot.model import Message, Receipt
from digestbot.publishers.http import Session, failure, wait_from, words

# tweepy's debug log prints tokens, oauthlib's prints what it signs with.
for _name in ("tweepy", "oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)


class TwitterPublisher:
    """One account on X."""

    def __init__(self, channel: TwitterChannel) -> None:
        self._client = tweepy.Client(
            consumer_key=channel.api_key.get_secret_value(),
            consumer_secret=channel.api_secret.get_secret_value(),
            access_token=channel.access_token.get_secret_value(),
            access_token_secret=channel.access_token_secret.get_secret_value(),
            return_type=dict,
            wait_on_rate_limit=False,
        )
        self._session = self._client.session = Session(channel.api_url, "https://api.twitter.com")
        real = channel.api_url in ("https://api.x.com", "https://api.twitter.com")
        self._web = "https://x.com" if real else channel.api_url

    def publish(self, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> Receipt:
        """POST /2/tweets."""
        answer = self._call(seconds, may_send, lambda: self._client.create_tweet(text=message.text, user_auth=True))
        id_ = _field(answer, "id")
        if not id_.isdecimal():
            raise OutcomeUnknown("X answered without the post's id")
        return Receipt(id_, f"{self._web}/i/web/status/{id_}")

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """GET /2/users/me."""
        answer = self._call(seconds, lambda: True, lambda: self._client.get_me(user_auth=True))
        return f"@{_field(answer, 'username')} (id {_field(answer, 'id')})", []

    def _call(self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any]) -> Any:
        wire = self._session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except tweepy.HTTPException as error:
                raise classify(error.response.status_code, error.response.headers, _json(error.response)) from error
            except requests.exceptions.JSONDecodeError as error:
                raise OutcomeUnknown("X accepted, but its answer cannot be read") from error
            except (requests.RequestException, OSError) as error:
                raise failure(wire, error) from error


def _field(answer: Any, name: str) -> str:
    data = answer.get("data") if isinstance(answer, dict) else None
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _json(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def classify(status: int, headers: Mapping[str, str], body: dict[str, Any] | None) -> PublishError:
    """What an answer other than success means. ``body`` is None where it was not JSON.

    Problem types are matched by their words: their addresses come from api.twitter.com and api.x.com alike.
    """
    if status == 429:  # refused whatever the body looks like
        return RateLimited("X: too many requests", wait=wait_from(headers, _resets(headers)))
    if body is None or status >= 500 or status == 408 or status < 400:
        return OutcomeUnknown(f"X answered {status}" + ("" if body is not None else " with something other than JSON"))
    problem = " ".join(words(body.get(key, "")) for key in ("type", "title", "reason", "detail"))
    problems = body.get("errors")
    first = problems[0] if isinstance(problems, list) and problems and isinstance(problems[0], dict) else {}
    detail = words(first.get("message") or body.get("detail") or body.get("title") or f"status {status}")
    if "duplicate content" in f"{problem} {detail}".lower():
        return OutcomeUnknown("X says it holds the same text already")
    if status == 402 or "SpendCap" in problem or "credits" in problem:
        return Unauthorized(f"X: no credit left ({detail}); buy credit or raise the cap, then resume the channel")
    if status == 401:
        if first.get("code") == 135:
            return Unauthorized(f"X: this machine's clock is wrong (X says it is {headers.get('Date', '?')}); set it")
        return Unauthorized(f"X: keys refused ({detail}); check them, then resume the channel", certain=False)
    if status == 403:
        return Unauthorized(f"X: not permitted ({detail}); give the app write permission, then resume the channel")
    if status in (404, 405, 410):
        return Unauthorized(f"X: no such address ({detail}); check api_url, then resume the channel")
    return Rejected(f"X refused the text: {detail}")


def _resets(headers: Mapping[str, str]) -> list[str]:
    """The reset times of the limits that are used up; the short window's where none says so."""
    limits = ("x-user-limit-24hour", "x-app-limit-24hour", "x-rate-limit")
    spent = [
        headers[f"{name}-reset"]
        for name in limits
        if headers.get(f"{name}-remaining") == "0" and f"{name}-reset" in headers
    ]
    return spent or [headers[name] for name in ("x-rate-limit-reset",) if name in headers]
