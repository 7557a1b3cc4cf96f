"""A post's look on its platform, for the sandbox's timelines and the operator pages.

It is close enough to judge the post by. Each platform's folder has its own ``preview.html.j2`` and ``preview.css``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, FunctionLoader
from markupsafe import Markup, escape

from digestbot.platforms.registry import PLATFORMS, get_platform
from digestbot.text import find_urls

_FOLDER = Path(__file__).parent
MOST_SHOWN = 27  # characters of a URL; X cuts off the rest


@dataclass(frozen=True, slots=True)
class PostPreview:
    """A post as followers see it.

    ``platform`` is empty if it is no longer known. ``address`` is the post's URL. ``pictures`` are pairs of a URL
    (empty if there is nothing to show yet) and an alternative text. ``link`` is the attached link. ``thread`` is True
    if the next post is a reply to this one.
    """

    platform: str
    account: str
    text: str
    when: str = ""
    address: str = ""
    link: str | None = None
    pictures: Sequence[tuple[str, str]] = ()
    reply: bool = False
    thread: bool = False

    @property
    def site(self) -> str:
        """Return the host of the previewed link: the attached one, otherwise the last in the text; empty for none."""
        if self.pictures or not self.platform:
            return ""
        attached = get_platform(self.platform).attaches_links
        links = [self.link] if self.link else [] if attached else find_urls(self.text)
        return host(str(links[-1])) if links else ""


def preview_environment(pages: BaseLoader, **options: Any) -> Environment:
    """Return a Jinja environment for these pages, which may import ``post`` from ``post_preview.html.j2``."""
    loader = ChoiceLoader([pages, FileSystemLoader(_FOLDER), FunctionLoader(_platform_template)])
    made = Environment(loader=loader, autoescape=True, **options)
    made.filters |= {"linked": link_urls}
    return made


def style() -> str:
    """Return the CSS of all previews."""
    folders = [platform.folder for platform in PLATFORMS.values()]
    files = [_FOLDER / "post_preview.css", *(folder / "preview.css" for folder in folders)]
    return "".join(file.read_text(encoding="utf-8") for file in files if file.exists())


def _platform_template(name: str) -> str | None:
    """Return the template ``platforms/NAME/preview.html.j2``; None for any other name."""
    kind, _, rest = name.partition("/")
    platform, _, file = rest.partition("/")
    if kind != "platforms" or platform not in PLATFORMS or file != "preview.html.j2":
        return None
    return (PLATFORMS[platform].folder / file).read_text(encoding="utf-8")


def host(url: str) -> str:
    """Return the host of a URL, without a leading www."""
    return urlsplit(url if "//" in url else f"http://{url}").netloc.removeprefix("www.")


def link_urls(text: str) -> Markup:
    """Return the text as HTML, with its URLs as links in the short form that platforms show."""
    out, rest = Markup(), text
    for url in find_urls(text):
        before, _, rest = rest.partition(url)
        address = url if url.startswith("http") else f"http://{url}"
        short = address.partition("//")[2].removeprefix("www.")
        short = short if len(short) <= MOST_SHOWN else short[:MOST_SHOWN] + "…"
        out += escape(before) + Markup('<a href="{}" rel="nofollow noreferrer">{}</a>').format(address, short)
    return out + escape(rest)
