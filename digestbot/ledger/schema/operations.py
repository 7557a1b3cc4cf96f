"""The tables for the operator: alerts, edits, notifications, heartbeats, statistics, sessions, the audit log."""

from __future__ import annotations

import sqlalchemy as sa

from digestbot.ledger.schema.delivery import posts
from digestbot.ledger.schema.summaries import summaries
from digestbot.ledger.schema.types import ID, UtcTime, metadata, only

OPEN_ALERT = sa.text("alerts.decided_at IS NULL")

# What an operator has to review or allow. ``subject`` names what the alert is about, such as a source.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("raised_at", UtcTime, nullable=False),
    sa.Column("decided_at", UtcTime),
    sa.Column("decision", sa.Text),
    sa.Index(
        "uq_alerts_open",
        "kind",
        "subject",
        unique=True,
        **only("decided_at IS NULL"),
    ),
)

# Posts whose summary changed in the store, until it is settled what happens to them. A row with an open alert needs the
# operator's decision.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("post_id", ID, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", ID, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("noted_at", UtcTime, nullable=False),
    sa.Column("alert_id", ID, sa.ForeignKey(alerts.c.id)),
    sa.CheckConstraint("kind IN ('edited', 'unnamed', 'withdrawn')", name="kind"),
    sa.Index(None, "summary_id"),
    sa.Index(None, "alert_id"),
)

# Conditions that the operator has been, or will be, notified of: once when they begin and once when they end.
notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("begun_at", UtcTime, nullable=False),
    sa.Column("notified_at", UtcTime),
    sa.Column("over_at", UtcTime),
    sa.Column("over_notified_at", UtcTime),
    sa.Column("notifying_until", UtcTime),
    sa.Index("uq_notifications_open", "kind", "subject", unique=True, **only("over_at IS NULL")),
    sa.Index(
        "ix_notifications_pending",
        "id",
        **only("notified_at IS NULL OR (over_at IS NOT NULL AND over_notified_at IS NULL)"),
    ),
)

# When something that leaves no other row was last done, such as a tick or a count.
heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)

# The number of summaries that were waiting at the last count of each UTC day.
backlog_days = sa.Table(
    "backlog_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("waiting", sa.Integer, nullable=False),
)

# The sessions of the operator pages. ``hash`` is the hash of the cookie's key. ``credential_hash`` identifies the
# password with which the session was opened.
web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("credential_hash", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)

# What was changed through the operator pages, by whom, and when.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
)
