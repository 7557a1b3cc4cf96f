"""A platform and a kind of source that exist only in the tests: added through the registries alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import requests

from digestbot.domain.errors import Rejected, SourceError
from digestbot.domain.model import Message, Paper, Receipt, Summary, TimelinePage, TimelinePost
from digestbot.infra.config_values import Secret
from digestbot.infra.http_client import remaining
from digestbot.ledger import Ledger, intake, source_states
from digestbot.ledger.intake import IngestResult
from digestbot.ledger.source_states import PollReport, SourceState
from digestbot.platforms.base import ChannelConfig, LengthLimit, Platform, VerifiedAccount
from digestbot.platforms.error_catalogue import ErrorCause, ErrorReaction, ErrorRow, find_row, to_publish_error
from digestbot.platforms.http import Session, failure
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, Post, World
from digestbot.sources.base import SourceConfig, SourceContext, SourceKind

# ---- a platform


class ToyChannel(ChannelConfig):
    platform: Literal["toy"]
    token: Secret

    def account(self) -> str:
        return "toy:1"

    def application(self) -> str:
        return self.token.get_secret_value()


ROWS = [
    ErrorRow(
        "limit",
        ErrorCause.PLATFORM,
        ErrorReaction.WAIT,
        "too many calls",
        "Wait.",
        (429, {"error": "slow down"}),
        statuses=[429],
    ),
    ErrorRow(
        "token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the token is not accepted",
        "Set token.",
        (401, {"error": "who are you"}),
        statuses=[401],
    ),
    ErrorRow(
        "rejected",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the post is not accepted",
        "Change it.",
        (400, {"error": "no"}),
        statuses=range(400, 500),
    ),
]


class ToyPublisher:
    """Posts JSON."""

    replies_apart = False
    account = "1"

    def __init__(self, channel: ToyChannel) -> None:
        self._url, self._session = channel.api_url, Session(channel.api_url, channel.api_url)
        self._session.headers["Authorization"] = f"Bearer {channel.token.get_secret_value()}"

    def _call(self, method: str, path: str, seconds: float, may_send: Callable[[], bool], **options: Any) -> Any:
        with self._session.wire.exchange(seconds, may_send):
            try:
                answer = self._session.request(method, f"{self._url}/toy{path}", **options)
                body = answer.json()
            except (requests.RequestException, ValueError) as error:
                raise failure(self._session.wire, error) from error
        if answer.status_code >= 400:
            row = find_row(ROWS, answer.status_code, -1, -1, str(body.get("error", "")), reply=False)
            assert row is not None
            raise to_publish_error(row, "Toy", str(body.get("error")))
        return body

    def publish(
        self, message: Message, *, reply_to: str | None, seconds: float, may_send: Callable[[], bool]
    ) -> Receipt:
        body = {"text": message.text, "reply_to": reply_to}
        return self.receipt(self._call("POST", "/posts", seconds, may_send, json=body)["id"])

    def update(self, receipt: str, message: Message, *, seconds: float, may_send: Callable[[], bool]) -> None:
        raise Rejected("Toy has no edit")

    def delete(self, receipt: str, *, seconds: float, may_send: Callable[[], bool]) -> None:
        self._call("DELETE", f"/posts/{receipt}", seconds, may_send)

    def lookup(self, receipt: str, *, seconds: float) -> TimelinePost | None:
        found = self._call("GET", f"/posts/{receipt}", seconds, lambda: True)
        return self._timeline_post(found) if found else None

    def timeline(self, *, after: str | None, reply_to: str | None, seconds: float) -> Iterator[TimelinePage]:
        end = time.monotonic() + seconds
        found = self._call("GET", "/posts", remaining(end), lambda: True)["posts"]
        yield TimelinePage(tuple(map(self._timeline_post, found)), len(found), "", True, self._session.platform_time)

    def _timeline_post(self, found: dict[str, Any]) -> TimelinePost:
        at = datetime.fromtimestamp(found["at"], UTC)
        return TimelinePost(found["id"], f"{self._url}/toy/{found['id']}", found["text"], (), at)

    def receipt(self, reference: str) -> Receipt:
        number = reference.rpartition("/")[2]
        if not number.isdecimal():
            raise ValueError("write the post's number")
        return Receipt(number, f"{self._url}/toy/{number}")

    def platform_time(self) -> datetime | None:
        return self._session.platform_time

    def verify(self, *, seconds: float) -> VerifiedAccount:
        self._call("GET", "/posts", seconds, lambda: True)
        return VerifiedAccount("toy account 1")

    def expires_at(self, *, seconds: float, now: datetime) -> datetime | None:
        return None


class ToyApi:
    """What the sandbox answers under /toy/."""

    account_name = "Toy account"

    def __init__(self, world: World, faults: Faults, secrets: object) -> None:
        self.world, self.posts = world, world.timelines["toy"]

    def serves(self, path: str) -> bool:
        return path.startswith("/toy/posts")

    def answer(self, request: Request) -> Answer:
        number = request.path.removeprefix("/toy/posts").removeprefix("/")
        if request.method == "POST" and request.json is not None:
            return Answer(200, {"id": self.world.add("toy", self._post(str(request.json["text"]))).id})
        found = [post for post in reversed(self.posts) if number in ("", post.id)]
        if request.method == "DELETE":
            for post in found:
                self.posts.remove(post)
            return Answer(200, {})
        shown = [{"id": post.id, "text": post.text, "at": post.at} for post in found]
        return Answer(200, {"posts": shown} if not number else shown[0] if shown else {})

    def _post(self, text: str) -> Post:
        return Post(self.world.new_id(), "1", text, self.world.clock())

    def unauthorized(self) -> Answer:
        return Answer(401, {"error": "who are you"})

    def too_many_requests(self, retry_after: int | None) -> Answer:
        return Answer(429, {"error": "slow down"})

    def post_by_hand(self, text: str, link: str | None, at: float) -> Post:
        return replace(self._post(text), at=at)

    def post_path(self, post: Post) -> str:
        return f"/toy/{post.id}"


def toy_platform(folder: Path) -> Platform:
    """The platform; its preview is written into the folder."""
    (folder / "preview.html.j2").write_text(
        "{% macro post(shown) %}<article>{{ shown.account }}: {{ shown.text | linked }}</article>{% endmacro %}"
    )
    return Platform(
        name="toy",
        title="Toy",
        account_kind="account",
        channel_name="toy",
        folder=folder,
        config=ToyChannel,
        limit=LengthLimit(100, len),
        card_size=(300, 200),
        errors=ROWS,
        make_publisher=ToyPublisher,
        make_sandbox_api=ToyApi,
    )


# ---- a kind of source


class LinesSource(SourceConfig):
    kind: Literal["lines"]
    file: Path


class Lines:
    """A file of JSON objects, one a line."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    @property
    def url(self) -> str:
        return f"file:{self._context.config.file}"

    def _read(self) -> list[Summary]:
        try:
            lines = self._context.config.file.read_text().splitlines()
        except OSError as error:
            raise SourceError(f"{self.url}: {error.strerror}") from error
        return [
            Summary(Paper(one["paper"], one["title"]), one["writer"], one["writer"], one["body"], one["link"])
            for one in map(json.loads, lines)
        ]

    def poll(self, state: SourceState) -> IngestResult | None:
        found, name, now = self._read(), self._context.name, self._context.clock()
        with self._context.ledger.begin() as tx:
            taken = intake.ingest(tx, name, found, now)
            report = PollReport.of(taken)
            source_states.poll_succeeded(tx, name, replace(state, url=self.url), now, report=report)
        return taken

    def read_all(self) -> Iterator[list[Summary]]:
        yield self._read()

    def confirm(self, summaries: Sequence[Summary]) -> bool:
        return True

    examples: Sequence[Summary] = ()

    def probe(self, *, votes_wanted: bool, sections_wanted: bool) -> str:
        self.examples = self._read()[:3]
        return f"{len(self._read())} lines"

    def check(self) -> str | None:
        return "is a file"

    def prepare_dry_run(self) -> Callable[[Ledger, SourceState], None]:
        def poll_into(ledger: Ledger, state: SourceState) -> None:
            Lines(replace(self._context, ledger=ledger)).poll(state)

        return poll_into

    def close(self) -> None:
        pass


LINES = SourceKind("lines", LinesSource, Lines)
