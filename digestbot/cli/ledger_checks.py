"""The findings of the command check about the ledger: its file, its clock, its slots and backlogs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from digestbot.cli.common import now_
from digestbot.cli.findings import Finding, checked
from digestbot.domain.model import Route

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digestbot.config import Config
    from digestbot.ledger import Ledger

CLOCKS = timedelta(seconds=1)  # by how much this machine's clock and that of the ledger's database may differ


def of_the_ledger(config: Config, ledger: Ledger) -> Iterator[Finding]:
    """Yield the findings about the configured ledger."""
    from digestbot.ledger import queries, revisions

    if ledger.file is not None and not ledger.file.exists():
        folder = ledger.file.parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            yield Finding("ledger", True, f"{ledger.file} will be created at the first run")
        else:
            yield Finding("ledger", False, f"{ledger.file} cannot be created: {folder} is not a writable folder")
        return

    def opens() -> str:
        ledger.try_writing()
        return "can be written"

    written = checked("ledger", opens)
    if not written.ok and "malformed" in written.detail:
        detail = f"is damaged, so nothing is posted: {written.detail}; restore a backup"
        written = Finding("ledger", False, detail)
    yield written
    if not written.ok:
        return
    with ledger.read() as tx:
        ready = revisions.current_revision(tx) is not None
    damage = ledger.check() if ready else []
    if damage:
        yield Finding("ledger", False, f"is damaged, so nothing is posted: {damage[0]}; restore a backup")
        return
    with ledger.read() as tx:
        troubles = queries.source_errors(tx) if ready else {}
        paused = queries.paused_channels(tx) if ready else {}
        before = now_()
        there = ledger.now(tx)
        difference = before - there
    for name, error in troubles.items():
        yield Finding(f"source {name}", False, error)
    for name, reason in paused.items():
        if name in config.channels:
            yield Finding(f"channel {name}", False, f"is paused: {reason}; to resume it: digestbot resume {name}")
    yield clock_finding("clock", "the ledger's database", difference, CLOCKS)
    if ready:
        with ledger.read() as tx:
            yield from _of_slots(config, tx)
            yield from _of_backlogs(config, tx)


def _of_slots(config: Config, tx: Connection) -> Iterator[Finding]:
    """Yield failures for slots that stay empty although they are scheduled: a clock that was ahead recorded them, or an
    alert about missed slots is undecided."""
    from digestbot.ledger import alerts, editions, revisions, schema

    if revisions.current_revision(tx) != schema.REVISION:
        return  # an older schema is upgraded at the next use
    recorded = editions.recorded_ahead(tx, now_())
    undecided = alerts.open_subjects(tx, alerts.MAKE_UP)
    for digest, channel in config.routes():
        dues = recorded.get(Route(digest, channel), ())
        if dues:
            last = max(dues).astimezone(config.zone(digest, channel))
            detail = (
                f"{len(dues)} to come, the last of {last:%Y-%m-%d %H:%M %Z}, will stay empty: a clock that was ahead "
                "recorded them. If the clock is right now: digestbot alerts"
            )
            yield Finding(f"slots of {digest} on {channel}", False, detail)
        if f"{digest} on {channel}" in undecided:
            detail = "all stay empty until you decide whether to catch up on missed slots: digestbot alerts"
            yield Finding(f"slots of {digest} on {channel}", False, detail)


def _of_backlogs(config: Config, tx: Connection) -> Iterator[Finding]:
    """Yield a warning for each digest whose ``backlog`` was changed after it was applied."""
    from digestbot.ledger import backlog, revisions, schema

    if revisions.current_revision(tx) != schema.REVISION:
        return
    wanted = {Route(*route): str(config.digests[route[0]].backlog) for route in config.routes()}
    for route, before in backlog.changed_policies(tx, wanted).items():
        detail = (
            f'backlog = "{wanted[route]}" has no effect any more: it was "{before}" when the digest first read its '
            f"sources. To change what is pending: digestbot backlog {route.digest} --take-in or --skip"
        )
        yield Finding(f"digest {route}, backlog", True, detail, warning=True)


def clock_finding(what: str, other: str, difference: timedelta, most: timedelta) -> Finding:
    """Return whether a clock agrees with this machine's; ``difference`` is how much this one is ahead."""
    seconds = difference.total_seconds()
    if abs(difference) <= most:
        return Finding(what, True, f"agrees with {other}'s")
    direction = "ahead of" if seconds > 0 else "behind"
    detail = f"this machine's clock is {abs(seconds):.0f} s {direction} {other}'s: let both follow a time server (NTP)"
    return Finding(what, True, detail, warning=True)
