"""What X's answers say: of errors, limits, counts, and whether a page of the timeline is sound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tweepy

from digestbot.errors import OutcomeUnknown, PublishError
from digestbot.publishers.catalogue import as_error, find_row
from digestbot.publishers.http import as_count, wait_from, words
from digestbot.publishers.twitter_errors import ROWS


def _inside(answer: Any, *names: str) -> Any:
    """What stands under these names, each in the object under the one before; None where there is no such thing."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def field_of(answer: Any, name: str) -> str:
    """Return a text of the answer's data; empty where it has none of that name."""
    value = _inside(answer, "data", name)
    return value if isinstance(value, str) else ""


def upload_state(answer: Any) -> object:
    """Return how far X is with what was uploaded; None where it is done at once."""
    return _inside(answer, "data", "processing_info", "state")


def tweet_count(answer: Any) -> int | None:
    """Return how many posts an account has by its public metrics; None where the answer does not say."""
    return as_count(_inside(answer, "data", "public_metrics", "tweet_count"))


def is_gone(error: BaseException | None) -> bool:
    """Return whether an answer says that there is no such post, and not that there is no such address."""
    return isinstance(error, tweepy.NotFound) and is_missing(json_body(error.response))


def is_missing(answer: Any) -> bool:
    """Return whether X says, with whatever status, that it knows no post of that id."""
    if not isinstance(answer, dict) or answer.get("data"):
        return False
    problems = answer.get("errors")
    found = [answer, *(problems if isinstance(problems, list) else [])]
    return any(isinstance(one, dict) and "resource-not-found" in str(one.get("type")) for one in found)


def json_body(response: requests.Response) -> dict[str, Any] | None:
    """Return the JSON object of an answer; None where it is none."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def classify(
    status: int, headers: Mapping[str, str], body: dict[str, Any] | None, *, reply: bool = False
) -> PublishError:
    """Return what an answer other than success means. ``body`` is None where it was not JSON."""
    problems = (body or {}).get("errors")
    first = problems[0] if isinstance(problems, list) and problems and isinstance(problems[0], dict) else {}
    if body is None and status != 429:  # 429 is a rejection whatever the body looks like
        return OutcomeUnknown(f"X answered {status} with something other than JSON")
    body = body or {}
    code = first.get("code")
    code = code if isinstance(code, int) else -1
    said = " ".join(words(body.get(key, ""), 1000) for key in ("type", "title", "reason", "detail"))
    said += " " + words(first.get("message", ""), 1000)
    detail = words(first.get("message") or body.get("detail") or body.get("title") or f"status {status}")
    row = find_row(ROWS, status, code, -1, said, reply=reply)
    if row is None:
        return OutcomeUnknown(f"X answered {status} ({detail})")
    if row.name == "clock":
        detail = f"X says it is {words(headers.get('Date', '?'), 40)}"
    return as_error(row, "X", detail, wait_from(headers, _resets(headers, daily=status != 429)))


def page_trouble(answer: Any, user: str) -> str:
    """Return why a page of the timeline proves no absence; empty for a sound one."""
    if not isinstance(answer, dict):
        return "X's answer is no JSON object"
    if answer.get("errors"):
        return "X's answer came with errors"
    data = answer.get("data", [])
    count = as_count(_inside(answer, "meta", "result_count"))
    if count is None:
        return "X's answer has no meta.result_count"
    if not isinstance(data, list) or count != len(data):
        return f"X's answer announces {count} posts and has {len(data) if isinstance(data, list) else 'none'}"
    if any(not isinstance(one, dict) or str(one.get("author_id", "")) != user for one in data):
        return "X's answer has posts of another account"
    return ""


def until_reset_day(day: int, now: datetime) -> timedelta:
    """Return how long it is until that day of the month begins (in UTC); a day that a month lacks is its last."""
    month_start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(2):
        following = (month_start + timedelta(days=32)).replace(day=1)
        reset = min(month_start + timedelta(days=day - 1), following - timedelta(days=1))
        if reset > now:
            return reset - now
        month_start = following
    return timedelta(days=31)  # not reached: the day of the next month is always ahead


def _resets(headers: Mapping[str, str], *, daily: bool) -> list[str]:
    """The reset times of the limits that are used up; the short window's where none says so, unless it is a ``daily``
    limit that was reached."""
    limits = ("x-user-limit-24hour", "x-app-limit-24hour", *(() if daily else ("x-rate-limit",)))
    spent = [
        headers[f"{name}-reset"]
        for name in limits
        if headers.get(f"{name}-remaining") == "0" and f"{name}-reset" in headers
    ]
    return spent or [headers[name] for name in ("x-rate-limit-reset",) if name in headers and not daily]
