"""One process that publishes what is in the ledger, until it is killed: the service itself, or as a control one of the
two naive orders, or the service with one of its rules taken out.

`python -m bench.faults.worker URL DATABASE STRATEGY [once]`, or `serve` instead of DATABASE to fork workers at
once as lines "DATABASE STRATEGY" arrive, each answered with the new process's number.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from digestbot import config as configuration
from digestbot.config import Config, Delivery
from digestbot.domain import reconciliation, retry
from digestbot.domain.errors import LedgerChanged
from digestbot.domain.model import Message, Receipt, TimelinePost
from digestbot.infra import http_client
from digestbot.ledger import Ledger, connections, delivery, schema
from digestbot.ledger.schema import posts
from digestbot.pipeline import pre_send_check, timeline_reader
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.jobs import run_all
from digestbot.platforms.registry import publisher_for

LEASE, QUIET = timedelta(seconds=1.5), timedelta(seconds=2)
CHANNELS = ("x", "page")
NAIVE = ("mark-after", "mark-before")
CUT_IDLE = 3  # seconds after which the database ends a session that is idle in a transaction


def scale_time() -> None:
    """Shorten what is counted in minutes."""
    reconciliation.EARLY_LOOKS = (timedelta(seconds=0.2), timedelta(seconds=0.6))
    retry.FIRST_WAIT = retry.RATE_LIMIT_WAIT = timedelta(seconds=0.3)
    retry.LONGEST_RATE_LIMIT = timedelta(seconds=1)
    # the ledger ignores waits that end later than this: it has to be longer than any of RESEND_AFTER, as it really is
    vars(delivery)["LONGEST_RATE_LIMIT"] = timedelta(seconds=5)
    retry.LONGEST_WAIT = timedelta(seconds=1)
    retry.LONGEST_GUESS = retry.ASIDE = retry.SECOND_TRY = timedelta(seconds=0.5)
    reconciliation.RESEND_AFTER = (timedelta(0), timedelta(seconds=2.5), timedelta(seconds=4))
    reconciliation.RECHECKS = (timedelta(seconds=1), timedelta(seconds=2))
    delivery.CLOCK_STEP = timedelta(seconds=1)
    connections.POSTGRESQL_OPTIONS = connections.POSTGRESQL_OPTIONS.replace(
        "session_timeout=25s", f"session_timeout={CUT_IDLE}s"
    )
    http_client.USER_TIMEOUT_MS = 1000


def take_out(rule: str) -> None:
    """Take a rule out of the service, as a control that must fail."""
    if rule == "no-witness":  # whatever a timeline shows is believed
        reader: Any = timeline_reader.TimelineReader
        read_once = reader._read_once

        def believing(self: Any, *arguments: Any) -> tuple[reconciliation.TimelineReading, bool]:
            reading, _ = read_once(self, *arguments)
            return replace(reading, trouble=""), False

        reader._read_once = believing
    if rule == "by-link":  # the same link is as good as the same text
        matches = reconciliation.matches

        def either(
            message: Message, posts: Sequence[TimelinePost], since: datetime | None = None
        ) -> tuple[list[TimelinePost], list[TimelinePost]]:
            same_text, same_links = matches(message, posts, since)
            return same_text or same_links, []

        reconciliation.matches = either
        vars(pre_send_check)["matches"] = either
    if rule == "old":  # a process of an earlier release
        schema.REVISION = "0000"


def settings(url: str) -> Config:
    """Two channels on the sandbox; the source is never polled, the harness fills the ledger."""
    secrets = dict.fromkeys(("api_key", "api_secret", "access_token_secret"), "bench")
    built = configuration.build(
        {
            "sources": {"store": {"kind": "feed", "url": f"{url}/rss-full.xml", "allow_private_addresses": True}},
            "channels": {
                "x": {"platform": "twitter", "access_token": "100-bench", **secrets},
                "page": {"platform": "facebook", "page_id": "200", "access_token": "bench"},
            },
            "digests": {"all": {"sources": ["store"], "channels": list(CHANNELS), "schedule": "0 0 1 1 *"}},
        }
    )
    # past the checks: a lease so short, and a sandbox across a link, are nothing for an operator
    channels = {name: channel.model_copy(update={"api_url": url}) for name, channel in built.channels.items()}
    delivery = Delivery.model_construct(lease=LEASE, quiet_period=QUIET)
    return built.model_copy(update={"delivery": delivery, "channels": channels})


def now() -> datetime:
    return datetime.now(UTC)


def work(url: str, database: str, strategy: str, *, once: bool = False) -> None:
    """Publish until killed, or one round with ``once``."""
    take_out(strategy)
    ledger = Ledger(database, clock=now if strategy == "local-clocks" else None)
    config = settings(url)
    stopping = [False]
    signal.signal(signal.SIGTERM, lambda *_: stopping.__setitem__(0, True))
    service = Service(config, ledger, now, stopping=lambda: stopping[0])
    naive = {name: publisher_for(config.channels[name]) for name in CHANNELS} if strategy in NAIVE else {}
    while not stopping[0]:
        try:
            if strategy not in NAIVE:
                one_round(service, 1 if once else len(CHANNELS))
            else:
                for channel in CHANNELS:
                    publish_naively(ledger, channel, naive[channel], strategy)
        except LedgerChanged as error:  # `run` ends
            print(error, file=sys.stderr)
            return
        except Exception as error:  # noqa: BLE001 - the ledger is locked or full, the control's call failed
            print(type(error).__name__, error, file=sys.stderr)
        if once:
            return
        select.select([], [], [], 0.03)  # time.sleep fails where libfaketime has just put the clock back


def one_round(service: Service, threads: int) -> None:
    """A tick of the service without its poll and its slots; the channels each in a thread, as in the service."""
    with service.ledger.begin() as tx:
        delivery.expire(tx, LEASE, service.ledger.now(tx))
    publish = service.delivery_worker.publish
    run_all([partial(publish, channel, Report()) for channel in CHANNELS], threads, service.runtime.stopping)


def publish_naively(ledger: Ledger, channel: str, publisher: object, strategy: str) -> None:
    """The controls: mark the post after the call, or before it."""
    with ledger.begin() as tx:
        row = tx.execute(
            posts.select().where(posts.c.channel == channel, posts.c.status == "pending").order_by(posts.c.id).limit(1)
        ).first()
        if row is None:
            return
        if strategy == "mark-before":
            mark(tx, row.id)
    receipt: Receipt = publisher.publish(  # type: ignore[attr-defined]
        Message(row.text, row.link), reply_to=None, seconds=1, may_send=lambda: True
    )
    assert receipt.id
    if strategy == "mark-after":
        with ledger.begin() as tx:
            mark(tx, row.id)


def mark(tx: object, post: int) -> None:
    values = {"status": "published", "receipt_id": f"post-{post}"}
    tx.execute(posts.update().where(posts.c.id == post).values(**values))  # type: ignore[attr-defined]


def serve(url: str) -> None:
    """Fork a worker for every line, so that one costs milliseconds."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for channel in CHANNELS:
        publisher_for(settings(url).channels[channel])  # imports
    for line in sys.stdin:
        database, strategy = line.split()
        pid = os.fork()
        if pid == 0:
            work(url, database, strategy)
            os._exit(0)
        print(pid, flush=True)


def main() -> None:
    scale_time()
    url, database, *rest = sys.argv[1:]
    if database == "serve":
        serve(url)
    else:
        work(url, database, rest[0], once="once" in rest)


if __name__ == "__main__":
    main()
