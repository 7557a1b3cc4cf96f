"""The server of the operator pages: alone, or in a thread next to the scheduler."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from functools import partial

import uvicorn

from digestbot.domain.errors import PortTakenError
from digestbot.web.app import application
from digestbot.web.app_state import AppState
from digestbot.web.statistics import compute_counts

log = logging.getLogger(__name__)


class Server:
    """Serves the operator pages on a port. Use it as a context manager: entering opens the port, or raises
    PortTakenError; leaving closes it."""

    def __init__(self, app_state: AppState, host: str, port: int) -> None:
        self.app_state, self._host, self._port = app_state, host, port
        settings = uvicorn.Config(
            application(app_state), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._stop = threading.Event()
        keep = partial(app_state.plans.keep, self._stop, partial(compute_counts, app_state))
        self._keeper = threading.Thread(target=keep, name="plan", daemon=True)
        self._socket: socket.socket | None = None
        self.url = ""

    def __enter__(self) -> Server:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise PortTakenError(f"web: port {self._port} of {self._host} {reason}") from error
        host = f"[{self._host}]" if family == socket.AF_INET6 else self._host
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._thread.start()
        self._keeper.start()
        log.info("the pages are at %s", self.app_state.web.public_url or self.url)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._stop.set()
        self.app_state.plans.wake()
        self._keeper.join(10)
        self._thread.join(10)
        self.app_state.close()

    def _serve(self) -> None:
        assert self._socket is not None  # noqa: S101 - had before the thread was started
        self._server.run([self._socket])
