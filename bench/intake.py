"""A 1,000-entry feed fetched, parsed, deduplicated, recorded, and formatted for both platforms: CPU of the whole
process, against a process that only imports feedparser and parses the same bytes. Goal: at most 1.5 s."""

from __future__ import annotations

import gc
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.common import child, feed, paired, served, up_next

ITEMS = 1000
FLOOR = (
    "import sys, feedparser; d = feedparser.parse(open(sys.argv[1], 'rb').read(), sanitize_html=False, "
    "resolve_relative_uris=False); assert len(d.entries) == {items}"
)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, served(feed(ITEMS)) as url:
        file = Path(folder) / "feed.xml"
        file.write_bytes(feed(ITEMS))
        numbers = iter(range(10**6))
        ours, floor, ratio = paired(
            lambda: child("-m", "bench.intake", url, f"{folder}/{next(numbers)}.db")[0],
            lambda: child("-c", FLOOR.format(items=ITEMS), str(file))[0],
            runs,
        )
    print(f"intake   {ITEMS} entries {ours:.2f} s CPU (goal 1.5), feedparser alone {floor:.2f} s: {ratio:.2f} times")


def take_in(url: str, database: str) -> None:
    """The child: what the service does with a feed that is all new."""
    from digestbot import config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    secrets = dict.fromkeys(("api_key", "api_secret", "access_token", "access_token_secret"), "1-bench")
    settings = config.build(
        {
            "sources": {"store": {"kind": "feed", "url": url, "allow_private_addresses": True}},
            "channels": {
                "x": {"platform": "twitter", **secrets},
                "page": {"platform": "facebook", "page_id": "1", "access_token": "bench"},
            },
            "digests": {
                "all": {
                    "sources": ["store"],
                    "channels": ["x", "page"],
                    "schedule": "0 9 * * *",
                    "backlog": "all",
                }
            },
        }
    )
    gc.freeze()  # as the command line does
    ledger = Ledger(f"sqlite:///{database}")
    service = Service(settings, ledger, lambda: datetime.now(UTC))
    service.prepare()
    report = service.tick()
    assert report.polled["store"] is not None, report
    assert report.polled["store"].new == ITEMS, report
    with ledger.begin() as tx:
        waiting = up_next(tx, "all", "x", ITEMS, datetime.now(UTC))
    drafts = [draft for channel in ("x", "page") for draft in service.post_builder.drafts("all", channel, waiting)[1]]
    assert len(drafts) == 2 * ITEMS


if __name__ == "__main__":
    take_in(*sys.argv[1:])
