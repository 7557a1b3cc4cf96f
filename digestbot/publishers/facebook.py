"""A Facebook Page, through facebook-sdk's GraphAPI with its request() mended.

The rules are Meta's documentation of 2026-09 and what was seen of facebook-sdk 3.1.0: its request() never looks
at the HTTP status, puts the token into the address, knows no current API version and no time limit.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import facebook

from digestbot.config import FacebookChannel
from digestbot.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized
from digestbot.model import Message, Picture, Receipt, Seen
from digestbot.publishers.http import Session, failure, uploaded, wait_from, words

log = logging.getLogger(__name__)

BLOCKED_WAIT = timedelta(hours=12)  # after error 368, "temporarily blocked"
PAGE = 25  # posts to a page of the timeline
NEEDED = ("pages_manage_posts", "pages_read_engagement")


class _WithoutTokens(logging.Filter):
    """debug_token takes the token that it is asked about in its address, which urllib3 logs when asked for more."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line may be logged."""
        return "input_token=" not in record.getMessage()


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutTokens())


class GraphError(facebook.GraphAPIError):
    """An answer that is no success, with what the stock exception leaves out."""

    def __init__(self, status: int, headers: Mapping[str, str], error: dict[str, Any] | None) -> None:
        super().__init__({"error": error or {"message": f"status {status}"}})
        self.status, self.headers, self.error = status, headers, error


class Graph(facebook.GraphAPI):
    """GraphAPI whose every call goes through a request() that can be trusted."""

    def __init__(self, channel: FacebookChannel) -> None:
        super().__init__(
            access_token=channel.access_token.get_secret_value(),
            session=Session(channel.api_url, facebook.FACEBOOK_GRAPH_URL.rstrip("/")),
        )
        self.version = channel.api_version  # the constructor refuses every version that still exists
        self._address = channel.api_url
        self._proof = None
        if channel.app_secret is not None:
            key = channel.app_secret.get_secret_value().encode()
            self._proof = hmac.new(key, self.access_token.encode(), hashlib.sha256).hexdigest()
        self._version_seen = self.version

    def request(
        self,
        path: str,
        args: dict[str, Any] | None = None,
        post_args: dict[str, Any] | None = None,
        files: Any = None,
        method: str | None = None,
    ) -> dict[str, Any]:
        """One call. Gives the JSON object of a success; raises GraphError or requests' exceptions."""
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
            answer = response.json()  # whatever the Content-Type says: Meta has sent text/javascript
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
                "Facebook serves %s though %s was asked for: set api_version to one that still exists",
                words(served, 20),
                self.version,
            )


def _encoded(parameters: dict[str, Any]) -> dict[str, Any]:
    """As the Graph API reads them: lists as JSON, booleans in lower case, empty ones left out."""
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


class FacebookPublisher:
    """One Page."""

    def __init__(self, channel: FacebookChannel) -> None:
        self._graph = Graph(channel)
        self._page = channel.page_id
        real = channel.api_url == "https://graph.facebook.com"
        self._web = "https://www.facebook.com" if real else channel.api_url

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """POST /{page}/feed, or /{post}/comments for a later part of a thread; a picture is uploaded before, within
        half of the time, and then stands in the place of the attached link."""
        parent, edge = (reply_to, "comments") if reply_to else (self._page, "feed")
        fields: dict[str, Any] = {"message": message.text}
        photo = None
        if message.picture is not None and not reply_to:
            seconds /= 2
            photo = uploaded(message.picture, lambda picture: self._upload(picture, seconds, may_send))
        if photo:
            fields["attached_media"] = [{"media_fbid": photo}]
        elif not reply_to:
            fields["link"] = message.link or ""
        answer = self._call(seconds, may_send, lambda: self._graph.put_object(parent, edge, **fields))
        id_ = answer.get("id")
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown("Facebook answered without the post's id")
        return Receipt(id_, f"{self._web}/{id_}")

    def _upload(self, picture: Picture, seconds: float, may_send: Callable[[], bool]) -> str:
        """POST /{page}/photos, unpublished: followers see nothing of it yet."""
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
            raise Rejected("Facebook did not take the picture")
        return id_

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """POST /{post}: the text; what was attached stays. Facebook lets only the app edit that made the post."""
        path = f"{self._graph.version}/{receipt}"  # the SDK has no method for this
        try:
            answer = self._call(
                seconds, may_send, lambda: self._graph.request(path, post_args={"message": message.text})
            )
        except PublishError as error:
            if _is_gone(error.__cause__):
                raise Rejected("the post is no longer there") from error
            raise
        if answer.get("success") is not True:
            raise OutcomeUnknown("Facebook did not say that it edited the post")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """DELETE /{post}."""
        try:
            answer = self._call(seconds, may_send, lambda: self._graph.delete_object(receipt))
        except PublishError as error:
            if _is_gone(error.__cause__):
                return
            raise
        if answer.get("success") is not True:
            raise OutcomeUnknown("Facebook did not say that it deleted the post")

    def lookup(self, receipt: str, *, seconds: float) -> Seen | None:
        """GET /{post}."""
        fields = "id,message,created_time"
        try:
            answer = self._call(seconds, lambda: True, lambda: self._graph.get_object(receipt, fields=fields))
        except PublishError as error:
            if _is_gone(error.__cause__):
                return None
            raise
        try:
            return self._seen(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise OutcomeUnknown("Facebook's answer cannot be read") from error

    def receipt(self, reference: str) -> Receipt:
        """From PAGE_POST, from POST alone, or from an address that holds either."""
        match = re.search(r"(?:^|[/=])(\d+_\d+)(?:[/?&#]|$)", reference.strip())
        alone = re.search(r"(?:^|/posts/(?:\S*/)?|story_fbid=)(\d+)(?:[/?&#]|$)", reference.strip())
        if match is None and alone is None:
            raise ValueError("write the post's id (PAGE_POST) or an address that holds its number")
        id_ = match[1] if match else f"{self._page}_{alone[1] if alone else ''}"
        return Receipt(id_, f"{self._web}/{id_}")

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[Seen]:
        """GET /{page}/published_posts, which unlike /feed is neither ranked nor holds visitors' posts; for a
        reply /{post}/comments, newest first."""
        parent, edge = (reply_to, "comments") if reply_to else (self._page, "published_posts")
        fields = "id,message,created_time,permalink_url,attachments"
        options: dict[str, Any] = {"fields": fields, "limit": PAGE}
        if reply_to:
            options |= {"fields": "id,message,created_time", "order": "reverse_chronological"}
        while True:
            asked = dict(options)
            answer = self._call(
                seconds,
                lambda: True,
                lambda asked=asked: self._graph.get_connections(parent, edge, **asked),  # type: ignore[misc]
            )
            try:
                found = [self._seen(post) for post in answer["data"]]
                paging = answer.get("paging") or {}
                options["after"] = paging["cursors"]["after"] if paging.get("next") else ""
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise OutcomeUnknown("the Page's timeline cannot be read") from error
            yield from found
            if not options["after"] or any(post.id == after for post in found):
                return

    def _seen(self, post: dict[str, Any]) -> Seen:
        links = []
        for attachment in (post.get("attachments") or {}).get("data") or []:
            targets = [
                (attachment.get("target") or {}).get("url"),
                attachment.get("url"),
                attachment.get("unshimmed_url"),
            ]
            links += [str(url) for url in targets if url]
        id_ = str(post["id"])
        url = f"{self._web}/{id_}"
        return Seen(id_, url, str(post.get("message", "")), tuple(links), datetime.fromisoformat(post["created_time"]))

    def verify(self, *, seconds: float) -> tuple[str, list[str]]:
        """GET /{page}, and what debug_token says of the token."""
        page = self._call(seconds, lambda: True, lambda: self._graph.get_object(self._page, fields="id,name"))
        token = self._token(seconds)
        advice = []
        if token.get("is_valid") is False:
            advice.append("the token is no longer valid: make a new one")
        if token.get("type") == "USER":
            advice.append("this is a user's token: take the Page's own from /me/accounts")
        missing = [scope for scope in NEEDED if scope not in token.get("scopes", NEEDED)]
        if missing:
            advice.append(f"the token lacks {', '.join(missing)}")
        if token.get("expires_at"):
            advice.append("the token expires: take one that was made from a long-lived user token")
        return f"{words(page.get('name', ''))} (id {words(page.get('id', ''))})", advice

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:
        """By debug_token: the token's own end, or that of the access to the Page's data, whichever is first."""
        try:
            token = self._token(seconds)
        except Unauthorized:
            return now
        ends = [_number(token.get(name)) for name in ("expires_at", "data_access_expires_at")]
        if token.get("is_valid") is False:
            return now
        return min((datetime.fromtimestamp(end, UTC) for end in ends if end), default=None)

    def _token(self, seconds: float) -> dict[str, Any]:
        """What debug_token says of the token."""

        def ask() -> Any:
            return self._graph.get_object("debug_token", input_token=self._graph.access_token)

        found: dict[str, Any] = self._call(seconds, lambda: True, ask).get("data", {})
        return found

    def _call(self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any]) -> Any:
        wire = self._graph.session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except GraphError as error:
                raise classify(error.status, error.headers, error.error) from error
            except Exception as error:
                raise failure(wire, error) from error


def classify(status: int, headers: Mapping[str, str], error: dict[str, Any] | None) -> PublishError:
    """What an answer other than success means. ``error`` is the body's error object, None without one."""
    if error is None:
        if status == 429:
            return RateLimited("Facebook: too many calls", wait=wait_from(headers, []))
        return OutcomeUnknown(f"Facebook answered {status} without saying what became of the post")
    if status >= 500:
        return OutcomeUnknown(f"Facebook answered {status} ({words(error.get('message'))})")
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    said = words(error.get("error_user_msg") or error.get("message") or f"code {code}")
    if code in (190, 102):
        return Unauthorized(f"Facebook: the token is dead ({said}); make a new one, then resume the channel")
    if code in (4, 17, 32, 341, 613, 80001):
        return RateLimited(f"Facebook: too many calls ({said})", wait=_regain(headers) or wait_from(headers, []))
    if code == 368:
        return RateLimited(f"Facebook has blocked the Page for now ({said}); look at the Page", wait=BLOCKED_WAIT)
    if code == 506:
        return OutcomeUnknown("Facebook says it holds the same post already")
    if code in (3, 10) or 200 <= code <= 299:
        hint = "use the Page's own token" if "publish_actions" in said else "grant the permission"
        return Unauthorized(f"Facebook: not permitted ({said}); {hint}, then resume the channel")
    if code == 100 and subcode == 33:
        return Unauthorized(f"Facebook: no such Page for this token ({said}); check page_id, then resume the channel")
    if code in (100, 197, 324, 1500, 1609005):
        return Rejected(f"Facebook refused the post: {said}")
    if status == 429:
        return RateLimited(f"Facebook: too many calls ({said})", wait=wait_from(headers, []))
    return OutcomeUnknown(f"Facebook answered {status}, code {code} ({said})")


def _is_gone(error: BaseException | None) -> bool:
    """Whether the Graph API says that there is no such object. It says the same to one who may not see it; but the
    Page that made a post may."""
    if not isinstance(error, GraphError) or error.error is None:
        return False
    return (_number(error.error.get("code")), _number(error.error.get("error_subcode"))) == (100, 33)


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1


def _regain(headers: Mapping[str, str]) -> timedelta | None:
    """The longest estimated_time_to_regain_access, which is in minutes."""
    try:
        usage = json.loads(headers.get("X-Business-Use-Case-Usage", ""))
        minutes = max(int(row.get("estimated_time_to_regain_access", 0)) for rows in usage.values() for row in rows)
        return timedelta(minutes=minutes) if minutes > 0 else None
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
