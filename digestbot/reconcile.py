"""Pure: what a reading of the channel's own timeline says about a post whose outcome is unknown.

The platforms take no idempotency key, so the only way to know is to look. A match is worth more than an absence:
the first match settles it, an absence counts only once the timeline had time to catch up, and twice.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from digestbot.model import Action, Message, PostStatus, Seen
from digestbot.text import find_urls

EARLY_LOOKS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 300))
PATIENCE = 4  # quiet periods without a complete reading, then a person has to look
MOST_ATTEMPTS = 5  # unknown that often: something is wrong that another attempt will not mend


@dataclass(frozen=True, slots=True)
class Case:
    """A post whose outcome is unknown, and what is known about it.

    ``absences`` counts the complete readings in a row that did not show it. ``after`` is the newest receipt on
    the channel from before the attempt: nothing older can be this post. ``reply_to`` is where a reply would be.
    ``target`` is the receipt's id of the post that an update or a deletion is about.
    """

    post: int
    channel: str
    epoch: int
    message: Message
    started_at: datetime
    deadline: datetime
    unknown_since: datetime
    absences: int
    after: str | None
    reply_to: str | None
    action: Action = Action.PUBLISH
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the post; ``status`` stays `unknown` where it is too early to tell."""

    status: PostStatus
    note: str
    seen: Seen | None = None
    next_look: datetime | None = None
    complete: bool = True


def judge(
    case: Case,
    seen: Sequence[Seen] | None,
    claimed: Collection[str],
    quiet: timedelta,
    now: datetime,
    trouble: str = "",
) -> Verdict:
    """``seen`` is the timeline back past the attempt, None where it could not be read whole for the reason in
    ``trouble``. ``claimed`` are the ids on it that other posts have receipts for."""
    settled = case.deadline + quiet
    if seen is None:
        if now >= settled + quiet * (PATIENCE - 1):
            return Verdict(PostStatus.QUARANTINED, f"the timeline could not be read: {trouble}", complete=False)
        return Verdict(PostStatus.UNKNOWN, trouble, next_look=_next_look(case, quiet, now), complete=False)
    found = matches(case.message, [post for post in seen if post.id not in claimed])
    if len(found) == 1:
        return Verdict(PostStatus.PUBLISHED, f"found as {found[0].id}", seen=found[0])
    if found:
        ids = ", ".join(post.id for post in found)
        return Verdict(PostStatus.QUARANTINED, f"{len(found)} posts on the timeline could be it: {ids}")
    if now < settled or case.absences + 1 < 2:
        return Verdict(PostStatus.UNKNOWN, "not on the timeline", next_look=_next_look(case, quiet, now))
    if case.epoch >= MOST_ATTEMPTS:
        return Verdict(PostStatus.QUARANTINED, f"unknown after {case.epoch} attempts, and not on the timeline")
    return Verdict(PostStatus.PENDING, "not on the timeline twice: it was not published")


def judge_change(case: Case, seen: Seen | None, quiet: timedelta, now: datetime, trouble: str | None = None) -> Verdict:
    """An update or a deletion whose outcome is unknown: ``seen`` is its target as it stands on the platform now,
    None where it is gone; with ``trouble`` it could not be read."""
    settled = case.deadline + quiet
    if trouble is not None:
        if now >= settled + quiet * (PATIENCE - 1):
            return Verdict(PostStatus.QUARANTINED, f"the post could not be read: {trouble}", complete=False)
        return Verdict(PostStatus.UNKNOWN, trouble, next_look=_next_look(case, quiet, now), complete=False)
    if seen is None:
        if case.action is Action.DELETE:
            return Verdict(PostStatus.DONE, "the post is gone")
        return Verdict(PostStatus.FAILED, "the post is no longer there")
    if case.action is Action.UPDATE and comparable(seen.text) == comparable(case.message.text):
        return Verdict(PostStatus.DONE, "the post says so now")
    if now < settled or case.absences + 1 < 2:
        return Verdict(PostStatus.UNKNOWN, "not done yet", next_look=_next_look(case, quiet, now))
    if case.epoch >= MOST_ATTEMPTS:
        return Verdict(PostStatus.QUARANTINED, f"unknown after {case.epoch} attempts, and not done")
    return Verdict(PostStatus.PENDING, "not done, seen twice: it is tried again")


def first_look(unknown_since: datetime) -> datetime:
    """When to look for the first time."""
    return unknown_since + EARLY_LOOKS[0]


def _next_look(case: Case, quiet: timedelta, now: datetime) -> datetime:
    """Early looks first, then one when the quiet period is over, then a few to each further one."""
    settled = case.deadline + quiet
    planned = [case.unknown_since + wait for wait in EARLY_LOOKS] + [settled]
    return next((look for look in sorted(planned) if now < look <= settled), now + max(quiet / 3, EARLY_LOOKS[0]))


def matches(message: Message, seen: Sequence[Seen]) -> list[Seen]:
    """The posts that could be this message: those with the same text, else those with the same link.

    Text is compared after undoing what platforms do to it: shortened links, HTML entities, Unicode's form, white
    space. The link decides only where no text matches, for a platform may change a text, hardly ever a link.
    """
    text = comparable(message.text)
    same_text = [post for post in seen if comparable(post.text) == text]
    if same_text:
        return same_text
    links = {comparable_link(url) for url in ([message.link] if message.link else find_urls(message.text))}
    links = {link for link in links if re.search(r"[/?#][^/?#]", link)}  # a site's own address says nothing
    return [post for post in seen if links & {comparable_link(url) for url in post.links}]


def comparable(text: str) -> str:
    """The text without what a platform may have done to it."""
    return " ".join(unicodedata.normalize("NFC", html.unescape(text)).split())


def comparable_link(url: str) -> str:
    """The address behind l.facebook.com, its host in lower case, its escapes undone, tracking parameters gone."""
    parts = urlsplit(html.unescape(url))
    if parts.netloc.lower() in ("l.facebook.com", "lm.facebook.com"):
        inner = parse_qs(parts.query).get("u")
        if inner:
            return comparable_link(inner[0])
    query = "&".join(part for part in parts.query.split("&") if not part.startswith(("fbclid=", "utm_")))
    rest = unicodedata.normalize("NFC", unquote(f"{parts.path.rstrip('/')}?{query}#{parts.fragment}"))
    return re.sub(r"^www\.", "", parts.netloc.lower()) + rest
