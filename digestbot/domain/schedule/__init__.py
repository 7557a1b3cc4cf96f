"""Decisions about time: when slots are due (`calendar`), what blocks a post (`constraints`), what a slot takes
(`selection`), and the plan that follows from these (`simulation`)."""

from digestbot.domain.schedule.blackouts import A_SECOND, Blackout, instant
from digestbot.domain.schedule.calendar import MOVED, Calendar
from digestbot.domain.schedule.constraints import (
    Blocker,
    ChannelHistory,
    PostingRules,
    PostLimit,
    PublishedPost,
    QueuedPost,
)
from digestbot.domain.schedule.entry_order import OVERTAKEN
from digestbot.domain.schedule.selection import (
    UNDECIDED,
    Candidate,
    CandidateQueue,
    DigestHistory,
    SlotDecision,
    decide_slot,
    is_due,
    ready_at,
    window_begins,
)
from digestbot.domain.schedule.simulation import OVER_BUDGET, Rendered, forecast, simulate
from digestbot.domain.schedule.simulation_state import ChannelState, DigestState, PendingPost, PlanEntry

__all__ = [
    "A_SECOND",
    "MOVED",
    "OVERTAKEN",
    "OVER_BUDGET",
    "UNDECIDED",
    "Blackout",
    "Blocker",
    "Calendar",
    "Candidate",
    "CandidateQueue",
    "ChannelHistory",
    "ChannelState",
    "DigestHistory",
    "DigestState",
    "PendingPost",
    "PlanEntry",
    "PostLimit",
    "PostingRules",
    "PublishedPost",
    "QueuedPost",
    "Rendered",
    "SlotDecision",
    "decide_slot",
    "forecast",
    "instant",
    "is_due",
    "ready_at",
    "simulate",
    "window_begins",
]
