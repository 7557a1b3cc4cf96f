"""login and logout against the sandbox, with the mistakes that people make; and nothing is ever half-written."""

from __future__ import annotations

import errno
import html
import io
import json
import re
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.basics import Feed
from test_cli import called, digestbot, world  # noqa: F401 - a fixture among them

from digestbot.cli.dialogue import Terminal
from digestbot.config.writer import write_next_to
from digestbot.platforms.login import LoginError
from digestbot.platforms.registry import login_for
from digestbot.sandbox import Answer, Sandbox

KEY, SECRET, APP_SECRET = "key-of-the-app-0001", "test-api-secret-0002", "test-app-secret-0006"


@pytest.fixture
def config(world: Sandbox, tmp_path: Path) -> str:  # noqa: F811
    """A configuration in which the tokens are still missing."""
    file = tmp_path / "config.toml"
    file.write_text(f"""# my bot
[channels.x]  # the account
platform = "twitter"
api_url = "{world.url}"
api_key = "{KEY}"
api_secret = "{SECRET}"
access_token = "…"
access_token_secret_file = "secrets/x-secret"
[channels.page]
platform = "facebook"
api_url = "{world.url}"
page_id = "…"
access_token = "…"
""")
    (tmp_path / "secrets").mkdir()
    return str(file)


class Typed(list[Any]):
    """What the person types, in order; ``standing`` are answers to questions that are not in focus, by a part of each."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = {"(Enter keeps": "", "belong to a business": "n"}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """What the person types; a function is given what was shown so far."""
    given = Typed()
    shown: list[str] = []

    def tell(_: object, text: str) -> None:
        shown.append(text)
        print(text)

    def ask(_: object, question: str, *, secret: bool = False, default: str | None = None) -> str:
        shown.append(question)
        for part, answer in given.standing.items():
            if part in question:
                return answer or default or ""
        if not given and default is None:
            raise LoginError("the input ended; nothing was stored")
        answer = given.pop(0) if given else ""
        return str(answer("\n".join(shown)) if callable(answer) else answer) or default or ""

    monkeypatch.setattr(Terminal, "tell", tell)
    monkeypatch.setattr(Terminal, "ask", ask)
    return iter([given])


@pytest.fixture
def typed(answers: Iterator[Typed]) -> Typed:
    return next(answers)


def pin(shown: str) -> str:
    """Open the address that was shown, as a person would, and read the PIN."""
    url = re.findall(r"https?://\S+", shown)[-1].replace("&force_login=true", "")
    with urllib.request.urlopen(url, timeout=5) as page:
        (found,) = re.findall(r"<code>(\d{7})</code>", page.read().decode())
    return str(found)


def files(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


def test_a_login_to_x_stores_tokens_that_work(config: str, world: Sandbox, feed: Feed, typed: Typed) -> None:  # noqa: F811
    feed.add(1)
    folder = Path(config).parent
    typed += ["1234567", pin]  # the first one is wrong
    code, out, err = digestbot("login", "x", "-c", config)
    assert (code, err) == (0, "")
    assert "X did not accept this PIN" in out
    assert "logged in as @sandbox_100 (id 100)" in out
    assert (folder / "x-access-token").read_text() == "100-sandbox-access-token\n"
    assert oct((folder / "x-access-token").stat().st_mode)[-3:] == "600"
    assert oct((folder / "secrets" / "x-secret").stat().st_mode)[-3:] == "600"
    raw = tomllib.loads(Path(config).read_text())
    assert raw["channels"]["x"]["access_token_file"] == "x-access-token"
    assert "access_token" not in raw["channels"]["x"]
    assert "# my bot" in Path(config).read_text()
    secret = (folder / "secrets" / "x-secret").read_text().strip()
    assert secret not in out + err


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"callback": False}, "enter any https URL as callback URL"),
        ({"key": "another-key"}, "X rejected the API key and secret (401)"),
    ],
)
def test_a_refusal_of_x_says_what_to_do(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    mistake: dict[str, Any],
    words: str,
) -> None:
    before = files(Path(config).parent)
    for name, value in mistake.items():
        setattr(world.apis["twitter"].login, name, value)
    typed += [pin]
    code, _, err = digestbot("login", "x", "-c", config)
    assert (code, words in err) == (1, True)
    assert files(Path(config).parent) == before


def test_an_app_that_may_only_read_is_noticed(config: str, world: Sandbox, typed: Typed) -> None:  # noqa: F811
    world.apis["twitter"].login.access_level = "read"
    typed += [pin]
    out = digestbot("login", "x", "-c", config)[1]
    assert "the app has the permission 'read' only, so nothing can be posted" in out


def test_the_account_is_confirmed_and_another_one_than_before_is_noticed(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
) -> None:
    before = files(Path(config).parent)
    typed += [pin, "n"]
    code, out, err = digestbot("login", "x", "-c", config)
    assert (code, "Log in to X as the account that is to post" in err) == (1, True)
    assert files(Path(config).parent) == before
    typed += [pin, "y"]
    assert digestbot("login", "x", "-c", config)[0] == 0
    world.apis["twitter"].login.user = "999"
    typed += [pin]  # the default is not to change the account
    code, out, _ = digestbot("login", "x", "-c", config)
    assert (code, "this channel has posted as the account with the id 100" in out) == (1, True)
    typed += [pin, "y"]
    assert "logged in as @sandbox_999 (id 999)" in digestbot("login", "x", "-c", config)[1]
    typed += [pin]  # the same account again needs no confirmation
    assert "Post as" not in digestbot("login", "x", "-c", config)[1]


def test_an_app_that_may_only_read_is_noticed_by_the_status_too(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
) -> None:
    typed += [pin, "", "", "300", APP_SECRET, "user-token"]
    for channel in ("x", "page"):
        assert digestbot("login", channel, "-c", config)[0] == 0
    world.apis["twitter"].login.access_level = "read"
    out = digestbot("login", "--status", "x", "-c", config)[1]
    assert "token with no known expiry (read); the app has the permission 'read' only" in out


@pytest.mark.parametrize("given", [[], ["1"], ["1", "2"], ["1", "2", "3"]])
def test_a_login_that_ends_early_leaves_nothing_behind(config: str, typed: Typed, given: list[str]) -> None:
    before = files(Path(config).parent)
    typed += given
    code, _, err = digestbot("login", "x", "-c", config)
    assert code == 1
    assert "nothing was stored" in err or "did not accept the PIN" in err
    assert files(Path(config).parent) == before


def test_x_that_cannot_be_reached_is_told(config: str, typed: Typed) -> None:
    file = Path(config)
    file.write_text(re.sub(r'api_url = "http://127[^"]*"', 'api_url = "http://127.0.0.1:9"', file.read_text()))
    typed += [pin]
    code, _, err = digestbot("login", "x", "-c", config)
    assert (code, "X could not be reached for the login" in err) == (1, True), err
    typed[:] = ["", "300", APP_SECRET, "user-token-pasted"]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, "Facebook could not be reached for the login" in err) == (1, True), err


def address(shown: str) -> str:
    """What stands in the address bar after Facebook's dialogue."""
    state = re.findall(r"state=([\w-]+)", shown)[-1]
    return f"https://www.facebook.com/connect/login_success.html?code=sandbox-code&state={state}"


@pytest.mark.parametrize("pasted", ["user-token-pasted", address])
def test_a_login_to_facebook_chooses_the_page(config: str, world: Sandbox, typed: Typed, pasted: Any) -> None:  # noqa: F811
    world.world.pages = {"200", "201"}
    folder = Path(config).parent
    typed += ["", "300", APP_SECRET, pasted, "7", "2"]
    code, out, err = digestbot("login", "page", "-c", config)
    assert (code, err) == (0, "")
    assert "  2. Sandbox Page 201 (id 201)" in out
    assert "logged in as Sandbox Page 201 (id 201)" in out
    assert "switch it to Live" in out
    raw = tomllib.loads(Path(config).read_text())["channels"]["page"]
    assert raw == {
        "platform": "facebook",
        "api_url": world.url,
        "page_id": "201",
        "access_token_file": "page-access-token",
        "app_secret_file": "page-app-secret",
    }
    assert (folder / "page-access-token").read_text() == "sandbox-page-token\n"
    assert APP_SECRET not in out + err


@pytest.mark.parametrize(
    ("mistake", "pasted", "words"),
    [
        (
            {"scopes": ["pages_show_list"]},
            "user-token",
            "these permissions are missing: pages_read_engagement, pages_manage",
        ),
        ({"tasks": ["MODERATE"]}, "user-token", "this person may not post on the Page Sandbox Page"),
        ({"pages": set()}, "user-token", "this person manages no Page that the app may use"),
        ({"pages": {"300"}}, "user-token", "does not manage the configured Page 200, but Sandbox Page 300 (id 300)"),
        ({}, "expired", "Session has expired"),
        ({}, "no token!", "this is neither an address nor a token"),
        (
            {},
            "https://www.facebook.com/connect/login_success.html?error_description=Denied",
            "Facebook denied access: Denied",
        ),
        (
            {},
            "https://www.facebook.com/connect/login_success.html?code=c&state=x",
            "this address belongs to another login",
        ),
    ],
)
def test_a_refusal_of_facebook_says_what_to_do(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    mistake: dict[str, Any],
    pasted: str,
    words: str,
) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace('page_id = "…"', 'page_id = "200"'))
    before = files(file.parent)
    for name, value in mistake.items():
        setattr(world.world, name, value)
    typed += ["", "300", APP_SECRET, pasted]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, words in err) == (1, True), err
    assert files(file.parent) == before


def stored_page(config: str) -> tuple[str, str]:
    """The id and the token that were stored."""
    raw = tomllib.loads(Path(config).read_text())["channels"]["page"]
    return raw["page_id"], (Path(config).parent / raw["access_token_file"]).read_text().strip()


def test_a_login_by_device(config: str, world: Sandbox, typed: Typed) -> None:  # noqa: F811
    world.apis["facebook"].login.device_states = ["pending", "too-often"]
    typed += ["2", "300", APP_SECRET, "client-token-0001", "", "", ""]
    code, out, err = digestbot("login", "page", "-c", config)
    assert (code, err) == (0, "")
    assert "https://www.facebook.com/device" in out
    assert "Enter the code ABCD1234 within 7 minutes" in out
    assert out.count("Facebook has not seen the code yet.") == 1
    assert out.count("Wait a few seconds.") == 1
    assert "client-token-0001" not in out
    assert stored_page(config) == ("200", "sandbox-page-token")


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["expired"], "the code has expired. Run the command again"),
        (["pending"] * 20, "the code was not entered"),
    ],
)
def test_a_device_that_is_not_confirmed(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    states: list[str],
    words: str,
) -> None:
    before = files(Path(config).parent)
    world.apis["facebook"].login.device_states = states
    typed += ["2", "300", APP_SECRET, "client-token"]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, words in err) == (1, True)
    assert files(Path(config).parent) == before


def test_another_error_of_a_device_login_is_passed_on(config: str, typed: Typed, monkeypatch: Any) -> None:
    from digestbot.platforms.facebook.login_calls import LoginCalls

    whole = LoginCalls.post

    def post(self: LoginCalls, path: str, **parameters: str) -> Any:
        return whole(self, path, **(parameters | ({"code": "other"} if path.endswith("status") else {})))

    monkeypatch.setattr(LoginCalls, "post", post)
    typed += ["2", "300", APP_SECRET, "client-token"]
    assert "Facebook rejected the login: Invalid code" in digestbot("login", "page", "-c", config)[2]


@pytest.mark.parametrize("kind", ["SYSTEM_USER", "PAGE"])
def test_a_system_users_token_is_checked_and_stored(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    kind: str,
) -> None:
    world.apis["facebook"].login.system_user_type = kind
    typed += ["3", "300", APP_SECRET, "system-user-token-0001"]
    code, out, err = digestbot("login", "page", "-c", config)
    assert (code, err) == (0, "")
    assert "Business settings" in out
    expected = "sandbox-page-token" if kind == "SYSTEM_USER" else "system-user-token-0001"
    assert stored_page(config) == ("200", expected)
    assert "system-user-token-0001" not in out


@pytest.mark.parametrize(
    ("mistake", "kind", "page", "token", "words"),
    [
        ({"token_ends": -1}, "PAGE", "", "system-user-token", "this token is not valid"),
        ({"scopes": []}, "SYSTEM_USER", "", "system-user-token", "these permissions are missing: pages_show_list"),
        ({}, "PAGE", "777", "system-user-token", "for the Page 200, but the configured Page is 777"),
        ({}, "PAGE", "", "a token!", "this is not a token"),
    ],
)
def test_a_system_users_token_that_cannot_be_used(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    mistake: dict[str, Any],
    kind: str,
    page: str,
    token: str,
    words: str,
) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace('page_id = "…"', f'page_id = "{page}"'))
    world.apis["facebook"].login.system_user_type = kind
    for name, value in mistake.items():
        setattr(world.world, name, value)
    typed += ["3", "300", APP_SECRET, token]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, words in err) == (1, True), err


@pytest.mark.parametrize("way", ["1", "2"])
def test_the_page_of_a_business_is_found(config: str, world: Sandbox, typed: Typed, way: str) -> None:  # noqa: F811
    """Facebook lists it only if the login asked for that permission."""
    world.world.scopes = [*world.world.scopes, "business_management"]
    world.apis["facebook"].login.businesses = {"55": ["200"], "56": ["200"]}
    steps = [way, "300", APP_SECRET, *([copied] if way == "1" else ["client-token", ""])]
    typed += steps
    assert "If the Page belongs to a business, run the command again" in digestbot("login", "page", "-c", config)[2]
    typed.standing["belong to a business"] = "y"
    typed += steps
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, err) == (0, "")
    assert stored_page(config) == ("200", "sandbox-page-token")


def copied(shown: str) -> str:
    """The address that the sandbox's dialogue shows."""
    url = re.findall(r"http://127\S+/dialog/oauth\S+", shown)[-1]
    with urllib.request.urlopen(url, timeout=5) as page:
        (found,) = re.findall(r"<code>([^<]+)</code>", page.read().decode())
    return html.unescape(found)


def test_a_page_that_is_not_meant_is_not_stored(config: str, typed: Typed) -> None:
    before = files(Path(config).parent)
    typed += ["", "300", APP_SECRET, "user-token", "n"]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, "no Page was chosen; nothing was stored" in err) == (1, True)
    assert files(Path(config).parent) == before


def test_an_app_in_development_mode_is_named(config: str, world: Sandbox, typed: Typed) -> None:  # noqa: F811
    typed += ["", "300", APP_SECRET, copied]
    assert digestbot("login", "page", "-c", config)[0] == 0
    world.world.app_live = False
    typed += ["", "300", copied]  # the secret is kept
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, "The app is in Development mode: switch it to Live" in err) == (1, True)


def test_a_wrong_app_secret_is_told_and_a_missing_permission_for_threads_noted(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
) -> None:
    typed += ["", "300", "another-secret", "user-token"]
    assert "Error validating client secret" in digestbot("login", "page", "-c", config)[2]
    world.world.scopes = ["pages_show_list", "pages_read_engagement", "pages_manage_posts"]
    typed += ["", "300", APP_SECRET, "user-token"]
    assert "threads cannot be posted" in digestbot("login", "page", "-c", config)[1]


def test_status_says_whose_the_tokens_are_and_logout_deletes_them(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
) -> None:
    typed += [pin, "", "", "300", APP_SECRET, "user-token"]
    for channel in ("x", "page"):
        assert digestbot("login", channel, "-c", config)[0] == 0
    file = Path(config)
    file.write_text(file.read_text() + f'[sources.s]\nkind = "feed"\nurl = "{world.url}/f"\n')
    code, out, _ = digestbot("login", "--status", "-c", config)
    assert code == 0
    assert "x: @sandbox_100 (id 100), token with no known expiry (read-write)" in out
    assert "page: Sandbox Page" in out
    world.world.token_ends = -1
    world.faults.add("unauthorized", "facebook", 9, reading=True)
    code, out, _ = digestbot("login", "--status", "page", "--json", "-c", config)
    assert (code, '"error": null' in out) == (1, False)
    code, out, _ = digestbot("logout", "x", "-c", config)
    assert code == 0
    assert out.count("deleted ") == 2
    assert not (file.parent / "x-access-token").exists()
    assert "has no token on this machine" in digestbot("logout", "x", "-c", config)[1]


def test_a_folder_for_credentials_is_used(config: str, typed: Typed) -> None:
    folder = Path(config).parent
    (folder / "credentials").mkdir()
    typed += ["", "300", APP_SECRET, "user-token"]
    assert digestbot("login", "page", "-c", config)[0] == 0
    raw = tomllib.loads(Path(config).read_text())["channels"]["page"]
    assert raw["access_token_file"] == "credentials/page-access-token"
    assert sorted(one.name for one in (folder / "credentials").iterdir()) == ["page-access-token", "page-app-secret"]


def test_tokens_in_the_file_are_removed_too(config: str) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace('access_token = "…"', 'access_token = "a-real-token-here"'))
    out = digestbot("logout", "page", "-c", config)[1]
    assert "removed the token from" in out
    assert tomllib.loads(file.read_text())["channels"]["page"]["access_token"] == "…"


def test_what_cannot_be_stored_changes_nothing(config: str, typed: Typed) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace("secrets/x-secret", "nowhere/x-secret"))
    before = files(file.parent)
    typed += [pin]
    code, _, err = digestbot("login", "x", "-c", config)
    assert (code, "cannot be written" in err) == (2, True)
    assert files(file.parent) == before
    typed += [pin]
    code, _, err = digestbot("login", "x", "-c", config, env={"DIGESTBOT_CHANNELS__X__ACCESS_TOKEN": "hides-it"})
    assert (code, "would hide the new value: unset it" in err) == (2, True)


def test_wrong_use_is_explained(config: str) -> None:
    for arguments, words in (
        (["login"], "login: name a channel, or use --status"),
        (["login", "nope"], "there is no channel 'nope'; known: x, page"),
        (["logout", "nope"], "there is no channel 'nope'"),
    ):
        code, _, err = digestbot(*arguments, "-c", config)
        assert (code, words in err) == (2, True)
    assert "cannot be read" in digestbot("login", "x", "-c", config + ".none")[2]
    with pytest.raises(LoginError, match="no login for the platform 'nope'"):
        login_for("nope")


def test_the_terminal_asks_until_it_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("\n  the answer \nfour\n9\n2\n"))
    terminal = Terminal()
    assert terminal.ask("Question", secret=True) == "the answer"
    assert terminal.choose("Which?", ["a", "b"]) == 1
    with pytest.raises(LoginError, match="the input ended"):
        terminal.ask("More")
    assert "  2. b" in capsys.readouterr().out


def test_a_full_disk_leaves_no_secret_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_next_to(tmp_path / "token", "secret")
    assert list(tmp_path.iterdir()) == []


MALFORMED = [
    ("me/accounts", {"data": 5}, "manages no Page"),
    ("me/accounts", {"data": [{"id": "20/0", "access_token": "a-token"}, 7]}, "manages no Page"),
    (
        "me/accounts",
        {"data": [{"id": "200", "access_token": "a token", "name": None}]},
        "no usable token for the Page a P",
    ),
    ("me/accounts", {"data": [], "paging": "next"}, "manages no Page"),
    ("me/permissions", {"data": {"a": 1}}, "these permissions are missing"),
    ("me/permissions", {"error": {"message": None, "error_subcode": "abc"}}, "rejected the login: status 200"),
    ("me/permissions", {"error": "broken"}, "rejected the login: status 200"),
    ("me/permissions", b"<html>502</html>", "was not understood (status 200)"),
    ("me/permissions", b"[" * 100_000, "was not understood (status 200)"),
    ("me/permissions", [1], "rejected the login: status 200"),
    ("oauth/access_token", {}, "rejected the login"),
]


@pytest.mark.parametrize(("path", "body", "words"), MALFORMED)
def test_malformed_answers_of_facebook_are_errors_and_nothing_is_stored(
    config: str,
    world: Sandbox,  # noqa: F811
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: Any,
    words: str,
) -> None:
    before = files(Path(config).parent)
    api = world.apis["facebook"]
    answer = api.answer

    def malformed(request: Any) -> Answer:
        return Answer(200, body) if request.path.endswith(path) else answer(request)

    monkeypatch.setattr(api, "answer", malformed)
    typed += ["", "300", APP_SECRET, "user-token", "y"]
    code, _, err = digestbot("login", "page", "-c", config)
    assert (code, words in err) == (1, True), err
    assert "unexpected" not in err
    assert files(Path(config).parent) == before


@pytest.mark.parametrize("scopes", [7, None])
def test_a_system_users_token_without_scopes(config: str, typed: Typed, monkeypatch: Any, scopes: Any) -> None:
    from digestbot.platforms.facebook.login_calls import LoginCalls

    monkeypatch.setattr(LoginCalls, "inspect", lambda *_: {"type": "PAGE", "scopes": scopes})
    typed += ["3", "300", APP_SECRET, "system-user-token"]
    assert "these permissions are missing" in digestbot("login", "page", "-c", config)[2]


def test_a_page_token_that_names_no_page(config: str, typed: Typed, monkeypatch: Any) -> None:
    from digestbot.platforms.facebook.login import NEEDED
    from digestbot.platforms.facebook.login_calls import LoginCalls

    monkeypatch.setattr(LoginCalls, "inspect", lambda *_: {"type": "PAGE", "scopes": list(NEEDED)})
    monkeypatch.setattr(LoginCalls, "get", lambda *_, **__: {"id": None})
    typed += ["3", "300", APP_SECRET, "system-user-token"]
    assert "does not say for which Page" in digestbot("login", "page", "-c", config)[2]


def test_an_address_that_is_none(config: str, typed: Typed) -> None:
    typed += ["", "300", APP_SECRET, "https://[x/"]
    assert "this is not the address of a web page" in digestbot("login", "page", "-c", config)[2]


def test_the_dialogue_is_on_facebook_unless_the_api_is_elsewhere() -> None:
    from digestbot.platforms.facebook.login_calls import LoginCalls

    calls = LoginCalls("https://graph.facebook.com", "v26.0", "300", "secret")
    assert calls.dialog_url == "https://www.facebook.com/v26.0/dialog/oauth"


def test_a_stored_key_can_be_replaced(config: str, world: Sandbox, typed: Typed) -> None:  # noqa: F811
    """As after a rotation at the platform."""
    del typed.standing["(Enter keeps"]
    typed += ["another-key-0009", SECRET, pin, "y"]
    assert digestbot("login", "x", "-c", config)[0] == 0
    assert (Path(config).parent / "x-api-key").read_text().strip() == "another-key-0009"


def test_json_of_a_login_is_one_document(config: str, world: Sandbox, monkeypatch: Any) -> None:  # noqa: F811
    monkeypatch.setattr(Terminal, "confirm", lambda *_, **__: True)
    code, out, err = called("login", "page", "--json", "-c", config, said=f"\n300\n{APP_SECRET}\nuser-token\n")
    assert code == 0
    assert json.loads(out)["account"] == "Sandbox Page (id 200)"
    assert "App ID" in err


def test_input_that_is_no_text_or_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Latin:
        def isatty(self) -> bool:
            return False

        def readline(self) -> str:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr("sys.stdin", Latin())
    with pytest.raises(LoginError, match="not text in this terminal"):
        Terminal().ask("PIN")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n" * 5000))
    with pytest.raises(LoginError, match="the input ended"):
        Terminal().ask("PIN")

    def ended(_: str) -> str:
        raise EOFError

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("getpass.getpass", ended)
    with pytest.raises(LoginError, match="the input ended"):
        Terminal().ask("API Key", secret=True)


def test_what_a_platform_sends_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().tell("open /a\x1b]0;pwned\x07")
    assert "\x1b" not in capsys.readouterr().out
