"""The documents about posts and alerts that commands print with ``--json``; see json_output.

Times are in ISO format with a zone, amounts are dollars, ids of summaries and posts are the ledger's.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from digestbot.domain.model import Action, PostStatus, ReceiptBasis

Time: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Slot: TypeAlias = Annotated[str, Field(description="a slot's time, as `slot` and `posts move` take it")]
Dollars: TypeAlias = Annotated[float, Field(description="in dollars, estimated")]


class PostLocation(TypedDict):
    """Where a post is on its platform. ``basis`` says how that is known."""

    id: str
    url: str
    basis: ReceiptBasis


class TimelineMatch(TypedDict):
    """A post of the timeline that may be a quarantined one."""

    id: str
    url: str
    text: str
    at: Time


class PostRecord(TypedDict):
    """A post, or an update or a deletion of the post ``target``."""

    id: int
    action: Action
    target: int | None
    status: PostStatus
    channel: str
    digest: str
    slot: Slot
    position: Annotated[int, Field(description="in its edition, from 0")]
    at: Annotated[Time, Field(description="when it reached its status")]
    text: str
    link: str | None
    picture: Annotated[str | None, Field(description="the picture's alternative text")]
    cost: Dollars
    receipt: PostLocation | None
    candidates: list[TimelineMatch]
    error: str | None
    attempts: int
    approve_by: Time | None
    not_before: Time | None


class Attempt(TypedDict):
    """One attempt to send a post."""

    epoch: int
    started_at: Time
    deadline: Time
    finished_at: Time | None
    outcome: str | None
    error: str | None
    cost: Dollars | None


class TimelineCheck(TypedDict):
    """One look at the timeline for a post."""

    epoch: int | None
    at: Time
    complete: bool
    read: int
    note: str


class PostHistory(PostRecord):
    """A post with everything that happened to it."""

    attempt_history: list[Attempt]
    timeline_checks: list[TimelineCheck]
    changes: Annotated[list[PostRecord], Field(description="its updates and deletions")]


class OpenAlert(TypedDict):
    """An alert that needs a decision."""

    id: int
    kind: str
    subject: str
    note: str
    raised_at: Time
    posts: Annotated[list[int], Field(description="the posts that it holds back")]


class RunReport(TypedDict):
    """What a run did."""

    posts: Annotated[list[PostRecord], Field(description="the posts that it created, sent or settled")]
    source_errors: Annotated[dict[str, str], Field(description="by source")]
    render_errors: list[str]
    paused_channels: Annotated[dict[str, str], Field(description="the reasons, by channel")]
    waiting_channels: Annotated[dict[str, Time], Field(description="until when, by channel")]
    errors: list[str]
    pending: Annotated[list[int], Field(description="posts that were tried and are still pending")]
    needs_decision: Annotated[int, Field(description="the number of unknown and quarantined posts")]
    needs_approval: list[int]
    alerts: list[OpenAlert]


class SentTest(TypedDict):
    """The test post of a channel."""

    channel: str
    url: str
    deleted: bool
    cost: Dollars
