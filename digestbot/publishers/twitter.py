"""X, through tweepy's Client with OAuth 1.0a user context.

The rules are X's documentation and OpenAPI of 2026-08 and what was seen of tweepy 4.17: it has the host built
in, no time limit, leaves 402 without an exception of its own, and lets requests' exceptions through.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import requests
import tweepy

from digestbot.config import TwitterChannel
from digestbot.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, RepliesRefused, Unauthorized
from digestbot.model import Message, Picture, Receipt, Seen
from digestbot.publishers.http import Session, failure, uploaded, wait_from, words

# tweepy's debug log prints tokens, oauthlib's prints what it signs with.
for _name in ("tweepy", "oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)

log = logging.getLogger(__name__)

PAGE = 20  # posts to a page of the timeline: seldom are more of interest, and each is billed


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
        prefix = channel.access_token.get_secret_value().partition("-")[0]
        self._user = prefix if prefix.isdecimal() else ""  # a user token begins with the user's id
        real = channel.api_url in ("https://api.x.com", "https://api.twitter.com")
        self._web = "https://x.com" if real else channel.api_url

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """POST /2/tweets; a picture is uploaded before, within half of the time."""
        media = None
        if message.picture is not None:
            seconds /= 2
            media = uploaded(message.picture, lambda picture: self._upload(picture, seconds, may_send))
        try:
            answer = self._call(
                seconds,
                may_send,
                lambda: self._client.create_tweet(
                    text=message.text,
                    in_reply_to_tweet_id=reply_to,
                    media_ids=[media] if media else None,
                    user_auth=True,
                ),
            )
        except Unauthorized as error:
            if reply_to:
                raise _about_a_reply(error) from error
            raise
        except Rejected as error:
            if (
                media is None
                or "media" not in str(error).lower()
                or message.picture is None
                or message.picture.required
            ):
                raise
            log.warning("X does not take the picture with the post, which goes without it: %s", error)
            return self.publish(replace(message, picture=None), reply_to=reply_to, seconds=seconds, may_send=may_send)
        id_ = _field(answer, "id")
        if not id_.isdecimal():
            raise OutcomeUnknown("X answered without the post's id")
        return self.receipt(id_)

    def _upload(self, picture: Picture, seconds: float, may_send: Callable[[], bool]) -> str:
        """POST /2/media/upload and /2/media/metadata, for which tweepy has no methods; gives the media's id."""
        body = {"media": base64.b64encode(picture.content).decode(), "media_category": "tweet_image"}
        answer = self._post("/2/media/upload", body, seconds / 2, may_send)
        id_ = _field(answer, "id")
        if not id_.isdecimal() or _state(answer) == "failed":
            raise Rejected("X did not take the picture")
        if picture.alt_text:
            metadata = {"id": id_, "metadata": {"alt_text": {"text": picture.alt_text}}}
            self._post("/2/media/metadata", metadata, seconds / 2, may_send)
        return id_

    def _post(self, route: str, body: dict[str, Any], seconds: float, may_send: Callable[[], bool]) -> Any:
        def call() -> Any:
            return self._client.request("POST", route, json=body, user_auth=True).json()

        return self._call(seconds, may_send, call)

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:  # noqa: ARG002
        """X edits only within an hour, for accounts that pay for it, and makes a new post of it: not for this."""
        raise Rejected("X cannot edit a post")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """DELETE /2/tweets/:id."""
        try:
            answer = self._call(seconds, may_send, lambda: self._client.delete_tweet(receipt, user_auth=True))
        except PublishError as error:
            if _is_gone(error.__cause__):
                return
            raise
        data = answer.get("data") if isinstance(answer, dict) else None
        if not (isinstance(data, dict) and data.get("deleted") is True) and not _missing(answer):
            raise OutcomeUnknown("X did not say that it deleted the post")

    def lookup(self, receipt: str, *, seconds: float) -> Seen | None:
        """GET /2/tweets/:id."""
        try:
            answer = self._call(
                seconds,
                lambda: True,
                lambda: self._client.get_tweet(receipt, tweet_fields=["created_at", "entities"], user_auth=True),
            )
        except PublishError as error:
            if _is_gone(error.__cause__):
                return None
            raise
        if _missing(answer):
            return None
        try:
            return self._seen(answer["data"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise OutcomeUnknown("X's answer cannot be read") from error

    def receipt(self, reference: str) -> Receipt:
        """From an id, or from an address that ends in /status/ID."""
        match = re.fullmatch(r"(?:https?://\S+/status/)?(\d{1,25})(?:[/?#]\S*)?", reference.strip())
        if match is None:
            raise ValueError("write the post's number, or its address (…/status/NUMBER)")
        return Receipt(match[1], f"{self._web}/i/web/status/{match[1]}")

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[Seen]:  # noqa: ARG002
        """GET /2/users/:id/tweets; replies are part of it. Each post read is billed: ``after`` is passed on."""
        user = self._user or self._find_user(seconds)
        token = None
        while True:
            page = token
            answer = self._call(
                seconds,
                lambda: True,
                lambda page=page: self._client.get_users_tweets(  # type: ignore[misc]
                    user,
                    max_results=PAGE,
                    since_id=after,
                    pagination_token=page,
                    tweet_fields=["created_at", "entities"],
                    user_auth=True,
                ),
            )
            try:
                yield from [self._seen(tweet) for tweet in answer.get("data") or []]
                token = (answer.get("meta") or {}).get("next_token")
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise OutcomeUnknown("X's timeline cannot be read") from error
            if not token:
                return

    def _seen(self, tweet: dict[str, Any]) -> Seen:
        text, links = str(tweet["text"]), []
        for url in (tweet.get("entities") or {}).get("urls") or []:
            if _ITS_PICTURE.search(str(url["expanded_url"])):  # X shows an attached picture as an address too
                text = text.replace(str(url["url"]), "").rstrip()
                continue
            expanded = str(url.get("unwound_url") or url["expanded_url"])
            text = text.replace(str(url["url"]), str(url["expanded_url"]))
            links += [expanded, str(url["expanded_url"])]
        at = datetime.fromisoformat(tweet["created_at"])
        receipt = self.receipt(str(tweet["id"]))
        return Seen(receipt.id, receipt.url, text, tuple(links), at)

    def _find_user(self, seconds: float) -> str:
        answer = self._call(seconds, lambda: True, lambda: self._client.get_me(user_auth=True))
        self._user = _field(answer, "id")
        return self._user

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """GET /2/users/me."""
        answer = self._call(seconds, lambda: True, lambda: self._client.get_me(user_auth=True))
        return f"@{_field(answer, 'username')} (id {_field(answer, 'id')})", []

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:  # noqa: ARG002
        """None: these tokens hold until they are revoked, and asking costs money."""
        return None

    def _call(self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any]) -> Any:
        wire = self._session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except tweepy.HTTPException as error:
                raise classify(error.response.status_code, error.response.headers, _json(error.response)) from error
            except requests.exceptions.JSONDecodeError as error:
                raise OutcomeUnknown("X accepted, but its answer cannot be read") from error
            except Exception as error:
                answer = self._session.answer
                if answer is not None and not answer.ok:  # tweepy's exceptions stumble over "errors": null
                    raise classify(answer.status_code, answer.headers, _json(answer)) from error
                raise failure(wire, error) from error


def _field(answer: Any, name: str) -> str:
    data = answer.get("data") if isinstance(answer, dict) else None
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _state(answer: Any) -> object:
    """How far X is with what was uploaded; None where it is done at once."""
    data = answer.get("data") if isinstance(answer, dict) else None
    info = data.get("processing_info") if isinstance(data, dict) else None
    return info.get("state") if isinstance(info, dict) else None


def _about_a_reply(error: Unauthorized) -> PublishError:
    """What a refusal of a reply means. If it is not about the account, it is about the reply: a moment ago the account
    was allowed to post the part before. X has no error of its own for this (its words are "You are not permitted to
    perform this action")."""
    cause = error.__cause__
    body = _json(cause.response) if isinstance(cause, tweepy.Forbidden) else None
    if body is None or _ACCOUNT.search(words(body)):
        return error
    if _PARENT.search(words(body)):
        return Rejected(f"X does not find the part before: {words(body.get('detail', ''))}")
    return RepliesRefused(f"X takes no reply here: {words(body.get('detail', ''))}")


_ACCOUNT = re.compile(
    r"suspend|locked|deactivated|oauth|client-forbidden|client-not-enrolled|spend|credit|automated|spam|limit|verif",
    re.IGNORECASE,
)
_PARENT = re.compile(r"deleted|not visible|not found|no longer", re.IGNORECASE)
_ITS_PICTURE = re.compile(r"/status/\d+/photo/\d+$")


def _is_gone(error: BaseException | None) -> bool:
    """Whether an answer says that there is no such post, and not that there is no such address."""
    return isinstance(error, tweepy.NotFound) and _missing(_json(error.response))


def _missing(answer: Any) -> bool:
    """Whether X says, with whatever status, that it knows no post of that id."""
    if not isinstance(answer, dict) or answer.get("data"):
        return False
    problems = answer.get("errors")
    found = [answer, *(problems if isinstance(problems, list) else [])]
    return any(isinstance(one, dict) and "resource-not-found" in str(one.get("type")) for one in found)


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
    if status == 401 or first.get("code") in (32, 89, 215):
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
