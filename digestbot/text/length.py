"""How long a text is in a platform's eyes.

X: twitter-text's configuration v3: 280 weighted characters; code points of the listed ranges weigh 1, all others 2;
an emoji sequence weighs 2, an address 23 whatever its length; text is normalised to NFC first.
Facebook: 63,206 characters, a figure of third parties.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from digestbot.model import Platform
from digestbot.text.addresses import spans
from digestbot.text.characters import nfc

URL_WEIGHT = 23
EMOJI_WEIGHT = 2
_HEAVY = re.compile("[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
# What joins code points to one emoji: without any of these, each of them weighs 2 by itself already.
_JOINS = re.compile("[\u200d\ufe0f\u20e3\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_MAY_BEGIN = re.compile("[0-9#*](?=\ufe0f?\u20e3)|[^\x00-\xa8]")


def weighted_length(text: str) -> int:
    """The length that X compares with 280."""
    if text.isascii() and "." not in text:
        return len(text)
    text = nfc(text)
    total = done = 0
    for start, end in spans(text):
        total += _weight(text[done:start]) + URL_WEIGHT
        done = end
    return total + _weight(text[done:])


def _weight(text: str) -> int:
    """Of a text without addresses."""
    weight = len(text) + len(_HEAVY.findall(text))
    if not text.isascii() and _JOINS.search(text):
        weight += sum(EMOJI_WEIGHT - len(found) - len(_HEAVY.findall(found)) for found in _emoji(text))
    return weight


@cache
def _sequences() -> dict[str, list[str]]:
    """Every emoji of several code points by its first one, the longest first; the package emoji keeps the list."""
    from emoji import EMOJI_DATA  # here, for few texts have any

    found: dict[str, list[str]] = defaultdict(list)
    for sequence in sorted((one for one in EMOJI_DATA if len(one) > 1), key=len, reverse=True):
        found[sequence[0]].append(sequence)
    return dict(found)


def _emoji(text: str) -> Iterator[str]:
    """The emoji of several code points in the text."""
    known, at = _sequences(), 0
    for match in _MAY_BEGIN.finditer(text):
        if match.start() >= at:
            for sequence in known.get(match[0], ()):
                if text.startswith(sequence, match.start()):
                    yield sequence
                    at = match.start() + len(sequence)
                    break


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text that a platform takes, and how it counts."""

    most: int
    measure: Callable[[str], int]


LIMITS = {Platform.TWITTER: Limit(280, weighted_length), Platform.FACEBOOK: Limit(63_206, len)}
