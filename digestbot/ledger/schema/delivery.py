"""The tables of what was sent: posts, attempts, receipts, channels, timelines."""

from __future__ import annotations

import sqlalchemy as sa

from digestbot.ledger.schema.planning import editions
from digestbot.ledger.schema.summaries import summaries
from digestbot.ledger.schema.types import ID, LIST, UtcTime, metadata, only

# Conditions of partial indexes. SQLite uses such an index only if a query repeats its exact condition, so queries use
# these too. Their cost then depends on the open posts, not on all posts ever made.
PENDING = sa.text("posts.status = 'pending'")
IN_FLIGHT = sa.text("posts.status IN ('publishing', 'unknown')")
ATTENTION = sa.text("posts.status IN ('unknown', 'quarantined')")

# A row publishes a message, or updates or deletes its target post. The pending index sorts actions by urgency, which
# happens to be alphabetical order: delete, publish, update.
# - ``receipt_basis``: what the receipt rests on
# - ``candidates``: posts on the timeline that may be this one
# - ``dismissed``: ids of candidates that an operator has ruled out
# - ``check_first``: an earlier attempt may have created the post
# - ``yields``: while the post waits for ``not_before``, later posts are sent
# - ``by_hand``: an operator decided the outcome
# - ``planned_at``: when the post was to appear; distances and limits count from it
# - ``posted_at``: when it appeared, by the ledger's clock
# - ``missing_since``: since when the platform says that the post is gone, although digestbot did not delete it
posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("action", sa.Text, nullable=False, server_default="publish"),
    sa.Column("target_id", ID, sa.ForeignKey("posts.id")),
    sa.Column("edition_id", ID, sa.ForeignKey(editions.c.id), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("link", sa.Text),
    sa.Column("reply", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UtcTime),
    sa.Column("deadline", UtcTime),
    sa.Column("next_check_at", UtcTime),
    sa.Column("receipt_id", sa.Text),
    sa.Column("receipt_url", sa.Text),
    sa.Column("receipt_basis", sa.Text),
    sa.Column("candidates", LIST),
    sa.Column("dismissed", LIST),
    sa.Column("check_first", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("yields", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("by_hand", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("planned_at", UtcTime),
    sa.Column("posted_at", UtcTime),
    sa.Column("quarantined_at", UtcTime),
    sa.Column("missing_since", UtcTime),
    sa.Column("error", sa.Text),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("concluded_at", UtcTime),
    sa.UniqueConstraint("channel", "receipt_id"),
    sa.CheckConstraint(
        "status IN ('pending', 'publishing', 'published', 'unknown', 'quarantined', 'failed', 'skipped', 'done', "
        "'deleted')",
        name="status",
    ),
    sa.CheckConstraint(
        "status NOT IN ('published', 'deleted') OR receipt_id IS NOT NULL", name="published_has_receipt"
    ),
    sa.CheckConstraint("action IN ('delete', 'publish', 'update')", name="action"),
    sa.CheckConstraint("(action = 'publish') = (target_id IS NULL)", name="action_has_target"),
    sa.Index(
        "uq_posts_part",
        "edition_id",
        "position",
        unique=True,
        **only("action = 'publish'"),
    ),
    sa.Index("uq_posts_deletion", "target_id", unique=True, **only("action = 'delete' AND status <> 'skipped'")),
    sa.Index(None, "target_id"),
    sa.Index(
        "uq_posts_in_flight",
        "channel",
        unique=True,
        **only("status IN ('publishing', 'unknown')"),
    ),
    sa.Index(
        "ix_posts_pending",
        "channel",
        "action",
        "id",
        **only("status = 'pending'"),
    ),
    sa.Index(
        "ix_posts_attention",
        "status",
        **only("status IN ('unknown', 'quarantined')"),
    ),
    sa.Index(None, "channel", "concluded_at"),
)

# The summaries that a post shows: every part of a thread shows the same one, a part of a roundup several. For a
# deletion, the summaries because of which the post is deleted.
post_summaries = sa.Table(
    "post_summaries",
    metadata,
    sa.Column("post_id", ID, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", ID, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Index(None, "summary_id"),
)

# A post's picture, and the summary it belongs to. The content is cleared once the post is published.
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("post_id", ID, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", ID, sa.ForeignKey(summaries.c.id)),
    sa.Column("content", sa.LargeBinary),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("alt_text", sa.Text, nullable=False),
    sa.Column("required", sa.Boolean, nullable=False),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("post_id", ID, sa.ForeignKey(posts.c.id), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("deadline", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("outcome", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("receipt_id", sa.Text),
    sa.UniqueConstraint("post_id", "epoch"),
    sa.Index(None, "started_at"),
)

# Every timeline check, its cost, and its result for the post that it was made for, if any.
timeline_checks = sa.Table(
    "timeline_checks",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("channel", sa.Text),
    sa.Column("post_id", ID, sa.ForeignKey(posts.c.id)),
    sa.Column("epoch", sa.Integer),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("read", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index(None, "post_id"),
    sa.Index(None, "at"),
    sa.Index(None, "channel", "at"),
)

# What is known about a channel beyond its configuration.
# - ``account``: its platform and account; ``account_since``: since when it has had another account than before
# - ``catch_up``: why its timeline must be read before anything is posted; NULL if it need not be
# - ``rejected_posts``: the most recent posts that were rejected in a row
# - ``unread_timeline``: 'paused' if the channel is paused because its timeline could not be read; 'accepted' once an
#   operator has resumed it anyway; 'waited' if it is waiting, or has waited, until its timeline shows all posts
channels = sa.Table(
    "channels",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("account", sa.Text),
    sa.Column("account_since", UtcTime),
    sa.Column("paused_at", UtcTime),
    sa.Column("paused_until", UtcTime),
    sa.Column("pause_reason", sa.Text),
    sa.Column("wait_until", UtcTime),
    sa.Column("rejections", sa.Integer, nullable=False, server_default="0"),
    sa.Column("rejected_posts", LIST),
    sa.Column("catch_up", sa.Text),
    sa.Column("unread_timeline", sa.Text),
    sa.Column("replies_rejected_at", UtcTime),
    sa.Column("token_checked_at", UtcTime),
    sa.Column("token_expires_at", UtcTime),
)

# The ledger's identity: one row. ``server`` identifies the database server, and changes with each failover.
ledger_identity = sa.Table(
    "ledger_identity",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("server", sa.Text),
)

# Posts on a channel's own timeline for which no post of this ledger has a receipt: made by a human or another bot, or
# by digestbot before the ledger was lost. ``links`` are stored as they were read.
timeline_posts = sa.Table(
    "timeline_posts",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("links", LIST, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index(None, "channel", "at"),
)
