"""Write docs/json.md and docs/json.schema.json from the documents that commands print: python -m bench.json_docs"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from digestbot.cli import json_output

DOCS = Path(__file__).parent.parent / "docs"
INTRODUCTION = """\
# JSON output

Every command that has results takes `--json`. It then prints one JSON document to stdout, also if it fails with exit
code 1 or 3 after it has begun its work. Errors go to stderr as text.

- Times are in ISO format with a zone. Amounts are dollars. Ids of summaries and posts are the ledger's.
- A key is always there, unless it is marked *optional*. New keys may be added; a key is never removed or renamed within
  a major version.
- [json.schema.json](json.schema.json) describes the same in JSON Schema (draft 2020-12), for example for `jsonschema`
  or to generate types. `$defs` has the objects below, and `commands` the document of each command.
- Control characters in texts are escaped.

This page is made from the code: `python -m bench.json_docs`.
"""


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of every document, by command, with the objects that they consist of."""
    commands, definitions = {}, {}
    for command, document in {**json_output.OUTPUTS, "*": json_output.ActionResult}.items():
        made = TypeAdapter(document).json_schema()
        definitions.update(made.pop("$defs", {}))
        name = getattr(document, "__name__", "")
        if made.get("type") == "object":
            definitions[name] = made
            made = {"$ref": f"#/$defs/{name}"}
        commands[command] = made
    for made in definitions.values():
        if "properties" in made:
            made["additionalProperties"] = False
    _without_titles(definitions)
    _without_titles(commands)
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "commands": commands, "$defs": dict(sorted(definitions.items()))}


def _without_titles(value: Any) -> None:
    """Leave out pydantic's titles, which repeat the names."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        for one in value.values():
            _without_titles(one)
    elif isinstance(value, list):
        for one in value:
            _without_titles(one)


def page() -> str:
    """Return the page for people."""
    made = schema()
    lines = [INTRODUCTION, "## Commands\n", "| command | document |", "|---|---|"]
    for command, document in made["commands"].items():
        name = f"`digestbot {command}`" if command != "*" else "every other command"
        lines.append(f"| {name} | {_type(document)} |")
    lines += ["", "## Objects"]
    for name, definition in made["$defs"].items():
        if "properties" not in definition:
            continue
        required = definition.get("required", [])
        about = " ".join(inspect.cleandoc(definition.get("description", "")).split()).replace("``", "`")
        lines += ["", f"### {name}", about, "", "| key | type | meaning |", "|---|---|---|"]
        for key, value in definition["properties"].items():
            optional = "" if key in required else " *(optional)*"
            lines.append(f"| `{key}`{optional} | {_type(value)} | {value.get('description', '')} |")
    return "\n".join(lines).rstrip() + "\n"


def _type(value: dict[str, Any]) -> str:
    """Return a type as people write it."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        definition = schema()["$defs"].get(name, {})
        if "enum" in definition:
            return " or ".join(f'`"{one}"`' for one in definition["enum"])
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(one) for one in value["anyOf"])
    kind = value.get("type", "")
    if kind == "array":
        return f"list of {_type(value['items'])}".replace("whole number", "whole numbers").replace("text", "texts")
    if kind == "object":
        return f"object of {_type(value['additionalProperties'])}"
    if value.get("format") == "date-time":
        return "time"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        kind, "null"
    )


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(schema(), indent=1) + "\n"


def main() -> None:
    (DOCS / "json.md").write_text(page(), encoding="utf-8")
    (DOCS / "json.schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
