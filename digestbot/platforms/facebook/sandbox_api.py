"""The sandbox's version of the Graph API: the endpoints that a Page needs, with Meta's error bodies and rules."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, UploadedPicture, World, altered_text

LENGTH = 63_206
PHOTO_BYTES = 10 * 10**6
OLDEST_VERSION = (21, 0)
_PATH = re.compile(r"/(v\d+\.\d+)/.*")


def graph_error(status: int, code: int, message: str, kind: str = "OAuthException", **more: object) -> Answer:
    """Return an error answer in Meta's format."""
    error = {"message": message, "type": kind, "code": code, "fbtrace_id": "Asandbox"} | more
    return Answer(status, {"error": error})


class GraphApi:
    """The sandbox's version of the Graph API under /vNN.N/.

    With ``app_secret`` it also checks appsecret_proof.
    """

    def __init__(self, world: World, faults: Faults, app_secret: str | None = None) -> None:
        self.world, self.faults, self.app_secret = world, faults, app_secret
        self.posts = world.timelines["facebook"]
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST", r"/(\d+)/feed", self.feed),
            ("POST", r"/(\d+)/photos", self.photos),
            ("GET", r"/(\d+)/published_posts", self.published_posts),
            ("GET", r"/debug_token", self.debug_token),
            ("GET", r"/oauth/access_token", self.exchange),
            ("GET", r"/me/accounts", self.accounts),
            ("GET", r"/(\d+_\d+)", self.show),
            ("POST", r"/(\d+_\d+)", self.edit),
            ("DELETE", r"/(\d+_\d+)", self.delete),
            ("POST", r"/(\d+_\d+)/comments", self.comment),
            ("GET", r"/(\d+_\d+)/comments", self.comments),
            ("GET", r"/(\d+|me)", self.page),
        ]

    account_name = "Sandbox Page"

    def serves(self, path: str) -> bool:
        """Return True if the path belongs to the Graph API."""
        return _PATH.fullmatch(path) is not None

    def unauthorized(self) -> Answer:
        """Return the Graph API's answer to an invalid token."""
        return graph_error(400, 190, "Error validating access token: Session has expired.", error_subcode=463)

    def too_many_requests(self, retry_after: int | None) -> Answer:
        """Return the Graph API's rate limit answer; with ``retry_after`` (seconds) it says how long to wait."""
        headers = {}
        if retry_after is not None:
            usage = {"200": [{"type": "pages", "estimated_time_to_regain_access": max(1, retry_after // 60)}]}
            headers["X-Business-Use-Case-Usage"] = json.dumps(usage)
        return replace(graph_error(400, 32, "(#32) Page request limit reached"), headers=headers)

    def post_by_hand(self, text: str, link: str | None, at: float) -> Post:
        """Return a post as a person would write it."""
        return Post(f"200_{self.world.new_id()}", "200", text, at, link=link)

    def post_path(self, post: Post) -> str:
        """Return the path of the post's page."""
        return f"/{post.id}"

    def answer(self, request: Request) -> Answer:
        """Answer one call, without injected faults."""
        path = _PATH.fullmatch(request.path)
        version = path[1] if path else ""
        answer = self._answer(request, version)
        usage = json.dumps({"call_count": 1, "total_time": 1, "total_cputime": 1})
        return Answer(
            answer.status,
            answer.body,
            answer.headers | {"facebook-api-version": version, "X-App-Usage": usage},
            answer.content_type,
        )

    def _answer(self, request: Request, version: str) -> Answer:
        parameters = request.query | request.form
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip() or parameters.get(
            "access_token", ""
        )
        path = "/" + request.path.split("/", 2)[2] if request.path.count("/") > 1 else "/"
        if not token and path != "/oauth/access_token":
            return graph_error(400, 104, "An access token is required to request this resource.")
        number = tuple(int(part) for part in version.removeprefix("v").split("."))
        if number < OLDEST_VERSION:
            return graph_error(
                400,
                2635,
                "(#2635) You are calling a deprecated version of the API. Please update to the latest version.",
            )
        if self.app_secret is not None and path != "/oauth/access_token":
            proof = hmac.new(self.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            if parameters.get("appsecret_proof") != proof:
                return graph_error(
                    400, 100, "Invalid appsecret_proof provided in the API argument", "GraphMethodException"
                )
        for method, pattern, handler in self._routes:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                with self.world.lock:
                    return handler(request, parameters, *match.groups())
        return graph_error(
            400, 100, f"Unsupported {request.method.lower()} request.", "GraphMethodException", error_subcode=33
        )

    def feed(self, _request: Request, parameters: dict[str, str], page: str) -> Answer:
        """Handle POST /{page}/feed."""
        wrong = self._may(page, "pages_manage_posts")
        if wrong is not None:
            return wrong
        message, link = parameters.get("message", ""), parameters.get("link") or None
        try:
            photos = [str(photo["media_fbid"]) for photo in json.loads(parameters.get("attached_media", "[]"))]
        except (ValueError, TypeError, KeyError):
            return graph_error(400, 100, "(#100) Param attached_media must be an array of objects.")
        if any(photo not in self.world.pictures for photo in photos):
            return graph_error(400, 100, "(#100) Invalid parameter: attached_media")
        if not message.strip() and not link and not photos:
            return graph_error(400, 197, "(#197) The post is empty. Please enter a message to share.")
        if len(message) > LENGTH:
            return graph_error(400, 100, "(#100) Param message must be no more than 63206 characters long")
        post = Post(
            f"{page}_{self.world.new_id()}",
            page,
            message,
            self.world.clock(),
            link=link,
            media=photos,
            published=parameters.get("published", "true") != "false",
        )
        self.posts.append(post)
        return Answer(200, {"id": post.id})

    def photos(self, request: Request, parameters: dict[str, str], page: str) -> Answer:
        """Handle POST /{page}/photos."""
        wrong = self._may(page, "pages_manage_posts")
        if wrong is not None:
            return wrong
        if "source" not in request.files:
            return graph_error(400, 324, "(#324) Requires upload file")
        if self.faults.refuse_pictures:
            return graph_error(400, 324, "(#324) Missing or invalid image file")
        kind, content = request.files["source"]
        if len(content) > PHOTO_BYTES:
            return graph_error(400, 1, "Please reduce the amount of data you're asking for, then retry your request")
        picture = UploadedPicture(self.world.new_id(), content, kind, parameters.get("alt_text_custom", ""))
        self.world.pictures[picture.id] = picture
        if parameters.get("published", "true") == "false":
            return Answer(200, {"id": picture.id})
        post = Post(
            f"{page}_{self.world.new_id()}", page, parameters.get("caption", ""), self.world.clock(), media=[picture.id]
        )
        self.posts.append(post)
        return Answer(200, {"id": picture.id, "post_id": post.id})

    def published_posts(self, request: Request, parameters: dict[str, str], page: str) -> Answer:
        """Handle GET /{page}/published_posts: newest first, in pages."""
        wrong = self._may(page, "pages_read_engagement")
        if wrong is not None:
            return wrong
        lie = self.faults.timeline.get("facebook")
        untrue = self._untrue(request)
        if untrue is not None:
            return untrue
        found = self._published(page, 3600 if lie == "old" else self.faults.lag)
        if lie == "partial":
            older = [self._shown(post, {"id", "message", "created_time"}) for post in found[len(found) // 2 :]]
            error = {"message": "An unknown error occurred", "type": "OAuthException", "code": 1}
            return Answer(200, {"data": older, "error": error})
        if lie == "foreign":
            found = [replace(post, id=f"999_{post.id.partition('_')[2]}", account="999") for post in found]
        if parameters.get("since", "").isdecimal():
            found = [post for post in found if post.at >= int(parameters["since"])]
        return self._paged(request, parameters, found)

    def _untrue(self, request: Request) -> Answer | None:
        """Return the wrong answer that the sandbox was told to give; None to give the true one."""
        following = f"{request.url.partition('?')[0]}?after=again"
        answers: dict[str, dict[str, object]] = {
            "empty": {"data": []},
            "object": {},
            "no-count": {"data": []},
            "errors": {"error": {"message": "An unknown error occurred", "type": "OAuthException", "code": 1}},
            "endless": {"data": [], "paging": {"cursors": {"after": "again"}, "next": following}},
        }
        lie = self.faults.timeline.get("facebook", "")
        return Answer(200, answers[lie]) if lie in answers else None

    def _published(self, page: str, lag: float) -> list[Post]:
        visible = self.world.visible(self.posts, lag)
        return [post for post in visible if post.account == page and post.published and post.reply_to is None]

    def _may(self, page: str, scope: str) -> Answer | None:
        """Return an error if the token may not do this to the Page; None if it may."""
        if page not in self.world.pages:
            return self._gone(page)
        if scope not in self.world.scopes:
            return graph_error(403, 200, f"(#200) Requires {scope} permission")
        return None

    def _paged(self, request: Request, parameters: dict[str, str], found: list[Post]) -> Answer:
        most = parameters.get("limit", "25")
        if not most.isdecimal() or not 1 <= int(most) <= 100:
            return graph_error(400, 100, "(#100) Param limit must be at most 100")
        start = int(parameters.get("after") or "0")
        after = start + int(most)
        fields = set(parameters.get("fields", "id,message,created_time").split(","))
        data = [self._shown(post, fields) for post in found[start:after]]
        paging: dict[str, object] = {"cursors": {"before": str(start), "after": str(after)}} if data else {}
        if after < len(found):
            # the real API repeats the whole query, including the token
            paging["next"] = f"{request.url.partition('?')[0]}?access_token=SANDBOX&limit={most}&after={after}"
        return Answer(200, {"data": data} | ({"paging": paging} if paging else {}))

    def _shown(self, post: Post, fields: set[str]) -> dict[str, object]:
        shown: dict[str, object] = {
            "id": post.id,
            "created_time": datetime.fromtimestamp(post.at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
            "permalink_url": f"https://www.facebook.com/{post.id}",
        }
        shown["from"] = {"id": post.account, "name": "Sandbox Page"}
        if post.text:
            shown["message"] = altered_text(post.text) if self.faults.alter_texts else post.text
        if post.link:
            shim = f"https://l.facebook.com/l.php?u={quote(post.link, safe='')}&h=AT0sandbox&s=1"
            shown["attachments"] = {
                "data": [{"type": "share", "title": post.link, "target": {"url": shim}, "url": shim}]
            }
        return {key: value for key, value in shown.items() if key in fields | {"id"}}

    def show(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle GET /{post}."""
        fields = set(parameters.get("fields", "id,message,created_time").split(","))
        for post in self.posts:
            if post.id == id_:
                shown = self._shown(post, fields)
                if any(field.startswith("comments") for field in fields):
                    shown["comments"] = self._count(sum(one.reply_to == id_ for one in self.posts))
                return Answer(200, shown)
        return self._gone(id_)

    def edit(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle POST /{post}: a new message, or the publication of an unpublished post."""
        for post in self.posts:
            if post.id == id_:
                post.text = parameters.get("message", post.text)
                post.published = post.published or parameters.get("is_published") == "true"
                return Answer(200, {"success": True})
        return self._gone(id_)

    def delete(self, _request: Request, _parameters: dict[str, str], id_: str) -> Answer:
        """Handle DELETE /{post}."""
        for post in self.posts:
            if post.id == id_:
                self.posts.remove(post)
                return Answer(200, {"success": True})
        return self._gone(id_)

    def comment(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle POST /{post}/comments."""
        if not parameters.get("message", "").strip():
            return graph_error(400, 100, "(#100) Comment message cannot be empty")
        parent = next((post for post in self.posts if post.id == id_), None)
        if parent is None:
            return self._gone(id_)
        if "pages_manage_engagement" not in self.world.scopes:
            return graph_error(403, 200, "(#200) Requires pages_manage_engagement permission to comment as the Page")
        comment = Post(
            f"{id_.partition('_')[2]}_{self.world.new_id()}",
            parent.account,
            parameters["message"],
            self.world.clock(),
            reply_to=id_,
        )
        self.posts.append(comment)
        return Answer(200, {"id": comment.id})

    def comments(self, request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle GET /{post}/comments: oldest first unless another order is requested, in pages."""
        untrue = self._untrue(request)
        if untrue is not None:
            return untrue
        if all(post.id != id_ for post in self.posts):
            return self._gone(id_)
        found = [post for post in self.world.visible(self.posts, self.faults.lag) if post.reply_to == id_]
        if parameters.get("order") != "reverse_chronological":
            found.reverse()
        return self._paged(request, parameters, found)

    def _count(self, number: int) -> dict[str, object]:
        """Return a list summary with the total; the lie "no-count" leaves the total out."""
        if self.faults.timeline.get("facebook") == "no-count":
            return {"data": []}
        return {"data": [], "summary": {"total_count": number}}

    @staticmethod
    def _gone(id_: str) -> Answer:
        return graph_error(
            400,
            100,
            f"Unsupported get request. Object with ID '{id_}' does not exist, cannot be loaded due to missing "
            "permissions, or does not support this operation.",
            "GraphMethodException",
            error_subcode=33,
        )

    def page(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle GET /{page}, with the number of its posts if requested."""
        page = "200" if id_ == "me" else id_
        wrong = self._may(page, "pages_read_engagement")
        if wrong is not None:
            return wrong
        shown: dict[str, object] = {"id": page, "name": "Sandbox Page"}
        if "published_posts" in parameters.get("fields", ""):
            shown["published_posts"] = self._count(len(self._published(page, 0)))
        return Answer(200, shown)

    def accounts(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /me/accounts."""
        return Answer(200, {"data": [{"id": "200", "name": "Sandbox Page", "access_token": "sandbox-page-token"}]})

    def exchange(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /oauth/access_token."""
        return Answer(200, {"access_token": "sandbox-user-token", "token_type": "bearer", "expires_in": 5183944})

    def debug_token(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /debug_token."""
        data = {
            "app_id": "300",
            "type": "PAGE",
            "is_valid": self.world.token_ends >= 0,
            "expires_at": max(self.world.token_ends, 0),
            "data_access_expires_at": 0,
            "profile_id": "200",
            "scopes": self.world.scopes,
        }
        return Answer(200, {"data": data})
