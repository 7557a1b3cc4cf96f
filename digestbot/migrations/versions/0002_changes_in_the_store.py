"""Papers of several keys, what a gate holds back, updates and deletions of posts, alarms."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from digestbot.identity import title_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_STATUSES = "'pending', 'publishing', 'published', 'unknown', 'quarantined', 'failed', 'skipped'"
_CHECKS = {
    "ck_posts_status": f"status IN ({_STATUSES}, 'done', 'deleted')",
    "ck_posts_published_has_receipt": "status NOT IN ('published', 'deleted') OR receipt_id IS NOT NULL",
    "ck_posts_action": "action IN ('delete', 'publish', 'update')",
    "ck_posts_action_has_target": "(action = 'publish') = (target_id IS NULL)",
}


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Foreign keys are not enforced meanwhile on SQLite, where two tables have to be made again."""
    _new_tables()
    _papers()
    _posts()
    _columns()


def _new_tables() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("decided_at", _TIME, nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index("uq_alarms_open", "alarms", ["kind", "subject"], unique=True, **_only("decided_at IS NULL"))
    op.create_table(
        "paper_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("paper_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_paper_keys_paper_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_paper_keys")),
    )
    op.create_index(op.f("ix_paper_keys_paper_id"), "paper_keys", ["paper_id"])
    op.create_table(
        "changes",
        sa.Column("post_id", _ID, autoincrement=False, nullable=False),
        sa.Column("summary_id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("noted_at", _TIME, nullable=False),
        sa.Column("alarm_id", _ID, nullable=True),
        sa.CheckConstraint("kind IN ('edited', 'unnamed', 'withdrawn')", name=op.f("ck_changes_kind")),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_changes_alarm_id")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_changes_post_id")),
        sa.ForeignKeyConstraint(["summary_id"], ["summaries.id"], name=op.f("fk_changes_summary_id")),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_alarm_id"), "changes", ["alarm_id"])
    op.create_index(op.f("ix_changes_summary_id"), "changes", ["summary_id"])


def _papers() -> None:
    op.execute("INSERT INTO paper_keys (key, paper_id) SELECT key, id FROM papers")
    op.add_column("summaries", sa.Column("key", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE summaries SET key = (SELECT key FROM papers WHERE papers.id = summaries.paper_id)")
    with op.batch_alter_table("papers") as batch:
        batch.drop_constraint(op.f("uq_papers_key"), type_="unique")
        batch.drop_column("key")
        batch.add_column(sa.Column("title_key", sa.Text(), nullable=True))
        batch.add_column(sa.Column("authors", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("venue", sa.Text(), nullable=True))
        batch.add_column(sa.Column("year", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("category", sa.Text(), nullable=True))
        batch.add_column(sa.Column("sections", sa.JSON(), nullable=True))
        for name in ("title_key", "arxiv_id", "doi"):
            batch.create_index(op.f(f"ix_papers_{name}"), [name])
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, title FROM papers")).all()
    for row in rows:
        connection.execute(
            sa.text("UPDATE papers SET title_key = :key WHERE id = :id"), {"id": row.id, "key": title_key(row.title)}
        )


def _posts() -> None:
    op.drop_index("ix_posts_pending", table_name="posts")
    with op.batch_alter_table("posts") as batch:
        batch.drop_constraint(op.f("uq_posts_edition_id_position"), type_="unique")
        for name in ("ck_posts_status", "ck_posts_published_has_receipt"):
            batch.drop_constraint(op.f(name), type_="check")
        batch.add_column(sa.Column("action", sa.Text(), server_default="publish", nullable=False))
        batch.add_column(sa.Column("target_id", _ID, nullable=True))
        batch.create_foreign_key(op.f("fk_posts_target_id"), "posts", ["target_id"], ["id"])
        for name, text in _CHECKS.items():
            batch.create_check_constraint(op.f(name), text)
    op.create_index("ix_posts_pending", "posts", ["channel", "action", "id"], **_only("status = 'pending'"))
    op.create_index(op.f("ix_posts_target_id"), "posts", ["target_id"])
    deletion = _only("action = 'delete' AND status <> 'skipped'")
    op.create_index("uq_posts_deletion", "posts", ["target_id"], unique=True, **deletion)
    op.create_index("uq_posts_part", "posts", ["edition_id", "position"], unique=True, **_only("action = 'publish'"))


def _columns() -> None:
    op.add_column("backlog", sa.Column("held", sa.Text(), nullable=True))
    op.create_index(op.f("ix_backlog_summary_id"), "backlog", ["summary_id"])
    op.create_index(
        "ix_backlog_unjudged",
        "backlog",
        ["digest", "channel", "summary_id"],
        **_only("status = 'waiting' AND held IS NULL"),
    )
    op.add_column("cursors", sa.Column("gate", sa.LargeBinary(), nullable=True))
    op.add_column("sources", sa.Column("fetched_at", _TIME, nullable=True))
    op.add_column("sources", sa.Column("read_to", sa.Text(), nullable=True))
    op.add_column("sources", sa.Column("checked_to", _ID, nullable=True))
    op.add_column("summaries", sa.Column("store_id", sa.Text(), nullable=True))
    op.add_column("summaries", sa.Column("orcid", sa.Text(), nullable=True))
    op.add_column("summaries", sa.Column("version", sa.LargeBinary(), nullable=True))
    op.add_column("summaries", sa.Column("withdrawn_at", _TIME, nullable=True))
    op.create_index(op.f("ix_summaries_source_key"), "summaries", ["source", "key"])
    op.create_index(op.f("ix_summaries_source_version"), "summaries", ["source", "version"])
