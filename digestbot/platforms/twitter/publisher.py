"""X, through tweepy's Client with OAuth 1.0a user context.

The rules follow X's documentation and OpenAPI of 2026-08.
"""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from digestbot.domain.errors import OutcomeUnknown, PublishError, Rejected
from digestbot.domain.model import Message, Picture, Receipt, TimelinePage, TimelinePost
from digestbot.infra.http_client import remaining
from digestbot.platforms.base import VerifiedAccount
from digestbot.platforms.http import another_account, error_message, upload_bytes
from digestbot.platforms.twitter.client import XClient
from digestbot.platforms.twitter.config import TwitterChannel
from digestbot.platforms.twitter.responses import (
    READ_ONLY,
    field_of,
    is_gone,
    is_missing_post,
    page_trouble,
    upload_state,
)

log = logging.getLogger(__name__)

PAGE = 20  # posts per page of the timeline: more are seldom needed, and each is billed
_HOSTS = ("x.com", "www.x.com", "mobile.x.com", "twitter.com", "www.twitter.com", "mobile.twitter.com")
_ITS_PICTURE = re.compile(r"/status/\d+/photo/\d+$")


class TwitterPublisher:
    """The publisher of one account on X."""

    def __init__(self, channel: TwitterChannel) -> None:
        self._client = XClient(channel)
        real = channel.api_url in ("https://api.x.com", "https://api.twitter.com")
        self._web = "https://x.com" if real else channel.api_url

    replies_apart = False

    @property
    def account(self) -> str:
        """Return the account's id if the access token contains it, otherwise an empty string."""
        return self._client.user

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
            answer = self._client.call(
                seconds,
                may_send,
                lambda: self._client.api.create_tweet(
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
            log.warning("X rejected the picture, so the post is sent without it: %s", error)
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
        answer = self._client.post_json("/2/media/upload", body, seconds / 2, may_send)
        id_ = field_of(answer, "id")
        if not id_.isdecimal() or upload_state(answer) == "failed":
            raise Rejected("X did not accept the picture")
        if picture.alt_text:
            metadata = {"id": id_, "metadata": {"alt_text": {"text": picture.alt_text}}}
            self._client.post_json("/2/media/metadata", metadata, seconds / 2, may_send)
        return id_

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:  # noqa: ARG002
        """Raise Rejected: digestbot does not edit posts on X.

        X allows edits only within an hour and for paying accounts, and each edit creates a new post.
        """
        raise Rejected("X cannot edit a post")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Call DELETE /2/tweets/:id. A post that no longer exists counts as deleted."""
        try:
            answer = self._client.call(
                seconds, may_send, lambda: self._client.api.delete_tweet(receipt, user_auth=True)
            )
        except PublishError as error:
            if is_gone(error.__cause__):
                return
            raise
        data = answer.get("data") if isinstance(answer, dict) else None
        if not (isinstance(data, dict) and data.get("deleted") is True) and not is_missing_post(answer):
            raise OutcomeUnknown("X did not say that it deleted the post")

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        """Call GET /2/tweets/:id. Raises Rejected if the post belongs to another account."""
        user = self._client.user_id(seconds)
        try:
            answer = self._client.call(
                seconds,
                lambda: True,
                lambda: self._client.api.get_tweet(
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
        result = reference.strip()
        if "/" in result:
            parts = urlsplit(result if "://" in result else f"https://{result}")
            hosts = _HOSTS if self._web == "https://x.com" else (urlsplit(self._web).netloc,)
            if parts.netloc.lower() not in hosts:
                raise ValueError(f"{parts.netloc or result} is not X: write a URL on {hosts[0]}, or the post's number")
            match = re.search(r"/status/(\d{1,25})(?:/|$)", parts.path)
        else:
            match = re.fullmatch(r"(\d{1,25})", result)
        if match is None:
            raise ValueError("write the post's number, or its URL (…/status/NUMBER)")
        return Receipt(match[1], f"{self._web}/i/web/status/{match[1]}")

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:  # noqa: ARG002
        """Yield pages of GET /2/users/:id/tweets, which include replies.

        Each post read is billed, so posts older than ``after`` are not requested; ``after`` itself is, because it is
        the witness. An empty timeline is proven only if X also counts no posts.
        """
        end = time.monotonic() + seconds
        user = self._client.user_id(seconds)
        token, read = None, 0
        while True:
            page = token
            answer = self._client.call(
                remaining(end),
                lambda: True,
                lambda page=page: self._client.api.get_users_tweets(  # type: ignore[misc]
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
                counted = self._client.count_posts(remaining(end))
                proven = counted == 0
                if not proven:
                    trouble = f"X showed no posts and counts {'none' if counted is None else counted}"
            yield TimelinePage(posts, count, trouble, proven, self._client.platform_time, users=int(counts))
            if not token or trouble:
                return

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

    def verify(self, *, seconds: float) -> VerifiedAccount:
        """Call GET /2/users/me and return the account's name and id, and the permission in the answer's header
        x-access-level."""
        answer = self._client.call(seconds, lambda: True, lambda: self._client.api.get_me(user_auth=True))
        level = error_message(self._client.access_level, 50)
        return VerifiedAccount(
            f"@{error_message(field_of(answer, 'username'), 50)} (id {error_message(field_of(answer, 'id'), 25)})",
            [level] if level else None,
            [READ_ONLY.format(level=level)] if level and "write" not in level else [],
        )

    def platform_time(self) -> datetime | None:
        """Return X's time by the Date header of its last answer."""
        return self._client.platform_time

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:  # noqa: ARG002
        """Return None: these tokens are valid until revoked, and asking X costs money."""
        return None
