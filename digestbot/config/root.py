"""The whole configuration: all sections, and what they specify for a digest on a channel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model

from digestbot.config.sections import (
    Alerts,
    Appearance,
    Cards,
    Delivery,
    Digest,
    FilterConfig,
    Jobs,
    Timing,
    Web,
)
from digestbot.domain.budget import Prices
from digestbot.domain.model import Route, Shape
from digestbot.infra.config_values import LedgerAddress, SecretUrl, Section, Zone
from digestbot.platforms.base import ChannelConfig, LengthLimit, Platform
from digestbot.platforms.registry import PLATFORMS, get_platform
from digestbot.sources.base import SourceConfig
from digestbot.sources.registry import SOURCE_KINDS

_Kind = TypeVar("_Kind", Appearance, Timing)


class Config(Section):
    """The whole configuration. ``path`` is its file; relative paths start at ``folder``."""

    model_config = ConfigDict(defer_build=True)

    path: Path | None = None
    database: LedgerAddress = SecretUrl("sqlite:///digestbot.db")
    timezone: Zone = ZoneInfo("UTC")
    templates: Path | None = None
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    channels: dict[str, ChannelConfig] = Field(default_factory=dict)
    digests: dict[str, Digest] = Field(default_factory=dict)
    delivery: Delivery = Delivery()
    jobs: Jobs = Jobs()
    cards: Cards = Cards()
    web: Web | None = None
    alerts: Alerts = Alerts()
    log_format: Literal["text", "json"] = "text"

    @property
    def folder(self) -> Path:
        """Return the folder at which relative paths start."""
        return self.path.parent if self.path else Path()

    def digests_on(self, channel: str) -> tuple[str, ...]:
        """Return the names of the digests that are published on the channel."""
        return tuple(name for name, digest in self.digests.items() if channel in digest.channels)

    def zone(self, digest: str, channel: str) -> ZoneInfo:
        """Return the time zone of the digest's schedule on the channel."""
        return self.timing(digest, channel).timezone or self.timezone

    def source_zone(self, source: str) -> ZoneInfo:
        """Return the time zone for the source's times without one."""
        return self.sources[source].zone() or self.timezone

    def backfill_sources(self) -> set[str]:
        """Return the sources that are read only to fill another source's gaps."""
        wanted = {name for digest in self.digests.values() for name in digest.sources}
        return {reserve for source in self.sources.values() if (reserve := source.reserve())} - wanted

    def platform(self, channel: str) -> Platform:
        """Return the platform that the channel is on."""
        return get_platform(self.channels[channel].platform)

    def limit(self, channel: str) -> LengthLimit | None:
        """Return the length limit of the channel's platform; None if the channel is no longer configured."""
        return self.platform(channel).limit if channel in self.channels else None

    def appearance(self, digest: str, channel: str) -> Appearance:
        """Return the look of the digest's posts on the channel."""
        return self._for(Appearance, digest, channel)

    def timing(self, digest: str, channel: str) -> Timing:
        """Return when the digest's editions appear on the channel, and how much is in them."""
        return self._for(Timing, digest, channel)

    def _for(self, kind: type[_Kind], digest: str, channel: str) -> _Kind:
        """Return the digest's keys of this kind, with the channel's overrides."""
        settings = self.digests[digest]
        here = settings.on.get(channel, settings)
        explicit = here.model_fields_set
        return kind.model_construct(
            **{name: getattr(here if name in explicit else settings, name) for name in kind.model_fields}
        )

    def account(self, channel: str) -> str | None:
        """Return an id of the channel's account that does not depend on the channel's name; None if it is unknown."""
        return self.channels[channel].account()

    def same_application(self, channel: str) -> tuple[str, ...]:
        """Return the channels that share the channel's application, including itself."""
        application = self.channels[channel].application()
        return tuple(name for name, settings in self.channels.items() if settings.application() == application)

    def prices(self, channel: str) -> Prices | None:
        """Return the platform's prices for the channel; None if it is free."""
        return self.channels[channel].price_list()

    def budget(self, channel: str) -> int | None:
        """Return the channel's monthly budget, in millionths of a dollar; None without a limit."""
        return self.channels[channel].budget()

    def routes(self) -> list[Route]:
        """Return every configured (digest, channel)."""
        return [Route(name, channel) for name, digest in self.digests.items() for channel in digest.channels]

    def secrets(self) -> list[str]:
        """Return all secret values and the passwords in URLs, which are redacted in logs."""
        secrets: list[str] = []
        for value in _leaves(self):
            if isinstance(value, SecretStr) and not isinstance(value, SecretUrl):
                secrets.append(value.get_secret_value())
            elif isinstance(value, str | SecretUrl):
                secrets += _passwords(value if isinstance(value, str) else value.get_secret_value())
        return [secret for secret in secrets if len(secret) > 3]


def _leaves(value: object) -> Iterator[object]:
    """Yield every value of a section and of its subsections."""
    if isinstance(value, BaseModel):
        for _, one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _passwords(url: str) -> list[str]:
    """Return the password in a URL, and the values of query parameters whose names suggest a secret."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
    except ValueError:
        return []
    results = [value for name, value in query if "pass" in name.lower() or "secret" in name.lower()]
    return [parts.password, *results] if parts.password else results


def config_model() -> type[Config]:
    """Return the model that accepts the channels and sources of every registered platform and kind."""
    channels = tuple(platform.config for platform in PLATFORMS.values())
    return _config_model(channels, tuple(kind.config for kind in SOURCE_KINDS.values()))


@lru_cache(maxsize=4)
def _config_model(channels: tuple[type[ChannelConfig], ...], sources: tuple[type[SourceConfig], ...]) -> type[Config]:
    fields: dict[str, Any] = {
        "sources": (dict[str, _one_of(sources, "kind")], Field(default_factory=dict)),  # type: ignore[misc]
        "channels": (dict[str, _one_of(channels, "platform")], Field(default_factory=dict)),  # type: ignore[misc]
    }
    return create_model("Config", __base__=Config, **fields)


def _one_of(models: tuple[type[BaseModel], ...], discriminator: str) -> Any:
    return Annotated[Union[models], Field(discriminator=discriminator)] if len(models) > 1 else models[0]  # noqa: UP007


def contradictions(config: Config) -> list[str]:
    """Return problems that involve several sections: digests that could never have an edition."""
    problems = []
    for digest, channel in config.routes():
        timing = config.timing(digest, channel)
        settings = config.digests[digest]
        where = f"digests.{digest}" + (f".on.{channel}" if channel in settings.on else "")
        for part in FilterConfig.model_fields:
            wanted = set(getattr(settings.include, part))
            if wanted and wanted <= set(getattr(settings.exclude, part)):
                problems.append(f"digests.{digest}.include.{part}: is excluded too, so nothing would ever pass")
        if timing.min_size > timing.size:
            problems.append(f"{where}.min_size: is more than size, {timing.size}: no edition could ever be made")
        elif channel in config.channels and config.appearance(digest, channel).shape is not Shape.ROUNDUP:
            limits = [rules.per_day or rules.per_week for rules in (timing, config.channels[channel])]
            limits += [rules.per_week or rules.per_day for rules in (timing, config.channels[channel])]
            tightest = min((limit for limit in limits if limit), default=timing.min_size)
            if tightest < timing.min_size:
                problems.append(f"{where}.min_size: is more than the {tightest} posts that a limit allows")
    return problems
