"""The sections of the configuration, and the whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from digestbot.config.values import (
    ApiAddress,
    Backlog,
    Cron,
    DatabaseAddress,
    Duration,
    Hashtag,
    LedgerAddress,
    Money,
    Parameters,
    Pattern,
    Query,
    Secret,
    Size,
    WebAddress,
    Zone,
)
from digestbot.model import Image, ImageFailure, LinkPolicy, Order, Platform, Reaction, Shape


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class FeedSource(_Section):
    """``[sources.NAME]``: an RSS or Atom feed."""

    kind: Literal["feed"]
    url: WebAddress
    every: Duration = timedelta(minutes=15)
    allow_private_addresses: bool = False
    timeout: Duration = timedelta(seconds=30)
    max_size: Size = 64 * 10**6
    backfill: str | None = None


class DatabaseSource(_Section):
    """``[sources.NAME]``: a database, read with SELECT alone."""

    kind: Literal["database"]
    address: DatabaseAddress
    layout: Literal["shortscience"] | None = None
    query: Query | None = None
    site: WebAddress = "http://www.shortscience.org"
    timezone: Zone | None = None
    every: Duration = timedelta(minutes=15)
    timeout: Duration = timedelta(seconds=30)

    @model_validator(mode="after")
    def _one_way_to_read(self) -> DatabaseSource:
        if (self.layout is None) == (self.query is None):
            raise ValueError('write either layout = "shortscience" or a query of your own')
        return self


Source = Annotated[FeedSource | DatabaseSource, Field(discriminator="kind")]


class Prices(_Section):
    """``[channels.NAME.prices]``: what X takes for one of each, in dollars; read as millionths."""

    post: Money = 15_000
    link: Money = 200_000
    alt_text: Money = 5_000
    delete: Money = 10_000
    read: Money = 1_000


class TwitterChannel(_Section):
    """``[channels.NAME]`` with ``platform = "twitter"``: one account on X."""

    platform: Literal["twitter"]
    link_parameters: Parameters = Field(default_factory=dict)
    monthly_budget: Money | None = None
    prices: Prices = Prices()
    api_url: ApiAddress = "https://api.x.com"
    api_key: Secret
    api_secret: Secret
    access_token: Secret
    access_token_secret: Secret


class FacebookChannel(_Section):
    """``[channels.NAME]`` with ``platform = "facebook"``: one Page."""

    platform: Literal["facebook"]
    link_parameters: Parameters = Field(default_factory=dict)
    api_url: ApiAddress = "https://graph.facebook.com"
    api_version: Annotated[str, Field(pattern=r"^v\d+\.\d+$")] = "v26.0"
    page_id: Annotated[str, Field(pattern=r"^\d+$")]
    access_token: Secret
    app_secret: Secret | None = None


Channel = Annotated[TwitterChannel | FacebookChannel, Field(discriminator="platform")]


class Filter(_Section):
    """``[digests.NAME.include]`` and ``[digests.NAME.exclude]``: what a summary is about."""

    sections: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    keywords: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    patterns: tuple[Annotated[Pattern, Field(min_length=1)], ...] = ()


_TemplateName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Appearance(_Section):
    """What an edition's posts look like: the keys of ``[digests.NAME]`` that ``[digests.NAME.on.CHANNEL]`` may say
    otherwise."""

    shape: Shape = Shape.SINGLE
    link: LinkPolicy = LinkPolicy.POST
    template: _TemplateName | None = None
    heading: Annotated[str, Field(pattern=r"\S", max_length=100)] = "Best of the week"
    hashtags: tuple[Hashtag, ...] = ()
    image: Image = Image.NONE
    image_failure: ImageFailure = ImageFailure.POST_WITHOUT

    @property
    def template_name(self) -> str:
        """The operator's, or the built-in one of the shape."""
        return self.template or ("summary" if self.shape is Shape.SINGLE else str(self.shape))


class OnChannel(_Section):
    """``[digests.NAME.on.CHANNEL]``: what is otherwise on this channel; what is not said is as in the digest."""

    shape: Shape | None = None
    link: LinkPolicy | None = None
    template: _TemplateName | None = None
    heading: Annotated[str, Field(pattern=r"\S", max_length=100)] | None = None
    hashtags: tuple[Hashtag, ...] | None = None
    image: Image | None = None
    image_failure: ImageFailure | None = None


class Digest(Appearance):
    """``[digests.NAME]``: which summaries go to which channels, when, and in which words."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    schedule: Cron
    timezone: Zone | None = None
    on: dict[str, OnChannel] = Field(default_factory=dict)
    size: Annotated[int, Field(ge=1, le=50)] = 1
    order: Order = Order.OLDEST
    min_votes: int | None = None
    min_age: Duration | None = None
    max_age: Duration | None = None
    require_text: bool = True
    include: Filter = Filter()
    exclude: Filter = Filter()
    backlog: Backlog = "skip"
    on_edit: Reaction = Reaction.IGNORE
    on_withdraw: Reaction = Reaction.DELETE

    @model_validator(mode="after")
    def _some_age_passes(self) -> Digest:
        if self.min_age and self.max_age and self.min_age >= self.max_age:
            raise ValueError("max_age must be longer than min_age, or nothing would ever pass")
        return self


class Cards(_Section):
    """``[cards]``: pictures that are made of summaries."""

    template: Path | None = None
    font_paths: tuple[Path, ...] = ()


class Delivery(_Section):
    """``[delivery]``: the time spans of the delivery protocol."""

    lease: Duration = timedelta(minutes=2)
    quiet_period: Duration = timedelta(minutes=15)


class Config(_Section):
    """The whole configuration. ``path`` is the file it came from, ``folder`` where relative paths start."""

    path: Path | None = None
    database: LedgerAddress = SecretStr("sqlite:///digestbot.db")
    timezone: Zone = ZoneInfo("UTC")
    templates: Path | None = None
    sources: dict[str, Source] = Field(default_factory=dict)
    channels: dict[str, Channel] = Field(default_factory=dict)
    digests: dict[str, Digest] = Field(default_factory=dict)
    delivery: Delivery = Delivery()
    cards: Cards = Cards()

    @model_validator(mode="after")
    def _lease_is_usable(self) -> Config:
        if self.delivery.lease < timedelta(seconds=10):
            raise ValueError('delivery.lease: write at least "10 seconds": a call to a platform takes that long')
        return self

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.path.parent if self.path else Path()

    def zone(self, digest: str) -> ZoneInfo:
        """The zone on whose calendar the digest's schedule is written."""
        return self.digests[digest].timezone or self.timezone

    def source_zone(self, source: str) -> ZoneInfo:
        """The zone in which a database's times are written that name none."""
        return getattr(self.sources[source], "timezone", None) or self.timezone

    def reserves(self) -> set[str]:
        """The sources that are read only when another asks for it: to fill its gaps."""
        wanted = {name for digest in self.digests.values() for name in digest.sources}
        return {
            source.backfill for source in self.sources.values() if isinstance(source, FeedSource) and source.backfill
        } - wanted

    def platform(self, channel: str) -> Platform:
        """The platform that the channel is on."""
        return Platform(self.channels[channel].platform)

    def appearance(self, digest: str, channel: str) -> Appearance:
        """What the digest's posts look like on the channel."""
        settings = self.digests[digest]
        names = set(Appearance.model_fields)
        wanted = settings.model_dump(include=names)
        if channel in settings.on:
            wanted |= settings.on[channel].model_dump(exclude_none=True)
        return Appearance.model_construct(**wanted)

    def prices(self, channel: str) -> Prices | None:
        """What the channel's platform takes; None where it takes nothing."""
        settings = self.channels[channel]
        return settings.prices if isinstance(settings, TwitterChannel) else None

    def budget(self, channel: str) -> int | None:
        """What the channel may cost in a month."""
        settings = self.channels[channel]
        return settings.monthly_budget if isinstance(settings, TwitterChannel) else None

    def pairs(self) -> list[tuple[str, str]]:
        """Every (digest, channel) that something is to be published for."""
        return [(name, channel) for name, digest in self.digests.items() for channel in digest.channels]

    def secrets(self) -> list[str]:
        """Every secret value, for the log's redaction."""
        found = [
            value.get_secret_value()
            for channel in self.channels.values()
            for _, value in channel
            if isinstance(value, SecretStr)
        ]
        addresses = [self.database.get_secret_value()]
        addresses += [
            source.url if isinstance(source, FeedSource) else source.address.get_secret_value()
            for source in self.sources.values()
        ]
        for address in addresses:
            try:
                password = urlsplit(address).password
            except ValueError:
                password = None
            found.append(password or "")
        return [secret for secret in found if len(secret) > 3]
