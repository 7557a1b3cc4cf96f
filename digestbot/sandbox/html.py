"""The pages that show each timeline as a follower would see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from digestbot import mockup
from digestbot.mockup import Shown
from digestbot.model import Platform
from digestbot.sandbox.forms import Request
from digestbot.sandbox.world import Answer, Post, World

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """GET / and /x, /facebook, and the addresses in the receipts."""

    def __init__(self, world: World) -> None:
        self.world = world
        folders = [Path(__file__).parent / "pages", mockup.FOLDER]
        self._environment = Environment(loader=FileSystemLoader(folders), autoescape=True)
        mockup.prepare(self._environment)

    def answer(self, request: Request) -> Answer:
        """The page, picture, or 404."""
        if request.method not in ("GET", "HEAD"):
            return Answer(405, {"error": "GET only"})
        if match := re.fullmatch(r"/media/(\d+)", request.path):
            picture = self.world.pictures.get(match[1])
            if picture is None or not picture.content_type.startswith("image/"):
                return Answer(404, {"error": "no such picture"})
            return Answer(200, picture.content, _HEADERS, picture.content_type)
        with self.world.lock:
            tweets, posts = list(reversed(self.world.tweets)), list(reversed(self.world.page_posts))
        posts = [post for post in posts if post.published]
        timelines = [
            ("x", "X", [self._shown(Platform.TWITTER, one) for one in tweets]),
            ("facebook", "Facebook Page", [self._shown(Platform.FACEBOOK, one) for one in posts]),
        ]
        if request.path in ("/x", "/facebook"):
            timelines = [one for one in timelines if request.path == f"/{one[0]}"]
        elif request.path != "/":
            timelines = [
                (name, title, [one for one in shown if one.address == request.path])
                for name, title, shown in timelines
                if any(one.address == request.path for one in shown)
            ]
        if not timelines:
            return Answer(404, {"error": f"nothing here: {request.path.rpartition('/')[2]}"})
        page = self._environment.get_template("timelines.html.j2").render(timelines=timelines, style=mockup.STYLE)
        return Answer(200, page.encode(), _HEADERS, "text/html; charset=utf-8")

    def _shown(self, platform: Platform, post: Post) -> Shown:
        x = platform is Platform.TWITTER
        return Shown(
            platform,
            f"Sandbox {post.account}" if x else "Sandbox Page",
            post.text,
            datetime.fromtimestamp(post.at, UTC).strftime("%-d %b %Y, %H:%M UTC"),
            f"/i/web/status/{post.id}" if x else f"/{post.id}",
            post.link,
            [(f"/media/{id_}", self.world.pictures[id_].alt_text) for id_ in post.media if id_ in self.world.pictures],
            reply=post.reply_to is not None,
        )
