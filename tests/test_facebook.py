"""Facebook: the real facebook-sdk against the sandbox, and every answer put into its class."""

from __future__ import annotations

import json
import logging
import socket
from datetime import timedelta
from typing import Any

import facebook
import pytest
from conftest import PAGE_SECRETS

from digestbot.config import FacebookChannel
from digestbot.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.model import Message, Receipt
from digestbot.publishers.facebook import FacebookPublisher, Graph, GraphError, classify
from digestbot.sandbox import Sandbox


def channel(url: str, **more: str) -> FacebookChannel:
    return FacebookChannel.model_validate(
        {"platform": "facebook", "api_url": url, "page_id": "200"} | PAGE_SECRETS | more
    )


def publisher(url: str, **more: str) -> FacebookPublisher:
    return FacebookPublisher(channel(url, **more))


def send(to: FacebookPublisher, text: str = "hello", link: str | None = None, *, alive: bool = True) -> Receipt:
    return to.publish(Message(text, link), reply_to=None, seconds=5, may_send=lambda: alive)


def test_a_post_appears_with_its_receipt(sandbox: Sandbox) -> None:
    receipt = send(publisher(sandbox.url), "naïve\n\nα & 1 < 2", "https://example.org/x?a=1&b=2#c")
    (post,) = sandbox.world.page_posts
    assert (post.account, post.text, post.link) == ("200", "naïve\n\nα & 1 < 2", "https://example.org/x?a=1&b=2#c")
    assert receipt == Receipt(post.id, f"{sandbox.url}/{post.id}")
    assert sandbox.world.calls == ["POST /v26.0/200/feed"]


def test_it_is_a_real_graph_api() -> None:
    graph = Graph(channel("https://graph.facebook.com"))
    assert isinstance(graph, facebook.GraphAPI)
    assert graph.version == "v26.0"
    assert publisher("https://graph.facebook.com")._web == "https://www.facebook.com"


def test_the_proof_is_checked_and_sent(sandbox: Sandbox) -> None:
    with pytest.raises(Rejected, match="appsecret_proof"):
        send(publisher(sandbox.url, app_secret="wrong-secret"))


def test_verify(sandbox: Sandbox) -> None:
    assert publisher(sandbox.url).verify(seconds=5) == ("Sandbox Page (id 200)", [])


def test_verify_names_what_is_wrong_with_a_token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    client = publisher(sandbox.url)
    token = {"is_valid": False, "type": "USER", "scopes": ["pages_show_list"], "expires_at": 5}
    real = client._graph.get_object
    monkeypatch.setattr(
        client._graph, "get_object", lambda id_, **args: {"data": token} if id_ == "debug_token" else real(id_, **args)
    )
    _, advice = client.verify(seconds=5)
    assert [
        word
        for word in ("no longer valid", "user's token", "pages_manage_posts", "expires")
        if word in "; ".join(advice)
    ] == ["no longer valid", "user's token", "pages_manage_posts", "expires"]


def test_how_parameters_travel(sandbox: Sandbox) -> None:
    graph = Graph(channel(sandbox.url))
    with pytest.raises(GraphError, match="attached_media"):
        graph.put_object("200", "feed", message="x", attached_media=[{"media_fbid": "1"}])
    picture = graph.put_photo(b"\x89PNG", "200/photos", published=False, alt_text_custom="a picture", caption="")
    assert sandbox.world.pictures[picture["id"]].alt_text == "a picture"
    assert sandbox.world.page_posts == []
    posted = graph.put_object("200", "feed", message="x", attached_media=[{"media_fbid": picture["id"]}])
    assert sandbox.world.page_posts[0].media == [picture["id"]]
    assert graph.put_object(posted["id"], "comments", message="c")["id"]
    assert graph.delete_object(posted["id"]) == {"success": True}


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
    ],
)
def test_faults(sandbox: Sandbox, fault: str, error: type[PublishError], posted: int) -> None:
    sandbox.faults.add(fault, "facebook", seconds=180)
    with pytest.raises(error) as caught:
        send(publisher(sandbox.url))
    assert type(caught.value) is error
    assert len(sandbox.world.page_posts) == posted
    assert len(sandbox.world.calls) == 1
    if isinstance(caught.value, RateLimited):
        assert caught.value.wait == (timedelta(minutes=3) if fault == "429" else None)
    for secret in PAGE_SECRETS.values():
        assert secret not in str(caught.value)


def test_refused_content(sandbox: Sandbox) -> None:
    with pytest.raises(Rejected, match="empty"):
        send(publisher(sandbox.url), " ")
    with pytest.raises(Rejected, match="63206"):
        send(publisher(sandbox.url), "x" * 63_207)


def test_surely_not_sent(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable, match="Connection refused"):
        send(publisher(f"http://127.0.0.1:{port}"))
    with pytest.raises(Unavailable):
        send(publisher(sandbox.url), alive=False)
    assert sandbox.world.calls == []


def test_an_expired_version_is_noticed_once(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    client = publisher(sandbox.url)
    client._graph._notice_version("v27.0")
    client._graph._notice_version("v27.0")
    assert len(caplog.records) == 1
    assert "set api_version" in caplog.text


@pytest.mark.parametrize(
    ("status", "fields", "error", "words"),
    [
        (400, {"code": 190, "error_subcode": 463}, Unauthorized, "token is dead"),
        (400, {"code": 102}, Unauthorized, "token is dead"),
        (400, {"code": 32}, RateLimited, "too many"),
        (400, {"code": 80001}, RateLimited, "too many"),
        (403, {"code": 368}, RateLimited, "blocked"),
        (403, {"code": 10}, Unauthorized, "not permitted"),
        (403, {"code": 200, "message": "(#200) requires publish_actions"}, Unauthorized, "Page's own token"),
        (400, {"code": 100, "error_subcode": 33}, Unauthorized, "page_id"),
        (400, {"code": 100, "error_user_msg": "Sorry, no"}, Rejected, "Sorry, no"),
        (400, {"code": 197}, Rejected, "refused"),
        (400, {"code": 1609005}, Rejected, "refused"),
        (400, {"code": 506}, OutcomeUnknown, "same post already"),
        (400, {"code": 1}, OutcomeUnknown, "code 1"),
        (500, {"code": 2, "is_transient": True}, OutcomeUnknown, "500"),
        (400, {"code": 987654}, OutcomeUnknown, "code 987654"),
        (400, {"code": "190"}, OutcomeUnknown, "code -1"),
        (503, {"code": 4}, OutcomeUnknown, "503"),
        (500, {"code": 100}, OutcomeUnknown, "500"),
        (429, {"code": 80002}, RateLimited, "too many"),
        (502, None, OutcomeUnknown, "502"),
        (200, None, OutcomeUnknown, "200"),
        (429, None, RateLimited, "too many"),
    ],
)
def test_classes(status: int, fields: dict[str, Any] | None, error: type[PublishError], words: str) -> None:
    found = classify(status, {}, fields)
    assert type(found) is error
    assert words in str(found)


@pytest.mark.parametrize(
    ("usage", "wait"),
    [
        (
            json.dumps({"1": [{"estimated_time_to_regain_access": 5}], "2": [{"estimated_time_to_regain_access": 9}]}),
            timedelta(minutes=9),
        ),
        (json.dumps({"1": [{"estimated_time_to_regain_access": 0}]}), None),
        ("nonsense", None),
        ("[]", None),
        ("{}", None),
        ('{"1": 5}', None),
    ],
)
def test_how_long_a_rate_limit_lasts(usage: str, wait: timedelta | None) -> None:
    found = classify(400, {"X-Business-Use-Case-Usage": usage}, {"code": 4})
    assert isinstance(found, RateLimited)
    assert found.wait == wait


def test_no_secret_reaches_the_log_or_an_address(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(publisher(sandbox.url))
    for secret in PAGE_SECRETS.values():
        assert secret not in caplog.text
