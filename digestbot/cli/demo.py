"""The demo: the real service publishes a bundled feed to a sandbox.

All code receives the time as an argument, so the demo can set it. The clock starts eight days ago and jumps from slot
to slot of a weekday schedule, up to now.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from digestbot import config
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import PostRow
from digestbot.domain.schedule import Calendar
from digestbot.ledger import Ledger, queries, revisions
from digestbot.pipeline.app import Report, Service
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import World
from digestbot.rendering.cards import cards_available
from digestbot.sandbox import Sandbox

FEED = Path(__file__).parent / "demo-feed.xml"
SCHEDULE = "0 9,13,17 * * mon-fri"


@dataclass
class DemoRun:
    """What the demo did. Its sandbox keeps running until the block of `run_demo` ends."""

    sandbox: Sandbox
    database: Path
    reports: list[Report] = field(default_factory=list)
    rows: list[PostRow] = field(default_factory=list)


@contextmanager
def run_demo(now: datetime, database: Path | None = None, port: int = 0) -> Iterator[DemoRun]:
    """Run the demo and yield what it did; the sandbox is up until the block ends. Raises DigestbotError, as the service
    does."""
    with tempfile.TemporaryDirectory(prefix="digestbot-demo-") as folder:
        file = database or Path(folder) / "digestbot.db"
        moment = [now - timedelta(days=8)]

        def clock() -> datetime:
            return moment[0]

        world = World(clock=lambda: clock().timestamp())
        documents: dict[str, Callable[[Request], Answer]] = {
            "/rss-full.xml": lambda _: Answer(200, FEED.read_bytes(), content_type="application/rss+xml")
        }
        with Sandbox(
            port,
            world=world,
            secrets={"twitter": ("demo-secret", "demo-token-secret"), "facebook": "demo-app"},
            documents=documents,
        ) as sandbox:
            ledger = Ledger(f"sqlite:///{file.absolute()}", clock=clock)
            try:
                service = Service(_settings(sandbox.url), ledger, clock)
                _refuse_a_real_one(ledger)
                service.prepare()
                played = DemoRun(sandbox, file)
                played.reports.append(service.tick())  # the first tick reads the feed and fills the backlog
                for slot in Calendar((SCHEDULE.upper(),), ZoneInfo("UTC")).slots(clock()):
                    if slot.due > now:
                        break
                    moment[0] = slot.due
                    played.reports.append(service.tick())
                with ledger.read() as tx:
                    played.rows = list(queries.post_rows(tx))
                yield played
            finally:
                ledger.close()


def _refuse_a_real_one(ledger: Ledger) -> None:
    """Raise LedgerError if the ledger has channels other than the demo's: demo posts must not get into a ledger in
    use."""
    if ledger.file is None or not ledger.file.exists():
        return
    with ledger.read() as tx:
        known = set(queries.channel_names(tx)) if revisions.current_revision(tx) else set()
    if known - {"demo-x", "demo-page"}:
        raise LedgerError(f"{ledger.file} was not created by the demo; choose another file")


def _settings(url: str) -> config.Config:
    return config.build(
        {
            "timezone": "UTC",
            "sources": {
                "shortscience": {
                    "kind": "feed",
                    "url": f"{url}/rss-full.xml",
                    "every": "1 hour",
                    "allow_private_addresses": True,
                }
            },
            "channels": {
                "demo-x": {
                    "platform": "twitter",
                    "api_url": url,
                    "api_key": "demo-key",
                    "api_secret": "demo-secret",
                    "access_token": "100-demo-token",
                    "access_token_secret": "demo-token-secret",
                },
                "demo-page": {
                    "platform": "facebook",
                    "api_url": url,
                    "page_id": "200",
                    "access_token": "demo-page-token",
                    "app_secret": "demo-app",
                },
            },
            "digests": {
                "latest": {
                    "sources": ["shortscience"],
                    "channels": ["demo-x", "demo-page"],
                    "schedule": SCHEDULE,
                    "min_votes": 2,
                    "backlog": "all",
                    "image": "card" if cards_available() else "none",
                }
            },
        }
    )
