"""Facebook: the real facebook-sdk against the sandbox, and every answer put into its class."""

from __future__ import annotations

import itertools
import json
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import facebook
import pytest
from helpers.basics import PAGE_SECRETS

from digestbot.domain.errors import OutcomeUnknown, PublishError, RateLimited, Rejected, Unauthorized, Unavailable
from digestbot.domain.model import Message, Receipt, TimelinePage
from digestbot.platforms.facebook.config import FacebookChannel, version_advice
from digestbot.platforms.facebook.graph_client import Graph, GraphError
from digestbot.platforms.facebook.publisher import FacebookPublisher
from digestbot.platforms.facebook.responses import classify_graph_error
from digestbot.sandbox import LIES, Sandbox


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
    (post,) = sandbox.world.timelines["facebook"]
    assert (post.account, post.text, post.link) == ("200", "naïve\n\nα & 1 < 2", "https://example.org/x?a=1&b=2#c")
    assert receipt == Receipt(post.id, f"{sandbox.url}/{post.id}")
    assert sandbox.world.calls == ["POST /v26.0/200/feed"]


def test_it_is_a_real_graph_api() -> None:
    graph = Graph(channel("https://graph.facebook.com"))
    assert isinstance(graph, facebook.GraphAPI)
    assert graph.version == "v26.0"
    assert publisher("https://graph.facebook.com")._web == "https://www.facebook.com"


def test_the_proof_is_checked_and_sent(sandbox: Sandbox) -> None:
    with pytest.raises(Unauthorized, match="app_secret") as caught:
        send(publisher(sandbox.url, app_secret="wrong-secret"))
    assert caught.value.application


def test_verify(sandbox: Sandbox) -> None:
    assert publisher(sandbox.url).verify(seconds=5).name == "Sandbox Page (id 200)"


def test_verify_names_what_is_wrong_with_a_token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    client = publisher(sandbox.url)
    token = {"is_valid": False, "type": "USER", "scopes": ["pages_show_list"], "expires_at": 5}
    real = client._graph.get_object
    monkeypatch.setattr(
        client._graph, "get_object", lambda id_, **args: {"data": token} if id_ == "debug_token" else real(id_, **args)
    )
    advice = client.verify(seconds=5).advice
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
    assert sandbox.world.timelines["facebook"] == []
    posted = graph.put_object("200", "feed", message="x", attached_media=[{"media_fbid": picture["id"]}])
    assert sandbox.world.timelines["facebook"][0].media == [picture["id"]]
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
        ("401-after", Unauthorized, 1),
        ("429-after", RateLimited, 1),
    ],
)
def test_faults(sandbox: Sandbox, fault: str, error: type[PublishError], posted: int) -> None:
    sandbox.faults.add(fault, "facebook", seconds=180)
    with pytest.raises(error) as caught:
        send(publisher(sandbox.url))
    assert type(caught.value) is error
    assert len(sandbox.world.timelines["facebook"]) == posted
    assert len(sandbox.world.calls) == 1
    if isinstance(caught.value, RateLimited):
        assert caught.value.wait == (timedelta(minutes=3) if fault in ("429", "429-after") else None)
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
        (403, {"code": 368}, RateLimited, "blocked"),
        (403, {"code": 200, "message": "(#200) requires publish_actions"}, Unauthorized, "Page's own token"),
        (400, {"code": 100, "error_user_msg": "Sorry, no"}, Rejected, "Sorry, no"),
        (400, {"code": 1}, OutcomeUnknown, "code 1"),
        (500, {"code": 2, "is_transient": True}, OutcomeUnknown, "500"),
        (400, {"code": 4, "is_transient": True}, RateLimited, "too many"),
        (400, {"code": 987654}, Rejected, "code 987654"),
        (400, {"code": "190"}, OutcomeUnknown, "code -1"),
        (503, {"code": 4}, OutcomeUnknown, "server failed"),
        (500, {"code": 100}, OutcomeUnknown, "server failed"),
        (502, None, OutcomeUnknown, "502"),
        (200, None, OutcomeUnknown, "200"),
        (429, None, RateLimited, "too many"),
    ],
)
def test_answers_that_are_worded_otherwise(
    status: int, fields: dict[str, Any] | None, error: type[PublishError], words: str
) -> None:
    found = classify_graph_error(status, {}, fields)
    assert type(found) is error
    assert words in str(found) or f"code {(fields or {}).get('code')}" == words


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
    found = classify_graph_error(400, {"X-Business-Use-Case-Usage": usage}, {"code": 4})
    assert isinstance(found, RateLimited)
    assert found.wait == wait


def test_no_secret_reaches_the_log_or_an_address(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(publisher(sandbox.url))
    for secret in PAGE_SECRETS.values():
        assert secret not in caplog.text


# ---- timelines


def pages(to: FacebookPublisher, after: str | None = None, reply_to: str | None = None) -> list[TimelinePage]:
    return list(itertools.islice(to.timeline(after=after, reply_to=reply_to, seconds=5), 4))


def test_a_timeline_is_read_back_to_the_post_that_is_known(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    made = [send(client, f"post {number}", f"https://example.org/{number}") for number in range(3)]
    (page,) = pages(client, made[1].id)
    assert made[1].id in [post.id for post in page.posts]
    assert "published_posts" in sandbox.world.calls[-1]  # no second call is needed where there is a witness
    (whole,) = pages(client)
    assert [post.id for post in whole.posts] == [one.id for one in reversed(made)]
    assert whole.end_proven
    assert sandbox.world.calls[-1] == "GET /v26.0/200"


def test_an_empty_page_is_believed_where_facebook_counts_no_posts(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    (page,) = pages(client)
    assert (page.posts, page.end_proven, page.trouble) == ((), True, "")
    send(client)
    sandbox.faults.lie("facebook", "empty")
    (page,) = pages(client)
    assert "showed 0 posts and counts 1" in page.trouble


@pytest.mark.parametrize("lie", sorted(set(LIES) - {"endless", "old", "errors", "partial"}))
def test_an_answer_of_another_shape_proves_nothing(sandbox: Sandbox, lie: str) -> None:
    client = publisher(sandbox.url)
    send(client)
    sandbox.faults.lie("facebook", lie)
    assert all(page.trouble and not page.end_proven for page in pages(client))


def test_an_error_with_status_200_is_an_error(sandbox: Sandbox) -> None:
    sandbox.faults.lie("facebook", "errors")
    with pytest.raises(OutcomeUnknown):
        pages(publisher(sandbox.url))


def test_a_list_that_leaves_out_posts_is_not_whole(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    for number in range(4):
        send(client, f"post {number}")
    sandbox.faults.lie("facebook", "partial")
    with pytest.raises(OutcomeUnknown):
        pages(client)


def test_the_page_s_own_comments_are_told_from_others(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    post = send(client)
    mine = client.publish(Message("part 2", reply=True), reply_to=post.id, seconds=5, may_send=lambda: True)
    sandbox.world.timelines["facebook"].append(
        replace(sandbox.world.timelines["facebook"][-1], id="9_9", account="555", text="a visitor's")
    )
    (page,) = pages(client, reply_to=post.id)
    assert [one.id for one in page.posts] == [mine.id]
    assert (page.count, page.end_proven) == (2, True)
    sandbox.world.timelines["facebook"][-1] = replace(sandbox.world.timelines["facebook"][-1], account="")
    (page,) = pages(client, reply_to=post.id)
    assert (page.trouble, page.end_proven) == ("Facebook does not say who wrote the comments", False)


def test_the_comments_of_a_post_that_is_gone_are_no_fault_of_the_page(sandbox: Sandbox) -> None:
    with pytest.raises(Rejected, match="the part before"):
        pages(publisher(sandbox.url), reply_to="200_404")


def test_a_post_without_an_author_is_the_page_s_by_its_number(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    mine = send(client)
    sandbox.world.timelines["facebook"][0].account = ""
    assert client.lookup(mine.id, seconds=5) is not None
    sandbox.world.timelines["facebook"][0].id = "999_5"
    with pytest.raises(Rejected, match="another account"):
        client.lookup("999_5", seconds=5)


def test_a_post_of_another_page_is_told(sandbox: Sandbox) -> None:
    client = publisher(sandbox.url)
    mine = send(client)
    found = client.lookup(mine.id, seconds=5)
    assert found is not None
    assert found.text == "hello"
    assert client.lookup("200_9", seconds=5) is None
    sandbox.world.timelines["facebook"][0].account = "201"
    with pytest.raises(Rejected, match="another account"):
        client.lookup(mine.id, seconds=5)


@pytest.mark.parametrize(
    "reference",
    ["200_5", "5", "https://www.facebook.com/200_5", "facebook.com/somepage/posts/5", "https://m.facebook.com/story.php?story_fbid=5&id=200"],
)  # fmt: skip
def test_receipts_that_a_person_may_copy(reference: str) -> None:
    assert publisher("https://graph.facebook.com").receipt(reference).id == "200_5"


@pytest.mark.parametrize(
    "reference", ["https://example.org/200_5", "https://facebook.com.evil.example/200_5", "five", ""]
)
def test_receipts_that_are_none(reference: str) -> None:
    with pytest.raises(ValueError, match="write"):
        publisher("https://graph.facebook.com").receipt(reference)


@pytest.mark.parametrize(
    ("version", "said"),
    [("v19.0", "has ended"), ("v20.0", "has ended on 2026-09-24"), ("v21.0", "ends on 2027-01-21"), ("v22.0", "ends on"), ("v25.0", ""), ("v26.0", "")],
)  # fmt: skip
def test_check_warns_of_a_version_that_ends_within_six_months(version: str, said: str) -> None:
    advice = version_advice(version, datetime(2026, 11, 26, tzinfo=UTC))
    assert bool(advice) is bool(said)
    assert said in "".join(advice)


def test_an_ended_version_and_a_missing_permission_are_told_with_their_remedy(sandbox: Sandbox) -> None:
    with pytest.raises(Unauthorized, match="Set api_version") as caught:
        send(publisher(sandbox.url, api_version="v20.0"))
    assert caught.value.application
    client = publisher(sandbox.url)
    post = send(client)
    sandbox.world.scopes.remove("pages_manage_engagement")
    with pytest.raises(Unauthorized, match="pages_manage_engagement"):
        client.publish(Message("part 2", reply=True), reply_to=post.id, seconds=5, may_send=lambda: True)
    advice = client.verify(seconds=5).advice
    assert advice == ["the token lacks pages_manage_engagement"]
    with pytest.raises(Unauthorized, match="page_id is not a Page"):
        send(publisher(sandbox.url, page_id="201"))
