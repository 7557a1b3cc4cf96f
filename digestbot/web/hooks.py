"""The webhook of a source: it tells digestbot that there is something new, so that news need not wait for the next
poll."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digestbot.ledger import source_states
from digestbot.web.app_state import AppState

LEAST = timedelta(minutes=1)  # between two calls that count


class Hooks:
    """The webhooks of all sources. Each call brings the next poll forward, at most once a minute."""

    def __init__(self) -> None:
        self._called: dict[str, datetime] = {}

    def call(self, app_state: AppState, request: Request) -> Response:
        """Serve POST /hooks/SOURCE: 202 if the source is polled at once, 429 soon after another call."""
        source, now = str(request.path_params["source"]), app_state.clock()
        before = self._called.get(source)
        if before is not None and before <= now < before + LEAST:
            wait = int((before + LEAST - now).total_seconds()) + 1
            return PlainTextResponse("Called a moment ago.\n", 429, {"Retry-After": str(wait)})
        self._called[source] = now
        with app_state.ledger.begin() as tx:
            source_states.bring_forward(tx, source, now)
        return PlainTextResponse("The source is read within seconds.\n", 202)
