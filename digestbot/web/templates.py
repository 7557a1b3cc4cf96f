"""The page of templates: which there are, a preview of one for any summary, and the line of its error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from digestbot.config import Config
from digestbot.domain.errors import DigestbotError
from digestbot.domain.model import Draft, Route
from digestbot.ledger import backlog_views
from digestbot.pipeline.app import SAMPLE
from digestbot.platforms.registry import PLATFORMS
from digestbot.rendering.renderer import BUILT_IN
from digestbot.web import post_previews
from digestbot.web.app_state import AppState
from digestbot.web.pages import page

_LINE = re.compile(r", line (\d+)")
_NAME = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.txt\.j2")


@dataclass(frozen=True)
class TemplateFile:
    """A template's file: its name and platform, whether it is the operator's own, and the digests on channels that use
    it."""

    name: str
    platform: str
    own: bool
    file: Path
    used_by: tuple[str, ...]


def find_templates(config: Config) -> list[TemplateFile]:
    """Return all templates, the operator's first. These replace built-in ones of the same name."""
    folders = [(config.folder / config.templates, True)] if config.templates else []
    some: dict[str, TemplateFile] = {}
    for folder, own in [*folders, (BUILT_IN, False)]:
        for file in sorted(folder.glob("*.txt.j2")):
            match = _NAME.fullmatch(file.name)
            if match and file.name not in some:
                some[file.name] = TemplateFile(match[1], match[2], own, file, _used_by(config, match[1], match[2]))
    return list(some.values())


def _used_by(config: Config, name: str, platform: str) -> tuple[str, ...]:
    return tuple(
        f"{digest} on {channel}"
        for digest, channel in config.routes()
        if config.platform(channel).name == platform and config.appearance(digest, channel).template_name == name
    )


def templates(app_state: AppState, request: Request) -> Response:
    """Serve GET /templates?template=…&summary=…&pair=…: all templates, and a preview of one. ``pair`` is ``DIGEST on
    CHANNEL``."""
    config, asked = app_state.config, request.query_params
    all_ = find_templates(config)
    wanted = next((one for one in all_ if one.file.name == asked.get("template")), None)
    summary, trouble, line = SAMPLE, "", 0
    drafts: list[Draft] = []
    routes: list[Route] = []
    about = asked.get("summary", "").strip()
    if about:
        with app_state.ledger.read() as tx:
            some = backlog_views.find_summaries(tx, about[:500])
        if some:
            summary = some[0][0]
        else:
            trouble = f"No summary matches {about!r}. Enter its id, its URL or its paper's key."
    route = None
    if wanted is not None:
        routes = [one for one in config.routes() if config.platform(one[1]).name == wanted.platform]
        chosen = asked.get("pair", "")
        route = next((one for one in routes if " on ".join(one) == (chosen or next(iter(wanted.used_by), ""))), None)
        route = route or next(iter(routes), None)
        if route is None:
            trouble = trouble or f"No digest is published on a channel of {wanted.platform}."
        elif not trouble:
            try:
                with app_state.service() as service:
                    drafts = service.post_builder.tried(*route, wanted.name, [summary])
            except DigestbotError as error:
                trouble = str(error)
                match = _LINE.search(trouble)
                line = int(match[1]) if match else 0
    limit = PLATFORMS[wanted.platform].limit if wanted is not None and wanted.platform in PLATFORMS else None
    return page(
        app_state,
        request,
        "templates",
        templates=all_,
        wanted=wanted,
        source=wanted.file.read_text(encoding="utf-8", errors="replace").splitlines() if wanted else [],
        line=line,
        trouble=trouble,
        about=about,
        summary=summary,
        routes=routes,
        route=route,
        lengths=[limit.measure(draft.message.text) for draft in drafts] if limit else [],
        most=limit.most if limit else 0,
        shown=post_previews.preview_drafts(config, *route, drafts, {}, "now", "", pictures=False) if route else [],
    )
