"""The verb amend: what becomes of posts whose summary was edited, lost its writer's name, or was withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digestbot import changes as rules
from digestbot.changes import Change, Kind
from digestbot.config import Config
from digestbot.errors import RenderError
from digestbot.ledger import Ledger, alarms, amendments, backlogs, changes, views
from digestbot.model import Action, Draft, Message, Platform, PostStatus, Reaction, Shape, Summary
from digestbot.service.report import Clock, Report

log = logging.getLogger(__name__)

WITHDRAWN = "This summary was withdrawn."


@dataclass(frozen=True)
class _Wanted:
    """What is to be done about a change."""

    change: Change
    action: Action
    message: Message | None


@dataclass(frozen=True)
class _Edition:
    """What a post's text is made of: its edition's shape, the post's place in it, of how many posts, and the summaries
    as they are now."""

    shape: Shape
    position: int
    count: int
    summaries: tuple[Summary, ...]


def _pair(change: Change) -> tuple[int, int]:
    return change.post, change.summary


class Amender:
    """Turns what was noted about published posts into updates and deletions, which are sent as posts are."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        drafts: Callable[[str, str, Sequence[Summary], Shape], tuple[Shape, list[Draft]]],
    ) -> None:
        self._config, self._ledger, self._clock, self._drafts = config, ledger, clock, drafts

    def amend(self, report: Report) -> None:
        """Decide about every change that is noted and waits for nobody's word."""
        with self._ledger.read() as tx:
            if not amendments.any_open(tx):
                return
            materials = {
                _pair(change): (change, self._edition(tx, change))
                for change in amendments.open_changes(tx)
                if change.status is PostStatus.PUBLISHED
            }
        # rendered before the ledger is locked: a template may take its time
        messages = {pair: self._message(change, edition) for pair, (change, edition) in materials.items()}
        now = self._clock()
        with self._ledger.begin() as tx:
            wanted: list[_Wanted] = []
            over: list[Change] = []
            for change in amendments.open_changes(tx):
                if change.status is PostStatus.PUBLISHED and not self._as_rendered(tx, change, materials):
                    continue  # it changed this moment: next time
                if change.status in changes.ON_ITS_WAY:
                    continue  # until it is known what there is to change
                if change.status is PostStatus.PENDING:
                    edited = change.kind is Kind.EDITED
                    stays = edited and (self._on_edit(change) is Reaction.IGNORE or amendments.goes_on(tx, change.post))
                    if not stays and changes.hold_back(tx, change.post, now):
                        continue  # until it is known whether it is there
                    if not stays:
                        changes.drop_pending(tx, change.post, change.kind, now)
                    over.append(change)
                    continue
                found = self._wanted(tx, change, messages.get(_pair(change)))
                if found is None:
                    over.append(change)
                else:
                    wanted.append(found)
            deletions = [one for one in wanted if one.action is Action.DELETE and not one.change.confirmed]
            lately = amendments.deletions_since(tx, now - rules.A_DAY)
            waiting = alarms.open_alarm(tx, "deletions", "posts") is not None
            summaries = {(one.change.channel, one.change.digest, one.change.summary) for one in deletions}
            if deletions and (waiting or rules.caught(len(summaries), lately)):
                note = amendments.hold(tx, [_pair(one.change) for one in deletions], lately, now)
                log.error("%s: digestbot alarms", note)
                wanted = [one for one in wanted if one not in deletions]
            for one in wanted:
                prices = self._config.prices(one.change.channel)
                cost = prices.delete if prices and one.action is Action.DELETE else 0
                made = amendments.amend(tx, one.change, one.action, one.message, now, cost)
                if made is not None:
                    report.made.append(made)
                    log.info("post %d: its summary was %s: %s", one.change.post, one.change.kind, one.action)
            amendments.settled(tx, [_pair(change) for change in (*over, *(one.change for one in wanted))])

    def _as_rendered(
        self, tx: sa.Connection, change: Change, materials: dict[tuple[int, int], tuple[Change, _Edition]]
    ) -> bool:
        """Whether nothing changed of what a message was made of."""
        return materials.get(_pair(change)) == (change, self._edition(tx, change))

    def _wanted(self, tx: sa.Connection, change: Change, message: Message | None) -> _Wanted | None:
        """What the digest wants done about a change; None for nothing. ``message`` is what the post would say."""
        if change.status is not PostStatus.PUBLISHED:
            return None
        settings = self._config.digests.get(change.digest)
        if settings is None or change.channel not in self._config.channels:
            log.error(
                "post %d: its summary was %s, but digest %s on %s is no longer configured: look after it by hand",
                change.post,
                change.kind,
                change.digest,
                change.channel,
            )
            return None
        shape, _, _, ids = amendments.edition_of(tx, change.post)
        platform = self._config.platform(change.channel)
        action = rules.reaction(change, platform, settings.on_edit, settings.on_withdraw, message)
        others = shape is Shape.ROUNDUP and platform is Platform.FACEBOOK and len(ids) > 1
        whole = message is not None and message.link == change.link and not change.pictured
        if action is Action.DELETE and others and whole:
            action = Action.UPDATE  # the post shows other summaries too: it continues without this one
        if action is not None and not change.own:
            self._leave(tx, change, action)
            return None
        if action is None and change.kind is not Kind.EDITED:
            log.warning("post %d: its summary was %s; as configured, the post stays", change.post, change.kind)
        return None if action is None else _Wanted(change, action, message)

    def _leave(self, tx: sa.Connection, change: Change, action: Action) -> None:
        """A post that digestbot did not publish is not touched; the operator is told what to do about it."""
        row = views.post_row(tx, change.post)
        where = row.receipt.url if row.receipt else "its platform"
        verb = "delete" if action is Action.DELETE else "edit"
        note = (
            f"the summary of post {change.post} was {change.kind}, but digestbot did not publish it (its address "
            f"was given by hand): {verb} it yourself at {where}"
        )
        alarms.raise_alarm(tx, "by-hand", str(change.post), note, self._clock())
        log.error("%s", note)

    def _on_edit(self, change: Change) -> Reaction:
        settings = self._config.digests.get(change.digest)
        return settings.on_edit if settings else Reaction.IGNORE

    @staticmethod
    def _edition(tx: sa.Connection, change: Change) -> _Edition:
        shape, position, count, ids = amendments.edition_of(tx, change.post)
        known = backlogs.by_ids(tx, ids if shape is Shape.ROUNDUP else [change.summary])
        return _Edition(shape, position, count, tuple(known[id_] for id_ in ids if id_ in known))

    def _message(self, change: Change, edition: _Edition) -> Message | None:
        """What the post would say today; None where that cannot be said."""
        if change.digest not in self._config.digests or change.channel not in self._config.channels:
            return None
        if self._config.platform(change.channel) is Platform.TWITTER:
            return None  # cannot be edited
        if not edition.summaries:
            return Message(WITHDRAWN, change.link) if change.kind is Kind.WITHDRAWN else None
        try:
            _, drafts = self._drafts(change.digest, change.channel, edition.summaries, edition.shape)
        except RenderError as error:
            log.error("post %d: its summary was %s, but it cannot be rendered: %s", change.post, change.kind, error)
            return None
        if edition.shape is Shape.SINGLE:
            return drafts[0].message
        return drafts[edition.position].message if len(drafts) == edition.count else None
