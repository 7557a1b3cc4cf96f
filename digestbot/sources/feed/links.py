"""The links of feeds: their base (RFC 4287, RFC 3986), and the parameters by which sites track readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import unquote, urljoin, urlsplit

TRACKING = ("utm_*", "fbclid", "gclid", "mc_cid", "mc_eid")
"""The parameters that are removed from links by default."""
# More of them, which mean something else on other sites.
_OF_SITES = {
    "pubmed.ncbi.nlm.nih.gov": ("fc", "ff", "v"),
    "pubs.acs.org": ("ref",),
    "openreview.net": ("referrer",),
    "sciencedirect.com": ("dgcid",),
    "journals.sagepub.com": ("ai", "mi"),
}
_OF_FEEDS = re.compile(
    r"rss=(?:1|yes|true)|af=R|source=rss[\w-]*", re.IGNORECASE
)  # say that a reader came from the feed
LONGEST_LINK = 4_000  # characters
# A URL that no base changes: it has a host, and none of its parts is empty.
_ORDINARY = re.compile(r"https?://[A-Za-z0-9.-]*[A-Za-z0-9](?:/[^\s?#;]*)?(?:\?[^\s#]+)?(?:#\S+)?")


def host_of(url: str) -> str:
    """Return the URL's host in lower case, without "www."; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def is_host(host: str, site: str) -> bool:
    """Return whether a host is this site's or one below it."""
    return host == site or host.endswith(f".{site}")


def absolute(link: str, bases: Sequence[str]) -> str:
    """Return an HTTP URL for a link, which may be relative to the first base that is a URL itself.

    Raises ValueError if the link leads nowhere on the web.
    """
    link = re.sub(r"[\t\r\n]", "", link.strip())
    if len(link) > LONGEST_LINK:
        raise ValueError(f"its link has more than {LONGEST_LINK} characters")
    if _ORDINARY.fullmatch(link):
        return link
    try:
        base = next((one for one in bases if urlsplit(one).scheme in ("http", "https")), "")
        relative = not urlsplit(link).scheme
        result = "" if not link or (relative and re.search(r"\s", link)) else urljoin(base, link)
        parts = urlsplit(result)
        if parts.scheme in ("http", "https") and parts.hostname:
            return result
    except ValueError:
        pass
    raise ValueError(f"its link is not a web address ({link[:80]!r})")


def without_tracking(url: str, parameters: Sequence[str]) -> str:
    """Return the URL without query parameters of these names, in which ``*`` stands for anything. The rest of it is
    unchanged. With `TRACKING`, those that are known of single sites are removed too."""
    before, mark, rest = url.partition("?")
    if not mark:
        return url
    query, number_sign, fragment = rest.partition("#")
    host = host_of(url)
    names, default = [*parameters], tuple(parameters) == TRACKING
    if default:
        names += [name for site, more in _OF_SITES.items() if is_host(host, site) for name in more]
    kept = [
        one
        for one in query.split("&")
        if not (default and _OF_FEEDS.fullmatch(one))
        and not any(fnmatchcase(unquote(one.partition("=")[0]).lower(), name.lower()) for name in names)
    ]
    return before + ("?" + "&".join(kept) if any(kept) else "") + number_sign + fragment
