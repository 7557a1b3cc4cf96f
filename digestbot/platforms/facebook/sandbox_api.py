"""The sandbox's version of the Graph API: the endpoints that a Page needs, with Meta's error bodies and rules."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import replace

from digestbot.platforms.facebook.sandbox_login import GraphLogin
from digestbot.platforms.facebook.sandbox_reads import GraphReads, graph_error, no_such_object
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, UploadedPicture, World

LENGTH = 63_206
PHOTO_BYTES = 10 * 10**6
OLDEST_VERSION = (21, 0)
_WITHOUT_TOKEN = ("/oauth/access_token", "/dialog/oauth", "/device/login", "/device/login_status")
_PATH = re.compile(r"/(v\d+\.\d+)/.*")


class GraphApi:
    """The sandbox's version of the Graph API under /vNN.N/.

    With ``app_secret`` it also checks appsecret_proof.
    """

    def __init__(self, world: World, faults: Faults, app_secret: str | None = None) -> None:
        self.world, self.faults, self.app_secret = world, faults, app_secret
        self.posts = world.timelines["facebook"]
        self.reads = GraphReads(world, faults)
        self.login = GraphLogin(world, app_secret)
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST", r"/(\d+)/feed", self.feed),
            ("POST", r"/(\d+)/photos", self.photos),
            ("GET", r"/(\d+)/published_posts", self.reads.published_posts),
            ("GET", r"/dialog/oauth", self.login.dialog),
            ("POST", r"/device/login", self.login.device_login),
            ("POST", r"/device/login_status", self.login.device_status),
            ("GET", r"/oauth/access_token", self.login.exchange),
            ("GET", r"/debug_token", self.login.debug_token),
            ("GET", r"/me/permissions", self.login.permissions),
            ("GET", r"/me/accounts", self.login.accounts),
            ("GET", r"/me/businesses", self.login.own_businesses),
            ("GET", r"/(\d+)/owned_pages", self.login.owned_pages),
            ("GET", r"/(\d+)/client_pages", self.login.client_pages),
            ("GET", r"/(\d+_\d+)", self.reads.show),
            ("POST", r"/(\d+_\d+)", self.edit),
            ("DELETE", r"/(\d+_\d+)", self.delete),
            ("POST", r"/(\d+_\d+)/comments", self.comment),
            ("GET", r"/(\d+_\d+)/comments", self.reads.comments),
            ("GET", r"/(\d+|me)", self.reads.page),
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
        if not token and path not in _WITHOUT_TOKEN:
            return graph_error(400, 104, "An access token is required to request this resource.")
        number = tuple(int(part) for part in version.removeprefix("v").split("."))
        if number < OLDEST_VERSION:
            return graph_error(
                400,
                2635,
                "(#2635) You are calling a deprecated version of the API. Please update to the latest version.",
            )
        if self.app_secret is not None and path not in _WITHOUT_TOKEN:
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
        wrong = self.reads.may(page, "pages_manage_posts")
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
        wrong = self.reads.may(page, "pages_manage_posts")
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

    def edit(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle POST /{post}: a new message, or the publication of an unpublished post."""
        for post in self.posts:
            if post.id == id_:
                post.text = parameters.get("message", post.text)
                post.published = post.published or parameters.get("is_published") == "true"
                return Answer(200, {"success": True})
        return no_such_object(id_)

    def delete(self, _request: Request, _parameters: dict[str, str], id_: str) -> Answer:
        """Handle DELETE /{post}."""
        for post in self.posts:
            if post.id == id_:
                self.posts.remove(post)
                return Answer(200, {"success": True})
        return no_such_object(id_)

    def comment(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle POST /{post}/comments."""
        if not parameters.get("message", "").strip():
            return graph_error(400, 100, "(#100) Comment message cannot be empty")
        parent = next((post for post in self.posts if post.id == id_), None)
        if parent is None:
            return no_such_object(id_)
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
