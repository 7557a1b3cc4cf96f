"""The page that answers why a paper was posted, or why not."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from digestbot.ledger import backlog_views
from digestbot.web.app_state import AppState
from digestbot.web.browse import search_words
from digestbot.web.pages import page

MOST_FOUND = 20


def why(app_state: AppState, request: Request) -> Response:
    """Serve GET /why?words=…&summary=…: the summaries that match, posted or not, and what becomes of one of them on
    each channel. ``words`` may be in the title or the writer's name, or be an id, a URL, or a paper's key."""
    words, wanted = search_words(request), request.query_params.get("summary", "")
    with app_state.ledger.read() as tx:
        matches = backlog_views.find_summaries(tx, words) or backlog_views.search_summaries(tx, words, MOST_FOUND + 1)
        chosen = backlog_views.find_summaries(tx, wanted) if wanted.isdecimal() else matches[:2]
    summary, reasons = None, []
    if len(chosen) == 1:
        ((summary, source),) = chosen
        with app_state.service() as service:
            reasons = service.why(summary, source)
    return page(
        app_state,
        request,
        "why",
        words=words,
        matches=[one for one, _ in matches[:MOST_FOUND]],
        more=len(matches) > MOST_FOUND,
        summary=summary,
        reasons=reasons,
    )
