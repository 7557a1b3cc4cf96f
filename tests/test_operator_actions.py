"""What an operator can do: each action by its name and its arguments, as forms and command lines give them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.basics import START, make_summary
from helpers.planning_harness import Run, raw
from test_cli import called

from digestbot.cli.parser import parser
from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import PostStatus
from digestbot.domain.retry import Decision
from digestbot.ledger import alerts, approvals, backlog_views, channel_states, delivery, queries, schema
from digestbot.operator import actions
from digestbot.operator.action_list import ACTIONS
from digestbot.operator.actions import Outcome, perform
from digestbot.pipeline.report import Report

PAIR = {"digest": "latest", "channel": "x"}
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SLOT = PAIR | {"slot": "2026-11-02T09:00"}


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run(raw(schedule="every day at 09:00"), [make_summary(number) for number in range(1, 7)])
    yield made
    made.close()


@pytest.fixture
def approving() -> Iterator[Run]:
    made = Run(raw(schedule="every day at 09:00", approval=True), [make_summary(number) for number in range(1, 7)])
    made.tick(START + HOUR)
    yield made
    made.close()


def do(run: Run, name: str, **arguments: str) -> Outcome:
    return perform(run.service, name, arguments)


def undo(run: Run, outcome: Outcome) -> Outcome:
    return perform(run.service, outcome.undo, outcome.undo_arguments)


def entry(run: Run, summary: int, kind: str = "waiting") -> backlog_views.BacklogEntry | None:
    config = run.config
    from digestbot.config.rules import filters_for

    with run.ledger.read() as tx:
        found = backlog_views.backlog_entries(
            tx, "latest", "x", config.timing("latest", "x").order, filters_for(config, "latest", "x"), run.clock(),
            kind=kind,
        )  # fmt: skip
    return next((one for one in found if one.summary.id == summary), None)


def status(run: Run, post: int) -> PostStatus:
    with run.ledger.read() as tx:
        return queries.post_row(tx, post).status


def test_every_action_has_its_function_and_its_command() -> None:
    assert set(actions._RUN) == set(ACTIONS)
    commands = parser()
    for name, action in ACTIONS.items():
        words = [one for one in (action.group, action.command) if one]
        with pytest.raises(SystemExit) as ended:
            commands.parse_args([*words, "--help"])
        assert ended.value.code == 0, name


def test_an_unknown_action_is_no_action(run: Run) -> None:
    with pytest.raises(LookupError, match="unknown action 'dance'; known actions: pin, unpin"):
        do(run, "dance")


# ---- summaries


def test_a_summary_is_pinned_and_unpinned(run: Run) -> None:
    done = do(run, "pin", **PAIR, summary="5")
    assert (done.message, done.data) == ("Summary 5 is pinned (latest on x).", PAIR | {"summary": 5})
    found = entry(run, 5)
    assert found is not None
    assert found.pinned
    undone = undo(run, done)
    assert (undone.undo, entry(run, 5).pinned) == ("pin", False)  # type: ignore[union-attr]


def test_a_summary_is_held_and_released(run: Run) -> None:
    done = do(run, "hold", **PAIR, summary="1")
    assert entry(run, 1).held  # type: ignore[union-attr]
    run.tick(START + HOUR)
    assert [ids for _, _, ids in run.appeared()] == [[2]]
    undo(run, done)
    run.tick(START + DAY + HOUR)
    assert [ids for _, _, ids in run.appeared()] == [[2], [1]]


def test_a_summary_is_skipped_and_put_back(run: Run) -> None:
    done = do(run, "skip", **PAIR, summary="1")
    assert entry(run, 1) is None
    assert entry(run, 1, "skipped") is not None
    assert undo(run, done).message == "Summary 1 is pending again (latest on x)."
    assert entry(run, 1) is not None


def test_a_text_is_written_and_reset(run: Run) -> None:
    done = do(run, "write", **PAIR, summary="1", text="In my own words.")
    assert entry(run, 1).words == "In my own words."  # type: ignore[union-attr]
    assert undo(run, done).undo == ""
    assert entry(run, 1).words is None  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="must have 1 to 280"):
        do(run, "write", **PAIR, summary="1", text="")


def test_summaries_are_approved_before_their_edition(approving: Run) -> None:
    done = do(approving, "preapprove", **PAIR, summaries="2, 3")
    assert done.data == PAIR | {"summaries": [2, 3], "approved": True}
    assert entry(approving, 2).approved  # type: ignore[union-attr]
    assert undo(approving, done).data["approved"] is False
    assert not entry(approving, 2).approved  # type: ignore[union-attr]


# ---- slots


def test_a_slot_is_moved_and_restored(run: Run) -> None:
    done = do(run, "move-slot", **SLOT, to="2026-11-02T15:30")
    assert done.message == "The slot of 2026-11-02T09:00 is moved to Mon 02 Nov, 15:30 UTC."
    assert done.data["at"] == "2026-11-02T15:30:00+00:00"
    assert [f"{row.at:%H:%M}" for row in run.service.plan(START, START + DAY)] == ["15:30"]
    assert undo(run, done).message == "The slot of 2026-11-02T09:00 follows the schedule again."
    assert [f"{row.at:%H:%M}" for row in run.service.plan(START, START + DAY)] == ["09:00"]


def test_a_slot_is_skipped(run: Run) -> None:
    done = do(run, "skip-slot", **SLOT)
    assert (done.undo, done.undo_arguments) == ("restore-slot", SLOT)
    run.tick(START + HOUR)
    assert run.appeared() == []


def test_a_slot_is_sent_now(run: Run) -> None:
    done = do(run, "send-slot", **SLOT, summaries="3")
    assert done.data == SLOT | {"posts": [1]}
    run.tick(START)
    assert [ids for _, _, ids in run.appeared()] == [[3]]


# ---- posts


def test_an_edition_is_edited_and_approved(approving: Run) -> None:
    done = do(approving, "edit", post="1", text="Mine.")
    assert done.texts == {"post 1": "Mine."}
    assert undo(approving, done).texts != done.texts
    assert do(approving, "approve", post="1").data == {"approved": [1], "rendered_again": []}


def test_an_edition_of_long_ago_is_shown_before_it_is_approved(approving: Run) -> None:
    approving.arrive([make_summary(1, writer="Somebody Else")])
    approving.clock.now += timedelta(hours=20)
    with approving.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE editions SET made_at = '2026-10-30 09:00:00', rendered_at = '2026-10-30 09:00:00'")
        tx.exec_driver_sql("UPDATE posts SET text = 'as it was'")
    done = do(approving, "approve", post="1")
    assert done.unfinished
    assert done.data["rendered_again"] == [1]
    assert "Paper Number 1" in done.texts["post 1"]
    assert not do(approving, "approve", post="1").unfinished


def test_an_edition_is_declined_for_now_or_for_good(approving: Run) -> None:
    done = do(approving, "decline", post="1", later="yes")
    assert (done.message, done.data) == (
        "Declined post 1; its summaries stay pending for another edition.",
        {"declined": [1], "later": True},
    )
    approving.tick(START + DAY + HOUR)
    done = do(approving, "decline", post="2", reason="not now")
    assert done.message == "Declined post 2; its summaries are skipped."


def test_a_post_is_sent_or_made_again_at_another_time(approving: Run) -> None:
    done = do(approving, "move-post", post="1", to="2026-11-03T15:00")
    assert done.data == {"post": 1} | PAIR | {"at": "2026-11-03T15:00:00+00:00"}
    assert status(approving, 1) is PostStatus.SKIPPED
    approving.tick(START + DAY + HOUR)
    with approving.ledger.read() as tx:
        (waiting,) = approvals.posts_needing_approval(tx)
    assert do(approving, "send-now", post=str(waiting)).data == {"post": waiting}
    approving.tick(START + DAY + HOUR)
    assert status(approving, waiting) is PostStatus.PUBLISHED


def quarantined(run: Run) -> None:
    """Post 1 was sent, and nobody knows what became of it."""
    run.service.planner.make_due(Report())
    with run.ledger.begin() as tx:
        state = channel_states.channel_state(tx, "x", run.clock())
        claim = delivery.claim(tx, "x", timedelta(minutes=2), run.clock(), state)
        assert claim is not None
        delivery.conclude(tx, claim, Decision(PostStatus.QUARANTINED, error="lost"), state, run.clock())


def test_a_post_is_resolved_by_each_decision_and_reopened(run: Run) -> None:
    run.clock.now = START + HOUR
    quarantined(run)
    with pytest.raises(LedgerError, match="choose a decision: published, retry or skip"):
        do(run, "resolve", post="1", decision="perhaps")
    done = do(run, "resolve", post="1", decision="skip")
    assert (done.data["before"], done.data["after"], done.undo) == ("quarantined", "skipped", "reopen")
    assert undo(run, done).data == {"post": 1, "before": "skipped", "after": "quarantined"}
    assert "looks for it on the timeline" in do(run, "retry", post="1").message
    assert status(run, 1) is PostStatus.PENDING


@pytest.mark.parametrize("same", [True, False])
def test_a_post_on_the_platform_is_shown_beside_ours(run: Run, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from digestbot.domain.model import Receipt, TimelinePost

    run.clock.now = START + HOUR
    quarantined(run)
    with run.ledger.read() as tx:
        ours = queries.post_row(tx, 1).text
    there = TimelinePost("77", "https://x.com/77", ours if same else "Something else", (), run.clock())
    platform = run.platform
    monkeypatch.setattr(platform, "receipt", lambda reference: Receipt("77", "https://x.com/77"), raising=False)
    monkeypatch.setattr(platform, "lookup", lambda *_, **__: there)
    monkeypatch.setattr(platform, "platform_time", lambda: None, raising=False)
    done = do(run, "resolve", post="1", decision="published", url="77")
    assert done.message.startswith("Post 1: quarantined -> published as https://x.com/77.")
    assert done.data["same_text"] is same
    assert ("will never edit or delete this post" in done.message) is not same
    assert set(done.texts) == {"on the platform"} | (set() if same else {"digestbot's text"})


# ---- channels and alerts


def test_a_channel_is_paused_and_resumed(run: Run) -> None:
    done = do(run, "pause", channel="x")
    assert done.data == {"channel": "x", "paused": True, "reason": "paused by an operator"}
    run.tick(START + HOUR)
    assert run.appeared() == []
    assert undo(run, done).message == "Channel x resumed."
    run.tick(START + HOUR)
    assert len(run.appeared()) == 1


@pytest.mark.parametrize(("name", "decision"), [("confirm-alert", "confirmed"), ("dismiss-alert", "dismissed")])
def test_an_alert_is_decided(run: Run, name: str, decision: str) -> None:
    with run.ledger.begin() as tx:
        number = alerts.raise_alert(tx, "gap", "store", "something is missing", run.clock())
    assert do(run, name, alert=str(number)).message == f"Alert {number} is {decision}."
    with pytest.raises(LedgerError, match="already"):
        do(run, name, alert=str(number))


# ---- what is not given rightly


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("pin", {"channel": "x", "summary": "1"}, "digest is missing"),
        ("pin", PAIR, "summary is missing"),
        ("pin", PAIR | {"summary": "one"}, "'one' is not a valid summary id"),
        ("pin", {"digest": "latest", "channel": "no", "summary": "1"}, "digest latest is not configured for no"),
        ("preapprove", PAIR | {"summaries": "1,b"}, "'b' is not a valid summary id"),
        ("move-slot", SLOT, "to is missing"),
        ("move-slot", SLOT | {"to": "soon"}, "is not a time"),
        ("approve", {"post": "9" * 30}, "is not a valid post id"),
        ("approve", {"post": "9"}, "no post 9"),
        ("pause", {"channel": "no"}, "there is no channel 'no'; known: "),
        ("resume", {}, "channel is missing"),
        ("confirm-alert", {"alert": "9"}, "no alert 9"),
    ],
)
def test_arguments_that_lead_nowhere(run: Run, name: str, arguments: dict[str, str], says: str) -> None:
    with pytest.raises((LedgerError, ConfigError), match=says):
        do(run, name, **arguments)


# ---- the command line, which calls the same functions


@pytest.fixture
def toml(tmp_path: Path) -> str:
    """A configuration over a ledger that knows six summaries."""
    made = Run(
        raw(schedule="every day at 09:00"),
        [make_summary(number) for number in range(1, 7)],
        f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    made.close()
    file = tmp_path / "config.toml"
    file.write_text(
        """
database = "sqlite:///ledger.db"
[sources.store]
kind = "feed"
url = "http://127.0.0.1:1/rss-full.xml"
allow_private_addresses = true
[channels.x]
platform = "twitter"
api_key = "k"
api_secret = "s"
access_token = "100-t"
access_token_secret = "ts"
[digests.latest]
sources = ["store"]
channels = ["x"]
schedule = "every day at 09:00"
backlog = "all"
"""
    )
    return str(file)


def command(toml: str, *words: str) -> Any:
    code, out, err = called("-c", toml, *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_actions_on_the_command_line(toml: str, tmp_path: Path) -> None:
    about = {"digest": "latest", "channel": "x", "summary": 1}
    for name in ("pin", "unpin", "hold", "release", "skip", "unskip"):
        assert command(toml, "summary", name, "latest", "x", "1") == about
    assert command(toml, "summary", "write", "latest", "x", "1", "--text", "Mine.") == about
    assert command(toml, "summary", "reset-text", "latest", "x", "1") == about
    assert command(toml, "summary", "preapprove", "latest", "x", "1,2")["summaries"] == [1, 2]
    assert command(toml, "summary", "unapprove", "latest", "x", "1,2")["approved"] is False
    (*_, slot) = (row["slot"] for row in json.loads(called("-c", toml, "plan", "--json")[1]))
    moved = command(toml, "slot", "move", "latest", "x", slot, "--to", f"{slot[:10]}T20:00")
    assert moved["at"].startswith(f"{slot[:10]}T20:00")
    assert command(toml, "slot", "restore", "latest", "x", slot)["slot"] == slot
    assert command(toml, "slot", "skip", "latest", "x", slot)["slot"] == slot
    assert command(toml, "pause", "x", "--reason", "holidays")["reason"] == "holidays"
    assert command(toml, "resume", "x") == {"channel": "x", "paused": False}
    code, out, _ = called("-c", toml, "summary", "pin", "latest", "x", "2")
    assert (code, out) == (
        0,
        "Summary 2 is pinned (latest on x).\nTo undo: digestbot summary unpin latest x 2\n",
    )
    words = tmp_path / "words.txt"
    words.write_text("From a file.")
    assert command(toml, "summary", "write", "latest", "x", "1", "--file", str(words)) == about
    code, _, err = called("-c", toml, "summary", "pin", "other", "x", "1")
    assert (code, "digest other is not configured for x" in err) == (2, True)


def test_posts_of_a_channel_that_is_gone(toml: str) -> None:
    """They are still listed and shown; what would measure their text says why it cannot."""
    file = Path(toml)
    text = file.read_text() + "\n[digests.latest.on.x]\napproval = true\n"
    file.write_text(text)
    database = f"sqlite:///{file.parent / 'ledger.db'}"
    run = Run(raw(schedule="every day at 09:00", approval=True), [], database)
    run.tick(START + timedelta(days=1, hours=2))
    run.close()
    assert [row["id"] for row in json.loads(called("-c", toml, "approve", "--json")[1])] == [1]
    file.write_text(text.replace("[channels.x]", "[channels.z]").replace('["x"]', '["z"]').replace("on.x", "on.z"))
    code, out, err = called("-c", toml, "approve")
    assert (code, err) == (0, "")
    assert out.startswith("post 1, latest on x, until ")
    code, _, err = called("-c", toml, "edit", "1", "--text", "Other words.")
    assert (code, err) == (1, "digestbot: post 1: its channel x is no longer configured\n")


def test_everything_is_stopped_and_resumed_with_who_and_why(run: Run) -> None:
    run.tick(START)
    with run.ledger.begin() as tx:  # a pause that ends by itself
        decision = Decision(PostStatus.PENDING, pause="a monthly cap", paused_until=START + HOUR)
        channel_states.pause_at_fault(tx, "x", decision, START)
    outcome = do(run, "pause-all", by="ann", reason="a wrong template")
    assert outcome.data == {"paused": True, "reason": "everything was stopped by ann: a wrong template"}
    assert run.appeared() == []
    run.tick(START + 2 * DAY)
    assert run.appeared() == []
    for channel in ("x", "a channel that is configured later"):
        with run.ledger.begin() as tx:
            if channel != "x":
                tx.execute(schema.channels.insert().values(name=channel, account="a"))
            state = channel_states.channel_state(tx, channel, run.clock())
            assert state.pause_reason == "everything was stopped by ann: a wrong template"
    with run.ledger.read() as tx:
        assert [alert.kind for alert in alerts.open_alerts(tx)] == ["stopped"]
    outcome = undo(run, outcome)
    assert (outcome.message, outcome.data) == ("Posting resumed.", {"paused": False, "channels": []})
    do(run, "pause", channel="x", reason="by hand")
    assert do(run, "resume-all").message == "Nothing was stopped. Still paused for reasons of their own: x."
    do(run, "resume", channel="x")
    run.tick(START + 3 * DAY)
    assert run.appeared() != []
    assert do(run, "pause-all").data["reason"] == "everything was stopped"


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no name")])
def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    import getpass
    import os

    from digestbot.cli.act import _user

    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert _user() == f"user {os.getuid()}"


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_a_time_at_the_end_of_the_calendar_is_refused(run: Run, text: str) -> None:
    run.tick(START)
    for arguments in (SLOT | {"to": text}, PAIR | {"slot": text, "to": "2026-11-03T09:00"}):
        with pytest.raises(LedgerError, match="the year of"):
            do(run, "move-slot", **arguments)
