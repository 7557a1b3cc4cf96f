"""Pure: what posts are estimated to cost, and what a month's budget lets through. Amounts are whole millionths of a
dollar, so that sums are exact; months are those of UTC.

X bills by use (its prices of 2026-08 are the configuration's defaults); Facebook does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from digestbot.config import Prices
from digestbot.model import Message
from digestbot.text import find_urls

DOLLAR = 1_000_000
WARN_AT = 80  # percent of a budget


FREE = Prices(post=0, link=0, alt_text=0, delete=0, owned_read=0, read=0, user=0)


@dataclass(frozen=True, slots=True)
class Account:
    """What a channel has spent of its month's budget; ``budget`` None for one without."""

    spent: int
    budget: int | None

    def lets_through(self, cost: int) -> bool:
        """Whether so much more stays within the budget."""
        return self.budget is None or self.spent + cost <= self.budget

    def nears_its_end(self, cost: int = 0) -> bool:
        """Whether with so much more the operator is to be warned."""
        return self.budget is not None and (self.spent + cost) * 100 >= self.budget * WARN_AT


def estimate(message: Message, prices: Prices) -> int:
    """What a post is billed: one with an address costs another price than one without."""
    cost = prices.link if find_urls(message.text) else prices.post
    return cost + (prices.alt_text if message.picture and message.picture.alt_text else 0)


def month_start(now: datetime) -> datetime:
    """When the month began that the instant is in."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def dollars(amount: int) -> str:
    """An amount as people read it: "$0.215"."""
    cents, rest = divmod(amount, DOLLAR // 100)
    fine = f"{rest:04}".rstrip("0")
    return f"${cents // 100}.{cents % 100:02}{fine}"
