"""The configuration of a Facebook channel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from digestbot.infra.config_values import ApiAddress, Secret
from digestbot.platforms.base import ChannelConfig

VERSION_ENDS = {
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v25.0": date(2028, 7, 29),
}
"""When Graph API versions end, by Meta's changelog of 26 November 2026. Versions before v20.0 have ended."""
ENDS_SOON = timedelta(days=183)


class FacebookChannel(ChannelConfig):
    """``[channels.NAME]`` with ``platform = "facebook"``: one Page."""

    platform: Literal["facebook"]
    api_url: ApiAddress = "https://graph.facebook.com"
    api_version: Annotated[str, Field(pattern=r"^v\d+\.\d+$")] = "v26.0"
    page_id: Annotated[str, Field(pattern=r"^\d+$")]
    access_token: Secret
    app_secret: Secret | None = None

    def account(self) -> str:
        """Return the host and the Page's id."""
        return f"facebook:{urlsplit(self.api_url).netloc}:{self.page_id}"

    def application(self) -> str:
        """Return the host and the app secret or, if that is unknown, the access token."""
        return f"{self.api_url} {(self.app_secret or self.access_token).get_secret_value()}"

    def advice(self, now: datetime, *, online: bool) -> Iterable[tuple[str, str, bool]]:
        """Yield advice about a version of the Graph API that has ended or ends soon."""
        if not online:
            for advice in version_advice(self.api_version, now):
                yield "version", advice, "has ended" in advice


def version_advice(version: str, now: datetime | None) -> list[str]:
    """Return advice about an API version that has ended, or ends within six months."""
    numbers = tuple(int(part) for part in version.removeprefix("v").split("."))
    if numbers < (20, 0):
        return [f"Graph API {version} has ended: set api_version to a current one"]
    ends = VERSION_ENDS.get(version)
    if ends is None or now is None or ends - now.date() > ENDS_SOON:
        return []
    when = "has ended" if ends <= now.date() else "ends"
    return [f"Graph API {version} {when} on {ends}: set api_version to a newer one"]
