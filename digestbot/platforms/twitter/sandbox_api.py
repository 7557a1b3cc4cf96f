"""The sandbox's version of X's API v2: the endpoints that posting needs, with X's headers, error bodies and rules."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, World, altered_text
from digestbot.platforms.twitter.length import weighted_length
from digestbot.platforms.twitter.sandbox_login import LoginPages
from digestbot.platforms.twitter.sandbox_media import MediaUploads, invalid, problem
from digestbot.text import find_urls

LENGTH = 280
DUPLICATE_HOURS = 24
_OAUTH = re.compile(r'(\w+)="([^"]*)"')


class XApi:
    """The sandbox's version of X's API under /2/.

    With ``secrets`` (consumer and token secret) it also checks signatures.
    """

    def __init__(self, world: World, faults: Faults, secrets: tuple[str, str] | None = None) -> None:
        self.world, self.faults, self.secrets = world, faults, secrets
        self.tweets = world.timelines["twitter"]
        self.media = MediaUploads(world, faults)
        self.login = LoginPages(world, secrets[1] if secrets else "sandbox-token-secret")
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST", r"/2/tweets", self.create),
            ("GET", r"/2/tweets/(\d+)", self.show),
            ("DELETE", r"/2/tweets/(\d+)", self.delete),
            ("GET", r"/2/users/me", self.me),
            ("GET", r"/2/users/(\d+)/tweets", self.timeline),
            ("POST", r"/2/media/upload", self.media.upload),
            ("GET", r"/2/media/upload", self.media.upload_status),
            ("POST", r"/2/media/upload/initialize", self.media.initialize),
            ("POST", r"/2/media/upload/(\d+)/append", self.media.append),
            ("POST", r"/2/media/upload/(\d+)/finalize", self.media.finalize),
            ("POST", r"/2/media/metadata", self.media.metadata),
        ]

    account_name = "Sandbox 100"

    def serves(self, path: str) -> bool:
        """Return True if the path belongs to X's API."""
        return path.startswith(("/2/", "/oauth/")) or path == "/oauth2/token"

    def unauthorized(self) -> Answer:
        """Return X's answer to an invalid token."""
        return problem(401, "Unauthorized")

    def too_many_requests(self, retry_after: int | None) -> Answer:
        """Return X's rate limit answer; with ``retry_after`` (seconds) it names the reset time."""
        headers = {}
        if retry_after is not None:
            reset = str(int(self.world.clock()) + retry_after)
            headers = {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
        return replace(problem(429, "Too Many Requests"), headers=headers)

    def post_by_hand(self, text: str, link: str | None, at: float) -> Post:
        """Return a post as a person would write it; its text already contains the link."""
        return Post(self.world.new_id(), "100", text, at, link=link)

    def post_path(self, post: Post) -> str:
        """Return the path of the post in X's URLs."""
        return f"/i/web/status/{post.id}"

    def answer(self, request: Request) -> Answer:
        """Answer one call, without injected faults."""
        if request.path.startswith("/oauth/"):
            return self.login.answer(request)
        if request.path == "/oauth2/token":
            return Answer(200, {"token_type": "bearer", "access_token": "sandbox-application-token"})
        if request.path == "/2/usage/tweets":
            return Answer(200, {"data": {"cap_reset_day": 1, "project_cap": "100", "project_usage": "100"}})
        user = self._user(request)
        if user is None:
            return problem(401, "Unauthorized")
        for method, pattern, handler in self._routes:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                with self.world.lock:
                    return handler(request, user, *match.groups())
        return problem(404, "Not Found")

    def _user(self, request: Request) -> str | None:
        """Return the id of the account that signed the call, or None if the signature is missing or wrong.

        The id is the prefix of the access token, or 100 if that is no number.
        """
        header = request.headers.get("authorization", "")
        fields = {name: unquote(value) for name, value in _OAUTH.findall(header)}
        needed = ("oauth_consumer_key", "oauth_token", "oauth_signature", "oauth_nonce", "oauth_timestamp")
        if not header.startswith("OAuth ") or not all(fields.get(name) for name in needed):
            return None
        if self.secrets is not None and not self._signed(request, header, fields["oauth_signature"]):
            return None
        prefix = fields["oauth_token"].partition("-")[0]
        return prefix if prefix.isdecimal() else "100"

    def _signed(self, request: Request, header: str, signature: str) -> bool:
        from oauthlib.oauth1.rfc5849 import signature as oauth

        assert self.secrets is not None  # noqa: S101
        collected = oauth.collect_parameters(
            uri_query=request.url.partition("?")[2], headers={"Authorization": header}, body=request.form or None
        )
        base = oauth.signature_base_string(
            request.method, oauth.base_string_uri(request.url.partition("?")[0]), oauth.normalize_parameters(collected)
        )
        wanted: str = oauth.sign_hmac_sha1_with_client(base, _Secrets(*self.secrets))
        return wanted == signature

    # ---- posts

    def create(self, request: Request, user: str) -> Answer:
        """Handle POST /2/tweets."""
        body = request.json
        if body is None:
            return invalid("The request body must be JSON.")
        text = body.get("text", "")
        media = body.get("media")
        ids = media.get("media_ids", []) if isinstance(media, dict) else []
        if not isinstance(text, str) or (not text.strip() and not ids):
            return invalid("Tweet text or media is required.", text=[str(text)])
        text = unicodedata.normalize("NFC", text)
        if weighted_length(text) > LENGTH:
            return invalid(
                "Your Tweet text is too long. For more information on how Twitter determines text length "
                "see https://github.com/twitter/twitter-text.",
                text=[text],
            )
        if len(re.findall(r"(?<!\w)\$[A-Za-z]{1,6}(?!\w)", text)) > 1:
            return problem(403, "A post may hold one cashtag at most.")
        if not isinstance(ids, list) or len(ids) > 4 or any(str(id_) not in self.world.pictures for id_ in ids):
            return invalid("Your media IDs are invalid.", **{"media.media_ids": [str(id_) for id_ in ids]})
        reply = body.get("reply")
        reply_to = str(reply.get("in_reply_to_tweet_id")) if isinstance(reply, dict) else None
        if reply_to and self.faults.refuse_replies:
            return problem(403, "You can only reply to or quote posts where you are mentioned or are the author.")
        if reply_to and not any(tweet.id == reply_to for tweet in self.tweets):
            return invalid("The post that is replied to does not exist.", **{"reply.in_reply_to_tweet_id": [reply_to]})
        now = self.world.clock()
        if self.faults.refuse_duplicates and any(
            tweet.account == user
            and tweet.text == text
            and tweet.reply_to == reply_to
            and now - tweet.at < DUPLICATE_HOURS * 3600
            for tweet in self.tweets
        ):
            return problem(403, "You are not allowed to create a Tweet with duplicate content.")
        tweet = Post(self.world.new_id(), user, text, now, reply_to=reply_to, media=[str(id_) for id_ in ids])
        self.tweets.append(tweet)
        shown = _shown(tweet)
        return Answer(201, {"data": {key: shown[key] for key in ("id", "text", "edit_history_tweet_ids")}})

    def show(self, _request: Request, _user: str, id_: str) -> Answer:
        """Handle GET /2/tweets/:id."""
        for tweet in self.tweets:
            if tweet.id == id_:
                return Answer(200, {"data": _shown(tweet, altered=self.faults.alter_texts)})
        return Answer(200, {"errors": [_not_found("id", id_)]})

    def delete(self, _request: Request, user: str, id_: str) -> Answer:
        """Handle DELETE /2/tweets/:id."""
        for tweet in self.tweets:
            if tweet.id == id_:
                if tweet.account != user:
                    return problem(403, "You are not authorized to delete this Tweet.")
                self.tweets.remove(tweet)
                return Answer(200, {"data": {"deleted": True}})
        return Answer(200, {"errors": [_not_found("id", id_)]})

    def me(self, request: Request, user: str) -> Answer:
        """Handle GET /2/users/me. Its post count is correct even if the timeline is made to lie."""
        data: dict[str, object] = {"id": user, "name": "Sandbox account", "username": f"sandbox_{user}"}
        if "public_metrics" in request.query.get("user.fields", "").split(","):
            visible = self.world.visible(self.tweets, self.faults.lag)
            data["public_metrics"] = {"tweet_count": sum(tweet.account == user for tweet in visible)}
        return Answer(200, {"data": data}, {"x-access-level": self.login.access_level})

    def timeline(self, request: Request, _user: str, id_: str) -> Answer:
        """Handle GET /2/users/:id/tweets: newest first, in pages."""
        query = request.query
        most = query.get("max_results", "10")
        if not most.isdecimal() or not 5 <= int(most) <= 100:
            return invalid(
                f"The `max_results` query parameter value [{most}] is not between 5 and 100", max_results=[most]
            )
        lie = self.faults.timeline.get("twitter")
        untrue: dict[str, dict[str, object]] = {
            "empty": {"meta": {"result_count": 0}},
            "object": {},
            "no-count": {"data": []},
            "errors": {"errors": [_not_found("id", id_)], "meta": {"result_count": 0}},
            "endless": {"meta": {"result_count": 0, "next_token": query.get("pagination_token", "0") + "1"}},
        }
        if lie in untrue:
            return Answer(200, untrue[lie])
        lag = 3600 if lie == "old" else self.faults.lag
        results = [tweet for tweet in self.world.visible(self.tweets, lag) if tweet.account == id_]
        if "since_id" in query and lie != "foreign":
            results = [tweet for tweet in results if int(tweet.id) > int(query["since_id"])]
        if "start_time" in query:
            start = datetime.fromisoformat(query["start_time"]).timestamp()
            results = [tweet for tweet in results if tweet.at >= start]
        if "replies" in query.get("exclude", "").split(","):
            results = [tweet for tweet in results if tweet.reply_to is None]
        start_at = int(query.get("pagination_token", "0"))
        page, after = results[start_at : start_at + int(most)], start_at + int(most)
        meta: dict[str, object] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0].id, "oldest_id": page[-1].id}
        if after < len(results):
            meta["next_token"] = str(after)
        fields = set(f"{query.get('tweet.fields', '')},{query.get('post.fields', '')}".split(","))
        always = {"id", "text", "edit_history_tweet_ids"}
        shown = [_shown(tweet, altered=self.faults.alter_texts) for tweet in page]
        if lie == "foreign":
            shown = [one | {"id": str(int(str(one["id"])) + 1), "author_id": "999"} for one in shown]
        data = [{key: value for key, value in one.items() if key in fields | always} for one in shown]
        if lie == "partial":
            data = data[len(data) // 2 :]
            return Answer(
                200, {"meta": meta | {"result_count": len(data)}, "data": data, "errors": [_not_found("id", id_)]}
            )
        return Answer(200, {"meta": meta} | ({"data": data} if data else {}))


class _Secrets:
    """The secrets in the shape that oauthlib's signing function expects."""

    def __init__(self, client_secret: str, token_secret: str) -> None:
        self.client_secret, self.resource_owner_secret = client_secret, token_secret


def _not_found(parameter: str, value: str) -> dict[str, str]:
    return {
        "value": value,
        "parameter": parameter,
        "title": "Not Found Error",
        "resource_type": "tweet",
        "detail": f"Could not find tweet with {parameter}: [{value}].",
        "type": "https://api.x.com/2/problems/resource-not-found",
    }


def _shown(tweet: Post, *, altered: bool = False) -> dict[str, object]:
    """Return a post as the API shows it: URLs shortened, and `&`, `<` and `>` escaped.

    With ``altered``, the text differs from what was posted.
    """
    text, urls = html.escape(tweet.text, quote=False), []
    if altered:
        text = altered_text(text)
    for number, url in enumerate(find_urls(tweet.text)):
        short = f"https://t.co/{tweet.id[-9:]}{number}"
        text = text.replace(html.escape(url, quote=False), short, 1)
        expanded = url if url.startswith("http") else f"http://{url}"
        urls.append({"url": short, "expanded_url": expanded, "display_url": url.partition("//")[2][:27]})
    if tweet.media:  # an attached picture is also a URL in the text
        short = f"https://t.co/{tweet.id[-9:]}p"
        text += f" {short}"
        photo = f"https://x.com/sandbox_{tweet.account}/status/{tweet.id}/photo/1"
        urls.append({"url": short, "expanded_url": photo, "display_url": f"pic.x.com/{tweet.id[-9:]}p"})
    shown: dict[str, object] = {
        "id": tweet.id,
        "text": text,
        "author_id": tweet.account,
        "created_at": datetime.fromtimestamp(tweet.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "edit_history_tweet_ids": [tweet.id],
    }
    if urls:
        shown["entities"] = {"urls": urls}
    if tweet.reply_to:
        shown["referenced_tweets"] = [{"type": "replied_to", "id": tweet.reply_to}]
    if tweet.media:
        shown["attachments"] = {"media_keys": [f"3_{id_}" for id_ in tweet.media]}
    return shown
