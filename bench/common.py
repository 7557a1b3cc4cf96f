"""Feeds in the store's format, a server for them, and CPU time of whole processes."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    import sqlalchemy as sa

    from digestbot.domain.model import Summary

ROOT = Path(__file__).parent.parent
FORMULAS = [
    r"$\mathcal{O}(n \log n)$",
    r"$x_{t+1} = x_t - \alpha \nabla f(x_t)$",
    r"$\frac{1}{n}\sum_{i=1}^n \ell(x_i)$",
    r"$\hat m_t / (\sqrt{\hat v_t} + \epsilon)$",
    r"$\mathbb{E}_{x \sim p}[\log D(x)]$",
    r"$p(y \mid x)$",
    r"$\|w\|_2^2$",
    r"$\beta_1 = 0.9$",
]
PROSE = (
    "the model learns features of images and text by gradient descent on a loss over pairs while baselines need "
    "more data to reach similar accuracy so results suggest attention helps although ablations are missing here"
)


def feed(items: int, *, seed: int = 1, built: str = "Mon, 02 Nov 2026 08:00:00 +0000") -> bytes:
    """About 2 kB an item: headings, emphasis, lists, and in two of five items a few formulas. No two formulas
    are written alike, as in a real store."""
    draw, vocabulary = random.Random(seed), PROSE.split()
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss xmlns:shortscience="http://www.shortscience.org" version="2.0">\n'
        f"<channel>\n <title>Summaries</title>\n <link>http://www.shortscience.org</link>\n <lastBuildDate>{built}"
        "</lastBuildDate>"
    )
    parts = [head]
    for number in range(items):
        body = _body(number, draw, vocabulary)
        key = f"conf/bench/Paper{number}"
        link = f"http://www.shortscience.org/paper?bibtexKey={key}#reader{number % 200}"
        parts.append(
            f"<item>\n\t<shortscience:bibtexkey>{key}</shortscience:bibtexkey>\n\t<shortscience:votes>{number % 9 + 2}"
            f"</shortscience:votes>\n\t<title>A Paper of Number {number} on Learning</title>\n  \t  \t<author>Reader "
            f"{number % 200}</author>\n\t\t\t\t<description>{escape(body)}"
            f"</description>\n\t\t<link>{link}</link>\n\t<guid>{link}</guid>\n\t<pubDate>Sun, 01 Nov 2026 "
            f"{number // 60 % 24:02}:{number % 60:02}:00 +0000</pubDate>\n</item>"
        )
    return ("\n".join(parts) + "\n</channel>\n</rss>\n").encode()


def feed_body(number: int) -> str:
    """One summary's text."""
    return _body(number, random.Random(number), PROSE.split())


def _body(number: int, draw: random.Random, vocabulary: list[str]) -> str:
    paragraphs = []
    for part in range(5):
        words = [draw.choice(vocabulary) for _ in range(60)]
        words[0] = words[0].capitalize()
        words[30] = f"*{words[30]}*"
        words[45] += "."
        if number % 5 < 2:
            words[20] = draw.choice(FORMULAS).replace("}", f"}}{draw.randrange(10)}", 1)
        paragraphs.append(" ".join(words) + ".")
        if part == 1:
            paragraphs.append("## Method\n\n* **first** point\n* second point")
    return "\n".join(paragraph + "\n" for paragraph in paragraphs)


@contextmanager
def served(body: bytes, etag: str | None = None) -> Iterator[str]:
    """The feed's address on a server in this process."""
    from digestbot.sandbox import Answer, Sandbox  # here, so that what is measured does not import it

    def answer(request: object) -> Answer:
        if etag and getattr(request, "headers", {}).get("if-none-match") == etag:
            return Answer(304, b"")
        return Answer(200, body, {"ETag": etag} if etag else {}, "application/rss+xml; charset=utf-8")

    with Sandbox(documents={"/rss-full.xml": answer}) as sandbox:
        yield f"{sandbox.url}/rss-full.xml"


def up_next(tx: sa.Connection, digest: str, channel: str, most: int, now: datetime) -> list[Summary]:
    """What a digest without filters would take next, oldest first."""
    from digestbot.domain.filters import DigestFilters
    from digestbot.domain.model import Order
    from digestbot.domain.schedule import CandidateQueue
    from digestbot.ledger import backlog, candidates

    while backlog.apply_filters(tx, digest, channel, DigestFilters().verdict):
        pass
    found = candidates.candidates(tx, digest, channel, Order.OLDEST, DigestFilters(), now, now, most)
    return [one.summary for one in CandidateQueue(found).choose(most, now, None, one_per_paper=False)]


def child(*arguments: str) -> tuple[float, int]:
    """CPU seconds (user and system) and peak memory in kB of one Python process of its own."""
    # an installed program has its bytecode: let the warm-up run write it, whatever this shell says
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def paired(one: Callable[[], float], other: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """Medians of both, run in turn after a warm-up, and of their ratio pair by pair."""
    one(), other()
    pairs = [(one(), other()) for _ in range(runs)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )
