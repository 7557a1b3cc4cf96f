"""Feeds in the format of real sites, written for these tests: what is read from each of them.

`python tests/test_feed_corpus.py` writes the expected values. Read what changed.
"""

from __future__ import annotations

import io
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.basics import START

from digestbot.config import Appearance
from digestbot.domain.model import Summary
from digestbot.platforms.registry import PLATFORMS
from digestbot.rendering.renderer import Renderer, RenderTarget
from digestbot.sources.feed.config import FeedSource
from digestbot.sources.feed.document import in_utf8, scan
from digestbot.sources.feed.entry_parser import EntryParser
from digestbot.sources.feed.item_hashes import NotScannableError
from digestbot.sources.fetch import Fetched

FOLDER = Path(__file__).parent / "corpus" / "feeds"
EXPECTED = FOLDER / "expected.json"
FILES = sorted(one for one in FOLDER.iterdir() if one != EXPECTED)
URL = "https://feed.example/feeds/rss.xml"


def read(file: Path) -> tuple[list[Summary], list[str]]:
    """The summaries of a document as a poll reads them, and why entries were dropped."""
    body = file.read_bytes()
    fetched = in_utf8(Fetched(io.BytesIO(body), len(body), b"", None, None, None, URL))
    parser = EntryParser("corpus", FeedSource(kind="feed", url=URL), START)
    with closing(fetched.file):
        try:
            scanned = scan(fetched)
        except NotScannableError:
            return parser.whole(fetched, None).summaries, parser.examples
        batches = parser.entries(fetched, scanned, range(len(scanned.versions)))
        return [one for batch in batches for one in batch], parser.examples


def posted(summary: Summary) -> str:
    target = RenderTarget("latest", "page", PLATFORMS["facebook"], {})
    return Renderer().drafts(Appearance(), target, [summary])[0].message.text


def described(file: Path) -> dict[str, Any]:
    summaries, dropped = read(file)
    return {
        "entries": [
            {
                "key": one.paper.key,
                "genre": one.genre,
                "authors": list(one.paper.authors),
                "writer": one.writer,
                "venue": one.paper.venue,
                "year": one.paper.year,
                "doi": one.paper.doi,
                "categories": list(one.paper.sections),
                "link": one.link,
                "dated": one.dated.isoformat() if one.dated else None,
                "pictures": re.findall(r"!\[[^\]]*\]\(([^)]*)\)", one.body),
                "post": posted(one).split("\n"),
            }
            for one in summaries
        ],
        "dropped": dropped,
    }


def test_the_corpus_is_of_many_sites() -> None:
    assert len(FILES) >= 40
    assert set(json.loads(EXPECTED.read_text(encoding="utf-8"))) == {one.name for one in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_feed_is_read_as_a_person_would(file: Path) -> None:
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[file.name]
    assert json.loads(json.dumps(described(file))) == expected


TAGS = re.compile(r"</?[A-Za-z][\w:-]*(?:\s[^<>]*)?>")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_post_has_tags_addresses_or_boilerplate(file: Path) -> None:
    for one in read(file)[0]:
        text = posted(one)
        assert not TAGS.search(text), text
        assert not re.search(r"\S@\S+\.\S", text), text
        assert not re.search(r"Announce Type|appeared first on|Continue reading|PMID|utm_|O_ST_ABS", text), text


if __name__ == "__main__":
    result = {file.name: described(file) for file in FILES}
    EXPECTED.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
