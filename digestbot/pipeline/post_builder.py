"""The posts of an edition: rendered in the digest's template and shape, with pictures and estimated costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from digestbot.domain.budget import FREE, estimate
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Draft, Image, LinkPolicy, Paper, Route, Shape, Summary
from digestbot.ledger import backlog_overrides, channel_states
from digestbot.pipeline.images import ImageBuilder
from digestbot.pipeline.runtime import Runtime
from digestbot.rendering.renderer import Renderer, RenderTarget

SAMPLE = Summary(
    paper=Paper("conf/sample/Sample26", r"A Sample Title of $\mathcal{O}(n)$ Words"),
    writer="Some Reader",
    handle="somereader",
    body="A *first* sentence with $x_1 + x_2$. A second one.\n\n* an item\n* another",
    link="https://www.example.org/paper?bibtexKey=conf/sample/Sample26#somereader",
    votes=2,
    dated=datetime(2026, 1, 1, tzinfo=UTC),
)
"""The summary with which templates are tried."""


class PostBuilder:
    """Builds posts from summaries."""

    def __init__(self, runtime: Runtime) -> None:
        config = runtime.config
        self._config, self._ledger = config, runtime.ledger
        self.renderer = Renderer(config.folder / config.templates if config.templates else None)
        self.image_builder = ImageBuilder(config)

    def drafts(
        self, digest: str, channel: str, chosen: Sequence[Summary], shape: Shape | None = None
    ) -> tuple[Shape, list[Draft]]:
        """Return the shape and the drafts of the summaries' posts, by the digest's template and with their costs.
        ``shape`` replaces the digest's own. Raise RenderError if a summary or the template cannot be rendered.

        If the channel takes no replies and no ``shape`` is given, each summary of a thread becomes a post of its own.
        It carries its link, unless the digest shows none.
        """
        appearance = self._config.appearance(digest, channel)
        if shape is not None:
            appearance = appearance.model_copy(update={"shape": shape})
        parameters = self._config.channels[channel].link_parameters
        place = RenderTarget(digest, channel, self._config.platform(channel), parameters)
        result = self.renderer.drafts(appearance, place, chosen) if chosen else []
        if any(draft.message.reply for draft in result) and shape is None and not self._takes_replies(channel):
            link = LinkPolicy.NONE if appearance.link is LinkPolicy.NONE else LinkPolicy.POST
            appearance = appearance.model_copy(update={"shape": Shape.SINGLE, "template": None, "link": link})
            result = self.renderer.drafts(appearance, place, chosen)
        if appearance.shape is Shape.SINGLE:
            result = self._as_written(digest, channel, result)
        return appearance.shape, self._priced(channel, result)

    def tried(self, digest: str, channel: str, template: str, chosen: Sequence[Summary]) -> list[Draft]:
        """Return the drafts that this template makes, in the shape that its name stands for, or else in the digest's.
        Raise RenderError if it cannot be rendered."""
        appearance = self._config.appearance(digest, channel)
        named = next((shape for shape in (Shape.THREAD, Shape.ROUNDUP) if shape == template), None)
        shape = named or (Shape.SINGLE if template == "summary" else appearance.shape)
        appearance = appearance.model_copy(update={"template": template, "shape": shape})
        parameters = self._config.channels[channel].link_parameters
        return self.renderer.drafts(
            appearance, RenderTarget(digest, channel, self._config.platform(channel), parameters), chosen
        )

    def _as_written(self, digest: str, channel: str, drafts: list[Draft]) -> list[Draft]:
        """Return the drafts with an operator's own text, where there is one, in place of the rendered text."""
        ids = [draft.shows[0] for draft in drafts if draft.shows]
        if not ids:
            return drafts
        with self._ledger.read() as tx:
            words = backlog_overrides.custom_texts(tx, digest, channel, ids)
        return [
            replace(draft, message=replace(draft.message, text=words[draft.shows[0]]))
            if draft.shows and draft.shows[0] in words and not draft.message.reply
            else draft
            for draft in drafts
        ]

    def excerpt_rule(self, route: Route, summary: Summary) -> str:
        """Return which rule chooses the part of the summary that a post would show; empty if that is all or none."""
        if route not in self._config.routes():
            return ""
        try:
            _, drafts = self.drafts(*route, [summary])
        except RenderError:  # the reason for the hold reports it
            return ""
        return next((draft.excerpt for draft in drafts if draft.excerpt), "")

    def pictured(self, digest: str, channel: str, chosen: Sequence[Summary], drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts with pictures, and with the costs of these. Raise PictureError if a post must be held
        because its picture is not available."""
        appearance = self._config.appearance(digest, channel)
        if appearance.image is Image.NONE or not chosen:
            return list(drafts)
        return self._priced(channel, self.image_builder.attach(appearance, channel, chosen, drafts))

    def raise_if_broken(self, route: Route, error: RenderError) -> None:
        """Raise RenderError if the template itself is broken, or if ``error`` names no summary."""
        try:
            self.drafts(*route, [SAMPLE])
        except RenderError:
            raise RenderError(f"{error}; nothing was made, the slot stays due") from error
        if error.summary is None:
            raise error

    def groups(self, digest: str, channel: str, chosen: Sequence[Summary]) -> list[tuple[tuple[Summary, ...], int]]:
        """Return, for each of the edition's posts that is not a reply, the summaries that it shows together with its
        replies, and what they cost.

        Costs are estimates and include pictures, which are not made for this. Raise RenderError if rendering fails.
        """
        appearance = self._config.appearance(digest, channel)
        by_id = {summary.id: summary for summary in chosen}
        results: list[tuple[tuple[Summary, ...], int]] = []
        _, drafts = self.drafts(digest, channel, chosen)
        if appearance.image is not Image.NONE:
            drafts = self._priced(channel, self.image_builder.supposed(appearance, chosen, drafts))
        for draft in drafts:
            shows = tuple(by_id[id_] for id_ in draft.shows)
            if draft.message.reply:
                before, cost = results[-1]
                new = tuple(one for one in shows if one not in before)
                results[-1] = before + new, cost + draft.cost
            else:
                results.append((shows, draft.cost))
        return results

    def _priced(self, channel: str, drafts: Sequence[Draft]) -> list[Draft]:
        prices = self._config.prices(channel) or FREE
        return [replace(draft, cost=estimate(draft.message, prices)) for draft in drafts]

    def _takes_replies(self, channel: str) -> bool:
        with self._ledger.read() as tx:
            return channel_states.takes_replies(tx, channel)
