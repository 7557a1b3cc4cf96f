"""The strict scan of a feed: what it finds, what it leaves to feedparser, and that both see the same."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from helpers.basics import feed_item, feed_xml
from hypothesis import given
from hypothesis import strategies as st
from test_feed import ATOM

from digestbot.domain.errors import SourceError
from digestbot.sources.feed.item_hashes import PIECE_ITEMS, FeedScan, NotScannableError, scan_feed
from digestbot.sources.feed.parse import parse_feed
from digestbot.sources.feed.size_limits import check_damaged, check_piece

RDF = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>t</title></channel>
<item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link><dc:creator>Ada</dc:creator></item>
</rdf:RDF>"""


def pieces(document: bytes, wanted: list[int] | None = None) -> tuple[FeedScan, list[bytes]]:
    file = io.BytesIO(document)
    found = scan_feed(file)
    return found, [body for body, _ in found.pieces(file, range(len(found.ends)) if wanted is None else wanted)]


@pytest.mark.parametrize(
    "document", [feed_xml([feed_item(n) for n in range(5)]), ATOM, RDF], ids=["rss", "atom", "rdf"]
)
def test_pieces_say_what_the_whole_says(document: bytes) -> None:
    _, (body,) = pieces(document)
    assert parse_feed(body).summaries == parse_feed(document).summaries
    assert len(parse_feed(body).summaries) > 0


def test_many_items_go_in_pieces_of_bounded_size() -> None:
    document = feed_xml([feed_item(n) for n in range(2 * PIECE_ITEMS + 1)])
    found, bodies = pieces(document)
    assert len(found.versions) == len(set(found.versions)) == 2 * PIECE_ITEMS + 1
    assert len(bodies) == 3
    assert [one for body in bodies for one in parse_feed(body).summaries] == parse_feed(document).summaries
    large = feed_xml([feed_item(n, body="x" * 600_000) for n in range(3)])
    assert len(pieces(large)[1]) == 3


def test_only_what_is_wanted() -> None:
    document = feed_xml([feed_item(n) for n in range(5)])
    _, (body,) = pieces(document, [1, 3])
    assert [one.handle for one in parse_feed(body).summaries] == ["reader1", "reader3"]
    assert pieces(document, [])[1] == []


def test_versions_change_with_the_item_and_with_nothing_else() -> None:
    items = [feed_item(n) for n in range(3)]
    before, _ = pieces(feed_xml(items))
    after, _ = pieces(feed_xml([items[2], items[0] | {"votes": 9}, items[1]], built="Tue, 03 Nov 2026 08:00:00 +0000"))
    assert after.versions[0] == before.versions[2]
    assert after.versions[2] == before.versions[1]
    assert after.versions[1] not in before.versions
    other, _ = pieces(feed_xml(items).replace(b'version="2.0"', b'version="2.0" xml:base="http://x.org/"'))
    assert not {*other.versions} & {*before.versions}  # the same bytes may mean something else under another root


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")),
        max_size=4,
    ),
    st.integers(1, 300),
)
def test_any_text_in_chunks_of_any_size(bodies: list[str], chunk: int) -> None:
    document = feed_xml([feed_item(n, body=body) for n, body in enumerate([*bodies, "last"])])

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or chunk, chunk) if size and size > 0 else size)

    assert scan_feed(Trickle(document)) == scan_feed(io.BytesIO(document))
    _, parts = pieces(document)
    assert [one for body in parts for one in parse_feed(body).summaries] == parse_feed(document).summaries


def test_an_encoding_in_which_markup_is_ascii() -> None:
    document = feed_xml([feed_item(1, body="Müller")]).decode().replace("UTF-8", "ISO-8859-1").encode("latin-1")
    _, (body,) = pieces(document)
    assert parse_feed(body).summaries[0].body == "Müller"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "no element found"),
        (b"<html><body>502</body></html>", "no items"),
        (b"<rss><channel></channel></rss>", "no items"),
        (b"<rss><channel><item/></channel></rss>", "an empty item"),
        (b"<item>alone</item>", "no items"),
        (b"<rss><channel><item><a/><item>x</item></item></channel></rss>", "items inside items|mismatched"),
        (b"<rss><channel><item>x</item><entry>y</entry></channel></rss>", "items of two kinds"),
        (feed_xml([feed_item(1)])[:-30], "no element found|unclosed"),
        (feed_xml([feed_item(1)]).replace(b"What", b"\xff\xfe"), "not well-formed"),
        (feed_xml([feed_item(1)]).replace(b"What", b"&nbsp;"), "undefined entity"),
        (b'<!DOCTYPE rss [<!ENTITY a "b">]><rss><item>&a;</item></rss>', "document type"),
        (feed_xml([feed_item(1)]).decode().replace("UTF-8", "UTF-16").encode("utf-16"), "markup is ASCII|written in"),
        (feed_xml([feed_item(1)]).replace(b"UTF-8", b"Shift_JIS"), "written in shift-jis|unknown encoding"),
    ],
    ids=range(13),
)
def test_what_is_left_to_feedparser(document: bytes, why: str) -> None:
    with pytest.raises(NotScannableError, match=why):
        scan_feed(io.BytesIO(document))


def test_versions_go_to_the_summaries_in_order() -> None:
    document = feed_xml([feed_item(1), feed_item(2, link="no address"), feed_item(3)])
    file = io.BytesIO(document)
    found = scan_feed(file)
    ((body, numbers),) = found.pieces(file, range(3))
    assert numbers == [0, 1, 2]
    parsed = parse_feed(body, versions=found.versions)
    assert [one.version for one in parsed.summaries] == [found.versions[0], found.versions[2]]
    assert len(parsed.dropped) == 1
    assert [replace(one, version=None) for one in parsed.summaries] == parse_feed(document).summaries


# ---- made to cost more than any feed needs

HEAD = b'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>'
ITEM = b"<item><title>One</title><link>https://example.org/1</link>%b</item>"
TAIL = b"</channel></rss>"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (HEAD + b"<item>" + b"<x>" * 60_000, "more than 50000 tags"),
        (HEAD + b"<x>" * 60_000, "elements inside each other"),
        (HEAD + b"<x/>" * 60_000, "more than 50000 tags"),
        (HEAD + b"<x " + b" ".join(b'a%d=""' % n for n in range(200)) + b"/>" + TAIL, "attributes"),
        (HEAD + ITEM % (b"<x " + b" ".join(b'a%d=""' % n for n in range(400_000)) + b"/>"), "a tag or a comment of"),
        (HEAD + b"<!--" + b"x" * 5_000_000, "a tag or a comment of"),
        (HEAD + (ITEM % b"") * 200_001, "more than 200000 items"),
    ],
    ids=range(7),
)
def test_a_hostile_document_is_refused_with_its_reason(document: bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        scan_feed(io.BytesIO(document))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<x>" * 100 + b"</x>" * 100, "elements inside each other"),
        (b"<x " + b" ".join(b'a%d=""' % n for n in range(200)) + b"/>", "attributes on one"),
        (b"<x/>" * 30_000, "more than 20000 elements"),
        (b"".join(b'<x xmlns:a%d="u"/>' % n for n in range(80)), "namespaces"),
        (b"<author>" + b"a." * 600 + b"</author>", "name without end"),
    ],
    ids=range(5),
)
def test_a_hostile_item_is_left_out_alone(content: bytes, why: str) -> None:
    (body, *_) = pieces(HEAD + ITEM % content + TAIL)[1]
    with pytest.raises(SourceError, match=why):
        check_piece(body, "item")
    formulas = b'<content><math xmlns="http://www.w3.org/1998/Math/MathML"/></content>' * 200
    (several,) = pieces(HEAD + ITEM % formulas + TAIL)[1]
    check_piece(several, "item")  # one namespace, declared often
    (sound,) = pieces(HEAD + ITEM % b"<author>Ada, Bo, and others</author>" + TAIL)[1]
    check_piece(sound, "item")
    with pytest.raises(SourceError, match="line 1"):
        check_piece(b"<rss>", "item")


@pytest.mark.parametrize(
    "body",
    [
        b"<rss>" + b"<x>" * 250_000,
        b"<rss><x " + b"a=1 " * 500,
        b"<rss>" + b"x" * 2_000_000,
        b"<rss>" + b"".join(b"<x xmlns:a%d=1>" % n for n in range(2_000)),
        b"<rss>" + b"& " * 2_000_001,
    ],
    ids=range(5),
)
def test_a_damaged_document_is_not_mended_at_any_price(body: bytes) -> None:
    with pytest.raises(SourceError, match="it is damaged"):
        check_damaged(body)
    check_damaged(feed_xml([feed_item(1)])[:-20])


def test_an_item_that_is_too_large_is_left_out_alone() -> None:
    large = ITEM % (b"<description>" + b"word " * 600_000 + b"</description>")
    document = HEAD + ITEM % b"" + large + ITEM % b"<author>Ada</author>" + TAIL
    file = io.BytesIO(document)
    found = scan_feed(file)
    assert found.oversized == {1}
    assert len(set(found.versions)) == 3
    ((body, numbers),) = found.pieces(file, [0, 2])
    assert numbers == [0, 2]
    assert len(parse_feed(body).summaries) == 2
