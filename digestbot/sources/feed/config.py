"""The configuration of a feed source."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from digestbot import __version__
from digestbot.infra.config_values import Secret, Size, WebAddress
from digestbot.infra.http_client import is_public
from digestbot.sources.base import SourceConfig
from digestbot.sources.feed.links import TRACKING

PROJECT_URL = "https://www.shortscience.org"  # where a server's owner can look up what this is; see `user_agent`
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = ("host", "accept-encoding", "if-none-match", "if-modified-since", "content-length", "connection", "user-agent")


class FeedLayout(StrEnum):
    """What the entries of a feed are: summaries in ShortScience's format, papers with their abstracts, or articles."""

    AUTO = "auto"
    SHORTSCIENCE = "shortscience"
    PAPERS = "papers"
    BLOG = "blog"


class Identity(StrEnum):
    """What an entry is recognised by."""

    AUTO = "auto"
    GUID = "guid"
    LINK = "link"
    TITLE = "title"


class TextElement(StrEnum):
    """Which element of an entry has its text."""

    AUTO = "auto"
    SUMMARY = "summary"
    CONTENT = "content"


class FeedWindow(StrEnum):
    """Which entries a feed shows: the newest ones, or those of one day. By default, digestbot learns which."""

    AUTO = "auto"
    DAILY = "daily"


class FutureDates(StrEnum):
    """What happens to an entry whose date is in the future: it is read like any other, or once its date has come."""

    POST = "post"
    WAIT = "wait"


def _headers(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError('write a table of names and values, such as { "X-Api-Key" = "…" }')
    for name, text in value.items():
        content = text.get_secret_value() if isinstance(text, SecretStr) else text
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            reason = (
                "use user_agent"
                if name.lower() == "user-agent"
                else "digestbot sets it"
                if name.lower() in _OURS
                else "no spaces, no colon"
            )
            raise ValueError(f"{name!r} cannot be set here: {reason}")
        if not isinstance(content, str) or not content.isascii() or not content.isprintable():
            raise ValueError(f"the value of {name} must be text of plain printable characters")
    return value


Headers = Annotated[dict[str, SecretStr], BeforeValidator(_headers)]


class FeedSource(SourceConfig):
    """``[sources.NAME]`` with ``kind = "feed"``: an RSS, Atom or JSON feed."""

    RESERVE_KEY = "backfill"

    kind: Literal["feed"]
    url: WebAddress
    layout: FeedLayout = FeedLayout.AUTO
    identity: Identity = Identity.AUTO
    text: TextElement = TextElement.AUTO
    window: FeedWindow = FeedWindow.AUTO
    future: FutureDates = FutureDates.POST
    strip_parameters: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*\[\]-]{1,100}$")], ...] = TRACKING
    headers: Headers = Field(default_factory=dict)
    user_agent: Annotated[str, Field(pattern=r"^[ -~]{1,300}$")] | None = None
    username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]{1,200}$")] | None = None
    password: Secret | None = None
    token: Secret | None = None
    allow_private_addresses: bool = False
    max_size: Size = 64 * 10**6
    backfill: str | None = None

    @model_validator(mode="after")
    def _one_login(self) -> FeedSource:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both, or neither")
        given = [self.token is not None, self.username is not None, "authorization" in map(str.lower, self.headers)]
        if sum(given) > 1:
            raise ValueError("set only one of token, username with password, and the header Authorization")
        return self

    def content_identity(self) -> str:
        """Return the URL, which is equal for two sources that read the same feed."""
        return self.url

    def keys_are_certain(self) -> bool:
        """Return True if the operator has chosen what entries are recognised by."""
        return self.identity is not Identity.AUTO

    def request_headers(self) -> dict[str, str]:
        """Return the HTTP headers to send with each request, among them secrets."""
        headers = {"User-Agent": self.user_agent or f"digestbot/{__version__} (+{PROJECT_URL})"}
        headers |= {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.username is not None and self.password is not None:
            login = f"{self.username}:{self.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return headers

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield a problem if the URL visibly leads into a private network and that is not allowed."""
        if not self.allow_private_addresses and _is_private(urlsplit(self.url).hostname or ""):
            yield "url", "is an address of a private network: set allow_private_addresses = true, or correct it"


def _is_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:  # a host name: only a resolver can tell
        return host == "localhost"
