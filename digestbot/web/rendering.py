"""Pages from templates, with what every page has."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digestbot import mockup
from digestbot.costs import dollars
from digestbot.text import cut, plain_title
from digestbot.text.durations import duration
from digestbot.web.desk import Desk
from digestbot.web.doors import FORM_TOKEN_MARK

FOLDER = Path(__file__).parent
NAVIGATION = (
    ("", "Today"),
    ("calendar", "Calendar"),
    ("backlog", "Backlog"),
    ("posts", "Posts"),
    ("schedules", "Schedules"),
    ("figures", "Figures"),
    ("templates", "Templates"),
    ("audit", "Audit"),
)


def _version() -> str:
    """What changes when one of the static files does."""
    files = sorted((FOLDER / "static").iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + mockup.STYLE.encode()).hexdigest()[:10]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([FOLDER / "html", mockup.FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    mockup.prepare(environment)
    environment.globals |= {"navigation": NAVIGATION, "version": _version()}
    environment.filters |= {
        "dollars": dollars,
        "title_of": lambda title, most=90: cut(plain_title(title), most),
        "span": duration,
        "local": local,
    }
    return environment


def local(at: datetime, zone: ZoneInfo, form: str = "%a %-d %b, %H:%M") -> str:
    """An instant on a zone's clocks."""
    return at.astimezone(zone).strftime(form)


_ENVIRONMENT = _environment()


def page(desk: Desk, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of this template."""
    root = request.scope.get("root_path", "")

    def url(path: str, **query: object) -> str:
        said = urlencode({key: value for key, value in query.items() if value not in (None, "")})
        return f"{root}{path}{'?' + said if said else ''}"

    key = request.query_params.get("note")
    here = request.scope["path"].removeprefix(root) or "/"
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "note"]
    values |= {
        "url": url,
        "form_token": FORM_TOKEN_MARK.decode(),
        "who": request.state.who,
        "locked": desk.web.locked,
        "here": here,
        "back": here + (f"?{urlencode(asked)}" if asked else ""),
        "note": desk.take(key) if key else None,
        "now": values.get("now") or desk.clock(),
        "zone": values.get("zone") or desk.config.timezone,
        "UTC": UTC,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(f"{name}.html.j2").render(**values), status)
