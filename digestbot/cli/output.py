"""Results on stdout, as text for people or as JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from digestbot.cli.logs import CONTROL
from digestbot.cli.style import BAD, DIM, GOOD, WARN, paint
from digestbot.domain.budget import DOLLAR, Budget, dollars
from digestbot.domain.model import Action, Alert, Message, PostRow, PostStatus, ReceiptBasis
from digestbot.domain.time_format import local_time, localize
from digestbot.platforms.base import LengthLimit

TIME_WIDTH = 21  # "2026-11-27 10:00 CET"; some zones have five characters
_STATUS_STYLES = {
    PostStatus.PUBLISHED: GOOD,
    PostStatus.UNKNOWN: WARN,
    PostStatus.QUARANTINED: BAD,
    PostStatus.FAILED: BAD,
}
_C1 = re.compile("[\x7f-\x9f]")


def print_json(value: object) -> None:
    """Print one JSON document. Control characters are escaped, so that none reaches the terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    print(_C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def print_json_list(values: Iterable[object]) -> None:
    """Print one JSON document that is a list, item by item, with control characters escaped."""
    before = "["
    for value in values:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
        escaped = _C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
        print(before + "\n  " + escaped.replace("\n", "\n  "), end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def in_dollars(cost: Any) -> float | None:
    """Return an amount in dollars; None stays None."""
    return None if cost is None else cost / DOLLAR


def post_json(row: PostRow) -> dict[str, Any]:
    """Return a post as it appears in JSON output; times are in ISO format, costs in dollars."""
    return {
        "id": row.id,
        "action": row.action,
        "target": row.target,
        "status": row.status,
        "channel": row.channel,
        "digest": row.digest,
        "slot": row.slot,
        "position": row.position,
        "at": row.at.isoformat(timespec="seconds"),
        "text": row.text,
        "link": row.link,
        "picture": row.picture,
        "cost": row.cost / DOLLAR,
        "receipt": {"id": row.receipt.id, "url": row.receipt.url, "basis": row.basis} if row.receipt else None,
        "candidates": [{"id": one.id, "url": one.url, "text": one.text, "at": one.at} for one in row.candidates],
        "error": row.error,
        "attempts": row.attempts,
        "approve_by": row.approve_by.isoformat(timespec="seconds") if row.approve_by else None,
        "not_before": row.not_before.isoformat(timespec="seconds") if row.not_before else None,
    }


def json_rows(rows: Iterable[PostRow]) -> None:
    """Print a JSON list of posts row by row, so that memory use does not grow with their number."""
    print_json_list(map(post_json, rows))


def post_table(rows: Iterable[PostRow], zone: tzinfo) -> None:
    """Print a heading and one line per post, row by row, with times in this zone."""
    some = False
    for row in rows:
        if not some:
            head = f"{'id':>5}  {'status':<11}  {'channel':<8}  {'digest':<10}  {'at':<{TIME_WIDTH}}  {'cost':>7}  "
            print(paint(f"{head}{'text':<48}  receipt", DIM))
        some = True
        print(post_line(row, zone))
    if not some:
        print("no posts")


def post_line(row: PostRow, zone: tzinfo) -> str:
    """Return a post as one line, and on a second line its approval deadline or its error, if any; times are in this
    zone."""
    title = row.text.splitlines()[0]
    if row.action is not Action.PUBLISH:
        title = f"({row.action} of {row.target}) {title}"
    title = textwrap.shorten(title, 48, placeholder="…")
    where = row.receipt.url if row.receipt else ""
    status = paint(f"{row.status:<11}", _STATUS_STYLES.get(row.status, ""))
    when = f"{local_time(row.at, zone):<{TIME_WIDTH}}"
    cost = dollars(row.cost) if row.cost else ""
    line = f"{row.id:>5}  {status}  {row.channel:<8}  {row.digest:<10}  {when}  {cost:>7}  {title:<48}  "
    line += where
    if row.approve_by:
        until = local_time(row.approve_by, zone)
        return f"{line.rstrip()}\n       needs approval until {until}: digestbot approve"
    again = f"; next attempt at {local_time(row.not_before, zone, seconds=True)}" if row.not_before else ""
    return line.rstrip() + (f"\n       {localize(row.error, zone)}{again}" if row.error and not row.receipt else "")


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as it appears in JSON output."""
    return {
        "id": alert.id,
        "kind": alert.kind,
        "subject": alert.subject,
        "note": alert.note,
        "raised_at": alert.raised_at.isoformat(timespec="seconds"),
        "posts": list(alert.posts),
    }


def alert_line(alert: Alert, zone: tzinfo) -> str:
    """Return an alert as one line, with times in this zone."""
    held = f"; holds back posts {', '.join(map(str, alert.posts))}" if alert.posts else ""
    since = local_time(alert.raised_at, zone)
    return f"alert {alert.id}, {since}, {alert.kind} ({alert.subject}): {localize(alert.note, zone)}{held}"


def budget_json(account: Budget) -> dict[str, float | None]:
    """Return a channel's costs and budget of the month, in dollars; the budget is None if there is no limit."""
    return {"spent": account.spent / DOLLAR, "budget": in_dollars(account.budget)}


def budget_line(channel: str, account: Budget, now: datetime) -> str:
    """Return a channel's costs and budget of the month as one line."""
    of = f" of {dollars(account.budget)}" if account.budget is not None else ""
    return f"{channel} in {now:%B %Y} (UTC): {dollars(account.spent)}{of} spent (estimate)"


def format_message(message: Message, limit: LengthLimit | None, cost: int = 0, excerpt: str = "") -> str:
    """Return a message's text, then its length against the platform's limit, its estimated cost, its link and its
    picture. ``cost`` is in millionths of a dollar, ``excerpt`` says which rule chose the part that is shown."""
    body = quote(message.text)
    attached = f"\n  attached link: {message.link}" if message.link and not message.picture else ""
    picture = (
        f"\n  picture: {textwrap.shorten(message.picture.alt_text, 100, placeholder='…')}" if message.picture else ""
    )
    price = f", {dollars(cost)}" if cost else ""
    part = "reply, " if message.reply else ""
    of = f" of {limit.most}" if limit else ""
    length = limit.measure(message.text) if limit else len(message.text)
    chosen = f"\n  excerpt: {excerpt}" if excerpt else ""
    return f"{body}\n  {part}{length}{of} characters{price}{attached}{picture}{chosen}"


def quote(text: str) -> str:
    """Return a text with a vertical bar at the start of each line."""
    return textwrap.indent(text, "  │ ", lambda _: True)


def strip_control(text: str) -> str:
    """Return a text in which control characters, which could affect a terminal, are spaces; line breaks are kept."""
    return CONTROL.sub(" ", text)


def candidate_lines(row: PostRow, zone: tzinfo) -> list[str]:
    """Return the timeline posts that may be this quarantined post, each with its URL, time and text, as lines."""
    results = []
    for one in row.candidates:
        results.append(f"candidate {one.url}, posted {local_time(one.at, zone)}:")
        results.append(quote(strip_control(one.text)))
    return results


def print_post_history(
    row: PostRow,
    attempts: list[dict[str, Any]],
    looks: list[dict[str, Any]],
    limit: LengthLimit | None,
    zone: tzinfo,
) -> None:
    """Print a post with its receipt, its candidates, its text, its attempts and their timeline checks.

    Times are in this zone.
    """
    status = paint(row.status, _STATUS_STYLES.get(row.status, ""))
    print(
        f"post {row.id}: {status} (digest {row.digest} on {row.channel}, slot {row.slot}, part {row.position + 1})"
        + ("" if row.action is Action.PUBLISH else f", {row.action} of post {row.target}")
    )
    if row.receipt:
        print(f"  {row.receipt.url}")
    if row.error:
        print(f"  {localize(row.error, zone)}")
    if row.approve_by:
        print(f"  needs approval until {local_time(row.approve_by, zone)}")
    if row.basis is ReceiptBasis.OPERATOR:
        print("  an operator entered its URL, and its text differs: digestbot never edits or deletes it")
    if row.candidates:
        print("\n" + "\n".join(candidate_lines(row, zone)))
        print(
            f"If it is one of these: digestbot posts resolve {row.id} --published URL; "
            f"if not: digestbot posts retry {row.id}"
        )
    published = row.action is Action.PUBLISH and row.status is not PostStatus.DELETED
    print("\n" + (format_message(row.message(), limit, row.cost) if published else f"  {row.text}"))
    for attempt in attempts:
        ended = f"{attempt['finished_at'].astimezone(zone):%H:%M:%S}" if attempt["finished_at"] else "never"
        outcome = attempt["outcome"] or "no outcome was recorded"
        reason = f" ({localize(attempt['error'], zone)})" if attempt["error"] else ""
        start = local_time(attempt["started_at"], zone, seconds=True)
        print(f"\nattempt {attempt['epoch']} at {start}, ended {ended}: {outcome}{reason}")
        for look in looks:
            if look["epoch"] == attempt["epoch"]:
                whole = "read" if look["complete"] else "could not read"
                at = local_time(look["at"], zone, seconds=True)
                print(f"  timeline checked at {at}, {whole} {look['read']} post(s): {look['note']}")
