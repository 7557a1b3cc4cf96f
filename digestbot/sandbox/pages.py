"""The sandbox's web pages, which show each timeline as a follower would see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import FileSystemLoader

from digestbot.platforms.base import SandboxApi
from digestbot.platforms.registry import PLATFORMS
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Post, World
from digestbot.rendering import post_preview
from digestbot.rendering.post_preview import PostPreview

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The handler of GET /, /PLATFORM, and the URLs in the receipts."""

    def __init__(self, world: World, apis: Mapping[str, SandboxApi]) -> None:
        self.world, self._apis = world, apis
        self._environment = post_preview.preview_environment(FileSystemLoader(Path(__file__).parent))

    def answer(self, request: Request) -> Answer:
        """Return the page or picture, or a 404 answer."""
        if request.method not in ("GET", "HEAD"):
            return Answer(405, {"error": "GET only"})
        if match := re.fullmatch(r"/media/(\d+)", request.path):
            picture = self.world.pictures.get(match[1])
            if picture is None or not picture.content_type.startswith("image/"):
                return Answer(404, {"error": "no such picture"})
            return Answer(200, picture.content, _HEADERS, picture.content_type)
        with self.world.lock:
            timelines = [
                (
                    name,
                    f"{PLATFORMS[name].title} {PLATFORMS[name].account_kind}",
                    [self._preview(name, post) for post in reversed(self.world.timelines[name]) if post.published],
                )
                for name in self._apis
            ]
        if request.path.removeprefix("/") in self._apis:
            timelines = [one for one in timelines if request.path == f"/{one[0]}"]
        elif request.path != "/":
            timelines = [
                (name, title, [one for one in posts if one.address == request.path])
                for name, title, posts in timelines
                if any(one.address == request.path for one in posts)
            ]
        if not timelines:
            return Answer(404, {"error": f"nothing here: {request.path.rpartition('/')[2]}"})
        page = self._environment.get_template("timelines.html.j2").render(
            timelines=timelines, platforms=[PLATFORMS[name] for name in self._apis], style=post_preview.style()
        )
        return Answer(200, page.encode(), _HEADERS, "text/html; charset=utf-8")

    def _preview(self, platform: str, post: Post) -> PostPreview:
        api = self._apis[platform]
        return PostPreview(
            platform,
            api.account_name,
            post.text,
            datetime.fromtimestamp(post.at, UTC).strftime("%-d %b %Y, %H:%M UTC"),
            api.post_path(post),
            post.link,
            [(f"/media/{id_}", self.world.pictures[id_].alt_text) for id_ in post.media if id_ in self.world.pictures],
            reply=post.reply_to is not None,
        )
