"""The forecast: what will be posted when, by the same code that decides what is due now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from digestbot.domain import schedule
from digestbot.domain.budget import month_start
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Route, Shape, Summary
from digestbot.domain.schedule import (
    Blocker,
    Candidate,
    ChannelHistory,
    ChannelState,
    DigestHistory,
    DigestState,
    PendingPost,
    PlanEntry,
    PostingRules,
)
from digestbot.ledger import (
    backlog_overrides,
    candidates,
    channel_states,
    editions,
    monthly_costs,
    notifications,
    post_queue,
    queries,
)
from digestbot.pipeline.backlog_growth import BacklogGrowth
from digestbot.pipeline.post_builder import PostBuilder
from digestbot.pipeline.rule_book import DECIDE, RuleBook
from digestbot.pipeline.runtime import Runtime

MOST_KEPT = 5000  # renderings that are kept
PAGE = 100  # candidates in the first page of a backlog
MOST_AT_ONCE = 2000  # candidates in any later page
MOST_KNOWN = 20_000  # summaries that are kept in memory for all digests


@dataclass
class _Read:
    """The candidates of a backlog that have been read: ``rows`` is how many rows that took, ``most`` how many are read
    next."""

    candidates: list[Candidate] = field(default_factory=list)
    rows: int = 0
    most: int = PAGE


class Forecaster:
    """Forecasts what will be posted, from one ledger. Nothing is written."""

    def __init__(self, runtime: Runtime, book: RuleBook, growth: BacklogGrowth, post_builder: PostBuilder) -> None:
        self.runtime = runtime
        self._config, self._ledger, self._clock = runtime.config, runtime.ledger, runtime.clock
        self._book, self._growth, self._post_builder = book, growth, post_builder
        self._kept: dict[tuple[str, str, tuple[Summary, ...]], schedule.Rendered] | None = None
        self._queues: dict[Route, _Read] = {}  # the candidates read so far, once `remember` was called

    def forecast(
        self, begin: datetime, end: datetime, channels: Collection[str] | None = None, *, costs: bool = True
    ) -> list[PlanEntry]:
        """Return what will be posted between two instants, and which slots stay empty, unless something new arrives.

        ``channels`` limits the forecast to these channels; None means all. For ``costs``, see `foresee`.
        """
        return list(self.foresee(begin, end, channels, costs=costs))

    def foresee(
        self, begin: datetime, end: datetime, channels: Collection[str] | None = None, *, costs: bool = True
    ) -> Iterator[PlanEntry]:
        """Yield the entries of `forecast` one by one. Without ``costs``, posts are rendered only for channels with a
        budget, which is faster."""
        now = self._clock()
        only = next(iter(channels)) if channels is not None and len(channels) == 1 else None
        with self._ledger.read() as tx:
            self._book.refresh(tx, only)
            ahead = editions.recorded_ahead(tx, now)
            digest_histories = {
                route: replace(digest_history, ahead=ahead.get(route, ()))
                for route, digest_history in editions.digest_histories(tx, now, only).items()
            }
            undecided = self._book.undecided(tx) | self._book.would_ask(tx, now)
            asks = any(rules.timing.approval for rules in self._book.rules.values())
            approved = backlog_overrides.preapproved(tx) if asks else {}
            names = [name for name in self._config.channels if channels is None or name in channels]
            channel_states = {channel: self._road(tx, channel, now) for channel in names}
        known: dict[int, Summary] = {}
        plans = [
            replace(
                self._plan(route, digest_histories[route], now, end, approved.get(route, frozenset()), known),
                held=DECIDE if str(route) in undecided else "",
            )
            for route in self._book.rules
            if route in digest_histories and route.channel in channel_states
        ]

        def rendered(posting_rules: PostingRules, chosen: Sequence[Summary]) -> schedule.Rendered:
            if costs or channel_states[posting_rules.channel].budget is not None:
                return self._rendered(posting_rules, chosen)
            together = self._book.rules[Route(posting_rules.digest, posting_rules.channel)].shape is Shape.ROUNDUP
            return [(tuple(chosen), 0)] if together else [((one,), 0) for one in chosen]

        for row in schedule.simulate(plans, channel_states, rendered, now, end):
            if begin <= row.at <= end:
                yield row

    def dry_channels(self, tx: sa.Connection, now: datetime, span: timedelta) -> list[str]:
        """Return the channels on which nothing was posted for ``span``, and no pending summary can be posted within the
        next ``span``."""
        digest_histories = editions.digest_histories(tx, now)
        results = []
        for channel in self._config.channels:
            routes = [route for route in self._book.rules if route.channel == channel and route in digest_histories]
            last = notifications.last_post(tx, channel) or min(
                (digest_histories[route].first_seen for route in routes), default=now
            )
            if not routes or now - last < span or any(post.approved for post in post_queue.queued_posts(tx, channel)):
                continue
            if not any(
                next(self._growth.candidates(tx, route, digest_histories[route], now, now + span, 1), None)
                for route in routes
            ):
                results.append(channel)
        return results

    def _plan(
        self,
        route: Route,
        digest_history: DigestHistory,
        now: datetime,
        end: datetime,
        approved: frozenset[int],
        known: dict[int, Summary],
    ) -> DigestState:
        """Return the present state of the digest on the channel, for a simulation. ``known`` holds summaries that were
        read for other digests or channels."""
        rules = self._book.rules[route]
        timing = rules.timing
        since = schedule.window_begins(timing.window, digest_history, now) if timing.window else None
        kept = self._queues.setdefault(route, _Read()) if self._kept is not None else None
        passed_over: set[int] = set()

        def read_candidates() -> Iterator[Candidate]:
            """Yield the candidates. They are read in short transactions, so that a forecast does not block those who
            post."""
            if kept is not None:
                yield from kept.candidates
            read, most = (kept.rows, kept.most) if kept is not None else (0, PAGE)
            skips = passed_over if kept is None else ()  # candidates that are kept also serve later forecasts
            while most:
                with self._ledger.read() as tx:
                    if len(known) > MOST_KNOWN:
                        known.clear()
                    page, rows = candidates.candidate_page(
                        tx,
                        *route,
                        timing.order,
                        rules.filters,
                        now,
                        end,
                        since,
                        read,
                        most,
                        skips,
                        known,
                        papers_shown=timing.repeat_paper is not None,
                    )
                read, most = read + rows, min(most * 4, MOST_AT_ONCE) if rows == most else 0
                if kept is not None:
                    kept.candidates += page
                    kept.rows, kept.most = read, most
                yield from page

        shares_with = frozenset(rules.filters.shares_with)
        return DigestState(
            rules.posting_rules,
            timing,
            rules.shape,
            digest_history,
            read_candidates(),
            shares_with,
            approved,
            passed_over,
        )

    def remember(self) -> None:
        """Start keeping what a forecast renders, and what it reads from backlogs, for the next forecast."""
        self._kept = {}

    def forget_backlogs(self, channel: str) -> None:
        """Discard the candidates that were read for a channel, because its backlogs may have changed."""
        for route in self._book.routes(channel):
            self._queues.pop(route, None)

    def forget(self, summary: int | None) -> None:
        """Discard what was rendered from a summary, because its post will say something else; None discards everything
        rendered."""
        for key in list(self._kept or ()):
            if self._kept and (summary is None or any(one.id == summary for one in key[2])):
                self._kept.pop(key, None)

    def _rendered(self, posting_rules: PostingRules, chosen: Sequence[Summary]) -> schedule.Rendered:
        if self._kept is None:
            return self._render(posting_rules, chosen)
        key = posting_rules.digest, posting_rules.channel, tuple(chosen)
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._render(posting_rules, chosen)
        return self._kept[key]

    def _render(self, posting_rules: PostingRules, chosen: Sequence[Summary]) -> schedule.Rendered:
        try:
            return self._post_builder.groups(posting_rules.digest, posting_rules.channel, chosen)
        except RenderError as error:
            self._post_builder.raise_if_broken(Route(posting_rules.digest, posting_rules.channel), error)
            raise

    def holding(self, channel: str, post: int) -> list[Blocker]:
        """Return what keeps a pending post from being sent now, each with the time at which that may be over."""
        now = self._clock()
        with self._ledger.read() as tx:
            self._book.refresh(tx, channel)
            channel_state = self._road(tx, channel, now)
            shown = queries.parts_of(tx, post)
        ids = {row.id for row in shown} | {post}
        departures = [
            one for one in channel_state.channel_history.queue if one.post in ids
        ]  # a thread's entry is its first part
        pending_post = next((one for one in departures if one.post == post), departures[0] if departures else None)
        results = [Blocker(channel_state.note, None)] if channel_state.note else []
        if pending_post is None:
            return results
        if pending_post.note:  # it needs approval
            results.append(Blocker(pending_post.note, None))
        if channel_state.blocked_until is not None and channel_state.blocked_until > now:
            results.append(Blocker("an attempt failed, or the platform asked to wait", channel_state.blocked_until))
        if pending_post.not_before is not None and pending_post.not_before > now:
            results.append(Blocker("several attempts failed", pending_post.not_before))
        blocker = pending_post.blocker(channel_state.channel_history, now)
        if blocker is not None:
            results.append(blocker)
        if not channel_state.account(now).lets_through(pending_post.cost):
            results.append(Blocker(schedule.OVER_BUDGET, month_start(month_start(now) + timedelta(days=32))))
        return results

    def _road(self, tx: sa.Connection, channel: str, now: datetime) -> ChannelState:
        """Return the channel's state: what was published, what is queued, what was spent, and what blocks it."""
        state = channel_states.channel_state_now(tx, channel, now)
        queue, not_before = self._departures(tx, channel)
        channel_state = ChannelState(
            ChannelHistory(post_queue.published_posts(tx, channel, now), queue), self._config.budget(channel)
        )
        channel_state.spent[month_start(now)] = monthly_costs.spent(tx, channel, now)
        channel_state.note = f"the channel is paused: {state.pause_reason}" if state.pause_reason else ""
        channel_state.blocked_until = max((at for at in (state.wait_until, not_before) if at is not None), default=None)
        return channel_state

    def _departures(self, tx: sa.Connection, channel: str) -> tuple[list[PendingPost], datetime | None]:
        """Return the channel's pending posts, each with the replies to it, and until when the first of them waits for
        its next attempt."""
        results: list[PendingPost] = []
        edition, not_before = 0, None
        for post, shows in queries.upcoming_posts(tx, channel):
            not_before = not_before or (None if post.yields else post.not_before)
            if post.reply and results and post.edition == edition:
                before = results[-1]
                new = tuple(one for one in shows if one not in before.summaries)
                results[-1] = replace(before, summaries=before.summaries + new, cost=before.cost + post.cost)
            else:
                posting_rules = self._book.posting_rules(post.digest, channel)
                zone = posting_rules.calendar.zone
                until = f"{post.approve_by.astimezone(zone):%Y-%m-%d %H:%M %Z}" if post.approve_by else ""
                note = f"waits for approval until {until}" if until else ""
                results.append(
                    PendingPost(
                        posting_rules,
                        post.scheduled,
                        begins=not post.reply,
                        planned_at=post.planned_at,
                        slot=post.slot,
                        summaries=shows,
                        cost=post.cost,
                        post=post.post,
                        note=note,
                        not_before=post.not_before if post.yields else None,
                    )
                )
            edition = post.edition
        return results, not_before
