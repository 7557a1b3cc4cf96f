"""Acting only on evidence: timelines that lie, people who post too, receipts that come late, ledgers that are not the newest."""

from __future__ import annotations

import itertools
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from helpers.basics import Clock, Feed, raw_config
from helpers.publishing import PLATFORMS, Make, both, due, live, published, reopened, rows, sqlite, timeline
from pydantic import SecretStr

from digestbot import config as configuration
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import PostStatus, Receipt, ReceiptBasis
from digestbot.domain.retry import Decision
from digestbot.ledger import Ledger, alerts, channel_states, delivery, monthly_costs, queries, schema, timeline_checks
from digestbot.ledger.backup import back_up
from digestbot.ledger.schema import posts, summaries
from digestbot.operator.resolution import Resolver
from digestbot.pipeline.app import Report, Service
from digestbot.platforms.sandbox_http import Request
from digestbot.sandbox import LIES, Answer, Sandbox

# ---- timelines that lie


@sqlite
@both
@pytest.mark.parametrize("lie", sorted(set(LIES) - {"old"}))
@pytest.mark.parametrize("lost", ["drop-after", "drop-before"])
def test_a_timeline_that_lies_doubles_nothing_and_loses_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, lie: str, lost: str
) -> None:
    service = published(make_service, feed, clock, channel)
    due(clock)
    sandbox.faults.add(lost, PLATFORMS[channel])
    service.tick()
    sandbox.faults.lie(PLATFORMS[channel], lie)
    live(service, clock, 3, step=30)
    assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel)))
    sandbox.faults.lie(PLATFORMS[channel], None)
    live(service, clock, 27, step=120)
    second = rows(service)[1]
    if "after" in lost:
        assert (second.status, second.basis) == (PostStatus.PUBLISHED, ReceiptBasis.TEXT)
    assert len(timeline(sandbox, channel)) == len(set(timeline(sandbox, channel)))
    if second.status is PostStatus.QUARANTINED:  # never there, and the timeline could not be read in time
        assert "it is not on the timeline" in str(second.error)
        Resolver(service).retry(second.id)
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
    del sandbox.world.timelines["twitter"][1]  # by hand
    feed.add(7)
    due(clock)
    sandbox.faults.add("drop-before", "twitter")
    service.tick()
    live(service, clock, 1)
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED] * 3
    assert len(sandbox.world.timelines["twitter"]) == 2
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
        before = monthly_costs.spent(tx, "x", clock())
    clock.forward(seconds=5)
    service.tick()
    with service.ledger.read() as tx:
        assert monthly_costs.spent(tx, "x", clock()) - before == 1_000  # the one post that came with errors
        _, looks = queries.post_history(tx, 2)
    assert not looks[-1]["complete"]


@sqlite
def test_resends_are_spaced_and_the_others_go_on(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x", 9, schedule="every 3 hours")
    create, sent = sandbox.apis["twitter"].create, []

    def create_or_fail(request: Request, user: str) -> Answer:
        text = str((request.json or {})["text"])
        sent.append(text)
        if text.startswith("Paper Number 1"):
            return Answer(503, {"title": "Service Unavailable"})
        return create(request, user)

    sandbox.apis["twitter"]._routes[0] = ("POST", r"/2/tweets", create_or_fail)
    clock.forward(hours=2)
    live(service, clock, 30, step=60, plan=True)
    second = rows(service)[1]
    assert second.status is PostStatus.QUARANTINED
    assert "sent 4 times" in str(second.error)
    with service.ledger.read() as tx:
        attempts, _ = queries.post_history(tx, second.id)
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
        sandbox.by_hand(PLATFORMS[channel], words, link)
        clock.forward(hours=2)
    sandbox.faults.add("drop-before", PLATFORMS[channel])
    service.tick()
    if when == "after":
        clock.forward(seconds=1)
        sandbox.by_hand(PLATFORMS[channel], words, link)
    live(service, clock, 2)
    second = rows(service)[1]
    if when == "after":
        assert second.status is PostStatus.QUARANTINED
        assert [one.text for one in second.candidates] == [words]
        assert second.receipt is None
        Resolver(service).retry(second.id)  # the operator saw it: it is another post
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
    other = sandbox.by_hand(PLATFORMS[channel], "A person's own words")
    with pytest.raises(ConfigError, match="write a URL on"):
        Resolver(service).published(2, f"https://example.org/status/{other.id}")
    with pytest.raises(LedgerError, match="post not found"):
        Resolver(service).published(2, "5" if channel == "x" else "200_5")
    done = Resolver(service).published(2, other.id)
    assert (done.same, done.there is not None and done.there.text) == (False, "A person's own words")
    row = rows(service)[1]
    assert (row.status, row.basis) == (PostStatus.PUBLISHED, ReceiptBasis.OPERATOR)
    # its summary is withdrawn: digestbot leaves the post alone, and says so
    with service.ledger.begin() as tx:
        from digestbot.ledger import edit_log

        ids = list(queries.summaries_shown_by(tx, 2))
        tx.execute(summaries.update().where(summaries.c.id.in_(ids)).values(withdrawn_at=clock()))
        edit_log.record_withdrawals(tx, "store", ids, 1, clock())
    live(service, clock, 0.2, plan=True)
    assert "A person's own words" in timeline(sandbox, channel)
    with service.ledger.read() as tx:
        (alert,) = [one for one in alerts.open_alerts(tx) if one.kind == "by-hand"]
    assert "delete it yourself at" in alert.note


@sqlite
@both
def test_what_was_decided_by_hand_can_be_taken_back(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel)
    with pytest.raises(LedgerError, match="can be reopened"):
        Resolver(service).reopen(1)  # the platform's own answer
    due(clock)
    sandbox.faults.add("drop-after", PLATFORMS[channel])
    service.tick()
    wrong = sandbox.by_hand(PLATFORMS[channel], "A person's own words")
    Resolver(service).published(2, wrong.id)
    Resolver(service).reopen(2)
    assert rows(service)[1].status is PostStatus.QUARANTINED
    live(service, clock, 0.1)  # looked for at once, and found by its text
    row = rows(service)[1]
    assert (row.status, row.basis) == (PostStatus.PUBLISHED, ReceiptBasis.TEXT)
    assert row.receipt is not None
    assert row.receipt.id != wrong.id


@sqlite
def test_when_a_post_that_a_person_gave_appeared_is_told_by_the_ledger_s_clock(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-before", "twitter")
    service.tick()
    real = sandbox.world.clock
    sandbox.world.clock = lambda: real() + 3600  # X's clock is an hour ahead
    theirs = sandbox.by_hand("twitter", "their own words")
    Resolver(service).published(2, theirs.id)
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(posts.c.posted_at).where(posts.c.id == 2)) == clock.now


@sqlite
@both
def test_a_post_that_a_wrong_clock_has_dated_later_than_it_appeared_blocks_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    service = published(make_service, feed, clock, channel, 3)
    due(clock)
    service.tick()
    clock.forward(hours=16)  # the next slot
    with service.ledger.begin() as tx:  # when the first appeared, the ledger's clock was ahead by that much
        tx.execute(posts.update().where(posts.c.id == 1).values(posted_at=clock() + timedelta(minutes=5)))
    sandbox.faults.add("drop-before", PLATFORMS[channel])
    service.tick()
    live(service, clock, 4)
    assert [row.status for row in rows(service)] == [PostStatus.PUBLISHED] * 3
    assert len(timeline(sandbox, channel)) == 3


@sqlite
def test_a_reading_that_shows_the_account_at_fault_pauses_it(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-after", "twitter")
    sandbox.faults.add("error:spending-cap", "twitter", reading=True)
    service.tick()
    live(service, clock, 0.002)
    with service.ledger.read() as tx:
        assert "`digestbot resume x`" in queries.paused_channels(tx)["x"]
        assert "`digestbot resume x`" in str(
            tx.scalar(sa.select(schema.timeline_checks.c.note).order_by(schema.timeline_checks.c.id.desc()).limit(1))
        )
    live(service, clock, 1)
    assert rows(service)[1].status is PostStatus.PUBLISHED  # found once it could be read
    assert len(sandbox.world.timelines["twitter"]) == 2


@sqlite
def test_approvals_follow_the_ledger_s_clock(make_service: Make, feed: Feed, clock: Clock, database_url: str) -> None:
    feed.add(0)
    service = make_service(channels=["x"], approval=True, approve_by="30 minutes")
    service.tick()
    clock.forward(hours=1)
    database = Ledger(database_url, clock=lambda: clock() + timedelta(hours=1))  # this host is an hour behind
    behind = Service(service.config, database, clock)
    behind.tick()
    (row,) = rows(behind)
    assert row.status is PostStatus.PENDING
    assert row.approve_by == clock() + timedelta(hours=1, minutes=30)
    behind.tick()
    assert rows(behind)[0].status is PostStatus.PENDING
    database.close()


@sqlite
def test_a_post_of_another_account_is_no_receipt(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    sandbox.faults.add("drop-before", "twitter")
    service.tick()
    other = sandbox.by_hand("twitter", "elsewhere")
    other.account = "101"
    with pytest.raises(LedgerError, match="belongs to another account"):
        Resolver(service).published(2, other.id)


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
    done = Resolver(service).published(2, second.candidates[0].id)
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
    assert len(sandbox.world.timelines["twitter"]) == 1
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
        Resolver(service).skip(claim.post)
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
        (alert,) = alerts.open_alerts(tx)
    assert (alert.kind, alert.subject) == ("twice", "2")
    assert "777" in alert.note
    assert "778" in alert.note


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
        timeline_checks.settle_late(tx, claim, Receipt("777", "u"), ReceiptBasis.ANSWER, clock())
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
        paused = queries.paused_channels(tx)
    assert set(paused) == {"x", "y"}
    assert all(f"`digestbot resume {name}`" in reason for name, reason in paused.items())
    live(service, clock, 8, step=240, plan=True)
    assert len(timeline(sandbox, "x")) == 1
    for name in paused:
        with service.ledger.begin() as tx:
            channel_states.resume(tx, name)
    live(service, clock, 8, step=240, plan=True)
    own = [post.text for post in sandbox.world.timelines["twitter"] if post.account == "100"]
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
        refuse = sandbox.apis[PLATFORMS[channel]].unauthorized
        answer = sandbox._with_faults
        refusing.setattr(
            sandbox,
            "_with_faults",
            lambda request, *rest: refuse() if request.method == "GET" else answer(request, *rest),
        )
        live(service, clock, 2)
    with service.ledger.read() as tx:
        assert channel in queries.paused_channels(tx)
    with service.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    live(service, clock, 1)
    assert len(timeline(sandbox, channel)) == 2
    assert rows(service)[1].status is PostStatus.PUBLISHED


# ---- files


def test_the_ledger_and_its_backups_are_the_owner_s_alone(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
        ledger.prepare()
        back_up(ledger, tmp_path / "copy.db")
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
