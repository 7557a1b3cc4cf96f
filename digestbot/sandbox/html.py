"""The pages that show each timeline as a follower would see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from digestbot.sandbox.forms import Request
from digestbot.sandbox.world import Answer, Post, World
from digestbot.text import find_urls

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """GET / and /x, /facebook, and the addresses in the receipts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._environment = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)
        self._environment.filters |= {"linked": _linked, "host": _host}
        self._environment.filters["when"] = lambda at: datetime.fromtimestamp(at, UTC).strftime("%-d %b %Y, %H:%M UTC")

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
        match request.path:
            case "/":
                pass
            case "/x":
                posts = []
            case "/facebook":
                tweets = []
            case path:
                id_ = path.rpartition("/")[2]
                tweets = [tweet for tweet in tweets if path == f"/i/web/status/{tweet.id}"]
                posts = [post for post in posts if path == f"/{post.id}"]
                if not tweets and not posts:
                    return Answer(404, {"error": f"nothing here: {id_}"})
        page = self._environment.get_template("timelines.html.j2").render(
            tweets=tweets, posts=posts, pictures=self.world.pictures, only=request.path
        )
        return Answer(200, page.encode(), _HEADERS, "text/html; charset=utf-8")


def _host(url: str) -> str:
    return urlsplit(url).netloc.removeprefix("www.")


def _linked(post: Post) -> Markup:
    """The text, its addresses as links in the short form that platforms show."""
    out, rest = Markup(), post.text
    for url in find_urls(post.text):
        before, _, rest = rest.partition(url)
        address = url if url.startswith("http") else f"http://{url}"
        short = address.partition("//")[2].removeprefix("www.")
        short = short if len(short) <= 40 else short[:39] + "…"
        out += escape(before) + Markup('<a href="{}" rel="nofollow noreferrer">{}</a>').format(address, short)
    return out + escape(rest)
