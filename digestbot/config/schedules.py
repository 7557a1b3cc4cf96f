"""When a digest is due, as operators write it: cron, or times in words. Both become cron expressions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

A_DAY = 24 * 60  # minutes
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_GROUPS = {"weekdays": (1, 2, 3, 4, 5), "weekends": (6, 0), "every day": (), "daily": ()}
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "last": "L"}
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|noon|midnight")
_EVERY = re.compile(
    r"every (?:(?P<step>\d+) )?(?P<unit>minute|hour)s?"
    r"(?:(?: on (?P<days>.+?))?(?: from (?P<begin>\S+) (?:to|until) (?P<end>\S+))?"
    r"| from (?P<begin_>\S+) (?:to|until) (?P<end_>\S+) on (?P<days_>.+))"
)
_AT = re.compile(r"(?:on )?(?:the )?(.+?) at (.+)")
_OF_THE_MONTH = re.compile(r"(.+) of (?:the|every|each) month")
_FIELDS = ("minute", "hour", "day of the month", "month", "weekday")
_ALWAYS = ("*",) * 5
FORMS = 'cron ("0 9,13,17 * * mon-fri") or words: "weekdays at 09:00, 13:00 and 17:30", "every 3 hours", '
FORMS += '"sundays at 18:00", "last friday of the month at 12:00"'


def crons(text: str) -> tuple[str, ...]:
    """The cron expressions (five fields, in capitals) that a schedule stands for. Raises ValueError, saying what of
    it is not understood."""
    words = " ".join(text.lower().split())
    if re.match(r"[\d*][\d*,/-]*(\s|$)", words):
        return (_cron(words),)
    found = _EVERY.fullmatch("every hour" if words == "hourly" else words)
    if found:
        return _every(found)
    found = _AT.fullmatch(words)
    if found is None:
        raise ValueError(f"{text!r} is not understood; write {FORMS}")
    return _grouped(sorted({_minute(one) for one in _listed(found[2])}), *_days(found[1]))


def _cron(text: str) -> str:
    """The expression, if cronsim takes it. A mistake is looked for field by field, so that it can be named."""
    fields = text.upper().split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; write five: {', '.join(_FIELDS)}")
    for place, field in enumerate(fields):
        try:
            CronSim(" ".join([*_ALWAYS[:place], field, *_ALWAYS[place + 1 :]]), datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError:
            raise ValueError(f"{field.lower()!r}, the {_FIELDS[place]} in {text!r}, is not understood") from None
    try:
        if next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)), None) is None:
            raise ValueError(f"{text!r} never comes")
    except CronSimError:
        raise ValueError(f"{text!r} never comes: no such month has a day {fields[2]}") from None
    return " ".join(fields)


def _every(found: re.Match[str]) -> tuple[str, ...]:
    step = int(found["step"] or 1) * (60 if found["unit"] == "hour" else 1)
    if not step:
        raise ValueError("every 0 is never")
    first, last = found["begin"] or found["begin_"], found["end"] or found["end_"]
    if first:
        begin, end = _minute(first), _minute(last)
        if end <= begin:
            raise ValueError(f"{last} does not come after {first} on the same day")
    elif A_DAY % step:
        raise ValueError(
            f"every {found['step']} {found['unit']}s does not come out even in a day; write a span that a day is a "
            'multiple of, or a part of the day: "every 5 hours from 08:00 to 18:00"'
        )
    else:
        begin, end = 0, A_DAY - 1
    days = found["days"] or found["days_"] or "every day"
    return _grouped(list(range(begin, end + 1, step)), *_days(days))


def _grouped(minutes: list[int], day: str, weekday: str) -> tuple[str, ...]:
    """As few expressions as there are sets of hours at which the same minutes come."""
    hours: dict[int, list[int]] = {}
    for one in minutes:
        hours.setdefault(one % 60, []).append(one // 60)
    same: dict[str, list[int]] = {}
    for minute, found in hours.items():
        same.setdefault("*" if len(found) == 24 else ",".join(map(str, found)), []).append(minute)
    return tuple(f"{','.join(map(str, sorted(some)))} {hour} {day} * {weekday}" for hour, some in same.items())


def _listed(text: str) -> list[str]:
    return [word for word in re.split(r"\s*,\s*(?:and )?|\s+and\s+", text) if word]


def _minute(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day; write one such as 09:00 or 17:30")
    if found[1] is None:
        return 12 * 60 if text == "noon" else 0
    return int(found[1]) * 60 + int(found[2])


def _days(text: str) -> tuple[str, str]:
    """Cron's fields for the day of the month and for the weekday."""
    if text in _GROUPS:
        return "*", ",".join(map(str, _GROUPS[text])) or "*"
    monthly = _OF_THE_MONTH.fullmatch(text)
    if monthly is None:
        return "*", ",".join(str(_weekday(word)) for word in _listed(text.removeprefix("every ")))
    ordinal, _, day = monthly[1].partition(" ")
    number = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)", ordinal)
    if number and not day and 1 <= int(number[1]) <= 31:
        return str(int(number[1])), "*"
    if ordinal in _ORDINALS and day in ("day", "weekday"):
        if ordinal in ("first", "last") and day == "day":
            return ("1" if ordinal == "first" else "L"), "*"
        if ordinal == "last":
            return "LW", "*"
    elif ordinal in _ORDINALS and day:
        nth = _ORDINALS[ordinal]
        return "*", f"{_weekday(day)}{nth if nth == 'L' else '#' + nth}"
    raise ValueError(f'{text!r} is no day; write such as "1st of the month" or "last friday of the month"')


def _weekday(text: str) -> int:
    word = text.strip()
    for number, name in enumerate(_DAYS):
        if word in (name, f"{name}s", name[:3]):
            return number
    raise ValueError(f"{word!r} is no day; write weekdays, weekends, every day, or names such as mondays and fridays")
