"""The doors of the operator pages, each attacked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from helpers.web_app import Everything, served, world

from digestbot.config import Web
from digestbot.web.app import PAGES, application
from digestbot.web.auth import HEADERS, TRIES, TRIES_OF_ALL, LoginThrottle, hash_password, is_our_host, verify_password

TOKEN = "0123456789abcdef0123456789abcdef"
PASSWORD = "correct horse battery"
SAMPLES = {
    "/calendar/slot": "/calendar/slot?digest=latest&channel=x&slot=2026-11-02T09:00",
    "/posts/{post}": "/posts/1",
    "/pictures/post/{post}": "/pictures/post/1",
    "/schedules/{digest}": "/schedules/latest",
}
OPEN = {"/healthz", "/readyz"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Everything]]:
    """Pages behind a password and a token."""
    web = f'password_hash = "{hash_password(PASSWORD)}"\ntoken = "{TOKEN}"'
    with world(tmp_path_factory.mktemp("locked"), web) as made:
        made.live(hours=0)
        with served(made) as url:
            yield url, made


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Everything]]:
    """Pages for whoever is on this machine."""
    with world(tmp_path_factory.mktemp("free")) as made:
        made.live(hours=0)
        with served(made) as url:
            yield url, made


def form_token(page: str) -> str:
    match = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert match, page[:500]
    return match[1]


# ---- who may come in


@pytest.mark.parametrize("path", [SAMPLES.get(path, path) for path in PAGES])
def test_no_page_is_shown_to_somebody_who_did_not_log_in(locked: tuple[str, Everything], path: str) -> None:
    answer = requests.get(locked[0] + path, allow_redirects=False, timeout=5)
    if path in OPEN:
        assert answer.status_code in (200, 503)
        assert "troubles" not in answer.text
    else:
        assert (answer.status_code, answer.text) == (401, "Log in first.\n")
    html = requests.get(locked[0] + path, headers={"Accept": "text/html"}, allow_redirects=False, timeout=5)
    assert path in OPEN or (html.status_code == 303 and html.headers["Location"].startswith("/login?to=%2F"))


def test_every_form_refuses_somebody_who_did_not_log_in(locked: tuple[str, Everything]) -> None:
    for path in ("/do/pause", "/schedules/latest", "/schedules/latest/check", "/logout"):
        answer = requests.post(locked[0] + path, {"channel": "x"}, timeout=5)
        assert answer.status_code == 401, path


def test_the_password_opens_and_logging_out_closes(locked: tuple[str, Everything]) -> None:
    url, _ = locked
    with requests.Session() as session:
        wrong = session.post(url + "/login", {"password": "guess"}, timeout=5)
        assert wrong.status_code == 401
        assert "password or token is wrong" in wrong.text
        answer = session.post(url + "/login", {"password": PASSWORD, "to": "/posts"}, timeout=5, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/posts")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly; SameSite=Strict" in cookie
        assert "Path=/;" in cookie
        page = session.get(url + "/", timeout=5)
        assert "Needs attention" in page.text
        kept = dict(session.cookies)
        session.post(url + "/logout", {"csrf": form_token(page.text)}, timeout=5)
        session.cookies.update(kept)
        assert session.get(url + "/", timeout=5).status_code == 401  # the old key opens nothing any more


def test_another_password_ends_every_session(tmp_path: Path) -> None:
    with world(tmp_path, f'password_hash = "{hash_password(PASSWORD)}"') as made:
        made.live(hours=0)
        with served(made) as url, requests.Session() as session:
            session.post(url + "/login", {"password": PASSWORD}, timeout=5)
            assert session.get(url + "/audit", timeout=5).status_code == 200
            text = made.file.read_text()
            made.file.write_text(
                re.sub(r'password_hash = ".*"', f'password_hash = "{hash_password("another one")}"', text)
            )
            assert session.get(url + "/audit", timeout=5).status_code == 401


def test_a_session_ends_by_itself(tmp_path: Path) -> None:
    with world(tmp_path, f'password_hash = "{hash_password(PASSWORD)}"') as made:
        made.live(hours=0)
        with served(made) as url, requests.Session() as session:
            session.post(url + "/login", {"password": PASSWORD}, timeout=5)
            made.clock.forward(days=8)
            assert session.get(url + "/audit", timeout=5).status_code == 401


def test_the_token_opens_without_a_session(locked: tuple[str, Everything]) -> None:
    url, _ = locked
    with_token = {"Authorization": f"Bearer {TOKEN}"}
    assert "digestbot_posts{" in requests.get(url + "/metrics", headers=with_token, timeout=5).text
    assert requests.get(url + "/metrics", headers={"Authorization": f"Bearer {TOKEN}x"}, timeout=5).status_code == 401
    assert requests.get(url + "/metrics", headers={"Authorization": f"Basic {TOKEN}"}, timeout=5).status_code == 401
    answer = requests.post(url + "/do/pause", {"channel": "x"}, headers=with_token, timeout=5, allow_redirects=False)
    assert answer.status_code == 303
    requests.post(url + "/do/resume", {"channel": "x"}, headers=with_token, timeout=5, allow_redirects=False)


def test_log_ins_are_counted(tmp_path: Path) -> None:
    with world(tmp_path, f'token = "{TOKEN}"') as made:
        made.live(hours=0)
        with served(made) as url:
            for _ in range(TRIES):
                assert requests.post(url + "/login", {"password": "guess"}, timeout=5).status_code == 401
            last = requests.post(url + "/login", {"password": TOKEN}, timeout=5)
            assert last.status_code == 429
            assert int(last.headers["Retry-After"]) > 60


def test_patience_is_by_address_and_for_all() -> None:
    now = [0.0]
    patience = LoginThrottle(lambda: now[0])
    for number in range(TRIES):
        assert patience.wait("a") == 0, number
        patience.failed("a")
    assert patience.wait("a") == 901
    assert patience.wait("b") == 0
    for number in range(TRIES_OF_ALL):
        patience.failed(f"c{number}")
    assert patience.wait("b") > 0
    now[0] = 901.0
    assert patience.wait("a") == patience.wait("b") == 0


# ---- forms that are not ours


def test_a_form_without_our_sign_is_refused(free: tuple[str, Everything]) -> None:
    url, made = free
    with requests.Session() as session:
        session.get(url + "/", timeout=5)
        for fields in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "ä" * 64}):
            for path in ("/do/pause", "/schedules/latest", "/schedules/latest/check", "/logout"):
                answer = session.post(url + path, {"channel": "x", **fields}, timeout=5)
                assert answer.status_code == 403, (path, fields)
    with requests.Session() as other:  # a sign stolen from one session opens nothing in another
        token = form_token(requests.get(url + "/", timeout=5).text)
        other.get(url + "/", timeout=5)
        assert other.post(url + "/do/pause", {"channel": "x", "csrf": token}, timeout=5).status_code == 403
    with made.ledger.read() as tx:
        from digestbot.ledger import queries

        assert queries.paused_channels(tx) == {}


def test_every_route_that_changes_something_asks_for_our_sign(free: tuple[str, Everything]) -> None:
    url, made = free
    changing = [
        route.path for route in application(made.app_state).routes if "POST" in (getattr(route, "methods", None) or ())
    ]
    approving, scheduling = {"/approvals", "/approvals/length"}, {"/schedules/{digest}", "/schedules/{digest}/check"}
    assert set(changing) == {"/do/{verb}", "/logout", "/login"} | approving | scheduling
    for path in changing:
        asked = path.format(verb="pin", digest="latest")
        answer = requests.post(url + asked, timeout=5)
        assert answer.status_code == (401 if path == "/login" else 403), path


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_origin_is_refused(free: tuple[str, Everything], headers: dict[str, str]) -> None:
    url, _ = free
    with requests.Session() as session:
        token = form_token(session.get(url + "/", timeout=5).text)
        answer = session.post(url + "/do/pause", {"channel": "x", "csrf": token}, headers=headers, timeout=5)
        assert (answer.status_code, answer.text) == (403, "This request did not come from the operator pages.\n")
        assert session.post(url + "/login", {"password": "x"}, headers=headers, timeout=5).status_code == 403


# ---- names and paths


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "", "0.0.0.0"]
)
def test_a_strangers_name_for_this_machine_is_refused(free: tuple[str, Everything], host: str) -> None:
    answer = requests.get(free[0] + "/", headers={"Host": host}, timeout=5)
    assert answer.status_code in (400, 421)
    assert "Needs attention" not in answer.text


def test_our_names() -> None:
    web = Web(public_url="https://bots.example.org/digest", token=TOKEN)
    for host in (
        "localhost",
        "localhost:8790",
        "127.0.0.1:1",
        "[::1]:8790",
        "bots.example.org",
        "BOTS.example.org:443",
    ):
        assert is_our_host(host, web), host
    assert not is_our_host("bots.example.org.evil.example", web)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages/today.html.j2",
        "/static/%2e%2e/desk.py",
        "/static/..%2fdesk.py",
        "/static//etc/passwd",
        "/static/%00",
        "//evil.example/",
        "/posts/99999999999999999999",
        "/posts/-1",
        "/posts/1%27",
        "/templates?template=../../../../etc/passwd",
        "/schedules/nothing",
        "/schedules/latest?channel=nothing",
        "/calendar?day=9999-99-99",
        "/calendar?day=0001-01-01",
        "/calendar?day=9999-12-31&view=month",
        "/calendar/slot?digest=latest&channel=x&slot=never",
        "/calendar/slot?digest=latest&channel=x&slot=9999-01-01T00:00",
        "/calendar/slot",
        "/backlog?after=999999999999999999999&digest=no",
        "/backlog?after=99999999&kind=no",
        "/posts?status=no&before=x&channel=%00",
        "/pictures/card?channel=x&summary=99",
        "/pictures/card?channel=no&summary=1",
        "/pictures/post/99",
        "/?note=nothing",
    ],
)
def test_paths_that_lead_nowhere(free: tuple[str, Everything], path: str) -> None:
    request = requests.Request("GET", free[0]).prepare()
    request.url = free[0] + path  # as it stands: requests would tidy it up
    with requests.Session() as session:
        answer = session.send(request, timeout=5, allow_redirects=False)
    assert answer.status_code in (200, 400, 404), answer.text
    assert "root:" not in answer.text
    assert "unexpected" not in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_what_is_too_much(free: tuple[str, Everything]) -> None:
    url, _ = free
    with requests.Session() as session:
        token = form_token(session.get(url + "/", timeout=5).text)
        big = {"csrf": token, "text": "x" * 2_500_000}
        assert session.post(url + "/do/write", big, timeout=5).status_code == 413
        many = {"csrf": token} | {f"f{number}": "x" for number in range(300)}
        assert session.post(url + "/do/write", many, timeout=5).status_code == 400
        files = {"file": ("x.txt", b"x" * 100)}
        assert session.post(url + "/do/write", {"csrf": token}, files=files, timeout=5).status_code in (400, 403)


def test_where_a_form_leads_back_to_is_here(free: tuple[str, Everything]) -> None:
    url, _ = free
    with requests.Session() as session:
        token = form_token(session.get(url + "/", timeout=5).text)
        for back in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
            fields = {"csrf": token, "channel": "x", "back": back}
            answer = session.post(url + "/do/resume", fields, timeout=5, allow_redirects=False)
            assert answer.headers["Location"].startswith("/?note="), back


def test_where_a_log_in_leads_to_is_here(locked: tuple[str, Everything]) -> None:
    for to in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = requests.post(locked[0] + "/login", {"password": TOKEN, "to": to}, timeout=5, allow_redirects=False)
        assert answer.headers["Location"] == "/"


# ---- what is shown, and under which path


def test_no_secret_is_on_any_page(locked: tuple[str, Everything]) -> None:
    url, made = locked
    secrets = [secret for secret in made.config().secrets() if secret]
    assert len(secrets) > 6
    for path in PAGES:
        answer = requests.get(url + SAMPLES.get(path, path), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
        assert answer.status_code in (200, 404, 503), path
        for secret in secrets:
            assert secret not in answer.text, path


def test_behind_a_proxy_under_a_path(tmp_path: Path) -> None:
    with world(tmp_path, f'token = "{TOKEN}"\npublic_url = "https://bots.example.org/digest/"') as made:
        made.live(hours=0)
        with served(made) as url, requests.Session() as session:
            headers = {"Host": "bots.example.org", "Accept": "text/html"}
            for asked in ("/posts", "/digest/posts"):  # whether the proxy strips the path or not
                answer = session.get(url + asked, headers=headers, timeout=5, allow_redirects=False)
                assert answer.headers["Location"] == "/digest/login?to=%2Fposts"
            answer = session.post(
                url + "/digest/login",
                {"password": TOKEN, "to": "/posts"},
                headers=headers | {"Origin": "https://bots.example.org"},
                timeout=5,
                allow_redirects=False,
            )
            assert answer.headers["Location"] == "/digest/posts"
            assert answer.headers["Set-Cookie"].endswith(
                "Path=/digest; Max-Age=604800; HttpOnly; SameSite=Strict; Secure"
            )
            key = answer.headers["Set-Cookie"].partition(";")[0]
            page = session.get(url + "/digest/", headers=headers | {"Cookie": key}, timeout=5).text
            links = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page))
            assert links
            assert all(link.startswith("/digest/") for link in links), links
            style = next(link for link in links if "style.css" in link)
            for asked in (style, style.removeprefix("/digest")):
                assert session.get(url + asked, headers=headers, timeout=5).status_code == 200


def test_the_password_is_hashed_and_checked() -> None:
    web = Web(password_hash=hash_password(PASSWORD), token=TOKEN)
    assert verify_password(web, PASSWORD)
    assert verify_password(web, TOKEN)
    assert not verify_password(web, PASSWORD + " ")
    assert not verify_password(Web(token=TOKEN), "")
    assert not verify_password(Web(password_hash="$argon2id$broken"), "anything")
    with pytest.raises(ValueError, match="at least 8 characters"):
        hash_password("short")


def test_every_change_is_in_the_audit_list(free: tuple[str, Everything]) -> None:
    url, _ = free
    with requests.Session() as session:
        token = form_token(session.get(url + "/", timeout=5).text)
        session.post(url + "/do/pause", {"csrf": token, "channel": "x", "reason": "a test"}, timeout=5)
        session.post(url + "/do/resume", {"csrf": token, "channel": "x"}, timeout=5)
        session.post(url + "/do/resume", {"csrf": token, "channel": "nothing"}, timeout=5)  # refused: no change
        listed = session.get(url + "/audit", timeout=5).text
    assert "Channel x is paused; its posts stay pending." in listed
    assert "this machine from 127.0.0.1" in listed
    assert "nothing" not in listed


HOOK = "hook-token-of-the-store-0001"


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[tuple[str, Everything]]:
    """Pages behind a token, over a source with a webhook that was read a moment ago."""
    with world(tmp_path, web='token = "the-token-of-the-pages-00001"') as made:
        text = made.file.read_text().replace("[channels.x]", f'hook_token = "{HOOK}"\n\n[channels.x]', 1)
        made.file.write_text(text)
        made.live(1)
        with served(made) as url:
            yield url, made


def called(url: str, token: str = HOOK, source: str = "store") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{url}/hooks/{source}", headers=headers, timeout=10)


def test_a_webhook_brings_the_next_poll_forward(hooked: tuple[str, Everything]) -> None:
    url, made = hooked
    asked = len(made.feed.requests)
    made.tick(minutes=1)
    assert len(made.feed.requests) == asked  # it is not due yet
    assert called(url).status_code == 202
    made.tick(seconds=1)
    assert len(made.feed.requests) == asked + 1
    again = called(url)
    assert (again.status_code, 0 < int(again.headers["Retry-After"]) <= 60) == (429, True)
    made.clock.forward(minutes=2)
    assert called(url).status_code == 202


@pytest.mark.parametrize("token", ["", "wrong", "the-token-of-the-pages-00001", HOOK + "x", "é"])
def test_a_webhook_needs_its_own_token(hooked: tuple[str, Everything], token: str) -> None:
    url, _ = hooked
    assert called(url, token.encode().decode("latin-1")).status_code == 401
    assert called(url, HOOK, "nowhere").status_code == 401
    assert (
        requests.get(f"{url}/hooks/store", headers={"Authorization": f"Bearer {HOOK}"}, timeout=10).status_code == 405
    )
    assert requests.get(f"{url}/posts", headers={"Authorization": f"Bearer {HOOK}"}, timeout=10).status_code == 401
