"""For the operators' pages: a person's word on backlogs and slots, alerts, daily counts, sessions, an audit list."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nobody has said anything of what waits yet."""
    op.add_column("backlog", sa.Column("pinned_at", _TIME, nullable=True))
    op.add_column("backlog", sa.Column("on_hold", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("backlog", sa.Column("words", sa.Text(), nullable=True))
    op.add_column("backlog", sa.Column("approved_at", _TIME, nullable=True))
    op.add_column("editions", sa.Column("at_once", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("channels", sa.Column("token_checked_at", _TIME, nullable=True))
    op.add_column("channels", sa.Column("token_expires_at", _TIME, nullable=True))
    op.create_table(
        "slot_changes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("nominal", sa.Text(), nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.Column("moved_to", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("digest", "channel", "nominal", name=op.f("pk_slot_changes")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("told_at", _TIME, nullable=True),
        sa.Column("over_at", _TIME, nullable=True),
        sa.Column("over_told_at", _TIME, nullable=True),
        sa.Column("telling_until", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    begun = sa.text("over_at IS NULL")
    op.create_index(
        "uq_alerts_open", "alerts", ["kind", "subject"], unique=True, sqlite_where=begun, postgresql_where=begun
    )
    untold = sa.text("told_at IS NULL OR (over_at IS NOT NULL AND over_told_at IS NULL)")
    op.create_index("ix_alerts_untold", "alerts", ["id"], sqlite_where=untold, postgresql_where=untold)
    op.create_table(
        "beats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_beats")),
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
        "web_sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("lock", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_web_sessions")),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
