"""The documents that commands print with ``--json``. docs/json.md and docs/json.schema.json are made from this module.

Times are in ISO format with a zone, amounts are dollars, ids of summaries and posts are the ledger's.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from digestbot.cli.json_posts import Dollars, OpenAlert, PostHistory, PostRecord, RunReport, SentTest, Slot, Time
from digestbot.domain.model import PostStatus


class PreviewedPost(TypedDict):
    """A post as it would be sent."""

    text: str
    link: Annotated[str | None, Field(description="attached to the post, not part of its text")]
    reply: bool
    length: int
    limit: int
    cost: Dollars
    picture: Annotated[str | None, Field(description="the picture's alternative text")]
    excerpt: Annotated[str | None, Field(description="the rule that chose the part of the summary that is shown")]


class MonthlyBudget(TypedDict):
    """A channel's costs of this month (UTC)."""

    spent: Dollars
    budget: Dollars | None


class ChannelPreview(TypedDict):
    """What would be sent next on a channel."""

    digest: str
    channel: str
    slot: Time | None
    pending: int
    skipped: int
    posts: list[PreviewedPost]
    cost: Dollars
    reason: Annotated[str | None, Field(description="why nothing would be sent")]
    within_budget: bool
    month: MonthlyBudget


class PlannedSummary(TypedDict):
    """A summary in a slot."""

    summary: int
    title: str
    writer: Annotated[str | None, Field(description="null for an anonymous one")]
    link: str


class PlannedSlot(TypedDict):
    """A slot of the plan. Without summaries, ``note`` says why it stays empty."""

    at: Time
    digest: str
    channel: str
    slot: Slot
    summaries: list[PlannedSummary]
    cost: Dollars
    note: str | None
    made: Annotated[bool, Field(description="its posts exist already")]


class Hold(TypedDict):
    """Why a post is held back, and until when."""

    reason: str
    until: Time | None


class PostOfSummary(TypedDict):
    """A post that shows a summary."""

    id: int
    status: PostStatus
    url: str | None


class SummaryReason(TypedDict):
    """When a summary was or will be posted on a channel, or why not."""

    digest: str
    channel: str
    because: str
    excerpt: str | None
    since: Time | None
    at: Annotated[Time | None, Field(description="when it is planned")]
    not_posted: Annotated[bool, Field(description="it will not be posted as things stand")]
    held: list[Hold]
    posts: list[PostOfSummary]


class SummaryReasons(TypedDict):
    """A summary, and its story on each channel."""

    summary: int
    title: str
    reasons: list[SummaryReason]


class BacklogCounts(TypedDict):
    """How many summaries of a backlog are pending, taken (in an edition) and skipped."""

    pending: int
    taken: int
    skipped: int


class BacklogSummary(TypedDict):
    """A pending summary. ``blocked_reason`` says why it cannot be posted yet."""

    summary: int
    title: str
    writer: Annotated[str | None, Field(description="null for an anonymous one")]
    votes: int | None
    dated: Time | None
    link: str
    blocked_reason: str | None


class Backlog(TypedDict):
    """What a digest would publish on a channel, in its order."""

    digest: str
    channel: str
    counts: BacklogCounts
    pending: list[BacklogSummary]


class BacklogChange(TypedDict):
    """How many summaries `--take-in` made pending, or `--skip` skipped."""

    digest: str
    channel: str
    now_pending: NotRequired[int]
    skipped: NotRequired[int]


class Poll(TypedDict):
    """What the last poll of a source read."""

    at: Time
    entries: int
    new: int
    changed: int
    unchanged: int
    withdrawn: int
    dropped: int
    early: int
    repeated: int
    examples: Annotated[list[str], Field(description="why entries were dropped")]


class HeldEntry(TypedDict):
    """An old entry that arrived with many others, and is held."""

    dated: str | None
    title: str
    link: str


class SourceReport(TypedDict):
    """A source."""

    source: str
    known: Annotated[int, Field(description="the number of its summaries")]
    next_poll_at: Time | None
    failures: Annotated[int, Field(description="polls that failed in a row")]
    error: str | None
    moved_to: str | None
    last_poll: Poll | None
    held: int
    held_entries: list[HeldEntry]


class CheckFinding(TypedDict):
    """One result of `check`. A warning counts as passed."""

    what: str
    ok: bool
    warning: bool
    detail: str


class LoggedIn(TypedDict):
    """What a login brought."""

    channel: str
    account: str
    files: Annotated[list[str], Field(description="the files with its tokens")]
    notes: list[str]


class AccountStatus(TypedDict):
    """A channel's account, or why the platform rejects its token."""

    channel: str
    account: str | None
    permissions: Annotated[list[str] | None, Field(description="null if the platform does not say")]
    expires_at: Annotated[Time | None, Field(description="null without a known end")]
    advice: list[str]
    error: str | None


class LoggedOut(TypedDict):
    """What a logout deleted."""

    channel: str
    files: Annotated[list[str], Field(description="the files that were changed or deleted")]


class AdoptedPost(TypedDict):
    """A post of the account that shows a summary."""

    summary: int
    url: str
    at: Time


class AmbiguousPost(TypedDict):
    """A post of the account that may show one of several summaries."""

    url: str
    at: Time
    summaries: list[int]


class OtherPost(TypedDict):
    """A post of the account that shows no known summary."""

    url: str
    at: Time


class AdoptionResult(TypedDict):
    """What was found on an account."""

    read: int
    cost: Dollars
    own: Annotated[int, Field(description="posts that digestbot had sent itself")]
    adopted: list[AdoptedPost]
    ambiguous: list[AmbiguousPost]
    others: list[OtherPost]
    pending: Annotated[int, Field(description="adopted summaries that were pending until now")]
    held: int
    error: Annotated[str | None, Field(description="why older posts are not known")]


class LedgerResult(TypedDict):
    """What a command did with the ledger."""

    problems: NotRequired[Annotated[list[str], Field(description="of `db check`: the damage")]]
    file: NotRequired[str]
    folder: NotRequired[str]
    rows: NotRequired[Annotated[dict[str, int], Field(description="the number of rows by table")]]


class ActionResult(TypedDict):
    """What an action changed. Which keys there are depends on the action."""

    digest: NotRequired[str]
    channel: NotRequired[str]
    channels: NotRequired[Annotated[list[str], Field(description="of `resume-all`: those that are still paused")]]
    summary: NotRequired[int]
    summaries: NotRequired[list[int]]
    slot: NotRequired[Slot]
    at: NotRequired[Time]
    post: NotRequired[int]
    posts: NotRequired[list[int]]
    approved: NotRequired[bool | list[int]]
    rendered_again: NotRequired[list[int]]
    declined: NotRequired[list[int]]
    later: NotRequired[bool]
    text: NotRequired[str]
    before: NotRequired[str]
    after: NotRequired[str]
    url: NotRequired[str | None]
    same_text: NotRequired[bool]
    paused: NotRequired[bool]
    reason: NotRequired[str]
    alert: NotRequired[int]
    decision: NotRequired[str]


class DemoTimelinePost(TypedDict):
    """A post on the demo's timeline."""

    id: str
    text: str
    link: NotRequired[str | None]


class DemoResult(TypedDict):
    """What the demo did: its ledger's posts, and the timelines by platform."""

    url: str
    new_posts: int
    timelines: dict[str, list[DemoTimelinePost]]
    posts: list[PostRecord]


OUTPUTS: dict[str, Any] = {
    "once": RunReport,
    "send": RunReport | list[PostRecord] | SentTest,
    "preview": list[ChannelPreview],
    "plan": list[PlannedSlot],
    "why": list[SummaryReasons],
    "backlog": list[Backlog] | list[BacklogChange],
    "sources": list[SourceReport],
    "posts": list[PostRecord],
    "posts show": PostHistory,
    "alerts": list[OpenAlert],
    "approve": list[PostRecord] | ActionResult,
    "check": list[CheckFinding],
    "login": LoggedIn | list[AccountStatus],
    "logout": LoggedOut,
    "adopt": AdoptionResult,
    "export": LedgerResult,
    "db": LedgerResult,
    "demo": DemoResult,
}
"""The document of each command; `ActionResult` is that of every other command."""
