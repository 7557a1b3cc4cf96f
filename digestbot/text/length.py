"""How long a text is in a platform's eyes.

X: twitter-text's configuration v3 (280 weighted characters; code points of the listed ranges weigh 1, all
others 2; an address weighs 23 whatever its length; text is normalised to NFC first). Two things are counted
on the safe side, never under X's own figure: an emoji sequence by its code points, and a name that only looks
like an address (without a protocol: `setup.py`, or under a top-level domain that may not exist) by the larger of
23 and its own weight.
Facebook: 63,206 characters, a figure of third parties.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from digestbot.model import Platform

URL_WEIGHT = 23
_HEAVY = re.compile("[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
_DOT_INSIDE = re.compile(r"\.[a-zA-Z]")  # every address has one, hardly any prose
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"
_ANY_LABEL = r"[a-z0-9\u00a1-\U0010ffff](?:[a-z0-9_\u00a1-\U0010ffff-]{0,62})"
_URL = re.compile(
    rf"(?:(?<![a-z0-9@$#＠＃])(?P<protocol>https?://)(?:{_ANY_LABEL}\.){{1,8}}|(?<![a-z0-9@$#＠＃_./-])(?:{_LABEL}\.){{1,8}})"
    r"(?P<tld>[a-z]{2,24})(?![a-z0-9_@-])"
    r"(?::\d{1,5})?"
    r"(?P<path>/(?:[a-z0-9!*';:=+,.$/%#\[\]\-_~@|&()]*[a-z0-9=_#/+-])?)?"
    r"(?P<query>\?[a-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@]*[a-z0-9\-_&=#/])?",
    re.IGNORECASE | re.ASCII,
)
# Of these it is sure that X knows them; an address under another weighs what is more.
_SURE = frozenset(["com", "org", "net", "edu", "gov", "int", "io", "ai", "info", "name", "dev", "app"])


def _matches(text: str) -> list[re.Match[str]]:
    return list(_URL.finditer(text)) if _DOT_INSIDE.search(text) else []


def find_urls(text: str) -> list[str]:
    """What X would make a link of, in the order of the text."""
    return [match[0] for match in _matches(unicodedata.normalize("NFC", text))]


def _weight(text: str) -> int:
    return len(text) + len(_HEAVY.findall(text))


def weighted_length(text: str) -> int:
    """The length that X compares with 280."""
    if text.isascii() and not _DOT_INSIDE.search(text):
        return len(text)
    text = unicodedata.normalize("NFC", text)
    total = _weight(text)
    for match in _matches(text):
        own = _weight(match[0])
        tld = match["tld"].lower()
        sure = match["protocol"] and (len(tld) == 2 or tld in _SURE)
        total += URL_WEIGHT - own if sure else max(URL_WEIGHT - own, 0)
    return total


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text that a platform takes, and how it counts."""

    most: int
    measure: Callable[[str], int]


LIMITS = {Platform.TWITTER: Limit(280, weighted_length), Platform.FACEBOOK: Limit(63_206, len)}
