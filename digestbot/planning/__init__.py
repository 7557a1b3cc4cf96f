"""Pure decisions about time: when slots come (`calendar`), what stands in a post's way (`traffic`), what a slot takes
(`choosing`), and what all of that leads to (`forecast`)."""

from digestbot.planning.calendar import MOVED, Calendar
from digestbot.planning.choosing import UNDECIDED, Candidate, Past, Queue, Turn, decide, is_due, ready_at, window_begins
from digestbot.planning.closures import A_SECOND, Closure, instant
from digestbot.planning.forecast import OVER_BUDGET, OVERTAKEN, Departure, Plan, Rendered, Road, Row, forecast, foresee
from digestbot.planning.traffic import Appeared, Lane, Limit, Obstacle, Pending, Traffic

__all__ = [
    "A_SECOND",
    "MOVED",
    "OVERTAKEN",
    "OVER_BUDGET",
    "UNDECIDED",
    "Appeared",
    "Calendar",
    "Candidate",
    "Closure",
    "Departure",
    "Lane",
    "Limit",
    "Obstacle",
    "Past",
    "Pending",
    "Plan",
    "Queue",
    "Rendered",
    "Road",
    "Row",
    "Traffic",
    "Turn",
    "decide",
    "forecast",
    "foresee",
    "instant",
    "is_due",
    "ready_at",
    "window_begins",
]
