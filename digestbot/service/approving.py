"""Approve an edition; one that was made long ago is rendered again first, and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from digestbot.config import Config
from digestbot.errors import LedgerError
from digestbot.ledger import Ledger, approvals, backlogs, views
from digestbot.model import PostRow
from digestbot.service.drafting import Drafter
from digestbot.service.report import Clock

FRESH = timedelta(days=1)  # so long after an edition was rendered, it is approved as it is


@dataclass(frozen=True)
class Approved:
    """The posts that were approved; or those that were rendered again, say something else now, and need approval of
    that."""

    posts: tuple[int, ...] = ()
    rendered_again: tuple[PostRow, ...] = ()


class Approver:
    """Takes a person's approval."""

    def __init__(self, config: Config, ledger: Ledger, clock: Clock, drafter: Drafter) -> None:
        self._config, self._ledger, self._clock, self._drafter = config, ledger, clock, drafter

    def approve(self, post: int) -> Approved:
        """Approve the edition that the post is of. Raises LedgerError for one that does not wait, or has to be made
        again, and RenderError."""
        now = self._clock()
        with self._ledger.read() as tx:
            edition = approvals.undecided(tx, post, now)
            known = backlogs.by_ids(tx, edition.summaries, lock=False)
        configured = (edition.digest, edition.channel) in self._config.pairs()
        if not configured or now - edition.rendered_at <= FRESH:
            return self._approved(post)
        chosen = [known[id_] for id_ in edition.summaries if id_ in known]
        _, drafts = self._drafter.drafts(edition.digest, edition.channel, chosen, edition.shape)
        if [(draft.message.text, draft.message.link) for draft in drafts] == [
            (one.text, one.link) for one in edition.posts
        ]:
            return self._approved(post)
        same = [frozenset(draft.shows) for draft in drafts] == [one.shows for one in edition.posts]
        if edition.pictured or not same:
            with self._ledger.begin() as tx:
                approvals.decline(tx, post, "it would be made otherwise now", now, later=True)
            raise LedgerError(
                f"post {post} was made more than a day ago, and its edition would be made otherwise now: its summaries "
                "wait for the next edition"
            )
        ids = [one.id for one in edition.posts]
        with self._ledger.begin() as tx:
            approvals.render_again(tx, post, dict(zip(ids, drafts, strict=True)), now)
            return Approved(rendered_again=tuple(views.post_rows(tx, ids=ids)))

    def _approved(self, post: int) -> Approved:
        with self._ledger.begin() as tx:
            return Approved(tuple(approvals.approve(tx, post, self._clock())))
