"""The configuration of a channel on X."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from digestbot.domain.budget import Prices
from digestbot.infra.config_values import ApiAddress, Money, Secret, Section
from digestbot.platforms.base import ChannelConfig


class PriceList(Section):
    """``[channels.NAME.prices]``: X's unit prices in dollars, stored in millionths.

    ``owned_read`` is a post of the account's own timeline, if the account owns the application. ``read`` is any other
    post, ``user`` a lookup of the account. The defaults are X's prices of August 2026.
    """

    post: Money = 15_000
    link: Money = 200_000
    alt_text: Money = 5_000
    delete: Money = 10_000
    owned_read: Money = 1_000
    read: Money = 5_000
    user: Money = 10_000


class TwitterChannel(ChannelConfig):
    """``[channels.NAME]`` with ``platform = "twitter"``: one account on X."""

    platform: Literal["twitter"]
    monthly_budget: Money | None = None
    prices: PriceList = PriceList()
    api_url: ApiAddress = "https://api.x.com"
    api_key: Secret
    api_secret: Secret
    access_token: Secret
    access_token_secret: Secret

    def account(self) -> str | None:
        """Return the host and the user's id, taken from the prefix of the access token; None without one."""
        user = self.access_token.get_secret_value().partition("-")[0]
        return f"twitter:{urlsplit(self.api_url).netloc}:{user}" if user.isdecimal() else None

    def application(self) -> str:
        """Return the host and the consumer key."""
        return f"{self.api_url} {self.api_key.get_secret_value()}"

    def price_list(self) -> Prices:
        """Return X's prices."""
        return Prices(**self.prices.model_dump())

    def budget(self) -> int | None:
        """Return ``monthly_budget``."""
        return self.monthly_budget

    def advice(self, now: datetime, *, online: bool) -> Iterable[tuple[str, str, bool]]:
        """Yield how to label the account as automated; X suspends unlabelled bots."""
        del now
        if online:
            where = "Settings → Your account → Automation"
            yield "label", f"X suspends unlabelled bots: label the account under {where}", False
