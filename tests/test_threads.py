"""Threads, roundups, links, hashtags: rendered, published, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from helpers.basics import Clock, Feed, make_summary, refuse_first_part
from helpers.source_db import Store, site
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config import Appearance
from digestbot.domain.model import Draft, LinkPolicy, Paper, PostRow, PostStatus, Summary
from digestbot.ledger import alerts, edit_queue, queries
from digestbot.pipeline.app import Service
from digestbot.platforms.base import Platform
from digestbot.platforms.registry import FACEBOOK, PLATFORMS, TWITTER
from digestbot.platforms.twitter.length import weighted_length
from digestbot.rendering.renderer import Renderer, RenderTarget
from digestbot.sandbox import Sandbox
from digestbot.text import find_urls, split

Make = Callable[..., Service]
BUILT_IN = Renderer()
LONG = " ".join(f"Sentence number {number} says one more thing about the model and its data." for number in range(12))
LINK = "http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15#ada"
NUMBER = re.compile(r" \((\d+)/(\d+)\)$", re.MULTILINE)


def render(
    *chosen: Summary, platform: Platform = TWITTER, parameters: dict[str, str] | None = None, **look: Any
) -> list[Draft]:
    place = RenderTarget("weekly", "x", platform, parameters or {})
    return BUILT_IN.drafts(Appearance.model_validate(look), place, chosen)


def texts(drafts: list[Draft]) -> list[str]:
    return [draft.message.text for draft in drafts]


# ---- threads


def test_a_thread_carries_the_whole_summary_in_numbered_parts() -> None:
    drafts = render(make_summary(1, id=7, body=LONG, link=LINK), shape="thread")
    found = texts(drafts)
    assert len(found) > 3
    assert [NUMBER.search(text).groups() for text in found] == [  # type: ignore[union-attr]
        (str(number), str(len(found))) for number in range(1, len(found) + 1)
    ]
    assert found[0].startswith("Paper Number 1\nSummary by Reader 1\n\nSentence number 0")
    said = " ".join(NUMBER.sub("", text.replace(LINK, "")).strip() for text in found)
    assert " ".join(said.split()).endswith(LONG)
    assert all(NUMBER.sub("", text.replace(LINK, "")).rstrip().endswith(".") for text in found)
    assert [draft.message.reply for draft in drafts] == [False] + [True] * (len(found) - 1)
    assert {draft.shows for draft in drafts} == {(7,)}
    assert all(weighted_length(text) <= 280 for text in found)


@pytest.mark.parametrize(("link", "place"), [("post", 0), ("last", -1), ("none", None)])
def test_a_thread_has_its_one_link_where_it_is_wanted(link: str, place: int | None) -> None:
    found = texts(render(make_summary(1, body=LONG, link=LINK), shape="thread", link=link))
    with_link = [number for number, text in enumerate(found) if find_urls(text)]
    assert with_link == ([] if place is None else [range(len(found))[place]])
    assert place is None or found[place].endswith(f"\n\n{LINK}")


def test_a_short_thread_is_one_post_without_a_number() -> None:
    (text,) = texts(render(make_summary(1, body="Short.", link=LINK), shape="thread"))
    assert text == f"Paper Number 1\nSummary by Reader 1\n\nShort.\n\n{LINK}"


def test_a_thread_on_facebook_is_one_post() -> None:
    (draft,) = render(make_summary(1, body=LONG, link=LINK), shape="thread", platform=FACEBOOK)
    assert LONG in draft.message.text
    assert draft.message.link == LINK


def test_a_thread_does_not_break_after_a_heading() -> None:
    filler = "This part fills the first of the posts with enough words to leave little room for more of it. " * 2
    found = texts(render(make_summary(1, body=f"{filler}\n\n# Method\n\n{LONG}", link=LINK), shape="thread"))
    assert not any(NUMBER.sub("", text).rstrip().endswith("Method") for text in found)


@given(
    st.lists(st.text(max_size=400), max_size=6).map("\n\n".join),
    st.text(max_size=150),
    st.sampled_from(list(LinkPolicy)),
)
def test_any_summary_makes_a_thread_within_the_limits(body: str, title: str, link: LinkPolicy) -> None:
    summary = make_summary(1, paper=Paper("k", title), body=body, link=LINK)
    for platform in PLATFORMS.values():
        drafts = render(summary, shape="thread", link=link, platform=platform)
        limit = platform.limit
        found = texts(drafts)
        assert all(0 < limit.measure(text) <= limit.most for text in found)
        assert sum(url == LINK for text in found for url in find_urls(text)) == (link is not LinkPolicy.NONE)
        assert all(url == LINK for text in found for url in find_urls(text))


# ---- roundups


def test_a_roundup_names_each_summary_with_its_writer_and_link() -> None:
    chosen = [make_summary(number, id=number) for number in range(1, 8)]
    drafts = render(*chosen, shape="roundup", heading="Best of November")
    found = texts(drafts)
    assert found[0].startswith("Best of November\n\nPaper Number 1\nSummary by Reader 1\nhttp://")
    whole = "\n".join(found)
    for summary in chosen:
        assert whole.count(summary.link) == 1
        assert f"Summary by {summary.writer}" in whole
    for draft in drafts:  # what a part says it shows, and no more
        assert draft.shows == tuple(one.id for one in chosen if one.link in draft.message.text)
    assert sorted(id_ for draft in drafts for id_ in draft.shows) == list(range(1, 8))
    assert all(weighted_length(text) <= 280 for text in found)


def test_a_roundup_can_share_one_link_or_have_none() -> None:
    chosen = [make_summary(number, id=number) for number in range(1, 12)]
    shared = texts(render(*chosen, shape="roundup", link="last"))
    assert [find_urls(text) for text in shared] == [[]] * (len(shared) - 1) + [["http://www.shortscience.org/"]]
    none = render(*chosen, shape="roundup", link="none")
    assert not any(find_urls(text) for text in texts(none))
    assert [id_ for draft in none for id_ in draft.shows] == list(range(1, 12))


def test_a_roundup_on_facebook_is_one_post_with_the_beginnings() -> None:
    (draft,) = render(
        *(make_summary(number, id=number, body=LONG) for number in range(1, 6)),
        shape="roundup",
        platform=FACEBOOK,
    )
    assert draft.message.text.count("Sentence number 0 says") == 5
    assert draft.shows == (1, 2, 3, 4, 5)
    assert draft.message.link is None


# ---- links and hashtags


def test_links_take_the_channels_parameters_and_keep_their_anchor() -> None:
    (draft,) = render(make_summary(1, link=LINK), parameters={"utm_source": "x", "utm medium": "söcial"})
    assert find_urls(draft.message.text) == [
        "http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15&utm_source=x&utm%20medium=s%C3%B6cial#ada"
    ]
    (draft,) = render(make_summary(1, link="https://example.org/a"), parameters={"via": "bot"})
    assert draft.message.text.endswith("https://example.org/a?via=bot")


def test_a_single_post_without_link() -> None:
    (draft,) = render(make_summary(1, link=LINK), link="none", platform=FACEBOOK)
    assert draft.message.link is None
    assert "http" not in draft.message.text


@pytest.mark.parametrize("shape", ["single", "thread", "roundup"])
@pytest.mark.parametrize("platform", PLATFORMS.values())
def test_a_link_in_a_comment(shape: str, platform: Platform) -> None:
    chosen = [make_summary(1, id=7, link=LINK), make_summary(2, id=8, link=LINK + "2")]
    drafts = render(*chosen, platform=platform, shape=shape, link="comment")
    comments = [draft for draft in drafts if "http" in draft.message.text]
    assert all(draft.message.reply and draft.message.link is None for draft in comments)
    assert all(draft.message.link is None for draft in drafts)
    assert sorted(find_urls(" ".join(texts(comments)))) == [LINK, LINK + "2"]
    assert len(comments) == (1 if shape == "roundup" else 2)


def test_a_comment_with_more_links_than_fit_names_the_site() -> None:
    chosen = [make_summary(number, id=number, link=f"{LINK}{number}") for number in range(20)]
    *_, comment = texts(render(*chosen, shape="roundup", link="comment"))
    assert comment == "http://www.shortscience.org/"


def test_a_comment_appears_under_its_post_and_stays_when_that_is_edited(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body="What it said before. It said more.")
    service = make_service(channels=["page"], link="comment", on_edit="update")
    service.tick()
    clock.forward(hours=1)
    service.tick()
    post, comment = sandbox.world.timelines["facebook"]
    assert (post.link, comment.reply_to) == (None, post.id)
    assert comment.text.startswith("http://www.shortscience.org/paper?")
    feed.items[0]["body"] = "What it says now. It says other things."
    clock.forward(hours=1)
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert "What it says now" in sandbox.world.timelines["facebook"][0].text
    assert sandbox.world.timelines["facebook"][1].text == comment.text
    assert len(sandbox.world.timelines["facebook"]) == 2


def test_hashtags_come_from_the_digest_alone() -> None:
    paper = Paper("k", "About #things", category="cs.LG", sections=("cs", "bio"))
    summary = make_summary(1, paper=paper, body="On #learning.", link=LINK)
    (plain,) = texts(render(summary))
    assert "#things" not in plain
    assert "#learning" not in plain
    (tagged,) = texts(render(summary, hashtags=["#papers", "category", "sections"]))
    assert tagged.endswith(f"{LINK}\n#papers #csLG #cs #bio")
    (unknown,) = texts(render(make_summary(1, link=LINK), hashtags=["category"]))
    assert unknown.endswith(LINK)


# ---- published


def rows(service: Service, **only: Any) -> list[PostRow]:
    with service.ledger.read() as tx:
        return queries.post_rows(tx, **only)


def test_a_thread_is_published_part_under_part(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(1, body=LONG)
    service = make_service(shape="thread", link="last", on={"page": {"shape": "single"}})
    service.tick()
    clock.forward(hours=1)
    service.tick()
    tweets = sandbox.world.timelines["twitter"]
    assert len(tweets) > 3
    assert [tweet.reply_to for tweet in tweets] == [None, *(tweet.id for tweet in tweets[:-1])]
    assert len(sandbox.world.timelines["facebook"]) == 1
    made = rows(service, channel="x")
    assert [row.cost for row in made] == [15_000] * (len(made) - 1) + [200_000]


def test_a_channel_that_refuses_replies_gets_single_posts(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.faults.refuse_replies = True
    for number in (1, 2):
        feed.add(number, body=LONG)
    service = make_service(shape="thread", link="last", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    service.tick()
    (first,) = sandbox.world.timelines["twitter"]
    assert "Summary by Reader 1" in first.text
    made = rows(service)
    assert [row.status for row in made] == [PostStatus.PUBLISHED] + [PostStatus.SKIPPED] * (len(made) - 1)
    with service.ledger.read() as tx:
        (alert,) = alerts.open_alerts(tx)
        assert alert.kind == "replies"
        assert queries.backlog_counts(tx, "latest", "x") == {"taken": 1, "waiting": 1}
        assert queries.paused_channels(tx) == {}
    clock.forward(hours=4)
    service.tick()  # the next slot: a post of its own, with its link
    assert len(sandbox.world.timelines["twitter"]) == 2
    second = sandbox.world.timelines["twitter"][1]
    assert second.reply_to is None
    assert "Summary by Reader 2" in second.text
    assert len(find_urls(second.text)) == 1
    with service.ledger.begin() as tx:  # the operator says that threads may be tried again
        edit_queue.decide_alert(tx, alert.id, confirm=False, now=clock())
        assert alerts.open_alerts(tx) == []
    sandbox.faults.refuse_replies = False
    feed.add(3, body=LONG)
    for _ in range(2):
        clock.forward(hours=16)
        service.tick()
    assert len(sandbox.world.timelines["twitter"]) > 4


def test_a_suspended_account_is_no_refused_reply(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=LONG)
    service = make_service(shape="thread", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("unauthorized", times=2)
    sandbox.faults.after(1)
    service.tick()
    with service.ledger.read() as tx:
        assert alerts.open_alerts(tx) == []
    assert [row.status for row in rows(service)][:2] == [PostStatus.PUBLISHED, PostStatus.PENDING]


def test_a_roundup_that_may_not_go_on_gives_its_rest_back(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.faults.refuse_replies = True
    for number in range(1, 7):
        feed.add(number)
    service = make_service(shape="roundup", size=6, channels=["x"])
    service.tick()
    clock.forward(hours=1)
    service.tick()
    (first,) = sandbox.world.timelines["twitter"]
    shown = len(find_urls(first.text))
    assert 2 < shown < 6
    with service.ledger.read() as tx:
        assert queries.backlog_counts(tx, "latest", "x") == {"taken": shown, "waiting": 6 - shown}
    clock.forward(hours=4)
    service.tick()
    links = [url for tweet in sandbox.world.timelines["twitter"] for url in find_urls(tweet.text)]
    assert sorted(links) == sorted({item["link"] for item in feed.items})  # each once, none lost
    assert len(sandbox.world.timelines["twitter"]) == 2  # what is left fits one post, which needs no reply


def test_a_first_part_that_is_refused_ends_the_thread(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    """Two threads in one edition: the second does not end with the first."""
    for number in (1, 2):
        feed.add(number, body=LONG)
    service = make_service(shape="thread", size=2, channels=["x"])
    service.tick()
    clock.forward(hours=1)
    refuse_first_part(service)
    service.tick()
    found = rows(service)
    assert found[0].status is PostStatus.FAILED
    second = [row for row in found if not row.reply][1]
    assert {row.status for row in found if 0 < row.position < second.position} == {PostStatus.SKIPPED}
    assert {row.status for row in found if row.position >= second.position} == {PostStatus.PUBLISHED}


# ---- summaries that change


KEY = "conf/test/Paper{}"


def test_a_withdrawn_summarys_whole_thread_goes(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1, text=LONG)
    service = make_service(source=site(store), shape="thread", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    service.tick()
    parts = len(sandbox.world.timelines["twitter"])
    assert parts > 3
    store.delete(KEY.format(1), 1)
    for _ in range(4):
        clock.forward(minutes=15)
        service.tick()
    assert sandbox.world.timelines["twitter"] == []  # one summary: no safety catch, however many parts it had
    with service.ledger.read() as tx:
        assert alerts.open_alerts(tx) == []


def test_an_edit_leaves_a_thread_that_has_begun_as_it_is(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1, text=LONG)
    service = make_service(source=site(store), shape="thread", channels=["x"], on_edit="update")
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("503-before")
    sandbox.faults.after(1)
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1
    store.edit(KEY.format(1), 1, text="Something else altogether, and short.")
    for _ in range(12):
        clock.forward(minutes=15)
        service.tick()
    assert len(sandbox.world.timelines["twitter"]) == len(rows(service, channel="x"))
    said = " ".join(NUMBER.sub("", tweet.text) for tweet in sandbox.world.timelines["twitter"])
    assert "Sentence number 11" in said
    with service.ledger.read() as tx:
        assert queries.backlog_counts(tx, "latest", "x") == {"taken": 1}


def test_a_roundup_on_facebook_goes_on_without_a_withdrawn_summary(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in (1, 2, 3):
        store.add(number)
    service = make_service(source=site(store), shape="roundup", size=3, channels=["page", "x"])
    service.tick()
    clock.forward(hours=1)
    service.tick()
    (post,) = sandbox.world.timelines["facebook"]
    assert post.text.count("Summary by") == 3
    store.delete(KEY.format(2), 2)
    for _ in range(5):
        clock.forward(minutes=15)
        service.tick()
    (post,) = sandbox.world.timelines["facebook"]
    assert post.text.count("Summary by") == 2
    assert "Paper2" not in post.text
    assert not any(
        "Paper2" in tweet.text for tweet in sandbox.world.timelines["twitter"]
    )  # X has no edit: that part is gone


# ---- seams


def test_seams_are_chosen_together() -> None:
    sentence = "A sentence of some forty characters here. "
    parts = split((sentence * 7).strip(), 130, len, first=130)
    assert [len(part) for part in parts] == [125, 83, 83]
    parts = split((sentence * 6 + "End.").strip(), 130, len, first=130, last=100)
    assert [len(part) for part in parts] == [125, 83, 46]  # the last has room for a link
    text = f"{'Word ' * 20}\n\nHeading\n\n{'More ' * 20}"
    assert not any(part.endswith("Heading") for part in split(text, 115, len, first=115))


def test_no_seam_is_inside_a_quotation() -> None:
    quotation = "“It is short. It is clear. It is new and it works for all of the data that we have.”"
    parts = split(f"The reviewer says this about it, and more: {quotation} Then it ends.", 100, len, first=100)
    assert any(quotation in part for part in parts)


def test_a_thread_has_a_limit_of_parts_and_then_ends_with_its_link() -> None:
    body = " ".join(f"Sentence number {number} says one more thing about the model." for number in range(60))
    for where in ("post", "last"):
        found = texts(render(make_summary(1, body=body, link=LINK), shape="thread", link=where, max_parts=3))
        assert len(found) == 3
        assert [bool(find_urls(text)) for text in found] == [False, False, True]
        assert found[-1].endswith(f"(3/3)\n\n{LINK}")
        assert NUMBER.sub("", found[-1].replace(LINK, "")).rstrip().endswith(".")
        assert all(weighted_length(text) <= 280 for text in found)


@given(
    st.lists(
        st.sampled_from(["A short one. ", "Half, of it; here: ", "\n\n", "\n", "“Quoted. Twice.” ", "word " * 30, "x" * 90 + " ", "=\xa0y "]),
        max_size=30,
    ).map("".join),
    st.integers(30, 200),
    st.integers(20, 200),
    st.integers(20, 200),
    st.booleans(),
)  # fmt: skip
def test_nothing_is_lost_at_a_seam(text: str, room: int, first: int, last: int, whole: bool) -> None:
    text = re.sub(r" +(?=\n)|(?<=\n) +", "", text)  # as a rendered text is
    parts = split(text, room, len, first=first, last=last, whole=whole)
    bare = re.sub(r"[\s…,;:]", "", "".join(parts))
    assert bare == re.sub(r"[\s…,;:]", "", text)
    for number, part in enumerate(parts):
        most = [room if number else first]
        if number == len(parts) - 1:
            most = [last] if number else [first, last]
        assert len(part) <= min(most)


# ---- the lines of a roundup


def test_a_roundup_has_a_line_of_each_summary_where_that_needs_no_more_posts() -> None:
    few = [make_summary(number, body="We halve the error of the model. The rest is long. " * 4) for number in (1, 2)]
    (text,) = texts(render(*few, shape="roundup", link="last"))
    assert text.count("We halve the error of the model.") == 2
    many = [make_summary(number, body="We halve the error of the model. " * 9) for number in range(1, 6)]
    assert not any("error" in text for text in texts(render(*many, shape="roundup")))
    assert len(texts(render(*many, shape="roundup"))) == 2


def test_the_one_link_of_a_roundup_leads_to_the_page_that_lists_its_summaries() -> None:
    chosen = [make_summary(1), make_summary(2)]
    for link in ("last", "comment"):
        found = texts(render(*chosen, shape="roundup", link=link, list_url="https://example.org/latest"))
        assert ("https://example.org/latest" in found[-1]) == (link == "last")
    assert texts(render(*chosen, shape="roundup", link="last"))[-1].endswith("http://www.shortscience.org/")
