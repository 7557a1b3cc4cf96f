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
from digestbot.model import PostRow, PostStatus, Receipt

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger

PAGE = 500  # posts to a transaction


@contextmanager
def existing(arguments: argparse.Namespace) -> Iterator[tuple[Config, Ledger]]:
    """The configuration and its ledger, which must be there already."""
    config = load_config(arguments)
    ledger = open_ledger(config)
    if ledger.file is not None and not ledger.file.exists():
        raise ConfigError([f"there is no ledger at {ledger.file} yet; digestbot run or once makes it"])
    try:
        if arguments.command != "db":
            from digestbot.schema import REVISION

            with ledger.read() as tx:
                if ledger.revision(tx) not in (None, REVISION):
                    raise LedgerError(
                        "the ledger is an older digestbot's: bring it up to date with digestbot db upgrade"
                    )
        yield config, ledger
    finally:
        ledger.close()


def posts(arguments: argparse.Namespace) -> int:
    """What the ledger remembers, and what a person decides about it."""
    return {None: _list, "show": _show, "resolve": _resolve, "retry": _resolve}[arguments.action](arguments)


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
    from digestbot.ledger import decisions, views
    from digestbot.publishers import publisher_for

    with existing(arguments) as (config, ledger), ledger.begin() as tx:
        row = views.post_row(tx, arguments.id)
        receipt: Receipt | None = None
        decision = PostStatus.PENDING
        if arguments.action == "resolve" and arguments.published:
            decision = PostStatus.PUBLISHED
            try:
                receipt = publisher_for(config.channels[row.channel]).receipt(arguments.published)
            except ValueError as error:
                raise ConfigError([f"--published: {error}"]) from error
        elif arguments.action == "resolve" and arguments.skip:
            decision = PostStatus.SKIPPED
        before = decisions.resolve(tx, arguments.id, decision, receipt, now_())
    print(f"post {arguments.id}: {before} -> {decision}" + (f" as {receipt.url}" if receipt else ""))
    return OK


def pause(arguments: argparse.Namespace) -> int:
    """Stop a channel."""
    from digestbot.ledger import decisions

    with existing(arguments) as (config, ledger), ledger.begin() as tx:
        decisions.pause(tx, known_channel(config, arguments.channel), arguments.reason, now_())
    print(f"channel {arguments.channel} is paused; digestbot resume {arguments.channel} lets it go on")
    return OK


def resume(arguments: argparse.Namespace) -> int:
    """Let a channel go on."""
    from digestbot.ledger import decisions

    with existing(arguments) as (config, ledger), ledger.begin() as tx:
        decisions.resume(tx, known_channel(config, arguments.channel))
    print(f"channel {arguments.channel} goes on")
    return OK


def db(arguments: argparse.Namespace) -> int:
    """Care for the ledger."""
    with existing(arguments) as (_, ledger):
        if arguments.action == "backup":
            with progress("copying the ledger", quiet=arguments.quiet) as step:
                ledger.backup(Path(arguments.file), now_(), lambda done: step(done, ""))
            print(f"wrote {arguments.file}: when it is used as the ledger, it looks at the platforms before it posts")
        elif arguments.action == "restored":
            ledger.mark_restored(now_())
            print("from now on each post is looked for on its platform before it is sent, for 30 days")
        elif arguments.action == "upgrade":
            ledger.prepare()
            print("the ledger is up to date")
        else:
            problems = ledger.check()
            print("\n".join(problems) or "the ledger is sound")
            return TROUBLE if problems else OK
    return OK
