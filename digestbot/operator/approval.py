"""Approval of editions. One that was rendered more than a day ago is rendered again first, and shown if its text
changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from digestbot.domain.errors import LedgerError
from digestbot.domain.model import PostRow
from digestbot.ledger import approvals, queries, summary_rows
from digestbot.pipeline.app import Service

FRESH = timedelta(days=1)  # an edition rendered within this time is approved without rendering it again


@dataclass(frozen=True)
class ApprovalResult:
    """The posts that were approved, or those that were rendered again with another text, which needs approval."""

    posts: tuple[int, ...] = ()
    rendered_again: tuple[PostRow, ...] = ()


class Approver:
    """Approves editions on behalf of an operator."""

    def __init__(self, service: Service) -> None:
        self._config, self._ledger, self._clock = service.config, service.ledger, service.clock
        self._post_builder = service.post_builder

    def approve(self, post: int) -> ApprovalResult:
        """Approve the edition that the post belongs to, or return its posts rendered again if their text has changed.

        Raises LedgerError if the edition needs no approval. Also raises it if the edition would be composed differently
        now or has pictures: it is then declined, and its summaries stay pending. Raises RenderError if it cannot be
        rendered.
        """
        now = self._clock()
        with self._ledger.read() as tx:
            edition = approvals.pending_approval(tx, post, now)
            known = summary_rows.summaries_by_id(tx, edition.summaries, lock=False)
        configured = (edition.digest, edition.channel) in self._config.routes()
        if not configured or now - edition.rendered_at <= FRESH:
            return self._approved(post)
        chosen = [known[id_] for id_ in edition.summaries if id_ in known]
        _, drafts = self._post_builder.drafts(edition.digest, edition.channel, chosen, edition.shape)
        if [(draft.message.text, draft.message.link) for draft in drafts] == [
            (one.text, one.link) for one in edition.posts
        ]:
            return self._approved(post)
        same = [frozenset(draft.shows) for draft in drafts] == [one.shows for one in edition.posts]
        if edition.pictured or not same:
            with self._ledger.begin() as tx:
                approvals.decline(tx, post, "it would be rendered differently now", now, later=True)
            raise LedgerError(
                f"post {post} was made more than a day ago, and its edition would be rendered differently now: its "
                "summaries are pending for the next edition"
            )
        ids = [one.id for one in edition.posts]
        with self._ledger.begin() as tx:
            approvals.render_again(tx, post, dict(zip(ids, drafts, strict=True)), now)
            return ApprovalResult(rendered_again=tuple(queries.post_rows(tx, ids=ids)))

    def _approved(self, post: int) -> ApprovalResult:
        with self._ledger.begin() as tx:
            return ApprovalResult(tuple(approvals.approve(tx, post, self._clock())))
