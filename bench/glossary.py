"""`python -m bench.glossary` writes the list of public classes into docs/glossary.md, from their docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bench.common import ROOT

PAGE = ROOT / "docs" / "glossary.md"
BEGIN = "## Classes\n"


def classes() -> Iterator[tuple[str, str, str]]:
    """Yield each public class: its name, its module, and the first sentence of its docstring."""
    for file in sorted((ROOT / "digestbot").rglob("*.py")):
        module = str(file.relative_to(ROOT / "digestbot").with_suffix("")).removesuffix("/__init__")
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                text = " ".join((ast.get_docstring(node) or "").split())
                yield node.name, module, re.split(r"(?<=[^.]\.)\s", text.replace("``", "`"), maxsplit=1)[0]


def section() -> str:
    """Return the section of the page."""
    rows = sorted(classes())
    lines = [
        BEGIN,
        "Made by `python -m bench.glossary`. No two classes share a name.",
        "",
        "| class | module | what it is |",
    ]
    lines += ["|---|---|---|", *(f"| `{name}` | `{module}` | {text} |" for name, module, text in rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    before = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(before.rstrip() + "\n\n" + section(), encoding="utf-8")


if __name__ == "__main__":
    main()
