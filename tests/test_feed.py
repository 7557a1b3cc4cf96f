"""A feed's bytes to summaries: the store's format, other formats, and damage."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from helpers.basics import feed_item, feed_xml
from hypothesis import given
from hypothesis import strategies as st

from digestbot.domain.errors import SourceError
from digestbot.sources.feed.parse import parse_feed


def test_the_stores_own_fields() -> None:
    items = [
        feed_item(1, arxiv="1412.6980", votes=9, body="x<y and $a*b*c$\n\n* <b>item</b> &amp; R&D"),
        feed_item(2, user="anon", key="10.1038/nature14539", body=""),
    ]
    named, anonymous = parse_feed(feed_xml(items)).summaries
    assert named.paper.key == "conf/test/Paper1"
    assert (named.paper.arxiv_id, named.paper.doi) == ("1412.6980", None)
    assert (named.writer, named.handle, named.votes) == ("Reader 1", "reader1", 9)
    assert named.body == "x<y and $a*b*c$\n\n* <b>item</b> &amp; R&D"  # Markdown, not corrected as if it were HTML
    assert named.link == items[0]["link"]
    assert named.dated == datetime(2026, 11, 1, 8, 1, tzinfo=UTC)
    assert (anonymous.writer, anonymous.handle, anonymous.body) == (None, None, "")
    assert anonymous.paper.doi == "10.1038/nature14539"


def test_feedparser_uses_our_driver_and_says_the_same_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import feedparser

    from digestbot.sources.feed import feedparser_driver

    made = []
    real = feedparser_driver.create_parser
    monkeypatch.setattr(feedparser_driver, "create_parser", lambda: made.append(1) or real())
    document = feed_xml([feed_item(1, body="lines\nof &amp; text\n\nand <b>more</b> " + "x" * 100_000), feed_item(2)])
    ours = parse_feed(document).summaries
    assert made == [1]
    monkeypatch.setattr(feedparser.api, "PREFERRED_XML_PARSERS", [])
    stock = feedparser.parse(document, sanitize_html=False, resolve_relative_uris=False)
    assert [one.body for one in ours] == [entry.summary for entry in stock.entries]


def test_names_in_any_script() -> None:
    (summary,) = parse_feed(feed_xml([feed_item(1, user="fünf", author="Leser Fünf 诸葛")])).summaries
    assert (summary.writer, summary.handle) == ("Leser Fünf 诸葛", "fünf")


ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>
<entry><id>urn:1</id><title>One</title><link href="https://example.org/1"/><author><name>A</name></author>
<content type="html">text &lt;b&gt;here&lt;/b&gt;</content><updated>2026-11-01T08:00:00Z</updated></entry>
<entry><id>urn:2</id><title>Nowhere to link to</title></entry>
<entry><id>urn:3</id><title>Bad</title><link href="javascript:alert(1)"/></entry></feed>"""


def test_atom_from_elsewhere() -> None:
    parsed = parse_feed(ATOM)
    (summary,) = parsed.summaries
    assert [reason.split(":")[0] for reason in parsed.dropped] == ["'Nowhere to link to'", "'Bad'"]
    assert (summary.paper.key, summary.handle, summary.writer) == ("urn:1", "urn:1", "A")
    assert summary.body == "text <b>here</b>"
    assert summary.votes is None
    assert summary.dated == datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", "not a feed.*DOCTYPE html"),
        (b'{"error": 1}', "not a feed"),
        (b"\xff\xfe\x00garbage", "not a feed"),
    ],
)
def test_what_is_no_feed(body: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        parse_feed(body)


def test_entries_that_no_database_takes_cost_only_themselves() -> None:
    items = [
        feed_item(1, link="http://[x"),
        feed_item(2, votes="9" * 30),
        feed_item(3, body="a"),
        feed_item(4, title="ok"),
    ]
    body = feed_xml(items).replace(b">a<", b">a&#xD800;b<")
    parsed = parse_feed(body)
    assert [summary.handle for summary in parsed.summaries][-1] == "reader4"
    assert [summary.votes for summary in parsed.summaries if summary.handle == "reader2"] in ([None], [])
    for summary in parsed.summaries:
        summary.body.encode()


def test_a_feed_without_entries_is_one() -> None:
    assert parse_feed(feed_xml([])).summaries == []


def test_a_cut_off_feed_gives_what_came_whole() -> None:
    body = feed_xml([feed_item(n) for n in range(4)])
    cut = body[: body.rindex(b"<pubDate>") + 12]
    parsed = parse_feed(cut)
    assert [summary.handle for summary in parsed.summaries] == ["reader0", "reader1", "reader2"]
    assert parsed.complaint
    assert parsed.suspect_hash
    again = parse_feed(cut, suspect_hash=parsed.suspect_hash)  # the same last entry twice: it is what the server has
    assert [summary.handle for summary in again.summaries][-1] == "reader3"
    other = parse_feed(cut.replace(b"Paper Number 3", b"Paper Number 4"), suspect_hash=parsed.suspect_hash)
    assert len(other.summaries) == 3


def test_one_broken_utf8_sequence_costs_one_character_not_the_feed() -> None:
    body = feed_xml([feed_item(1, body="Müller"), feed_item(2, body="grün")]).replace("ü".encode(), b"\xc3", 1)
    first, second = parse_feed(body, "application/rss+xml; charset=utf-8").summaries
    assert first.body == "M\ufffdller"
    assert second.body == "grün"


def test_control_characters_do_not_reach_the_loose_parser() -> None:
    body = feed_xml([feed_item(1, body="a\x0bb &copy=1")])
    assert parse_feed(body).summaries[0].body == "ab &copy=1"


def test_feeds_in_other_encodings() -> None:
    body = feed_xml([feed_item(1, body="Müller")]).decode().replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert parse_feed(body).summaries[0].body == "Müller"


def test_entities_are_not_expanded() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY f SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel><item><title>&b;&f;</title>'
        b"<link>https://example.org/1</link></item></channel></rss>"
    )
    for summary in parse_feed(bomb).summaries:
        assert "root:" not in summary.paper.title


@given(st.binary(max_size=60), st.integers(0, 1500))
def test_damaged_feeds_raise_one_kind_of_error_only(junk: bytes, at: int) -> None:
    body = feed_xml([feed_item(1), feed_item(2)])
    with contextlib.suppress(SourceError):
        parse_feed(body[:at] + junk + body[at + len(junk) :])
