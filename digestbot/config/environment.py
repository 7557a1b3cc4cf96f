"""Environment variables that override keys of the file: ``DIGESTBOT_SECTION__NAME__KEY``."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digestbot.config.model_fields import list_keys, secret_keys
from digestbot.config.root import Config
from digestbot.infra.config_location import ENV_CONFIG

ENV_PREFIX = "DIGESTBOT_"
NAMED = ("sources", "channels", "digests")  # sections with subsections that the operator names
_OF_NAMED = [(section,) for section in NAMED]
_KEYS = set(Config.model_fields) - {"path"}
_INJECTED = re.compile(r"PORT(_|$)|SERVICE_")  # Kubernetes sets such variables for a service named digestbot


def variable_name(*where: str) -> str:
    """Return the name of the environment variable that overrides the key at this place."""
    return ENV_PREFIX + "__".join(where).upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of an environment variable. ``made``: it created the source, channel or digest."""

    name: str
    made: bool = False


def override(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[tuple[str, ...], Variable], list[str]]:
    """Set raw["a"]["b"]["c"] from DIGESTBOT_A__B__C. Existing names match regardless of case, and "_" matches "-".

    Return the variable at each path, and a problem for each variable that matches nothing. If a variable created a
    section, the path is that of the section.
    """
    variables: dict[tuple[str, ...], Variable] = {}
    problems = []
    for variable, value in sorted(environ.items()):
        if not variable.startswith(ENV_PREFIX) or variable == ENV_CONFIG:
            continue
        table: Any = raw
        path: tuple[str, ...] = ()
        made: tuple[str, ...] | None = None
        *parents, leaf = variable.removeprefix(ENV_PREFIX).split("__")
        if not all((*parents, leaf)):
            problems.append(f"environment variable {variable}: there is no key of that name; unset it")
            continue
        for part in parents:
            name = _same_name(part, table)
            path = (*path, name)
            if name not in table and made is None and (len(path) > 1 or name not in NAMED):
                made = path
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                break
        if not isinstance(table, dict):
            problems.append(f"environment variable {variable}: {'.'.join(parents).lower()} is not a section; unset it")
            continue
        name = _same_name(leaf, table)
        if not parents and not name.endswith("_file") and name not in _KEYS:
            if not _INJECTED.match(leaf):
                near = difflib.get_close_matches(name, _KEYS, 1)
                remedy = f"did you mean {ENV_PREFIX}{near[0].upper()}?" if near else "unset it"
                problems.append(f"environment variable {variable}: there is no key {name}; {remedy}")
            continue
        variables[made or (*path, name)] = Variable(variable, made is not None and made[:-1] in _OF_NAMED)
        table[name] = _from_environment(name, value)
        if name in secret_keys():
            table.pop(f"{name}_file", None)
        elif name.removesuffix("_file") in secret_keys():
            table.pop(name.removesuffix("_file"), None)
    return variables, problems


def _same_name(part: str, table: dict[str, Any]) -> str:
    wanted = part.lower()
    return next((name for name in table if name.lower().replace("-", "_") == wanted), wanted)


def _from_environment(name: str, value: str) -> object:
    """Return a variable's value for its key.

    A list key takes a TOML array or words separated by commas. A schedule, whose words contain commas, takes an array
    or one schedule. Everything else stays text, for pydantic to parse.
    """
    if name in list_keys() or (name == "schedule" and value.lstrip().startswith("[")):
        if value.lstrip().startswith("["):
            try:
                return tomllib.loads(f"value = {value}")["value"]
            except tomllib.TOMLDecodeError:
                return value
        return [word.strip() for word in value.split(",") if word.strip()]
    return value
