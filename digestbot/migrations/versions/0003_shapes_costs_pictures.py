"""Which summaries a post shows, what posts cost, their pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _cost() -> sa.Column[int]:
    return sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    """Until now each post showed the summary of its position in the edition."""
    op.create_table(
        "post_summaries",
        sa.Column("post_id", _ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", _ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_summaries_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_post_summaries_summary_id")),
        sa.PrimaryKeyConstraint("post_id", "summary_id", name=op.f("pk_post_summaries")),
    )
    op.execute(
        "INSERT INTO post_summaries (post_id, summary_id) SELECT posts.id, backlog.summary_id FROM posts JOIN backlog "
        "ON backlog.edition_id = posts.edition_id AND backlog.position = posts.position WHERE posts.action = 'publish'"
    )
    op.create_index(op.f("ix_post_summaries_summary_id"), "post_summaries", ["summary_id"])
    op.create_table(
        "pictures",
        sa.Column("post_id", _ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", _ID, nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("alt_text", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_pictures_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_pictures_summary_id")),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_pictures")),
    )
    with op.batch_alter_table("changes") as batch:
        batch.drop_constraint("pk_changes", type_="primary")
        batch.create_primary_key("pk_changes", ["post_id", "summary_id"])
    op.add_column("editions", sa.Column("shape", sa.Text(), server_default="single", nullable=False))
    for table in ("posts", "attempts", "looks"):
        op.add_column(table, _cost())
    op.create_index(op.f("ix_attempts_started_at"), "attempts", ["started_at"])
    op.create_index(op.f("ix_looks_at"), "looks", ["at"])
    op.add_column("channels", sa.Column("replies_refused_at", sa.DateTime(timezone=True), nullable=True))
