"""The check, before a post is sent, of whether it is already on the channel's timeline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.domain.model import Claim, PostStatus, TimelinePost
from digestbot.domain.reconciliation import TimelineReading, Verdict, judge_before_sending, matches
from digestbot.ledger import Ledger, channel_states, timeline_checks
from digestbot.ledger.rollback_detection import Marker
from digestbot.pipeline.timeline_reader import ReadRequest, TimelineReader
from digestbot.platforms.base import Publisher

log = logging.getLogger(__name__)

START = "digestbot was started"


class PreSendCheck:
    """Checks whether a post that is about to be sent is already on its channel's timeline."""

    def __init__(
        self, config: Config, ledger: Ledger, publisher: Callable[[str], Publisher], reader: TimelineReader
    ) -> None:
        self._config, self._ledger, self._publisher, self._reader = config, ledger, publisher, reader
        self.looked: set[str] = set()
        """The channels whose timeline this process has read."""
        self.remembered: dict[str, int] = {}
        """For each channel, how many posts of its timeline the ledger held when its last post was claimed."""
        # for each channel, how many posts of its timeline the ledger held, and these posts
        self._elsewhere: dict[str, tuple[int, list[TimelinePost]]] = {}
        self._marker: Marker | None = None
        self.marker_lock = threading.Lock()

    def marker(self) -> Marker:
        """Return the marker, which holds what this machine published last; it is read on first use."""
        with self.marker_lock:
            if self._marker is None:
                self._marker = Marker.read(self._ledger.marker)
            return self._marker

    def compare_with_marker(
        self, tx: sa.Connection, channel: str, state: channel_states.ChannelRecord, identity: str
    ) -> channel_states.ChannelRecord:
        """Compare the ledger with what this machine published last, unless this process has already read the timeline.
        Return the channel's state; it has to catch up if the ledger may not be the newest."""
        account = self._config.account(channel)
        if channel in self.looked or state.catch_up or state.accepted or account is None:
            return state
        doubt = self.marker().doubts(tx, identity, channel, account)
        if not doubt:
            return state
        log.error("channel %s: %s: its timeline is read before anything is posted", channel, doubt)
        channel_states.catch_up(tx, channel, doubt)
        return replace(state, catch_up=doubt)

    def look(self, claim: Claim) -> Verdict | None:
        """Return what is known about a post that may already be on the timeline; None if it may be sent. The timeline
        is read if the claim requires it."""
        if not claim.check_first:
            return self._known_elsewhere(claim)
        publisher = self._publisher(claim.channel)
        comments = claim.reply_to is not None and publisher.replies_apart
        request = self._request(claim)
        reading = self._reader.read(request)
        soft = claim.check_first == START and bool(reading.trouble)
        trusted = soft and self.marker().receipt(self._config.account(claim.channel)) is not None
        trusted = trusted or (claim.accepted and bool(reading.trouble))
        with self._ledger.begin() as tx:
            now = self._ledger.now(tx)
            caught_up = not comments and not reading.trouble
            if not comments:
                timeline_checks.remember_timeline(tx, claim.channel, reading.posts, caught_up=caught_up)
            claimed = timeline_checks.claimed_receipts(tx, claim.channel, [post.id for post in reading.posts])
            verdict = judge_before_sending(claim.message, reading, claimed, claim.dismissed, claim.first_sent_at)
            if verdict is not None and verdict.status is PostStatus.PENDING and trusted:
                verdict = None  # this machine's marker agrees with the ledger, or an operator accepted it
            note = verdict.note if verdict else reading.trouble or "not on the timeline"
            whose = {"post": claim.post, "epoch": claim.epoch - 1}  # the check says nothing about this attempt
            sound = not reading.trouble
            timeline_checks.record_check(
                tx, claim.channel, note, reading.count, reading.cost, now, sound=sound, **whose
            )
        if caught_up or trusted:
            self.looked.add(claim.channel)
        self._elsewhere.pop(claim.channel, None)
        return verdict or self._known_elsewhere(claim)

    def _request(self, claim: Claim) -> ReadRequest:
        """Return how far back the timeline is to be read for a claim."""
        with self._ledger.read() as tx:
            if claim.first_sent_at is not None:
                known = tuple(timeline_checks.anchors(tx, claim.channel, claim.first_sent_at))
            else:
                known = tuple(timeline_checks.newest_anchors(tx, claim.channel, self._ledger.now(tx)))
            own = timeline_checks.any_receipt(tx, claim.channel)
        if claim.first_sent_at is not None or own:
            return ReadRequest(claim.channel, known, claim.first_sent_at, claim.reply_to)
        # nothing is known about the account: read as much of its timeline as possible
        noted = self.marker().receipt(self._config.account(claim.channel))
        witnesses = frozenset([noted] if noted else [])
        return ReadRequest(claim.channel, reply_to=claim.reply_to, witnesses=witnesses, as_far_as_possible=not noted)

    def _known_elsewhere(self, claim: Claim) -> Verdict | None:
        """Compare a post with the stored timeline posts that are not from this ledger: other people's, or our own from
        a lost ledger. Return None if the post may be sent."""
        if claim.reply_to is not None and self._publisher(claim.channel).replies_apart:
            return None
        if not (claim.check_first or self.remembered.get(claim.channel, 1)):
            return None
        with self._ledger.read() as tx:
            count = timeline_checks.remembered_count(tx, claim.channel)
            if not count:
                return None
            if self._elsewhere.get(claim.channel, (0, []))[0] != count:  # another process may have read it too
                self._elsewhere[claim.channel] = count, timeline_checks.remembered_timeline(tx, claim.channel)
            remembered = self._elsewhere[claim.channel][1]
            results = [post for some in matches(claim.message, remembered) for post in some]
            claimed = timeline_checks.claimed_receipts(tx, claim.channel, [post.id for post in results])
        known = TimelineReading(tuple(results))
        return judge_before_sending(claim.message, known, claimed, claim.dismissed, claim.first_sent_at)
