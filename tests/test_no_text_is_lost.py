"""Whatever a summary's text is made of, it can be posted, and every word of its prose appears in the full text in order."""

from __future__ import annotations

import re
from itertools import count

import pytest
from helpers.basics import make_summary
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.config import Appearance
from digestbot.platforms.registry import PLATFORMS
from digestbot.rendering import template_views
from digestbot.rendering.renderer import Renderer, RenderTarget, SummaryView
from digestbot.text import Block, sanitize

WORD = re.compile(r"w\d+q", re.IGNORECASE)
# What stands around words of prose ("%s"); the words themselves are always shown.
AROUND = [
    "%s", "**%s**", "*%s*", "_%s_", "%s [%s](http://example.org/a_b)", r"\emph{%s}", r"\textbf{%s}", "<b>%s</b>", "<i>%s</i>", "(%s)",
    "\"%s\"", "`%s`", r"%s \cite{key}", "%s $x_{<t}$", "%s $p(x|y)$", "%s~5%%", r"%s \& co", "n<k %s", "if a<b %s b>c", "%s &amp; %s",
    "%s $$\\frac{a}{b}$$", "%s <br> %s", "%s (see Figure 3)", "%s [1]", "%s ![alt](http://example.org/p.png)", "{%s}", "%s :tada:",
    "%s H<sub>2</sub>O", "$5 %s $10", "%s < %s", "%s_%s", "%s\\%s", "%s ~~struck~~", "<span style=\"x\">%s</span>", "%s|%s", "#%s", "@%s",
]  # fmt: skip
BETWEEN = [" ", "\n", "\n\n", ". ", "; ", ", ", ".\n\n* ", "\n- ", "\n1. ", ".\n\n## ", "\n> ", " ## ", ". - ", ". * ", "\n\n%s.\n\n| a | b |\n|---|---|\n| c | d |\n\n%s.\n\n",
           "\n\n%s.\n\n```\ncode\n```\n\n%s.\n\n", "\n\n$$\\sum_i x_i$$\n\n", "\r\n\r\n", "\t", "\n\\begin{itemize}\\item ", " \\section{Title} ", "\u2028", "</p><p>",
           "\n---\n", "<!-- c -->", "\n\nTL;DR: ", "\n\n**Main idea:** "]  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A body, and the words of its prose in order."""
    numbers = count()
    words: list[str] = []

    def phrase() -> str:
        some = [f"w{next(numbers)}q" for _ in range(draw(st.integers(1, 5)))]
        words.extend(some)
        text = " ".join(some)
        return text.capitalize() if draw(st.booleans()) else text

    pieces = []
    for _ in range(draw(st.integers(1, 12))):
        around = draw(st.sampled_from(AROUND))
        pieces.append(re.sub("%s", lambda _: phrase(), around).replace("%%", "%"))
        pieces.append(re.sub("%s", lambda _: phrase(), draw(st.sampled_from(BETWEEN))))
    return f"{''.join(pieces)}\n\n{phrase()}.", words  # a heading at the end would be left out


def shown(body: str) -> list[str]:
    return [word.lower() for word in WORD.findall(SummaryView(make_summary(1, body=body), "").text)]


def render(body: str) -> None:
    for platform in PLATFORMS.values():
        for shape in ("single", "thread", "roundup"):
            drafts = Renderer().drafts(
                Appearance.model_validate({"shape": shape}),
                RenderTarget("all", "x", platform, {}),
                [make_summary(1, body=body)],
            )
            for draft in drafts:
                assert draft.message.text
                assert (
                    sanitize(re.sub(r"https?://\S+", "", draft.message.text))
                    == re.sub(r"https?://\S+", "", draft.message.text).strip()
                    or "\n" in draft.message.text
                )


@given(bodies())
@settings(max_examples=150)
def test_every_word_of_prose_is_shown_in_order(case: tuple[str, list[str]]) -> None:
    body, words = case
    assert shown(body) == words


@given(bodies(), st.data())
@settings(max_examples=60)
def test_a_text_cut_anywhere_can_be_posted(case: tuple[str, list[str]], data: st.DataObject) -> None:
    body, _ = case
    at = data.draw(st.integers(0, len(body)))
    cut = body[:at] + data.draw(st.sampled_from(["", "...", "…", "$$", "\\frac{"]))
    whole = WORD.findall(body.lower())
    found = shown(cut)
    assert found == [word for word in whole if word in found]
    render(cut)


@given(st.text(max_size=300) | st.text(alphabet="\\{}$<>*_`#-[]()!|~^&;:.\n abAB12", max_size=200))
@settings(max_examples=100)
def test_any_text_can_be_posted(body: str) -> None:
    render(body)


def test_a_text_that_cannot_be_read_carefully_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(body: str) -> list[Block]:
        raise ValueError("a bug")

    monkeypatch.setattr(template_views, "blocks", broken)
    template_views.readable_blocks.cache_clear()
    body = "It *works*,\nsaid @someone.\n\nSecond."
    assert SummaryView(make_summary(1, body=body), "").text == "It *works*, said someone.\n\nSecond."
    assert "shown as plain text" in caplog.text
    template_views.readable_blocks.cache_clear()
