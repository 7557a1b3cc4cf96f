"""What a look at the timeline decides, and how posts are recognised after what platforms do to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import Message, PostStatus, Seen
from digestbot.reconcile import MOST_ATTEMPTS, Case, comparable, comparable_link, first_look, judge, matches

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
QUIET = timedelta(minutes=15)
LINK = "http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15#ada"
MESSAGE = Message(f"A Paper & More\n\nthe text\n\n{LINK}")


def case(**fields: object) -> Case:
    values: dict[str, object] = {
        "post": 1,
        "channel": "x",
        "epoch": 1,
        "message": MESSAGE,
        "started_at": NOW,
        "deadline": NOW + timedelta(minutes=2),
        "unknown_since": NOW,
        "absences": 0,
        "after": None,
        "reply_to": None,
    }
    return Case(**(values | fields))  # type: ignore[arg-type]


def seen(id_: str = "7", text: str = MESSAGE.text, *links: str) -> Seen:
    return Seen(id_, f"https://x.com/{id_}", text, links, NOW)


SETTLED = NOW + timedelta(minutes=17)


def test_one_match_settles_it_at_once() -> None:
    verdict = judge(case(), [seen("6", "else"), seen()], set(), QUIET, NOW)
    assert (verdict.status, verdict.seen) == (PostStatus.PUBLISHED, seen())


def test_a_post_that_another_row_has_is_never_adopted() -> None:
    assert judge(case(), [seen()], {"7"}, QUIET, NOW).status is PostStatus.UNKNOWN


def test_two_candidates_are_for_a_person() -> None:
    verdict = judge(case(), [seen("7"), seen("8")], set(), QUIET, NOW)
    assert verdict.status is PostStatus.QUARANTINED
    assert "7, 8" in verdict.note


@pytest.mark.parametrize(
    ("absences", "now", "status"),
    [
        (0, NOW, PostStatus.UNKNOWN),
        (5, SETTLED - timedelta(seconds=1), PostStatus.UNKNOWN),  # the timeline may lag
        (0, SETTLED, PostStatus.UNKNOWN),  # one reading is not enough
        (1, SETTLED, PostStatus.PENDING),
    ],
)
def test_an_absence_counts_late_and_twice(absences: int, now: datetime, status: PostStatus) -> None:
    verdict = judge(case(absences=absences), [], set(), QUIET, now)
    assert verdict.status is status
    assert (verdict.next_look is None) == (status is PostStatus.PENDING)


def test_a_post_that_is_unknown_again_and_again_is_for_a_person() -> None:
    assert judge(case(absences=9, epoch=MOST_ATTEMPTS), [], set(), QUIET, SETTLED).status is PostStatus.QUARANTINED


def test_a_timeline_that_cannot_be_read() -> None:
    early = judge(case(absences=1), None, set(), QUIET, SETTLED, "503")
    assert (early.status, early.complete, early.note) == (PostStatus.UNKNOWN, False, "503")
    late = judge(case(), None, set(), QUIET, SETTLED + QUIET * 3, "503")
    assert late.status is PostStatus.QUARANTINED
    assert "503" in late.note


def test_looks_come_early_then_when_the_quiet_period_is_over() -> None:
    looks, now = [], first_look(NOW)
    while now < SETTLED + timedelta(minutes=9):
        looks.append((now - NOW).total_seconds())
        verdict = judge(case(), [], set(), QUIET, now)
        assert verdict.next_look is not None
        now = verdict.next_look
    assert looks == [5, 30, 120, 300, 17 * 60, 22 * 60]


@pytest.mark.parametrize(
    "text",
    [
        "A Paper &amp; More\n\nthe text\n\n" + LINK,
        "A  Paper & More the text " + LINK,
        "A Paper & More\r\n\r\nthe text\r\n\r\n" + LINK,
    ],
)
def test_texts_that_are_the_same(text: str) -> None:
    assert matches(MESSAGE, [seen("7", text)])


def test_text_is_compared_in_one_unicode_form() -> None:
    assert comparable("cafe\u0301") == comparable("caf\u00e9")


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "https://l.facebook.com/l.php?u=http%3A%2F%2Fwww.shortscience.org%2Fpaper%3FbibtexKey%3Dconf%2Fnips%2FRenHGS15%23ada&h=AT0",
        LINK.replace("www.shortscience.org", "WWW.ShortScience.org"),
        LINK.replace("&", "&amp;"),
        LINK.replace("/RenHGS15", "%2FRenHGS15"),
        LINK.replace("#ada", "&fbclid=xyz#ada"),
    ],
)
def test_links_that_are_the_same(link: str) -> None:
    assert matches(Message("mine", LINK), [seen("7", "changed by the platform", link)])


@pytest.mark.parametrize(
    "link", [LINK.replace("#ada", "#bob"), LINK.replace("RenHGS15", "Other"), "https://example.org/"]
)
def test_links_that_are_not(link: str) -> None:
    assert not matches(Message("mine", LINK), [seen("7", "other", link)])


def test_the_same_text_outweighs_the_same_link() -> None:
    other = seen("8", "somebody's own words", LINK)
    assert matches(MESSAGE, [seen("7"), other]) == [seen("7")]
    assert matches(MESSAGE, [other]) == [other]


@given(st.text())
def test_any_text_matches_itself_however_it_is_escaped(text: str) -> None:
    import html

    assert comparable(html.escape(comparable(text))) == comparable(comparable(text)) or "&" in text


@given(st.text(max_size=60))
def test_any_link_can_be_compared(text: str) -> None:
    for url in (f"http://example.org/{text.replace('[', '').replace(']', '')}", LINK):
        assert comparable_link(url) == comparable_link(url)
