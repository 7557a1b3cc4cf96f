"""Long lists: backlogs, posts, what was changed through the pages. And one post with its whole history."""

from __future__ import annotations

from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digestbot.cards import available
from digestbot.config import Config
from digestbot.errors import LedgerError, PictureError
from digestbot.gate import Gate
from digestbot.ledger import audit as audits
from digestbot.ledger import backlogs, views
from digestbot.model import Action, Approval, Image, PostStatus
from digestbot.text import LIMITS
from digestbot.web import showing
from digestbot.web.desk import Desk
from digestbot.web.rendering import page

PAGE = 50
KINDS = ("waiting", "ready", "held", "skipped")
DECIDABLE = (PostStatus.UNKNOWN, PostStatus.QUARANTINED, PostStatus.FAILED)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _post_id(request: Request) -> int:
    found = _number(request.path_params["post"])
    if not found:
        raise HTTPException(404, "There is no such post.")
    return found


def backlog(desk: Desk, request: Request) -> Response:
    """GET /backlog?digest=…&channel=…&kind=…&words=…&after=…"""
    config, asked, now = desk.config, request.query_params, desk.clock()
    pairs = config.pairs()
    wanted = f"{asked.get('digest', '')}|{asked.get('channel', '')}"
    pair = next((one for one in pairs if "|".join(one) in (wanted, asked.get("pair"))), pairs[0] if pairs else None)
    kind = asked.get("kind") if asked.get("kind") in KINDS else KINDS[0]
    words, after = asked.get("words", "").strip()[:100], _number(asked.get("after"))
    found: list[backlogs.Entry] = []
    count = 0
    if pair is not None:
        with desk.ledger.read() as tx:
            found = backlogs.entries(
                tx,
                *pair,
                config.timing(*pair).order,
                Gate.of(config, *pair),
                now,
                kind=str(kind),
                words=words,
                after=after,
                most=PAGE + 1,
            )
            count = backlogs.waiting_count(tx, *pair)
    return page(
        desk,
        request,
        "backlog",
        pairs=pairs,
        pair=pair,
        kind=kind,
        kinds=KINDS,
        words=words,
        after=after,
        more=len(found) > PAGE,
        size=PAGE,
        entries=found[:PAGE],
        count=count,
    )


def posts(desk: Desk, request: Request) -> Response:
    """GET /posts?status=…&channel=…&digest=…&words=…&before=…"""
    config, asked = desk.config, request.query_params
    statuses = []
    with suppress(ValueError):
        statuses = [PostStatus(asked["status"])] if asked.get("status") else []
    words, before = asked.get("words", "").strip()[:100], _number(asked.get("before")) or None
    with desk.ledger.read() as tx:
        found = views.newest_posts(
            tx,
            statuses=statuses,
            channel=asked.get("channel") or None,
            digest=asked.get("digest") or None,
            words=words,
            before=before,
            most=PAGE + 1,
        )
        channels = sorted({*config.channels, *views.channel_names(tx)})
    return page(
        desk,
        request,
        "posts",
        rows=found[:PAGE],
        more=len(found) > PAGE,
        words=words,
        before=before,
        asked={name: asked.get(name, "") for name in ("status", "channel", "digest")},
        statuses=list(PostStatus),
        channels=channels,
        digests=list(config.digests),
    )


def post(desk: Desk, request: Request) -> Response:
    """GET /posts/17: what it says, what was tried, what was seen, and what may be decided."""
    config, id_ = desk.config, _post_id(request)
    with desk.ledger.read() as tx:
        try:
            row = views.post_row(tx, id_)
        except LedgerError as error:
            raise HTTPException(404, f"There is no post {id_}.") from error
        attempts, looks = views.history(tx, id_)
        changes = views.changes_of(tx, id_)
        parts = views.parts_of(tx, id_) if row.action is Action.PUBLISH else [row]
        approval = views.approval_of(tx, id_)
        shown_ids = views.shown_by(tx, id_)
        target = views.post_row(tx, row.target) if row.target else None
    limit = LIMITS[config.platform(row.channel)] if row.channel in config.channels else LIMITS[next(iter(LIMITS))]
    waits = row.status is PostStatus.PENDING and row.action is Action.PUBLISH
    return page(
        desk,
        request,
        "post",
        row=row,
        target=target,
        shown=showing.posts(config, parts, config.timezone, f"{request.scope.get('root_path', '')}/pictures/post/"),
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
        length=limit.measure(row.text),
        most=limit.most,
    )


def audit(desk: Desk, request: Request) -> Response:
    """GET /audit"""
    with desk.ledger.read() as tx:
        return page(desk, request, "audit", changes=audits.newest(tx, 200))


def post_picture(desk: Desk, request: Request) -> Response:
    """GET /pictures/post/17: as it is, or was: a card is made again once its post has it."""
    id_ = _post_id(request)
    with desk.ledger.read() as tx:
        found = views.picture(tx, id_)
        if found is not None:
            return _picture(found.content, found.media_type)
        try:
            row = views.post_row(tx, id_)
        except LedgerError as error:
            raise HTTPException(404) from error
        shown = sorted(views.shown_by(tx, id_))[:1]
    is_card = (row.digest, row.channel) in desk.config.pairs() and (
        desk.config.appearance(row.digest, row.channel).image is Image.CARD
    )
    if not shown or not is_card:
        raise HTTPException(404)
    return _card(desk, desk.config, row.channel, shown[0])


def card(desk: Desk, request: Request) -> Response:
    """GET /pictures/card?channel=…&summary=…"""
    channel = request.query_params.get("channel", "")
    if channel not in desk.config.channels:
        raise HTTPException(404)
    return _card(desk, desk.config, channel, _number(request.query_params.get("summary")))


def _card(desk: Desk, config: Config, channel: str, summary: int) -> Response:
    with desk.ledger.read() as tx:
        found = backlogs.by_ids(tx, [summary], lock=False).get(summary)
    if found is None or not available() or channel not in config.channels:
        raise HTTPException(404)
    with desk.service() as service:
        try:
            picture = service.drafter.picturer.picture(Image.CARD, channel, found)
        except PictureError as error:
            raise HTTPException(404) from error
    if picture is None:
        raise HTTPException(404)
    return _picture(picture.content, picture.media_type)


def _picture(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=600"})
