"""What becomes of posts whose summary is edited, withdrawn, made private or anonymous in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, Clock, Feed, asked
from helpers.postgresql import ledger_database
from helpers.source_db import Store, site
from hypothesis import given
from hypothesis import strategies as st

from digestbot.domain import edits as rules
from digestbot.domain.edits import EditKind, SummaryEdit, shows_name
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Action, Message, PostRow, PostStatus, Reaction
from digestbot.domain.reconciliation import UnknownPost, judge_change
from digestbot.ledger import alerts, channel_states, delivery, edit_log, edit_queue, manual_resolution, queries
from digestbot.ledger.schema import backlog, summaries
from digestbot.pipeline.app import Report, Service
from digestbot.sandbox import Sandbox

Make = Callable[..., Service]
KEY = "conf/test/Paper{}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """SQLite where a test asks for nothing else: what PostgreSQL makes of these statements, some tests see."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with ledger_database(request.getfixturevalue("postgresql")) as url:
        yield url


both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store(tmp_path: Any) -> Any:
    """One kind of store is enough here."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    yield Store(engine, f"sqlite:///{tmp_path / 'store.db'}")
    engine.dispose()


def published(make_service: Make, store: Store, clock: Clock, count: int = 1, first: int = 1, **digest: Any) -> Service:
    """A service that has published so many summaries of the store on both channels."""
    for number in range(first, first + count):
        store.add(number)
    service = make_service(source=site(store), size=50, **digest)
    service.tick()
    clock.forward(hours=1)
    assert len(service.tick().made) == 2 * count
    return service


def rows(service: Service, action: Action | None = None) -> list[PostRow]:
    with service.ledger.read() as tx:
        return [row for row in queries.post_rows(tx) if action is None or row.action is action]


def tick(service: Service, clock: Clock, **span: float) -> None:
    clock.forward(**(span or {"minutes": 15}))
    report = service.tick()
    assert report.troubles == []
    assert report.source_errors == {}


def open_alerts(service: Service) -> list[Any]:
    with service.ledger.read() as tx:
        return alerts.open_alerts(tx)


def decide(service: Service, clock: Clock, *, confirm: bool) -> int:
    with service.ledger.begin() as tx:
        return edit_queue.decide_alert(tx, alerts.open_alerts(tx)[0].id, confirm=confirm, now=clock())


# ---- withdrawn


@pytest.mark.parametrize("way", ["private", "deleted"])
@both
def test_the_posts_of_a_withdrawn_summary_are_deleted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, way: str
) -> None:
    service = published(make_service, store, clock, 2)
    if way == "private":
        store.edit(KEY.format(1), 1, silently=True, priv=True)
    else:
        store.delete(KEY.format(1), 1)
    tick(service, clock)
    assert [post.text.splitlines()[0] for post in sandbox.world.timelines["twitter"]] == ["Paper Number 2"]
    assert [post.text.splitlines()[0] for post in sandbox.world.timelines["facebook"]] == ["Paper Number 2"]
    targets = [row for row in rows(service, Action.PUBLISH) if row.status is PostStatus.DELETED]
    assert len(targets) == 2
    assert all(row.receipt and row.error == "deleted: the summary was withdrawn" for row in targets)
    assert all("Paper Number 1" not in row.text for row in rows(service))  # forgotten in the ledger too
    assert [row.status for row in rows(service, Action.DELETE)] == [PostStatus.DONE] * 2
    calls = len(sandbox.world.calls)
    for _ in range(3):
        tick(service, clock)
    assert len(sandbox.world.calls) == calls  # never done twice
    with service.ledger.read() as tx:
        assert tx.scalars(sa.select(summaries.c.body).where(summaries.c.withdrawn_at.is_not(None))).all() == [""]


@both
def test_one_that_comes_back_is_not_posted_again(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock)
    store.edit(KEY.format(1), 1, priv=True)
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == []
    store.edit(KEY.format(1), 1, priv=False)
    for _ in range(3):
        tick(service, clock, hours=4)
    assert sandbox.world.timelines["twitter"] == []
    assert len(rows(service, Action.PUBLISH)) == 2


def test_what_waits_of_a_withdrawn_summary_is_not_posted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store))
    service.tick()
    store.delete(KEY.format(1), 1)
    tick(service, clock, minutes=30)
    tick(service, clock, hours=8)
    assert asked(sandbox) == []
    store.add(2)
    tick(service, clock, hours=24)
    assert len(sandbox.world.timelines["twitter"]) == 1


def test_a_pending_post_of_a_withdrawn_summary_is_not_sent(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store))
    service.tick()
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", clock())
    tick(service, clock, hours=1)
    assert [row.status for row in rows(service)] == [PostStatus.PENDING, PostStatus.PUBLISHED]
    store.edit(KEY.format(1), 1, priv=True)
    tick(service, clock)
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    tick(service, clock)
    skipped = rows(service)[0]
    assert (skipped.status, skipped.error) == (PostStatus.SKIPPED, "the summary was withdrawn")
    assert "Paper Number 1" not in skipped.text
    assert sandbox.world.timelines["twitter"] == []
    assert sandbox.world.timelines["facebook"] == []


def test_an_unknown_post_of_a_withdrawn_summary_is_deleted_once_it_is_found(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    service.tick()
    sandbox.faults.add("drop-after")
    sandbox.faults.lag = 200
    tick(service, clock, hours=1)
    assert rows(service)[0].status is PostStatus.UNKNOWN
    store.delete(KEY.format(1), 1)
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", clock())
    tick(service, clock)
    assert rows(service)[0].status is PostStatus.PUBLISHED  # found, and so known to be there
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == []


def test_a_post_that_turned_out_absent_is_not_sent_for_a_withdrawn_summary(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    service.tick()
    sandbox.faults.add("drop-before")
    tick(service, clock, hours=1)
    assert rows(service)[0].status is PostStatus.UNKNOWN
    store.delete(KEY.format(1), 1)
    for _ in range(12):
        tick(service, clock, minutes=5)
    assert rows(service)[0].status is PostStatus.SKIPPED
    assert sandbox.world.timelines["twitter"] == []


def test_a_summary_that_left_the_feeds_window_is_not_withdrawn(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(4):
        feed.add(number)
    service = make_service(size=9)
    service.tick()
    tick(service, clock, hours=1)
    del feed.items[1:]
    tick(service, clock)
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 4
    assert open_alerts(service) == []


@pytest.mark.parametrize(
    ("reaction", "tweets", "page"), [("ignore", True, True), ("update", True, False), ("delete", False, False)]
)
def test_what_a_digest_does_when_a_summary_is_withdrawn(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, reaction: str, tweets: bool, page: bool
) -> None:
    service = published(make_service, store, clock, on_withdraw=reaction)
    store.delete(KEY.format(1), 1)
    tick(service, clock)
    tick(service, clock)
    assert bool(sandbox.world.timelines["twitter"]) is tweets
    if reaction == "update":
        assert [post.text for post in sandbox.world.timelines["facebook"]] == ["This summary was withdrawn."]
    else:
        assert bool(sandbox.world.timelines["facebook"]) is page


def test_a_deletion_that_nobody_knows_the_end_of_is_looked_at_again_and_done(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_withdraw="delete")
    store.delete(KEY.format(1), 1)
    sandbox.faults.add("503-before", "twitter")
    sandbox.faults.add("error:server-error", "twitter", 40, reading=True)
    for _ in range(12):
        tick(service, clock)
    assert {row.channel: row.status for row in rows(service, Action.DELETE)} == {
        "x": PostStatus.QUARANTINED,
        "page": PostStatus.DONE,
    }
    assert len(sandbox.world.timelines["twitter"]) == 1
    while sandbox.faults.next("twitter", reading=True):
        pass  # X can be read again
    for _ in range(24):
        tick(service, clock, hours=1)
    assert {row.status for row in rows(service, Action.DELETE)} == {PostStatus.DONE}
    assert sandbox.world.timelines["twitter"] == []


# ---- anonymous


@both
def test_the_posts_of_a_newly_anonymous_writer_are_deleted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock)
    assert "Reader 1" in sandbox.world.timelines["twitter"][0].text
    store.edit(KEY.format(1), 1, silently=True, anon=True)
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == sandbox.world.timelines["facebook"] == []
    assert all("Reader 1" not in row.text and "reader1" not in str(row.link) for row in rows(service))


def test_posts_that_did_not_show_the_name_stay(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.user(7, displayname="Ada")
    store.paper("conf/test/A")
    store.summary("conf/test/A", 7, anon=True)
    service = make_service(source=site(store))
    service.tick()
    tick(service, clock, hours=1)
    for anon in (False, True):
        store.edit("conf/test/A", 7, anon=anon)
        tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 1


@both
def test_a_pending_post_is_made_anew_without_the_name(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    service.tick()
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", clock())
    tick(service, clock, hours=1)
    store.edit(KEY.format(1), 1, anon=True)
    tick(service, clock)
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == []
    tick(service, clock, hours=4)  # the next slot
    assert [post.text.splitlines()[2] for post in sandbox.world.timelines["twitter"]] == ["Anonymous summary"]
    assert "#anon" in sandbox.world.timelines["twitter"][0].text


def test_an_attached_address_that_names_the_writer_cannot_be_edited_away(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_withdraw="update")
    store.edit(KEY.format(1), 1, anon=True)
    tick(service, clock)
    assert sandbox.world.timelines["facebook"] == []
    assert len(sandbox.world.timelines["twitter"]) == 1  # the operator chose what X cannot do


@pytest.mark.parametrize(
    ("text", "link", "writer", "handle", "shown"),
    [
        ("Title\nSummary by Ada Lovelace", None, "Ada Lovelace", "ada", True),
        ("Summary by ADA  LOVELACE the…", None, "Ada Lovelace the First of her Name", "ada", True),
        ("Title", "https://x.org/p#ada", "Ada", "ada", True),
        ("see https://x.org/p#f%C3%BCnf", None, "Nobody", "fünf", True),
        ("Title\nAnonymous summary", "https://x.org/p#anon", "Ada Lovelace", "ada", False),
        ("Adam is a method", None, "Lovelace", None, False),
    ],
)
def test_whether_a_post_shows_a_name(text: str, link: str | None, writer: str, handle: str | None, shown: bool) -> None:
    assert shows_name(text, link, writer, handle) is shown


# ---- edited


@pytest.mark.parametrize("reaction", ["ignore", "update", "delete"])
def test_what_a_digest_does_when_a_summary_is_edited(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, reaction: str
) -> None:
    service = published(make_service, store, clock, on_edit=reaction)
    before = sandbox.world.timelines["facebook"][0].text if sandbox.world.timelines["facebook"] else ""
    store.edit(KEY.format(1), 1, text="A better text. It is better.")
    tick(service, clock)
    tick(service, clock)
    if reaction == "delete":
        assert sandbox.world.timelines["twitter"] == sandbox.world.timelines["facebook"] == []
        return
    assert "It is well said" in sandbox.world.timelines["twitter"][0].text  # X keeps it
    now = sandbox.world.timelines["facebook"][0].text
    assert ("A better text." in now) is (reaction == "update")
    assert (now == before) is (reaction == "ignore")


@both
def test_each_edit_is_brought_once_and_the_newest_wins(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_edit="update")
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "page", "by hand", clock())
    for version in ("First.", "Second.", "Third."):
        store.edit(KEY.format(1), 1, text=f"{version} It says so.")
        tick(service, clock)
    assert [row.status for row in rows(service, Action.UPDATE)] == [
        PostStatus.SKIPPED,
        PostStatus.SKIPPED,
        PostStatus.PENDING,
    ]
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "page")
    tick(service, clock)
    assert "Third." in sandbox.world.timelines["facebook"][0].text
    edits = [
        call
        for call in sandbox.world.calls
        if call.startswith("POST") and call.endswith(sandbox.world.timelines["facebook"][0].id)
    ]
    assert len(edits) == 1
    tick(service, clock)
    store.vote(KEY.format(1), 1, 50)  # changes nothing that a post says
    tick(service, clock)
    assert len(rows(service, Action.UPDATE)) == 3


def test_an_edit_that_changes_nothing_shown_is_no_update(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_edit="update")
    store.edit(KEY.format(1), 1, text="What reader 1 says of conf/test/Paper1.  It is well said.")
    tick(service, clock)
    assert rows(service, Action.UPDATE) == []


# ---- the protocol


@pytest.mark.parametrize("fault", ["drop-after", "503-after", "html-after", "cut-after", "drop-before", "503-before"])
@both
def test_a_deletion_whose_outcome_is_unknown_is_looked_for(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, fault: str
) -> None:
    service = published(make_service, store, clock)
    store.delete(KEY.format(1), 1)
    sandbox.faults.add(fault, "twitter")
    sandbox.faults.add(fault, "facebook")
    tick(service, clock)
    assert [row.status for row in rows(service, Action.DELETE)] == [PostStatus.UNKNOWN] * 2
    for _ in range(20):
        tick(service, clock, minutes=3)
    assert sandbox.world.timelines["twitter"] == sandbox.world.timelines["facebook"] == []
    assert [row.status for row in rows(service, Action.DELETE)] == [PostStatus.DONE] * 2
    assert [row.status for row in rows(service, Action.PUBLISH)] == [PostStatus.DELETED] * 2
    sent = 1 if fault.endswith("after") else 2
    assert [row.attempts for row in rows(service, Action.DELETE)] == [sent] * 2


@pytest.mark.parametrize("fault", ["drop-after", "503-after", "drop-before"])
def test_an_update_whose_outcome_is_unknown_is_looked_for(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, fault: str
) -> None:
    store.add(1)
    service = make_service(source=site(store), on_edit="update", channels=["page"])
    service.tick()
    tick(service, clock, hours=1)
    store.edit(KEY.format(1), 1, text="A better text. It is better.")
    sandbox.faults.add(fault)
    for _ in range(20):
        tick(service, clock, minutes=3)
    assert [row.status for row in rows(service, Action.UPDATE)] == [PostStatus.DONE]
    assert "A better text." in sandbox.world.timelines["facebook"][0].text


def test_a_process_that_died_while_deleting(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock)
    store.delete(KEY.format(1), 1)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    service.delivery_worker.publisher("x").delete = die  # type: ignore[method-assign]
    clock.forward(minutes=15)
    with pytest.raises(Killed):
        service.tick()
    after = make_service(source=site(store))
    for _ in range(15):
        tick(after, clock, minutes=3)
    assert sandbox.world.timelines["twitter"] == sandbox.world.timelines["facebook"] == []
    assert [row.status for row in rows(after, Action.DELETE)] == [PostStatus.DONE] * 2


def test_a_post_that_somebody_deleted_already(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock)
    store.delete(KEY.format(1), 1)
    sandbox.world.timelines["twitter"].clear()
    sandbox.world.timelines["facebook"].clear()
    tick(service, clock)
    assert [row.status for row in rows(service, Action.DELETE)] == [PostStatus.DONE] * 2


def test_an_update_of_a_post_that_is_gone_fails(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_edit="update")
    sandbox.world.timelines["facebook"].clear()
    store.edit(KEY.format(1), 1, text="A better text. It is better.")
    tick(service, clock)
    (row,) = rows(service, Action.UPDATE)
    assert (row.status, row.error) == (PostStatus.FAILED, "the post is no longer there")


def test_deletions_go_before_posts(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock, schedule="0 * * * *")
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "by hand", clock())
    store.add(2)
    tick(service, clock, hours=1)
    store.delete(KEY.format(1), 1)
    tick(service, clock)
    sandbox.world.calls.clear()
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    tick(service, clock)
    assert [call.split()[0] for call in sandbox.world.calls if "/2/tweets" in call] == ["DELETE", "POST"]


def test_an_operator_settles_a_deletion(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock)
    store.delete(KEY.format(1), 1)
    sandbox.faults.add("drop-before", "twitter")
    tick(service, clock)
    (row, _) = rows(service, Action.DELETE)
    with service.ledger.begin() as tx:
        manual_resolution.resolve_post(tx, row.id, PostStatus.PUBLISHED, None, clock())
    assert rows(service)[0].status is PostStatus.DELETED
    assert rows(service, Action.DELETE)[0].status is PostStatus.DONE


def case(action: Action = Action.DELETE, absences: int = 0, sends: int = 1) -> UnknownPost:
    message = Message("new text")
    return UnknownPost(1, "x", 1, message, START, START, START, absences, (), None, sends, action=action, target="9")


def test_what_a_look_at_a_post_says_of_its_deletion() -> None:
    from digestbot.domain.model import TimelinePost

    there = TimelinePost("9", "u", "old text", (), START)
    quiet, late = timedelta(minutes=15), START + timedelta(hours=1)
    assert judge_change(case(), None, quiet, START).status is PostStatus.DONE
    assert judge_change(case(), there, quiet, START).status is PostStatus.UNKNOWN
    assert judge_change(case(absences=1), there, quiet, late).status is PostStatus.PENDING
    assert judge_change(case(), there, quiet, late).status is PostStatus.UNKNOWN
    assert judge_change(case(), None, quiet, START, "unreadable").status is PostStatus.UNKNOWN
    assert judge_change(case(), None, quiet, late + timedelta(hours=1), "unreadable").status is PostStatus.QUARANTINED
    edited = TimelinePost("9", "u", "new  text", (), START)
    assert judge_change(case(Action.UPDATE), edited, quiet, START).status is PostStatus.DONE
    assert judge_change(case(Action.UPDATE), None, quiet, START).status is PostStatus.FAILED
    assert judge_change(case(absences=1, sends=4), there, quiet, late).status is PostStatus.QUARANTINED


# ---- the safety catch


@both
def test_more_than_three_deletions_a_day_wait_for_the_operator(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, 45)
    store.delete(KEY.format(1), 1)
    tick(service, clock)
    assert (len(sandbox.world.timelines["twitter"]), len(sandbox.world.timelines["facebook"])) == (44, 44)
    store.delete(KEY.format(2), 2)  # two more would make four
    tick(service, clock)
    tick(service, clock)
    assert (len(sandbox.world.timelines["twitter"]), len(sandbox.world.timelines["facebook"])) == (44, 44)
    (alert,) = open_alerts(service)
    assert (alert.kind, len(alert.posts)) == ("deletions", 2)
    assert decide(service, clock, confirm=True) == 2
    tick(service, clock)
    assert (len(sandbox.world.timelines["twitter"]), len(sandbox.world.timelines["facebook"])) == (43, 43)
    assert open_alerts(service) == []
    tick(service, clock, hours=25)
    store.delete(KEY.format(3), 3)  # another day
    tick(service, clock)
    assert (len(sandbox.world.timelines["twitter"]), len(sandbox.world.timelines["facebook"])) == (42, 42)


def test_dismissed_deletions_are_not_made(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock, 45)
    for number in (1, 2):
        store.delete(KEY.format(number), number)
    tick(service, clock)
    assert decide(service, clock, confirm=False) == 4
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 45
    assert open_alerts(service) == []
    with service.ledger.begin() as tx, pytest.raises(LedgerError, match="alert 1 was already dismissed"):
        edit_queue.decide_alert(tx, 1, confirm=True, now=clock())
    with service.ledger.begin() as tx, pytest.raises(LedgerError, match="there is no alert 99"):
        edit_queue.decide_alert(tx, 99, confirm=True, now=clock())


def test_many_gone_at_once_are_an_alert_and_nothing_is_deleted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, 30)
    clock.forward(hours=48)
    for number in range(1, 3):  # 2 of 30: more than one in twenty, though no more than three a day on one channel
        store.delete(KEY.format(number), number)
    tick(service, clock)
    (alert,) = open_alerts(service)
    assert (alert.kind, alert.subject, len(alert.posts)) == ("vanished", "store", 4)
    assert "2 of 30 summaries" in alert.note
    store.delete(KEY.format(3), 3)
    tick(service, clock)  # while it is open, what goes next waits too
    assert len(open_alerts(service)[0].posts) == 6
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 30
    decide(service, clock, confirm=True)
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 27


@both
def test_a_store_that_was_empty_for_a_while(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    service = published(make_service, store, clock, 5)
    with store.engine.begin() as connection:
        kept = connection.execute(sa.select(store.vignettes)).mappings().all()
        connection.execute(store.vignettes.delete())
    tick(service, clock)
    assert "5 of 5 summaries" in open_alerts(service)[0].note
    with store.engine.begin() as connection:
        connection.execute(store.vignettes.insert(), [dict(row) for row in kept])
    tick(service, clock)
    assert open_alerts(service) == []  # it is over by itself
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == len(sandbox.world.timelines["facebook"]) == 5
    with service.ledger.read() as tx:
        assert "" not in set(tx.scalars(sa.select(summaries.c.body)))
        assert set(tx.scalars(sa.select(backlog.c.status))) == {"taken"}


def test_a_digest_that_is_no_longer_configured(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = published(make_service, store, clock)
    service.config.digests.clear()
    store.delete(KEY.format(1), 1)
    tick(service, clock)
    assert "is no longer configured: handle it yourself" in caplog.text
    assert len(sandbox.world.timelines["twitter"]) == 1
    with service.ledger.read() as tx:
        assert not edit_queue.any_open(tx)


# ---- the pure rules


def change(kind: EditKind, link: str | None = "l", showing: str = "old") -> SummaryEdit:
    return SummaryEdit(1, 1, kind, "c", "d", PostStatus.PUBLISHED, link, showing, START)


@given(
    st.sampled_from(EditKind),
    st.booleans(),
    st.sampled_from(Reaction),
    st.sampled_from(Reaction),
    st.none() | st.builds(Message, st.sampled_from(["old", "new"]), st.sampled_from([None, "l", "m"])),
)
def test_reactions(
    kind: EditKind, can_edit: bool, on_edit: Reaction, on_withdraw: Reaction, now: Message | None
) -> None:
    found = rules.reaction(change(kind), on_edit, on_withdraw, now, can_edit=can_edit)
    asked = on_edit if kind is EditKind.EDITED else on_withdraw
    if asked is Reaction.IGNORE:
        assert found is None
    if asked is Reaction.DELETE:
        assert found is Action.DELETE
    if asked is Reaction.UPDATE and not can_edit:
        assert found is None
    if found is Action.UPDATE:
        assert (asked, can_edit) == (Reaction.UPDATE, True)
        assert now is not None
        assert now.text != "old"


@given(st.integers(0, 10), st.integers(0, 10))
def test_the_catch(wanted: int, lately: int) -> None:
    assert rules.exceeds_deletion_limit(wanted, lately) is (wanted > 0 and wanted + lately > 3)


@pytest.mark.parametrize(
    ("gone", "looked", "alert"),
    [(0, 0, False), (1, 1, False), (1, 20, False), (2, 39, True), (2, 40, False), (3, 40, True)],
)
def test_too_many_gone(gone: int, looked: int, alert: bool) -> None:
    assert rules.too_many_gone(gone, looked) is alert


# ---- what is recalled stays recalled


def paused(service: Service, clock: Clock, *channels: str) -> None:
    with service.ledger.begin() as tx:
        for channel in channels:
            channel_states.pause(tx, channel, "by hand", clock())


def resumed(service: Service, *channels: str) -> None:
    with service.ledger.begin() as tx:
        for channel in channels:
            channel_states.resume(tx, channel)


def test_a_post_whose_text_is_gone_is_not_sent_at_a_retry(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store))
    service.tick()
    paused(service, clock, "x")
    sandbox.faults.add("unauthorized", "facebook")
    tick(service, clock, hours=1)
    with service.ledger.begin() as tx:  # a person gave up on one
        manual_resolution.resolve_post(tx, rows(service)[1].id, PostStatus.SKIPPED, None, clock())
    store.edit(KEY.format(1), 1, priv=True)
    tick(service, clock)
    resumed(service, "x", "page")
    for row in rows(service):
        assert "Paper Number 1" not in row.text
        with service.ledger.begin() as tx, pytest.raises(LedgerError, match="its text is gone"):
            manual_resolution.resolve_post(tx, row.id, PostStatus.PENDING, None, clock())
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == sandbox.world.timelines["facebook"] == []


def test_what_is_withdrawn_while_its_edition_is_made_is_not_posted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    other = make_service(source=site(store), channels=["x"])
    service.tick()
    confirm = service.poller.confirm

    def confirmed_then_withdrawn(chosen: Any) -> bool:
        same = confirm(chosen)
        store.edit(KEY.format(1), 1, silently=True, priv=True)
        other.poller.poll("store", Report(), at_once=True)
        return same

    service.poller.confirm = confirmed_then_withdrawn  # type: ignore[method-assign]
    tick(service, clock, hours=1)
    service.poller.confirm = confirm  # type: ignore[method-assign]
    tick(service, clock)
    assert rows(service) == []
    assert sandbox.world.timelines["twitter"] == []


@both
def test_a_short_private_interval_loses_nothing(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    service.tick()
    paused(service, clock, "x")
    tick(service, clock, hours=1)
    for priv in (True, False):
        store.edit(KEY.format(1), 1, priv=priv)
        tick(service, clock)
    resumed(service, "x")
    tick(service, clock, hours=4)
    assert len(sandbox.world.timelines["twitter"]) == 1
    paused(service, clock, "x")
    for priv in (True, False):  # the deletion was not made yet, and is not
        store.edit(KEY.format(1), 1, priv=priv)
        tick(service, clock)
    resumed(service, "x")
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == 1
    store.edit(KEY.format(1), 1, priv=True)
    tick(service, clock)
    assert sandbox.world.timelines["twitter"] == []


def test_one_that_comes_back_anonymous_is_not_shown_with_its_name(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, 3)
    with store.engine.begin() as connection:
        connection.execute(store.vignettes.update().values(priv=True))
    tick(service, clock)
    assert [alert.kind for alert in open_alerts(service)] == ["vanished"]
    with store.engine.begin() as connection:
        connection.execute(store.vignettes.update().values(priv=False))
    store.edit(KEY.format(1), 1, anon=True)
    tick(service, clock)
    assert open_alerts(service) == []
    shown = [post.text for post in (*sandbox.world.timelines["twitter"], *sandbox.world.timelines["facebook"])]
    assert len(shown) == 4
    assert not any("Reader 1\n" in text for text in shown)


def test_a_name_that_returns_undoes_what_waited_because_it_was_gone(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, 45)
    for anon in (True, False):
        for number in (1, 2):
            store.edit(KEY.format(number), number, anon=anon)
        tick(service, clock)
        assert [alert.kind for alert in open_alerts(service)] == (["deletions"] if anon else [])
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == 45


def test_what_an_alert_holds_it_holds(make_service: Make, store: Store, sandbox: Sandbox, clock: Clock) -> None:
    for number in range(1, 46):
        store.add(number)
    service = make_service(source=site(store), size=50, channels=["x"], on_edit="delete")
    service.tick()
    tick(service, clock, hours=1)
    for number in range(1, 6):
        store.edit(KEY.format(number), number, text=f"Edited {number}. It says so.")
    tick(service, clock)
    assert len(open_alerts(service)[0].posts) == 5
    for number in range(1, 3):  # edited again: held as before
        store.edit(KEY.format(number), number, text=f"Edited again {number}. It says so.")
    store.delete(KEY.format(9), 9)  # and what comes while it is open waits with it
    tick(service, clock)
    tick(service, clock)
    assert len(sandbox.world.timelines["twitter"]) == 45
    (alert,) = open_alerts(service)
    assert len(alert.posts) == 6
    assert alert.note.startswith("6 posts would be deleted")


def test_an_update_that_waited_is_not_sent_for_a_withdrawn_summary(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_edit="update", on_withdraw="ignore")
    paused(service, clock, "page")
    store.edit(KEY.format(1), 1, text="A newer text. It is newer.")
    tick(service, clock)
    store.edit(KEY.format(1), 1, silently=True, priv=True)
    tick(service, clock)
    resumed(service, "page")
    tick(service, clock)
    assert "A newer text" not in sandbox.world.timelines["facebook"][0].text
    assert all("A newer text" not in row.text for row in rows(service))


def test_dismissing_an_alert_sends_nothing_withdrawn(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    for number in range(1, 4):
        store.add(number)
    service = make_service(source=site(store), channels=["x"], size=3)
    service.tick()
    sandbox.faults.add("drop-before", times=3)
    tick(service, clock, hours=1)
    assert rows(service)[0].status is PostStatus.UNKNOWN
    with store.engine.begin() as connection:
        connection.execute(store.vignettes.delete())
    tick(service, clock, minutes=15)
    assert open_alerts(service)
    decide(service, clock, confirm=False)
    for _ in range(12):
        tick(service, clock, minutes=15)
    assert sandbox.world.timelines["twitter"] == []


def test_an_edit_while_a_post_waits_is_what_is_posted(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), on_edit="update")
    service.tick()
    paused(service, clock, "x", "page")
    tick(service, clock, hours=1)
    store.edit(KEY.format(1), 1, text="A newer text. It is newer.")
    tick(service, clock)
    resumed(service, "x", "page")
    tick(service, clock, hours=4)
    assert [
        "A newer text." in post.text
        for post in (*sandbox.world.timelines["twitter"], *sandbox.world.timelines["facebook"])
    ] == [True, True]


@both
def test_a_post_that_another_process_has_claimed_is_noted_and_not_dropped(
    make_service: Make, store: Store, clock: Clock
) -> None:
    store.add(1)
    service = make_service(source=site(store), channels=["x"])
    service.tick()
    paused(service, clock, "x")
    tick(service, clock, hours=1)
    resumed(service, "x")
    with service.ledger.begin() as tx:
        assert delivery.claim(tx, "x", timedelta(minutes=2), clock()) is not None
        assert not edit_log.drop_pending(tx, 1, EditKind.WITHDRAWN, clock())
    assert rows(service)[0].status is PostStatus.PUBLISHING


def test_a_mended_title_is_an_edit_and_two_titles_for_good_are_none(
    make_service: Make, store: Store, sandbox: Sandbox, clock: Clock
) -> None:
    service = published(make_service, store, clock, on_edit="update")
    with store.engine.begin() as connection:
        connection.execute(store.papers.update().values(title="A Mended Title"))
    tick(service, clock)
    assert sandbox.world.timelines["facebook"][0].text.startswith("A Mended Title")
    store.user(7)
    store.user(8)
    for user, key in ((7, "journals/corr/1706.03762"), (8, "conf/nips/Vaswani17")):
        store.paper(key, title=f"Title under {key}", urls="http://arxiv.org/abs/1706.03762")
        store.summary(key, user)
    tick(service, clock, hours=24)
    for user, key in ((7, "journals/corr/1706.03762"), (8, "conf/nips/Vaswani17")):
        store.vote(key, user, 99)
    before = len(rows(service, Action.UPDATE))
    tick(service, clock)
    assert len(rows(service, Action.UPDATE)) == before
