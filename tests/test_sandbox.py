"""The sandbox keeps the platforms' rules and shapes, misbehaves on request, and shows what followers see."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
import tweepy
from helpers.basics import SECRETS, Clock

from digestbot.platforms.sandbox_world import Faults
from digestbot.sandbox import FAULTS, Sandbox

PROBLEM = {"detail", "type", "title", "status"}


def client(sandbox: Sandbox) -> tweepy.Client:
    from digestbot.platforms.http import Session

    made = tweepy.Client(
        consumer_key=SECRETS["api_key"],
        consumer_secret=SECRETS["api_secret"],
        access_token=SECRETS["access_token"],
        access_token_secret=SECRETS["access_token_secret"],
    )
    made.session = Session(sandbox.url, "https://api.twitter.com")
    return made


def call(
    url: str, *, method: str = "GET", token: str | None = None, body: Any = None
) -> tuple[int, Any, dict[str, str]]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
    request = urllib.request.Request(
        url, method=method, headers=headers, data=json.dumps(body).encode() if body is not None else None
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            raw, status, head = response.read(), response.status, dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            raw, status, head = error.read(), error.code, dict(error.headers)
    try:
        return status, json.loads(raw), head
    except ValueError:
        return status, raw.decode("utf-8", "replace"), head


# ---- X


def test_tweepy_sees_a_timeline_with_expanded_links(sandbox: Sandbox, clock: Clock) -> None:
    x = client(sandbox)
    for number in range(7):
        x.create_tweet(text=f"post {number} & <b> https://example.org/{number}?a=1#b", user_auth=True)
        clock.forward(minutes=1)
    page = x.get_users_tweets("100", max_results=5, tweet_fields=["entities", "created_at"], user_auth=True)
    assert [tweet.text.split(" https")[0] for tweet in page.data] == [
        f"post {n} &amp; &lt;b&gt;" for n in (6, 5, 4, 3, 2)
    ]
    assert page.data[0].entities["urls"][0]["expanded_url"] == "https://example.org/6?a=1#b"
    assert "https://t.co/" in page.data[0].text
    assert "example.org" not in page.data[0].text
    rest = x.get_users_tweets("100", max_results=5, pagination_token=page.meta["next_token"], user_auth=True)
    assert len(rest.data) == 2
    assert "next_token" not in rest.meta
    assert x.get_users_tweets("100", max_results=5, since_id=page.data[0].id, user_auth=True).data is None
    assert x.get_users_tweets("999", max_results=5, user_auth=True).meta == {"result_count": 0}


def test_replies_and_deletion(sandbox: Sandbox) -> None:
    x = client(sandbox)
    first = x.create_tweet(text="one", user_auth=True).data["id"]
    x.create_tweet(text="two", in_reply_to_tweet_id=first, user_auth=True)
    assert sandbox.world.timelines["twitter"][1].reply_to == first
    with pytest.raises(tweepy.BadRequest, match="does not exist"):
        x.create_tweet(text="three", in_reply_to_tweet_id="5", user_auth=True)
    assert x.delete_tweet(first, user_auth=True).data == {"deleted": True}
    assert x.get_tweet(first, user_auth=True).errors
    assert len(x.get_users_tweets("100", max_results=5, exclude=["replies"], user_auth=True).data or []) == 0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"text": "x" * 281}, 400, "too long"),
        ({"text": "の" * 141}, 400, "too long"),
        ({"text": " "}, 400, "required"),
        ({}, 400, "required"),
        ({"text": "x", "media": {"media_ids": ["1"]}}, 400, "media IDs are invalid"),
        ({"text": "$AAPL and $TSLA"}, 403, "cashtag"),
    ],
)
def test_xs_rules(sandbox: Sandbox, body: dict[str, Any], status: int, words: str) -> None:
    response = client(sandbox)
    with pytest.raises(tweepy.HTTPException) as caught:
        response.request("POST", "/2/tweets", json=body, user_auth=True)
    assert caught.value.response.status_code == status
    assert words in caught.value.response.text
    assert set(caught.value.response.json()) >= PROBLEM


def test_duplicates_are_refused_for_a_day(sandbox: Sandbox, clock: Clock) -> None:
    x = client(sandbox)
    x.create_tweet(text="same", user_auth=True)
    with pytest.raises(tweepy.Forbidden, match="duplicate content"):
        x.create_tweet(text="same", user_auth=True)
    clock.forward(hours=25)
    x.create_tweet(text="same", user_auth=True)


def test_pictures(sandbox: Sandbox) -> None:
    x = client(sandbox)
    media = {"media": base64.b64encode(b"\x89PNG").decode(), "media_category": "tweet_image"}
    id_ = x.request("POST", "/2/media/upload", json=media, user_auth=True).json()["data"]["id"]
    x.request(
        "POST", "/2/media/metadata", json={"id": id_, "metadata": {"alt_text": {"text": "a picture"}}}, user_auth=True
    )
    x.create_tweet(text="look", media_ids=[id_], user_auth=True)
    assert sandbox.world.pictures[id_].alt_text == "a picture"
    status, _, headers = call(f"{sandbox.url}/media/{id_}")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    with pytest.raises(tweepy.BadRequest, match="1000"):
        x.request(
            "POST",
            "/2/media/metadata",
            json={"id": id_, "metadata": {"alt_text": {"text": "x" * 1001}}},
            user_auth=True,
        )


def test_big_pictures_in_pieces(sandbox: Sandbox) -> None:
    x = client(sandbox)
    start = x.request("POST", "/2/media/upload/initialize", json={"total_bytes": 4}, user_auth=True)
    id_ = start.json()["data"]["id"]
    piece = {"media": base64.b64encode(b"\x89PNG").decode(), "segment_index": 0}
    x.request("POST", f"/2/media/upload/{id_}/append", json=piece, user_auth=True)
    x.request("POST", f"/2/media/upload/{id_}/finalize", user_auth=True)
    state = x.request("GET", "/2/media/upload", params={"command": "STATUS", "media_id": id_}, user_auth=True).json()
    assert state["data"]["processing_info"]["state"] == "succeeded"
    assert sandbox.world.pictures[id_].content == b"\x89PNG"


@pytest.mark.parametrize("header", [None, "Bearer x", 'OAuth oauth_consumer_key="a"'])
def test_x_wants_a_signature(sandbox: Sandbox, header: str | None) -> None:
    status, body, _ = call(f"{sandbox.url}/2/tweets", method="POST", token=header, body={"text": "x"})
    assert (status, set(body)) == (401, PROBLEM)


def test_max_results_is_checked(sandbox: Sandbox) -> None:
    with pytest.raises(tweepy.BadRequest, match="not between 5 and 100"):
        client(sandbox).get_users_tweets("100", max_results=4, user_auth=True)


# ---- Facebook


def proof(token: str) -> str:
    import hashlib
    import hmac

    from helpers.basics import PAGE_SECRETS

    return hmac.new(PAGE_SECRETS["app_secret"].encode(), token.encode(), hashlib.sha256).hexdigest()


def graph(sandbox: Sandbox, path: str, method: str = "GET", **parameters: str) -> tuple[int, Any, dict[str, str]]:
    query = urllib.parse.urlencode(parameters | {"appsecret_proof": proof("t")})
    return call(f"{sandbox.url}/v26.0/{path}?{query}", method=method, token="Bearer t")


def test_published_posts_come_in_pages(sandbox: Sandbox) -> None:
    for number in range(3):
        graph(sandbox, "200/feed", "POST", message=f"post {number}", link="https://example.org/?a=1&b=2")
    graph(sandbox, "200/feed", "POST", message="hidden", published="false")
    status, body, headers = graph(
        sandbox, "200/published_posts", fields="id,message,created_time,attachments", limit="2"
    )
    assert status == 200
    assert headers["facebook-api-version"] == "v26.0"
    assert [post["message"] for post in body["data"]] == ["post 2", "post 1"]
    assert body["data"][0]["created_time"] == "2026-11-02T08:00:00+0000"
    shim = body["data"][0]["attachments"]["data"][0]["target"]["url"]
    assert shim.startswith("https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.org%2F%3Fa%3D1%26b%3D2")
    _, rest, _ = graph(sandbox, "200/published_posts", limit="2", after=body["paging"]["cursors"]["after"])
    assert [post["message"] for post in rest["data"]] == ["post 0"]
    assert "next" not in rest["paging"]
    assert graph(sandbox, "201/published_posts")[1]["error"]["error_subcode"] == 33


def test_editing_deleting_and_publishing_later(sandbox: Sandbox) -> None:
    id_ = graph(sandbox, "200/feed", "POST", message="draft", published="false")[1]["id"]
    assert graph(sandbox, id_, "POST", is_published="true")[1] == {"success": True}
    assert graph(sandbox, id_, "POST", message="edited")[1] == {"success": True}
    assert graph(sandbox, id_)[1]["message"] == "edited"
    assert graph(sandbox, id_, "DELETE")[1] == {"success": True}
    for method in ("GET", "POST", "DELETE"):
        status, body, _ = graph(sandbox, id_, method)
        assert (status, body["error"]["code"], body["error"]["error_subcode"]) == (400, 100, 33)


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("200/feed", {}, 197),
        ("200/feed", {"message": "x" * 63_207}, 100),
        ("200/feed", {"message": "x", "attached_media": "nonsense"}, 100),
        ("200/photos", {}, 324),
        ("nonsense", {}, 100),
    ],
)
def test_facebooks_rules(sandbox: Sandbox, path: str, parameters: dict[str, str], code: int) -> None:
    query = urllib.parse.urlencode({"appsecret_proof": proof("t")})
    form = urllib.parse.urlencode(parameters).encode()
    request = urllib.request.Request(
        f"{sandbox.url}/v26.0/{path}?{query}", method="POST", data=form, headers={"Authorization": "Bearer t"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    with caught.value as error:
        assert json.loads(error.read())["error"]["code"] == code


def test_facebook_wants_a_token_and_the_proof(sandbox: Sandbox) -> None:
    assert call(f"{sandbox.url}/v26.0/200")[1]["error"]["code"] == 104
    assert "appsecret_proof" in call(f"{sandbox.url}/v26.0/200", token="Bearer t")[1]["error"]["message"]


def test_tokens(sandbox: Sandbox) -> None:
    assert graph(sandbox, "me/accounts")[1]["data"][0]["id"] == "200"
    assert graph(sandbox, "debug_token")[1]["data"]["type"] == "PAGE"
    assert graph(sandbox, "oauth/access_token")[1]["access_token"]


# ---- faults and pages


def test_the_switchboard(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/sandbox/faults"
    assert call(url, method="POST", body={"kind": "429", "platform": "twitter", "times": 2})[0] == 200
    assert [
        sandbox.faults.next("facebook", reading=False),
        sandbox.faults.next("twitter", reading=False).kind,
        sandbox.faults.next("twitter", reading=False).kind,
    ] == [None, "429", "429"]
    assert call(url, method="POST", body={"kind": "no such"})[0] == 400
    assert call(url, method="POST", body={"rates": {"no such": 1}})[0] == 400
    assert call(url, method="POST", body={"lag": 9})[0] == 200
    assert sandbox.faults.lag == 9
    assert call(url)[0] == 404
    client(sandbox).create_tweet(text="x", user_auth=True)
    assert call(f"{sandbox.url}/sandbox/timelines")[1]["twitter"][0]["text"] == "x"


def test_a_timeline_that_lags(sandbox: Sandbox, clock: Clock) -> None:
    x = client(sandbox)
    sandbox.faults.lag = 60
    x.create_tweet(text="x", user_auth=True)
    assert x.get_users_tweets("100", max_results=5, user_auth=True).data is None
    clock.forward(seconds=60)
    assert len(x.get_users_tweets("100", max_results=5, user_auth=True).data) == 1


def test_random_faults_repeat_with_their_seed() -> None:
    def draw(seed: int) -> list[str | None]:
        faults = Faults()
        faults.at_random({"drop-after": 0.3, "429": 0.2}, seed)
        return [fault.kind if (fault := faults.next("x", reading=False)) else None for _ in range(200)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert 40 < draw(1).count("drop-after") < 80
    assert set(draw(1)) == {None, "drop-after", "429"}


def test_the_pages_show_both_timelines_and_trust_no_text(sandbox: Sandbox) -> None:
    x = client(sandbox)
    x.create_tweet(text="<script>alert(1)</script> https://example.org/a_b", user_auth=True)
    graph(sandbox, "200/feed", "POST", message="<img src=x onerror=alert(1)>", link="https://example.org/")
    status, page, headers = call(f"{sandbox.url}/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "<script>" not in page
    assert "<img src=x" not in page
    assert '<a href="https://example.org/a_b" rel="nofollow noreferrer">example.org/a_b</a>' in page
    assert "onerror" not in call(f"{sandbox.url}/x")[1]
    assert "alert(1)&lt;/script" not in call(f"{sandbox.url}/facebook")[1]
    tweet, post = sandbox.world.timelines["twitter"][0].id, sandbox.world.timelines["facebook"][0].id
    assert "alert" in call(f"{sandbox.url}/i/web/status/{tweet}")[1]
    assert "onerror" in call(f"{sandbox.url}/{post}")[1]
    assert call(f"{sandbox.url}/nothing")[0] == 404
    assert call(f"{sandbox.url}/", method="DELETE")[0] == 405


def test_every_fault_is_described() -> None:
    assert all(FAULTS.values())
    with pytest.raises(ValueError, match="no such fault"):
        Faults().add("nonsense")


def test_faults_of_reading_meet_what_reads() -> None:
    faults = Faults()
    faults.add("429", "twitter", reading=True)
    assert faults.next("twitter", reading=False) is None
    assert faults.next("facebook", reading=True) is None
    assert faults.next("twitter", reading=True) is not None
    assert faults.next("twitter", reading=True) is None
