"""Checks that involve more than one value: unknown names, missing folders, and remaining placeholders.

They work on raw values, so that these mistakes are reported together with the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digestbot.infra.config_values import PLACEHOLDER
from digestbot.sources.registry import SOURCE_KINDS

STILL_THE_EXAMPLES = "is still the example's; fill it in"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def placeholders(raw: dict[str, Any]) -> list[str]:
    """Return a problem for each value that is still the placeholder of the example."""

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


def missing_folders(raw: dict[str, Any], folder: Path) -> list[str]:
    """Return a problem for each folder of the operator's own that does not exist.

    Otherwise the built-in ones would be used unnoticed.
    """
    cards = raw.get("cards")
    fonts = cards.get("font_paths") if isinstance(cards, dict) else None
    wanted = [("templates", raw.get("templates"))]
    wanted += [("cards.font_paths", one) for one in (fonts if isinstance(fonts, list) else [])]
    return [
        f"{key}: there is no folder {str(folder / value)[:200]}; create it, or remove the key"
        for key, value in wanted
        if isinstance(value, str) and not _is_folder(folder, value)
    ]


def _is_folder(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_dir()
    except (OSError, ValueError):  # too long, or not a valid file name
        return False


def cross_check(raw: dict[str, Any]) -> list[str]:
    """Return problems that no single section shows: unknown names, and sources that lack what a digest needs."""
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
        problems += _sections_of_no_source(name, digest, tables["sources"])
    for name, source in tables["sources"].items():
        key, other = _reserve(source)
        if isinstance(other, str) and (other == name or other not in tables["sources"]):
            problems.append(f"sources.{name}.{key}: name another [sources.…] section")
    return problems


def _feeds_its_own_reserve(name: str, digest: Any, sources: dict[str, Any]) -> list[str]:
    """Return a problem for each source of a digest whose backfill source is in the digest too.

    The two are views of the same content.
    """
    wanted = digest.get("sources") if isinstance(digest, dict) else None
    if not isinstance(wanted, list):
        return []
    reserves = {one: _reserve(sources.get(one)) for one in wanted if isinstance(one, str)}
    return [
        f"digests.{name}.sources: {reserve} is the {key} of {one}: with both, everything would be posted twice"
        for one, (key, reserve) in reserves.items()
        if reserve in wanted
    ]


def _reserve(source: Any) -> tuple[str, Any]:
    """Return the key by which such a source names the one that fills its gaps, and what is written there."""
    kind = SOURCE_KINDS.get(str(source.get("kind"))) if isinstance(source, dict) else None
    key = kind.config.RESERVE_KEY if kind else None
    return (key, source.get(key)) if key else ("", None)


def _sections_of_no_source(name: str, digest: Any, sources: dict[str, Any]) -> list[str]:
    """Return a problem for each filter by sections in a digest none of whose sources knows sections.

    The filter would block everything, or nothing.
    """
    if not isinstance(digest, dict) or not isinstance(digest.get("sources"), list):
        return []
    kinds = [
        SOURCE_KINDS.get(str(sources[word].get("kind")))
        for word in digest["sources"]
        if isinstance(sources.get(str(word)), dict)
    ]
    some_know = not kinds or any(kind is None or kind.knows_sections for kind in kinds)
    capable = " or ".join(kind for kind, one in SOURCE_KINDS.items() if one.knows_sections)
    return [
        f"digests.{name}.{part}.sections: none of its sources says which section a paper is in; this needs a source of "
        f"kind {capable}"
        for part in ("include", "exclude")
        if not some_know and isinstance(digest.get(part), dict) and digest[part].get("sections")
    ]
