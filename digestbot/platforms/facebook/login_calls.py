"""The calls of a login to Facebook, which belong to no Page yet.

developers.facebook.com/docs/facebook-login: get-long-lived, for-devices; docs/graph-api/reference: me/accounts,
me/businesses, debug_token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import requests

from digestbot.platforms.facebook.appsecret_proof import appsecret_proof
from digestbot.platforms.facebook.responses import as_number
from digestbot.platforms.http import Session, error_message
from digestbot.platforms.login import LoginError

MAX_LIST_PAGES = 20  # of the lists of Pages and businesses


def objects_in(answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects of a list in an answer; whatever else is in it is left out."""
    value = answer.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def object_in(answer: dict[str, Any], key: str) -> dict[str, Any]:
    """Return an object in an answer; empty if it is none."""
    value = answer.get(key)
    return value if isinstance(value, dict) else {}


class GraphLoginError(LoginError):
    """Facebook's error in a login. ``subcode`` is its error_subcode, 0 without one."""

    subcode = 0


class LoginCalls:
    """The Graph API as one application calls it while a person logs in."""

    def __init__(self, api_url: str, version: str, app: str, app_secret: str) -> None:
        self.app, self._app_secret, self._version = app, app_secret, version
        self._url = f"{api_url.rstrip('/')}/{version}"
        real = api_url.rstrip("/") == "https://graph.facebook.com"
        self.dialog_url = f"{'https://www.facebook.com' if real else api_url.rstrip('/')}/{version}/dialog/oauth"
        self._session = Session(api_url, api_url)

    def get(self, path: str, token: str = "", **parameters: str) -> dict[str, Any]:
        """Return the answer to a GET request. Raises LoginError."""
        return self._call("GET", path, token, parameters)

    def post(self, path: str, **parameters: str) -> dict[str, Any]:
        """Return the answer to a POST request. Raises LoginError."""
        return self._call("POST", path, "", parameters)

    def user_token(self, redirect: str, code: str) -> str:
        """Return the user token for the code of a login dialogue. Raises LoginError."""
        return self._token(redirect_uri=redirect, code=code)

    def long_lived(self, token: str) -> str:
        """Return a long-lived user token for a short one. Page tokens made from it have no end. Raises LoginError."""
        return self._token(grant_type="fb_exchange_token", fb_exchange_token=token)

    def _token(self, **parameters: str) -> str:
        answer = self.get("oauth/access_token", client_id=self.app, client_secret=self._app_secret, **parameters)
        return str(answer.get("access_token") or "")

    def inspect(self, token: str) -> dict[str, Any]:
        """Return what Facebook knows about a token: its type, its scopes, its end. Raises LoginError."""
        return object_in(self.get("debug_token", f"{self.app}|{self._app_secret}", input_token=token), "data")

    def granted(self, token: str) -> list[str]:
        """Return the permissions that a person has granted. Raises LoginError."""
        rows = objects_in(self.get("me/permissions", token), "data")
        return [str(row.get("permission")) for row in rows if row.get("status") == "granted"]

    def pages(self, token: str) -> list[dict[str, Any]]:
        """Return the person's Pages, each with its token. Raises LoginError."""
        return list(self._listed("me/accounts", token, "id,name,access_token,tasks"))

    def business_pages(self, token: str) -> list[dict[str, Any]]:
        """Return the Pages of the person's businesses; empty if they may not be listed (business_management)."""
        pages: list[dict[str, Any]] = []
        with suppress(GraphLoginError):
            for business in self._listed("me/businesses", token, "id"):
                for edge in ("owned_pages", "client_pages"):
                    pages += self._listed(f"{business['id']}/{edge}", token, "id,name,access_token")
        return pages

    def _listed(self, path: str, token: str, fields: str) -> Iterator[dict[str, Any]]:
        after: dict[str, str] = {}
        for _ in range(MAX_LIST_PAGES):
            answer = self.get(path, token, fields=fields, limit="100", **after)
            yield from (one for one in objects_in(answer, "data") if str(one.get("id") or "").isdecimal())
            paging = object_in(answer, "paging")
            cursor = object_in(paging, "cursors").get("after")
            if not paging.get("next") or not cursor:
                return
            after = {"after": str(cursor)}

    def _call(self, method: str, path: str, token: str, parameters: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if token:  # the application may require it
            parameters = parameters | {"appsecret_proof": appsecret_proof(token, self._app_secret)}
        given: dict[str, Any] = {"params": parameters} if method == "GET" else {"data": parameters}
        try:
            response = self._session.request(method, f"{self._url}/{path}", headers=headers, **given)
        except (requests.RequestException, OSError, ValueError) as error:
            raise LoginError(f"Facebook could not be reached for the login: {type(error).__name__}") from None
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            status = response.status_code
            raise LoginError(f"Facebook's answer to the login was not understood (status {status})") from None
        fault = answer.get("error") if isinstance(answer, dict) else None
        if fault or not response.ok or not isinstance(answer, dict):
            details = fault if isinstance(fault, dict) else {}
            message = error_message(details.get("message") or "", 200) or f"status {response.status_code}"
            rejected = GraphLoginError(f"Facebook rejected the login: {message}")
            rejected.subcode = as_number(details.get("error_subcode")) or 0
            raise rejected
        return answer
