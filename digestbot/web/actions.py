"""Operator actions on the pages, with the message for the next page and the way to undo them."""

from __future__ import annotations

from collections.abc import Mapping

from digestbot.operator.actions import perform
from digestbot.web.app_state import AppState, Flash


def act(app_state: AppState, name: str, fields: Mapping[str, str]) -> Flash:
    """Perform an action and return the message for the next page. Raises DigestbotError if it cannot be performed."""
    with app_state.service() as service:
        outcome = perform(service, name, fields)
    summary = fields.get("summary", "")
    app_state.changed(fields.get("channel") or None, int(summary) if summary.isdecimal() else None)
    message = " ".join([outcome.message, *(f"{label}: “{text}”" for label, text in outcome.texts.items())])
    return Flash(message, bad=outcome.unfinished, undo=outcome.undo, fields=outcome.undo_arguments)
