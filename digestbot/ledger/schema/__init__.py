"""The ledger's tables. Their constraints guarantee:

- a store's key identifies one paper          PRIMARY KEY of paper_keys (key)
- a slot is reached once                      partial UNIQUE (digest, channel, due) over scheduled slots
- a summary is in at most one edition of a    PRIMARY KEY of backlog (digest, channel, summary)
  digest on a channel
- a part of an edition is created once        partial UNIQUE (edition, position) over rows that publish
- a post is deleted once                      partial UNIQUE (target) over deletions that were not skipped
- an alert is raised once                     partial UNIQUE (kind, subject) over open alerts
- a channel sends one post at a time, and     partial UNIQUE (channel) over publishing and unknown posts
  none while an outcome is unknown
- a receipt belongs to one post               UNIQUE (channel, receipt)
- each attempt at a post has its own epoch    UNIQUE (post, epoch)

Amounts of money are in millionths of a dollar. Times are UTC.

Every constraint has a name, so that migrations can refer to it.
"""

from digestbot.ledger.schema.delivery import (
    ATTENTION,
    IN_FLIGHT,
    PENDING,
    attempts,
    channels,
    ledger_identity,
    pictures,
    post_summaries,
    posts,
    timeline_checks,
    timeline_posts,
)
from digestbot.ledger.schema.operations import (
    OPEN_ALERT,
    alerts,
    audit,
    backlog_days,
    changes,
    heartbeats,
    notifications,
    web_sessions,
)
from digestbot.ledger.schema.planning import (
    READY,
    SCHEDULED_SLOT,
    UNAPPROVED,
    UNJUDGED,
    WAITING,
    backlog,
    cursors,
    editions,
    schedule_versions,
    slot_changes,
    slots,
)
from digestbot.ledger.schema.summaries import adopted_posts, paper_keys, papers, sources, summaries
from digestbot.ledger.schema.types import UtcTime, metadata

__all__ = [
    "ATTENTION",
    "IN_FLIGHT",
    "OPEN_ALERT",
    "PENDING",
    "READY",
    "REVISION",
    "SCHEDULED_SLOT",
    "UNAPPROVED",
    "UNJUDGED",
    "WAITING",
    "UtcTime",
    "adopted_posts",
    "alerts",
    "attempts",
    "audit",
    "backlog",
    "backlog_days",
    "changes",
    "channels",
    "cursors",
    "editions",
    "heartbeats",
    "ledger_identity",
    "metadata",
    "notifications",
    "paper_keys",
    "papers",
    "pictures",
    "post_summaries",
    "posts",
    "schedule_versions",
    "slot_changes",
    "slots",
    "sources",
    "summaries",
    "timeline_checks",
    "timeline_posts",
    "web_sessions",
]

REVISION = "0002"  # the newest migration: the revision of an up-to-date ledger
