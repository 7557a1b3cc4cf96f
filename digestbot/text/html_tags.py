"""HTML in a text: removal of tags and comments, and scripts, in time proportional to the length for any input."""

from __future__ import annotations

import re

from digestbot.text.symbols import SUBSCRIPT, SUPERSCRIPT

_NAMES = (
    "a|abbr|article|b|big|blockquote|br|center|cite|code|dd|del|details|div|dl|dt|em|figure|figcaption|font|footer|"
    "h[1-6]|header|hr|i|iframe|img|ins|kbd|li|main|mark|ol|p|pre|q|s|samp|section|small|source|span|strike|strong|sub|"
    "summary|sup|table|tbody|td|th|thead|tr|tt|u|ul|var|video"
)
_NAME = re.compile(rf"</?(?:{_NAMES}|script|style)(?=[\s/>])", re.IGNORECASE)
_ATTRIBUTES = re.compile(
    r"(?:\s+[A-Za-z][\w:-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>=]+)|\s+(?:open|hidden|controls|allowfullscreen))*\s*/?>"
)
_TAG = re.compile(rf"<(?:(script|style)\b|!--|/?(?:{_NAMES})(?=[\s/>]))", re.IGNORECASE)
_END = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style")}
_SCRIPT = re.compile(r"<(sup|sub)>([^<>]{1,40})</\1>", re.IGNORECASE)
_BROKEN = re.compile(rf"</?(?:{_NAMES}|[a-z]{{0,2}})(?:\s[^<>]*)?\Z|<!?-{{0,2}}\Z", re.IGNORECASE)
_BROKEN_ATTRIBUTE = re.compile(rf"<(?:{_NAMES})\s+[A-Za-z-]+\s*=[^<>]*\Z", re.IGNORECASE)
LONGEST_TAG = 2000  # characters of a tag


def is_tag(text: str) -> bool:
    """Return whether the text begins with a known HTML tag, or with a comment. "<b we stop, else if b>" is none."""
    if text.startswith("<!--"):
        return True
    name = _NAME.match(text)
    return bool(name and _ATTRIBUTES.match(text, name.end(), name.end() + LONGEST_TAG))


def remove_tags(text: str, gap: str = "") -> str:
    """Replace each known HTML tag, each comment, and each script or style sheet including its content, with ``gap``.
    Whatever only looks like a tag stays, as does a comment that never ends."""
    if "<" not in text:
        return text
    text = _SCRIPT.sub(lambda match: script(match[1], match[2]), text)
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
        elif rest := _ATTRIBUTES.match(text, at, at + LONGEST_TAG):
            at = rest.end()
        else:
            continue
        pieces += [text[done : match.start()], gap]
        done = at
    return "".join([*pieces, text[done:]])


def script(tag: str, content: str) -> str:
    """Return the content of ``<sup>`` or ``<sub>`` in Unicode's own characters where it has them all, else as it is."""
    table = SUPERSCRIPT if tag.lower() == "sup" else SUBSCRIPT
    plain = content.strip().replace("−", "-").replace("–", "-")
    if not plain or not all(char in table for char in plain):
        return content
    return "".join(table[char] for char in plain)


def without_broken_tag(text: str, *, truncated: bool) -> str:
    """Return the text without a tag at its end that was cut off.

    A tag is known by an attribute, or, where the text was ``truncated``, by its name.
    """
    start = text.rfind("<")
    if start < 0 or ">" in text[start:]:
        return text
    ending = text[start:].rstrip(".… ")
    comparison = text[start - 1 : start].isalnum() and ending[1:2].isalpha()  # "n<k"
    broken = _BROKEN_ATTRIBUTE.match(ending) or (truncated and not comparison and _BROKEN.match(ending))
    return text[:start] if broken else text
