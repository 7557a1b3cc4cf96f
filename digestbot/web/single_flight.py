"""Sharing of one rendering among all who request the same page at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

Key = tuple[str, ...]


class SingleFlight:
    """Shares renderings: all who request a page while it is being rendered get the next rendering of it. So nobody gets
    what was read before their request."""

    def __init__(self) -> None:
        self._next: dict[Key, asyncio.Task[Response]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, request: Request, render: Callable[[], Response]) -> Response:
        """Return the page that ``render`` makes, or the one that a request waiting for the same page makes."""
        if "note" in request.query_params:  # the message is shown once: do not share the page
            return await run_in_threadpool(render)
        key = (request.url.path, request.url.query, request.scope.get("root_path", ""), request.state.who)
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._rendered(key, render))
        page = await asyncio.shield(task)
        headers = {name: value for name, value in page.headers.items() if name != "content-length"}
        return Response(page.body, page.status_code, headers)  # a copy, since each request adds headers of its own

    async def _rendered(self, key: Key, render: Callable[[], Response]) -> Response:
        turn = self._turns.get(key) or self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            self._next.pop(key, None)  # requests from now on get a later rendering
            return await run_in_threadpool(render)
