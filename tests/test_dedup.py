"""Which incoming summary is which of the known ones, and which papers are one."""

from __future__ import annotations

import pytest
from helpers.basics import make_summary
from hypothesis import given
from hypothesis import strategies as st

from digestbot.domain.dedup import (
    KnownSummary,
    arxiv_id,
    doi,
    has_text,
    is_cut,
    match_summaries,
    same_text,
    short_key,
    similarity,
    title_key,
)
from digestbot.domain.model import Paper, Summary

KEY = "conf/test/P"
LONG = "eight words or more that say the very same thing"


def known(id_: int, handle: str | None, body: str, *, key: str = KEY, store_id: str | None = None) -> KnownSummary:
    return KnownSummary(id_, key, store_id, handle, body)


def incoming(handle: str | None, body: str, *, key: str = KEY, store_id: str | None = None) -> Summary:
    return make_summary(0, paper=Paper(key, "P"), handle=handle, body=body, store_id=store_id)


def ids(before: list[KnownSummary], *after: Summary, whole: bool = False) -> list[int | None]:
    return [found.id if found else None for found in match_summaries(before, after, whole=lambda: whole)]


def test_the_same_handle_is_the_same_summary_whatever_its_text() -> None:
    assert ids([known(1, "ada", "old")], incoming("ada", "entirely new")) == [1]


def test_two_named_ones_with_the_same_text_stay_two() -> None:
    assert ids([known(1, "ada", LONG)], incoming("ada", LONG), incoming("bob", LONG)) == [1, None]
    assert ids([known(1, "ada", "Great paper.")], incoming("bob", "Great paper.")) == [None]


def test_a_writer_who_took_another_name_is_told_by_a_text_that_nobody_else_would_write() -> None:
    assert ids([known(1, "ada", LONG)], incoming("lovelace", LONG)) == [1]


def test_anonymous_ones_are_told_apart_by_text() -> None:
    before = [known(1, None, "first view of it"), known(2, None, "second opinion here")]
    assert ids(before, incoming(None, "second opinion here"), incoming(None, "first view of it")) == [2, 1]
    assert ids(before, incoming(None, "a third, wholly different take")) == [None]


def test_an_edited_anonymous_one_is_recognised() -> None:
    before = [known(1, None, "the effect is on the loss surface"), known(2, None, "could not reproduce it at all")]
    assert ids(before, incoming(None, "the effect is on the loss surface, not on the shift")) == [1]


def test_an_anonymous_one_rewritten_altogether_is_told_where_the_whole_store_is_seen() -> None:
    before = [known(1, None, "first view of it")]
    assert ids(before, incoming(None, "something else entirely now"), whole=True) == [1]
    assert ids(before, incoming(None, "something else entirely now")) == [None]  # the first may be out of the window
    two = [*before, known(2, None, "second opinion here")]
    assert ids(two, incoming(None, "something else entirely now"), whole=True) == [None]


def test_turning_anonymous_and_back_keeps_the_summary() -> None:
    assert ids([known(1, "ada", "text")], incoming(None, "text")) == [1]
    assert ids([known(1, None, "text")], incoming("ada", "text")) == [1]
    assert ids([known(1, "ada", "text of five words here")], incoming(None, "text of six words here now")) == [1]


def test_a_second_anonymous_one_beside_the_first_is_new() -> None:
    assert ids([known(1, None, "first")], incoming(None, "first"), incoming(None, "other")) == [1, None]


def test_another_guid_for_the_same_address_and_text_is_the_same_summary() -> None:
    link = "https://example.org/1"
    before = [KnownSummary(1, "1", None, "1", "what the paper says", link)]
    again = make_summary(
        0, paper=Paper("http://x.org/1", "P"), handle="http://x.org/1", body="what the paper says now", link=link
    )
    other = make_summary(
        0, paper=Paper("http://x.org/2", "P"), handle="http://x.org/2", body="all new words", link=link
    )
    assert ids(before, again) == [1]
    assert ids(before, other) == [None]


def test_nothing_said_is_nothing_to_be_told_by() -> None:
    assert ids([known(1, "ada", "...")], incoming(None, "...")) == [None]


def test_refiled_under_another_key() -> None:
    before = [known(1, "ada", "what the paper says", key="journals/corr/1")]
    assert ids(before, incoming("ada", "what the paper says, edited", key="conf/nips/1")) == [1]
    assert ids(before, incoming("ada", "another thought", key="conf/nips/1")) == [None]
    assert ids(before, incoming("bob", "what the paper says, edited", key="conf/nips/1")) == [None]


def test_a_store_that_numbers_its_summaries_is_believed() -> None:
    before = [known(1, "ada", LONG, store_id="t1"), known(2, None, LONG, store_id="t2")]
    assert ids(before, incoming(None, "all new", store_id="t1"), incoming("bob", "new too", store_id="t2")) == [1, 2]
    assert ids(before[:1], incoming(None, LONG, store_id="t9")) == [None]
    # two of the same second: told apart by what else there is
    twins = [known(1, "ada", "one", store_id="t"), known(2, "bob", "two", store_id="t")]
    assert ids(twins, incoming("bob", "two!", store_id="t")) == [2]
    # the store was a feed before, which has no numbers
    assert ids([known(1, None, "text of it")], incoming(None, "text of it", store_id="t")) == [1]


handles = st.sampled_from(["ada", "bob", None])
texts = st.sampled_from(["", "one two three", "one two three four", "five six", "seven", LONG])
keys = st.sampled_from([KEY, "conf/test/Q"])
numbers = st.sampled_from([None, "t1", "t2"])
rows = st.lists(st.tuples(handles, texts, keys, numbers), max_size=5)


@given(rows, rows, st.booleans())
def test_nothing_is_given_twice_and_what_is_unchanged_is_recognised(
    before: list[tuple[str | None, str, str, str | None]],
    after: list[tuple[str | None, str, str, str | None]],
    whole: bool,
) -> None:
    mine = [known(n, h, t, key=k, store_id=i) for n, (h, t, k, i) in enumerate(before)]
    found = ids(mine, *(incoming(h, t, key=k, store_id=i) for h, t, k, i in after), whole=whole)
    given_ = [id_ for id_ in found if id_ is not None]
    assert len(given_) == len(set(given_))
    distinct = {(h, k): (h, t, k, i) for h, t, k, i in before if h}
    again = [incoming(h, t, key=k, store_id=i) for h, t, k, i in distinct.values()]
    assert None not in ids(
        [known(n, one.handle, one.body, key=one.paper.key, store_id=one.store_id) for n, one in enumerate(again)],
        *again,
    )


@given(st.text(), st.text())
def test_likeness_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert similarity(one, other) == similarity(other, one)
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, one) == 1


@pytest.mark.parametrize("body", ["", "...", " … ", "[]()", "[the code]()", "![]()", "[a]()\n![plot]()"])
def test_nothing_to_say_yet(body: str) -> None:
    assert not has_text(body)


@pytest.mark.parametrize("body", ["Yes.", "[the code]() is slow", "1.", "图", "$x$"])
def test_something_to_say(body: str) -> None:
    assert has_text(body)


def test_a_cut_text_is_the_same_text() -> None:
    whole = "What it says. " * 60
    assert is_cut(whole[:500] + "...", whole)
    assert is_cut("...", whole)
    assert not is_cut(whole, whole[:500] + "...")
    assert not is_cut("Something else...", whole)
    assert not is_cut(whole[:500], whole)


def test_addresses_make_no_other_text() -> None:
    assert same_text("see [the code](http://x.org/a) now", "see [the code]()  now")
    assert same_text("see https://x.org now", "see now")
    assert not same_text("see [the code]()", "see [a code]()")


# ---- papers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Attention Is All You Need", "Attention is all you need."),
        ("A. B. Title", "A B Title"),
        ("Deep learning &amp;amp; its  discontents", "Deep Learning & its discontents."),
        ("Straße", "STRASSE"),
    ],
)
def test_titles_of_one_paper(one: str, other: str) -> None:
    assert title_key(one) == title_key(other)


def test_titles_of_two_papers() -> None:
    assert title_key("Attention Is All You Need") != title_key("Attention Is Not All You Need")
    assert title_key(" . ") is None


def test_signs_of_a_paper() -> None:
    assert arxiv_id("arXiv:1706.03762v5") == arxiv_id("1706.03762") == "1706.03762"
    assert arxiv_id("cs.LG/0703001") == "cs.lg/0703001"
    assert (arxiv_id("none"), arxiv_id(None)) == (None, None)
    assert doi("10.1145/2702123.ABC") == "10.1145/2702123.abc"
    assert (doi("10.1/x"), doi(None)) == (None, None)


@given(st.text(max_size=2000))
def test_keys_are_of_bearable_length_and_stay_apart(key: str) -> None:
    assert len(short_key(key)) <= 500
    assert short_key(key) == key or short_key(key + "x") != short_key(key)
