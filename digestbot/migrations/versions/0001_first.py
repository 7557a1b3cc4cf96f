"""The first ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "channels",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("wait_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("look_first_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channels")),
    )
    op.create_table(
        "cursors",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("summary_id", _ID, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sight_again", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "channel", "source", name=op.f("pk_cursors")),
    )
    op.create_table(
        "papers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=True),
        sa.Column("doi", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
        sa.UniqueConstraint("key", name=op.f("uq_papers_key")),
    )
    op.create_table(
        "slots",
        sa.Column("id", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("nominal", sa.Text(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scheduled", sa.Boolean(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        sa.UniqueConstraint("digest", "channel", "nominal", name=op.f("uq_slots_digest_channel_nominal")),
    )
    op.create_index(op.f("ix_slots_digest_channel_due"), "slots", ["digest", "channel", "due"], unique=False)
    op.create_table(
        "sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.Column("suspect_hash", sa.LargeBinary(), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "editions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("slot_id", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.id"], name=op.f("fk_editions_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("slot_id", name=op.f("uq_editions_slot_id")),
    )
    op.create_table(
        "summaries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("paper_id", _ID, nullable=False),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("writer", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=True),
        sa.Column("dated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("taken_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_summaries_paper_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
    )
    op.create_index(op.f("ix_summaries_paper_id_source"), "summaries", ["paper_id", "source"], unique=False)
    op.create_index(op.f("ix_summaries_source_id"), "summaries", ["source", "id"], unique=False)
    op.create_table(
        "backlog",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("summary_id", _ID, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("edition_id", _ID, nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint("(status = 'taken') = (edition_id IS NOT NULL)", name=op.f("ck_backlog_taken_has_edition")),
        sa.CheckConstraint("status IN ('waiting', 'taken', 'skipped')", name=op.f("ck_backlog_status")),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_backlog_edition_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_backlog_summary_id")),
        sa.PrimaryKeyConstraint("digest", "channel", "summary_id", name=op.f("pk_backlog")),
        sa.UniqueConstraint("edition_id", "position", name=op.f("uq_backlog_edition_id_position")),
    )
    op.create_index(
        "ix_backlog_waiting",
        "backlog",
        ["digest", "channel", "summary_id"],
        unique=False,
        **_only("status = 'waiting'"),
    )
    op.create_table(
        "posts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("edition_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("reply", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt_id", sa.Text(), nullable=True),
        sa.Column("receipt_url", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("concluded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status <> 'published' OR receipt_id IS NOT NULL", name=op.f("ck_posts_published_has_receipt")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'publishing', 'published', 'unknown', 'quarantined', 'failed', 'skipped')",
            name=op.f("ck_posts_status"),
        ),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_posts_edition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("channel", "receipt_id", name=op.f("uq_posts_channel_receipt_id")),
        sa.UniqueConstraint("edition_id", "position", name=op.f("uq_posts_edition_id_position")),
    )
    op.create_index(
        "ix_posts_attention",
        "posts",
        ["status"],
        unique=False,
        **_only("status IN ('unknown', 'quarantined')"),
    )
    op.create_index(op.f("ix_posts_channel_concluded_at"), "posts", ["channel", "concluded_at"], unique=False)
    op.create_index(
        "ix_posts_pending",
        "posts",
        ["channel", "id"],
        unique=False,
        **_only("status = 'pending'"),
    )
    op.create_index(
        "uq_posts_in_flight",
        "posts",
        ["channel"],
        unique=True,
        **_only("status IN ('publishing', 'unknown')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("post_id", _ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_attempts_post_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("post_id", "epoch", name=op.f("uq_attempts_post_id_epoch")),
    )
    op.create_table(
        "looks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("post_id", _ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_looks_post_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_looks")),
    )
    op.create_index(op.f("ix_looks_post_id"), "looks", ["post_id"], unique=False)
