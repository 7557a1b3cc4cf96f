"""The sections of the configuration, and the whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from digestbot.config.values import (
    AlertAddress,
    ApiAddress,
    Backlog,
    DatabaseAddress,
    Days,
    Duration,
    Hashtag,
    Hours,
    LedgerAddress,
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
from digestbot.model import CatchUp, Image, ImageFailure, LinkPolicy, Order, Platform, Reaction, Shape


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


class Restraint(_Section):
    """What keeps a digest, or a channel, from posting: the keys that both kinds of section have."""

    quiet_hours: Hours | None = None
    not_on: tuple[Days, ...] = ()
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


_Kind = TypeVar("_Kind", Appearance, Timing)


class Cards(_Section):
    """``[cards]``: pictures that are made of summaries."""

    template: Path | None = None
    font_paths: tuple[Path, ...] = ()


class Delivery(_Section):
    """``[delivery]``: the time spans of the delivery protocol."""

    lease: Duration = timedelta(minutes=2)
    quiet_period: Duration = timedelta(minutes=15)


LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Web(_Section):
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


class Alerts(_Section):
    """``[alerts]``: who is told of trouble, and who is to miss us when we are gone."""

    to: tuple[AlertAddress, ...] = ()
    ping_url: SecretAddress | None = None
    ping_every: Duration = timedelta(minutes=5)
    stale_after: Duration | None = None
    dry_after: Duration = timedelta(days=7)


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
    web: Web | None = None
    alerts: Alerts = Alerts()
    log_format: Literal["text", "json"] = "text"

    @model_validator(mode="after")
    def _lease_is_usable(self) -> Config:
        if self.delivery.lease < timedelta(seconds=10):
            raise ValueError('delivery.lease: write at least "10 seconds": a call to a platform takes that long')
        return self

    @model_validator(mode="after")
    def _editions_can_be_made(self) -> Config:
        for digest, channel in self.pairs():
            if channel not in self.channels:
                continue  # said by itself
            timing = self.timing(digest, channel)
            if timing.min_size > timing.size:
                where = f"digests.{digest}" + (f".on.{channel}" if channel in self.digests[digest].on else "")
                raise ValueError(f"{where}.min_size: is more than size, {timing.size}: no edition could ever be made")
            if self.appearance(digest, channel).shape is not Shape.ROUNDUP:
                limits = [rules.per_day or rules.per_week for rules in (timing, self.channels[channel])]
                limits += [rules.per_week or rules.per_day for rules in (timing, self.channels[channel])]
                tightest = min((limit for limit in limits if limit), default=timing.min_size)
                if tightest < timing.min_size:
                    raise ValueError(
                        f"digests.{digest}.min_size: is more than the {tightest} posts that a limit allows"
                    )
        return self

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.path.parent if self.path else Path()

    def digests_on(self, channel: str) -> tuple[str, ...]:
        """The digests that are published on the channel."""
        return tuple(name for name, digest in self.digests.items() if channel in digest.channels)

    def zone(self, digest: str, channel: str) -> ZoneInfo:
        """The zone on whose calendar the digest's schedule for the channel is written."""
        return self.timing(digest, channel).timezone or self.timezone

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
        return self._for(Appearance, digest, channel)

    def timing(self, digest: str, channel: str) -> Timing:
        """When the digest's editions appear on the channel, and how much is in them."""
        return self._for(Timing, digest, channel)

    def _for(self, kind: type[_Kind], digest: str, channel: str) -> _Kind:
        """The digest's keys of this kind, but for what it says otherwise of the channel."""
        settings = self.digests[digest]
        here = settings.on.get(channel, settings)
        said = here.model_fields_set
        return kind.model_construct(
            **{name: getattr(here if name in said else settings, name) for name in kind.model_fields}
        )

    def account(self, channel: str) -> str | None:
        """Return what names the channel's account, whatever the channel is called; None where nothing tells."""
        settings = self.channels[channel]
        host = urlsplit(settings.api_url).netloc
        if isinstance(settings, FacebookChannel):
            return f"facebook:{host}:{settings.page_id}"
        user = settings.access_token.get_secret_value().partition("-")[0]
        return f"twitter:{host}:{user}" if user.isdecimal() else None

    def same_application(self, channel: str) -> tuple[str, ...]:
        """Return the channels that share the channel's application, itself included."""

        def key(name: str) -> tuple[str, str]:
            settings = self.channels[name]
            if isinstance(settings, TwitterChannel):
                return settings.api_url, settings.api_key.get_secret_value()
            secret = settings.app_secret or settings.access_token
            return settings.api_url, secret.get_secret_value()

        return tuple(name for name in self.channels if key(name) == key(channel))

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
        found += [address.get_secret_value() for address in self.alerts.to]
        more = [self.alerts.ping_url, *([self.web.password_hash, self.web.token] if self.web else [])]
        found += [secret.get_secret_value() for secret in more if secret is not None]
        addresses = [self.database.get_secret_value()]
        addresses += [
            source.url if isinstance(source, FeedSource) else source.address.get_secret_value()
            for source in self.sources.values()
        ]
        for address in addresses:
            try:
                parts = urlsplit(address)
                found.append(parts.password or "")
                query = parse_qsl(parts.query)
            except ValueError:
                continue
            found += [value for name, value in query if "pass" in name.lower() or "secret" in name.lower()]
        return [secret for secret in found if len(secret) > 3]
