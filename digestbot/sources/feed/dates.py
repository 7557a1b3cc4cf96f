"""The dates of feeds: RFC 822 (RSS) and ISO 8601 (Atom, Dublin Core).

A date that cannot be read whole counts as none: feedparser, which guesses, takes the time zone AEDT for UTC and half a
date for one of another century.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

EARLIEST, LATEST = 1900, 2999  # years; anything else is a mistake
# RFC 822, section 5.1. Other names of zones are ambiguous.
_ZONES = {"z": 0, "ut": 0, "gmt": 0, "utc": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
          "pst": -8, "pdt": -7}  # fmt: skip
_NAMES = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
_MONTHS = {written: number for number, name in enumerate(_NAMES, 1) for written in (name, name[:3])} | {"sept": 9}
_RFC822 = re.compile(
    r"(?:[a-z]{3,9}\.?,?\s+)?(\d{1,2})[\s-]([a-z]{3,9})\.?[\s-](\d{4}|\d{2})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?"
    r"\s*(?:([+-])(\d{2}):?(\d{2})|([a-z]{1,3}))",
    re.ASCII | re.IGNORECASE,
)
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE
)


def parse_date(text: str) -> datetime | None:
    """Return the instant that a feed's date names; None where the text is not wholly a date.

    An ISO date without a time, or without a zone, is taken as UTC.
    """
    text = " ".join(text.split())
    try:
        result = _rfc822(text) or _iso(text)
        return result.astimezone(UTC) if result is not None and EARLIEST <= result.year <= LATEST else None
    except (ValueError, OverflowError):
        return None


def _rfc822(text: str) -> datetime | None:
    match = _RFC822.fullmatch(text)
    if match is None:
        return None
    day, month_name, year, hour, minute, second, sign, hours, minutes, name = match.groups()
    month = _MONTHS.get(month_name.lower())
    if month is None or (name is not None and name.lower() not in _ZONES):
        return None
    if name is not None:
        offset = timedelta(hours=_ZONES[name.lower()])
    else:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    full_year = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    leap = min(int(second or 0), 59)
    return datetime(full_year, month, int(day), int(hour), int(minute), leap, tzinfo=timezone(offset))


def _iso(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    result = datetime.fromisoformat(re.sub(r"\s(?=[Z+-])", "", text.upper()))
    return result if result.tzinfo is not None else result.replace(tzinfo=UTC)
