"""The proof that a call comes from the application (developers.facebook.com/docs/graph-api/guides/secure-requests)."""

from __future__ import annotations

import hashlib
import hmac


def appsecret_proof(token: str, app_secret: str) -> str:
    """Return the parameter of that name for a call with this token."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
