"""The edit handler: it decides what becomes of a post whose summary was edited, withdrawn, or lost its writer's
name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digestbot.domain import edits
from digestbot.domain.edits import EditKind, SummaryEdit
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Action, Draft, Message, PostStatus, Reaction, Shape, Summary
from digestbot.ledger import alerts, edit_log, edit_queue, queries, summary_rows
from digestbot.pipeline.report import Report
from digestbot.pipeline.runtime import Runtime

log = logging.getLogger(__name__)

WITHDRAWN = "This summary was withdrawn."


@dataclass(frozen=True)
class _Wanted:
    """An update or a deletion of a post, with the change of its summary that requires it."""

    change: SummaryEdit
    action: Action
    message: Message | None


@dataclass(frozen=True)
class _Edition:
    """What a post's text is made of: its edition's shape, the post's position among ``count`` posts, and the summaries
    as they are now."""

    shape: Shape
    position: int
    count: int
    summaries: tuple[Summary, ...]


def _pair(change: SummaryEdit) -> tuple[int, int]:
    return change.post, change.summary


class EditHandler:
    """Turns changes of published summaries into updates and deletions of their posts, which are sent like posts."""

    def __init__(
        self,
        runtime: Runtime,
        drafts: Callable[[str, str, Sequence[Summary], Shape], tuple[Shape, list[Draft]]],
    ) -> None:
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._drafts = drafts

    def amend(self, report: Report) -> None:
        """Decide about every open change that does not wait for the operator, and create the updates and deletions."""
        with self._ledger.read() as tx:
            if not edit_queue.any_open(tx):
                return
            materials = {
                _pair(change): (change, self._edition(tx, change))
                for change in edit_queue.open_changes(tx)
                if change.status is PostStatus.PUBLISHED
            }
        # rendered before the ledger is locked, because a template may be slow
        messages = {pair: self._message(change, edition) for pair, (change, edition) in materials.items()}
        now = self._clock()
        with self._ledger.begin() as tx:
            wanted: list[_Wanted] = []
            over: list[SummaryEdit] = []
            for change in edit_queue.open_changes(tx):
                if change.status is PostStatus.PUBLISHED and not self._as_rendered(tx, change, materials):
                    continue  # it has just changed again: leave it to the next run
                if change.status in edit_log.ON_ITS_WAY:
                    continue  # wait until the post's outcome is known
                if change.status is PostStatus.PENDING:
                    edited = change.kind is EditKind.EDITED
                    stays = edited and (
                        self._on_edit(change) is Reaction.IGNORE or edit_queue.is_under_way(tx, change.post)
                    )
                    if not stays and edit_log.hold_back(tx, change.post, now):
                        continue  # wait until it is known whether the post is on the platform
                    if not stays:
                        edit_log.drop_pending(tx, change.post, change.kind, now)
                    over.append(change)
                    continue
                result = self._wanted(tx, change, messages.get(_pair(change)))
                if result is None:
                    over.append(change)
                else:
                    wanted.append(result)
            deletions = [one for one in wanted if one.action is Action.DELETE and not one.change.confirmed]
            lately = edit_queue.deletions_since(tx, now - edits.A_DAY)
            waiting = alerts.open_alert(tx, "deletions", "posts") is not None
            summaries = {(one.change.channel, one.change.digest, one.change.summary) for one in deletions}
            if deletions and (waiting or edits.exceeds_deletion_limit(len(summaries), lately)):
                note = edit_queue.hold_deletions(tx, [_pair(one.change) for one in deletions], lately, now)
                log.error("%s: digestbot alerts", note)
                wanted = [one for one in wanted if one not in deletions]
            for one in wanted:
                prices = self._config.prices(one.change.channel)
                cost = prices.delete if prices and one.action is Action.DELETE else 0
                made = edit_queue.create_edit(tx, one.change, one.action, one.message, now, cost)
                if made is not None:
                    report.made.append(made)
                    log.info("post %d: its summary was %s: %s", one.change.post, one.change.kind, one.action)
            edit_queue.mark_settled(tx, [_pair(change) for change in (*over, *(one.change for one in wanted))])

    def _as_rendered(
        self, tx: sa.Connection, change: SummaryEdit, materials: dict[tuple[int, int], tuple[SummaryEdit, _Edition]]
    ) -> bool:
        """Return whether the change and the summaries are still those that the message was rendered from."""
        return materials.get(_pair(change)) == (change, self._edition(tx, change))

    def _wanted(self, tx: sa.Connection, change: SummaryEdit, message: Message | None) -> _Wanted | None:
        """Return the update or deletion that the digest wants for a change; None for nothing. ``message`` is what the
        post would say now.

        For a post that digestbot did not publish, an alert is raised instead.
        """
        if change.status is not PostStatus.PUBLISHED:
            return None
        settings = self._config.digests.get(change.digest)
        if settings is None or change.channel not in self._config.channels:
            log.error(
                "post %d: its summary was %s, but digest %s on %s is no longer configured: handle it yourself",
                change.post,
                change.kind,
                change.digest,
                change.channel,
            )
            return None
        shape, _, _, ids = edit_queue.edition_of(tx, change.post)
        platform = self._config.platform(change.channel)
        action = edits.reaction(change, settings.on_edit, settings.on_withdraw, message, can_edit=platform.can_edit)
        others = shape is Shape.ROUNDUP and platform.can_edit and len(ids) > 1
        whole = message is not None and message.link == change.link and not change.pictured
        if action is Action.DELETE and others and whole:
            action = Action.UPDATE  # the post shows other summaries too: keep it, without this one
        if action is not None and not change.own:
            self._leave(tx, change, action)
            return None
        if action is None and change.kind is not EditKind.EDITED:
            log.warning("post %d: its summary was %s; as configured, the post is kept", change.post, change.kind)
        return None if action is None else _Wanted(change, action, message)

    def _leave(self, tx: sa.Connection, change: SummaryEdit, action: Action) -> None:
        """Raise an alert that tells the operator how to change a post that digestbot did not publish and will not
        touch."""
        row = queries.post_row(tx, change.post)
        where = row.receipt.url if row.receipt else "its platform"
        verb = "delete" if action is Action.DELETE else "edit"
        note = (
            f"the summary of post {change.post} was {change.kind}, but digestbot did not publish it (an operator "
            f"entered its URL): {verb} it yourself at {where}"
        )
        alerts.raise_alert(tx, "by-hand", str(change.post), note, self._clock())
        log.error("%s", note)

    def _on_edit(self, change: SummaryEdit) -> Reaction:
        settings = self._config.digests.get(change.digest)
        return settings.on_edit if settings else Reaction.IGNORE

    @staticmethod
    def _edition(tx: sa.Connection, change: SummaryEdit) -> _Edition:
        shape, position, count, ids = edit_queue.edition_of(tx, change.post)
        known = summary_rows.summaries_by_id(tx, ids if shape is Shape.ROUNDUP else [change.summary])
        return _Edition(shape, position, count, tuple(known[id_] for id_ in ids if id_ in known))

    def _message(self, change: SummaryEdit, edition: _Edition) -> Message | None:
        """Return what the post would say now; None if it cannot be edited or rendered."""
        if change.digest not in self._config.digests or change.channel not in self._config.channels:
            return None
        if not self._config.platform(change.channel).can_edit:
            return None  # cannot be edited
        if not edition.summaries:
            return Message(WITHDRAWN, change.link) if change.kind is EditKind.WITHDRAWN else None
        try:
            _, drafts = self._drafts(change.digest, change.channel, edition.summaries, edition.shape)
        except RenderError as error:
            log.error("post %d: its summary was %s, but it cannot be rendered: %s", change.post, change.kind, error)
            return None
        if edition.shape is Shape.SINGLE:
            return drafts[0].message
        return drafts[edition.position].message if len(drafts) == edition.count else None
