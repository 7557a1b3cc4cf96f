"""The sandbox's state: posts, pictures, and the faults to inject."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from digestbot.platforms.error_catalogue import ErrorRow

FAULTS = {
    "drop-before": "close the connection without doing anything",
    "drop-after": "do as asked, then close the connection without an answer",
    "503-before": "answer 503 without doing anything",
    "503-after": "do as asked, then answer 503",
    "429": "reject with 429 and say when to retry",
    "429-bare": "reject with 429 without saying when",
    "html": "reject with an HTML page from the edge (403)",
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
    "old": "the list of an hour ago",
}
"""The wrong answers that a timeline can be made to give."""


@dataclass
class Post:
    """A post on X or on a Page, as a follower sees it."""

    id: str
    account: str
    text: str
    at: float
    link: str | None = None
    reply_to: str | None = None
    media: list[str] = field(default_factory=list)
    published: bool = True


@dataclass
class UploadedPicture:
    """An uploaded picture."""

    id: str
    content: bytes
    content_type: str
    alt_text: str = ""
    done: bool = True


@dataclass(frozen=True)
class Fault:
    """A fault to inject into the next call that writes; with ``reading``, into the next call that reads."""

    kind: str
    platform: str | None = None
    seconds: int = 60  # how long to wait, for 429
    reading: bool = False


class Faults:
    """The queued faults and the random ones, which come from a seed so that a run can be repeated.

    ``errors`` are the rows of each platform's error catalogue, by name.
    """

    def __init__(self, errors: Mapping[str, Mapping[str, ErrorRow]] | None = None) -> None:
        self.errors = errors or {}
        self._lock = threading.Lock()
        self._waiting: deque[Fault] = deque()
        self._rates: dict[str, float] = {}
        self._random = random.Random(0)  # noqa: S311 - repeatable faults, not secrets
        self.lag = 0.0
        self.delay = 0.0  # added to each call, in seconds
        self.refuse_duplicates = True  # as X does; if False, a duplicate is published instead of rejected
        self.refuse_replies = False  # as X may do, even under the account's own posts
        self.refuse_pictures = False
        self.timeline: dict[str, str] = {}  # platform -> one of LIES
        self.alter_texts = False  # timelines show texts that differ from what was posted
        self._spared = 0

    def is_known(self, kind: str) -> bool:
        """Return True if this fault exists: one of FAULTS, or error:NAME for a row of an error catalogue."""
        name = kind.removeprefix("error:")
        return kind in FAULTS or (name != kind and any(name in rows for rows in self.errors.values()))

    def add(
        self, kind: str, platform: str | None = None, times: int = 1, seconds: int = 60, *, reading: bool = False
    ) -> None:
        """Inject a fault into the next ``times`` calls that write, or with ``reading`` into those that read.

        ``platform`` is the platform to affect; None affects any. Raises ValueError for an unknown fault.
        """
        if not self.is_known(kind):
            raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}, and error:NAME (docs/errors.md)")
        with self._lock:
            self._waiting.extend(Fault(kind, platform, seconds, reading) for _ in range(times))

    def after(self, calls: int) -> None:
        """Let this many writing calls pass before the next fault is injected."""
        self._spared = calls

    def at_random(self, rates: dict[str, float], seed: int) -> None:
        """Inject each of these faults into writing calls with the given probability.

        Raises ValueError for an unknown fault.
        """
        for kind in rates:
            if not self.is_known(kind):
                raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}")
        with self._lock:
            self._rates, self._random = dict(rates), random.Random(seed)  # noqa: S311

    def lie(self, platform: str, kind: str | None) -> None:
        """Make the platform's timelines answer with one of LIES; None restores the truth.

        Raises ValueError for an unknown lie.
        """
        if kind is None:
            self.timeline.pop(platform, None)
        elif kind in LIES:
            self.timeline[platform] = kind
        else:
            raise ValueError(f"unknown lie: {kind}; there are {', '.join(LIES)}")

    def next(self, platform: str, *, reading: bool) -> Fault | None:
        """Return the fault for the current call; None for none. Random faults affect only calls that write."""
        with self._lock:
            if self._spared and not reading:
                self._spared -= 1
                return None
            for fault in self._waiting:
                name = fault.kind.removeprefix("error:")
                meant = fault.platform in (None, platform) and fault.reading is reading
                if meant and (name == fault.kind or name in self.errors.get(platform, ())):
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
    """All posts and pictures. Every method is thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.timelines: dict[str, list[Post]] = defaultdict(list)  # platform -> its posts, oldest first
        self.pictures: dict[str, UploadedPicture] = {}
        self.token_ends = 0  # expiry of the Page's token, in epoch seconds; 0 is never, -1 is already invalid
        self.pages = {"200"}  # Pages that the token may post to
        self.tasks = ["CREATE_CONTENT", "MODERATE"]  # what the person may do on its Pages
        self.app_live = True  # False: the application is in Development mode
        self.scopes = ["pages_show_list", "pages_read_engagement", "pages_manage_posts", "pages_manage_engagement"]
        self.calls: list[str] = []  # method and path of every API call, in order
        self._next = int(clock() * 1000) << 22  # later sandboxes issue larger ids than earlier ones

    def new_id(self) -> str:
        """Return an id larger than all earlier ones, as X's are."""
        with self.lock:
            self._next += 4_194_304  # one millisecond of a snowflake
            return str(self._next)

    def add(self, platform: str, post: Post) -> Post:
        """Add a post to a timeline, at the position of its time."""
        with self.lock:
            timeline = self.timelines[platform]
            timeline.append(post)
            if len(timeline) > 1 and timeline[-2].at > post.at:
                timeline.sort(key=lambda one: one.at)
            return post

    def visible(self, posts: list[Post], lag: float) -> list[Post]:
        """Return the posts, newest first, without those younger than ``lag`` seconds."""
        with self.lock:
            return [post for post in reversed(posts) if post.at <= self.clock() - lag]


def altered_text(text: str) -> str:
    """Return a text as a platform may alter it: with another first character."""
    return f"\u201c{text[1:]}" if text else text
