"""The interface of a platform: all differences between X, Facebook and future platforms, in one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, model_validator

from digestbot.domain.budget import Prices
from digestbot.domain.model import Message, Receipt, TimelinePage, TimelinePost
from digestbot.infra.config_values import ApiAddress, Days, Duration, Hours, Parameters, Section
from digestbot.platforms.error_catalogue import ErrorRow
from digestbot.platforms.login import Login
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, World

_Limit = Annotated[int, Field(ge=1, le=10_000)]
MOST_DISTANCE = timedelta(days=7)


class PostingLimits(Section):
    """Restrictions on when and how often to post: the keys that digest and channel sections share."""

    quiet_hours: Hours = ()
    not_on: Days = ()
    per_day: _Limit | None = None
    per_week: _Limit | None = None


class ChannelConfig(PostingLimits):
    """The base of ``[channels.NAME]``. A platform's own model adds ``platform`` and the account's keys."""

    platform: str
    api_url: ApiAddress
    link_parameters: Parameters = Field(default_factory=dict)
    min_distance: Duration | None = None

    @model_validator(mode="after")
    def _distance_is_counted(self) -> ChannelConfig:
        if self.min_distance and self.min_distance > MOST_DISTANCE:
            raise ValueError("min_distance may be 7 days at most")
        return self

    def account(self) -> str | None:
        """Return an id of the account that does not depend on the channel's name; None if only a call can tell."""
        raise NotImplementedError

    def application(self) -> str:
        """Return an id of the application whose rate limits the channel shares."""
        raise NotImplementedError

    def price_list(self) -> Prices | None:
        """Return the platform's prices, in millionths of a dollar; None if it is free."""
        return None

    def budget(self) -> int | None:
        """Return the channel's monthly budget, in millionths of a dollar; None without a limit."""
        return None

    def advice(self, now: datetime, *, online: bool) -> Iterable[tuple[str, str, bool]]:
        """Yield what `digestbot check` advises about the channel without asking the platform.

        ``online`` selects the advice for `--online`. Each item is a topic, the advice, and True if nothing can be
        posted until it is followed.
        """
        del now, online
        return ()


@dataclass(frozen=True)
class VerifiedAccount:
    """An account as its platform describes it: its ``name`` for people, the token's ``permissions`` (None if the
    platform does not state them), and advice for the operator."""

    name: str
    permissions: Sequence[str] | None = None
    advice: Sequence[str] = ()


class Publisher(Protocol):
    """One channel's connection to its platform. Used by one thread at a time. Raises only kinds of PublishError."""

    replies_apart: bool
    """True if replies are listed separately and do not appear on the channel's timeline."""

    @property
    def account(self) -> str:
        """Return the platform's id of the account; empty if only a call could tell."""

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        """Send the message once and return the platform's receipt.

        All of it takes at most ``seconds``. ``may_send`` is called just before the first byte is sent. ``reply_to`` is
        the id of the part of a thread to reply to. Raises a PublishError that says what is known about the outcome.
        """

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Replace the text of the published post.

        Raises Rejected if the post no longer exists or the platform cannot edit posts.
        """

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        """Delete the published post. Succeeds if the post is already gone."""

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        """Return the published post in its current state on the platform; None if it is gone.

        Raises Rejected if it belongs to another account.
        """

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:
        """Yield the channel's own posts, newest first.

        Each page is requested when the iterator needs it; all of them together take at most ``seconds``. Posts older
        than ``after`` are not needed, but a sound reading includes ``after`` itself. With ``reply_to``, yield the
        replies to that post, on platforms that list them separately. Raises a PublishError if a page cannot be read.
        """

    def receipt(self, reference: str) -> Receipt:
        """Return the receipt for an id or a URL that a person copied. Raises ValueError if it is neither."""

    def platform_time(self) -> datetime | None:
        """Return the platform's time by its last answer; None before the first answer."""

    def verify(self, *, seconds: float) -> VerifiedAccount:
        """Ask the platform which account this is, and what its token may do. Raises a PublishError."""

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:
        """Return when the token expires; None if it never does, or if that cannot be known.

        For a token that is already invalid, return ``now``.
        """


class SandboxApi(Protocol):
    """The part of a platform's API that the local sandbox offers."""

    account_name: str
    """The account's name on the sandbox's pages."""

    def serves(self, path: str) -> bool:
        """Return True if the path belongs to this API."""

    def answer(self, request: Request) -> Answer:
        """Answer one call, without injected faults."""

    def unauthorized(self) -> Answer:
        """Return the platform's answer to an invalid token."""

    def too_many_requests(self, retry_after: int | None) -> Answer:
        """Return the platform's rate limit answer; with ``retry_after``, it says how many seconds to wait."""

    def post_by_hand(self, text: str, link: str | None, at: float) -> Post:
        """Return a post as a person would write it on the account, at ``at`` (epoch seconds)."""

    def post_path(self, post: Post) -> str:
        """Return the path of the post's page, as in the platform's receipts."""


@dataclass(frozen=True)
class LengthLimit:
    """The maximum length of a text on a platform, and the function that measures it."""

    most: int
    measure: Callable[[str], int]


@dataclass(frozen=True)
class Platform:
    """One platform. `registry.PLATFORMS` lists them; other code asks this value and never compares names."""

    name: str
    """The value of ``platform`` in a channel's configuration, and of PLATFORM in template file names."""
    title: str
    """The name that people use."""
    account_kind: str
    """The platform's word for one account: "account", "Page"."""
    channel_name: str
    """The name that `digestbot init` gives to a channel of the platform."""
    folder: Path
    """The folder of ``preview.html.j2``, which defines a macro ``post(shown)``."""
    config: type[ChannelConfig]
    limit: LengthLimit
    card_size: tuple[int, int]
    """Width and height of a card, in pixels."""
    errors: Sequence[ErrorRow]
    make_publisher: Callable[[Any], Publisher]
    """Returns the publisher for a channel's configuration; imports the platform's library."""
    make_sandbox_api: Callable[[World, Faults, Any], SandboxApi]
    """Returns the sandbox's API. The last argument is the secrets that it checks; None accepts any."""
    make_login: Callable[[], Login] | None = None
    """Returns the login, which leads a person to the account's tokens; None if there is none."""
    can_edit: bool = False
    """True if published posts can be edited."""
    attaches_links: bool = False
    """True if the link is attached to the post instead of being part of its text."""
    links_bare_hosts: bool = False
    """True if the platform turns a host name without a scheme into a link."""
    timeline_page: int = 25
    """The number of posts on a page of a timeline."""
    tokens_expire: bool = False
    """True if tokens expire, so that their expiry has to be checked regularly."""
