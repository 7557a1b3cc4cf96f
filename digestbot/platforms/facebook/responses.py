"""What Facebook's answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from digestbot.domain.errors import OutcomeUnknown, PublishError, RateLimited, Rejected
from digestbot.platforms.error_catalogue import find_row, to_publish_error
from digestbot.platforms.facebook.errors import ROWS
from digestbot.platforms.facebook.graph_client import GraphError
from digestbot.platforms.http import error_message, wait_from


def classify_graph_error(
    status: int, headers: Mapping[str, str], error: dict[str, Any] | None, *, reply: bool = False
) -> PublishError:
    """Return the exception for an unsuccessful answer. ``error`` is the body's error object; None without one.

    An unlisted code with a 4xx status rejects the post: Facebook has understood the call and declined it.
    """
    if error is None:
        if status == 429:
            return RateLimited("Facebook: too many calls", wait=wait_from(headers, []))
        return OutcomeUnknown(f"Facebook answered {status} without saying what became of the post")
    code, subcode = as_number(error.get("code")), as_number(error.get("error_subcode"))
    detail = error_message(error.get("error_user_msg") or error.get("message") or f"code {code}")
    words = " ".join(
        error_message(error.get(key, ""), 1000) for key in ("message", "error_user_title", "error_user_msg")
    )
    if error.get("is_transient") is True and code not in _THROTTLED:
        return OutcomeUnknown(f"Facebook answered {status}, code {code} ({detail})")
    row = find_row(ROWS, status, code, subcode, words, reply=reply)
    if row is not None:
        return to_publish_error(row, "Facebook", detail, _regain(headers) or wait_from(headers, []))
    if 400 <= status < 500 and code > 0:
        return Rejected(f"Facebook rejected the post with code {code} ({detail})")
    return OutcomeUnknown(f"Facebook answered {status}, code {code} ({detail})")


_THROTTLED = next(row.codes for row in ROWS if row.name == "rate-limit")


def is_missing_object(error: BaseException | None) -> bool:
    """Return True if the Graph API says that there is no such object.

    It says the same to callers without access, but the Page that made a post always has access to it.
    """
    if not isinstance(error, GraphError) or error.error is None:
        return False
    return (as_number(error.error.get("code")), as_number(error.error.get("error_subcode"))) == (100, 33)


def as_number(value: object) -> int:
    """Return the value if it is an integer, else -1."""
    return value if isinstance(value, int) else -1


def _regain(headers: Mapping[str, str]) -> timedelta | None:
    """Return the longest estimated_time_to_regain_access, which is in minutes; None without one."""
    try:
        usage = json.loads(headers.get("X-Business-Use-Case-Usage", ""))
        minutes = max(int(row.get("estimated_time_to_regain_access", 0)) for rows in usage.values() for row in rows)
        return timedelta(minutes=minutes) if minutes > 0 else None
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
