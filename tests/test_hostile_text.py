"""Text that was made to take long: every public function of `digestbot.text` needs time that grows with the length."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from digestbot import text
from digestbot.platforms.twitter.length import weighted_length
from digestbot.sources.feed.authors import paper_authors, person_name
from digestbot.sources.feed.dates import parse_date
from digestbot.sources.feed.entry_text import choose_text, without_boilerplate, without_pointers
from digestbot.sources.feed.html import to_markdown
from digestbot.sources.feed.links import TRACKING, without_tracking
from digestbot.text import markdown
from digestbot.text.latex import prose_to_unicode

LENGTH = 20_000
SLOW = {"split": 2_000, "prose": 4_000}  # which are linear too, but do much for each character
LONG_ENOUGH = 0.05  # seconds: below that, nothing is worth comparing
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "blocks": text.blocks,
    "formulas": lambda given: text.blocks(given, []),
    "first_image": text.first_image,
    "plain_title": text.plain_title,
    "prose": prose_to_unicode,
    "to_unicode": text.to_unicode,
    "harmless": text.sanitize,
    "unlinked": text.defang_urls,
    "find_urls": text.find_urls,
    "weighted_length": weighted_length,
    "sentence_ends": text.sentence_ends,
    "cut": lambda given: text.truncate(given, 280, weighted_length),
    "excerpt": lambda given: text.Excerpt.of(text.blocks(given)).within(180, weighted_length),
    "plain_blocks": text.plain_blocks,
    "section_of": text.section_of,
    "sentences": text.sentences,
    "spoken": text.spoken,
    "split": lambda given: text.split(given, 280, weighted_length, first=250),
    "to_markdown": to_markdown,
    "without_pointers": without_pointers,
    "without_boilerplate": without_boilerplate,
    "choose_text": lambda given: choose_text(f"{given}...", given, "auto"),
    "choose_longer": lambda given: choose_text(given[: len(given) // 2], given, "auto"),
    "person_name": person_name,
    "paper_authors": lambda given: paper_authors({"author": given}, plain_commas=False),
    "parse_date": parse_date,
    "without_tracking": lambda given: without_tracking(f"https://a.example/?{given}", TRACKING),
}
PATTERNS = [
    "[", "![", "<!--", "<![CDATA[", "\\(", "\\[", "\\begin{align}", "<script", "<b ", "</", "<", "a.a.", "http://", "&#",
    "*", "_", "`", "$a", "{", "\\frac{", "^a", "@[1", "(see ![](", "[a](b", "e.g. ", "\u0301", "\u200d\U0001f600", "中.",
    "> ", "- ", "|", "\\left(", "## A ", " * B", " 1. C", "and \ue003 ", "![]() and ", "\\emph{", "\\cite{", "\\'{e", "Code: ",
    "(see ", "as shown in ", "**A:** ", "Summary: ", "<sup>2", "<b a=b ", "it is a task ", "we ", "i ", "\\begin{itemize}\\item ",
    "https://a.b/c.png ", "Fig. 1 and ", "<p>", "<p", "</ul><li>", "doi:10.1000/a ", "a@b ", "(", "2026 ", "a\n\n", "a, ", "&a=", "``a", "<math>", "</math>", "<math><mi>x</mi></math>", "1*1", "Strengths: a",
]  # fmt: skip


TRIES = 3 * 5  # of which the fastest counts: what else the machine does only makes a time longer


def seconds(function: Callable[[str], object], given: str) -> float:
    begin = time.thread_time()
    function(given)
    return time.thread_time() - begin


def is_linear(function: Callable[[str], object], given: str) -> bool:
    """Whether the whole takes no more than about twice as long as the half. Both are timed in turn, so that a machine
    that becomes faster or slower meanwhile changes both."""
    half = given[: len(given) // 2]
    once, twice = math.inf, seconds(function, given)
    for _ in range(TRIES):
        if twice < LONG_ENOUGH:
            return True
        once = min(once, seconds(function, half), seconds(function, half))
        if twice <= 3 * once + LONG_ENOUGH:
            return True
        twice = min(twice, seconds(function, given))
    return False


@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_grows_with_the_length(name: str) -> None:
    function = FUNCTIONS[name]
    function("See [a](http://example.org) and $x$ \\alpha.")  # what is loaded once
    for pattern in PATTERNS:
        assert is_linear(function, pattern * (2 * SLOW.get(name, LENGTH) // len(pattern))), pattern


@pytest.mark.parametrize(("power", "linear"), [(1.0, True), (1.2, True), (2.0, False), (3.0, False)])
def test_the_comparison_finds_time_that_grows_with_the_square(
    monkeypatch: pytest.MonkeyPatch, power: float, linear: bool
) -> None:
    now = 0.0

    def work(given: str) -> None:
        nonlocal now
        now += (len(given) / 1000) ** power

    monkeypatch.setattr(time, "thread_time", lambda: now)
    assert is_linear(work, "a" * 4_000) is linear


def test_no_more_of_a_text_is_read_than_any_platform_takes() -> None:
    body = "A sentence. " * 40_000
    assert sum(len(block.text) for block in text.blocks(body)) <= markdown.MOST_BODY
    assert text.first_image("a" * markdown.MOST_BODY + " ![a](http://example.org/a.png)") is None
