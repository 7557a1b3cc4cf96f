"""X, through tweepy's Client with OAuth 1.0a user context.

The rules follow X's documentation and OpenAPI of 2026-08 and the observed behaviour of tweepy 4.17. tweepy hard-codes
the API host, sets no time limit, has no exception of its own for 402, and does not wrap exceptions of requests.
"""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
import tweepy

from digestbot.domain.errors import OutcomeUnknown, PublishError, Rejected, Unauthorized
from digestbot.domain.model import Message, Picture, Receipt, TimelinePage, TimelinePost
from digestbot.infra.http_client import remaining
from digestbot.platforms.http import Session, another_account, error_message, failure, upload_bytes
from digestbot.platforms.twitter.config import TwitterChannel
from digestbot.platforms.twitter.responses import (
    classify_response,
    field_of,
    is_gone,
    is_missing_post,
    json_body,
    page_trouble,
    tweet_count,
    until_reset_day,
    upload_state,
)

# At DEBUG, tweepy logs tokens and oauthlib logs its signing keys.
for _name in ("tweepy", "oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)

log = logging.getLogger(__name__)

PAGE = 20  # posts per page of the timeline: more are seldom needed, and each is billed
USAGE_SECONDS = 10.0  # time limit for asking when the monthly cap resets
_HOSTS = ("x.com", "www.x.com", "mobile.x.com", "twitter.com", "www.twitter.com", "mobile.twitter.com")
_ITS_PICTURE = re.compile(r"/status/\d+/photo/\d+$")


class TwitterPublisher:
    """The publisher of one account on X."""

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

    replies_apart = False

    @property
    def account(self) -> str:
        """Return the account's id if the access token contains it, otherwise an empty string."""
        return self._user

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """Call POST /2/tweets and return the receipt.

        A picture is uploaded first; the upload and the post each get half of ``seconds``. If X rejects a picture that
        is not required, the post is sent without it.
        """
        media = None
        if message.picture is not None:
            seconds /= 2
            media = upload_bytes(message.picture, lambda picture: self._upload(picture, seconds, may_send))
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
                reply=bool(reply_to),
            )
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
        id_ = field_of(answer, "id")
        if not id_.isdecimal():
            raise OutcomeUnknown("X answered without the post's id")
        return self.receipt(id_)

    def _upload(self, picture: Picture, seconds: float, may_send: Callable[[], bool]) -> str:
        """Upload a picture and return its media id.

        Calls POST /2/media/upload and /2/media/metadata, for which tweepy has no methods.
        """
        body = {"media": base64.b64encode(picture.content).decode(), "media_category": "tweet_image"}
        answer = self._post("/2/media/upload", body, seconds / 2, may_send)
        id_ = field_of(answer, "id")
        if not id_.isdecimal() or upload_state(answer) == "failed":
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
        """Raise Rejected: digestbot does not edit posts on X.

        X allows edits only within an hour and for paying accounts, and each edit creates a new post.
        """
        raise Rejected("X cannot edit a post")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Call DELETE /2/tweets/:id. A post that no longer exists counts as deleted."""
        try:
            answer = self._call(seconds, may_send, lambda: self._client.delete_tweet(receipt, user_auth=True))
        except PublishError as error:
            if is_gone(error.__cause__):
                return
            raise
        data = answer.get("data") if isinstance(answer, dict) else None
        if not (isinstance(data, dict) and data.get("deleted") is True) and not is_missing_post(answer):
            raise OutcomeUnknown("X did not say that it deleted the post")

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        """Call GET /2/tweets/:id. Raises Rejected if the post belongs to another account."""
        user = self._user or self._find_user(seconds)
        try:
            answer = self._call(
                seconds,
                lambda: True,
                lambda: self._client.get_tweet(
                    receipt, tweet_fields=["author_id", "created_at", "entities"], user_auth=True
                ),
            )
        except PublishError as error:
            if is_gone(error.__cause__):
                return None
            raise
        if is_missing_post(answer):
            return None
        try:
            author = str(answer["data"]["author_id"])
            if author != user:
                raise another_account(receipt, author)
            return self._timeline_post(answer["data"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise OutcomeUnknown("X's answer cannot be read") from error

    def receipt(self, reference: str) -> Receipt:
        """Return the receipt for a post's id, or for a URL on this platform that ends in /status/ID.

        Raises ValueError for anything else, such as a URL on another host.
        """
        found = reference.strip()
        if "/" in found:
            parts = urlsplit(found if "://" in found else f"https://{found}")
            hosts = _HOSTS if self._web == "https://x.com" else (urlsplit(self._web).netloc,)
            if parts.netloc.lower() not in hosts:
                raise ValueError(
                    f"{parts.netloc or found} is not X: write an address on {hosts[0]}, or the post's number"
                )
            match = re.search(r"/status/(\d{1,25})(?:/|$)", parts.path)
        else:
            match = re.fullmatch(r"(\d{1,25})", found)
        if match is None:
            raise ValueError("write the post's number, or its address (…/status/NUMBER)")
        return Receipt(match[1], f"{self._web}/i/web/status/{match[1]}")

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:  # noqa: ARG002
        """Yield pages of GET /2/users/:id/tweets, which include replies.

        Each post read is billed, so posts older than ``after`` are not requested; ``after`` itself is, because it is
        the witness. An empty timeline is proven only if X also counts no posts.
        """
        end = time.monotonic() + seconds
        user = self._user or self._find_user(seconds)
        token, read = None, 0
        while True:
            page = token
            answer = self._call(
                remaining(end),
                lambda: True,
                lambda page=page: self._client.get_users_tweets(  # type: ignore[misc]
                    user,
                    max_results=PAGE,
                    since_id=str(int(after) - 1) if after and after.isdecimal() else None,
                    pagination_token=page,
                    tweet_fields=["author_id", "created_at", "entities"],
                    user_auth=True,
                ),
            )
            trouble = page_trouble(answer, user)
            posts: tuple[TimelinePost, ...] = ()
            count = 0
            try:
                if isinstance(answer, dict):
                    data = answer.get("data") or []
                    count = len(data)
                    read += count
                    own = [one for one in data if str(one.get("author_id", user)) == user]
                    posts = tuple(self._timeline_post(one) for one in own)
                    token = (answer.get("meta") or {}).get("next_token")
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise OutcomeUnknown("X's timeline cannot be read") from error
            proven = not (trouble or token or after)
            counts = proven and not read
            if counts:
                counted = self._count(remaining(end))
                proven = counted == 0
                if not proven:
                    trouble = f"X showed no posts and counts {'none' if counted is None else counted}"
            yield TimelinePage(posts, count, trouble, proven, self._session.platform_time, users=int(counts))
            if not token or trouble:
                return

    def _count(self, seconds: float) -> int | None:
        """Return X's own count of the account's posts, by GET /2/users/me; None if X does not say."""
        answer = self._call(
            seconds, lambda: True, lambda: self._client.get_me(user_fields=["public_metrics"], user_auth=True)
        )
        return tweet_count(answer)

    def _timeline_post(self, tweet: dict[str, Any]) -> TimelinePost:
        text, links = str(tweet["text"]), []
        for url in (tweet.get("entities") or {}).get("urls") or []:
            if _ITS_PICTURE.search(str(url["expanded_url"])):  # X also shows an attached picture as a URL
                text = text.replace(str(url["url"]), "").rstrip()
                continue
            expanded = str(url.get("unwound_url") or url["expanded_url"])
            text = text.replace(str(url["url"]), str(url["expanded_url"]))
            links += [expanded, str(url["expanded_url"])]
        at = datetime.fromisoformat(tweet["created_at"])
        receipt = self.receipt(str(tweet["id"]))
        return TimelinePost(receipt.id, receipt.url, text, tuple(links), at)

    def _cap_resets_in(self) -> timedelta | None:
        """Return the time until the monthly cap resets; None if X does not say.

        Calls GET /2/usage/tweets with the application's own token.
        """
        now = self._session.platform_time
        try:
            bearer = self._exchange(USAGE_SECONDS, lambda: True, self._application_token)
            answer = self._exchange(
                USAGE_SECONDS,
                lambda: True,
                lambda: self._session.request(
                    "GET", "https://api.twitter.com/2/usage/tweets", headers={"Authorization": f"Bearer {bearer}"}
                ).json(),
            )
            day = int(answer["data"]["cap_reset_day"])
        except (PublishError, KeyError, TypeError, ValueError):
            return None  # then an operator has to resume the channel
        return until_reset_day(day, now) if now is not None and 1 <= day <= 31 else None

    def _application_token(self) -> str:
        answer = self._session.request(
            "POST",
            "https://api.twitter.com/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(str(self._client.consumer_key), str(self._client.consumer_secret)),
        ).json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise OutcomeUnknown("X gave no application token")
        return token

    def _find_user(self, seconds: float) -> str:
        answer = self._call(seconds, lambda: True, lambda: self._client.get_me(user_auth=True))
        self._user = field_of(answer, "id")
        return self._user

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """Call GET /2/users/me and return the account's name and id, with an empty list of advice."""
        answer = self._call(seconds, lambda: True, lambda: self._client.get_me(user_auth=True))
        return (
            f"@{error_message(field_of(answer, 'username'), 50)} (id {error_message(field_of(answer, 'id'), 25)})",
            [],
        )

    def platform_time(self) -> datetime | None:
        """Return X's time by the Date header of its last answer."""
        return self._session.platform_time

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:  # noqa: ARG002
        """Return None: these tokens are valid until revoked, and asking X costs money."""
        return None

    def _call(
        self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any], *, reply: bool = False
    ) -> Any:
        try:
            return self._exchange(seconds, may_send, call, reply=reply)
        except Unauthorized as error:
            if error.until_reset and error.wait is None:
                error.wait = self._cap_resets_in()
            raise

    def _exchange(
        self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any], *, reply: bool = False
    ) -> Any:
        wire = self._session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except tweepy.HTTPException as error:
                answer = error.response
                raise classify_response(answer.status_code, answer.headers, json_body(answer), reply=reply) from error
            except requests.exceptions.JSONDecodeError as error:
                raise OutcomeUnknown("X accepted, but its answer cannot be read") from error
            except Exception as error:
                answer = self._session.answer
                if answer is not None and not answer.ok:  # tweepy's exceptions fail on "errors": null
                    raise classify_response(
                        answer.status_code, answer.headers, json_body(answer), reply=reply
                    ) from error
                raise failure(wire, error) from error
