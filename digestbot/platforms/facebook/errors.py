"""The Graph API's error catalogue for publishing to a Page, as of 26 November 2026.

Sources: Meta's "Handle Errors", "Error Codes" and "Page Feed" references, and public reports by operators of similar
bots.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from digestbot.platforms.error_catalogue import ErrorCause, ErrorReaction, ErrorRow

_RESUME = "then run `digestbot resume CHANNEL`"


def _error(code: int, message: str, subcode: int | None = None, **more: Any) -> Mapping[str, Any]:
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Asandbox"} | more
    return {"error": error | ({"error_subcode": subcode} if subcode is not None else {})}


def _page_row(name: str, code: int, subcode: int | None, words: str, message: str) -> ErrorRow:
    return ErrorRow(
        name,
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "page_id is not a Page that this token can post to",
        f"Compare page_id and the token with /me/accounts, {_RESUME}",
        (400, _error(code, message, subcode, type="GraphMethodException")),
        codes=(code,),
        subcodes=(subcode,) if subcode is not None else (),
        words=words,
    )


ROWS = (
    ErrorRow(
        "server-error",
        ErrorCause.NOBODY,
        ErrorReaction.LOOK,
        "the server failed, and the post may exist",
        "",
        (500, _error(2, "An unexpected error has occurred. Please retry your request later.", is_transient=True)),
        statuses=range(500, 600),
    ),
    ErrorRow(
        "token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the token is no longer valid",
        f"Create a new Page token and put it into the configuration, {_RESUME}",
        (400, _error(190, "Error validating access token: Session has expired.", 463)),
        codes=(102, 190),
    ),
    ErrorRow(
        "no-token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "no token was accepted",
        f"Put a Page token into the configuration, {_RESUME}",
        (400, _error(104, "An access token is required to request this resource.")),
        codes=(104,),
    ),
    ErrorRow(
        "version",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the API version has ended",
        f"Set api_version to a current one, {_RESUME}",
        (400, _error(2635, "(#2635) You are calling a deprecated version of the API. Please update to the latest.")),
        codes=(12, 2635),
    ),
    ErrorRow(
        "user-token",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "this is a user's token, not the Page's",
        f"Take the Page's own token from /me/accounts, {_RESUME}",
        (403, _error(200, "(#200) Requires publish_actions permission to manage the object.")),
        codes=(3, 10, *range(200, 300)),
        words=r"publish_actions",
    ),
    ErrorRow(
        "engagement-permission",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the token lacks pages_manage_engagement, which parts of a thread need",
        f'Create a Page token with pages_manage_engagement, or set shape = "single", {_RESUME}',
        (403, _error(200, "(#200) Requires pages_manage_engagement permission to comment as the Page.")),
        codes=(3, 10, *range(200, 300)),
        words=r"pages_manage_engagement",
    ),
    ErrorRow(
        "comment-permission",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the token may not comment, which parts of a thread need",
        f'Create a Page token with pages_manage_engagement, or set shape = "single", {_RESUME}',
        (403, _error(200, "(#200) Permissions error")),
        codes=(3, 10, *range(200, 300)),
        reply_only=True,
    ),
    ErrorRow(
        "permission",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "the token lacks a permission",
        f"Create a Page token with pages_manage_posts, pages_read_engagement and pages_show_list, {_RESUME}",
        (403, _error(10, "(#10) This endpoint requires the 'pages_read_engagement' permission.")),
        codes=(3, 10, *range(200, 300)),
    ),
    ErrorRow(
        "authorization",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "Facebook wants the Page's authorization or an identity confirmed",
        f"Open the Page on Facebook and follow what it asks for, {_RESUME}",
        (403, _error(4854002, "Page Publishing Authorization is required.")),
        codes=(1404006, 1404078, 4854002),
    ),
    ErrorRow(
        "authorization-subcode",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE,
        "Facebook wants the Page's authorization or an identity confirmed",
        f"Open the Page on Facebook and follow what it asks for, {_RESUME}",
        (403, _error(1, "Your account needs to be confirmed.", 1404078)),
        subcodes=(1404006, 1404078, 4854002),
    ),
    ErrorRow(
        "limited",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE_UNTIL_RESET,
        "the account is limited for some days",
        "",
        (403, _error(368, "The action attempted has been deemed unavailable for some days.", 1404112)),
        subcodes=(1404112,),
        wait=timedelta(hours=12),
    ),
    ErrorRow(
        "limited-code",
        ErrorCause.ACCOUNT,
        ErrorReaction.PAUSE_UNTIL_RESET,
        "the account is limited for some days",
        "",
        (403, _error(1404112, "Your account has been limited for some days.")),
        codes=(1404112,),
        wait=timedelta(hours=12),
    ),
    ErrorRow(
        "abusive",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the content was rejected as abusive",
        "",
        (
            403,
            _error(
                368,
                "The action attempted has been deemed abusive or is otherwise disallowed",
                1346003,
                error_user_msg="This content was reported by other people.",
            ),
        ),
        codes=(368,),
        subcodes=(1346003, 1404102),
    ),
    ErrorRow(
        "abusive-words",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the content was rejected as abusive",
        "",
        (403, _error(368, "The action attempted has been deemed abusive or is otherwise disallowed")),
        codes=(368,),
        words=r"abusive",
    ),
    ErrorRow(
        "blocked",
        ErrorCause.ACCOUNT,
        ErrorReaction.WAIT,
        "the Page is blocked for a while",
        "",
        (403, _error(368, "You're temporarily blocked from posting.")),
        codes=(368,),
    ),
    ErrorRow(
        "too-fast",
        ErrorCause.ACCOUNT,
        ErrorReaction.WAIT,
        "the Page posts too fast",
        "",
        (403, _error(1390008, "You're going too fast.")),
        codes=(1390008,),
    ),
    ErrorRow(
        "too-fast-subcode",
        ErrorCause.ACCOUNT,
        ErrorReaction.WAIT,
        "the Page posts too fast",
        "",
        (403, _error(1, "It looks like you were misusing this feature by going too fast.", 1390008)),
        subcodes=(1390008,),
    ),
    ErrorRow(
        "rate-limit",
        ErrorCause.PLATFORM,
        ErrorReaction.WAIT,
        "too many calls",
        "",
        (400, _error(32, "(#32) Page request limit reached")),
        codes=(4, 17, 32, 341, 613, 80001),
    ),
    ErrorRow(
        "rate-limit-status",
        ErrorCause.PLATFORM,
        ErrorReaction.WAIT,
        "too many calls",
        "",
        (429, _error(80002, "There have been too many calls.")),
        statuses=(429,),
    ),
    ErrorRow(
        "reply-to-missing",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the part before was not found",
        "",
        (
            400,
            _error(100, "Unsupported post request. Object with ID '1' does not exist", 33, type="GraphMethodException"),
        ),
        codes=(100,),
        subcodes=(33,),
        reply_only=True,
    ),
    _page_row(
        "page",
        100,
        33,
        "",
        "Unsupported post request. Object with ID '201' does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation.",
    ),
    _page_row("page-alias", 803, None, "", "(#803) Some of the aliases you requested do not exist: 201"),
    ErrorRow(
        "app-secret",
        ErrorCause.APPLICATION,
        ErrorReaction.PAUSE,
        "the app secret does not belong to this token's app",
        f"Check app_secret, {_RESUME}",
        (400, _error(100, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException")),
        codes=(100,),
        words=r"appsecret_proof",
    ),
    ErrorRow(
        "duplicate",
        ErrorCause.POST,
        ErrorReaction.LOOK_ONCE,
        "a post with this text is there already",
        "",
        (400, _error(506, "(#506) Duplicate status message")),
        codes=(506,),
    ),
    ErrorRow(
        "transient",
        ErrorCause.NOBODY,
        ErrorReaction.LOOK,
        "Facebook failed, and the post may exist",
        "",
        (400, _error(1, "An unknown error occurred")),
        codes=(1, 2, 1363047, 1609010),
    ),
    ErrorRow(
        "transient-subcode",
        ErrorCause.NOBODY,
        ErrorReaction.LOOK,
        "Facebook failed, and the post may exist",
        "",
        (400, _error(100, "Please try again later", 1363047)),
        subcodes=(1363047, 1609010),
    ),
    ErrorRow(
        "bad-link",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the link was rejected",
        "",
        (400, _error(100, "(#100) url should represent a valid URL", 2061006)),
        codes=(100,),
        subcodes=(1609005, 1609008, 2061006),
    ),
    ErrorRow(
        "content",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the content was rejected",
        "",
        (400, _error(1500, "The url you supplied is invalid")),
        codes=(100, 197, 324, 1500, 1349125, 1366046, 1366051, 1609005, 1609008, 2061006, 2069019),
    ),
    ErrorRow(
        "content-subcode",
        ErrorCause.POST,
        ErrorReaction.REJECT,
        "the content was rejected",
        "",
        (400, _error(9, "The image could not be uploaded", 1366046)),
        subcodes=(1349125, 1366046, 1366051, 2069019),
    ),
)
"""The rows in order of precedence: the first match wins, but `is_transient` takes precedence over all."""
