"""The login to X: OAuth 1.0a with a PIN, through tweepy. The tokens never expire, and no browser is needed here.

docs.x.com, fundamentals/authentication/oauth-1-0a/pin-based-oauth.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import requests
import tweepy
from requests.adapters import HTTPAdapter

from digestbot.infra.http_client import CONNECT_SECONDS
from digestbot.platforms.http import READ_SECONDS, error_message
from digestbot.platforms.login import Dialogue, LoginError, LoginResult
from digestbot.platforms.twitter.responses import READ_ONLY

for _name in ("tweepy", "oauthlib", "requests_oauthlib"):  # at DEBUG they log tokens and signing keys
    logging.getLogger(_name).setLevel(logging.INFO)

TRIES = 3  # PINs that may be wrong
CALLBACK = "415"  # X's code for an application without a callback URL


class _Adapter(HTTPAdapter):
    """Limits the time of each request, which requests_oauthlib does not."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send the request within the usual time limits."""
        return super().send(request, **(options | {"timeout": (CONNECT_SECONDS, READ_SECONDS)}))


class _Handler(tweepy.OAuth1UserHandler):  # type: ignore[misc]
    """tweepy's handler on the configured host, without proxies and .netrc."""

    def __init__(self, api_url: str, key: str, secret: str) -> None:
        self._api_url = api_url.rstrip("/")
        self.access_level = self.screen_name = ""
        super().__init__(key, secret, callback="oob")

    def _note(self, response: requests.Response, **_: Any) -> None:
        """Remember the permission that X states in its answer, and the account's name."""
        self.access_level = response.headers.get("x-access-level", "") or self.access_level
        self.screen_name = dict(parse_qsl(response.text)).get("screen_name", "") or self.screen_name

    def _get_oauth_url(self, endpoint: str) -> str:
        return f"{self._api_url}/oauth/{endpoint}"

    @property
    def oauth(self) -> Any:
        """Return the session of the current step; tweepy makes one for each."""
        return self._session

    @oauth.setter
    def oauth(self, session: Any) -> None:
        session.trust_env = False
        session.hooks["response"].append(self._note)
        session.mount("https://", _Adapter())
        session.mount("http://", _Adapter())
        self._session = session


def login(settings: Mapping[str, str], dialogue: Dialogue) -> LoginResult:
    """Lead a person through the login. Raises LoginError."""
    key = dialogue.ask_secret("API Key (console.x.com, your app, Keys and tokens)", settings.get("api_key", ""))
    secret = dialogue.ask_secret("API Key Secret", settings.get("api_secret", ""))
    handler = _Handler(settings.get("api_url") or "https://api.x.com", key, secret)
    try:
        url = handler.get_authorization_url()
    except tweepy.TweepyException as error:
        raise LoginError(_refusal(error)) from error
    dialogue.tell(
        f"Log in to X as the account that is to post, in any browser, and open:\n\n  {url}&force_login=true\n"
    )
    dialogue.tell("Allow access. X then shows a PIN of seven digits.")
    for attempt in range(TRIES):
        pin = re.sub(r"\D", "", dialogue.ask("PIN"))
        try:
            token, token_secret = handler.get_access_token(pin)
            break
        except tweepy.TweepyException as error:
            if attempt == TRIES - 1 or _answer(error)[0] not in (400, 401, 403):
                reason = f"X did not accept the PIN ({_reason(error)}). Run the command again for a new one"
                raise LoginError(reason) from error
            dialogue.tell("X did not accept this PIN. Check it and enter it again.")
    user, level, name = token.partition("-")[0], handler.access_level, error_message(handler.screen_name, 50)
    notes = []
    if level and "write" not in level:
        notes.append(READ_ONLY.format(level=level))
    account = f"@{name} (id {user})" if name else f"id {user}"
    before = settings.get("access_token", "").partition("-")[0]
    if before.isdecimal() and before != user:
        dialogue.tell(f"Until now, this channel has posted as the account with the id {before}.")
    if before != user and not dialogue.confirm(f"Post as {account}?", default=not before.isdecimal()):
        raise LoginError("nothing was stored. Log in to X as the account that is to post, then run the command again")
    secrets = {"api_key": key, "api_secret": secret, "access_token": token, "access_token_secret": token_secret}
    return LoginResult(account, secrets, {}, notes)


def _cause(error: BaseException) -> BaseException:
    """Return the error that tweepy wrapped, perhaps twice."""
    while isinstance(error, tweepy.TweepyException) and error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return error


def _answer(error: tweepy.TweepyException) -> tuple[int, str]:
    """Return the status and the text of X's answer; 0 and nothing without one."""
    response = getattr(_cause(error), "response", None)
    return int(getattr(response, "status_code", 0) or 0), str(getattr(response, "text", "") or "")


def _reason(error: tweepy.TweepyException) -> str:
    status, _ = _answer(error)
    return f"status {status}" if status else type(_cause(error)).__name__


def _refusal(error: tweepy.TweepyException) -> str:
    """Return why the login could not begin, and what to do."""
    status, text = _answer(error)
    if status == 403 and CALLBACK in text:
        return (
            "X rejected the login, because the app has no callback URL (403, code 415). At console.x.com, in User "
            "authentication settings, enter any https URL as callback URL; it is not used"
        )
    if status in (400, 401, 403):
        return (
            f"X rejected the API key and secret ({status}). Copy both again from console.x.com, Keys and tokens, "
            "Consumer keys"
        )
    return f"X could not be reached for the login: {_reason(error)}"
