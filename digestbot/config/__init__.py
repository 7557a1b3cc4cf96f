"""TOML and environment in, one frozen Config out; every mistake reported at once, with its place.

Order of strength: an environment variable ``DIGESTBOT_SECTION__NAME__KEY`` beats the file's ``key``; a secret
may instead come from a file named by ``key_file``. Relative paths (the ledger's, the templates', secret files)
are taken from the folder of the configuration file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Somebody else's plugin has no business with this configuration, and looking for one costs every start 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
from pydantic import BaseModel, ValidationError

from digestbot.config.cross_checks import cross_check, missing_folders, placeholders
from digestbot.config.environment import ENV_CONFIG, ENV_PREFIX, NAMED, SECRETS, Variable, override
from digestbot.config.root import Config, contradictions
from digestbot.config.sections import (
    LOOPBACK,
    Alerts,
    Appearance,
    Cards,
    DatabaseSource,
    Delivery,
    Digest,
    FacebookChannel,
    FeedSource,
    Filter,
    OnChannel,
    Prices,
    Timing,
    TwitterChannel,
    Web,
)
from digestbot.errors import ConfigError
from digestbot.model import Platform

__all__ = [
    "LOOPBACK",
    "SECRETS",
    "Alerts",
    "Appearance",
    "Cards",
    "Config",
    "DatabaseSource",
    "Delivery",
    "Digest",
    "FacebookChannel",
    "FeedSource",
    "Filter",
    "OnChannel",
    "Prices",
    "Timing",
    "TwitterChannel",
    "Web",
    "build",
    "find",
    "load",
]

SINGLE: dict[str, type[BaseModel]] = {"delivery": Delivery, "cards": Cards, "web": Web, "alerts": Alerts}


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
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}; name another with -c FILE, or make one: digestbot init"]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text: save it as UTF-8"]) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is a number without end
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    try:
        return build(raw, path, environ)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:  # RecursionError is a RuntimeError
        problem = f"{path}: cannot be understood ({type(error).__name__}: {error}): compare it with config.example.toml"
        raise ConfigError([problem[:400]]) from error


def build(raw: dict[str, Any], path: Path | None = None, environ: Mapping[str, str] = {}) -> Config:
    """The same from values already parsed: what tests and the demo use."""
    place = f"{path}: " if path else ""
    problems: list[str] = []
    if "path" in raw:
        problems.append("path: unknown key; remove it")
        raw = {key: value for key, value in raw.items() if key != "path"}
    variables, unknown = override(raw, environ)
    reported = [*_read_secret_files(raw, path.parent if path else Path()), *placeholders(raw)]
    config = sound = None
    try:
        config = sound = Config.model_validate({**raw, "path": path})
        explained = []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        explained = [_explain(detail, raw) for detail in details]
        sound = _without(raw, path, [detail["loc"] for detail in details])
    # what is said of a value that is still the example's, or could not be read, says nothing more
    said_already = {one.partition(":")[0].removesuffix("_file") for one in reported}
    explained = [one for one in explained if one.partition(":")[0] not in said_already]
    problems += [*reported, *explained, *cross_check(raw)]
    problems += contradictions(sound) if sound else []
    problems += missing_folders(raw, path.parent if path else Path())
    if problems or unknown or config is None:
        found = [_blamed(problem, place, variables) for problem in dict.fromkeys(problems)]
        found.sort(key=lambda one: one.startswith("environment variable"))
        raise ConfigError([*found, *unknown], sound and _closed(sound))
    return config


def _blamed(problem: str, place: str, variables: Mapping[tuple[str, ...], Variable]) -> str:
    """The problem with the file before it, or the environment variable that set, or made, what is wrong."""
    key, _, what = problem.partition(": ")
    where = tuple(key.split("."))
    for path, variable in sorted(variables.items(), key=lambda one: len(one[0]), reverse=True):
        if where[: len(path)] == path:
            if variable.made:
                section = ".".join(path)
                return (
                    f"environment variable {variable.name}: the file has no [{section}]; correct the variable's name, "
                    f"or complete the section ({problem})"
                )
            return f"environment variable {variable.name}: {what}"
    return place + problem


def _without(raw: dict[str, Any], path: Path | None, wrong: list[tuple[int | str, ...]]) -> Config | None:
    """The configuration without the sections that have a mistake, so that what is wrong with the others is found too;
    None where nothing is left of it."""
    rest = {key: dict(value) if key in NAMED and isinstance(value, dict) else value for key, value in raw.items()}
    for loc in wrong:
        if len(loc) > 1 and loc[0] in NAMED and isinstance(rest.get(str(loc[0])), dict):
            rest[str(loc[0])].pop(loc[1], None)
        elif loc:
            rest.pop(str(loc[0]), None)
    try:
        return Config.model_validate({**rest, "path": path})
    except ValidationError:
        return None


def _closed(config: Config) -> Config:
    """Without the digests that name a source or channel that is not there."""
    digests = {
        name: digest
        for name, digest in config.digests.items()
        if set(digest.channels) <= set(config.channels) and set(digest.sources) <= set(config.sources)
    }
    return config.model_copy(update={"digests": digests})


def _read_secret_files(raw: dict[str, Any], folder: Path) -> list[str]:
    problems = []
    tables = [("", raw)] + [(f"{name}.", raw[name]) for name in ("web", "alerts") if isinstance(raw.get(name), dict)]
    tables += [
        (f"{kind}.{name}.", table)
        for kind in ("sources", "channels")
        for name, table in (raw[kind].items() if isinstance(raw.get(kind), dict) else ())
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
            except (OSError, ValueError, RuntimeError) as error:  # a file name may hold anything
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text, or no file's name"
                shown = file if "/" in str(file) or "." in str(file) else "the file that it names"  # or a secret itself
                problems.append(f"{place}{name}_file: cannot read {shown}: {reason}")
                table[name] = "unread"  # so that no second complaint says it is missing
    return problems


# What tells the kinds of a section apart, and the kinds.
_KINDS = {"sources": ("kind", ("feed", "database")), "channels": ("platform", tuple(Platform))}


def _as_written(loc: tuple[int | str, ...]) -> list[str]:
    """A place without the discriminator, which no operator wrote."""
    where = [str(part) for part in loc]
    if len(where) > 2 and where[0] in _KINDS and where[2] in _KINDS[where[0]][1]:
        del where[2]
    return where


def _explain(detail: Any, raw: dict[str, Any]) -> str:
    where = _as_written(detail["loc"])
    if where[:1] == ["digests"] and where[2:3] == ["backlog"]:
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
        case "union_tag_not_found" | "union_tag_invalid":
            name, kinds = _KINDS[where[0]]
            fault = "is missing; write" if detail["type"] == "union_tag_not_found" else "must be"
            key, mend = f"{key}.{name}", f"{fault} " + " or ".join(f'"{kind}"' for kind in kinds)
        case "tuple_type" | "too_short":
            mend = 'write a list with at least one member, such as ["…"]'
        case "string_pattern_mismatch" if detail["ctx"]["pattern"] == r"\S":
            mend = "must not be empty"
        case "model_type" | "model_attributes_type" | "dict_type":
            mend = "write a table, such as { name = … }"
        case "path_type":
            mend = "write a path"
        case "string_pattern_mismatch":
            mend = f"does not look right: it must match {detail['ctx']['pattern']}"
        case _:
            mend = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: {mend}" if key else mend


def _known_keys(where: list[str], raw: dict[str, Any]) -> list[str]:
    section: type[BaseModel] = Config
    if not where:
        return list(section.model_fields)
    if where[:1] == ["sources"]:
        section = DatabaseSource if raw["sources"][where[1]].get("kind") == "database" else FeedSource
    elif where[:1] == ["digests"] and where[2:3] in (["include"], ["exclude"]):
        section = Filter
    elif where[:1] == ["channels"] and where[2:3] == ["prices"]:
        section = Prices
    elif where[:1] == ["digests"] and where[2:3] == ["on"] and len(where) > 3:
        section = OnChannel
    elif where[:1] == ["channels"]:
        table = raw["channels"][where[1]]
        section = TwitterChannel if table.get("platform") == "twitter" else FacebookChannel
    elif where[:1] == ["digests"]:
        section = Digest
    elif where[0] in SINGLE:
        section = SINGLE[where[0]]
    return list(section.model_fields)
