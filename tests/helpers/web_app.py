"""The operator pages over a ledger in which much has happened: posts, a backlog, one post that nobody knows about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from digestbot import config as configuration
from digestbot.ledger import Ledger, heartbeats
from digestbot.pipeline.app import Service
from digestbot.sandbox import Sandbox, World
from digestbot.web.app_state import AppState
from digestbot.web.server import Server
from helpers.basics import PAGE_SECRETS, SECRETS, Clock, Feed

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'{{ 7*7 }}"

CONFIG = """\
# Kept by hand.
timezone = "UTC"
{top}
[jobs]
threads = 1

[sources.store]
kind = "feed"
url = "{url}/rss-full.xml"
allow_private_addresses = true

[channels.x]
platform = "twitter"
api_url = "{url}"
monthly_budget = 25.00
{x}

[channels.page]
platform = "facebook"
api_url = "{url}"
page_id = "200"
{page}

[digests.latest]  # the newest, one at a time
sources = ["store"]
channels = ["x", "page"]
schedule = "weekdays at 09:00, 13:00 and 17:00"  # when people read
backlog = "all"

[digests.best]
sources = ["store"]
channels = ["x"]
schedule = "fridays at 15:00"
shape = "roundup"
size = 3
backlog = "all"
overlap = true
approval = true
approve_by = "3 days"

[web]
port = 0
{web}
"""


class Everything:
    """All of it. The clock stands at Wednesday, 2026-11-04, 10:00 UTC."""

    def __init__(self, folder: Path, sandbox: Sandbox, feed: Feed, clock: Clock, web: str = "", top: str = "") -> None:
        self.sandbox, self.feed, self.clock = sandbox, feed, clock
        self.file = folder / "config.toml"

        def keys(some: dict[str, str]) -> str:
            return "\n".join(f'{name} = "{value}"' for name, value in some.items())

        text = CONFIG.format(url=sandbox.url, x=keys(SECRETS), page=keys(PAGE_SECRETS), web=web, top=top)
        self.file.write_text(text, encoding="utf-8")
        self.ledger = Ledger(f"sqlite:///{folder}/digestbot.db", clock=clock)
        self.app_state = AppState(self.config, self.ledger, clock)
        self._read: tuple[str, configuration.Config] | None = None

    def config(self) -> configuration.Config:
        """The file's, as it stands."""
        text = self.file.read_text(encoding="utf-8")
        if self._read is None or self._read[0] != text:
            self._read = text, configuration.load(self.file, {})
        return self._read[1]

    def live(self, hours: int = 50) -> None:
        """Two days, in which posts went out, and one was lost from sight for a while."""
        for number in range(1, 13):
            self.feed.add(number)
        self.feed.add(13, title=HOSTILE, body=f"{HOSTILE} A reader's words.", author=HOSTILE)
        service = Service(self.config(), self.ledger, self.clock)
        service.prepare()
        service.tick()
        begin = self.clock()
        for hour in (1, 5, 9, 25, 26, 27, 29, 33, 49, 50):  # when a slot is due, or a lost answer is looked for
            if hour <= hours:
                if hour == 25:
                    self.sandbox.faults.add("drop-before", "twitter")
                self.clock.now = begin + timedelta(hours=hour)
                service.tick()
        self.clock.now = begin + timedelta(hours=hours)
        with self.ledger.begin() as tx:
            heartbeats.record_heartbeat(tx, heartbeats.TICK, self.clock())
        service.close()

    def tick(self, **span: float) -> None:
        """Another tick, after so long."""
        self.clock.forward(**span)
        service = Service(self.config(), self.ledger, self.clock)
        service.tick()
        service.close()


@contextmanager
def world(folder: Path, web: str = "", top: str = "") -> Iterator[Everything]:
    """The world, with nothing in it yet."""
    clock, feed = Clock(), Feed()
    with Sandbox(
        world=World(clock=lambda: clock().timestamp()),
        secrets={
            "twitter": (SECRETS["api_secret"], SECRETS["access_token_secret"]),
            "facebook": PAGE_SECRETS["app_secret"],
        },
        documents={"/rss-full.xml": feed},
    ) as sandbox:
        made = Everything(folder, sandbox, feed, clock, web, top)
        try:
            yield made
        finally:
            made.app_state.close()
            made.ledger.close()


@contextmanager
def served(made: Everything) -> Iterator[str]:
    """The pages on a port; returns their address."""
    with Server(made.app_state, "127.0.0.1", 0) as server:
        yield server.url
