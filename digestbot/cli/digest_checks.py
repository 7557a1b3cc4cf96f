"""The checks of digests that need no network: templates, pictures, costs, schedules, and which digests would stay
empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from digestbot.cli.common import now_
from digestbot.cli.findings import Finding, checked
from digestbot.domain.errors import DigestbotError
from digestbot.domain.model import Image, ImageFailure, LinkPolicy, Route, Shape, Summary
from digestbot.text.durations import duration

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.domain.model import Slot
    from digestbot.pipeline.app import Service

AHEAD = timedelta(days=28)  # the period over which schedules are compared
LONG_WORDS = 400  # length of the long sample summary with which templates are tried


def of_digests(config: Config, service: Service) -> Iterator[Finding]:
    """Yield the findings about each digest on each of its channels."""
    for digest, channel in config.routes():
        template = checked(f"template of {digest} for {channel}", partial(_renders, service, digest, channel))
        yield template
        if template.ok:
            yield from _without_optional_values(service, digest, channel)
    for digest, channel in config.routes():
        if config.appearance(digest, channel).image is not Image.NONE:
            yield checked(f"pictures of {digest} for {channel}", partial(_pictures, service, digest, channel))
    for digest, channel in config.routes():
        yield checked(f"schedule of {digest} for {channel}", partial(_next_slot, service, digest, channel))
        yield from _too_old_by_then(service, digest, channel)
        yield from _lists_nothing(service, digest, channel)
        yield from _always_empty(service, digest, channel)


def _renders(service: Service, digest: str, channel: str) -> str:
    from digestbot.domain.budget import dollars
    from digestbot.pipeline.app import SAMPLE

    config = service.config
    appearance, timing = config.appearance(digest, channel), config.timing(digest, channel)
    limit = config.platform(channel).limit
    least = max(timing.min_size, 1)
    together = max(least, 2) if appearance.shape is Shape.ROUNDUP and timing.size > 1 else least
    samples = [replace(SAMPLE, id=number) for number in range(1, together + 1)]
    _, drafts = service.post_builder.drafts(digest, channel, samples, appearance.shape)
    budget = config.budget(channel)
    cost = sum(cost for _, cost in service.post_builder.groups(digest, channel, samples[:least]))
    if budget is not None and cost > budget:
        raise DigestbotError(
            f"an edition costs at least {dollars(cost)}, more than a month's budget of {dollars(budget)}, so nothing "
            f"would ever be posted: raise channels.{channel}.monthly_budget"
        )
    long: Summary = replace(
        SAMPLE,
        paper=replace(SAMPLE.paper, title="A Long Title of a Paper About Many Things " * 3),
        body="A sentence about what the paper says. " * (LONG_WORDS // 7),
    )
    try:
        service.post_builder.drafts(digest, channel, [long], appearance.shape)
    except DigestbotError as error:
        raise DigestbotError(f"fails for a long summary, which would be skipped: {error}") from error
    return f"renders ({limit.measure(drafts[0].message.text)} of {limit.most} characters for a sample)"


def _without_optional_values(service: Service, digest: str, channel: str) -> Iterator[Finding]:
    """Yield a warning if the template fails without writer, votes and date, which a source may not provide."""
    from digestbot.pipeline.app import SAMPLE

    bare = replace(SAMPLE, writer=None, votes=None, dated=None)
    try:
        service.post_builder.drafts(digest, channel, [bare])
    except DigestbotError as error:
        detail = f"fails for a summary without a writer, votes or a date, which would be skipped: {error}"
        yield Finding(f"template of {digest} for {channel}", True, detail, warning=True)


def _pictures(service: Service, digest: str, channel: str) -> str:
    from digestbot.pipeline.app import SAMPLE
    from digestbot.rendering.cards import MISSING, cards_available

    appearance = service.config.appearance(digest, channel)
    held = "posts wait for them" if appearance.image_failure is ImageFailure.HOLD else "posts go without"
    if not cards_available():
        raise DigestbotError(f"cannot be made here, {held}; {MISSING}")
    if appearance.image is Image.CARD:
        picture = service.post_builder.image_builder.picture(appearance.image, channel, SAMPLE)
        assert picture is not None  # noqa: S101 - a card is made of every summary
        return f"a card can be made ({len(picture.content) // 1000} kB for a sample)"
    return "taken from the summaries' texts"


def _next_slot(service: Service, digest: str, channel: str) -> str:
    slot = service.rule_book.next_slot(Route(digest, channel))
    if slot is None:
        raise DigestbotError(
            "every slot falls in its quiet hours or on a day in not_on, so nothing would ever be posted"
        )
    zone = service.config.zone(digest, channel)
    return f"its next slot is {slot.at.astimezone(zone):%A, %Y-%m-%d %H:%M %Z}"


def _too_old_by_then(service: Service, digest: str, channel: str) -> Iterator[Finding]:
    """Yield a warning if summaries that arrive just after a slot are too old by the next one."""
    max_age = service.config.digests[digest].max_age
    if max_age is None:
        return
    slots = _slots(service, digest, channel)
    apart = max((later.due - earlier.due for earlier, later in pairwise(slots)), default=timedelta(0))
    if max_age < apart:
        detail = (
            f"its slots are up to {duration(apart)} apart, and nothing older than {duration(max_age)} is posted, so "
            f"some summaries will be skipped: raise digests.{digest}.max_age, or schedule it more often"
        )
        yield Finding(f"max_age of {digest} on {channel}", True, detail, warning=True)


def _lists_nothing(service: Service, digest: str, channel: str) -> Iterator[Finding]:
    """Yield a warning if the one link of a roundup leads to a page on which its summaries cannot be found."""
    look = service.config.appearance(digest, channel)
    if look.shape is Shape.ROUNDUP and look.link is LinkPolicy.LAST and not look.list_url:
        detail = (
            "the one link of its roundups leads to the site's home page, which does not list their summaries: set "
            f'list_url under [digests.{digest}] to a page that does, or link = "post"'
        )
        yield Finding(f"link of {digest} on {channel}", True, detail, warning=True)


def _always_empty(service: Service, digest: str, channel: str) -> Iterator[Finding]:
    """Yield a failure if a roundup never gets a summary, because another digest takes all of them at least as often."""
    config = service.config
    settings, timing = config.digests[digest], config.timing(digest, channel)
    if config.appearance(digest, channel).shape is not Shape.ROUNDUP or timing.overlap:
        return
    for name in config.digests_on(channel):
        other = config.digests[name]
        takes_all = (
            set(settings.sources) <= set(other.sources) and other.include == other.exclude == type(other.include)()
        )
        no_stricter = (
            (other.min_votes or 0) <= (settings.min_votes or 0)
            and other.max_age is None
            and ((other.min_age or timedelta(0)) <= (settings.min_age or timedelta(0)))
        )
        others = config.timing(name, channel)
        alike = others.window is None and others.min_size <= timing.min_size
        if (
            name != digest
            and takes_all
            and no_stricter
            and alike
            and sum(1 for _ in _slots(service, name, channel)) >= sum(1 for _ in _slots(service, digest, channel))
        ):
            detail = (
                f"will always be empty: digest {name} posts every summary on {channel} first; set overlap = true under "
                f"[digests.{digest}]"
            )
            yield Finding(f"digest {digest} on {channel}", False, detail)
            return


def _slots(service: Service, digest: str, channel: str) -> Iterator[Slot]:
    now = now_()
    slots = service.rule_book.calendar_of(Route(digest, channel)).slots(now)
    return takewhile(lambda slot: slot.due < now + AHEAD, slots)
