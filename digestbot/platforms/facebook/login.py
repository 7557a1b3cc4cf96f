"""The login to a Facebook Page: a person's token, or a system user's, becomes a Page token without an end.

developers.facebook.com/docs/facebook-login: get-long-lived, manually-build-a-login-flow, for-devices.
"""

from __future__ import annotations

import re
import secrets as random_numbers
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from digestbot.platforms.facebook.login_calls import GraphLoginError, LoginCalls
from digestbot.platforms.facebook.responses import as_number
from digestbot.platforms.http import error_message
from digestbot.platforms.login import Dialogue, LoginError, LoginResult

NEEDED = ("pages_show_list", "pages_read_engagement", "pages_manage_posts")
USEFUL = ("pages_manage_engagement",)  # for the parts of threads, which are comments
REDIRECT = "https://www.facebook.com/connect/login_success.html"
TASK = "CREATE_CONTENT"
BUSINESS = "business_management"  # to list the Pages of a business
MAX_POLLS = 20  # how often a device login asks whether the code was entered
_TOKEN = re.compile(r"[\w|.-]{5,1000}")

ADDRESS, DEVICE, SYSTEM_USER = range(3)
WAYS = (
    "open an address in any browser, and copy the address that follows",
    "enter a code at facebook.com/device",
    "paste the token of a system user (for companies)",
)

# error_subcode of /device/login_status, by docs/facebook-login/for-devices
_PENDING, _TOO_OFTEN, _CODE_EXPIRED = 1349174, 1349172, 1349152


def login(settings: Mapping[str, str], dialogue: Dialogue) -> LoginResult:
    """Lead a person through the login. Raises LoginError."""
    dialogue.tell("How do you want to log in to Facebook?")
    way = dialogue.choose("Login method", WAYS, default=ADDRESS)
    app = dialogue.ask("App ID (developers.facebook.com, your app, Settings, Basic)")
    app_secret = dialogue.ask_secret("App secret", settings.get("app_secret", ""))
    api_url = settings.get("api_url") or "https://graph.facebook.com"
    calls = LoginCalls(api_url, settings.get("api_version") or "v26.0", app, app_secret)
    wanted = settings.get("page_id", "")
    if way == SYSTEM_USER:
        page, missing = _page_of_system_user(calls, wanted, dialogue)
    else:
        of_business = dialogue.confirm("Does the Page belong to a business (Meta Business Suite)?", default=False)
        scope = ",".join((*NEEDED, *USEFUL, *([BUSINESS] if of_business else [])))
        by_way = _token_by_address if way == ADDRESS else _token_by_device
        token = calls.long_lived(by_way(calls, scope, dialogue))
        missing = _missing(calls.granted(token))
        page = _chosen_page(calls, token, wanted, dialogue)
    page_token = str(page["access_token"])
    secrets = {"access_token": page_token, "app_secret": app_secret}
    account = _described(page)
    if not _TOKEN.fullmatch(page_token):
        raise LoginError(f"Facebook gave no usable token for the Page {account}")
    return LoginResult(account, secrets, {"page_id": str(page["id"])}, _notes(calls.inspect(page_token), missing))


# ---- the ways to a token


def _token_by_address(calls: LoginCalls, scope: str, dialogue: Dialogue) -> str:
    """Return a user token: pasted, or exchanged for the code in a pasted address."""
    state = random_numbers.token_urlsafe(12)
    query = urlencode({"client_id": calls.app, "redirect_uri": REDIRECT, "state": state, "scope": scope})
    dialogue.tell(
        f"Log in to Facebook as a person who manages the Page, in any browser, and open:\n\n"
        f"  {calls.dialog_url}?{query}\n\n"
        "Allow everything, for the Page. Then copy the address of the page that follows, which says Success. "
        "(Or create a user token with these permissions in the Graph API Explorer, and paste that.)"
    )
    pasted = dialogue.ask("The address, or the token", secret=True)
    if not pasted.startswith("http"):
        return _checked_token(pasted, "this is neither an address nor a token")
    try:
        answer = parse_qs(urlsplit(pasted).query)
    except ValueError:
        raise LoginError("this is not the address of a web page") from None
    if "code" not in answer:
        reason = error_message(answer.get("error_description", answer.get("error", ["it has no code"]))[0], 200)
        advice = ""
        if "not active" in reason.lower():
            advice = ". The app is in Development mode: switch it to Live, or give this person a role in it"
        raise LoginError(f"Facebook denied access: {reason}{advice}")
    if answer.get("state") != [state]:
        raise LoginError("this address belongs to another login: open the URL above, and copy the address that follows")
    return calls.user_token(REDIRECT, answer["code"][0])


def _token_by_device(calls: LoginCalls, scope: str, dialogue: Dialogue) -> str:
    """Return a user token, once the person has entered a code on another device."""
    client_token = dialogue.ask("Client token (your app, Settings, Advanced)", secret=True)
    access_token = f"{calls.app}|{client_token}"
    begun = calls.post("device/login", access_token=access_token, scope=scope)
    seconds = as_number(begun.get("expires_in"))
    minutes = max(60, seconds if seconds > 0 else 420) // 60
    dialogue.tell(
        f"Log in to Facebook as a person who manages the Page, in any browser, and open:\n\n"
        f"  {error_message(begun.get('verification_uri'), 200)}\n\n"
        f"Enter the code {error_message(begun.get('user_code'), 40)} within {minutes} minutes, and allow everything."
    )
    for _ in range(MAX_POLLS):
        dialogue.ask("Press Enter when it is done", default="")
        try:
            answer = calls.post("device/login_status", access_token=access_token, code=str(begun.get("code") or ""))
        except GraphLoginError as error:
            if error.subcode == _CODE_EXPIRED:
                raise LoginError("the code has expired. Run the command again for a new one") from None
            if error.subcode not in (_PENDING, _TOO_OFTEN):
                raise
            too_often = error.subcode == _TOO_OFTEN
            dialogue.tell("Wait a few seconds." if too_often else "Facebook has not seen the code yet.")
            continue
        return str(answer.get("access_token") or "")
    raise LoginError("the code was not entered. Run the command again for a new one")


def _page_of_system_user(calls: LoginCalls, wanted: str, dialogue: Dialogue) -> tuple[dict[str, Any], list[str]]:
    """Return the Page of a system user's token, and the permissions that are missing."""
    dialogue.tell(
        "In Business settings, Users, System users: assign the Page and the app to a system user, choose Generate "
        f"token, and select {', '.join((*NEEDED, *USEFUL))}."
    )
    token = _checked_token(dialogue.ask("The token", secret=True), "this is not a token")
    known = calls.inspect(token)
    if known.get("is_valid") is False:
        raise LoginError("Facebook says that this token is not valid. Generate a new one")
    scopes = known.get("scopes")
    missing = _missing([str(scope) for scope in scopes] if isinstance(scopes, list) else [])
    if known.get("type") != "PAGE":
        return _chosen_page(calls, token, wanted, dialogue), missing
    page = calls.get("me", token, fields="id,name")
    if not str(page.get("id") or "").isdecimal():
        raise LoginError("Facebook does not say for which Page this token is")
    if wanted and str(page.get("id")) != wanted:
        raise LoginError(f"this token is for the Page {page.get('id')}, but the configured Page is {wanted}")
    return page | {"access_token": token}, missing


def _checked_token(text: str, problem: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise LoginError(problem)
    return text


# ---- the Page and its token


def _missing(granted: Sequence[str]) -> list[str]:
    """Return the permissions that are missing. Raises LoginError if nothing could be posted without them."""
    absent = [name for name in NEEDED if name not in granted]
    if absent:
        raise LoginError(
            f"these permissions are missing: {', '.join(absent)}. Run the command again, and allow all of them"
        )
    return [name for name in USEFUL if name not in granted]


def _chosen_page(calls: LoginCalls, token: str, wanted: str, dialogue: Dialogue) -> dict[str, Any]:
    """Return the Page with its token: the configured one, or the one that the person chooses."""
    listed = [*calls.pages(token), *calls.business_pages(token)]
    by_id: dict[str, dict[str, Any]] = {}
    for one in listed:
        if one.get("access_token"):
            by_id.setdefault(str(one["id"]), one)
    pages = list(by_id.values())
    if not pages:
        raise LoginError(
            "this person manages no Page that the app may use: choose the Page in Facebook's dialogue, or ask for a "
            "role on it. If the Page belongs to a business, run the command again and answer yes to that question"
        )
    if wanted and wanted not in by_id:
        others = ", ".join(map(_described, pages))
        raise LoginError(f"this person does not manage the configured Page {wanted}, but {error_message(others, 300)}")
    names = [_described(one) for one in pages]
    if wanted:
        page = by_id[wanted]
    elif len(pages) > 1:
        page = pages[dialogue.choose("Which Page?", names)]
    elif dialogue.confirm(f"Post on {names[0]}?"):
        page = pages[0]
    else:
        raise LoginError("no Page was chosen; nothing was stored")
    tasks = page.get("tasks")
    if isinstance(tasks, list) and TASK not in tasks:
        raise LoginError(f"this person may not post on the Page {_described(page)}: it needs the task {TASK}")
    return page


def _described(page: Mapping[str, Any]) -> str:
    return f"{error_message(page.get('name') or 'a Page without a name', 60)} (id {page['id']})"


def _notes(known: Mapping[str, Any], missing: Sequence[str]) -> list[str]:
    """Return what the person should know about the Page's token."""
    notes = []
    if known.get("expires_at"):
        notes.append("this token expires: log in as a person who has a permanent role on the Page")
    if missing:
        notes.append(f"{', '.join(missing)} is missing, so threads cannot be posted")
    notes.append("if the app is in Development mode, only its own staff can see the posts: switch it to Live")
    return notes
