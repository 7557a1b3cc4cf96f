"""The rules that keep existing posts from appearing on a channel for now."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from digestbot.config import Config
from digestbot.config.rules import build_posting_rules
from digestbot.domain.model import Claim
from digestbot.domain.schedule import Blocker, ChannelHistory, QueuedPost
from digestbot.ledger import post_queue


class ChannelRules:
    """The posting rules of each digest on each channel.

    Under an empty digest name they are the channel's own, which apply to digests that are no longer configured.
    """

    def __init__(self, config: Config) -> None:
        self._posting_rules = {
            channel: {digest: build_posting_rules(config, digest, channel) for digest in ("", *config.digests)}
            for channel in config.channels
        }

    def blockers(self, tx: sa.Connection, channel: str, now: datetime) -> tuple[dict[str, Blocker], int]:
        """Return which of the digests with pending posts may not post on the channel now, each with its blocker, and
        how many digests have pending posts.

        Posts that need approval do not count. If no rule restricts the channel, return no blockers and 0.
        """
        rules_by_digest = self._posting_rules[channel]
        if all(posting_rules.free for posting_rules in rules_by_digest.values()):
            return {}, 0
        waiting = {post.digest for post in post_queue.queued_posts(tx, channel) if post.approved}
        if not waiting:
            return {}, 0
        channel_history: ChannelHistory[QueuedPost] = ChannelHistory(post_queue.published_posts(tx, channel, now))
        results = {
            digest: rules_by_digest.get(digest, rules_by_digest[""]).blocker(channel_history, now) for digest in waiting
        }
        return {digest: one for digest, one in results.items() if one is not None}, len(waiting)

    def record_planned_time(self, tx: sa.Connection, claim: Claim, now: datetime) -> None:
        """Record when the claimed post was meant to appear: at its slot's time, or as soon after that as nothing
        blocked it. Only a post's first claim is recorded."""
        rules_by_digest = self._posting_rules[claim.channel]
        if claim.epoch != 1 or all(posting_rules.free for posting_rules in rules_by_digest.values()):
            return
        planned = post_queue.planned_time(tx, claim.post)
        if planned is not None:
            digest, wanted = planned
            channel_history: ChannelHistory[QueuedPost] = ChannelHistory(
                post_queue.published_posts(tx, claim.channel, now)
            )
            at = rules_by_digest.get(digest, rules_by_digest[""]).planned_at(channel_history, min(wanted, now), now)
            if at != wanted:
                post_queue.set_planned_time(tx, claim.post, at)
