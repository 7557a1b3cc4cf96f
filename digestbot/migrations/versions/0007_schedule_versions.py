"""Slots are told apart by their instant, schedules have versions, and posts know when they were to appear."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Of two slots of one instant, which only a changed zone can have left, the first counts."""
    op.execute(
        "UPDATE slots SET scheduled = false WHERE scheduled AND EXISTS (SELECT 1 FROM slots AS other "
        "WHERE other.digest = slots.digest AND other.channel = slots.channel AND other.due = slots.due "
        "AND other.scheduled AND other.id < slots.id)"
    )
    op.drop_index(op.f("ix_slots_digest_channel_due"), "slots")
    with op.batch_alter_table("slots") as batch:
        batch.drop_constraint(op.f("uq_slots_digest_channel_nominal"), type_="unique")
        batch.add_column(sa.Column("outcome", sa.Text(), nullable=True))
        batch.add_column(sa.Column("ahead", sa.Boolean(), nullable=False, server_default=sa.false()))
    only: dict[str, Any] = {"sqlite_where": sa.text("scheduled"), "postgresql_where": sa.text("scheduled")}
    op.create_index("uq_slots_scheduled", "slots", ["digest", "channel", "due"], unique=True, **only)
    op.create_table(
        "schedule_versions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "channel", "since", name=op.f("pk_schedule_versions")),
    )
    op.add_column("editions", sa.Column("rendered_at", _TIME, nullable=True))
    op.add_column("posts", sa.Column("planned_at", _TIME, nullable=True))
