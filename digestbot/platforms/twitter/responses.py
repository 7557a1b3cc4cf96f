"""Interpretation of X's answers: errors, limits, counts, and whether a page of the timeline is sound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tweepy

from digestbot.domain.errors import OutcomeUnknown, PublishError
from digestbot.platforms.error_catalogue import find_row, to_publish_error
from digestbot.platforms.http import as_count, error_message, wait_from
from digestbot.platforms.twitter.errors import ROWS

READ_ONLY = (
    "the app has the permission {level!r} only, so nothing can be posted: at console.x.com, set User authentication "
    "settings to Read and write, then log in again"
)


def _inside(answer: Any, *names: str) -> Any:
    """Return the value at this path of keys in nested objects; None if any key is missing."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def field_of(answer: Any, name: str) -> str:
    """Return a string field of the answer's ``data``; empty if there is none of that name."""
    value = _inside(answer, "data", name)
    return value if isinstance(value, str) else ""


def upload_state(answer: Any) -> object:
    """Return the processing state of an upload; None if it needs no processing."""
    return _inside(answer, "data", "processing_info", "state")


def tweet_count(answer: Any) -> int | None:
    """Return the number of posts by the account's public metrics; None if the answer does not say."""
    return as_count(_inside(answer, "data", "public_metrics", "tweet_count"))


def is_gone(error: BaseException | None) -> bool:
    """Return True if a 404 means that the post does not exist, not that the endpoint does not exist."""
    return isinstance(error, tweepy.NotFound) and is_missing_post(json_body(error.response))


def is_missing_post(answer: Any) -> bool:
    """Return True if X's answer, whatever its status, says that no post has this id."""
    if not isinstance(answer, dict) or answer.get("data"):
        return False
    problems = answer.get("errors")
    results = [answer, *(problems if isinstance(problems, list) else [])]
    return any(isinstance(one, dict) and "resource-not-found" in str(one.get("type")) for one in results)


def json_body(response: requests.Response) -> dict[str, Any] | None:
    """Return the answer's JSON object; None if the body is not one."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def classify_response(
    status: int, headers: Mapping[str, str], body: dict[str, Any] | None, *, reply: bool = False
) -> PublishError:
    """Return the exception for an unsuccessful answer. ``body`` is None if it was not a JSON object."""
    problems = (body or {}).get("errors")
    first = problems[0] if isinstance(problems, list) and problems and isinstance(problems[0], dict) else {}
    if body is None and status != 429:  # 429 is a clear rejection, whatever the body is
        return OutcomeUnknown(f"X answered {status} with something other than JSON")
    body = body or {}
    code = first.get("code")
    code = code if isinstance(code, int) else -1
    words = " ".join(error_message(body.get(key, ""), 1000) for key in ("type", "title", "reason", "detail"))
    words += " " + error_message(first.get("message", ""), 1000)
    detail = error_message(first.get("message") or body.get("detail") or body.get("title") or f"status {status}")
    row = find_row(ROWS, status, code, -1, words, reply=reply)
    if row is None:
        return OutcomeUnknown(f"X answered {status} ({detail})")
    if row.name == "clock":
        detail = f"X says it is {error_message(headers.get('Date', '?'), 40)}"
    return to_publish_error(row, "X", detail, wait_from(headers, _resets(headers, daily=status != 429)))


def page_trouble(answer: Any, user: str) -> str:
    """Return why a page of the timeline cannot prove that a post is absent; empty for a sound page."""
    if not isinstance(answer, dict):
        return "X's answer is not a JSON object"
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
    """Return the time until that day of the month begins in UTC.

    A day that the month does not have stands for its last day.
    """
    month_start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(2):
        following = (month_start + timedelta(days=32)).replace(day=1)
        reset = min(month_start + timedelta(days=day - 1), following - timedelta(days=1))
        if reset > now:
            return reset - now
        month_start = following
    return timedelta(days=31)  # unreachable: next month's day is always in the future


def _resets(headers: Mapping[str, str], *, daily: bool) -> list[str]:
    """Return the reset times, in epoch seconds, of the limits that are exhausted.

    If no header names an exhausted limit, return the short window's reset time. With ``daily``, the short window is
    ignored.
    """
    limits = ("x-user-limit-24hour", "x-app-limit-24hour", *(() if daily else ("x-rate-limit",)))
    spent = [
        headers[f"{name}-reset"]
        for name in limits
        if headers.get(f"{name}-remaining") == "0" and f"{name}-reset" in headers
    ]
    return spent or [headers[name] for name in ("x-rate-limit-reset",) if name in headers and not daily]
