"""What X counts, and what it makes a link of: twitter-text's rules, by cases of our own."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.platforms.registry import PLATFORMS
from digestbot.platforms.twitter.length import weighted_length
from digestbot.text import find_urls

FAMILY = "👨\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("I am a post", 11),
        ("é" * 10, 10),
        ("e\u0301" * 10, 10),  # normalised to one character each
        ("\ufb2c", 3),  # a composition that NFC takes apart
        ("の" * 140, 280),
        ("“quoted” – dashed — ‘so’", 24),
        ("∑", 2),
        ("ℝ𝒪", 4),
        ("\u2028", 2),
        ("\u200b", 1),
        ("x₁ + x² = 3", 12),
        ("𝄞", 2),
        ("\uffff", 2),
        # emoji
        ("😀", 2),
        ("☺", 2),
        ("☺\ufe0f", 2),
        ("©", 1),
        ("©\ufe0f", 2),
        ("1\ufe0f\u20e3#\u20e3", 4),
        ("🇩🇪🇫🇷", 4),
        ("🇩", 2),
        ("👍🏽", 2),
        (FAMILY, 2),
        (FAMILY * 140, 280),
        ("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", 2),
        ("a\u200db", 3),
        ("👨\u200d", 3),  # no sequence: the joiner counts for itself
        ("1 # *", 5),
        # addresses
        ("see https://example.org/a/very/long/path/that/goes/on?and=on&and=on#forever now", 31),
        ("http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15#anon", 23),
        ("(https://example.org/x).", 26),
        ("mail@example.org", 16),
        ("3.5 days, e.g. in Fig. 3", 24),
        ("setup.py", 23),
        ("https://a.example.org/x " * 12, 288),
        (f"https://example.org/{FAMILY}", 25),  # an emoji is no part of an address
        ("http://" + "a" * 64 + ".com", 75),  # no name server takes such a label
        ("http://" + "の" * 20 + ".com", 23),
        ("http://" + "の" * 64 + ".com", 139),
    ],
)
def test_weighted_length(text: str, length: int) -> None:
    assert weighted_length(text) == length


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        ("nothing here.", []),
        ("https://example.org", ["https://example.org"]),
        ("HTTPS://Example.ORG/A", ["HTTPS://Example.ORG/A"]),
        ("ftp://example.org", []),
        ("see example.org.", ["example.org"]),
        ("foo.co.jp t.co", ["foo.co.jp", "t.co"]),
        ("run setup.py, then README.md", ["setup.py", "README.md"]),
        ("works.It and arXiv.org", ["works.It", "arXiv.org"]),
        ("e.g. i.e. et al. 3.5 v1.2.3 a.b", []),
        ("foo.notatld", []),
        ("http://foo.notatld/", []),
        ("me@example.org", []),
        ("@example.org #example.org $example.org", []),
        ("-example.org _example.org .example.org /example.org", []),
        ("aexample.org+b", []),
        ("x,example.org;y", ["example.org"]),
        ("“example.org”", ["example.org"]),
        ("http://example.org:8080/login.php", ["http://example.org:8080/login.php"]),
        ("http://test_underscore.example.org", ["http://test_underscore.example.org"]),
        ("http://domain-dash_2314352345_dfasd.foo-cow_4352.com", []),
        ("http://www.-example.com/ http://www.example-.com/", []),
        ("http://example.org/a_(b)_(c)", ["http://example.org/a_(b)_(c)"]),
        ("http://example.org/a_(b(c)d)", ["http://example.org/a_(b(c)d)"]),
        ("(http://example.org/a)", ["http://example.org/a"]),
        ("http://example.org/a, http://example.org/b!", ["http://example.org/a", "http://example.org/b"]),
        ("http://example.org?a=b. http://example.org/?", ["http://example.org?a=b", "http://example.org/"]),
        ("http://example.org/#!/x", ["http://example.org/#!/x"]),
        ("http://example.org/Русские_слова", ["http://example.org/Русские_слова"]),
        ("http://example.org/日本", ["http://example.org/"]),
        ("http://example.orgの次", ["http://example.org"]),
        ("日本example.comの次", ["example.com"]),
        ("http://日本語.com http://☃.net/", ["http://日本語.com", "http://☃.net/"]),
        ("日本語.com", []),  # without a protocol only Latin letters make one
        ("müller.de", ["müller.de"]),
        ("http://xn--mller-kva.xn--p1ai/x", ["http://xn--mller-kva.xn--p1ai/x"]),
        ("http://пример.рф", ["http://пример.рф"]),
        ("\u2066http://example.org/\u2069", ["http://example.org/"]),
        ("https://t.co/abc123,def https://t.co/" + "a" * 41, ["https://t.co/abc123"]),
        ("example.com/path?x=1 a.com b", ["example.com/path?x=1", "a.com"]),
        ("http://a.com/日foo.com", ["http://a.com/", "foo.com"]),
        ("foo.com@bar foo.com+x foo.com-x", []),
        ("http://example.org/@name/x", ["http://example.org/@name/x"]),
        ("http://e\u0301.com", ["http://é.com"]),
    ],
)
def test_find_urls(text: str, urls: list[str]) -> None:
    assert find_urls(text) == urls


PIECES = ["a", "b", ".", "com", "://", "http", "/", "é", "日", "@", " ", "1", "-", "_", "(", ")", "?", "#", "👍", "🏽",
          "\u200d", "\ufe0f", "e\u0301"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_lengths_add_up(text: str) -> None:
    urls = find_urls(text)
    composed = unicodedata.normalize("NFC", text)
    at = 0
    for url in urls:
        assert composed.find(url, at) >= at  # each stands in the text, in this order
        at = composed.find(url, at) + len(url)
    assert 0 <= weighted_length(text) <= 2 * len(composed) + 23 * len(urls)
    assert weighted_length(f"{text} \n {text}") == 2 * weighted_length(text) + 3


@pytest.mark.parametrize(
    "piece",
    ["a.", "http://", "-", "a-", "com.", "日.com.", "(a", "!", "\u0300\u0316", "👨\u200d", "🇩🇪", "xn--a."],
)
def test_hostile_texts_cost_no_more_than_long_ones(piece: str) -> None:
    """What grew with the square of the length would take minutes here."""
    weighted_length(piece * 15_000)
    weighted_length("http://a.com/" + piece * 15_000 + ".com")


def test_limits_are_the_platforms() -> None:
    assert {name: platform.limit.most for name, platform in PLATFORMS.items()} == {"twitter": 280, "facebook": 63206}


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("It is good.an ablation", ["good.an"]),
        ("at foo.active now", ["foo.active"]),
        ("http://xn--はじめよう.com", []),
        ("https://t.co/abc?x=1 there", ["https://t.co/abc?x=1"]),
        ("ésee:https://t.co/abc", ["https://t.co/abc"]),
        ("a.b.chttps://t.co/AbC123xn--はじめよう.com.um", ["com.um"]),
        ("xn--80ak6aa92e.comは.jp/ab", ["xn--80ak6aa92e.comは.j"]),
    ],
)
def test_links_as_twitter_text_finds_them(text: str, urls: list[str]) -> None:
    assert find_urls(text) == urls
