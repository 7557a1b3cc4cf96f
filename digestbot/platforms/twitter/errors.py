"""X's error catalogue: the documented answers of POST /2/tweets and related endpoints, as of 26 November 2026.

Sources: docs.x.com (support, "Response codes & errors"), the OpenAPI 2.167 problem types, and public reports by
operators of similar bots. Problem type URLs occur on both api.twitter.com and api.x.com, so they are matched by their
suffix.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from digestbot.platforms.error_catalogue import ErrorCause, ErrorReaction, ErrorRow

_RESUME = "then run `digestbot resume CHANNEL`"


def _problem(detail: str, title: str = "Forbidden", type_: str = "about:blank", **more: Any) -> Mapping[str, Any]:
    return {"detail": detail, "type": type_, "title": title} | more


def _legacy(code: int, message: str) -> Mapping[str, Any]:
    return {"errors": [{"code": code, "message": message}], "title": "Forbidden", "detail": message}


ROWS = (
    ErrorRow(
        "monthly-cap",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE_UNTIL_RESET,
        "the application's monthly cap is used up",
        f"Wait until the cap resets, or raise it at console.x.com, {_RESUME}",
        (
            429,
            _problem(
                "Usage cap exceeded: Monthly product cap",
                "UsageCapExceeded",
                "https://api.x.com/2/problems/usage-capped",
                period="Monthly",
                scope="Product",
            ),
        ),
        statuses=(429,),
        words=r"usagecapexceeded|usage-capped|usage cap|monthly product cap|monthly cap",
    ),
    ErrorRow(
        "rate-limit",
        ErrorCause.PLATFORM,
        ErrorReaction.WAIT,
        "too many requests",
        "",
        (429, _problem("Too Many Requests", "Too Many Requests")),
        statuses=(429,),
    ),
    ErrorRow(
        "server-error",
        ErrorCause.NOBODY,
        ErrorReaction.LOOK,
        "the server failed, and the post may exist",
        "",
        (500, _problem("Internal Server Error", "Internal Server Error")),
        statuses=(*range(200, 400), 408, *range(500, 600)),
    ),
    ErrorRow(
        "clock",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "this machine's clock is wrong, so signatures are not accepted",
        f"Set the clock, {_RESUME}",
        (401, _legacy(135, "Timestamp out of bounds.")),
        codes=(135,),
    ),
    ErrorRow(
        "invalid-token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE_LATER,
        "the keys or the access token were rejected",
        f"Create a new access token at console.x.com and put it into the configuration, {_RESUME}",
        (403, _legacy(89, "Invalid or expired token.")),
        codes=(32, 89, 215),
    ),
    ErrorRow(
        "duplicate-187",
        ErrorCause.POST,
        ErrorReaction.LOOK_ONCE,
        "a post with this text is there already",
        "",
        (403, _legacy(187, "Already said that.")),
        codes=(187,),
    ),
    ErrorRow(
        "daily-limit",
        ErrorCause.ACCOUNT,
        ErrorReaction.WAIT,
        "the account's daily limit is reached",
        "",
        (403, _legacy(185, "User is over daily status update limit.")),
        codes=(185,),
        wait=timedelta(hours=3),
    ),
    ErrorRow(
        "access-level",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the application's access level does not include this endpoint",
        f"Look at the app's project and plan at console.x.com, {_RESUME}",
        (403, _legacy(453, "You currently have access to a subset of X API V2 endpoints.")),
        codes=(453,),
    ),
    ErrorRow(
        "suspended-code",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the account is suspended, locked or deactivated",
        f"Log in to X as the account and follow what it says, {_RESUME}",
        (403, _legacy(64, "This account is not available.")),
        codes=(63, 64, 141, 326),
    ),
    ErrorRow(
        "reply-too-early",
        ErrorCause.PLATFORM,
        ErrorReaction.SOON,
        "the part before is not visible yet",
        "",
        (403, _legacy(385, "You attempted to reply to a Tweet that is deleted or not visible to you.")),
        codes=(385,),
        wait=timedelta(seconds=5),
        reply_only=True,
    ),
    ErrorRow(
        "too-long",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the text is too long",
        "",
        (403, _legacy(186, "Tweet needs to be a bit shorter.")),
        codes=(186,),
    ),
    ErrorRow(
        "automated",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the post looks automated to X",
        "If this happens again, label the account as automated under Settings → Your account → Automation",
        (403, _legacy(226, "This request looks like it might be automated.")),
        codes=(226,),
    ),
    ErrorRow(
        "no-credit",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "no credit is left",
        f"Buy credit at console.x.com, {_RESUME}",
        (402, _problem("No credits left", "CreditsDepleted", "https://api.x.com/2/problems/credits")),
        statuses=(402, 403),
        words=r"problems/credits|creditsdepleted|credits-depleted|no credits?\b",
    ),
    ErrorRow(
        "spending-cap",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the spending limit is reached",
        f"Raise the spending limit at console.x.com, {_RESUME}",
        (403, _problem("Spend cap reached", "SpendCapReached", reason="SpendCapReached")),
        statuses=(402, 403),
        words=r"spend[- ]?cap|spending (?:cap|limit)",
    ),
    ErrorRow(
        "payment-required",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "payment is required",
        f"Look at the balance at console.x.com, {_RESUME}",
        (402, _problem("Payment Required", "Payment Required")),
        statuses=(402,),
    ),
    ErrorRow(
        "token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE_LATER,
        "the keys or the access token were rejected (401)",
        f"Create a new access token at console.x.com and put it into the configuration, {_RESUME}",
        (401, _problem("Unauthorized", "Unauthorized")),
        statuses=(401,),
    ),
    ErrorRow(
        "duplicate",
        ErrorCause.POST,
        ErrorReaction.LOOK_ONCE,
        "a post with this text is there already",
        "",
        (403, _problem("You are not allowed to create a Tweet with duplicate content.")),
        statuses=(400, 403),
        words=r"duplicate content|status is a duplicate",
    ),
    ErrorRow(
        "daily-limit-words",
        ErrorCause.ACCOUNT,
        ErrorReaction.WAIT,
        "the account's daily limit is reached",
        "",
        (403, _problem("You have reached your daily limit for sending posts.")),
        statuses=(403,),
        words=r"daily (?:status update |posting )?limit",
        wait=timedelta(hours=3),
    ),
    ErrorRow(
        "not-enrolled",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the application may not use this endpoint",
        f"Attach the app to a project at console.x.com → Projects, {_RESUME}",
        (
            403,
            _problem(
                "When authenticating requests to the Twitter API v2 endpoints, you must use keys and tokens from a "
                "developer App that is attached to a Project.",
                "Client Forbidden",
                "https://api.twitter.com/2/problems/client-forbidden",
                reason="client-not-enrolled",
            ),
        ),
        statuses=(403,),
        words=r"client-not-enrolled|attached to a project|not enrolled",
    ),
    ErrorRow(
        "write-permission",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the application has no write permission",
        "At console.x.com choose Read and write under User authentication settings, create a new access token, "
        f"{_RESUME}",
        (
            403,
            _problem(
                "Your client app is not configured with the appropriate oauth1 app permissions for this endpoint.",
                type_="https://api.x.com/2/problems/oauth1-permissions",
            ),
        ),
        statuses=(403,),
        words=r"app permissions|oauth1-permissions|client-forbidden|read-only application|unsupported-authentication",
    ),
    ErrorRow(
        "suspended",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the account is suspended, locked or deactivated",
        f"Log in to X as the account and follow what it says, {_RESUME}",
        (403, _problem("Your account is suspended and is not permitted to access this feature.")),
        statuses=(403,),
        words=r"suspended|temporarily locked|account is locked|deactivated|verify your account",
    ),
    ErrorRow(
        "reply-to-missing",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the part before was not found",
        "",
        (403, _problem("You attempted to reply to a Tweet that is deleted or not visible to you.")),
        statuses=(403,),
        words=r"deleted|not visible|not found|no longer",
        reply_only=True,
    ),
    ErrorRow(
        "cashtags",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "a post may have one cashtag at most",
        "",
        (403, _problem("A post may hold one cashtag at most.")),
        statuses=(400, 403),
        words=r"cashtag",
    ),
    ErrorRow(
        "automated-words",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the post looks automated to X",
        "If this happens again, label the account as automated under Settings → Your account → Automation",
        (
            403,
            _problem(
                "This request looks like it might be automated. To protect our users from spam and other malicious "
                "activity, we can't complete this action right now."
            ),
        ),
        statuses=(403,),
        words=r"might be automated|looks automated|spam",
    ),
    ErrorRow(
        "harmful-link",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "a link in the post was rejected",
        "",
        (403, _problem("This request looks like it might include a link that is potentially harmful.")),
        statuses=(400, 403),
        words=r"potentially harmful|invalid url|harmful link|malicious",
    ),
    ErrorRow(
        "replies",
        ErrorCause.POST,
        ErrorReaction.NO_REPLIES,
        "no reply is allowed here",
        "",
        (403, _problem("You can only reply to or quote posts where you are mentioned or are the author.")),
        statuses=(403,),
        words=r"only reply to or quote|reply to this conversation|repl(?:y|ies) (?:is|are) not allowed",
        reply_only=True,
    ),
    ErrorRow(
        "forbidden",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the post was rejected",
        "",
        (403, _problem("You are not permitted to perform this action.")),
        statuses=(403,),
    ),
    ErrorRow(
        "not-found",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "there is no such endpoint",
        f"Check api_url, {_RESUME}",
        (404, _problem("Not Found", "Not Found")),
        statuses=(404, 405, 410),
    ),
    ErrorRow(
        "invalid-request",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the post was rejected",
        "",
        (
            400,
            _problem(
                "One or more parameters to your request was invalid.",
                "Invalid Request",
                "https://api.x.com/2/problems/invalid-request",
                errors=[{"message": "Your Tweet text is too long.", "parameters": {}}],
            ),
        ),
        statuses=range(400, 500),
    ),
)
"""The rows in order of precedence: the first match wins."""
