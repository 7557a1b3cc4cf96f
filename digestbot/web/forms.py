"""Pure functions: a digest's schedule and rules as form fields, and a submitted form as a changed configuration
file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from digestbot.config import Timing
from digestbot.domain.errors import ConfigError
from digestbot.domain.model import CatchUp, Order


@dataclass(frozen=True)
class Field:
    """A form field for a key of a digest: its name, its kind (lines, text, number, choice), its label and a hint."""

    name: str
    kind: str
    label: str
    hint: str
    choices: tuple[str, ...] = ()


YES_NO = ("yes", "no")
FIELDS = (
    Field("schedule", "lines", "Schedule", "One per line, in words or as cron: weekdays at 09:00"),
    Field("timezone", "text", "Time zone", "For example Europe/Berlin"),
    Field("size", "number", "Maximum per edition", "Summaries in one edition"),
    Field("min_size", "number", "Minimum per edition", "With fewer pending, no edition is created"),
    Field(
        "skip_if_empty", "choice", "Skip a slot with too few", "No: the slot stays open until there are enough", YES_NO
    ),
    Field("order", "choice", "Order", "Which pending summary is published first", tuple(Order)),
    Field("window", "text", "Window", "Only summaries of this period: 7 days"),
    Field("one_per_paper", "choice", "One per paper", "At most one summary of a paper in an edition", YES_NO),
    Field(
        "repeat_paper", "text", "Repeat a paper", "Other summaries of a posted paper: always, never, or after 30 days"
    ),
    Field(
        "overlap",
        "choice",
        "Repeat other digests",
        "Allow summaries that another digest has posted on the channel",
        YES_NO,
    ),
    Field("spread", "choice", "Spread over the day", "Distribute pending summaries over the day's slots", YES_NO),
    Field("jitter", "text", "Jitter", "Random delay of each slot, at most: 20 minutes"),
    Field("quiet_hours", "lines", "Quiet hours", "No posts during these hours, one range per line: 22:00-07:00"),
    Field("not_on", "lines", "Days off", "One per line: 2026-12-24..2026-12-26, or every year 12-24..12-26"),
    Field("per_day", "number", "Posts per day", "Maximum"),
    Field("per_week", "number", "Posts per week", "Maximum"),
    Field("catch_up", "choice", "Missed slots", "Which ones are caught up", tuple(CatchUp)),
    Field("approval", "choice", "Require approval", "Each edition needs approval before it is posted", YES_NO),
    Field("approve_by", "text", "Approve within", "After this, it is not posted: 1 day"),
)
LISTS = ("schedule", "quiet_hours", "not_on")
_PLACE = re.compile(r"(?:.*?: )?digests\.([^.:]+)(?:\.on\.([^.:]+))?\.([a-z_]+)(?:\.\S+)?: (.*)", re.DOTALL)


def form_values(text: str, digest: str, channel: str = "") -> dict[str, str]:
    """Return the value of each field in the file, of the digest or of its ``channel`` section; empty if not set. Raises
    ConfigError."""
    table = _table(parse_toml(text), digest, channel, make=False)
    return {field.name: _said(table.get(field.name)) for field in FIELDS}


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def apply_form(text: str, digest: str, channel: str, form: Mapping[str, str]) -> str:
    """Return the file with the form's values. Everything else stays the same, comments included. Raises ConfigError."""
    document = parse_toml(text)
    table = _table(document, digest, channel, make=True)
    before = form_values(text, digest, channel)
    for field in FIELDS:
        wanted = form.get(field.name, "").replace("\r\n", "\n").strip()
        if wanted == before[field.name].strip():
            continue
        if wanted:
            table[field.name] = _value(field, wanted)
        else:
            table.pop(field.name, None)
    if channel and not table:
        section = document["digests"][digest]
        del section["on"][channel]
        if not section["on"]:
            del section["on"]
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


def parse_toml(text: str) -> Any:
    """Return the file's text as a document that keeps its comments. Raises ConfigError for invalid TOML."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError([f"the configuration is not valid TOML: {error}"]) from error


def problems_by_field(problems: Sequence[str], digest: str, channel: str) -> tuple[dict[str, str], list[str]]:
    """Return the problems by the field that they concern, and those that concern no field."""
    results: dict[str, str] = {}
    others: list[str] = []
    known = {field.name for field in FIELDS}
    for problem in problems:
        match = _PLACE.fullmatch(problem)
        if match and match[1] == digest and match[3] in known and (match[2] or "") in ("", channel):
            results[match[3]] = match[4]
        else:
            others.append(problem)
    return results, others


def default_values(timing: Timing) -> dict[str, str]:
    """Return the values that apply where fields are empty; empty for values that are not plain text, numbers or
    yes/no."""
    results = {field.name: getattr(timing, field.name) for field in FIELDS}
    return {name: _said(value) if isinstance(value, bool | int | str) else "" for name, value in results.items()}
