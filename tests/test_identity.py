"""Which incoming summary is which of the known ones."""

from __future__ import annotations

from conftest import make_summary
from hypothesis import given
from hypothesis import strategies as st

from digestbot.identity import Known, likeness, match


def ids(known: list[Known], *incoming: tuple[str | None, str]) -> list[int | None]:
    summaries = [make_summary(n, handle=handle, body=body) for n, (handle, body) in enumerate(incoming)]
    return [found.id if found else None for found in match(known, summaries)]


def test_the_same_handle_is_the_same_summary_whatever_its_text() -> None:
    assert ids([Known(1, "ada", "old")], ("ada", "entirely new")) == [1]


def test_two_named_ones_with_the_same_text_stay_two() -> None:
    assert ids([Known(1, "ada", "same")], ("ada", "same"), ("bob", "same")) == [1, None]
    assert ids([Known(1, "ada", "same")], ("bob", "same")) == [None]


def test_anonymous_ones_are_told_apart_by_text() -> None:
    known = [Known(1, None, "first view of it"), Known(2, None, "second opinion here")]
    assert ids(known, (None, "second opinion here"), (None, "first view of it")) == [2, 1]
    assert ids(known, (None, "a third, wholly different take")) == [None]


def test_an_edited_anonymous_one_is_recognised() -> None:
    known = [Known(1, None, "the effect is on the loss surface"), Known(2, None, "could not reproduce it at all")]
    assert ids(known, (None, "the effect is on the loss surface, not on the shift")) == [1]


def test_turning_anonymous_and_back_keeps_the_summary() -> None:
    assert ids([Known(1, "ada", "text")], (None, "text")) == [1]
    assert ids([Known(1, None, "text")], ("ada", "text")) == [1]


def test_a_second_anonymous_one_beside_the_first_is_new() -> None:
    assert ids([Known(1, None, "first")], (None, "first"), (None, "other")) == [1, None]


handles = st.sampled_from(["ada", "bob", None])
texts = st.sampled_from(["", "one two three", "one two three four", "five six", "seven"])


@given(st.lists(st.tuples(handles, texts), max_size=5), st.lists(st.tuples(handles, texts), max_size=5))
def test_nothing_is_given_twice(before: list[tuple[str | None, str]], after: list[tuple[str | None, str]]) -> None:
    known = [Known(n, handle, body) for n, (handle, body) in enumerate(before)]
    found = [id_ for id_ in ids(known, *after) if id_ is not None]
    assert len(found) == len(set(found))


@given(st.text(), st.text())
def test_likeness_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, one) == 1
