"""The plan as a week or a month, and the page of one slot with previews of its posts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from digestbot.domain.errors import RenderError
from digestbot.domain.model import Draft, PostRow, Route, Shape
from digestbot.domain.schedule import PlanEntry, instant
from digestbot.ledger import backlog_overrides, queries, slot_overrides
from digestbot.operator.slot_actions import MAX_AHEAD
from digestbot.rendering.post_preview import PostPreview
from digestbot.web import post_previews
from digestbot.web.app_state import AppState
from digestbot.web.pages import page
from digestbot.web.plan_cache import CachedPlan

A_DAY = timedelta(days=1)
MOST_POSTS = 2000  # past posts that one page shows


@dataclass
class Day:
    """One day of the calendar: published posts, planned entries, and the number of empty slots by their reason."""

    date: date
    posted: list[PostRow] = field(default_factory=list)
    rows: list[PlanEntry] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)


def calendar(app_state: AppState, request: Request) -> Response:
    """Serve GET /calendar?view=week|month&day=2026-11-23: what was and will be posted in a week or a month."""
    config, now = app_state.config, app_state.clock()
    zone, today = config.timezone, now.astimezone(config.timezone).date()
    month = request.query_params.get("view") == "month"
    about = _day(request.query_params.get("day", ""), today)
    first = about.replace(day=1) if month else about
    first -= timedelta(days=first.weekday())
    last = (about.replace(day=28) + 4 * A_DAY).replace(day=1) - A_DAY if month else first
    last += timedelta(days=6 - last.weekday())
    days = {first + number * A_DAY: Day(first + number * A_DAY) for number in range((last - first).days + 1)}
    begin, end = _midnight(first, zone), _midnight(last + A_DAY, zone) - timedelta(seconds=1)
    planned = app_state.plan(now, end) if end > now else CachedPlan([])
    for row in planned.rows:
        day = days.get(row.at.astimezone(zone).date())
        if day is not None and row.summaries:
            day.rows.append(row)
        elif day is not None:
            day.empty[row.note] = day.empty.get(row.note, 0) + 1
    with app_state.ledger.read() as tx:
        changes = slot_overrides.changes(tx)
        posted = queries.posted_between(tx, begin, min(end, now), MOST_POSTS) if begin < now else []
    for post in posted:
        days[post.at.astimezone(zone).date()].posted.append(post)
    back = (about.replace(day=1) if month else first) - A_DAY
    following = last + A_DAY if not month else (about.replace(day=28) + 4 * A_DAY).replace(day=1)
    return page(
        app_state,
        request,
        "calendar",
        days=list(days.values()),
        plan_as_of=planned.as_of,
        today=today,
        about=about,
        month=month,
        before=back,
        after=following if following < today + MAX_AHEAD else None,
        changes=[(route, one) for route, some in changes.items() for one in some],
    )


def _day(text: str, today: date) -> date:
    try:
        result = date.fromisoformat(text)
    except ValueError:
        return today
    return result if abs(result - today) < MAX_AHEAD * 10 and result < today + MAX_AHEAD else today


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    noon = datetime.combine(day, time(12), zone)
    return instant(datetime.combine(day, time()), zone, noon - 2 * A_DAY)


def slot(app_state: AppState, request: Request) -> Response:
    """Serve GET /calendar/slot?digest=…&channel=…&slot=…: what the slot will publish, and the actions on it. Redirects
    to the post if it exists already."""
    config, now = app_state.config, app_state.clock()
    asked = {name: request.query_params.get(name, "") for name in ("digest", "channel", "slot")}
    route = Route(asked["digest"], asked["channel"])
    if route not in config.routes():
        raise HTTPException(404, f"Digest {route.digest} is not configured for {route.channel}.")
    zone, root = config.zone(*route), request.scope.get("root_path", "")
    rows = [row for row in app_state.plan(now, _end(now, asked["slot"], zone)).rows if _is(row, route, asked["slot"])]
    if not rows:
        raise HTTPException(404, "This slot has passed or no longer exists. See the calendar for upcoming slots.")
    row = rows[0]
    if row.post is not None:
        return RedirectResponse(f"{root}/posts/{row.post}", 303)
    ids, trouble = [one.id or 0 for one in row.summaries], ""
    shown: list[PostPreview] = []
    drafts: list[Draft] = []
    with app_state.service() as service:
        try:
            _, drafts = service.post_builder.drafts(*route, row.summaries)
        except RenderError as error:
            trouble = str(error)
        if drafts:
            card = f"{root}/pictures/card?{urlencode({'channel': route.channel})}&summary="
            when = row.at.astimezone(zone).strftime("%-d %b %Y, %H:%M")
            bodies = {one.id or 0: one.body for one in row.summaries}
            shown = post_previews.preview_drafts(config, *route, drafts, bodies, when, card)
    with app_state.ledger.read() as tx:
        words = backlog_overrides.custom_texts(tx, *route, ids)
        approved = bool(ids) and backlog_overrides.are_preapproved(tx, *route, ids)
    limit = config.platform(route.channel).limit
    return page(
        app_state,
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
        asks=config.timing(*route).approval,
        editable=config.appearance(*route).shape is Shape.SINGLE,
        ids=",".join(map(str, ids)),
    )


def _end(now: datetime, nominal: str, zone: ZoneInfo) -> datetime:
    """Return until when to plan so that the plan includes the slot. Raises HTTPException (404) for an invalid time."""
    try:
        about = datetime.fromisoformat(nominal[:16]).replace(tzinfo=zone)
    except ValueError:
        raise HTTPException(404, "This is not the time of a slot.") from None
    return min(max(about, now) + 2 * A_DAY, now + MAX_AHEAD)


def _is(row: PlanEntry, route: Route, nominal: str) -> bool:
    return (row.digest, row.channel, row.slot) == (*route, nominal)
