"""The tables of what sources provide: sources, papers, summaries."""

from __future__ import annotations

import sqlalchemy as sa

from digestbot.ledger.schema.types import ID, LIST, UtcTime, metadata

# ``not_before``: the server asked for no request before then. ``moved_to``: the URL to which it redirects for good.
# ``last_poll``: what the last poll read and left out.
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
    sa.Column("scan_cursor", sa.Text),
    sa.Column("recheck_cursor", ID),
    sa.Column("polled_at", UtcTime),
    sa.Column("next_poll_at", UtcTime),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("not_before", UtcTime),
    sa.Column("moved_to", sa.Text),
    sa.Column("last_poll", LIST),
)

papers = sa.Table(
    "papers",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_key", sa.Text),
    sa.Column("arxiv_id", sa.Text),
    sa.Column("doi", sa.Text),
    sa.Column("authors", LIST),
    sa.Column("venue", sa.Text),
    sa.Column("year", sa.Integer),
    sa.Column("category", sa.Text),
    sa.Column("sections", LIST),
    sa.Index(None, "title_key"),
    sa.Index(None, "arxiv_id"),
    sa.Index(None, "doi"),
)

# The keys under which stores file papers; a paper may have several.
paper_keys = sa.Table(
    "paper_keys",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("paper_id", ID, sa.ForeignKey(papers.c.id), nullable=False),
    sa.Index(None, "paper_id"),
)

# ``arrival_alert_id``: the alert that holds the summary, because many old ones arrived at once.
summaries = sa.Table(
    "summaries",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("paper_id", ID, sa.ForeignKey(papers.c.id), nullable=False),
    sa.Column("key", sa.Text, nullable=False, server_default=""),
    sa.Column("store_id", sa.Text),
    sa.Column("handle", sa.Text),
    sa.Column("writer", sa.Text),
    sa.Column("orcid", sa.Text),
    sa.Column("genre", sa.Text, nullable=False, server_default="summary"),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("votes", sa.Integer),
    sa.Column("source_date", UtcTime),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.LargeBinary),
    sa.Column("ingested_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime),
    sa.Column("withdrawn_at", UtcTime),
    sa.Column("arrival_alert_id", ID),
    sa.Index(None, "paper_id", "source"),
    sa.Index(None, "source", "id"),
    sa.Index(None, "source", "key"),
    sa.Index(None, "source", "version"),
)

# Summaries that the channel's account already shows in posts that digestbot did not make: another bot's, or a person's.
adopted_posts = sa.Table(
    "adopted_posts",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("summary_id", ID, sa.ForeignKey(summaries.c.id), primary_key=True, autoincrement=False),
    sa.Column("post_id", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("posted_at", UtcTime, nullable=False),
)
