"""Decisions about a post whose outcome is unknown, based on a reading of the channel's own timeline.

The platforms accept no idempotency key, so only the timeline can tell whether a post exists. Presence requires our
text: a match by link alone may be a person's own post. Absence requires a witness: a reading counts only if it provably
reaches back past the attempt. A timeline may show its newest known post and still lag, so resends are spaced.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from digestbot.domain.errors import PublishError
from digestbot.domain.model import Action, Message, PostStatus, TimelinePost
from digestbot.text import find_urls

EARLY_LOOKS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 300))
PATIENCE = 4  # quiet periods without a sound reading, then an operator has to decide
RESEND_AFTER = (timedelta(0), timedelta(hours=1), timedelta(days=1))
"""How long after an attempt the first, second and third resend may be made; there is no fourth."""
CLOCK_SLACK = timedelta(hours=1)  # how far off a clock may have been at the first attempt
RECHECKS = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24))
"""The intervals, from the quarantine on, at which a quarantined post is looked for again; the last one repeats."""
RECHECK_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TimelineReading:
    """One reading of a channel's own timeline, newest first, by the ledger's clock.

    ``trouble`` says why the reading proves no absence; empty for a sound one. ``count`` is how many posts were read,
    including repeated ones and other people's, and ``cost`` is what they cost, in millionths of a dollar. ``bounded``:
    the reading ended at a limit. ``failure`` is the error with which the platform answered instead.
    """

    posts: tuple[TimelinePost, ...] = ()
    trouble: str = ""
    count: int = 0
    cost: int = 0
    bounded: bool = False
    failure: PublishError | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A post that is known to be on a channel's timeline, and when it was known to be there (by the ledger's clock)."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UnknownPost:
    """A post whose outcome is unknown, and what is known about it.

    ``first_sent_at`` is when the first attempt that may have created the post began; ``deadline`` is that of the last
    attempt. ``sends`` counts the attempts whose outcome was unknown. ``absences`` counts the sound readings in a row
    that did not show the post. ``anchors`` are the newest posts known to have been on the timeline before the first
    attempt.

    ``reply_to`` is the post under which a reply would be. ``target`` is the platform's id of the post that an update or
    a deletion applies to. ``duplicate``: the platform said that it already has this text. ``dismissed`` are the ids of
    posts that an operator saw and did not take for this one. ``receipt`` is the id that an attempt recorded although it
    came too late.
    """

    post: int
    channel: str
    epoch: int
    message: Message
    first_sent_at: datetime
    deadline: datetime
    unknown_since: datetime
    absences: int
    anchors: tuple[Anchor, ...]
    reply_to: str | None
    sends: int = 1
    duplicate: bool = False
    dismissed: frozenset[str] = frozenset()
    action: Action = Action.PUBLISH
    target: str | None = None
    quarantined: bool = False
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to the post; ``status`` stays `unknown` while it is too early to tell.

    ``candidates`` are posts that an operator has to compare. ``not_before`` is when a post that is pending again may be
    sent. ``sound``: the reading proved the absence of what it does not show. ``final``: another reading would not help.
    """

    status: PostStatus
    note: str
    found: TimelinePost | None = None
    next_check: datetime | None = None
    not_before: datetime | None = None
    candidates: tuple[TimelinePost, ...] = ()
    sound: bool = True
    final: bool = False
    failure: PublishError | None = None


def missing_witness(
    posts: Sequence[TimelinePost], anchor: Anchor | None, since: datetime | None, *, end_proven: bool
) -> str:
    """Return why these posts prove no absence; empty where they do.

    They prove it if they contain the ``anchor``, the newest post that is known to be on the timeline. If none is known,
    they prove it if the platform itself shows that there are no more posts, or if they reach back past ``since``.
    """
    if anchor is not None:
        if any(post.id == anchor.id for post in posts):
            return ""
        return f"the timeline does not show post {anchor.id}, which is known to be there"
    if end_proven or (since is not None and any(post.at < since for post in posts)):
        return ""
    return "it is not certain that the timeline was read back far enough"


def judge_reading(
    unknown: UnknownPost, reading: TimelineReading, claimed: Collection[str], quiet: timedelta, now: datetime
) -> Verdict:
    """Return what a reading says about a post whose outcome is unknown.

    ``claimed`` are the ids in the reading for which other posts have receipts. ``quiet`` is how long a timeline may
    lag.
    """
    settled = unknown.deadline + quiet
    possible = [post for post in reading.posts if post.id not in claimed and post.id not in unknown.dismissed]
    same_text, same_links = matches(unknown.message, possible, unknown.first_sent_at)
    if same_text:
        return _with_our_text(same_text, "found as")
    if reading.trouble:
        if unknown.quarantined or reading.bounded or now >= settled + quiet * (PATIENCE - 1):
            note = f"the timeline could not be read: {reading.trouble}"
            candidates = tuple(same_links)
            return Verdict(PostStatus.QUARANTINED, note, candidates=candidates, sound=False, final=reading.bounded)
        return Verdict(PostStatus.UNKNOWN, reading.trouble, next_check=_next_look(unknown, quiet, now), sound=False)
    if unknown.quarantined:
        note = "it is not on the timeline" if not same_links else _only_links(same_links)
        return Verdict(PostStatus.QUARANTINED, note, candidates=tuple(same_links))
    if now < settled or unknown.absences + 1 < 2:
        return Verdict(PostStatus.UNKNOWN, "not on the timeline", next_check=_next_look(unknown, quiet, now))
    if same_links:
        return Verdict(PostStatus.QUARANTINED, _only_links(same_links), candidates=tuple(same_links))
    if unknown.duplicate:
        note = "the platform says that it has this text already, but the timeline does not show it"
        return Verdict(PostStatus.QUARANTINED, note)
    if unknown.sends > len(RESEND_AFTER):
        return Verdict(PostStatus.QUARANTINED, f"sent {unknown.sends} times, and not on the timeline")
    wait = RESEND_AFTER[unknown.sends - 1]
    not_before = max(unknown.deadline + wait, now) if wait else None
    return Verdict(PostStatus.PENDING, "not on the timeline in two checks: it was not published", not_before=not_before)


def judge_before_sending(
    message: Message,
    reading: TimelineReading,
    claimed: Collection[str],
    dismissed: Collection[str],
    since: datetime | None = None,
) -> Verdict | None:
    """Return what a reading says about a post that is about to be sent and may already exist; None where it does not.

    ``since`` is when the first attempt that may have created the post began; None where a ledger that was lost may have
    known of an attempt. The verdict is `published` for a post with our text, `quarantined` where an operator has to
    compare, and `pending` where the reading proves nothing.
    """
    possible = [post for post in reading.posts if post.id not in claimed and post.id not in dismissed]
    same_text, same_links = matches(message, possible, since)
    if same_text:
        return _with_our_text(same_text, "was on the timeline already, as")
    if reading.trouble:
        final, failure = reading.bounded, reading.failure
        return Verdict(PostStatus.PENDING, reading.trouble, sound=False, final=final, failure=failure)
    if same_links:
        return Verdict(PostStatus.QUARANTINED, _only_links(same_links), candidates=tuple(same_links))
    return None


def judge_change(
    unknown: UnknownPost, result: TimelinePost | None, quiet: timedelta, now: datetime, trouble: str | None = None
) -> Verdict:
    """Return what became of an update or a deletion.

    ``found`` is the target as the platform shows it now, None where it is gone. ``trouble`` says why the target could
    not be read.
    """
    settled = unknown.deadline + quiet
    if trouble is not None:
        if unknown.quarantined or now >= settled + quiet * (PATIENCE - 1):
            return Verdict(PostStatus.QUARANTINED, f"the post could not be read: {trouble}", sound=False)
        return Verdict(PostStatus.UNKNOWN, trouble, next_check=_next_look(unknown, quiet, now), sound=False)
    if result is None:
        if unknown.action is Action.DELETE:
            return Verdict(PostStatus.DONE, "the post is gone")
        return Verdict(PostStatus.FAILED, "the post is no longer there")
    if unknown.action is Action.UPDATE and shows_text(result, unknown.message.text):
        return Verdict(PostStatus.DONE, "the post has the new text")
    if not unknown.quarantined and (now < settled or unknown.absences + 1 < 2):
        return Verdict(PostStatus.UNKNOWN, "not done yet", next_check=_next_look(unknown, quiet, now))
    if unknown.sends > len(RESEND_AFTER):
        return Verdict(PostStatus.QUARANTINED, f"tried {unknown.sends} times without success")
    return Verdict(PostStatus.PENDING, "not done: digestbot tries again")


def first_check(unknown_since: datetime) -> datetime:
    """Return when to check the timeline for the first time."""
    return unknown_since + EARLY_LOOKS[0]


def next_recheck(quarantined_at: datetime, now: datetime) -> datetime | None:
    """Return when to look again for a quarantined post whose timeline could not be read; None once `RECHECK_FOR` has
    passed."""
    if now - quarantined_at > RECHECK_FOR:
        return None
    passed, at = timedelta(0), quarantined_at
    for wait in RECHECKS:
        passed += wait
        at = quarantined_at + passed
        if at > now:
            return at
    return now + RECHECKS[-1]


def _with_our_text(posts: Sequence[TimelinePost], found_as: str) -> Verdict:
    if len(posts) == 1:
        return Verdict(PostStatus.PUBLISHED, f"{found_as} {posts[0].id}", found=posts[0])
    note = f"{len(posts)} posts on the timeline have this text: compare them"
    return Verdict(PostStatus.QUARANTINED, note, candidates=tuple(posts))


def _only_links(posts: Sequence[TimelinePost]) -> str:
    several = f"{len(posts)} posts" if len(posts) > 1 else "a post"
    return f"{several} on the timeline with the same link but another text: compare them"


def _next_look(unknown: UnknownPost, quiet: timedelta, now: datetime) -> datetime:
    """Return when to check the timeline next: the early checks, the end of the quiet period, then every third of such a
    period."""
    settled = unknown.deadline + quiet
    planned = [unknown.unknown_since + wait for wait in EARLY_LOOKS] + [settled]
    return next((look for look in sorted(planned) if now < look <= settled), now + max(quiet / 3, EARLY_LOOKS[0]))


def matches(
    message: Message, posts: Sequence[TimelinePost], since: datetime | None = None
) -> tuple[list[TimelinePost], list[TimelinePost]]:
    """Return the posts with this message's text, and the other posts that have all its links.

    The latter must not have appeared before the first attempt, which was made at ``since``. Entities and shortened
    links are undone only in the text that was read. On both sides, Unicode form, white space and the way in which a
    link is written are normalized.
    """
    same_text = [post for post in posts if shows_text(post, message.text)]
    links = own_links(message)
    others = [post for post in posts if post not in same_text and (since is None or post.at >= since - CLOCK_SLACK)]
    return same_text, [post for post in others if links and links <= read_links(post)]


def read_links(post: TimelinePost) -> set[str]:
    """Return the links of a post that was read, in comparable form."""
    read = [*post.links, *find_urls(post.text)]  # a Page's posts may have their links in the text only
    return {comparable_link(form) for url in read for form in (url, html.unescape(url))}


def shows_text(post: TimelinePost, text: str) -> bool:
    """Return whether a post that was read has our text."""
    return comparable(text) in (comparable(post.text), comparable(html.unescape(post.text)))


def own_links(message: Message) -> set[str]:
    """Return a message's links in comparable form. A link to a site's home page identifies nothing and is left out."""
    links = {comparable_link(url) for url in [*find_urls(message.text), *([message.link] if message.link else [])]}
    return {link for link in links if re.search(r"[/?#][^/?#]", link)}


def comparable(text: str) -> str:
    """Return the text in Unicode form NFC, with single spaces, and with its URLs in the form of `comparable_link`."""
    text = unicodedata.normalize("NFC", text)
    pieces, rest = [], text
    for url in find_urls(text):
        before, result, rest_ = rest.partition(url)
        if result:
            pieces += [before, comparable_link(url)]
            rest = rest_
    return " ".join("".join([*pieces, rest]).split())


def comparable_link(url: str) -> str:
    """Return a URL in comparable form: without protocol, ``www.`` and tracking parameters, with its host in lower case
    and its escapes undone. A link through l.facebook.com is replaced by its target."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:  # brackets that do not hold an IPv6 address
        return url
    if parts.netloc.lower() in ("l.facebook.com", "lm.facebook.com"):
        inner = parse_qs(parts.query).get("u")
        if inner:
            return comparable_link(inner[0])
    query = "&".join(part for part in parts.query.split("&") if not part.startswith(("fbclid=", "utm_")))
    rest = unicodedata.normalize("NFC", unquote(f"{parts.path.rstrip('/')}?{query}#{parts.fragment}"))
    return re.sub(r"^www\.", "", parts.netloc.lower()) + rest
