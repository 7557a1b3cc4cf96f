"""What a post looks like on X and on Facebook, closely enough to judge it by: for the sandbox's timelines and for the
operators' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment
from markupsafe import Markup, escape

from digestbot.model import Platform
from digestbot.text import find_urls

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "mockup.css").read_text(encoding="utf-8")
MOST_SHOWN = 27  # characters of an address that X shows; it cuts off the rest


@dataclass(frozen=True, slots=True)
class Shown:
    """A post as followers see it: ``address`` is where it is; ``pictures`` are their addresses (empty where there is
    none to show yet) with what they say to those who do not see them; ``link`` is attached (Facebook). ``thread``: the
    next post goes under it."""

    platform: Platform
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
        """The site of the link that is previewed: on Facebook the attached one, on X the last in the text."""
        found = [self.link] if self.link else find_urls(self.text) if self.platform is Platform.TWITTER else []
        return host(str(found[-1])) if found and not self.pictures else ""


def host(url: str) -> str:
    """The site of an address."""
    return urlsplit(url if "//" in url else f"http://{url}").netloc.removeprefix("www.")


def linked(text: str) -> Markup:
    """The text, its addresses as links in the short form that platforms show."""
    out, rest = Markup(), text
    for url in find_urls(text):
        before, _, rest = rest.partition(url)
        address = url if url.startswith("http") else f"http://{url}"
        short = address.partition("//")[2].removeprefix("www.")
        short = short if len(short) <= MOST_SHOWN else short[:MOST_SHOWN] + "…"
        out += escape(before) + Markup('<a href="{}" rel="nofollow noreferrer">{}</a>').format(address, short)
    return out + escape(rest)


def prepare(environment: Environment) -> None:
    """Let templates use ``mockup.html.j2``; their loader must look into FOLDER."""
    environment.filters |= {"linked": linked}
