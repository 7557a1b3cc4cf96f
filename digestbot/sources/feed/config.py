"""The configuration of a feed source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from digestbot.infra.config_values import Size, WebAddress
from digestbot.infra.http_client import is_public
from digestbot.sources.base import SourceConfig


class FeedSource(SourceConfig):
    """``[sources.NAME]`` with ``kind = "feed"``: an RSS or Atom feed."""

    RESERVE_KEY = "backfill"

    kind: Literal["feed"]
    url: WebAddress
    allow_private_addresses: bool = False
    max_size: Size = 64 * 10**6
    backfill: str | None = None

    def identity(self) -> str:
        """Return the URL, which is equal for two sources that read the same feed."""
        return self.url

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield a problem if the URL visibly leads into a private network and that is not allowed."""
        if not self.allow_private_addresses and _is_private(urlsplit(self.url).hostname or ""):
            yield "url", "is an address of a private network: set allow_private_addresses = true, or correct it"


def _is_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:  # a host name: only a resolver can tell
        return host == "localhost"
