"""The page of editions that need approval, as followers will see them, with one decision for many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digestbot.domain.errors import DigestbotError
from digestbot.domain.model import PostRow
from digestbot.ledger import approvals, queries
from digestbot.operator.actions import perform
from digestbot.rendering.post_preview import PostPreview
from digestbot.web import post_previews
from digestbot.web.app_state import AppState, Flash
from digestbot.web.pages import page

MOST = 60  # posts on the page
DECISIONS = {"approve": ("approve", {}), "decline": ("decline", {}), "later": ("decline", {"later": "yes"})}
"""What each button of the page decides: an action, and arguments of it."""


@dataclass(frozen=True)
class PendingEdition:
    """An edition that needs approval: its posts, and how each will look. ``cost`` is in millionths of a dollar."""

    rows: list[PostRow]
    previews: list[PostPreview]
    lengths: list[tuple[int, int] | None]

    @property
    def cost(self) -> int:
        """Return the estimated cost of all its posts."""
        return sum(row.cost for row in self.rows)


def by_edition(rows: Iterable[PostRow]) -> list[list[PostRow]]:
    """Return the posts of each edition, in the order of their first posts."""
    editions: dict[tuple[str, str, str], list[PostRow]] = {}
    for row in rows:
        editions.setdefault((row.digest, row.channel, row.slot), []).append(row)
    return list(editions.values())


def approvals_page(app_state: AppState, request: Request) -> Response:
    """Serve GET /approvals: the editions that need approval, the most urgent first."""
    config = app_state.config
    with app_state.ledger.read() as tx:
        ids = approvals.posts_needing_approval(tx)
        rows = queries.post_rows(tx, ids=ids[:MOST]) if ids else []
    picture = f"{request.scope.get('root_path', '')}/pictures/post/"
    editions = []
    for parts in by_edition(rows):
        limit = config.limit(parts[0].channel)
        lengths = [(limit.measure(row.text), limit.most) if limit else None for row in parts]
        previews = post_previews.preview_posts(config, parts, config.timezone, picture)
        editions.append(PendingEdition(parts, previews, lengths))
    editions.sort(key=lambda edition: (edition.rows[0].approve_by is None, edition.rows[0].approve_by))
    return page(app_state, request, "approvals", editions=editions, more=len(ids) > MOST)


def decide(app_state: AppState, request: Request, form: Mapping[str, str]) -> Flash:  # noqa: ARG001 - as all forms
    """Approve or decline the chosen editions. Each is decided on its own: one that cannot be is named, and the others
    go ahead."""
    decision = form.get("decision", "")
    chosen = [name.removeprefix("post-") for name in form if name.startswith("post-")]
    if decision not in DECISIONS:
        return Flash("Choose what to do: approve, decline, or not now.", bad=True)
    if not chosen:
        return Flash("Select at least one edition.", bad=True)
    verb, more = DECISIONS[decision]
    done: list[str] = []
    problems: list[str] = []
    for post in chosen:
        try:
            with app_state.service() as service:
                outcome = perform(service, verb, {"post": post, "reason": form.get("reason", ""), **more})
        except DigestbotError as error:
            problems.append(str(error))
            continue
        (problems if outcome.unfinished else done).append(outcome.message)
    app_state.changed()
    return Flash(" ".join([*done, *problems]), bad=bool(problems))


def text_length(app_state: AppState, request: Request, form: Mapping[str, str]) -> Response:  # noqa: ARG001
    """Serve POST /approvals/length: the length of a text on a channel, as the platform counts it."""
    limit = app_state.config.limit(form.get("channel", ""))
    if limit is None:
        return PlainTextResponse("")
    length = limit.measure(form.get("text", ""))
    too_long = f", {length - limit.most} too many" if length > limit.most else ""
    return PlainTextResponse(f"{length} of {limit.most}{too_long}")
