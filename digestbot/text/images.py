"""The images in a summary's text."""

from __future__ import annotations

from typing import Any

from digestbot.text.body_repair import repair
from digestbot.text.markdown import MOST_BODY, tag_name


def first_image(body: str) -> tuple[str, str] | None:
    """Return the URL and the alternative text of the first image in a Markdown text; None if there is none."""
    import pyromark

    body = body[:MOST_BODY]
    if "![" not in body and "http" not in body:
        return None
    body = repair(body)
    result: str | None = None
    texts: list[str] = []
    value: Any
    for event in pyromark.events(body):
        if isinstance(event, str):
            continue
        ((what, value),) = event.items()
        if what == "Start" and tag_name(value) == "Image" and result is None:
            result = str(value["Image"].get("dest_url") or "") or None
        elif what == "End" and tag_name(value) == "Image" and result:
            break
        elif result and what == "Text":
            texts.append(str(value))
    return (result, " ".join("".join(texts).split())) if result else None
