"""What a person does on the pages: each a verb with the fields of its form, what it says when done, and its undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from digestbot.config import Config
from digestbot.errors import LedgerError
from digestbot.ledger import amendments, approvals, channel_states, views, wishes
from digestbot.service.rearranging import at_local
from digestbot.web.desk import Desk, Note

Fields = Mapping[str, str]
Pair = tuple[str, str]


def act(desk: Desk, verb: str, fields: Fields) -> Note:
    """Do it, and say what was done. Raises DigestbotError where it cannot be done, KeyError for an unknown verb."""
    note = VERBS[verb](desk, fields)
    summary = fields.get("summary", "")
    desk.changed(fields.get("channel") or None, int(summary) if summary.isdecimal() else None)
    return note


def _pair(config: Config, fields: Fields) -> Pair:
    pair = _text(fields, "digest"), _text(fields, "channel")
    if pair not in config.pairs():
        raise LedgerError(f"digest {pair[0]} is not configured for {pair[1]}")
    return pair


def _text(fields: Fields, name: str) -> str:
    found = fields.get(name, "").strip()
    if not found:
        raise LedgerError(f"say what {name} it is about")
    return found


def _id(fields: Fields, name: str) -> int:
    found = _text(fields, name)
    if not (found.isascii() and found.isdecimal() and len(found) < 19):
        raise LedgerError(f"{found!r} is not the number of a {name}")
    return int(found)


def _ids(fields: Fields) -> list[int]:
    return [_id({"summary": one}, "summary") for one in fields.get("summaries", "").split(",") if one]


# ---- what waits in a backlog


def _wish(said: str, undo: str, do: Callable[..., None]) -> Callable[[Desk, Fields], Note]:
    """A verb about one waiting summary."""

    def act(desk: Desk, fields: Fields) -> Note:
        pair, summary = _pair(desk.config, fields), _id(fields, "summary")
        with desk.ledger.begin() as tx:
            do(tx, pair, summary, desk)
        subject = {"digest": pair[0], "channel": pair[1], "summary": str(summary)}
        return Note(f"Summary {summary} {said} ({pair[0]} on {pair[1]}).", undo=undo, fields=subject)

    return act


def _write(desk: Desk, fields: Fields) -> Note:
    pair, summary = _pair(desk.config, fields), _id(fields, "summary")
    with desk.service() as service:
        service.rearranger.write(pair, summary, fields.get("text", ""))
    subject = {"digest": pair[0], "channel": pair[1], "summary": str(summary)}
    return Note(f"The post of summary {summary} will say what you wrote.", undo="unwrite", fields=subject)


def _approve_ahead(desk: Desk, fields: Fields) -> Note:
    pair, ids = _pair(desk.config, fields), _ids(fields)
    with desk.ledger.begin() as tx:
        wishes.approve_ahead(tx, pair, ids, desk.clock())
    subject = {"digest": pair[0], "channel": pair[1], "summaries": fields["summaries"]}
    return Note("Approved: when its slot comes, it goes out.", undo="unapprove", fields=subject)


def _unapprove(desk: Desk, fields: Fields) -> Note:
    with desk.ledger.begin() as tx:
        wishes.approve_ahead(tx, _pair(desk.config, fields), _ids(fields), None)
    return Note("It waits for approval again.")


# ---- slots


def _move_slot(desk: Desk, fields: Fields) -> Note:
    pair, slot = _pair(desk.config, fields), _text(fields, "slot")
    to = at_local(_text(fields, "to"), pair, desk.config, desk.clock())
    with desk.service() as service:
        service.rearranger.move(pair, slot, to)
    local = to.astimezone(desk.config.zone(*pair))
    return Note(
        f"The slot of {slot} comes at {local:%a %d %b, %H:%M %Z}.", undo="restore-slot", fields=_slot(pair, slot)
    )


def _skip_slot(desk: Desk, fields: Fields) -> Note:
    pair, slot = _pair(desk.config, fields), _text(fields, "slot")
    with desk.service() as service:
        service.rearranger.skip(pair, slot)
    said = f"The slot of {slot} does not come; what was to go out waits for the next."
    return Note(said, undo="restore-slot", fields=_slot(pair, slot))


def _restore_slot(desk: Desk, fields: Fields) -> Note:
    pair, slot = (_text(fields, "digest"), _text(fields, "channel")), _text(fields, "slot")  # configured still or not
    with desk.service() as service:
        service.rearranger.restore(pair, slot)
    return Note(f"The slot of {slot} comes as the schedule has it.")


def _send_slot(desk: Desk, fields: Fields) -> Note:
    pair = _pair(desk.config, fields)
    with desk.service() as service:
        made = service.rearranger.send_now(pair, _text(fields, "slot"), _ids(fields))
    return Note(f"Made as {_numbers(made)}; sent within seconds.")


def _slot(pair: Pair, slot: str) -> dict[str, str]:
    return {"digest": pair[0], "channel": pair[1], "slot": slot}


# ---- posts


def _move_post(desk: Desk, fields: Fields) -> Note:
    post = _id(fields, "post")
    with desk.ledger.read() as tx:
        row = views.post_row(tx, post)
    pair = _pair(desk.config, {"digest": row.digest, "channel": row.channel})
    to = at_local(_text(fields, "to"), pair, desk.config, desk.clock())
    with desk.service() as service:
        service.rearranger.move_post(post, to)
    local = to.astimezone(desk.config.zone(*pair))
    return Note(f"Post {post} was taken back; it is made anew at {local:%a %d %b, %H:%M %Z}.")


def _let_go(desk: Desk, fields: Fields) -> Note:
    post = _id(fields, "post")
    with desk.ledger.begin() as tx:
        approvals.let_go(tx, post)
    return Note(f"Post {post} is sent within seconds, whatever the hour.")


def _approve(desk: Desk, fields: Fields) -> Note:
    post = _id(fields, "post")
    with desk.service() as service:
        approved = service.approver.approve(post)
    if approved.rendered_again:
        text = " / ".join(row.text for row in approved.rendered_again)
        return Note(
            f"Made more than a day ago, so rendered again. Approve it once more if it is right: {text}", bad=True
        )
    return Note(f"Approved: {_numbers(approved.posts)}; sent within seconds, as far as the digest's hours allow.")


def _decline(desk: Desk, fields: Fields) -> Note:
    later = fields.get("later") == "yes"
    with desk.ledger.begin() as tx:
        reason = fields.get("reason", "").strip() or "by hand"
        declined = approvals.decline(tx, _id(fields, "post"), reason, desk.clock(), later=later)
    what = "its summaries wait for another edition" if later else "its summaries are skipped"
    return Note(f"Not sent: {_numbers(declined)}; {what}.")


def _rewrite(desk: Desk, fields: Fields) -> Note:
    post = _id(fields, "post")
    with desk.ledger.read() as tx:
        before = views.post_row(tx, post).text
    with desk.service() as service:
        service.rearranger.rewrite(post, fields.get("text", ""))
    undo = {"post": str(post), "text": before}
    return Note(f"Post {post} says what you wrote; it still waits for approval.", undo="rewrite", fields=undo)


def _resolve(desk: Desk, fields: Fields) -> Note:
    post, decision = _id(fields, "post"), fields.get("decision", "")
    with desk.service() as service:
        if decision == "published":
            done = service.resolver.published(post, _text(fields, "address"))
        elif decision in ("retry", "skip"):
            done = service.resolver.retry(post) if decision == "retry" else service.resolver.skip(post)
        else:
            raise LedgerError("choose whether it is published, is to be sent again, or is not wanted")
    said = f"Post {post} was {done.before} and is {done.after}."
    if done.there is not None:
        said += f" On the platform it reads: “{done.there.text}” "
        said += "That is our text." if done.same else "Our text is another: digestbot will never edit or delete it."
    return Note(said, undo="" if decision == "retry" else "reopen", fields={"post": str(post)})


def _reopen(desk: Desk, fields: Fields) -> Note:
    post = _id(fields, "post")
    with desk.service() as service:
        done = service.resolver.reopen(post)
    return Note(f"Post {post} was {done.before} and is quarantined again.")


# ---- channels and alarms


def _channel(desk: Desk, fields: Fields) -> str:
    channel = _text(fields, "channel")
    if channel not in desk.config.channels:
        raise LedgerError(f"there is no channel {channel}")
    return channel


def _pause(desk: Desk, fields: Fields) -> Note:
    channel = _channel(desk, fields)
    with desk.ledger.begin() as tx:
        channel_states.pause(tx, channel, fields.get("reason", "").strip() or "paused by hand", desk.clock())
    return Note(f"Channel {channel} is paused; its posts wait.", undo="resume", fields={"channel": channel})


def _resume(desk: Desk, fields: Fields) -> Note:
    channel = _channel(desk, fields)
    with desk.ledger.begin() as tx:
        channel_states.resume(tx, channel)
    return Note(f"Channel {channel} resumed.")


def _alarm(confirm: bool) -> Callable[[Desk, Fields], Note]:
    def act(desk: Desk, fields: Fields) -> Note:
        with desk.ledger.begin() as tx:
            held = amendments.decide_alarm(tx, _id(fields, "alarm"), confirm=confirm, now=desk.clock())
        posts = f"; {held} posts {'are changed within seconds' if confirm else 'stay as they are'}" if held else ""
        return Note(f"The alarm is {'confirmed' if confirm else 'dismissed'}{posts}.")

    return act


def _numbers(ids: Sequence[int]) -> str:
    return f"post{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"


VERBS: dict[str, Callable[[Desk, Fields], Note]] = {
    "pin": _wish("goes first", "unpin", lambda tx, pair, id_, desk: wishes.pin(tx, pair, [id_], desk.clock())),
    "unpin": _wish("waits for its turn", "pin", lambda tx, pair, id_, _: wishes.unpin(tx, pair, id_)),
    "hold": _wish("is held", "release", lambda tx, pair, id_, _: wishes.hold(tx, pair, id_)),
    "release": _wish("is held no longer", "hold", lambda tx, pair, id_, _: wishes.release(tx, pair, id_)),
    "skip": _wish("is skipped", "take-in", lambda tx, pair, id_, _: wishes.skip(tx, pair, id_)),
    "take-in": _wish("waits again", "skip", lambda tx, pair, id_, _: wishes.take_in(tx, pair, id_)),
    "unwrite": _wish(
        "is posted as the template has it", "", lambda tx, pair, id_, _: wishes.write(tx, pair, id_, None)
    ),
    "write": _write,
    "approve-ahead": _approve_ahead,
    "unapprove": _unapprove,
    "move-slot": _move_slot,
    "skip-slot": _skip_slot,
    "restore-slot": _restore_slot,
    "send-slot": _send_slot,
    "move-post": _move_post,
    "let-go": _let_go,
    "approve": _approve,
    "decline": _decline,
    "rewrite": _rewrite,
    "resolve": _resolve,
    "reopen": _reopen,
    "pause": _pause,
    "resume": _resume,
    "confirm": _alarm(confirm=True),
    "dismiss": _alarm(confirm=False),
}
