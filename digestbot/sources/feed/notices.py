"""Functions that run inside a transaction: what the operator should know about a feed, as alerts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import sqlalchemy as sa

from digestbot.ledger import alerts
from digestbot.ledger.intake import IngestResult
from digestbot.sources.fetch import redact_url

log = logging.getLogger(__name__)


def note_shared_keys(tx: sa.Connection, name: str, taken: IngestResult, now: datetime) -> None:
    """Raise an alert, once for the source, if entries have the identifier of a different one."""
    if not taken.shared_keys:
        return
    note = (
        "different entries have the same identifier (guid); digestbot tells them apart by link and title. If some are "
        f'missing or posted twice, set sources.{name}.identity to "link" or "title"'
    )
    if alerts.raise_once(tx, "identity", name, note, datetime.min.replace(tzinfo=UTC), now):
        log.warning("source %s: %s", name, note)


def note_move(tx: sa.Connection, name: str, url: str, moved_to: str | None, now: datetime) -> None:
    """Raise an alert if the server redirects for good; close it if it no longer does."""
    if moved_to is None or moved_to == url:
        alerts.close_alert(tx, "moved", name, now)
        return
    note = (
        f"it has moved to {redact_url(moved_to)}. digestbot follows, but the redirect may end: "
        f"digestbot sources {name} --accept-move writes the new URL to the configuration"
    )
    if alerts.open_alert(tx, "moved", name) is None:
        log.warning("source %s: %s", name, note)
    alerts.raise_alert(tx, "moved", name, note, now)
