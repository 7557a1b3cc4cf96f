"""TOML and environment in, one frozen Config out; every mistake reported at once, with its place.

Order of strength: an environment variable ``DIGESTBOT_SECTION__NAME__KEY`` beats the file's ``key``; a secret
may instead come from a file named by ``key_file``. Relative paths (the ledger's, the templates', secret files)
are taken from the folder of the configuration file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# Somebody else's plugin has no business with this configuration, and looking for one costs every start 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from digestbot.errors import ConfigError
from digestbot.model import Order, Platform

ENV_PREFIX = "DIGESTBOT_"
ENV_CONFIG = "DIGESTBOT_CONFIG"  # names the file itself, so it is no key of it
PLACEHOLDER = "…"  # what config.example.toml has in the place of a secret
SECRETS = ("database", "api_key", "api_secret", "access_token", "access_token_secret", "app_secret")

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?\s*", re.IGNORECASE)
_SIZE = re.compile(r"\s*(\d+)\s*(kB|MB|GB)\s*", re.IGNORECASE)
_INJECTED = re.compile(r"PORT(_|$)|SERVICE_")  # Kubernetes sets such for a service named digestbot
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _duration(value: object) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None and not float(match[1]):
        raise ValueError("must be longer than nothing")
    if match is None:
        raise ValueError('write a time span such as "15 minutes", "2 hours" or "1 day"')
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2].lower()])
    except OverflowError:
        raise ValueError("that is longer than anyone will live") from None


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError('write a size such as "64 MB"')
    return int(match[1]) * {"kb": 10**3, "mb": 10**6, "gb": 10**9}[match[2].lower()]


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f'{value!r} is no time zone; write one such as "Europe/Berlin" or "UTC"') from None


def _cron(value: object) -> str:
    fields = str(value).upper()
    try:
        CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(
            f'{error}; write five fields: minute hour day month weekday, such as "0 9,13,17 * * mon-fri"'
        ) from None
    if len(fields.split()) != 5:
        raise ValueError("write five fields: minute hour day month weekday")
    return fields


def _backlog(value: object) -> str | int | date:
    if value in ("skip", "all"):
        return str(value)
    if isinstance(value, date):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        if value.isdecimal():
            return int(value)
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError('write "skip", "all", how many of the newest to keep (such as 10), or a date (2026-01-31)')


def _web_address(value: object) -> str:
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("a name or password in an address is not sent; leave it out")
    return str(value)


def _secret(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text == PLACEHOLDER:
        raise ValueError("is still the example's; fill it in")
    if not isinstance(text, str) or not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError("must be text of plain printable characters, and not empty")
    return value


def _api_address(value: object) -> str:
    address = _web_address(value).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("plain http would show the keys to the network; use https (http is for this machine only)")
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("write scheme, host and port only, such as https://api.x.com")
    return address


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class FeedSource(_Section):
    """``[sources.NAME]``: an RSS or Atom feed."""

    kind: Literal["feed"]
    url: Annotated[str, BeforeValidator(_web_address)]
    every: Duration = timedelta(minutes=15)
    allow_private_addresses: bool = False
    timeout: Duration = timedelta(seconds=30)
    max_size: Size = 64 * 10**6


class TwitterChannel(_Section):
    """``[channels.NAME]`` with ``platform = "twitter"``: one account on X."""

    platform: Literal["twitter"]
    api_url: Annotated[str, BeforeValidator(_api_address)] = "https://api.x.com"
    api_key: Secret
    api_secret: Secret
    access_token: Secret
    access_token_secret: Secret


class FacebookChannel(_Section):
    """``[channels.NAME]`` with ``platform = "facebook"``: one Page."""

    platform: Literal["facebook"]
    api_url: Annotated[str, BeforeValidator(_api_address)] = "https://graph.facebook.com"
    api_version: Annotated[str, Field(pattern=r"^v\d+\.\d+$")] = "v26.0"
    page_id: Annotated[str, Field(pattern=r"^\d+$")]
    access_token: Secret
    app_secret: Secret | None = None


Channel = Annotated[TwitterChannel | FacebookChannel, Field(discriminator="platform")]


class Digest(_Section):
    """``[digests.NAME]``: which summaries go to which channels, when, and in which words."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    schedule: Annotated[str, BeforeValidator(_cron)]
    timezone: Zone | None = None
    template: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "summary"
    size: Annotated[int, Field(ge=1, le=50)] = 1
    order: Order = Order.OLDEST
    min_votes: int | None = None
    backlog: Annotated[Literal["skip", "all"] | int | date, BeforeValidator(_backlog)] = "skip"


class Delivery(_Section):
    """``[delivery]``: the time spans of the delivery protocol."""

    lease: Duration = timedelta(minutes=2)
    quiet_period: Duration = timedelta(minutes=15)


class Config(_Section):
    """The whole configuration. ``path`` is the file it came from, ``folder`` where relative paths start."""

    path: Path | None = None
    database: SecretStr = SecretStr("sqlite:///digestbot.db")
    timezone: Zone = ZoneInfo("UTC")
    templates: Path | None = None
    sources: dict[str, FeedSource] = Field(default_factory=dict)
    channels: dict[str, Channel] = Field(default_factory=dict)
    digests: dict[str, Digest] = Field(default_factory=dict)
    delivery: Delivery = Delivery()

    @model_validator(mode="after")
    def _lease_is_usable(self) -> Config:
        if self.delivery.lease < timedelta(seconds=10):
            raise ValueError('delivery.lease: write at least "10 seconds": a call to a platform takes that long')
        return self

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.path.parent if self.path else Path()

    def zone(self, digest: str) -> ZoneInfo:
        """The zone on whose calendar the digest's schedule is written."""
        return self.digests[digest].timezone or self.timezone

    def platform(self, channel: str) -> Platform:
        """The platform that the channel is on."""
        return Platform(self.channels[channel].platform)

    def pairs(self) -> list[tuple[str, str]]:
        """Every (digest, channel) that something is to be published for."""
        return [(name, channel) for name, digest in self.digests.items() for channel in digest.channels]

    def secrets(self) -> list[str]:
        """Every secret value, for the log's redaction."""
        found = [
            value.get_secret_value()
            for channel in self.channels.values()
            for _, value in channel
            if isinstance(value, SecretStr)
        ]
        for address in [self.database.get_secret_value(), *(source.url for source in self.sources.values())]:
            try:
                password = urlsplit(address).password
            except ValueError:
                password = None
            found.append(password or "")
        return [secret for secret in found if len(secret) > 3]


def find(explicit: str | None, environ: Mapping[str, str]) -> Path:
    """The configuration file: ``-c``, else DIGESTBOT_CONFIG, ./config.toml, or the user's XDG folder.

    Raises ConfigError where none exists.
    """
    if explicit or environ.get(ENV_CONFIG):
        return Path(explicit or environ[ENV_CONFIG])
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path("config.toml"), home / "digestbot" / "config.toml"]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    raise ConfigError(
        [f"no configuration found (looked for {looked}); name one with -c FILE or make one: digestbot init"]
    )


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read, override from the environment, fetch secrets from their files, check.

    Raises ConfigError with every mistake found.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}; name another with -c FILE, or make one: digestbot init"]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    return build(raw, path, environ)


def build(raw: dict[str, Any], path: Path | None = None, environ: Mapping[str, str] = {}) -> Config:
    """The same from values already parsed: what tests and the demo use."""
    place = f"{path}: " if path else ""
    problems: list[str] = []
    if "path" in raw:
        problems.append("path: unknown key; remove it")
        raw = {key: value for key, value in raw.items() if key != "path"}
    problems += _override(raw, environ)
    problems += _read_secret_files(raw, path.parent if path else Path())
    config = None
    try:
        config = Config.model_validate({**raw, "path": path})
    except ValidationError as error:
        problems += [_explain(detail, raw) for detail in error.errors(include_url=False, include_input=False)]
    problems += _cross_check(raw)
    if problems or config is None:
        raise ConfigError([place + problem for problem in dict.fromkeys(problems)])
    return config


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Lay DIGESTBOT_A__B__C over raw["a"]["b"]["c"]; an existing name matches without regard to case and hyphen."""
    problems = []
    for variable, value in sorted(environ.items()):
        if not variable.startswith(ENV_PREFIX) or variable == ENV_CONFIG:
            continue
        table: Any = raw
        *parents, leaf = variable.removeprefix(ENV_PREFIX).split("__")
        for part in parents:
            table = table.setdefault(_same_name(part, table), {})
            if not isinstance(table, dict):
                break
        if not isinstance(table, dict):
            problems.append(f"environment variable {variable}: {'.'.join(parents).lower()} is not a section; unset it")
            continue
        name = _same_name(leaf, table)
        if not parents and name not in Config.model_fields and not name.endswith("_file"):
            if not _INJECTED.match(leaf):
                near = difflib.get_close_matches(name, Config.model_fields, 1)
                mend = f"did you mean {ENV_PREFIX}{near[0].upper()}?" if near else "unset it"
                problems.append(f"environment variable {variable}: there is no key {name}; {mend}")
            continue
        table[name] = _from_environment(name, value)
        if name in SECRETS:
            table.pop(f"{name}_file", None)
        elif name.removesuffix("_file") in SECRETS:
            table.pop(name.removesuffix("_file"), None)
    return problems


def _same_name(part: str, table: dict[str, Any]) -> str:
    wanted = part.lower()
    return next((name for name in table if name.lower().replace("-", "_") == wanted), wanted)


def _from_environment(name: str, value: str) -> object:
    """A list key takes a TOML array or words between commas; everything else stays text for pydantic."""
    if name in ("sources", "channels"):
        if value.lstrip().startswith("["):
            try:
                return tomllib.loads(f"value = {value}")["value"]
            except tomllib.TOMLDecodeError:
                return value
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def _read_secret_files(raw: dict[str, Any], folder: Path) -> list[str]:
    problems = []
    sections = raw.get("channels")
    tables = [("", raw)] + [
        (f"channels.{name}.", table)
        for name, table in (sections.items() if isinstance(sections, dict) else ())
        if isinstance(table, dict)
    ]
    for place, table in tables:
        for name in SECRETS:
            file = table.pop(f"{name}_file", None)
            if file is None:
                continue
            if name in table:
                problems.append(f"{place}{name}: given twice, here and as {name}_file; remove one")
                continue
            try:
                table[name] = (folder / str(file)).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                problems.append(f"{place}{name}_file: cannot read {file}: {reason}")
                table[name] = "unread"  # so that no second complaint says it is missing
    return problems


def _explain(detail: Any, raw: dict[str, Any]) -> str:
    where = [str(part) for part in detail["loc"]]
    if len(where) > 2 and where[0] == "channels" and where[2] in tuple(Platform):
        del where[2]  # the discriminator, which no operator wrote
    if where[:1] == ["digests"] and where[3:4] and not where[3].isdecimal():
        del where[3:]  # the union's branch
    key = ".".join(where)
    match detail["type"]:
        case "missing":
            mend = "is missing; add it"
            if where[-1] in SECRETS:
                mend += f", or {where[-1]}_file, or set {ENV_PREFIX}{'__'.join(where).upper().replace('-', '_')}"
        case "extra_forbidden":
            near = difflib.get_close_matches(where[-1], _known_keys(where[:-1], raw), 1)
            mend = f"unknown key; did you mean {near[0]}?" if near else "unknown key; remove it"
        case "union_tag_not_found":
            key, mend = f"{key}.platform", 'is missing; write "twitter" or "facebook"'
        case "union_tag_invalid":
            key, mend = f"{key}.platform", 'must be "twitter" or "facebook"'
        case "tuple_type" | "too_short":
            mend = 'write a list with at least one name, such as ["shortscience"]'
        case "string_pattern_mismatch":
            mend = f"does not look right: it must match {detail['ctx']['pattern']}"
        case _:
            mend = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: {mend}" if key else mend


def _known_keys(where: list[str], raw: dict[str, Any]) -> list[str]:
    section: type[BaseModel] = Config
    if where[:1] == ["sources"]:
        section = FeedSource
    elif where[:1] == ["channels"]:
        table = raw["channels"][where[1]]
        section = TwitterChannel if table.get("platform") == "twitter" else FacebookChannel
    elif where[:1] == ["digests"]:
        section = Digest
    elif where[:1] == ["delivery"]:
        section = Delivery
    return list(section.model_fields)


def _cross_check(raw: dict[str, Any]) -> list[str]:
    """What no single section can see: names that must exist elsewhere. Works on raw values, so that these
    mistakes are reported beside the others."""
    problems = []
    tables: dict[str, dict[str, Any]] = {}
    for kind in ("sources", "channels", "digests"):
        table = raw.get(kind)
        tables[kind] = table if isinstance(table, dict) else {}
    for kind, table in tables.items():
        problems += [
            f"{kind}.{name}: a name is letters, digits, - and _ only" for name in table if not _NAME.fullmatch(name)
        ]
    for name, digest in tables["digests"].items():
        for kind in ("sources", "channels"):
            wanted = digest.get(kind, []) if isinstance(digest, dict) else []
            known = tables[kind]
            wanted = [word for word in wanted if isinstance(word, str)] if isinstance(wanted, list) else []
            problems += [
                f"digests.{name}.{kind}: there is no [{kind}.{word}]; "
                + (f"known: {', '.join(known)}" if known else f"add one under [{kind}.{word}]")
                for word in wanted
                if word not in known
            ]
            if len(set(wanted)) != len(wanted):
                problems.append(f"digests.{name}.{kind}: names one twice; remove it")
    return problems
