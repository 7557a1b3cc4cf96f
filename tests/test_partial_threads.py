"""Threads and roundups that break off, or whose summaries change: nothing is lost, doubled, or said any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from helpers.basics import Clock, Feed, make_summary, refuse_first_part
from helpers.source_db import Store, site
from test_threads import KEY, LONG, render, rows

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import PostStatus, TimelinePost
from digestbot.domain.reconciliation import matches
from digestbot.ledger import alerts, manual_resolution, monthly_costs, queries
from digestbot.ledger.schema import pictures, posts
from digestbot.pipeline.app import Service
from digestbot.platforms.registry import TWITTER
from digestbot.rendering.renderer import Renderer
from digestbot.sandbox import Sandbox
from digestbot.text import find_urls

Make = Callable[..., Service]


def published(service: Service, clock: Clock) -> None:
    service.tick()
    clock.forward(hours=1)
    service.tick()


def later(service: Service, clock: Clock, ticks: int = 4, **span: float) -> None:
    for _ in range(ticks):
        clock.forward(**(span or {"minutes": 15}))
        report = service.tick()
        assert report.troubles == []
        assert report.source_errors == {}


def texts(service: Service) -> str:
    with service.ledger.read() as tx:
        return "\n".join(tx.scalars(sa.select(posts.c.text)))


# ---- broken off


@pytest.mark.parametrize("same", ["title", "link"])
def test_no_summary_of_a_roundup_is_lost_though_they_look_alike(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, same: str
) -> None:
    sandbox.faults.refuse_replies = True
    for number in range(1, 13):
        if same == "title":
            feed.add(number, title=f"A Survey of Deep Learning Methods for Task Number {number} with Many More Words")
        else:
            feed.add(
                number,
                key="conf/test/Same",
                user="anon",
                title="The Same",
                body=f"View number {number} of it all, at length.",
            )
    service = make_service(shape="roundup", size=12, link="none" if same == "title" else "post", channels=["x"])
    published(service, clock)
    first = len(sandbox.world.timelines["twitter"])
    assert first == 1
    with service.ledger.read() as tx:
        waiting = queries.backlog_counts(tx, "latest", "x")["waiting"]
    said = sandbox.world.timelines["twitter"][0].text.count("summary" if same == "link" else "Summary by")
    assert waiting == 12 - said
    later(service, clock, 12, hours=4)
    shown = "\n".join(tweet.text for tweet in sandbox.world.timelines["twitter"])
    assert shown.count("nonymous summary" if same == "link" else "Summary by") == 12


def test_a_part_whose_summaries_wait_again_is_not_sent_by_hand(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.faults.refuse_replies = True
    for number in range(1, 7):
        feed.add(number)
    service = make_service(shape="roundup", size=6, channels=["x"])
    published(service, clock)
    (part,) = rows(service, statuses=[PostStatus.SKIPPED])
    with service.ledger.begin() as tx, pytest.raises(LedgerError, match="went back to the backlog"):
        manual_resolution.resolve_post(tx, part.id, PostStatus.PENDING, None, clock())


def test_a_part_with_nothing_to_go_under_is_not_sent_by_hand(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=LONG)
    service = make_service(shape="thread", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    refuse_first_part(service)
    service.tick()
    second = rows(service)[1]
    with service.ledger.begin() as tx, pytest.raises(LedgerError, match="retry that first"):
        manual_resolution.resolve_post(tx, second.id, PostStatus.PENDING, None, clock())


def test_a_refused_first_part_gives_back_what_the_others_were_to_show(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1, 7):
        feed.add(number)
    service = make_service(shape="roundup", size=6, channels=["x"])
    service.tick()
    clock.forward(hours=1)
    refuse_first_part(service)
    service.tick()
    shown = 3  # the first of two parts has half of the six
    with service.ledger.read() as tx:
        assert queries.backlog_counts(tx, "latest", "x") == {"taken": shown, "waiting": 6 - shown}


def test_threads_that_wait_are_not_begun_where_replies_are_refused(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.faults.refuse_replies = True
    for number in (1, 2):
        feed.add(number, body=LONG)
    service = make_service(shape="thread", size=2, channels=["x"])
    published(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == 1
    later(service, clock, 1, hours=4)
    assert len(sandbox.world.timelines["twitter"]) == 2
    assert "(1/" not in sandbox.world.timelines["twitter"][1].text  # a post of its own


def test_a_sites_address_tells_no_post_from_another() -> None:
    drafts = render(*(make_summary(number, id=number) for number in range(1, 12)), shape="roundup", link="last")
    other = TimelinePost(
        "9", "u", "Visit us: http://shortscience.org/", ("http://www.shortscience.org/",), datetime.now(UTC)
    )
    assert matches(drafts[-1].message, [other]) == ([], [])


# ---- changed


def test_two_summaries_of_one_roundup_change_at_once(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in (1, 2, 3):
        store.add(number)
    service = make_service(source=site(store), shape="roundup", size=3, channels=["page"], on_edit="update")
    published(service, clock)
    store.edit(KEY.format(1), 1, text="Changed one.")
    store.edit(KEY.format(2), 2, anon=True)
    later(service, clock)
    (post,) = sandbox.world.timelines["facebook"]
    assert "Changed one." in post.text
    assert "Reader 2" not in post.text
    assert "Reader 3" in post.text


def test_what_was_to_follow_a_deleted_part_goes_back(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1, 7):
        store.add(number)
    service = make_service(source=site(store), shape="roundup", size=6, channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("429", seconds=1800)
    sandbox.faults.after(1)
    service.tick()
    store.delete(KEY.format(1), 1)
    later(service, clock, 40, hours=1)
    assert rows(service, statuses=[PostStatus.PENDING]) == []
    shown = "\n".join(tweet.text for tweet in sandbox.world.timelines["twitter"])
    assert [number for number in range(1, 7) if f"#reader{number}" in shown] == [2, 3, 4, 5, 6]


def test_of_a_withdrawn_thread_no_word_is_kept(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1, text=LONG)
    service = make_service(source=site(store), shape="thread", image="card", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("429", seconds=36000, times=3)
    service.tick()
    store.delete(KEY.format(1), 1)
    later(service, clock)
    assert "Sentence" not in texts(service)
    with service.ledger.read() as tx:
        assert tx.execute(sa.select(pictures)).all() == []


def test_a_thread_whose_writer_takes_the_name_back_goes_whole(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1, text=LONG)
    service = make_service(source=site(store), shape="thread", channels=["x"])
    published(service, clock)
    assert len(sandbox.world.timelines["twitter"]) > 3
    store.edit(KEY.format(1), 1, anon=True)
    later(service, clock)
    assert sandbox.world.timelines["twitter"] == []


@pytest.mark.parametrize("sent", [True, False])
def test_a_card_names_nobody_who_takes_the_name_back(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, tmp_path: Path, sent: bool
) -> None:
    (tmp_path / "bare.twitter.txt.j2").write_text("{{ paper.title }}\n{{ summary.lead | fit }}")
    store.add(1)
    service = make_service(source=site(store), channels=["x"], image="card", link="none", template="bare")
    service.post_builder.renderer = Renderer(tmp_path)
    service.tick()
    clock.forward(hours=1)
    if not sent:
        sandbox.faults.add("429", seconds=3600, times=3)
    service.tick()
    store.edit(KEY.format(1), 1, anon=True)
    later(service, clock, 24)
    assert not any(
        "Reader 1" in picture.alt_text
        for tweet in sandbox.world.timelines["twitter"]
        for picture in [sandbox.world.pictures[id_] for id_ in tweet.media]
    )
    assert len(sandbox.world.timelines["twitter"]) == (0 if sent else 1)


def test_a_roundup_on_a_page_goes_where_its_picture_is_of_the_withdrawn_summary(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in (1, 2, 3):
        store.add(number)
    service = make_service(source=site(store), shape="roundup", size=3, channels=["page"], image="card")
    published(service, clock)
    store.delete(KEY.format(1), 1)
    later(service, clock, 20)
    assert not any("Paper Number 1" in post.text for post in sandbox.world.timelines["facebook"])
    with service.ledger.read() as tx:
        assert not any("Reader 1" in alt for alt in tx.scalars(sa.select(pictures.c.alt_text)))
        assert (
            queries.backlog_counts(tx, "latest", "page").get("waiting", 0) + len(sandbox.world.timelines["facebook"])
            > 0
        )


def test_a_deletion_that_is_made_for_two_goes_on_when_one_comes_back(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1, 61):
        store.add(number)
    service = make_service(source=site(store), shape="roundup", size=3, channels=["x"], link="none")
    published(service, clock)
    sandbox.faults.add("429", seconds=7200)
    for number in (1, 2):
        store.edit(KEY.format(number), number, priv=True)
        later(service, clock, 1)
    store.edit(KEY.format(2), 2, priv=False)
    later(service, clock, 20)
    assert not any("Paper Number 1\n" in tweet.text for tweet in sandbox.world.timelines["twitter"])


# ---- money


def test_a_deletion_has_its_price(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    published(service, clock)
    store.delete(KEY.format(1), 1)
    later(service, clock)
    assert sandbox.world.timelines["twitter"] == []
    with service.ledger.read() as tx:
        assert monthly_costs.spent(tx, "x", clock()) == 220_000  # the account was read once, too


def test_a_budget_that_ends_twice_in_a_month_is_told_twice(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(8):
        feed.add(number)

    def with_budget(budget: int) -> Service:
        service = make_service(channels=["x"])
        service.config.channels["x"] = service.config.channels["x"].model_copy(update={"monthly_budget": budget})
        return service

    def kinds(service: Service) -> list[str]:
        with service.ledger.read() as tx:
            return [alert.kind for alert in alerts.open_alerts(tx)]

    service = with_budget(210_000)  # a post, and the account, whose empty timeline is not believed alone
    service.tick()
    later(service, clock, 3, hours=16)
    assert kinds(service) == ["budget", "budget-spent"]
    service = with_budget(1_012_000)  # with what it costs to look at the timeline after a restart
    later(service, clock, 1, hours=16)
    assert kinds(service) == []  # there is room again
    later(service, clock, 8, hours=16)
    assert kinds(service) == ["budget", "budget-spent"]
    assert len(sandbox.world.timelines["twitter"]) == 5


def test_what_costs_more_than_the_whole_budget_is_said_so(make_service: Make, feed: Feed, clock: Clock) -> None:
    feed.add(1)
    service = make_service(channels=["x"])
    service.config.channels["x"] = service.config.channels["x"].model_copy(update={"monthly_budget": 100_000})
    published(service, clock)
    with service.ledger.read() as tx:
        (alert,) = alerts.open_alerts(tx)
    assert "more than the whole budget of $0.10" in alert.note


# ---- what strangers write


@pytest.mark.parametrize(
    "body",
    [
        "a" * 224 + "@bob" + "z" * 80,
        "a" * 224 + "#tag" + "z" * 80,
        "a" * 224 + "$AAPL" + "z" * 80,
        "a" * 224 + "é.com/bar" + "z" * 80,
        "abc.com漢字漢字漢字漢字漢字漢字" * 221,
        "a.com漢" * 2000,
        "a.com " * 400,
        "x@[4:1:name] and \ue150 private",
    ],
)
def test_no_cut_makes_a_mention_or_a_link(body: str) -> None:
    import re

    for shape in ("single", "thread"):
        for draft in render(make_summary(1, body=body, link="http://www.shortscience.org/p#a"), shape=shape):
            text = draft.message.text
            assert set(find_urls(text)) <= {"http://www.shortscience.org/p#a"}
            assert not re.search(r"(?<![A-Za-z0-9_])(?:@\w|#\w|\$[A-Za-z])|@\[\d", text)


def test_a_summary_that_breaks_a_roundups_template_is_named(tmp_path: Path) -> None:
    from digestbot.config import Appearance
    from digestbot.domain.errors import RenderError
    from digestbot.rendering.renderer import RenderTarget

    (tmp_path / "roundup.twitter.txt.j2").write_text(
        "{% for summary in summaries %}{{ summary.by }}{{ 1 / summary.votes }}\n\n{% endfor %}"
    )
    chosen = [make_summary(number, id=number, votes=number - 2) for number in (1, 2, 3)]
    with pytest.raises(RenderError, match="division") as caught:
        Renderer(tmp_path).drafts(Appearance(shape="roundup"), RenderTarget("d", "x", TWITTER, {}), chosen)  # type: ignore[arg-type]
    assert caught.value.summary == 2
    (tmp_path / "roundup.twitter.txt.j2").write_text("nothing of any")
    with pytest.raises(RenderError, match="shows nothing of one of the summaries"):
        Renderer(tmp_path).drafts(Appearance(shape="roundup"), RenderTarget("d", "x", TWITTER, {}), chosen)  # type: ignore[arg-type]
