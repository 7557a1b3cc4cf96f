"""The operators' pages: server-rendered, over the verbs that the commands use too.

Starlette and uvicorn, for they are the smallest well-kept ASGI framework and server that do what is needed (routing,
forms, static files); FastAPI would add a layer for APIs that nobody asked for, and three times the import.
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
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from digestbot import mockup
from digestbot.errors import ConfigError, DigestbotError
from digestbot.ledger import audit
from digestbot.web import actions, calendar, doors, figures, health, lists, schedules, templates, today
from digestbot.web.coalescing import Coalescing
from digestbot.web.desk import Desk, Note
from digestbot.web.rendering import FOLDER, page

log = logging.getLogger(__name__)

View = Callable[[Desk, Request], Response]
MOST_FIELDS = 100
HIDDEN = ("csrf", "back")

PAGES: dict[str, View] = {
    "/": today.today,
    "/calendar": calendar.calendar,
    "/calendar/slot": calendar.slot,
    "/backlog": lists.backlog,
    "/posts": lists.posts,
    "/posts/{post}": lists.post,
    "/pictures/post/{post}": lists.post_picture,
    "/pictures/card": lists.card,
    "/schedules": schedules.schedules,
    "/schedules/{digest}": schedules.schedule,
    "/figures": figures.figures,
    "/templates": templates.templates,
    "/audit": lists.audit,
    "/healthz": health.healthz,
    "/readyz": health.readyz,
    "/metrics": health.metrics,
}


def application(desk: Desk) -> Starlette:
    """The pages as an ASGI application."""

    coalescing = Coalescing()

    def shown(view: View) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            try:
                return await coalescing.get(request, partial(view, desk, request))
            except Exception as error:  # noqa: BLE001 - logged whole
                return await run_in_threadpool(_problem, desk, request, error)

        return answer

    def changing(view: Callable[[Desk, Request, Mapping[str, str]], Note | Response]) -> Callable[[Request], object]:
        """What a form asks for: ours, or it is refused; noted in the audit list if it was done."""

        async def answer(request: Request) -> Response:
            try:
                said = await _form(request)
                if not doors.is_our_form(request.state, said.get("csrf", "")):
                    raise HTTPException(403, "This form is too old, or not from these pages: open the page anew.")
                return await run_in_threadpool(_changed, desk, request, view, said)
            except Exception as error:  # noqa: BLE001 - logged whole
                return await run_in_threadpool(_problem, desk, request, error)

        return answer

    async def failed(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(_problem, desk, request, error)

    patience = doors.Patience()
    routes = [Route(path, shown(view)) for path, view in PAGES.items()]
    routes += [
        Route("/do/{verb}", changing(_act), methods=["POST"]),
        Route("/schedules/{digest}", changing(schedules.saved), methods=["POST"]),
        Route("/schedules/{digest}/check", changing(schedules.check), methods=["POST"]),
        Route("/logout", changing(_log_out), methods=["POST"]),
        Route("/login", shown(_log_in_form)),
        Route("/login", _log_in(desk, patience), methods=["POST"]),
        Route("/static/mockup.css", _mockup_style),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),  # type: ignore[list-item]
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(doors.Doors, desk=desk)],
        exception_handlers={HTTPException: failed},
    )


async def _form(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=MOST_FIELDS) as form:
        return {name: str(value) for name, value in form.multi_items()}


async def _mockup_style(request: Request) -> Response:  # noqa: ARG001 - as all routes
    return Response(mockup.STYLE, media_type="text/css", headers={"Cache-Control": "max-age=31536000, immutable"})


def _changed(
    desk: Desk,
    request: Request,
    view: Callable[[Desk, Request, Mapping[str, str]], Note | Response],
    said: Mapping[str, str],
) -> Response:
    back = said.get("back", "")
    try:
        note = view(desk, request, said)
    except (DigestbotError, ConfigError) as error:
        note = Note(str(error), bad=True)
    if isinstance(note, Response):
        return note
    if not note.bad:
        with desk.ledger.begin() as tx:
            audit.note(tx, _who(request), note.text, desk.clock())
        log.info("%s: %s", _who(request), note.text)
    if not back.startswith("/") or back.startswith(("//", "/\\")):
        back = "/"
    mark = "&" if "?" in back else "?"
    note_ = urlencode({"note": desk.leave(note)})
    return RedirectResponse(f"{request.scope.get('root_path', '')}{back}{mark}{note_}", 303)


def _who(request: Request) -> str:
    return f"{request.state.who} from {request.client.host}" if request.client else str(request.state.who)


def _act(desk: Desk, request: Request, said: Mapping[str, str]) -> Note:
    verb = request.path_params["verb"]
    if verb not in actions.VERBS:
        raise HTTPException(404, "There is no such thing to do.")
    return actions.act(desk, verb, {name: value for name, value in said.items() if name not in HIDDEN})


def _log_in_form(desk: Desk, request: Request) -> Response:
    if request.state.who:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
    return page(desk, request, "login", to=request.query_params.get("to", "/"), trouble="")


def _log_in(desk: Desk, patience: doors.Patience) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        said = await _form(request)
        return await run_in_threadpool(_logged_in, desk, patience, request, said)

    return answer


def _logged_in(desk: Desk, patience: doors.Patience, request: Request, said: Mapping[str, str]) -> Response:
    address = request.client.host if request.client else "nowhere"
    to = said.get("to", "/")
    to = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
    web = desk.web
    with patience.checking:
        wait = patience.wait(address)
        opened = not wait and doors.opens(web, said.get("password", "")[:1000])
        if not (wait or opened):
            patience.failed(address)
    if wait:
        trouble = f"Too many tries: wait {wait // 60 + 1} minutes."
        refused = page(desk, request, "login", 429, to=to, trouble=trouble)
        refused.headers["Retry-After"] = str(wait)
        return refused
    if not opened:
        log.warning("a log-in from %s failed", address)
        return page(desk, request, "login", 401, to=to, trouble="That is neither the password nor the token.")
    key, now = doors.new_key(), desk.clock()
    with desk.ledger.begin() as tx:
        audit.begin_session(tx, key, doors.lock(web), now + doors.SESSION, now)
        audit.note(tx, f"log-in from {address}", "Logged in.", now)
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}{to}", 303)
    answer.headers["Set-Cookie"] = doors.cookie(web, key)
    return answer


def _log_out(desk: Desk, request: Request, said: Mapping[str, str]) -> Response:  # noqa: ARG001 - as all forms
    with desk.ledger.begin() as tx:
        audit.end_session(tx, request.state.session)
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
    answer.headers["Set-Cookie"] = doors.cookie(desk.web, "")
    return answer


def _problem(desk: Desk, request: Request, error: Exception) -> Response:
    status, said = 500, "Something unforeseen went wrong; the log has it."
    if isinstance(error, HTTPException):
        status, said = error.status_code, str(error.detail)
    elif isinstance(error, DigestbotError):
        status, said = 503, str(error)
    else:
        log.error("unforeseen", exc_info=error)
    if not getattr(request.state, "who", ""):
        return PlainTextResponse(f"{said}\n", status)
    try:
        return page(desk, request, "problem", status, said=said)
    except DigestbotError:  # the ledger itself cannot be read
        return PlainTextResponse(f"{said}\n", status)
