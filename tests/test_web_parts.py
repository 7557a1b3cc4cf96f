"""The parts of the pages that need no browser: forms and their file, charts, health, metrics, the command."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import sys
import threading
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
import sqlalchemy as sa
from helpers.basics import START, Clock, Feed
from helpers.web_app import HOSTILE, Everything, served, world
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from test_cli import called, digestbot, start

from digestbot.cli import logs
from digestbot.cli.progress import progress
from digestbot.config import Timing
from digestbot.config.writer import KEPT, save
from digestbot.domain.errors import ConfigError
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Order, PostStatus
from digestbot.infra.log_context import log_context
from digestbot.ledger import backlog_views, change_tokens, heartbeats, notifications, queries, schema, stats
from digestbot.pipeline.app import Service
from digestbot.text.durations import duration
from digestbot.web import forms
from digestbot.web.app_state import Liveness
from digestbot.web.charts import Chart, Series, steps, svg
from digestbot.web.single_flight import SingleFlight

ROOT = Path(__file__).parent.parent
TEXT = """\
# by hand
[digests.latest] # the newest
sources = ["a"]   # where from
schedule = ["daily at 9:00",
  "cron"]  # when
size = 3 # so many

[digests.inline]
on = {x = {size = 2}}
"""


# ---- forms


def test_a_form_shows_what_the_file_says() -> None:
    found = forms.form_values(TEXT, "latest")
    assert (found["schedule"], found["size"], found["order"]) == ("daily at 9:00\ncron", "3", "")
    assert forms.form_values(TEXT, "inline", "x")["size"] == "2"
    assert forms.form_values(TEXT, "latest", "x")["size"] == ""
    with pytest.raises(ConfigError, match=r"no \[digests.nothing\]"):
        forms.form_values(TEXT, "nothing")
    with pytest.raises(ConfigError, match="not valid TOML"):
        forms.form_values("x = ", "latest")


def test_a_form_changes_its_keys_and_nothing_else() -> None:
    said = forms.form_values(TEXT, "latest") | {"size": "", "spread": "yes", "not_on": "2026-12-24\r\n2026-12-31\r\n"}
    after = forms.apply_form(TEXT, "latest", "", said)
    assert "# by hand" in after
    assert '"cron"]  # when' in after
    found = tomllib.loads(after)["digests"]["latest"]
    assert "size" not in found
    assert found["spread"] is True
    assert found["not_on"] == ["2026-12-24", "2026-12-31"]
    assert forms.apply_form(TEXT, "latest", "", forms.form_values(TEXT, "latest")) == TEXT
    with_channel = forms.apply_form(TEXT, "latest", "x", {"size": "1"})
    assert tomllib.loads(with_channel)["digests"]["latest"]["on"] == {"x": {"size": 1}}
    assert tomllib.loads(forms.apply_form(with_channel, "latest", "x", {})) == tomllib.loads(TEXT)
    assert "on" not in tomllib.loads(forms.apply_form(TEXT, "inline", "x", {}))["digests"]["inline"]
    assert tomllib.loads(forms.apply_form(TEXT, "inline", "y", {"size": "4"}))["digests"]["inline"]["on"]["y"] == {
        "size": 4
    }


lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20).map(str.strip)


@given(st.fixed_dictionaries({field.name: lines for field in forms.FIELDS}))
def test_whatever_is_said_the_file_stays_toml_and_keeps_the_rest(said: dict[str, str]) -> None:
    after = forms.apply_form(TEXT, "latest", "", said)
    found = tomllib.loads(after)
    assert found["digests"]["inline"] == tomllib.loads(TEXT)["digests"]["inline"]
    assert found["digests"]["latest"]["sources"] == ["a"]
    again = forms.form_values(after, "latest")
    for name, value in said.items():
        assert again[name] == value or (value.isdecimal() and int(again[name]) == int(value))


def test_mistakes_are_at_their_field() -> None:
    problems = (
        "/x/config.toml: digests.latest.schedule: '25:00' is not a time",
        "digests.latest.not_on.0: is not a day",
        "digests.latest.on.x.size: must be a number",
        "digests.other.size: no",
        "channels.x.api_key: is missing",
    )
    assert forms.problems_by_field(problems, "latest", "") == (
        {"schedule": "'25:00' is not a time", "not_on": "is not a day"},
        [problems[2], problems[3], problems[4]],
    )
    assert forms.problems_by_field(problems, "latest", "x")[0]["size"] == "must be a number"
    assert forms.default_values(Timing())["skip_if_empty"] == "yes"


def test_a_file_is_replaced_whole_and_the_former_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text("one")
    real.chmod(0o640)
    link.symlink_to(real)
    kept = save(link, "two", "one", START)
    assert (real.read_text(), kept.read_text()) == ("two", "one")
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == kept.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ConfigError, match="was changed in the meantime"):
        save(link, "three", "one", START)
    for number in range(15):
        save(link, f"v{number}", real.read_text(), START + timedelta(seconds=number + 1))
    assert len(list(tmp_path.glob("real.toml.*Z"))) == KEPT
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_file_that_cannot_be_written_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("one")

    def refuse(*_: Any) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written: Device or resource busy"):
        save(file, "two", "one", START)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    with pytest.raises(ConfigError, match="cannot be written"):
        save(tmp_path / "none.toml", "two", "one", START)


# ---- charts


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=40), st.text(max_size=10))
def test_any_numbers_make_a_chart(values: list[float | None], name: str) -> None:
    name = re.sub(r"[^\w<>&\"' ]", "", name)
    chart = Chart("Posts", name, [str(n) for n in range(len(values))], [Series(name, values), Series("two", values)])
    drawn = ElementTree.fromstring(str(svg(chart)))
    tall = [float(bar.attrib["height"]) for bar in drawn.iter("rect")]
    assert all(0 <= one <= 160 for one in tall)
    assert len(chart.rows) == len(values)


def test_scales_end_at_round_numbers() -> None:
    assert steps(0) == [0, 1]
    assert steps(7) == [0, 2, 4, 6, 8]
    assert steps(0.9)[-1] >= 0.9
    assert [duration(timedelta(minutes=m)) for m in (0, 5, 65, 60, 1440, 1500, 30 * 1440)] == [
        *("less than a minute", "5 min", "1 h 5 min", "1 h", "1 d", "1 d 1 h", "30 d"),
    ]


# ---- what the pages ask the ledger


def test_the_ledger_answers_on_every_database(make_service: Callable[..., Service], clock: Clock, feed: Feed) -> None:
    for number in range(5):
        feed.add(number)
    service = make_service()
    service.tick()
    for _ in range(3):
        clock.forward(hours=4)
        service.tick()
    now = clock()
    with service.ledger.read() as tx:
        assert stats.posts_by_day(tx, "x", START, PostStatus.PUBLISHED) == {date(2026, 11, 2): 3}
        assert [round(lag / 3600) for _, lag in stats.lags(tx, "x", START)] == [4, 8, 12]
        assert list(stats.costs_by_month(tx, "x", now, 2).items()) == [
            (datetime(2026, 10, 1, tzinfo=UTC), 0),
            (datetime(2026, 11, 1, tzinfo=UTC), 610_000),
        ]
        assert stats.attempts_by_outcome(tx) == {("x", "published"): 3, ("page", "published"): 3}
        assert stats.posts_by_status(tx) == {("x", "published"): 3, ("page", "published"): 3}
        assert stats.pending_counts(tx) == {("latest", "x"): 2, ("latest", "page"): 2}
        assert [row.id for row in queries.newest_posts(tx, channel="x", words="NUMBER 1", most=5)] == [3]
        assert [row.id for row in queries.newest_posts(tx, before=5, most=2)] == [4, 3]
        assert [row.id for row in queries.posted_between(tx, START, now, 4)] == [3, 4, 5, 6]
        assert queries.failed_since(tx, START, 5) == queries.posts_needing_attention(tx, 5) == []
        found = backlog_views.backlog_entries(tx, "latest", "x", Order.OLDEST, DigestFilters(), now, words="reader 4")
        assert [(one.summary.writer, one.waits_for) for one in found] == [("Reader 4", "")]
        assert backlog_views.backlog_entries(tx, "latest", "x", Order.VOTES, DigestFilters(), now, kind="held") == []
        assert backlog_views.pending_count(tx, "latest", "x") == 2
        before = change_tokens.change_tokens(tx, ["x", "page"], START)
        assert before == change_tokens.change_tokens(tx, ["x", "page"], START)
    clock.forward(days=1)
    service.tick()
    with service.ledger.read() as tx:
        _, stamps = change_tokens.change_tokens(tx, ["x", "page"], START)
    assert all(stamps[channel] != before[1][channel] for channel in stamps)


# ---- health and metrics


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with world(tmp_path_factory.mktemp("parts")) as made:
        made.live()
        with served(made) as url:
            yield url, made


def test_readiness_says_what_is_wrong(lived: tuple[str, Everything]) -> None:
    url, made = lived
    assert requests.get(url + "/healthz", timeout=5).text == "ok\n"
    ready = requests.get(url + "/readyz", timeout=5)
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    with made.ledger.begin() as tx:
        tx.execute(
            schema.channels.update().where(schema.channels.c.name == "x").values(paused_at=START, pause_reason="no")
        )
        tx.execute(schema.sources.update().values(error="refused", failures=2))
        heartbeats.record_heartbeat(tx, heartbeats.TICK, made.clock() - timedelta(hours=1))
    made.app_state.liveness = Liveness(problems=lambda: ["digests: is missing"])
    try:
        said = requests.get(url + "/readyz", timeout=5)
        assert said.status_code == 503
        assert said.json()["troubles"] == {
            "scheduler": "has not run since 2026-11-04 09:00:00 UTC",
            "sources": "store: refused",
            "tokens": "x: no",
            "configuration": "digests: is missing",
        }
        page = requests.get(url + "/", timeout=5).text
        assert "The service is not running." in page
        assert "digests: is missing" in page
        assert 'digestbot_channel_paused{channel="x"} 1.0' in requests.get(url + "/metrics", timeout=5).text
    finally:
        made.app_state.liveness = Liveness()
        with made.ledger.begin() as tx:
            tx.execute(schema.channels.update().values(paused_at=None, pause_reason=None))
            tx.execute(schema.sources.update().values(error=None, failures=0))
            heartbeats.record_heartbeat(tx, heartbeats.TICK, made.clock())


def test_an_older_ledger_is_not_ready(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.live(hours=0)
        with served(made) as url:
            with made.ledger.begin() as tx:
                tx.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
            said = requests.get(url + "/readyz", timeout=5)
            assert said.json()["checks"]["ledger"] is False


def test_dashboard_and_rules_ask_for_metrics_that_there_are(lived: tuple[str, Everything]) -> None:
    url, made = lived
    with made.ledger.begin() as tx:
        notifications.record_token_expiry(tx, "page", made.clock() + timedelta(days=9), made.clock())
    answer = requests.get(url + "/metrics", timeout=5).text
    known = set(re.findall(r"^(digestbot_\w+)", answer, re.MULTILINE))
    board = json.loads((ROOT / "docs/monitoring/grafana.json").read_text())
    rules = (ROOT / "docs/monitoring/alerts.yml").read_text()
    for text in (json.dumps(board["panels"]), rules, (ROOT / "docs/monitoring.md").read_text()):
        asked = set(re.findall(r"\bdigestbot_\w+", text))
        assert asked
        assert asked <= known, asked - known
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert 'digestbot_attempts_total{channel="x",outcome="published"} 7.0' in answer
    assert 'digestbot_token_days_left{channel="page"} 9.0' in answer


# ---- the command, logs, progress


def test_the_password_is_set_from_standard_input(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        file = made.file
    before = file.read_text()
    command = ("-c", str(file), "web", "--set-password")
    code, _, err = called(*command)
    assert (code, err) == (2, "a password has at least 8 characters; nothing was changed\n")
    assert file.read_text() == before
    code, out, err = called(*command, said="correct horse\n")
    assert code == 0, err
    assert "the password is set" in out
    text = file.read_text()
    assert "correct horse" not in text
    assert 'password_hash = "$argon2id$' in text
    assert "# Kept by hand." in text
    file.write_text(before, encoding="utf-8-sig")  # as an editor on Windows saves it
    assert called(*command, said="correct horse\n")[0] == 0
    file.write_text("x = ")
    assert called(*command, said="correct horse\n")[0] == 2
    file.unlink()
    assert called(*command, said="correct horse\n")[0] == 2


@pytest.mark.parametrize("command", ["run", "web"])
def test_the_commands_serve_the_pages(tmp_path: Path, command: str) -> None:
    with world(tmp_path) as made:
        made.feed.add(1)
        process = start("-c", str(made.file), command)
        assert process.stderr is not None
        seen = ""
        while "the pages are at" not in seen:
            seen = process.stderr.readline()
            assert seen, "it ended"
        url = seen.split("the pages are at ")[1].strip()
        assert "Needs attention" in requests.get(url, timeout=5).text
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        taken = made.file.read_text().replace("port = 0", f"port = {made.sandbox.url.rpartition(':')[2]}")
        made.file.write_text(taken)
        if command == "web":
            code, _, err = digestbot("-c", str(made.file), command, env={})
            assert code == 1
            assert "is in use" in err
            return
        process = start("-c", str(made.file), command)
        assert process.stderr is not None
        seen = ""
        while "continuing without the operator pages" not in seen:
            seen = process.stderr.readline()
            assert seen, "it ended"
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "stopped: SIGTERM" in err


def test_check_tells_of_alerts(tmp_path: Path) -> None:
    with world(tmp_path, top='[alerts]\nto = ["nosuchway://x", "json://127.0.0.1:1"]\n') as made:
        text = made.file.read_text()
        _, out, _ = digestbot("-c", str(made.file), "check")
        assert "BAD  alerts: Apprise does not understand nosuchway" in out
        made.file.write_text(text.replace('"nosuchway://x", ', ""))
        _, out, _ = digestbot("-c", str(made.file), "check", "--online")
        assert "ok   alerts: 1 address" in out
        assert "BAD  alerts, now: no notification could be delivered" in out


def test_logs_as_json_hold_context_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging(verbose=False, quiet=False, secrets=["hidden-word"], form="json")
    log = logging.getLogger("digestbot.test")
    with log_context(post=17), log_context(attempt=2):
        try:
            raise ValueError("hidden-word in an error")
        except ValueError:
            log.exception("a line\nanother hidden-word %s", HOSTILE)
    log.info("later")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["post"], first["attempt"], first["level"]) == ("17", "2", "ERROR")
    assert first["message"].startswith("a line\nanother *** <script>")
    assert "*** in an error" in first["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", second["time"])
    assert "post" not in second


def test_logs_for_people_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging(verbose=False, quiet=False)
    with log_context(request="ab12"):
        logging.getLogger("digestbot.test").info("title \x1b[31mred\r\n2026 forged \u202e\x9b")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"title \x1b[31mred\r\n2026 forged \u202e\x9b [request=ab12]")


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 5.0, 11.0, 11.0, 30.0, 30.0])
    with progress("copying", clock=lambda: next(moments)) as step:
        step(0.1, "early")
        step(0.5, "")
        step(None, "step 7")
    assert capsys.readouterr().err == "copying: 50%\ncopying: step 7\n"
    with progress("quiet", quiet=True) as step:
        step(0.5, "nothing")
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        said = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            self.said += text
            return len(text)

        def flush(self) -> None:
            pass

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("copying the ledger") as step:
        step(0.5, "page 7")
    assert "copying the ledger" in terminal.said


def test_a_page_is_rendered_once_for_all_who_wait_for_it() -> None:
    """And nobody is shown what was read before they asked."""
    begun, go_on = threading.Event(), threading.Event()
    rendered: list[int] = []
    numbers = itertools.count()

    def render() -> Response:
        rendered.append(number := next(numbers))
        begun.set()
        assert go_on.wait(20)
        return Response(str(number))

    async def ask(coalescing: SingleFlight) -> list[bytes]:
        def request(query: bytes = b"") -> Request:
            scope = {"type": "http", "path": "/", "query_string": query, "headers": [], "server": ("x", 80)}
            return Request(scope | {"state": {"who": "somebody", "session": "s"}})

        first = asyncio.create_task(coalescing.get(request(), render))
        await asyncio.to_thread(begun.wait, 20)
        later = [asyncio.create_task(coalescing.get(request(), render)) for _ in range(20)]
        other = asyncio.create_task(coalescing.get(request(b"page=2"), render))
        await asyncio.sleep(0)
        go_on.set()
        return [bytes((await task).body) for task in (first, *later, other)]

    bodies = asyncio.run(ask(SingleFlight()))
    assert len(rendered) == 3
    assert bodies[0] == b"0"
    assert len(set(bodies[1:21])) == 1
    assert bodies[1] != b"0"
