"""Progress of long-running work: a bar on a terminal, plain lines elsewhere; both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

LINE_EVERY = 10.0  # seconds between plain lines
Step = Callable[[float | None, str], None]
"""Reports progress: the fraction done, from 0 to 1 (None if unknown), and the current step."""


@contextmanager
def progress(what: str, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> Iterator[Step]:
    """Yield a function that reports the progress of one piece of work. Work that ends quickly leaves no output;
    ``quiet`` suppresses all of it. ``clock`` returns seconds."""
    if quiet:
        yield lambda _done, _step: None
    elif sys.stderr.isatty():
        yield from _bar(what)
    else:
        yield from _lines(what, clock)


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Yield a function to call at each step of work whose number of steps is unknown."""
    steps = count(1)
    with progress(what, quiet=quiet) as step:
        yield lambda: step(None, f"step {next(steps)}")


def _bar(what: str) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[step]}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, step="")

        def step(done: float | None, text: str) -> None:
            shown.update(task, total=None if done is None else 1.0, completed=done or 0.0, step=text)

        yield step


def _lines(what: str, clock: Callable[[], float]) -> Iterator[Step]:
    last = clock()

    def step(done: float | None, text: str) -> None:
        nonlocal last
        if clock() - last >= LINE_EVERY:
            last = clock()
            far = f"{done:.0%} " if done is not None else ""
            print(f"{what}: {far}{text}".rstrip(), file=sys.stderr)

    yield step
