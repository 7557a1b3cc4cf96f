"""The option --test of the command send: post a harmless line, and delete it again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE
from digestbot.cli.common import known_channel, load_config, now_, open_service

if TYPE_CHECKING:
    from digestbot.pipeline.app import Service
    from digestbot.platforms.base import Publisher

SECONDS = 60.0  # for one call


def send_test(arguments: argparse.Namespace) -> int:
    """Post a line on a channel and delete it again; return the exit code. Its cost counts towards the month's budget.

    Raises PublishError if nothing was posted.
    """
    from digestbot.cli import output
    from digestbot.domain.budget import FREE, dollars, estimate
    from digestbot.domain.errors import PublishError
    from digestbot.domain.model import Message
    from digestbot.domain.time_format import local_time
    from digestbot.platforms.error_catalogue import with_channel
    from digestbot.platforms.registry import publisher_for

    config = load_config(arguments)
    channel = known_channel(config, arguments.test)
    at = local_time(now_(), config.timezone, seconds=True)
    message = Message(f"digestbot: this is a test of {at}, and will be deleted.")
    prices = config.prices(channel) or FREE
    publisher = publisher_for(config.channels[channel])
    with open_service(config) as service:
        try:
            receipt = publisher.publish(message, reply_to=None, seconds=SECONDS, may_send=lambda: True)
        except PublishError as error:
            raise type(error)(with_channel(str(error), channel)) from error
        cost = estimate(message, prices)
        if not arguments.json:
            print(f"posted {receipt.url}", flush=True)
        left = _delete(publisher, receipt.id)
        cost += 0 if left else prices.delete
        _record(service, channel, cost)
    if arguments.json:
        output.print_json({"channel": channel, "url": receipt.url, "deleted": not left, "cost": cost / 1_000_000})
    else:
        print(f"it could not be deleted: {left}. Delete it yourself" if left else "deleted it again")
        print(f"cost: {dollars(cost)} (estimate)" if cost else "cost: nothing")
    return TROUBLE if left else OK


def _delete(publisher: Publisher, receipt: str) -> str:
    """Delete the post; return why that failed, empty if it did not."""
    from digestbot.domain.errors import PublishError

    try:
        publisher.delete(receipt, seconds=SECONDS, may_send=lambda: True)
    except PublishError as error:
        return str(error)
    return ""


def _record(service: Service, channel: str, cost: int) -> None:
    from digestbot.ledger import timeline_checks

    with service.ledger.begin() as tx:
        now = service.ledger.now(tx)
        timeline_checks.record_check(tx, channel, "a test post", 0, cost, now, sound=False)
