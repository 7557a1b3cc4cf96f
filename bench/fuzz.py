"""`python -m bench.fuzz`: mutated feeds through the whole path, from bytes to ledger.

Half of the documents are mutated as what they are (items cut, doubled, moved, nested, fields emptied, huge, of other
scripts, entities, wrong encodings), half as bytes. Each goes through scan, parser and ledger of one process that goes
on and on, as the service's does. No crash, none over 2 s, the process under 300 MB, the ledger sound afterwards, and a
sound feed read right after it all. Every document comes from a seed; a failure names it."""

from __future__ import annotations

import argparse
import io
import logging
import random
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.common import feed

SECONDS, MEGABYTES = 2, 300
PIECES = [
    *("", "&", "<", "]]>", "<![CDATA[", "\x00", "\x0b", "\ud800", "&#0;", "&nbsp;", "&#x110000;", "<item>", "</item>"),
    *(
        "</channel>",
        "<!--",
        "<?xml?>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "é",
        "中文",
        "\U0001f600",
        "\u202e",
        "x" * 5000,
    ),
    *("&lt;b&gt;" * 300, "$\\frac{" * 200, "<a>" * 500, "http://[", "//", "10.1234/" + "y" * 3000, "..."),
]
FIELDS = ["title", "author", "description", "link", "guid", "pubDate", "shortscience:bibtexkey", "shortscience:votes"]


class TooSlow(Exception):
    """One document took longer than it may."""


def structured(draw: random.Random) -> bytes:
    """A feed with something wrong about it, put together from parts."""
    text = feed(draw.randrange(1, 8), seed=draw.randrange(99)).decode()
    head, *items = text.split("<item>")
    tail = "</channel>\n</rss>\n"
    items = [item.removesuffix(tail) for item in items]
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(items))
        name, piece = draw.choice(FIELDS), draw.choice(PIECES)
        match draw.randrange(9):
            case 0:
                items.insert(at, draw.choice(items))
            case 1:
                items[at] = items[at].replace(f"<{name}>", f"<{name}>{piece}", 1)
            case 2:
                items[at] = items[at].replace(f"<{name}>", "", 1)
            case 3:
                items[at] = items[at].replace(f"</{name}>", f"</{draw.choice(FIELDS)}>", 1)
            case 4:
                head = head.replace("UTF-8", draw.choice(["ISO-8859-1", "UTF-16", "x-nonsense", "", "ascii", "cp437"]))
            case 5:
                draw.shuffle(items)
            case 6:
                items[at] = f"{items[at]}<item>{draw.choice(items)}"
            case 7:
                head = head.replace("<channel>", draw.choice(["<channel><channel>", "", "<feed>", f"<channel>{piece}"]))
            case 8:
                tail = draw.choice(["", tail[:5], tail * 2, piece])
    return (head + "".join("<item>" + item for item in items) + tail).encode("utf-8", "surrogatepass")


def bytewise(draw: random.Random) -> bytes:
    """A feed in which bytes were changed, dropped, doubled or cut off."""
    body = bytearray(feed(draw.randrange(1, 5), seed=draw.randrange(99)))
    for _ in range(draw.randrange(1, 20)):
        at = draw.randrange(len(body))
        length = min(draw.choice([1, 1, 2, 8, 200]), len(body) - at)
        match draw.randrange(5):
            case 0:
                body[at] = draw.randrange(256)
            case 1:
                del body[at : at + length]
            case 2:
                body[at:at] = body[at : at + length] * draw.choice([1, 2, 50])
            case 3:
                body[at:at] = draw.randbytes(length)
            case 4 if len(body) > 100:
                del body[max(at, 50) :]
        if not body:
            return b""
    return bytes(body)


def service(folder: str) -> Any:
    from digestbot import config
    from digestbot.ledger import Ledger
    from digestbot.pipeline.app import Service

    settings = config.build({"sources": {"store": {"kind": "feed", "url": "http://example.org/rss.xml"}}})
    running = Service(settings, Ledger(f"sqlite:///{folder}/ledger.db"), lambda: datetime(2026, 11, 23, tzinfo=UTC))
    running.prepare()
    return running


def read(running: Any, body: bytes) -> int:
    """Through everything that comes after the fetch; gives how many items were new, -1 for a refused document."""
    from digestbot.domain.errors import SourceError
    from digestbot.ledger import source_states
    from digestbot.sources.fetch import Fetched

    with running.ledger.begin() as tx:
        state = source_states.claim_poll(tx, "store", timedelta(minutes=15), running.clock(), at_once=True)
    fetched = Fetched(io.BytesIO(body), len(body), b"", "application/rss+xml", None, None)
    try:
        return int(running.poller.source("store").take_in(fetched, state, state).new)
    except SourceError:
        return -1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    logging.getLogger("digestbot").setLevel(logging.CRITICAL)  # thousands of complaints, each as it should be
    failures, refused, slowest = [], 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        running = service(folder)
        for number in range(arguments.documents):
            seed = arguments.seed * 1_000_003 + number
            body = (structured if number % 2 else bytewise)(random.Random(seed))
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            start = time.monotonic()
            try:
                refused += read(running, body) < 0
            except TooSlow:
                failures.append((seed, "hangs"))
            except Exception as error:  # noqa: BLE001 - what this looks for
                failures.append((seed, repr(error)[:200]))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            slowest = max(slowest, time.monotonic() - start)
        status = Path("/proc/self/status").read_text(encoding="ascii")
        megabytes = int(status.partition("VmHWM:")[2].split()[0]) // 1000
        damage = running.ledger.check()
        sound = read(running, feed(50, seed=7)) + read(running, feed(50, seed=7))
    print(
        f"fuzz: {arguments.documents} documents, seed {arguments.seed}: {refused} refused, {len(failures)} crashed or "
        f"hung, slowest {slowest:.2f} s (limit {SECONDS}), {megabytes} MB (limit {MEGABYTES}), "
        f"ledger {damage or 'sound'}"
    )
    for seed, what in failures[:20]:
        print(f"  seed {seed}: {what}")
    if failures or damage or sound < 0 or megabytes > MEGABYTES:
        sys.exit(1)


if __name__ == "__main__":
    main()
