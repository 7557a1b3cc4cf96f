"""The sandbox's HTTP types: requests with JSON, URL-encoded and multipart bodies, and answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """One call as the handlers see it. ``form`` holds text fields, ``files`` maps names to (type, content)."""

    method: str
    path: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    json: dict[str, object] | None = None


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. A ``body`` of bytes is sent unchanged, anything else as JSON."""

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


def read_body(
    content_type: str, body: bytes
) -> tuple[dict[str, str], dict[str, tuple[str, bytes]], dict[str, object] | None]:
    """Return the body's form fields, files, and JSON object (None if it has none)."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            parsed = json.loads(body)
        except ValueError:
            return {}, {}, None
        return {}, {}, parsed if isinstance(parsed, dict) else None
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)), {}, None
    if kind == "multipart/form-data":
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        form, files = {}, {}
        for part in message.iter_parts():
            name = str(part.get_param("name", "", header="content-disposition"))
            content = part.get_payload(decode=True)
            content = content if isinstance(content, bytes) else b""
            if part.get_filename() is None and name != "media":
                form[name] = content.decode("utf-8", "replace")
            else:
                files[name] = (part.get_content_type(), content)
        return form, files, None
    return {}, {}, None
