"""The command sources: each source with what its last poll read, and what it left out and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from digestbot.cli import OK
from digestbot.cli.common import now_, open_existing
from digestbot.domain.time_format import local_time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from digestbot.cli.parser import Commands
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.ledger.source_states import SourceOverview

MOST_HELD = 10  # held entries that are listed


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("sources", "list each source with its last poll: what was read, and what was dropped", list_)
    command.add_argument("source", metavar="SOURCE", nargs="?", help="only this one, with the entries that are held")
    command.add_argument(
        "--accept-move", action="store_true", help="write the URL to which the source has moved to the configuration"
    )


def list_(arguments: argparse.Namespace) -> int:
    """Print the sources, or write a source's new URL to the configuration; return the exit code."""
    from digestbot.cli import output
    from digestbot.domain.errors import ConfigError
    from digestbot.ledger import source_states

    with open_existing(arguments) as (config, ledger):
        if arguments.source is not None and arguments.source not in config.sources:
            raise ConfigError(
                [f"there is no source {arguments.source!r}; known: {', '.join(config.sources) or 'none'}"]
            )
        if arguments.accept_move:
            return _accept_move(config, ledger, arguments.source)
        names = [arguments.source] if arguments.source else list(config.sources)
        with ledger.read() as tx:
            rows = {name: source_states.source_overview(tx, name) for name in names}
        held = _held(ledger, names[0]) if arguments.source else []
    if arguments.json:
        output.print_json([_json(name, row, held) for name, row in rows.items()])
    else:
        zone = config.timezone
        print("\n".join(line for name, row in rows.items() for line in _lines(name, row, zone)) or "no sources")
        for one in held:
            print(f"  held: {one['dated']}  {one['title']}  {one['link']}")
    return OK


def _lines(name: str, row: SourceOverview, zone: ZoneInfo) -> list[str]:
    from digestbot.sources.fetch import redact_url

    if row.next_poll_at is None:
        return [f"{name}: not polled yet"]
    state = f"failing: {row.error} ({row.failures} in a row)" if row.failures else "OK"
    lines = [f"{name}: {state}", f"  {row.known} known; next poll {local_time(row.next_poll_at, zone)}"]
    if row.last_poll is not None:
        poll = row.last_poll
        from datetime import datetime

        counts = ", ".join(f"{poll[key]} {key}" for key in ("new", "changed", "unchanged", "withdrawn", "dropped"))
        early = f", {poll['early']} wait for their date" if poll["early"] else ""
        early += f", {poll['repeated']} repeated" if poll["repeated"] else ""
        at = local_time(datetime.fromisoformat(poll["at"]), zone)
        entries = "1 entry" if poll["entries"] == 1 else f"{poll['entries']} entries"
        lines.append(f"  last read {at}: {entries}: {counts}{early}")
        lines += [f"  dropped: {example}" for example in poll["examples"]]
        if poll["dropped"] > len(poll["examples"]) > 0:
            lines.append(f"  dropped: and {poll['dropped'] - len(poll['examples'])} more")
    if row.moved_to:
        lines.append(f"  moved to {redact_url(row.moved_to)}: digestbot sources {name} --accept-move")
    if row.held:
        lines.append(f"  {row.held} old entries arrived at once and are held: digestbot alerts")
    return lines


def _json(name: str, row: SourceOverview, held: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "source": name,
        "known": row.known,
        "next_poll_at": row.next_poll_at,
        "failures": row.failures,
        "error": row.error,
        "moved_to": row.moved_to,
        "last_poll": row.last_poll,
        "held": row.held,
        "held_entries": held,
    }


def _held(ledger: Ledger, source: str) -> list[dict[str, Any]]:
    from digestbot.ledger import alerts, arrivals
    from digestbot.text import plain_title

    with ledger.read() as tx:
        alert = alerts.open_alert(tx, arrivals.ARRIVAL, source)
        rows = arrivals.held_summaries(tx, source, alert, MOST_HELD) if alert is not None else []
    return [
        {
            "dated": f"{one.dated:%Y-%m-%d}" if one.dated else None,
            "title": plain_title(one.paper.title),
            "link": one.link,
        }
        for one in rows
    ]


def _accept_move(config: Config, ledger: Ledger, name: str | None) -> int:
    """Write the source's new URL to the configuration file, and keep what is known about it."""
    from digestbot.config.writer import replace_text
    from digestbot.domain.errors import ConfigError
    from digestbot.ledger import source_states

    if name is None:
        raise ConfigError(["name the source: digestbot sources SOURCE --accept-move"])
    with ledger.read() as tx:
        target = source_states.source_overview(tx, name).moved_to
    if target is None:
        raise ConfigError([f"source {name} has not moved, as far as its last poll shows"])
    assert config.path is not None  # noqa: S101 - it was loaded from a file
    before = str(config.sources[name].content_identity())
    kept = replace_text(config.path, before, target, now_())
    with ledger.begin() as tx:
        source_states.accept_move(tx, name, before, target, now_())
    print(f"{config.path}: sources.{name}.url is now {target}; the previous version is {kept}")
    return OK
