"""The sandbox's HTTP server: both APIs, the pages, and the switchboard for faults, on one port."""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from digestbot.errors import DigestbotError
from digestbot.sandbox.forms import Request, read_body
from digestbot.sandbox.graph_api import GraphApi, graph_error
from digestbot.sandbox.html import Pages
from digestbot.sandbox.world import ERRORS, Answer, Fault, Faults, World
from digestbot.sandbox.x_api import XApi, problem

log = logging.getLogger(__name__)

_GRAPH_PATH = re.compile(r"/(v\d+\.\d+)/.*")
_MOST_BODY = 20 * 10**6
MOST_DELAY = 600.0  # seconds
_EDGE_PAGE = b"<!DOCTYPE html><html><head><title>Attention Required</title></head><body>Sorry</body></html>"


class _DropError(Exception):
    """Close the connection; ``part`` of an answer may go out before."""

    def __init__(self, part: bytes = b"") -> None:
        self.part = part


class Sandbox:
    """The server. Use it as a context manager, or `serve_forever`.

    ``secrets`` are the X consumer secret and token secret to check signatures with, ``app_secret`` is
    Facebook's; without them any are taken. ``documents`` are further things to serve, by path: the demo's
    feed.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        world: World | None = None,
        secrets: tuple[str, str] | None = None,
        app_secret: str | None = None,
        documents: dict[str, Callable[[Request], Answer]] | None = None,
    ) -> None:
        self.world = world or World()
        self.faults = Faults()
        self._x = XApi(self.world, self.faults, secrets)
        self._graph = GraphApi(self.world, self.faults, app_secret)
        self._pages = Pages(self.world)
        self.documents = documents or {}
        handler = type("_BoundHandler", (_Handler,), {"sandbox": self})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise DigestbotError(f"port {port} cannot be had: {error.strerror}") from error
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._thread is not None:
            self._thread.join()

    def serve_forever(self) -> None:
        """Serve until `stop`."""
        with self._server:
            self._server.serve_forever(0.2)

    def stop(self) -> None:
        """End `serve_forever`; from another thread."""
        self._server.shutdown()

    def answer(self, request: Request) -> Answer:
        """What to answer; raises _DropError for a connection that is to break."""
        path = request.path
        if path in self.documents:
            return self.documents[path](request)
        if path.startswith("/sandbox/"):
            return self._switchboard(request)
        graph = _GRAPH_PATH.fullmatch(path)
        if path.startswith("/2/") or path == "/oauth2/token" or graph:
            with self.world.lock:
                self.world.calls.append(f"{request.method} {path}")
            if graph:
                return self._with_faults(request, "facebook", lambda: self._graph.answer(request, graph[1]))
            return self._with_faults(request, "twitter", lambda: self._x.answer(request))
        return self._pages.answer(request)

    def _with_faults(self, request: Request, platform: str, answer: Callable[[], Answer]) -> Answer:
        if self.faults.delay:
            time.sleep(self.faults.delay)
        fault = self.faults.next(platform, reading=request.method == "GET")
        if fault is None:
            return answer()
        log.info("fault %s for %s %s", fault.kind, request.method, request.path)
        match fault.kind:
            case "drop-before":
                raise _DropError
            case "503-before":
                return Answer(503, {"title": "Service Unavailable", "detail": "Service Unavailable", "status": 503})
            case "html":
                return Answer(403, _EDGE_PAGE, content_type="text/html")
            case "429" | "429-bare":
                return self._too_many(platform, fault)
            case "unauthorized":
                return self._unauthorized(platform)
        if fault.kind.startswith("error:"):
            status, body = ERRORS[platform][fault.kind.removeprefix("error:")].example
            return Answer(status, body)
        return self._after(answer(), platform, fault)

    def _after(self, done: Answer, platform: str, fault: Fault) -> Answer:
        """What is answered though it was done."""
        match fault.kind:
            case "401-after":
                return self._unauthorized(platform)
            case "429-after":
                return self._too_many(platform, fault)
            case "503-after":
                return Answer(503, {"title": "Service Unavailable", "detail": "Service Unavailable", "status": 503})
            case "html-after":
                return Answer(200, _EDGE_PAGE, content_type="text/html")
            case "cut-after":
                raise _DropError(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
                    + json.dumps(done.body).encode()[:12]
                )
        raise _DropError

    @staticmethod
    def _unauthorized(platform: str) -> Answer:
        if platform == "twitter":
            return problem(401, "Unauthorized")
        return graph_error(400, 190, "Error validating access token: Session has expired.", error_subcode=463)

    def _too_many(self, platform: str, fault: Fault) -> Answer:
        headers = {}
        if platform == "facebook":
            if fault.kind != "429-bare":
                usage = {"200": [{"type": "pages", "estimated_time_to_regain_access": max(1, fault.seconds // 60)}]}
                headers["X-Business-Use-Case-Usage"] = json.dumps(usage)
            answer = graph_error(400, 32, "(#32) Page request limit reached")
        else:
            if fault.kind != "429-bare":
                reset = str(int(self.world.clock()) + fault.seconds)
                headers = {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
            answer = problem(429, "Too Many Requests")
        return Answer(answer.status, answer.body, headers)

    def _switchboard(self, request: Request) -> Answer:
        """POST /sandbox/faults {"kind", "platform"?, "times"?, "seconds"?, "reading"?}, or {"lag": s}, or
        {"delay": s}, or {"rates", "seed"}, or {"timeline": {"twitter": "empty"}}, or {"refuse_replies": true} and
        the like; POST /sandbox/posts {"platform", "text", "link"?, "ago"?}: a person posts by hand."""
        if request.method == "GET" and request.path == "/sandbox/timelines":
            with self.world.lock:
                return Answer(
                    200,
                    {
                        "twitter": [{"id": post.id, "text": post.text} for post in self.world.tweets],
                        "facebook": [
                            {"id": post.id, "text": post.text, "link": post.link} for post in self.world.page_posts
                        ],
                    },
                )
        paths = ("/sandbox/faults", "/sandbox/posts")
        if request.method != "POST" or request.path not in paths or request.json is None:
            return Answer(404, {"error": "POST /sandbox/faults or /sandbox/posts with JSON, or GET /sandbox/timelines"})
        wanted: dict[str, Any] = request.json
        try:
            if request.path == "/sandbox/posts":
                link = str(wanted["link"]) if wanted.get("link") else None
                ago = float(wanted.get("ago", 0))
                post = self.world.by_hand(str(wanted["platform"]), str(wanted["text"]), link, ago)
                return Answer(200, {"id": post.id})
            for name in ("refuse_replies", "refuse_pictures", "refuse_duplicates", "alter_texts"):
                if name in wanted:
                    setattr(self.faults, name, bool(wanted[name]))
            for platform, lie in (wanted.get("timeline") or {}).items():
                self.faults.lie(str(platform), lie)
            if "lag" in wanted:
                self.faults.lag = float(wanted["lag"])
            if "delay" in wanted:
                self.faults.delay = min(max(float(wanted["delay"]), 0.0), MOST_DELAY)
            if "rates" in wanted:
                self.faults.at_random(
                    {str(k): float(v) for k, v in wanted["rates"].items()}, int(wanted.get("seed", 0))
                )
            if "kind" in wanted:
                self.faults.add(
                    str(wanted["kind"]),
                    wanted.get("platform"),
                    int(wanted.get("times", 1)),
                    int(wanted.get("seconds", 60)),
                    reading=bool(wanted.get("reading")),
                )
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return Answer(400, {"error": str(error)})
        return Answer(200, {"ok": True})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's names
        """A client that goes away in the middle is what this server is for."""
        log.debug("a connection broke")


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 60
    server_version = "digestbot-sandbox"

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _MOST_BODY:
            self._send(Answer(413, {"error": "too large"}))
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        parts = urlsplit(self.path)
        form, files, parsed = read_body(self.headers.get("Content-Type", ""), body)
        request = Request(
            method=self.command,
            path=parts.path,
            url=f"http://{self.headers.get('Host', '')}{self.path}",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            form=form,
            files=files,
            json=parsed,
        )
        try:
            answer = self.sandbox.answer(request)
        except _DropError as drop:
            self.wfile.write(drop.part)
            self.close_connection = True
            if not drop.part:  # a reset, not an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        self._send(answer)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - http.server finds them by these names

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body, ensure_ascii=False).encode()
        self.send_response_only(answer.status)
        self.send_header("Date", formatdate(self.sandbox.world.clock(), usegmt=True))
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.status != 304:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - the base class's names
        """Every call at DEBUG; addresses may hold tokens, so without them."""
        log.debug("%s %s", self.command, self.path.partition("?")[0])
