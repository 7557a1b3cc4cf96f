"""Rendering of pages from templates, with the values that every page needs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digestbot.domain.budget import dollars
from digestbot.domain.errors import LedgerError
from digestbot.domain.time_format import localize
from digestbot.ledger import channel_states
from digestbot.rendering import post_preview
from digestbot.rendering.template_views import author_line
from digestbot.text import plain_title, truncate
from digestbot.text.durations import duration
from digestbot.web.app_state import AppState
from digestbot.web.auth import FORM_TOKEN_MARK

FOLDER = Path(__file__).parent
NAVIGATION = (
    ("", "Today"),
    ("calendar", "Calendar"),
    ("backlog", "Backlog"),
    ("approvals", "Approvals"),
    ("posts", "Posts"),
    ("why", "Why"),
    ("schedules", "Schedules"),
    ("statistics", "Statistics"),
    ("templates", "Templates"),
    ("audit", "Audit"),
)


def _version() -> str:
    """Return a hash of the static files and the style of previews, which changes when one of them does."""
    files = sorted((FOLDER / "static").iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + post_preview.style().encode()).hexdigest()[
        :10
    ]


def _environment() -> Environment:
    environment = post_preview.preview_environment(
        FileSystemLoader(FOLDER / "html"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"navigation": NAVIGATION, "version": _version()}
    environment.filters |= {
        "dollars": dollars,
        "author_line": author_line,
        "title_of": lambda title, most=90: truncate(plain_title(title), most),
        "span": duration,
        "local": format_local,
        "localized": _localized,
    }
    return environment


def _stopped(app_state: AppState) -> str | None:
    """Return why everything is stopped; None if it is not, or if the ledger cannot be read."""
    try:
        with app_state.ledger.read() as tx:
            return channel_states.stop_reason(tx)
    except LedgerError:
        return None


def format_local(at: datetime, zone: ZoneInfo, form: str = "%a %-d %b, %H:%M") -> str:
    """Return an instant as local time in a zone, in a ``strftime`` format."""
    return at.astimezone(zone).strftime(form)


@pass_context
def _localized(context: Context, message: object) -> str:
    """Return a message with its times in the operator's time zone."""
    return localize(str(message), context["zone"])


_ENVIRONMENT = _environment()


def page(app_state: AppState, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render the template ``name`` with these values and those that every page needs; return it with this HTTP
    status."""
    root = request.scope.get("root_path", "")

    def url(path: str, **query: object) -> str:
        query_string = urlencode({key: value for key, value in query.items() if value not in (None, "")})
        return f"{root}{path}{'?' + query_string if query_string else ''}"

    key = request.query_params.get("note")
    here = request.scope["path"].removeprefix(root) or "/"
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "note"]
    values |= {
        "url": url,
        "form_token": FORM_TOKEN_MARK.decode(),
        "who": request.state.who,
        "locked": app_state.web.locked,
        "here": here,
        "back": here + (f"?{urlencode(asked)}" if asked else ""),
        "note": app_state.take(key) if key else None,
        "now": values.get("now") or app_state.clock(),
        "zone": values.get("zone") or app_state.config.timezone,
        "UTC": UTC,
        "stopped": values["stopped"] if "stopped" in values else _stopped(app_state) if request.state.who else None,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(f"{name}.html.j2").render(**values), status)
