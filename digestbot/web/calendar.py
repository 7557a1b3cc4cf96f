"""The plan as a week and a month, and each post of it as it will look."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from digestbot.errors import RenderError
from digestbot.ledger import rescheduling, views, wishes
from digestbot.mockup import Shown
from digestbot.model import Draft, PostRow, Shape
from digestbot.planning import Row, instant
from digestbot.text import LIMITS
from digestbot.web import showing
from digestbot.web.desk import Desk
from digestbot.web.plan_cache import Planned
from digestbot.web.rendering import page

A_DAY = timedelta(days=1)
FURTHEST = timedelta(days=366)
MOST_POSTS = 2000  # of the past that one page shows


@dataclass
class Day:
    """What was posted on a day, what is to come, and the slots that stay empty, by what keeps them so."""

    date: date
    posted: list[PostRow] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)


def calendar(desk: Desk, request: Request) -> Response:
    """GET /calendar?view=week|month&day=2026-11-23"""
    config, now = desk.config, desk.clock()
    zone, today = config.timezone, now.astimezone(config.timezone).date()
    month = request.query_params.get("view") == "month"
    about = _day(request.query_params.get("day", ""), today)
    first = about.replace(day=1) if month else about
    first -= timedelta(days=first.weekday())
    last = (about.replace(day=28) + 4 * A_DAY).replace(day=1) - A_DAY if month else first
    last += timedelta(days=6 - last.weekday())
    days = {first + number * A_DAY: Day(first + number * A_DAY) for number in range((last - first).days + 1)}
    begin, end = _midnight(first, zone), _midnight(last + A_DAY, zone) - timedelta(seconds=1)
    planned = desk.plan(now, end) if end > now else Planned([])
    for row in planned.rows:
        day = days.get(row.at.astimezone(zone).date())
        if day is not None and row.summaries:
            day.rows.append(row)
        elif day is not None:
            day.empty[row.note] = day.empty.get(row.note, 0) + 1
    with desk.ledger.read() as tx:
        changes = rescheduling.changes(tx)
        posted = views.posted_between(tx, begin, min(end, now), MOST_POSTS) if begin < now else []
    for post in posted:
        days[post.at.astimezone(zone).date()].posted.append(post)
    back = (about.replace(day=1) if month else first) - A_DAY
    following = last + A_DAY if not month else (about.replace(day=28) + 4 * A_DAY).replace(day=1)
    return page(
        desk,
        request,
        "calendar",
        days=list(days.values()),
        plan_as_of=planned.as_of,
        today=today,
        about=about,
        month=month,
        before=back,
        after=following if following < today + FURTHEST else None,
        changes=[(pair, one) for pair, some in changes.items() for one in some],
    )


def _day(text: str, today: date) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return today
    return found if abs(found - today) < FURTHEST * 10 and found < today + FURTHEST else today


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    noon = datetime.combine(day, time(12), zone)
    return instant(datetime.combine(day, time()), zone, noon - 2 * A_DAY)


def slot(desk: Desk, request: Request) -> Response:
    """GET /calendar/slot?digest=…&channel=…&slot=…: what it will show, and what can be done about it."""
    config, now = desk.config, desk.clock()
    asked = {name: request.query_params.get(name, "") for name in ("digest", "channel", "slot")}
    pair = asked["digest"], asked["channel"]
    if pair not in config.pairs():
        raise HTTPException(404, f"Digest {pair[0]} is not configured for {pair[1]}.")
    zone, root = config.zone(*pair), request.scope.get("root_path", "")
    rows = [row for row in desk.plan(now, _end(now, asked["slot"], zone)).rows if _is(row, pair, asked["slot"])]
    if not rows:
        raise HTTPException(404, "This slot is over, or no longer comes: the calendar has what does.")
    row = rows[0]
    if row.post is not None:
        return RedirectResponse(f"{root}/posts/{row.post}", 303)
    ids, trouble = [one.id or 0 for one in row.summaries], ""
    shown: list[Shown] = []
    drafts: list[Draft] = []
    with desk.service() as service:
        try:
            _, drafts = service.drafter.drafts(*pair, row.summaries)
        except RenderError as error:
            trouble = str(error)
        if drafts:
            card = f"{root}/pictures/card?{urlencode({'channel': pair[1]})}&summary="
            when = row.at.astimezone(zone).strftime("%-d %b %Y, %H:%M")
            bodies = {one.id or 0: one.body for one in row.summaries}
            shown = showing.drafts(config, *pair, drafts, bodies, when, card)
    with desk.ledger.read() as tx:
        words = wishes.written(tx, *pair, ids)
        approved = bool(ids) and wishes.are_approved(tx, *pair, ids)
    limit = LIMITS[config.platform(pair[1])]
    return page(
        desk,
        request,
        "slot",
        row=row,
        zone=zone,
        trouble=trouble,
        shown=shown,
        texts=[(draft, limit.measure(draft.message.text)) for draft in drafts],
        most=limit.most,
        words=words,
        approved=approved,
        asks=config.timing(*pair).approval,
        editable=config.appearance(*pair).shape is Shape.SINGLE,
        ids=",".join(map(str, ids)),
    )


def _end(now: datetime, nominal: str, zone: ZoneInfo) -> datetime:
    """Until when to plan, for the slot to be in it."""
    try:
        about = datetime.fromisoformat(nominal[:16]).replace(tzinfo=zone)
    except ValueError:
        raise HTTPException(404, "That is no slot's time.") from None
    return min(max(about, now) + 2 * A_DAY, now + FURTHEST)


def _is(row: Row, pair: tuple[str, str], nominal: str) -> bool:
    return (row.digest, row.channel, row.slot) == (*pair, nominal)
