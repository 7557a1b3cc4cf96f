"""Estimated costs of posts, and what a month's budget allows.

Amounts are whole millionths of a dollar, so that sums are exact. Months are UTC months. X bills by use (its prices of
2026-08 are the configuration's defaults); Facebook does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from digestbot.domain.model import Message
from digestbot.text import find_urls

DOLLAR = 1_000_000
WARN_AT = 80  # percent of a budget


@dataclass(frozen=True, slots=True)
class Prices:
    """What a platform charges for one of each, in millionths of a dollar.

    ``owned_read`` is a post of the account's own timeline, ``read`` any other post, ``user`` a lookup of the account.
    """

    post: int = 0
    link: int = 0
    alt_text: int = 0
    delete: int = 0
    owned_read: int = 0
    read: int = 0
    user: int = 0


FREE = Prices()


@dataclass(frozen=True, slots=True)
class Budget:
    """What a channel has spent of its month's budget; ``budget`` is None for a channel without one."""

    spent: int
    budget: int | None

    def lets_through(self, cost: int) -> bool:
        """Return whether an additional cost stays within the budget."""
        return self.budget is None or self.spent + cost <= self.budget

    def nears_its_end(self, cost: int = 0) -> bool:
        """Return whether spending reaches `WARN_AT` percent of the budget with this additional cost: the operator is
        then warned."""
        return self.budget is not None and (self.spent + cost) * 100 >= self.budget * WARN_AT


def estimate(message: Message, prices: Prices) -> int:
    """Return the estimated cost of a post. A text with a URL has a different price from one without; alternative text
    costs extra."""
    cost = prices.link if find_urls(message.text) else prices.post
    return cost + (prices.alt_text if message.picture and message.picture.alt_text else 0)


def month_start(now: datetime) -> datetime:
    """Return the beginning of the UTC month that contains the instant."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def dollars(amount: int) -> str:
    """Return an amount in dollars for people to read: "$0.215"."""
    cents, rest = divmod(amount, DOLLAR // 100)
    fine = f"{rest:04}".rstrip("0")
    return f"${cents // 100}.{cents % 100:02}{fine}"
