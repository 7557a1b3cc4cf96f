"""The verb amend: what becomes of posts whose summary was edited, lost its writer's name, or was withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from digestbot import changes as rules
from digestbot.changes import Change, Kind
from digestbot.config import Config
from digestbot.errors import RenderError
from digestbot.ledger import Ledger, backlogs, changes
from digestbot.model import Action, Message, Platform, PostStatus, Reaction, Summary
from digestbot.service.report import Clock, Report

log = logging.getLogger(__name__)

ON_ITS_WAY = (PostStatus.PUBLISHING, PostStatus.UNKNOWN, PostStatus.QUARANTINED)
WITHDRAWN = "This summary was withdrawn."


@dataclass(frozen=True)
class _Wanted:
    """What is to be done about a change."""

    change: Change
    action: Action
    message: Message | None


class Amender:
    """Turns what was noted about published posts into updates and deletions, which are sent as posts are."""

    def __init__(
        self, config: Config, ledger: Ledger, clock: Clock, message: Callable[[str, str, Summary], Message]
    ) -> None:
        self._config, self._ledger, self._clock, self._message = config, ledger, clock, message

    def amend(self, report: Report) -> None:
        """Decide about every change that is noted and waits for nobody's word."""
        with self._ledger.read() as tx:
            if not changes.any_open(tx):
                return
        now = self._clock()
        with self._ledger.begin() as tx:
            wanted, over = [], []
            for change in changes.open_changes(tx):
                if change.status in ON_ITS_WAY:
                    continue  # until it is known what there is to change
                if change.status is PostStatus.PENDING:
                    if change.kind is not Kind.EDITED or self._on_edit(change) is not Reaction.IGNORE:
                        changes.drop_pending(tx, change.post, change.kind, now)
                    over.append(change.post)
                    continue
                found = self._wanted(change, backlogs.by_id(tx, change.summary))
                if found is None:
                    over.append(change.post)
                else:
                    wanted.append(found)
            deletions = [one for one in wanted if one.action is Action.DELETE and not one.change.confirmed]
            lately = changes.deletions_since(tx, now - rules.A_DAY)
            waiting = changes.open_alarm(tx, "deletions", "posts") is not None
            if deletions and (waiting or rules.caught(len(deletions), lately)):
                note = changes.hold(tx, [one.change.post for one in deletions], lately, now)
                log.error("%s: digestbot alarms", note)
                wanted = [one for one in wanted if one not in deletions]
            for one in wanted:
                made = changes.amend(tx, one.change, one.action, one.message, now)
                if made is not None:
                    report.made.append(made)
                    log.info("post %d: its summary was %s: %s", one.change.post, one.change.kind, one.action)
            changes.settled(tx, [*over, *(one.change.post for one in wanted)])

    def _wanted(self, change: Change, summary: Summary | None) -> _Wanted | None:
        """What the digest wants done about a change; None for nothing."""
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
        message = self._now(change, summary)
        platform = self._config.platform(change.channel)
        action = rules.reaction(change, platform, settings.on_edit, settings.on_withdraw, message)
        if action is None and change.kind is not Kind.EDITED:
            log.warning("post %d: its summary was %s; as configured, the post stays", change.post, change.kind)
        return None if action is None else _Wanted(change, action, message)

    def _on_edit(self, change: Change) -> Reaction:
        settings = self._config.digests.get(change.digest)
        return settings.on_edit if settings else Reaction.IGNORE

    def _now(self, change: Change, summary: Summary | None) -> Message | None:
        """What the post would say today; None where that cannot be said."""
        if self._config.platform(change.channel) is Platform.TWITTER:
            return None  # cannot be edited
        if change.kind is Kind.WITHDRAWN:
            return Message(WITHDRAWN, change.link)
        if summary is None:
            return None
        try:
            return self._message(change.digest, change.channel, summary)
        except RenderError as error:
            log.error("post %d: its summary was %s, but it cannot be rendered: %s", change.post, change.kind, error)
            return None
