"""One process that publishes what is in the ledger, until it is killed: the service itself, or one of the two naive
ways as a control.

`python -m bench.faults.worker URL DATABASE STRATEGY [once]`, or `serve` instead of DATABASE to fork workers at
once as lines "DATABASE STRATEGY" arrive, each answered with the new process's number.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

from digestbot import config as configuration
from digestbot import net, reconcile, retry
from digestbot.config import Config, Delivery
from digestbot.ledger import Ledger
from digestbot.model import Message, Receipt
from digestbot.publishers import publisher_for
from digestbot.schema import posts
from digestbot.service import Report, Service

LEASE, QUIET = timedelta(seconds=1.5), timedelta(seconds=2)
CHANNELS = ("x", "page")


def scale_time() -> None:
    """Shorten what is counted in minutes."""
    reconcile.EARLY_LOOKS = (timedelta(seconds=0.2), timedelta(seconds=0.6))
    retry.FIRST_WAIT = retry.RATE_LIMIT_WAIT = timedelta(seconds=0.3)
    retry.LONGEST_RATE_LIMIT = timedelta(seconds=1)
    retry.LONGEST_WAIT = timedelta(seconds=1)
    net.USER_TIMEOUT_MS = 1000


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
    ledger = Ledger(database)
    config = settings(url)
    stopping = [False]
    signal.signal(signal.SIGTERM, lambda *_: stopping.__setitem__(0, True))
    service = Service(config, ledger, now, stopping=lambda: stopping[0])
    naive = {name: publisher_for(config.channels[name]) for name in CHANNELS} if strategy != "digestbot" else {}
    while not stopping[0]:
        try:
            if strategy == "digestbot":
                one_round(service)
            else:
                for channel in CHANNELS:
                    publish_naively(ledger, channel, naive[channel], strategy)
        except Exception as error:  # noqa: BLE001 - the ledger is locked or full, the control's call failed
            print(type(error).__name__, error, file=sys.stderr)
        if once:
            return
        time.sleep(0.03)


def one_round(service: Service) -> None:
    """A tick of the service without its poll and its slots."""
    from digestbot.ledger import delivery

    with service.ledger.begin() as tx:
        delivery.expire(tx, LEASE, now())
    for channel in CHANNELS:
        service.delivery_worker.publish(channel, Report())


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
