"""The length of a text by X's rules.

The rules are twitter-text's configuration v3. A post has at most 280 weighted characters. Code points in the listed
ranges weigh 1, all others 2. An emoji sequence weighs 2, a URL 23 whatever its length. Text is normalised to NFC first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from digestbot.text.graphemes import nfc
from digestbot.text.urls import url_spans

URL_WEIGHT = 23
EMOJI_WEIGHT = 2
_HEAVY = re.compile("[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
# Code points that join others into one emoji. Without them each emoji is one code point, which already weighs 2.
_JOINS = re.compile("[\u200d\ufe0f\u20e3\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_MAY_BEGIN = re.compile("[0-9#*](?=\ufe0f?\u20e3)|[^\x00-\xa8]")


def weighted_length(text: str) -> int:
    """Return the weighted length, which X compares with 280."""
    if text.isascii() and "." not in text:
        return len(text)
    text = nfc(text)
    total = done = 0
    for start, end in url_spans(text):
        total += _weight(text[done:start]) + URL_WEIGHT
        done = end
    return total + _weight(text[done:])


def _weight(text: str) -> int:
    """Return the weight of a text without URLs."""
    weight = len(text) + len(_HEAVY.findall(text))
    if not text.isascii() and _JOINS.search(text):
        weight += sum(EMOJI_WEIGHT - len(result) - len(_HEAVY.findall(result)) for result in _emoji(text))
    return weight


@cache
def _sequences() -> dict[str, list[str]]:
    """Return all emoji of several code points by their first one, longest first, from the package emoji."""
    from emoji import EMOJI_DATA  # imported here because few texts contain any

    results: dict[str, list[str]] = defaultdict(list)
    for sequence in sorted((one for one in EMOJI_DATA if len(one) > 1), key=len, reverse=True):
        results[sequence[0]].append(sequence)
    return dict(results)


def _emoji(text: str) -> Iterator[str]:
    """Yield the emoji in the text that consist of several code points."""
    known, at = _sequences(), 0
    for match in _MAY_BEGIN.finditer(text):
        if match.start() >= at:
            for sequence in known.get(match[0], ()):
                if text.startswith(sequence, match.start()):
                    yield sequence
                    at = match.start() + len(sequence)
                    break
