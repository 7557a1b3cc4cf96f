"""The configuration of a database source."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import model_validator

from digestbot.infra.config_values import DatabaseAddress, Query, WebAddress, Zone
from digestbot.sources.base import SourceConfig


class DatabaseSource(SourceConfig):
    """``[sources.NAME]`` with ``kind = "database"``: a database, read only with SELECT."""

    kind: Literal["database"]
    url: DatabaseAddress
    layout: Literal["shortscience"] | None = None
    query: Query | None = None
    site: WebAddress = "http://www.shortscience.org"
    timezone: Zone | None = None

    @model_validator(mode="after")
    def _one_way_to_read(self) -> DatabaseSource:
        if (self.layout is None) == (self.query is None):
            raise ValueError('write either layout = "shortscience" or a query of your own')
        return self

    def zone(self) -> ZoneInfo | None:
        """Return ``timezone``."""
        return self.timezone
