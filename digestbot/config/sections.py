"""The sections of the configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from digestbot.config.values import (
    AlertAddress,
    ApiAddress,
    Backlog,
    DatabaseAddress,
    Days,
    Duration,
    Hashtag,
    Hours,
    Money,
    Parameters,
    PasswordHash,
    Pattern,
    Query,
    Schedule,
    Secret,
    SecretAddress,
    Size,
    Token,
    WebAddress,
    Zone,
)
from digestbot.model import CatchUp, Image, ImageFailure, LinkPolicy, Order, Reaction, Shape


class Section(BaseModel):
    """What every section is: frozen, and without keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class FeedSource(Section):
    """``[sources.NAME]``: an RSS or Atom feed."""

    kind: Literal["feed"]
    url: WebAddress
    every: Duration = timedelta(minutes=15)
    allow_private_addresses: bool = False
    timeout: Duration = timedelta(seconds=30)
    max_size: Size = 64 * 10**6
    backfill: str | None = None


class DatabaseSource(Section):
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


class Prices(Section):
    """``[channels.NAME.prices]``: what X bills for one of each, in dollars; read as millionths.

    ``owned_read`` is a post of the account's own timeline, where the account owns the application; ``read`` any other
    post, ``user`` a look-up of the account.
    """

    post: Money = 15_000
    link: Money = 200_000
    alt_text: Money = 5_000
    delete: Money = 10_000
    owned_read: Money = 1_000
    read: Money = 5_000
    user: Money = 10_000


_Limit = Annotated[int, Field(ge=1, le=10_000)]


class Restraint(Section):
    """What keeps a digest, or a channel, from posting: the keys that both kinds of section have."""

    quiet_hours: Hours = ()
    not_on: Days = ()
    per_day: _Limit | None = None
    per_week: _Limit | None = None


class _Channel(Restraint):
    link_parameters: Parameters = Field(default_factory=dict)
    min_distance: Duration | None = None

    @model_validator(mode="after")
    def _distance_is_counted(self) -> _Channel:
        if self.min_distance and self.min_distance > timedelta(days=7):
            raise ValueError("min_distance may be 7 days at most")
        return self


class TwitterChannel(_Channel):
    """``[channels.NAME]`` with ``platform = "twitter"``: one account on X."""

    platform: Literal["twitter"]
    monthly_budget: Money | None = None
    prices: Prices = Prices()
    api_url: ApiAddress = "https://api.x.com"
    api_key: Secret
    api_secret: Secret
    access_token: Secret
    access_token_secret: Secret


class FacebookChannel(_Channel):
    """``[channels.NAME]`` with ``platform = "facebook"``: one Page."""

    platform: Literal["facebook"]
    api_url: ApiAddress = "https://graph.facebook.com"
    api_version: Annotated[str, Field(pattern=r"^v\d+\.\d+$")] = "v26.0"
    page_id: Annotated[str, Field(pattern=r"^\d+$")]
    access_token: Secret
    app_secret: Secret | None = None


Channel = Annotated[TwitterChannel | FacebookChannel, Field(discriminator="platform")]


class Filter(Section):
    """``[digests.NAME.include]`` and ``[digests.NAME.exclude]``: what a summary is about."""

    sections: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    venues: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    keywords: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    patterns: tuple[Annotated[Pattern, Field(min_length=1)], ...] = ()


_TemplateName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Appearance(Section):
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


class Timing(Restraint):
    """When editions appear and how much is in them: the other keys of ``[digests.NAME]`` that
    ``[digests.NAME.on.CHANNEL]`` may say otherwise. ``schedule`` is cron expressions, whatever words it was written
    in."""

    schedule: Schedule = ()
    timezone: Zone | None = None
    jitter: Duration | None = None
    size: Annotated[int, Field(ge=1, le=50)] = 1
    min_size: Annotated[int, Field(ge=1, le=50)] = 1
    skip_if_empty: bool = True
    spread: bool = False
    order: Order = Order.OLDEST
    window: Duration | None = None
    overlap: bool = False
    one_per_paper: bool = False
    catch_up: CatchUp = CatchUp.ONE
    approval: bool = False
    approve_by: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _is_sound(self) -> Timing:
        if self.jitter and self.jitter >= timedelta(days=1):
            raise ValueError("jitter must be shorter than a day")
        return self


class OnChannel(Appearance, Timing):
    """``[digests.NAME.on.CHANNEL]``: what is otherwise on this channel; what is not said is as in the digest."""


class Digest(Appearance, Timing):
    """``[digests.NAME]``: which summaries go to which channels, when, and in which words."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    schedule: Schedule
    on: dict[str, OnChannel] = Field(default_factory=dict)
    min_votes: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None
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


class Cards(Section):
    """``[cards]``: pictures that are made of summaries."""

    template: Path | None = None
    font_paths: tuple[Path, ...] = ()


def _usable_lease(lease: timedelta) -> timedelta:
    if lease < timedelta(seconds=10):
        raise ValueError('write at least "10 seconds": a call to a platform takes that long')
    return lease


class Delivery(Section):
    """``[delivery]``: the time spans of the delivery protocol."""

    lease: Annotated[Duration, AfterValidator(_usable_lease)] = timedelta(minutes=2)
    quiet_period: Duration = timedelta(minutes=15)


class Jobs(Section):
    """``[jobs]``: how much is done at the same time. ``threads``: how many channels, and how many sources."""

    threads: Annotated[int, Field(ge=1, le=500)] = 32


LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Web(Section):
    """``[web]``: the operators' pages. ``public_url`` is where people see them, if a reverse proxy is in between."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8790
    public_url: WebAddress | None = None
    password_hash: PasswordHash | None = None
    token: Token | None = None

    @property
    def locked(self) -> bool:
        """Whether one has to log in."""
        return self.password_hash is not None or self.token is not None

    @model_validator(mode="after")
    def _strangers_need_a_key(self) -> Web:
        seen_from = urlsplit(self.public_url).hostname if self.public_url else None
        if not self.locked and (self.host not in LOOPBACK or (seen_from and seen_from not in LOOPBACK)):
            raise ValueError("others than this machine may only see it with a password: digestbot web --set-password")
        return self


class Alerts(Section):
    """``[alerts]``: who is told of trouble, and who is to miss us when we are gone."""

    to: tuple[AlertAddress, ...] = ()
    ping_url: SecretAddress | None = None
    ping_every: Duration = timedelta(minutes=5)
    stale_after: Duration | None = None
    dry_after: Duration = timedelta(days=7)
