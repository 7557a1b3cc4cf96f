"""What counts as evidence: receipts with their basis, candidates, readings of every kind, and which ledger this is."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Receipts of before rest on an answer where an attempt says so; of the others nobody can tell any more."""
    op.add_column("posts", sa.Column("receipt_basis", sa.Text(), nullable=True))
    op.add_column("posts", sa.Column("candidates", sa.JSON(), nullable=True))
    op.add_column("posts", sa.Column("dismissed", sa.JSON(), nullable=True))
    op.add_column("posts", sa.Column("look_first", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("posts", sa.Column("yields", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("posts", sa.Column("by_hand", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("posts", sa.Column("posted_at", _TIME, nullable=True))
    op.add_column("posts", sa.Column("quarantined_at", _TIME, nullable=True))
    op.add_column("posts", sa.Column("missing_since", _TIME, nullable=True))
    op.add_column("attempts", sa.Column("receipt_id", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("account", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("account_since", _TIME, nullable=True))
    op.add_column("channels", sa.Column("paused_until", _TIME, nullable=True))
    op.add_column("channels", sa.Column("catch_up", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("rejected_posts", sa.JSON(), nullable=True))
    op.add_column("channels", sa.Column("unread_timeline", sa.Text(), nullable=True))
    with op.batch_alter_table("channels") as batch:
        batch.drop_column("look_first_until")
    with op.batch_alter_table("looks") as batch:
        batch.alter_column("post_id", existing_type=sa.BigInteger(), nullable=True)
        batch.alter_column("epoch", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("channel", sa.Text(), nullable=True))
    op.create_index(op.f("ix_looks_channel_at"), "looks", ["channel", "at"])
    state = op.create_table(
        "ledger_identity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_identity")),
    )
    op.bulk_insert(state, [{"id": str(uuid.uuid4()), "server": None}])
    op.create_table(
        "timeline_posts",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("channel", "post_id", name=op.f("pk_timeline_posts")),
    )
    op.create_index(op.f("ix_timeline_posts_channel_at"), "timeline_posts", ["channel", "at"])
    op.execute(
        "UPDATE posts SET receipt_basis = CASE WHEN EXISTS (SELECT 1 FROM attempts WHERE attempts.post_id = posts.id "
        "AND attempts.outcome = 'published') THEN 'answer' ELSE 'operator' END WHERE receipt_id IS NOT NULL"
    )
    op.execute("UPDATE posts SET posted_at = concluded_at WHERE receipt_id IS NOT NULL")
    op.execute(
        "UPDATE posts SET quarantined_at = concluded_at, next_look_at = concluded_at WHERE status = 'quarantined'"
    )
    op.execute(
        "UPDATE posts SET status = 'skipped', error = 'it is not known whether digestbot published the post' "
        "WHERE status = 'pending' AND target_id IN (SELECT id FROM posts WHERE receipt_basis = 'operator')"
    )
    op.execute("UPDATE looks SET channel = (SELECT posts.channel FROM posts WHERE posts.id = looks.post_id)")
    # receipts that came too late and were only noted
    op.execute(
        "UPDATE attempts SET receipt_id = substr(error, 14) WHERE error LIKE 'published as %' AND outcome = 'published'"
    )
