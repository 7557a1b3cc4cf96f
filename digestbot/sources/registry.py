"""The kinds of sources that digestbot supports. To add one, write its folder and one line here; see CONTRIBUTING.md."""

from __future__ import annotations

from digestbot.sources.base import Source, SourceContext, SourceKind
from digestbot.sources.database.kind import DATABASE
from digestbot.sources.feed.kind import FEED

SOURCE_KINDS: dict[str, SourceKind] = {kind.name: kind for kind in (FEED, DATABASE)}


def get_source_kind(name: str) -> SourceKind:
    """Return the kind of that name. Raises LookupError if there is none."""
    if name not in SOURCE_KINDS:
        raise LookupError(f"unknown kind of source {name!r}; known kinds: {', '.join(SOURCE_KINDS)}")
    return SOURCE_KINDS[name]


def open_source(context: SourceContext) -> Source:
    """Return the configured source. Raises SourceError for a URL that cannot be used."""
    return get_source_kind(context.config.kind).open(context)
