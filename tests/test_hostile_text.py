"""Text that was made to take long: every public function of `digestbot.text` needs time that grows with the length."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from digestbot import text
from digestbot.text import markdown
from digestbot.text.latex import prose

LENGTH = 20_000
SLOW = {"split": 2_000, "prose": 4_000}  # which are linear too, but do much for each character
LONG_ENOUGH = 0.05  # seconds: below that, nothing is worth comparing
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "blocks": text.blocks,
    "formulas": lambda given: text.blocks(given, []),
    "first_image": text.first_image,
    "plain_title": text.plain_title,
    "prose": prose,
    "to_unicode": text.to_unicode,
    "harmless": text.harmless,
    "unlinked": text.unlinked,
    "find_urls": text.find_urls,
    "weighted_length": text.weighted_length,
    "sentence_ends": text.sentence_ends,
    "cut": lambda given: text.cut(given, 280, text.weighted_length),
    "split": lambda given: text.split(given, 280, text.weighted_length, first=250),
}
PATTERNS = [
    "[", "![", "<!--", "<![CDATA[", "\\(", "\\[", "\\begin{align}", "<script", "<b ", "</", "<", "a.a.", "http://", "&#",
    "*", "_", "`", "$a", "{", "\\frac{", "^a", "@[1", "(see ![](", "[a](b", "e.g. ", "\u0301", "\u200d\U0001f600", "中.",
    "> ", "- ", "|", "\\left(",
]  # fmt: skip


def seconds(function: Callable[[str], object], given: str) -> float:
    """The least of some tries: what else the machine does only makes it more."""
    found = []
    for _ in range(3):
        begin = time.thread_time()
        function(given)
        found.append(time.thread_time() - begin)
        if found[-1] < LONG_ENOUGH:
            break
    return min(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_grows_with_the_length(name: str) -> None:
    function = FUNCTIONS[name]
    function("See [a](http://example.org) and $x$ \\alpha.")  # what is loaded once
    for pattern in PATTERNS:
        twice = pattern * (2 * SLOW.get(name, LENGTH) // len(pattern))
        taken = seconds(function, twice)
        if taken >= LONG_ENOUGH:
            assert taken <= 3.2 * seconds(function, twice[: len(twice) // 2]) + LONG_ENOUGH, pattern


def test_no_more_of_a_text_is_read_than_any_platform_takes() -> None:
    body = "A sentence. " * 40_000
    assert sum(len(block.text) for block in text.blocks(body)) <= markdown.MOST_BODY
    assert text.first_image("a" * markdown.MOST_BODY + " ![a](http://example.org/a.png)") is None
