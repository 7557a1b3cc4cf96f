"""A digest's schedule and rules in a form: mistakes at their field, the next times and what changes in the plan at
once, saved into the configuration's file."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digestbot.config import Config, Timing, build
from digestbot.config.saving import save
from digestbot.errors import ConfigError, DigestbotError
from digestbot.planning import Lane
from digestbot.service import Service
from digestbot.service.comparing import AHEAD, Difference, difference
from digestbot.web import forms
from digestbot.web.desk import Desk, Note
from digestbot.web.rendering import page

NEXT = 10  # slots that are shown


def schedules(desk: Desk, request: Request) -> Response:
    """GET /schedules"""
    config, now = desk.config, desk.clock()
    shown = []
    for digest, channel in config.pairs():
        calendar = Lane.of(config, digest, channel).calendar
        shown.append(
            (digest, channel, config.timing(digest, channel), calendar.first_open(now), config.zone(digest, channel))
        )
    return page(desk, request, "schedules", shown=shown)


def schedule(desk: Desk, request: Request) -> Response:
    """GET /schedules/DIGEST?channel=…: the form."""
    digest, channel = _about(desk, request, request.query_params)
    text, trouble = _text(desk)
    said = {field.name: "" for field in forms.FIELDS}
    if not trouble:
        try:
            said = forms.values(text, digest, channel)
        except ConfigError as error:
            trouble = str(error)
    return _form(desk, request, digest, channel, said, text, trouble)


def _form(
    desk: Desk,
    request: Request,
    digest: str,
    channel: str,
    said: Mapping[str, str],
    text: str,
    trouble: str = "",
    status: int = 200,
) -> Response:
    config = desk.config
    where = channel or config.digests[digest].channels[0]
    looked: dict[str, Any] = {
        "times": [],
        "errors": {},
        "others": [],
        "difference": None,
        "zone": config.zone(digest, where),
    }
    if not trouble:
        looked |= _look(desk, digest, channel, said, text)
    return page(
        desk,
        request,
        "schedule",
        status,
        digest=digest,
        channel=channel,
        channels=config.digests[digest].channels,
        fields=forms.FIELDS,
        said=said,
        defaults=forms.defaults(config.digests[digest] if channel else Timing()),
        mark=_mark(text),
        trouble=trouble,
        ahead=AHEAD.days,
        **looked,
    )


def check(desk: Desk, request: Request, said: Mapping[str, str]) -> Response:
    """POST /schedules/DIGEST/check: the form as it stands, and what it would lead to; nothing is saved."""
    digest, channel = _about(desk, request, said)
    text, trouble = _text(desk)
    return _form(desk, request, digest, channel, _only_fields(said), text, trouble)


def saved(desk: Desk, request: Request, said: Mapping[str, str]) -> Note | Response:
    """POST /schedules/DIGEST: into the file; or the form again with what is wrong."""
    digest, channel = _about(desk, request, said)
    text, trouble = _text(desk)
    fields = _only_fields(said)
    if not trouble and said.get("mark") != _mark(text):
        trouble = "The file was changed meanwhile by another hand: this is your form, over the file as it is now."
        return _form(desk, request, digest, channel, fields, text, trouble, 409)
    if trouble:
        return _form(desk, request, digest, channel, fields, text, trouble, 409)
    try:
        fresh = forms.changed(text, digest, channel, fields)
        _built(desk.config, fresh)
        kept = save(_path(desk.config), fresh, text, desk.clock())
    except DigestbotError:
        return _form(desk, request, digest, channel, fields, text, status=422)
    desk.changed()
    return Note(f"The schedule of {digest} is saved, and taken up within seconds; the former file is {kept.name}.")


def _about(desk: Desk, request: Request, said: Mapping[str, str]) -> tuple[str, str]:
    digest, channel = request.path_params["digest"], said.get("channel", "")
    if digest not in desk.config.digests or (channel and channel not in desk.config.digests[digest].channels):
        raise HTTPException(404, f"There is no digest {digest}" + (f" on {channel}." if channel else "."))
    return digest, channel


def _only_fields(said: Mapping[str, str]) -> dict[str, str]:
    return {field.name: said.get(field.name, "")[:5000] for field in forms.FIELDS}


def _path(config: Config) -> Path:
    if config.path is None:
        raise ConfigError(["this configuration is in no file"])
    return config.path


def _text(desk: Desk) -> tuple[str, str]:
    """The file, and what keeps it from being changed here."""
    try:
        return _path(desk.config).read_text(encoding="utf-8"), ""
    except ConfigError as error:
        return "", str(error)
    except (OSError, UnicodeDecodeError) as error:
        return "", f"The configuration's file cannot be read: {error}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _built(config: Config, text: str) -> Config:
    return build(tomllib.loads(text), _path(config), os.environ)


def _look(desk: Desk, digest: str, channel: str, said: Mapping[str, str], text: str) -> dict[str, Any]:
    """What the form would lead to: the next times of each channel, mistakes, and the difference in the plan."""
    now = desk.clock()
    try:
        fresh = _built(desk.config, forms.changed(text, digest, channel, said))
    except ConfigError as error:
        errors, others = forms.at_fields(error.problems, digest, channel)
        return {"errors": errors, "others": others}
    times = []
    for where in (channel,) if channel else fresh.digests[digest].channels:
        lane = Lane.of(fresh, digest, where)
        slots = list(islice(lane.calendar.slots(now), NEXT))
        times.append((where, lane.calendar.zone, [(slot, lane.calendar.closed(slot.at)) for slot in slots]))
    found: Difference | None = None
    others = []
    try:
        trial = Service(fresh, desk.ledger, desk.clock)
        trial.check()
        found = difference(desk.plan(now, now + AHEAD).rows, trial.plan(now, now + AHEAD), fresh, now)
    except DigestbotError as error:
        others = [str(error)]
    return {"times": times, "errors": {}, "others": others, "difference": found}
