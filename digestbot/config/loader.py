"""Loading the configuration: parse, override, check, and explain every mistake."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from digestbot.config.credentials import with_placeholder_credentials
from digestbot.config.cross_checks import cross_check, missing_folders, placeholders
from digestbot.config.environment import NAMED, Variable, override, variable_name
from digestbot.config.model_fields import secret_keys, section_at
from digestbot.config.root import Config, config_model, contradictions
from digestbot.domain.errors import ConfigError
from digestbot.platforms.registry import PLATFORMS, has_login
from digestbot.sources.registry import SOURCE_KINDS


def load(path: Path, environ: Mapping[str, str] = os.environ, *, credentials_needed: bool = True) -> Config:
    """Return the configuration: read, overridden from the environment, completed with secrets from files, and checked.

    With ``credentials_needed=False``, stand-ins are used for an account's keys that are missing. Raises ConfigError
    with every mistake found.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}; name another with -c FILE, or make one: digestbot init"]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text: save it as UTF-8"]) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number with too many digits
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    try:
        return build(raw, path, environ, credentials_needed=credentials_needed)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:  # RecursionError is a RuntimeError
        problem = f"{path}: cannot be understood ({type(error).__name__}: {error}): compare it with config.example.toml"
        raise ConfigError([problem[:400]]) from error


def build(
    raw: dict[str, Any],
    path: Path | None = None,
    environ: Mapping[str, str] = {},
    *,
    credentials_needed: bool = True,
) -> Config:
    """Return the configuration from parsed values, as tests and the demo do. Raises ConfigError like `load`."""
    place = f"{path}: " if path else ""
    problems: list[str] = []
    if "path" in raw:
        problems.append("path: unknown key; remove it")
        raw = {key: value for key, value in raw.items() if key != "path"}
    variables, unknown = override(raw, environ)
    if not credentials_needed:
        raw = with_placeholder_credentials(raw, path.parent if path else Path())
    reported = [*_read_secret_files(raw, path.parent if path else Path()), *placeholders(raw)]
    config = sound = None
    try:
        config = sound = config_model().model_validate({**raw, "path": path})
        explained = []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        explained = [*_unconnected(details), *(_explain(detail, raw) for detail in details if not _by_login(detail))]
        sound = _without(raw, path, [detail["loc"] for detail in details])
    # further complaints about a placeholder or an unreadable value would add nothing
    said_already = {one.partition(":")[0].removesuffix("_file") for one in reported}
    explained = [one for one in explained if one.partition(":")[0] not in said_already]
    problems += [*reported, *explained, *cross_check(raw)]
    problems += contradictions(sound) if sound else []
    problems += missing_folders(raw, path.parent if path else Path())
    if problems or unknown or config is None:
        results = [_blamed(problem, place, variables) for problem in dict.fromkeys(problems)]
        results.sort(key=lambda one: one.startswith("environment variable"))
        raise ConfigError([*results, *unknown], sound and _closed(sound))
    return config


def _blamed(problem: str, place: str, variables: Mapping[tuple[str, ...], Variable]) -> str:
    """Return the problem, prefixed with the file, or with the environment variable that caused it."""
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
    """Return the configuration without the sections that have a mistake; None if the rest is not valid either.

    It serves to find what is wrong with the other sections too.
    """
    rest = {key: dict(value) if key in NAMED and isinstance(value, dict) else value for key, value in raw.items()}
    for loc in wrong:
        if len(loc) > 1 and loc[0] in NAMED and isinstance(rest.get(str(loc[0])), dict):
            rest[str(loc[0])].pop(loc[1], None)
        elif loc:
            rest.pop(str(loc[0]), None)
    try:
        return config_model().model_validate({**rest, "path": path})
    except ValidationError:
        return None


def _closed(config: Config) -> Config:
    """Return the configuration without the digests that name an unknown source or channel."""
    digests = {
        name: digest
        for name, digest in config.digests.items()
        if set(digest.channels) <= set(config.channels) and set(digest.sources) <= set(config.sources)
    }
    return config.model_copy(update={"digests": digests})


def _read_secret_files(raw: dict[str, Any], folder: Path) -> list[str]:
    problems = []
    tables = [("", raw)]
    for section, table in raw.items():
        if section in NAMED and isinstance(table, dict):
            tables += [(f"{section}.{name}.", part) for name, part in table.items() if isinstance(part, dict)]
        elif isinstance(table, dict):
            tables.append((f"{section}.", table))
    for place, table in tables:
        for name in secret_keys():
            file = table.pop(f"{name}_file", None)
            if file is None:
                continue
            if name in table:
                problems.append(f"{place}{name}: given twice, here and as {name}_file; remove one")
                continue
            try:
                table[name] = (folder / str(file)).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, ValueError, RuntimeError) as error:  # a file name may be anything
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text, or no file's name"
                shown = file if "/" in str(file) or "." in str(file) else "the file that it names"  # or a secret itself
                problems.append(f"{place}{name}_file: cannot read {shown}: {reason}")
                table[name] = "unread"  # prevents a second complaint that it is missing
    return problems


# For each section, the key that names its kind, and the kinds.
_KINDS: dict[str, tuple[str, Mapping[str, object]]] = {
    "sources": ("kind", SOURCE_KINDS),
    "channels": ("platform", PLATFORMS),
}


def _as_written(loc: tuple[int | str, ...]) -> list[str]:
    """Return a location without the discriminator, which is not part of the file."""
    where = [str(part) for part in loc]
    if len(where) > 2 and where[0] in _KINDS and where[2] in _KINDS[where[0]][1]:
        del where[2]
    return where


def _by_login(detail: Any) -> bool:
    """Return True if a key is missing that `digestbot login` writes."""
    where = detail["loc"]
    return detail["type"] == "missing" and len(where) == 4 and where[0] == "channels" and has_login(str(where[2]))


def _unconnected(details: Sequence[Any]) -> list[str]:
    """Return a problem for each channel whose account's keys are missing, with all of them."""
    missing: dict[str, list[str]] = {}
    for detail in filter(_by_login, details):
        missing.setdefault(str(detail["loc"][1]), []).append(str(detail["loc"][3]))
    problems = []
    for name, keys in missing.items():
        subject = f"{', '.join(keys[:-1])} and {keys[-1]} are" if keys[1:] else f"{keys[0]} is"
        variable = variable_name("channels", name, keys[-1])
        remedy = f"run digestbot login {name}, or add {'them' if keys[1:] else 'it'}"
        problems.append(f"channels.{name}: {subject} missing; {remedy} ({keys[-1]}, {keys[-1]}_file or {variable})")
    return problems


def _explain(detail: Any, raw: dict[str, Any]) -> str:
    where = _as_written(detail["loc"])
    if where[:1] == ["digests"] and where[2:3] == ["backlog"]:
        del where[3:]  # drop the branch of the union
    key = ".".join(where)
    match detail["type"]:
        case "missing":
            remedy = "is missing; add it"
            if where[-1] in secret_keys():
                remedy += f", or {where[-1]}_file, or set {variable_name(*where)}"
        case "extra_forbidden":
            section = section_at(where[:-1], raw)
            near = difflib.get_close_matches(where[-1], section.model_fields, 1) if section else []
            remedy = f"unknown key; did you mean {near[0]}?" if near else "unknown key; remove it"
        case "union_tag_not_found" | "union_tag_invalid":
            name, kinds = _KINDS[where[0]]
            fault = "is missing; write" if detail["type"] == "union_tag_not_found" else "must be"
            key, remedy = f"{key}.{name}", f"{fault} " + " or ".join(f'"{kind}"' for kind in kinds)
        case "tuple_type" | "too_short":
            remedy = 'write a list with at least one member, such as ["…"]'
        case "string_pattern_mismatch" if detail["ctx"]["pattern"] == r"\S":
            remedy = "must not be empty"
        case "model_type" | "model_attributes_type" | "dict_type":
            remedy = "write a table, such as { name = … }"
        case "path_type":
            remedy = "write a path"
        case "string_pattern_mismatch":
            remedy = f"does not look right: it must match {detail['ctx']['pattern']}"
        case _:
            remedy = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: {remedy}" if key else remedy
