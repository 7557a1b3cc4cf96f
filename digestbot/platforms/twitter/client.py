"""The connection to X: tweepy's Client, its deadlines and its errors.

tweepy 4.17 hard-codes the API host, sets no time limit, has no exception of its own for 402, and does not wrap
exceptions of requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import requests
import tweepy

from digestbot.domain.errors import OutcomeUnknown, PublishError, Unauthorized
from digestbot.platforms.http import Session, failure
from digestbot.platforms.twitter.config import TwitterChannel
from digestbot.platforms.twitter.responses import classify_response, field_of, json_body, tweet_count, until_reset_day

# At DEBUG, tweepy logs tokens and oauthlib logs its signing keys.
for _name in ("tweepy", "oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)

USAGE_SECONDS = 10.0  # time limit for asking when the monthly cap resets


class XClient:
    """The calls of one account to X. ``api`` makes them; ``user`` is the account's id, empty while it is unknown."""

    def __init__(self, channel: TwitterChannel) -> None:
        self.api = tweepy.Client(
            consumer_key=channel.api_key.get_secret_value(),
            consumer_secret=channel.api_secret.get_secret_value(),
            access_token=channel.access_token.get_secret_value(),
            access_token_secret=channel.access_token_secret.get_secret_value(),
            return_type=dict,
            wait_on_rate_limit=False,
        )
        self._session = self.api.session = Session(channel.api_url, "https://api.twitter.com")
        prefix = channel.access_token.get_secret_value().partition("-")[0]
        self.user = prefix if prefix.isdecimal() else ""  # a user token begins with the user's id

    @property
    def platform_time(self) -> datetime | None:
        """Return X's time by the Date header of its last answer."""
        return self._session.platform_time

    @property
    def access_level(self) -> str:
        """Return the application's permission by the last answer, such as "read-write"; empty if it was not stated."""
        answer = self._session.answer
        return answer.headers.get("x-access-level", "") if answer is not None else ""

    def user_id(self, seconds: float) -> str:
        """Return the account's id, by GET /2/users/me unless it is known already."""
        if not self.user:
            answer = self.call(seconds, lambda: True, lambda: self.api.get_me(user_auth=True))
            self.user = field_of(answer, "id")
        return self.user

    def post_json(self, route: str, body: dict[str, Any], seconds: float, may_send: Callable[[], bool]) -> Any:
        """POST a JSON body to a route for which tweepy has no method, and return the answer."""

        def call() -> Any:
            return self.api.request("POST", route, json=body, user_auth=True).json()

        return self.call(seconds, may_send, call)

    def count_posts(self, seconds: float) -> int | None:
        """Return X's own count of the account's posts, by GET /2/users/me; None if X does not say."""
        answer = self.call(
            seconds, lambda: True, lambda: self.api.get_me(user_fields=["public_metrics"], user_auth=True)
        )
        return tweet_count(answer)

    def _cap_resets_in(self) -> timedelta | None:
        """Return the time until the monthly cap resets; None if X does not say.

        Calls GET /2/usage/tweets with the application's own token.
        """
        now = self._session.platform_time
        try:
            bearer = self._exchange(USAGE_SECONDS, lambda: True, self._application_token)
            answer = self._exchange(
                USAGE_SECONDS,
                lambda: True,
                lambda: self._session.request(
                    "GET", "https://api.twitter.com/2/usage/tweets", headers={"Authorization": f"Bearer {bearer}"}
                ).json(),
            )
            day = int(answer["data"]["cap_reset_day"])
        except (PublishError, KeyError, TypeError, ValueError):
            return None  # then an operator has to resume the channel
        return until_reset_day(day, now) if now is not None and 1 <= day <= 31 else None

    def _application_token(self) -> str:
        answer = self._session.request(
            "POST",
            "https://api.twitter.com/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(str(self.api.consumer_key), str(self.api.consumer_secret)),
        ).json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise OutcomeUnknown("X returned no application token")
        return token

    def call(
        self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any], *, reply: bool = False
    ) -> Any:
        """Return what ``call`` returns. Raise PublishError for an answer that is no success, or for none.

        ``may_send`` is asked before anything is sent; ``seconds`` limits the whole exchange.
        """
        try:
            return self._exchange(seconds, may_send, call, reply=reply)
        except Unauthorized as error:
            if error.until_reset and error.wait is None:
                error.wait = self._cap_resets_in()
            raise

    def _exchange(
        self, seconds: float, may_send: Callable[[], bool], call: Callable[[], Any], *, reply: bool = False
    ) -> Any:
        wire = self._session.wire
        with wire.exchange(seconds, may_send):
            try:
                return call()
            except tweepy.HTTPException as error:
                answer = error.response
                raise classify_response(answer.status_code, answer.headers, json_body(answer), reply=reply) from error
            except requests.exceptions.JSONDecodeError as error:
                raise OutcomeUnknown("X accepted, but its answer cannot be read") from error
            except Exception as error:
                answer = self._session.answer
                if answer is not None and not answer.ok:  # tweepy's exceptions fail on "errors": null
                    raise classify_response(
                        answer.status_code, answer.headers, json_body(answer), reply=reply
                    ) from error
                raise failure(wire, error) from error
