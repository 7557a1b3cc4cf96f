"""The error catalogues: what each row says is what becomes of such an answer, on either platform."""

from __future__ import annotations

from typing import Any

import pytest
import test_facebook
import test_twitter

from digestbot.domain.errors import (
    DuplicateText,
    OutcomeUnknown,
    PublishError,
    RateLimited,
    Rejected,
    RepliesRefused,
    Unauthorized,
    Unavailable,
)
from digestbot.domain.model import Message
from digestbot.platforms.error_catalogue import ErrorCause, ErrorReaction, ErrorRow
from digestbot.platforms.facebook.errors import ROWS as FACEBOOK_ROWS
from digestbot.platforms.twitter.errors import ROWS as X_ROWS
from digestbot.sandbox import Sandbox

CLIENTS: dict[str, Any] = {"twitter": test_twitter, "facebook": test_facebook}
ROWS = [("twitter", row) for row in X_ROWS] + [("facebook", row) for row in FACEBOOK_ROWS]
KINDS: dict[ErrorReaction, type[PublishError]] = {
    ErrorReaction.REJECT: Rejected,
    ErrorReaction.NO_REPLIES: RepliesRefused,
    ErrorReaction.PAUSE: Unauthorized,
    ErrorReaction.PAUSE_LATER: Unauthorized,
    ErrorReaction.PAUSE_UNTIL_RESET: Unauthorized,
    ErrorReaction.WAIT: RateLimited,
    ErrorReaction.SOON: Unavailable,
    ErrorReaction.LOOK: OutcomeUnknown,
    ErrorReaction.LOOK_ONCE: DuplicateText,
}


@pytest.mark.parametrize(("platform", "row"), ROWS, ids=lambda one: getattr(one, "name", one))
def test_every_row(sandbox: Sandbox, platform: str, row: ErrorRow) -> None:
    """The sandbox gives the answer, the real tweepy or facebook-sdk carries it, and it comes to what the row says."""
    made = CLIENTS[platform]
    client = made.publisher(sandbox.url)
    parent = made.send(client, "parent").id if row.reply_only else None
    sandbox.faults.add(f"error:{row.name}", platform)
    with pytest.raises(PublishError) as caught:
        client.publish(Message("hello"), reply_to=parent, seconds=5, may_send=lambda: True)
    error = caught.value
    assert type(error) is KINDS[row.reaction]
    if not row.example[1].get("error", {}).get("is_transient"):  # Facebook says that it will pass: whatever the code
        assert error.row == row.name
        assert row.meaning in str(error)
        assert row.remedy in str(error)
    if isinstance(error, Unauthorized):
        assert error.certain is (row.reaction is not ErrorReaction.PAUSE_LATER)
        assert error.application is (row.fault is ErrorCause.APPLICATION)
    timeline = sandbox.world.timelines["twitter"] if platform == "twitter" else sandbox.world.timelines["facebook"]
    assert len(timeline) == (1 if parent else 0)
