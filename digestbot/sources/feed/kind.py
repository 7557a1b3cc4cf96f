"""The source kind for feeds."""

from __future__ import annotations

from digestbot.sources.base import Source, SourceContext, SourceKind
from digestbot.sources.feed.config import FeedSource


def _open(context: SourceContext) -> Source:
    from digestbot.sources.feed.poll import Feed

    return Feed(context)


FEED = SourceKind("feed", FeedSource, _open)
