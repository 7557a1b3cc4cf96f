"""The pages of long lists (backlogs, posts, the audit log), and the page of one post with its whole history."""

from __future__ import annotations

from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digestbot.config import Config
from digestbot.config.rules import filters_for
from digestbot.domain.errors import LedgerError, PictureError
from digestbot.domain.model import Action, Approval, Image, PostStatus
from digestbot.ledger import backlog_views, queries, summary_rows
from digestbot.ledger.audit import newest_entries
from digestbot.rendering.cards import cards_available
from digestbot.web import post_previews
from digestbot.web.app_state import AppState
from digestbot.web.pages import page

PAGE = 50
KINDS = ("waiting", "ready", "held", "skipped")
DECIDABLE = (PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.FAILED)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else 0


def search_words(request: Request) -> str:
    """Return what is searched for, without control characters, which no database would find."""
    words = request.query_params.get("words", "")
    return "".join(char for char in words if char.isprintable()).strip()[:200]


def _post_id(request: Request) -> int:
    result = _number(request.path_params["post"])
    if not result:
        raise HTTPException(404, "Post not found.")
    return result


def backlog_page(app_state: AppState, request: Request) -> Response:
    """Serve GET /backlog?digest=…&channel=…&kind=…&words=…&after=…: part of a digest's backlog on a channel. The
    parameter ``route`` (``DIGEST|CHANNEL``) may replace the first two."""
    config, asked, now = app_state.config, request.query_params, app_state.clock()
    routes = config.routes()
    wanted = f"{asked.get('digest', '')}|{asked.get('channel', '')}"
    route = next(
        (one for one in routes if "|".join(one) in (wanted, asked.get("route"))), routes[0] if routes else None
    )
    kind = asked.get("kind") if asked.get("kind") in KINDS else KINDS[0]
    words, after = search_words(request), _number(asked.get("after"))
    results: list[backlog_views.BacklogEntry] = []
    count = 0
    if route is not None:
        with app_state.ledger.read() as tx:
            results = backlog_views.backlog_entries(
                tx,
                *route,
                config.timing(*route).order,
                filters_for(config, *route),
                now,
                kind=str(kind),
                words=words,
                after=after,
                most=PAGE + 1,
            )
            count = backlog_views.pending_count(tx, *route)
    return page(
        app_state,
        request,
        "backlog",
        routes=routes,
        route=route,
        kind=kind,
        kinds=KINDS,
        words=words,
        after=after,
        more=len(results) > PAGE,
        size=PAGE,
        entries=results[:PAGE],
        count=count,
    )


def posts_page(app_state: AppState, request: Request) -> Response:
    """Serve GET /posts?status=…&channel=…&digest=…&words=…&before=…: the posts that match, newest first."""
    config, asked = app_state.config, request.query_params
    statuses = []
    with suppress(ValueError):
        statuses = [PostStatus(asked["status"])] if asked.get("status") else []
    words, before = search_words(request), _number(asked.get("before")) or None
    with app_state.ledger.read() as tx:
        result = queries.newest_posts(
            tx,
            statuses=statuses,
            channel=asked.get("channel") or None,
            digest=asked.get("digest") or None,
            words=words,
            before=before,
            most=PAGE + 1,
        )
        channels = sorted({*config.channels, *queries.channel_names(tx)})
    return page(
        app_state,
        request,
        "posts",
        rows=result[:PAGE],
        more=len(result) > PAGE,
        words=words,
        before=before,
        asked={name: asked.get(name, "") for name in ("status", "channel", "digest")},
        statuses=list(PostStatus),
        channels=channels,
        digests=list(config.digests),
    )


def post_page(app_state: AppState, request: Request) -> Response:
    """Serve GET /posts/17: the post, its attempts, its timeline checks, and what may be decided."""
    config, id_ = app_state.config, _post_id(request)
    with app_state.ledger.read() as tx:
        try:
            row = queries.post_row(tx, id_)
        except LedgerError as error:
            raise HTTPException(404, f"There is no post {id_}.") from error
        attempts, looks = queries.post_history(tx, id_)
        changes = queries.changes_of(tx, id_)
        parts = queries.parts_of(tx, id_) if row.action is Action.PUBLISH else [row]
        approval = queries.approval_of(tx, id_)
        shown_ids = queries.summaries_shown_by(tx, id_)
        target = queries.post_row(tx, row.target) if row.target else None
    limit = config.limit(row.channel)
    waits = row.status is PostStatus.PENDING and row.action is Action.PUBLISH
    return page(
        app_state,
        request,
        "post",
        row=row,
        target=target,
        shown=post_previews.preview_posts(
            config, parts, config.timezone, f"{request.scope.get('root_path', '')}/pictures/post/"
        ),
        parts=parts,
        attempts=attempts,
        looks=looks,
        changes=changes,
        summaries=sorted(shown_ids),
        unapproved=approval is Approval.WAITING and waits,
        waits=waits,
        untouched=waits and all(one.attempts == 0 for one in parts),
        decidable=row.status in DECIDABLE or (row.status is PostStatus.SKIPPED and approval is None),
        reopenable=row.reopenable,
        length=limit.measure(row.text) if limit else 0,
        most=limit.most if limit else 0,
    )


def audit_page(app_state: AppState, request: Request) -> Response:
    """Serve GET /audit: the newest 200 entries of the audit log."""
    with app_state.ledger.read() as tx:
        return page(app_state, request, "audit", changes=newest_entries(tx, 200))


def post_picture(app_state: AppState, request: Request) -> Response:
    """Serve GET /pictures/post/17: the post's picture. It is stored until the post is published; later a card is
    rendered again from its summary."""
    id_ = _post_id(request)
    with app_state.ledger.read() as tx:
        result = queries.picture_content(tx, id_)
        if result is not None:
            return _picture(result.content, result.media_type)
        try:
            row = queries.post_row(tx, id_)
        except LedgerError as error:
            raise HTTPException(404) from error
        shown = sorted(queries.summaries_shown_by(tx, id_))[:1]
    is_card = (row.digest, row.channel) in app_state.config.routes() and (
        app_state.config.appearance(row.digest, row.channel).image is Image.CARD
    )
    if not shown or not is_card:
        raise HTTPException(404)
    return _card(app_state, app_state.config, row.channel, shown[0])


def card(app_state: AppState, request: Request) -> Response:
    """Serve GET /pictures/card?channel=…&summary=…: the card of a summary."""
    channel = request.query_params.get("channel", "")
    if channel not in app_state.config.channels:
        raise HTTPException(404)
    return _card(app_state, app_state.config, channel, _number(request.query_params.get("summary")))


def _card(app_state: AppState, config: Config, channel: str, summary: int) -> Response:
    with app_state.ledger.read() as tx:
        result = summary_rows.summaries_by_id(tx, [summary], lock=False).get(summary)
    if result is None or not cards_available() or channel not in config.channels:
        raise HTTPException(404)
    with app_state.service() as service:
        try:
            picture = service.post_builder.image_builder.picture(Image.CARD, channel, result)
        except PictureError as error:
            raise HTTPException(404) from error
    if picture is None:
        raise HTTPException(404)
    return _picture(picture.content, picture.media_type)


def _picture(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=600"})
