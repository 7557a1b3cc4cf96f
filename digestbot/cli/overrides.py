"""The commands summary and slot, which change the plan, and the commands that pause and resume channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digestbot.cli.act import add_action
from digestbot.operator.action_list import ACTIONS

if TYPE_CHECKING:
    from digestbot.cli.parser import Commands


def register(commands: Commands) -> None:
    """Register the commands of this module."""
    for group, help_ in (
        ("summary", "change what happens to one pending summary"),
        ("slot", "change one upcoming slot"),
    ):
        actions = commands.group(commands.add(group, help_, None, json=False), "actions")
        for name, action in ACTIONS.items():
            if action.group == group:
                add_action(actions, name)
    add_action(commands, "pause")
    add_action(commands, "resume")
    add_action(commands, "pause-all")
    add_action(commands, "resume-all")
