"""`python -m bench.walk`: the real command line under libfaketime, walked through days while the schedule, its zone and
the clock change: what `plan` says before each change is what `once` posts until the next.

Needs libfaketime (Debian package faketime). Random configurations, two days each with two changes in them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from bench.common import ROOT, feed
from bench.faults.hosts import FAKETIME, fake_clock
from digestbot.sandbox import Answer, Sandbox, World

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONES = ["Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
SCHEDULES = [
    "every 3 hours",
    "every day at 9am and 6 pm",
    "hourly from 09:00 to 12:00",
    "every 2 hours between 20:00 and 04:00",
]
KEYS: dict[str, list[str]] = {
    "quiet_hours": ['"22:00-07:00"', '["12:00-13:00", "23:00-01:00"]'],
    "not_on": ['"11-03"', '["2026-11-04"]'],
    "per_day": ["2", "5"],
    "catch_up": ['"all"', '"none"'],
    "jitter": ['"20 minutes"'],
    "size": ["2"],
}


class Walk:
    """One configuration, and what becomes of it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw, self.file, self.now = Random(seed), folder / "config.toml", START
        self.rows = self.different = 0
        self.keys = {"schedule": self._schedule(), "timezone": self._zone()}
        self.keys |= {name: self.draw.choice(values) for name, values in KEYS.items() if self.draw.random() < 0.3}

    def _schedule(self) -> str:
        return f'"{self.draw.choice(SCHEDULES)}"'

    def _zone(self) -> str:
        return f'"{self.draw.choice(ZONES)}"'

    def digestbot(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGESTBOT_")}
        environment |= fake_clock(f"@{self.now:%Y-%m-%d %H:%M:%S}") | {"TZ": "UTC"}
        command = [sys.executable, "-m", "digestbot", "-c", str(self.file), *arguments]
        found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if found.returncode not in (0, 3) or "Traceback" in found.stderr:
            raise RuntimeError(f"{' '.join(arguments)}: {found.stderr[-1500:]}")
        return found.stdout

    def live(self, hours: int) -> None:
        """Follow a fresh plan for so many hours, and compare."""
        with Sandbox(world=self.world, documents=self.documents) as sandbox:
            self._write(sandbox.url)
            self.digestbot("once", "-q")
            end = self.now + hours * HOUR
            plan = json.loads(self.digestbot("plan", "--days", "3", "--json"))
            rows = [(datetime.fromisoformat(row["at"]), row) for row in plan]
            moments = sorted({at for at, _ in rows if at <= end})  # at slots that stay empty too: else they are missed
            wanted = sorted({at for at, row in rows if at <= end and row["summaries"]})
            before = len(self.world.timelines["facebook"])
            for at in moments:
                self.now = at.astimezone(UTC)
                self.digestbot("once", "-q")
            self.now = end
            self.digestbot("once", "-q")
        posted = sorted(
            {
                datetime.fromtimestamp(post.at, UTC).replace(microsecond=0)
                for post in self.world.timelines["facebook"][before:]
            }
        )
        planned = [at.astimezone(UTC) for at in wanted]
        self.rows += len(planned)
        if posted != planned:
            self.different += 1
            print(f"   planned {list(map(str, planned))}\n   posted  {list(map(str, posted))}\n   {self.keys}")

    def change(self) -> None:
        """What an operator changes, or a machine."""
        chance = self.draw.random()
        if chance < 0.35:
            self.keys["timezone"] = self._zone()
        elif chance < 0.7:
            self.keys["schedule"] = self._schedule()
        elif chance < 0.9:
            name = self.draw.choice(sorted(KEYS))
            if self.keys.pop(name, None) is None:
                self.keys[name] = self.draw.choice(KEYS[name])
        else:  # a year ahead for one run
            right = self.now
            self.now = right + timedelta(days=365)
            with Sandbox(world=self.world, documents=self.documents) as sandbox:
                self._write(sandbox.url)
                self.digestbot("once", "-q")
            self.now = right

    def _write(self, url: str) -> None:
        keys = "\n".join(f"{name} = {value}" for name, value in self.keys.items())
        self.file.write_text(
            f"""database = "sqlite:///ledger.db"
[sources.store]
kind = "feed"
url = "{url}/feed.xml"
allow_private_addresses = true
every = "30 days"
[channels.page]
platform = "facebook"
api_url = "{url}"
page_id = "200"
access_token = "bench"
[digests.all]
sources = ["store"]
channels = ["page"]
backlog = "all"
{keys}
"""
        )

    @property
    def documents(self) -> Any:
        return {"/feed.xml": lambda _: Answer(200, feed(60), content_type="application/rss+xml")}

    def go(self) -> None:
        """Two days with two changes in them."""
        self.world = World(clock=lambda: self.now.timestamp())
        for number in range(3):
            if number:
                self.change()
            self.live(self.draw.choice([9, 16, 24]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.walk", description=__doc__)
    parser.add_argument("--walks", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first walk")
    arguments = parser.parse_args()
    if FAKETIME is None:
        print("not tried: needs libfaketime (Debian package faketime)")
        return
    rows = different = 0
    for seed in range(arguments.first, arguments.first + arguments.walks):
        with tempfile.TemporaryDirectory() as folder:
            walk = Walk(seed, Path(folder))
            walk.go()
        rows, different = rows + walk.rows, different + walk.different
        print(f"seed {seed}: {walk.rows} rows, {walk.different} stretches that differ", flush=True)
    print(f"{arguments.walks} walks, {rows} posts planned, {different} stretches differ from their plan")
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
