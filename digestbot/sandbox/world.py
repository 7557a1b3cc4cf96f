"""What has happened in the sandbox, and what is to go wrong in it."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from digestbot.publishers import facebook_errors, twitter_errors

FAULTS = {
    "drop-before": "close the connection without doing anything",
    "drop-after": "do as asked, then close the connection without an answer",
    "503-before": "answer 503 without doing anything",
    "503-after": "do as asked, then answer 503",
    "429": "refuse with 429 and say when to come back",
    "429-bare": "refuse with 429 without saying when",
    "html": "refuse with an HTML page from the edge (403)",
    "html-after": "do as asked, then answer 200 with an HTML page",
    "cut-after": "do as asked, then break off in the middle of the answer",
    "unauthorized": "reject the token",
    "401-after": "do as asked, then answer 401",
    "429-after": "do as asked, then answer 429",
}

LIES = {
    "empty": "an empty list, in the platform's own words, whatever is there",
    "object": "an empty JSON object",
    "no-count": "no posts, and no count of them",
    "errors": "200 with errors and no posts",
    "partial": "200 with errors and the older half of the posts",
    "foreign": "the posts of another account",
    "endless": "empty pages without end",
    "old": "the list as it was an hour ago",
}
"""What a timeline may be told to answer instead of the truth."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. A ``body`` of bytes goes out as it is, anything else as JSON."""

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


@dataclass
class Post:
    """Something a follower sees: a post on X or on a Page."""

    id: str
    account: str
    text: str
    at: float
    link: str | None = None
    reply_to: str | None = None
    media: list[str] = field(default_factory=list)
    published: bool = True


@dataclass
class Picture:
    """Something uploaded."""

    id: str
    content: bytes
    content_type: str
    alt_text: str = ""
    done: bool = True


@dataclass(frozen=True)
class Fault:
    """What is to go wrong at the next call that writes, or with ``reading`` at the next that reads."""

    kind: str
    platform: str | None = None
    seconds: int = 60  # when to come back, for 429
    reading: bool = False


def known(kind: str) -> bool:
    """Return whether there is such a fault: one of FAULTS, or error:NAME for a row of a platform's error catalogue."""
    name = kind.removeprefix("error:")
    return kind in FAULTS or (name != kind and any(name in rows for rows in ERRORS.values()))


ERRORS = {
    "twitter": {row.name: row for row in twitter_errors.ROWS},
    "facebook": {row.name: row for row in facebook_errors.ROWS},
}


class Faults:
    """The faults that are queued, and those that come at random (from a seed, so that a run repeats)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Fault] = deque()
        self._rates: dict[str, float] = {}
        self._random = random.Random(0)  # noqa: S311 - repeatable faults, not secrets
        self.lag = 0.0
        self.delay = 0.0  # seconds that each call takes
        self.refuse_duplicates = True  # X does; without it a second post shows instead of being refused
        self.refuse_replies = False  # X may, also under one's own posts
        self.refuse_pictures = False
        self.timeline: dict[str, str] = {}  # platform -> one of LIES
        self.alter_texts = False  # timelines show other quotation marks than were posted
        self._spared = 0

    def add(
        self, kind: str, platform: str | None = None, times: int = 1, seconds: int = 60, *, reading: bool = False
    ) -> None:
        """Let this go wrong at the next ``times`` calls that write, or that read (to one platform, or to any)."""
        if not known(kind):
            raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}, and error:NAME (docs/errors.md)")
        with self._lock:
            self._waiting.extend(Fault(kind, platform, seconds, reading) for _ in range(times))

    def after(self, calls: int) -> None:
        """Let so many writing calls pass before the faults that wait take their turn."""
        self._spared = calls

    def at_random(self, rates: dict[str, float], seed: int) -> None:
        """Let each writing call meet each of these faults with this probability."""
        for kind in rates:
            if not known(kind):
                raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}")
        with self._lock:
            self._rates, self._random = dict(rates), random.Random(seed)  # noqa: S311

    def lie(self, platform: str, kind: str | None) -> None:
        """Let the platform's timelines answer with one of LIES; None for the truth."""
        if kind is None:
            self.timeline.pop(platform, None)
        elif kind in LIES:
            self.timeline[platform] = kind
        else:
            raise ValueError(f"no such lie: {kind}; there are {', '.join(LIES)}")

    def next(self, platform: str, *, reading: bool) -> Fault | None:
        """The fault that the call under way meets. Those at random meet calls that write."""
        with self._lock:
            if self._spared and not reading:
                self._spared -= 1
                return None
            for fault in self._waiting:
                name = fault.kind.removeprefix("error:")
                meant = fault.platform in (None, platform) and fault.reading is reading
                if meant and (name == fault.kind or name in ERRORS[platform]):
                    self._waiting.remove(fault)
                    return fault
            if reading:
                return None
            draw = self._random.random() if self._rates else 1.0
            for kind, rate in self._rates.items():
                if draw < rate:
                    return Fault(kind, platform)
                draw -= rate
        return None


class World:
    """All posts and pictures. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.tweets: list[Post] = []
        self.page_posts: list[Post] = []
        self.pictures: dict[str, Picture] = {}
        self.token_ends = 0  # when the Page's token does, in seconds; 0 never, -1 it is dead
        self.pages = {"200"}  # that the Page's token may post to
        self.scopes = ["pages_show_list", "pages_read_engagement", "pages_manage_posts", "pages_manage_engagement"]
        self.calls: list[str] = []  # method and path of every API call, in order
        self._next = int(clock() * 1000) << 22  # a sandbox started later gives larger ids than one before

    def new_id(self) -> str:
        """An id larger than every one before, as X's are."""
        with self.lock:
            self._next += 4_194_304  # one millisecond of a snowflake
            return str(self._next)

    def by_hand(self, platform: str, text: str, link: str | None = None, ago: float = 0) -> Post:
        """A person posts this on the account, so many seconds ago."""
        with self.lock:
            x = platform == "twitter"
            account = "100" if x else "200"
            id_ = self.new_id() if x else f"{account}_{self.new_id()}"
            post = Post(id_, account, text, self.clock() - ago, link=link)
            timeline = self.tweets if x else self.page_posts
            timeline.append(post)
            if ago:
                timeline.sort(key=lambda one: one.at)
            return post

    def visible(self, posts: list[Post], lag: float) -> list[Post]:
        """Newest first, without those too young to show."""
        with self.lock:
            return [post for post in reversed(posts) if post.at <= self.clock() - lag]
