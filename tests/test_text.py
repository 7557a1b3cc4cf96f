"""Lengths as X counts them, Markdown and LaTeX as plain text, cutting, and taking the sting out."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.platforms.twitter.length import weighted_length
from digestbot.text import (
    ELLIPSIS,
    UNBROKEN,
    ascii_link,
    blocks,
    find_urls,
    first_image,
    plain_title,
    sanitize,
    split,
    truncate,
)
from digestbot.text.latex import to_unicode


def test_a_stores_links_are_found_whole() -> None:
    link = ascii_link("http://www.shortscience.org/paper?bibtexKey=10.1016/S0893-6080(98)00116-6#fünf")
    assert find_urls(f"x\n\n{link}") == [link]
    assert link.endswith("#f%C3%BCnf")
    for name in ("grace-h.", "what!", "(x)", "a,", "q?", "é", "@x", "a'"):
        whole = ascii_link(f"http://www.shortscience.org/paper?bibtexKey=k#{name}")
        assert find_urls(f"See {whole} and") == [whole]
    assert ascii_link(link) == link


@given(st.text(), st.integers(0, 400))
def test_cut_keeps_its_limit_and_the_beginning(text: str, most: int) -> None:
    for measure in (len, weighted_length):
        short = truncate(text, most, measure)
        assert measure(short) <= most or (measure(text) <= most and short == text)
        assert text.startswith(short.removesuffix("…").rstrip()) or short == ""
        assert truncate(short, most, measure) == short


@given(
    st.lists(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=12), min_size=2, max_size=60),
    st.integers(40, 200),
)
def test_cut_ends_at_words(words: list[str], most: int) -> None:
    text = " ".join(words)
    short = truncate(text, most)
    kept = short.removesuffix("…").rstrip().split(" ")
    assert kept == words[: len(kept)] or short == text


@given(
    st.lists(
        st.sampled_from(
            [
                "👨\u200d👩\u200d👧",
                "e\u0301\u0302",
                "क्षि",
                "🇩🇪",
                "👍🏽",
                "한국어",
                "神经",
                "x" * 50,
                " ",
                "word",
                ". ",
                "สวัสดี",
                "\xa0=\xa0",
            ]
        ),
        max_size=40,
    ).map("".join)
    | st.text(),
    st.integers(0, 120),
)
def test_cut_and_split_end_between_characters(text: str, most: int) -> None:
    import regex

    def is_boundary(at: int) -> bool:
        return at in {match.end() for match in regex.finditer(r"\X", text)} | {0}

    for measure in (len, weighted_length):
        kept = truncate(text, most, measure)
        if kept != text and kept:
            assert (
                is_boundary(len(kept.removesuffix(ELLIPSIS))) or text[len(kept.removesuffix(ELLIPSIS)) :][:1].isspace()
            )
        if most >= 20:
            parts = split(text, most, measure, first=most)
            assert all(measure(part) <= most for part in parts)


@given(st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=9), min_size=1, max_size=120), st.integers(25, 80))
def test_split_keeps_every_word(words: list[str], room: int) -> None:
    text = ". ".join(words) + "."
    parts = split(text, room, len, first=room)
    assert "".join(parts).replace(ELLIPSIS, "").replace(" ", "") == text.replace(" ", "")


def test_cut_prefers_sentences() -> None:
    text = "One sentence by Kingma et al. in 2014, e.g. this. Another of 3.5 words that goes on and on and on."
    assert truncate(text, 80) == "One sentence by Kingma et al. in 2014, e.g. this."
    assert truncate(text, 40) == "One sentence by Kingma et al. in 2014…"
    assert truncate("A learned x. The rest is too long for it", 20) == "A learned x."


def test_cut_in_text_without_spaces() -> None:
    assert truncate("神经网络" * 20, 10) == "神经网络神经网络神…"
    assert truncate("👩‍👩‍👧" * 9, 9).removesuffix("…").replace("👩‍👩‍👧", "") == ""
    assert truncate("x" * 50, 10) == "x" * 9 + "…"
    assert truncate("anything", 0) == ""
    assert truncate("anything", 4) == ""


@given(st.text())
def test_harmless_leaves_nothing_that_pings(text: str) -> None:
    calm = sanitize(text)
    assert sanitize(calm) == calm
    assert not re.search(r"(?<![A-Za-z0-9_])(?:[@＠]\w|[#＃]\d*[^\W\d]|[$＄][A-Za-z])", calm)
    assert not any(unicodedata.category(char) in ("Cc", "Co", "Cs") and char != "\n" for char in calm)
    assert not any(unicodedata.category(char) == "Cf" and char not in "\u200c\u200d" for char in calm)


def test_harmless_examples() -> None:
    assert (
        sanitize("Ask @someone, ＠other, see #tag or $TSLA; it costs $5")
        == "Ask someone, other, see tag or TSLA; it costs $5"
    )
    assert sanitize("@@foo ##tag $$AAPL @#both ＠@x") == "foo tag AAPL both x"
    assert (
        sanitize("me@example.org, issue #12, US$30 and C$5, 中@someone")
        == "me@example.org, issue #12, US$30 and C$5, 中someone"
    )
    assert sanitize("a\tb\r\nc\x85d\u2028e  f ") == "a b\nc d e f"
    assert sanitize("in\u202etxet\u200b \u2066x\u0007y") == "intxet xy"


BODY = r"""# Idea

Drop *recurrence*; let `q @ k` be $\mathrm{softmax}(QK^\top/\sqrt{d_k})V$ &amp; that's
all, see [the code]() and ![a plot]().

* one **item**
* [linked](http://example.org) item

| a | b |
|---|---|
| 1 | 2 |

```
code()
```

> quoted <b>bold</b>

$$\theta_t = \theta_{t-1} - \alpha \frac{\hat m_t}{\sqrt{\hat v_t}}$$
"""


def test_blocks() -> None:
    assert [(block.kind, block.text.replace(UNBROKEN, " ")) for block in blocks(BODY)] == [
        ("heading", "Idea"),
        ("paragraph", "Drop recurrence; let q @ k be softmax(QKᵀ/√dₖ)V & that's all, see the code."),
        ("item", "one item"),
        ("item", "linked item"),
        ("quotation", "quoted bold"),
        ("formula", "θₜ = θₜ₋₁ - α m̂ₜ/√v̂ₜ"),
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>A paragraph in HTML.</p>\n\nAnother.", "A paragraph in HTML. | Another."),
        ("<div>\nAll of it\n</div>", "All of it"),
        ("one<br>line two, H<sub>2</sub>O", "one line two, H₂O"),
        ("x<y and y>z", "x<y and y>z"),
        ("<script>alert(1)</script>\n\nafter", "after"),
        ("The **main idea", "The main idea"),
        ("study the **generalization*", "study the generalization"),
        ("See [the project page](http://example.com/pro", "See the project page"),
        ('A text with <a href="http://foo', "A text with"),
        ("We \\emph{really} mean \\textbf{it}", "We really mean it"),
        ("[code]() and ![a plot]()", ""),
        ("From $10 to $20, or 5$ at most", "From $10 to $20, or 5$ at most"),
        ("It costs $5M to $6M", "It costs $5M to $6M"),
        ("$5-$10 per run", "$5-$10 per run"),
        ("prices: $5 million, x $y$ z", "prices: $5 million, x y z"),
    ],
)
def test_bodies_as_readers_send_them(body: str, text: str) -> None:
    assert " | ".join(block.text for block in blocks(body)).replace(UNBROKEN, " ") == text


def test_a_bare_image_is_an_image() -> None:
    assert first_image("It works.\nhttps://i.imgur.com/abc.png\n") == ("https://i.imgur.com/abc.png", "")
    assert first_image("![a plot](http://e.org/a.png) https://i.imgur.com/abc.png") == ("http://e.org/a.png", "a plot")
    assert first_image("See https://example.org/page for more.") is None


@given(st.text())
def test_blocks_take_anything(text: str) -> None:
    for block in blocks(text):
        assert "\n" not in block.text
        assert block.text.strip()


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"\mathcal{O}(n \log n)", "𝒪(n log n)"),
        (r"x_{i+1}^2 \le \sum_{i=1}^n x_i", "xᵢ₊₁² ≤ ∑ᵢ₌₁ⁿ xᵢ"),
        (r"\mathbb{R}^{n \times m}", "ℝ^(n×m)"),
        (r"\frac{\partial L}{\partial w}", "∂L/∂w"),
        (r"10^{-4}", "10⁻⁴"),
        (r"\|x\|_2", "‖x‖₂"),
        (r"\badmacro{x} \frac{", "x"),
        (r"50\%", "50%"),
        (r"\sqrt[3]{x}", "³√x"),
        (r"\argmax_x f(x)", "arg maxₓ f(x)"),
    ],
)
def test_formulas(formula: str, text: str) -> None:
    assert to_unicode(formula).replace(UNBROKEN, " ") == text


@given(st.text(alphabet="\\{}_^$%&#abfrcsqt12 αβ[]()|~", max_size=40))
def test_formulas_leave_no_latex(formula: str) -> None:
    assert not re.search(r"[\\{}]|\$(?!\d)", to_unicode(formula))  # $5 may be meant


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Attention Is All You Need.", "Attention Is All You Need"),
        ("Deep learning &amp;amp; its discontents", "Deep learning & its discontents"),
        (r"An $\mathcal{O}(n)$ Algorithm for {BERT}", "An 𝒪(n) Algorithm for BERT"),
        ("What next...", "What next..."),
        ("From $5 to $6 a month", "From $5 to $6 a month"),
        ("  Two\n lines ", "Two lines"),
    ],
)
def test_titles(title: str, plain: str) -> None:
    assert plain_title(title) == plain
