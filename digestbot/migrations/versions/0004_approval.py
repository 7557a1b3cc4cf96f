"""Editions that wait for a person's word; an index of what may go."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No edition of before needs approval."""
    op.add_column("editions", sa.Column("approval", sa.Text(), nullable=True))
    op.add_column("editions", sa.Column("approve_by", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_editions_digest_channel_id"), "editions", ["digest", "channel", "id"])
    unapproved = sa.text("approval = 'waiting'")
    op.create_index(
        "ix_editions_unapproved", "editions", ["approve_by"], sqlite_where=unapproved, postgresql_where=unapproved
    )
    ready = sa.text("status = 'waiting' AND held = ''")
    op.create_index(
        "ix_backlog_ready",
        "backlog",
        ["digest", "channel", "summary_id"],
        sqlite_where=ready,
        postgresql_where=ready,
    )
