"""The nouns of the glossary as frozen values. Standard library only; no behaviour that needs a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Platform(StrEnum):
    """Where a channel lives."""

    TWITTER = "twitter"
    FACEBOOK = "facebook"


class PostStatus(StrEnum):
    """Where a post stands; see docs/lifecycle.md for what leads from one to the next."""

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
    """What a row of posts does: most publish; the others change a post that was published."""

    PUBLISH = "publish"
    UPDATE = "update"
    DELETE = "delete"


class Reaction(StrEnum):
    """What a digest does with its posts when their summary changes in the store."""

    IGNORE = "ignore"
    UPDATE = "update"
    DELETE = "delete"


class Order(StrEnum):
    """Which of the waiting summaries goes first."""

    OLDEST = "oldest"
    NEWEST = "newest"
    VOTES = "votes"


class CatchUp(StrEnum):
    """Which of the slots that were missed while digestbot was stopped are made up for."""

    ONE = "one"
    NONE = "none"
    ALL = "all"


class ReceiptBasis(StrEnum):
    """What a receipt rests on. Only what digestbot published itself is ever edited or deleted."""

    ANSWER = "answer"
    TEXT = "text"
    OPERATOR = "operator"


OWN = (ReceiptBasis.ANSWER, ReceiptBasis.TEXT)
"""The platform's own answer, and a post with our text: both prove that digestbot published it."""


class Approval(StrEnum):
    """Where an edition stands that needs a person's word before it is posted."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"


class Shape(StrEnum):
    """How the summaries of an edition become posts."""

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


class Image(StrEnum):
    """What picture goes with a post."""

    CARD = "card"
    FIRST_IMAGE = "first-image"
    NONE = "none"


class ImageFailure(StrEnum):
    """What becomes of a post whose picture is not available."""

    POST_WITHOUT = "post-without"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Paper:
    """A research paper.

    ``key`` is one of the store's own (a DBLP key or a DOI), or the item's identity elsewhere. ``authors`` are names
    as they are read aloud, in the paper's order. ``sections`` are the store's parts that the paper is filed in.
    What a source does not tell is None or empty.
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
    """One reader's summary of one paper, as a source gave it.

    ``writer`` is the name to show, None for an anonymous one; ``handle`` tells this writer's summary of the
    paper from another's and is None for an anonymous one too. ``body`` is Markdown with LaTeX.
    ``dated`` is what the source says: for ShortScience the time of the last edit, so it decides nothing
    but an order. ``orcid`` is a named writer's. ``store_id`` tells this summary of the paper from the others for
    good, where the store has something that does and names nobody. ``version`` is equal as long as nothing about
    the summary changed at its source; None where the source has no cheap way to tell. ``id`` is the ledger's,
    None before the ledger knows it.
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
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that goes with a post, and what it says to those who do not see it. ``required``: rather no post than
    one without it."""

    content: bytes
    media_type: str
    alt_text: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What one post says, frozen when the post is made: sent byte for byte, now or at a later attempt.

    ``link`` is an address that the platform attaches beside the text (Facebook); on X the address stands in
    the text. ``reply``: it goes under the part of the edition before it.
    """

    text: str
    link: str | None = None
    reply: bool = False
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A post before it is made: what it says, the ids of the summaries that it shows, and what it is estimated to cost,
    in millionths of a dollar."""

    message: Message
    shows: tuple[int, ...] = ()
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform's id and address of a post."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class TimelinePost:
    """A post as a reading of the channel's own timeline shows it, shortened links in ``text`` expanded.

    ``at`` is when it was created: by the platform's clock as a publisher gives it, by the ledger's once the reading is
    put together.
    """

    id: str
    url: str
    text: str
    links: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """One page of a channel's own timeline, newest first.

    ``trouble`` says why the page proves nothing about what it does not show; empty for a sound page. ``end_proven``:
    nothing older follows, and the platform itself says how many there are. ``platform_time`` is the platform's clock.
    ``count`` is how many posts came, those of others included: it is what is billed, as are the ``users`` that were
    read for it.
    """

    posts: tuple[TimelinePost, ...] = ()
    count: int = 0
    trouble: str = ""
    end_proven: bool = False
    platform_time: datetime | None = None
    users: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """A due instant: ``nominal`` is the local date and time on the operator's calendar, ``due`` the instant,
    ``delay`` how much later it is kept (the digest's jitter)."""

    nominal: str
    due: datetime
    delay: timedelta = timedelta(0)

    @property
    def at(self) -> datetime:
        """When the slot is to be kept."""
        return self.due + self.delay


@dataclass(frozen=True, slots=True)
class SlotChange:
    """What a person changed of a slot: it does not come at its ``nominal`` time, which was to be ``due``, but is
    ``moved_to`` another; None: it does not come at all."""

    nominal: str
    due: datetime
    moved_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one post once: ``epoch`` fences it off from every other claim to the same post.

    After ``deadline``, by the ledger's clock, the claim is void: the post's outcome counts as unknown, whoever holds
    the claim. The epoch counts the attempts. ``reply_to`` is the receipt's id of the part before, for a part of a
    thread. ``look_first`` says why the post may be on the platform already, empty where it cannot be; ``accepted``: an
    operator said to continue though the timeline cannot be read. ``first_sent_at`` is when the first attempt began that
    may have created it. ``dismissed`` are posts that an operator saw and did not take for this one. ``target`` is the
    receipt's id of the post that an update or a deletion is about. ``cost`` is in millionths of a dollar. ``attempt``
    is the id of the attempt, and when it began.
    """

    post: int
    channel: str
    epoch: int
    deadline: datetime
    message: Message
    reply_to: str | None = None
    look_first: str = ""
    accepted: bool = False
    first_sent_at: datetime | None = None
    dismissed: frozenset[str] = frozenset()
    action: Action = Action.PUBLISH
    target: str | None = None
    cost: int = 0
    attempt: tuple[int, datetime] | None = None


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post as operators see it. ``cost`` is estimated, in millionths of a dollar; ``picture`` is what its picture
    says. ``approve_by``: it needs approval until then. ``basis`` is what its receipt rests on; ``candidates`` are posts
    on the timeline that may be this one; ``by_hand``: an operator decided what became of it."""

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
        """Whether what became of it was decided by hand, or by its text, and can be taken back."""
        by_text = self.status is PostStatus.PUBLISHED and self.basis is not ReceiptBasis.ANSWER
        return self.action is Action.PUBLISH and (by_text or (self.status is PostStatus.SKIPPED and self.by_hand))

    def message(self) -> Message:
        """What it says; of its picture only the words."""
        picture = Picture(b"", "", self.picture) if self.picture else None
        return Message(self.text, self.link, self.reply, picture)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What waits for the operator's word; ``posts`` are those that it holds back from being changed."""

    id: int
    kind: str
    subject: str
    note: str
    raised_at: datetime
    posts: tuple[int, ...] = ()
