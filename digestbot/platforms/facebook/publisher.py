"""A Facebook Page, through facebook-sdk's GraphAPI. The rules follow Meta's documentation of 2026-09."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from digestbot.domain.errors import OutcomeUnknown, PublishError, Rejected, Unauthorized
from digestbot.domain.model import Message, Picture, Receipt, TimelinePage, TimelinePost
from digestbot.infra.http_client import remaining
from digestbot.platforms.base import VerifiedAccount
from digestbot.platforms.facebook.config import FacebookChannel
from digestbot.platforms.facebook.graph_client import Graph, GraphError
from digestbot.platforms.facebook.responses import as_number, classify_graph_error, is_missing_object
from digestbot.platforms.http import another_account, as_count, error_message, failure, upload_bytes

log = logging.getLogger(__name__)

PAGE = 25  # posts per page of the timeline
_HOST = "www.facebook.com"
NEEDED = ("pages_manage_posts", "pages_read_engagement", "pages_manage_engagement")


class FacebookPublisher:
    """The publisher of one Facebook Page."""

    def __init__(self, channel: FacebookChannel) -> None:
        self._graph = Graph(channel)
        self._page = channel.page_id
        real = channel.api_url == "https://graph.facebook.com"
        self._web = "https://www.facebook.com" if real else channel.api_url

    replies_apart = True

    @property
    def account(self) -> str:
        """Return the Page's id."""
        return self._page

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """Call POST /{page}/feed, or /{post}/comments for a later part of a thread.

        A picture is uploaded first and replaces the attached link; the upload and the post each get half of
        ``seconds``.
        """
        parent, edge = (reply_to, "comments") if reply_to else (self._page, "feed")
        fields: dict[str, Any] = {"message": message.text}
        photo = None
        if message.picture is not None and not reply_to:
            seconds /= 2
            photo = upload_bytes(message.picture, lambda picture: self._upload(picture, seconds, may_send))
        if photo:
            fields["attached_media"] = [{"media_fbid": photo}]
        elif not reply_to:
            fields["link"] = message.link or ""
        answer = self._call(
            seconds, may_send, lambda: self._graph.put_object(parent, edge, **fields), reply=bool(reply_to)
        )
        id_ = answer.get("id")
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown("Facebook answered without the post's id")
        return Receipt(id_, f"{self._web}/{id_}")

    def _upload(self, picture: Picture, seconds: float, may_send: Callable[[], bool]) -> str:
        """Upload an unpublished picture by POST /{page}/photos and return its id; followers cannot see it yet."""
        file = (f"picture.{picture.media_type.partition('/')[2]}", picture.content, picture.media_type)
        answer = self._call(
            seconds,
            may_send,
            lambda: self._graph.put_photo(
                file, album_path=f"{self._page}/photos", published=False, alt_text_custom=picture.alt_text
            ),
        )
        id_ = answer.get("id")
        if not isinstance(id_, str) or not id_:
            raise Rejected("Facebook did not accept the picture")
        return id_

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Replace the text by POST /{post}; attachments stay.

        Facebook lets an app edit only the posts that it made itself.
        """
        path = f"{self._graph.version}/{receipt}"  # the SDK has no method for this
        try:
            answer = self._call(
                seconds, may_send, lambda: self._graph.request(path, post_args={"message": message.text})
            )
        except PublishError as error:
            if is_missing_object(error.__cause__):
                raise Rejected("the post is no longer there") from error
            raise
        if answer.get("success") is not True:
            raise OutcomeUnknown("Facebook did not say that it edited the post")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Call DELETE /{post}. A post that no longer exists counts as deleted."""
        try:
            answer = self._call(seconds, may_send, lambda: self._graph.delete_object(receipt))
        except PublishError as error:
            if is_missing_object(error.__cause__):
                return
            raise
        if answer.get("success") is not True:
            raise OutcomeUnknown("Facebook did not say that it deleted the post")

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        """Call GET /{post}. Raises Rejected if the post belongs to another Page."""
        fields = "id,message,created_time,attachments,from"
        try:
            answer = self._call(seconds, lambda: True, lambda: self._graph.get_object(receipt, fields=fields))
        except PublishError as error:
            if is_missing_object(error.__cause__):
                return None
            raise
        try:
            if not self._is_own(answer):
                author = (answer.get("from") or {}).get("id") or str(answer["id"]).partition("_")[0]
                raise another_account(receipt, str(author))
            return self._timeline_post(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise OutcomeUnknown("Facebook's answer cannot be read") from error

    def receipt(self, reference: str) -> Receipt:
        """Return the receipt for PAGE_POST, a post's number, or a URL on this platform that contains either.

        Raises ValueError for anything else, such as a URL on another host.
        """
        id_ = _post_id(reference.strip(), self._page, urlsplit(self._web).netloc)
        return Receipt(id_, f"{self._web}/{id_}")

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:
        """Yield pages of GET /{page}/published_posts or, with ``reply_to``, of /{post}/comments, newest first.

        Unlike /feed, published_posts is not ranked and has no posts of visitors. The end of the list is proven only if
        Facebook's own count equals the number of posts shown.
        """
        end = time.monotonic() + seconds
        parent, edge = (reply_to, "comments") if reply_to else (self._page, "published_posts")
        options: dict[str, Any] = {"fields": "id,message,created_time,permalink_url,attachments,from", "limit": PAGE}
        if reply_to:
            options |= {"fields": "id,message,created_time,from", "order": "reverse_chronological"}
        read = 0
        while True:
            asked = dict(options)
            answer = self._call(
                remaining(end),
                lambda: True,
                lambda asked=asked: self._graph.get_connections(parent, edge, **asked),  # type: ignore[misc]
                reply=bool(reply_to),
            )
            own: list[TimelinePost] = []
            trouble, following, count = "", "", 0
            try:
                data = answer.get("data")
                if not isinstance(data, list):
                    trouble = "Facebook's answer has no data"
                else:
                    count = len(data)
                    read += count
                    own = [self._timeline_post(post) for post in data if self._is_own(post)]
                    paging = answer.get("paging") or {}
                    following = paging["cursors"]["after"] if paging.get("next") else ""
                    if len(own) < len(data) and not reply_to:
                        trouble = "Facebook's answer has posts of another Page"
                    if reply_to and any(not (post.get("from") or {}).get("id") for post in data):
                        trouble = "Facebook does not say who wrote the comments"
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise OutcomeUnknown("the Page's timeline cannot be read") from error
            reached = any(post.id == after for post in own)
            proven = False
            if not (trouble or following or reached or after):
                counted = self._count(parent, edge, remaining(end), reply=bool(reply_to))
                proven = counted == read
                if not proven:
                    trouble = f"Facebook showed {read} posts and counts {'none' if counted is None else counted}"
            yield TimelinePage(tuple(own), count, trouble, proven, self._graph.session.platform_time)
            if not following or trouble or reached:
                return
            options["after"] = following

    def _is_own(self, post: dict[str, Any]) -> bool:
        """Return True if the Page made the post, by its author or, if Facebook names none, by its id."""
        author = (post.get("from") or {}).get("id")
        return str(author) == self._page if author else str(post["id"]).startswith(f"{self._page}_")

    def _count(self, parent: str, edge: str, seconds: float, *, reply: bool) -> int | None:
        """Return Facebook's own count of the posts or comments; None if it does not say."""
        fields = f"id,{edge}.limit(1).summary(total_count)"
        answer = self._call(seconds, lambda: True, lambda: self._graph.get_object(parent, fields=fields), reply=reply)
        result = answer.get(edge)
        summary = result.get("summary") if isinstance(result, dict) else None
        return as_count(summary.get("total_count")) if isinstance(summary, dict) else None

    def _timeline_post(self, post: dict[str, Any]) -> TimelinePost:
        links = []
        for attachment in (post.get("attachments") or {}).get("data") or []:
            targets = [
                (attachment.get("target") or {}).get("url"),
                attachment.get("url"),
                attachment.get("unshimmed_url"),
            ]
            links += [str(url) for url in targets if url]
        id_ = str(post["id"])
        at = datetime.fromisoformat(post["created_time"])
        return TimelinePost(id_, f"{self._web}/{id_}", str(post.get("message", "")), tuple(links), at)

    def platform_time(self) -> datetime | None:
        """Return Facebook's time by the Date header of its last answer."""
        result: datetime | None = self._graph.session.platform_time
        return result

    def verify(self, *, seconds: float) -> VerifiedAccount:
        """Call GET /{page} and return the Page's name, and by debug_token the token's permissions and advice."""
        page = self._call(seconds, lambda: True, lambda: self._graph.get_object(self._page, fields="id,name"))
        token = self._token(seconds)
        advice = []
        if token.get("is_valid") is False:
            advice.append("the token is no longer valid: create a new one")
        if token.get("type") == "USER":
            advice.append("this is a user's token: take the Page's own from /me/accounts")
        if str(token.get("profile_id") or self._page) != self._page:
            advice.append(
                f"the token is for Page {error_message(token['profile_id'], 25)}: page_id {self._page} is another one"
            )
        missing = [scope for scope in NEEDED if scope not in token.get("scopes", NEEDED)]
        if missing:
            advice.append(f"the token lacks {', '.join(missing)}")
        if token.get("expires_at"):
            advice.append("the token expires: take one that was made from a long-lived user token")
        scopes = token.get("scopes")
        return VerifiedAccount(
            f"{error_message(page.get('name', ''))} (id {error_message(page.get('id', ''))})",
            [error_message(scope, 50) for scope in scopes] if isinstance(scopes, list) else None,
            advice,
        )

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:
        """Return when the token expires or loses access to the Page's data, whichever is first, by debug_token.

        Returns ``now`` for a token that is already invalid, and None if neither ends.
        """
        try:
            token = self._token(seconds)
        except Unauthorized:
            return now
        ends = [as_number(token.get(name)) for name in ("expires_at", "data_access_expires_at")]
        if token.get("is_valid") is False:
            return now
        return min((datetime.fromtimestamp(end, UTC) for end in ends if end), default=None)

    def _token(self, seconds: float) -> dict[str, Any]:
        """Return what debug_token says about the token."""

        def ask() -> Any:
            return self._graph.get_object("debug_token", input_token=self._graph.access_token)

        results: dict[str, Any] = self._call(seconds, lambda: True, ask).get("data", {})
        return results

    def _call(
        self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any], *, reply: bool = False
    ) -> Any:
        wire = self._graph.session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except GraphError as error:
                raise classify_graph_error(error.status, error.headers, error.error, reply=reply) from error
            except Exception as error:
                raise failure(wire, error) from error


def _post_id(reference: str, page: str, own: str) -> str:
    """Return the id (PAGE_POST) that the reference names; ``own`` is the platform's host. Raise ValueError for any
    other reference."""
    path = reference
    if "/" in reference:
        parts = urlsplit(reference if "://" in reference else f"https://{reference}")
        host = parts.netloc.lower()
        if host != own and not (own == _HOST and f".{host}".endswith(".facebook.com")):
            raise ValueError(f"{parts.netloc or reference} is not Facebook: write a URL on {own}, or the post's id")
        path = f"{parts.path}?{parts.query}"
    match = re.search(r"(?:^|[/=])(\d+_\d+)(?:[/?&#]|$)", path)
    if match:
        return match[1]
    alone = re.search(r"(?:^|/posts/(?:[^\s/]*/)?|story_fbid=)(\d+)(?:[/?&#]|$)", path)
    if alone is None:
        raise ValueError("write the post's id (PAGE_POST), or a URL that contains its number")
    return f"{page}_{alone[1]}"
