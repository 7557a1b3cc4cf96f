"""Times as text. Messages that are stored state times in UTC, and are converted where they are shown, so that they stay
true if the operator's time zone changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

_IN_UTC = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2} \d{2}:\d{2})(:\d{2})? UTC(?!\w)")


def local_time(at: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """Return an instant as local time with its zone, such as "2026-11-27 10:00 CET"."""
    return f"{at.astimezone(zone):{'%Y-%m-%d %H:%M:%S %Z' if seconds else '%Y-%m-%d %H:%M %Z'}}"


def is_in_usable_year(at: datetime) -> bool:
    """Return False for a time in whose year a change of the time zone may leave the calendar."""
    return 2000 < at.year < 3000


def localize(text: str, zone: tzinfo) -> str:
    """Return a message in which times in UTC, such as "2026-11-27 09:00 UTC", are local times of ``zone``."""

    def local(match: re.Match[str]) -> str:
        try:
            at = datetime.fromisoformat(match[1] + (match[2] or "")).replace(tzinfo=UTC)
            return local_time(at, zone, seconds=match[2] is not None)
        except (ValueError, OverflowError):  # not a time after all, or at the end of the calendar
            return match[0]

    return _IN_UTC.sub(local, text)
