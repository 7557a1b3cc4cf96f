"""What the sandbox's Graph API shows: a Page, its posts, their comments. It lies here when it is told to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, World, altered_text


def graph_error(status: int, code: int, message: str, kind: str = "OAuthException", **more: object) -> Answer:
    """Return an error answer in Meta's format."""
    error = {"message": message, "type": kind, "code": code, "fbtrace_id": "Asandbox"} | more
    return Answer(status, {"error": error})


def no_such_object(id_: str) -> Answer:
    """Return the Graph API's answer for an object that does not exist."""
    return graph_error(
        400,
        100,
        f"Unsupported get request. Object with ID '{id_}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation.",
        "GraphMethodException",
        error_subcode=33,
    )


class GraphReads:
    """The GET endpoints of a Page."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults = world, faults
        self.posts = world.timelines["facebook"]

    def may(self, page: str, scope: str) -> Answer | None:
        """Return an error if the token may not do this to the Page; None if it may."""
        if page not in self.world.pages:
            return no_such_object(page)
        if scope not in self.world.scopes:
            return graph_error(403, 200, f"(#200) Requires {scope} permission")
        return None

    def published_posts(self, request: Request, parameters: dict[str, str], page: str) -> Answer:
        """Handle GET /{page}/published_posts: newest first, in pages."""
        wrong = self.may(page, "pages_read_engagement")
        if wrong is not None:
            return wrong
        lie = self.faults.timeline.get("facebook")
        untrue = self._untrue(request)
        if untrue is not None:
            return untrue
        result = self._published(page, 3600 if lie == "old" else self.faults.lag)
        if lie == "partial":
            older = [self._shown(post, {"id", "message", "created_time"}) for post in result[len(result) // 2 :]]
            error = {"message": "An unknown error occurred", "type": "OAuthException", "code": 1}
            return Answer(200, {"data": older, "error": error})
        if lie == "foreign":
            result = [replace(post, id=f"999_{post.id.partition('_')[2]}", account="999") for post in result]
        if parameters.get("since", "").isdecimal():
            result = [post for post in result if post.at >= int(parameters["since"])]
        return self._paged(request, parameters, result)

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

    def _paged(self, request: Request, parameters: dict[str, str], result: list[Post]) -> Answer:
        most = parameters.get("limit", "25")
        if not most.isdecimal() or not 1 <= int(most) <= 100:
            return graph_error(400, 100, "(#100) Param limit must be at most 100")
        start = int(parameters.get("after") or "0")
        after = start + int(most)
        fields = set(parameters.get("fields", "id,message,created_time").split(","))
        data = [self._shown(post, fields) for post in result[start:after]]
        paging: dict[str, object] = {"cursors": {"before": str(start), "after": str(after)}} if data else {}
        if after < len(result):
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
        return no_such_object(id_)

    def comments(self, request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle GET /{post}/comments: oldest first unless another order is requested, in pages."""
        untrue = self._untrue(request)
        if untrue is not None:
            return untrue
        if all(post.id != id_ for post in self.posts):
            return no_such_object(id_)
        results = [post for post in self.world.visible(self.posts, self.faults.lag) if post.reply_to == id_]
        if parameters.get("order") != "reverse_chronological":
            results.reverse()
        return self._paged(request, parameters, results)

    def _count(self, number: int) -> dict[str, object]:
        """Return a list summary with the total; the lie "no-count" leaves the total out."""
        if self.faults.timeline.get("facebook") == "no-count":
            return {"data": []}
        return {"data": [], "summary": {"total_count": number}}

    def page(self, _request: Request, parameters: dict[str, str], id_: str) -> Answer:
        """Handle GET /{page}, with the number of its posts if requested."""
        page = "200" if id_ == "me" else id_
        wrong = self.may(page, "pages_read_engagement")
        if wrong is not None:
            return wrong
        shown: dict[str, object] = {"id": page, "name": "Sandbox Page"}
        if "published_posts" in parameters.get("fields", ""):
            shown["published_posts"] = self._count(len(self._published(page, 0)))
        return Answer(200, shown)
