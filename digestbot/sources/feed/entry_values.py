"""Values of feedparser's entries, which any feed can fill with anything: an element named ``links`` makes a text."""

from __future__ import annotations

from typing import Any


def tables(value: object) -> list[dict[str, Any]]:
    """Return the dictionaries in a list; nothing where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def table(value: object) -> dict[str, Any]:
    """Return the dictionary; an empty one where the value is none."""
    return value if isinstance(value, dict) else {}
