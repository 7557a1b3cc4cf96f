"""The sandbox's version of Facebook's logins: dialogue, devices, tokens, Pages, and people's mistakes."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

from digestbot.platforms.facebook.sandbox_reads import graph_error
from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import World

_SUBCODES = {"pending": 1349174, "too-often": 1349172, "expired": 1349152}


class GraphLogin:
    """The endpoints of logins.

    ``device_states`` are the answers to the next questions whether a device's code was entered: "pending", "too-often"
    or "expired"; without any, it was. ``system_user_type`` is the type of a system user's token, ``businesses`` are the
    Pages by business.
    """

    def __init__(self, world: World, app_secret: str | None) -> None:
        self.world, self._app_secret = world, app_secret
        self.device_states: list[str] = []
        self.system_user_type = "SYSTEM_USER"
        self.businesses: dict[str, list[str]] = {}
        self._requested: list[str] | None = None

    def dialog(self, _request: Request, parameters: dict[str, str]) -> Answer:
        """Handle GET /dialog/oauth: show the address that a person copies."""
        self._requested = parameters.get("scope", "").split(",")
        answer = {"code": "sandbox-code", "state": parameters.get("state", "")}
        if not self.world.app_live:
            answer = {"error": "access_denied", "error_description": "App Not Active", "state": answer["state"]}
        address = f"{parameters.get('redirect_uri', '')}?{urlencode(answer)}"
        page = f"<!DOCTYPE html><title>Sandbox</title><p>Copy this address: <code>{escape(address)}</code></p>"
        return Answer(200, page.encode(), {}, "text/html; charset=utf-8")

    def device_login(self, _request: Request, parameters: dict[str, str]) -> Answer:
        """Handle POST /device/login."""
        self._requested = parameters.get("scope", "").split(",")
        body = {"code": "device-code", "user_code": "ABCD1234", "verification_uri": "https://www.facebook.com/device"}
        return Answer(200, body | {"expires_in": 420, "interval": 5})

    def device_status(self, _request: Request, parameters: dict[str, str]) -> Answer:
        """Handle POST /device/login_status."""
        if parameters.get("code") != "device-code":
            return graph_error(400, 100, "Invalid code")
        if self.device_states:
            return graph_error(400, 31, "Device login", error_subcode=_SUBCODES[self.device_states.pop(0)])
        return Answer(200, {"access_token": "sandbox-device-token", "expires_in": 5183944})

    def exchange(self, _request: Request, parameters: dict[str, str]) -> Answer:
        """Handle GET /oauth/access_token."""
        if self._app_secret is not None and parameters.get("client_secret", self._app_secret) != self._app_secret:
            return graph_error(400, 1, "Error validating client secret.")
        if parameters.get("code", "sandbox-code") != "sandbox-code":
            return graph_error(400, 100, "This authorization code has expired.", error_subcode=36007)
        if parameters.get("fb_exchange_token") == "expired":
            return graph_error(400, 190, "Error validating access token: Session has expired.", error_subcode=463)
        return Answer(200, {"access_token": "sandbox-user-token", "token_type": "bearer", "expires_in": 5183944})

    def permissions(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /me/permissions."""
        return Answer(200, {"data": [{"permission": one, "status": "granted"} for one in self._granted()]})

    def _granted(self) -> list[str]:
        """Return the permissions of the last login: those that the app has and, in a dialogue, those it asked for."""
        return [one for one in self.world.scopes if self._requested is None or one in self._requested]

    def accounts(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /me/accounts."""
        owned = {page for pages in self.businesses.values() for page in pages}
        pages = [_page(id_) | {"tasks": self.world.tasks} for id_ in sorted(self.world.pages - owned)]
        return Answer(200, {"data": pages, "paging": {"cursors": {"before": "a", "after": "b"}}})

    def own_businesses(self, _request: Request, _parameters: dict[str, str]) -> Answer:
        """Handle GET /me/businesses."""
        if "business_management" not in self._granted():
            return graph_error(403, 200, "(#200) Requires business_management permission to manage the object")
        return Answer(200, {"data": [{"id": id_} for id_ in sorted(self.businesses)]})

    def owned_pages(self, _request: Request, _parameters: dict[str, str], business: str) -> Answer:
        """Handle GET /{business}/owned_pages."""
        return Answer(200, {"data": [_page(id_) for id_ in self.businesses.get(business, ())]})

    def client_pages(self, _request: Request, _parameters: dict[str, str], _business: str) -> Answer:
        """Handle GET /{business}/client_pages."""
        return Answer(200, {"data": []})

    def debug_token(self, _request: Request, parameters: dict[str, str]) -> Answer:
        """Handle GET /debug_token."""
        given = parameters.get("input_token", "")
        data = {
            "app_id": "300",
            "type": self.system_user_type if given.startswith("system-user") else "PAGE",
            "is_valid": self.world.token_ends >= 0,
            "expires_at": max(self.world.token_ends, 0),
            "data_access_expires_at": 0,
            "profile_id": "200",
            "scopes": self.world.scopes,
        }
        return Answer(200, {"data": data})


def _page(id_: str) -> dict[str, object]:
    name = "Sandbox Page" if id_ == "200" else f"Sandbox Page {id_}"
    return {"id": id_, "name": name, "access_token": "sandbox-page-token"}
