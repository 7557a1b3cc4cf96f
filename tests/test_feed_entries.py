"""The parts of reading an entry: its date, its links, its authors, its text, its HTML; and what the network may do."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from helpers.feeds import item, rss
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from test_fetch import fetcher, http, server

from digestbot.domain.dedup import same_page
from digestbot.domain.errors import SourceError, SourceGone
from digestbot.domain.model import Genre, Paper, Summary
from digestbot.rendering.template_views import PaperView, author_line
from digestbot.sources.feed.authors import paper_authors, person_name
from digestbot.sources.feed.config import FeedSource
from digestbot.sources.feed.dates import parse_date
from digestbot.sources.feed.entry_text import choose_text, without_boilerplate
from digestbot.sources.feed.html import to_markdown
from digestbot.sources.feed.links import TRACKING, absolute, without_tracking
from digestbot.sources.feed.parse import parse_feed
from digestbot.sources.fetch import Fetcher

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 25 Nov 2026 12:00:00 +0000", NOON),
        ("25 Nov 2026 13:00 +0100", NOON),
        ("Wed, 25 Nov 26 07:00:00 EST", NOON),
        ("Wednesday, 25 November 2026 12:00:00 GMT", NOON),
        ("2026-11-25T12:00:00Z", NOON),
        ("2026-11-25T12:00:00.000Z", NOON),
        ("2026-11-25 14:00:00 +02:00", NOON),
        ("2026-11-25t12:00z", NOON),
        ("2026-11-25", datetime(2026, 11, 25, tzinfo=UTC)),
        ("Wed, 25 Nov 2026 23:59:60 GMT", datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC)),
        ("Fri, 25 September 26 12:00 GMT", datetime(2026, 9, 25, 12, tzinfo=UTC)),
        ("25 sept. 2026 12:00:00 Z", datetime(2026, 9, 25, 12, tzinfo=UTC)),
        ("Wed, 25 Nove 2026 12:00:00 GMT", None),
        ("Wed, 25 Nov 2026 12:00:00 AEDT", None),
        ("Wed, 25 Nov 2026 12:00:00 CET", None),
        ("Wed, 25 Nov 2026", None),
        ("25.11.2026 12:00", None),
        ("11/25/2026", None),
        ("25/11", None),
        ("1795608000", None),
        ("mer., 25 nov. 2026 12:00:00 +0100", datetime(2026, 11, 25, 11, 0, tzinfo=UTC)),
        ("Mi, 25 Dez 2026 12:00:00 +0100", None),
        ("2026-02-30", None),
        ("Wed, 32 Nov 2026 12:00:00 GMT", None),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_a_date_is_understood_whole_or_not_at_all(text: str, expected: datetime | None) -> None:
    assert parse_date(text) == expected


@given(st.text(max_size=60))
def test_no_text_is_too_odd_for_a_date(text: str) -> None:
    parse_date(text)


@pytest.mark.parametrize(
    ("link", "bases", "expected"),
    [
        ("/p/1", ["https://a.example/x/feed.xml"], "https://a.example/p/1"),
        ("p/1", ["", "https://a.example/x/"], "https://a.example/x/p/1"),
        ("//b.example/p", ["https://a.example/"], "https://b.example/p"),
        ("https://a.example/p q", [], "https://a.example/p q"),
        (" https://a.example/\n p ", [], "https://a.example/ p"),
    ],
)
def test_relative_links_have_a_base(link: str, bases: list[str], expected: str) -> None:
    assert absolute(link, bases) == expected


@given(
    st.from_regex(r"https?://[a-z0-9.]{1,8}(?::\d{1,3})?(?:[/?#;.&%@\[\]é~a-]{0,12})", fullmatch=True),
    st.sampled_from([(), ("https://a.example/x/feed.xml",), ("http://a.example",)]),
)
def test_a_whole_url_is_resolved_as_urljoin_does(link: str, bases: tuple[str, ...]) -> None:
    try:
        expected = urljoin(next(iter(bases), ""), link)
        has_host = bool(urlsplit(expected).hostname)
    except ValueError:
        has_host = False
    if has_host:
        assert absolute(link, bases) == expected


@pytest.mark.parametrize(
    "link", ["", "mailto:a@b.example", "ftp://a/b", "javascript:alert(1)", "http://", "no address", "/p"]
)
def test_what_leads_nowhere_is_said(link: str) -> None:
    with pytest.raises(ValueError, match="its link is not a web address"):
        absolute(link, ["file:///etc/passwd", "mailto:x"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/p?utm_source=x&id=7&UTM_Medium=y#top", "https://a.example/p?id=7#top"),
        ("https://a.example/p?utm_source=x", "https://a.example/p"),
        ("https://a.example/p?v=1&ff=2", "https://a.example/p?v=1&ff=2"),
        ("https://pubmed.ncbi.nlm.nih.gov/1/?fc=1&ff=2&v=3", "https://pubmed.ncbi.nlm.nih.gov/1/"),
        ("https://www.biorxiv.org/content/1v1?rss=1", "https://www.biorxiv.org/content/1v1"),
        ("https://a.example/p?q=%C3%A4&x=a+b", "https://a.example/p?q=%C3%A4&x=a+b"),
        ("https://[bad/p?utm_source=x", "https://[bad/p"),
    ],
)
def test_tracking_parameters_go(url: str, expected: str) -> None:
    assert without_tracking(url, TRACKING) == expected


def test_the_operator_says_what_is_stripped() -> None:
    assert without_tracking("https://a.example/?ref=x&utm_source=y", ["ref"]) == "https://a.example/?utm_source=y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@site.example (Ada Example)", "Ada Example"),
        ("Ada Example <ada@site.example>", "Ada Example"),
        ("Ada Example (ada@site.example)", "Ada Example"),
        ("ada@site.example", ""),
        ("<ada@site.example>", ""),
        ("Ada @ home", "Ada @ home"),
        ("Ada Example", "Ada Example"),
        ("Anonymous", ""),
        ("noreply@blogger.com (Unknown)", ""),
    ],
)
def test_an_address_is_never_a_name(text: str, expected: str) -> None:
    assert person_name(text) == expected


def entry(*names: str) -> dict[str, Any]:
    return {"authors": [{"name": name} for name in names], "author": names[-1] if names else ""}


@pytest.mark.parametrize(
    ("names", "commas", "expected"),
    [
        (["Ada Example, B\\'ela Muster, Chen Wei"], True, ("Ada Example", "B\\'ela Muster", "Chen Wei")),
        (["Ada Example, Chen Wei"], True, ("Ada Example", "Chen Wei")),
        (["Ada Example, Chen Wei"], False, ("Ada Example", "Chen Wei")),
        (["Plato"], True, ("Plato",)),
        (["Wei, C., Muster, B. A."], False, ("C. Wei", "B. A. Muster")),
        (["Wei, Chen"], False, ("Chen Wei",)),
        (["Ada Example", "Bela Muster"], False, ("Ada Example", "Bela Muster")),
        (["Ada Example (MIT), Chen Wei (ETH (Zurich))"], True, ("Ada Example", "Chen Wei")),
        (["Ada Example", "Ada Example"], False, ("Ada Example",)),
        ([], False, ()),
    ],
)
def test_all_authors_in_order(names: list[str], commas: bool, expected: tuple[str, ...]) -> None:
    assert paper_authors(entry(*names), plain_commas=commas) == expected


def test_several_authors_with_addresses() -> None:
    more = "<author>bela.muster@site.example (Bela Muster)</author>"
    (summary,) = parse_feed(rss([item(1, author="ada.private@site.example (Ada Example)", more=more)])).summaries
    assert summary.writer == "Ada Example and Bela Muster"


@pytest.mark.parametrize(
    ("summary", "content", "wanted", "expected"),
    [
        ("One two thr...", "<p>One two three four.</p>", "auto", "content"),
        ("One two […]", "<p>Three four five six.</p>", "auto", "content"),
        ("One two", "<p>One <b>two</b> three</p>", "auto", "content"),
        ("An editor's own words", "<p>The whole article, which is long.</p>", "auto", "summary"),
        ("A long summary of it all", "Short", "auto", "summary"),
        ("", "Content", "auto", "content"),
        ("Summary", "", "content", "summary"),
        ("Summary", "Content", "content", "content"),
        ("Stub...", "Content is longer", "summary", "summary"),
    ],
)
def test_which_text_an_entry_has(summary: str, content: str, wanted: str, expected: str) -> None:
    assert choose_text(summary, content, wanted) == {"summary": summary, "content": content}[expected]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("x<y and y>z", "x<y and y>z"),
        ("text <b>here</b>", "text <b>here</b>"),
        ("<p>One</p><p>Two<br/>lines</p>", "One\n\nTwo\nlines"),
        ("<div>\n    <p>Not code</p>\n</div>", "Not code"),
        ("<h2>Method</h2>We did.", "## Method\n\nWe did."),
        ("<ul><li>a</li><li>b</li></ul>after", "* a\n* b\n\nafter"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<p>a</p><iframe src='x'></iframe><video><source src=y>no</video><svg><title>t</title></svg>b", "a\n\nb"),
        ("<figure><img src='https://a.example/i.png' alt='A [fig]'><figcaption>Fig</figcaption></figure>",
         "![A fig](https://a.example/i.png)"),
        ("<p>a</p><img src='https://t.example/p.gif' width='1' height='1'>", "a"),
        ("<jats:p>10<jats:sup>-3</jats:sup> <jats:italic>p</jats:italic></jats:p>", "10<sup>-3</sup> <i>p</i>"),
        ("<p>a <!-- <p>hidden</p> --> b</p>", "a b"),
        ("<p>a <!-- open", "a <!-- open"),
        ("<p>so <math><mi>x</mi></math></p>", "so <math><mi>x</mi></math>"),
        ("<script>if (a<b) {}</script><p>a</p>", "a"),
        ("a<script>never closed <p>b</p>", "a"),
    ],
)  # fmt: skip
def test_html_becomes_markdown(html: str, expected: str) -> None:
    import re

    assert re.sub(r" +", " ", to_markdown(html)) == expected


@given(st.text(alphabet="<>/p brlisvgatm:=\"'!-x\n", max_size=80))
def test_any_html_can_be_read(html: str) -> None:
    to_markdown(html)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arXiv:2611.00001v1 Announce Type: new \nAbstract: We study.", "We study."),
        (
            "J Widget Med. 2026 Nov 25:1. doi: 10.1000/x. Online ahead of print.\n\n<b>ABSTRACT</b>\n\nText.\n\nPMID:1 | DOI:10.1000/x",
            "Text.",
        ),
        ("Nature, Published online: 25 November 2026; doi:10.1038/x\n\nA finding.", "A finding."),
        ("Publication date: December 2026\n\nSource: Widget Letters, Volume 1\n\nAuthor(s): Ada Example", ""),
        ("In 2026 we saw doi: 10.1000/x in the text.", "In 2026 we saw doi: 10.1000/x in the text."),
        ("One paragraph.\n\nBy then it was over.", "One paragraph.\n\nBy then it was over."),
    ],
)
def test_boilerplate_is_no_text(text: str, expected: str) -> None:
    assert without_boilerplate(text) == expected


def test_pictures_come_with_an_entry() -> None:
    media = ' xmlns:media="http://search.yahoo.com/mrss/"'
    for more, expected in [
        ('<enclosure url="https://a.example/i.png" type="image/png" length="1"/>', "![](https://a.example/i.png)"),
        ('<enclosure url="https://a.example/a.mp3" type="audio/mpeg" length="1"/>', ""),
        ('<media:content url="https://a.example/m.jpg" medium="image"/>', "![](https://a.example/m.jpg)"),
        ('<media:content url="https://a.example/m.jpg" medium="image" width="1" height="1"/>', ""),
        ('<media:thumbnail url="https://a.example/t.jpg"/>', "![](https://a.example/t.jpg)"),
        ('<media:thumbnail url="javascript:alert(1)"/>', ""),
    ]:
        (summary,) = parse_feed(rss([item(1, body="Text.", more=more)], namespaces=media)).summaries
        assert summary.body == f"Text.\n\n{expected}".strip()


def test_a_site_may_move() -> None:
    assert same_page("http://a.example/p/1/", "https://www.a.example/p/1")
    assert same_page("https://a.example/p/1", "https://b.example/p/1")
    assert same_page("https://a.example/1/?fc=1&ff=2", "https://a.example/1")
    assert not same_page("https://a.example/?p=1", "https://a.example/?p=2")
    assert not same_page("https://a.example/p/1", "https://a.example/p/2")
    assert not same_page("https://a.example/", "https://b.example/")


def test_who_a_text_is_by() -> None:
    paper = Paper("k", "T", authors=("Chen Wei", "Ada Example", "Bela Muster"), venue="bioRxiv", year=2026)
    view = PaperView.of(paper)
    assert view.reference() == "Wei et al. · bioRxiv, 2026"
    assert view.reference(3) == "Wei, Example and Muster · bioRxiv, 2026"
    assert PaperView.of(Paper("k", "T", authors=("Chen Wei",))).reference() == "Chen Wei"
    assert PaperView.of(Paper("k", "T", year=2026)).reference() == "2026"
    assert author_line(Summary(paper, None, "k", "b", "l", genre=Genre.ABSTRACT)) == "Wei et al."
    assert author_line(Summary(Paper("k", "T"), None, "k", "b", "l", genre=Genre.ARTICLE)) == "unnamed"
    assert author_line(Summary(paper, None, None, "b", "l")) == "anonymous"
    assert author_line(Summary(paper, "Ada", "ada", "b", "l")) == "Ada"


# ---- configuration


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"layout": "journal"}, "layout"),
        ({"headers": {"Host": "x"}}, "'Host' cannot be set here: digestbot sets it"),
        ({"headers": {"User-Agent": "x"}}, "'User-Agent' cannot be set here: use user_agent"),
        ({"headers": {"A b": "x"}}, "'A b' cannot be set here"),
        ({"headers": {"X-A": "line\nbreak"}}, "the value of X-A must be text of plain printable characters"),
        ({"headers": ["x"]}, "write a table of names and values"),
        ({"username": "ada"}, "username and password belong together"),
        ({"token": "t-o-k-e-n", "username": "ada", "password": "p-w-d"}, "set only one of"),
        ({"token": "t-o-k-e-n", "headers": {"authorization": "x"}}, "set only one of"),
        ({"user_agent": ""}, "user_agent"),
        ({"strip_parameters": ["a b"]}, "strip_parameters"),
        ({"future": "later"}, "future"),
    ],
)
def test_mistakes_in_a_source_are_explained(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(FeedSource).validate_python({"kind": "feed", "url": "https://a.example/f"} | fields)
    assert words in str(caught.value)
    assert "t-o-k-e-n" not in str(caught.value).replace("input_value", "")[:200]


# ---- the network


def test_gzip_of_several_members_and_deflate() -> None:
    body = b"<rss>" + b"x" * 5000 + b"</rss>"
    members = gzip.compress(body[:100]) + gzip.compress(body[100:]) + b"\0" * 8
    raw, larger = zlib.compressobj(wbits=-15), zlib.compressobj(wbits=-15)
    zeros = bytes((1 << 20) + 35)  # its end is pending when all of its input is consumed
    for encoded, name in [
        (members, "gzip"),
        (members + b"\n", "gzip"),
        (larger.compress(zeros) + larger.flush(), "deflate"),
        (zlib.compress(body), "deflate"),
        (raw.compress(body) + raw.flush(), "deflate"),
    ]:
        with server(http(encoded, Content_Encoding=name)) as (url, _):
            fetched = Fetcher(allow_private=True, seconds=5, most_bytes=2 << 20).fetch(url)
            assert fetched is not None
            with fetched.file as file:
                file.seek(0)
                assert file.read() in (body, zeros)


def test_a_member_that_is_cut_off_is_an_error() -> None:
    members = gzip.compress(b"a" * 999) + gzip.compress(b"b" * 999)[:-9]
    answer = http(members, Content_Encoding="gzip")
    with server(answer) as (url, _), pytest.raises(SourceError, match="cut off"):
        fetcher().fetch(url)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("Wed, 25 Nov 2026 12:05:00 GMT", 300), ("99999999", 99999999), ("soon", None), ("-5", None)],
)
def test_how_long_a_server_asks_to_wait(value: str, seconds: int | None) -> None:
    answer = http(b"", "503 Busy", Retry_After=value, Date="Wed, 25 Nov 2026 12:00:00 GMT")
    with server(answer) as (url, _), pytest.raises(SourceError) as caught:
        fetcher().fetch(url)
    assert (caught.value.retry_after.total_seconds() if caught.value.retry_after else None) == seconds


def test_gone_is_gone() -> None:
    with server(http(b"", "410 Gone")) as (url, _), pytest.raises(SourceGone, match="gone for good"):
        fetcher().fetch(url)


def test_secrets_stay_with_their_host_and_moves_are_noticed() -> None:
    secret = {"Authorization": "Bearer word", "X-Key": "word", "User-Agent": "ours"}
    with server(http(b"<rss/>")) as (other, seen):
        with server(http(b"", "301 Moved", Location=other)) as (url, first):
            fetcher_ = Fetcher(allow_private=True, seconds=5, most_bytes=9999, headers=secret)
            fetched = fetcher_.fetch(url)
        assert fetched is not None
        assert (fetched.url, fetcher_.moved_to) == (other, other)
        assert b"Bearer word" in first[0]
        assert b"word" not in seen[0]
        assert b"ours" in seen[0]
        fetched.file.close()
        with server(http(b"", "302 Found", Location=other)) as (url, _):
            fetcher_ = Fetcher(allow_private=True, seconds=5, most_bytes=9999)
            fetched = fetcher_.fetch(url)
        assert fetched is not None
        assert (fetched.url, fetcher_.moved_to) == (other, None)
        fetched.file.close()
