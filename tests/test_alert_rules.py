"""What the operator is told of: each condition once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.basics import START, Clock, Feed, raw_config
from helpers.planning_harness import Make

from digestbot import config as configuration
from digestbot.domain.alert_rules import (
    AlertInputs,
    Condition,
    NeedsApproval,
    Overdue,
    Resent,
    SourceHealth,
    active_conditions,
    usual_silence,
)
from digestbot.domain.errors import ConfigError
from digestbot.domain.model import Alert
from digestbot.infra import notifier
from digestbot.infra.notifier import Notifier, unusable_urls
from digestbot.ledger import alerts, channel_states, heartbeats, queries, schema, stats
from digestbot.pipeline.alert_monitor import AlertMonitor
from digestbot.pipeline.app import Service
from digestbot.pipeline.report import Report
from digestbot.platforms.registry import publisher_for
from digestbot.sandbox import Answer, Sandbox

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SEVEN = timedelta(days=7)


def kinds(state: AlertInputs, now: datetime = START, stale_after: timedelta | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in active_conditions(state, now, stale_after, SEVEN)]


def test_nothing_is_told_where_all_is_well() -> None:
    arrivals = [START - n * DAY for n in range(8, 0, -1)]
    state = AlertInputs(
        tokens={"page": START + 15 * DAY}, sources={"store": SourceHealth(3, "slow", arrivals), "new": SourceHealth()}
    )
    assert kinds(state) == []


def test_what_holds_is_told() -> None:
    state = AlertInputs(
        paused={"x": "the keys are refused"},
        tokens={"dead": START, "dying": START + 14 * DAY},
        quarantined={12: "on x: nobody knows"},
        alerts=[Alert(1, "budget", "x", "$20.00 of $25.00 are used", START)],
        sources={"store": SourceHealth(4, "refused", [START - 4 * DAY])},
        dry=["page"],
    )
    found = active_conditions(state, START, timedelta(days=3), SEVEN)
    assert [one.title for one in found] == [
        "channel x is paused",
        "the token of dead expires",
        "the token of dying expires",
        "post 12 is quarantined",
        "the month's budget of x is almost used up",
        "source store cannot be read",
        "source store is silent",
        "nothing is left to post on page",
    ]
    assert found[2].note == "it expires on 2026-11-16: make a new one in time"
    assert "7 days" in found[-1].note
    assert Condition("deletions", "store", "").title == "deletions (store)"


def test_what_is_pending_for_long_or_waits_for_a_person_is_told() -> None:
    edition = NeedsApproval(4, "latest", "x", START - 2 * DAY, START + 2 * HOUR)
    state = AlertInputs(
        overdue={"x": Overdue(2, 1, "refused"), "page": Overdue(1, 2, "slow")},
        unapproved=[edition],
        resent={7: Resent("page", 2, START + HOUR)},
        postponed={9: "on x: refused"},
    )
    resent = (
        "on page: sent 2 times, and it never appeared on the timeline; looked for and sent again after 2026-11-02 "
        "09:00 UTC. If it is there: digestbot posts show 7"
    )
    assert [(one.title, one.note) for one in active_conditions(state, START, None, SEVEN)] == [
        ("posts on x are overdue", "2 posts have been pending for more than a day; post 1: refused"),
        ("posts on page are overdue", "a post has been pending for more than a day; post 2: slow"),
        ("post 4 needs approval", "latest on x: digestbot approve 4, by 2026-11-02 10:00 UTC"),
        ("post 4 is about to lapse without approval", "latest on x: digestbot approve 4, by 2026-11-02 10:00 UTC"),
        ("post 7 was sent more than once", resent),
        ("post 9 cannot be sent", "on x: refused. The others are sent meanwhile: digestbot posts show 9"),
    ]
    early = AlertInputs(unapproved=[edition])
    assert kinds(early, START - DAY) == [("approval", "4")]


def test_what_is_usual_is_learnt_of_what_came_lately() -> None:
    daily = [START - n * DAY for n in range(10, 0, -1)]
    assert usual_silence(daily) == timedelta(days=3)
    weekly = [START - 7 * n * DAY for n in range(10, 0, -1)]
    assert usual_silence(weekly) == timedelta(days=14)
    assert usual_silence([START] * 50) is None  # all at once says nothing
    assert usual_silence(daily[:4]) is None
    assert kinds(AlertInputs(sources={"s": SourceHealth(0, None, daily)}), START + DAY) == []
    assert kinds(AlertInputs(sources={"s": SourceHealth(0, None, daily)}), START + 2 * DAY + MINUTE) == [
        ("silent", "s")
    ]


# ---- told once, over once


class Told:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.deaf = False

    def __bool__(self) -> bool:
        return True

    def send(self, title: str, body: str) -> bool:
        if not self.deaf:
            self.heard.append(f"{title}: {body}")
        return not self.deaf


def watcher(service: Service, told: Any) -> AlertMonitor:
    courier = service.delivery_worker.publisher
    return AlertMonitor(service.runtime, service.forecaster, courier, told)


def test_each_is_told_once_and_its_end_too(make_service: Callable[..., Service], clock: Clock, feed: Feed) -> None:
    service, told = make_service(), Told()
    service.tick()
    watch = watcher(service, told).watch
    watch()
    assert told.heard == []
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "the keys are refused", clock())
    clock.forward(minutes=2)
    watch()
    clock.forward(minutes=2)
    watch()
    assert told.heard == ["digestbot: channel x is paused: the keys are refused"]
    other = Told()  # another process knows that too
    watcher(service, other).watch()
    assert other.heard == []
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    clock.forward(minutes=2)
    watch()
    clock.forward(minutes=2)
    watch()
    (_, end) = told.heard
    assert end.startswith("digestbot: resolved: channel x is paused: It began at 2026-11-02 08:02 UTC")
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "again", clock())
    clock.forward(minutes=2)
    watch()
    assert told.heard[-1] == "digestbot: channel x is paused: again"


def test_what_could_not_be_told_is_tried_again(make_service: Callable[..., Service], clock: Clock) -> None:
    service, told = make_service(), Told()
    told.deaf = True
    watch = watcher(service, told).watch
    with service.ledger.begin() as tx:
        alerts.raise_alert(tx, "budget", "x", "most is used", clock())
    watch()
    told.deaf = False
    clock.forward(minutes=2)
    watch()
    assert told.heard == []  # whoever tried is left alone for a while
    clock.forward(minutes=4)
    watch()
    assert told.heard == ["digestbot: the month's budget of x is almost used up: most is used"]


def test_what_is_over_before_anybody_was_told_is_forgotten(make_service: Callable[..., Service], clock: Clock) -> None:
    service, told = make_service(), Told()
    told.deaf = True
    watch = watcher(service, told).watch
    with service.ledger.begin() as tx:
        channel_states.pause(tx, "x", "a slip", clock())
    watch()
    with service.ledger.begin() as tx:
        channel_states.resume(tx, "x")
    clock.forward(minutes=6)
    told.deaf = False
    watch()
    assert told.heard == []
    with service.ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.alerts)) == 0


def test_a_quarantined_post_a_source_that_fails_and_a_budget(
    make_service: Callable[..., Service], clock: Clock, feed: Feed
) -> None:
    feed.add(1)
    service, told = make_service(), Told()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    with service.ledger.begin() as tx:
        tx.execute(
            schema.posts.update()
            .where(schema.posts.c.id == 1)
            .values(status="quarantined", error="two look like it", receipt_id=None, receipt_url=None)
        )
    feed.override = Answer(500, b"no")
    for _ in range(5):
        clock.forward(hours=12)
        service.tick()
    watcher(service, told).watch()
    assert [line.split(": ")[1] for line in told.heard] == ["post 1 is quarantined", "source store cannot be read"]
    assert "digestbot posts show 1" in told.heard[0]


def test_what_the_ledger_knows_of_what_is_pending(
    make_service: Callable[..., Service], clock: Clock, feed: Feed
) -> None:
    for number in range(4):
        feed.add(number)
    service, told = make_service(size=1, approval=True, channels=["x", "page"]), Told()
    service.tick()
    clock.forward(hours=1)
    service.tick()
    watcher(service, told).watch()
    assert [line.split(": ")[1] for line in told.heard] == ["post 1 needs approval", "post 2 needs approval"]
    with service.ledger.begin() as tx:
        tx.execute(schema.editions.update().values(approval="approved"))
        one = schema.posts.update().where(schema.posts.c.id == 1)
        tx.execute(one.values(yields=True, error="refused", not_before=clock() + timedelta(days=3)))
        unknown = {"started_at": clock(), "deadline": clock(), "outcome": "unknown", "cost": 0}
        tx.execute(schema.attempts.insert(), [{"post_id": 2, "epoch": epoch} | unknown for epoch in (1, 2)])
        again = unknown | {"post_id": 1, "outcome": "pending"}
        tx.execute(schema.attempts.insert(), [{"epoch": epoch} | again for epoch in range(1, 6)])
    told.heard.clear()
    clock.forward(days=1, hours=1)
    watcher(service, told).watch()
    kinds_ = {line.split(": ")[1] for line in told.heard if not line.startswith("digestbot: over")}
    assert kinds_ >= {
        "posts on x are overdue",
        "posts on page are overdue",
        "post 1 cannot be sent",
        "post 2 was sent more than once",
    }


def test_a_plan_that_ran_dry(make: Make) -> None:
    run = make(2, schedule="every day at 09:00")
    end = START + 2 * DAY
    run.until(end)
    dry = run.service.forecaster.dry_channels

    def channels() -> list[str]:
        with run.ledger.read() as tx:
            return dry(tx, run.clock(), SEVEN)

    assert channels() == []  # it posted yesterday
    run.clock.forward(days=7)
    assert channels() == ["x"]
    from helpers.basics import make_summary

    run.arrive([make_summary(77)])
    run.service.growth.extend_all(Report())
    assert channels() == []


# ---- signs of life


def test_a_tick_leaves_its_mark_and_counts_the_day(
    make_service: Callable[..., Service], clock: Clock, feed: Feed
) -> None:
    for number in range(3):
        feed.add(number)
    service = make_service()
    service.tick()
    with service.ledger.read() as tx:
        assert heartbeats.last_heartbeat(tx, heartbeats.TICK) == clock()
        assert stats.backlog_by_day(tx, clock().date()) == {
            ("latest", "x"): {clock().date(): 3},
            ("latest", "page"): {clock().date(): 3},
        }
    clock.forward(seconds=30)
    service.tick()
    with service.ledger.read() as tx:
        assert heartbeats.last_heartbeat(tx, heartbeats.TICK) == clock() - timedelta(seconds=30)
    clock.forward(hours=2)  # 10:00: one of each is posted
    service.tick()
    with service.ledger.read() as tx:
        assert set(stats.backlog_by_day(tx, clock().date())["latest", "x"].values()) == {2}


class Switch(BaseHTTPRequestHandler):
    """A dead man's switch, or a place that takes alerts."""

    asked: list[tuple[str, bytes]] = []  # noqa: RUF012 - each server has a class of its own
    status = 200

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, body))
        self.send_response(self.status)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def switch() -> Iterator[tuple[str, type[Switch]]]:
    handler = type("Own", (Switch,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()
        thread.join()


def test_the_ping_comes_as_often_as_asked(
    make_service: Callable[..., Service], clock: Clock, switch: tuple[str, type[Switch]], caplog: Any
) -> None:
    url, handler = switch
    service = make_service()
    raw = raw_config("http://127.0.0.1:1") | {
        "alerts": {"ping_url": f"http://{url}/secret-ping", "ping_every": "3 minutes"}
    }
    pinging = Service(configuration.build(raw), service.ledger, clock)
    watch = watcher(pinging, Told()).watch
    for _ in range(7):
        watch()
        clock.forward(minutes=1)
    assert [path for path, _ in handler.asked] == ["/secret-ping"] * 3
    handler.status = 500
    for _ in range(4):
        watch()
        clock.forward(minutes=1)
    assert len(handler.asked) == 5  # a ping that was not taken is tried again at once
    assert not notifier.ping("http://127.0.0.1:1/secret-ping")
    assert "secret-ping" not in caplog.text


def test_apprise_is_really_used(switch: tuple[str, type[Switch]], caplog: Any) -> None:
    url, handler = switch
    told = Notifier([f"json://user:hidden-word@{url}/hook"])
    assert told.send("digestbot: channel x is paused", "the keys are refused")
    ((path, body),) = handler.asked
    assert path.startswith("/hook")
    assert b'"title": "digestbot: channel x is paused"' in body
    handler.status = 500
    assert not told.send("again", "and again")
    assert "an alert could not be sent by json" in caplog.text
    assert "hidden-word" not in caplog.text
    assert not Notifier(["nosuchway://hidden-word"]).send("a", "b")
    assert unusable_urls(["nosuchway://hidden-word", f"json://{url}"]) == ["nosuchway"]
    assert "hidden-word" not in caplog.text
    assert not Notifier([])


def test_without_apprise_that_is_said(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(notifier, "find_spec", lambda _: None)
    assert not Notifier(["json://127.0.0.1"]).send("a", "b")
    assert "pip install 'digestbot[alerts]'" in caplog.text


# ---- tokens


def test_facebook_says_until_when_the_token_holds(
    make_service: Callable[..., Service], sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, told = make_service(), Told()
    sandbox.world.token_ends = int((clock() + 10 * DAY).timestamp())
    watch = watcher(service, told).watch
    watch()
    assert told.heard == ["digestbot: the token of page expires: it expires on 2026-11-12: make a new one in time"]
    with service.ledger.read() as tx:
        assert queries.channel_rows(tx)["page"].token_expires_at == clock() + 10 * DAY
    sandbox.world.token_ends = 0
    clock.forward(hours=2)
    watch()
    assert len(told.heard) == 1  # asked once a day
    clock.forward(days=1)
    watch()
    assert told.heard[1].startswith("digestbot: resolved: the token of page expires")


def test_a_dead_token_is_noticed_before_anything_is_posted(
    make_service: Callable[..., Service], sandbox: Sandbox, clock: Clock
) -> None:
    service, told = make_service(), Told()
    sandbox.world.token_ends = -1
    watcher(service, told).watch()
    assert told.heard == [
        "digestbot: the token of page expires: it is no longer valid: make a new one, then resume the channel"
    ]


def test_who_cannot_be_asked_says_nothing(make_service: Callable[..., Service], sandbox: Sandbox, clock: Clock) -> None:
    raw = raw_config("http://127.0.0.1:1")
    service = make_service()
    away, told = Service(configuration.build(raw), service.ledger, clock), Told()
    watcher(away, told).watch()
    assert told.heard == []
    assert publisher_for(configuration.build(raw).channels["x"]).expires_at(seconds=1, now=clock()) is None


# ---- configuration


def test_alerts_are_configured() -> None:
    raw = raw_config("http://127.0.0.1:1") | {
        "alerts": {
            "to": ["mailto://me:word-of-pass@example.org"],
            "ping_url": "https://hc.example/abc",
            "stale_after": "5 days",
        }
    }
    built = configuration.build(raw)
    assert {"mailto://me:word-of-pass@example.org", "https://hc.example/abc"} <= set(built.secrets())
    for key, value, why in (
        ("to", ["me@example.org"], "write an Apprise URL"),
        ("ping_url", "ftp://x", "http:// or https://"),
        ("stale_after", "soon", "write a time span"),
        ("pings", 1, "unknown key"),
    ):
        with pytest.raises(ConfigError, match=why):
            configuration.build(raw_config("http://127.0.0.1:1") | {"alerts": {key: value}})


def test_web_is_configured(tmp_path: Path) -> None:
    for web, why in (
        ({"host": "0.0.0.0"}, "a host other than this machine needs a password"),
        ({"public_url": "https://bots.example.org"}, "a host other than this machine needs a password"),
        ({"token": "short"}, "at least 24 characters"),
        ({"password_hash": "secret"}, "digestbot web --set-password"),
        ({"port": 70000}, "web.port"),
        ({"hosts": []}, "did you mean host"),
    ):
        with pytest.raises(ConfigError, match=why):
            configuration.build(raw_config("http://127.0.0.1:1") | {"web": web})
    (tmp_path / "token").write_text("x" * 24 + "\n")
    raw = raw_config("http://127.0.0.1:1") | {"web": {"host": "0.0.0.0", "token_file": "token"}}
    built = configuration.build(raw, tmp_path / "config.toml")
    assert built.web is not None
    assert built.web.locked
    assert "x" * 24 in built.secrets()
    with_variable = configuration.build(
        raw_config("http://127.0.0.1:1"), None, {"DIGESTBOT_ALERTS__TO": "json://a, json://b"}
    )
    assert len(with_variable.alerts.to) == 2
