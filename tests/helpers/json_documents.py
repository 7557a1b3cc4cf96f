"""Every document that a command prints with --json is checked against the documented schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from bench.json_docs import schema
from digestbot.cli.parser import parser


@cache
def _validator(command: str) -> Any:
    whole = schema()
    return Draft202012Validator({**whole["commands"][command], "$defs": whole["$defs"]})


def check_document(arguments: Sequence[str], out: str) -> None:
    """Fail if ``out``, printed by a command with --json, is not the document that docs/json.md describes."""
    if "--json" not in arguments or not out:
        return
    parsed = parser().parse_args(list(arguments))
    names = [parsed.command, f"{parsed.command} {getattr(parsed, 'action', None)}"]
    known = [name for name in names if name in schema()["commands"]]
    if known == ["posts"] and getattr(parsed, "action", None):
        known = []
    command = known[-1] if known else "*"
    errors = [f"{error.json_path}: {error.message[:300]}" for error in _validator(command).iter_errors(json.loads(out))]
    assert errors == [], (command, errors)
