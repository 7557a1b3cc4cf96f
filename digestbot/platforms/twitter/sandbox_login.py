"""The sandbox's version of X's login: OAuth 1.0a with a PIN, with the mistakes that people make."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import unquote, urlencode

from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import World

_OAUTH = re.compile(r'(\w+)="([^"]*)"')
_FORM = "application/x-www-form-urlencoded"


class LoginPages:
    """The endpoints under /oauth/.

    ``access_level`` is the application's permission, ``callback`` whether it has a callback URL, ``key`` the only API
    key that is accepted (empty for any), and ``user`` the id of the account that logs in.
    """

    def __init__(self, world: World, token_secret: str) -> None:
        self.world, self._token_secret = world, token_secret
        self.access_level, self.callback, self.key, self.user = "read-write", True, "", "100"
        self._pins: dict[str, str] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a call of the login, or show the page with the PIN."""
        fields = {name: unquote(value) for name, value in _OAUTH.findall(request.headers.get("authorization", ""))}
        if request.path == "/oauth/authorize":
            return self._page(request.query.get("oauth_token", ""))
        if request.method != "POST" or not fields.get("oauth_signature"):
            return Answer(400, {"errors": [{"code": 215, "message": "Bad Authentication data."}]})
        if self.key and fields.get("oauth_consumer_key") != self.key:
            return Answer(401, {"errors": [{"code": 32, "message": "Could not authenticate you."}]})
        if request.path == "/oauth/request_token":
            return self._request_token()
        if request.path == "/oauth/access_token":
            return self._access_token(fields)
        return Answer(404, {"errors": [{"code": 34, "message": "Sorry, that page does not exist."}]})

    def _request_token(self) -> Answer:
        if not self.callback:
            message = "Callback URL not approved for this client application."
            return Answer(403, {"errors": [{"code": 415, "message": message}]})
        token = f"request-{self.world.new_id()}"
        self._pins[token] = f"{int(self.world.new_id()) % 10**7:07}"
        body = {"oauth_token": token, "oauth_token_secret": "request-secret", "oauth_callback_confirmed": "true"}
        return Answer(200, urlencode(body).encode(), {}, _FORM)

    def _page(self, token: str) -> Answer:
        pin = self._pins.get(token)
        if pin is None:
            return Answer(401, b"<p>This page no longer exists.</p>", {}, "text/html; charset=utf-8")
        page = f"<!DOCTYPE html><title>Sandbox</title><p>Enter this PIN: <code>{escape(pin)}</code></p>"
        return Answer(200, page.encode(), {}, "text/html; charset=utf-8")

    def _access_token(self, fields: dict[str, str]) -> Answer:
        pin = self._pins.get(fields.get("oauth_token", ""))
        if pin is None or fields.get("oauth_verifier") != pin:
            return Answer(
                401, b"Error processing your OAuth request: Invalid oauth_verifier parameter", {}, "text/html"
            )
        del self._pins[fields["oauth_token"]]
        body = {
            "oauth_token": f"{self.user}-sandbox-access-token",
            "oauth_token_secret": self._token_secret,
            "user_id": self.user,
            "screen_name": f"sandbox_{self.user}",
        }
        return Answer(200, urlencode(body).encode(), {"x-access-level": self.access_level}, _FORM)
