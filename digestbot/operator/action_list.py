"""The names and parameters of all operator actions, for parsers and documentation. `actions` performs them."""

from __future__ import annotations

from typing import NamedTuple


class OperatorAction(NamedTuple):
    """The command and the parameters of one operator action.

    ``group`` is the command of which it is a subcommand, empty if it is a command itself; ``command`` is its own name.
    ``required`` and ``optional`` are its parameters, in the order of the command line.
    """

    group: str
    command: str
    help: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_SUMMARY = ("digest", "channel", "summary")
_SLOT = ("digest", "channel", "slot")

ACTIONS: dict[str, OperatorAction] = {
    "pin": OperatorAction("summary", "pin", "publish a pending summary before all others", _SUMMARY),
    "unpin": OperatorAction("summary", "unpin", "undo pin", _SUMMARY),
    "hold": OperatorAction("summary", "hold", "keep a pending summary back until it is released", _SUMMARY),
    "release": OperatorAction("summary", "release", "undo hold", _SUMMARY),
    "skip": OperatorAction("summary", "skip", "never publish a pending summary", _SUMMARY),
    "unskip": OperatorAction("summary", "unskip", "undo skip: put the summary back into the backlog", _SUMMARY),
    "write": OperatorAction("summary", "write", "write the text of a summary's post yourself", _SUMMARY, ("text",)),
    "reset-text": OperatorAction("summary", "reset-text", "undo write: use the template again", _SUMMARY),
    "preapprove": OperatorAction(
        "summary",
        "preapprove",
        "approve summaries before their edition is created",
        ("digest", "channel", "summaries"),
    ),
    "unapprove": OperatorAction("summary", "unapprove", "undo preapprove", ("digest", "channel", "summaries")),
    "move-slot": OperatorAction("slot", "move", "move an upcoming slot to another time", (*_SLOT, "to")),
    "skip-slot": OperatorAction("slot", "skip", "skip an upcoming slot", _SLOT),
    "restore-slot": OperatorAction("slot", "restore", "undo move or skip: follow the schedule again", _SLOT),
    "send-slot": OperatorAction("slot", "send", "publish now what an upcoming slot would", _SLOT, ("summaries",)),
    "move-post": OperatorAction(
        "posts", "move", "withdraw a pending post and create it again at another time", ("post", "to")
    ),
    "send-now": OperatorAction("posts", "send-now", "send a pending post without waiting for its time", ("post",)),
    "resolve": OperatorAction(
        "posts", "resolve", "settle a post that needs your decision", ("post",), ("decision", "url")
    ),
    "retry": OperatorAction("posts", "retry", "look for a failed or quarantined post, then send it again", ("post",)),
    "reopen": OperatorAction("posts", "reopen", "undo what an operator decided about a post", ("post",)),
    "edit": OperatorAction("", "edit", "change the text of a post that needs approval", ("post",), ("text",)),
    "approve": OperatorAction(
        "", "approve", "approve an edition; without ID, list those that need approval", ("post",)
    ),
    "decline": OperatorAction("", "decline", "decline an edition that needs approval", ("post",), ("reason", "later")),
    "pause": OperatorAction("", "pause", "pause a channel; its posts stay pending", ("channel",), ("reason",)),
    "resume": OperatorAction("", "resume", "resume a paused channel", ("channel",)),
    "pause-all": OperatorAction("", "pause-all", "stop everything: pause all channels at once", (), ("reason",)),
    "resume-all": OperatorAction("", "resume-all", "undo pause-all; channels that were paused before stay paused", ()),
    "confirm-alert": OperatorAction("alerts", "confirm", "do what the alert holds back", ("alert",)),
    "dismiss-alert": OperatorAction("alerts", "dismiss", "leave everything unchanged", ("alert",)),
}
