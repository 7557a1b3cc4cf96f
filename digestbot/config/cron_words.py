"""A digest's schedule as operators write it: cron, or times in words. Both become expressions of `recurrence`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from cronsim import CronSimError

from digestbot.config.schedule_days import (
    EVERY_WEEKDAY,
    NICKNAMES,
    NUMBERS,
    DayFields,
    parse_days,
    split_list,
    suggestion,
)
from digestbot.domain.schedule.recurrence import occurrences

A_DAY = 24 * 60  # minutes
LONGEST = 500  # characters
_UNITS = {"minute": 1, "min": 1, "hour": 60, "hr": 60, "h": 60}
# Phrases that are not supported, with the closest supported form.
_HINTS = (
    (r"every .*(second|sec)s?\b(?! \w+day)", 'the shortest time between slots is a minute: "every minute"'),
    (r"(once|twice|.* times) (a|per|every|each) (day|week).*", 'write the times: "every day at 09:00 and 17:00"'),
    (r"(weekly|every week|every (other|second|\d+) weeks?|fortnightly)( at .+)?",
     'write the day and the time: "mondays at 09:00", "every 2 weeks on monday at 09:00"'),
    (r"(monthly|every month)( at .+)?", 'write the day and the time: "1st of the month at 09:00"'),
    (r".*\b(quarterly|every \w+ months?|every quarter)\b.*", 'write it as cron, with its months: "0 9 1 1,4,7,10 *"'),
    (r".*\b(yearly|annually|every year)\b.*", 'write it as cron, with its month: "0 9 1 1 *"'),
    (r".*\b(except|but not|without)\b.*", "write the days to include, and list the exceptions in not_on"),
    (r".*\b(january|february|march|april|may|june|july|august|september|october|november|december)\b.*",
     'months are written as cron: "0 9 24 12 *"'),
    (r".*\b(sunrise|sunset|morning|evening|afternoon|night)\b.*", 'write a time of day, such as 09:00 or "9 am"'),
)  # fmt: skip
_TIME_PATTERN = r"(?:\d{1,2}:\d{2}(?: ?[ap]m)?|\d{1,2} ?[ap]m|noon|midday|midnight)"
_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))? ?(?P<half>[ap]m)?", re.ASCII)
_TIMES = rf"{_TIME_PATTERN}(?:(?:, and |, | and ){_TIME_PATTERN})*"
_INTERVAL = re.compile(
    r"(?:hourly|every (?:(?P<half>half(?: an)?|quarter(?: of an)?) hour"
    r"|(?:(?P<step>\w+) )?(?P<unit>minute|min|hour|hr|h)s?))"
    r"(?P<rest>(?: .*)?)",
    re.ASCII,
)
_SPAN = re.compile(
    rf" (?:from ({_TIME_PATTERN}|\S+) (?:to|until|till) |between ({_TIME_PATTERN}|\S+) and )({_TIME_PATTERN}|\S+)"
)
_AT = re.compile(rf"(?:(?P<before>(?!at\b).+?) )?(?:at )?(?P<times>{_TIMES})(?: (?P<after>.+))?")
_TIMES_FIRST = re.compile(rf"(?P<before>)(?:at )?(?P<times>{_TIMES})(?: (?P<after>.+))?")
_SINCE = re.compile(r" (?:counted from|starting(?: on| from)?|from) (\d{4}-\d{2}-\d{2})(?= |$)", re.ASCII)
_FIELDS = ("minute", "hour", "day of the month", "month", "weekday")
_RANGES = (
    "0 to 59",
    "0 to 23",
    "1 to 31, L for the last, LW for the last from Monday to Friday, 15W for the one nearest to the 15th",
    "1 to 12 or jan to dec",
    "0 (Sunday) to 7 (Sunday) or sun to sat, such as mon-fri, mon#1 for the first, 5L for the last Friday",
)
_ALWAYS = ("*",) * 5
FORMS = 'cron ("0 9,13,17 * * mon-fri") or words: "weekdays at 09:00, 13:00 and 17:30", "every 3 hours", '
FORMS += '"sundays at 6 pm", "last friday of the month at 12:00"'


def to_cron(text: str) -> tuple[str, ...]:
    """Return the cron expressions for a schedule.

    Raises ValueError with the part that is not understood, and what to write instead.
    """
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters; write several schedules, in a list")
    words = _normalised(text)
    if words in NICKNAMES:
        return (NICKNAMES[words],)
    try:
        return _expressions(text, words)
    except ValueError:
        hint = next((hint for pattern, hint in _HINTS if re.fullmatch(pattern, words)), None)
        if hint is None:
            raise
        raise ValueError(f"{text!r} is not supported; {hint}") from None


def _expressions(text: str, words: str) -> tuple[str, ...]:
    if re.match(r"[\d*][\d*,/-]*(\s|$)", words) and not re.match(r"\d{1,2} [ap]m\b", words) and " at " not in words:
        return (_cron(" ".join(text.split())),)
    words, first = _without_date(words)
    interval = _INTERVAL.fullmatch(words)
    if interval is not None and first is None:
        return _interval(text, interval)
    at = _TIMES_FIRST.fullmatch(words) or _AT.fullmatch(words)
    if at is not None and not re.search(rf"\bat {_TIME_PATTERN}", f"{at['after'] or ''} {at['before'] or ''}"):
        days = " ".join(part for part in (at["before"], at["after"]) if part)
        if not days:
            raise ValueError(f'{text!r}: on which days? Write "every day at {at["times"]}"')
        return _grouped([_minute(one) for one in split_list(at["times"])], parse_days(days, first))
    if at is not None:
        raise ValueError(f"{text!r}: has more than one time part; write two schedules, in a list")
    raise ValueError(_not_understood(text, words))


def _normalised(text: str) -> str:
    words = text.lower().replace("–", "-").replace("—", "-").replace("&", " and ")
    words = re.sub(r"\b([ap])\.m\.?", r"\1m", words)
    words = re.sub(r"\b(?:through|thru)\b", "to", words)
    words = re.sub(r"\beach\b", "every", words)
    return " ".join(re.sub(r"\s*,\s*", ", ", words).split())


def _without_date(words: str) -> tuple[str, date | None]:
    """Return the words without the date that weeks or days are counted from, and that date."""
    match = _SINCE.search(words)
    if match is None:
        return words, None
    try:
        return words[: match.start()] + words[match.end() :], date.fromisoformat(match[1])
    except ValueError:
        raise ValueError(f"{match[1]} is not a date; write one such as 2026-12-24") from None


def _not_understood(text: str, words: str) -> str:
    if re.search(r"(^|, *|\bat ),|,$", words):
        return f"{text!r} has an extra comma"
    clock = re.search(r"\b(at) (\S+)", words)
    if clock is not None:
        _minute(clock[2].rstrip(","))  # raises an error that says what is wrong with the time
        return f"{text!r} is not understood{suggestion(words)}; write {FORMS}"
    if _is_days(words):
        return f'{text!r}: write the times after "at", such as "{" ".join(text.split())} at 09:00"'
    advice = 'write the times after "at", such as "weekdays at 09:00"'
    return f"{text!r} is not understood{suggestion(words)}; {advice}; or {FORMS}"


def _is_days(words: str) -> bool:
    try:
        parse_days(words, None)
    except ValueError:
        return False
    return True


def _cron(text: str) -> str:
    """Return the expression if it is valid. Fields are tried one by one, so that the error can name the wrong one."""
    fields, written = text.upper().split(), text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; cron has five: {', '.join(_FIELDS)}")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for place, field in enumerate(fields):
        try:
            occurrences(" ".join([*_ALWAYS[:place], field, *_ALWAYS[place + 1 :]]), start)
        except CronSimError:
            message = f"{written[place]!r}, the {_FIELDS[place]} in {text!r}, is not understood: {_RANGES[place]}"
            raise ValueError(message) from None
    try:
        if next(occurrences(" ".join(fields), start), None) is None:
            raise ValueError(f"{text!r} never occurs")
    except CronSimError as error:
        if "W with" in str(error):
            message = "15W already means a weekday; write * in the weekday field"
            raise ValueError(f"{text!r}: {message}") from None
        raise ValueError(f"{text!r} never occurs: none of these months has a day {fields[2]}") from None
    return " ".join(fields)


def _interval(text: str, match: re.Match[str]) -> tuple[str, ...]:
    step = _step(text, match)
    rest = match["rest"]
    span = _SPAN.search(rest)
    if span is None and re.search(r" (from|between|to|until)\b", rest):
        raise ValueError(f'{text!r}: write from when to when, such as "every 2 hours from 08:00 to 18:00"')
    if span is not None:
        rest = rest[: span.start()] + rest[span.end() :]
        begin, end = _minute(span[1] or span[2]), A_DAY if span[3] == "24:00" else _minute(span[3])
        end += A_DAY if end <= begin else 0  # across midnight
        if begin + step > end:
            shown = f"{span[1] or span[2]} to {span[3]}"
            raise ValueError(f"{text!r} occurs only once from {shown}: write that time")
    elif A_DAY % step:
        raise ValueError(f"{text!r} does not divide a day evenly; write {_even(step)}")
    else:
        begin, end = 0, A_DAY - 1
    days = rest.strip().removeprefix("on the hour").strip().removeprefix("on ")
    return _grouped(list(range(begin, end + 1, step)), parse_days(days, None) if days else DayFields())


def _step(text: str, match: re.Match[str]) -> int:
    """Return the minutes between two occurrences."""
    if match["half"]:
        return 30 if match["half"].startswith("half") else 15
    if not match["unit"]:
        return 60  # hourly
    number = match["step"] or "1"
    if not number.isdigit() and number not in NUMBERS:
        raise ValueError(f'{text!r}: {number!r} is not a number{suggestion(number)}; write such as "every 2 hours"')
    step = (int(number) if number.isdigit() else NUMBERS[number]) * _UNITS[match["unit"]]
    if not step:
        raise ValueError("the interval must be at least 1")
    return step


def _even(step: int) -> str:
    """Return the closest intervals that divide a day evenly, and how to write the intended one."""

    def phrase(minutes: int) -> str:
        number, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
        return f"every {number} {unit}s" if number > 1 else f"every {unit}"

    unit = 60 if step % 60 == 0 else 1
    parts = [minutes for minutes in range(unit, A_DAY + 1, unit) if A_DAY % minutes == 0]
    near = [max((one for one in parts if one < step), default=0), min((one for one in parts if one > step), default=0)]
    nearest = " or ".join(f'"{phrase(one)}"' for one in near if one)
    kept = f', or from when to when: "{phrase(step)} from 08:00 to 20:00"' if step <= A_DAY // 4 else ""
    return nearest + kept


def _grouped(minutes: Iterable[int], days: DayFields) -> tuple[str, ...]:
    """Return as few expressions as possible for these minutes of the day.

    There is one for each set of hours with the same minutes, and separate ones for times after midnight, on the next
    day.
    """
    results: list[str] = []
    every = sorted(set(minutes))
    for late in (False, True):
        shown = [one for one in every if (one >= A_DAY) == late]
        if not shown:
            continue
        weekdays = days.weekdays
        if late and weekdays is not None:
            weekdays = tuple(sorted((day + 1) % 7 for day in weekdays))
        elif late and (days.day != "*" or days.nth or days.counted):
            raise ValueError("a time range across midnight works only with weekdays or every day; write two schedules")
        weekday = ",".join(days.nth) or (
            "*" if weekdays in (None, EVERY_WEEKDAY) else ",".join(map(str, weekdays or ()))
        )
        hours: dict[int, list[int]] = {}
        for one in shown:
            hours.setdefault(one % 60, []).append(one % A_DAY // 60)
        same: dict[str, list[int]] = {}
        for minute, some in hours.items():
            same.setdefault("*" if len(some) == 24 else ",".join(map(str, some)), []).append(minute)
        results += [
            f"{','.join(map(str, sorted(some)))} {hour} {days.day} * {weekday}{days.counted}"
            for hour, some in same.items()
        ]
    return tuple(dict.fromkeys(results))


def _minute(text: str) -> int:
    if text in ("noon", "midday"):
        return 12 * 60
    if text == "midnight":
        return 0
    match = _TIME.fullmatch(text)
    hour = int(match["hour"]) if match else 24
    minute = int(match["minute"] or 0) if match else 0
    if match is None or minute > 59 or (not match["half"] and not match["minute"]):
        raise ValueError(f"{text!r} is not a time of day; write one such as 09:00, 17:30 or 9am")
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{text!r} is not a time of day; write one such as 09:00, 17:30 or 9am")
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    if hour > 23:
        raise ValueError(f"{text!r} is not a time of day; write one such as 09:00, 17:30 or 9am")
    return hour * 60 + minute
