"""X: the real tweepy against the sandbox, and every answer put into its class."""

from __future__ import annotations

import itertools
import json
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from helpers.basics import SECRETS

from digestbot.domain.errors import (
    OutcomeUnknown,
    PublishError,
    RateLimited,
    Rejected,
    RepliesRefused,
    Unauthorized,
    Unavailable,
)
from digestbot.domain.model import Message, Picture, Receipt, TimelinePage
from digestbot.platforms.twitter.config import TwitterChannel
from digestbot.platforms.twitter.publisher import TwitterPublisher
from digestbot.platforms.twitter.responses import classify_response, until_reset_day
from digestbot.sandbox import LIES, Sandbox


def publisher(url: str, **secrets: str) -> TwitterPublisher:
    return TwitterPublisher(TwitterChannel.model_validate({"platform": "twitter", "api_url": url} | SECRETS | secrets))


def send(to: TwitterPublisher, text: str = "hello", *, seconds: float = 5, alive: bool = True) -> Receipt:
    return to.publish(Message(text), reply_to=None, seconds=seconds, may_send=lambda: alive)


def test_a_post_appears_with_its_receipt(sandbox: Sandbox) -> None:
    receipt = send(publisher(sandbox.url), "naïve $W$ & 1 < 2 — https://example.org/x?a=1&b=2#c")
    (tweet,) = sandbox.world.timelines["twitter"]
    assert tweet.text == "naïve $W$ & 1 < 2 — https://example.org/x?a=1&b=2#c"
    assert tweet.account == "100"
    assert receipt == Receipt(tweet.id, f"{sandbox.url}/i/web/status/{tweet.id}")


def test_the_signature_is_made_for_the_address_that_is_called(sandbox: Sandbox) -> None:
    # the sandbox checks it, so a wrong secret must be refused and the right one was accepted above
    with pytest.raises(Unauthorized, match="rejected") as caught:
        send(publisher(sandbox.url, api_secret="wrong-secret"))
    assert not caught.value.certain


def test_real_receipts_point_at_x() -> None:
    assert publisher("https://api.x.com")._web == "https://x.com"


def test_verify(sandbox: Sandbox) -> None:
    assert publisher(sandbox.url).verify(seconds=5).name == "@sandbox_100 (id 100)"


def test_too_long_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(Rejected, match="too long"):
        send(publisher(sandbox.url), "x" * 281)
    assert sandbox.world.timelines["twitter"] == []


def test_a_duplicate_is_unknown_not_failed(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    send(client, "same")
    with pytest.raises(OutcomeUnknown, match="is there already"):
        send(client, "same")


@pytest.mark.parametrize(
    ("fault", "error", "posted"),
    [
        ("drop-before", OutcomeUnknown, 0),
        ("drop-after", OutcomeUnknown, 1),
        ("503-before", OutcomeUnknown, 0),
        ("503-after", OutcomeUnknown, 1),
        ("html", OutcomeUnknown, 0),
        ("html-after", OutcomeUnknown, 1),
        ("cut-after", OutcomeUnknown, 1),
        ("429", RateLimited, 0),
        ("429-bare", RateLimited, 0),
        ("unauthorized", Unauthorized, 0),
        ("401-after", Unauthorized, 1),
        ("429-after", RateLimited, 1),
    ],
)
def test_faults(sandbox: Sandbox, fault: str, error: type[PublishError], posted: int) -> None:
    sandbox.faults.add(fault, "twitter", seconds=90)
    client = publisher(sandbox.url)
    with pytest.raises(error) as caught:
        send(client)
    assert type(caught.value) is error
    assert len(sandbox.world.timelines["twitter"]) == posted
    assert sandbox.world.calls == ["POST /2/tweets"]  # sent once: no library retried
    if isinstance(caught.value, RateLimited):
        assert caught.value.wait == (timedelta(seconds=90) if fault in ("429", "429-after") else None)
    for secret in SECRETS.values():
        assert secret not in str(caught.value)


def test_surely_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable, match="Connection refused"):
        send(publisher(f"http://127.0.0.1:{port}"))
    with pytest.raises(Unavailable):
        send(publisher("https://does-not-exist.invalid"))


def test_a_failed_handshake_sent_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(Unavailable):
        send(publisher(sandbox.url.replace("http://", "https://")))


def test_nothing_is_written_after_the_deadline(sandbox: Sandbox) -> None:
    with pytest.raises(Unavailable):
        send(publisher(sandbox.url), alive=False)
    assert sandbox.world.calls == []


def raw_server(answer: bytes) -> tuple[str, threading.Thread, socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            received = b""
            while b"hello" not in received:
                received += connection.recv(65536)
            if answer:
                connection.sendall(answer)
            else:
                connection.recv(1)  # say nothing until the client gives up

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread, listener


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "in time"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi", "cannot be read"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", "without the post's id"),
        (
            b'HTTP/1.1 201 Created\r\nContent-Length: 35\r\n\r\n{"data":{"id":7,"text":"x"},"a":[1]}'[:-1],
            "without the post's id|lost|cannot be read",
        ),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nnull", "without the post's id"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"garbage\r\n\r\n", "lost"),
    ],
)
def test_answers_that_say_nothing_sure(answer: bytes, words: str) -> None:
    url, thread, listener = raw_server(answer)
    with listener, pytest.raises(OutcomeUnknown, match=words):
        send(publisher(url), seconds=5 if answer else 0.3)
    thread.join(5)


def test_unknown_keys_in_an_answer_do_no_harm() -> None:
    body = b'{"data":{"id":"77","text":"x","new":1},"errors":null,"more":{}}'
    url, thread, listener = raw_server(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    with listener:
        assert send(publisher(url)).id == "77"
    thread.join(5)


def problem(detail: str = "", type_: str = "about:blank", **more: Any) -> dict[str, Any]:
    return {"detail": detail, "type": type_, "title": "T"} | more


def test_the_monthly_cap_ends_on_the_day_that_x_says(sandbox: Sandbox) -> None:
    sandbox.faults.add("error:monthly-cap", "twitter")
    with pytest.raises(Unauthorized) as caught:
        send(publisher(sandbox.url))
    assert caught.value.until_reset
    assert caught.value.wait == timedelta(days=28, hours=16)  # from 2 November, 08:00 to 1 December
    assert sandbox.world.calls[1:] == ["POST /oauth2/token", "GET /2/usage/tweets"]


def test_a_cap_that_a_reading_meets_ends_on_that_day_too(sandbox: Sandbox) -> None:
    sandbox.faults.add("error:monthly-cap", "twitter", reading=True)
    with pytest.raises(Unauthorized) as caught:
        pages(publisher(sandbox.url))
    assert caught.value.wait == timedelta(days=28, hours=16)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-rate-limit-remaining": "87", "x-rate-limit-reset": "1793606700"}, timedelta(hours=3)),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1793606700"}, timedelta(hours=3)),
        ({"x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "1793624400"}, timedelta(hours=5)),
    ],
)
def test_the_daily_limit_is_not_measured_by_the_short_window(headers: dict[str, str], wait: timedelta) -> None:
    body = {"errors": [{"code": 185, "message": "User is over daily status update limit."}]}
    found = classify_response(403, headers | {"Date": "Mon, 02 Nov 2026 08:00:00 GMT"}, body)
    assert isinstance(found, RateLimited)
    assert found.wait == wait


def test_a_post_without_an_author_is_nobody_s() -> None:
    body = json.dumps({"data": {"id": "7", "text": "hello", "created_at": "2026-11-02T08:00:00.000Z"}}).encode()
    url, thread = answering((200, body))
    with pytest.raises(OutcomeUnknown):
        publisher(url).lookup("7", seconds=5)
    thread.join(5)


@pytest.mark.parametrize(
    ("day", "now", "days"),
    [
        (1, datetime(2026, 11, 26, tzinfo=UTC), 5),
        (26, datetime(2026, 11, 26, tzinfo=UTC), 30),
        (27, datetime(2026, 11, 26, tzinfo=UTC), 1),
        (31, datetime(2027, 2, 10, tzinfo=UTC), 18),
    ],
)
def test_the_day_on_which_a_cap_resets(day: int, now: datetime, days: int) -> None:
    assert until_reset_day(day, now) == timedelta(days=days)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (400, problem("bad", errors=[{"message": "Your media IDs are invalid."}]), Rejected, "media IDs"),
        (400, None, OutcomeUnknown, "400"),
        (401, {"errors": [{"code": 135, "message": "Timestamp out of bounds."}]}, Unauthorized, "clock is wrong"),
        (402, problem("no", "https://api.twitter.com/2/problems/credits"), Unauthorized, "no credit"),
        (402, {}, Unauthorized, "payment"),
        (403, problem("x", "https://api.x.com/2/problems/credits-depleted"), Unauthorized, "no credit"),
        (403, None, OutcomeUnknown, "403"),
        (403, problem("something new"), Rejected, "something new"),
        (429, None, RateLimited, "too many"),
        (503, None, OutcomeUnknown, "503"),
        (302, None, OutcomeUnknown, "302"),
        (400, {"errors": "odd", "detail": ["odd"]}, Rejected, "odd"),
        (400, {"errors": [{"code": "89", "message": "odd"}]}, Rejected, "odd"),
    ],
)
def test_answers_that_are_worded_otherwise(
    status: int, body: dict[str, Any] | None, error: type[PublishError], words: str
) -> None:
    found = classify_response(status, {}, body)
    assert type(found) is error
    assert words in str(found)


@pytest.mark.parametrize(
    ("words", "cleaned"), [("a\x9bb\x85c", "a b c"), ("\u202eevil", "evil"), ("a\x00\x1b[31m", "a [31m"), ("ok", "ok")]
)
def test_what_a_platform_says_carries_no_control_characters(words: str, cleaned: str) -> None:
    assert cleaned in str(classify_response(400, {}, problem(words)))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Date": "Mon, 02 Nov 2026 08:00:00 GMT", "x-rate-limit-reset": "1793606500"}, 100),
        (
            {
                "Date": "Mon, 02 Nov 2026 08:00:00 GMT",
                "x-rate-limit-reset": "1793606500",
                "x-user-limit-24hour-remaining": "0",
                "x-user-limit-24hour-reset": "1793610000",
            },
            3600,
        ),
        ({"Date": "Mon, 02 Nov 2026 08:00:00 GMT", "x-rate-limit-reset": "5"}, 1),
        ({"Retry-After": "30"}, 30),
        ({"x-rate-limit-reset": "1793606500"}, None),  # without their clock the time means nothing
        ({"Date": "nonsense", "x-rate-limit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_a_rate_limit_lasts(headers: dict[str, str], seconds: float | None) -> None:
    found = classify_response(429, headers, {})
    assert isinstance(found, RateLimited)
    assert found.wait == (None if seconds is None else timedelta(seconds=seconds))


def test_no_secret_reaches_the_log(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(publisher(sandbox.url))
    sandbox.faults.add("drop-before")
    with pytest.raises(OutcomeUnknown):
        send(publisher(sandbox.url), "again")
    for secret in SECRETS.values():
        assert secret not in caplog.text


# ---- replies and pictures


PICTURE = Picture(b"\x89PNG not really", "image/png", "what it shows")


def answering(*answers: tuple[int, bytes]) -> tuple[str, threading.Thread]:
    """A server that gives these answers, one to a connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for status, body in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    received = b""
                    while b"\r\n\r\n" not in received:
                        received += connection.recv(65536)
                    head, _, rest = received.partition(b"\r\n\r\n")
                    length = next(
                        (
                            int(line.split(b":")[1])
                            for line in head.split(b"\r\n")
                            if line.lower().startswith(b"content-length")
                        ),
                        0,
                    )
                    while len(rest) < length:
                        rest += connection.recv(65536)
                    connection.sendall(
                        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                        % (status, len(body), body)
                    )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


def publish(url: str, message: Message, reply_to: str | None = None) -> Receipt:
    return publisher(url).publish(message, reply_to=reply_to, seconds=10, may_send=lambda: True)


@pytest.mark.parametrize(
    ("detail", "error"),
    [
        ("You are not permitted to perform this action.", Rejected),
        ("You can only reply to or quote posts where you are mentioned or are the author.", RepliesRefused),
        ("Reply to this conversation is not allowed because you have not been mentioned.", RepliesRefused),
        ("Your account is suspended and is not permitted to access this feature.", Unauthorized),
        ("To protect our users this account is temporarily locked.", Unauthorized),
        ("Your client app is not configured with the appropriate oauth1 app permissions.", Unauthorized),
        ("You attempted to reply to a Tweet that is deleted or not visible to you.", Rejected),
    ],
)
def test_a_refused_reply_is_told_from_a_refused_account(detail: str, error: type[PublishError]) -> None:
    body = json.dumps(problem(detail)).encode()
    url, thread = answering((403, body), (403, body))
    with pytest.raises(error) as caught:
        publish(url, Message("part two"), reply_to="77")
    assert type(caught.value) is error
    other = error if error is Unauthorized else Rejected  # what is no reply was rejected for itself
    with pytest.raises(other) as caught:
        publish(url, Message("part one"))
    assert type(caught.value) is other
    thread.join(5)


def test_a_picture_that_the_post_needs_says_what_became_of_it(sandbox: Sandbox) -> None:
    required = Picture(PICTURE.content, PICTURE.media_type, PICTURE.alt_text, required=True)
    url, thread = answering((500, b"{}"), (429, b"{}"), (401, b"{}"))
    with pytest.raises(Unavailable, match="the picture was not accepted"):
        publish(url, Message("a", picture=required))
    with pytest.raises(RateLimited):
        publish(url, Message("b", picture=required))
    with pytest.raises(Unauthorized):
        publish(url, Message("c", picture=required))
    thread.join(5)
    assert sandbox.world.timelines["twitter"] == []


@pytest.mark.parametrize(
    "upload",
    [(500, b"{}"), (400, b"{}"), (200, b"{}"), (200, b"no json"), (200, b'{"data":{"id":"5","processing_info":{"state":"failed"}}}')],
)  # fmt: skip
def test_a_post_goes_without_a_picture_that_it_does_not_need(upload: tuple[int, bytes]) -> None:
    url, thread = answering(upload, (201, b'{"data":{"id":"78","text":"x"}}'))
    assert publish(url, Message("a", picture=PICTURE)).id == "78"
    thread.join(5)


# ---- timelines


def pages(to: TwitterPublisher, after: str | None = None) -> list[TimelinePage]:
    return list(itertools.islice(to.timeline(after=after, reply_to=None, seconds=5), 4))


def test_a_timeline_is_read_back_to_the_post_that_is_known(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    first, second, third = (send(client, f"post {number} <&> https://example.org/{number}") for number in range(3))
    (page,) = pages(client, second.id)
    assert [post.id for post in page.posts] == [third.id, second.id]
    assert (page.count, page.trouble, page.end_proven) == (2, "", False)
    (whole,) = pages(client)
    assert [post.id for post in whole.posts] == [third.id, second.id, first.id]
    assert whole.end_proven
    assert whole.posts[0].text == "post 2 &lt;&amp;&gt; https://example.org/2"
    assert whole.platform_time is not None


def test_an_empty_account_proves_that_it_is_empty(sandbox: Sandbox) -> None:
    at = datetime(2026, 11, 2, 8, tzinfo=UTC)
    assert pages(publisher(sandbox.url)) == [TimelinePage((), 0, "", True, at, users=1)]


def test_an_empty_list_of_an_account_that_counts_posts_proves_nothing(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    send(client)
    sandbox.faults.lie("twitter", "empty")
    (page,) = pages(client)
    assert (page.trouble, page.end_proven, page.users) == ("X showed no posts and counts 1", False, 1)


@pytest.mark.parametrize("lie", sorted(set(LIES) - {"endless", "old"}))
def test_an_answer_of_another_shape_proves_nothing(sandbox: Sandbox, lie: str) -> None:
    client = publisher(sandbox.url)
    send(client)
    sandbox.faults.lie("twitter", lie)
    assert all(page.trouble and not page.end_proven for page in pages(client))
    if lie == "foreign":
        assert not any(page.posts for page in pages(client))


def test_an_endless_timeline_can_be_left(sandbox: Sandbox) -> None:
    sandbox.faults.lie("twitter", "endless")
    assert [page.end_proven for page in pages(publisher(sandbox.url))] == [False] * 4


def test_a_post_is_looked_up_and_one_of_another_account_is_told(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    mine = send(client)
    found = client.lookup(mine.id, seconds=5)
    assert found is not None
    assert found.text == "hello"
    assert client.lookup("99", seconds=5) is None
    sandbox.world.timelines["twitter"][0].account = "101"
    with pytest.raises(Rejected, match="another account"):
        client.lookup(mine.id, seconds=5)


@pytest.mark.parametrize(
    "reference",
    [
        "77",
        "https://x.com/someone/status/77",
        "twitter.com/i/web/status/77?s=20",
        "https://mobile.twitter.com/a/status/77",
    ],
)
def test_receipts_that_a_person_may_copy(reference: str) -> None:
    assert publisher("https://api.x.com").receipt(reference).id == "77"


@pytest.mark.parametrize(
    "reference",
    ["https://example.org/a/status/77", "https://x.com.evil.example/a/status/77", "https://x.com/77", "a77", "", "https://x.com/a/status/"],
)  # fmt: skip
def test_receipts_that_are_none(reference: str) -> None:
    with pytest.raises(ValueError, match="write"):
        publisher("https://api.x.com").receipt(reference)
