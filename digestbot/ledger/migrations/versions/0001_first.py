"""The first ledger.

Made from `digestbot.ledger.schema`, and independent of it: a test compares the two.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    """Create every table, index and constraint."""
    op.create_table(
        "alerts",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("decided_at", TIME),
        sa.Column("decision", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    _index("uq_alerts_open", "alerts", ["kind", "subject"], unique=True, where="decided_at IS NULL")
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "backlog_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "digest", "channel", name=op.f("pk_backlog_days")),
    )
    op.create_table(
        "channels",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("account_since", TIME),
        sa.Column("paused_at", TIME),
        sa.Column("paused_until", TIME),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("wait_until", TIME),
        sa.Column("rejections", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected_posts", sa.JSON()),
        sa.Column("catch_up", sa.Text()),
        sa.Column("unread_timeline", sa.Text()),
        sa.Column("replies_rejected_at", TIME),
        sa.Column("token_checked_at", TIME),
        sa.Column("token_expires_at", TIME),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channels")),
    )
    op.create_table(
        "cursors",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("summary_id", ID, nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("reapply_initial_policy", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("filters_hash", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("digest", "channel", "source", name=op.f("pk_cursors")),
    )
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "ledger_identity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("server", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_identity")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("notified_at", TIME),
        sa.Column("over_at", TIME),
        sa.Column("over_notified_at", TIME),
        sa.Column("notifying_until", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    _index(
        "ix_notifications_pending",
        "notifications",
        ["id"],
        where="notified_at IS NULL OR (over_at IS NOT NULL AND over_notified_at IS NULL)",
    )
    _index("uq_notifications_open", "notifications", ["kind", "subject"], unique=True, where="over_at IS NULL")
    op.create_table(
        "papers",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_key", sa.Text()),
        sa.Column("arxiv_id", sa.Text()),
        sa.Column("doi", sa.Text()),
        sa.Column("authors", sa.JSON()),
        sa.Column("venue", sa.Text()),
        sa.Column("year", sa.Integer()),
        sa.Column("category", sa.Text()),
        sa.Column("sections", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
    )
    _index("ix_papers_arxiv_id", "papers", ["arxiv_id"])
    _index("ix_papers_doi", "papers", ["doi"])
    _index("ix_papers_title_key", "papers", ["title_key"])
    op.create_table(
        "schedule_versions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "channel", "since", name=op.f("pk_schedule_versions")),
    )
    op.create_table(
        "slot_changes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("nominal", sa.Text(), nullable=False),
        sa.Column("due", TIME, nullable=False),
        sa.Column("moved_to", TIME),
        sa.PrimaryKeyConstraint("digest", "channel", "nominal", name=op.f("pk_slot_changes")),
    )
    op.create_table(
        "slots",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("nominal", sa.Text(), nullable=False),
        sa.Column("due", TIME, nullable=False),
        sa.Column("scheduled", sa.Boolean(), nullable=False),
        sa.Column("reached_at", TIME, nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("ahead", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
    )
    _index("uq_slots_scheduled", "slots", ["digest", "channel", "due"], unique=True, where="scheduled")
    op.create_table(
        "sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("body_hash", sa.LargeBinary()),
        sa.Column("suspect_hash", sa.LargeBinary()),
        sa.Column("fetched_at", TIME),
        sa.Column("scan_cursor", sa.Text()),
        sa.Column("recheck_cursor", ID),
        sa.Column("polled_at", TIME),
        sa.Column("next_poll_at", TIME),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "timeline_posts",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("channel", "post_id", name=op.f("pk_timeline_posts")),
    )
    _index("ix_timeline_posts_channel_at", "timeline_posts", ["channel", "at"])
    op.create_table(
        "web_sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("credential_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_web_sessions")),
    )
    op.create_table(
        "editions",
        sa.Column("id", ID, nullable=False),
        sa.Column("slot_id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), server_default="single", nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("approval", sa.Text()),
        sa.Column("approve_by", TIME),
        sa.Column("at_once", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("rendered_at", TIME),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.id"], name=op.f("fk_editions_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("slot_id", name=op.f("uq_editions_slot_id")),
    )
    _index("ix_editions_digest_channel_id", "editions", ["digest", "channel", "id"])
    _index("ix_editions_unapproved", "editions", ["approve_by"], where="approval = 'waiting'")
    op.create_table(
        "paper_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("paper_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_paper_keys_paper_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_paper_keys")),
    )
    _index("ix_paper_keys_paper_id", "paper_keys", ["paper_id"])
    op.create_table(
        "summaries",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("store_id", sa.Text()),
        sa.Column("handle", sa.Text()),
        sa.Column("writer", sa.Text()),
        sa.Column("orcid", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("votes", sa.Integer()),
        sa.Column("source_date", TIME),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.LargeBinary()),
        sa.Column("ingested_at", TIME, nullable=False),
        sa.Column("changed_at", TIME),
        sa.Column("withdrawn_at", TIME),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_summaries_paper_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
    )
    _index("ix_summaries_paper_id_source", "summaries", ["paper_id", "source"])
    _index("ix_summaries_source_id", "summaries", ["source", "id"])
    _index("ix_summaries_source_key", "summaries", ["source", "key"])
    _index("ix_summaries_source_version", "summaries", ["source", "version"])
    op.create_table(
        "backlog",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("summary_id", ID, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("blocked_reason", sa.Text()),
        sa.Column("edition_id", ID),
        sa.Column("position", sa.Integer()),
        sa.Column("pinned_at", TIME),
        sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("custom_text", sa.Text()),
        sa.Column("approved_at", TIME),
        sa.CheckConstraint("(status = 'taken') = (edition_id IS NOT NULL)", name=op.f("ck_backlog_taken_has_edition")),
        sa.CheckConstraint("status IN ('waiting', 'taken', 'skipped')", name=op.f("ck_backlog_status")),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_backlog_edition_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_backlog_summary_id")),
        sa.PrimaryKeyConstraint("digest", "channel", "summary_id", name=op.f("pk_backlog")),
        sa.UniqueConstraint("edition_id", "position", name=op.f("uq_backlog_edition_id_position")),
    )
    entry = ["digest", "channel", "summary_id"]
    _index("ix_backlog_ready", "backlog", entry, where="status = 'waiting' AND blocked_reason = ''")
    _index("ix_backlog_summary_id", "backlog", ["summary_id"])
    _index("ix_backlog_unjudged", "backlog", entry, where="status = 'waiting' AND blocked_reason IS NULL")
    _index("ix_backlog_waiting", "backlog", entry, where="status = 'waiting'")
    op.create_table(
        "posts",
        sa.Column("id", ID, nullable=False),
        sa.Column("action", sa.Text(), server_default="publish", nullable=False),
        sa.Column("target_id", ID),
        sa.Column("edition_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("link", sa.Text()),
        sa.Column("reply", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", TIME),
        sa.Column("deadline", TIME),
        sa.Column("next_check_at", TIME),
        sa.Column("receipt_id", sa.Text()),
        sa.Column("receipt_url", sa.Text()),
        sa.Column("receipt_basis", sa.Text()),
        sa.Column("candidates", sa.JSON()),
        sa.Column("dismissed", sa.JSON()),
        sa.Column("check_first", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("yields", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("planned_at", TIME),
        sa.Column("posted_at", TIME),
        sa.Column("quarantined_at", TIME),
        sa.Column("missing_since", TIME),
        sa.Column("error", sa.Text()),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("concluded_at", TIME),
        sa.CheckConstraint("(action = 'publish') = (target_id IS NULL)", name=op.f("ck_posts_action_has_target")),
        sa.CheckConstraint("action IN ('delete', 'publish', 'update')", name=op.f("ck_posts_action")),
        sa.CheckConstraint(
            "status IN ('pending', 'publishing', 'published', 'unknown', 'quarantined', 'failed', 'skipped', 'done', "
            "'deleted')",
            name=op.f("ck_posts_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('published', 'deleted') OR receipt_id IS NOT NULL",
            name=op.f("ck_posts_published_has_receipt"),
        ),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_posts_edition_id")),
        sa.ForeignKeyConstraint(["target_id"], ["posts.id"], name=op.f("fk_posts_target_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("channel", "receipt_id", name=op.f("uq_posts_channel_receipt_id")),
    )
    _index("ix_posts_attention", "posts", ["status"], where="status IN ('unknown', 'quarantined')")
    _index("ix_posts_channel_concluded_at", "posts", ["channel", "concluded_at"])
    _index("ix_posts_pending", "posts", ["channel", "action", "id"], where="status = 'pending'")
    _index("ix_posts_target_id", "posts", ["target_id"])
    _index("uq_posts_deletion", "posts", ["target_id"], unique=True, where="action = 'delete' AND status <> 'skipped'")
    _index("uq_posts_in_flight", "posts", ["channel"], unique=True, where="status IN ('publishing', 'unknown')")
    _index("uq_posts_part", "posts", ["edition_id", "position"], unique=True, where="action = 'publish'")
    op.create_table(
        "attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("outcome", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("receipt_id", sa.Text()),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_attempts_post_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("post_id", "epoch", name=op.f("uq_attempts_post_id_epoch")),
    )
    _index("ix_attempts_started_at", "attempts", ["started_at"])
    op.create_table(
        "changes",
        sa.Column("post_id", ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("noted_at", TIME, nullable=False),
        sa.Column("alert_id", ID),
        sa.CheckConstraint("kind IN ('edited', 'unnamed', 'withdrawn')", name=op.f("ck_changes_kind")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_changes_alert_id")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_changes_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_changes_summary_id")),
        sa.PrimaryKeyConstraint("post_id", "summary_id", name=op.f("pk_changes")),
    )
    _index("ix_changes_alert_id", "changes", ["alert_id"])
    _index("ix_changes_summary_id", "changes", ["summary_id"])
    op.create_table(
        "pictures",
        sa.Column("post_id", ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", ID),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("alt_text", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_pictures_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_pictures_summary_id")),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_pictures")),
    )
    op.create_table(
        "post_summaries",
        sa.Column("post_id", ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_summaries_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_post_summaries_summary_id")),
        sa.PrimaryKeyConstraint("post_id", "summary_id", name=op.f("pk_post_summaries")),
    )
    _index("ix_post_summaries_summary_id", "post_summaries", ["summary_id"])
    op.create_table(
        "timeline_checks",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel", sa.Text()),
        sa.Column("post_id", ID),
        sa.Column("epoch", sa.Integer()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_timeline_checks_post_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_checks")),
    )
    _index("ix_timeline_checks_at", "timeline_checks", ["at"])
    _index("ix_timeline_checks_channel_at", "timeline_checks", ["channel", "at"])
    _index("ix_timeline_checks_post_id", "timeline_checks", ["post_id"])
