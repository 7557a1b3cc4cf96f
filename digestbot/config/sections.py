"""The sections of the configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from digestbot.config.cron_words import to_cron
from digestbot.domain.model import (
    CardDesign,
    CatchUp,
    ExcerptPolicy,
    Image,
    ImageFailure,
    LinkPolicy,
    Order,
    Reaction,
    Shape,
)
from digestbot.infra.config_values import (
    AlertAddress,
    Backlog,
    Duration,
    Hashtag,
    PasswordHash,
    Pattern,
    RepeatPaper,
    SecretAddress,
    Section,
    Token,
    WebAddress,
    Zone,
)
from digestbot.platforms.base import PostingLimits


def _schedule(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list | tuple) else [value]
    if not several or not all(isinstance(one, str) and one.strip() for one in several):
        raise ValueError('write a schedule such as "weekdays at 09:00", or a list of them')
    expressions: list[str] = []
    mistakes: list[str] = []
    for place, one in enumerate(several):
        try:
            expressions += to_cron(one)
        except ValueError as error:
            mistakes.append(f"number {place + 1}: {error}" if len(several) > 1 else str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return tuple(dict.fromkeys(expressions))


Schedule = Annotated[tuple[str, ...], BeforeValidator(_schedule)]


class FilterConfig(Section):
    """``[digests.NAME.include]`` and ``[digests.NAME.exclude]``: filters on what a summary is about."""

    sections: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    venues: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    keywords: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    patterns: tuple[Annotated[Pattern, Field(min_length=1)], ...] = ()


_TemplateName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Appearance(Section):
    """The look of an edition's posts.

    These keys of ``[digests.NAME]`` can be overridden in ``[digests.NAME.on.CHANNEL]``.
    """

    shape: Shape = Shape.SINGLE
    link: LinkPolicy = LinkPolicy.POST
    template: _TemplateName | None = None
    heading: Annotated[str, Field(pattern=r"\S", max_length=100)] = "Best of the week"
    list_url: WebAddress | None = None
    hashtags: tuple[Hashtag, ...] = ()
    excerpt: ExcerptPolicy = ExcerptPolicy.LEAD
    max_parts: Annotated[int, Field(ge=2, le=25)] = 6
    image: Image = Image.NONE
    image_failure: ImageFailure = ImageFailure.POST_WITHOUT

    @property
    def template_name(self) -> str:
        """Return the operator's template or, without one, the built-in template of the shape."""
        return self.template or ("summary" if self.shape is Shape.SINGLE else str(self.shape))


class Timing(PostingLimits):
    """When editions appear and how much is in them.

    These keys of ``[digests.NAME]`` can be overridden in ``[digests.NAME.on.CHANNEL]``. ``schedule`` holds cron
    expressions, even if it was written in words. ``repeat_paper`` is None for "always", and without end for "never".
    """

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
    repeat_paper: RepeatPaper = None
    catch_up: CatchUp = CatchUp.ONE
    approval: bool = False
    approve_by: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _is_sound(self) -> Timing:
        if self.jitter and self.jitter >= timedelta(days=1):
            raise ValueError("jitter must be shorter than a day")
        return self


class ChannelOverride(Appearance, Timing):
    """``[digests.NAME.on.CHANNEL]``: what differs on this channel; missing keys are as in the digest."""


class Digest(Appearance, Timing):
    """``[digests.NAME]``: which summaries go to which channels, when, and with which look."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    schedule: Schedule
    on: dict[str, ChannelOverride] = Field(default_factory=dict)
    min_votes: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None
    min_age: Duration | None = None
    max_age: Duration | None = None
    require_text: bool = True
    include: FilterConfig = FilterConfig()
    exclude: FilterConfig = FilterConfig()
    backlog: Backlog = "skip"
    on_edit: Reaction = Reaction.IGNORE
    on_withdraw: Reaction = Reaction.DELETE

    @model_validator(mode="after")
    def _some_age_passes(self) -> Digest:
        if self.min_age and self.max_age and self.min_age >= self.max_age:
            raise ValueError("max_age must be longer than min_age, or nothing would ever pass")
        return self


class Cards(Section):
    """``[cards]``: pictures made from summaries."""

    template: Path | None = None
    design: CardDesign = CardDesign.AUTO
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
    """``[jobs]``: concurrency.

    ``threads`` is the number of channels, and of sources, that are handled at the same time.
    """

    threads: Annotated[int, Field(ge=1, le=500)] = 32


LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Web(Section):
    """``[web]``: the operator pages. ``public_url`` is their URL for people, if a reverse proxy is in between."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8790
    public_url: WebAddress | None = None
    password_hash: PasswordHash | None = None
    token: Token | None = None

    @property
    def locked(self) -> bool:
        """Return True if the pages require a login."""
        return self.password_hash is not None or self.token is not None

    @model_validator(mode="after")
    def _strangers_need_a_key(self) -> Web:
        seen_from = urlsplit(self.public_url).hostname if self.public_url else None
        if not self.locked and (self.host not in LOOPBACK or (seen_from and seen_from not in LOOPBACK)):
            raise ValueError("a host other than this machine needs a password: digestbot web --set-password")
        return self


class Alerts(Section):
    """``[alerts]``: who is notified of problems, and the ping whose absence shows that digestbot is gone."""

    to: tuple[AlertAddress, ...] = ()
    ping_url: SecretAddress | None = None
    ping_every: Duration = timedelta(minutes=5)
    stale_after: Duration | None = None
    dry_after: Duration = timedelta(days=7)
