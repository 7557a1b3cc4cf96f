"""Every mistake at once, with its place and its mend; the environment and secret files; nothing secret shown."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import PAGE_SECRETS, SECRETS, filled_in, raw_config

from digestbot import config
from digestbot.errors import ConfigError
from digestbot.model import Order

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def problems(raw: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.build(raw, None, environ or {})
    return list(caught.value.problems)


def test_the_example_wants_to_be_filled_in() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(EXAMPLE, {})
    assert len(caught.value.problems) == 5
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
        "timezone: 'Europe/Nowhere' is no time zone",
        "databse: unknown key; did you mean database?",
        "sources.s.url: write an address that starts with http",
        'sources.s.every: write a time span such as "15 minutes"',
        "channels.x.api_url: plain http would show the keys",
        "channels.x.api_secret: is missing; add it, or api_secret_file, or set DIGESTBOT_CHANNELS__X__API_SECRET",
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
            "digests.d.schedule: '0 0 31 4,6 *' never comes",
        ),
        ({"path": "x"}, "path: unknown key"),
        ({"delivery": {"lease": "1e9 weeks"}}, "delivery.lease: write a time span"),
        ({"delivery": {"lease": f"{'9' * 20} weeks"}}, "delivery.lease: that is longer"),
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
    raw["database_file"] = "key"
    loaded = config.build(raw, tmp_path / "config.toml", {})
    assert loaded.channels["x"].api_key.get_secret_value() == "from-a-file"
    assert loaded.database.get_secret_value() == "from-a-file"


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
