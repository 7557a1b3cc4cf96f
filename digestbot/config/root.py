"""The whole configuration: its sections together, and what they say of a digest on a channel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr

from digestbot.config.sections import (
    Alerts,
    Appearance,
    Cards,
    Channel,
    Delivery,
    Digest,
    FacebookChannel,
    FeedSource,
    Filter,
    Jobs,
    Prices,
    Section,
    Source,
    Timing,
    TwitterChannel,
    Web,
)
from digestbot.config.values import LedgerAddress, Zone
from digestbot.model import Platform, Shape

_Kind = TypeVar("_Kind", Appearance, Timing)


class Config(Section):
    """The whole configuration. ``path`` is the file it came from, ``folder`` where relative paths start."""

    path: Path | None = None
    database: LedgerAddress = SecretStr("sqlite:///digestbot.db")
    timezone: Zone = ZoneInfo("UTC")
    templates: Path | None = None
    sources: dict[str, Source] = Field(default_factory=dict)
    channels: dict[str, Channel] = Field(default_factory=dict)
    digests: dict[str, Digest] = Field(default_factory=dict)
    delivery: Delivery = Delivery()
    jobs: Jobs = Jobs()
    cards: Cards = Cards()
    web: Web | None = None
    alerts: Alerts = Alerts()
    log_format: Literal["text", "json"] = "text"

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


def contradictions(config: Config) -> list[str]:
    """Return what no single section can see: digests of which no edition could ever be made."""
    problems = []
    for digest, channel in config.pairs():
        timing = config.timing(digest, channel)
        settings = config.digests[digest]
        where = f"digests.{digest}" + (f".on.{channel}" if channel in settings.on else "")
        for part in Filter.model_fields:
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
