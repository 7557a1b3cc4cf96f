"""Results on stdout: for people, or as JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from digestbot.cli.logs import CONTROL
from digestbot.costs import DOLLAR, Account, dollars
from digestbot.model import Action, Alarm, Message, Platform, PostRow, PostStatus, ReceiptBasis
from digestbot.text import LIMITS

if TYPE_CHECKING:
    from digestbot.service.resolving import Resolution

_C1 = re.compile("[\x7f-\x9f]")


def as_json(value: object) -> None:
    """One JSON document, in which control characters are escaped as all are that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    print(_C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def as_json_list(values: Iterable[object]) -> None:
    """One JSON document that is a list, written item by item."""
    before = "["
    for value in values:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
        escaped = _C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
        print(before + "\n  " + escaped.replace("\n", "\n  "), end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def post_json(row: PostRow) -> dict[str, Any]:
    """A post as scripts get it."""
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
    """A JSON list of posts, written row by row: however many there are, memory stays as it is."""
    separator = "["
    for row in rows:
        print(separator + "\n" + json.dumps(post_json(row), ensure_ascii=False, default=_plain), end="")
        separator = ","
    print("\n]" if separator == "," else "[]")


def post_table(rows: Iterable[PostRow]) -> None:
    """A line a post under a heading, row by row."""
    some = False
    for row in rows:
        if not some:
            head = f"{'id':>5}  {'status':<11}  {'channel':<8}  {'digest':<10}  {'at (UTC)':<16}  {'cost':>7}  "
            print(f"{head}{'text':<48}  receipt")
        some = True
        print(post_line(row))
    if not some:
        print("no posts")


def post_line(row: PostRow) -> str:
    """A post in one line, and what went wrong with it in another."""
    title = row.text.splitlines()[0]
    if row.action is not Action.PUBLISH:
        title = f"({row.action} of {row.target}) {title}"
    title = textwrap.shorten(title, 48, placeholder="…")
    where = row.receipt.url if row.receipt else ""
    when = f"{row.at:%Y-%m-%d %H:%M}"
    cost = dollars(row.cost) if row.cost else ""
    line = f"{row.id:>5}  {row.status:<11}  {row.channel:<8}  {row.digest:<10}  {when:<16}  {cost:>7}  {title:<48}  "
    line += where
    if row.approve_by:
        return (
            f"{line.rstrip()}\n       waits for approval until {row.approve_by:%Y-%m-%d %H:%M} UTC: digestbot approve"
        )
    again = f"; again at {row.not_before:%Y-%m-%d %H:%M:%S}" if row.not_before else ""
    return line.rstrip() + (f"\n       {row.error}{again}" if row.error and not row.receipt else "")


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """An alarm as scripts get it."""
    return {
        "id": alarm.id,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "note": alarm.note,
        "raised_at": alarm.raised_at.isoformat(timespec="seconds"),
        "posts": list(alarm.posts),
    }


def alarm_line(alarm: Alarm) -> str:
    """An alarm in one line."""
    held = f"; holds back posts {', '.join(map(str, alarm.posts))}" if alarm.posts else ""
    return f"alarm {alarm.id}, {alarm.raised_at:%Y-%m-%d %H:%M} UTC, {alarm.kind} ({alarm.subject}): {alarm.note}{held}"


def account_json(account: Account) -> dict[str, float | None]:
    """What a channel's month has cost, in dollars."""
    return {"spent": account.spent / DOLLAR, "budget": None if account.budget is None else account.budget / DOLLAR}


def account_line(channel: str, account: Account, now: datetime) -> str:
    """The same in a line."""
    of = f" of {dollars(account.budget)}" if account.budget is not None else ""
    return f"{channel} in {now:%B %Y} (UTC): {dollars(account.spent)}{of} spent, as estimated"


def framed(message: Message, platform: Platform, cost: int = 0) -> str:
    """A message between lines, with its length against the platform's limit, and what it is estimated to cost."""
    limit = LIMITS[platform]
    body = _quoted(message.text)
    attached = f"\n  attached link: {message.link}" if message.link and not message.picture else ""
    picture = (
        f"\n  picture: {textwrap.shorten(message.picture.alt_text, 100, placeholder='…')}" if message.picture else ""
    )
    price = f", {dollars(cost)}" if cost else ""
    part = "reply, " if message.reply else ""
    return f"{body}\n  {part}{limit.measure(message.text)} of {limit.most} characters{price}{attached}{picture}"


def resolution(done: Resolution) -> None:
    """What was settled by hand; of a post on the platform, how it reads there beside ours."""
    print(f"post {done.post}: {done.before} -> {done.after}" + (f" as {done.receipt.url}" if done.receipt else ""))
    if done.there is not None:
        print("on the platform:\n" + _quoted(_printable(done.there.text)))
        if done.same:
            print("This is digestbot's text: it may edit or delete this post later.")
        else:
            print("digestbot's text:\n" + _quoted(done.ours))
            print("The texts differ: digestbot will never edit or delete this post.")
        print(f"If this is the wrong post: digestbot posts reopen {done.post}")
    if done.after is PostStatus.PENDING:
        print("It is looked for on the timeline before it is sent.")


def _quoted(text: str) -> str:
    return textwrap.indent(text, "  │ ", lambda _: True)


def _printable(text: str) -> str:
    """Return a text without what could paint a terminal; line breaks stay."""
    return CONTROL.sub(" ", text)


def candidate_lines(row: PostRow) -> list[str]:
    """The posts on the timeline that may be this one, each with its text."""
    found = []
    for one in row.candidates:
        found.append(f"candidate {one.url}, posted {one.at:%Y-%m-%d %H:%M} UTC:")
        found.append(_quoted(_printable(one.text)))
    return found


def post_history(row: PostRow, attempts: list[dict[str, Any]], looks: list[dict[str, Any]], platform: Platform) -> None:
    """A post with all that was tried and seen."""
    print(
        f"post {row.id}: {row.status} (digest {row.digest} on {row.channel}, slot {row.slot}, part {row.position + 1})"
        + ("" if row.action is Action.PUBLISH else f", {row.action} of post {row.target}")
    )
    if row.receipt:
        print(f"  {row.receipt.url}")
    if row.error:
        print(f"  {row.error}")
    if row.approve_by:
        print(f"  waits for approval until {row.approve_by:%Y-%m-%d %H:%M} UTC")
    if row.basis is ReceiptBasis.OPERATOR:
        print("  its address was given by hand, and its text is another: digestbot never edits or deletes it")
    if row.candidates:
        print("\n" + "\n".join(candidate_lines(row)))
        print(
            f"If it is one of these: digestbot posts resolve {row.id} --published URL; "
            f"if not: digestbot posts retry {row.id}"
        )
    published = row.action is Action.PUBLISH and row.status is not PostStatus.DELETED
    print("\n" + (framed(row.message(), platform, row.cost) if published else f"  {row.text}"))
    for attempt in attempts:
        ended = f"{attempt['finished_at']:%H:%M:%S}" if attempt["finished_at"] else "never"
        outcome = attempt["outcome"] or "no outcome was recorded"
        reason = f" ({attempt['error']})" if attempt["error"] else ""
        start = f"{attempt['started_at']:%Y-%m-%d %H:%M:%S} UTC"
        print(f"\nattempt {attempt['epoch']} at {start}, ended {ended}: {outcome}{reason}")
        for look in looks:
            if look["epoch"] == attempt["epoch"]:
                whole = "read" if look["complete"] else "could not read"
                print(f"  looked at {look['at']:%Y-%m-%d %H:%M:%S}, {whole} {look['read']} post(s): {look['note']}")
