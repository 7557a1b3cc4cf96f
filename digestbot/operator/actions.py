"""Everything that an operator can do to the ledger of a running service; `action_list` has the names and parameters.

The pages and the command line call `perform`, and change the ledger in no other way. An action takes its arguments as
text, because both forms and command lines give text, and one parser for each parameter means one error message for
both. An action that cannot be performed raises DigestbotError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from digestbot.domain.errors import ConfigError, LedgerError
from digestbot.domain.model import Route
from digestbot.ledger import approvals, backlog_overrides, channel_states, edit_queue, queries
from digestbot.operator.approval import Approver
from digestbot.operator.resolution import Resolver
from digestbot.operator.slot_actions import SlotOverrides, parse_local_time
from digestbot.pipeline.app import Service

Arguments = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What an action did.

    ``message`` is for people, ``data`` for scripts. ``undo`` names the action that reverses it, ``undo_arguments`` are
    that action's arguments; both are empty if none does. ``texts`` are posts to compare or check, by label.
    ``unfinished`` is True if the operator must decide again.
    """

    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ""
    undo_arguments: Arguments = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    unfinished: bool = False


def perform(service: Service, name: str, arguments: Arguments) -> Outcome:
    """Perform an action and return what it did. Raises LookupError for an unknown action, DigestbotError if it cannot
    be performed."""
    if name not in _RUN:
        raise LookupError(f"unknown action {name!r}; known actions: {', '.join(_RUN)}")
    return _RUN[name](service, arguments)


# ---- parameters


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name, "").strip()
    if not value:
        raise LedgerError(f"{name} is missing")
    return value


def _id(arguments: Arguments, name: str) -> int:
    return _number(_text(arguments, name), name)


def _number(value: str, name: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise LedgerError(f"{value!r} is not a valid {name} id")
    return int(value)


def _ids(arguments: Arguments) -> list[int]:
    return [_number(one.strip(), "summary") for one in arguments.get("summaries", "").split(",") if one.strip()]


def _route(service: Service, arguments: Arguments) -> Route:
    route = Route(_text(arguments, "digest"), _text(arguments, "channel"))
    if route not in service.config.routes():
        raise ConfigError([f"digest {route.digest} is not configured for {route.channel}"])
    return route


def _channel(service: Service, arguments: Arguments) -> str:
    channel = _text(arguments, "channel")
    if channel not in service.config.channels:
        raise ConfigError([f"there is no channel {channel!r}; known: {', '.join(service.config.channels)}"])
    return channel


def _posts(ids: Sequence[int]) -> str:
    return f"post{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"


# ---- summaries in a backlog


def _override(message: str, undo: str, change: Callable[..., None]) -> Callable[[Service, Arguments], Outcome]:
    """Return an action that changes one pending summary."""

    def run(service: Service, arguments: Arguments) -> Outcome:
        route, summary = _route(service, arguments), _id(arguments, "summary")
        with service.ledger.begin() as tx:
            change(tx, route, summary, service)
        about = {"digest": route.digest, "channel": route.channel, "summary": str(summary)}
        text = f"Summary {summary} {message} ({route})."
        return Outcome(text, about | {"summary": summary}, undo, about)

    return run


def _write(service: Service, arguments: Arguments) -> Outcome:
    route, summary = _route(service, arguments), _id(arguments, "summary")
    SlotOverrides(service).write(route, summary, arguments.get("text", ""))
    about = {"digest": route.digest, "channel": route.channel, "summary": str(summary)}
    message = f"The post of summary {summary} will have your text."
    return Outcome(message, about | {"summary": summary}, "reset-text", about)


def _preapprove(service: Service, arguments: Arguments) -> Outcome:
    route, ids = _route(service, arguments), _ids(arguments)
    with service.ledger.begin() as tx:
        backlog_overrides.preapprove(tx, route, ids, service.clock())
    about = {"digest": route.digest, "channel": route.channel, "summaries": ",".join(map(str, ids))}
    data = about | {"summaries": ids, "approved": True}
    return Outcome("Approved. It will be posted at its slot.", data, "unapprove", about)


def _unapprove(service: Service, arguments: Arguments) -> Outcome:
    route, ids = _route(service, arguments), _ids(arguments)
    with service.ledger.begin() as tx:
        backlog_overrides.preapprove(tx, route, ids, None)
    data = {"digest": route.digest, "channel": route.channel, "summaries": ids, "approved": False}
    return Outcome("It needs approval again.", data)


# ---- slots


def _about_slot(route: Route, slot: str) -> dict[str, str]:
    return {"digest": route.digest, "channel": route.channel, "slot": slot}


def _move_slot(service: Service, arguments: Arguments) -> Outcome:
    route, slot = _route(service, arguments), _text(arguments, "slot")
    to = parse_local_time(_text(arguments, "to"), route, service.config, service.clock())
    SlotOverrides(service).move(route, slot, to)
    local = to.astimezone(service.config.zone(*route))
    about = _about_slot(route, slot)
    message = f"The slot of {slot} is moved to {local:%a %d %b, %H:%M %Z}."
    return Outcome(message, about | {"at": local.isoformat()}, "restore-slot", about)


def _skip_slot(service: Service, arguments: Arguments) -> Outcome:
    route, slot = _route(service, arguments), _text(arguments, "slot")
    SlotOverrides(service).skip(route, slot)
    about = _about_slot(route, slot)
    message = f"The slot of {slot} is skipped; its summaries stay pending for the next one."
    return Outcome(message, about, "restore-slot", about)


def _restore_slot(service: Service, arguments: Arguments) -> Outcome:
    route, slot = (
        Route(_text(arguments, "digest"), _text(arguments, "channel")),
        _text(arguments, "slot"),
    )  # may be gone
    SlotOverrides(service).restore(route, slot)
    return Outcome(f"The slot of {slot} follows the schedule again.", _about_slot(route, slot))


def _send_slot(service: Service, arguments: Arguments) -> Outcome:
    route, slot = _route(service, arguments), _text(arguments, "slot")
    made = SlotOverrides(service).send_now(route, slot, _ids(arguments))
    message = f"Created {_posts(made)}; a running service sends within seconds."
    return Outcome(message, _about_slot(route, slot) | {"posts": made})


# ---- posts


def _move_post(service: Service, arguments: Arguments) -> Outcome:
    post = _id(arguments, "post")
    with service.ledger.read() as tx:
        row = queries.post_row(tx, post)
    route = _route(service, {"digest": row.digest, "channel": row.channel})
    to = parse_local_time(_text(arguments, "to"), route, service.config, service.clock())
    SlotOverrides(service).move_post(post, to)
    local = to.astimezone(service.config.zone(*route))
    message = f"Post {post} is withdrawn; a new one is created at {local:%a %d %b, %H:%M %Z}."
    return Outcome(message, {"post": post, "digest": route.digest, "channel": route.channel, "at": local.isoformat()})


def _send_now(service: Service, arguments: Arguments) -> Outcome:
    post = _id(arguments, "post")
    with service.ledger.begin() as tx:
        approvals.send_now(tx, post)
    message = f"Post {post} no longer waits for its time; a running service sends it within seconds."
    return Outcome(message, {"post": post})


def _approve(service: Service, arguments: Arguments) -> Outcome:
    post = _id(arguments, "post")
    approved = Approver(service).approve(post)
    data = {"approved": list(approved.posts), "rendered_again": [row.id for row in approved.rendered_again]}
    if approved.rendered_again:
        texts = {f"post {row.id}": row.text for row in approved.rendered_again}
        message = (
            f"Post {post} was created more than a day ago, so it was rendered again. Check the text and approve it "
            "once more."
        )
        return Outcome(message, data, texts=texts, unfinished=True)
    message = f"Approved {_posts(approved.posts)}; a running service sends within seconds, during the digest's hours."
    return Outcome(message, data)


def _decline(service: Service, arguments: Arguments) -> Outcome:
    later, reason = arguments.get("later") == "yes", arguments.get("reason", "").strip() or "declined by an operator"
    with service.ledger.begin() as tx:
        declined = approvals.decline(tx, _id(arguments, "post"), reason, service.clock(), later=later)
    what = "its summaries stay pending for another edition" if later else "its summaries are skipped"
    return Outcome(f"Declined {_posts(declined)}; {what}.", {"declined": list(declined), "later": later})


def _edit(service: Service, arguments: Arguments) -> Outcome:
    post = _id(arguments, "post")
    with service.ledger.read() as tx:
        before = queries.post_row(tx, post).text
    row = SlotOverrides(service).rewrite(post, arguments.get("text", ""))
    undo = {"post": str(post), "text": before}
    message = f"Post {post} has your text. It still needs approval."
    return Outcome(message, {"post": post, "text": row.text}, "edit", undo, {f"post {post}": row.text})


def _resolve(service: Service, arguments: Arguments) -> Outcome:
    post, decision = _id(arguments, "post"), arguments.get("decision", "")
    resolver = Resolver(service)
    if decision == "published":
        done = resolver.published(post, _text(arguments, "url"))
    elif decision == "retry":
        done = resolver.retry(post)
    elif decision == "skip":
        done = resolver.skip(post)
    else:
        raise LedgerError("choose a decision: published, retry or skip")
    data: dict[str, Any] = {"post": post, "before": done.before, "after": done.after}
    message = f"Post {post}: {done.before} -> {done.after}" + (f" as {done.receipt.url}." if done.receipt else ".")
    if decision == "retry":
        return Outcome(message + " digestbot looks for it on the timeline before sending it.", data)
    texts = {}
    if done.there is not None:
        data |= {"url": done.receipt.url if done.receipt else None, "text": done.there.text, "same_text": done.same}
        texts["on the platform"] = done.there.text
        if done.same:
            message += " It has digestbot's text, so digestbot may edit or delete it later."
        else:
            texts["digestbot's text"] = done.ours
            message += " The texts differ, so digestbot will never edit or delete this post."
    return Outcome(message, data, "reopen", {"post": str(post)}, texts)


def _retry(service: Service, arguments: Arguments) -> Outcome:
    return _resolve(service, {"post": arguments.get("post", ""), "decision": "retry"})


def _reopen(service: Service, arguments: Arguments) -> Outcome:
    post = _id(arguments, "post")
    done = Resolver(service).reopen(post)
    data = {"post": post, "before": done.before, "after": done.after}
    return Outcome(f"Post {post}: {done.before} -> {done.after}. It needs your decision again.", data)


# ---- channels and alerts


def _pause(service: Service, arguments: Arguments) -> Outcome:
    channel, reason = _channel(service, arguments), arguments.get("reason", "").strip() or "paused by an operator"
    with service.ledger.begin() as tx:
        channel_states.pause(tx, channel, reason, service.clock())
    data = {"channel": channel, "paused": True, "reason": reason}
    message = f"Channel {channel} is paused; its posts stay pending."
    return Outcome(message, data, "resume", {"channel": channel})


def _resume(service: Service, arguments: Arguments) -> Outcome:
    channel = _channel(service, arguments)
    with service.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    return Outcome(f"Channel {channel} resumed.", {"channel": channel, "paused": False})


def _pause_all(service: Service, arguments: Arguments) -> Outcome:
    by, reason = arguments.get("by", "").strip(), arguments.get("reason", "").strip()
    why = f"everything was stopped{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"
    with service.ledger.begin() as tx:
        channel_states.stop_everything(tx, why, service.clock())
    message = "Everything is stopped: nothing is posted on any channel, and posts stay pending."
    return Outcome(message, {"paused": True, "reason": why}, "resume-all")


def _resume_all(service: Service, arguments: Arguments) -> Outcome:  # noqa: ARG001 - as every action
    with service.ledger.begin() as tx:
        now = service.clock()
        stopped = channel_states.end_stop(tx, now)
        paused = [
            name for name in service.config.channels if channel_states.channel_state_now(tx, name, now).pause_reason
        ]
    rest = f" Still paused for reasons of their own: {', '.join(paused)}." if paused else ""
    message = f"{'Posting resumed.' if stopped else 'Nothing was stopped.'}{rest}"
    return Outcome(message, {"paused": False, "channels": paused})


def _decide_alert(*, confirm: bool) -> Callable[[Service, Arguments], Outcome]:
    def run(service: Service, arguments: Arguments) -> Outcome:
        alert = _id(arguments, "alert")
        with service.ledger.begin() as tx:
            held = edit_queue.decide_alert(tx, alert, confirm=confirm, now=service.clock())
        decision = "confirmed" if confirm else "dismissed"
        effect = f"; {held} posts {'are changed within seconds' if confirm else 'stay unchanged'}" if held else ""
        return Outcome(f"Alert {alert} is {decision}{effect}.", {"alert": alert, "decision": decision, "posts": held})

    return run


_RUN: dict[str, Callable[[Service, Arguments], Outcome]] = {
    "pin": _override(
        "is pinned", "unpin", lambda tx, route, id_, service: backlog_overrides.pin(tx, route, [id_], service.clock())
    ),
    "unpin": _override("is no longer pinned", "pin", lambda tx, route, id_, _: backlog_overrides.unpin(tx, route, id_)),
    "hold": _override("is held", "release", lambda tx, route, id_, _: backlog_overrides.hold_summary(tx, route, id_)),
    "release": _override("is released", "hold", lambda tx, route, id_, _: backlog_overrides.release(tx, route, id_)),
    "skip": _override("is skipped", "unskip", lambda tx, route, id_, _: backlog_overrides.skip_summary(tx, route, id_)),
    "unskip": _override("is pending again", "skip", lambda tx, route, id_, _: backlog_overrides.unskip(tx, route, id_)),
    "write": _write,
    "reset-text": _override(
        "uses the template again", "", lambda tx, route, id_, _: backlog_overrides.set_custom_text(tx, route, id_, None)
    ),
    "preapprove": _preapprove,
    "unapprove": _unapprove,
    "move-slot": _move_slot,
    "skip-slot": _skip_slot,
    "restore-slot": _restore_slot,
    "send-slot": _send_slot,
    "move-post": _move_post,
    "send-now": _send_now,
    "resolve": _resolve,
    "retry": _retry,
    "reopen": _reopen,
    "edit": _edit,
    "approve": _approve,
    "decline": _decline,
    "pause": _pause,
    "resume": _resume,
    "pause-all": _pause_all,
    "resume-all": _resume_all,
    "confirm-alert": _decide_alert(confirm=True),
    "dismiss-alert": _decide_alert(confirm=False),
}
