"""The sandbox's HTTP server: both APIs, the pages, and the control API for faults, on one port."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from digestbot.domain.errors import DigestbotError
from digestbot.platforms.registry import PLATFORMS
from digestbot.platforms.sandbox_http import Answer, Request, read_body
from digestbot.platforms.sandbox_world import Fault, Faults, Post, World
from digestbot.sandbox.pages import Pages

log = logging.getLogger(__name__)

_MOST_BODY = 20 * 10**6
MOST_DELAY = 600.0  # seconds
_EDGE_PAGE = b"<!DOCTYPE html><html><head><title>Attention Required</title></head><body>Sorry</body></html>"


class _DropError(Exception):
    """Raised to close the connection; ``part`` is the part of an answer to send first."""

    def __init__(self, part: bytes = b"") -> None:
        self.part = part


class Sandbox:
    """The sandbox's server. Use it as a context manager, or call `serve_forever`.

    ``secrets`` are what each platform's API checks calls with (X: consumer secret and token secret; Facebook: the app
    secret). Without them any call is accepted. ``documents`` are further resources by path, such as the demo's feed.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        world: World | None = None,
        secrets: Mapping[str, Any] | None = None,
        documents: dict[str, Callable[[Request], Answer]] | None = None,
    ) -> None:
        self.world = world or World()
        self.faults = Faults({name: {row.name: row for row in one.errors} for name, one in PLATFORMS.items()})
        self.apis = {
            name: platform.make_sandbox_api(self.world, self.faults, (secrets or {}).get(name))
            for name, platform in PLATFORMS.items()
        }
        self._pages = Pages(self.world, self.apis)
        self.documents = documents or {}
        handler = type("_BoundHandler", (_Handler,), {"sandbox": self})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise DigestbotError(f"port {port} is already in use, or not allowed: {error.strerror}") from error
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
        """Serve until `stop` is called."""
        with self._server:
            self._server.serve_forever(0.2)

    def stop(self) -> None:
        """End `serve_forever`; call it from another thread."""
        self._server.shutdown()

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request. Raises _DropError to break the connection."""
        path = request.path
        if path in self.documents:
            return self.documents[path](request)
        if path.startswith("/sandbox/"):
            return self._switchboard(request)
        for name, api in self.apis.items():
            if api.serves(path):
                with self.world.lock:
                    self.world.calls.append(f"{request.method} {path}")
                return self._with_faults(request, name, partial(api.answer, request))
        return self._pages.answer(request)

    def by_hand(self, platform: str, text: str, link: str | None = None, ago: float = 0) -> Post:
        """Add a post as if a person had written it on the account, ``ago`` seconds ago."""
        post = self.apis[platform].post_by_hand(text, link, self.world.clock() - ago)
        return self.world.add(platform, post)

    def timelines(self) -> dict[str, list[dict[str, str | None]]]:
        """Return the posts on each platform in a form for JSON."""
        with self.world.lock:
            return {
                name: [
                    _summed_up(post, with_link=PLATFORMS[name].attaches_links) for post in self.world.timelines[name]
                ]
                for name in self.apis
            }

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
                return self.apis[platform].unauthorized()
        if fault.kind.startswith("error:"):
            status, body = self.faults.errors[platform][fault.kind.removeprefix("error:")].example
            return Answer(status, body)
        return self._after(answer(), platform, fault)

    def _after(self, done: Answer, platform: str, fault: Fault) -> Answer:
        """Return the faulty answer to a call that was carried out."""
        match fault.kind:
            case "401-after":
                return self.apis[platform].unauthorized()
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

    def _too_many(self, platform: str, fault: Fault) -> Answer:
        return self.apis[platform].too_many_requests(None if fault.kind == "429-bare" else fault.seconds)

    def _switchboard(self, request: Request) -> Answer:
        """Handle the control API.

        POST /sandbox/faults takes {"kind", "platform"?, "times"?, "seconds"?, "reading"?}, {"lag": s}, {"delay": s},
        {"rates", "seed"}, {"timeline": {"twitter": "empty"}}, {"refuse_replies": true} and similar switches. POST
        /sandbox/posts takes {"platform", "text", "link"?, "ago"?} and adds a post as if a person had written it. GET
        /sandbox/timelines returns all posts.
        """
        if request.method == "GET" and request.path == "/sandbox/timelines":
            return Answer(200, self.timelines())
        paths = ("/sandbox/faults", "/sandbox/posts")
        if request.method != "POST" or request.path not in paths or request.json is None:
            return Answer(404, {"error": "POST /sandbox/faults or /sandbox/posts with JSON, or GET /sandbox/timelines"})
        wanted: dict[str, Any] = request.json
        try:
            if request.path == "/sandbox/posts":
                link = str(wanted["link"]) if wanted.get("link") else None
                ago = float(wanted.get("ago", 0))
                post = self.by_hand(str(wanted["platform"]), str(wanted["text"]), link, ago)
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


def _summed_up(post: Post, *, with_link: bool) -> dict[str, str | None]:
    return {"id": post.id, "text": post.text, "link": post.link} if with_link else {"id": post.id, "text": post.text}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's names
        """Log at DEBUG: clients that disconnect in the middle are normal for this server."""
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
            if not drop.part:  # send a reset instead of an orderly close
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
        """Log every call at DEBUG, without the query, which may contain tokens."""
        log.debug("%s %s", self.command, self.path.partition("?")[0])
