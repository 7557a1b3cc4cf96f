"""The login to a Facebook Page: a user token, pasted from the Graph API Explorer or as the address of a login dialogue,
becomes a Page token without an end.

developers.facebook.com/docs/facebook-login: get-long-lived, manually-build-a-login-flow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random_numbers
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from digestbot.platforms.http import Session, error_message
from digestbot.platforms.login import Dialogue, LoginError, LoginResult

NEEDED = ("pages_show_list", "pages_read_engagement", "pages_manage_posts")
USEFUL = ("pages_manage_engagement",)  # for the parts of threads, which are comments
REDIRECT = "https://www.facebook.com/connect/login_success.html"
TASK = "CREATE_CONTENT"
MOST_PAGES = 20  # of the list of Pages


class _Graph:
    """The calls of a login, which belong to no Page yet."""

    def __init__(self, api_url: str, version: str, app_secret: str = "") -> None:
        self._url, self._app_secret = f"{api_url.rstrip('/')}/{version}", app_secret
        self._session = Session(api_url, api_url)

    def get(self, path: str, token: str = "", **parameters: str) -> dict[str, Any]:
        """Return the answer to a GET request. Raises LoginError."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if token:  # the application may require it
            proof = hmac.new(self._app_secret.encode(), token.encode(), hashlib.sha256)
            parameters["appsecret_proof"] = proof.hexdigest()
        try:
            response = self._session.request("GET", f"{self._url}/{path}", params=parameters, headers=headers)
            answer = response.json()
        except (requests.RequestException, OSError, ValueError) as error:
            raise LoginError(f"Facebook could not be reached for the login: {type(error).__name__}") from None
        fault = answer.get("error") if isinstance(answer, dict) else None
        if fault or not response.ok or not isinstance(answer, dict):
            message = error_message(fault.get("message", "") if isinstance(fault, dict) else "", 200)
            raise LoginError(f"Facebook rejected the login: {message or f'status {response.status_code}'}")
        return answer


def login(settings: Mapping[str, str], dialogue: Dialogue) -> LoginResult:
    """Lead a person through the login. Raises LoginError."""
    version = settings.get("api_version") or "v26.0"
    app = dialogue.ask("App ID (developers.facebook.com, your app, Settings, Basic)")
    app_secret = settings.get("app_secret") or dialogue.ask("App secret", secret=True)
    graph = _Graph(settings.get("api_url") or "https://graph.facebook.com", version, app_secret)
    short = _user_token(graph, app, app_secret, version, dialogue)
    exchanged = graph.get(
        "oauth/access_token",
        grant_type="fb_exchange_token",
        client_id=app,
        client_secret=app_secret,
        fb_exchange_token=short,
    )
    user_token = str(exchanged.get("access_token") or "")
    missing = _missing_permissions(graph, user_token)
    absent = [name for name in NEEDED if name in missing]
    if absent:
        raise LoginError(
            f"these permissions are missing: {', '.join(absent)}. Run the command again, and allow all of them"
        )
    page = _chosen_page(graph, user_token, settings.get("page_id", ""), dialogue)
    token = str(page["access_token"])
    notes = _notes(graph, app, app_secret, token, missing)
    settings_ = {"page_id": str(page["id"])}
    return LoginResult(
        f"{page['name']} (id {page['id']})", {"access_token": token, "app_secret": app_secret}, settings_, notes
    )


def _user_token(graph: _Graph, app: str, app_secret: str, version: str, dialogue: Dialogue) -> str:
    """Return a user token: pasted, or exchanged for the code in a pasted address."""
    state = random_numbers.token_urlsafe(12)
    query = urlencode(
        {"client_id": app, "redirect_uri": REDIRECT, "state": state, "scope": ",".join((*NEEDED, *USEFUL))}
    )
    dialogue.tell(
        f"Log in to Facebook as a person who manages the Page, in any browser, and open:\n\n"
        f"  https://www.facebook.com/{version}/dialog/oauth?{query}\n\n"
        "Allow everything, for the Page. Then copy the address of the page that follows, which says Success. "
        "(Or create a user token with these permissions in the Graph API Explorer, and paste that.)"
    )
    pasted = dialogue.ask("The address, or the token", secret=True)
    if not pasted.startswith("http"):
        if not re.fullmatch(r"[\w|.-]{5,1000}", pasted):
            raise LoginError("this is neither an address nor a token")
        return pasted
    answer = parse_qs(urlsplit(pasted).query)
    if "code" not in answer:
        reason = answer.get("error_description", answer.get("error", ["it has no code"]))[0]
        raise LoginError(f"Facebook gave no access: {error_message(reason, 200)}")
    if answer.get("state") != [state]:
        raise LoginError("this address belongs to another login: open the URL above, and copy the address that follows")
    given = graph.get(
        "oauth/access_token", client_id=app, client_secret=app_secret, redirect_uri=REDIRECT, code=answer["code"][0]
    )
    return str(given.get("access_token") or "")


def _missing_permissions(graph: _Graph, token: str) -> list[str]:
    rows = graph.get("me/permissions", token).get("data") or []
    granted = {str(row.get("permission")) for row in rows if isinstance(row, dict) and row.get("status") == "granted"}
    return [name for name in (*NEEDED, *USEFUL) if name not in granted]


def _chosen_page(graph: _Graph, token: str, wanted: str, dialogue: Dialogue) -> dict[str, Any]:
    """Return the Page with its token: the configured one, the only one, or the one that the person chooses."""
    pages: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        answer = graph.get("me/accounts", token, fields="id,name,access_token,tasks", limit="100", **after)
        pages += [one for one in answer.get("data") or [] if isinstance(one, dict) and one.get("access_token")]
        cursors = (answer.get("paging") or {}).get("cursors") or {}
        if not (answer.get("paging") or {}).get("next") or not cursors.get("after"):
            break
        after = {"after": str(cursors["after"])}
    if not pages:
        raise LoginError(
            "this person manages no Page that the app may use: choose the Page in Facebook's dialogue, or ask for a "
            "role on it"
        )
    mine = [one for one in pages if str(one.get("id")) == wanted]
    if wanted and not mine:
        others = ", ".join(f"{one.get('name')} ({one.get('id')})" for one in pages)
        raise LoginError(f"this person does not manage the configured Page {wanted}, but {error_message(others, 300)}")
    names = [f"{error_message(one.get('name'), 60)} (id {one.get('id')})" for one in pages]
    page = mine[0] if mine else pages[0] if len(pages) == 1 else pages[dialogue.choose("Which Page?", names)]
    tasks = page.get("tasks")
    if isinstance(tasks, list) and TASK not in tasks:
        raise LoginError(
            f"this person may not post on the Page {error_message(page.get('name'), 60)}: it needs the task {TASK}"
        )
    return page


def _notes(graph: _Graph, app: str, app_secret: str, token: str, missing: list[str]) -> list[str]:
    """Return what the person should know about the Page's token."""
    data = graph.get("debug_token", f"{app}|{app_secret}", input_token=token).get("data") or {}
    notes = []
    if data.get("expires_at"):
        notes.append("this token expires: log in with a person who has a role on the Page for good")
    if any(name in missing for name in USEFUL):
        notes.append("pages_manage_engagement is missing, so threads cannot be posted")
    notes.append("if the app is in Development mode, only its own staff can see the posts: switch it to Live")
    return notes
