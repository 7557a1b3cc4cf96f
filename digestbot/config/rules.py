"""The conversion of the configuration of a digest on a channel into the domain's values."""

from __future__ import annotations

from datetime import timedelta

from digestbot.config.root import Config
from digestbot.config.sections import FilterConfig, Timing
from digestbot.domain.filters import DigestFilters, Filter
from digestbot.domain.model import SlotChange
from digestbot.domain.schedule import Blackout, Calendar, PostingRules, PostLimit


def build_posting_rules(
    config: Config, digest: str, channel: str, changes: tuple[SlotChange, ...] = ()
) -> PostingRules:
    """Return the posting rules of a digest on a channel, which combine both sections.

    ``changes`` are the operator's changes of its slots. For a digest that is not configured, the channel's rules are
    returned alone.
    """
    timing = config.timing(digest, channel) if digest in config.digests else Timing()
    zone, there = timing.timezone or config.timezone, config.channels[channel]
    closures = tuple(
        Blackout.of(where, rules.quiet_hours, rules.not_on)
        for rules, where in ((timing, zone), (there, config.timezone))
        if rules.quiet_hours or rules.not_on
    )
    limits = tuple(
        PostLimit(most, days, where, whose)
        for rules, where, whose in ((timing, zone, digest), (there, config.timezone, None))
        for most, days in ((rules.per_day, 1), (rules.per_week, 7))
        if most is not None
    )
    name = f"{digest} {channel}"
    calendar = Calendar(timing.schedule, zone, closures, timing.jitter or timedelta(0), name, changes)
    return PostingRules(digest, channel, calendar, limits, there.min_distance or timedelta(0))


def filters_for(config: Config, name: str, channel: str) -> DigestFilters:
    """Return the digest's filters on a channel.

    With ``overlap``, it shares summaries only with digests that are configured for the channel. So the posts of a
    renamed digest still count as posted.
    """
    digest, appearance = config.digests[name], config.appearance(name, channel)
    others = sorted(set(config.digests_on(channel)) - {name}) if config.timing(name, channel).overlap else ()
    return DigestFilters(
        digest.min_votes,
        digest.min_age,
        digest.max_age,
        digest.require_text,
        _filter(digest.include),
        _filter(digest.exclude),
        tuple(others),
        f"{appearance.image} {appearance.image_failure}",
        config.timing(name, channel).repeat_paper,
    )


def _filter(given: FilterConfig) -> Filter:
    return Filter(given.sections, given.venues, given.keywords, given.patterns)
