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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Somebody else's plugin has no business with this configuration, and looking for one costs every start 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
from pydantic import BaseModel, ValidationError

from digestbot.config.environment import ENV_CONFIG, ENV_PREFIX, NAMED, SECRETS, override
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
from digestbot.config.values import PLACEHOLDER
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
STILL_THE_EXAMPLES = "is still the example's; fill it in"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


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
    problems += _read_secret_files(raw, path.parent if path else Path())
    problems += _placeholders(raw)
    config = None
    try:
        config = Config.model_validate({**raw, "path": path})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        for detail in details:
            variable, made = _variable_at_fault(detail["loc"], variables)
            explained = _explain(detail, raw)
            if variable is None:
                problems.append(explained)
            elif made:
                unknown.append(
                    f"environment variable {variable}: the file has no [{made}]; correct the variable's name, or "
                    f"complete the section ({explained})"
                )
            else:
                unknown.append(f"environment variable {variable}: {explained.partition(': ')[2]}")
        sound = _without(raw, [detail["loc"] for detail in details])
    else:
        sound = config
    problems += _cross_check(raw)
    problems += contradictions(sound) if sound else []
    problems += _missing_folders(raw, path.parent if path else Path())
    # what a pattern says of a value that is still the example's says nothing more
    left = {problem.partition(":")[0] for problem in problems if problem.endswith(STILL_THE_EXAMPLES)}
    problems = [one for one in problems if one.endswith(STILL_THE_EXAMPLES) or one.partition(":")[0] not in left]
    if problems or unknown or config is None:
        raise ConfigError([*(place + problem for problem in dict.fromkeys(problems)), *dict.fromkeys(unknown)])
    return config


def _variable_at_fault(
    loc: tuple[int | str, ...], variables: Mapping[tuple[str, ...], str]
) -> tuple[str | None, str | None]:
    """The environment variable that set, or made, what is wrong, None where the file did; and the source, channel or
    digest that it made, None where it made none."""
    where = tuple(_as_written(loc))
    for path, variable in sorted(variables.items(), key=lambda one: len(one[0]), reverse=True):
        if where[: len(path)] == path:
            return variable, ".".join(path) if len(path) == 2 and path[0] in NAMED else None
    return None, None


def _without(raw: dict[str, Any], wrong: list[tuple[int | str, ...]]) -> Config | None:
    """The configuration without the sections that have a mistake, so that what is wrong with the others is found too;
    None where nothing is left of it."""
    rest = {key: dict(value) if key in NAMED and isinstance(value, dict) else value for key, value in raw.items()}
    for loc in wrong:
        if len(loc) > 1 and loc[0] in NAMED:
            rest[str(loc[0])].pop(loc[1], None)
        elif loc:
            rest.pop(str(loc[0]), None)
    try:
        return Config.model_validate(rest)
    except ValidationError:
        return None


def _placeholders(raw: dict[str, Any]) -> list[str]:
    """What is still as the example has it."""

    def walk(value: object, where: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, one in value.items():
                yield from walk(one, f"{where}.{name}" if where else str(name))
        elif isinstance(value, list):
            for one in value:
                yield from walk(one, where)
        elif value == PLACEHOLDER:
            yield f"{where}: {STILL_THE_EXAMPLES}"

    return list(walk(raw, ""))


def _missing_folders(raw: dict[str, Any], folder: Path) -> list[str]:
    """Folders of the operator's own that are not there: without them the built-in ones would be used, unseen."""
    cards = raw.get("cards")
    fonts = cards.get("font_paths") if isinstance(cards, dict) else None
    wanted = [("templates", raw.get("templates"))]
    wanted += [("cards.font_paths", one) for one in (fonts if isinstance(fonts, list) else [])]
    return [
        f"{key}: there is no folder {str(folder / value)[:200]}; make it, or remove the key"
        for key, value in wanted
        if isinstance(value, str) and not _is_folder(folder, value)
    ]


def _is_folder(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_dir()
    except (OSError, ValueError):  # too long, or no file's name at all
        return False


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
                problems.append(f"{place}{name}_file: cannot read {file}: {reason}")
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
        on = digest.get("on") if isinstance(digest, dict) else None
        problems += [
            f"digests.{name}.on.{word}: is not among the digest's channels; add it there, or remove this"
            for word in (on if isinstance(on, dict) else {})
            if word not in (digest["channels"] if isinstance(digest.get("channels"), list) else [word])
        ]
        problems += _feeds_its_own_reserve(name, digest, tables["sources"])
        problems += _sections_need_a_database(name, digest, tables["sources"])
    for name, source in tables["sources"].items():
        other = source.get("backfill") if isinstance(source, dict) else None
        if other is not None and (other == name or other not in tables["sources"]):
            problems.append(f"sources.{name}.backfill: name another [sources.…] section")
    return problems


def _feeds_its_own_reserve(name: str, digest: Any, sources: dict[str, Any]) -> list[str]:
    """A source and its reserve are two views of one store."""
    wanted = digest.get("sources") if isinstance(digest, dict) else None
    if not isinstance(wanted, list):
        return []
    reserves = {one: sources[one].get("backfill") for one in wanted if isinstance(sources.get(str(one)), dict)}
    return [
        f"digests.{name}.sources: {reserve} is the backfill of {one}: with both, everything would be posted twice"
        for one, reserve in reserves.items()
        if reserve in wanted
    ]


def _sections_need_a_database(name: str, digest: Any, sources: dict[str, Any]) -> list[str]:
    """Only a database says which section a paper is in: with feeds alone, such a filter would hold everything back,
    or nothing."""
    if not isinstance(digest, dict) or not isinstance(digest.get("sources"), list):
        return []
    kinds = {sources[word].get("kind") for word in digest["sources"] if isinstance(sources.get(str(word)), dict)}
    return [
        f"digests.{name}.{part}.sections: no feed says which section a paper is in; this needs a database source"
        for part in ("include", "exclude")
        if kinds == {"feed"} and isinstance(digest.get(part), dict) and digest[part].get("sections")
    ]
