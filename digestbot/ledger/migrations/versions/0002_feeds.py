"""Feeds of papers: genres, what a poll read, old entries that arrived at once, and adopted posts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and the table."""
    for column in (
        sa.Column("not_before", TIME),
        sa.Column("moved_to", sa.Text()),
        sa.Column("last_poll", sa.JSON()),
    ):
        op.add_column("sources", column)
    op.add_column("summaries", sa.Column("genre", sa.Text(), server_default="summary", nullable=False))
    op.add_column("summaries", sa.Column("arrival_alert_id", ID))
    op.add_column("cursors", sa.Column("initial_policy", sa.Text()))
    op.create_table(
        "adopted_posts",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("summary_id", ID, autoincrement=False, nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_adopted_posts_summary_id")),
        sa.PrimaryKeyConstraint("channel", "summary_id", name=op.f("pk_adopted_posts")),
    )
