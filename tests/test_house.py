"""The house is in order: what the docs say of the code's places and names is so."""

from __future__ import annotations

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from digestbot.config import Timing
from digestbot.platforms.registry import PLATFORMS
from digestbot.sources.registry import SOURCE_KINDS
from digestbot.web.forms import FIELDS

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "digestbot").rglob("*.py"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MOST_LINES = 400
MOST_CLASS_LINES = 250


def test_no_file_and_no_class_grows() -> None:
    for file in FILES:
        text = file.read_text()
        assert len(text.splitlines()) <= MOST_LINES, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                assert (node.end_lineno or 0) - node.lineno < MOST_CLASS_LINES, f"{file}: {node.name}"


def test_the_packages_root_is_nearly_empty() -> None:
    assert {file.name for file in (ROOT / "digestbot").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_every_package_is_on_the_map() -> None:
    packages = {file.parent.name for file in (ROOT / "digestbot").glob("*/__init__.py")}
    assert packages == set(re.findall(r"^\| `(\w+)/` \|", ARCHITECTURE, re.MULTILINE))
    for package, line in re.findall(r"^\| `(\w+)/` \|(.*)$", ARCHITECTURE, re.MULTILINE):
        for name in re.findall(r"`(\w+)/?`", line):
            place = ROOT / "digestbot" / package
            inner = [place / name, place / f"{name}.py", *place.glob(f"*/{name}.py")]
            if not name[0].isupper():
                assert any(one.exists() for one in inner), f"{package}/{name}"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(digestbot\.[\w.]+)`", ARCHITECTURE))))
def test_what_the_map_names_is_there(name: str) -> None:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        assert callable(found) or isinstance(found, dict)
        return
    pytest.fail(name)


def test_files_that_the_docs_name_are_there() -> None:
    texts = [ARCHITECTURE, *(file.read_text() for file in (ROOT / "docs").glob("l*.md"))]
    for text in texts:
        for name in re.findall(
            r"`((?:domain|ledger|pipeline|rendering|sources|platforms|text|config|web|operator)/[\w/.]+)`", text
        ):
            place = ROOT / "digestbot" / name.rstrip("/")
            found = place.exists() or place.with_suffix(".py").exists() or _is_inside(name)
            assert found, name
        for name in re.findall(r"`((?:tests|bench)/[\w/.]+)`", text):
            assert (ROOT / name).exists(), name


def _is_inside(name: str) -> bool:
    """A module and a name in it: domain/filters.DigestFilters."""
    module, _, inner = name.rpartition(".")
    file = ROOT / "digestbot" / f"{module}.py"
    return bool(inner) and file.exists() and re.search(rf"\b(?:def|class) {inner}\b", file.read_text()) is not None


# ---- names


def test_the_glossary_lists_every_public_class() -> None:
    from bench.glossary import BEGIN, section

    text = (ROOT / "docs" / "glossary.md").read_text()
    assert BEGIN + text.partition(BEGIN)[2] == section(), "make it anew: python -m bench.glossary"


def test_no_class_stands_for_two_things_and_each_says_what_it_is() -> None:
    from bench.glossary import classes

    found = list(classes())
    assert [name for name, times in Counter(name for name, _, _ in found).items() if times > 1] == []
    assert [name for name, _, text in found if not text] == []


def test_no_import_needs_an_alias_to_tell_two_modules_apart() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("digestbot"):
                for alias in node.names:
                    assert alias.asname is None or (alias.name, alias.asname) in ALIASES, f"{file}: {alias.asname}"


ALIASES = {
    ("PLATFORM", "TWITTER"),
    ("PLATFORM", "FACEBOOK"),
}


# ---- what CONTRIBUTING says


@pytest.mark.parametrize(
    ("heading", "folder", "names"),
    [("Add a platform", "platforms", PLATFORMS), ("Add a source", "sources", SOURCE_KINDS)],
)
def test_members_have_the_files_that_contributing_names(heading: str, folder: str, names: dict[str, object]) -> None:
    chapter = CONTRIBUTING.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^   \| (`[^|]*`) \|", chapter, re.MULTILINE)
    files = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(files) >= 3
    for name in names:
        for file in files:
            assert (ROOT / "digestbot" / folder / name / file).is_file(), f"{name}/{file}"


def test_files_that_contributing_names_are_there() -> None:
    for name in re.findall(r"`((?:digestbot|tests|docs|templates|script)/[\w/.]+|\w+\.toml|\w+\.md)`", CONTRIBUTING):
        for one in (name.replace("NAME", member) for member in (PLATFORMS if "templates" in name else ["feed"])):
            if "NAME" not in name or "templates" in name:
                assert (ROOT / one).exists(), one


def test_the_form_has_a_field_for_every_rule_of_a_digest() -> None:
    assert {field.name for field in FIELDS} == set(Timing.model_fields)
