"""Acting only on evidence: timelines that lie, people who post too, receipts that come late, ledgers that are not the newest."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import Clock, Feed, raw_config
from pydantic import SecretStr

from digestbot import config as configuration
from digestbot.errors import ConfigError, LedgerChanged, LedgerError
from digestbot.ledger import Ledger, alarms, channel_states, delivery, reconciliation, spending, views
from digestbot.model import PostRow, PostStatus, Receipt, ReceiptBasis
from digestbot.retry import Decision
from digestbot.sandbox import LIES, Answer, Sandbox
from digestbot.sandbox.forms import Request
from digestbot.schema import channels, ledger_identity, posts, summaries
from digestbot.service import Report, Service

Make = Callable[..., Service]
PLATFORMS = {"x": "twitter", "page": "facebook"}
both = pytest.mark.parametrize("channel", PLATFORMS)
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the code is the same on either


def rows(service: Service) -> list[PostRow]:
    with service.ledger.read() as tx:
        return list(views.post_rows(tx))


def timeline(sandbox: Sandbox, channel: str) -> list[str]:
    return [post.text for post in (sandbox.world.tweets if channel == "x" else sandbox.world.page_posts)]


def live(service: Service, clock: Clock, hours: float, *, step: float = 2, plan: bool = False) -> None:
    """Deliver every ``step`` minutes, for so long; with ``plan`` do all else that is due, too."""
    end = clock.now + timedelta(hours=hours)
    while clock.now < end:
        if plan:
            service.tick()
        else:
            with service.ledger.begin() as tx:
                delivery.expire(tx, service.config.delivery.lease, clock())
            for channel in service.config.channels:
                service.delivery_worker.publish(channel, Report())
        clock.forward(minutes=step)


def published(make_service: Make, feed: Feed, clock: Clock, channel: str, count: int = 1, **digest: object) -> Service:
    """A service that has published one post, with others to come."""
    for number in range(count + 1):
        feed.add(number)
    service = make_service(channels=[channel], **digest)
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert len(rows(service)) == 1
    return service


def due(clock: Clock) -> None:
    """Time passes to the next slot."""
    clock.forward(hours=4)


# ---- timelines that lie


@sqlite
@both
@pytest.mark.parametrize("lie", sorted(set(LIES) - {"old"}))
@pytest.mark.parametrize("lost", ["drop-after", "drop-before", "503-after"])
def test_a_timeline_that_lies_doubles_nothing_and_loses_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, lie: str, lost: str
) -> None:
    service = published(make_service, feed, clock, channel)
    due(clock)
    sandbox.faults.add(lost, PLATFORMS[channel])
    service.tick()
    sandbox.faults.lie(PLATFORMS[channel], lie)
    live(service, clock, 3)
    assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel)))
    sandbox.faults.lie(PLATFORMS[channel], None)
    live(service, clock, 27, step=30)
    second = rows(service)[1]
    if "after" in lost:
        assert (second.status, second.basis) == (PostStatus.PUBLISHED, ReceiptBasis.TEXT)
    assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel)))
    if second.status is PostStatus.QUARANTINED:  # never there, and the timeline could not be read in time
        assert "it is not on the timeline" in str(second.error)
        service.resolver.retry(second.id)
        live(service, clock, 1)
    assert len(timeline(sandbox, channel)) == 2


@sqlite
@both
def test_without_a_witness_an_empty_timeline_is_believed_only_where_nothing_was_published(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    feed.add(0)
    service = make_service(channels=[channel])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("drop-before", PLATFORMS[channel])
    service.tick()
    live(service, clock, 1)
    assert len(timeline(sandbox, channel)) == 1  # the platform itself proved that there was nothing


@sqlite
def test_a_post_that_its_owner_deleted_is_no_witness_but_the_one_before_it_is(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x", 2)
    due(clock)
    service.tick()
    del sandbox.world.tweets[1]  # by hand
    feed.add(7)
    due(clock)
    sandbox.faults.add("drop-before", "twitter")
    service.tick()
    live(service, clock, 1)
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED] * 3
    assert len(sandbox.world.tweets) == 2
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(posts.c.missing_since).where(posts.c.id == 2)) is not None


@sqlite
def test_an_endless_timeline_is_left_after_a_bounded_number_of_calls_and_charged(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-after", "twitter")
    service.tick()
    sandbox.faults.lie("twitter", "endless")
    before = len(sandbox.world.calls)
    clock.forward(seconds=5)
    service.tick()
    assert len(sandbox.world.calls) - before <= 5
    assert rows(service)[1].status is PostStatus.UNKNOWN
    sandbox.faults.lie("twitter", None)
    clock.forward(minutes=1)
    service.tick()
    assert rows(service)[1].status is PostStatus.PUBLISHED


@sqlite
def test_readings_are_charged_even_where_they_fail(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-after", "twitter")
    service.tick()
    sandbox.faults.lie("twitter", "partial")
    with service.ledger.read() as tx:
        before = spending.spent(tx, "x", clock())
    clock.forward(seconds=5)
    service.tick()
    with service.ledger.read() as tx:
        assert spending.spent(tx, "x", clock()) - before == 1_000  # the one post that came with errors
        _, looks = views.history(tx, 2)
    assert not looks[-1]["complete"]


@sqlite
def test_resends_are_spaced_and_the_others_go_on(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x", 9, schedule="every 3 hours")
    create, sent = sandbox._x.create, []

    def create_or_fail(request: Request, user: str) -> Answer:
        text = str((request.json or {})["text"])
        sent.append(text)
        if text.startswith("Paper Number 1"):
            return Answer(503, {"title": "Service Unavailable"})
        return create(request, user)

    sandbox._x._routes[0] = ("POST", r"/2/tweets", create_or_fail)
    clock.forward(hours=2)
    live(service, clock, 30, step=20, plan=True)
    second = rows(service)[1]
    assert second.status is PostStatus.QUARANTINED
    assert "sent 4 times" in str(second.error)
    with service.ledger.read() as tx:
        attempts, _ = views.history(tx, second.id)
    starts = [attempt["started_at"] for attempt in attempts]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]  # type: ignore[operator]
    assert timedelta(minutes=17) <= gaps[0] < timedelta(minutes=60)
    assert timedelta(hours=1) <= gaps[1] < timedelta(hours=2)
    assert timedelta(days=1) <= gaps[2] < timedelta(hours=26)
    assert len(set(sent)) >= 6  # the channel's other posts went on meanwhile


# ---- people who post too


@sqlite
@both
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_person_s_own_post_is_never_adopted_edited_or_deleted(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, when: str
) -> None:
    service = published(make_service, feed, clock, channel, on_edit="update", on_withdraw="delete")
    link = "http://www.shortscience.org/paper?bibtexKey=conf/test/Paper1#reader1"
    words = f"Have you seen this? {link}"
    due(clock)
    if when == "before":
        sandbox.world.by_hand(PLATFORMS[channel], words, link)
        clock.forward(hours=2)
    sandbox.faults.add("drop-before", PLATFORMS[channel])
    service.tick()
    if when == "after":
        clock.forward(seconds=1)
        sandbox.world.by_hand(PLATFORMS[channel], words, link)
    live(service, clock, 2)
    second = rows(service)[1]
    if when == "after":
        assert second.status is PostStatus.QUARANTINED
        assert [one.text for one in second.candidates] == [words]
        assert second.receipt is None
        service.resolver.retry(second.id)  # the operator saw it: it is another post
        live(service, clock, 1)
    second = rows(service)[1]
    assert second.status is PostStatus.PUBLISHED
    assert len(timeline(sandbox, channel)) == 3
    assert words in timeline(sandbox, channel)


@sqlite
@both
def test_what_a_person_gave_as_the_address_is_checked_and_never_touched(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel, on_edit="update", on_withdraw="delete")
    due(clock)
    sandbox.faults.add("drop-before", PLATFORMS[channel])
    service.tick()
    clock.forward(minutes=1)
    other = sandbox.world.by_hand(PLATFORMS[channel], "A person's own words")
    with pytest.raises(ConfigError, match="write an address on"):
        service.resolver.published(2, f"https://example.org/status/{other.id}")
    with pytest.raises(LedgerError, match="no such post"):
        service.resolver.published(2, "5" if channel == "x" else "200_5")
    done = service.resolver.published(2, other.id)
    assert (done.same, done.there is not None and done.there.text) == (False, "A person's own words")
    row = rows(service)[1]
    assert (row.status, row.basis) == (PostStatus.PUBLISHED, ReceiptBasis.OPERATOR)
    # its summary is withdrawn: digestbot leaves the post alone, and says so
    with service.ledger.begin() as tx:
        from digestbot.ledger import changes

        ids = list(views.shown_by(tx, 2))
        tx.execute(summaries.update().where(summaries.c.id.in_(ids)).values(withdrawn_at=clock()))
        changes.note_withdrawn(tx, "store", ids, 1, clock())
    live(service, clock, 0.2, plan=True)
    assert "A person's own words" in timeline(sandbox, channel)
    with service.ledger.read() as tx:
        (alarm,) = [one for one in alarms.open_alarms(tx) if one.kind == "by-hand"]
    assert "delete it yourself at" in alarm.note


@sqlite
@both
def test_what_was_decided_by_hand_can_be_taken_back(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel)
    with pytest.raises(LedgerError, match="can be reopened"):
        service.resolver.reopen(1)  # the platform's own answer
    due(clock)
    sandbox.faults.add("drop-after", PLATFORMS[channel])
    service.tick()
    wrong = sandbox.world.by_hand(PLATFORMS[channel], "A person's own words")
    service.resolver.published(2, wrong.id)
    service.resolver.reopen(2)
    assert rows(service)[1].status is PostStatus.QUARANTINED
    live(service, clock, 0.1)  # looked for at once, and found by its text
    row = rows(service)[1]
    assert (row.status, row.basis) == (PostStatus.PUBLISHED, ReceiptBasis.TEXT)
    assert row.receipt is not None
    assert row.receipt.id != wrong.id


@sqlite
def test_a_post_of_another_account_is_no_receipt(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-before", "twitter")
    service.tick()
    other = sandbox.world.by_hand("twitter", "elsewhere")
    other.account = "101"
    with pytest.raises(LedgerError, match="belongs to another account"):
        service.resolver.published(2, other.id)


@sqlite
@both
def test_what_a_platform_changed_in_a_text_is_for_the_operator(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel)
    due(clock)
    sandbox.faults.alter_texts = True
    sandbox.faults.add("drop-after", PLATFORMS[channel])
    service.tick()
    live(service, clock, 2)
    second = rows(service)[1]
    assert (second.status, len(second.candidates)) == (PostStatus.QUARANTINED, 1)
    done = service.resolver.published(2, second.candidates[0].id)
    assert not done.same
    assert len(timeline(sandbox, channel)) == 2


@sqlite
def test_a_text_with_entities_of_its_own_is_posted_once(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0, body="How HTML writes bold: &lt;b&gt;bold&lt;/b&gt; and an ampersand &amp;amp; here.")
    service = make_service(channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("drop-after", "twitter")
    service.tick()
    live(service, clock, 1)
    assert len(sandbox.world.tweets) == 1
    assert rows(service)[0].status is PostStatus.PUBLISHED


# ---- receipts that come late


@pytest.mark.parametrize("moment", ["unknown", "looked", "pending", "quarantined", "resent", "skipped"])
def test_a_late_receipt_settles_the_post_in_every_order_of_events(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, moment: str
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    lease = service.config.delivery.lease
    service.planner.make_due(Report())
    with service.ledger.begin() as tx:
        claim = delivery.claim(tx, "x", lease, clock())
        assert claim is not None
    clock.forward(minutes=2)
    with service.ledger.begin() as tx:
        delivery.expire(tx, lease, clock())
    if moment in ("looked", "pending", "quarantined", "resent"):
        sandbox.faults.lie("twitter", "object" if moment == "quarantined" else None)
        clock.forward(minutes=16)
        service.delivery_worker.reconciler.reconcile("x", Report())
    if moment in ("pending", "quarantined", "resent"):
        clock.forward(hours=1 if moment == "quarantined" else 0.2)
        service.delivery_worker.reconciler.reconcile("x", Report())
    if moment == "resent":
        sandbox.faults.add("503-before", "twitter")
        service.delivery_worker.publish("x", Report())
    if moment == "skipped":
        service.resolver.skip(claim.post)
    expected = {"pending": PostStatus.PENDING, "quarantined": PostStatus.QUARANTINED, "skipped": PostStatus.SKIPPED}
    assert rows(service)[1].status is expected.get(moment, PostStatus.UNKNOWN)
    with service.ledger.begin() as tx:
        state = channel_states.channel_state(tx, "x", clock())
        receipt = Receipt("777", "https://x.com/777")
        assert not delivery.conclude(tx, claim, Decision(PostStatus.PUBLISHED, receipt=receipt), state, clock())
    row = rows(service)[1]
    assert (row.status, row.receipt, row.basis) == (PostStatus.PUBLISHED, receipt, ReceiptBasis.ANSWER)


def test_a_look_that_is_under_way_does_not_overrule_a_receipt(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    lease = service.config.delivery.lease
    service.planner.make_due(Report())
    with service.ledger.begin() as tx:
        claim = delivery.claim(tx, "x", lease, clock())
        assert claim is not None
    clock.forward(minutes=2)
    with service.ledger.begin() as tx:
        delivery.expire(tx, lease, clock())
    clock.forward(seconds=5)
    real = service.delivery_worker._reader.read

    def late(request: object) -> object:
        found = real(request)  # type: ignore[arg-type]
        with service.ledger.begin() as tx:
            state = channel_states.channel_state(tx, "x", clock())
            decision = Decision(PostStatus.PUBLISHED, receipt=Receipt("777", "u"))
            delivery.conclude(tx, claim, decision, state, clock())
        return found

    service.delivery_worker._reader.read = late  # type: ignore[method-assign, assignment]
    service.delivery_worker.reconciler.reconcile("x", Report())
    assert rows(service)[1].receipt == Receipt("777", "u")


@sqlite
def test_a_receipt_that_an_older_digestbot_only_noted_settles_the_post(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-after", "twitter")
    service.tick()
    with service.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE attempts SET receipt_id = '777' WHERE post_id = 2")
    before = len(sandbox.world.calls)
    clock.forward(seconds=5)
    service.delivery_worker.reconciler.reconcile("x", Report())
    assert len(sandbox.world.calls) == before  # nothing had to be read
    assert rows(service)[1].receipt == Receipt("777", f"{sandbox.url}/i/web/status/777")


def test_a_second_receipt_for_a_published_post_is_told(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    service.planner.make_due(Report())
    with service.ledger.begin() as tx:
        claim = delivery.claim(tx, "x", service.config.delivery.lease, clock())
        assert claim is not None
        state = channel_states.channel_state(tx, "x", clock())
        for id_ in ("777", "778"):
            decision = Decision(PostStatus.PUBLISHED, receipt=Receipt(id_, f"https://x.com/{id_}"))
            delivery.conclude(tx, claim, decision, state, clock())
        (alarm,) = alarms.open_alarms(tx)
    assert (alarm.kind, alarm.subject) == ("twice", "2")
    assert "777" in alarm.note
    assert "778" in alarm.note


def test_a_receipt_that_was_matched_to_another_post_goes_where_it_belongs(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    service.planner.make_due(Report())
    with service.ledger.begin() as tx:
        claim = delivery.claim(tx, "x", service.config.delivery.lease, clock())
        assert claim is not None
        tx.execute(posts.update().where(posts.c.id == claim.post).values(status="unknown"))
        tx.execute(posts.update().where(posts.c.id == 1).values(receipt_id="777", receipt_basis="text"))
        reconciliation.settle_late(tx, claim, Receipt("777", "u"), ReceiptBasis.ANSWER, clock())
    assert [row.status for row in rows(service)] == [PostStatus.QUARANTINED, PostStatus.PUBLISHED]


@sqlite
@both
@pytest.mark.parametrize("answer", ["401-after", "429-after"])
@pytest.mark.parametrize("lag", [0, 600])
def test_what_was_accepted_and_then_refused_is_not_sent_again_unseen(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, answer: str, lag: int
) -> None:
    service = published(make_service, feed, clock, channel)
    due(clock)
    sandbox.faults.lag = lag  # below the quiet period; the operator resumes at once
    sandbox.faults.add(answer, PLATFORMS[channel])
    service.tick()
    with service.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    live(service, clock, 1)
    assert len(timeline(sandbox, channel)) == 2
    assert rows(service)[1].status is PostStatus.PUBLISHED


@sqlite
def test_an_application_at_fault_pauses_its_channels_and_names_each(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    x, latest = service.config.channels["x"], service.config.digests["latest"]
    sister = x.model_copy(update={"access_token": SecretStr("300-another-account")})
    service = reopened(
        service,
        clock,
        channels={**service.config.channels, "x": x, "y": sister},
        digests={"latest": latest.model_copy(update={"channels": ("x", "y")})},
    )
    due(clock)
    sandbox.faults.add("error:spending-cap", "twitter")
    service.tick()
    with service.ledger.read() as tx:
        paused = views.paused_channels(tx)
    assert set(paused) == {"x", "y"}
    assert all(f"`digestbot resume {name}`" in reason for name, reason in paused.items())
    live(service, clock, 8, step=60, plan=True)
    assert len(timeline(sandbox, "x")) == 1
    for name in paused:
        with service.ledger.begin() as tx:
            channel_states.resume(tx, name)
    live(service, clock, 8, step=60, plan=True)
    own = [post.text for post in sandbox.world.tweets if post.account == "100"]
    assert len(own) == len(set(own)) == 2  # nothing lost, nothing twice
    service.ledger.close()


@sqlite
@both
def test_a_look_that_is_refused_pauses_the_channel(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    service = published(make_service, feed, clock, channel)
    due(clock)
    sandbox.faults.add("429-after", PLATFORMS[channel])
    service.tick()
    with monkeypatch.context() as refusing:
        refuse, platform = sandbox._unauthorized, PLATFORMS[channel]
        answer = sandbox._with_faults
        refusing.setattr(
            sandbox,
            "_with_faults",
            lambda request, *rest: refuse(platform) if request.method == "GET" else answer(request, *rest),
        )
        live(service, clock, 2)
    with service.ledger.read() as tx:
        assert channel in views.paused_channels(tx)
    with service.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    live(service, clock, 1)
    assert len(timeline(sandbox, channel)) == 2
    assert rows(service)[1].status is PostStatus.PUBLISHED


# ---- ledgers that are not the newest


def reopened(service: Service, clock: Clock, url: str | None = None, **changes: object) -> Service:
    """Another process over the ledger (or another), as after a restart."""
    where = url or service.ledger.engine.url.render_as_string(hide_password=False)
    fresh = Service(service.config.model_copy(update=changes), Ledger(where, clock=clock), clock)
    fresh.prepare()
    return fresh


@sqlite
@both
@pytest.mark.parametrize("how", ["copied", "emptied", "deleted"])
def test_a_ledger_that_is_not_the_newest_repeats_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path, channel: str, how: str
) -> None:
    service = published(make_service, feed, clock, channel, 3)
    file = service.ledger.file
    if file is None:
        pytest.skip("copies files")
    shutil.copy(file, tmp_path / "older.db")
    for hours in (4, 4, 16):
        clock.forward(hours=hours)
        service.tick()
    before = timeline(sandbox, channel)
    assert len(before) == 4 == len(set(before))
    service.ledger.close()
    if how == "copied":
        shutil.copy(tmp_path / "older.db", file)  # the same file, with an older content
    else:
        file.unlink()
        if how == "emptied":
            file.with_name(f"{file.name}.newest").unlink()  # on another machine, say
    again = reopened(service, clock)
    live(again, clock, 30, step=120, plan=True)
    again.ledger.close()
    assert timeline(sandbox, channel) == before
    assert {row.status for row in rows(again)} == {PostStatus.PUBLISHED}


@sqlite
@both
def test_an_emptied_ledger_does_not_believe_an_empty_timeline(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel)
    if service.ledger.file is None:
        pytest.skip("removes a file")
    service.ledger.close()
    service.ledger.file.unlink()
    sandbox.faults.lie(PLATFORMS[channel], "empty")
    again = reopened(service, clock)
    live(again, clock, 28, step=120, plan=True)
    assert len(timeline(sandbox, channel)) == 1
    with again.ledger.read() as tx:
        reason = views.paused_channels(tx)[channel]
    assert "is another one than the one with which" in reason
    assert "could not be read" in reason
    assert "digestbot resume" in reason
    sandbox.faults.lie(PLATFORMS[channel], None)
    with again.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    live(again, clock, 28, step=120, plan=True)
    assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel))) == 2


@sqlite
def test_a_ledger_that_is_replaced_or_deleted_while_running_stops_the_process(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    service = published(make_service, feed, clock, "x")
    file = service.ledger.file
    if file is None:
        pytest.skip("moves a file")
    due(clock)
    file.rename(tmp_path / "moved.db")
    with pytest.raises(LedgerChanged, match="deleted or replaced"):
        service.tick()
    assert not file.exists()  # no empty one in its place
    shutil.copy(tmp_path / "moved.db", file)
    with pytest.raises(LedgerChanged, match="deleted or replaced"):
        service.tick()
    assert len(sandbox.world.tweets) == 1


def test_a_ledger_that_is_emptied_while_running_stops_the_process(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    with service.ledger.begin() as tx:
        tx.execute(ledger_identity.delete())
    with pytest.raises(LedgerChanged, match="replaced or emptied"):
        service.tick()
    assert len(sandbox.world.tweets) == 1


def test_a_database_that_was_rolled_back_while_running_is_noticed(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x", 3)
    with service.ledger.begin() as tx:  # the standby that took over had not got the last post
        tx.exec_driver_sql("DELETE FROM attempts")
        tx.exec_driver_sql("UPDATE posts SET status = 'pending', epoch = 0, receipt_id = NULL, concluded_at = NULL")
    live(service, clock, 24, step=60, plan=True)
    assert len(sandbox.world.tweets) == len({post.text for post in sandbox.world.tweets}) >= 3


def test_another_database_server_is_noticed(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, feed, clock, "x")
    if service.ledger.file is not None:
        pytest.skip("a SQLite ledger has no server")
    with service.ledger.begin() as tx:
        tx.execute(ledger_identity.update().values(server="7712312311793563766/00000001"))
    again = reopened(service, clock)
    due(clock)
    before = sum("users" in call for call in sandbox.world.calls)
    again.tick()
    assert sum("users" in call for call in sandbox.world.calls) > before
    with again.ledger.read() as tx:
        assert tx.scalar(sa.select(channels.c.catch_up).where(channels.c.name == "x")) is None  # it caught up
    assert len(sandbox.world.tweets) == 2
    again.ledger.close()


def test_a_process_older_than_the_ledger_stops_before_its_next_claim(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    with service.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerChanged, match=r"revision 9999, this process knows .* newer digestbot has upgraded it"):
        service.tick()
    assert len(sandbox.world.tweets) == 1
    with service.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'")


@pytest.mark.parametrize("policy", ["all", "skip"])
def test_renamed_sources_and_channels_repeat_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, database_url: str, policy: str
) -> None:
    service = published(make_service, feed, clock, "x", 1, backlog="all")
    due(clock)
    service.tick()
    assert len(sandbox.world.tweets) == 2
    raw = raw_config(sandbox.url, channels=["tweets"], sources=["feed"], backlog=policy)
    raw["sources"] = {"feed": raw["sources"]["store"]}
    raw["channels"] = {"tweets": raw["channels"]["x"]}
    renamed = Service(configuration.build(raw), Ledger(database_url, clock=clock), clock)
    renamed.prepare()
    live(renamed, clock, 48, step=120, plan=True)
    assert len(sandbox.world.tweets) == 2
    feed.add(9)
    live(renamed, clock, 24, step=60, plan=True)
    assert len(sandbox.world.tweets) == 3
    with renamed.ledger.read() as tx:
        assert "x" not in views.channel_names(tx)
        assert {row.channel for row in views.post_rows(tx)} == {"tweets"}
    renamed.ledger.close()


@sqlite
def test_a_channel_with_another_account_looks_there_before_it_posts(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, database_url: str
) -> None:
    service = published(make_service, feed, clock, "x", 2)
    raw = raw_config(sandbox.url, channels=["x"])
    raw["channels"]["x"]["access_token"] = "101-another-access-token"
    other = Service(configuration.build(raw), Ledger(database_url, clock=clock), clock)
    other.prepare()
    due(clock)
    other.tick()
    assert any("users/101/tweets" in call for call in sandbox.world.calls)
    assert [post.account for post in sandbox.world.tweets] == ["100", "101"]
    assert service.config.account("x") != other.config.account("x")
    other.ledger.close()


@sqlite
def test_an_account_with_more_than_a_thousand_older_posts_does_not_wait(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1200):
        sandbox.world.by_hand("facebook", f"older post {number}", ago=86400 + 1200 - number)
    service = published(make_service, feed, clock, "page")
    assert len(sandbox.world.page_posts) == 1201
    assert rows(service)[0].status is PostStatus.PUBLISHED


@sqlite
def test_a_new_account_s_first_look_is_bounded_in_money(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(600):
        sandbox.world.by_hand("twitter", f"older post {number}", ago=86400 + 600 - number)
    service = published(make_service, feed, clock, "x")
    assert len(sandbox.world.tweets) == 601
    with service.ledger.read() as tx:
        assert spending.spent(tx, "x", clock()) <= 200_000 + 260_000


@sqlite
def test_what_another_bot_has_posted_already_is_taken_over(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    text = rows(service)[0].text
    service.ledger.close()
    with service.ledger.begin() as tx:  # a ledger that knows nothing of it
        tx.exec_driver_sql("UPDATE posts SET status = 'pending', receipt_id = NULL, concluded_at = NULL")
    again = reopened(service, clock)
    live(again, clock, 1)
    assert [post.text for post in sandbox.world.tweets] == [text]
    assert rows(again)[0].basis is ReceiptBasis.TEXT
    again.ledger.close()


# ---- files


def test_the_ledger_and_its_backups_are_the_owner_s_alone(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
        ledger.prepare()
        ledger.backup(tmp_path / "copy.db")
    finally:
        os.umask(old)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("ledger.db", "copy.db")} == {0o600}
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT count(*) FROM channels").fetchone() == (0,)
    ledger.close()


@pytest.mark.parametrize(
    "url", ["postgresql://bot@127.0.0.1:1/none?password=hunter22", "postgresql://bot:hunter22@127.0.0.1:1/none"]
)
def test_a_password_in_a_database_s_address_is_in_no_error(url: str) -> None:
    ledger = Ledger(url)
    with pytest.raises(LedgerError) as caught:
        ledger.prepare()
    assert "hunter22" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    raw = raw_config("http://127.0.0.1:1") | {"database": url}
    assert "hunter22" in configuration.build(raw).secrets()
    with pytest.raises(LedgerError, match="names a host; write sqlite:///"):
        Ledger("sqlite://x.db")
