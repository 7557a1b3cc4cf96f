"""Commands for the person who answers for what appears: posts, pause, resume, db."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from digestbot.cli import OK, TROUBLE
from digestbot.cli.common import known_channel, load_config, now_, open_ledger
from digestbot.cli.progress import progress
from digestbot.errors import ConfigError, LedgerError
from digestbot.model import PostRow, PostStatus

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger

PAGE = 500  # posts to a transaction


@contextmanager
def existing(arguments: argparse.Namespace) -> Iterator[tuple[Config, Ledger]]:
    """The configuration and its ledger, which must be there already."""
    config = load_config(arguments)
    ledger = open_ledger(config)
    ledger.by_hand = True
    if ledger.file is not None and not ledger.file.exists():
        raise ConfigError([f"there is no ledger at {ledger.file} yet; digestbot run or once makes it"])
    try:
        if arguments.command != "db":
            from digestbot.ledger.database import OLDER
            from digestbot.schema import REVISION

            with ledger.read() as tx:
                if ledger.revision(tx) not in (None, REVISION):
                    raise LedgerError(OLDER)
        yield config, ledger
    finally:
        ledger.close()


def posts(arguments: argparse.Namespace) -> int:
    """What the ledger remembers, and what a person decides about it."""
    return {None: _list, "show": _show}.get(arguments.action, _resolve)(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from digestbot.cli import output

    try:
        statuses = [PostStatus(status) for status in arguments.status or ()]
    except ValueError:
        raise ConfigError([f"--status: one of {', '.join(PostStatus)}"]) from None
    with existing(arguments) as (config, ledger):
        rows = _pages(ledger, statuses, arguments)
        if arguments.json:
            output.json_rows(rows)
        else:
            output.post_table(rows)
            _print_months(config, ledger)
    return OK


def _print_months(config: Config, ledger: Ledger) -> None:
    """What each channel that costs something has cost this month."""
    from digestbot.cli import output
    from digestbot.costs import Account
    from digestbot.ledger import spending

    for channel in config.channels:
        if config.prices(channel):
            with ledger.read() as tx:
                account = Account(spending.spent(tx, channel, now_()), config.budget(channel))
            print(output.account_line(channel, account, now_()))


def _pages(ledger: Ledger, statuses: list[PostStatus], arguments: argparse.Namespace) -> Iterator[PostRow]:
    """The posts asked for, each page in a transaction of its own: a pager that stays open must not keep a lock."""
    from digestbot.ledger import views

    after = None
    while True:
        with ledger.read() as tx:
            if after is None:
                after = views.before_newest(tx, arguments.limit, statuses, arguments.channel, arguments.digest)
            page = views.post_rows(
                tx, statuses=statuses, channel=arguments.channel, digest=arguments.digest, after=after, most=PAGE
            )
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id


def _show(arguments: argparse.Namespace) -> int:
    from digestbot.cli import output
    from digestbot.ledger import views

    with existing(arguments) as (config, ledger), ledger.read() as tx:
        row = views.post_row(tx, arguments.id)
        attempts, looks = views.history(tx, arguments.id)
        changes = views.changes_of(tx, arguments.id)
        if arguments.json:
            more = {"history": attempts, "looks": looks, "changes": [output.post_json(change) for change in changes]}
            output.as_json(output.post_json(row) | more)
        else:
            output.post_history(row, attempts, looks, config.platform(row.channel))
            for change in changes:
                print(f"\n{change.action} by post {change.id}: {change.status} at {change.at:%Y-%m-%d %H:%M:%S} UTC")
    return OK


def _resolve(arguments: argparse.Namespace) -> int:
    from digestbot.cli import output
    from digestbot.publishers import publisher_for
    from digestbot.service.resolving import Resolver

    with existing(arguments) as (config, ledger):
        resolver = Resolver(config, ledger, lambda channel: publisher_for(config.channels[channel]))
        if arguments.action == "reopen":
            done = resolver.reopen(arguments.id)
        elif arguments.action == "retry" or arguments.retry:
            done = resolver.retry(arguments.id)
        elif arguments.skip:
            done = resolver.skip(arguments.id)
        else:
            done = resolver.published(arguments.id, arguments.published)
    output.resolution(done)
    return OK


def pause(arguments: argparse.Namespace) -> int:
    """Stop a channel."""
    from digestbot.ledger import channel_states

    with existing(arguments) as (config, ledger), ledger.begin() as tx:
        channel_states.pause(tx, known_channel(config, arguments.channel), arguments.reason, now_())
    print(f"channel {arguments.channel} is paused; to resume it: digestbot resume {arguments.channel}")
    return OK


def resume(arguments: argparse.Namespace) -> int:
    """Let a channel post again."""
    from digestbot.ledger import channel_states

    with existing(arguments) as (config, ledger), ledger.begin() as tx:
        channel_states.resume(tx, known_channel(config, arguments.channel))
    print(f"channel {arguments.channel} resumed")
    return OK


def db(arguments: argparse.Namespace) -> int:
    """Care for the ledger."""
    with existing(arguments) as (_, ledger):
        if arguments.action == "backup":
            with progress("copying the ledger", quiet=arguments.quiet) as step:
                ledger.backup(Path(arguments.file), lambda done: step(done, ""))
            print(f"wrote {arguments.file}: used as the ledger, it reads the platforms' timelines before it posts")
        elif arguments.action == "restored":
            ledger.mark_restored()
            print("each channel's timeline is read before the next post is sent on it, so nothing is posted twice")
        elif arguments.action == "upgrade":
            ledger.prepare()
            print("the ledger is up to date")
        else:
            problems = ledger.check()
            print("\n".join(problems) or "the ledger is sound")
            return TROUBLE if problems else OK
    return OK
