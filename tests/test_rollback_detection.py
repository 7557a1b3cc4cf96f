"""Ledgers that are not the newest: restored, rolled back, emptied, renamed; nothing is posted again, nothing lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from helpers.basics import Clock, Feed, raw_config
from helpers.publishing import PLATFORMS, Make, both, due, live, published, reopened, rows, sqlite, timeline

from digestbot import config as configuration
from digestbot.domain.errors import LedgerChanged
from digestbot.domain.model import PostStatus, ReceiptBasis
from digestbot.ledger import Ledger, channel_states, monthly_costs, queries
from digestbot.ledger.schema import channels, ledger_identity
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox


def lose(service: Service, how: str, older: Path | None = None) -> None:
    """The ledger's file is an ``older`` copy of it (copied), or is gone, and with it the marker beside it (emptied: on
    another machine, say) or not (deleted)."""
    file = service.ledger.file
    assert file is not None
    service.ledger.close()
    if how == "copied":
        assert older is not None
        shutil.copy(older, file)  # the same file, with an older content
    else:
        file.unlink()
        if how == "emptied":
            file.with_name(f"{file.name}.newest").unlink()


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
    lose(service, how, tmp_path / "older.db")
    again = reopened(service, clock)
    live(again, clock, 30, step=480, plan=True)
    again.ledger.close()
    assert timeline(sandbox, channel) == before
    assert {row.status for row in rows(again)} == {PostStatus.PUBLISHED}


@sqlite
@both
@pytest.mark.parametrize("refusal", ["429", "unauthorized", "error:server-error"])
@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_first_look_that_is_refused_says_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str, refusal: str, how: str
) -> None:
    sandbox.faults.refuse_duplicates = False
    service = published(make_service, feed, clock, channel, 1)
    due(clock)
    service.tick()
    assert len(rows(service)) == 2
    clock.forward(hours=60)
    for number in range(130):  # what is older than a day is on the first page, what digestbot posted is not
        sandbox.by_hand(PLATFORMS[channel], f"by hand {number}", ago=(130 - number) * 1200)
    before = timeline(sandbox, channel)
    lose(service, how)
    again = reopened(service, clock)
    sandbox.faults.add(refusal, PLATFORMS[channel], 2, reading=True)
    for _ in range(3):
        live(again, clock, 12, step=240, plan=True)
        with again.ledger.begin() as tx:
            channel_states.resume(tx, channel)
    live(again, clock, 24, step=480, plan=True)
    again.ledger.close()
    assert timeline(sandbox, channel) == before
    assert {row.status for row in rows(again)} == {PostStatus.PUBLISHED}


@sqlite
@both
@pytest.mark.parametrize("how", ["copied", "deleted", "rolled back"])
def test_a_timeline_that_lags_shows_all_before_it_is_believed(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path, channel: str, how: str
) -> None:
    sandbox.faults.refuse_duplicates = False
    service = published(make_service, feed, clock, channel, 1)
    file = service.ledger.file
    assert file is not None
    shutil.copy(file, tmp_path / "older.db")
    sandbox.faults.lag = 600
    due(clock)
    service.tick()
    before = timeline(sandbox, channel)
    assert len(before) == 2
    clock.forward(minutes=2)
    if how == "rolled back":
        with service.ledger.begin() as tx:
            tx.exec_driver_sql("DELETE FROM attempts WHERE post_id = 2")
            tx.exec_driver_sql("UPDATE posts SET status = 'pending', epoch = 0, receipt_id = NULL WHERE id = 2")
        again = service
    else:
        lose(service, how, tmp_path / "older.db")
        again = reopened(service, clock)
    live(again, clock, 0.5, step=10, plan=True)
    live(again, clock, 24, step=240, plan=True)
    again.ledger.close()
    assert timeline(sandbox, channel) == before
    assert {row.status for row in rows(again)} == {PostStatus.PUBLISHED}


@sqlite
def test_a_ledger_in_doubt_waits_for_an_attempt_that_it_may_have_lost(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    service.ledger.mark_restored()
    due(clock)
    calls = len(sandbox.world.calls)
    service.tick()
    delivery = service.config.delivery
    with service.ledger.read() as tx:
        until = queries.channel_rows(tx)["x"].wait_until
    assert until == clock() + delivery.lease + delivery.quiet_period
    assert len(sandbox.world.calls) == calls  # the timeline is not even read before
    clock.now = until
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 2


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
    live(again, clock, 28, step=480, plan=True)
    assert len(timeline(sandbox, channel)) == 1
    with again.ledger.read() as tx:
        reason = queries.paused_channels(tx)[channel]
    assert "is not the one with which" in reason
    assert "could not be read" in reason
    assert "digestbot resume" in reason
    sandbox.faults.lie(PLATFORMS[channel], None)
    with again.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    live(again, clock, 28, step=480, plan=True)
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
    assert len(sandbox.world.timelines["twitter"]) == 1


def test_a_ledger_that_is_emptied_while_running_stops_the_process(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x")
    due(clock)
    with service.ledger.begin() as tx:
        tx.execute(ledger_identity.delete())
    with pytest.raises(LedgerChanged, match="replaced or emptied"):
        service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1


def test_a_database_that_was_rolled_back_while_running_is_noticed(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, feed, clock, "x", 3)
    with service.ledger.begin() as tx:  # the standby that took over had not got the last post
        tx.exec_driver_sql("DELETE FROM attempts")
        tx.exec_driver_sql("UPDATE posts SET status = 'pending', epoch = 0, receipt_id = NULL, concluded_at = NULL")
    live(service, clock, 24, step=240, plan=True)
    assert (
        len(sandbox.world.timelines["twitter"]) == len({post.text for post in sandbox.world.timelines["twitter"]}) >= 3
    )


def test_another_database_server_is_noticed(make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, feed, clock, "x")
    if service.ledger.file is not None:
        pytest.skip("a SQLite ledger has no server")
    with service.ledger.begin() as tx:
        tx.execute(ledger_identity.update().values(server="7712312311793563766/00000001"))
    again = reopened(service, clock)
    due(clock)
    again.tick()
    assert len(sandbox.world.timelines["twitter"]) == 1  # the timeline may lag: it waits
    clock.forward(minutes=17)
    before = sum("users" in call for call in sandbox.world.calls)
    again.tick()
    assert sum("users" in call for call in sandbox.world.calls) > before
    with again.ledger.read() as tx:
        assert tx.scalar(sa.select(channels.c.catch_up).where(channels.c.name == "x")) is None  # it caught up
    assert len(sandbox.world.timelines["twitter"]) == 2
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
    assert len(sandbox.world.timelines["twitter"]) == 1
    with service.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'")


@pytest.mark.parametrize("policy", ["all", "skip"])
def test_renamed_sources_and_channels_repeat_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, database_url: str, policy: str
) -> None:
    service = published(make_service, feed, clock, "x", 1, backlog="all")
    due(clock)
    service.tick()
    assert len(sandbox.world.timelines["twitter"]) == 2
    raw = raw_config(sandbox.url, channels=["tweets"], sources=["feed"], backlog=policy)
    raw["sources"] = {"feed": raw["sources"]["store"]}
    raw["channels"] = {"tweets": raw["channels"]["x"]}
    renamed = Service(configuration.build(raw), Ledger(database_url, clock=clock), clock)
    renamed.prepare()
    live(renamed, clock, 48, step=480, plan=True)
    assert len(sandbox.world.timelines["twitter"]) == 2
    feed.add(9)
    live(renamed, clock, 24, step=240, plan=True)
    assert len(sandbox.world.timelines["twitter"]) == 3
    with renamed.ledger.read() as tx:
        assert "x" not in queries.channel_names(tx)
        assert {row.channel for row in queries.post_rows(tx)} == {"tweets"}
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
    clock.forward(minutes=17)
    other.tick()
    assert any("users/101/tweets" in call for call in sandbox.world.calls)
    assert [post.account for post in sandbox.world.timelines["twitter"]] == ["100", "101"]
    assert service.config.account("x") != other.config.account("x")
    other.ledger.close()


@sqlite
def test_an_account_with_more_than_a_thousand_older_posts_does_not_wait(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1200):
        sandbox.by_hand("facebook", f"older post {number}", ago=86400 + 1200 - number)
    service = published(make_service, feed, clock, "page")
    assert len(sandbox.world.timelines["facebook"]) == 1201
    assert rows(service)[0].status is PostStatus.PUBLISHED


@sqlite
def test_a_new_account_s_first_look_is_bounded_in_money(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(600):
        sandbox.by_hand("twitter", f"older post {number}", ago=86400 + 600 - number)
    service = published(make_service, feed, clock, "x")
    assert len(sandbox.world.timelines["twitter"]) == 601
    with service.ledger.read() as tx:
        assert monthly_costs.spent(tx, "x", clock()) <= 200_000 + 260_000


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
    assert [post.text for post in sandbox.world.timelines["twitter"]] == [text]
    assert rows(again)[0].basis is ReceiptBasis.TEXT
    again.ledger.close()


LONG = " ".join(f"Sentence number {number} of a summary that fills several posts." for number in range(12))


@sqlite
def test_a_ledger_that_is_restored_in_the_middle_of_a_thread(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    feed.add(0, body=LONG)
    service = make_service(channels=["x"], shape="thread")
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.after(1)
    sandbox.faults.add("429")
    service.tick()
    assert len(timeline(sandbox, "x")) == 1  # its first part
    file = service.ledger.file
    assert file is not None
    shutil.copy(file, tmp_path / "older.db")
    live(service, clock, 2)
    whole = timeline(sandbox, "x")
    assert len(set(whole)) == len(whole) == len(rows(service)) >= 3
    service.ledger.close()
    shutil.copy(tmp_path / "older.db", file)
    again = reopened(service, clock)
    live(again, clock, 3)
    again.ledger.close()
    assert timeline(sandbox, "x") == whole
    assert {row.status for row in rows(again)} == {PostStatus.PUBLISHED}


@sqlite
def test_a_wrong_page_id_pauses_the_channel_and_loses_nothing(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(0)
    right = make_service(channels=["page"])
    page = right.config.channels["page"]
    wrong = reopened(right, clock, channels={"page": page.model_copy(update={"page_id": "201"})})
    live(wrong, clock, 6, step=240, plan=True)
    with wrong.ledger.read() as tx:
        reason = queries.paused_channels(tx)["page"]
    assert "page_id is not a Page that this token can post to" in reason
    assert "`digestbot resume page`" in reason
    wrong.ledger.close()
    corrected = reopened(right, clock)
    with corrected.ledger.begin() as tx:
        channel_states.resume(tx, "page")
    live(corrected, clock, 6, step=240, plan=True)
    assert len(sandbox.world.timelines["facebook"]) == 1
    corrected.ledger.close()
