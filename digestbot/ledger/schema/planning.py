"""The tables of planning: cursors, slots, schedule versions, editions, backlogs."""

from __future__ import annotations

import sqlalchemy as sa

from digestbot.ledger.schema.summaries import summaries
from digestbot.ledger.schema.types import ID, UtcTime, metadata, only

# How far a digest's backlog on a channel has read a source. ``first_seen_at``: when it first read the source.
# ``reapply_initial_policy``: the next new summaries are treated like those of a source that is read for the first time.
# ``filters_hash`` identifies the digest's filters at the last reading. ``initial_policy`` is the digest's ``backlog``
# when it first read the source.
cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("summary_id", ID, nullable=False),
    sa.Column("first_seen_at", UtcTime, nullable=False),
    sa.Column("reapply_initial_policy", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("filters_hash", sa.LargeBinary),
    sa.Column("initial_policy", sa.Text),
)

# Slots that were reached: for each digest on a channel, at most one scheduled slot at an instant. ``outcome`` says why
# a slot passed without an edition. ``ahead``: a clock that was far ahead recorded the slot, so it does not count before
# it is due.
slots = sa.Table(
    "slots",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("nominal", sa.Text, nullable=False),
    sa.Column("due", UtcTime, nullable=False),
    sa.Column("scheduled", sa.Boolean, nullable=False),
    sa.Column("reached_at", UtcTime, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("ahead", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("uq_slots_scheduled", "digest", "channel", "due", unique=True, **only("scheduled")),
)

SCHEDULED_SLOT = sa.text("slots.scheduled")

# The rules of each schedule, and since when they apply. The newest version of each digest on a channel applies now;
# each older one applied until the next one did.
schedule_versions = sa.Table(
    "schedule_versions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("since", UtcTime, primary_key=True),
    sa.Column("rules", sa.JSON, nullable=False),
)

editions = sa.Table(
    "editions",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("slot_id", ID, sa.ForeignKey(slots.c.id), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("shape", sa.Text, nullable=False, server_default="single"),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("approval", sa.Text),
    sa.Column("approve_by", UtcTime),
    sa.Column("at_once", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("rendered_at", UtcTime),
    sa.UniqueConstraint("slot_id"),
    sa.Index(None, "digest", "channel", "id"),
    sa.Index("ix_editions_unapproved", "approve_by", **only("approval = 'waiting'")),
)

UNAPPROVED = sa.text("editions.approval = 'waiting'")

WAITING = sa.text("backlog.status = 'waiting'")
READY = sa.text("backlog.status = 'waiting' AND backlog.blocked_reason = ''")
UNJUDGED = sa.text("backlog.status = 'waiting' AND backlog.blocked_reason IS NULL")

# One row for each summary, digest and channel: waiting, taken into an edition, or skipped with a reason.
# ``blocked_reason`` is what keeps a waiting summary back: NULL if its filters are not evaluated yet, '' for nothing,
# else what it waits for. An operator may have pinned the summary to the top, ``held`` it, written its post
# (``custom_text``) or approved it in advance.
backlog = sa.Table(
    "backlog",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("summary_id", ID, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("blocked_reason", sa.Text),
    sa.Column("edition_id", ID, sa.ForeignKey(editions.c.id)),
    sa.Column("position", sa.Integer),
    sa.Column("pinned_at", UtcTime),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("custom_text", sa.Text),
    sa.Column("approved_at", UtcTime),
    sa.CheckConstraint("status IN ('waiting', 'taken', 'skipped')", name="status"),
    sa.CheckConstraint("(status = 'taken') = (edition_id IS NOT NULL)", name="taken_has_edition"),
    sa.UniqueConstraint("edition_id", "position"),
    sa.Index(
        "ix_backlog_waiting",
        "digest",
        "channel",
        "summary_id",
        **only("status = 'waiting'"),
    ),
    sa.Index(
        "ix_backlog_unjudged",
        "digest",
        "channel",
        "summary_id",
        **only("status = 'waiting' AND blocked_reason IS NULL"),
    ),
    sa.Index(
        "ix_backlog_ready",
        "digest",
        "channel",
        "summary_id",
        **only("status = 'waiting' AND blocked_reason = ''"),
    ),
    sa.Index(None, "summary_id"),
)

# Slots that an operator skipped (``moved_to`` NULL) or moved. A row is deleted once that slot or a later one is
# reached.
slot_changes = sa.Table(
    "slot_changes",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("nominal", sa.Text, primary_key=True),
    sa.Column("due", UtcTime, nullable=False),
    sa.Column("moved_to", UtcTime),
)
