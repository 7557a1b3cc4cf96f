"""The verbs together: a real feed over HTTP, a real ledger, the real SDKs, a clock moved by hand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.basics import Clock, Feed, asked, feed_item, feed_xml

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Message, PostRow, PostStatus, TimelinePage
from digestbot.ledger import intake, queries
from digestbot.ledger.schema import sources
from digestbot.pipeline.app import Service
from digestbot.sandbox import Answer, Sandbox

Make = Callable[..., Service]


def rows(service: Service) -> list[PostRow]:
    with service.ledger.read() as tx:
        return list(queries.post_rows(tx))


def titles(sandbox: Sandbox) -> list[str]:
    return [post.text.splitlines()[0][-1] for post in sandbox.world.timelines["twitter"]]


def test_one_summary_a_slot_on_each_channel(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(3):
        feed.add(number)
    service = make_service()
    service.tick()
    assert asked(sandbox) == []  # 08:00: before the first slot
    for hour in (1, 4, 4, 16, 4):  # 09, 13, 17, 09 next day, 13
        clock.forward(hours=hour)
        service.tick()
        service.tick()
    assert titles(sandbox) == ["0", "1", "2"]
    assert [post.text for post in sandbox.world.timelines["facebook"]] == [
        post.text for post in sandbox.world.timelines["twitter"]
    ]
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED] * 6
    assert {row.receipt.id for row in rows(service) if row.receipt} == {
        post.id for post in sandbox.world.timelines["twitter"] + sandbox.world.timelines["facebook"]
    }


def test_a_restart_posts_nothing_twice(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(3):
        feed.add(number)
    make_service().tick()
    clock.forward(hours=1)
    make_service().tick()
    make_service().tick()
    assert titles(sandbox) == ["0"]
    clock.forward(hours=30)  # two slots passed and a third: one is caught up
    make_service().tick()
    make_service().tick()
    assert titles(sandbox) == ["0", "1"]


def test_two_at_once_share_the_work(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(4):
        feed.add(number)
    services = [make_service(size=2), make_service(size=2)]
    services[0].tick()
    for hours in (1, 4):
        clock.forward(hours=hours)
        barrier = threading.Barrier(2)

        def tick(service: Service, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            service.tick()

        threads = [threading.Thread(target=tick, args=(service,)) for service in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for service in services:
            service.tick()
    assert sorted(titles(sandbox)) == ["0", "1", "2", "3"]
    assert len(sandbox.world.timelines["facebook"]) == 4


def test_what_is_there_at_first_sight_is_skipped_and_what_comes_later_is_not(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0)
    service = make_service(backlog="skip")
    service.tick()
    feed.add(5, date="Mon, 01 Jan 2018 00:00:00 +0000")  # late, with an old date
    clock.forward(hours=1)
    service.tick()
    assert titles(sandbox) == ["5"]


def test_a_summary_waits_for_votes(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(0, votes=2)
    service = make_service(min_votes=3)
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert titles(sandbox) == []
    feed.items[0]["votes"] = 3
    clock.forward(hours=4)
    service.tick()
    assert titles(sandbox) == ["0"]


def test_a_slot_with_nothing_to_publish_is_over(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    service = make_service()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    feed.add(0)
    clock.forward(minutes=30)
    service.tick()
    assert titles(sandbox) == []  # comes at 13:00, not at 09:30
    clock.forward(hours=4)
    service.tick()
    assert titles(sandbox) == ["0"]


def test_polls_are_conditional_and_an_equal_body_costs_no_parse(
    make_service: Make, feed: Feed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digestbot.sources.feed import parse as feed_module

    feed.add(0)
    feed.etag = '"1"'
    service = make_service()
    service.tick()
    service.tick()
    assert len(feed.requests) == 1  # not due again yet
    monkeypatch.setattr(feed_module, "parse_feed", lambda *_: pytest.fail("parsed again"))
    clock.forward(minutes=15)
    service.tick()
    assert feed.requests[1]["if-none-match"] == '"1"'
    feed.etag = None
    clock.forward(minutes=15)
    assert service.tick().source_errors == {}
    assert len(feed.requests) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>Bad Gateway</html>", content_type="text/html"), "not a feed"),
        (Answer(200, b""), "empty"),
        (Answer(500, b"oops"), "returned 500"),
        (Answer(302, b"", {"Location": "/rss-full.xml"}), "redirects"),
    ],
)
def test_a_broken_feed_leaves_the_ledger_as_it_was_and_says_so(
    make_service: Make,
    feed: Feed,
    sandbox: Sandbox,
    clock: Clock,
    answer: Answer,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed.add(0)
    service = make_service()
    service.tick()
    feed.override = answer
    clock.forward(hours=1)
    report = service.tick()
    assert words in report.source_errors["store"]
    assert words in caplog.text
    with service.ledger.read() as tx:
        assert words in queries.source_errors(tx)["store"]
    assert titles(sandbox) == ["0"]  # what was known continues
    feed.override = None
    feed.add(1)
    clock.forward(hours=4)
    service.tick()
    with service.ledger.read() as tx:
        assert queries.source_errors(tx) == {}
    assert titles(sandbox) == ["0", "1"]


def test_a_cut_off_feed_gives_what_came_whole(make_service: Make, feed: Feed, clock: Clock) -> None:
    body = feed_xml([feed_item(n) for n in range(3)])
    feed.override = Answer(200, body[: body.rindex(b"<pubDate>")], {"ETag": '"cut"'})
    service = make_service()
    assert service.tick().polled["store"] == intake.IngestResult(new=2)
    clock.forward(minutes=15)
    assert service.tick().polled["store"] == intake.IngestResult(new=1, unchanged=2)  # the same half twice
    assert "if-none-match" not in feed.requests[1]  # half an answer is no reason to ask for news only


def test_an_unreachable_platform_is_tried_again(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(0)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("429", seconds=600)
    service.tick()
    (row,) = rows(service)
    assert (row.status, row.attempts) == (PostStatus.PENDING, 1)
    clock.forward(minutes=9)
    service.tick()
    assert rows(service)[0].attempts == 1
    clock.forward(minutes=6)  # the quiet period has passed, too: a refusal may be wrong
    service.tick()
    (row,) = rows(service)
    assert (row.status, row.attempts) == (PostStatus.PUBLISHED, 2)


@pytest.mark.parametrize("fault", ["drop-after", "503-after", "drop-before", "html-after"])
def test_an_unknown_outcome_is_never_sent_again_and_is_shown(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed.add(0)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add(fault)
    service.tick()
    assert rows(service)[0].status is PostStatus.UNKNOWN
    assert "unknown" in caplog.text
    sent = len(sandbox.world.calls)
    for _ in range(5):
        clock.forward(minutes=1)
        service.tick()
    assert [call for call in sandbox.world.calls[sent:] if call.startswith("POST")] == []


def test_a_dead_token_pauses_the_channel_and_keeps_its_queue(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        feed.add(number)
    service = make_service()
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("unauthorized", "facebook")
    service.tick()
    assert titles(sandbox) == ["0"]  # the other channel continues
    with service.ledger.read() as tx:
        assert "the token is no longer valid" in queries.paused_channels(tx)["page"]
    assert "digestbot resume" in caplog.text
    clock.forward(hours=4)
    service.tick()
    assert sandbox.world.timelines["facebook"] == []
    assert [row.status for row in rows(service) if row.channel == "page"] == [PostStatus.PENDING] * 2


def test_a_refused_post_fails_alone(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    for number in range(2):
        feed.add(number)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    original = service.post_builder.renderer.drafts
    service.post_builder.renderer.drafts = lambda *a: [replace(one, message=Message("x" * 400)) for one in original(*a)]  # type: ignore[method-assign]
    service.tick()
    service.post_builder.renderer.drafts = original  # type: ignore[method-assign]
    clock.forward(hours=4)
    service.tick()
    assert [row.status for row in rows(service)] == [PostStatus.FAILED, PostStatus.PUBLISHED]
    assert "too long" in str(rows(service)[0].error)


def test_a_broken_template_makes_nothing_and_the_slot_stays_due(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    feed.add(0)
    broken = make_service(template="missing")
    broken.tick()
    clock.forward(hours=1)
    report = broken.tick()
    broken.tick()
    assert "missing.twitter.txt.j2" in report.render_errors[0]
    assert caplog.text.count("missing.twitter.txt.j2") == 1  # not at every tick
    assert asked(sandbox) == []
    make_service().tick()  # corrected
    assert titles(sandbox) == ["0"]


def test_what_goes_wrong_in_one_part_stops_no_other(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0)
    service = make_service()
    service.tick()
    clock.forward(hours=1)

    def fails(*_: object) -> None:
        raise LedgerError("the disk is full")

    original = service.poller.poll
    service.poller.poll = fails  # type: ignore[method-assign, assignment]
    service.tick()
    assert titles(sandbox) == ["0"]
    service.poller.poll = original  # type: ignore[method-assign]


class Empty:
    """A platform on which nothing was posted yet."""

    replies_apart = False
    account = "100"

    def timeline(self, **_: object) -> Iterator[TimelinePage]:
        yield TimelinePage(end_proven=True)


def test_a_publisher_that_raises_what_nobody_foresaw_leaves_an_unknown(
    make_service: Make, feed: Feed, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Empty):
        def publish(self, *_: object, **__: object) -> None:
            raise ZeroDivisionError

    feed.add(0)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    service.delivery_worker._make_publisher = lambda _: Broken()  # type: ignore[assignment, return-value]
    service.tick()
    assert rows(service)[0].status is PostStatus.UNKNOWN
    assert "ZeroDivisionError" in str(rows(service)[0].error)


def test_a_process_that_died_while_publishing_leaves_an_unknown(make_service: Make, feed: Feed, clock: Clock) -> None:
    feed.add(0)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)

    class Killed(BaseException):
        pass

    class Dies(Empty):
        def publish(self, *_: object, **__: object) -> None:
            raise Killed

    service.delivery_worker._make_publisher = lambda _: Dies()  # type: ignore[assignment, return-value]
    with pytest.raises(Killed):
        service.tick()
    after = make_service(channels=["x"])
    assert rows(after)[0].status is PostStatus.PUBLISHING
    clock.forward(minutes=2)
    after.tick()
    assert rows(after)[0].status is PostStatus.UNKNOWN


def test_send_works_outside_the_schedule(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(3):
        feed.add(number)
    service = make_service()
    report = service.send("latest", 2)
    assert len(report.made) == 4
    assert titles(sandbox) == ["0", "1"]
    assert len(service.send("latest", 5).made) == 2
    assert service.send("latest", 1).made == []
    clock.forward(hours=1)
    service.tick()  # the schedule's own slot finds nothing left
    assert titles(sandbox) == ["0", "1", "2"]


def test_sending_by_hand_takes_no_scheduled_slot_away(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(2):
        feed.add(number)
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    service.send("latest", 1)
    service.tick()
    assert titles(sandbox) == ["0", "1"]


def test_preview_shows_what_would_be_sent_and_touches_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(2):
        feed.add(number)
    service = make_service()
    before = service.preview("latest", "x")
    assert before.slot is not None
    assert before.slot.nominal == "2026-11-02T09:00"
    assert before.backlog == {"waiting": 2}
    assert rows(service) == []
    with service.ledger.read() as tx:
        assert tx.execute(sources.select()).first() is None
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert sandbox.world.timelines["twitter"][0].text == before.drafts[0].message.text
    assert service.preview("latest", "x").drafts[0].message.text.startswith("Paper Number 1")


def test_preview_of_a_digest_that_skips_shows_a_sample(make_service: Make, feed: Feed) -> None:
    feed.add(0)
    found = make_service(backlog="skip").preview("latest", "page")
    assert found.drafts == []
    assert found.sample is not None
    assert found.backlog == {"skipped": 1}


def test_stopping_begins_nothing_new(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    feed.add(0)
    service, stopping = make_service(), threading.Event()
    service.tick()
    clock.forward(hours=1)
    stoppable = Service(service.config, service.ledger, clock, stopping=stopping.is_set)
    stopping.set()
    stoppable.tick()
    assert asked(sandbox) == []
    stopping.clear()
    stoppable.tick()
    assert titles(sandbox) == ["0"]


def test_logs_at_debug_hold_no_secret(
    make_service: Make, feed: Feed, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    feed.add(0)
    service = make_service()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    for secret in service.config.secrets():
        assert secret not in caplog.text


def test_a_clock_put_back_fires_nothing_again(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(3):
        feed.add(number)
    service = make_service()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    clock.now -= timedelta(hours=3)
    for _ in range(8):
        service.tick()
        clock.forward(minutes=30)
    assert titles(sandbox) == ["0"]
