"""What a reading of the timeline decides, and how posts are recognised after what platforms do to them."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.domain.model import Action, Message, PostStatus, TimelinePost
from digestbot.domain.reconciliation import (
    RECHECK_FOR,
    RESEND_AFTER,
    Anchor,
    TimelineReading,
    UnknownPost,
    comparable,
    comparable_link,
    first_check,
    judge_before_sending,
    judge_change,
    judge_reading,
    matches,
    missing_witness,
    next_recheck,
    shows_text,
)

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
QUIET = timedelta(minutes=15)
LINK = "http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15#ada"
MESSAGE = Message(f"A Paper & More\n\nthe text\n\n{LINK}")
SETTLED = NOW + timedelta(minutes=17)
ANCHOR = Anchor("5", NOW - timedelta(days=1))


def unknown(**fields: object) -> UnknownPost:
    values: dict[str, object] = {
        "post": 1,
        "channel": "x",
        "epoch": 1,
        "message": MESSAGE,
        "first_sent_at": NOW,
        "deadline": NOW + timedelta(minutes=2),
        "unknown_since": NOW,
        "absences": 0,
        "anchors": (),
        "reply_to": None,
    }
    return UnknownPost(**(values | fields))  # type: ignore[arg-type]


def read(id_: str = "7", text: str = MESSAGE.text, *links: str, at: datetime = NOW) -> TimelinePost:
    return TimelinePost(id_, f"https://x.com/{id_}", text, links, at)


def reading(*posts: TimelinePost, trouble: str = "", bounded: bool = False) -> TimelineReading:
    return TimelineReading(posts, trouble, len(posts), bounded=bounded)


def status(
    one: UnknownPost, seen: TimelineReading, now: datetime = SETTLED, claimed: frozenset[str] = frozenset()
) -> PostStatus:
    return judge_reading(one, seen, claimed, QUIET, now).status


# ---- presence needs our text


def test_one_post_with_our_text_settles_it_at_once() -> None:
    verdict = judge_reading(unknown(), reading(read("6", "else"), read()), set(), QUIET, NOW)
    assert (verdict.status, verdict.found) == (PostStatus.PUBLISHED, read())


def test_our_text_is_evidence_on_a_reading_that_proves_no_absence() -> None:
    assert status(unknown(), reading(read(), trouble="came with errors"), NOW) is PostStatus.PUBLISHED


def test_a_post_that_another_row_has_is_never_adopted() -> None:
    assert status(unknown(), reading(read()), NOW, frozenset("7")) is PostStatus.UNKNOWN


def test_two_posts_with_our_text_are_for_the_operator() -> None:
    verdict = judge_reading(unknown(), reading(read("7"), read("8")), set(), QUIET, NOW)
    assert verdict.status is PostStatus.QUARANTINED
    assert [one.id for one in verdict.candidates] == ["7", "8"]


@pytest.mark.parametrize("hours", [0.5, 2])
def test_the_same_link_from_before_the_first_attempt_is_another_post(hours: float) -> None:
    before = read("8", "somebody's own words", LINK, at=NOW - timedelta(hours=hours))
    expected = PostStatus.PENDING if hours > 1 else PostStatus.QUARANTINED  # clocks may have been wrong by an hour
    assert status(unknown(absences=1), reading(before)) is expected
    own = read(at=NOW - timedelta(hours=hours))  # our own words are ours, whatever a clock says
    assert status(unknown(absences=1), reading(own)) is PostStatus.PUBLISHED


def test_a_match_by_link_alone_is_never_adopted_and_is_shown_once_the_timeline_had_time() -> None:
    other = read("8", "somebody's own words", LINK)
    assert status(unknown(), reading(other), NOW) is PostStatus.UNKNOWN  # our text may still appear
    verdict = judge_reading(unknown(absences=1), reading(other), set(), QUIET, SETTLED)
    assert (verdict.status, verdict.candidates) == (PostStatus.QUARANTINED, (other,))
    assert "same link but another text" in verdict.note


def test_what_an_operator_did_not_take_for_it_is_not_asked_about_again() -> None:
    other = read("8", "somebody's own words", LINK)
    assert status(unknown(absences=1, dismissed=frozenset("8")), reading(other)) is PostStatus.PENDING
    assert judge_before_sending(MESSAGE, reading(other), (), {"8"}) is None


# ---- absence needs a witness


@pytest.mark.parametrize(
    ("posts", "anchor", "proven", "sound"),
    [
        ([read("5", "old")], ANCHOR, False, True),
        ([read("9"), read("5", "old")], ANCHOR, False, True),
        ([], ANCHOR, True, False),  # an empty list, however well it is proven, is no evidence where a post is known
        ([read("9")], ANCHOR, True, False),
        ([], None, True, True),
        ([], None, False, False),
        ([read("3", "old", at=NOW - timedelta(hours=2))], None, False, True),
        ([read("9")], None, False, False),
    ],
)
def test_what_a_witness_is(posts: list[TimelinePost], anchor: Anchor | None, proven: bool, sound: bool) -> None:
    assert (missing_witness(posts, anchor, NOW - timedelta(hours=1), end_proven=proven) == "") is sound


@pytest.mark.parametrize(
    ("absences", "now", "expected"),
    [
        (0, NOW, PostStatus.UNKNOWN),
        (5, SETTLED - timedelta(seconds=1), PostStatus.UNKNOWN),  # the timeline may lag
        (0, SETTLED, PostStatus.UNKNOWN),  # one reading is not enough
        (1, SETTLED, PostStatus.PENDING),
    ],
)
def test_an_absence_counts_late_and_twice(absences: int, now: datetime, expected: PostStatus) -> None:
    verdict = judge_reading(unknown(absences=absences), reading(), set(), QUIET, now)
    assert verdict.status is expected
    assert (verdict.next_check is None) == (expected is PostStatus.PENDING)


@pytest.mark.parametrize(
    ("sends", "wait"), [(1, None), (2, timedelta(hours=1)), (3, timedelta(days=1)), (4, "quarantine")]
)
def test_resends_are_spaced(sends: int, wait: object) -> None:
    verdict = judge_reading(unknown(absences=1, sends=sends), reading(), set(), QUIET, SETTLED)
    if wait == "quarantine":
        assert verdict.status is PostStatus.QUARANTINED
        assert "sent 4 times" in verdict.note
    else:
        assert verdict.status is PostStatus.PENDING
        assert verdict.not_before == (None if wait is None else NOW + timedelta(minutes=2) + wait)  # type: ignore[operator]
    assert len(RESEND_AFTER) == 3


def test_what_the_platform_says_that_it_has_is_not_sent_again() -> None:
    assert status(unknown(duplicate=True), reading(read()), NOW) is PostStatus.PUBLISHED
    verdict = judge_reading(unknown(duplicate=True, absences=1), reading(), set(), QUIET, SETTLED)
    assert verdict.status is PostStatus.QUARANTINED
    assert "has this text already" in verdict.note


def test_a_timeline_that_cannot_be_read() -> None:
    early = judge_reading(unknown(absences=1), reading(trouble="503"), set(), QUIET, SETTLED)
    assert (early.status, early.sound, early.note) == (PostStatus.UNKNOWN, False, "503")
    late = judge_reading(unknown(), reading(trouble="503"), set(), QUIET, SETTLED + QUIET * 3)
    assert late.status is PostStatus.QUARANTINED
    assert "503" in late.note


def test_a_timeline_that_is_too_long_to_be_read_is_not_read_again_and_again() -> None:
    verdict = judge_reading(unknown(), reading(trouble="too long", bounded=True), set(), QUIET, NOW)
    assert (verdict.status, verdict.final) == (PostStatus.QUARANTINED, True)


def test_a_quarantined_post_is_found_or_stays_with_what_was_seen() -> None:
    waiting = unknown(quarantined=True)
    assert status(waiting, reading(read())) is PostStatus.PUBLISHED
    absent = judge_reading(waiting, reading(), set(), QUIET, SETTLED)
    assert (absent.status, absent.sound, absent.note) == (PostStatus.QUARANTINED, True, "it is not on the timeline")
    assert not judge_reading(waiting, reading(trouble="503"), set(), QUIET, SETTLED).sound


def test_when_a_quarantined_post_is_looked_for_again() -> None:
    at, hours = NOW, []
    while (following := next_recheck(NOW, at)) is not None and len(hours) < 8:
        hours.append((following - NOW) / timedelta(hours=1))
        at = following
    assert hours == [1, 3, 7, 15, 31, 55, 79, 103]
    assert next_recheck(NOW, NOW + RECHECK_FOR + timedelta(seconds=1)) is None


def test_looks_come_early_then_when_the_quiet_period_is_over() -> None:
    looks, now = [], first_check(NOW)
    while now < SETTLED + timedelta(minutes=9):
        looks.append((now - NOW).total_seconds())
        verdict = judge_reading(unknown(), reading(), set(), QUIET, now)
        assert verdict.next_check is not None
        now = verdict.next_check
    assert looks == [5, 30, 120, 300, 17 * 60, 22 * 60]


# ---- before sending


def test_before_sending_a_post_that_may_be_there() -> None:
    assert judge_before_sending(MESSAGE, reading(read("5", "else")), (), ()) is None
    there = judge_before_sending(MESSAGE, reading(read(at=NOW - timedelta(days=9))), (), ())
    assert there is not None
    assert (there.status, there.found) == (PostStatus.PUBLISHED, read(at=NOW - timedelta(days=9)))
    unread = judge_before_sending(MESSAGE, reading(trouble="503"), (), ())
    assert unread is not None
    assert (unread.status, unread.sound) == (PostStatus.PENDING, False)
    linked = judge_before_sending(MESSAGE, reading(read("8", "other", LINK)), (), ())
    assert linked is not None
    assert (linked.status, [one.id for one in linked.candidates]) == (PostStatus.QUARANTINED, ["8"])
    twice = judge_before_sending(MESSAGE, reading(read("7"), read("8")), (), ())
    assert twice is not None
    assert twice.status is PostStatus.QUARANTINED
    assert judge_before_sending(MESSAGE, reading(read()), ("7",), ()) is None


# ---- changes


def test_a_change_is_done_or_tried_again() -> None:
    delete, update = unknown(action=Action.DELETE, target="9"), unknown(action=Action.UPDATE, target="9")
    assert judge_change(delete, None, QUIET, NOW).status is PostStatus.DONE
    assert judge_change(update, None, QUIET, NOW).status is PostStatus.FAILED
    assert judge_change(update, read("9", MESSAGE.text), QUIET, NOW).status is PostStatus.DONE
    assert judge_change(delete, read("9"), QUIET, NOW).status is PostStatus.UNKNOWN
    assert (
        judge_change(unknown(action=Action.DELETE, absences=1), read("9"), QUIET, SETTLED).status is PostStatus.PENDING
    )
    often = unknown(action=Action.DELETE, absences=1, sends=4)
    assert judge_change(often, read("9"), QUIET, SETTLED).status is PostStatus.QUARANTINED


# ---- texts and links


@pytest.mark.parametrize(
    "text",
    [
        "A Paper &amp; More\n\nthe text\n\n" + LINK,
        "A  Paper & More the text " + LINK,
        "A Paper & More\r\n\r\nthe text\r\n\r\n" + LINK,
        "A Paper & More the text " + LINK.replace("http://www.", "https://"),
    ],
)
def test_texts_that_are_the_same(text: str) -> None:
    assert shows_text(read("7", text), MESSAGE.text)


@pytest.mark.parametrize("ours", ["&lt;b&gt;bold&lt;/b&gt;", "a &amp; b", "x &copy; y", "a&lt=1", "&amp;lt;"])
@pytest.mark.parametrize("escape", [str, lambda text: html.escape(text, quote=False)])
def test_our_own_text_is_never_unescaped(ours: str, escape: object) -> None:
    assert shows_text(read("7", escape(ours)), ours)  # type: ignore[operator]
    assert not shows_text(read("7", "bold"), ours)


def test_an_escaped_text_of_ours_is_not_the_plain_one() -> None:
    assert not shows_text(read("7", "<b>"), "&lt;b&gt;")


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
    ours = Message("mine", LINK)
    changed = read("7", "changed by the platform", link)
    assert matches(ours, [changed]) == ([], [changed])


@pytest.mark.parametrize(
    "link", [LINK.replace("#ada", "#bob"), LINK.replace("RenHGS15", "Other"), "https://example.org/"]
)
def test_links_that_are_not(link: str) -> None:
    assert matches(Message("mine", LINK), [read("7", "other", link)]) == ([], [])


def test_a_new_paper_in_a_roundup_that_shares_links_with_an_older_one_is_not_taken_for_it() -> None:
    older = read("7", "Best of last week", "https://example.org/a", "https://example.org/b")
    roundup = Message("Best of the week https://example.org/b https://example.org/c")
    assert judge_before_sending(roundup, reading(older), (), ()) is None


def test_a_link_that_stands_in_the_text_only_is_a_link_too() -> None:
    """A platform has changed the text, and does not tell of its links apart: that is no proof of absence."""
    changed = read("7", MESSAGE.text.replace("A Paper", "\u201c Paper"))
    assert matches(MESSAGE, [changed], NOW) == ([], [changed])
    verdict = judge_reading(unknown(absences=1), reading(changed), (), QUIET, SETTLED)
    assert verdict.status is PostStatus.QUARANTINED


def test_the_same_text_outweighs_the_same_link() -> None:
    other = read("8", "somebody's own words", LINK)
    assert matches(MESSAGE, [read("7"), other]) == ([read("7")], [other])


@given(st.text())
def test_any_text_is_recognised_as_it_is_and_escaped(text: str) -> None:
    assert shows_text(read("7", text), text)
    assert shows_text(read("7", html.escape(text, quote=False)), text)


@given(st.text(max_size=60))
def test_any_link_can_be_compared(text: str) -> None:
    for url in (f"http://example.org/{text}", f"http://{text}", LINK):
        assert comparable_link(url) == comparable_link(url)
