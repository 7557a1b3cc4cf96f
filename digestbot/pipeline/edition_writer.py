"""Write an edition into the ledger, or record that its slot stayed empty, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from digestbot.domain import schedule
from digestbot.domain.budget import Budget
from digestbot.domain.model import Draft, Route, Shape, Slot
from digestbot.domain.schedule import SlotDecision
from digestbot.ledger import backlog, backlog_overrides, editions, monthly_costs
from digestbot.pipeline.report import Report
from digestbot.pipeline.rule_book import RuleBook
from digestbot.pipeline.runtime import Runtime

log = logging.getLogger(__name__)


class EditionWriter:
    """Writes editions into the ledger, as far as the channel's budget and other processes allow."""

    def __init__(self, runtime: Runtime, book: RuleBook) -> None:
        self._config, self._ledger, self._clock, self._book = runtime.config, runtime.ledger, runtime.clock, book

    def reach(
        self,
        route: Route,
        decision: SlotDecision,
        slot: Slot,
        shape: Shape,
        drafts: Sequence[Draft],
        report: Report,
        *,
        scheduled: bool,
        needs_approval: bool = False,
    ) -> tuple[bool, bool]:
        """Mark the slot as reached and make its edition. Return whether an edition was made, and whether the slot was
        reached here rather than by another process.

        A scheduled slot without an edition is marked too: summaries that arrive later wait for the next slot.
        """
        (digest, channel), now = route, self._clock()
        timing = self._book.rules[route].timing
        made: list[int] = []
        ids = [summary.id or 0 for summary in decision.chosen]
        outcome: str | None = None
        try:
            with self._ledger.begin() as tx:
                if not decision.chosen:
                    outcome = decision.reason
                elif not self._is_paid_for(tx, channel, drafts, now):
                    outcome = schedule.OVER_BUDGET
                slot_id = editions.reach_slot(tx, digest, channel, slot, now, scheduled=scheduled, outcome=outcome)
                asks = timing.approval and scheduled and not backlog_overrides.are_preapproved(tx, digest, channel, ids)
                asks = asks or needs_approval
                approve_by = self._ledger.now(tx) + timing.approve_by if asks else None
                if outcome is None:
                    shares_with = self._book.rules[route].filters.shares_with
                    made = editions.make_edition(
                        tx,
                        slot_id,
                        digest,
                        channel,
                        decision.chosen,
                        drafts,
                        now,
                        shape,
                        approve_by,
                        shares_with,
                        slot.at if scheduled else None,
                    )
                    report.made += made
        except editions.TakenElsewhereError:
            with self._ledger.begin() as tx:
                backlog.reset_verdicts(tx, digest, channel, ids)
            log.info("digest %s on %s: slot %s: another process handled it first", digest, channel, slot.nominal)
            return False, False
        if made:
            waits = ", which needs approval: digestbot approve" if approve_by else ""
            result = f"creates post {', '.join(map(str, made))}{waits}"
        else:
            result = f"creates no post: {outcome}"
        log.info("digest %s on %s: slot %s %s", digest, channel, slot.nominal, result)
        if decision.chosen and not made and not scheduled:
            report.troubles.append(f"{channel}: the month's budget has no room for this edition")
        return bool(made), True

    def _is_paid_for(self, tx: sa.Connection, channel: str, drafts: Sequence[Draft], now: datetime) -> bool:
        """Return whether the month's budget covers the edition in addition to what is pending. If it does not, raise an
        alert."""
        budget = self._config.budget(channel)
        if budget is None:
            monthly_costs.clear_budget_alerts(tx, channel, Budget(0, None), now)
            return True
        account = Budget(monthly_costs.spent(tx, channel, now) + monthly_costs.reserved(tx, channel), budget)
        cost = sum(draft.cost for draft in drafts)
        if account.lets_through(cost):
            monthly_costs.clear_budget_alerts(tx, channel, account, now)
            return True
        if monthly_costs.alert_exhausted(tx, channel, account, cost, now):
            log.error("channel %s: the month's budget is used up: digestbot alerts", channel)
        return False
