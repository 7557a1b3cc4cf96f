"""When a digest is due, as operators write it: cron, or times in words. Both become cron expressions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

A_DAY = 24 * 60  # minutes
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_GROUPS = dict.fromkeys(("weekdays", "weekday"), (1, 2, 3, 4, 5)) | dict.fromkeys(("weekends", "weekend"), (6, 0))
_ORDINALS = dict(zip(("first", "second", "third", "fourth", "fifth", "last"), "12345L", strict=True))
_ORDINALS |= dict(zip(("1st", "2nd", "3rd", "4th", "5th"), "12345", strict=True))
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|noon|midnight", re.ASCII)
_EVERY = re.compile(
    r"every (?:(?P<step>\d+) )?(?P<unit>minute|hour)s?"
    r"(?:(?: on (?P<days>.+?))?(?: from (?P<begin>\S+) (?:to|until) (?P<end>\S+))?"
    r"| from (?P<begin_>\S+) (?:to|until) (?P<end_>\S+) on (?P<days_>.+))",
    re.ASCII,
)
_AT = re.compile(r"(?:on )?(?:the )?(.+?) at (.+)")
_OF_THE_MONTH = re.compile(r"(.+) of (?:the|every|each) month")
_FIELDS = ("minute", "hour", "day of the month", "month", "weekday")
_RANGES = (
    "0 to 59",
    "0 to 23",
    "1 to 31, L for the last, LW for the last from Monday to Friday",
    "1 to 12 or jan to dec",
    "0 (Sunday) to 7 (Sunday) or sun to sat, such as mon-fri, mon#1 for the first, 5L for the last Friday",
)
_ALWAYS = ("*",) * 5
FORMS = 'cron ("0 9,13,17 * * mon-fri") or words: "weekdays at 09:00, 13:00 and 17:30", "every 3 hours", '
FORMS += '"sundays at 18:00", "last friday of the month at 12:00"'


def crons(text: str) -> tuple[str, ...]:
    """The cron expressions (five fields, in capitals) that a schedule stands for. Raises ValueError, saying what of
    it is not understood."""
    words = " ".join(text.lower().split())
    if re.match(r"[\d*][\d*,/-]*(\s|$)", words) and " at " not in words:
        return (_cron(" ".join(text.split())),)
    found = _EVERY.fullmatch("every hour" if words == "hourly" else words)
    if found:
        return _every(found)
    found = _AT.fullmatch(words)
    if found is not None:
        if " at " in found[2]:
            raise ValueError(f"{text!r}: says twice at what time; write two schedules, in a list")
        return _grouped(sorted({_minute(one) for one in _listed(found[2])}), *_days(found[1]))
    if words.startswith("every") and " from " in words:
        raise ValueError(f'{text!r}: write from when to when, such as "every 2 hours from 08:00 to 18:00"')
    if " at " not in f" {words} ":
        raise ValueError(f'{text!r}: write the times after "at", such as "weekdays at 09:00"; or {FORMS}')
    raise ValueError(f"{text!r} is not understood; write {FORMS}")


def _cron(text: str) -> str:
    """The expression, if cronsim takes it. A mistake is looked for field by field, so that it can be named."""
    fields, written = text.upper().split(), text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; cron has five: {', '.join(_FIELDS)}")
    for place, field in enumerate(fields):
        try:
            CronSim(" ".join([*_ALWAYS[:place], field, *_ALWAYS[place + 1 :]]), datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError:
            said = f"{written[place]!r}, the {_FIELDS[place]} in {text!r}, is not understood: {_RANGES[place]}"
            raise ValueError(said) from None
    try:
        if next(CronSim(" ".join(fields), datetime(2024, 1, 1, tzinfo=UTC)), None) is None:
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
        if begin + step > end:
            raise ValueError(
                f"every {found['step']} {found['unit']}s comes only once from {first} to {last}: write that time"
            )
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
    found = re.split(r"\s*,\s*(?:and )?|\s+and\s+", text)
    if not all(found):
        raise ValueError(f"{text!r} has a comma too many")
    return found


def _minute(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day; write one such as 09:00 or 17:30")
    if found[1] is None:
        return 12 * 60 if text == "noon" else 0
    return int(found[1]) * 60 + int(found[2])


def _days(text: str) -> tuple[str, str]:
    """Cron's fields for the day of the month and for the weekday."""
    monthly = _OF_THE_MONTH.fullmatch(text)
    if monthly is not None:
        return _of_the_month(monthly[1])
    if text in ("every day", "daily"):
        return "*", "*"
    if re.match(r"every (other|second|third|\d+ (days|weeks|months)$)", text):
        raise ValueError(f"{text!r}: every second day or week cannot be said; write the days that are meant")
    found: set[int] = set()
    for word in _listed(text.removeprefix("every ")):
        word = word.removeprefix("every ")
        found.update(_GROUPS[word] if word in _GROUPS else _weekdays(word))
    return "*", ",".join(map(str, sorted(found)))


def _of_the_month(text: str) -> tuple[str, str]:
    numbers = [re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)", word) for word in _listed(text)]
    if all(numbers):
        days = sorted({int(number[1]) for number in numbers if number})
        if days[0] >= 1 and days[-1] <= 31:
            return ",".join(map(str, days)), "*"
    text = "first day" if text == "first" else text
    if text in ("first day", "last day", "last weekday"):
        return {"first day": "1", "last day": "L", "last weekday": "LW"}[text], "*"
    ordinal, _, day = text.partition(" ")
    if ordinal in _ORDINALS and day not in ("", "day", "weekday"):
        nth = _ORDINALS[ordinal]
        return "*", f"{_weekday(day)}{nth if nth == 'L' else '#' + nth}"
    raise ValueError(f'{text!r} is no day of a month; write such as "1st and 15th", "last day" or "last friday"')


def _weekdays(text: str) -> list[int]:
    first, through, last = text.replace(" to ", "-").partition("-")
    if not through or not first.isalpha():
        return [_weekday(text)]
    begin, end = _weekday(first), _weekday(last)
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _weekday(text: str) -> int:
    word = text.strip()
    for number, name in enumerate(_DAYS):
        if word in (name, f"{name}s", name[:3], f"{name[:3]}s", name[:4], name[:5]):
            return number
    raise ValueError(f"{word!r} is no day; write weekdays, weekends, every day, or names such as mondays and fridays")
