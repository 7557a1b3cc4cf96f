"""One rendering for all who ask for the same page at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

Key = tuple[str, ...]


class Coalescing:
    """Renders a page once for all who ask for it while the same page is being rendered for those before them. Nobody is
    shown what was read before they asked."""

    def __init__(self) -> None:
        self._next: dict[Key, asyncio.Task[Response]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, request: Request, render: Callable[[], Response]) -> Response:
        """Return the page that ``render`` makes."""
        if "note" in request.query_params:  # it is shown once
            return await run_in_threadpool(render)
        key = (request.url.path, request.url.query, request.scope.get("root_path", ""), request.state.who)
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._rendered(key, render))
        page = await asyncio.shield(task)
        headers = {name: value for name, value in page.headers.items() if name != "content-length"}
        return Response(page.body, page.status_code, headers)  # each adds headers of its own

    async def _rendered(self, key: Key, render: Callable[[], Response]) -> Response:
        turn = self._turns.get(key) or self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            self._next.pop(key, None)  # who asks from now on is shown a later one
            return await run_in_threadpool(render)
