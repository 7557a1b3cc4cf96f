"""A digest's schedule and rules as a form. Errors are shown at their fields, with the next slots and the changes to the
plan; the form is saved to the configuration file."""

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
from digestbot.config.rules import build_posting_rules
from digestbot.config.writer import save
from digestbot.domain.errors import ConfigError, DigestbotError
from digestbot.pipeline.app import Service
from digestbot.pipeline.plan_diff import AHEAD, PlanDiff, diff_plans
from digestbot.web import forms
from digestbot.web.app_state import AppState, Flash
from digestbot.web.pages import page

NEXT = 10  # slots that are shown


def schedules(app_state: AppState, request: Request) -> Response:
    """Serve GET /schedules: each digest on each channel, with its timing and its next slot."""
    config, now = app_state.config, app_state.clock()
    shown = []
    for digest, channel in config.routes():
        calendar = build_posting_rules(config, digest, channel).calendar
        shown.append(
            (digest, channel, config.timing(digest, channel), calendar.first_open(now), config.zone(digest, channel))
        )
    return page(app_state, request, "schedules", shown=shown)


def schedule(app_state: AppState, request: Request) -> Response:
    """Serve GET /schedules/DIGEST?channel=…: the form."""
    digest, channel = _about(app_state, request, request.query_params)
    text, trouble = _text(app_state)
    values = {field.name: "" for field in forms.FIELDS}
    if not trouble:
        try:
            values = forms.form_values(text, digest, channel)
        except ConfigError as error:
            trouble = str(error)
    return _form(app_state, request, digest, channel, values, text, trouble)


def _form(
    app_state: AppState,
    request: Request,
    digest: str,
    channel: str,
    form: Mapping[str, str],
    text: str,
    trouble: str = "",
    status: int = 200,
) -> Response:
    config = app_state.config
    where = channel or config.digests[digest].channels[0]
    looked: dict[str, Any] = {
        "times": [],
        "errors": {},
        "others": [],
        "difference": None,
        "zone": config.zone(digest, where),
    }
    if not trouble:
        looked |= _look(app_state, digest, channel, form, text)
    return page(
        app_state,
        request,
        "schedule",
        status,
        digest=digest,
        channel=channel,
        channels=config.digests[digest].channels,
        fields=forms.FIELDS,
        values=form,
        defaults=forms.default_values(config.digests[digest] if channel else Timing()),
        mark=_mark(text),
        trouble=trouble,
        ahead=AHEAD.days,
        **looked,
    )


def check_schedule(app_state: AppState, request: Request, form: Mapping[str, str]) -> Response:
    """Serve POST /schedules/DIGEST/check: the submitted form with its errors and its effect; nothing is saved."""
    digest, channel = _about(app_state, request, form)
    text, trouble = _text(app_state)
    return _form(app_state, request, digest, channel, _only_fields(form), text, trouble)


def save_schedule(app_state: AppState, request: Request, form: Mapping[str, str]) -> Flash | Response:
    """Serve POST /schedules/DIGEST: save the form to the file, or show it again with its errors."""
    digest, channel = _about(app_state, request, form)
    text, trouble = _text(app_state)
    fields = _only_fields(form)
    if not trouble and form.get("mark") != _mark(text):
        trouble = "Someone else changed the file in the meantime. Below, your changes are applied to the current file."
        return _form(app_state, request, digest, channel, fields, text, trouble, 409)
    if trouble:
        return _form(app_state, request, digest, channel, fields, text, trouble, 409)
    try:
        fresh = forms.apply_form(text, digest, channel, fields)
        _built(app_state.config, fresh)
        kept = save(_path(app_state.config), fresh, text, app_state.clock())
    except DigestbotError:
        return _form(app_state, request, digest, channel, fields, text, status=422)
    app_state.changed()
    return Flash(
        f"The schedule of {digest} was saved and takes effect within seconds; the previous file is {kept.name}."
    )


def _about(app_state: AppState, request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    digest, channel = request.path_params["digest"], form.get("channel", "")
    if digest not in app_state.config.digests or (channel and channel not in app_state.config.digests[digest].channels):
        raise HTTPException(404, f"There is no digest {digest}" + (f" on {channel}." if channel else "."))
    return digest, channel


def _only_fields(form: Mapping[str, str]) -> dict[str, str]:
    return {field.name: form.get(field.name, "")[:5000] for field in forms.FIELDS}


def _path(config: Config) -> Path:
    if config.path is None:
        raise ConfigError(["this configuration does not come from a file"])
    return config.path


def _text(app_state: AppState) -> tuple[str, str]:
    """Return the file's text, and why it cannot be changed here (empty if it can)."""
    try:
        return _path(app_state.config).read_text(encoding="utf-8-sig"), ""
    except ConfigError as error:
        return "", str(error)
    except (OSError, UnicodeDecodeError) as error:
        return "", f"The configuration's file cannot be read: {error}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _built(config: Config, text: str) -> Config:
    return build(tomllib.loads(text), _path(config), os.environ)


def _look(app_state: AppState, digest: str, channel: str, form: Mapping[str, str], text: str) -> dict[str, Any]:
    """Return the form's effect: the next slots on each channel, its errors, and the changes to the plan."""
    now = app_state.clock()
    try:
        fresh = _built(app_state.config, forms.apply_form(text, digest, channel, form))
    except ConfigError as error:
        errors, others = forms.problems_by_field(error.problems, digest, channel)
        return {"errors": errors, "others": others}
    times = []
    for where in (channel,) if channel else fresh.digests[digest].channels:
        posting_rules = build_posting_rules(fresh, digest, where)
        slots = list(islice(posting_rules.calendar.slots(now), NEXT))
        times.append(
            (where, posting_rules.calendar.zone, [(slot, posting_rules.calendar.closed(slot.at)) for slot in slots])
        )
    result: PlanDiff | None = None
    others = []
    try:
        trial = Service(fresh, app_state.ledger, app_state.clock)
        trial.check()
        result = diff_plans(app_state.plan(now, now + AHEAD).rows, trial.plan(now, now + AHEAD), fresh, now)
    except DigestbotError as error:
        others = [str(error)]
    return {"times": times, "errors": {}, "others": others, "difference": result}
