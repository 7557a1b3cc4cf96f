"""The interface of a source: the protocol of one configured source, and the kinds of sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from digestbot.domain.model import Summary
from digestbot.infra.config_values import Duration, Section, Token
from digestbot.ledger import Ledger
from digestbot.ledger.intake import IngestResult
from digestbot.ledger.source_states import SourceState

MOST_EXAMPLES = 3
NO_VOTES = "can be read, but nothing in it has votes, and a digest of it has min_votes: none of it would ever be posted"


class SourceConfig(Section):
    """The base of ``[sources.NAME]``. A kind's own model adds ``kind`` and the source's location."""

    RESERVE_KEY: ClassVar[str | None] = None  #: the key that names a source which fills this one's gaps

    kind: str
    every: Duration = timedelta(minutes=15)
    timeout: Duration = timedelta(seconds=30)
    hook_token: Token | None = None

    def reserve(self) -> str | None:
        """Return the name of the source that fills this one's gaps; None without one."""
        return getattr(self, self.RESERVE_KEY) if self.RESERVE_KEY else None

    def zone(self) -> ZoneInfo | None:
        """Return the time zone for times without one; None for the configuration's."""
        return getattr(self, self.RESERVE_KEY) if self.RESERVE_KEY else None

    def content_identity(self) -> str | None:
        """Return a value that is equal for two sources with the same content; None if there is none."""
        return getattr(self, self.RESERVE_KEY) if self.RESERVE_KEY else None

    def keys_are_certain(self) -> bool:
        """Return True if summaries with the same key are the same, whatever they look like."""
        return False

    def patience(self) -> timedelta:
        """Return how long one call to the source may take before it counts as hanging."""
        return self.timeout

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield mistakes in the configuration that would prevent reading the source, as (key, problem)."""
        return ()


@dataclass(frozen=True)
class SourceContext:
    """What a source works with. ``zone`` is for times without one; relative paths start at ``folder``."""

    name: str
    config: Any
    zone: ZoneInfo
    folder: Path
    ledger: Ledger
    clock: Callable[[], datetime]
    progress: Callable[[], None]
    stopping: Callable[[], bool]


class Source(Protocol):
    """One configured source over one ledger. Every method that reads the source raises SourceError."""

    examples: Sequence[Summary]
    """The newest summaries that the last `probe` read, at most `MOST_EXAMPLES`; empty before."""

    @property
    def url(self) -> str:
        """Return the source's URL as the ledger remembers it, without secrets."""

    def poll(self, state: SourceState) -> IngestResult | None:
        """Read the source and ingest what is new, changed or gone; return None if nothing changed."""

    def read_all(self) -> Iterator[list[Summary]]:
        """Yield everything that the source shows, in batches."""

    def confirm(self, summaries: Sequence[Summary]) -> bool:
        """Return True if the source still holds these summaries as the ledger knows them.

        If it does not, ingest the difference. Return True also for a source whose silence proves nothing, such as a
        feed.
        """

    def probe(self, *, votes_wanted: bool, sections_wanted: bool) -> str:
        """Read the source, without ingesting anything, and return a description of what it holds.

        Raises SourceError also if votes or sections are wanted and nothing in the source has any.
        """

    def check(self) -> str | None:
        """Return what is fine, without reading the source; None if there is nothing to say. Raises DigestbotError."""

    def prepare_dry_run(self) -> Callable[[Ledger, SourceState], None]:
        """Do the slow reading, and return a function that polls into a temporary ledger.

        The function takes that ledger and what it remembers of the source.
        """

    def close(self) -> None:
        """Close connections."""


@dataclass(frozen=True)
class SourceKind:
    """One kind of source. `registry.SOURCE_KINDS` lists them; other code asks this value and never compares names."""

    name: str
    """The value of ``kind`` in a source's configuration."""
    config: type[SourceConfig]
    open: Callable[[SourceContext], Source]
    """Returns a source, without reading it yet. Raises SourceError for a URL that cannot be used."""
    knows_sections: bool = False
    """True if sources of this kind can say which section a paper is in."""
