"""The ledger's tables. What the constraints promise:

- a key of the store names one paper         PRIMARY KEY of paper_keys (key)
- a slot is reached once                    partial UNIQUE (digest, channel, due) over scheduled ones
- a summary goes into one edition at most   PRIMARY KEY of backlog (digest, channel, summary)
- a part of an edition is made once         partial UNIQUE (edition, position) over what publishes
- a post is deleted once                    partial UNIQUE (target) over deletions
- an alarm is raised once                   partial UNIQUE (kind, subject) over open ones
- a channel sends one post at a time, and   partial UNIQUE (channel) over publishing and unknown posts
  none while an outcome is unknown
- a receipt belongs to one post             UNIQUE (channel, receipt)
- an attempt has an epoch of its own        UNIQUE (post, epoch)

Amounts of money are millionths of a dollar.

Every constraint is named, so that migrations can speak of it. Times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

REVISION = "0007"  # the newest migration: what an up-to-date ledger says of itself


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored in UTC; SQLite, which knows no zones, holds it without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Aware in, UTC out."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """UTC out, whatever the database's session shows."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_List = sa.JSON(none_as_null=True)
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("url", sa.Text),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("body_hash", sa.LargeBinary),
    sa.Column("suspect_hash", sa.LargeBinary),
    sa.Column("fetched_at", UtcTime),
    sa.Column("read_to", sa.Text),
    sa.Column("checked_to", _Id),
    sa.Column("polled_at", UtcTime),
    sa.Column("next_poll_at", UtcTime),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
)

papers = sa.Table(
    "papers",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_key", sa.Text),
    sa.Column("arxiv_id", sa.Text),
    sa.Column("doi", sa.Text),
    sa.Column("authors", _List),
    sa.Column("venue", sa.Text),
    sa.Column("year", sa.Integer),
    sa.Column("category", sa.Text),
    sa.Column("sections", _List),
    sa.Index(None, "title_key"),
    sa.Index(None, "arxiv_id"),
    sa.Index(None, "doi"),
)

# The keys under which stores file a paper: one paper may have several.
paper_keys = sa.Table(
    "paper_keys",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("paper_id", _Id, sa.ForeignKey(papers.c.id), nullable=False),
    sa.Index(None, "paper_id"),
)

summaries = sa.Table(
    "summaries",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("paper_id", _Id, sa.ForeignKey(papers.c.id), nullable=False),
    sa.Column("key", sa.Text, nullable=False, server_default=""),
    sa.Column("store_id", sa.Text),
    sa.Column("handle", sa.Text),
    sa.Column("writer", sa.Text),
    sa.Column("orcid", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("votes", sa.Integer),
    sa.Column("dated", UtcTime),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.LargeBinary),
    sa.Column("taken_in_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime),
    sa.Column("withdrawn_at", UtcTime),
    sa.Index(None, "paper_id", "source"),
    sa.Index(None, "source", "id"),
    sa.Index(None, "source", "key"),
    sa.Index(None, "source", "version"),
)

# How far a digest's backlog on a channel has read a source.
cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("summary_id", _Id, nullable=False),
    sa.Column("first_seen_at", UtcTime, nullable=False),
    sa.Column("sight_again", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("gate", sa.LargeBinary),
)

# Slots that were reached: at one instant, one of a digest on a channel. ``outcome`` says why one passed without an
# edition. ``ahead``: it was recorded by a clock that was far ahead, so it does not count until its instant has come.
slots = sa.Table(
    "slots",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("nominal", sa.Text, nullable=False),
    sa.Column("due", UtcTime, nullable=False),
    sa.Column("scheduled", sa.Boolean, nullable=False),
    sa.Column("reached_at", UtcTime, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("ahead", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("uq_slots_scheduled", "digest", "channel", "due", unique=True, **_only("scheduled")),
)

SCHEDULED_SLOT = sa.text("slots.scheduled")

# The rules by which slots come, and from when on. The newest of each digest and channel apply now; the others until the
# next ones do.
schedule_versions = sa.Table(
    "schedule_versions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("since", UtcTime, primary_key=True),
    sa.Column("rules", sa.JSON, nullable=False),
)

editions = sa.Table(
    "editions",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("slot_id", _Id, sa.ForeignKey(slots.c.id), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("shape", sa.Text, nullable=False, server_default="single"),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("approval", sa.Text),
    sa.Column("approve_by", UtcTime),
    sa.Column("at_once", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("rendered_at", UtcTime),
    sa.UniqueConstraint("slot_id"),
    sa.Index(None, "digest", "channel", "id"),
    sa.Index("ix_editions_unapproved", "approve_by", **_only("approval = 'waiting'")),
)

UNAPPROVED = sa.text("editions.approval = 'waiting'")

WAITING = sa.text("backlog.status = 'waiting'")
READY = sa.text("backlog.status = 'waiting' AND backlog.held = ''")
UNJUDGED = sa.text("backlog.status = 'waiting' AND backlog.held IS NULL")

# One row a summary, digest and channel: waiting, taken into an edition, or skipped with its reason. ``held`` is
# what the digest's gate says of a waiting one: NULL not looked at yet, '' it may go, else what it waits for. A person
# may have pinned one to the top, put it ``on_hold``, written its post (``words``) or approved it ahead.
backlog = sa.Table(
    "backlog",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("summary_id", _Id, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("held", sa.Text),
    sa.Column("edition_id", _Id, sa.ForeignKey(editions.c.id)),
    sa.Column("position", sa.Integer),
    sa.Column("pinned_at", UtcTime),
    sa.Column("on_hold", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("words", sa.Text),
    sa.Column("approved_at", UtcTime),
    sa.CheckConstraint("status IN ('waiting', 'taken', 'skipped')", name="status"),
    sa.CheckConstraint("(status = 'taken') = (edition_id IS NOT NULL)", name="taken_has_edition"),
    sa.UniqueConstraint("edition_id", "position"),
    sa.Index(
        "ix_backlog_waiting",
        "digest",
        "channel",
        "summary_id",
        **_only("status = 'waiting'"),
    ),
    sa.Index(
        "ix_backlog_unjudged",
        "digest",
        "channel",
        "summary_id",
        **_only("status = 'waiting' AND held IS NULL"),
    ),
    sa.Index(
        "ix_backlog_ready",
        "digest",
        "channel",
        "summary_id",
        **_only("status = 'waiting' AND held = ''"),
    ),
    sa.Index(None, "summary_id"),
)


# Conditions of partial indexes. SQLite uses such an index only where a query says the very same, so queries use
# these too; what they cost then follows what is open, not all that was ever posted.
PENDING = sa.text("posts.status = 'pending'")
IN_FLIGHT = sa.text("posts.status IN ('publishing', 'unknown')")
ATTENTION = sa.text("posts.status IN ('unknown', 'quarantined')")

# What a row does: it publishes a message, or updates or deletes the post that is its target. The pending index has
# them in this order of urgency, which happens to be the alphabet's: delete, publish, update. ``receipt_basis`` is what
# the receipt rests on; ``candidates`` are posts on the timeline that may be this one, ``dismissed`` the ids of those
# that an operator did not take for it. ``look_first``: an earlier attempt may have created it. ``yields``: while it
# waits for ``not_before``, the posts after it get their turn. ``by_hand``: an operator decided what became of it.
# ``planned_at`` is when it was to appear: distances and limits count from it. ``posted_at`` is when it appeared, by the
# ledger's clock. ``missing_since``: the platform says that it is gone, though
# digestbot did not delete it.
posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("action", sa.Text, nullable=False, server_default="publish"),
    sa.Column("target_id", _Id, sa.ForeignKey("posts.id")),
    sa.Column("edition_id", _Id, sa.ForeignKey(editions.c.id), nullable=False),
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
    sa.Column("next_look_at", UtcTime),
    sa.Column("receipt_id", sa.Text),
    sa.Column("receipt_url", sa.Text),
    sa.Column("receipt_basis", sa.Text),
    sa.Column("candidates", _List),
    sa.Column("dismissed", _List),
    sa.Column("look_first", sa.Boolean, nullable=False, server_default=sa.false()),
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
        **_only("action = 'publish'"),
    ),
    sa.Index("uq_posts_deletion", "target_id", unique=True, **_only("action = 'delete' AND status <> 'skipped'")),
    sa.Index(None, "target_id"),
    sa.Index(
        "uq_posts_in_flight",
        "channel",
        unique=True,
        **_only("status IN ('publishing', 'unknown')"),
    ),
    sa.Index(
        "ix_posts_pending",
        "channel",
        "action",
        "id",
        **_only("status = 'pending'"),
    ),
    sa.Index(
        "ix_posts_attention",
        "status",
        **_only("status IN ('unknown', 'quarantined')"),
    ),
    sa.Index(None, "channel", "concluded_at"),
)

# Which summaries a post shows: all parts of a thread the same one, a part of a roundup several. Of a deletion, those
# that it is made for.
post_summaries = sa.Table(
    "post_summaries",
    metadata,
    sa.Column("post_id", _Id, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", _Id, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Index(None, "summary_id"),
)

# A post's picture, and whose it is; its content is forgotten once it is published.
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("post_id", _Id, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", _Id, sa.ForeignKey(summaries.c.id)),
    sa.Column("content", sa.LargeBinary),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("alt_text", sa.Text, nullable=False),
    sa.Column("required", sa.Boolean, nullable=False),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("post_id", _Id, sa.ForeignKey(posts.c.id), nullable=False),
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

# Each reading of a channel's timeline, what it cost, and what it said of the post that it was made for, if any.
looks = sa.Table(
    "looks",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("channel", sa.Text),
    sa.Column("post_id", _Id, sa.ForeignKey(posts.c.id)),
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

# What is known of a channel beyond its configuration. ``account`` is its platform and account, and since when.
# ``catch_up`` says why its timeline has to be read before anything is posted; NULL where it need not be.
# ``rejected_posts`` are the last posts that were rejected in a row. ``unread_timeline``: 'paused' where the channel is
# paused because its timeline could not be read, 'accepted' once an operator has resumed it all the same, 'waited' where
# it waits, or has waited, for its timeline to show all.
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
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("rejected_posts", _List),
    sa.Column("catch_up", sa.Text),
    sa.Column("unread_timeline", sa.Text),
    sa.Column("replies_refused_at", UtcTime),
    sa.Column("token_checked_at", UtcTime),
    sa.Column("token_expires_at", UtcTime),
)

# Which ledger this is: one row. ``server`` tells one database server, and each failover of it, from another.
ledger_identity = sa.Table(
    "ledger_identity",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("server", sa.Text),
)

# Posts on a channel's own timeline that no post of this ledger has a receipt for: a person's, another bot's, or ours
# from before the ledger was lost. ``links`` are as they were read.
timeline_posts = sa.Table(
    "timeline_posts",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("links", _List, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index(None, "channel", "at"),
)

# Slots that a person took away (``moved_to`` NULL) or moved. Forgotten once a later slot was reached.
slot_changes = sa.Table(
    "slot_changes",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("nominal", sa.Text, primary_key=True),
    sa.Column("due", UtcTime, nullable=False),
    sa.Column("moved_to", UtcTime),
)

OPEN_ALARM = sa.text("alarms.decided_at IS NULL")

# What an operator has to look at, or to allow. ``subject`` is the source or the like that it is about.
alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("raised_at", UtcTime, nullable=False),
    sa.Column("decided_at", UtcTime),
    sa.Column("decision", sa.Text),
    sa.Index(
        "uq_alarms_open",
        "kind",
        "subject",
        unique=True,
        **_only("decided_at IS NULL"),
    ),
)

# Posts whose summary changed in the store, until it is settled what becomes of them. With an alarm, they wait for
# the operator's word.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("post_id", _Id, sa.ForeignKey(posts.c.id), primary_key=True, autoincrement=False),
    sa.Column("summary_id", _Id, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("noted_at", UtcTime, nullable=False),
    sa.Column("alarm_id", _Id, sa.ForeignKey(alarms.c.id)),
    sa.CheckConstraint("kind IN ('edited', 'unnamed', 'withdrawn')", name="kind"),
    sa.Index(None, "summary_id"),
    sa.Index(None, "alarm_id"),
)

# Conditions that the operator was told of, or is to be: once when they begin, and once when they are over.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("begun_at", UtcTime, nullable=False),
    sa.Column("told_at", UtcTime),
    sa.Column("over_at", UtcTime),
    sa.Column("over_told_at", UtcTime),
    sa.Column("telling_until", UtcTime),
    sa.Index("uq_alerts_open", "kind", "subject", unique=True, **_only("over_at IS NULL")),
    sa.Index("ix_alerts_untold", "id", **_only("told_at IS NULL OR (over_at IS NOT NULL AND over_told_at IS NULL)")),
)

# When something was last done that has no row of its own: a tick, a count.
beats = sa.Table(
    "beats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)

# How many summaries waited at the end of each day (of UTC), or waited when the day's last count was made.
backlog_days = sa.Table(
    "backlog_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("waiting", sa.Integer, nullable=False),
)

# Who is logged in to the pages: the hash of what the cookie says. ``lock`` tells the password that opened it.
web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("lock", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)

# What was changed through the pages, by whom, and when.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
)
