"""The command alerts: list the alerts that need the operator's decision, or decide one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from digestbot.cli import OK
from digestbot.cli.act import add_action
from digestbot.cli.common import open_existing

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    command = commands.add("alerts", "list the alerts that need your decision, or decide one", list_alerts)
    group = commands.group(command, "your decision on one alert", required=False)
    add_action(group, "confirm-alert")
    add_action(group, "dismiss-alert")


def list_alerts(arguments: argparse.Namespace) -> int:
    """Print the open alerts; return the exit code."""
    from digestbot.cli import output
    from digestbot.ledger import alerts

    with open_existing(arguments) as (config, ledger), ledger.read() as tx:
        open_alerts = alerts.open_alerts(tx)
    if arguments.json:
        output.print_json([output.alert_json(alert) for alert in open_alerts])
    else:
        print("\n".join(output.alert_line(alert, config.timezone) for alert in open_alerts) or "no open alerts")
    return OK
