"""Every mistake at once, with its place and its mend; the environment and secret files; nothing secret shown."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from cronsim import CronSim
from helpers.basics import PAGE_SECRETS, SECRETS, filled_in, raw_config
from hypothesis import given
from hypothesis import strategies as st

from digestbot import config
from digestbot.config.cron_words import to_cron
from digestbot.domain.errors import ConfigError
from digestbot.domain.model import Order

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def problems(raw: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.build(raw, None, environ or {})
    return list(caught.value.problems)


def test_the_example_wants_to_be_filled_in() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(EXAMPLE, {})
    assert len(caught.value.problems) == 6
    assert all("is still the example's; fill it in" in problem for problem in caught.value.problems)


@pytest.mark.parametrize("secret", ["", " ", "naïve", "two\nlines", 5])
def test_secrets_that_cannot_be_sent(secret: object) -> None:
    raw = raw_config("http://127.0.0.1:1")
    raw["channels"]["page"]["access_token"] = secret
    assert problems(raw) == ["channels.page.access_token: must be text of plain printable characters, and not empty"]


def test_the_example_loads(tmp_path: Path) -> None:
    loaded = config.load(filled_in(tmp_path), {})
    digest = loaded.digests["latest"]
    assert (digest.size, digest.order, digest.min_votes, digest.backlog) == (1, Order.OLDEST, 2, "skip")
    assert loaded.timezone.key == "Europe/Berlin"
    assert loaded.sources["shortscience"].every == timedelta(minutes=15)
    assert loaded.delivery.quiet_period == timedelta(minutes=15)


def test_every_mistake_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("""
timezone = "Europe/Nowhere"
databse = "x"
[sources.s]
kind = "feed"
url = "ftp://example.org"
every = "often"
[channels.x]
platform = "twitter"
api_url = "http://example.org"
api_key = "k"
[channels.y]
platform = "mastodon"
[channels.page]
platform = "facebook"
page_id = "abc"
access_token_file = "missing.txt"
[digests.d]
sources = ["t"]
channels = ["x", "x"]
schedule = "61 * * * *"
size = 0
order = "random"
backlog = "some"
[delivery]
lease = "2 seconds"
""")
    with pytest.raises(ConfigError) as caught:
        config.load(file, {})
    found = caught.value.problems
    assert all(problem.startswith(f"{file}: ") for problem in found)
    text = "\n".join(found)
    for part in [
        "timezone: 'Europe/Nowhere' is not a time zone",
        "databse: unknown key; did you mean database?",
        "sources.s.url: write a URL that starts with http",
        'sources.s.every: write a time span such as "15 minutes"',
        "channels.x.api_url: plain http would show the keys",
        (
            "channels.x: api_secret, access_token and access_token_secret are missing; run digestbot login x, or add them "
            "(access_token_secret, access_token_secret_file or DIGESTBOT_CHANNELS__X__ACCESS_TOKEN_SECRET)"
        ),
        'channels.y.platform: must be "twitter" or "facebook"',
        "channels.page.page_id: does not look right",
        "channels.page.access_token_file: cannot read missing.txt: No such file",
        "digests.d.sources: there is no [sources.t]; known: s",
        "digests.d.channels: names one twice",
        "digests.d.schedule: '61', the minute in '61 * * * *', is not understood",
        "digests.d.size: ",
        "digests.d.order: ",
        'digests.d.backlog: write "skip", "all"',
    ]:
        assert part in text, f"{part!r} not in:\n{text}"


def test_a_short_lease_is_refused() -> None:
    raw = raw_config("http://127.0.0.1:1") | {"delivery": {"lease": "2 seconds"}}
    assert problems(raw) == ['delivery.lease: write at least "10 seconds": a call to a platform takes that long']


@pytest.mark.parametrize(
    ("section", "mend"),
    [
        ({"channels": {"x": {"api_key": "k"}}}, 'channels.x.platform: is missing; write "twitter" or "facebook"'),
        ({"digests": {"d": {"sources": [], "channels": ["x"], "schedule": "* * * * *"}}}, "digests.d.sources: "),
        ({"sources": {"a b": {"kind": "feed", "url": "https://example.org"}}}, "sources.a b: a name is letters"),
        (
            {"sources": {"s": {"kind": "feed", "url": "https://example.org", "max_size": "lots"}}},
            "sources.s.max_size: write a size",
        ),
        ({"digests": {"d": {"sources": ["s"], "channels": ["x"], "schedule": "* * * *"}}}, "digests.d.schedule: "),
        (
            {"digests": {"d": {"sources": ["s"], "channels": ["x"], "schedule": "0 0 31 4,6 *"}}},
            "digests.d.schedule: '0 0 31 4,6 *' never occurs",
        ),
        ({"path": "x"}, "path: unknown key"),
        ({"delivery": {"lease": "1e9 weeks"}}, "delivery.lease: write a time span"),
        ({"delivery": {"lease": f"{'9' * 20} weeks"}}, "delivery.lease: is too long"),
    ],
)
def test_mistakes(section: dict[str, Any], mend: str) -> None:
    assert any(problem.startswith(mend) for problem in problems(section)), problems(section)


def test_not_toml_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make one: digestbot init"):
        config.load(tmp_path / "none.toml", {})
    file = tmp_path / "c.toml"
    file.write_text("a = ?")
    with pytest.raises(ConfigError, match=r"not valid TOML: .*line 1"):
        config.load(file, {})


def test_the_environment_overrides() -> None:
    environ = {
        "DIGESTBOT_TIMEZONE": "America/New_York",
        "DIGESTBOT_CHANNELS__X__API_KEY": "from-environment",
        "DIGESTBOT_DIGESTS__LATEST__CHANNELS": "x",
        "DIGESTBOT_DIGESTS__LATEST__SIZE": "3",
        "DIGESTBOT_DIGESTS__LATEST__BACKLOG": "10",
        "DIGESTBOT_DELIVERY__LEASE": "1 minute",
        "DIGESTBOT_SOURCES__STORE__ALLOW_PRIVATE_ADDRESSES": "false",
        "DIGESTBOT_CONFIG": "ignored.toml",
        "OTHER": "x",
    }
    loaded = config.build(raw_config("http://127.0.0.1:1"), None, environ)
    assert loaded.timezone.key == "America/New_York"
    assert loaded.channels["x"].api_key.get_secret_value() == "from-environment"
    assert loaded.digests["latest"].channels == ("x",)
    assert loaded.digests["latest"].size == 3
    assert loaded.digests["latest"].backlog == 10
    assert loaded.delivery.lease == timedelta(minutes=1)
    assert loaded.sources["store"].allow_private_addresses is False


def test_a_variable_that_fits_nowhere_is_reported() -> None:
    found = problems(raw_config("http://127.0.0.1:1"), {"DIGESTBOT_TIMEZONE__X": "1", "DIGESTBOT_TYPO": "1"})
    assert any("DIGESTBOT_TIMEZONE__X" in problem for problem in found)
    assert "environment variable DIGESTBOT_TYPO: there is no key typo; unset it" in found
    config.build(
        raw_config("http://127.0.0.1:1"), None, {"DIGESTBOT_PORT": "tcp://10.0.0.1:80", "DIGESTBOT_SERVICE_HOST": "x"}
    )


def test_names_with_hyphens_can_be_overridden() -> None:
    raw = raw_config("http://127.0.0.1:1")
    raw["channels"]["my-page"] = raw["channels"].pop("page")
    raw["digests"]["latest"]["channels"] = ["my-page"]
    loaded = config.build(raw, None, {"DIGESTBOT_CHANNELS__MY_PAGE__PAGE_ID": "321"})
    assert loaded.channels["my-page"].page_id == "321"


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    raw = raw_config("http://127.0.0.1:1")
    del raw["channels"]["x"]["api_key"]
    raw["channels"]["x"]["api_key_file"] = "key"
    (tmp_path / "database").write_text("sqlite:///from-a-file\n")
    raw["database_file"] = "database"
    loaded = config.build(raw, tmp_path / "config.toml", {})
    assert loaded.channels["x"].api_key.get_secret_value() == "from-a-file"
    assert loaded.database.get_secret_value() == "sqlite:///from-a-file"


def test_a_secret_given_twice_is_refused_but_the_environment_wins(tmp_path: Path) -> None:
    raw = raw_config("http://127.0.0.1:1")
    raw["channels"]["x"]["api_key_file"] = "key"
    assert problems(raw) == ["channels.x.api_key: given twice, here and as api_key_file; remove one"]
    raw = raw_config("http://127.0.0.1:1")
    del raw["channels"]["x"]["api_key"]
    raw["channels"]["x"]["api_key_file"] = "key"
    loaded = config.build(raw, None, {"DIGESTBOT_CHANNELS__X__API_KEY": "stronger"})
    assert loaded.channels["x"].api_key.get_secret_value() == "stronger"


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("skip", "skip"),
        ("all", "all"),
        (5, 5),
        ("7", 7),
        ("2026-01-31", date(2026, 1, 31)),
        (date(2026, 1, 31), date(2026, 1, 31)),
    ],
)
def test_backlog(value: object, meaning: object) -> None:
    loaded = config.build(raw_config("http://127.0.0.1:1", backlog=value))
    assert loaded.digests["latest"].backlog == meaning


def test_secrets_are_known_and_hidden() -> None:
    raw = raw_config("http://127.0.0.1:1") | {"database": "postgresql://user:hunter22@localhost/x"}
    loaded = config.build(raw)
    assert {*SECRETS.values(), *PAGE_SECRETS.values(), "hunter22"} == set(loaded.secrets())
    for secret in loaded.secrets():
        assert secret not in repr(loaded)
    raw["channels"]["x"]["api_secret"] = 12345678
    assert "12345678" not in "\n".join(problems(raw))


def test_where_the_configuration_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    with pytest.raises(ConfigError, match="no configuration found"):
        config.find(None, environ)
    (tmp_path / "xdg" / "digestbot").mkdir(parents=True)
    (tmp_path / "xdg" / "digestbot" / "config.toml").touch()
    assert config.find(None, environ) == tmp_path / "xdg" / "digestbot" / "config.toml"
    (tmp_path / "config.toml").touch()
    assert config.find(None, environ) == Path("config.toml")
    assert config.find(None, environ | {"DIGESTBOT_CONFIG": "b.toml"}) == Path("b.toml")
    assert config.find("c.toml", environ | {"DIGESTBOT_CONFIG": "b.toml"}) == Path("c.toml")


def test_days_and_hours_are_written_in_several_ways() -> None:
    raw = raw_config("http://127.0.0.1:1", quiet_hours=["22:00-07:00", "12:00–13:00"], not_on="12-24..01-02")
    timing = config.build(raw).timing("latest", "x")
    assert timing.quiet_hours == ((time(22), time(7)), (time(12), time(13)))
    assert timing.not_on == (((12, 24), (1, 2)),)
    raw = raw_config("http://127.0.0.1:1", quiet_hours="22:00-07:00, 12:00-13:00", not_on=["2026-12-24", "02-29"])
    timing = config.build(raw).timing("latest", "x")
    assert timing.quiet_hours == ((time(22), time(7)), (time(12), time(13)))
    assert timing.not_on == ((date(2026, 12, 24), date(2026, 12, 24)), ((2, 29), (2, 29)))


@pytest.mark.parametrize(
    "keys", [{"quiet_hours": ""}, {"quiet_hours": 9}, {"not_on": "13-01"}, {"not_on": "12-24..2026-12-26"}]
)
def test_days_and_hours_that_are_none(keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"digests.latest.{next(iter(keys))}.*(two times of day|is not a day)"):
        config.build(raw_config("http://127.0.0.1:1", **keys))


# ---- schedules in words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 9,13 * * mon-fri", ("0 9,13 * * MON-FRI",)),
        ("0 9 L * *", ("0 9 L * *",)),
        ("0 9 * * mon#1", ("0 9 * * MON#1",)),
        ("weekdays at 09:00, 13:00 and 17:30", ("0 9,13 * * 1,2,3,4,5", "30 17 * * 1,2,3,4,5")),
        ("Every 3 Hours", ("0 0,3,6,9,12,15,18,21 * * *",)),
        ("every 15 minutes", ("0,15,30,45 * * * *",)),
        ("every hour on weekdays from 08:00 to 10:00", ("0 8,9,10 * * 1,2,3,4,5",)),
        ("every 5 hours from 08:00 to 18:00 on sundays", ("0 8,13,18 * * 0",)),
        ("hourly", ("0 * * * *",)),
        ("sundays at 18:00", ("0 18 * * 0",)),
        ("daily at noon", ("0 12 * * *",)),
        ("weekdays and saturdays at 09:00", ("0 9 * * 1,2,3,4,5,6",)),
        ("fri-mon at midnight", ("0 0 * * 0,1,5,6",)),
        ("monday to friday at 09:00", ("0 9 * * 1,2,3,4,5",)),
        ("every tues and every thurs at 09:00", ("0 9 * * 2,4",)),
        ("1st and 15th of the month at 09:00", ("0 9 1,15 * *",)),
        ("last day of the month at 18:00", ("0 18 L * *",)),
        ("1st monday of every month at 09:00", ("0 9 * * 1#1",)),
        ("the last friday of the month at 12:00", ("0 12 * * 5L",)),
        ("weekdays at 9am", ("0 9 * * 1,2,3,4,5",)),
        ("weekdays 09:00", ("0 9 * * 1,2,3,4,5",)),
        ("every day at 6 pm", ("0 18 * * *",)),
        ("every day at 12 am and 12 p.m.", ("0 0,12 * * *",)),
        ("noon every day", ("0 12 * * *",)),
        ("09:00 every day", ("0 9 * * *",)),
        ("at 9:30am on mondays", ("30 9 * * 1",)),
        ("Monday through Friday at 09:00", ("0 9 * * 1,2,3,4,5",)),
        ("Mon–Fri at 09:00", ("0 9 * * 1,2,3,4,5",)),
        ("each weekday at 09:00", ("0 9 * * 1,2,3,4,5",)),
        ("mondays & fridays at 10:00 & 18:00", ("0 10,18 * * 1,5",)),
        ("every 30 min", ("0,30 * * * *",)),
        ("every half hour", ("0,30 * * * *",)),
        ("every two hours", ("0 0,2,4,6,8,10,12,14,16,18,20,22 * * *",)),
        ("hourly on weekdays", ("0 * * * 1,2,3,4,5",)),
        ("every hour on the hour", ("0 * * * *",)),
        ("hourly from 09:00 to 12:00", ("0 9,10,11,12 * * *",)),
        ("every 2 hours between 8am and 2pm", ("0 8,10,12,14 * * *",)),
        ("every 2 hours between 20:00 and 02:00", ("0 20,22 * * *", "0 0,2 * * *")),
        ("every 2 hours between 22:00 and 02:00 on weekdays", ("0 22 * * 1,2,3,4,5", "0 0,2 * * 2,3,4,5,6")),
        ("first working day of the month at 09:00", ("0 9 1W * *",)),
        ("last working day of the month at 09:00", ("0 9 LW * *",)),
        ("weekday nearest to the 15th of the month at 09:00", ("0 9 15W * *",)),
        ("first and third monday at 09:00", ("0 9 * * 1#1,1#3",)),
        ("first monday and last friday of the month at 09:00", ("0 9 * * 1#1,5L",)),
        ("every 2 weeks on tuesday at 09:00", ("0 9 * * 2 weeks=2@2024-01-01",)),
        ("every other tuesday at 09:00 starting 2026-12-01", ("0 9 * * 2 weeks=2@2026-12-01",)),
        ("every 1 week on tuesday at 09:00", ("0 9 * * 2",)),
        ("every 3 days at 09:00 from 2026-12-01", ("0 9 * * * days=3@2026-12-01",)),
        ("@daily", ("0 0 * * *",)),
        ("09:00 and 17:00 every day", ("0 9,17 * * *",)),
        ("9am, 5pm on weekdays", ("0 9,17 * * 1,2,3,4,5",)),
        ("every 3 days from 2026-12-01 at 09:00", ("0 9 * * * days=3@2026-12-01",)),
        ("hourly from 22:00 to 24:00", ("0 22,23 * * *", "0 0 * * *")),
        ("every second monday of the month at 09:00", ("0 9 * * 1#2",)),
        ("@Weekly", ("0 0 * * 0",)),
        ("0 9 1w,15W * *", ("0 9 1W,15W * *",)),
    ],
)
def test_times_in_words_are_cron(text: str, expected: tuple[str, ...]) -> None:
    assert to_cron(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whenever", "write the times after"),
        ("mondays", 'write the times after "at", such as "mondays at 09:00"'),
        ("fundays at 09:00", "'fundays' is not a day"),
        ("mondays at 25:00", "'25:00' is not a time of day"),
        ("every 7 hours", "does not divide a day evenly"),
        ("every 0 hours", "the interval must be at least 1"),
        ("every 7 hours", 'write "every 6 hours" or "every 8 hours"'),
        ("every 50 minutes", 'write "every 48 minutes" or "every hour", or from when to when: "every 50 minutes from'),
        ("every 5 hours from 08:00 to 10:00", "occurs only once from 08:00 to 10:00"),
        (
            "every 2 hours from 20:00 to 02:00 on the 1st",
            "a time range across midnight works only with weekdays or every day",
        ),
        ("every tow hours", "'tow' is not a number"),
        ("every many days at 09:00", "how many? Write such as"),
        ("every 2 weeks at 09:00", "write the day and the time"),
        ("every 2 days on monday at 09:00", "cannot combine an interval of days with weekdays"),
        (
            "mondays at 09:00 from 2026-12-01",
            'a start date works only with an interval of days or weeks: "every 2 weeks on mondays"',
        ),
        ("every 2 weeks on monday at 09:00 from 2026-13-01", "2026-13-01 is not a date"),
        ("sundys at 09:00", "did you mean 'sundays'"),
        ("evry day at 09:00", "did you mean 'every'"),
        ("frist monday of the month at 09:00", "did you mean 'first'"),
        ("mondays at 9", "'9' is not a time of day; write one such as 09:00, 17:30 or 9am"),
        ("mondays at 13 pm", "'13 pm' is not a time of day"),
        ("mondays at 09:75", "'09:75' is not a time of day"),
        ("mondays at ,", "has an extra comma"),
        ("mondays at 09:00 and fridays at 10:00", "write two schedules, in a list"),
        ("second working day of the month at 09:00", 'the nearest are "first working day"'),
        ("every 2 months on the 1st at 09:00", "write it as cron, with its months"),
        ("every 30 seconds", "the shortest time between slots is a minute"),
        ("twice a day", "write the times"),
        ("weekly", "write the day and the time"),
        ("monthly at 09:00", '"1st of the month at 09:00"'),
        ("quarterly", "as cron"),
        ("every year at 09:00", "as cron"),
        ("weekdays except friday at 09:00", "the exceptions in not_on"),
        ("24 december at 09:00", "months are written as cron"),
        ("every morning", "write a time of day"),
        ("0 9 15W * mon", "15W already means a weekday"),
        ("0 9 32W * *", "15W for the one nearest to the 15th"),
        ("0 9 W * *", "'W', the day of the month"),
        ("0 9 31W 2 *", "never occurs"),
        ("every 1000 days at 09:00", "1000 is too many; 366 at most"),
        ("every 53 weeks on monday at 09:00", "53 is too many; 52 at most"),
        ("every fourth thursday at 09:00", '"every 4 weeks on thursday" or "fourth thursday of the month"'),
        ("9am, " * 200, "is longer than 500 characters"),
        ("\u0661st at 9am", "is not a day of a month"),
        ("every 3 hours from 08:00", "write from when to when"),
        ("32nd of the month at 09:00", "is not a day of a month"),
        ("at 09:00", "on which days?"),
        ("0 9 * * fun", "'fun', the weekday in '0 9 * * fun', is not understood: 0 (Sunday) to 7"),
        ("0 9 31 2 *", "never occurs: none of these months has a day 31"),
        ("1 2 3", "has 3 fields; cron has five"),
    ],
)
def test_what_is_no_schedule_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        to_cron(text)


WORDS = [
    "mondays",
    "weekdays",
    "every",
    "day",
    "2",
    "hours",
    "minutes",
    "at",
    "on",
    "from",
    "to",
    "and",
    ",",
    "09:00",
    "noon",
    "the",
    "month",
    "of",
    "1st",
    "last",
    "-",
    "0",
    "9",
    "*",
    "L",
    "at",
]


@given(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_whatever_is_taken_is_cron_and_comes(text: str) -> None:
    try:
        found = to_cron(text)
    except ValueError:
        return
    assert found
    for one in found:
        assert next(CronSim(one, datetime(2026, 1, 1, tzinfo=UTC))) is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900),
        ("2h", 7200),
        ("30s", 30),
        ("1d", 86400),
        ("2w", 1209600),
        ("1.5 h", 5400),
        ("5 mins", 300),
        ("10sec", 10),
    ],
)
def test_short_time_spans_are_understood(text: str, seconds: int) -> None:
    built = config.build({"sources": {"s": {"kind": "feed", "url": "https://e.org/f", "every": text}}})
    assert built.sources["s"].every == timedelta(seconds=seconds)
