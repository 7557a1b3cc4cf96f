"""The source kind for databases."""

from __future__ import annotations

from digestbot.sources.base import Source, SourceContext, SourceKind
from digestbot.sources.database.config import DatabaseSource


def _open(context: SourceContext) -> Source:
    from digestbot.sources.database.poll import DatabaseReader

    return DatabaseReader(context)


DATABASE = SourceKind("database", DatabaseSource, _open, knows_sections=True)
