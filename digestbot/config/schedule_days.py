"""The days of a schedule in words: weekdays, days of the month, every n-th day or week. They become cron's fields."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import date

MOST_COUNTED = {"day": 366, "week": 52}
COUNTED_FROM = date(2024, 1, 1)  # a Monday: weeks and days are counted from here unless a date is given
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
EVERY_WEEKDAY, _WORKING, _WEEKEND = (0, 1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), (6, 0)
_GROUPS: dict[str, tuple[int, ...]] = dict.fromkeys(
    ("weekdays", "weekday", "workdays", "working days", "working day", "business days"), _WORKING
)
_GROUPS |= dict.fromkeys(("weekends", "weekend"), _WEEKEND)
_EVERY_DAY = ("day", "days", "everyday", "daily", "all days")
_ORDINALS = dict(zip(("first", "second", "third", "fourth", "fifth", "last"), "12345L", strict=True))
_ORDINALS |= dict(zip(("1st", "2nd", "3rd", "4th", "5th"), "12345", strict=True))
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "other": 2, "second": 2, "three": 3, "third": 3, "four": 4, "five": 5}
NUMBERS |= {"six": 6, "eight": 8, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30}
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EVERY_NTH = re.compile(r"every (\w+) (days?|weeks?)(?: on (.+))?", re.ASCII)
_NTH_DAY = re.compile(r"every (other|first|1st|second|2nd|third|3rd|fourth|4th|fifth|5th) (?!days?\b|weeks?\b)(.+)")
_NEAREST = re.compile(r"(?:the )?weekday nearest (?:to )?(?:the )?(\d{1,2})(?:st|nd|rd|th)?", re.ASCII)
_OF_THE_MONTH = re.compile(r"(.+?) (?:of (?:the|every|each|a) month|monthly)")
_VOCABULARY = sorted(
    {*_DAYS, *(f"{day}s" for day in _DAYS), *_GROUPS, *_EVERY_DAY, *_ORDINALS, *NICKNAMES, "every", "hourly", "hours"}
    | {"minutes", "weeks", "noon", "midnight", "between", "from", "month", "of the month"}
)


@dataclass(frozen=True)
class DayFields:
    """Cron's fields for days of the month and weekdays. ``counted`` is the extra field for every n-th day or week."""

    day: str = "*"
    weekdays: tuple[int, ...] | None = None
    nth: tuple[str, ...] = ()
    counted: str = ""


def suggestion(words: str) -> str:
    """Return a clause that suggests a word that may have been meant; empty for none."""
    for word in re.findall(r"[a-z@]{3,}", words):
        close = [] if word in _VOCABULARY else difflib.get_close_matches(word, _VOCABULARY, 1, 0.75)
        if close:
            return f" (did you mean {close[0]!r} where it says {word!r}?)"
    return ""


def split_list(text: str) -> list[str]:
    """Return the parts of a list with commas or "and". Raise ValueError for an empty part."""
    result = re.split(r"\s*,\s*(?:and )?|\s+and\s+", text)
    if not all(result):
        raise ValueError(f"{text!r} has an extra comma")
    return result


def parse_days(text: str, first: date | None) -> DayFields:
    """Return the days that the words mean. Weeks and days are counted from ``first``, if it is given."""
    text = text.strip(" ,").removeprefix("on ")
    nth, counted = _NTH_DAY.fullmatch(text), _EVERY_NTH.fullmatch(text)
    if counted is not None and not counted[2].startswith(("day", "week")):
        counted = None
    if nth is not None and " of " not in text:
        if nth[1] not in ("other", "second", "2nd"):
            weeks = _ORDINALS.get(nth[1], "3")
            both = f'"every {weeks} weeks on {nth[2]}" or "{nth[1]} {nth[2]} of the month"'
            raise ValueError(f"{text!r} is ambiguous; write {both}")
        return _every_weeks(2, nth[2], first)
    if counted is not None:
        return _every_nth(text, counted, first)
    if first is not None:
        example = f"every 2 weeks on {text}"
        raise ValueError(f'{text!r}: a start date works only with an interval of days or weeks: "{example}"')
    text = text.removeprefix("every ").removeprefix("the ")
    if text in _EVERY_DAY:
        return DayFields()
    nearest = _NEAREST.fullmatch(text) or _NEAREST.fullmatch(text.removesuffix(" of the month"))
    if nearest is not None and 1 <= int(nearest[1]) <= 31:
        return DayFields(f"{int(nearest[1])}W")
    monthly = _OF_THE_MONTH.fullmatch(text)
    if monthly is not None:
        return _of_the_month(monthly[1])
    if re.match(r"(?:\d|first\b|second\b|third\b|fourth\b|fifth\b|last\b)", text):
        return _of_the_month(text)
    return DayFields(weekdays=_weekday_list(text))


def _weekday_list(text: str) -> tuple[int, ...]:
    results: set[int] = set()
    for word in split_list(text):
        word = word.removeprefix("on ").removeprefix("every ")
        results.update(_GROUPS[word] if word in _GROUPS else EVERY_WEEKDAY if word in _EVERY_DAY else _weekdays(word))
    return tuple(sorted(results))


def _every_nth(text: str, match: re.Match[str], first: date | None) -> DayFields:
    number = int(match[1]) if match[1].isdigit() else NUMBERS.get(match[1], 0) if len(match[1]) > 2 else 0
    most = MOST_COUNTED[match[2].rstrip("s")]
    if number > most:
        raise ValueError(f"{text!r}: {number} is too many; {most} at most")
    if not number:
        raise ValueError(f'{text!r}: how many? Write such as "every 2 weeks on tuesday"')
    if match[2].startswith("week"):
        if not match[3]:
            raise ValueError(f'{text!r}: on which day? Write such as "{text} on tuesday at 09:00"')
        return _every_weeks(number, match[3], first)
    if match[3]:
        raise ValueError(f"{text!r}: cannot combine an interval of days with weekdays: leave out one of them")
    return DayFields() if number == 1 else DayFields(counted=f" days={number}@{first or COUNTED_FROM}")


def _every_weeks(weeks: int, days: str, first: date | None) -> DayFields:
    weekdays = _weekday_list(days.removeprefix("on "))
    return DayFields(weekdays=weekdays, counted=f" weeks={weeks}@{first or COUNTED_FROM}" if weeks > 1 else "")


def _of_the_month(text: str) -> DayFields:
    """Return days of the month: numbers, the first or last day, or weekdays such as the first Monday."""
    text = text.removeprefix("on ").removeprefix("the ")
    numbers = [re.fullmatch(r"(?:the )?([0-9]{1,2})(?:st|nd|rd|th)", word) for word in split_list(text)]
    if all(numbers):
        days = sorted({int(number[1]) for number in numbers if number})
        if days[0] >= 1 and days[-1] <= 31:
            return DayFields(",".join(map(str, days)))
    known = {"first": "1", "first day": "1", "last day": "L"}
    known |= {f"first {word}": "1W" for word in ("weekday", "working day", "workday", "business day")}
    known |= {f"last {word}": "LW" for word in ("weekday", "working day", "workday", "business day")}
    if text in known:
        return DayFields(known[text])
    nth: list[str] = []
    waiting: list[str] = []
    for word in split_list(text):
        ordinal, _, day = word.removeprefix("the ").partition(" ")
        if ordinal not in _ORDINALS:
            break
        waiting.append(_ORDINALS[ordinal])
        if day and day not in ("day", "weekday", "working day"):
            number = _weekday(day)
            nth += [f"{number}{one if one == 'L' else '#' + one}" for one in waiting]
            waiting = []
        elif day:
            break
    else:
        if nth and not waiting:
            return DayFields(nth=tuple(dict.fromkeys(nth)))
    if re.match(r"\w+ (weekday|working day|workday|business day)", text):
        raise ValueError(
            f'{text!r} of the month is not supported; the nearest are "first working day", or a date: "3rd"'
        )
    raise ValueError(
        f'{text!r} is not a day of a month{suggestion(text)}; write such as "1st and 15th", "last day", "first working '
        'day", "first and third monday" or "last friday"'
    )


def _weekdays(text: str) -> list[int]:
    first, through, last = re.sub(r"\s*-\s*| to ", "-", text).partition("-")
    if not through or not first.isalpha():
        return [_weekday(text)]
    begin, end = _weekday(first), _weekday(last)
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _weekday(text: str) -> int:
    word = text.strip()
    for number, name in enumerate(_DAYS):
        if word in (name, f"{name}s", name[:3], f"{name[:3]}s", name[:4], name[:5]):
            return number
    raise ValueError(
        f"{word!r} is not a day{suggestion(word)}; write weekdays, weekends, every day, or names such as mondays and "
        "fridays"
    )
