"""A service that posts as time passes, and what is on the timelines then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from digestbot.domain.model import PostRow
from digestbot.ledger import Ledger, delivery, queries
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.jobs import CHANNELS
from digestbot.sandbox import Sandbox
from helpers.basics import Clock, Feed

Make = Callable[..., Service]
PLATFORMS = {"x": "twitter", "page": "facebook"}
both = pytest.mark.parametrize("channel", PLATFORMS)
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the code is the same on either


def rows(service: Service) -> list[PostRow]:
    with service.ledger.read() as tx:
        return list(queries.post_rows(tx))


def timeline(sandbox: Sandbox, channel: str) -> list[str]:
    return [
        post.text
        for post in (sandbox.world.timelines["twitter"] if channel == "x" else sandbox.world.timelines["facebook"])
    ]


def live(service: Service, clock: Clock, hours: float, *, step: float = 10, plan: bool = False) -> None:
    """Deliver for so long whenever something is due, at least every ``step`` minutes; with ``plan`` do all else that is
    due, too."""
    end = clock.now + timedelta(hours=hours)
    while clock.now < end:
        if plan:
            service.tick()
            dues = [job.next_due() for job in service.jobs() if job.group == CHANNELS]
        else:
            with service.ledger.begin() as tx:
                delivery.expire(tx, service.config.delivery.lease, clock())
            for channel in service.config.channels:
                service.delivery_worker.publish(channel, Report())
            dues = [service.delivery_worker.next_due(channel) for channel in service.config.channels]
        # what is still overdue waits for something that no time is known of
        coming = [due for due in dues if due is not None and due > timedelta(0)]
        clock.now += max(timedelta(seconds=5), min([*coming, timedelta(minutes=step), end - clock.now]))


def published(make_service: Make, feed: Feed, clock: Clock, channel: str, count: int = 1, **digest: object) -> Service:
    """A service that has published one post, with others to come."""
    for number in range(count + 1):
        feed.add(number)
    service = make_service(channels=[channel], **digest)
    service.tick()
    clock.forward(hours=1)
    service.tick()
    assert len(rows(service)) == 1
    return service


def due(clock: Clock) -> None:
    """Time passes to the next slot."""
    clock.forward(hours=4)


def reopened(service: Service, clock: Clock, url: str | None = None, **changes: object) -> Service:
    """Another process over the ledger (or another), as after a restart."""
    where = url or service.ledger.engine.url.render_as_string(hide_password=False)
    fresh = Service(service.config.model_copy(update=changes), Ledger(where, clock=clock), clock)
    fresh.prepare()
    return fresh
