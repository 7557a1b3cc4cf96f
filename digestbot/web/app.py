"""The operator pages as an ASGI application: their routes, forms and error pages.

Starlette and uvicorn are the smallest well-maintained ASGI framework and server with what is needed: routing, forms,
static files. FastAPI would add an API layer that is not needed, and triple the import time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from digestbot.domain.errors import ConfigError, DigestbotError
from digestbot.ledger import audit
from digestbot.operator.action_list import ACTIONS
from digestbot.rendering import post_preview
from digestbot.web import (
    actions,
    approvals,
    auth,
    browse,
    calendar,
    monitoring,
    schedules,
    statistics,
    templates,
    today,
    why,
)
from digestbot.web.app_state import AppState, Flash
from digestbot.web.hooks import Hooks
from digestbot.web.pages import FOLDER, page
from digestbot.web.single_flight import SingleFlight

log = logging.getLogger(__name__)

View = Callable[[AppState, Request], Response]
MOST_FIELDS = 100
HIDDEN = ("csrf", "back")

PAGES: dict[str, View] = {
    "/": today.today,
    "/calendar": calendar.calendar,
    "/calendar/slot": calendar.slot,
    "/backlog": browse.backlog_page,
    "/approvals": approvals.approvals_page,
    "/posts": browse.posts_page,
    "/why": why.why,
    "/posts/{post}": browse.post_page,
    "/pictures/post/{post}": browse.post_picture,
    "/pictures/card": browse.card,
    "/schedules": schedules.schedules,
    "/schedules/{digest}": schedules.schedule,
    "/statistics": statistics.statistics,
    "/templates": templates.templates,
    "/audit": browse.audit_page,
    "/healthz": monitoring.healthz,
    "/readyz": monitoring.readyz,
    "/metrics": monitoring.metrics,
}


def application(app_state: AppState) -> Starlette:
    """Return the operator pages as an ASGI application."""

    coalescing = SingleFlight()

    def shown(view: View) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            try:
                return await coalescing.get(request, partial(view, app_state, request))
            except Exception as error:  # noqa: BLE001 - logged whole
                return await run_in_threadpool(_problem, app_state, request, error)

        return answer

    def changing(
        view: Callable[[AppState, Request, Mapping[str, str]], Flash | Response],
    ) -> Callable[[Request], object]:
        """Return the handler of a form. It rejects forms that are not ours; successful changes are recorded in the
        audit log."""

        async def answer(request: Request) -> Response:
            try:
                form = await _form(request)
                if not auth.is_our_form(request.state, form.get("csrf", "")):
                    raise HTTPException(403, "This form has expired, or is not from these pages. Reload the page.")
                return await run_in_threadpool(_changed, app_state, request, view, form)
            except Exception as error:  # noqa: BLE001 - logged whole
                return await run_in_threadpool(_problem, app_state, request, error)

        return answer

    async def failed(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(_problem, app_state, request, error)

    throttle, hooks = auth.LoginThrottle(), Hooks()
    routes: list[BaseRoute] = [Route(path, shown(view)) for path, view in PAGES.items()]
    routes += [
        Route("/approvals", changing(approvals.decide), methods=["POST"]),
        Route("/approvals/length", changing(approvals.text_length), methods=["POST"]),
        Route("/do/{verb}", changing(_act), methods=["POST"]),
        Route("/schedules/{digest}", changing(schedules.save_schedule), methods=["POST"]),
        Route("/schedules/{digest}/check", changing(schedules.check_schedule), methods=["POST"]),
        Route("/logout", changing(_log_out), methods=["POST"]),
        Mount("/hooks", routes=[Route("/{source}", shown(hooks.call), methods=["POST"])]),  # with keys of their own
        Route("/login", shown(_log_in_form)),
        Route("/login", _log_in(app_state, throttle), methods=["POST"]),
        Route("/static/post_preview.css", _post_preview_style),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(auth.AccessControl, app_state=app_state)],
        exception_handlers={HTTPException: failed},
    )


async def _form(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=MOST_FIELDS) as form:
        return {name: str(value) for name, value in form.multi_items()}


async def _post_preview_style(request: Request) -> Response:  # noqa: ARG001 - as all routes
    return Response(
        post_preview.style(), media_type="text/css", headers={"Cache-Control": "max-age=31536000, immutable"}
    )


def _changed(
    app_state: AppState,
    request: Request,
    view: Callable[[AppState, Request, Mapping[str, str]], Flash | Response],
    form: Mapping[str, str],
) -> Response:
    back = form.get("back", "")
    try:
        note = view(app_state, request, form)
    except (DigestbotError, ConfigError) as error:
        note = Flash(str(error), bad=True, typed={name: value for name, value in form.items() if name not in HIDDEN})
    if isinstance(note, Response):
        return note
    if not note.bad:
        with app_state.ledger.begin() as tx:
            audit.record_audit(tx, _who(request), note.text, app_state.clock())
        log.info("%s: %s", _who(request), note.text)
    if not back.startswith("/") or back.startswith(("//", "/\\")):
        back = "/"
    mark = "&" if "?" in back else "?"
    note_ = urlencode({"note": app_state.leave(note)})
    return RedirectResponse(f"{request.scope.get('root_path', '')}{back}{mark}{note_}", 303)


def _who(request: Request) -> str:
    return f"{request.state.who} from {request.client.host}" if request.client else str(request.state.who)


def _act(app_state: AppState, request: Request, form: Mapping[str, str]) -> Flash:
    verb = request.path_params["verb"]
    if verb not in ACTIONS:
        raise HTTPException(404, "Unknown action.")
    fields = {name: value for name, value in form.items() if name not in HIDDEN}
    return actions.act(app_state, verb, fields | {"by": _who(request)})


def _log_in_form(app_state: AppState, request: Request) -> Response:
    if request.state.who:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
    return page(app_state, request, "login", to=request.query_params.get("to", "/"), trouble="")


def _log_in(app_state: AppState, throttle: auth.LoginThrottle) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        form = await _form(request)
        return await run_in_threadpool(_logged_in, app_state, throttle, request, form)

    return answer


def _logged_in(
    app_state: AppState, throttle: auth.LoginThrottle, request: Request, form: Mapping[str, str]
) -> Response:
    address = request.client.host if request.client else "nowhere"
    to = form.get("to", "/")
    to = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
    web = app_state.web
    with throttle.checking:
        wait = throttle.wait(address)
        opened = not wait and auth.verify_password(web, form.get("password", "")[:1000])
        if not (wait or opened):
            throttle.failed(address)
    if wait:
        trouble = f"Too many attempts. Wait {wait // 60 + 1} minutes."
        refused = page(app_state, request, "login", 429, to=to, trouble=trouble)
        refused.headers["Retry-After"] = str(wait)
        return refused
    if not opened:
        log.warning("a log-in from %s failed", address)
        return page(app_state, request, "login", 401, to=to, trouble="The password or token is wrong.")
    key, now = auth.new_key(), app_state.clock()
    with app_state.ledger.begin() as tx:
        audit.begin_session(tx, key, auth.credential_fingerprint(web), now + auth.SESSION, now)
        audit.record_audit(tx, f"log-in from {address}", "Logged in.", now)
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}{to}", 303)
    answer.headers["Set-Cookie"] = auth.cookie(web, key)
    return answer


def _log_out(app_state: AppState, request: Request, form: Mapping[str, str]) -> Response:  # noqa: ARG001 - as all forms
    with app_state.ledger.begin() as tx:
        audit.end_session(tx, request.state.session)
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
    answer.headers["Set-Cookie"] = auth.cookie(app_state.web, "")
    return answer


def _problem(app_state: AppState, request: Request, error: Exception) -> Response:
    status, message = 500, "Something unexpected went wrong. See the log."
    if isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail)
    elif isinstance(error, DigestbotError):
        status, message = 503, str(error)
    else:
        log.error("unexpected", exc_info=error)
    if not getattr(request.state, "who", ""):
        return PlainTextResponse(f"{message}\n", status)
    try:
        return page(app_state, request, "problem", status, message=message)
    except DigestbotError:  # the ledger itself cannot be read
        return PlainTextResponse(f"{message}\n", status)
