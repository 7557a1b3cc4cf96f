"""Access control: the requested host, the session, the password, and the token that proves a form to be ours.

Without a password the pages are for this machine alone, and everybody on it may use them. The Host header (against DNS
rebinding), the Origin header and the form token then keep out other sites' scripts.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digestbot.config import LOOPBACK, Web
from digestbot.infra.log_context import log_context
from digestbot.ledger import audit
from digestbot.web.app_state import AppState

log = logging.getLogger(__name__)

COOKIE = "digestbot"
SESSION = timedelta(days=7)
LEAST_PASSWORD = 8  # characters
MOST_BODY = 2_000_000  # bytes of a form
HOOKS = "/hooks/"
OPEN = ("/healthz", "/readyz", "/login")
TRIES, WITHIN = 5, 15 * 60  # failed log-ins per IP address, within this many seconds
TRIES_OF_ALL = 50
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class AccessControl:
    """Middleware that checks every request. Handlers find ``request.state.who``, empty for a visitor who has not logged
    in, and ``request.state.session``."""

    def __init__(self, app: ASGIApp, app_state: AppState) -> None:
        self._app, self._desk = app, app_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: reject it or pass it on, and add security headers, session cookie and form token."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        web, headers = self._desk.web, Headers(scope=scope)
        begin, request_id, status = time.perf_counter(), secrets.token_hex(4), 0
        refused: Response | None = None
        _under(scope, _prefix(web))
        fresh = self._enter(scope, web, headers)

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent[name] = value
                sent.setdefault("Cache-Control", "no-store")
                sent["X-Request-ID"] = request_id
                if fresh and refused is None:
                    sent.append("Set-Cookie", cookie(web, fresh))
            elif FORM_TOKEN_MARK in message.get("body", b""):
                message["body"] = message["body"].replace(
                    FORM_TOKEN_MARK, form_token(scope["state"]["session"]).encode()
                )
            await send(message)

        with log_context(request=request_id):
            refused = await self._refusal(scope, web, headers)
            await (refused or self._app)(scope, receive, answered)
            took = (time.perf_counter() - begin) * 1000
            log.debug("%s %s: %d in %.0f ms", scope["method"], scope["path"], status, took)

    def _enter(self, scope: Scope, web: Web, headers: Headers) -> str:
        """Set the request's session, and its caller if it shows the API token, or a source's for its webhook. Return a
        new session key if it has none and needs no log-in, else an empty string."""
        key = Request(scope).cookies.get(COOKIE, "")
        fresh = "" if web.locked or (key.isascii() and 20 <= len(key) <= 100) else new_key()
        scope.setdefault("state", {})
        scope["state"] |= {"session": fresh or key, "who": ""}
        if web.token is not None and hmac.compare_digest(_bearer(headers), web.token.get_secret_value()):
            scope["state"]["who"] = "token"
        path = _local_path(scope)
        if path.startswith(HOOKS):
            source = self._desk.config.sources.get(path.removeprefix(HOOKS))
            wanted = source.hook_token.get_secret_value() if source is not None and source.hook_token else ""
            known = bool(wanted) and hmac.compare_digest(_bearer(headers), wanted)
            scope["state"]["who"] = path if known else ""
            return "" if known else fresh
        return fresh

    async def _refusal(self, scope: Scope, web: Web, headers: Headers) -> Response | None:
        """Return the response that rejects the request, or None if it may proceed."""
        state, path = scope["state"], _local_path(scope)
        host = headers.get("host", "")
        if not is_our_host(host, web):
            return PlainTextResponse("This host name is not configured. Set public_url in [web].\n", 421)
        if scope["method"] not in ("GET", "HEAD") and not state["who"] and not _from_our_pages(headers, host, web):
            return PlainTextResponse("This request did not come from the operator pages.\n", 403)
        if not headers.get("content-length", "0").isdecimal() or int(headers.get("content-length", "0")) > MOST_BODY:
            return PlainTextResponse("The request is too large.\n", 413)
        if path.startswith(HOOKS) and not state["who"]:  # a session is no key to a webhook
            return PlainTextResponse("The token is wrong.\n", 401, {"WWW-Authenticate": "Bearer"})
        if not state["who"]:
            state["who"] = await run_in_threadpool(self._who, web, state["session"])
        if state["who"] or path in OPEN or path.startswith("/static/"):
            return None
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            target = path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"{scope.get('root_path', '')}/login?to={quote(target, safe='')}", 303)
        return PlainTextResponse("Log in first.\n", 401, {"WWW-Authenticate": "Bearer"})

    def _who(self, web: Web, key: str) -> str:
        if not web.locked:
            return "this machine"
        with self._desk.ledger.read() as tx:
            return (
                "log-in" if key and audit.is_session(tx, key, credential_fingerprint(web), self._desk.clock()) else ""
            )


def _under(scope: Scope, prefix: str) -> None:
    """Set the pages' root path, whether or not the proxy strips it from the path of requests."""
    path = scope["path"]
    if path != prefix and not path.startswith(prefix + "/"):
        scope["path"] = prefix + path
    scope["root_path"] = prefix


def _prefix(web: Web) -> str:
    return urlsplit(web.public_url).path.rstrip("/") if web.public_url else ""


def _local_path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.isascii() else ""


def is_our_host(host: str, web: Web) -> bool:
    """Return whether a Host header names this service. Any other name may be an attacker's that was made to point
    here."""
    ours = {*LOOPBACK, web.host}
    if web.public_url:
        ours.add(urlsplit(web.public_url).hostname or "")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and name in ours


def _from_our_pages(headers: Headers, host: str, web: Web) -> bool:
    """Return whether the browser says that the request comes from one of our pages, or says nothing about it."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    public = urlsplit(web.public_url) if web.public_url else None
    return origin in {f"http://{host}", *([f"{public.scheme}://{public.netloc}"] if public else [])}


def credential_fingerprint(web: Web) -> bytes:
    """Return a hash of the password and the token. Sessions are bound to it, so changing either ends all sessions."""
    keys = [secret.get_secret_value() for secret in (web.password_hash, web.token) if secret is not None]
    return hashlib.sha256("\n".join(keys).encode()).digest()


def new_key() -> str:
    """Return a random key for a new session."""
    return secrets.token_urlsafe(32)


FORM_TOKEN_MARK = secrets.token_hex(32).encode()
"""The placeholder of the form token in rendered pages, of the same length; replaced when a page is sent."""


def form_token(session: str) -> str:
    """Return the token that each of a session's forms contains and no other site can know."""
    return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest()


def is_our_form(state: Any, token: object) -> bool:
    """Return whether a form's token is that of its session. Callers with the API token need none."""
    if state.who == "token":
        return True
    token_bytes = str(token).encode("utf-8", "replace")
    return bool(state.session) and hmac.compare_digest(form_token(state.session).encode(), token_bytes)


def cookie(web: Web, key: str) -> str:
    """Return the Set-Cookie header that stores a session's key in the browser; an empty key deletes it."""
    secure = "; Secure" if web.public_url and web.public_url.startswith("https:") else ""
    age = int(SESSION.total_seconds()) if key else 0
    return f"{COOKIE}={key}; Path={_prefix(web) or '/'}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def hash_password(password: str) -> str:
    """Return the hash of a password for the configuration. Raises ValueError for a password that is too short."""
    if len(password) < LEAST_PASSWORD:
        raise ValueError(f"a password has at least {LEAST_PASSWORD} characters")
    return PasswordHasher().hash(password)


def verify_password(web: Web, given: str) -> bool:
    """Return whether ``said`` is the password or the token."""
    if web.token is not None and hmac.compare_digest(given.encode(), web.token.get_secret_value().encode()):
        return True
    if web.password_hash is None:
        return False
    try:
        return PasswordHasher().verify(web.password_hash.get_secret_value(), given)
    except (Argon2Error, InvalidHashError):
        return False


class LoginThrottle:
    """Limits failed log-ins, per IP address and overall."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.checking = threading.Lock()
        """Held while a password is verified, one at a time: that takes much memory, by design."""
        self._failed: dict[str, deque[float]] = defaultdict(deque)

    def wait(self, address: str) -> int:
        """Return for how many seconds the IP address may not try again; 0 if it may now."""
        now = self._clock()
        for name in [name for name, times in self._failed.items() if times[-1] < now - WITHIN]:
            del self._failed[name]
        everyone = sorted(at for times in self._failed.values() for at in times if at > now - WITHIN)
        failures = [at for at in self._failed[address] if at > now - WITHIN] if address in self._failed else []
        waits = [
            times[-most] + WITHIN - now
            for times, most in ((failures, TRIES), (everyone, TRIES_OF_ALL))
            if len(times) >= most
        ]
        return int(max(waits)) + 1 if waits else 0

    def failed(self, address: str) -> None:
        """Record a failed log-in from this IP address."""
        times = self._failed[address]
        times.append(self._clock())
        while len(times) > TRIES:
            times.popleft()
