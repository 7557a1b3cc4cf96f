"""Pure: a digest's schedule and rules as a form's fields, and the form as a changed configuration file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from digestbot.config import Timing
from digestbot.errors import ConfigError
from digestbot.model import CatchUp, Order


@dataclass(frozen=True)
class Field:
    """A key of the digest: how it is asked for (lines, text, number, choice), and what it does."""

    name: str
    kind: str
    label: str
    hint: str
    choices: tuple[str, ...] = ()


YES_NO = ("yes", "no")
FIELDS = (
    Field("schedule", "lines", "Schedule", "Times in words or as cron, one to a line: weekdays at 09:00"),
    Field("timezone", "text", "Time zone", "On whose clocks: Europe/Berlin"),
    Field("size", "number", "Summaries in an edition", "At most so many"),
    Field("min_size", "number", "At least", "Fewer are no edition"),
    Field("skip_if_empty", "choice", "With too few, let the slot pass", "No: it waits until there are enough", YES_NO),
    Field("order", "choice", "Order", "Which of the waiting goes first", tuple(Order)),
    Field("window", "text", "Window", "Only what came within this time: 7 days"),
    Field("one_per_paper", "choice", "One for each paper", "In an edition", YES_NO),
    Field("overlap", "choice", "Repeat other digests", "What another digest has put on the channel", YES_NO),
    Field("spread", "choice", "Spread over the day", "Share what waits out among the day's slots", YES_NO),
    Field("jitter", "text", "Jitter", "Come up to so much later: 20 minutes"),
    Field("quiet_hours", "lines", "Quiet hours", "Nothing is posted then, one span to a line: 22:00-07:00"),
    Field("not_on", "lines", "Days off", "One to a line: 2026-12-24..2026-12-26, or every year 12-24..12-26"),
    Field("per_day", "number", "Posts in a day", "At most so many"),
    Field("per_week", "number", "Posts in a week", "At most so many"),
    Field("catch_up", "choice", "Missed slots", "Which are made up for", tuple(CatchUp)),
    Field("approval", "choice", "Ask before posting", "An edition waits for a person's word", YES_NO),
    Field("approve_by", "text", "Approve within", "Later it is not posted: 1 day"),
)
LISTS = ("schedule", "quiet_hours", "not_on")
_PLACE = re.compile(r"(?:.*?: )?digests\.([^.:]+)(?:\.on\.([^.:]+))?\.([a-z_]+)(?:\.\S+)?: (.*)", re.DOTALL)


def values(text: str, digest: str, channel: str = "") -> dict[str, str]:
    """What the file says of each field, for all channels or one; empty where it says nothing. Raises ConfigError."""
    table = _table(parse(text), digest, channel, make=False)
    return {field.name: _said(table.get(field.name)) for field in FIELDS}


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def changed(text: str, digest: str, channel: str, said: Mapping[str, str]) -> str:
    """The file with what the form says, everything else as it was, comments too. Raises ConfigError."""
    document = parse(text)
    table = _table(document, digest, channel, make=True)
    before = values(text, digest, channel)
    for field in FIELDS:
        wanted = said.get(field.name, "").replace("\r\n", "\n").strip()
        if wanted == before[field.name].strip():
            continue
        if wanted:
            table[field.name] = _value(field, wanted)
        else:
            table.pop(field.name, None)
    if channel and not table:
        mine = document["digests"][digest]
        del mine["on"][channel]
        if not mine["on"]:
            del mine["on"]
    return tomlkit.dumps(document)


def _value(field: Field, wanted: str) -> Any:
    if field.name in LISTS:
        lines = [line.strip() for line in wanted.splitlines() if line.strip()]
        return lines[0] if field.name != "not_on" and len(lines) == 1 else lines
    if field.choices == YES_NO and wanted in YES_NO:
        return wanted == "yes"
    return int(wanted) if field.kind == "number" and wanted.isascii() and wanted.isdecimal() else wanted


def _table(document: Any, digest: str, channel: str, *, make: bool) -> Any:
    try:
        table = document["digests"][digest]
        if not channel:
            return table
        if make:
            inline = isinstance(table, InlineTable)
            on = table.setdefault("on", tomlkit.inline_table() if inline else tomlkit.table(is_super_table=True))
            return on.setdefault(channel, tomlkit.inline_table() if isinstance(on, InlineTable) else tomlkit.table())
        return table.get("on", {}).get(channel, {})
    except (KeyError, TypeError, AttributeError, TOMLKitError) as error:
        raise ConfigError([f"the file has no [digests.{digest}]: it comes from the environment"]) from error


def parse(text: str) -> Any:
    """The file's text as a document that keeps its comments. Raises ConfigError."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError([f"the configuration is not valid TOML: {error}"]) from error


def at_fields(problems: Sequence[str], digest: str, channel: str) -> tuple[dict[str, str], list[str]]:
    """Mistakes by the field that they are at, and those that are at none."""
    found: dict[str, str] = {}
    others: list[str] = []
    known = {field.name for field in FIELDS}
    for problem in problems:
        match = _PLACE.fullmatch(problem)
        if match and match[1] == digest and match[3] in known and (match[2] or "") in ("", channel):
            found[match[3]] = match[4]
        else:
            others.append(problem)
    return found, others


def defaults(timing: Timing) -> dict[str, str]:
    """What holds where a field is left empty, as far as it can be said in a word."""
    found = {field.name: getattr(timing, field.name) for field in FIELDS}
    return {name: _said(value) if isinstance(value, bool | int | str) else "" for name, value in found.items()}
