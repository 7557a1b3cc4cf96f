"""The jobs of a service: one for each polled source, one for each channel, one for upkeep, one for alerts.

Each job does what is due, and says how long it is until something is due again. Jobs may run at the same time, but no
job runs twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from digestbot.config import Config
from digestbot.pipeline.report import Report

UPKEEP_EVERY = timedelta(seconds=5)
SLACK = timedelta(minutes=1)  # added to a job's own deadlines before it counts as overrunning

SOURCES, UPKEEP, CHANNELS, ALERTS = "sources", "upkeep", "channels", "alerts"  # groups; UPKEEP and ALERTS are jobs too


def source_job(source: str) -> str:
    """Return the name of a source's job."""
    return f"source {source}"


def channel_job(channel: str) -> str:
    """Return the name of a channel's job."""
    return f"channel {channel}"


@dataclass(frozen=True)
class Job:
    """A part of the service's work that waits for no other part.

    ``run`` does what is due and returns the names of the jobs that may have something to do now. ``next_due`` returns
    how long until something is due, negative if it is overdue, None if no time is known. ``patience`` is how long
    ``run`` may go without a sign of progress. ``group`` names the pool of threads that runs it.
    """

    name: str
    group: str
    run: Callable[[Report], Collection[str]]
    next_due: Callable[[], timedelta | None]
    patience: timedelta


def patience_of_source(config: Config, source: str) -> timedelta:
    """Return how long a poll of the source, or of its reserve, may go without a sign of progress."""
    reserve = config.sources[source].reserve()
    slowest = max(config.sources[name].patience() for name in (source, reserve) if name in config.sources)
    return slowest + SLACK


def polled_sources(config: Config) -> list[str]:
    """Return the sources that have jobs. A reserve has none: it is read only when another source needs it."""
    reserves = config.backfill_sources()
    return [name for name in config.sources if name not in reserves]


def job_names(config: Config) -> list[str]:
    """Return the names of all jobs."""
    return [UPKEEP, *map(source_job, polled_sources(config)), *map(channel_job, config.channels), ALERTS]


def readers_of(config: Config, source: str) -> list[str]:
    """Return the names of the jobs of the channels that publish a digest of the source."""
    routes = config.routes()
    channels = dict.fromkeys(channel for digest, channel in routes if source in config.digests[digest].sources)
    return [channel_job(channel) for channel in channels]


def run_all(tasks: Iterable[Callable[[], object]], threads: int, stopping: Callable[[], bool]) -> None:
    """Run each task, up to ``threads`` at a time, and wait for all of them. Begin none once ``stopping`` returns True.

    If a task raises an exception, it is raised immediately if ``threads`` is 1, otherwise after all tasks have ended.
    """

    def run(task: Callable[[], object]) -> None:
        if not stopping():
            task()

    if threads == 1:
        for task in tasks:
            run(task)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        for future in [pool.submit(run, task) for task in tasks]:
            future.result()
