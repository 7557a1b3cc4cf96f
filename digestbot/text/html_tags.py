"""Removal of HTML tags and comments from a text, in time proportional to its length for any input."""

from __future__ import annotations

import re

_NAMES = (
    "a|abbr|b|big|blockquote|br|center|cite|code|dd|del|details|div|dl|dt|em|figure|font|h[1-6]|hr|i|img|ins|kbd|li|mark|"
    "ol|p|pre|q|s|samp|section|small|span|strike|strong|sub|summary|sup|table|td|th|tr|tt|u|ul|var"
)
_KNOWN = re.compile(rf"<!--|</?(?:{_NAMES}|script|style)[\s/>]", re.IGNORECASE)
_TAG = re.compile(rf"<(?:(script|style)\b|!--|/?(?:{_NAMES})(?:[\s/][^<>]*)?>)", re.IGNORECASE)
_END = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style")}


def is_tag(text: str) -> bool:
    """Return whether the text begins with a known HTML tag, or with a comment."""
    return bool(_KNOWN.match(text))


def remove_tags(text: str, gap: str = "") -> str:
    """Replace each known HTML tag, each comment, and each script or style sheet including its content, with ``gap``.
    Whatever only looks like a tag stays, as does a comment that never ends."""
    if "<" not in text:
        return text
    pieces, done, at = [], 0, 0
    last_comment = text.rfind("-->")
    while match := _TAG.search(text, at):
        at = match.end()
        if match[1]:
            end = _END[match[1].lower()].search(text, at)
            at = end.end() if end else len(text)
        elif match[0] == "<!--":
            if at > last_comment:
                continue
            at = text.index("-->", at) + len("-->")
        pieces += [text[done : match.start()], gap]
        done = at
    return "".join([*pieces, text[done:]])
