"""How late posts appear, against the sandbox with a delay for each call: `digestbot run` as it is, with many channels,
with sources that hang, with a hostile feed, with several processes. Lateness is from the slot to when the platform has
the post, the delay of the call included. The first slot after a start is shown apart: each timeline is read then."""

from __future__ import annotations

import http.server
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.common import ROOT, feed
from bench.faults.__main__ import databases
from digestbot.platforms.sandbox_http import Request
from digestbot.sandbox import Answer, Sandbox

MINUTE = 60.0
START = 30.0  # seconds to start, and to read the feed


def main(runs: int, *, short: bool) -> None:  # noqa: ARG001 - each takes minutes, and is one run
    print(f"{'lateness of posts (s)':<58} first: median   p95   then: median   p95 posts")
    if short:
        show("2 channels, 0.1 s per call", lateness(2, 0.1, slots=1))
        return
    print(f"idle, 50 digests on 2 channels: {idle(50):.2f} CPU s in a minute (goal 0.1)", flush=True)
    show("40 channels, 1 s per call (goal: 2, p95 4)", lateness(40, 1.0))
    show("400 channels, 1 s per call (goal: p95 30)", lateness(400, 1.0))
    show("2 channels beside 3 hanging sources (goal: 2, all posts)", lateness(2, 0.1, hanging=3))
    show("2 channels beside a hostile feed (goal: 3)", lateness(2, 0.1, hostile=True))
    if "DIGESTBOT_TEST_POSTGRESQL" in os.environ:
        for processes, goal in ((1, 3), (3, 2)):
            with databases("postgresql") as database:
                found = lateness(60, 0.5, database=database, processes=processes)
                show(f"60 channels, 0.5 s, PostgreSQL, {processes} process(es) (goal: p95 {goal})", found)


def idle(digests: int) -> float:
    """Return the processor's seconds that a service takes in a minute in which nothing is due."""
    with tempfile.TemporaryDirectory() as name, Sandbox(documents=_feed_of(2)) as sandbox:
        folder = Path(name)
        text = _config(sandbox.url, 2, [], "").partition("[digests.all]")[0]
        for number in range(digests):
            text += f'[digests.d{number}]\nsources = ["store"]\nchannels = ["page0", "page1"]\n'
            text += 'schedule = "0 0 1 1 *"\noverlap = true\n'
        (folder / "config.toml").write_text(text)
        process = _start(folder / "config.toml", folder / "log")
        try:
            time.sleep(30)  # it has read the feed, and done what is done at the start
            before = _cpu(process.pid)
            time.sleep(MINUTE)
            return _cpu(process.pid) - before
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _feed_of(items: int) -> dict[str, Callable[[Request], Answer]]:
    document = feed(items)
    return {"/feed.xml": lambda _: Answer(200, document, content_type="application/rss+xml")}


def show(what: str, found: tuple[list[float], list[float], int]) -> None:
    first, then, due = found

    def figures(late: list[float]) -> str:
        if len(late) < 2:
            return f"{late[0] if late else float('nan'):13.2f}      "
        return f"{statistics.median(late):13.2f} {statistics.quantiles(late, n=20)[-1]:5.2f}"

    print(f"{what:<58} {figures(first)} {figures(then)} {len(first) + len(then):4}/{due}", flush=True)


def lateness(
    channels: int,
    delay: float,
    *,
    slots: int = 3,
    hanging: int = 0,
    hostile: bool = False,
    database: str = "",
    processes: int = 1,
) -> tuple[list[float], list[float], int]:
    """Return how late each post was, of the first slot and of the others, and how many were due."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        documents = _feed_of(slots + 2)
        if hostile:
            depths = b"<rss><channel><item><description>" + b"<x>" * 4_000_000
            documents["/hostile.xml"] = lambda _: Answer(200, depths, content_type="application/rss+xml")
        sandbox = stack.enter_context(Sandbox(documents=documents))
        sandbox.world.pages |= {str(1000 + number) for number in range(channels)}
        sandbox.faults.delay = delay
        others = [f'url = "{stack.enter_context(silent_server())}"' for _ in range(hanging)]
        others += [f'url = "{sandbox.url}/hostile.xml"'] if hostile else []
        file = folder / "config.toml"
        file.write_text(_config(sandbox.url, channels, others, database))
        begin = ((time.time() + START) // MINUTE + 1) * MINUTE
        time.sleep(begin - START - time.time())  # after the slot before the first
        started = [_start(file, folder / f"log{number}") for number in range(processes)]
        try:
            time.sleep(max(0, begin + (slots - 1) * MINUTE + 55 - time.time()))
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            if any(process.wait(120) != 0 for process in started):
                raise RuntimeError(
                    "".join((folder / f"log{number}").read_text()[-2000:] for number in range(processes))
                )
        for number in range(processes):
            for line in (folder / f"log{number}").read_text().splitlines():
                if "Traceback" in line or " CRITICAL " in line or " ERROR " in line:
                    print("  ", line[:160])
        late = [(post.at - begin) for post in sandbox.world.timelines["facebook"]]
        first = [one for one in late if one < MINUTE]
        return first, [one % MINUTE for one in late if one >= MINUTE], channels * slots


def _config(url: str, channels: int, others: list[str], database: str) -> str:
    text = f"""database = "{database or "sqlite:///ledger.db"}"
[sources.store]
kind = "feed"
url = "{url}/feed.xml"
every = "1 hour"
allow_private_addresses = true
"""
    for number, other in enumerate(others):
        text += f'[sources.other{number}]\nkind = "feed"\n{other}\nallow_private_addresses = true\nevery = "1 minute"\n'
    for number in range(channels):
        text += f"""[channels.page{number}]
platform = "facebook"
api_url = "{url}"
page_id = "{1000 + number}"
access_token = "bench"
"""
    names = ", ".join(f'"page{number}"' for number in range(channels))
    text += f'[digests.all]\nsources = ["store"]\nchannels = [{names}]\nschedule = "* * * * *"\nbacklog = "all"\n'
    if others:
        more = ", ".join(f'"other{number}"' for number in range(len(others)))
        text += f'[digests.others]\nsources = [{more}]\nchannels = ["page0"]\nschedule = "0 0 1 1 *"\n'
    return text


def _start(file: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "digestbot", "-c", str(file), "run"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGESTBOT_")}
        return subprocess.Popen(command, cwd=ROOT, stderr=output, env=environment)


@contextmanager
def silent_server() -> Iterator[str]:
    """An address that takes a request and never answers."""
    ended = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ended.wait()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/feed.xml"
    finally:
        ended.set()
        server.shutdown()
