"""The types of configuration values. Each has a parser whose error message says what to write instead."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


class Section(BaseModel):
    """The base of every configuration section: frozen, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class SecretUrl(SecretStr):
    """A URL that may contain a password; the rest of it is not secret."""


PLACEHOLDER = "…"  # stands for a secret in config.example.toml

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
LEAST_TOKEN = 24  # characters
LONGEST = 100 * 366 * 86400  # seconds
_SHORT_UNITS = {
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "w": "week",
}
_DURATION = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(?:(second|minute|hour|day|week)s?|(secs?|mins?|hrs?|[smhdw]))\s*", re.IGNORECASE
)
_SIZE = re.compile(r"\s*(\d+)\s*(kB|MB|GB)\s*", re.IGNORECASE)


def parse_duration(value: object) -> timedelta:
    """Return a time span, written such as "15 minutes" or "15m". Raises ValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None and not float(match[1]):
        raise ValueError("must be greater than zero")
    if match is None:
        raise ValueError('write a time span such as "15 minutes", "2 hours" or "1 day"')
    unit = match[2] or _SHORT_UNITS[match[3].lower().removesuffix("s") or "s"]
    seconds = float(match[1]) * _UNITS[unit.lower()]
    if seconds > LONGEST:
        raise ValueError("is too long: the maximum is 100 years")
    return timedelta(seconds=seconds)


def _repeat(value: object) -> timedelta | None:
    if value is None or value == "always":
        return None
    if value == "never" or value == timedelta.max:
        return timedelta.max
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError('write "never", "always", or a time span such as "30 days"') from error


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError('write a size such as "64 MB"')
    return int(match[1]) * {"kb": 10**3, "mb": 10**6, "gb": 10**9}[match[2].lower()]


def _money(value: object) -> int:
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0 or amount > 10**6:
        raise ValueError("write an amount in dollars, such as 20.00")
    millionths = amount * 10**6
    if millionths != int(millionths):
        raise ValueError("an amount has at most six places after the point")
    return int(millionths)


def _parameters(value: object) -> object:
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for pair in value.items() for one in pair):
        raise ValueError('write a table of names and texts, such as { utm_source = "x" }')
    return value


def _hashtag(value: object) -> str:
    if value in DERIVED_HASHTAGS or (isinstance(value, str) and _HASHTAG.fullmatch(value)):
        return str(value)
    raise ValueError(
        f'{value!r} is not a hashtag; write one such as "#papers" (letters, digits and _, a letter among them), or '
        + ", ".join(f'"{name}"' for name in DERIVED_HASHTAGS)
    )


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f'{value!r} is not a time zone; write one such as "Europe/Berlin" or "UTC"') from None


def _hours(value: object) -> tuple[tuple[time, time], ...]:
    """Return spans of the day from one span, several separated by commas, or a list."""
    several = value if isinstance(value, list | tuple) else value.split(",") if isinstance(value, str) else [value]
    return tuple(dict.fromkeys(_span(one) for one in several))


def _span(value: object) -> tuple[time, time]:
    match = _HOURS.fullmatch(value.replace("–", "-").replace("24:00", "00:00")) if isinstance(value, str) else None
    try:
        result = (time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))) if match else None
    except ValueError:
        result = None
    if result is None:
        raise ValueError('write two times of day, such as "22:00-07:00", or a list of such spans')
    if result[0] == result[1]:
        raise ValueError("begins and ends at the same time: leave it out, or nothing would ever be posted")
    return result


def _several(value: object) -> object:
    """Return a single value as a list, because a list of one may be written without brackets."""
    return [value] if isinstance(value, str | date) else value


def _days(value: object) -> tuple[date, date] | tuple[tuple[int, int], tuple[int, int]]:
    """Return the first and last day of a span. Without a year, the span recurs every year."""
    first, several, last = (part.strip() for part in str(value).partition(".."))
    last = last if several else first
    yearly = _YEARLY.fullmatch(first), _YEARLY.fullmatch(last)
    try:
        if yearly[0] and yearly[1]:
            begin, end = (date(2024, int(one[1]), int(one[2])) for one in yearly if one)  # a leap year: all days exist
            return (begin.month, begin.day), (end.month, end.day)
        results = _day(first), _day(last)
    except ValueError:
        raise ValueError(
            f'{value!r} is not a day; use one such as "2026-12-24", days "2026-12-24..2026-12-26", or without the year '
            'for every year: "12-24..12-26"'
        ) from None
    if results[1] < results[0]:
        raise ValueError(f"{value!r} ends before it begins")
    return results


def backlog_policy(value: object) -> str | int | date:
    """Return a digest's ``backlog``: "skip", "all", a number, or a date. Raises ValueError."""
    if value in ("skip", "all"):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, str | date):
        try:
            return _day(str(value))
        except ValueError:
            pass
    raise ValueError('write "skip", "all", how many of the newest to keep (such as 10), or a date (2026-01-31)')


def _day(text: str) -> date:
    """Return the date if it is between 1900 and 2999, so that it exists in every zone. Raises ValueError."""
    result = date.fromisoformat(text)
    if not 1900 <= result.year < 3000:
        raise ValueError(text)
    return result


def _web_address(value: object) -> str:
    parts = urlsplit(str(value))
    try:
        unusable = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:  # an invalid port
        unusable = True
    if unusable:
        raise ValueError("write a URL that starts with http:// or https://, with a port up to 65535 if any")
    if parts.username or parts.password:
        raise ValueError("credentials in a URL are not sent; remove them")
    return str(value)


def _secret(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text == PLACEHOLDER:
        raise ValueError("is still the example's; fill it in")
    if not isinstance(text, str) or not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError("must be text of plain printable characters, and not empty")
    return value


def _api_address(value: object) -> str:
    address = _web_address(value).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("plain http would show the keys to the network; use https (http is for this machine only)")
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("write scheme, host and port only, such as https://api.x.com")
    return address


def _address(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not re.match(r"[a-z][a-z0-9]*(\+[a-z0-9_]+)?://", text):
        raise ValueError("write a database URL, such as mysql://user@host/name or sqlite:///file.db")
    _no_bare_signs(text)
    return value


def _no_bare_signs(address: str) -> None:
    """Raise ValueError for an unescaped @ or / in a password, which would be read, and shown, as a host."""
    scheme, _, rest = address.partition("://")
    who, at, _ = rest.partition("?")[0].rpartition("@")
    if at and scheme != "sqlite" and ("@" in who or "/" in who):
        raise ValueError("in a name or password write @ as %40, / as %2F and : as %3A, or keep it out of the URL")


def _alert_address(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not re.match(r"[a-z][a-z0-9+.-]*://\S", text, re.IGNORECASE):
        raise ValueError("write an Apprise URL, such as mailto://user:password@example.org")
    return value


def _secret_address(value: object) -> object:
    _web_address(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return value


def _password_hash(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not text.startswith("$argon2"):
        raise ValueError("is not a password hash: set one with digestbot web --set-password")
    return value


def _token(value: object) -> object:
    text = _secret(value)
    text = text.get_secret_value() if isinstance(text, SecretStr) else text
    if len(str(text)) < LEAST_TOKEN:
        raise ValueError(f"must have at least {LEAST_TOKEN} characters; make one with: openssl rand -hex 32")
    return value


def _ledger_address(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    _no_bare_signs(text)
    host = re.match(r"sqlite(?:\+\w+)?://([^/]+)", text)
    if host:
        raise ValueError(f"sqlite://{host[1]} names a host; write three slashes and a file: sqlite:///{host[1]}")
    if not re.match(r"(?:sqlite|postgresql(?:\+psycopg)?)://", text) or not text.isprintable():
        raise ValueError("use sqlite or postgresql: sqlite:///digestbot.db, postgresql://user@host/name")
    return value


def _query(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write a SELECT")
    if _LIMITED.search(value):
        raise ValueError("leave out LIMIT: summaries that it cuts off would count as withdrawn, and their posts go")
    return value


def _pattern(value: object) -> str:
    import re2  # imported here because few configurations have patterns

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(str(value), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "not understood"
        raise ValueError(f"{value!r} is not a regular expression that RE2 accepts: {reason}") from None
    return str(value)


DERIVED_HASHTAGS = ("category", "sections")  # derived from the paper's metadata
_HOURS = re.compile(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")
_YEARLY = re.compile(r"(\d{2})-(\d{2})", re.ASCII)
_HASHTAG = re.compile(r"#(?=\d*[^\W\d])\w{1,100}")
_LIMITED = re.compile(r"\b(?:limit\s+\d+|fetch\s+(?:first|next)\b[^)]*?)(?:\s+offset\s+\d+)?[\s;]*\Z", re.IGNORECASE)
Query = Annotated[str, BeforeValidator(_query)]
AlertAddress = Annotated[SecretStr, BeforeValidator(_alert_address)]
PasswordHash = Annotated[SecretStr, BeforeValidator(_password_hash)]
SecretAddress = Annotated[SecretStr, BeforeValidator(_secret_address)]
Token = Annotated[SecretStr, BeforeValidator(_token)]
LedgerAddress = Annotated[SecretUrl, BeforeValidator(_ledger_address)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
RepeatPaper = Annotated[timedelta | None, BeforeValidator(_repeat)]
Size = Annotated[int, BeforeValidator(_size)]
Money = Annotated[int, BeforeValidator(_money)]
Parameters = Annotated[dict[str, str], BeforeValidator(_parameters)]
Hashtag = Annotated[str, BeforeValidator(_hashtag)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Hours = Annotated[tuple[tuple[time, time], ...], BeforeValidator(_hours)]
_Days = Annotated[tuple[date, date] | tuple[tuple[int, int], tuple[int, int]], BeforeValidator(_days)]
Days = Annotated[tuple[_Days, ...], BeforeValidator(_several)]
Backlog = Annotated[Literal["skip", "all"] | int | date, BeforeValidator(backlog_policy)]
WebAddress = Annotated[str, BeforeValidator(_web_address)]
ApiAddress = Annotated[str, BeforeValidator(_api_address)]
DatabaseAddress = Annotated[SecretUrl, BeforeValidator(_address)]
Pattern = Annotated[str, BeforeValidator(_pattern)]
