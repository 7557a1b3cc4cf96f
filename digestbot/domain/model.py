"""The nouns of the glossary as frozen value types. Uses only the standard library; nothing here needs a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class PostStatus(StrEnum):
    """The status of a post; see docs/lifecycle.md for the transitions."""

    PENDING = "pending"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNKNOWN = "unknown"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    SKIPPED = "skipped"
    DONE = "done"
    DELETED = "deleted"


class Action(StrEnum):
    """What a row of posts does: publish a post, or update or delete the published post that is its target."""

    PUBLISH = "publish"
    UPDATE = "update"
    DELETE = "delete"


class Reaction(StrEnum):
    """What a digest does with its published posts when their summary changes in the store."""

    IGNORE = "ignore"
    UPDATE = "update"
    DELETE = "delete"


class Order(StrEnum):
    """The order in which a digest takes pending summaries."""

    OLDEST = "oldest"
    NEWEST = "newest"
    VOTES = "votes"


class CatchUp(StrEnum):
    """Which of the slots that were missed while digestbot was stopped are made up for."""

    ONE = "one"
    NONE = "none"
    ALL = "all"


class ReceiptBasis(StrEnum):
    """What a receipt rests on. digestbot edits and deletes only posts that it published itself (see `OWN`)."""

    ANSWER = "answer"
    TEXT = "text"
    OPERATOR = "operator"


OWN = (ReceiptBasis.ANSWER, ReceiptBasis.TEXT)
"""The bases that prove that digestbot published the post: the platform's own answer, or a post with our text."""


class Genre(StrEnum):
    """What a text from a source is: a reader's summary of a paper, the paper's own abstract, or an article."""

    SUMMARY = "summary"
    ABSTRACT = "abstract"
    ARTICLE = "article"


class Approval(StrEnum):
    """The approval status of an edition that an operator must approve before it is posted."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"


class Shape(StrEnum):
    """How an edition's summaries become posts."""

    SINGLE = "single"
    THREAD = "thread"
    ROUNDUP = "roundup"


class LinkPolicy(StrEnum):
    """Where an edition's posts carry links: with each summary, once at the end, in a comment under the post, or
    nowhere."""

    POST = "post"
    LAST = "last"
    COMMENT = "comment"
    NONE = "none"


class ExcerptPolicy(StrEnum):
    """Which part of a summary a short post shows: the sentences that an editor would choose, or the beginning."""

    LEAD = "lead"
    BEGINNING = "beginning"


class CardDesign(StrEnum):
    """The design of cards: by content, a title with text, a formula set large, a quotation, or the title alone."""

    AUTO = "auto"
    TEXT = "text"
    FORMULA = "formula"
    QUOTE = "quote"
    TITLE = "title"


class Image(StrEnum):
    """Which picture goes with a post."""

    CARD = "card"
    FIRST_IMAGE = "first-image"
    NONE = "none"


class ImageFailure(StrEnum):
    """What happens to a post whose picture is unavailable: it is posted without one, or held back."""

    POST_WITHOUT = "post-without"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Paper:
    """A research paper.

    ``key`` is one of the store's own keys (a DBLP key or a DOI); other sources use the item's identity. ``authors`` are
    names in spoken order ("Ada Lovelace"), listed in the paper's order. ``sections`` are the store's sections in which
    the paper is filed. Whatever a source does not provide is None or empty.
    """

    key: str
    title: str
    arxiv_id: str | None = None
    doi: str | None = None
    authors: tuple[str, ...] = ()
    venue: str | None = None
    year: int | None = None
    category: str | None = None
    sections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """One reader's summary of one paper, as a source provided it. ``genre`` says if the text is something else.

    ``writer`` is the display name, None for an anonymous summary and for an abstract. ``handle`` distinguishes this
    writer's summary of the paper from others; it is None for an anonymous summary too. ``orcid`` is a named writer's.
    ``body`` is Markdown with LaTeX.

    ``dated`` is the date that the source states. For ShortScience it is the time of the last edit, so it is used for
    ordering only. ``store_id`` permanently distinguishes this summary of the paper from the others, where the store has
    an id that does so without naming anybody. ``version`` stays equal as long as nothing about the summary changes at
    its source; None where the source has no cheap way to tell. ``id`` is the ledger's id, None before the ledger knows
    the summary.
    """

    paper: Paper
    writer: str | None
    handle: str | None
    body: str
    link: str
    votes: int | None = None
    dated: datetime | None = None
    orcid: str | None = None
    store_id: str | None = None
    version: bytes | None = None
    genre: Genre = Genre.SUMMARY
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that goes with a post, and its alternative text. ``required``: the post is not sent without it."""

    content: bytes
    media_type: str
    alt_text: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What one post says: frozen when the post is created, and sent byte for byte at every attempt.

    ``link`` is a URL that the platform attaches to the text (Facebook); on X the URL is part of the text.
    ``reply``: the post is a reply to the part of the edition before it.
    """

    text: str
    link: str | None = None
    reply: bool = False
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A post before it is created: its message, the ids of the summaries that it shows, and its estimated cost in
    millionths of a dollar.

    ``excerpt`` says for people which rule chose the part of the summary that it shows; empty if it shows all.
    """

    message: Message
    shows: tuple[int, ...] = ()
    cost: int = 0
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform's id and URL of a post."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class TimelinePost:
    """A post as a reading of the channel's own timeline shows it, with shortened links in ``text`` expanded.

    ``at`` is when the post was created: by the platform's clock when a publisher returns it, by the ledger's clock once
    the reading has been assembled.
    """

    id: str
    url: str
    text: str
    links: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """One page of a channel's own timeline, newest first.

    ``trouble`` says why the page proves nothing about posts that it does not show; empty for a sound page.
    ``end_proven``: there are no older posts, and the platform itself states the total. ``platform_time`` is the time by
    the platform's clock. ``count`` is the number of posts returned, including other people's, and ``users`` the number
    of accounts read for the page; both are billed.
    """

    posts: tuple[TimelinePost, ...] = ()
    count: int = 0
    trouble: str = ""
    end_proven: bool = False
    platform_time: datetime | None = None
    users: int = 0


class Route(NamedTuple):
    """A digest on one of its channels, by their names."""

    digest: str
    channel: str

    def __str__(self) -> str:
        """Return the name that messages use."""
        return f"{self.digest} on {self.channel}"


@dataclass(frozen=True, slots=True)
class Slot:
    """One due instant of a digest on a channel.

    ``nominal`` is the local date and time on the operator's calendar, ``due`` is the instant, and ``delay`` is how much
    later the slot takes place (the digest's jitter).
    """

    nominal: str
    due: datetime
    delay: timedelta = timedelta(0)

    @property
    def at(self) -> datetime:
        """Return when the slot takes place, including its delay."""
        return self.due + self.delay


@dataclass(frozen=True, slots=True)
class SlotChange:
    """An operator's change of a slot: moved to another time, or skipped.

    The slot does not take place at its ``nominal`` time, at which it was ``due``, but at ``moved_to``; None if it is
    skipped.
    """

    nominal: str
    due: datetime
    moved_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one post once; ``epoch`` fences it off from every other claim to the same post.

    After ``deadline``, by the ledger's clock, the claim is void: the post's outcome counts as unknown, whoever holds
    the claim. The epoch counts the attempts. ``attempt`` is the id of the attempt, and when it began. ``cost`` is in
    millionths of a dollar.

    ``reply_to`` is the platform's id of the part before, for a part of a thread. ``target`` is the platform's id of the
    post that an update or a deletion applies to.

    ``check_first`` says why the post may already be on the platform; empty where it cannot be. ``accepted``: an
    operator agreed to continue although the timeline cannot be read. ``first_sent_at`` is when the first attempt that
    may have created the post began. ``dismissed`` are the ids of posts that an operator saw and did not take for this
    one.
    """

    post: int
    channel: str
    epoch: int
    deadline: datetime
    message: Message
    reply_to: str | None = None
    check_first: str = ""
    accepted: bool = False
    first_sent_at: datetime | None = None
    dismissed: frozenset[str] = frozenset()
    action: Action = Action.PUBLISH
    target: str | None = None
    cost: int = 0
    attempt: tuple[int, datetime] | None = None


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post as operators see it.

    ``cost`` is estimated, in millionths of a dollar. ``picture`` is the picture's alternative text. ``approve_by`` is
    the deadline for its approval; None where it needs none. ``basis`` is what its receipt rests on. ``candidates`` are
    posts on the timeline that may be this one. ``by_hand``: an operator decided the outcome.
    """

    id: int
    status: PostStatus
    channel: str
    digest: str
    slot: str
    position: int
    at: datetime
    text: str
    link: str | None
    receipt: Receipt | None
    error: str | None
    attempts: int
    not_before: datetime | None
    action: Action
    target: int | None
    cost: int
    picture: str | None
    reply: bool
    approve_by: datetime | None = None
    basis: ReceiptBasis | None = None
    candidates: tuple[TimelinePost, ...] = ()
    by_hand: bool = False

    @property
    def reopenable(self) -> bool:
        """Return whether an operator can reopen the decision about the post.

        That is so for a post that counts as published although the platform did not answer with its id, and for one
        that an operator skipped. Updates and deletions cannot be reopened.
        """
        by_text = self.status is PostStatus.PUBLISHED and self.basis is not ReceiptBasis.ANSWER
        return self.action is Action.PUBLISH and (by_text or (self.status is PostStatus.SKIPPED and self.by_hand))

    def message(self) -> Message:
        """Return the message of the post; its picture has only the alternative text."""
        picture = Picture(b"", "", self.picture) if self.picture else None
        return Message(self.text, self.link, self.reply, picture)


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs the operator's decision; ``posts`` are not updated or deleted until then."""

    id: int
    kind: str
    subject: str
    note: str
    raised_at: datetime
    posts: tuple[int, ...] = ()
